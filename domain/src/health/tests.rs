#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::problem::Code;
use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

const WHY: Code = Code::VendorUnreachable;
const BAD: Finding = Finding::Bad { reach: Reach::Link, code: WHY };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn tuning() -> Tuning {
    Tuning::every(SignedDuration::from_secs(10))
}

fn round(findings: &[(ProbeKind, Finding)]) -> Vec<Evidence> {
    findings.iter().map(|(kind, finding)| Evidence { kind: *kind, finding: *finding }).collect()
}

/// Sign-in, lock list, gateways.
fn three(bad: [bool; 3]) -> Vec<Evidence> {
    let kinds = [ProbeKind::SignIn, ProbeKind::LockList, ProbeKind::Gateways];
    round(&std::array::from_fn::<_, 3, _>(|n| (kinds[n], if bad[n] { BAD } else { Finding::Well })))
}

fn blameless(round: &[Evidence]) -> bool {
    round.iter().all(|e| !matches!(e.finding, Finding::Bad { .. }))
}

/// Takes rounds in at the times at which they are due; calls back with each step.
fn play(rounds: impl IntoIterator<Item = Vec<Evidence>>, mut seen: impl FnMut(usize, Timestamp, &Step)) {
    let mut breaker = Breaker::new(at(0), at(0));
    for (n, round) in rounds.into_iter().enumerate() {
        let now = breaker.next_probe_at;
        let step = breaker.after(verdict(&round), blameless(&round), now, &tuning());
        seen(n, now, &step);
        breaker = step.breaker;
    }
}

#[test]
fn r_lock_22_no_probe_is_believed_alone() {
    use ProbeKind::*;
    let bad = Verdict::Bad { code: WHY };
    assert_eq!(verdict(&three([true, false, false])), Verdict::Well);
    assert_eq!(verdict(&three([true, true, false])), bad);
    assert_eq!(verdict(&round(&[(SignIn, BAD)])), Verdict::Unclear);
    assert_eq!(verdict(&round(&[(SignIn, BAD), (SignIn, BAD)])), Verdict::Unclear, "one kind has one word");
    assert_eq!(verdict(&round(&[(SignIn, BAD), (LockList, Finding::Well)])), Verdict::Unclear);
    assert_eq!(verdict(&round(&[(SignIn, BAD), (LockList, BAD)])), bad);
    assert_eq!(verdict(&[]), Verdict::Unclear);
    // Reading works and changing does not: the canary decides whether guests' calls are right.
    let reads = [(SignIn, Finding::Well), (LockList, Finding::Well), (Gateways, Finding::Well)];
    let with = |more: &[(ProbeKind, Finding)]| verdict(&round(&[&reads[..], more].concat()));
    assert_eq!(with(&[(Passive, BAD)]), Verdict::Well);
    assert_eq!(with(&[(Passive, BAD), (Canary, Finding::Well)]), Verdict::Well);
    assert_eq!(with(&[(Passive, BAD), (Canary, BAD)]), bad);
}

#[test]
fn r_lock_11_a_lock_or_a_gateway_does_not_speak_of_the_link() {
    let dead = |reach| Finding::Bad { reach, code: Code::LockOffline };
    for reach in [Reach::Lock, Reach::Gateway] {
        for passive in [Finding::Silent, dead(reach)] {
            let kinds = [ProbeKind::LockList, ProbeKind::Gateways, ProbeKind::Canary];
            let mut said = kinds.map(|kind| (kind, dead(reach))).to_vec();
            said.push((ProbeKind::Passive, passive));
            assert_eq!(verdict(&round(&said)), Verdict::Unclear, "{reach:?}");
        }
    }
    assert!(Reach::Lock < Reach::Gateway && Reach::Gateway < Reach::Link && Reach::Link < Reach::Vendor);
}

