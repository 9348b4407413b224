//! Work that stops, gives way or is left undone, because something has happened since it was decided on.

use crate::harness::{
    Hotel,
    faults::{self, Mode},
    invariants,
    temporal::StayRun,
    until,
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::policy::StayPolicy;
use lock_sim::ttlock::{FaultKind, FaultOrder};
use serde_json::json;
use std::time::Duration;
use temporalio_client::{UntypedWorkflow, WorkflowTerminateOptions};
use temporalio_common::protos::temporal::api::{
    enums::v1::EventType,
    history::v1::{HistoryEvent, history_event::Attributes},
};

const LIMIT: Duration = Duration::from_secs(60);

fn calls(hotel: &Hotel, verb: &str) -> u64 {
    hotel.sim.sim().stats().calls.get(verb).copied().unwrap_or(0)
}

fn count(events: &[HistoryEvent], kind: EventType) -> usize {
    events.iter().filter(|event| event.event_type() == kind).count()
}

/// Batches that went to a queue so far.
async fn batches(run: &StayRun, queue: &str) -> usize {
    let to = |event: &HistoryEvent| match &event.attributes {
        Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) => {
            scheduled.task_queue.as_ref().is_some_and(|to| to.name == queue)
        }
        _ => false,
    };
    run.events().await.iter().filter(|event| to(event)).count()
}

/// A stay decides to make a second key, and tells the record first, which takes long; meanwhile its last day passes.
#[tokio::test]
async fn what_is_not_wanted_any_more_once_the_record_has_it_is_never_made() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let run = StayRun::of(&hotel, "R1").await;
    let before = count(&run.at_rest().await, EventType::WorkflowExecutionSignaled);
    faults::plan_of(hotel.tenant, "record_stay", 1, Mode::Late);
    hotel.pms.post("stays/R1/duplicate", json!({})).await.expect(202);
    until("the record is slow", LIMIT, || async {
        if faults::seen(hotel.tenant).1 { Ok(()) } else { Err(faults::seen(hotel.tenant)) }
    })
    .await;
    let later = Timestamp::now() + SignedDuration::from_hours(48);
    hotel.advance(&later.to_string()).await;
    until("the stay has heard of it", LIMIT, || async {
        let events = run.events().await;
        let told = events.iter().rposition(|event| event.event_type() == EventType::WorkflowExecutionSignaled);
        let task = events.iter().rposition(|event| event.event_type() == EventType::WorkflowTaskStarted);
        let heard = count(&events, EventType::WorkflowExecutionSignaled) > before && task > told;
        if heard { Ok(()) } else { Err((told, task)) }
    })
    .await;
    faults::let_go(hotel.tenant);
    hotel.pms.phase("R1", "ended").await;
    let (seen, _) = faults::seen(hotel.tenant);
    assert_eq!((calls(&hotel, "keyboardPwd/add"), hotel.codes().len()), (1, 0), "{seen:?}");
    invariants::check(&hotel).await;
}

/// A code that nobody knows of stands in a lock of the vendor that is down, and has to go: that may take as long as the outage, and another key
/// at the vendor that the guest went to does not wait for it.
#[tokio::test]
async fn r_lock_01_a_revoke_at_a_dark_vendor_gives_way_to_the_guest() {
    // A round of the revoke lasts a minute then, and its turn twenty seconds.
    let hotel = Hotel::with(4, StayPolicy { retry_cap_s: 30, ..StayPolicy::default() }).await;
    let standby = hotel.standby(&["101"], 9).await;
    hotel.drains_to(&["salto_ks", "desk"]).await;
    hotel.sim.sim().add_fault(FaultOrder::always("keyboardPwd/add", FaultKind::ActThenDrop));
    hotel.sim.sim().add_fault(FaultOrder::always("lock/listKeyboardPwd", FaultKind::Down));
    let from = Timestamp::now() + SignedDuration::from_mins(1);
    let to = from + SignedDuration::from_hours(20);
    let body = json!({ "reservation": "R1", "room": "101", "from": from.to_string(), "until": to.to_string() });
    hotel.pms.post("stays", body).await.expect(202);
    until("a code stands, and its answer is lost", LIMIT, || async {
        if hotel.codes().len() == 1 { Ok(()) } else { Err(hotel.codes().len()) }
    })
    .await;
    hotel.sim.sim().clear_faults();
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
    hotel.force("open").await;
    until("the stay has gone", LIMIT, || async { if standby.guests() == 1 { Ok(()) } else { Err(standby.guests()) } })
        .await;
    let run = StayRun::of(&hotel, "R1").await;
    // The issue, and the revoke.
    until("the revoke is tried", LIMIT, || async {
        let batches = batches(&run, "vendor-ttlock").await;
        if batches >= 2 { Ok(()) } else { Err(batches) }
    })
    .await;
    hotel.pms.post("stays/R1/duplicate", json!({})).await.expect(202);
    until("the second key", Duration::from_secs(40), || async {
        if standby.guests() == 2 { Ok(()) } else { Err(standby.guests()) }
    })
    .await;
    let asked = count(&run.events().await, EventType::ActivityTaskCancelRequested);
    assert!(asked >= 1, "the revoke was asked to stop: {:?}", run.events().await.iter().map(HistoryEvent::event_type));
    assert_eq!(hotel.codes().len(), 1, "nothing has changed at the dark one");

    hotel.sim.sim().clear_faults();
    hotel.force("released").await;
    until("the forgotten code is gone", Duration::from_secs(120), || async {
        if hotel.codes().is_empty() { Ok(()) } else { Err(hotel.codes()) }
    })
    .await;
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;
    assert_eq!(standby.guests(), 0);
}

#[tokio::test]
async fn r_lock_09_a_look_that_is_called_off_ends_before_the_next_lock() {
    // One batch, and two more.
    const LOCKS: u64 = 10;
    let hotel = Hotel::with(12, StayPolicy { retry_cap_s: 1, ..StayPolicy::default() }).await;
    hotel.sim.sim().add_fault(FaultOrder::always("lock/queryDate", FaultKind::Latency { ms: 1_500 }));
    hotel.pms.post("maintenance/run", json!({})).await.expect(202);
    until("the first lock is asked", LIMIT, || async {
        let asked = calls(&hotel, "lock/queryDate");
        if asked > 0 { Ok(()) } else { Err(asked) }
    })
    .await;
    let run = StayRun::of_devices(&hotel).await;
    let client = crate::harness::shared().temporal().await;
    let handle = client.get_workflow_handle::<UntypedWorkflow>(run.workflow_id.clone());
    handle.terminate(WorkflowTerminateOptions::default()).await.unwrap();
    until("the look is over", LIMIT, || async {
        let ended = faults::ended(hotel.tenant, "look_at_locks");
        if ended == 1 { Ok(()) } else { Err(calls(&hotel, "lock/queryDate")) }
    })
    .await;
    let asked = calls(&hotel, "lock/queryDate");
    assert!((1..LOCKS).contains(&asked), "{asked} of {LOCKS} locks");
}
