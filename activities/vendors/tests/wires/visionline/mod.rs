//! Visionline: sessions, signatures, the pinned certificate, cards and keys in telephones.

mod access;
mod cards;
mod faults;
mod support;
