//! Comparing a report with the one that somebody took for good.
//!
//! | | |
//! |---|---|
//! | a check that this run has skipped | says nothing |
//! | a check that the accepted run has skipped | by its own expectations: a difference if it failed; else it is expected from now on ([`completed`]) |
//! | another outcome | a difference of the field `outcome` |
//! | a fact that is there no more, is new, or has another value | a difference |
//! | in the form of answers: a call that one of the runs did not make | says nothing: why it was not made stands elsewhere |
//! | in the form of answers: fields of a list that was empty in one of the runs | say nothing |
//! | in the form of answers: a type that was seen before and was not seen this time | nothing |
//! | in the form of answers: a field that was always null has a value | nothing: its type was not known |

use super::report::{ANSWERS, Check, CheckOutcome, Facts, Report};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The name under which a check's outcome is compared.
const OUTCOME: &str = "outcome";

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// It has another value.
    Changed,
}

/// One difference between what is expected of a vendor and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The check.
    pub check: String,
    /// The fact, or `outcome`.
    pub field: String,
    /// What became of it.
    pub kind: DifferenceKind,
    /// What it was; absent if it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What it is; absent if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// What a run means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// There is nothing to compare it with, and all is well: it is what later runs are compared with.
    Adopted,
    /// The vendor does what it did.
    Same,
    /// The vendor does something else.
    Drift(Vec<Difference>),
    /// Nothing differs as far as it goes, but checks that spoke before are silent: it settles nothing.
    Silent,
}

/// Compares a run with the accepted one. Without one, or with one of another edition of the suite, a run is judged by its own expectations.
pub fn judge(accepted: Option<&Report>, now: &Report) -> Judgement {
    let Some(accepted) = accepted.filter(|accepted| accepted.suite == now.suite && accepted.vendor == now.vendor)
    else {
        let found: Vec<Difference> =
            now.checks.iter().filter(|check| check.outcome == CheckOutcome::Failed).flat_map(missed).collect();
        return match (found.is_empty(), now.speaks()) {
            (false, _) => Judgement::Drift(found),
            (true, true) => Judgement::Adopted,
            (true, false) => Judgement::Silent,
        };
    };
    let speaking = |report: &Report, name: &str| report.check(name).filter(|check| check.speaks()).cloned();
    let mut found = Vec::new();
    for check in now.checks.iter().filter(|check| check.speaks()) {
        match speaking(accepted, &check.name) {
            Some(before) => found.extend(compare(&before, check)),
            None if check.outcome == CheckOutcome::Failed => found.extend(missed(check)),
            None => {}
        }
    }
    if !found.is_empty() {
        return Judgement::Drift(found);
    }
    let all = accepted.checks.iter().filter(|before| before.speaks()).all(|b| speaking(now, &b.name).is_some());
    if all { Judgement::Same } else { Judgement::Silent }
}

/// A report, and with it what only another one says: checks that it has skipped, and of the form of answers the calls that it did not make and
/// the rows of lists that were empty. So what is expected grows with each run that is well, and what a person accepts forgets nothing of
/// what the accepted run was silent about. A report of another vendor or edition adds nothing.
pub fn completed(report: &Report, by: &Report) -> Report {
    let mut whole = report.clone();
    if report.suite != by.suite || report.vendor != by.vendor {
        return whole;
    }
    for more in by.checks.iter().filter(|check| check.speaks()) {
        match whole.checks.iter_mut().find(|check| check.name == more.name) {
            Some(known) if !known.speaks() => *known = more.clone(),
            Some(known) if known.name == ANSWERS => {
                let new = |field: &str| !called(&known.seen, field) || !has_rows(&known.seen, field);
                let new: Facts = more.seen.clone().into_iter().filter(|(field, _)| new(field)).collect();
                known.seen.extend(new);
            }
            Some(_) => {}
            None => whole.checks.push(more.clone()),
        }
    }
    whole
}

/// What a failed check did not see.
fn missed(check: &Check) -> Vec<Difference> {
    let differs = |(field, value): (&String, &String)| {
        let seen = check.seen.get(field);
        (seen != Some(value)).then(|| difference(check, field, Some(value), seen))
    };
    let found: Vec<_> = check.expected.iter().filter_map(differs).collect();
    if found.is_empty() { vec![outcome(check, "passed", "failed")] } else { found }
}

fn compare(before: &Check, now: &Check) -> Vec<Difference> {
    let mut found = Vec::new();
    if before.outcome != now.outcome {
        found.push(outcome(now, before.outcome.name(), now.outcome.name()));
    }
    let form = before.name == ANSWERS;
    let fields: BTreeSet<&String> = before.seen.keys().chain(now.seen.keys()).collect();
    for field in fields {
        if form && [&before.seen, &now.seen].iter().any(|facts| !called(facts, field) || !has_rows(facts, field)) {
            continue;
        }
        let (was, is) = (before.seen.get(field), now.seen.get(field));
        let alike = was == is || (form && was.zip(is).is_some_and(|(was, is)| narrower(was, is)));
        if !alike {
            found.push(difference(now, field, was, is));
        }
    }
    found
}

/// Whether the call that a field belongs to was made.
fn called(facts: &Facts, field: &str) -> bool {
    let verb = |field: &str| field.rsplit_once(' ').map(|(verb, _)| verb.to_owned());
    facts.keys().any(|known| verb(known) == verb(field))
}

/// Whether each list that a field is in had any rows.
fn has_rows(facts: &Facts, field: &str) -> bool {
    field.match_indices("[]").all(|(at, marker)| facts.contains_key(&field[..at + marker.len()]))
}

/// Whether all types that were seen were seen before, or none was known.
fn narrower(was: &str, is: &str) -> bool {
    let known: BTreeSet<&str> = was.split('|').collect();
    was == "null" || is.split('|').all(|one| known.contains(one))
}

fn outcome(check: &Check, was: &str, is: &str) -> Difference {
    difference(check, OUTCOME, Some(&was.to_owned()), Some(&is.to_owned()))
}

fn difference(check: &Check, field: &str, was: Option<&String>, is: Option<&String>) -> Difference {
    let kind = match (was, is) {
        (None, _) => DifferenceKind::Added,
        (Some(_), None) => DifferenceKind::Removed,
        (Some(_), Some(_)) => DifferenceKind::Changed,
    };
    Difference { check: check.name.clone(), field: field.to_owned(), kind, expected: was.cloned(), seen: is.cloned() }
}
