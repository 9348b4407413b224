//! What consumers call each event. A name is never given to another meaning: that is another version.

use super::Event;

impl Event {
    /// The event's type for consumers, with its version.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CommandAccepted { .. } => "stay.command_accepted.v1",
            Self::CommandHeld { .. } => "stay.command_held.v1",
            Self::HoldDecided { .. } => "stay.hold_decided.v1",
            Self::StayReinstated { .. } => "stay.reinstated.v1",
            Self::OneShotAsked { .. } => "stay.one_shot_asked.v1",
            Self::CommandSettled { .. } => "stay.command_settled.v1",
            Self::PhaseChanged { .. } => "stay.phase_changed.v1",
            Self::WindowChanged { .. } => "stay.window_changed.v1",
            Self::RoomChanged { .. } => "stay.room_changed.v1",
            Self::CredentialLive { .. } => "credential.live.v1",
            Self::CredentialGone { .. } => "credential.gone.v1",
            Self::EffectPending { .. } => "credential.pending.v1",
            Self::EffectRefused { .. } => "credential.refused.v1",
            Self::PinMade { .. } => "key.pin_made.v1",
            Self::PinShared { .. } => "key.pin_shared.v1",
            Self::PinRevealed { .. } => "key.pin_revealed.v1",
            Self::ClockAdvanced { .. } => "property.clock_advanced.v1",
            Self::VaultRotationBegun { .. } => "vault.rotation_begun.v1",
            Self::VaultRotationFinished { .. } => "vault.rotation_finished.v1",
            Self::VaultAccessAlert { .. } => "vault.access_alert.v1",
            Self::BreakerOpened { .. } => "vendor.breaker_opened.v1",
            Self::BreakerHalfOpen { .. } => "vendor.breaker_half_open.v1",
            Self::BreakerClosed { .. } => "vendor.breaker_closed.v1",
            Self::VendorOutage { .. } => "vendor.outage.v1",
            Self::VendorOutageOver { .. } => "vendor.outage_over.v1",
            Self::LeftToDesk { .. } => "stay.left_to_desk.v1",
            Self::ServedAtDesk { .. } => "stay.served_at_desk.v1",
            Self::BreakerForced { .. } => "vendor.breaker_forced.v1",
            Self::BreakerReleased { .. } => "vendor.breaker_released.v1",
            Self::ContractDrift { .. } => "vendor.contract_drift.v1",
            Self::ContractRestored { .. } => "vendor.contract_restored.v1",
            Self::ContractAccepted { .. } => "vendor.contract_accepted.v1",
            Self::VendorFlagsChanged { .. } => "vendor.flags_changed.v1",
            Self::CredentialUsed { .. } => "credential.used.v1",
            Self::EntryRefused { .. } => "door.entry_refused.v1",
            Self::GatewayChanged { .. } => "device.gateway_changed.v1",
            Self::BatteryLow { .. } => "device.battery_low.v1",
            Self::HealthAlert { .. } => "device.health_alert.v1",
            Self::HealthResolved { .. } => "device.health_resolved.v1",
            Self::MaintenanceTask { open: true, .. } => "device.maintenance_task_opened.v1",
            Self::MaintenanceTask { open: false, .. } => "device.maintenance_task_closed.v1",
            Self::InventoryAsked { .. } => "inventory.asked.v1",
            Self::InventoryFinished { .. } => "inventory.finished.v1",
        }
    }
}
