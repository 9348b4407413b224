//! SALTO Space, SHIP: XML calls and replies, framed by STP on raw TCP or carried as HTTP bodies.

pub mod codec;
pub mod stp;
pub mod xml;
