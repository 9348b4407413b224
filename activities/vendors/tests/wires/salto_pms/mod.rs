//! SALTO Space by the PMS industry standard.

mod cards;
mod faults;
mod support;
mod table;
