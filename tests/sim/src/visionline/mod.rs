//! A Visionline server in a hotel, with its doors, encoders and cards.
//!
//! What is modelled: HTTPS with a certificate that the server signed itself; sessions and the signature over the exact bytes; the
//! server's list of cards *and* what the locks know of them. The two differ as in life: a lock is offline and learns of a new guest
//! only when the new guest's card is first used, so an old card goes on opening until then, also after a check-out. A joiner leaves
//! the others alone. An encoder waits for a person to lay a card on it.
//!
//! Not published, and chosen here: a session that is not used for ten minutes ends; `Date` may be five minutes off, also on the
//! unsigned call; `code` is the result code of the vendor's older protocol for what happens at an encoder, and a number from 1000 on
//! else; a check-out is `POST /doors/{door}`; `GET /encoders` exists; cards in the list have the flags that integrators show; a check-out
//! ends a card at an online door at once.
//!
//! Beside it, on another port and without TLS, the control paths `/sim/...`: they belong to the test, not to the vendor.

mod auth;
mod calls;
mod cards;
mod control;
mod dispatch;
mod encoder;
mod fault;
mod server;
mod sim;
mod tls;
mod views;
mod world;

pub use fault::{Fault, FaultKind, FaultOrder};
pub use server::{SimHandle, SimServer};
pub use sim::VisionlineSim;
pub use views::{
    CardState, DoorPatch, DoorState, Effect, EncoderPatch, EncoderState, Fingerprints, JournalEntry, Placed,
    PolicyPatch, ShownCertificate, Stats, TryOutcome, TryReason,
};
pub use world::{DEFAULT_PASSWORD, DEFAULT_USERNAME, TIME_ZONE};
