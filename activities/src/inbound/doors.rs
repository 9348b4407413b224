//! What records of a door tell that was not known before. Pure.

use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    event::Event,
    ids::{CredentialId, DoorId, KeyId, StayId},
};
use lock_store::{DoorRecordRow, Matched};
use lock_vendors::records::{DoorRecord, Means, RecordKind};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Below this a battery is low, in percent. TTLock's app warns there, too.
const LOW: u8 = 20;
/// The version of a credential's UUID, which is a function of key and door.
const OF_A_CREDENTIAL: usize = 5;
/// A try in vain that is older is stored, and no news.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// What a row takes of a record's id, in characters.
const LONGEST_ID: usize = 200;
/// Nothing happened at a door before: 0001-01-01T00:00:00Z. PostgreSQL's calendar begins later than ours.
const EARLIEST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The credential that a record of a door names, if the name has the form that ours have: a credential's, or a key's where a whole key
/// stands at the vendor. The two are told apart by the version of their UUID.
pub(super) fn credential(record: &DoorRecord, door: DoorId) -> Option<CredentialId> {
    let digits = record.token.as_ref()?.as_str().strip_prefix("lis-")?;
    let named: CredentialId = format!("{}_{digits}", CredentialId::PREFIX).parse().ok()?;
    let of_door = named.as_uuid().get_version_num() == OF_A_CREDENTIAL;
    Some(if of_door { named } else { CredentialId::of(KeyId::from_uuid(named.as_uuid()), door) })
}

/// The record as a row can take it: whatever a vendor sends has a row of its own, and none is refused for its neighbours to suffer. No
/// zero byte stands in it, an id that is too long for a row ends in its digest instead of the rest, and no time is before our era.
pub(super) fn fit(record: &DoorRecord) -> DoorRecord {
    let id: String = record.id.chars().filter(|c| *c != '\0').collect();
    let id = if (1..=LONGEST_ID).contains(&id.chars().count()) && id.len() == record.id.len() {
        id
    } else {
        // Of the whole id, so that two which begin alike, or differ in what no row can hold, stay two.
        let digest = hex::encode(Sha256::digest(&record.id));
        let begin: String = id.chars().take(LONGEST_ID - digest.len() - 1).collect();
        format!("{begin}~{digest}")
    };
    let (at_lock, at_server) = (record.at_lock.max(EARLIEST), record.at_server.map(|at| at.max(EARLIEST)));
    DoorRecord { id, at_lock, at_server, ..record.clone() }
}

/// A record that is [`fit`], as it is stored.
pub(super) fn row(record: &DoorRecord, credential: Option<CredentialId>) -> DoorRecordRow {
    DoorRecordRow {
        id: record.id.clone(),
        at: record.at_lock,
        at_server: record.at_server,
        kind: word(&record.kind),
        means: means(record.means),
        credential,
        battery_percent: record.battery_percent,
    }
}

fn word(kind: &RecordKind) -> String {
    match kind {
        RecordKind::Opened => "opened".to_owned(),
        RecordKind::Refused(_) => "refused".to_owned(),
        RecordKind::Locked => "locked".to_owned(),
        RecordKind::Tampered => "tampered".to_owned(),
        RecordKind::BatteryLow => "battery_low".to_owned(),
        RecordKind::LeftOpen => "left_open".to_owned(),
        RecordKind::WentOffline => "went_offline".to_owned(),
        RecordKind::CameOnline => "came_online".to_owned(),
        RecordKind::Other(word) => format!("other_{word}").chars().filter(|c| *c != '\0').take(60).collect(),
    }
}

fn means(means: Means) -> &'static str {
    match means {
        Means::Pin => "pin",
        Means::Card => "card",
        Means::Mobile => "mobile",
        Means::Remote => "remote",
        Means::Mechanical => "mechanical",
        Means::Unsaid => "unsaid",
    }
}

/// Whether a battery has become low just now.
pub(super) fn became_low(before: Option<u8>, now: u8) -> bool {
    now < LOW && before.is_none_or(|before| before >= LOW)
}

/// Records of one door that are [`fit`], in the order of their times.
pub(super) struct News<'a> {
    door: DoorId,
    present: Timestamp,
    seen: Vec<(&'a DoorRecord, Option<Matched>)>,
}

impl<'a> News<'a> {
    pub(super) fn new(door: DoorId, present: Timestamp) -> Self {
        Self { door, present, seen: Vec::new() }
    }

    pub(super) fn seen(&mut self, record: &'a DoorRecord, matched: Option<Matched>) {
        self.seen.push((record, matched));
    }

    fn fresh<'b>(&'b self, fresh: &'b BTreeSet<String>) -> impl Iterator<Item = &'b (&'a DoorRecord, Option<Matched>)> {
        self.seen.iter().filter(|(record, _)| fresh.contains(&record.id))
    }

