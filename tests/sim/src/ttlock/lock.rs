//! A lock on a door: what stands in its memory, its own clock, and what it does when somebody types a code.
//!
//! The lock knows nothing of the cloud. It judges a code by its own clock, which drifts.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::views::TryReason;

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// `recordType` of an unlock by passcode.
pub(crate) const BY_PASSCODE: i64 = 4;
/// Records that fit in the lock; the oldest is overwritten.
const RECORDS_IN_LOCK: usize = 500;

/// `keyboardPwdType` of a code that opens once.
pub(crate) const ONE_TIME: i64 = 1;
/// `keyboardPwdType` of a code without end.
pub(crate) const PERMANENT: i64 = 2;
/// `keyboardPwdType` of a code with start and end.
pub(crate) const PERIOD: i64 = 3;
/// `keyboardPwdType` of the code that erases all codes when typed.
pub(crate) const ERASE: i64 = 4;

/// Digits with the times between which they are good; milliseconds since the epoch, 0 and 0 for no bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) pin: String,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// A passcode as two parties see it: the cloud's row and the lock's memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Passcode {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) kind: i64,
    pub(crate) custom: bool,
    pub(crate) cloud: Option<Plan>,
    pub(crate) door: Option<Plan>,
    pub(crate) sent_at: i64,
    pub(crate) sender: String,
    pub(crate) first_used_at: Option<i64>,
}

impl Passcode {
    /// From when it is good, where it stands at all.
    pub(crate) fn sent_from(&self) -> Option<i64> {
        self.cloud.as_ref().or(self.door.as_ref()).map(|plan| plan.from)
    }
}

fn by_passcode() -> i64 {
    BY_PASSCODE
}

/// One entry of the lock's own log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: i64,
    /// `recordType`.
    #[serde(default = "by_passcode")]
    pub(crate) kind: i64,
    pub(crate) pin: String,
    pub(crate) name: String,
    pub(crate) opened: bool,
    pub(crate) lock_date: i64,
    /// When a gateway carried it to the cloud; none while it only stands in the lock.
    pub(crate) server_date: Option<i64>,
}

/// A lock and everything that the cloud keeps about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub(crate) id: i64,
    pub(crate) property: String,
    pub(crate) alias: String,
    pub(crate) mac: String,
    pub(crate) admin: String,
    pub(crate) battery: u8,
    pub(crate) frozen: bool,
    pub(crate) wifi: bool,
    pub(crate) wifi_online: bool,
    pub(crate) utc_offset_ms: i64,
    /// How far the lock's clock was from true time when it was last set.
    pub(crate) skew_ms: i64,
    /// How fast it runs away since, in millionths.
    pub(crate) drift_ppm: i64,
    pub(crate) set_at: i64,
    pub(crate) passcodes: BTreeMap<i64, Passcode>,
    pub(crate) deleted_periods: Vec<(i64, i64, i64)>,
    pub(crate) records: VecDeque<Record>,
}

/// What a typed code led to.
pub(crate) struct Tried {
    pub(crate) reason: TryReason,
    pub(crate) passcode: Option<i64>,
    pub(crate) lock_time: i64,
}

impl Lock {
    /// The lock's own idea of now.
    pub(crate) fn clock(&self, now: i64) -> i64 {
        let drifted = now.saturating_sub(self.set_at).saturating_mul(self.drift_ppm) / 1_000_000;
        now.saturating_add(self.skew_ms).saturating_add(drifted)
    }

    pub(crate) fn set_clock(&mut self, now: i64) {
        self.skew_ms = 0;
        self.set_at = now;
    }

    /// Custom codes that take a place, wherever they stand.
    pub(crate) fn custom_count(&self) -> usize {
        self.passcodes.values().filter(|code| code.custom).count()
    }

    pub(crate) fn pin_in_use(&self, pin: &str, except: Option<i64>) -> bool {
        self.passcodes
            .values()
            .filter(|code| Some(code.id) != except)
            .any(|code| [&code.cloud, &code.door].into_iter().flatten().any(|plan| plan.pin == pin))
    }

