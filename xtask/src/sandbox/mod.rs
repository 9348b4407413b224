//! A sandbox property seen from outside, as a PMS and as somebody who stands at its doors: [`Api`] and [`Sim`].
//!
//! Used by `demo`, `replay-day` and `bench`. It speaks HTTP only and must not know the database, Temporal or our crates' types, so
//! that what it shows holds for any client. It fails with what was asked and what was answered; PINs and API keys are never printed.

mod api;
mod own_stack;
mod sim;
mod views;

pub use api::{Answer, Api, Call};
pub(crate) use own_stack::http_client;
pub use own_stack::{OwnStack, Profile};
pub use sim::{Order, Sim, door_of};
pub use views::{Credential, JournalEntry, Key, Lock, SimCredential, Stay, StayLine, Tried, Window};
