//! What a round of probes has to say, and what follows from it together.
//!
//! ```text
//! kinds that speak of the link                    | verdict
//! ------------------------------------------------+----------------------------------------------------
//! real calls bad, and the canary bad              | bad: reading works, changing doesn't
//! at least two kinds bad, and more bad than well  | bad
//! at least two kinds well, and more well than bad | well
//! anything else                                   | unclear
//! ```
//! So no single probe is ever believed: one bad of three makes a round that is well, one bad alone a round that is unclear.

use crate::problem::Code;
use serde::{Deserialize, Serialize};

/// A kind of probe. The kinds fail for different reasons, so that two that fail mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// Sign in and list the account's locks.
    SignIn,
    /// List the credentials of one lock, as the vendor has them.
    LockList,
    /// List the gateways, hubs or encoders with their state.
    Gateways,
    /// Put a code into a test lock, and take it out again.
    Canary,
    /// What calls for guests have met since the round before. No probe is sent for it.
    Passive,
}

impl ProbeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::SignIn, Self::LockList, Self::Gateways, Self::Canary, Self::Passive];

    /// The kind's name, as in JSON, SQL and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::LockList => "lock_list",
            Self::Gateways => "gateways",
            Self::Canary => "canary",
            Self::Passive => "passive",
        }
    }
}

/// How far a failure reaches: the ladder from a lock to the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// One lock: battery, distance, memory.
    Lock,
    /// One gateway, hub or encoder, and the locks behind it.
    Gateway,
    /// The property's way to the vendor: its account, its line, its on-premises server.
    Link,
    /// The vendor, for every property. No probe can tell; see [`super::vendor_wide`].
    Vendor,
}

/// What one probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// It worked.
    Well,
    /// It failed, for a reason that reaches so far.
    Bad {
        /// How far.
        reach: Reach,
        /// Why.
        code: Code,
    },
    /// Nothing to be said: not offered, not tried, or an answer that says nothing of the vendor's health.
    Silent,
}

/// One kind's word in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// Which kind.
    pub kind: ProbeKind,
    /// What it found.
    #[serde(flatten)]
    pub finding: Finding,
}

impl Evidence {
    /// Whether it speaks of the property's link: `Some(true)` that it is well, `Some(false)` that it is not.
    pub fn of_link(&self) -> Option<bool> {
        match self.finding {
            Finding::Well => Some(true),
            Finding::Bad { reach: Reach::Link | Reach::Vendor, .. } => Some(false),
            Finding::Bad { .. } | Finding::Silent => None,
        }
    }
}

/// What a round says of a property's link to its vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    Well,
    /// It does not.
    Bad {
        /// Why, as most of those say that failed.
        code: Code,
    },
    /// The probes contradict each other, or too few could speak.
    Unclear,
}

/// The table above. Of several words of one kind the first counts.
pub fn verdict(round: &[Evidence]) -> Verdict {
    let word = |kind| round.iter().find(|e| e.kind == kind).and_then(Evidence::of_link);
    let count = |wanted| ProbeKind::ALL.iter().filter(|kind| word(**kind) == Some(wanted)).count();
    let (well, bad) = (count(true), count(false));
    let effects_fail = word(ProbeKind::Passive) == Some(false) && word(ProbeKind::Canary) == Some(false);
    if effects_fail || (bad >= 2 && bad > well) {
        Verdict::Bad { code: usual_code(round) }
    } else if well >= 2 && well > bad {
        Verdict::Well
    } else {
        Verdict::Unclear
    }
}

/// The code that most failures have; the first of them in a tie.
fn usual_code(round: &[Evidence]) -> Code {
    let codes = || {
        round.iter().filter(|e| e.of_link() == Some(false)).filter_map(|e| match e.finding {
            Finding::Bad { code, .. } => Some(code),
            _ => None,
        })
    };
    let times = |code| codes().filter(|other| *other == code).count();
    codes().reduce(|most, code| if times(code) > times(most) { code } else { most }).unwrap_or(Code::VendorUnreachable)
}

/// What real calls say that ended so since the round before. One lost answer says nothing: calls are few, and each is a guest's.
pub fn passive(well: u32, bad: u32) -> Finding {
    match (well, bad) {
        (0, 0) => Finding::Silent,
        (well, bad) if bad >= 2 && bad > well => Finding::Bad { reach: Reach::Link, code: Code::VendorUnreachable },
        (well, bad) if well > bad => Finding::Well,
        _ => Finding::Silent,
    }
}
