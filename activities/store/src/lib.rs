//! The record: everything that must outlive a process, in PostgreSQL.
//!
//! [`Store`] is a pool of connections of the role `lock_app_rw`; [`TenantTx`] is a transaction of one tenant and the only type that can
//! query a tenant's tables, so that no query can forget whose rows it means. Row security in the database is the wall behind it.
//!
//! It must not know vendors, HTTP, Temporal or how secrets are sealed: it stores sealed bytes. It fails with a [`StoreError`], which
//! says whether trying the whole transaction again makes sense.

mod accepted;
mod accesses;
mod auth;
mod breakers;
mod claims;
mod clocks;
mod commands;
mod contracts;
mod costs;
mod credentials;
mod deliveries;
mod devices;
mod door_records;
mod drains;
mod error;
mod held;
mod idempotency;
mod inbound;
mod intake;
mod intents;
mod inventories;
mod keys;
mod leaf;
mod log;
mod made_pins;
mod maintenance_tasks;
mod migrate;
mod outages;
mod outbox;
mod outcomes;
mod pins;
mod places;
mod properties;
mod property_vendors;
mod rooms;
mod rotations;
mod row;
mod scram;
mod sealed;
mod settled;
mod standing;
mod stay_list;
mod stays;
mod store;
mod streams;
mod tenant_keys;
mod time;
mod token;
mod tx;
mod vacate;
mod waiting;
mod webhook_endpoints;

pub use accepted::Accepted;
pub use accesses::{AccessOutcome, AccessRow, NewAccess};
pub use auth::{ApiKey, NewApiKey};
pub use breakers::{BreakerRow, ClaimedBreaker, DevicesSeen, HealthSettings, ProbeResult};
pub use commands::{CommandRow, CommandStatus, NewCommand};
pub use contracts::{ContractRun, ContractSettings, ContractTarget, ContractVerdict, NoReport};
pub use costs::CallsAt;
pub use credentials::{Attempt, CredentialRow, EffectAt, EffectTarget};
pub use deliveries::DeliveryRow;
pub use devices::{ClockSeen, Darkness, DeviceAlert, DeviceRef, DeviceRow, DriftSource, Episode, LinkRow, SyncOutcome};
pub use door_records::{DeviceKind, DeviceSeen, DoorRecordRow, Matched};
pub use drains::{AskedStep, DeskRow};
pub use error::StoreError;
pub use held::HeldRow;
pub use idempotency::{Begun, IdempotencyScope};
pub use inbound::DeliverySeen;
pub use intake::{Intake, NewDelivery};
pub use intents::NewIntent;
pub use inventories::{
    InventoryLock, InventoryLockRow, InventoryRow, InventoryScope, InventoryState, LockFilter, LockResult, LockState,
    Progress, RecordedRow, VendorSettings,
};
pub use keys::{KeyRow, NewKeyRow, Reveal};
pub use leaf::{canonical_json, leaf_data};
pub use log::{AuditHead, EventRow};
pub use made_pins::{KeptPin, MadePin};
pub use maintenance_tasks::TaskRow;
pub use migrate::{create_tenant, migrate};
pub use outages::{OutageRow, StepRow, TouchedRow};
pub use outbox::OutboxListener;
pub use outcomes::{Outcome, OutcomeKind, Recorded};
pub use pins::PinReservation;
pub use places::{FullLock, FullLockRow, WaitingRow};
pub use properties::{NewProperty, Property};
pub use property_vendors::PropertyVendor;
pub use rooms::{Door, NewDoor, Room, RoomWithDoors};
pub use rotations::{RotationRow, RotationState};
pub use sealed::{Resealed, SealedColumn, SealedRow};
pub use settled::SettledListener;
pub use standing::Standing;
pub use stay_list::StayFilter;
pub use stays::{NewStay, StayBefore, StayRecord, StayRow};
pub use store::{Store, Tenant};
pub use streams::{ClaimedStream, StreamRow};
pub use tenant_keys::{TenantKeyState, WrappedKey};
pub use time::to_stored;
pub use tx::TenantTx;
pub use webhook_endpoints::{NewWebhookEndpoint, StoredWebhookEndpoint, WebhookEndpoint, WebhookPath};
