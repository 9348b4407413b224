//! What happened, for the tenant's log, the event stream and the stay's timeline: ids and codes, and a sentence for people.
//!
//! An event never carries guest data, a PIN or a vendor secret. Its JSON form is what consumers read: fields are only added, and a
//! change of meaning is a new version of the type (R-LOCK-19).

use crate::{
    command::VerbKind,
    credential::CredentialState,
    device::{AlertKind, TaskReason, drift_words},
    health::{BreakerState, ForceReason, notice, outage_notice},
    ids::*,
    problem::Code,
    stay::*,
    vault::Oddity,
    window::Window,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An event. The tag in JSON is [`Event::name`] without its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A command was accepted; its operation runs.
    CommandAccepted {
        /// What was asked.
        verb: VerbKind,
        /// Its operation.
        operation: CommandId,
        /// Who asked.
        by: ApiKeyId,
    },
    /// A command was taken, and waits for a person, because too many stays of the property were to lose their keys at once.
    CommandHeld {
        /// What was asked.
        verb: VerbKind,
        /// Its operation.
        operation: CommandId,
        /// Who asked.
        by: ApiKeyId,
        /// So many other stays were to lose their keys early in the same while.
        others: u32,
        /// So many may.
        limit: u32,
    },
    /// A person has decided on a command that was held.
    HoldDecided {
        /// What was asked.
        verb: VerbKind,
        /// Its operation.
        operation: CommandId,
        /// It goes to its stay; else it is refused.
        approved: bool,
        /// Who decided.
        by: ApiKeyId,
    },
    /// A reservation whose stay is over has another one.
    StayReinstated {
        /// The stay that is over.
        former: StayId,
    },
    /// Somebody asked for a key that opens a room once.
    OneShotAsked {
        /// The room.
        room: RoomId,
        /// What for.
        purpose: Purpose,
        /// Who asked.
        by: ApiKeyId,
    },
    /// A command has its verdict.
    CommandSettled {
        /// What was asked.
        verb: VerbKind,
        /// Its operation.
        operation: CommandId,
        /// How it ended.
        outcome: Verdict,
    },
    /// The stay is in another phase.
    PhaseChanged {
        /// The new phase.
        phase: StayPhase,
        /// Why it is over, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<EndCause>,
    },
    /// The stay has another window.
    WindowChanged {
        /// The new one.
        window: Window,
    },
    /// The stay has another room.
    RoomChanged {
        /// The new one.
        room: RoomId,
    },
    /// A credential is proven to be in a lock.
    CredentialLive {
        /// The key.
        key: KeyId,
        /// The lock's door.
        door: DoorId,
        /// The window that the lock keeps, after the vendor's rounding.
        window: Window,
        /// It was found in the lock after an answer had got lost, not sent again.
        adopted: bool,
    },
    /// A credential is proven not to be in a lock.
    CredentialGone {
        /// The key.
        key: KeyId,
        /// The lock's door.
        door: DoorId,
        /// Somebody else took it out, or it never got in.
        already: bool,
    },
    /// An effect is not proven; tries go on.
    EffectPending {
        /// The key.
        key: KeyId,
        /// The lock's door.
        door: DoorId,
        /// What the credential is taken for meanwhile.
        state: CredentialState,
        /// Why.
        code: Code,
        /// The door may open until then, if a revoke is pending.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        still_valid_until: Option<Timestamp>,
    },
    /// The vendor refused for good; a person should look.
    EffectRefused {
        /// The key.
        key: KeyId,
        /// The lock's door.
        door: DoorId,
        /// Why.
        code: Code,
    },
    /// The lock vendor has made up a key's PIN; it can be revealed.
    PinMade {
        /// The key.
        key: KeyId,
        /// It had another one before, which opens nothing any more.
        again: bool,
    },
    /// The lock vendor has made up a PIN that another key has, too, at the same door.
    PinShared {
        /// The key that was made.
        key: KeyId,
        /// The other one.
        other: KeyId,
        /// The lock's door.
        door: DoorId,
    },
    /// A PIN was shown to a client.
    PinRevealed {
        /// The key.
        key: KeyId,
        /// To whom.
        by: ApiKeyId,
    },
    /// A sandbox property's clock was moved.
    ClockAdvanced {
        /// Its present afterwards.
        now: Timestamp,
    },
    /// A rotation of the tenant's keys has begun.
    VaultRotationBegun {
        /// Which.
        rotation: RotationId,
        /// Data keys are wrapped anew.
        root_keys: bool,
        /// Data keys are replaced, and what is stored is sealed anew.
        data_keys: bool,
        /// Who asked.
        by: ApiKeyId,
    },
    /// A rotation of the tenant's keys is done.
    VaultRotationFinished {
        /// Which.
        rotation: RotationId,
        /// So many data keys were wrapped anew.
        rewrapped: u32,
        /// So many values were sealed anew.
        resealed: u64,
        /// So many don't open, and are as they were.
        left_behind: u64,
    },
    /// Somebody opened a secret in a way that is out of pattern. Nothing was refused.
    VaultAccessAlert {
        /// Who: `process/NAME`, or an API key's id.
        who: String,
        /// What is odd.
        oddity: Oddity,
        /// What the secret was opened for.
        purpose: String,
        /// Where it stands, `table.column`.
        place: String,
    },
    /// A property does not reach its lock vendor: new keys and changes wait.
    BreakerOpened {
        /// The vendor's name.
        vendor: String,
        /// Since when, real time.
        since: Timestamp,
        /// Why.
        code: Code,
        /// When the next trial is due, real time.
        next_trial: Timestamp,
    },
    /// The vendor answers again; more trials make sure.
    BreakerHalfOpen {
        /// The vendor's name.
        vendor: String,
        /// Since when it was down, real time.
        since: Timestamp,
    },
    /// The vendor works again: what waited is sent.
    BreakerClosed {
        /// The vendor's name.
        vendor: String,
        /// Since when it was down, real time.
        since: Timestamp,
        /// For how long, whole seconds.
        after_s: i64,
    },
    /// A vendor's outage at a property has begun: what its status page says.
    VendorOutage {
        /// Its id; `GET /v1/outages/{id}` lists what it touches.
        outage: OutageId,
        /// The vendor's name.
        vendor: String,
        /// Since when, real time.
        since: Timestamp,
        /// Why; `None` if an operator said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
    },
    /// It is over.
    VendorOutageOver {
        /// Its id.
        outage: OutageId,
        /// The vendor's name.
        vendor: String,
        /// Since when it was, real time.
        since: Timestamp,
        /// For how long, whole seconds.
        after_s: i64,
    },
    /// A vendor's outage leaves a guest to the desk.
    LeftToDesk {
        /// The outage.
        outage: OutageId,
        /// The guest's room.
        room: RoomId,
    },
    /// The desk has let the guest in.
    ServedAtDesk {
        /// The outage.
        outage: OutageId,
        /// Who said so.
        by: ApiKeyId,
    },
    /// An operator has taken a breaker's decision for a while.
    BreakerForced {
        /// The vendor's name.
        vendor: String,
        /// So it counts, whatever probes find.
        state: BreakerState,
        /// Why.
        reason: ForceReason,
        /// Until when, real time.
        until: Timestamp,
        /// Who.
        by: ApiKeyId,
    },
    /// A breaker decides by its probes again.
    BreakerReleased {
        /// The vendor's name.
        vendor: String,
        /// As it stands by its probes.
        state: BreakerState,
        /// Who said so; `None` if the time was over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ApiKeyId>,
    },
    /// A lock vendor does something else than what was accepted of it: an incident is open.
    ContractDrift {
        /// The vendor's name.
        vendor: String,
        /// The incident.
        incident: IncidentId,
        /// How many facts differ.
        differences: u32,
        /// In which checks.
        checks: Vec<String>,
    },
    /// It does again what was accepted of it: the incident is over.
    ContractRestored {
        /// The vendor's name.
        vendor: String,
        /// The incident.
        incident: IncidentId,
    },
    /// What it does now was accepted: the incident is over.
    ContractAccepted {
        /// The vendor's name.
        vendor: String,
        /// The incident.
        incident: IncidentId,
        /// Who accepted it.
        by: ApiKeyId,
    },
    /// A property's lock vendor is spoken to in another way from now on.
    VendorFlagsChanged {
        /// The vendor's name.
        vendor: String,
        /// The flags that have other values.
        flags: Vec<String>,
        /// Who changed them.
        by: ApiKeyId,
    },
    /// A key has opened a door for the first time: the vendor's record of the door says so.
    CredentialUsed {
        /// The key.
        key: KeyId,
        /// The door.
        door: DoorId,
        /// When, by the lock's own clock.
        at_lock: Timestamp,
    },
    /// Somebody tried a door in vain.
    EntryRefused {
        /// The door.
        door: DoorId,
        /// The key that he tried, if the vendor knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<KeyId>,
        /// When, by the lock's own clock.
        at_lock: Timestamp,
    },
    /// A gateway can be reached again, or can't be reached any more.
    GatewayChanged {
        /// The vendor's id of it.
        gateway: String,
        /// Which of the two.
        online: bool,
    },
    /// A lock's battery has become low.
    BatteryLow {
        /// The door.
        door: DoorId,
        /// What is left, in percent.
        percent: u8,
    },
    /// A device needs somebody: told once, when it begins.
    HealthAlert {
        /// What for.
        kind: AlertKind,
        /// The vendor's id of the device.
        device: String,
        /// The door, if it is a lock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door: Option<DoorId>,
        /// How far the lock's clock is ahead, in seconds; negative if it is slow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drift_s: Option<i64>,
        /// What is left of the battery, in percent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
        /// Since when it is out of reach, on the property's clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// What a device needed somebody for is over.
    HealthResolved {
        /// What for.
        kind: AlertKind,
        /// The vendor's id of the device.
        device: String,
        /// The door, if it is a lock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door: Option<DoorId>,
        /// How long it lasted, whole seconds.
        after_s: i64,
    },
    /// A person has to go to a device, or need not any more.
    MaintenanceTask {
        /// The task.
        task: MaintenanceTaskId,
        /// Why.
        reason: TaskReason,
        /// The vendor's id of the device.
        device: String,
        /// The door, if it is a lock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door: Option<DoorId>,
        /// It is to be done; else it is closed.
        open: bool,
        /// Who closed it; nobody if a reading was good again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ApiKeyId>,
    },
}

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
        }
    }

    /// What happened and why, in words. `door` gives a door's name.
    pub fn sentence(&self, door: impl Fn(DoorId) -> String) -> String {
        match self {
            Self::CommandAccepted { verb, .. } => format!("Accepted: {}.", words(*verb)),
            Self::CommandHeld { verb, others, limit, .. } => format!(
                "Held for approval: {}. {others} other stays were to lose their keys early in the same while, and the property lets \
                 {limit} pass. Every key works as before until somebody approves or rejects it.",
                words(*verb)
            ),
            Self::HoldDecided { verb, approved: true, .. } => format!("Approved: {}.", words(*verb)),
            Self::HoldDecided { verb, approved: false, .. } => format!("Rejected: {}.", words(*verb)),
            Self::StayReinstated { former } => {
                format!(
                    "Reinstated: the reservation's stay {former} is over, and this is a new one, with keys of its own."
                )
            }
            Self::OneShotAsked { purpose, .. } => {
                format!("A key that opens the room once: {}.", purpose.name().replace('_', " "))
            }
            Self::CommandSettled { verb, outcome: Verdict::Done, .. } => format!("Done: {}.", words(*verb)),
            Self::CommandSettled { verb, outcome: Verdict::Overtaken, .. } => {
                format!("No longer needed, a later request overtook it: {}.", words(*verb))
            }
            Self::CommandSettled { verb, outcome: Verdict::Failed(code), .. } => {
                format!(
                    "Not possible, and everything is as before: {}. {}. {}",
                    words(*verb),
                    code.title(),
                    code.remedy()
                )
            }
            Self::PhaseChanged { phase, cause } => phase_words(*phase, *cause).to_owned(),
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
            Self::VaultRotationBegun { root_keys, data_keys, .. } => format!(
                "A rotation of keys has begun: {}.",
                match (root_keys, data_keys) {
                    (true, true) => "new data keys, under the root key of today",
                    (true, false) => "data keys go under the root key of today",
                    _ => "new data keys",
                }
            ),
            Self::VaultRotationFinished { rewrapped, resealed, left_behind: 0, .. } => {
                format!(
                    "The rotation of keys is done: {rewrapped} data keys wrapped anew, {resealed} values sealed anew."
                )
            }
            Self::VaultRotationFinished { rewrapped, resealed, left_behind, .. } => format!(
                "The rotation of keys is done: {rewrapped} data keys wrapped anew, {resealed} values sealed anew. {left_behind} don't open \
                 and are as they were: look at them."
            ),
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
                let of = d.map_or_else(|| format!("device {device}"), |d| format!("the lock of {}", door(d)));
                let what = match (kind, drift_s, percent, since) {
                    (AlertKind::ClockDrift, Some(s), ..) => {
                        format!("The clock of {of} is {}.", drift_words(jiff::SignedDuration::from_secs(*s)))
                    }
                    (AlertKind::ClockDrift, None, ..) => format!("The clock of {of} is off."),
                    (AlertKind::BatteryLow, _, Some(percent), _) => {
                        format!("The battery of {of} is low: {percent} % are left.")
                    }
                    (AlertKind::BatteryLow, ..) => format!("The battery of {of} is low."),
                    (_, _, _, Some(since)) => format!("Since {since}, nothing reaches {of}."),
                    (_, _, _, None) => format!("Nothing reaches {of}."),
                };
                format!("{what} {}", kind.meaning())
            }
            Self::HealthResolved { kind, device, door: d, after_s } => {
                let of = d.map_or_else(|| format!("device {device}"), |d| format!("the lock of {}", door(d)));
                let well = match kind {
                    AlertKind::ClockDrift => "the clock is right again",
                    AlertKind::BatteryLow => "the battery is good again",
                    AlertKind::Offline | AlertKind::GatewayOffline => "it can be reached again",
                };
                format!("All is well with {of}: {well}, after {} min.", (after_s + 59) / 60)
            }
            Self::MaintenanceTask { reason, device, door: d, open, by, .. } => {
                let at = d.map_or_else(|| format!("device {device}"), |d| format!("the lock of {}", door(d)));
                match (open, by) {
                    (true, _) => format!("Somebody has to go to {at}. {} {}", reason.why(), reason.next_action()),
                    (false, Some(_)) => format!("Done, somebody says, at {at}."),
                    (false, None) => format!("Nobody has to go to {at} any more: a reading was good again."),
                }
            }
        }
    }
}

