//! Cards of a stay that go, together: a vendor may only be able to empty a whole room, and refuses to take one of its keys away.
//!
//! ```text
//! what the vendor says         | then
//! -----------------------------+---------------------------------------------------------------------------------------
//! gone, or was                 | gone
//! somebody else has the room   | door by door, so that one shared door does not keep the others open
//! can't be asked, and a later  | gone, without a call: a check-out would end the later key
//!  key of the stay has ended it|
//! can't be asked, and another  | refused: a check-out would end the other key
//!  key of the stay stands      |
//! can't be asked, never proven | asked again until the window is over, as nobody can tell
//! ```
//! This module knows the vendor's port and nothing of databases or workflows.

use crate::{
    key_step::{CARD_TIMEOUT, unsettled},
    vendor_step::{Round, SETTLE, round_of},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::problem::Code;
use lock_vendors::{
    error::{Condition, VendorError},
    port::{CallContext, CredentialToken, Deletion, LockVendor, VendorCredentialRef, VendorLockRef},
};
use std::time::Duration;

/// So long after its window a card that nobody has proven opens nothing: the longest grace that a policy allows.
const LONG_PAST: SignedDuration = SignedDuration::from_hours(24);
/// Nothing can be found out by asking more often.
const NOBODY_KNOWS: Duration = Duration::from_secs(3600);

/// A card that goes.
#[derive(Debug)]
pub(crate) struct CardOut {
    pub(crate) token: CredentialToken,
    pub(crate) doors: Vec<VendorLockRef>,
    pub(crate) reference: Option<VendorCredentialRef>,
    pub(crate) unresolved_since: Option<Timestamp>,
    /// Another key of the stay goes on opening one of its rooms.
    pub(crate) shared: bool,
    /// A later key of the stay has ended it.
    pub(crate) overridden: bool,
}

/// Takes them away; for each card and each of its doors what came of it. `until` is when the stay ends, `now` real time.
pub(crate) async fn take_out(
    vendor: &dyn LockVendor,
    call: &CallContext,
    cards: &[CardOut],
    until: Timestamp,
    now: Timestamp,
) -> Vec<Vec<Round>> {
    let readable = vendor.capabilities().read_back;
    let mut rounds: Vec<Option<Vec<Round>>> = Vec::with_capacity(cards.len());
    let mut going: Vec<(usize, &CardOut, VendorCredentialRef)> = Vec::new();
    for (n, card) in cards.iter().enumerate() {
        let decided = match (known_as(vendor, call, card, readable).await, readable) {
            (Err(error), _) => Some(round_of(&error)),
            (Ok(_), false) if card.overridden => Some(Round::Gone { already: true }),
            (Ok(_), false) if card.shared => Some(Round::Refused(Condition::SharedDoor.problem())),
            (Ok(Some(reference)), _) => {
                going.push((n, card, reference));
                None
            }
            (Ok(None), true) => Some(gone(card, true, now)),
            (Ok(None), false) if now.duration_since(until) > LONG_PAST => Some(Round::Gone { already: true }),
            (Ok(None), false) => {
                Some(Round::Again { code: Code::Unproven, after: Some(NOBODY_KNOWS), unproven: false })
            }
        };
        rounds.push(decided.map(|round| vec![round; card.doors.len()]));
    }
    let done = together(vendor, call, &going, now).await;
    for ((n, ..), done) in going.iter().zip(done) {
        rounds[*n] = Some(done);
    }
    rounds.into_iter().map(Option::unwrap_or_default).collect()
}

async fn known_as(
    vendor: &dyn LockVendor,
    call: &CallContext,
    card: &CardOut,
    readable: bool,
) -> Result<Option<VendorCredentialRef>, VendorError> {
    if card.reference.is_some() || !readable {
        return Ok(card.reference.clone());
    }
    // A list by door is what every vendor has; the search without doors may have to look at each of the house.
    for door in &card.doors {
        if let Some(found) = vendor.find(call, std::slice::from_ref(door), &card.token).await? {
            return Ok(Some(found.reference));
        }
    }
    Ok(vendor.find(call, &[], &card.token).await?.map(|found| found.reference))
}

fn gone(card: &CardOut, already: bool, now: Timestamp) -> Round {
    // One that we have been told of was written; what is unresolved of it is a deletion, and repeating that is its proof.
    let written = card.unresolved_since.filter(|_| card.reference.is_none());
    unsettled(written, SETTLE + CARD_TIMEOUT, now).unwrap_or(Round::Gone { already })
}

async fn together(
    vendor: &dyn LockVendor,
    call: &CallContext,
    going: &[(usize, &CardOut, VendorCredentialRef)],
    now: Timestamp,
) -> Vec<Vec<Round>> {
    let mut doors: Vec<VendorLockRef> = Vec::new();
    for door in going.iter().flat_map(|(_, card, _)| &card.doors) {
        if !doors.contains(door) {
            doors.push(door.clone());
        }
    }
    let references: Vec<VendorCredentialRef> = going.iter().map(|(_, _, reference)| reference.clone()).collect();
    if going.is_empty() {
        return Vec::new();
    }
    let all = vendor.delete_all(call, &doors, &references).await;
    let mut by_door: Vec<(&VendorLockRef, Result<Deletion, VendorError>)> = Vec::with_capacity(doors.len());
    match all {
        Err(error) if error.condition() == Condition::SharedDoor && doors.len() > 1 => {
            for door in &doors {
                let here = going.iter().filter(|(_, card, _)| card.doors.contains(door));
                let here: Vec<VendorCredentialRef> = here.map(|(_, _, reference)| reference.clone()).collect();
                by_door.push((door, vendor.delete_all(call, std::slice::from_ref(door), &here).await));
            }
        }
        all => by_door.extend(doors.iter().map(|door| (door, all.clone()))),
    }
    let round = |card: &CardOut, door: &VendorLockRef| match by_door.iter().find(|(one, _)| *one == door) {
        Some((_, Ok(deleted))) => gone(card, *deleted == Deletion::AlreadyGone, now),
        Some((_, Err(error))) => round_of(error),
        None => Round::Again { code: Code::Unproven, after: None, unproven: false },
    };
    going.iter().map(|(_, card, _)| card.doors.iter().map(|door| round(card, door)).collect()).collect()
}
