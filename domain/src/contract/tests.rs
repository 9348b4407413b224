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
}

#[test]
fn r_lock_02_what_the_accepted_run_had_skipped_is_judged_by_itself() {
    let accepted = report(vec![skipped("change"), check("create", CheckOutcome::Passed, &[], &[("pin", "none")])]);
    let with = |change: Check| Report { checks: vec![change, accepted.checks[1].clone()], ..accepted.clone() };
    let failed = with(check("change", CheckOutcome::Failed, &[("window", "as told")], &[("window", "cut")]));
    assert_eq!(lines(judge(Some(&accepted), &failed)), ["change window as told cut"]);
    // Also in a check that the accepted run did not have at all.
    let shorter = report(vec![accepted.checks[1].clone()]);
    assert_eq!(lines(judge(Some(&shorter), &failed)), ["change window as told cut"]);
    let passed = with(check("change", CheckOutcome::Passed, &[], &[("window", "as told"), ("name", "kept")]));
    assert_eq!(judge(Some(&accepted), &passed), Judgement::Same);
    // From then on it is compared like the rest.
    let expected = completed(&accepted, &passed);
    assert_eq!(expected, passed);
    let other = with(check("change", CheckOutcome::Passed, &[], &[("window", "as told"), ("name", "lost")]));
    assert_eq!(lines(judge(Some(&expected), &other)), ["change name kept lost"]);
    assert_eq!(judge(Some(&expected), &accepted), Judgement::Silent);
    assert_eq!(completed(&expected, &accepted), expected, "silence takes nothing away");
    assert_eq!(completed(&accepted, &Report { suite: 2, ..passed }), accepted);
}

#[test]
fn r_lock_02_the_form_of_calls_and_rows_that_come_later_is_learnt() {
    let answers = |seen: &[(&str, &str)]| report(vec![check(ANSWERS, CheckOutcome::Passed, &[], seen)]);
    let first = answers(&[("add id", "number"), ("list items", "array")]);
    let later = answers(&[
        ("add note", "string"),
        ("change code", "number"),
        ("list items", "array"),
        ("list items[]", "object"),
    ]);
    let learnt = completed(&first, &later);
    let expected =
        [("add id", "number"), ("change code", "number"), ("list items", "array"), ("list items[]", "object")];
    assert_eq!(learnt, answers(&expected));
    let renamed = answers(&[("add id", "number"), ("change errcode", "number"), ("list items", "array")]);
    assert_eq!(
        lines(judge(Some(&learnt), &renamed)),
        ["answers change code number -", "answers change errcode - number"]
    );
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
    fn only_what_speaks_now_differs_and_what_is_new_only_if_it_failed(one in arbitrary(), two in arbitrary()) {
        if let Judgement::Drift(found) = judge(Some(&one), &two) {
            for difference in found {
                let now = two.check(&difference.check).unwrap();
                prop_assert!(now.speaks());
                prop_assert!(one.check(&difference.check).unwrap().speaks() || now.outcome == CheckOutcome::Failed);
                prop_assert_ne!(difference.expected, difference.seen);
            }
        }
    }

    #[test]
    fn r_lock_02_a_check_that_fails_where_nothing_spoke_before_is_a_drift(one in arbitrary(), two in arbitrary()) {
        let unheard = |check: &Check| !one.check(&check.name).unwrap().speaks() && check.outcome == CheckOutcome::Failed;
        if two.checks.iter().any(unheard) {
            prop_assert!(matches!(judge(Some(&one), &two), Judgement::Drift(_)));
        }
    }

    #[test]
    fn what_is_learnt_of_a_run_that_is_well_makes_no_difference_of_it(one in arbitrary(), two in arbitrary()) {
        let whole = completed(&one, &two);
        prop_assert_eq!(&completed(&whole, &two), &whole);
        prop_assert_eq!(&completed(&whole, &one), &whole);
        if !matches!(judge(Some(&one), &two), Judgement::Drift(_)) {
            prop_assert!(!matches!(judge(Some(&whole), &two), Judgement::Drift(_)));
            prop_assert!(!matches!(judge(Some(&whole), &one), Judgement::Drift(_)));
        }
    }

    #[test]
    fn time_is_not_compared(one in arbitrary(), took in 0_u32..99) {
        let mut two = one.clone();
        two.checks.iter_mut().for_each(|check| check.took_ms = took);
        prop_assert_eq!(judge(Some(&one), &one), judge(Some(&one), &two));
    }
}
