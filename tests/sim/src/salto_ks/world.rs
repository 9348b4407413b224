//! All state of the simulated vendor in one value behind one mutex.
//!
//! Two clocks: real time, by which tokens are judged, and the world's time (real plus an offset that a test sets), by which everything
//! else is, the `Date` header included.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::fault::FaultKind;
use super::views::{Effect, EventForm, JournalEntry, Stats};
use crate::fault::Faults;

/// An answer that the vendor gives instead of the one that was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// `{ErrorCode, Message}`.
    Code(u16, i64, &'static str),
    /// RFC 7807, as version 2 has it.
    Problem(u16),
    /// OAuth's `{error}`.
    OAuth(&'static str),
    /// A status alone.
    Bare(u16),
}

pub(crate) const BAD_PARAMETER: Failure = Failure::Code(400, 1100, "Invalid parameter");
pub(crate) const INVALID: Failure = Failure::Code(400, 1101, "Validation failed");
pub(crate) const BAD_ORDER: Failure = Failure::Code(400, 1102, "Invalid order by");
pub(crate) const USER_NOT_FOUND: Failure = Failure::Code(404, 2202, "User not found");
pub(crate) const NOT_FOUND: Failure = Failure::Code(404, 2202, "Not found");
pub(crate) const NO_PERMISSION: Failure =
    Failure::Code(403, 2203, "User does not have permission for this operation on this user");

/// Status and body; `Null` for none.
pub(crate) type Outcome = Result<(u16, Value), Failure>;

#[derive(Debug, Clone)]
pub(crate) struct Pin {
    pub(crate) digits: String,
    pub(crate) until: i64,
    pub(crate) set_at: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) alias: Option<String>,
    pub(crate) role: &'static str,
    pub(crate) subscribed: bool,
    pub(crate) use_pin: bool,
    pub(crate) expires_at: Option<i64>,
    pub(crate) pin: Option<Pin>,
    pub(crate) made_at: i64,
    pub(crate) deleted_at: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) id: String,
    /// As the server echoes it.
    pub(crate) body: Value,
    pub(crate) days: [bool; 7],
    pub(crate) from: jiff::civil::Time,
    pub(crate) until: jiff::civil::Time,
    pub(crate) first: Option<jiff::civil::Date>,
    pub(crate) last: Option<jiff::civil::Date>,
    pub(crate) made_at: i64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) customer_reference: String,
    pub(crate) locks: BTreeSet<String>,
    /// Platform ids, and since when.
    pub(crate) users: BTreeMap<String, i64>,
    pub(crate) schedules: Vec<Schedule>,
}

