//! The SALTO KS adapter against a server that speaks KS's wire: what the port promises, whatever the wire does.

mod access;
mod faults;
mod keys;
mod stream;
mod strict;
mod support;
