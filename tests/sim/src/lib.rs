//! Simulators of the outside world: servers that speak a vendor's real wire and misbehave on request.
//!
//! A simulator must not know who talks to it: it shares no type with the adapters, so that an agreement between the two can
//! only come from the published wire. It fails the way the vendor fails; where the vendor's behaviour is not published, the
//! choice made here is the stricter one and is named in the module that makes it.

mod conn;
mod control;
pub mod fault;
pub mod salto_ks;
pub mod salto_space;
mod serving;
pub mod ttlock;
pub mod visionline;
