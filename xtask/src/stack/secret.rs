//! Passwords of the local stack: made once per installation, kept in a file that only its owner reads.
//!
//! Must not know what they open. Fails when the file can't be read or written.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};

/// A password that doesn't show in `Debug` output.
#[derive(Clone)]
pub(super) struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(redacted)")
    }
}

impl Password {
    /// Reads the password kept at `path`, or makes one of 192 random bits and keeps it there (mode 0600).
    pub(super) fn load_or_create(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => return Ok(Self(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
        let password = hex::encode(rand::random::<[u8; 24]>());
        write_private(path, password.as_bytes())?;
        Ok(Self(password))
    }

    /// The plain text, for a connection URL or an initial password file.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// Writes a file readable by its owner only, replacing it atomically.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn is_kept_private_and_stable() {
        let dir = std::env::temp_dir().join(format!("xtask-secret-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("password");
        let first = Password::load_or_create(&path).unwrap();
        let second = Password::load_or_create(&path).unwrap();
        assert_eq!(first.expose(), second.expose());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{first:?}").contains(first.expose()));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
