//! A SALTO Space server with its doors, users, rooms, encoders and the cards that lie around.
//!
//! One world, three wires: SHIP over raw TCP (STP), SHIP over HTTP, and the PMS "industry standard" over TCP. What is modelled is data on
//! cards: a door judges by what stands on the card and by what its own memory holds; the server's news reaches an offline door only on
//! a card that was written later. A deletion, a check-out or a new window is therefore true at the server at once and at the door
//! some time, or never.
//!
//! Where the vendor's behaviour is not published the stricter choice was made: STP lengths must be exact, unknown fields in a user are
//! refused, a list goes on *behind* the id that it is asked from, the PMS port serves one client at a time. `Policy` changes them.
//!
//! Not modelled: zones, groups, calendars, revalidation, lockers, the event stream, hotel check-in over SHIP (its names are not public).

mod control;
mod doors;
mod encoder;
mod fault;
mod http;
mod journal;
mod pms;
mod pms_frame;
mod pms_server;
mod server;
mod ship;
mod ship_users;
mod ship_wire;
mod sim;
mod stp_server;
mod world;
mod xml;

pub use doors::Verdict;
pub use fault::{Fault, FaultKind, FaultOrder};
pub use journal::{Effect, JournalEntry, Stats};
pub use server::{SpaceAddrs, SpaceHandle, SpaceServer};
pub use sim::{CardState, DoorState, SpaceSim};
pub use world::{DEFAULT_PASSWORD, DEFAULT_SHIP_KEY, DEFAULT_USERNAME, Human, Policy};