#[test]
fn real_calls_need_more_than_one_loss() {
    assert_eq!(passive(0, 0), Finding::Silent);
    assert_eq!(passive(0, 1), Finding::Silent);
    assert_eq!(passive(3, 3), Finding::Silent);
    assert_eq!(passive(1, 0), Finding::Well);
    assert_eq!(passive(1, 2), BAD);
}

#[test]
fn r_lock_01_an_outage_opens_pauses_grow_and_a_return_closes() {
    let mut log = Vec::new();
    let dark = std::iter::repeat_n(three([true; 3]), 10);
    let back = std::iter::repeat_n(three([false; 3]), 4);
    play(dark.chain(back), |n, now, step| log.push((n, now, step.clone())));
    assert_eq!(log[1].2.moved, Some(Moved::Opened { code: WHY }));
    let waits: Vec<i64> =
        log[1..10].iter().map(|(_, now, s)| s.breaker.next_probe_at.duration_since(*now).as_secs()).collect();
    assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300, 300]);
    assert_eq!(log[10].2.moved, Some(Moved::HalfOpened));
    assert!(log[10].2.breaker.holds() && log[11].2.breaker.holds());
    assert!(matches!(log[12].2.moved, Some(Moved::Closed { .. })), "{:?}", log[12]);
    assert!(log.iter().all(|(_, _, step)| !step.false_positive));
}

#[test]
fn r_lock_22_what_opened_on_nothing_is_counted() {
    let rounds = [[true, true, false], [true, true, false], [false; 3]].map(three);
    let mut counted = Vec::new();
    play(rounds, |_, _, step| counted.push(step.false_positive));
    assert_eq!(counted, [false, false, true]);
}

#[test]
fn one_property_does_not_speak_for_a_vendor() {
    let link = |state, signs_in| LinkView { state, signs_in };
    let (open, closed) = (link(BreakerState::Open, Some(true)), link(BreakerState::Closed, Some(true)));
    assert_eq!(vendor_wide(&[open]), VendorOpinion::Links);
    assert_eq!(vendor_wide(&[open, closed]), VendorOpinion::Links);
    assert_eq!(vendor_wide(&[open, open, closed, closed]), VendorOpinion::Links);
    assert_eq!(vendor_wide(&[open, open, closed]), VendorOpinion::Down);
    assert_eq!(vendor_wide(&[closed, closed]), VendorOpinion::Well);
    let out = link(BreakerState::Closed, Some(false));
    assert_eq!(vendor_wide(&[out]), VendorOpinion::Well);
    assert_eq!(vendor_wide(&[out, closed]), VendorOpinion::Well);
    assert_eq!(vendor_wide(&[out, out]), VendorOpinion::Down);
}

#[test]
fn notices_say_what_to_do_and_name_nobody() {
    for state in BreakerState::ALL {
        assert!(notice("ttlock", state, at(0), Some(WHY)).contains("ttlock"));
    }
    let open = notice("ttlock", BreakerState::Open, at(0), Some(WHY));
    assert!(
        open.contains("since 2027-01-15 08:00:00 UTC") && open.contains("desk") && open.contains(WHY.title()),
        "{open}"
    );
}

