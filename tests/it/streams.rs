//! SALTO KS tells over a stream what happens at its doors. The shared worker listens to none; a test's own workers do, for its hotel only.

use crate::{
    harness::{invariants, shared, until},
    salto_ks::House,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lock_activities::{
    maintenance::{WakeError, Waker},
    streams::{Pace, Streams},
};
use lock_domain::ids::{DoorId, PropertyId, TenantId};
use lock_sim::salto_ks::{FaultKind, FaultOrder};
use lock_vendors::{meter::NoMeter, registry::VendorRegistry, token_cache::MemoryTokenCache};
use serde_json::{Value, json};
use sqlx::Row as _;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

const LIMIT: Duration = Duration::from_secs(60);
const LEASE: SignedDuration = SignedDuration::from_millis(1_500);

/// KS tells one time only, so that no clock seems off.
struct Asleep;

#[async_trait]
impl Waker for Asleep {
    async fn wake(&self, _: TenantId, _: PropertyId, _: Vec<DoorId>) -> Result<(), WakeError> {
        Err(WakeError("nobody looks".to_owned()))
    }
}

/// A worker that listens.
pub struct Worker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Worker {
    /// It is told to, and gives its streams back.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }

    /// It dies without a word.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// A row of the record.
#[derive(Debug, PartialEq)]
struct Standing {
    epoch: i64,
    leased_until: Option<Timestamp>,
    trouble: Option<String>,
}

impl House {
    /// One more worker; it has looked for streams when it is returned, or is about to.
    async fn worker(&self) -> Worker {
        let store = shared().store().await;
        let keys = shared().keys(&store);
        let vendors = VendorRegistry::new(Arc::new(NoMeter), Arc::new(MemoryTokenCache::default())).unwrap();
        let pace = Pace { look: Duration::from_millis(100), lease: LEASE, pause: SignedDuration::from_millis(100) };
        let streams = Streams::new(store, keys, Arc::new(vendors), Arc::new(Asleep), 10);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(streams.only(vec![self.site.tenant], pace).run(stopped));
        Worker { stop, task }
    }

    pub async fn listening(&self) -> Worker {
        let worker = self.worker().await;
        self.heard_by(1).await;
        worker
    }

    /// So many connections stand.
    async fn heard_by(&self, count: u64) {
        until(&format!("{count} listen"), LIMIT, || async {
            let stats = self.server.sim().stats();
            if stats.streams == count { Ok(()) } else { Err(stats) }
        })
        .await;
    }

    async fn standing(&self) -> Standing {
        let sql = "SELECT epoch, leased_until::text, trouble FROM vendor_streams WHERE tenant_id = $1";
        let row = sqlx::query(sql).bind(self.site.tenant.as_uuid());
        let row = row.fetch_one(&mut invariants::owner().await).await.unwrap();
        let until: Option<String> = row.get(1);
        let leased_until = until.map(|text| format!("{}:00", text.replace(' ', "T")).parse().unwrap());
        Standing { epoch: row.get(0), leased_until, trouble: row.get(2) }
    }

    async fn epoch(&self, wanted: i64) {
        until(&format!("listener {wanted}"), LIMIT, || async {
            let standing = self.standing().await;
            if standing.epoch == wanted && self.server.sim().stats().streams == 1 { Ok(()) } else { Err(standing) }
        })
        .await;
    }

    pub async fn events_of(&self, kind: &str) -> Vec<Value> {
        let page = self.site.pms.get("/v1/events?limit=500").await.expect(200).body;
        page["events"].as_array().unwrap().iter().filter(|event| event["type"] == kind).cloned().collect()
    }

    pub async fn until_events(&self, kind: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} {kind}"), LIMIT, || async {
            let events = self.events_of(kind).await;
            if events.len() >= count { Ok(events) } else { Err(format!("{} {events:#?}", events.len())) }
        })
        .await
    }

    /// Somebody types digits that nobody has.
    fn tries_in_vain(&self, times: usize) {
        for _ in 0..times {
            assert!(!self.opens("101", "000000"));
        }
    }

    /// So many tries are told, and no try twice; they are all that is stored, and all in one place each.
    async fn told(&self, tries: usize) {
        let events = self.until_events("door.entry_refused.v1", tries).await;
        assert_eq!(events.len(), tries);
        let sql = "SELECT count(*) FROM door_records WHERE tenant_id = $1 AND kind = 'refused'";
        let stored: i64 = sqlx::query_scalar(sql)
            .bind(self.site.tenant.as_uuid())
            .fetch_one(&mut invariants::owner().await)
            .await
            .unwrap();
        assert_eq!(usize::try_from(stored).unwrap(), tries);
        invariants::log_of(&self.site).await;
    }

    /// A row of the site's log that no keypad makes.
    pub fn row(&self, id: &str, category: &str) {
        self.at(id, &Timestamp::now().to_string(), category);
    }

    fn at(&self, id: &str, at: &str, category: &str) {
        self.server.sim().record(json!({
            "id": id, "lock_id": self.locks[0].1, "utc_date_time": at, "event_category": category,
        }));
    }
}

