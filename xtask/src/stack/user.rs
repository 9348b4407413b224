//! The unprivileged user that PostgreSQL runs as when this process is root, and the folders that such a user can reach.
//!
//! PostgreSQL refuses to run as root, and looks its user up by name, so it must be an existing one. Must not know of
//! PostgreSQL's files. Fails when no such user exists.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Whether this process is root.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `None` when this process isn't root and its own user does; otherwise `postgres` or `nobody`.
pub(super) fn unprivileged() -> Result<Option<User>> {
    if !is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    ["postgres", "nobody"].iter().find_map(|name| lookup(&passwd, name)).map(Some).context(
        "PostgreSQL doesn't run as root, and there is neither a user `postgres` nor `nobody`: \
         add one, run as an ordinary user, or set DATABASE_URL",
    )
}

fn lookup(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then(|| User { name: name.to_owned(), uid, gid })
    })
}

/// Whether `user` may walk into the existing folder `dir`. Asked of the kernel, because ACLs and mounts decide too.
pub(super) fn can_enter(user: &User, dir: &Path) -> bool {
    Command::new("test")
        .arg("-x")
        .arg(dir)
        .uid(user.uid)
        .gid(user.gid)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A folder that `user` can walk into: `wanted`, or, when some parent of it is closed to him, one under `/var/tmp` named by a
/// hash of `wanted`, so that each checkout finds its own again.
pub(super) fn reachable_dir(user: Option<&User>, wanted: &Path) -> Result<PathBuf> {
    create_open_dir(wanted)?;
    let Some(user) = user else { return Ok(wanted.to_path_buf()) };
    if can_enter(user, wanted) {
        return Ok(wanted.to_path_buf());
    }
    let fallback = fallback_dir(wanted);
    create_open_dir(&fallback)?;
    let metadata = std::fs::symlink_metadata(&fallback)?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        bail!("{} belongs to somebody else: remove it", fallback.display());
    }
    if !can_enter(user, &fallback) {
        bail!("user {} can enter neither {} nor {}", user.name, wanted.display(), fallback.display());
    }
    Ok(fallback)
}

/// Where [`reachable_dir`] goes when `wanted` is closed.
pub(super) fn fallback_dir(wanted: &Path) -> PathBuf {
    let key = hex::encode(&Sha256::digest(wanted.as_os_str().as_encoded_bytes())[..8]);
    Path::new("/var/tmp").join(format!("lock-stack-{key}"))
}

/// Creates a folder, and its missing parents, that others may walk through but not list, whatever the umask says.
pub(super) fn create_open_dir(dir: &Path) -> Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        let created = match std::fs::create_dir(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        };
        created
            .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711)))
            .with_context(|| format!("cannot create {}", dir.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn never_picks_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:0:0::/:/bin/sh\nnobody:x:65534:65533:n:/:/x\n";
        assert_eq!(lookup(passwd, "postgres"), None);
        assert_eq!(lookup(passwd, "nobody"), Some(User { name: "nobody".into(), uid: 65534, gid: 65533 }));
    }

    #[test]
    fn a_closed_parent_leads_to_the_fallback_and_an_open_one_does_not() {
        let Ok(Some(user)) = unprivileged() else { return };
        let top = std::env::temp_dir().join(format!("xtask-user-{}", uuid::Uuid::new_v4()));
        create_open_dir(&top).unwrap();
        let wanted = top.join("closed").join("stack");
        assert_eq!(reachable_dir(Some(&user), &top.join("open")).unwrap(), top.join("open"));
        create_open_dir(&wanted).unwrap();
        std::fs::set_permissions(top.join("closed"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let fallback = reachable_dir(Some(&user), &wanted).unwrap();
        assert!(fallback.starts_with("/var/tmp"));
        assert_eq!(reachable_dir(Some(&user), &wanted).unwrap(), fallback);
        std::fs::remove_dir_all(fallback).unwrap();
        std::fs::remove_dir_all(top).unwrap();
    }
}
