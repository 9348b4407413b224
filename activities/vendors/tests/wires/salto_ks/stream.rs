//! The log and the event stream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_sim::salto_ks::{EventForm, FaultKind, FaultOrder, PolicyPatch, TokenExpiry};
use lock_vendors::error::{Condition, VendorError};
use lock_vendors::records::{DoorRecord, Heard, Means, RecordKind, Refusal};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::support::{Rig, call, pin, token};

fn a_while_ago() -> Timestamp {
    Timestamp::now().saturating_sub(SignedDuration::from_secs(60)).unwrap()
}

struct Listener {
    heard: mpsc::Receiver<Heard>,
    task: JoinHandle<Result<(), VendorError>>,
    ids: BTreeSet<String>,
}

impl Listener {
    async fn start(rig: &Rig) -> Self {
        let listener = Self::unconnected(rig);
        rig.until("a listener", |sim| sim.stats().streams == 1).await;
        listener
    }

    fn unconnected(rig: &Rig) -> Self {
        let (sender, heard) = mpsc::channel(64);
        let vendor = Arc::clone(&rig.vendor);
        let since = a_while_ago();
        Self { heard, task: tokio::spawn(async move { vendor.follow(since, sender).await }), ids: BTreeSet::new() }
    }

    async fn next(&mut self) -> DoorRecord {
        loop {
            if let Heard::Record(record) = self.hear().await {
                return record;
            }
        }
    }

    async fn hear(&mut self) -> Heard {
        let heard = tokio::time::timeout(Duration::from_secs(10), self.heard.recv()).await.unwrap().unwrap();
        if let Heard::Record(record) = &heard {
            assert!(self.ids.insert(record.id.clone()), "twice: {record:?}");
        }
        heard
    }

