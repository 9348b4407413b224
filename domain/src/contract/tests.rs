#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

fn facts(pairs: &[(&str, &str)]) -> Facts {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn check(name: &str, outcome: CheckOutcome, expected: &[(&str, &str)], seen: &[(&str, &str)]) -> Check {
    Check { name: name.to_owned(), outcome, expected: facts(expected), seen: facts(seen), took_ms: 7 }
}

fn report(checks: Vec<Check>) -> Report {
    Report { vendor: "ttlock".to_owned(), suite: 1, checks }
}

fn create(seen: &[(&str, &str)]) -> Report {
    report(vec![check("create", CheckOutcome::Passed, &[("name", "ours")], seen)])
}

fn skipped(name: &str) -> Check {
    check(name, CheckOutcome::Skipped { reason: "nobody is there".to_owned() }, &[], &[])
}

fn lines(judgement: Judgement) -> Vec<String> {
    let Judgement::Drift(found) = judgement else { panic!("{judgement:?}") };
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    found.into_iter().map(|d| format!("{} {} {} {}", d.check, d.field, text(d.expected), text(d.seen))).collect()
}

#[test]
fn r_lock_02_what_is_added_removed_or_changed_is_told_by_its_field() {
    let before = create(&[("name", "ours"), ("window", "as told"), ("pin", "none")]);
    let mut now = create(&[("name", "ours"), ("window", "cut"), ("card", "yes")]);
    now.checks[0].outcome = CheckOutcome::Failed;
    assert_eq!(
        lines(judge(Some(&before), &now)),
        ["create outcome passed failed", "create card - yes", "create pin none -", "create window as told cut"]
    );
    assert_eq!(judge(Some(&before), &before), Judgement::Same);
}

#[test]
fn r_lock_02_the_form_of_answers_may_narrow_and_must_not_widen() {
    let answers = |seen: &[(&str, &str)]| report(vec![check(ANSWERS, CheckOutcome::Passed, &[], seen)]);
    let before = answers(&[("add id", "number|string"), ("add note", "null"), ("delete errcode", "number")]);
    let well = answers(&[("add id", "number"), ("add note", "string")]);
    assert_eq!(judge(Some(&before), &well), Judgement::Same);
    let renamed = answers(&[("add Id", "number"), ("add note", "null"), ("get x", "number")]);
    assert_eq!(lines(judge(Some(&before), &renamed)), ["answers add Id - number", "answers add id number|string -"]);
    let empty = answers(&[("add id", "number"), ("add note", "null"), ("list items", "array")]);
    let rows = answers(&[
        ("add id", "number"),
        ("list items", "array"),
        ("list items[]", "object"),
        ("list items[].id", "number"),
    ]);
    assert_eq!(lines(judge(Some(&empty), &rows)), ["answers add note null -"]);
    assert_eq!(lines(judge(Some(&rows), &empty)), ["answers add note - null"]);
    let wider = answers(&[("add id", "array"), ("add note", "null")]);
    assert_eq!(lines(judge(Some(&before), &wider)), ["answers add id number|string array"]);
}

#[test]
fn a_first_run_is_judged_by_its_own_expectations() {
    assert_eq!(judge(None, &create(&[("name", "ours")])), Judgement::Adopted);
    let mut failed = create(&[("name", "another")]);
    failed.checks[0].outcome = CheckOutcome::Failed;
    assert_eq!(lines(judge(None, &failed)), ["create name ours another"]);
    assert_eq!(judge(None, &report(vec![skipped("create")])), Judgement::Silent);
    let other = Report { suite: 2, ..create(&[("name", "ours"), ("more", "x")]) };
    assert_eq!(judge(Some(&create(&[("name", "ours")])), &other), Judgement::Adopted);
}

#[test]
fn silence_is_no_difference_and_no_proof() {
    let before = create(&[("name", "ours")]);
    assert_eq!(judge(Some(&before), &report(vec![skipped("create")])), Judgement::Silent);
    assert_eq!(judge(Some(&report(vec![skipped("create")])), &before), Judgement::Same);
}

fn arbitrary() -> impl Strategy<Value = Report> {
    let outcome = prop_oneof![
        Just(CheckOutcome::Passed),
        Just(CheckOutcome::Failed),
        Just(CheckOutcome::Skipped { reason: "x".to_owned() }),
    ];
    let facts = || proptest::collection::btree_map("[ab] [c-e]", "(null|number|string)", 0..4);
    let check = |name: &'static str| {
        (outcome.clone(), facts(), facts(), 0_u32..9).prop_map(move |(outcome, expected, seen, took_ms)| Check {
            name: name.to_owned(),
            outcome,
            expected,
            seen,
            took_ms,
        })
    };
    (check("create"), check(ANSWERS)).prop_map(|(one, two)| report(vec![one, two]))
}

proptest! {
    #[test]
    fn a_report_never_differs_from_itself(one in arbitrary()) {
        prop_assert!(!matches!(judge(Some(&one), &one), Judgement::Drift(_)));
    }

    #[test]
    fn only_what_speaks_in_both_differs(one in arbitrary(), two in arbitrary()) {
        if let Judgement::Drift(found) = judge(Some(&one), &two) {
            for difference in found {
                prop_assert!(one.check(&difference.check).unwrap().speaks());
                prop_assert!(two.check(&difference.check).unwrap().speaks());
                prop_assert_ne!(difference.expected, difference.seen);
            }
        }
    }

    #[test]
    fn time_is_not_compared(one in arbitrary(), took in 0_u32..99) {
        let mut two = one.clone();
        two.checks.iter_mut().for_each(|check| check.took_ms = took);
        prop_assert_eq!(judge(Some(&one), &one), judge(Some(&one), &two));
    }
}
