//! What an effect on a whole key has to know of the rest: which effects go together, where else the key stands, and who else has the room.
//! Pure; it knows the record's rows and no vendor.

use crate::attempts::Intent;
use jiff::Timestamp;
use lock_domain::{
    credential::{CredentialState, KeyKind},
    ids::{DoorId, KeyId},
    stay::{Action, Wish},
    vendor::VendorTraits,
};
use lock_store::Standing;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
#[path = "whole_key_tests.rs"]
mod tests;

/// An effect with its place in the batch.
pub(crate) type Placed = (usize, Intent);

/// Effects that go together.
pub(crate) enum Group {
    /// One credential in one lock.
    Door(Box<Placed>),
    /// One key with all its doors.
    Key(Vec<Placed>),
    /// Cards of one stay that go: a vendor may only be able to empty the whole room.
    CardsOut(Vec<Placed>),
}

/// Which effects go together, in the batch's order.
pub(crate) fn groups(intents: Vec<Placed>) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut keys: BTreeMap<(String, Option<KeyId>), Vec<Placed>> = BTreeMap::new();
    for (n, intent) in intents {
        let target = &intent.target;
        if !VendorTraits::of(&target.vendor).whole_key {
            groups.push(Group::Door(Box::new((n, intent))));
            continue;
        }
        let out = target.kind == KeyKind::Card && intent.effect.action == Action::Revoke;
        let together = (target.vendor.clone(), (!out).then_some(intent.effect.key));
        keys.entry(together).or_default().push((n, intent));
    }
    let whole = keys.into_iter().map(|((_, key), placed)| match key {
        Some(_) => Group::Key(placed),
        None => Group::CardsOut(placed),
    });
    groups.extend(whole);
    groups
}

/// Whether a credential stands, or may stand, and nobody takes it out.
fn stands(state: CredentialState) -> bool {
    matches!(state, CredentialState::Live | CredentialState::Unconfirmed | CredentialState::Issuing)
}

/// The rest of a stay's credentials at a vendor, as an effect on one key sees it.
pub(crate) struct Rest<'a> {
    key: KeyId,
    own: Vec<&'a Standing>,
    all: &'a [Standing],
}

impl<'a> Rest<'a> {
    pub(crate) fn of(all: &'a [Standing], key: KeyId, vendor: &str) -> Self {
        Self { key, own: all.iter().filter(|one| one.key == key && one.vendor == vendor).collect(), all }
    }

    /// The lock ids of other doors where the key stays: proven ones beside which it is put into more, and whatever may stand when it is
    /// taken out of some.
    pub(crate) fn other_locks(&self, doors: &BTreeSet<DoorId>, action: Action) -> Vec<&'a str> {
        let stays = |one: &&&Standing| match action {
            Action::Revoke => stands(one.state),
            _ => one.state == CredentialState::Live,
        };
        let others = self.own.iter().filter(|one| !doors.contains(&one.door)).filter(stays);
        others.map(|one| one.vendor_lock_id.as_str()).collect()
    }

    /// The vendor's id of the key.
    pub(crate) fn reference(&self) -> Option<&'a str> {
        self.own.iter().find_map(|one| one.vendor_ref.as_deref())
    }

    /// When something was sent last whose effect nobody knows.
    pub(crate) fn unresolved_since(&self) -> Option<Timestamp> {
        self.own.iter().filter_map(|one| one.unresolved_since).max()
    }

    pub(crate) fn may_stand(&self) -> bool {
        self.own.iter().any(|one| one.state.may_open())
    }

    /// The latest round of the stay's effects that has looked at the key.
    pub(crate) fn round(&self) -> u64 {
        self.own.iter().map(|one| one.round).max().unwrap_or_default()
    }

    /// Other keys' credentials at the doors of rooms that the key has, too.
    fn beside(&self) -> impl Iterator<Item = &'a Standing> {
        let rooms: BTreeSet<DoorId> = self.own.iter().filter(|one| one.room.is_some()).map(|one| one.door).collect();
        let key = self.key;
        self.all.iter().filter(move |one| one.key != key && rooms.contains(&one.door))
    }

    /// Whether a wanted key of the stay opens one of its rooms, so that this one comes beside it. One that is being replaced does not
    /// count: it shall end.
    pub(crate) fn joins(&self) -> bool {
        let standing = |state| matches!(state, CredentialState::Live | CredentialState::Unconfirmed);
        let beside = self.beside().any(|one| one.wish == Wish::Wanted && standing(one.state));
        // It would end the keys of everybody who has that door.
        let hits_all = |one: &&Standing| one.room.is_none() && !VendorTraits::of(&one.vendor).spares_common_doors;
        beside || self.own.iter().copied().any(|one| hits_all(&one))
    }

    /// Whether another key of the stay, none of `going`, goes on opening one of its rooms.
    pub(crate) fn shared(&self, going: &BTreeSet<KeyId>) -> bool {
        self.beside().any(|one| !going.contains(&one.key) && stands(one.state))
    }

    /// Whether a later key has ended it: one that was made as a new guest's for one of its rooms.
    pub(crate) fn overridden(&self) -> bool {
        let made = self.own.iter().map(|one| one.created_at).max();
        self.beside().any(|one| one.joins == Some(false) && Some(one.created_at) > made)
    }
}
