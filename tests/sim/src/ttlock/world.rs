//! All state of the simulated vendor in one value behind one mutex.
//!
//! Two clocks: real time, by which the cloud judges tokens and the `date` field, and the world's time (real plus an offset that a
//! test sets), by which locks open and records are dated.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::callbacks::Callbacks;
use super::errcode::{Errcode, LOCK_FROZEN, LOCK_MISSING, NOT_LOCK_ADMIN};
use super::fault::FaultKind;
use super::journal::{Effect, Journal, JournalEntry};
use super::lock::{Lock, Plan};
use super::stats::Stats;
use crate::fault::Faults;

/// An application registered in the vendor's console.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) secret: String,
    /// Month (Beijing time) that `month_calls` counts, as months since the epoch.
    pub(crate) month: i64,
    pub(crate) month_calls: u64,
    #[serde(skip)]
    pub(crate) recent_calls: VecDeque<i64>,
}

/// A user of the vendor's app, who administers locks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) uid: i64,
    pub(crate) password_md5: String,
}

/// An access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) client_id: String,
    pub(crate) username: String,
    pub(crate) expires_at: i64,
}

/// A refresh token and the access token that it was given with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) client_id: String,
    pub(crate) username: String,
    pub(crate) access: String,
    pub(crate) expires_at: i64,
}

/// A radio in a corridor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) admin: String,
    pub(crate) online: bool,
    pub(crate) busy: bool,
    pub(crate) latency_ms: u64,
    pub(crate) locks: BTreeSet<i64>,
    /// A command is on the air. Not kept: nothing is on the air after a start.
    #[serde(skip)]
    pub(crate) in_flight: bool,
}

/// Limits of the cloud; 0 for none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) monthly_quota: u64,
    pub(crate) calls_per_second: u32,
    pub(crate) token_life_s: i64,
    pub(crate) refuse_change_of_unused: bool,
    #[serde(default = "custom_codes")]
    pub(crate) codes_per_lock: usize,
}

/// What the vendor says of its keypad locks.
pub(crate) fn custom_codes() -> usize {
    250
}

/// Everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct World {
    /// Counts changes, so that the saver knows when to write.
    #[serde(skip)]
    pub(crate) version: u64,
    pub(crate) offset_ms: i64,
    pub(crate) last_id: i64,
    pub(crate) digits: u64,
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) access: BTreeMap<String, Access>,
    pub(crate) revoked_access: BTreeSet<String>,
    pub(crate) refresh: BTreeMap<String, Refresh>,
    pub(crate) locks: BTreeMap<i64, Lock>,
    pub(crate) gateways: BTreeMap<i64, Gateway>,
    pub(crate) policy: Policy,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults<FaultKind>,
    #[serde(skip)]
    pub(crate) stats: Stats,
    #[serde(skip)]
    pub(crate) callbacks: Callbacks,
}

impl Default for World {
    fn default() -> Self {
        Self {
            version: 0,
            offset_ms: 0,
            last_id: 1_000,
            digits: 0x5DEE_CE66_D1CE_4E5B,
            apps: BTreeMap::new(),
            accounts: BTreeMap::new(),
            access: BTreeMap::new(),
            revoked_access: BTreeSet::new(),
            refresh: BTreeMap::new(),
            locks: BTreeMap::new(),
            gateways: BTreeMap::new(),
            policy: Policy {
                monthly_quota: 0,
                calls_per_second: 0,
                token_life_s: 7_776_000,
                refuse_change_of_unused: true,
                codes_per_lock: custom_codes(),
            },
            journal: Journal::default(),
            faults: Faults::default(),
            stats: Stats::default(),
            callbacks: Callbacks::default(),
        }
    }
}

/// Real time, ms since the epoch.
pub(crate) fn real_now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl World {
    /// The world's time, ms since the epoch.
    pub(crate) fn now(&self) -> i64 {
        real_now().saturating_add(self.offset_ms)
    }

    pub(crate) fn next_id(&mut self) -> i64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// The next value of the deterministic stream behind random passcodes (splitmix64).
    pub(crate) fn next_digits(&mut self) -> u64 {
        self.digits = self.digits.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.digits;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn touch(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    /// The lock, when `user` administers it.
    pub(crate) fn lock_of(&mut self, user: &str, id: i64) -> Result<&mut Lock, Errcode> {
        let lock = self.locks.get_mut(&id).ok_or(LOCK_MISSING)?;
        if lock.admin != user {
            return Err(NOT_LOCK_ADMIN);
        }
        if lock.frozen {
            return Err(LOCK_FROZEN);
        }
        Ok(lock)
    }

    /// Whether a gateway (or the lock's own WiFi) carries records to the cloud.
    pub(crate) fn reachable(&self, lock_id: i64) -> bool {
        self.locks.get(&lock_id).is_some_and(|lock| lock.wifi && lock.wifi_online)
            || self.gateways.values().any(|gateway| gateway.online && gateway.locks.contains(&lock_id))
    }

    pub(crate) fn note(
        &mut self,
        effect: Effect,
        lock_id: i64,
        passcode: (i64, String),
        reached_door: bool,
        plan: Option<&Plan>,
    ) {
        let at = self.now();
        self.journal.push(JournalEntry {
            seq: 0,
            at,
            effect,
            lock_id,
            passcode_id: passcode.0,
            name: passcode.1,
            reached_door,
            from: plan.map_or(0, |plan| plan.from),
            until: plan.map_or(0, |plan| plan.until),
        });
        self.touch();
    }

    pub(crate) fn note_peak(&mut self, lock_id: i64) {
        let here = self.locks.get(&lock_id).map_or(0, |lock| lock.passcodes.len());
        self.stats.peak_codes_per_lock = self.stats.peak_codes_per_lock.max(here);
        let total = self.locks.values().map(|lock| lock.passcodes.len()).sum();
        self.stats.peak_codes_total = self.stats.peak_codes_total.max(total);
    }
}
