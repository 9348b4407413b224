//! What stands at a lock, compared with what our record says should stand there: ours and others' told apart.
//!
//! What comes in is a list as the vendor gives it, and rows of the record; what goes out is an [`Entry`] for each credential, seen or
//! missed, with a [`Verdict`]. A name that is not ours may be a guest's or a clerk's, so it goes no further than this comparison; digits
//! never come in. Nothing follows from a verdict by itself: a person decides.
//!
//! It must not know how a vendor is asked, nor when. A list that could not be had is not compared at all: an empty list says "nothing
//! stands there", and must not be made up.

mod listing;
#[cfg(test)]
mod tests;

pub use listing::{Listed, Listing};

use crate::{
    credential::{CredentialState, KeyKind},
    ids::{CredentialId, InventoryId, KeyId, PropertyId, StayId, TenantId},
    window::Window,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// So many locks' lists are asked for in a minute at most, so that a vendor's quota is left to guests: 1,000 locks take 34 minutes.
pub const LISTS_PER_MINUTE: u32 = 30;
/// So many locks go into one step.
pub const LOCKS_AT_ONCE: u32 = 10;
/// What changed so short a time ago may not be in a vendor's list yet, or still be in it.
pub const SETTLE: SignedDuration = SignedDuration::from_secs(10);
/// Windows that differ by no more are the same: vendors keep whole minutes.
const SAME_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// Which inventory, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryRef {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// The inventory.
    pub inventory: InventoryId,
}

impl InventoryRef {
    /// The workflow's id: a function of the inventory, so that a second start meets the first.
    pub fn workflow_id(&self) -> String {
        format!("inventory/{}/{}/{}", self.tenant, self.property, self.inventory)
    }
}

/// A credential as the vendor lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The vendor's id of it.
    pub reference: String,
    /// Its name there: ours, or whatever somebody typed.
    pub name: String,
    /// When it opens; none for one without end.
    pub window: Option<Window>,
    /// The lock itself holds it, as far as the vendor tells.
    pub at_lock: bool,
}

/// A credential at the same lock as our record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub credential: CredentialId,
    /// Its key.
    pub key: KeyId,
    /// Its stay.
    pub stay: StayId,
    /// What the key is.
    pub kind: KeyKind,
    /// The key opens once.
    pub one_time: bool,
    /// Its name at the vendor.
    pub token: String,
    /// The vendor's id of it.
    pub vendor_ref: Option<String>,
    /// What is known of it.
    pub state: CredentialState,
    /// The window that the lock keeps.
    pub window: Option<Window>,
    /// Something is under way, or changed while the vendor was asked, so that the two can't be compared.
    pub moving: bool,
}

/// What the comparison says of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Ours, and as recorded.
    AsRecorded,
    /// Ours, and somebody has changed its window or its name.
    Changed,
    /// Ours, and being made, changed or taken away at this moment.
    UnderWay,
    /// Ours, over by its own window, and harmless.
    Expired,
    /// Ours, taken away or never made by our record, and there all the same: it may open.
    Ghost,
    /// A second one under the name of one of ours.
    Duplicate,
    /// Ours, should be there, and is not: the guest may stand before a closed door.
    Missing,
    /// Ours, opens once, and is gone: used, as far as anyone can tell.
    Spent,
    /// Not ours: staff, another system, or somebody who should not have it.
    Unknown,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 9] = [
        Self::AsRecorded,
        Self::Changed,
        Self::UnderWay,
        Self::Expired,
        Self::Ghost,
        Self::Duplicate,
        Self::Missing,
        Self::Spent,
        Self::Unknown,
    ];

    /// The verdict's name, as in JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsRecorded => "as_recorded",
            Self::Changed => "changed",
            Self::UnderWay => "under_way",
            Self::Expired => "expired",
            Self::Ghost => "ghost",
            Self::Duplicate => "duplicate",
            Self::Missing => "missing",
            Self::Spent => "spent",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a person should look at it.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Changed | Self::Ghost | Self::Duplicate | Self::Missing | Self::Unknown)
    }

    /// What it means, and what to do.
    pub fn words(self) -> &'static str {
        match self {
            Self::AsRecorded => "Ours, as recorded.",
            Self::Changed => {
                "Ours, but somebody has changed its window or its name at the vendor. If nobody meant to, `modify-stay` or `reissue` sets it right."
            }
            Self::UnderWay => "Ours; it is being made, changed or taken away at this moment. Nothing to do.",
            Self::Expired => "Ours, and over: it opens nothing any more. The vendor still lists it.",
            Self::Ghost => {
                "Ours by its name, but our record says that it is not there: it may open the door. Take it out at the vendor, then find out who put it back."
            }
            Self::Duplicate => {
                "A second one under the name of one of ours: it may open the door. Take it out at the vendor."
            }
            Self::Missing => {
                "Ours, and it should be there: the guest may stand before a closed door. `read` on the stay puts it back."
            }
            Self::Spent => "Ours; it opens once, and is gone: somebody has used it.",
            Self::Unknown => {
                "Not ours: staff, another system, or somebody who should not have it. Find it at the vendor by its id and see whose it is."
            }
        }
    }
}

