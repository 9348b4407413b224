//! Webhooks that come in: raw body, path, signature, and only then what it says; stored sealed, once, and processed by the worker.
//!
//! It must not know vendors' APIs: what a webhook says is turned into a [`lock_domain::webhook::Meaning`], and the worker asks the vendor what
//! is true. Nothing of a body goes into a log or an answer.

pub(crate) mod form;
pub(crate) mod inbox;
pub(crate) mod read;
pub(crate) mod room;
pub(crate) mod secrets;
pub(crate) mod signature;