#[derive(Debug, Clone)]
pub(crate) struct Lock {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) expires_at: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) seats: usize,
    pub(crate) settle_ms: i64,
    pub(crate) list_lag_ms: i64,
    pub(crate) delete_lag_ms: i64,
    pub(crate) propagation_ms: i64,
    pub(crate) schedule_ms: i64,
    pub(crate) token_life_s: i64,
    pub(crate) codes_as_text: bool,
    pub(crate) wrap_lists: bool,
    pub(crate) page_size: usize,
    pub(crate) groups_of_user: bool,
    pub(crate) event_form: EventForm,
    pub(crate) stream_elsewhere: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) offset_ms: i64,
    random: u64,
    pub(crate) site_id: String,
    pub(crate) site_uid: String,
    pub(crate) iq_id: String,
    pub(crate) time_zone: String,
    /// `client_id` and secret.
    pub(crate) clients: BTreeMap<String, String>,
    /// User name and password.
    pub(crate) accounts: BTreeMap<String, String>,
    pub(crate) access: BTreeMap<String, Access>,
    pub(crate) refresh: BTreeSet<String>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) locks: BTreeMap<String, Lock>,
    pub(crate) entries: Vec<(i64, Value)>,
    pub(crate) hub_tokens: BTreeSet<String>,
    pub(crate) elsewhere: BTreeSet<String>,
    pub(crate) policy: Policy,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) faults: Faults<FaultKind>,
    pub(crate) stats: Stats,
    pub(crate) events: broadcast::Sender<Value>,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            offset_ms: 0,
            random: 0x5DEE_CE66_D1CE_4E5B,
            site_id: String::new(),
            site_uid: "DE4520000000".to_owned(),
            iq_id: String::new(),
            time_zone: "UTC".to_owned(),
            clients: BTreeMap::new(),
            accounts: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeSet::new(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            locks: BTreeMap::new(),
            entries: Vec::new(),
            hub_tokens: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            policy: Policy {
                seats: 100,
                settle_ms: 0,
                list_lag_ms: 0,
                delete_lag_ms: 0,
                propagation_ms: 0,
                schedule_ms: 0,
                token_life_s: 3_600,
                codes_as_text: false,
                wrap_lists: false,
                page_size: 100,
                groups_of_user: true,
                event_form: EventForm::Object,
                stream_elsewhere: false,
            },
            journal: Vec::new(),
            faults: Faults::default(),
            stats: Stats::default(),
            events: broadcast::channel(1_024).0,
        };
        world.site_id = world.uuid();
        world.iq_id = world.uuid();
        world
    }

    /// The world's time, ms since the epoch.
    pub(crate) fn now(&self) -> i64 {
        real_now().saturating_add(self.offset_ms)
    }

    /// The next value of a deterministic stream (splitmix64).
    pub(crate) fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn uuid(&mut self) -> String {
        let text = format!("{:016x}{:016x}", self.draw(), self.draw());
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// Six digits that no user has.
    pub(crate) fn digits(&mut self) -> String {
        loop {
            let digits = format!("{:06}", self.draw() % 1_000_000);
            if !self.users.values().any(|user| user.pin.as_ref().is_some_and(|pin| pin.digits == digits)) {
                return digits;
            }
        }
    }

    pub(crate) fn seats_taken(&self) -> usize {
        self.users.values().filter(|user| user.subscribed && user.deleted_at.is_none()).count()
    }

    pub(crate) fn note(&mut self, effect: Effect, subject: &str, name: &str) {
        let seq = u64::try_from(self.journal.len()).unwrap_or(u64::MAX).saturating_add(1);
        let entry = JournalEntry { seq, at: self.now(), effect, subject: subject.to_owned(), name: name.to_owned() };
        self.journal.push(entry);
    }

    /// A user whom the cloud still shows.
    pub(crate) fn shown(&self, user: &User) -> bool {
        user.deleted_at.is_none_or(|at| self.now() < at.saturating_add(self.policy.delete_lag_ms))
    }

    /// A user whom one can act on.
    pub(crate) fn user_mut(&mut self, id: &str) -> Result<&mut User, Failure> {
        let settled = self.now().saturating_sub(self.policy.settle_ms);
        let user = self.users.get_mut(id).filter(|user| user.deleted_at.is_none()).ok_or(USER_NOT_FOUND)?;
        if user.made_at > settled { Err(NO_PERMISSION) } else { Ok(user) }
    }

    pub(crate) fn group_mut(&mut self, id: &str) -> Result<&mut Group, Failure> {
        self.groups.get_mut(id).ok_or(NOT_FOUND)
    }

    /// A list in the form that the policy wants; `path` and the query carry on to the next page.
    pub(crate) fn listed(&self, rows: Vec<Value>, wrapped: bool, path: &str, skip: usize) -> Value {
        if !(wrapped || self.policy.wrap_lists) {
            return Value::Array(rows);
        }
        let count = rows.len();
        let size = self.policy.page_size.max(1);
        let page: Vec<_> = rows.into_iter().skip(skip).take(size).collect();
        let end = skip.saturating_add(page.len());
        let joint = if path.contains('?') { '&' } else { '?' };
        let next = (end < count).then(|| format!("{path}{joint}$skip={end}"));
        json!({ "items": page, "next_page_link": next, "count": count })
    }
}

/// Real time, ms since the epoch.
pub(crate) fn real_now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// As the vendor writes instants.
pub(crate) fn iso(at: i64) -> String {
    Timestamp::from_millisecond(at).map(|at| at.to_string()).unwrap_or_default()
}

/// As callers write them: with a zone.
pub(crate) fn parsed(text: &str) -> Result<i64, Failure> {
    text.parse::<Timestamp>().map(|at| at.as_millisecond()).map_err(|_| INVALID)
}
