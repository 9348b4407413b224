//! All data keys of everybody under the root keys of today, so that a root key that several owners share can be taken away.
//!
//! A rotation is one tenant's and does not touch the others', nor those of the system, which no tenant may ask for. This is an operator's:
//! it goes from owner to owner, one data key at a time and each durably, so that it can be interrupted and begun again; then it reads the
//! record anew and tells what is under another root key still. What one owner's root key refuses does not stop the others'.
//!
//! A service may go on for a while with the root key of before (AWS takes up to some minutes for an alias): it says with each answer which
//! one it has used, that is what stands in the record, and so it is told here. It must not know which service it is.

use crate::{
    data_keys::{DataKeys, KeyError, Purpose},
    port::Owner,
};
use std::collections::{BTreeMap, BTreeSet};

/// A data key and the root key that it is wrapped under.
#[derive(Debug, Clone)]
pub struct Under {
    /// Whose.
    pub owner: Owner,
    /// What for.
    pub purpose: Purpose,
    /// Its version.
    pub version: u32,
    /// The root key, as the service calls it; empty if that was not noted.
    pub root: String,
    /// Why it could not be wrapped anew, if it could not.
    pub trouble: Option<KeyError>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Rewrapping {
    /// Data keys that were wrapped anew.
    pub rewrapped: u32,
    /// How many data keys are under which root key now.
    pub roots: BTreeMap<String, u32>,
    /// Those that stand in the way of taking the former root key away.
    pub left: Vec<Under>,
}

/// Wraps the owners' data keys anew. With `away`, the name or the end of the name of a root key, only those that are under it, or under one that was not
/// noted; otherwise all of them. `told` hears of each owner that is done.
///
/// [`Rewrapping::left`] holds the keys that are still under `away`; without it, those under another root key than the one that the service used
/// last for their owner. In both cases also those that it refused.
///
/// # Errors
/// Only when the record does not answer; what was done until then is done, and the next run goes on from there.
pub async fn rewrap_all(
    keys: &DataKeys,
    owners: &BTreeSet<Owner>,
    away: Option<&str>,
    mut told: impl FnMut(Owner),
) -> Result<Rewrapping, KeyError> {
    let (mut done, mut latest, mut troubles) = (Rewrapping::default(), BTreeMap::new(), BTreeMap::new());
    for owner in owners {
        for purpose in Purpose::ALL {
            for (version, root) in keys.roots(*owner, purpose).await? {
                if away.is_some_and(|away| !root.is_empty() && !is_named(&root, away)) {
                    continue;
                }
                match keys.rewrap(*owner, purpose, version).await {
                    Ok(Some(root)) => {
                        done.rewrapped += 1;
                        latest.insert(*owner, root);
                    }
                    Ok(None) => {}
                    Err(error @ KeyError::Record(_)) => return Err(error),
                    Err(error) => {
                        troubles.insert((*owner, purpose, version), error);
                    }
                }
            }
        }
        told(*owner);
    }
    for owner in owners {
        for purpose in Purpose::ALL {
            for (version, root) in keys.roots(*owner, purpose).await? {
                let trouble = troubles.remove(&(*owner, purpose, version));
                let stands = match away {
                    Some(away) => root.is_empty() || is_named(&root, away),
                    None => trouble.is_some() || latest.get(owner).is_some_and(|latest| *latest != root),
                };
                *done.roots.entry(root.clone()).or_default() += 1;
                if stands {
                    done.left.push(Under { owner: *owner, purpose, version, root, trouble });
                }
            }
        }
    }
    Ok(done)
}

/// Whether a root key goes by a name: all of it, or what comes after its last slash, as in an ARN.
fn is_named(root: &str, name: &str) -> bool {
    root == name || root.strip_suffix(name).is_some_and(|before| before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        port::{Kms as _, KmsError},
        seal::Place,
        testing::{Rig, tenant},
    };
    use uuid::Uuid;

    const PLACE: Place = Place { table: "t", column: "c", row: Uuid::nil() };

    #[tokio::test]
    async fn r_lock_03_a_shared_root_key_can_go_once_nothing_of_anybody_is_under_it() {
        let rig = Rig::new();
        let owners = BTreeSet::from([Owner::System, tenant(1), tenant(2)]);
        let mut sealed = BTreeMap::new();
        for owner in &owners {
            sealed.insert(*owner, rig.keys.seal(*owner, &PLACE, b"4829").await.unwrap());
            rig.keys.newest(*owner, Purpose::Histories).await.unwrap();
        }
        rig.keys.rotate(tenant(2), Purpose::Rows).await.unwrap();
        rig.kms.inner.add_root_key().unwrap();
        rig.kms.inner.set_disabled(tenant(2), true).unwrap();
        let first = rewrap_all(&rig.keys, &owners, Some("local/1"), |_| {}).await.unwrap();
        assert_eq!(first.roots, BTreeMap::from([("local/1".to_owned(), 3), ("local/2".to_owned(), 4)]));
        assert!(
            first
                .left
                .iter()
                .all(|key| key.owner == tenant(2) && key.trouble.as_ref().is_some_and(KeyError::is_denied))
        );
        assert_eq!((first.rewrapped, first.left.len()), (4, 3));
        rig.kms.inner.set_disabled(tenant(2), false).unwrap();
        // Begun again, it goes on with what is left, and a third time finds nothing.
        for expected in [3, 0] {
            let again = rewrap_all(&rig.keys, &owners, Some("local/1"), |_| {}).await.unwrap();
            assert_eq!((again.rewrapped, again.left.len()), (expected, 0));
        }
        std::fs::remove_file(rig.kms.dir.path().join("root.key")).unwrap();
        let restarted = rig.another_process();
        for (owner, sealed) in sealed {
            assert_eq!(&**restarted.open(owner, &PLACE, &sealed).await.unwrap(), b"4829", "{owner}");
            restarted.newest(owner, Purpose::Histories).await.unwrap();
        }
    }

    #[tokio::test]
    async fn without_a_name_everything_is_wrapped_anew_and_what_differs_is_left() {
        let rig = Rig::new();
        let owners = BTreeSet::from([tenant(1)]);
        rig.keys.newest(tenant(1), Purpose::Rows).await.unwrap();
        rig.keys.newest(tenant(1), Purpose::Histories).await.unwrap();
        // One whose wrapping is another owner's.
        let foreign = rig.kms.wrap(tenant(2), Purpose::Rows, &[1; 32]).await.unwrap();
        rig.record.put(tenant(1), Purpose::Rows, 2, foreign);
        let done = rewrap_all(&rig.keys, &owners, None, |_| {}).await.unwrap();
        assert_eq!((done.rewrapped, done.left.len()), (2, 1));
        assert!(matches!(done.left[0].trouble, Some(KeyError::Kms(KmsError::Corrupt))));
    }

    #[test]
    fn a_root_key_goes_by_its_name_or_the_end_of_its_arn() {
        assert!(is_named("arn:aws:kms:eu:1:key/ab-c", "ab-c") && is_named("local/1", "local/1"));
        assert!(!is_named("arn:aws:kms:eu:1:key/ab-c", "b-c") && !is_named("local/11", "local/1"));
    }
}
