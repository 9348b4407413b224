//! A key-management service in a file, for development and for an installation on one machine.
//!
//! The root keys of an installation lie in a folder that only its owner may enter: `root.key` is the first, `root.2.key` the next, and
//! the highest wraps. Whoever has the files has every secret; a backup of the database without them is worth nothing, and so is the
//! database if they are lost. Two processes that start at once agree on one key, and those that run notice a new one by themselves.
//!
//! A file `NAME.disabled`, where NAME is an owner (`ten_…`, `system`) or `all`, has the effect of a disabled root key: nothing is
//! wrapped or unwrapped for him until it is gone.

use crate::{
    aead::{self, Key, random, tuple},
    data_keys::Purpose,
    port::{Kms, KmsError, Owner, Wrapped},
};
use async_trait::async_trait;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
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
pub struct LocalFileKms {
    folder: PathBuf,
}

impl LocalFileKms {
    /// Opens the root keys in a folder, and makes both on the first start; a folder that exists and is empty is closed to others then.
    /// Blocks on the file system.
    pub fn open(folder: &Path) -> Result<Self, LocalKmsError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(FILE);
        // The first root key may have been taken away after everything was wrapped under a later one.
        if !path.try_exists()? && !later_keys(folder)? {
            // An empty folder can only have been made for this; any other may be somebody else's as well.
            if fs::read_dir(folder)?.next().is_none() {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            }
            closed_to_others(folder)?;
            create(folder, &path)?;
        }
        closed_to_others(folder)?;
        let kms = Self { folder: folder.to_owned() };
        kms.newest()?;
        Ok(kms)
    }

    /// Makes the next root key, under which everything is wrapped from now on, and returns its number. What is wrapped under earlier
    /// ones still opens. All owners share these files: an earlier one can be taken away only after [`crate::rewrap_all`] has found nothing
    /// under it, the system's keys included. Blocks on the file system.
    pub fn add_root_key(&self) -> Result<u32, LocalKmsError> {
        let next = self.highest()? + 1;
        create(&self.folder, &self.folder.join(file_name(next)))?;
        Ok(next)
    }

    /// Refuses every use of root keys for an owner, or allows it again. Blocks on the file system.
    pub fn set_disabled(&self, owner: Owner, disabled: bool) -> Result<(), LocalKmsError> {
        let mark = self.folder.join(format!("{owner}.disabled"));
        match disabled {
            true => fs::write(mark, b"")?,
            false => fs::remove_file(mark)?,
        }
        Ok(())
    }

    fn highest(&self) -> Result<u32, LocalKmsError> {
        let mut highest = 1;
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("root.")?.strip_suffix(".key")?.parse().ok());
            highest = highest.max(number.unwrap_or(1));
        }
        Ok(highest)
    }

    fn newest(&self) -> Result<Key, LocalKmsError> {
        self.root(self.highest()?)
    }

    fn root(&self, number: u32) -> Result<Key, LocalKmsError> {
        let path = self.folder.join(file_name(number));
        closed_to_others(&path)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        File::open(&path)?.take(64).read_to_end(&mut bytes)?;
        let root: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| LocalKmsError::Damaged)?;
        Ok(Key::new(number, root))
    }

    fn permitted(&self, owner: Owner) -> Result<(), KmsError> {
        for name in [owner.to_string(), "all".to_owned()] {
            match self.folder.join(format!("{name}.disabled")).try_exists() {
                Ok(false) => {}
                Ok(true) => return Err(KmsError::Denied),
                Err(error) => return Err(KmsError::Unavailable(error.kind().to_string())),
            }
        }
        Ok(())
    }

    fn seal(&self, owner: Owner, purpose: Purpose, key: &[u8; 32]) -> Result<Wrapped, KmsError> {
        self.permitted(owner)?;
        let root = self.newest().map_err(unreadable)?;
        let bytes = root.seal(&aad(owner, purpose), key).map_err(|error| KmsError::Unavailable(error.to_string()))?;
        Ok(Wrapped { bytes, root: format!("local/{}", root.version) })
    }

    fn unseal(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KmsError> {
        self.permitted(owner)?;
        let root = self.root(aead::key_version(wrapped).map_err(|_| KmsError::Corrupt)?).map_err(unreadable)?;
        // Without a purpose: as it was wrapped before there were several providers.
        let opened = root.open(&aad(owner, purpose), wrapped).or_else(|_| root.open(&aad_of_before(owner), wrapped));
        opened.map_err(|_| KmsError::Corrupt)?.as_slice().try_into().map(Zeroizing::new).map_err(|_| KmsError::Corrupt)
    }
}

fn later_keys(folder: &Path) -> Result<bool, io::Error> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    Ok(names
        .iter()
        .filter_map(|name| name.to_str())
        .any(|name| name.starts_with("root.") && name.ends_with(".key") && name != FILE))
}

fn file_name(number: u32) -> String {
    if number == 1 { FILE.to_owned() } else { format!("root.{number}.key") }
}

