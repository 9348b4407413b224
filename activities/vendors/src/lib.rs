//! Lock vendors behind one port.
//!
//! [`port::LockVendor`] says what a stay needs from a vendor, in no vendor's words; each adapter speaks one vendor's real wire. An
//! adapter must not know what calls it (no workflow, no database, no tenant rules) nor whether the other end is real or simulated.
//! It fails with a [`error::VendorError`], which says what is known of the effect: it did not happen and may be tried again, it did
//! not happen and trying again is useless, or nobody knows.

mod codes;
mod config;
pub mod dormakaba;
pub mod error;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod http;
mod lanes;
pub mod ledger;
mod login;
pub mod meter;
pub mod port;
pub mod records;
pub mod registry;
pub mod rounding;
mod salto;
pub mod salto_ks;
pub mod salto_pms;
pub mod salto_ship;
pub mod token_cache;
#[cfg(test)]
mod traits_tests;
pub mod ttlock;
mod unpublished;
pub mod visionline;
pub mod vostio;
pub mod watch;
