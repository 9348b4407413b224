//! Locks that keep dropping off.
//!
//! Each time that a lock drops off is noted, and several within a day are an episode, if they are the lock's own: what goes dark together has
//! a cause elsewhere, and a vendor or a gateway that is away is told by itself. Who else dropped off, and that a gateway was away, may
//! be heard later than the drop; so no drop is judged at once, and each is judged anew whenever its lock is.

use super::{Act, AlertKind, TaskReason};
use jiff::{SignedDuration, Timestamp};

/// So far back drops count.
pub const DROPS_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// So many drops begin an episode.
const MOST: usize = 4;
/// It is over after so long without one.
const CALM: SignedDuration = SignedDuration::from_hours(12);
/// Locks that drop off within so long of each other have gone dark together; and no drop is judged before it is so old.
const TOGETHER: SignedDuration = SignedDuration::from_mins(2);
/// That a vendor or a gateway is away is known so late: gateways are looked at each hour, and told of after 15 minutes.
const KNOWN_LATE: SignedDuration = SignedDuration::from_mins(75);
/// So many drops of a lock are kept, the newest.
const KEPT: usize = 32;

/// A time in which a lock's vendor or a gateway was known to be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dark {
    /// Since when that was known.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub until: Option<Timestamp>,
}

impl Dark {
    fn covers(&self, at: Timestamp) -> bool {
        let begun = self.from.duration_since(at) <= KNOWN_LATE;
        begun && self.until.is_none_or(|until| at.duration_since(until) <= TOGETHER)
    }
}

/// What is known of a lock's link.
#[derive(Debug, Clone, Copy)]
pub struct LinkView<'a> {
    /// Whether it can be reached, if that is known.
    pub online: Option<bool>,
    /// When it dropped off, as noted.
    pub drops: &'a [Timestamp],
    /// When other locks of the property did.
    pub others: &'a [Timestamp],
    /// When its vendor or a gateway was away.
    pub dark: &'a [Dark],
    /// Since when it is told to drop off, if it is.
    pub open_since: Option<Timestamp>,
    /// When that was over the last time.
    pub ended: Option<Timestamp>,
}

/// When a lock dropped off, of what was told of its link, oldest first. `before`: whether it could be reached before that, if that is known.
/// That it is still out of reach is no drop.
pub fn fallen(before: Option<bool>, told: &[(Timestamp, bool)]) -> Vec<Timestamp> {
    let mut online = before.unwrap_or(true);
    let mut drops = Vec::new();
    for (at, now) in told {
        if online && !now {
            drops.push(*at);
        }
        online = *now;
    }
    drops
}

/// The drops that are worth keeping, oldest first, with one more.
pub fn note_drop(drops: &[Timestamp], at: Timestamp, present: Timestamp) -> Vec<Timestamp> {
    let mut noted = drops.to_vec();
    noted.push(at.min(present));
    kept(&noted, present)
}

/// The drops that are worth keeping, oldest first.
pub fn kept(drops: &[Timestamp], present: Timestamp) -> Vec<Timestamp> {
    let mut kept: Vec<Timestamp> =
        drops.iter().copied().filter(|at| present.duration_since(*at) < DROPS_WITHIN).collect();
    kept.sort_unstable();
    kept.dedup();
    kept.split_off(kept.len().saturating_sub(KEPT))
}

impl LinkView<'_> {
    /// The drops of the last day that are the lock's own and can be judged, oldest first.
    fn own(&self, present: Timestamp) -> Vec<Timestamp> {
        let settled = |at: &Timestamp| present.duration_since(*at) >= TOGETHER;
        let alone = |at: &Timestamp| {
            let together = |other: &Timestamp| other.duration_since(*at).abs() <= TOGETHER;
            !self.others.iter().any(together) && !self.dark.iter().any(|dark| dark.covers(*at))
        };
        kept(self.drops, present).into_iter().filter(|at| settled(at) && alone(at)).collect()
    }

    /// The drops that count towards an episode: the lock's own since the last one was over.
    pub fn counted(&self, present: Timestamp) -> Vec<Timestamp> {
        let ended = self.ended.unwrap_or(Timestamp::MIN);
        self.own(present).into_iter().filter(|at| *at > ended).collect()
    }
}

/// What follows for a lock's link.
///
/// ```text
/// told | then
/// -----+--------------------------------------------------------------------------------------------
/// no   | told, and a person asked, once four drops of its own lie within a day
/// yes  | over after twelve hours without one of its own; not while it is out of reach, nor while one
///      | has yet to be judged
/// ```
pub fn judge_flaky(view: &LinkView<'_>, present: Timestamp) -> Vec<Act> {
    let Some(since) = view.open_since else {
        let often = view.counted(present).len() >= MOST;
        return if often {
            vec![Act::Raise(AlertKind::ConnectionFlaky), Act::Open(TaskReason::ConnectionFlaky)]
        } else {
            Vec::new()
        };
    };
    let last = view.own(present).last().map_or(since, |last| since.max(*last));
    let pending = view.drops.iter().any(|at| present.duration_since(*at) < TOGETHER);
    let calm = present.duration_since(last) >= CALM && !pending && view.online != Some(false);
    if calm {
        vec![Act::Resolve(AlertKind::ConnectionFlaky), Act::Close(AlertKind::ConnectionFlaky)]
    } else {
        Vec::new()
    }
}
