#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn limits(pad_s: i64) -> ClockLimits {
    ClockLimits::for_padding(SignedDuration::from_secs(pad_s))
}

fn secs(s: i64) -> SignedDuration {
    SignedDuration::from_secs(s)
}

/// Applies acts to a view, as the record would.
fn apply(view: &mut ClockView, acts: &[Act]) {
    for act in acts {
        match act {
            Act::Raise(_) => view.alerted = true,
            Act::Resolve(_) => view.alerted = false,
            Act::Open(_) => view.tasked = true,
            Act::Close(_) => view.tasked = false,
            Act::Sync => {}
        }
    }
}

fn uploads(aheads: &[i64]) -> Vec<Upload> {
    let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    aheads.iter().enumerate().map(|(n, s)| Upload { at_server: noon - secs(60) * n as i32, ahead: secs(*s) }).collect()
}

#[test]
fn limits_follow_the_padding() {
    for (pad, clear, sync, alert) in [(0, 15, 30, 60), (300, 37, 75, 150), (7_200, 75, 150, 300)] {
        let limits = limits(pad);
        assert_eq!((limits.clear.as_secs(), limits.sync.as_secs(), limits.alert.as_secs()), (clear, sync, alert));
    }
}

#[test]
fn the_table_of_clocks() {
    use ClockReach::*;
    let limits = limits(300);
    let fresh = ClockView::default();
    let alerted = ClockView { alerted: true, ..fresh };
    let (raise, open) = (Act::Raise(AlertKind::ClockDrift), |reason| Act::Open(reason));
    assert_eq!(judge_clock(secs(-36), fresh, Settable, &limits), []);
    assert_eq!(judge_clock(secs(-70), alerted, NoGateway, &limits), []);
    assert_eq!(judge_clock(secs(-70), alerted, Settable, &limits), [Act::Sync]);
    assert_eq!(judge_clock(secs(-70), fresh, Settable, &limits), []);
    assert_eq!(judge_clock(secs(-80), fresh, Settable, &limits), [Act::Sync]);
    assert_eq!(judge_clock(secs(80), fresh, NoGateway, &limits), []);
    assert_eq!(judge_clock(secs(150), fresh, Settable, &limits), [raise, Act::Sync]);
    assert_eq!(judge_clock(secs(150), alerted, Settable, &limits), [Act::Sync]);
    assert_eq!(judge_clock(secs(-150), fresh, NoGateway, &limits), [raise, open(TaskReason::NoGateway)]);
    assert_eq!(judge_clock(secs(-150), fresh, NoTimeSync, &limits), [raise, open(TaskReason::NoTimeSync)]);
    let in_vain = ClockView { in_vain: 2, ..alerted };
    assert_eq!(judge_clock(secs(150), in_vain, Settable, &limits), [open(TaskReason::SyncDidNotHelp), Act::Sync]);
    let all = ClockView { alerted: true, tasked: true, in_vain: 2 };
    assert_eq!(judge_clock(secs(150), all, Settable, &limits), [Act::Sync]);
    let over = [Act::Resolve(AlertKind::ClockDrift), Act::Close(AlertKind::ClockDrift)];
    assert_eq!(judge_clock(secs(2), all, NoGateway, &limits), over);
}

#[test]
fn one_record_proves_a_fast_clock_and_hints_at_a_slow_one() {
    let limits = limits(300);
    assert_eq!(hint(&[], &limits), Hint::Nothing);
    assert_eq!(hint(&uploads(&[6]), &limits), Hint::Nothing, "what every lock has");
    assert_eq!(hint(&uploads(&[400]), &limits), Hint::Proven(secs(400)));
    assert_eq!(hint(&uploads(&[-400]), &limits), Hint::Look, "slow, or it waited for a gateway");
    assert_eq!(hint(&uploads(&[-400, -3]), &limits), Hint::Nothing, "another came in time");
    assert_eq!(hint(&uploads(&[-400, -9_000, -410]), &limits), Hint::Proven(secs(-400)));
    assert_eq!(hint(&uploads(&[-3, -4, -2, 400]), &limits), Hint::Proven(secs(-2)), "what is older is forgotten");
}

#[test]
fn batteries_and_links_have_two_ends() {
    let raise = vec![Act::Raise(AlertKind::BatteryLow), Act::Open(TaskReason::BatteryLow)];
    let over = vec![Act::Resolve(AlertKind::BatteryLow), Act::Close(AlertKind::BatteryLow)];
    for (percent, alerted, acts) in [
        (20, false, vec![]),
        (19, false, raise),
        (5, true, vec![]),
        (34, true, vec![]),
        (35, true, over),
        (90, false, vec![]),
    ] {
        assert_eq!(judge_battery(percent, alerted), acts, "{percent} {alerted}");
    }
    assert_eq!((judge_low(false), judge_low(true)), (judge_battery(1, false), vec![]));
    let kind = AlertKind::GatewayOffline;
    let early = OFFLINE_AFTER - secs(1);
    assert_eq!(judge_online(kind, false, early, false), None);
    assert_eq!(judge_online(kind, false, OFFLINE_AFTER, false), Some(Act::Raise(kind)));
    assert_eq!(judge_online(kind, false, OFFLINE_AFTER, true), None);
    assert_eq!(judge_online(kind, true, early, true), None);
    assert_eq!(judge_online(kind, true, OFFLINE_AFTER, true), Some(Act::Resolve(kind)));
    assert_eq!(judge_online(kind, true, OFFLINE_AFTER, false), None);
}

