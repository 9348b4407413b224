//! What an event says to people: at the desk, on the stay's timeline, in the log.

mod device;
mod inventory;
mod stay;
mod vault;

use super::Event;
use crate::{
    health::{BreakerState, notice, outage_notice},
    ids::DoorId,
    problem::Code,
    stay::Verdict,
};

impl Event {
    /// What happened and why, in words. `door` gives a door's name.
    pub fn sentence(&self, door: impl Fn(DoorId) -> String) -> String {
        match self {
            Self::CommandAccepted { verb, .. } => format!("Accepted: {}.", stay::asked(*verb)),
            Self::CommandHeld { verb, others, limit, .. } => format!(
                "Held for approval: {}. {others} other stays were to lose their keys early in the same while, and the property lets \
                 {limit} pass. Every key works as before until somebody approves or rejects it.",
                stay::asked(*verb)
            ),
            Self::HoldDecided { verb, approved: true, .. } => format!("Approved: {}.", stay::asked(*verb)),
            Self::HoldDecided { verb, approved: false, .. } => format!("Rejected: {}.", stay::asked(*verb)),
            Self::StayReinstated { former } => {
                format!(
                    "Reinstated: the reservation's stay {former} is over, and this is a new one, with keys of its own."
                )
            }
            Self::OneShotAsked { purpose, .. } => {
                format!("A key that opens the room once: {}.", purpose.name().replace('_', " "))
            }
            Self::CommandSettled { verb, outcome: Verdict::Done, .. } => format!("Done: {}.", stay::asked(*verb)),
            Self::CommandSettled { verb, outcome: Verdict::Overtaken, .. } => {
                format!("No longer needed, a later request overtook it: {}.", stay::asked(*verb))
            }
            Self::CommandSettled { verb, outcome: Verdict::Failed(code), .. } => {
                format!(
                    "Not possible, and everything is as before: {}. {}. {}",
                    stay::asked(*verb),
                    code.title(),
                    code.remedy()
                )
            }
            Self::PhaseChanged { phase, cause } => stay::entered(*phase, *cause).to_owned(),
            Self::WindowChanged { window } => format!("The stay now runs from {} until {}.", window.from, window.until),
            Self::RoomChanged { .. } => "The guest has another room.".to_owned(),
            Self::CredentialLive { door: d, window, adopted: false, .. } => {
                format!("The key opens {} from {} until {}.", door(*d), window.from, window.until)
            }
            Self::CredentialLive { door: d, window, adopted: true, .. } => format!(
                "The vendor's answer had got lost; the key was found in the lock of {} and kept, valid from {} until {}.",
                door(*d),
                window.from,
                window.until
            ),
            Self::CredentialGone { door: d, already: false, .. } => format!("The key no longer opens {}.", door(*d)),
            Self::CredentialGone { door: d, already: true, .. } => {
                format!("The key was not in the lock of {} any more; it does not open.", door(*d))
            }
            Self::EffectPending { door: d, code, still_valid_until: Some(until), .. } => format!(
                "The key could not be taken out of {} yet: {}. It is still valid until {until}. We go on trying.",
                door(*d),
                lower(code.title())
            ),
            Self::EffectPending { door: d, code, still_valid_until: None, .. } => {
                format!("Not yet proven at {}: {}. {}", door(*d), lower(code.title()), code.remedy())
            }
            Self::EffectRefused { door: d, code, .. } => {
                format!("Refused at {}: {}. {}", door(*d), lower(code.title()), code.remedy())
            }
            Self::PinMade { again: false, .. } => "The lock vendor has made up the PIN; it can be revealed.".to_owned(),
            Self::PinMade { again: true, .. } => {
                "The lock vendor has made up another PIN; tell the guest, the earlier one opens nothing any more."
                    .to_owned()
            }
            Self::PinShared { door: d, .. } => format!(
                "Look at this: the lock vendor has made up a PIN for {} that another key has there, too. `reissue` gives one of them another.",
                door(*d)
            ),
            Self::PinRevealed { .. } => "The PIN was shown, once.".to_owned(),
            Self::ClockAdvanced { now } => format!("The property's test clock was moved to {now}."),
            Self::VaultRotationBegun { root_keys, data_keys, .. } => vault::begun(*root_keys, *data_keys),
            Self::VaultRotationFinished { rewrapped, resealed, left_behind, .. } => {
                vault::finished(*rewrapped, *resealed, *left_behind)
            }
            Self::VaultAccessAlert { who, oddity, purpose, place } => {
                format!("Look at this: {who}, {}, opened {place} for {purpose}.", oddity.words())
            }
            Self::BreakerOpened { vendor, since, code, .. } => notice(vendor, BreakerState::Open, *since, Some(*code)),
            Self::BreakerHalfOpen { vendor, since } => notice(vendor, BreakerState::HalfOpen, *since, None),
            Self::BreakerClosed { vendor, after_s, .. } => format!(
                "{vendor} works again, after {} min. Keys that waited are sent now, one after another; the desk needs to repeat nothing.",
                (after_s + 59) / 60
            ),
            Self::VendorOutage { vendor, since, code, .. } => outage_notice(vendor, *since, *code, None),
            Self::VendorOutageOver { vendor, since, after_s, .. } => {
                let over = since.saturating_add(jiff::SignedDuration::from_secs(*after_s)).unwrap_or(*since);
                outage_notice(vendor, *since, None, Some(over))
            }
            Self::LeftToDesk { .. } => format!("{}. {}", Code::DeskIssue.title(), Code::DeskIssue.remedy()),
            Self::ServedAtDesk { .. } => {
                "The desk has let the guest in. The stay's own key goes on by itself.".to_owned()
            }
            Self::BreakerForced { vendor, state, reason, until, .. } => format!(
                "An operator has set the breaker of {vendor} to {} until {until}: {}.",
                state.name().replace('_', "-"),
                reason.name().replace('_', " ")
            ),
            Self::BreakerReleased { vendor, state, .. } => {
                format!(
                    "The breaker of {vendor} decides by its probes again; it is {}.",
                    state.name().replace('_', "-")
                )
            }
            Self::ContractDrift { vendor, differences, checks, .. } => format!(
                "{vendor} does not do what it did: {differences} facts differ ({}). The incident says which. Guests' keys are not touched; look \
                 whether the adapter still fits, then accept it.",
                checks.join(", ")
            ),
            Self::ContractRestored { vendor, .. } => format!("{vendor} does again what was accepted of it."),
            Self::ContractAccepted { vendor, .. } => format!("What {vendor} does now is what is expected of it."),
            Self::VendorFlagsChanged { vendor, flags, .. } => {
                format!("{vendor} is spoken to in another way from now on: {} changed.", flags.join(", "))
            }
            Self::CredentialUsed { door: d, at_lock, .. } => {
                format!("The key opened {} for the first time, at {at_lock} by the lock's clock.", door(*d))
            }
            Self::EntryRefused { door: d, key: Some(_), at_lock } => {
                format!("The key was tried at {} and did not open, at {at_lock} by the lock's clock.", door(*d))
            }
            Self::EntryRefused { door: d, key: None, at_lock } => {
                format!("Somebody tried {} in vain, at {at_lock} by the lock's clock.", door(*d))
            }
            Self::GatewayChanged { gateway, online: true } => format!("The gateway {gateway} can be reached again."),
            Self::GatewayChanged { gateway, online: false } => {
                format!("The gateway {gateway} can't be reached any more.")
            }
            Self::BatteryLow { door: d, percent } => {
                format!("The battery of the lock of {} is low: {percent} % are left.", door(*d))
            }
            Self::HealthAlert { kind, device, door: d, drift_s, percent, since } => {
                device::alert(*kind, &device::place(device, d.map(door)), *drift_s, *percent, *since)
            }
            Self::HealthResolved { kind, device, door: d, after_s } => {
                device::resolved(*kind, &device::place(device, d.map(door)), *after_s)
            }
            Self::MaintenanceTask { reason, device, door: d, open, by, .. } => {
                device::task(*reason, &device::place(device, d.map(door)), *open, by.is_some())
            }
            Self::InventoryAsked { locks, .. } => format!("An inventory was asked for: what stands at {locks} locks."),
            Self::InventoryFinished { cancelled, read, not_read, found, .. } => {
                inventory::finished(*cancelled, *read, *not_read, found)
            }
        }
    }
}

fn lower(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
