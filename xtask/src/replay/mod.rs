//! A real booking file as a hotel's days: read it, derive what it leaves out, play it, reconcile.
//!
//! [`bookings`], [`schedule`] and [`reconcile`] are pure; [`play`] talks to the API and to the simulator. Nothing here must know how
//! the service keeps anything. It fails with the line and column of a file that can't be read, or with what the API answered.

pub mod bookings;
pub mod play;
pub mod progress;
pub mod reconcile;
pub mod rooms;
pub mod schedule;
mod seeded;
mod stage;