#[test]
fn words_say_what_a_guest_meets() {
    let limits = limits(300);
    assert_eq!(drift_words(secs(-90)), "90 s slow");
    assert!(guest_words(secs(-200), &limits).contains("notices nothing"));
    assert!(
        guest_words(secs(-420), &limits).contains("7 min slow, more than the 5 min")
            && guest_words(secs(-420), &limits).contains("2 min late")
    );
    assert!(guest_words(secs(420), &limits).contains("7 min fast"));
    for (one, other) in AlertKind::ALL.iter().zip(TaskReason::ALL) {
        assert!(one.meaning().len() > 20 && other.why().len() > 20 && other.next_action().len() > 20);
    }
}

proptest! {
    #[test]
    fn r_lock_09_noise_never_alerts(pad in 0_i64..7_200, readings in prop::collection::vec(-1.0_f64..1.0, 1..60)) {
        let limits = limits(pad);
        let mut view = ClockView::default();
        for part in readings {
            let drift = SignedDuration::from_secs_f64(part * (limits.sync.as_secs_f64() - 0.001));
            let acts = judge_clock(drift, view, ClockReach::Settable, &limits);
            prop_assert_eq!(&acts, &vec![]);
            apply(&mut view, &acts);
        }
    }

    /// Records may wait for days: as long as one of the last three came in time, a clock that is right is never proven wrong.
    #[test]
    fn r_lock_09_records_that_come_late_prove_nothing(
        delays in prop::collection::vec(0_i64..500_000, WINDOW), in_time in 0..WINDOW, noise in -10_i64..10, pad in 0_i64..7_200,
    ) {
        let limits = limits(pad);
        let aheads: Vec<i64> = delays.iter().enumerate().map(|(n, d)| noise - if n == in_time { 0 } else { *d }).collect();
        match hint(&uploads(&aheads), &limits) {
            Hint::Proven(drift) => prop_assert_eq!(judge_clock(drift, ClockView::default(), ClockReach::NoTimeSync, &limits), []),
            Hint::Look => prop_assert!(false, "all three were late"),
            Hint::Nothing => {}
        }
    }

    /// A clock that is off by more than the alert's limit is found: by the first reading, and by three arrivals of which one was in time.
    #[test]
    fn r_lock_09_a_drift_is_found(
        pad in 0_i64..7_200, more in 0_i64..86_400, fast: bool, delays in prop::collection::vec(0_i64..500_000, WINDOW), in_time in 0..WINDOW,
    ) {
        let limits = limits(pad);
        let off = i64::try_from(limits.alert.as_secs()).unwrap() + 5 + more;
        let drift = secs(if fast { off } else { -off });
        let raised = |acts: &[Act]| acts.contains(&Act::Raise(AlertKind::ClockDrift));
        prop_assert!(raised(&judge_clock(drift, ClockView::default(), ClockReach::Settable, &limits)));
        let aheads: Vec<i64> =
            delays.iter().enumerate().map(|(n, d)| drift.as_secs() - if n == in_time { 0 } else { *d }).collect();
        let Hint::Proven(proven) = hint(&uploads(&aheads), &limits) else { panic!("not found") };
        prop_assert_eq!(proven, drift);
        prop_assert!(raised(&judge_clock(proven, ClockView::default(), ClockReach::NoTimeSync, &limits)));
    }

    #[test]
    fn r_lock_09_flapping_is_told_once_an_episode(pad in 0_i64..7_200, readings in prop::collection::vec(0.0_f64..3.0, 1..200)) {
        let limits = limits(pad);
        let (mut view, mut raised, mut resolved, mut dips) = (ClockView::default(), 0, 0, 0);
        let mut was_off = false;
        for part in readings {
            let off = limits.alert.mul_f64(part);
            let acts = judge_clock(SignedDuration::try_from(off).unwrap(), view, ClockReach::Settable, &limits);
            raised += acts.iter().filter(|act| matches!(act, Act::Raise(_))).count();
            resolved += acts.iter().filter(|act| matches!(act, Act::Resolve(_))).count();
            apply(&mut view, &acts);
            was_off |= off >= limits.alert;
            if was_off && off < limits.clear {
                dips += 1;
                was_off = false;
            }
        }
        prop_assert!(raised <= resolved + 1 && resolved == dips && raised == dips + usize::from(was_off));
    }

    /// Spells that are shorter than the limit are told once, however many there are, and not at all if none was longer.
    #[test]
    fn r_lock_09_a_link_that_flaps_is_told_once(
        spells in prop::collection::vec(1..OFFLINE_AFTER.as_secs(), 1..100), long_first: bool,
    ) {
        let (mut alerted, mut raised) = (false, 0);
        let first = if long_first { OFFLINE_AFTER.as_secs() } else { 1 };
        for (n, spell) in std::iter::once(first).chain(spells).enumerate() {
            match judge_online(AlertKind::Offline, n % 2 == 1, secs(spell), alerted) {
                Some(Act::Raise(_)) => (alerted, raised) = (true, raised + 1),
                Some(_) => alerted = false,
                None => {}
            }
        }
        prop_assert_eq!((raised, alerted), (i32::from(long_first), long_first));
    }
}