    /// Credentials that opened the door, each with its first time here, in one order for all writers.
    pub(super) fn opened(&self, fresh: &BTreeSet<String>) -> Vec<(Matched, Timestamp)> {
        let mut first: BTreeMap<CredentialId, (Matched, Timestamp)> = BTreeMap::new();
        for (record, matched) in self.fresh(fresh) {
            if let (RecordKind::Opened, Some(matched)) = (&record.kind, matched) {
                first.entry(matched.credential).or_insert((*matched, record.at_lock));
            }
        }
        first.into_values().collect()
    }

    /// The lock's battery by the newest new record that tells it.
    pub(super) fn battery(&self, fresh: &BTreeSet<String>) -> Option<u8> {
        self.fresh(fresh).filter_map(|(record, _)| record.battery_percent).last()
    }

    /// Whether a new record says that the battery is low, and not how low.
    pub(super) fn low(&self, fresh: &BTreeSet<String>) -> bool {
        self.fresh(fresh).any(|(record, _)| record.kind == RecordKind::BatteryLow && record.battery_percent.is_none())
    }

    /// When the lock went out of reach or came back, by new records, oldest first.
    pub(super) fn links(&self, fresh: &BTreeSet<String>) -> Vec<(Timestamp, bool)> {
        let told = self.fresh(fresh).filter_map(|(record, _)| match record.kind {
            RecordKind::WentOffline => Some((record.at_lock, false)),
            RecordKind::CameOnline => Some((record.at_lock, true)),
            _ => None,
        });
        told.collect()
    }

    /// Whether the lock can be reached, by the newest new record that tells it.
    pub(super) fn online(&self, fresh: &BTreeSet<String>) -> Option<bool> {
        self.links(fresh).last().map(|(_, online)| *online)
    }

    /// When the lock was forced or tampered with, by new records, oldest first.
    pub(super) fn alarms(&self, fresh: &BTreeSet<String>) -> Vec<Timestamp> {
        self.fresh(fresh)
            .filter(|(record, _)| record.kind == RecordKind::Tampered)
            .map(|(record, _)| record.at_lock)
            .collect()
    }

