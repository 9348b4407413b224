#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use CredentialState as S;
use proptest::prelude::*;
use uuid::Uuid;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3_600).unwrap()
}

fn hours(from: i64, until: i64) -> Option<Window> {
    Some(Window { from: at(from), until: at(until) })
}

fn token(n: u32) -> String {
    format!("lis-{n:032x}")
}

fn seen(id: &str, name: &str, window: Option<Window>) -> Seen {
    Seen { reference: id.to_owned(), name: name.to_owned(), window, at_lock: true }
}

/// A PIN from hour 10 to hour 20, with the id 1.
fn row(state: S) -> Recorded {
    Recorded {
        credential: CredentialId::from_uuid(Uuid::from_u128(1)),
        key: KeyId::from_uuid(Uuid::from_u128(2)),
        stay: StayId::from_uuid(Uuid::from_u128(3)),
        kind: KeyKind::Pin,
        one_time: false,
        token: token(1),
        vendor_ref: Some("1".to_owned()),
        state,
        window: hours(10, 20),
        moving: false,
    }
}

/// At noon, what is said of one recorded credential that is seen so.
fn verdict(row: &Recorded, found: Option<Seen>) -> Option<Verdict> {
    let seen: Vec<Seen> = found.into_iter().collect();
    compare("ttlock", &seen, std::slice::from_ref(row), at(12)).first().map(|entry| entry.verdict)
}

#[test]
fn what_is_recorded_against_what_is_seen() {
    let (there, ended) = (seen("1", &token(1), hours(10, 20)), seen("1", &token(1), hours(10, 11)));
    //  recorded      there                open window over        not there
    let table = [
        (S::Planned, Verdict::Ghost, Verdict::Expired, None),
        (S::Issuing, Verdict::UnderWay, Verdict::UnderWay, Some(Verdict::UnderWay)),
        (S::Live, Verdict::AsRecorded, Verdict::Changed, Some(Verdict::Missing)),
        (S::Unconfirmed, Verdict::UnderWay, Verdict::UnderWay, Some(Verdict::UnderWay)),
        (S::Refused, Verdict::Ghost, Verdict::Expired, None),
        (S::Revoking, Verdict::UnderWay, Verdict::UnderWay, None),
        (S::Gone, Verdict::Ghost, Verdict::Expired, None),
    ];
    assert_eq!(table.map(|row| row.0), S::ALL);
    for (state, open, over, not_there) in table {
        let recorded = row(state);
        let said = [Some(there.clone()), Some(ended.clone()), None].map(|seen| verdict(&recorded, seen));
        assert_eq!(said, [Some(open), Some(over), not_there], "{state:?}");
        let moving = Recorded { moving: true, ..recorded };
        assert_eq!(verdict(&moving, Some(there.clone())), Some(Verdict::UnderWay), "{state:?}, moving");
        let said = verdict(&moving, None);
        assert!(said.is_none_or(|said| said == Verdict::UnderWay), "{state:?}, moving and not there: {said:?}");
    }
}

#[test]
fn one_that_is_over_or_opens_once_is_not_missed() {
    let over = Recorded { window: hours(8, 12), ..row(S::Live) };
    assert_eq!(verdict(&over, None), None);
    let once = Recorded { one_time: true, ..row(S::Live) };
    assert_eq!(verdict(&once, None), Some(Verdict::Spent));
    assert_eq!(verdict(&once, Some(seen("1", &token(1), hours(10, 20)))), Some(Verdict::AsRecorded));
}

#[test]
fn windows_and_names_that_somebody_changed() {
    let live = row(S::Live);
    let in_minute = Window { from: at(10), until: at(20) + SignedDuration::from_secs(59) };
    for (window, said) in [
        (Some(in_minute), Verdict::AsRecorded),
        (hours(10, 21), Verdict::Changed),
        (hours(9, 20), Verdict::Changed),
        (None, Verdict::Changed),
    ] {
        assert_eq!(verdict(&live, Some(seen("1", &token(1), window))), Some(said), "{window:?}");
    }
    assert_eq!(verdict(&live, Some(seen("1", "Cleaning", hours(10, 20)))), Some(Verdict::Changed), "renamed");
    // Where the vendor keeps no start, none is compared.
    let epoch = Some(Window { from: Timestamp::UNIX_EPOCH, until: at(20) });
    let found = [seen("1", &token(1), epoch)];
    assert_eq!(compare("salto_ks", &found, std::slice::from_ref(&live), at(12))[0].verdict, Verdict::AsRecorded);
    let unnamed = [seen("1", "", epoch)];
    assert_eq!(compare("salto_ks", &unnamed, &[live], at(12))[0].verdict, Verdict::AsRecorded, "it shows no name");
}

#[test]
fn a_second_one_of_the_same_name_is_told() {
    let two = [seen("9", &token(1), hours(10, 20)), seen("1", &token(1), hours(10, 20))];
    let entries = compare("ttlock", &two, &[row(S::Live)], at(12));
    let said: Vec<_> = entries.iter().map(|e| (e.reference.clone().unwrap(), e.verdict)).collect();
    assert_eq!(said, [("9".to_owned(), Verdict::Duplicate), ("1".to_owned(), Verdict::AsRecorded)]);
    assert_eq!(entries[0].stay, entries[1].stay);
}

