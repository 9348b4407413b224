//! Who gets a place in a lock that has none left for everybody: the one who arrives first.
//!
//! A keypad lock holds so many codes, ours and those that others have made by hand. How many of ours fit nobody knows but the lock, which
//! tells when it refuses one. From then on, whoever wants a code there asks first:
//! ```text
//! who asks                                                    | then
//! ------------------------------------------------------------+------------------------------------------------------------
//! fewer wait who arrive earlier than places are free          | takes one
//! is the first to arrive of all who wait, and the lock said   | takes one: somebody may have made room by hand, and nobody
//! some time ago that it is full                               | but the lock can tell
//! otherwise                                                   | waits; as many as are missing give way, of those who hold a
//!                                                             | place, arrive later than he does and have not arrived yet
//! ```
//! Nobody gives way whose stay has begun, or who arrives at the same time: so each newcomer displaces one stay at most, and two never
//! displace each other. Who gives way waits in turn, and keeps his digits.
//!
//! It must not know how places are counted, or how a code gets out of a lock. It can't fail.

use crate::ids::{CredentialId, StayId};
use jiff::{SignedDuration, Timestamp};

/// A lock that has said that it is full is asked again after so long: codes that others made are taken out without our knowing.
pub const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// Who waits asks again after so long, or sooner if a place is about to be free.
pub const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// See [`ASK_AGAIN`].
pub const ASK_SOON: SignedDuration = SignedDuration::from_secs(5);
/// Who has not asked for so long does not wait any more, whatever has become of him: nobody waits behind him.
pub const STALE: SignedDuration = SignedDuration::from_mins(5);

/// How a credential stands to a place in the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It takes one up, or may.
    Holds,
    /// It takes one up, and is being taken out.
    Leaves,
    /// It wants one.
    Waits,
}

/// A credential that has a place in a lock, or wants one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub credential: CredentialId,
    /// Whose.
    pub stay: StayId,
    /// When the stay begins, on the property's clock.
    pub arrives: Timestamp,
    /// When the stay was entered. Who arrives at the same time goes in this order.
    pub booked: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Its digits are ours, and come back as they were. A vendor's digits would be others.
    pub keeps_digits: bool,
    /// It can be taken out and put back. A key that opens once can't.
    pub returns: bool,
}

impl Claim {
    fn order(&self) -> (Timestamp, Timestamp, CredentialId) {
        (self.arrives, self.booked, self.credential)
    }
}

/// A lock's word that it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaidFull {
    /// So many codes of ours stood there then.
    pub ours: u32,
    /// When, real time.
    pub at: Timestamp,
}

/// What becomes of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// He takes a place.
    Take {
        /// None is known to be free: it is tried.
        look: bool,
    },
    /// He waits.
    Wait {
        /// These give way, the last to arrive first.
        way: Vec<Claim>,
        /// When he asks again.
        again: SignedDuration,
    },
}

/// Whose turn it is at a lock that has said that it is `full`. `others` are the claims of everybody else on it, `present` is the property's
/// time and `now` the real one.
pub fn turn(full: SaidFull, others: &[Claim], asking: &Claim, present: Timestamp, now: Timestamp) -> Turn {
    let count = |standing: Standing| others.iter().filter(|claim| claim.standing == standing).count();
    let (holding, leaving) = (count(Standing::Holds), count(Standing::Leaves));
    let free = (full.ours as usize).saturating_sub(holding + leaving);
    let before = |claim: &&Claim| claim.standing == Standing::Waits && claim.order() < asking.order();
    let ahead = others.iter().filter(before).count();
    if ahead < free {
        return Turn::Take { look: false };
    }
    if ahead == 0 && now.duration_since(full.at) >= LOOK_AGAIN {
        return Turn::Take { look: true };
    }
    let missing = (ahead + 1).saturating_sub(free + leaving);
    let displaced = |claim: &&Claim| {
        claim.standing == Standing::Holds
            && claim.returns
            && claim.arrives > present
            && claim.arrives > asking.arrives
            && claim.stay != asking.stay
    };
    let mut way: Vec<Claim> = others.iter().filter(displaced).copied().collect();
    way.sort_by_key(|claim| (claim.keeps_digits, claim.order()));
    way.reverse();
    way.truncate(missing);
    let again = if way.is_empty() && leaving == 0 { ASK_AGAIN } else { ASK_SOON };
    Turn::Wait { way, again }
}

/// How a full lock stands, in words: `fits` codes of ours fitted when it said that it was full, `held` stand there now, and so many wait.
pub fn summary(fits: u32, held: u32, waiting: usize) -> String {
    let codes = |n: u32| if n == 1 { "1 code".to_owned() } else { format!("{n} codes") };
    let held = match (held, held < fits) {
        (0, false) => "None of this service's codes fits: others have filled the lock.".to_owned(),
        (_, false) => format!("The lock is full with {} of this service and whatever others made.", codes(held)),
        (_, true) => format!("{} of {} that fit are there.", codes(held), fits),
    };
    let waits = match waiting {
        0 => "Nobody waits.",
        1 => "One stay waits; delete codes that nobody needs in the vendor's app.",
        _ => "Stays wait, the first to arrive has the next place; delete codes that nobody needs in the vendor's app.",
    };
    format!("{held} {waits}")
}

#[cfg(test)]
mod tests;