    async fn end(self) {
        drop(self.heard);
        let ended = tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
        ended.unwrap();
    }
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_by_lock() {
    let rig = Rig::new(2).await;
    rig.sim().patch_policy(&PolicyPatch { page_size: Some(3), ..PolicyPatch::default() });
    let digits = pin(&rig.issue(&call(), 1, &[0]).await.unwrap());
    for _ in 0..5 {
        assert!(rig.opens(0, &digits));
    }
    assert!(!rig.opens(0, "000000") && !rig.opens(1, &digits));
    let records = rig.vendor.records(&call(), &rig.door(0), a_while_ago()).await.unwrap();
    let opened: Vec<_> = records.iter().filter(|record| record.kind == RecordKind::Opened).collect();
    assert_eq!((records.len(), opened.len()), (6, 5));
    assert!(opened.iter().all(|record| record.means == Means::Pin && record.token == Some(token(1))));
    assert!(records.iter().any(|record| record.kind == RecordKind::Refused(Refusal::Unknown)));
    assert_eq!(rig.vendor.records(&call(), &rig.door(1), a_while_ago()).await.unwrap().len(), 1);
    let later = Timestamp::now().saturating_add(SignedDuration::from_secs(60)).unwrap();
    assert!(rig.vendor.records(&call(), &rig.door(0), later).await.unwrap().is_empty());
}

#[tokio::test]
async fn events_are_heard_in_every_form() {
    let rig = Rig::new(1).await;
    let digits = pin(&rig.issue(&call(), 1, &[0]).await.unwrap());
    assert!(rig.opens(0, &digits));
    let mut listener = Listener::start(&rig).await;
    // What the log has from before.
    assert_eq!(listener.next().await.kind, RecordKind::Opened);
    for form in [EventForm::Object, EventForm::Text, EventForm::Hint] {
        rig.sim().patch_policy(&PolicyPatch { event_form: Some(form), ..PolicyPatch::default() });
        assert!(rig.opens(0, &digits));
        let record = listener.next().await;
        assert_eq!((record.kind, record.token), (RecordKind::Opened, Some(token(1))), "{form:?}");
    }
    rig.sim().record(json!({
        "id": "t1", "lock_id": rig.lock_id(0), "utc_date_time": Timestamp::now().to_string(), "event_category": "tamper_alarm",
    }));
    rig.sim().patch_policy(&PolicyPatch { event_form: Some(EventForm::Object), ..PolicyPatch::default() });
    assert_eq!(listener.next().await.kind, RecordKind::Tampered);
    listener.end().await;
    rig.until("nobody listens", |sim| sim.stats().streams == 0).await;
}

#[tokio::test]
async fn what_happens_between_two_connections_is_read_from_the_log() {
    let rig = Rig::new(1).await;
    let digits = pin(&rig.issue(&call(), 1, &[0]).await.unwrap());
    let mut listener = Listener::start(&rig).await;
    for (round, cleanly) in [(2, false), (3, true), (4, false)] {
        // Not let in again before something has happened unheard.
        rig.sim().add_fault(FaultOrder::always("POST hub/entries/negotiate", FaultKind::Down));
        rig.sim().end_streams(cleanly);
        rig.until("the stream's end", |sim| sim.stats().streams == 0).await;
        assert!(rig.opens(0, &digits));
        if round == 3 {
            rig.sim().expire_tokens(TokenExpiry::Access);
        }
        // The log alone will do.
        assert_eq!(listener.next().await.kind, RecordKind::Opened);
        rig.sim().clear_faults();
        rig.until("the listener's return", |sim| sim.stats().streams_ever == round).await;
        assert!(rig.opens(0, &digits));
        assert_eq!(listener.next().await.kind, RecordKind::Opened);
    }
    listener.end().await;
}

#[tokio::test]
async fn what_a_look_that_failed_would_have_told_is_told_by_the_next_and_nothing_is_complete_before() {
    let rig = Rig::new(1).await;
    let digits = pin(&rig.issue(&call(), 1, &[0]).await.unwrap());
    // Told late, by a lock that was out of reach.
    let long_ago = Timestamp::now().saturating_sub(SignedDuration::from_hours(2)).unwrap();
    rig.sim().record(json!({
        "id": "late", "lock_id": rig.lock_id(0), "utc_date_time": long_ago.to_string(), "event_category": "lock_offline",
    }));
    assert!(rig.opens(0, &digits));
    rig.sim().add_fault(FaultOrder::times("GET entries", FaultKind::Garbage, 1));
    let mut listener = Listener::start(&rig).await;
    assert_eq!(listener.next().await.kind, RecordKind::Opened, "the short look");
    assert!(rig.sim().faults().is_empty());
    let before = Timestamp::now();
    assert!(rig.opens(0, &digits));
    let Heard::Record(live) = listener.hear().await else { panic!("complete, with a gap") };
    assert_eq!(live.kind, RecordKind::Opened);
    let Heard::Record(late) = listener.hear().await else { panic!("complete, with a gap") };
    assert_eq!((late.id.as_str(), late.kind), ("late", RecordKind::WentOffline));
    let Heard::Complete(until) = listener.hear().await else { panic!("more than there is") };
    assert!(until.duration_since(before) > -SignedDuration::from_secs(2), "{until}");
    listener.end().await;
}

#[tokio::test]
async fn a_stream_on_another_server_is_followed_there() {
    let rig = Rig::new(1).await;
    rig.sim().patch_policy(&PolicyPatch { stream_elsewhere: Some(true), ..PolicyPatch::default() });
    let digits = pin(&rig.issue(&call(), 1, &[0]).await.unwrap());
    let mut listener = Listener::start(&rig).await;
    assert!(rig.opens(0, &digits));
    assert_eq!(listener.next().await.kind, RecordKind::Opened);
    assert_eq!(rig.sim().stats().calls.get("GET hub/entries"), None);
    listener.end().await;
}

#[tokio::test]
async fn a_bad_stream_is_tried_again_and_no_login_ends_it() {
    let rig = Rig::new(1).await;
    for kind in [FaultKind::Html, FaultKind::Garbage, FaultKind::Huge, FaultKind::Drop, FaultKind::Redirect] {
        for verb in ["POST hub/entries/negotiate", "GET hub/entries"] {
            rig.sim().add_fault(FaultOrder::times(verb, kind, 1));
        }
    }
    let listener = Listener::unconnected(&rig);
    rig.until("a listener", |sim| sim.stats().streams == 1).await;
    assert!(rig.sim().faults().is_empty());
    listener.end().await;
    let wrong = Rig::with(1, |config| config["password"] = json!("wrong")).await;
    let (sender, _heard) = mpsc::channel(1);
    let error = wrong.vendor.follow(a_while_ago(), sender).await.unwrap_err();
    assert_eq!(error.condition(), Condition::AccessRefused);
    let without = Rig::with(1, |config| {
        config.as_object_mut().unwrap().remove("events_url");
    })
    .await;
    let (sender, _heard) = mpsc::channel(1);
    let error = without.vendor.follow(a_while_ago(), sender).await.unwrap_err();
    assert_eq!(error.condition(), Condition::Unsupported);
}