/// One credential of an inventory: what is shown, and what is kept. It has no name and no digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What the comparison says.
    pub verdict: Verdict,
    /// What it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KeyKind>,
    /// The vendor's id of it; none for one that is missed, or whose id reads like a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Nobody's in our record, but named as ours are: another installation's, or one from before a restore.
    #[serde(default)]
    pub named_as_ours: bool,
    /// When it opens, as the vendor has it; none for one without end, or one that is missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// It stands there, and its window is not over.
    pub opens: bool,
    /// The lock itself holds it, as far as the vendor tells.
    pub at_lock: bool,
    /// Its stay, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stay: Option<StayId>,
    /// Its key, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Its id, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    /// What our record says of it, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<CredentialState>,
    /// When it should open by our record, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Window>,
}

/// So many of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Tally {
    /// Ours, and as recorded.
    pub as_recorded: u32,
    /// Ours, with another window or name than recorded.
    pub changed: u32,
    /// Ours, being made, changed or taken away.
    pub under_way: u32,
    /// Ours, over, still listed.
    pub expired: u32,
    /// Ours by name, and there though they should not be.
    pub ghost: u32,
    /// Second ones under the name of one of ours.
    pub duplicate: u32,
    /// Ours, and not there though they should be.
    pub missing: u32,
    /// Ours, open once, and used.
    pub spent: u32,
    /// Not ours.
    pub unknown: u32,
}

impl Tally {
    /// Counts entries.
    pub fn of(entries: &[Entry]) -> Self {
        let mut tally = Self::default();
        for entry in entries {
            let place = match entry.verdict {
                Verdict::AsRecorded => &mut tally.as_recorded,
                Verdict::Changed => &mut tally.changed,
                Verdict::UnderWay => &mut tally.under_way,
                Verdict::Expired => &mut tally.expired,
                Verdict::Ghost => &mut tally.ghost,
                Verdict::Duplicate => &mut tally.duplicate,
                Verdict::Missing => &mut tally.missing,
                Verdict::Spent => &mut tally.spent,
                Verdict::Unknown => &mut tally.unknown,
            };
            *place = place.saturating_add(1);
        }
        tally
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.as_recorded = self.as_recorded.saturating_add(other.as_recorded);
        self.changed = self.changed.saturating_add(other.changed);
        self.under_way = self.under_way.saturating_add(other.under_way);
        self.expired = self.expired.saturating_add(other.expired);
        self.ghost = self.ghost.saturating_add(other.ghost);
        self.duplicate = self.duplicate.saturating_add(other.duplicate);
        self.missing = self.missing.saturating_add(other.missing);
        self.spent = self.spent.saturating_add(other.spent);
        self.unknown = self.unknown.saturating_add(other.unknown);
    }

    /// So many a person should look at.
    pub fn findings(&self) -> u32 {
        [self.changed, self.ghost, self.duplicate, self.missing, self.unknown].into_iter().fold(0, u32::saturating_add)
    }
}

/// Compares what a vendor lists of a lock with what is recorded of it. `vendor` says how its lists are read, `now` is the property's clock.
/// Entries come with findings first, then in the vendor's order.
pub fn compare(vendor: &str, seen: &[Seen], recorded: &[Recorded], now: Timestamp) -> Vec<Entry> {
    let listing = Listing::of(vendor);
    let mut taken = vec![false; seen.len()];
    let mut entries = Vec::with_capacity(seen.len());
    for row in recorded {
        let mut first = true;
        for place in places(seen, row) {
            if std::mem::replace(&mut taken[place], true) {
                continue;
            }
            let verdict = match std::mem::take(&mut first) {
                true => found(&listing, &seen[place], row, now),
                false if over(seen[place].window, now) => Verdict::Expired,
                false if row.moving => Verdict::UnderWay,
                false => Verdict::Duplicate,
            };
            entries.push(entry(verdict, &listing, Some(&seen[place]), Some(row), now));
        }
        if let Some(verdict) = first.then(|| missed(row, now)).flatten() {
            entries.push(entry(verdict, &listing, None, Some(row), now));
        }
    }
    let others = seen.iter().zip(&taken).filter(|(_, taken)| !**taken);
    entries.extend(others.map(|(seen, _)| entry(Verdict::Unknown, &listing, Some(seen), None, now)));
    entries.sort_by_key(|entry| !entry.verdict.is_finding());
    entries
}