fn words(verb: VerbKind) -> &'static str {
    match verb {
        VerbKind::New => "make keys for a new stay",
        VerbKind::Duplicate => "make another key",
        VerbKind::Reissue => "replace a key",
        VerbKind::ModifyStay => "change the stay's dates",
        VerbKind::RoomMove => "move to another room",
        VerbKind::Suspend => "suspend the keys",
        VerbKind::Resume => "give the keys back",
        VerbKind::Remove => "take a key away",
        VerbKind::CheckOut => "check out",
        VerbKind::Cancel => "cancel the stay",
        VerbKind::Read => "read the locks back",
        VerbKind::Divert => "make the keys at another vendor's doors of the room",
        VerbKind::Used => "end a key that has opened its room",
    }
}

fn phase_words(phase: StayPhase, cause: Option<EndCause>) -> &'static str {
    match (phase, cause) {
        (StayPhase::Planned, _) => "Planned: keys go into the locks shortly before arrival.",
        (StayPhase::Issuing, _) => "Keys are being put into the locks.",
        (StayPhase::Active, _) => "Every key of the stay is proven to be in every lock.",
        (StayPhase::Moving, _) => "Moving: the old room opens until the new one is proven.",
        (StayPhase::Suspended, _) => "Suspended: no key opens until somebody resumes.",
        (StayPhase::Ending, Some(EndCause::CheckedOut)) => "Checked out; keys are being taken out of the locks.",
        (StayPhase::Ending, Some(EndCause::Expired)) => {
            "The stay has run out without a check-out; keys are being taken out."
        }
        (StayPhase::Ending, Some(EndCause::Revoked)) => "Taken back; the one-shot key is being taken out of the lock.",
        (StayPhase::Ending, Some(EndCause::Used)) => {
            "Used; what is left of the one-shot key is being taken out of the lock."
        }
        (StayPhase::Ending, _) => "Cancelled; keys are being taken out of the locks.",
        (StayPhase::Ended, Some(EndCause::CheckedOut)) => "Over: checked out, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::Cancelled)) => "Over: cancelled before arrival, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::NoShow)) => "Over: the guest never came, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::Revoked)) => "Over: the one-shot key was taken back, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::Used)) => "Over: the one-shot key was used, and no lock opens.",
        (StayPhase::Ended, _) => "Over: the window has ended, and no lock opens.",
    }
}

fn lower(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
