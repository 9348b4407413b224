//! The HTTP API: what a PMS, a front desk's program and an operator's browser talk to.
//!
//! A thin shell: it authenticates, reads strictly, decides by `lock-domain`, writes one transaction, hands the command to the stay's
//! workflow and answers. It must not know lock vendors, nor wait for one beyond what the caller asked for. It fails by RFC 9457
//! problems; a command that was accepted is never lost, whatever dies afterwards.

mod accept;
mod auth;
mod clocks;
mod cursor;
mod dispatcher;
mod docs;
mod drains;
pub mod dto;
pub mod engine;
mod error_pages;
mod extract;
mod failure;
mod gather;
mod hook;
mod html;
mod idempotency;
mod intent;
mod inventories;
mod kinds;
mod layers;
pub mod limits;
mod once;
mod openapi;
pub mod operator;
pub mod pins;
pub mod problem;
mod rotations;
mod router;
mod routes;
pub mod scope;
pub mod seed;
mod serve;
mod settled;
mod state;
mod trace;
mod view;
mod webhooks;
mod words;

pub use openapi::document as openapi_document;
pub use router::build;
pub use serve::serve;
pub use state::{AppState, Config};