#[tokio::test]
async fn a_door_that_opens_at_salto_ks_is_in_its_stays_timeline_once() {
    let house = House::open().await;
    house.check_in().await;
    let pin = house.site.pms.reveal("R1").await;
    assert!(house.opens("101", &pin), "before anybody listens");
    let worker = house.listening().await;
    let used = house.until_events("credential.used.v1", 1).await;
    let stay = house.site.pms.stay("R1").await;
    assert_eq!((&used[0]["stay"], &used[0]["data"]["key"]), (&stay["id"], &stay["keys"][0]["id"]), "{used:#?}");
    assert!(house.opens("101", &pin) && house.opens("Front", &pin) && house.opens("Front", &pin));
    let used = house.until_events("credential.used.v1", 2).await;
    assert_ne!(used[0]["data"]["door"], used[1]["data"]["door"], "one key, two doors");
    house.tries_in_vain(1);
    house.told(1).await;
    assert_eq!(house.events_of("credential.used.v1").await.len(), 2);
    let timeline = house.site.pms.get("stays/R1/timeline").await.expect(200).body.to_string();
    assert_eq!(timeline.matches("for the first time").count(), 2, "{timeline}");
    let all = house.site.pms.get("/v1/events?limit=500").await.expect(200).body.to_string();
    assert!(!all.contains(&pin) && !all.contains("Anna"), "no digits and no names in events");
    worker.stop().await;
    house.heard_by(0).await;
}

/// Each way of cutting a stream, with each trouble of the way back; tries before, in the gap and after.
#[tokio::test]
async fn a_stream_that_is_cut_loses_nothing_and_doubles_nothing() {
    let house = House::open().await;
    let worker = house.listening().await;
    let back = [
        FaultKind::Down,
        FaultKind::Drop,
        FaultKind::Html,
        FaultKind::Garbage,
        FaultKind::WrongTypes,
        FaultKind::Redirect,
        FaultKind::Huge,
        FaultKind::MidBody,
    ];
    let (mut cases, mut tries) = (0, 0);
    for cleanly in [false, true] {
        for verb in ["POST hub/entries/negotiate", "GET hub/entries", "GET entries"] {
            for kind in back {
                let ever = house.server.sim().stats().streams_ever;
                house.tries_in_vain(1);
                house.server.sim().add_fault(FaultOrder::times(verb, kind, 1));
                house.server.sim().end_streams(cleanly);
                house.tries_in_vain(1);
                // The log is read once the stream stands, so that its trouble is met after that.
                until(&format!("{verb} {kind:?} is met, and the stream is back"), LIMIT, || async {
                    let (stats, left) = (house.server.sim().stats(), house.server.sim().faults());
                    let back = stats.streams == 1 && stats.streams_ever > ever && left.is_empty();
                    if back { Ok(()) } else { Err((stats, left)) }
                })
                .await;
                house.tries_in_vain(1);
                (cases, tries) = (cases + 1, tries + 3);
            }
        }
    }
    assert_eq!(cases, 48);
    house.told(tries).await;
    assert_eq!(house.standing().await.epoch, 1, "it was one listener all the time");
    worker.stop().await;
}

#[tokio::test]
async fn of_two_workers_one_listens_and_the_other_takes_over() {
    let house = House::open().await;
    let first = house.listening().await;
    let second = house.worker().await;
    // Long enough for the lease to have been renewed, or else to have run out.
    let leased = house.standing().await.leased_until.unwrap();
    until("the lease is renewed", LIMIT, || async {
        let standing = house.standing().await;
        let renewed = standing.leased_until.is_some_and(|until| until > leased.saturating_add(LEASE).unwrap());
        if renewed { Ok(()) } else { Err(standing) }
    })
    .await;
    let stats = house.server.sim().stats();
    assert_eq!((house.standing().await.epoch, stats.streams, stats.streams_ever), (1, 1, 1), "one for the site");
    house.tries_in_vain(2);
    house.told(2).await;
    // Told to go, it gives the stream back; killed, its lease runs out.
    first.stop().await;
    house.tries_in_vain(2);
    house.epoch(2).await;
    let third = house.worker().await;
    second.kill().await;
    house.tries_in_vain(2);
    house.epoch(3).await;
    house.tries_in_vain(2);
    house.told(8).await;
    third.stop().await;
}

