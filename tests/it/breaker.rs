//! The circuit breaker from outside: a vendor goes dark and comes back, a property's link is cut, a probe lies. Effects run in the shared
//! worker; probes are made by a prober of the test's own.

use crate::harness::{Hotel, until};
use jiff::{SignedDuration, Timestamp};
use lock_sim::ttlock::{Effect, FaultKind, FaultOrder, GatewayPatch, LockPatch};
use serde_json::{Value, json};
use std::time::Duration;

fn booking(reservation: &str, room: &str) -> Value {
    let now = Timestamp::now();
    let until = now + SignedDuration::from_hours(20);
    json!({ "reservation": reservation, "room": room, "from": now.to_string(), "until": until.to_string() })
}

fn dark(hotel: &Hotel) {
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
}

/// The first credential of a stay's first key.
fn credential(stay: &Value) -> &Value {
    &stay["keys"][0]["credentials"][0]
}

#[tokio::test]
async fn r_lock_01_a_dark_vendor_opens_the_breaker_and_waiting_stays_finish_when_it_is_back() {
    let hotel = Hotel::open().await;
    hotel.canary("104").await;
    let probing = hotel.probing().await;
    assert_eq!(hotel.health().await["breaker"], "closed");
    hotel.pms.check_in("R0", "103", 20).await.expect(201);

    let before = hotel.health().await["rounds"].as_u64().unwrap();
    dark(&hotel);
    let open = hotel.breaker("open").await;
    // The round that was under way when the vendor went dark does not count.
    let opened_in = hotel.round_of_opening().await - before;
    assert!(opened_in <= 4, "{opened_in} rounds, with one that was under way: {open:#}");
    assert_eq!((&open["reason"]["code"], &open["vendor_wide"]), (&json!("vendor_unreachable"), &json!("links")));
    assert!(open["summary"].as_str().unwrap().contains("The desk"), "{open:#}");

    let journal = hotel.sim.sim().journal(0).last().map_or(0, |entry| entry.seq);
    hotel.pms.post("stays", booking("R1", "101")).await.expect(202);
    let waiting = until("the stay says why it waits", Duration::from_secs(30), || async {
        let stay = hotel.pms.stay("R1").await;
        let told =
            credential(&stay)["code"] == "vendor_circuit_open" || stay["attention"]["code"] == "vendor_circuit_open";
        if told { Ok(stay) } else { Err(stay) }
    })
    .await;
    let words = waiting.to_string();
    assert!(words.contains("left alone until it is back"), "{waiting:#}");
    let timeline = hotel.pms.get("stays/R1/timeline").await.expect(200).body.to_string();
    assert!(timeline.contains("test lock"), "{timeline}");
    let asked = hotel.sim.sim().stats().calls.get("keyboardPwd/add").copied().unwrap_or(0);
    hotel.rounds_after(open["rounds"].as_u64().unwrap(), 3).await;
    let later = hotel.sim.sim().stats().calls.get("keyboardPwd/add").copied().unwrap_or(0);
    assert_eq!(asked, later, "nothing is sent for a guest while it is open");
    // A revoke is not held back: the vendor is asked, and says no.
    hotel.pms.post("stays/R0/check-out", json!({})).await.expect(202);
    let tried = || hotel.sim.sim().stats().calls.get("keyboardPwd/delete").copied().unwrap_or(0);
    until("the revoke is tried", Duration::from_secs(30), || async { if tried() > 0 { Ok(()) } else { Err(tried()) } })
        .await;

    hotel.sim.sim().clear_faults();
    hotel.breaker("closed").await;
    hotel.pms.phase("R1", "active").await;
    hotel.pms.phase("R0", "ended").await;
    assert!(hotel.try_pin("101", &hotel.pms.reveal("R1").await).opened);
    let done = hotel.sim.sim().journal(journal);
    let adds: Vec<i64> = done.iter().filter(|e| e.effect == Effect::Add).map(|e| e.lock_id).collect();
    let first_guest = adds.iter().position(|lock| *lock == hotel.lock("101")).unwrap();
    assert!(
        first_guest >= 3 && adds[..first_guest].iter().all(|lock| *lock == hotel.lock("104")),
        "trials first: {adds:?}"
    );
    assert_eq!(adds.iter().filter(|lock| **lock == hotel.lock("101")).count(), 1, "one key: {adds:?}");
    probing.stop().await;
    let left: Vec<_> = hotel.codes().into_iter().filter(|code| code.lock_id == hotel.lock("104")).collect();
    assert!(left.is_empty(), "the test lock is left as it was: {left:?}");
    let events = hotel.breaker_events().await;
    assert_eq!(events[0], "vendor.breaker_opened.v1");
    assert_eq!(events.last().map(String::as_str), Some("vendor.breaker_closed.v1"), "{events:?}");
    assert_eq!(events.iter().filter(|kind| *kind == "vendor.breaker_opened.v1").count(), 1, "{events:?}");
}

