//! What each verb costs in history events, counted from histories and kept in `docs/history-events.md`; and what costs none.
//!
//! `UPDATE=1` writes the table.

use crate::{
    contract::Night,
    harness::{
        Hotel,
        temporal::{StayRun, of_skipping},
        until,
    },
    recorded::drain_of,
    vault::{ask, furnished},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    clock::ClockOffset,
    command::{Command, Verb},
    drain::{Channel, Step},
    ids::*,
};
use lock_workflows::KeyLifecycle;
use serde_json::json;
use std::{fmt::Write as _, path::PathBuf, time::Duration};
use temporalio_client::WorkflowExecuteUpdateOptions;
use temporalio_common::protos::temporal::api::{enums::v1::EventType as E, history::v1::HistoryEvent};
use uuid::Uuid;

/// A plain stay may cost so much: one PIN on one door, then check-out.
const PLAIN: usize = 40;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A step of a stay's life and the events that it added.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    step: &'static str,
    events: usize,
    made_of: String,
}

/// Follows the history of one stay.
struct Meter {
    run: StayRun,
    seen: usize,
}

impl Meter {
    async fn new(hotel: &Hotel, reservation: &str) -> Self {
        Self::of(StayRun::of(hotel, reservation).await)
    }

    fn of(run: StayRun) -> Self {
        Self { run, seen: 0 }
    }

    async fn row(&mut self, step: &'static str) -> Row {
        let events = self.run.at_rest().await;
        let fresh: Vec<_> = events[self.seen..].iter().filter(|event| !of_skipping(event)).cloned().collect();
        self.seen = events.len();
        Row { step, events: fresh.len(), made_of: made_of(&fresh) }
    }
}

/// The events by what they belong to.
fn made_of(events: &[HistoryEvent]) -> String {
    let kinds: [(&str, &[E]); 8] = [
        ("start and end", &[E::WorkflowExecutionStarted, E::WorkflowExecutionCompleted]),
        ("update", &[E::WorkflowExecutionUpdateAccepted, E::WorkflowExecutionUpdateCompleted]),
        ("signal", &[E::WorkflowExecutionSignaled]),
        ("workflow tasks", &[E::WorkflowTaskScheduled, E::WorkflowTaskStarted, E::WorkflowTaskCompleted]),
        ("activities", &[E::ActivityTaskScheduled, E::ActivityTaskStarted, E::ActivityTaskCompleted]),
        ("record", &[E::MarkerRecorded]),
        ("search attributes", &[E::UpsertWorkflowSearchAttributes]),
        ("timer", &[E::TimerStarted, E::TimerFired, E::TimerCanceled]),
    ];
    let of = |types: &[E]| events.iter().filter(|event| types.contains(&event.event_type())).count();
    let all: Vec<_> = kinds.iter().map(|(name, types)| (*name, of(types))).filter(|(_, n)| *n > 0).collect();
    let sum: usize = all.iter().map(|(_, n)| n).sum();
    assert_eq!(sum, events.len(), "{:?}", events.iter().map(HistoryEvent::event_type).collect::<Vec<_>>());
    all.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
}

/// One hotel, three stays, every verb once.
async fn measure() -> Vec<Row> {
    let hotel = Hotel::open().await;
    let pms = &hotel.pms;
    let mut rows = Vec::new();
    let now = Timestamp::now();
    let days = |n: i64| (now + SignedDuration::from_hours(24 * n)).to_string();

    let stay = pms.check_in("R1", "101", 40).await.expect(201).body;
    let first = stay["keys"][0]["id"].clone();
    let mut meter = Meter::new(&hotel, "R1").await;
    rows.push(meter.row("new").await);
    let stay = pms.verb("R1", "duplicate", json!({})).await.ok().body;
    rows.push(meter.row("duplicate").await);
    pms.verb("R1", "remove", json!({ "key": stay["keys"][1]["id"] })).await.ok();
    rows.push(meter.row("remove").await);
    pms.verb("R1", "reissue", json!({ "key": first })).await.ok();
    rows.push(meter.row("reissue").await);
    for (verb, body) in [
        ("modify-stay", json!({ "until": days(3) })),
        ("room-move", json!({ "room": "102" })),
        ("suspend", json!({})),
        ("resume", json!({})),
        ("read", json!({})),
        ("check-out", json!({})),
    ] {
        pms.verb("R1", verb, body).await.ok();
        rows.push(meter.row(verb).await);
    }

    let planned = |reservation: &str, room: &str| json!({ "reservation": reservation, "room": room, "from": days(5), "until": days(8) });
    pms.post("stays?wait=20", planned("R2", "103")).await.expect(201);
    let mut meter = Meter::new(&hotel, "R2").await;
    rows.push(meter.row("new, planned").await);
    pms.verb("R2", "cancel", json!({})).await.ok();
    rows.push(meter.row("cancel, planned").await);

    // Its time is skipped, not set: a timer fires, as it does at a real property.
    pms.post("stays?wait=20", planned("R3", "104")).await.expect(201);
    let mut meter = Meter::new(&hotel, "R3").await;
    meter.row("new, planned").await;
    meter.run.skip(4 * DAY + Duration::from_secs(60)).await;
    pms.phase("R3", "active").await;
    rows.push(meter.row("keys of a planned stay").await);
    meter.run.skip(5 * DAY).await;
    pms.phase("R3", "ended").await;
    rows.push(meter.row("expiry").await);
    rows.extend(measure_divert().await);
    rows
}

