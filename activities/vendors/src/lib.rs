//! Lock vendors behind one port.
//!
//! [`port::LockVendor`] says what a stay needs from a vendor, in no vendor's words; each adapter speaks one vendor's real wire. An
//! adapter must not know what calls it (no workflow, no database, no tenant rules) nor whether the other end is real or simulated.
//! It fails with a [`error::VendorError`], which says what is known of the effect: it did not happen and may be tried again, it did
//! not happen and trying again is useless, or nobody knows.

pub mod error;
mod http;
mod lanes;
pub mod meter;
pub mod port;
pub mod records;
pub mod registry;
pub mod rounding;
pub mod token_cache;
pub mod ttlock;
