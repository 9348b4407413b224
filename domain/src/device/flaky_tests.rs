#![allow(clippy::unwrap_used)]
use super::*;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const RAISE: [Act; 2] = [Act::Raise(AlertKind::ConnectionFlaky), Act::Open(TaskReason::ConnectionFlaky)];
const OVER: [Act; 2] = [Act::Resolve(AlertKind::ConnectionFlaky), Act::Close(AlertKind::ConnectionFlaky)];

/// Minutes after some noon.
fn at(minutes: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    noon + SignedDuration::from_mins(minutes)
}

fn all(minutes: &[i64]) -> Vec<Timestamp> {
    minutes.iter().map(|m| at(*m)).collect()
}

fn view<'a>(drops: &'a [Timestamp], others: &'a [Timestamp], dark: &'a [Dark]) -> LinkView<'a> {
    LinkView { online: Some(true), drops, others, dark, open_since: None, ended: None }
}

fn acts(drops: &[i64], others: &[i64], dark: &[Dark], present: i64) -> Vec<Act> {
    judge_flaky(&view(&all(drops), &all(others), dark), at(present))
}

#[test]
fn four_drops_of_its_own_within_a_day_are_told() {
    assert_eq!(acts(&[0, 60, 120], &[], &[], 180), []);
    assert_eq!(acts(&[0, 60, 120, 180], &[], &[], 181), [], "the last has yet to be judged");
    assert_eq!(acts(&[0, 60, 120, 180], &[], &[], 182), RAISE);
    assert_eq!(acts(&[0, 60, 120, 180], &[], &[], 24 * 60), [], "the first was a day ago");
    assert_eq!(acts(&[0, 60, 120, 180], &[400, 500], &[], 600), RAISE, "others at other times");
}

#[test]
fn r_lock_22_what_goes_dark_together_counts_against_nobody() {
    assert_eq!(acts(&[0, 60, 120, 180], &[62], &[], 240), [], "another one a moment later");
    assert_eq!(acts(&[0, 60, 120, 180], &[63], &[], 240), RAISE);
    let dark = |from, until: Option<i64>| [Dark { from: at(from), until: until.map(at) }];
    assert_eq!(acts(&[0, 60, 120, 180], &[], &dark(180, None), 240), [], "and the hour before it was known");
    assert_eq!(acts(&[0, 60, 120, 180], &[], &dark(70, Some(110)), 240), []);
    assert_eq!(acts(&[0, 60, 120, 180], &[], &dark(300, None), 400), RAISE, "long before");
    assert_eq!(acts(&[0, 60, 120, 180], &[], &dark(-300, Some(-3)), 240), RAISE, "it was back");
}

#[test]
fn an_episode_ends_after_half_a_day_of_calm() {
    let drops = all(&[0, 60, 120, 180]);
    let open = LinkView { open_since: Some(at(182)), ..view(&drops, &[], &[]) };
    let half = 12 * 60;
    assert_eq!(judge_flaky(&open, at(182 + half - 1)), []);
    assert_eq!(judge_flaky(&open, at(182 + half)), OVER);
    let more = all(&[180, 500]);
    let longer = LinkView { drops: &more, ..open };
    assert_eq!(judge_flaky(&longer, at(182 + half)), []);
    assert_eq!(judge_flaky(&longer, at(500 + half)), OVER);
    assert_eq!(
        judge_flaky(&LinkView { others: &[at(501)], ..longer }, at(182 + half)),
        OVER,
        "that was no fault of its own"
    );
    assert_eq!(judge_flaky(&LinkView { online: Some(false), ..longer }, at(500 + half)), [], "out of reach is no calm");
    let just = all(&[499 + half]);
    assert_eq!(judge_flaky(&LinkView { drops: &just, ..open }, at(500 + half)), [], "who knows yet");
    // What an episode has counted counts no second time.
    let over = LinkView { ended: Some(at(200)), ..view(&drops, &[], &[]) };
    assert_eq!(judge_flaky(&over, at(240)), []);
}

