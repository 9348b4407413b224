//! Where the processor's time goes: what each program of the stack has used between two moments. Works where `/proc` does (Linux);
//! elsewhere there is nothing to show.

use std::collections::{BTreeMap, BTreeSet};

/// `/proc` counts in these, whatever the kernel's own tick is.
const MS_PER_TICK: f64 = 10.0;
/// What children used that have ended by now.
const ENDED: &str = "ended children";

/// Milliseconds of processor time by program.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuTimes(BTreeMap<String, f64>);

struct Process {
    parent: u32,
    name: String,
    own: f64,
    ended: f64,
}

impl CpuTimes {
    /// What this process's descendants have used until now.
    #[must_use]
    pub fn now() -> Self {
        let all = processes();
        let me = std::process::id();
        let mut family = BTreeSet::from([me]);
        // Parents before children would need an order that `/proc` doesn't promise; a stack is three levels deep.
        for _ in 0..8 {
            family.extend(
                all.iter()
                    .filter(|(_, process)| family.contains(&process.parent))
                    .map(|(pid, _)| *pid)
                    .collect::<Vec<_>>(),
            );
        }
        let mut used = BTreeMap::new();
        for (pid, process) in all.iter().filter(|(pid, _)| family.contains(pid)) {
            if *pid == me {
                *used.entry(ENDED.to_owned()).or_default() += process.ended;
            } else {
                *used.entry(process.name.clone()).or_default() += process.own;
            }
        }
        Self(used)
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let used = |(name, ms): (&String, &f64)| {
            let more = ms - earlier.0.get(name).copied().unwrap_or(0.0);
            (more > 0.0).then(|| (name.clone(), more))
        };
        Self(self.0.iter().filter_map(used).collect())
    }

    /// Milliseconds of all programs.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        self.0.values().sum()
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (name, ms) in &other.0 {
            *self.0.entry(name.clone()).or_default() += ms;
        }
        self
    }

    /// `temporal 12.1, postgres 5.0`: milliseconds per run, the greatest first.
    #[must_use]
    pub fn per_run(&self, runs: usize) -> String {
        #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
        let runs = runs.max(1) as f64;
        let mut list: Vec<_> =
            self.0.iter().map(|(name, ms)| (ms / runs, name)).filter(|(ms, _)| *ms >= 0.05).collect();
        list.sort_by(|a, b| b.0.total_cmp(&a.0));
        let sum: f64 = list.iter().map(|(ms, _)| ms).sum();
        let parts: Vec<String> = list.into_iter().map(|(ms, name)| format!("{name} {ms:.1}")).collect();
        format!("{sum:.1} ms = {}", parts.join(" + "))
    }
}

fn processes() -> BTreeMap<u32, Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// proc(5): `pid (name) state ppid …`, the times from the 14th field on. The name may hold anything, also brackets.
fn parse(stat: &str) -> Option<Process> {
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok());
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        name,
        own: (ticks(11)? + ticks(12)?) * MS_PER_TICK,
        ended: (ticks(13)? + ticks(14)?) * MS_PER_TICK,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_may_hold_brackets() {
        let stat = "42 (a (b) c) S 7 1 1 0 -1 4194560 1 2 0 0 150 50 30 20 20 0 4 0 9 1 1";
        let process = parse(stat).unwrap();
        assert_eq!((process.parent, process.name.as_str()), (7, "a (b) c"));
        assert!((process.own - 2_000.0).abs() < 1e-9 && (process.ended - 500.0).abs() < 1e-9);
    }

    #[test]
    fn differences_are_told_per_run() {
        let times = |a: f64, b: f64| CpuTimes(BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]));
        let used = times(300.0, 120.0).since(&times(100.0, 100.0));
        assert_eq!(used.per_run(10), "22.0 ms = a 20.0 + b 2.0");
    }
}
