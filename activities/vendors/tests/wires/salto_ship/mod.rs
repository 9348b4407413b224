//! SALTO Space by SHIP, over STP and over HTTP.

mod access;
mod faults;
mod keys;
pub(crate) mod support;
mod table;