/// Where a recorded credential is among those seen: by its name, the one with its id first; else by its id alone, under another name.
fn places(seen: &[Seen], row: &Recorded) -> Vec<usize> {
    let same_id = |seen: &Seen| row.vendor_ref.as_deref() == Some(seen.reference.as_str());
    let mut named: Vec<usize> = (0..seen.len()).filter(|place| seen[*place].name == row.token).collect();
    named.sort_by_key(|place| !same_id(&seen[*place]));
    if named.is_empty() {
        // A name of ours belongs to another row; ids are given anew by some vendors.
        named.extend((0..seen.len()).find(|place| same_id(&seen[*place]) && !looks_ours(&seen[*place].name)));
    }
    named
}

fn found(listing: &Listing, seen: &Seen, row: &Recorded, now: Timestamp) -> Verdict {
    use CredentialState as S;
    match row.state {
        _ if row.moving => Verdict::UnderWay,
        S::Issuing | S::Unconfirmed | S::Revoking => Verdict::UnderWay,
        S::Planned | S::Refused | S::Gone if over(seen.window, now) => Verdict::Expired,
        S::Planned | S::Refused | S::Gone => Verdict::Ghost,
        S::Live if seen.name != row.token && !seen.name.is_empty() => Verdict::Changed,
        S::Live if over(row.window, now) && over(seen.window, now) => Verdict::Expired,
        S::Live if row.window.is_some_and(|window| differs(listing, seen.window, window)) => Verdict::Changed,
        S::Live => Verdict::AsRecorded,
    }
}

fn missed(row: &Recorded, now: Timestamp) -> Option<Verdict> {
    use CredentialState as S;
    match row.state {
        S::Issuing | S::Unconfirmed => Some(Verdict::UnderWay),
        S::Live if row.moving => Some(Verdict::UnderWay),
        S::Live if over(row.window, now) => None,
        S::Live if row.one_time => Some(Verdict::Spent),
        S::Live => Some(Verdict::Missing),
        S::Planned | S::Refused | S::Revoking | S::Gone => None,
    }
}

fn over(window: Option<Window>, now: Timestamp) -> bool {
    window.is_some_and(|window| window.until <= now)
}

fn differs(listing: &Listing, seen: Option<Window>, recorded: Window) -> bool {
    // One that was limited and is without end now is the worst of changes.
    let Some(seen) = seen else { return true };
    let apart = |a: Timestamp, b: Timestamp| a.duration_since(b).abs() > SAME_WITHIN;
    apart(seen.until, recorded.until) || listing.starts && apart(seen.from, recorded.from)
}

fn looks_ours(name: &str) -> bool {
    name.strip_prefix("lis-").is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn entry(verdict: Verdict, listing: &Listing, seen: Option<&Seen>, row: Option<&Recorded>, now: Timestamp) -> Entry {
    let foreign = row.is_none();
    Entry {
        verdict,
        kind: row.map(|row| row.kind).or(listing.only_kind()),
        // Where the vendor's id of a user is the name that people typed, it is kept no more than the name is.
        reference: seen
            .filter(|seen| {
                !foreign || looks_ours(&seen.reference) || is_an_id(&seen.reference) && seen.reference != seen.name
            })
            .map(|seen| seen.reference.clone()),
        named_as_ours: foreign && seen.is_some_and(|seen| looks_ours(&seen.name)),
        window: seen.and_then(|seen| seen.window),
        opens: seen.is_some_and(|seen| !over(seen.window, now)),
        at_lock: seen.is_some_and(|seen| seen.at_lock),
        stay: row.map(|row| row.stay),
        key: row.map(|row| row.key),
        credential: row.map(|row| row.credential),
        state: row.map(|row| row.state),
        recorded: row.and_then(|row| row.window),
    }
}

/// Whether a vendor's id of somebody else's credential is a machine's and no name: it has a digit, and nothing but digits, Latin letters
/// and `- _ . :`.
pub fn is_an_id(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}
