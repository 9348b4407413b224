//! The laws that the repository keeps and that no compiler checks: who may depend on whom, how long a file may be,
//! and that no file holds a secret.
//!
//! Pure functions over what cargo and the file system tell. Each violation says what to do.

mod dependencies;
mod secrets;
mod sizes;

pub use dependencies::{Crate, DependencyKind, check_dependencies, workspace_crates};
pub use secrets::{FoundSecret, SecretKind, scan_secrets};
pub use sizes::{FileSizes, LONGEST_FILE, measure};
