//! The breaker as a state machine over verdicts. `n` and `m` are [`Tuning::open_after`] and [`Tuning::close_after`].
//!
//! ```text
//! state     | round   | then
//! ----------+---------+--------------------------------------------------------------------------------------
//! closed    | well    | closed, nothing is held against it
//! closed    | unclear | closed, what was bad before still counts
//! closed    | bad     | the n-th in a row: open; else closed
//! open      | well    | half-open, one good
//! open      | unclear | open, and the next trial comes after a longer pause
//! open      | bad     | open, and the next trial comes after a longer pause
//! half-open | well    | the m-th in a row, and the cool-down is over: closed; else half-open
//! half-open | unclear | half-open, the good ones are counted anew
//! half-open | bad     | open, and the next trial comes after a longer pause
//! ```
//! Rounds of an open or half-open breaker are trials: probes and the test lock, never a guest's key. Guests' keys wait until it is closed.
//!
//! Flapping: what has opened does not close before [`Tuning::cool_down`] is over, counted from the opening, so that an input that goes up
//! and down opens it at most once in that while. It may always open at once, or a real outage right after another one would be missed.

use super::Verdict;
use crate::problem::Code;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Keys go to the vendor.
    Closed,
    /// Keys wait; now and then a trial looks whether the vendor is back.
    Open,
    /// A trial went well; keys wait until more did.
    HalfOpen,
}

impl BreakerState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The state's name, as in JSON, SQL and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// How quick to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// From one round to the next.
    pub every: SignedDuration,
    /// So many bad rounds in a row open it; at most 3.
    pub open_after: u32,
    /// So many good rounds in a row close it.
    pub close_after: u32,
    /// The longest pause between two trials; the first is one round's distance, and each that fails doubles it.
    pub longest_pause: SignedDuration,
    /// It does not close before so long after it has opened.
    pub cool_down: SignedDuration,
}

impl Tuning {
    /// What suits rounds that are so far apart: open after two, close after three, pauses up to thirty, and twelve to cool down.
    pub fn every(every: SignedDuration) -> Self {
        Self {
            every,
            open_after: 2,
            close_after: 3,
            longest_pause: every.saturating_mul(30),
            cool_down: every.saturating_mul(12),
        }
    }
}

/// One property's breaker for one vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Where it stands.
    pub state: BreakerState,
    /// Since when.
    pub since: Timestamp,
    /// When it opened; `None` while closed.
    pub opened_at: Option<Timestamp>,
    /// Why it opened, and why it still is.
    pub code: Option<Code>,
    /// Bad rounds in a row.
    pub bad: u32,
    /// Good rounds in a row.
    pub good: u32,
    /// Before the next trial, while open.
    pub pause: SignedDuration,
    /// When the next round is due.
    pub next_probe_at: Timestamp,
    /// It has opened, and no round has said since whether that was right.
    pub unproven: bool,
}

/// What a round made of a breaker that others should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// From closed to open.
    Opened {
        /// Why.
        code: Code,
    },
    /// From open to half-open.
    HalfOpened,
    /// From half-open to closed.
    Closed {
        /// How long it was not closed.
        after: SignedDuration,
    },
}

/// A breaker after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As it is now.
    pub breaker: Breaker,
    /// What happened to it.
    pub moved: Option<Moved>,
    /// It had opened, and the very next round found nothing wrong.
    pub false_positive: bool,
}

impl Breaker {
    /// A closed one, due at `first`.
    pub fn new(now: Timestamp, first: Timestamp) -> Self {
        Self {
            state: BreakerState::Closed,
            since: now,
            opened_at: None,
            code: None,
            bad: 0,
            good: 0,
            pause: SignedDuration::ZERO,
            next_probe_at: first,
            unproven: false,
        }
    }

    /// After a round: the table above. `blameless` is whether not one probe of it was bad.
    pub fn after(&self, round: Verdict, blameless: bool, now: Timestamp, tuning: &Tuning) -> Step {
        let mut next = self.clone();
        match round {
            Verdict::Well => (next.bad, next.good) = (0, self.good.saturating_add(1)),
            Verdict::Bad { .. } => (next.bad, next.good) = (self.bad.saturating_add(1), 0),
            Verdict::Unclear => next.good = 0,
        }
        let mut moved = None;
        match (self.state, round) {
            (BreakerState::Closed, Verdict::Bad { code }) if next.bad >= tuning.open_after => {
                next.enter(BreakerState::Open, now);
                (next.opened_at, next.code, next.unproven) = (Some(now), Some(code), true);
                next.pause = tuning.every;
                moved = Some(Moved::Opened { code });
            }
            (BreakerState::Closed, _) => {}
            (BreakerState::Open, Verdict::Well) => {
                next.enter(BreakerState::HalfOpen, now);
                moved = Some(Moved::HalfOpened);
            }
            (BreakerState::HalfOpen, Verdict::Well) => {
                let opened_at = self.opened_at.unwrap_or(self.since);
                let after = now.duration_since(opened_at);
                if next.good >= tuning.close_after && after >= tuning.cool_down {
                    next.enter(BreakerState::Closed, now);
                    (next.opened_at, next.code, next.bad, next.pause) = (None, None, 0, SignedDuration::ZERO);
                    moved = Some(Moved::Closed { after });
                }
            }
            (BreakerState::HalfOpen, Verdict::Unclear) => {}
            (BreakerState::Open, _) | (BreakerState::HalfOpen, Verdict::Bad { .. }) => {
                if self.state == BreakerState::HalfOpen {
                    next.enter(BreakerState::Open, now);
                }
                if let Verdict::Bad { code } = round {
                    next.code = Some(code);
                }
                next.pause = self.pause.max(tuning.every).saturating_mul(2).min(tuning.longest_pause);
            }
        }
        let false_positive = self.unproven && round == Verdict::Well && blameless;
        if self.state != BreakerState::Closed {
            next.unproven = false;
        }
        let wait = if next.state == BreakerState::Open { next.pause } else { tuning.every };
        next.next_probe_at = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        Step { breaker: next, moved, false_positive }
    }

    /// Whether keys must wait.
    pub fn holds(&self) -> bool {
        self.state != BreakerState::Closed
    }

    fn enter(&mut self, state: BreakerState, now: Timestamp) {
        (self.state, self.since) = (state, now);
        if state != BreakerState::Closed {
            // Round by round anew: what was counted belongs to the state before.
            self.bad = 0;
        }
    }
}
