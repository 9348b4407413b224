//! Counters over the life of the process; not kept in the state file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the simulator has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls by path without `/v3/`, answered or not.
    pub calls: BTreeMap<String, u64>,
    /// Answers by `errcode`, `"0"` for success.
    pub errcodes: BTreeMap<String, u64>,
    /// Faults played, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Most custom codes that one lock held at a time.
    pub peak_codes_per_lock: usize,
    /// Most codes over all locks at a time.
    pub peak_codes_total: usize,
    /// Calls that carried a `traceparent` header.
    pub traced_calls: u64,
    /// The `traceparent` of the latest call that carried one, by path without `/v3/`.
    pub last_traceparent: BTreeMap<String, String>,
    /// Calls that found the gateway in the middle of another command: what a careful client keeps at 0.
    pub gateway_collisions: u64,
}

impl Stats {
    pub(crate) fn call(&mut self, verb: &str) {
        bump(&mut self.calls, verb);
    }

    pub(crate) fn errcode(&mut self, code: i64) {
        bump(&mut self.errcodes, &code.to_string());
    }

    pub(crate) fn fault(&mut self, kind: &str) {
        bump(&mut self.faults, kind);
    }
}

fn bump(map: &mut BTreeMap<String, u64>, key: &str) {
    if let Some(count) = map.get_mut(key) {
        *count = count.saturating_add(1);
    } else {
        map.insert(key.to_owned(), 1);
    }
}