    /// What is to be told, by the stay that it concerns.
    pub(super) fn events(
        &self,
        fresh: &BTreeSet<String>,
        first: &[(Matched, Timestamp)],
    ) -> BTreeMap<Option<StayId>, Vec<Event>> {
        let mut events: BTreeMap<Option<StayId>, Vec<Event>> = BTreeMap::new();
        let door = self.door;
        for (matched, at_lock) in first {
            let used = Event::CredentialUsed { key: matched.key, door, at_lock: *at_lock };
            events.entry(Some(matched.stay)).or_default().push(used);
        }
        for (record, matched) in self.fresh(fresh) {
            let stale = self.present.duration_since(record.at_lock) > STALE;
            if matches!(record.kind, RecordKind::Refused(_)) && !stale {
                let key = matched.map(|matched| matched.key);
                let refused = Event::EntryRefused { door, key, at_lock: record.at_lock };
                events.entry(matched.map(|matched| matched.stay)).or_default().push(refused);
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lock_vendors::{port::CredentialToken, records::Refusal};

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn record(id: &str, hours: i64, kind: RecordKind) -> DoorRecord {
        DoorRecord {
            id: id.into(),
            lock_id: "5".into(),
            at_lock: noon() + SignedDuration::from_hours(hours),
            at_server: None,
            kind,
            means: Means::Pin,
            credential: None,
            token: None,
            battery_percent: None,
        }
    }

    fn door() -> DoorId {
        "door_00000000000000000000000000000001".parse().unwrap()
    }

    fn matched() -> Matched {
        let key: KeyId = "key_00000000000000000000000000000002".parse().unwrap();
        let stay = "stay_00000000000000000000000000000003".parse().unwrap();
        Matched { credential: CredentialId::of(key, door()), key, stay }
    }

    fn all(records: &[&DoorRecord]) -> BTreeSet<String> {
        records.iter().map(|record| record.id.clone()).collect()
    }

    #[test]
    fn a_name_of_ours_is_a_credential() {
        let id = matched().credential;
        let mut named = record("1", 0, RecordKind::Opened);
        assert_eq!(credential(&named, door()), None);
        named.token = CredentialToken::ours(&id.vendor_token());
        assert_eq!(credential(&named, door()), Some(id));
        named.token = CredentialToken::ours(&matched().key.vendor_token());
        assert_eq!(credential(&named, door()), Some(id), "a whole key at this door");
    }

    #[test]
    fn the_first_of_several_uses_counts_and_what_is_known_is_no_news() {
        let (one, two, three) = (
            record("1", 0, RecordKind::Opened),
            record("2", 1, RecordKind::Opened),
            record("3", 2, RecordKind::Opened),
        );
        let mut news = News::new(door(), noon());
        for record in [&one, &two] {
            news.seen(record, Some(matched()));
        }
        news.seen(&three, None);
        assert_eq!(news.opened(&all(&[&one, &two, &three])), [(matched(), one.at_lock)]);
        assert_eq!(news.opened(&all(&[&two])), [(matched(), two.at_lock)]);
        assert_eq!(news.opened(&BTreeSet::new()), []);
        let first = [(matched(), one.at_lock)];
        let events = news.events(&all(&[&one]), &first);
        let used = Event::CredentialUsed { key: matched().key, door: door(), at_lock: one.at_lock };
        assert_eq!(events, BTreeMap::from([(Some(matched().stay), vec![used])]));
    }

    #[test]
    fn tries_in_vain_are_told_unless_they_are_old() {
        let refused = |id, hours| record(id, hours, RecordKind::Refused(Refusal::Unsaid));
        let (old, known, unknown) = (refused("1", -25), refused("2", 0), refused("3", 0));
        let mut news = News::new(door(), noon());
        news.seen(&old, Some(matched()));
        news.seen(&known, Some(matched()));
        news.seen(&unknown, None);
        let events = news.events(&all(&[&old, &known, &unknown]), &[]);
        assert_eq!(events.len(), 2);
        assert!(matches!(events[&None][..], [Event::EntryRefused { key: None, .. }]));
        assert!(matches!(events[&Some(matched().stay)][..], [Event::EntryRefused { key: Some(_), .. }]));
    }

    #[test]
    fn a_battery_becomes_low_once() {
        for (before, now, low) in
            [(None, 19, true), (None, 20, false), (Some(20), 19, true), (Some(19), 18, false), (Some(10), 90, false)]
        {
            assert_eq!(became_low(before, now), low, "{before:?} {now}");
        }
        let mut one = record("1", 0, RecordKind::Opened);
        one.battery_percent = Some(30);
        let two = record("2", 1, RecordKind::Locked);
        let mut news = News::new(door(), noon());
        news.seen(&one, None);
        news.seen(&two, None);
        assert_eq!(news.battery(&all(&[&one, &two])), Some(30));
        let (gone, back) = (record("3", 2, RecordKind::WentOffline), record("4", 3, RecordKind::CameOnline));
        assert_eq!(news.online(&all(&[&one, &two])), None);
        news.seen(&gone, None);
        news.seen(&back, None);
        assert_eq!([&[&gone][..], &[&gone, &back]].map(|new| news.online(&all(new))), [Some(false), Some(true)]);
        assert_eq!(news.battery(&all(&[&two])), None);
        let low = record("5", 4, RecordKind::BatteryLow);
        news.seen(&low, None);
        assert!(news.low(&all(&[&low])) && !news.low(&all(&[&one, &two])));
    }

    #[test]
    fn alarms_and_links_are_told_each() {
        let kinds = [RecordKind::Tampered, RecordKind::WentOffline, RecordKind::CameOnline, RecordKind::WentOffline];
        let records: Vec<_> = kinds.into_iter().zip(0..).map(|(kind, n)| record(&n.to_string(), n, kind)).collect();
        let mut news = News::new(door(), noon());
        records.iter().for_each(|record| news.seen(record, None));
        let at = |n: usize| records[n].at_lock;
        let fresh = all(&records.iter().collect::<Vec<_>>());
        assert_eq!(news.links(&fresh), [(at(1), false), (at(2), true), (at(3), false)]);
        assert_eq!(news.links(&all(&[&records[2]])), [(at(2), true)]);
        assert_eq!((news.alarms(&fresh), news.alarms(&BTreeSet::new())), (vec![at(0)], vec![]));
    }

    #[test]
    fn words_fit_their_columns() {
        let long = RecordKind::Other("x\0".repeat(99));
        assert_eq!((word(&long).len(), word(&RecordKind::Opened).as_str()), (60, "opened"));
        assert!(!word(&long).contains('\0'));
    }

    #[test]
    fn every_record_has_a_row_of_its_own() {
        let mut ids: Vec<String> = ["", "\0", "\0\0", "a", "a\0", "ä"].map(Into::into).into();
        ids.extend([199, 200, 201, 202].map(|length| "ü".repeat(length)));
        let fitted: BTreeSet<String> = ids.iter().map(|id| fit(&record(id, 0, RecordKind::Opened)).id).collect();
        assert_eq!(fitted.len(), ids.len(), "{fitted:#?}");
        assert!(fitted.iter().all(|id| (1..=LONGEST_ID).contains(&id.chars().count()) && !id.contains('\0')));
        for id in ["a", "ä", &"ü".repeat(200)] {
            assert_eq!(fit(&record(id, 0, RecordKind::Opened)).id, id, "what fits stays as it is");
        }
        let mut old = record("1", 0, RecordKind::Opened);
        (old.at_lock, old.at_server) = (Timestamp::MIN, Some(Timestamp::MIN));
        let fitted = fit(&old);
        assert_eq!((fitted.at_lock, fitted.at_server), (EARLIEST, Some(EARLIEST)));
        assert_eq!(EARLIEST.to_string(), "0001-01-01T00:00:00Z");
    }
}
