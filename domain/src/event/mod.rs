//! What happened, for the tenant's log, the event stream and the stay's timeline: ids and codes, and a sentence for people.
//!
//! An event never carries guest data, a PIN or a vendor secret. Its JSON form is what consumers read: fields are only added, and a
//! change of meaning is a new version of the type (R-LOCK-19).

use crate::{
    command::VerbKind,
    credential::CredentialState,
    device::{AlertKind, TaskReason},
    health::{BreakerState, ForceReason},
    ids::*,
    inventory::Tally,
    problem::Code,
    stay::*,
    vault::Oddity,
    window::Window,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod name;
mod sentence;

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
        /// Since when it is out of reach; of an alarm its time; of a link that keeps breaking the first break that counts. On the property's clock.
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
    /// Somebody wants to know what stands at a property's locks, ours and others'.
    InventoryAsked {
        /// Which.
        inventory: InventoryId,
        /// So many locks are to be read.
        locks: u32,
        /// Who asked.
        by: ApiKeyId,
    },
    /// An inventory is over: what it found.
    InventoryFinished {
        /// Which.
        inventory: InventoryId,
        /// Somebody ended it before every lock was read.
        #[serde(default)]
        cancelled: bool,
        /// So many locks were read.
        read: u32,
        /// So many were not, each with its reason in the inventory.
        not_read: u32,
        /// So many credentials of each verdict.
        found: Tally,
    },
}
