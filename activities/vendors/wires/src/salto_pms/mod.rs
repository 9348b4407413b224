//! SALTO Space, the PMS "industry standard": framed fields with a check byte, and a dialogue of single control bytes around them.

pub mod command;
pub mod dialogue;
pub mod frame;
pub mod reply;