/// A stay that waits for its vendor goes to another one's doors.
async fn measure_divert() -> [Row; 2] {
    let hotel = Hotel::open().await;
    let standby = hotel.standby(&["101"], 9).await;
    hotel.force("open").await;
    let (from, until) = (Timestamp::now(), Timestamp::now() + SignedDuration::from_hours(20));
    let body = json!({ "reservation": "R1", "room": "101", "from": from.to_string(), "until": until.to_string() });
    let made = hotel.pms.post("stays", body).await.expect(202).body;
    let mut meter = Meter::new(&hotel, "R1").await;
    untrue("the stay waits", || async { hotel.pms.stay("R1").await["attention"].is_null() }).await;
    let waiting = meter.row("new, its vendor being down").await;
    // By hand: when a drain looks is not known to the millisecond.
    let step =
        Step { stay: made["id"].as_str().unwrap().parse().unwrap(), channel: Channel::from("salto_ks".to_owned()) };
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let outage = tx.outages(None, None, 1).await.unwrap().remove(0);
    tx.enter_steps(&outage, &[step], ClockOffset::REAL, Timestamp::now()).await.unwrap();
    tx.commit().await.unwrap();
    hotel.pms.phase("R1", "active").await;
    let divert = meter.row("divert").await;
    assert_eq!(standby.guests(), 1);
    hotel.force("released").await;
    [waiting, divert]
}

async fn untrue<F: Future<Output = bool>>(what: &str, still: impl Fn() -> F) {
    until(what, Duration::from_secs(60), || async { if still().await { Err(()) } else { Ok(()) } }).await;
}

/// The workflows that are no stays.
async fn measure_others() -> Vec<Row> {
    let hotel = Hotel::open().await;
    hotel
        .pms
        .put("on-vendor-down", json!({ "after_s": 0, "look_every_s": 300, "channels": ["desk"] }))
        .await
        .expect(200);
    let mut rows = Vec::new();
    hotel.force("open").await;
    let mut drain = Meter::of(drain_of(&hotel).await);
    rows.push(drain.row("a drain's first look").await);
    drain.run.skip(Duration::from_secs(301)).await;
    rows.push(drain.row("a drain's next look").await);
    hotel.force("released").await;

    let night = Night::of(&hotel).await;
    night.falls().await;
    rows.push(Meter::of(night.workflow().await).row("a night's check of a vendor").await);

    let hotel = Hotel::open().await;
    let asked = hotel.pms.post("inventories", json!({})).await.expect(202).body;
    rows.push(Meter::of(hotel.inventory_run(&asked["id"]).await).row("an inventory of up to ten locks").await);

    let (hotel, _) = furnished().await;
    // A rotation of the data keys as well waits for what others have in memory, which takes as many looks as it takes: no budget.
    let (run, id) = ask(&hotel, json!({ "data_keys": false })).await;
    let path = format!("/v1/vault/rotations/{id}");
    untrue("it is done", || async { hotel.pms.get(&path).await.expect(200).body["state"] != "done" }).await;
    rows.push(Meter::of(run).row("a rotation of root keys").await);
    rows
}

fn table() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/history-events.md")
}