#[tokio::test]
async fn r_lock_01_the_state_survives_the_worker() {
    let hotel = Hotel::open().await;
    let probing = hotel.probing().await;
    dark(&hotel);
    let open = hotel.breaker("open").await;
    probing.stop().await;
    let still = hotel.health().await;
    assert_eq!((&still["breaker"], &still["opens"]), (&json!("open"), &json!(1)));
    hotel.sim.sim().clear_faults();
    let another = hotel.probing().await;
    let back = hotel.breaker("closed").await;
    assert!(back["rounds"].as_u64() > open["rounds"].as_u64());
    another.stop().await;
    assert_eq!(hotel.health().await["opens"], 1, "it went on where the other had left it");
}

#[tokio::test]
async fn r_lock_11_one_propertys_link_opens_its_own_breaker_only() {
    let (cut, other) = (Hotel::open().await, Hotel::open().await);
    let (first, second) = (cut.probing().await, other.probing().await);
    dark(&cut);
    cut.breaker("open").await;
    let rounds = other.health().await["rounds"].as_u64().unwrap();
    let well = other.rounds_after(rounds, 3).await;
    assert_eq!((&well["breaker"], &well["opens"], &well["vendor_wide"]), (&json!("closed"), &json!(0), &json!("well")));
    other.pms.check_in("R1", "101", 20).await.expect(201);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn r_lock_11_a_dead_lock_and_a_lost_gateway_open_nothing() {
    let hotel = Hotel::open().await;
    hotel.canary("104").await;
    let probing = hotel.probing().await;
    let dead = LockPatch { battery: Some(0), ..LockPatch::default() };
    assert!(hotel.sim.sim().patch_lock(hotel.lock("101"), &dead));
    hotel.pms.post("stays", booking("R1", "101")).await.expect(202);
    for gateway in hotel.sim.sim().gateways() {
        hotel
            .sim
            .sim()
            .patch_gateway(gateway.gateway_id, &GatewayPatch { online: Some(false), ..GatewayPatch::default() });
    }
    hotel.pms.post("stays", booking("R2", "102")).await.expect(202);
    let rounds = hotel.health().await["rounds"].as_u64().unwrap();
    let seen = hotel.rounds_after(rounds, 10).await;
    assert_eq!((&seen["breaker"], &seen["opens"]), (&json!("closed"), &json!(0)), "{seen:#}");
    assert!(!seen["devices"]["gateways_offline"].as_array().unwrap().is_empty(), "but it is seen: {seen:#}");
    probing.stop().await;
}

#[tokio::test]
async fn r_lock_22_one_probe_that_fails_opens_nothing() {
    let hotel = Hotel::open().await;
    let probing = hotel.probing().await;
    for verb in ["gateway/list", "lock/list", "lock/listKeyboardPwd"] {
        hotel.sim.sim().clear_faults();
        hotel.sim.sim().add_fault(FaultOrder::always(verb, FaultKind::Down));
        let rounds = hotel.health().await["rounds"].as_u64().unwrap();
        let seen = hotel.rounds_after(rounds, 6).await;
        assert_eq!((&seen["breaker"], &seen["opens"]), (&json!("closed"), &json!(0)), "{verb}: {seen:#}");
        let bad = seen["evidence"].as_array().unwrap().iter().filter(|e| e["finding"] == "bad").count();
        assert_eq!(bad, 1, "{verb}: {seen:#}");
    }
    // Two of them together do.
    hotel.sim.sim().add_fault(FaultOrder::always("gateway/list", FaultKind::Down));
    hotel.breaker("open").await;
    probing.stop().await;
}
