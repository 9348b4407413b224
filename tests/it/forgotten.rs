//! A worker that was given up for dead and still runs must not undo what came after it; what nobody read is not said to be read.

use crate::harness::{
    Hotel,
    faults::{self, Mode},
    invariants, until,
};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_issue_does_not_bring_back_a_key_that_was_taken_away() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    // The next activity is held before it has done anything; the server gives its work to another worker.
    faults::plan(hotel.tenant, 1, Mode::Late);
    let more = hotel.pms.post("stays/R1/duplicate", json!({})).await.expect(202).body;
    assert_eq!(hotel.pms.ended(&more["operation"]).await, "done");
    assert_eq!(hotel.codes().len(), 2);
    let keys = hotel.pms.stay("R1").await["keys"].clone();
    hotel.pms.verb("R1", "remove", json!({ "key": keys[1]["id"] })).await.ok();
    assert_eq!(hotel.codes().len(), 1);

    faults::let_go(hotel.tenant);
    until("the forgotten one has run", Duration::from_secs(60), || async {
        if faults::let_go_done(hotel.tenant) { Ok(()) } else { Err(faults::seen(hotel.tenant)) }
    })
    .await;
    assert!(faults::seen(hotel.tenant).1);
    assert_eq!(hotel.codes().len(), 1, "{:?}", hotel.codes());
    assert!(hotel.try_pin("101", &pin).opened, "the other key is as it was");
    assert_eq!(hotel.pms.stay("R1").await["phase"], "active");
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn a_reading_that_reached_no_lock_has_failed() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
    let read = hotel.pms.post("stays/R1/read", json!({})).await.expect(202).body;
    assert_eq!(hotel.pms.ended(&read["operation"]).await, "failed");
    let path = format!("/v1/operations/{}", read["operation"]["id"].as_str().unwrap());
    assert_eq!(hotel.pms.get(&path).await.expect(200).body["reason"]["code"], "vendor_unreachable");
    hotel.sim.sim().clear_faults();
    hotel.pms.verb("R1", "read", json!({})).await.expect(200);
    assert!(hotel.try_pin("101", &pin).opened);
}
