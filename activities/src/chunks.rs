//! Parts of a batch that are tried at once. Pure.

use lock_domain::{
    ids::KeyId,
    stay::{Action, Effect},
};
use std::collections::{BTreeSet, VecDeque};

/// Locks that one batch works at, at a time. A vendor's adapter takes turns where its gateways need it.
pub(crate) const AT_ONCE: usize = 8;

/// Parts of a batch, as places in it. A key is never torn apart, because at some vendors it is one thing; nor are those of these `cards`
/// that go, because a vendor may only be able to empty a whole room.
pub(crate) fn chunks(effects: &[Effect], cards: &BTreeSet<KeyId>) -> VecDeque<Vec<usize>> {
    let goes = |n: &usize| effects[*n].action == Action::Revoke && cards.contains(&effects[*n].key);
    let (together, others): (Vec<usize>, Vec<usize>) = (0..effects.len()).partition(goes);
    let mut chunks: VecDeque<Vec<usize>> = VecDeque::new();
    if !together.is_empty() {
        chunks.push_back(together);
    }
    for n in others {
        match chunks.back_mut() {
            Some(last) if last.len() < AT_ONCE => last.push(n),
            Some(last) if last.last().is_some_and(|before| effects[*before].key == effects[n].key) => last.push(n),
            _ => chunks.push_back(vec![n]),
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use lock_domain::ids::{CredentialId, DoorId};
    use std::time::Duration;
    use uuid::Uuid;

    fn revokes(keys: u128, doors: u128) -> Vec<Effect> {
        let one = |k: u128, d: u128| {
            let (key, door) = (KeyId::from_uuid(Uuid::from_u128(k)), DoorId::from_uuid(Uuid::from_u128(d)));
            let credential = CredentialId::of(key, door);
            Effect { key, credential, door, action: Action::Revoke, budget: Duration::from_secs(120) }
        };
        (1..=keys).flat_map(|k| (1..=doors).map(move |d| one(k, d))).collect()
    }

    #[test]
    fn a_key_is_not_torn_apart() {
        let lengths = |chunks: VecDeque<Vec<usize>>| chunks.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(chunks(&revokes(4, 3), &BTreeSet::new())), [9, 3]);
        assert_eq!(lengths(chunks(&revokes(1, 20), &BTreeSet::new())), [20]);
        assert_eq!(lengths(chunks(&revokes(20, 1), &BTreeSet::new())), [8, 8, 4]);
    }

    #[test]
    fn cards_of_a_stay_go_together_however_many_doors_they_have() {
        let effects = revokes(4, 4);
        let cards: BTreeSet<KeyId> = [0, 8, 12].map(|n: usize| effects[n].key).into();
        let chunks = chunks(&effects, &cards);
        assert_eq!(chunks[0], [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15], "the three cards");
        assert_eq!((chunks.len(), &chunks[1]), (2, &vec![4, 5, 6, 7]), "and the PIN");
    }
}
