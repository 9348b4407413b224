//! What the workflows ask of the outside, as typed interfaces. `lock-activities` implements them.
//!
//! No input or output carries a PIN, a guest's name or a vendor secret: activities look those up themselves.

#![allow(
    missing_docs,
    clippy::unimplemented,
    reason = "the macros add undocumented items, and demand bodies that are never called"
)]

use crate::contract_check::{ContractDone, ContractStart};
use lock_domain::{
    Timestamp,
    ids::*,
    problem::Code,
    stay::{Effect, EndCause, Known, Settled, StayPhase, StayRef, Urgency},
    window::Window,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_macros::activity_definitions;
use temporalio_workflow::common::ActivityError;

/// Effects that are equally urgent, at one vendor, each at another lock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    /// Whose.
    pub id: StayRef,
    /// How urgent.
    pub urgency: Urgency,
    /// What to do.
    pub effects: Vec<Effect>,
    /// The window of the stay, as the PMS said, for what people read.
    pub stay_window: Window,
    /// How far the property's clock is ahead of real time.
    pub clock: lock_domain::clock::ClockOffset,
    /// After so long the round ends, whatever is known by then.
    pub budget: Duration,
    /// Which round of the stay's effects this is: greater than that of every earlier batch.
    #[serde(default)]
    pub round: u64,
    /// W3C trace context of the command that led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What a batch brought to light.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Performed {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// Of each effect, in the batch's order.
    pub known: Vec<Known>,
    /// The latest round that has acted on one of the credentials, if the batch was not it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outrun_by: Option<u64>,
}

/// What the record shall say of a stay from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaySnapshot {
    /// Whose.
    pub id: StayRef,
    /// The property's lock vendor.
    pub vendor: String,
    /// Where it stands.
    pub phase: StayPhase,
    /// Why it is over, if it is.
    pub cause: Option<EndCause>,
    /// Keys are taken away until somebody resumes.
    pub suspended: bool,
    /// What a person should look at.
    pub attention: Option<Code>,
    /// What the PMS said.
    pub window: Window,
    /// The guest's room.
    pub room: RoomId,
    /// Every door that a key opens or shall open, also those that are being left. Rooms without any of them are given up.
    pub doors: Vec<DoorId>,
    /// When something happens next, on the property's clock; `None` when over.
    pub next_deadline: Option<Timestamp>,
    /// Commands that were settled since the last snapshot.
    pub settled: Vec<Settled>,
    /// Commands that are still running.
    pub running: Vec<CommandId>,
    /// Keys that are gone for good since the last snapshot; their PINs go into quarantine.
    pub retired: Vec<KeyId>,
    /// For how long those PINs rest, in seconds.
    pub pin_quarantine_s: u32,
    /// The property's clock at this moment.
    pub at: Timestamp,
}

/// Effects at lock vendors: ordinary activities on the vendor's queue.
pub struct VendorActivities;
pub use vendor_activities::Perform;

#[activity_definitions]
impl VendorActivities {
    /// Performs a batch and says what is known of each effect. It ends with an error only when it should run again.
    #[activity(name = "perform")]
    pub fn perform(batch: Batch) -> Result<Performed, ActivityError> {
        unimplemented!()
    }
}

/// Short database writes: local activities on the workflows' own queue.
pub struct RecordActivities;
pub use record_activities::RecordStay;

#[activity_definitions]
impl RecordActivities {
    /// Writes row, audit leaves and outbox events in one transaction. Safe to run twice.
    #[activity(name = "record_stay")]
    pub fn record_stay(snapshot: StaySnapshot) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// What a survey of a property's devices is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SurveyAsk {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// The workflow's present, real time.
    pub now: Timestamp,
    /// Somebody wants every lock looked at, whatever the hour.
    pub asked: bool,
}

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// The property's lock vendor.
    pub vendor: String,
    /// Devices were looked at; else the vendor is left alone for now.
    pub looked: bool,
    /// Doors whose locks' clocks are to be looked at, those looked at longest ago first.
    pub doors: Vec<DoorId>,
    /// Until when, real time; none for as long as it takes.
    pub until: Option<Timestamp>,
    /// When the next night begins, real time.
    pub night: Timestamp,
}

/// Doors whose locks' clocks are to be looked at, and set where that is needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LockBatch {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// In this order.
    pub doors: Vec<DoorId>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocksLooked {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// Clocks that were read, or told by records.
    pub looked: u32,
    /// Clocks that were set, and are right.
    pub set: u32,
    /// Clocks that are off all the same.
    pub off: u32,
}

/// Looking after devices: ordinary activities, a survey on the workflows' queue, locks on the vendor's.
pub struct DeviceActivities;
pub use device_activities::{LookAtLocks, Survey as SurveyDefinition};

#[activity_definitions]
impl DeviceActivities {
    /// Looks at batteries and at what can be reached, and says whose clocks are to be looked at.
    #[activity(name = "survey")]
    pub fn survey(ask: SurveyAsk) -> Result<Survey, ActivityError> {
        unimplemented!()
    }

    /// Looks at locks' clocks, and sets those that are off.
    #[activity(name = "look_at_locks")]
    pub fn look_at_locks(batch: LockBatch) -> Result<LocksLooked, ActivityError> {
        unimplemented!()
    }
}

/// Trying out a lock vendor: ordinary activities on the workflows' own queue.
pub struct ContractActivities;
pub use contract_activities::CheckContract;

#[activity_definitions]
impl ContractActivities {
    /// Runs the contract suite and settles what came of it. It ends with an error only when it should run again.
    #[activity(name = "check_contract")]
    pub fn check_contract(start: ContractStart) -> Result<ContractDone, ActivityError> {
        unimplemented!()
    }
}

/// What `Drain` asks of the record.
pub struct DrainActivities;
pub use drain_activities::LookAtOutage;

#[activity_definitions]
impl DrainActivities {
    /// Looks who waits for the vendor of an outage, and writes down where they go. Safe to run twice.
    #[activity(name = "look_at_outage")]
    pub fn look_at_outage(start: crate::drain::DrainStart) -> Result<crate::drain::DrainSeen, ActivityError> {
        unimplemented!()
    }
}