    /// Somebody types `pin` at the keypad. Writes a record, opened or not.
    pub(crate) fn try_pin(&mut self, pin: &str, now: i64, record_id: i64) -> Tried {
        let lock_time = self.clock(now);
        let found = self
            .passcodes
            .values()
            .find(|code| code.door.as_ref().is_some_and(|plan| plan.pin == pin))
            .map(|code| (code.id, code.kind, self.judge(code, lock_time)));
        let (passcode, reason) = match found {
            _ if self.battery == 0 => (None, TryReason::NoPower),
            None => (None, TryReason::UnknownCode),
            Some((id, _, reason)) => (Some(id), reason),
        };
        let opened = reason == TryReason::Opened;
        if let Some((id, kind, _)) = found.filter(|_| opened) {
            if let Some(code) = self.passcodes.get_mut(&id) {
                code.first_used_at.get_or_insert(lock_time);
            }
            if kind == ERASE {
                for code in self.passcodes.values_mut() {
                    code.door = None;
                }
            }
        }
        let name = passcode.and_then(|id| self.passcodes.get(&id)).map(|code| code.name.clone()).unwrap_or_default();
        if self.battery > 0 {
            self.write(Record {
                id: record_id,
                kind: BY_PASSCODE,
                pin: pin.to_owned(),
                name,
                opened,
                lock_date: lock_time,
                server_date: None,
            });
        }
        Tried { reason, passcode, lock_time }
    }

    /// The lock's alarm went off at `at` by true time. Writes a record of that type.
    pub(crate) fn alarm(&mut self, kind: i64, at: i64, record_id: i64) {
        let lock_date = self.clock(at);
        let (pin, name) = (String::new(), String::new());
        self.write(Record { id: record_id, kind, pin, name, opened: true, lock_date, server_date: None });
    }

    fn write(&mut self, record: Record) {
        self.records.push_back(record);
        if self.records.len() > RECORDS_IN_LOCK {
            self.records.pop_front();
        }
    }

    /// What the lock thinks of one code at `at` on its own clock.
    pub(crate) fn judge(&self, code: &Passcode, at: i64) -> TryReason {
        let Some(plan) = &code.door else { return TryReason::UnknownCode };
        if plan.from > 0 && at < plan.from {
            return TryReason::NotYetValid;
        }
        if !code.custom {
            let random = judge_random(code, plan, at.saturating_add(self.utc_offset_ms), self.utc_offset_ms, at);
            if random != TryReason::Opened {
                return random;
            }
        } else if plan.until > 0 && at >= plan.until {
            return TryReason::Expired;
        }
        TryReason::Opened
    }
}

/// The offline algorithm's own rules: one use in six hours, first use within a day, or days of the week.
fn judge_random(code: &Passcode, plan: &Plan, local: i64, utc_offset: i64, at: i64) -> TryReason {
    match code.kind {
        ONE_TIME if code.first_used_at.is_some() => TryReason::UsedUp,
        ONE_TIME if at >= plan.from.saturating_add(6 * HOUR_MS) => TryReason::Expired,
        PERMANENT | PERIOD if plan.until > 0 && at >= plan.until => TryReason::Expired,
        PERMANENT | PERIOD if code.first_used_at.is_none() && at >= plan.from.saturating_add(DAY_MS) => {
            TryReason::SuspendedUnused
        }
        5..=14 => {
            // 1 January 1970 was a Thursday; Monday is 0.
            let weekday = (local.div_euclid(DAY_MS) + 3).rem_euclid(7);
            let day_fits = match code.kind {
                5 => weekday >= 5,
                6 => true,
                7 => weekday < 5,
                kind => weekday == kind - 8,
            };
            let time = local.rem_euclid(DAY_MS);
            let opens = plan.from.saturating_add(utc_offset).rem_euclid(DAY_MS);
            let closes = plan.until.saturating_add(utc_offset).rem_euclid(DAY_MS);
            if day_fits && time >= opens && time < closes { TryReason::Opened } else { TryReason::NotYetValid }
        }
        _ => TryReason::Opened,
    }
}