#[test]
fn what_is_not_ours_is_kept_without_its_name() {
    let others = [
        seen("4711", "Anna Guest", None),
        seen("Anna Guest", "Anna Guest", hours(10, 20)),
        seen("77", &token(77), hours(10, 11)),
        seen("JSMITH1", "JSMITH1", hours(10, 11)),
    ];
    let entries = compare("ttlock", &others, &[], at(12));
    assert!(entries.iter().all(|entry| entry.verdict == Verdict::Unknown && entry.kind == Some(KeyKind::Pin)));
    let ids: Vec<_> = entries.iter().map(|entry| entry.reference.as_deref()).collect();
    assert_eq!(ids, [Some("4711"), None, Some("77"), None], "an id that reads like a name, or is one, is not kept");
    assert_eq!(
        entries.iter().map(|e| (e.opens, e.named_as_ours)).collect::<Vec<_>>(),
        [(true, false), (true, false), (false, true), (false, false)]
    );
    let kept = serde_json::to_string(&entries).unwrap();
    assert!(!kept.contains("Anna") && !kept.contains("SMITH"), "{kept}");
    assert_eq!(compare("visionline", &others[..1], &[], at(12))[0].kind, None, "card or telephone");
}

#[test]
fn ids_are_told_from_names() {
    for id in ["4711", "0b2c1a52-1111-4e1c-8d4a-0123456789ab", "lis-00", "Card:17"] {
        assert!(is_an_id(id), "{id}");
    }
    for name in ["Anna", "anna.smith", "Room 12", "Müller1", "", &"1".repeat(65)] {
        assert!(!is_an_id(name), "{name}");
    }
}

#[test]
fn each_vendors_list_says_what_it_lacks() {
    for row in VendorTraits::ALL {
        let listing = Listing::of(row.name);
        assert!(!listing.without.is_empty());
        assert!(row.public || !listing.can(), "{}", row.name);
        if listing.can() {
            assert!(!row.has_pins() || listing.kinds.contains(&Listed::Pin), "{}", row.name);
            assert!(!row.card || listing.kinds.contains(&Listed::Card), "{}", row.name);
        }
    }
    assert!(!Listing::of("salto_pms").can() && Listing::of("nobody").can());
}

use crate::vendor::VendorTraits;

fn any_state() -> impl Strategy<Value = S> {
    (0..S::ALL.len()).prop_map(|n| S::ALL[n])
}

proptest! {
    /// Everything that is seen is told exactly once, nothing is made up, and what nobody recorded is never ours.
    #[test]
    fn nothing_is_lost_and_nothing_is_made_up(
        rows in prop::collection::vec((0_u32..6, any_state(), any::<bool>(), any::<bool>()), 0..6),
        names in prop::collection::vec((0_u32..10, 0_u32..10, 0_i64..30), 0..8),
    ) {
        let mut taken = std::collections::BTreeSet::new();
        let rows: Vec<Recorded> = rows.into_iter().filter(|(n, ..)| taken.insert(*n)).map(|(n, state, moving, one_time)| Recorded {
            credential: CredentialId::from_uuid(Uuid::from_u128(u128::from(n))),
            token: token(n),
            vendor_ref: Some(n.to_string()),
            moving,
            one_time,
            ..row(state)
        }).collect();
        // Names of people from 6 on.
        let seen: Vec<Seen> = names.into_iter().map(|(name, id, until)| {
            let name = if name < 6 { token(name) } else { format!("Anna {name}") };
            seen(&id.to_string(), &name, hours(0, until))
        }).collect();
        let entries = compare("ttlock", &seen, &rows, at(12));
        let shown = entries.iter().filter(|e| !matches!(e.verdict, Verdict::Missing | Verdict::Spent)).filter(|e| e.window.is_some()).count();
        prop_assert_eq!(shown, seen.len());
        let missed = entries.iter().filter(|e| e.window.is_none()).count();
        prop_assert!(missed <= rows.len());
        for entry in &entries {
            prop_assert_eq!(entry.stay.is_none(), entry.verdict == Verdict::Unknown);
            prop_assert_eq!(entry.credential.is_some(), entry.state.is_some());
            if let Some(state) = entry.state {
                prop_assert!(entry.verdict != Verdict::AsRecorded || state == S::Live);
                prop_assert!(entry.verdict != Verdict::Missing || state == S::Live && !entry.opens);
            }
            if entry.verdict == Verdict::Ghost {
                prop_assert!(entry.opens);
            }
        }
        let tally = Tally::of(&entries);
        prop_assert_eq!(tally.findings() as usize, entries.iter().filter(|e| e.verdict.is_finding()).count());
        prop_assert!(!serde_json::to_string(&entries).unwrap().contains("Anna"));
        let mut twice = tally;
        twice.add(&tally);
        prop_assert_eq!(twice.findings(), tally.findings() * 2);
    }
}
