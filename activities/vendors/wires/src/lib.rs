//! Codecs of wires that are not plain HTTP with JSON.
//!
//! Bytes in, values out and back: no socket, no clock, no thread. So they can be fuzzed, and an agent at the property can speak the
//! same wire to a server on its LAN. A codec must not know what a message is for. It fails with an error for whatever it can't read,
//! never panics, and holds no more than its limits say, whatever arrives and in whatever pieces.

pub mod salto_pms;
pub mod salto_ship;