#[test]
fn a_drop_is_a_change() {
    let told = |links: &[bool]| links.iter().zip(0..).map(|(online, m)| (at(m), *online)).collect::<Vec<_>>();
    assert_eq!(fallen(None, &told(&[false, true, false])), all(&[0, 2]));
    assert_eq!(fallen(Some(true), &told(&[false, false, true, true])), all(&[0]));
    assert_eq!(fallen(Some(false), &told(&[false, true, false])), all(&[2]), "it was out of reach already");
    assert_eq!(fallen(Some(true), &[]), []);
}

#[test]
fn drops_are_kept_for_a_day_in_order_and_not_without_end() {
    assert_eq!(note_drop(&all(&[5, 9]), at(7), at(10)), all(&[5, 7, 9]));
    assert_eq!(note_drop(&all(&[5]), at(5), at(10)), all(&[5]), "told twice");
    assert_eq!(note_drop(&all(&[5]), at(99), at(10)), all(&[5, 10]), "by a clock that is ahead");
    assert_eq!(note_drop(&all(&[5]), at(24 * 60 + 1), at(24 * 60 + 5)), all(&[24 * 60 + 1]));
    let many: Vec<i64> = (0..100).collect();
    let kept = kept(&all(&many), at(100));
    assert_eq!((kept.len(), kept.last()), (32, Some(&at(99))));
}

proptest! {
    /// Whatever locks do together, or while a gateway is away, is never told of one of them.
    #[test]
    fn r_lock_22_shared_darkness_never_tells(
        shared in prop::collection::vec((0_i64..1_400, -2_i64..=2), 0..40),
        inside in prop::collection::vec(300_i64..600, 0..40),
        own in prop::collection::vec(0_i64..1_400, 0..4),
    ) {
        let mut drops: Vec<i64> = shared.iter().map(|(at, _)| *at).collect();
        drops.extend(inside.iter().chain(&own));
        let others: Vec<i64> = shared.iter().map(|(at, by)| at + by).collect();
        let dark = [Dark { from: at(300), until: Some(at(600)) }];
        prop_assert_eq!(acts(&drops, &others, &dark, 1_405), []);
    }

    /// Four or more of its own within a day are told, whatever else there was.
    #[test]
    fn a_lock_that_keeps_dropping_off_is_told(
        own in prop::collection::btree_set(0_i64..140, 4..20), others in prop::collection::vec(0_i64..140, 0..20),
    ) {
        // Own ones at full tens of minutes, others five minutes apart from them.
        let drops: Vec<i64> = own.iter().map(|n| n * 10).collect();
        let others: Vec<i64> = others.iter().map(|n| n * 10 + 5).collect();
        prop_assert_eq!(acts(&drops, &others, &[], 1_410), RAISE);
    }

    /// However a link flaps and whenever it is looked at: told once an episode, and two episodes begin twelve hours apart at least.
    #[test]
    fn r_lock_22_flapping_is_told_once_an_episode(
        gaps in prop::collection::vec(prop_oneof![4 => 1_i64..90, 1 => 90_i64..2_000], 1..200), looks in 1_i64..120,
    ) {
        let (mut noted, mut now) = (Vec::new(), 0);
        let (mut open_since, mut ended): (Option<Timestamp>, Option<Timestamp>) = (None, None);
        let mut begun: Vec<Timestamp> = Vec::new();
        for gap in gaps {
            for look in now / looks + 1..=(now + gap) / looks {
                let present = at(look * looks);
                let view = LinkView { open_since, ended, ..view(&noted, &[], &[]) };
                match &judge_flaky(&view, present)[..] {
                    [] => {}
                    told if told == RAISE => {
                        prop_assert!(open_since.is_none());
                        prop_assert!(begun.last().is_none_or(|last| present.duration_since(*last).as_hours() >= 12));
                        begun.push(present);
                        open_since = Some(present);
                    }
                    told => {
                        prop_assert_eq!(told, &OVER[..]);
                        prop_assert!(open_since.is_some());
                        (open_since, ended) = (None, Some(present));
                    }
                }
            }
            now += gap;
            noted = note_drop(&noted, at(now), at(now));
        }
    }
}
