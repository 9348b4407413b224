//! Each adapter against a server that speaks its vendor's wire: what the port promises, whatever the wire does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod salto_ks;
mod salto_pms;
mod salto_ship;
mod unpublished;
mod visionline;
