//! A SALTO KS cloud (Connect API v1.1 and v1.2, identity server, event stream) with one site, its locks and their keypads.
//!
//! What is modelled: the wire with its two list forms and its codes as numbers or texts, OAuth2, users with two ids, seats that run out
//! silently (201 and `suspended`), parts of the cloud that learn of a new user late (403 `2203`, 404 `2202`), PINs that the vendor makes
//! up and that each `PUT` replaces, access groups that open nothing without a schedule, a log of entries and the SignalR stream of the
//! same rows. One value holds what the cloud knows; a door asks it, and sees a change after the propagation time.
//!
//! Where nothing was published the choice is the stricter one: unknown members of a body are `1101`; joining a group twice is `1101`; a
//! refresh token is good once; client credentials are taken by HTTP Basic only. Paths that nobody has seen in use but that the adapter
//! needs exist in their natural form, and `GET users/{id}/access_groups` can be switched off. All other paths answer 404.
//!
//! Beside the vendor's paths the same server answers `/sim/...` (JSON); identity, API and stream share one address.

mod auth;
mod control;
mod dispatch;
mod door;
mod fault;
mod groups;
mod hub;
mod routes;
mod seed;
mod server;
mod sim;
mod site;
mod users;
mod views;
mod world;

pub use fault::{Fault, FaultKind, FaultOrder};
pub use seed::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD, DEFAULT_USERNAME, SeedSpec, Seeded, SeededLock,
};
pub use server::{SimError, SimHandle, SimServer};
pub use sim::SaltoKsSim;
pub use views::{
    Effect, EventForm, GroupState, JournalEntry, PolicyPatch, Stats, TokenExpiry, TryOutcome, TryReason, UserState,
};