proptest! {
    /// Whatever happens: a round with one bad probe of three never counts, so that no number of them opens anything.
    #[test]
    fn r_lock_22_never_on_one_bad_probe_in_three(bad in prop::collection::vec(prop::option::of(0usize..3), 1..200)) {
        let rounds = bad.into_iter().map(|bad| three(std::array::from_fn(|n| bad == Some(n))));
        let mut opened = false;
        play(rounds, |_, _, step| opened |= step.breaker.holds());
        prop_assert!(!opened);
    }

    /// An outage that two of three probes see opens within three rounds, whatever was before it.
    #[test]
    fn r_lock_01_opens_within_three_rounds(before in prop::collection::vec(any::<[bool; 3]>(), 0..60), lucky in prop::collection::vec(prop::option::of(0usize..3), 3)) {
        let start = before.len();
        let dark = lucky.into_iter().map(|lucky| three(std::array::from_fn(|n| lucky != Some(n))));
        let mut holds = false;
        play(before.into_iter().map(three).chain(dark), |n, _, step| if n >= start { holds = step.breaker.holds() });
        prop_assert!(holds, "open after three rounds of {}", start);
    }

    /// Whatever the input: at most one opening in a cool-down, pauses within their bounds, and only legal moves.
    #[test]
    fn r_lock_22_flapping_opens_once_a_cool_down(rounds in prop::collection::vec(any::<[bool; 3]>(), 1..400)) {
        let (mut opened, mut state) = (None::<Timestamp>, BreakerState::Closed);
        play(rounds.into_iter().map(three), |_, now, step| {
            let (was, is) = (state, step.breaker.state);
            if let Some(Moved::Opened { .. }) = step.moved {
                assert!(opened.is_none_or(|before| now.duration_since(before) >= tuning().cool_down));
                opened = Some(now);
            }
            let legal = was == is || matches!((was, is), (BreakerState::Closed, BreakerState::Open) | (BreakerState::Open, BreakerState::HalfOpen)
                | (BreakerState::HalfOpen, BreakerState::Open | BreakerState::Closed));
            assert!(legal, "{was:?} to {is:?}");
            let wait = step.breaker.next_probe_at.duration_since(now);
            assert!(wait >= tuning().every && wait <= tuning().longest_pause);
            state = is;
        });
    }
}

/// Random outages under noise: how soon it opens, and how often for nothing. `--nocapture` shows the rates; the bounds are what is promised.
#[test]
fn r_lock_22_the_rates() {
    let mut runner = TestRunner::deterministic();
    for noise in [0.01_f64, 0.05, 0.10] {
        let (mut outages, mut in_time, mut rounds_to_open, mut quiet_rounds, mut for_nothing) =
            (0u32, 0u32, 0u32, 0u32, 0u32);
        for _ in 0..300 {
            // Rounds well, then rounds dark, then well again, each probe telling the truth but for the noise.
            let plan = (20usize..120, 5usize..40, prop::collection::vec(prop::array::uniform3(0.0f64..1.0), 200));
            let (well, dark, dice) = plan.new_tree(&mut runner).unwrap().current();
            let is_dark = |n: usize| (well..well + dark).contains(&n);
            let rounds = dice.iter().enumerate().map(|(n, dice)| three(dice.map(|dice| is_dark(n) != (dice < noise))));
            let (mut opened_at, mut was_open) = (None, false);
            play(rounds.collect::<Vec<_>>(), |n, _, step| {
                if !is_dark(n) && n < well {
                    quiet_rounds += 1;
                    for_nothing += u32::from(matches!(step.moved, Some(Moved::Opened { .. })));
                    was_open = step.breaker.holds();
                }
                if is_dark(n) && step.breaker.holds() && opened_at.is_none() {
                    opened_at = Some(n - well + 1);
                }
            });
            // One that was open already tells nothing of how soon it opens.
            if !was_open {
                outages += 1;
                let took = opened_at.unwrap_or(99) as u32;
                in_time += u32::from(took <= 3);
                rounds_to_open += took.min(40);
            }
        }
        let share = f64::from(in_time) / f64::from(outages);
        let per_round = f64::from(for_nothing) / f64::from(quiet_rounds);
        let mean = f64::from(rounds_to_open) / f64::from(outages);
        println!(
            "noise {:>4.0} %: {outages} outages, open within 3 rounds {:.2} %, {mean:.2} rounds on average; opened for nothing {for_nothing} times in {quiet_rounds} rounds ({:.4} %)",
            noise * 100.0,
            share * 100.0,
            per_round * 100.0
        );
        assert!(share > 0.93, "noise {noise}: {share}");
        assert!(per_round < 3.0 * (3.0 * noise * noise).powi(2) + 0.000_5, "noise {noise}: {per_round}");
        if noise <= 0.01 {
            assert!(in_time == outages && for_nothing == 0, "{in_time} of {outages}, {for_nothing}");
        }
    }
}
