//! Development tooling of the workspace: the local stack, and the laws that the repository keeps.
//!
//! The binary (`cargo xtask …`) and the integration tests share this library. It starts and supervises other programs; it
//! knows nothing of stays, keys or vendors. It fails with `anyhow` errors that say what to do next.

pub mod laws;
pub mod project;
pub mod stack;
