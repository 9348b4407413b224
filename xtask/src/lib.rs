//! Development tooling of the workspace: the local stack, and the laws that the repository keeps.
//!
//! The binary (`cargo xtask …`) and the integration tests share this library. It starts and supervises other programs; it
//! knows nothing of stays, keys or vendors, except where it plays a PMS from outside ([`story`], [`replay`], [`bench`]).
//! It fails with `anyhow` errors that say what to do next.

pub mod bench;
pub mod laws;
pub mod project;
pub mod replay;
pub mod sandbox;
pub mod stack;
pub mod story;