#[tokio::test]
async fn a_listener_that_was_given_up_for_dead_stores_nothing() {
    let house = House::open().await;
    let worker = house.listening().await;
    house.tries_in_vain(1);
    house.told(1).await;
    // Another one has taken the stream, and the first one does not know yet.
    let sql =
        "UPDATE vendor_streams SET epoch = epoch + 1, leased_until = now() + interval '2 seconds' WHERE tenant_id = $1";
    sqlx::query(sql).bind(house.site.tenant.as_uuid()).execute(&mut invariants::owner().await).await.unwrap();
    house.tries_in_vain(1);
    house.heard_by(0).await;
    assert_eq!(house.events_of("door.entry_refused.v1").await.len(), 1, "not by who has lost the stream");
    house.epoch(3).await;
    house.told(2).await;
    worker.stop().await;
}

#[tokio::test]
async fn batteries_and_links_of_locks_are_heard() {
    let house = House::open().await;
    let worker = house.listening().await;
    house.row("b1", "battery_low");
    house.row("b1", "battery_low");
    house.row("b2", "battery_low");
    let alerts = house.until_events("device.health_alert.v1", 1).await;
    assert_eq!(alerts[0]["data"]["kind"], "battery_low", "{alerts:#?}");
    let tasks = house.site.pms.get("maintenance-tasks").await.expect(200).body;
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "{tasks:#}");
    for (id, category, online) in [("o1", "lock_offline", false), ("o2", "lock_online", true)] {
        house.row(id, category);
        until("the lock's link is known", LIMIT, || async {
            let sql = "SELECT online FROM device_states WHERE tenant_id = $1 AND device_id = $2 AND online = $3";
            let asked = sqlx::query_scalar::<_, bool>(sql).bind(house.site.tenant.as_uuid());
            let asked = asked.bind(&house.locks[0].1).bind(online);
            asked.fetch_optional(&mut invariants::owner().await).await.unwrap().ok_or(())
        })
        .await;
    }
    house.row("x1", "privacy_mode");
    for id in ["\0".to_owned(), "long".repeat(60), "long".repeat(60) + "er", "zero\0".to_owned()] {
        house.row(&id, "privacy_mode");
    }
    house.at("old", "-009000-01-01T00:00:00Z", "privacy_mode");
    house.tries_in_vain(1);
    house.told(1).await;
    assert_eq!(house.events_of("device.health_alert.v1").await.len(), 1, "told once");
    let sql = "SELECT count(*) FROM door_records WHERE tenant_id = $1 AND kind = 'other_privacy_mode'";
    let odd: i64 = sqlx::query_scalar(sql)
        .bind(house.site.tenant.as_uuid())
        .fetch_one(&mut invariants::owner().await)
        .await
        .unwrap();
    assert_eq!(odd, 6, "whatever a vendor sends has its row");
    let standing = house.standing().await;
    assert_eq!((standing.epoch, standing.trouble), (1, None), "one listener all the time");
    worker.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_refused_says_so_and_is_tried_again() {
    let house = House::open().await;
    let refused =
        FaultOrder::always("POST connect/token", FaultKind::Status { status: 401, code: None, retry_after: None });
    house.server.sim().add_fault(refused);
    let worker = house.worker().await;
    house.tries_in_vain(1);
    let told = until("the trouble is told", LIMIT, || async {
        let seen = house.site.pms.get("inbound").await.expect(200).body["streams"][0].clone();
        if seen["trouble"].is_string() { Ok(seen) } else { Err(seen) }
    })
    .await;
    assert_eq!((&told["vendor"], &told["trouble"]), (&json!("salto_ks"), &json!("vendor_access")), "{told:#}");
    house.server.sim().clear_faults();
    house.told(1).await;
    let seen = house.site.pms.get("inbound").await.expect(200).body["streams"][0].clone();
    assert_eq!((&seen["listening"], &seen["trouble"]), (&json!(true), &Value::Null), "{seen:#}");
    assert!(seen["heard_at"].is_string(), "{seen:#}");
    worker.stop().await;
}