/// Down to a whole `step`, in the lock's local time.
pub(crate) fn floor_to(at: i64, step: i64, utc_offset: i64) -> i64 {
    let local = at.saturating_add(utc_offset);
    local.saturating_sub(local.rem_euclid(step)).saturating_sub(utc_offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock_with(code: Passcode) -> Lock {
        Lock {
            id: 1,
            property: "p".into(),
            alias: "101".into(),
            mac: String::new(),
            admin: "a".into(),
            battery: 90,
            frozen: false,
            wifi: false,
            wifi_online: false,
            utc_offset_ms: 0,
            skew_ms: 0,
            drift_ppm: 0,
            set_at: 0,
            passcodes: BTreeMap::from([(code.id, code)]),
            deleted_periods: Vec::new(),
            records: VecDeque::new(),
        }
    }

    fn code(kind: i64, custom: bool, from: i64, until: i64) -> Passcode {
        let plan = Plan { pin: "73914".into(), from, until };
        Passcode {
            id: 7,
            name: "n".into(),
            kind,
            custom,
            cloud: Some(plan.clone()),
            door: Some(plan),
            sent_at: 0,
            sender: "a".into(),
            first_used_at: None,
        }
    }

    #[test]
    fn the_locks_own_clock_decides() {
        let mut lock = lock_with(code(PERIOD, true, 10 * HOUR_MS, 12 * HOUR_MS));
        assert_eq!(lock.try_pin("73914", 11 * HOUR_MS, 1).reason, TryReason::Opened);
        lock.skew_ms = -2 * HOUR_MS;
        assert_eq!(lock.try_pin("73914", 11 * HOUR_MS, 2).reason, TryReason::NotYetValid);
        lock.set_clock(11 * HOUR_MS);
        assert_eq!(lock.try_pin("73914", 12 * HOUR_MS, 3).reason, TryReason::Expired);
        assert_eq!(lock.records.len(), 3);
    }

    #[test]
    fn drift_grows_with_time() {
        let mut lock = lock_with(code(PERIOD, true, 0, 1));
        lock.drift_ppm = 100;
        assert_eq!(lock.clock(DAY_MS) - DAY_MS, 8_640);
    }

    #[test]
    fn a_random_code_unused_for_a_day_is_suspended() {
        let mut lock = lock_with(code(PERIOD, false, HOUR_MS, 100 * HOUR_MS));
        assert_eq!(lock.try_pin("73914", 26 * HOUR_MS, 1).reason, TryReason::SuspendedUnused);
        let mut used = lock_with(code(PERIOD, false, HOUR_MS, 100 * HOUR_MS));
        assert_eq!(used.try_pin("73914", 2 * HOUR_MS, 1).reason, TryReason::Opened);
        assert_eq!(used.try_pin("73914", 90 * HOUR_MS, 2).reason, TryReason::Opened);
    }

    #[test]
    fn one_time_opens_once() {
        let mut lock = lock_with(code(ONE_TIME, false, HOUR_MS, 0));
        assert_eq!(lock.try_pin("73914", 2 * HOUR_MS, 1).reason, TryReason::Opened);
        assert_eq!(lock.try_pin("73914", 2 * HOUR_MS, 2).reason, TryReason::UsedUp);
        let mut late = lock_with(code(ONE_TIME, false, HOUR_MS, 0));
        assert_eq!(late.try_pin("73914", 7 * HOUR_MS - 1, 1).reason, TryReason::Opened);
        let mut late = lock_with(code(ONE_TIME, false, HOUR_MS, 0));
        assert_eq!(late.try_pin("73914", 7 * HOUR_MS, 1).reason, TryReason::Expired);
    }

    #[test]
    fn hours_are_cut_in_local_time() {
        let half_hour_zone = 5 * HOUR_MS + 30 * MINUTE_MS;
        let at = 19 * HOUR_MS + 20 * MINUTE_MS - half_hour_zone;
        assert_eq!(floor_to(at, HOUR_MS, half_hour_zone), 19 * HOUR_MS - half_hour_zone);
    }
}
