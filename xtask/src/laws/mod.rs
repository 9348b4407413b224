//! The laws that the repository keeps and that no compiler checks: who may depend on whom, and how long a file may be.
//!
//! Pure functions over what cargo and the file system tell. Each violation says what to do.

mod dependencies;
mod sizes;

pub use dependencies::{Crate, DependencyKind, check_dependencies, workspace_crates};
pub use sizes::{FileSizes, LONGEST_FILE, measure};
