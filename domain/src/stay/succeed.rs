//! Keys that take the place of others, several at a time: cards that are written anew for other dates or another room, and keys of another
//! vendor. What is replaced is kept until its successor is proven, and is wanted again if the whole undertaking is undone.

use super::*;
use crate::command::{NewKey, Successor};

impl Stay {
    /// Whether each of these keys can be replaced.
    pub(super) fn may_succeed(&self, keys: &[Successor]) -> Result<(), Code> {
        let wanted = |old: KeyId| self.keys.iter().any(|k| k.id == old && k.wish == Wish::Wanted);
        keys.iter().all(|successor| wanted(successor.old)).then_some(()).ok_or(Code::KeyNotFound)
    }

    /// Wants each new key in place of its old one; the pairs, old first.
    pub(super) fn succeed(&mut self, keys: &[Successor]) -> Vec<(KeyId, KeyId)> {
        for Successor { old, key } in keys {
            // Also what the old one was to replace waits for the new key now.
            let waits = |k: &&mut Key| k.id == *old || k.wish == Wish::Until(*old);
            self.keys.iter_mut().filter(waits).for_each(|k| k.wish = Wish::Until(key.id));
        }
        let made: Vec<NewKey> = keys.iter().map(|successor| successor.key).collect();
        self.add_keys(&made);
        keys.iter().map(|successor| (successor.old, successor.key.id)).collect()
    }

    /// Wants each old key again, and its successor no more.
    pub(super) fn take_back(&mut self, pairs: &[(KeyId, KeyId)]) {
        for key in &mut self.keys {
            if pairs.iter().any(|(old, new)| key.id == *old && key.wish == Wish::Until(*new)) {
                key.wish = Wish::Wanted;
            } else if let Some((old, _)) = pairs.iter().find(|(_, new)| key.wish == Wish::Until(*new)) {
                key.wish = Wish::Until(*old);
            }
        }
        for key in self.keys.iter_mut().filter(|key| pairs.iter().any(|(_, new)| key.id == *new)) {
            key.wish = Wish::Unwanted;
        }
    }
}
