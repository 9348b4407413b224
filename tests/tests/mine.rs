#![allow(missing_docs, dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "../it/budget.rs"]
mod budget;
#[path = "../it/harness/mod.rs"]
mod harness;
#[path = "../it/replay.rs"]
mod replay;
#[path = "../it/skipping.rs"]
mod skipping;