/// A root key that is not there is one that was taken away: a disk that fails says something else.
fn unreadable(error: LocalKmsError) -> KmsError {
    match error {
        LocalKmsError::Io(error) if error.kind() == ErrorKind::NotFound => KmsError::Denied,
        LocalKmsError::Io(error) => KmsError::Unavailable(error.kind().to_string()),
        LocalKmsError::Mode | LocalKmsError::Damaged => KmsError::Denied,
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

fn aad(owner: Owner, purpose: Purpose) -> Vec<u8> {
    tuple(&[b"lock/wrapped-key/v2", owner.to_string().as_bytes(), purpose.name().as_bytes()])
}

fn aad_of_before(owner: Owner) -> Vec<u8> {
    tuple(&[b"lock/wrapped-key/v1", owner.to_string().as_bytes()])
}

#[async_trait]
impl Kms for LocalFileKms {
    async fn wrap(&self, owner: Owner, purpose: Purpose, key: &[u8; 32]) -> Result<Wrapped, KmsError> {
        self.seal(owner, purpose, key)
    }

    async fn unwrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KmsError> {
        self.unseal(owner, purpose, wrapped)
    }

    async fn rewrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Wrapped, KmsError> {
        let key = self.unseal(owner, purpose, wrapped)?;
        self.seal(owner, purpose, &key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{TempDir, tenant};
    use Purpose::{Histories, Rows};
    use std::{os::unix::fs::symlink, sync::Barrier, thread};

    #[tokio::test]
    async fn keys_survive_a_restart_and_belong_to_one_owner() {
        let dir = TempDir::new();
        let wrapped = LocalFileKms::open(dir.path()).unwrap().wrap(tenant(1), Rows, &[7; 32]).await.unwrap().bytes;
        let again = LocalFileKms::open(dir.path()).unwrap();
        assert_eq!(*again.unwrap(tenant(1), Rows, &wrapped).await.unwrap(), [7; 32]);
        assert_eq!(again.unwrap(tenant(2), Rows, &wrapped).await.unwrap_err(), KmsError::Corrupt);
        assert_eq!(again.unwrap(tenant(1), Histories, &wrapped).await.unwrap_err(), KmsError::Corrupt);
        assert_eq!(again.unwrap(Owner::System, Rows, &wrapped).await.unwrap_err(), KmsError::Corrupt);
        assert_eq!(again.unwrap(tenant(1), Rows, &wrapped[..20]).await.unwrap_err(), KmsError::Corrupt);
        let before = again.newest().unwrap().seal(&aad_of_before(tenant(1)), &[8; 32]).unwrap();
        assert_eq!(*again.unwrap(tenant(1), Rows, &before).await.unwrap(), [8; 32], "wrapped without a purpose");
    }

    #[tokio::test]
    async fn a_new_root_key_wraps_and_an_old_one_can_be_taken_away_after_rewrapping() {
        let dir = TempDir::new();
        let (kms, running) = (LocalFileKms::open(dir.path()).unwrap(), LocalFileKms::open(dir.path()).unwrap());
        let old = kms.wrap(tenant(1), Rows, &[7; 32]).await.unwrap();
        assert_eq!((&old.root[..], kms.add_root_key().unwrap()), ("local/1", 2));
        let new = running.rewrap(tenant(1), Rows, &old.bytes).await.unwrap();
        assert_eq!(new.root, "local/2", "a process that runs notices");
        assert_eq!(*running.unwrap(tenant(1), Rows, &old.bytes).await.unwrap(), [7; 32]);
        fs::rename(dir.path().join(FILE), dir.path().join("away")).unwrap();
        assert_eq!(*running.unwrap(tenant(1), Rows, &new.bytes).await.unwrap(), [7; 32]);
        assert_eq!(running.unwrap(tenant(1), Rows, &old.bytes).await.unwrap_err(), KmsError::Denied);
        let started = LocalFileKms::open(dir.path()).unwrap();
        assert!(!dir.path().join(FILE).exists(), "a start makes no other one in its place");
        assert_eq!(*started.unwrap(tenant(1), Rows, &new.bytes).await.unwrap(), [7; 32]);
    }

    #[tokio::test]
    async fn a_disabled_root_key_refuses_its_owner_and_nobody_else() {
        let dir = TempDir::new();
        let kms = LocalFileKms::open(dir.path()).unwrap();
        let wrapped = kms.wrap(tenant(1), Rows, &[7; 32]).await.unwrap().bytes;
        kms.set_disabled(tenant(1), true).unwrap();
        assert_eq!(kms.unwrap(tenant(1), Rows, &wrapped).await.unwrap_err(), KmsError::Denied);
        assert_eq!(kms.rewrap(tenant(1), Rows, &wrapped).await.unwrap_err(), KmsError::Denied);
        assert_eq!(kms.wrap(tenant(1), Rows, &[7; 32]).await.unwrap_err(), KmsError::Denied);
        kms.wrap(tenant(2), Rows, &[7; 32]).await.unwrap();
        kms.set_disabled(tenant(1), false).unwrap();
        assert_eq!(*kms.unwrap(tenant(1), Rows, &wrapped).await.unwrap(), [7; 32]);
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
        let wrapped = all[0].wrap(tenant(1), Rows, &[7; 32]).await.unwrap().bytes;
        for kms in &all {
            assert_eq!(*kms.unwrap(tenant(1), Rows, &wrapped).await.unwrap(), [7; 32]);
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
