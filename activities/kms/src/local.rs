//! A key-management service in a file, for development and for an installation on one machine.
//!
//! One root key per installation lies in a folder that only its owner may enter. Whoever has the file has every secret; a backup of
//! the database without it is worth nothing, and so is the database if it is lost. Two processes that start at once agree on one key.

use crate::{
    aead::{Key, random, tuple},
    port::{Kms, KmsError, Owner},
};
use async_trait::async_trait;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};
use zeroize::Zeroizing;

const FILE: &str = "root.key";

/// Why the root key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LocalKmsError {
    /// The folder or the file can't be made or read.
    #[error("the root key can't be read or made")]
    Io(#[from] io::Error),
    /// Group or others have rights on the file or its folder.
    #[error("the root key or its folder is open to others; set the modes 0600 and 0700")]
    Mode,
    /// The file has another length than 32 bytes.
    #[error("the root key is damaged: restore it from a backup, it can't be made again")]
    Damaged,
}

/// See the module's description.
pub struct LocalFileKms(Key);

impl LocalFileKms {
    /// Opens the root key in a folder, and makes both on the first start; a folder that exists and is empty is closed to others then.
    /// Blocks on the file system.
    pub fn open(folder: &Path) -> Result<Self, LocalKmsError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(FILE);
        if !path.try_exists()? {
            // An empty folder can only have been made for this; any other may be somebody else's as well.
            if fs::read_dir(folder)?.next().is_none() {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            }
            closed_to_others(folder)?;
            create(folder, &path)?;
        }
        closed_to_others(folder)?;
        closed_to_others(&path)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        File::open(&path)?.take(64).read_to_end(&mut bytes)?;
        let root: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| LocalKmsError::Damaged)?;
        Ok(Self(Key::new(1, root)))
    }
}

fn closed_to_others(path: &Path) -> Result<(), LocalKmsError> {
    match fs::metadata(path)?.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(LocalKmsError::Mode),
    }
}

/// A link to a complete file appears at once or not at all, and fails if another process was first: its key is the one then.
fn create(folder: &Path, path: &Path) -> Result<(), LocalKmsError> {
    let mut root = Zeroizing::new([0; 32]);
    let mut name = [0; 8];
    random(&mut *root).and_then(|()| random(&mut name)).map_err(io::Error::other)?;
    let draft = folder.join(format!(".{FILE}.{}", hex::encode(name)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let linked =
        file.write_all(&*root).and_then(|()| file.sync_all()).and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    fs::remove_file(&draft)?;
    linked?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn aad(owner: Owner) -> Vec<u8> {
    tuple(&[b"lock/wrapped-key/v1", owner.to_string().as_bytes()])
}

#[async_trait]
impl Kms for LocalFileKms {
    async fn wrap(&self, owner: Owner, key: &[u8; 32]) -> Result<Vec<u8>, KmsError> {
        self.0.seal(&aad(owner), key).map_err(|error| KmsError::Unavailable(error.to_string()))
    }

    async fn unwrap(&self, owner: Owner, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KmsError> {
        let opened = self.0.open(&aad(owner), wrapped).map_err(|_| KmsError::Corrupt)?;
        opened.as_slice().try_into().map(Zeroizing::new).map_err(|_| KmsError::Corrupt)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{TempDir, tenant};
    use std::{os::unix::fs::symlink, sync::Barrier, thread};

    #[tokio::test]
    async fn keys_survive_a_restart_and_belong_to_one_owner() {
        let dir = TempDir::new();
        let wrapped = LocalFileKms::open(dir.path()).unwrap().wrap(tenant(1), &[7; 32]).await.unwrap();
        let again = LocalFileKms::open(dir.path()).unwrap();
        assert_eq!(*again.unwrap(tenant(1), &wrapped).await.unwrap(), [7; 32]);
        assert_eq!(again.unwrap(tenant(2), &wrapped).await.unwrap_err(), KmsError::Corrupt);
        assert_eq!(again.unwrap(Owner::System, &wrapped).await.unwrap_err(), KmsError::Corrupt);
        assert_eq!(again.unwrap(tenant(1), &wrapped[..20]).await.unwrap_err(), KmsError::Corrupt);
    }

    #[tokio::test]
    async fn starts_at_the_same_time_agree_on_one_key() {
        let dir = TempDir::new();
        let (folder, start) = (dir.path().join("kms"), Barrier::new(8));
        let all: Vec<LocalFileKms> = thread::scope(|scope| {
            let open = || {
                start.wait();
                LocalFileKms::open(&folder).unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let wrapped = all[0].wrap(tenant(1), &[7; 32]).await.unwrap();
        for kms in &all {
            assert_eq!(*kms.unwrap(tenant(1), &wrapped).await.unwrap(), [7; 32]);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no drafts are left");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = TempDir::new();
        let folder = dir.path().join("kms");
        LocalFileKms::open(&folder).unwrap();
        let path = folder.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(LocalFileKms::open(&folder), Err(LocalKmsError::Mode)));
    }

    #[test]
    fn an_empty_folder_is_closed_and_a_shared_one_refused() {
        let dir = TempDir::new();
        let (empty, shared) = (dir.path().join("empty"), dir.path().join("shared"));
        for folder in [&empty, &shared] {
            fs::create_dir(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(shared.join("other"), "x").unwrap();
        LocalFileKms::open(&empty).unwrap();
        assert_eq!(fs::metadata(&empty).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(LocalFileKms::open(&shared), Err(LocalKmsError::Mode)));
    }

    #[test]
    fn a_damaged_or_dangling_key_is_never_replaced() {
        let dir = TempDir::new();
        LocalFileKms::open(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(LocalFileKms::open(dir.path()), Err(LocalKmsError::Damaged)));
        assert_eq!(fs::read(&path).unwrap(), [1; 31]);
        fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        assert!(matches!(LocalFileKms::open(dir.path()), Err(LocalKmsError::Io(_))));
    }
}