fn page(rows: &[Row], others: &[Row]) -> String {
    let get = |step: &str| rows.iter().find(|row| row.step == step).unwrap().events;
    let plain = get("new") + get("check-out");
    let mut page = format!(
        "# History events\n\n\
         What each step adds to the history of a stay's workflow: one PIN on one door, a vendor that answers. Each event is a row that\n\
         Temporal keeps until the retention is over, and is read again whenever the stay is not in a worker's memory. A plain stay\n\
         (`new`, then `check-out`) costs {plain}; the limit is {PLAIN}.\n\n\
         The test `verbs_cost_what_the_table_says` (tests/it/budget.rs) counts them from real histories and fails when they differ from\n\
         this table; `UPDATE=1` writes it.\n\n\
         | step | events | made of |\n|---|---|---|\n"
    );
    for Row { step, events, made_of } in rows {
        writeln!(page, "| {step} | {events} | {made_of} |").unwrap();
    }
    page += "\n## The other workflows\n\n| step | events | made of |\n|---|---|---|\n";
    for Row { step, events, made_of } in others {
        writeln!(page, "| {step} | {events} | {made_of} |").unwrap();
    }
    page + "\n\
     - A rotation takes a batch, which is six events, for each kind of sealed column at least, and goes through them twice.\n\
     - Each further ten locks of an inventory, or fewer at another vendor, add 11.\n\n\
     ## What the words mean\n\n\
     - *activities* are, in a stay, one activity for all locks that are due, whatever their number and however often it is retried; *record* is a local\n  \
       activity that writes row, audit leaves and outbox events in one transaction.\n\
     - A command that is refused adds none, and neither does one that is repeated. A stay that sleeps adds none while it sleeps.\n\
     - A vendor that does not answer adds one round per pause, and rounds become four times as long up to six hours: a day's outage\n  \
       stays far below the 1,000 events after which a run continues as new.\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_cost_what_the_table_says() {
    let (rows, again) = tokio::join!(measure(), measure());
    assert_eq!(rows, again, "a count that varies is no budget");
    let (others, again) = tokio::join!(measure_others(), measure_others());
    assert_eq!(others, again, "a count that varies is no budget");
    let fresh = page(&rows, &others);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(table(), &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(table()).unwrap();
    assert_eq!(kept, fresh, "docs/history-events.md: look whether the change is meant, then UPDATE=1");
}

#[tokio::test]
async fn a_plain_stay_costs_at_most_forty_events() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    let events = StayRun::of(&hotel, "R1").await.at_rest().await;
    assert_eq!(events.last().unwrap().event_type(), E::WorkflowExecutionCompleted);
    assert!(events.len() <= PLAIN, "{}: {}", events.len(), made_of(&events));
}

#[tokio::test]
async fn what_is_refused_or_repeated_costs_nothing() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let until = (Timestamp::now() + SignedDuration::from_hours(30)).to_string();
    let body = json!({ "until": until });
    let first = hotel.pms.post_as("stays/R1/modify-stay?wait=20", "once", body.clone()).await.ok();
    let run = StayRun::of(&hotel, "R1").await;
    let before = run.at_rest().await.len();

    let again = hotel.pms.post_as("stays/R1/modify-stay?wait=20", "once", body).await.ok();
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
    hotel.pms.post("stays/R1/resume", json!({})).await.problem(409, "stay_not_suspended");
    hotel.pms.post("stays/R1/room-move", json!({ "room": "101" })).await.expect(409);
    // The workflow itself says no, too: the record may lag behind it.
    let refused = command(&hotel, Verb::Resume);
    let options = WorkflowExecuteUpdateOptions::builder().update_id(refused.id.to_string()).build();
    assert!(run.handle().execute_update(KeyLifecycle::command, refused, options).await.is_err());
    assert_eq!(run.at_rest().await.len(), before);

    // A command that is delivered twice is one update.
    let read = command(&hotel, Verb::Read);
    let options = || WorkflowExecuteUpdateOptions::builder().update_id(read.id.to_string()).build();
    let answer = run.handle().execute_update(KeyLifecycle::command, read.clone(), options()).await.unwrap();
    let after = run.at_rest().await.len();
    assert_eq!(run.handle().execute_update(KeyLifecycle::command, read.clone(), options()).await.unwrap(), answer);
    assert_eq!(run.at_rest().await.len(), after);
    assert!(after > before);
}

fn command(hotel: &Hotel, verb: Verb) -> Command {
    Command {
        tenant: hotel.tenant,
        id: CommandId::from_uuid(Uuid::new_v4()),
        verb,
        by: ApiKeyId::from_uuid(Uuid::new_v4()),
        at: Timestamp::now(),
        clock: ClockOffset::REAL,
        traceparent: None,
    }
}

#[tokio::test]
async fn a_sleeping_stay_waits_for_one_timer_and_nothing_else() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 24 * 14).await.expect(201);
    let run = StayRun::of(&hotel, "R1").await;
    let events = run.at_rest().await;
    let now = run.describe().await;
    assert!(
        now.pending_activities.is_empty() && now.pending_children.is_empty() && now.pending_workflow_task.is_none()
    );
    let last: Vec<_> = events[events.len() - 2..].iter().map(HistoryEvent::event_type).collect();
    // The task that began the timer may have had more to say before it.
    assert_eq!(last[1], E::TimerStarted, "{last:?}");
    let count = |kind: E| events.iter().filter(|event| event.event_type() == kind).count();
    assert_eq!(count(E::TimerStarted) - count(E::TimerFired) - count(E::TimerCanceled), 1);
    assert_eq!(count(E::WorkflowTaskScheduled), count(E::WorkflowTaskCompleted));
}
