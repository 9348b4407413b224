//! What becomes of stays that wait while their vendor is down: they go to another vendor's doors of their rooms, or to the desk, in the order of
//! arrival; everything is in agreement once the vendor is back.

use crate::harness::{
    Hotel, Standby,
    faults::{self, Mode},
    invariants, until,
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    clock::ClockOffset,
    drain::{Channel, Step},
};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use serde_json::{Value, json};
use sqlx::Row as _;
use std::time::Duration;

/// A stay that begins in so many minutes.
fn booking(reservation: &str, room: &str, minutes: i64) -> Value {
    arriving(reservation, room, SignedDuration::from_mins(minutes))
}

fn arriving(reservation: &str, room: &str, left: SignedDuration) -> Value {
    let from = Timestamp::now() + left;
    let until = from + SignedDuration::from_hours(20);
    json!({ "reservation": reservation, "room": room, "from": from.to_string(), "until": until.to_string() })
}

fn dark(hotel: &Hotel) {
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
}

/// Waits until nothing is under way any more.
async fn at_rest(hotel: &Hotel) {
    until("every operation has ended", Duration::from_secs(90), || async {
        let open = invariants::open_operations(hotel).await;
        if open.is_empty() { Ok(()) } else { Err(open) }
    })
    .await;
}

async fn events(hotel: &Hotel) -> Vec<String> {
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    tx.events_after(None, 1_000, None).await.unwrap().into_iter().map(|event| event.kind).collect()
}

/// One live credential for each stay, door and holder, and one live key for each holder.
async fn one_effective_each(hotel: &Hotel) {
    let sql = "SELECT count(*) AS n, count(DISTINCT (c.stay_id, c.door_id, k.holder)) AS slots, count(DISTINCT k.key_id) AS keys,
                      count(DISTINCT (c.stay_id, k.holder)) AS holders
               FROM credentials c JOIN keys k USING (tenant_id, key_id) WHERE c.tenant_id = $1 AND c.state = 'live'";
    let row = sqlx::query(sql).bind(hotel.tenant.as_uuid()).fetch_one(&mut invariants::owner().await).await.unwrap();
    let get = |name: &str| row.get::<i64, _>(name);
    assert_eq!((get("n"), get("keys")), (get("slots"), get("holders")));
}

#[tokio::test]
async fn r_lock_01_stays_drain_to_the_desk_in_the_order_of_arrival_and_go_on_by_themselves() {
    let hotel = Hotel::open().await;
    hotel.drains_to(&["desk"]).await;
    let probing = hotel.probing().await;
    dark(&hotel);
    hotel.breaker("open").await;
    let notice = hotel.pms.get("/v1/notices").await.expect(200).body["notices"][0].clone();
    assert_eq!((&notice["event"], &notice["vendor"]), (&json!("vendor.outage.v1"), &json!("ttlock")), "{notice:#}");
    for word in ["Affected", "What we do", "What to do"] {
        assert!(notice["text"].as_str().unwrap().contains(word), "{notice:#}");
    }
    for (reservation, room, minutes) in [("R3", "103", 180), ("R1", "101", 60), ("R2", "102", 120), ("R9", "104", 600)]
    {
        hotel.pms.post("stays", booking(reservation, room, minutes)).await.expect(202);
    }
    assert_eq!(hotel.desk(3).await, ["R1", "R2", "R3"], "who arrives in ten hours can wait");
    let list = hotel.pms.get("desk").await.expect(200).body;
    let line = &list["guests"][0];
    assert!(line["next_action"].as_str().unwrap().contains("room 101"), "{line:#}");
    assert_eq!(hotel.pms.stay("R1").await["attention"]["code"], "desk_issue");
    let attention = hotel.pms.get("stays?needs_attention=true").await.expect(200).body;
    assert!(attention.to_string().contains("\"R1\""), "{attention:#}");
    assert_eq!(hotel.pms.post("desk/R1/served", json!({})).await.expect(200).body["served"], true);
    assert_eq!(hotel.desk(2).await, ["R2", "R3"]);
    assert_eq!(hotel.pms.post("desk/R1/served", json!({})).await.expect(200).body["served"], false);

    hotel.sim.sim().clear_faults();
    hotel.breaker("closed").await;
    for reservation in ["R1", "R2", "R3", "R9"] {
        hotel.pms.phase(reservation, "active").await;
    }
    probing.stop().await;
    at_rest(&hotel).await;
    assert_eq!(hotel.desk(0).await, Vec::<String>::new());
    let outage = hotel.outage().await;
    assert_eq!(
        (&outage["notice"]["event"], &outage["unresolved"]),
        (&json!("vendor.outage_over.v1"), &json!(0)),
        "{outage:#}"
    );
    let steps: Vec<_> =
        outage["steps"].as_array().unwrap().iter().map(|s| (s["place"].clone(), s["reservation"].clone())).collect();
    let all = outage["credentials"].as_array().unwrap();
    assert_eq!(all.len(), 4, "all that waited, also R9: {outage:#}");
    assert!(all.iter().all(|one| one["held"] == true && one["state"] == "live"), "{outage:#}");
    assert_eq!(steps.len(), 3, "{steps:?}");
    let events = events(&hotel).await;
    for kind in ["vendor.outage.v1", "vendor.outage_over.v1", "stay.left_to_desk.v1", "stay.served_at_desk.v1"] {
        assert!(events.iter().any(|event| event == kind), "{kind}: {events:?}");
    }
    one_effective_each(&hotel).await;
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn r_lock_01_stays_drain_to_the_next_vendor_in_the_order_of_arrival_and_all_agrees_after() {
    let hotel = Hotel::open().await;
    let standby = hotel.standby(&["101", "102", "103"], 2).await;
    hotel.drains_to(&["salto_ks", "desk"]).await;
    let probing = hotel.probing().await;
    hotel.pms.check_in("R0", "104", 20).await.expect(201);
    assert_eq!(standby.guests(), 0, "no key opens a reader on standby");
    dark(&hotel);
    hotel.breaker("open").await;
    // Accepted in another order than that of arrival, and all within a look's distance of each other.
    for (reservation, room, minutes) in [("R3", "103", 4), ("R1", "101", 2), ("R2", "102", 3)] {
        hotel.pms.post("stays", booking(reservation, room, minutes)).await.expect(202);
    }
    for reservation in ["R1", "R2", "R3"] {
        settled_somewhere(&hotel, &standby, reservation).await;
    }
    let outage = hotel.outage().await;
    let steps = outage["steps"].as_array().unwrap();
    let went = |channel: &str| -> Vec<&str> {
        let there = steps.iter().filter(|step| step["channel"] == channel);
        there.map(|step| step["reservation"].as_str().unwrap()).collect()
    };
    assert_eq!((went("salto_ks").len(), went("desk").len()), (2, 1), "two seats: {outage:#}");
    assert_eq!(standby.guests(), 2);
    for reservation in went("salto_ks") {
        let stay = hotel.pms.phase(reservation, "active").await;
        let room = stay["room"]["number"].as_str().unwrap();
        assert!(standby.opens(room, &hotel.pms.reveal_wanted(reservation).await), "{reservation}");
    }
    hotel.pms.phase("R0", "active").await;
    // Who has gone gets more keys there, also while the own vendor is dark.
    let one = went("salto_ks")[0];
    hotel.pms.post(&format!("stays/{one}/duplicate"), json!({})).await.expect(202);
    until("a second key", Duration::from_secs(30), || async {
        if standby.guests() == 3 { Ok(()) } else { Err(standby.guests()) }
    })
    .await;
    let stay = hotel.pms.stay(one).await;
    let second = stay["keys"].as_array().unwrap().last().unwrap()["id"].clone();
    hotel.pms.post(&format!("stays/{one}/remove"), json!({ "key": second })).await.expect(202);
    until("the second key is gone", Duration::from_secs(30), || async {
        if standby.guests() == 2 { Ok(()) } else { Err(standby.guests()) }
    })
    .await;

    hotel.sim.sim().clear_faults();
    hotel.breaker("closed").await;
    for reservation in ["R1", "R2", "R3"] {
        hotel.pms.phase(reservation, "active").await;
    }
    at_rest(&hotel).await;
    probing.stop().await;
    let outage = hotel.outage().await;
    assert_eq!(outage["unresolved"], 0, "{outage:#}");
    assert_eq!(standby.guests(), 2, "who has gone stays there");
    assert_eq!(hotel.codes().len(), 2, "R0 and who was at the desk: {:?}", hotel.codes());
    one_effective_each(&hotel).await;
    invariants::check(&hotel).await;
    for reservation in ["R0", "R1", "R2", "R3"] {
        hotel.pms.verb(reservation, "check-out", json!({})).await.ok();
        hotel.pms.phase(reservation, "ended").await;
    }
    assert_eq!((standby.guests(), hotel.codes().len()), (0, 0));
}

/// Waits until the stay has a key at the other vendor, or stands on the desk's list.
async fn settled_somewhere(hotel: &Hotel, standby: &Standby, reservation: &str) {
    until(&format!("{reservation} has gone somewhere"), Duration::from_secs(60), || async {
        let stay = hotel.pms.stay(reservation).await;
        let there = stay["phase"] == "active" || stay["attention"]["code"] == "desk_issue";
        if there { Ok(()) } else { Err((standby.guests(), stay.to_string())) }
    })
    .await;
}

#[tokio::test]
async fn r_lock_01_a_vendor_that_refuses_gives_the_stay_back_and_the_desk_gets_it() {
    let hotel = Hotel::open().await;
    let standby = hotel.standby(&["101"], 9).await;
    hotel.drains_to(&["salto_ks", "desk"]).await;
    hotel.wrong_reader(&standby, "102").await;
    hotel.force("open").await;
    // The reader of 102 is set up wrongly, 103 has none.
    hotel.pms.post("stays", booking("R2", "102", 1)).await.expect(202);
    assert_eq!(hotel.desk(1).await, ["R2"]);
    let list = hotel.pms.get("desk").await.expect(200).body;
    assert!(list["guests"][0]["reason"].as_str().unwrap().contains("does not know the lock"), "{list:#}");
    let divert = hotel.pms.get("stays/R2/timeline").await.expect(200).body.to_string();
    assert!(divert.contains("another vendor's doors"), "{divert}");
    hotel.pms.post("stays", booking("R4", "103", 1)).await.expect(202);
    hotel.desk(2).await;
    hotel.pms.post("stays", booking("R1", "101", 2)).await.expect(202);
    hotel.pms.phase("R1", "active").await;
    assert_eq!(standby.guests(), 1);
    // Back at its own vendor before anybody was sent: it just goes on.
    hotel.force("released").await;
    for (reservation, room) in [("R2", "102"), ("R4", "103")] {
        hotel.pms.phase(reservation, "active").await;
        assert!(hotel.try_pin(room, &hotel.pms.reveal_wanted(reservation).await).opened, "{reservation}");
    }
    at_rest(&hotel).await;
    assert_eq!(hotel.outage().await["unresolved"], 0);
    one_effective_each(&hotel).await;
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn r_lock_01_a_stay_with_a_key_that_works_is_sent_nowhere() {
    let hotel = Hotel::open().await;
    let standby = hotel.standby(&["101"], 9).await;
    hotel.drains_to(&["salto_ks", "desk"]).await;
    let made = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    hotel.force("open").await;
    // A plan that is older than the key.
    let step =
        Step { stay: made["id"].as_str().unwrap().parse().unwrap(), channel: Channel::from("salto_ks".to_owned()) };
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let outage = tx.outages(None, None, 1).await.unwrap().remove(0);
    tx.enter_steps(&outage, &[step], ClockOffset::REAL, Timestamp::now()).await.unwrap();
    tx.commit().await.unwrap();
    until("the step is settled", Duration::from_secs(30), || async {
        let step = hotel.outage().await["steps"][0].clone();
        if step["state"] == "failed" && step["reason"]["code"] == "stay_not_waiting" { Ok(()) } else { Err(step) }
    })
    .await;
    let stay = hotel.pms.stay("R1").await;
    assert_eq!((&stay["phase"], &stay["keys"][0]["id"]), (&json!("active"), &made["keys"][0]["id"]));
    assert_eq!((standby.guests(), hotel.codes().len()), (0, 1));
    hotel.force("released").await;
}

/// The vendor whose doors have the stay's keys, as the record says; `None` is the property's own.
async fn gone_to(hotel: &Hotel, reservation: &str) -> Option<String> {
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let stay = tx.stay(hotel.property, &reservation.parse().unwrap()).await.unwrap().unwrap();
    tx.diverted_to(stay.id).await.unwrap()
}

/// Waits until the record says that the stay has gone to SALTO KS.
async fn goes(hotel: &Hotel, reservation: &str) {
    until(&format!("{reservation} goes"), Duration::from_secs(60), || async {
        let to = gone_to(hotel, reservation).await;
        if to.as_deref() == Some("salto_ks") { Ok(()) } else { Err(to) }
    })
    .await;
}

#[tokio::test]
async fn r_lock_01_who_is_refused_when_his_time_comes_returns_and_goes_to_the_desk() {
    let hotel = Hotel::open().await;
    let standby = hotel.standby(&["101"], 9).await;
    hotel.drains_to(&["salto_ks", "desk"]).await;
    hotel.wrong_reader(&standby, "102").await;
    hotel.force("open").await;
    // Keys of that vendor open at once, so they are made five minutes before arrival, which is after the stay has gone.
    let left = SignedDuration::from_secs(5 * 60 + 30);
    for (reservation, room) in [("R1", "101"), ("R2", "102")] {
        hotel.pms.post("stays", arriving(reservation, room, left)).await.expect(202);
        goes(&hotel, reservation).await;
    }
    assert_eq!(standby.guests(), 0);
    assert!(!invariants::open_operations(&hotel).await.is_empty(), "nobody has arrived yet");
    hotel.pms.phase("R1", "active").await;
    assert_eq!(hotel.desk(1).await, ["R2"]);
    assert_eq!((gone_to(&hotel, "R1").await.as_deref(), gone_to(&hotel, "R2").await), (Some("salto_ks"), None));
    assert_eq!(standby.guests(), 1);
    hotel.force("released").await;
    hotel.pms.phase("R2", "active").await;
    assert!(hotel.try_pin("102", &hotel.pms.reveal_wanted("R2").await).opened);
    at_rest(&hotel).await;
    one_effective_each(&hotel).await;
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn r_lock_01_what_is_asked_of_a_stay_that_has_gone_is_done_where_it_is() {
    let hotel = Hotel::open().await;
    let standby = hotel.standby(&["101", "102"], 9).await;
    hotel.drains_to(&["salto_ks", "desk"]).await;
    hotel.force("open").await;
    hotel.pms.post("stays", booking("R1", "101", 1)).await.expect(202);
    hotel.pms.phase("R1", "active").await;
    at_rest(&hotel).await;
    dark(&hotel);
    let first = hotel.pms.reveal_wanted("R1").await;
    assert!(standby.opens("101", &first));
    let stay = hotel.pms.stay("R1").await;
    let wanted = stay["keys"].as_array().unwrap().iter().find(|key| key["wish"] == "wanted").unwrap()["id"].clone();
    let again = hotel.pms.verb("R1", "reissue", json!({ "key": wanted })).await.ok().body;
    assert_eq!(hotel.pms.ended(&again["operation"]).await, "done", "{again:#}");
    let second = hotel.pms.reveal_wanted("R1").await;
    assert!(second != first && standby.opens("101", &second) && !standby.opens("101", &first));

    let moved = hotel.pms.verb("R1", "room-move", json!({ "room": "102" })).await.ok().body;
    assert_eq!(hotel.pms.ended(&moved["operation"]).await, "done", "{moved:#}");
    assert!(standby.opens("102", &second) && !standby.opens("101", &second), "the digits stay, the old door is shut");
    assert_eq!((gone_to(&hotel, "R1").await.as_deref(), standby.guests()), (Some("salto_ks"), 1));
    assert!(hotel.codes().is_empty(), "{:?}", hotel.codes());

    // 103 has no reader of that vendor: back to the own one, which is dark.
    hotel.pms.post("stays/R1/room-move", json!({ "room": "103" })).await.expect(202);
    assert_eq!(hotel.desk(1).await, ["R1"]);
    assert_eq!(hotel.pms.stay("R1").await["phase"], "moving");
    assert!(standby.opens("102", &second), "the old room opens until the new one does");
    hotel.sim.sim().clear_faults();
    hotel.force("released").await;
    hotel.pms.phase("R1", "active").await;
    at_rest(&hotel).await;
    assert!(hotel.try_pin("103", &hotel.pms.reveal_wanted("R1").await).opened);
    assert_eq!((gone_to(&hotel, "R1").await, standby.guests(), hotel.codes().len()), (None, 0, 1));
    one_effective_each(&hotel).await;
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn r_lock_01_a_guest_at_the_desk_stays_on_its_list_whatever_is_asked() {
    let hotel = Hotel::open().await;
    hotel.drains_to(&["desk"]).await;
    hotel.pms.check_in("R0", "104", 20).await.expect(201);
    hotel.force("open").await;
    dark(&hotel);
    hotel.pms.post("stays", booking("R1", "101", 1)).await.expect(202);
    assert_eq!(hotel.desk(1).await, ["R1"]);
    hotel.pms.post("stays/R1/suspend", json!({})).await.expect(202);
    assert!(hotel.desk(0).await.is_empty());
    hotel.pms.post("stays/R1/resume", json!({})).await.expect(202);
    assert_eq!(hotel.desk(1).await, ["R1"]);
    hotel.pms.post("stays/R1/room-move", json!({ "room": "102" })).await.expect(202);
    // Somebody with a key moves: the old room opens, the new one doesn't.
    hotel.pms.post("stays/R0/room-move", json!({ "room": "103" })).await.expect(202);
    assert_eq!(hotel.desk(2).await, ["R0", "R1"]);
    let rooms = hotel.pms.get("desk").await.expect(200).body;
    let rooms: Vec<_> = rooms["guests"].as_array().unwrap().iter().map(|line| line["room"].clone()).collect();
    assert_eq!(rooms, ["103", "102"]);
    hotel.sim.sim().clear_faults();
    hotel.force("released").await;
    for reservation in ["R0", "R1"] {
        hotel.pms.phase(reservation, "active").await;
    }
    at_rest(&hotel).await;
    assert!(hotel.desk(0).await.is_empty());
    one_effective_each(&hotel).await;
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn r_lock_11_the_override_path_works_and_is_audited() {
    let (hotel, other) = (Hotel::open().await, Hotel::open().await);
    for hotel in [&hotel, &other] {
        hotel.drains_to(&["desk"]).await;
    }
    let forced = hotel.force("open").await;
    assert_eq!((&forced["breaker"], &forced["forced"]["probes_say"]), (&json!("open"), &json!("closed")), "{forced:#}");
    hotel.pms.post("stays", booking("R1", "101", 1)).await.expect(202);
    other.pms.check_in("R1", "101", 20).await.expect(201);
    assert_eq!(hotel.desk(1).await, ["R1"], "only this property's circuit is open");
    assert!(hotel.codes().is_empty(), "nothing is sent for a guest");
    let held = hotel.pms.stay("R1").await;
    assert_eq!(held["attention"]["code"], "desk_issue", "{held:#}");
    // The vendor is dark, and an operator who knows better sends keys all the same.
    let probing = hotel.probing().await;
    dark(&hotel);
    hotel.force("released").await;
    hotel.breaker("open").await;
    hotel.sim.sim().clear_faults();
    let closed = hotel.force("closed").await;
    assert_eq!(closed["breaker"], "closed", "{closed:#}");
    hotel.pms.phase("R1", "active").await;
    probing.stop().await;
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let log = tx.events_after(None, 1_000, None).await.unwrap();
    let words: Vec<_> = log.iter().filter(|event| event.kind.starts_with("vendor.breaker_forced")).collect();
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(
        words.iter().all(|event| event.payload["reason"] == "drill" && event.payload["by"].is_string()),
        "{words:?}"
    );
    assert!(log.iter().any(|event| event.kind == "vendor.breaker_released.v1"));
    drop(tx);
    for bad in
        [json!({ "state": "open", "reason": "drill" }), json!({ "state": "open", "reason": "drill", "for_s": 5 })]
    {
        hotel.pms.post("vendors/ttlock/breaker", bad).await.problem(422, "invalid_field");
    }
    let word = json!({ "state": "open", "reason": "drill", "for_s": 60 });
    hotel.pms.post("vendors/nobody/breaker", word).await.problem(404, "not_found");
}

#[tokio::test]
async fn set_up_of_vendors_probes_and_choices_is_checked() {
    let hotel = Hotel::open().await;
    hotel.standby(&["101"], 9).await;
    let put = |path: &'static str, body: Value| hotel.pms.put(path, body);
    put("vendors/ttlock", json!({ "config": {} })).await.problem(422, "invalid_field");
    put("vendors/nobody", json!({ "config": {} })).await.problem(422, "invalid_field");
    put("vendors/vostio", json!({ "config": {} })).await.problem(422, "invalid_field");
    put("vendors/visionline", json!({ "config": {}, "standby_rank": 2 })).await.problem(422, "invalid_field");
    let door = json!({ "config": {}, "doors": [{ "room": "999", "name": "Reader", "lock": "x" }] });
    put("vendors/salto_ks", door).await.problem(422, "room_unknown");
    put("on-vendor-down", json!({ "channels": ["ttlock"] })).await.problem(422, "invalid_field");
    put("on-vendor-down", json!({ "channels": ["desk", "desk"] })).await.problem(422, "invalid_field");
    let kept = hotel.pms.get("on-vendor-down").await.expect(200).body;
    assert_eq!(kept["arriving_within_h"], 6, "{kept:#}");
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let doors = tx.doors(hotel.property).await.unwrap();
    drop(tx);
    let of = |vendor: &str| doors.iter().find(|door| door.vendor == vendor).unwrap().id;
    let canaries = json!({ "canary_doors": { "ttlock": of("ttlock"), "salto_ks": of("salto_ks") } });
    put("health", canaries).await.expect(200);
    put("health", json!({ "canary_doors": { "salto_ks": of("ttlock") } })).await.problem(422, "invalid_field");
    hotel.pms.get("/v1/outages/out_1").await.problem(404, "not_found");
}

/// From the opening of a circuit to its closing, with each look of the drain and each effect in turn refused, repeated and lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_01_every_step_of_a_drain_may_fail_repeat_or_crash() {
    let looks = (1..=2).flat_map(|nth| Mode::ALL.map(|mode| ("look_at_outage", nth, mode)));
    let effects = (1..=3).flat_map(|nth| Mode::ALL.map(|mode| ("perform", nth, mode)));
    stream::iter(looks.chain(effects))
        .for_each_concurrent(6, |(name, nth, mode)| async move {
            let hotel = Hotel::open().await;
            let standby = hotel.standby(&["101", "102"], 1).await;
            hotel.drains_to(&["salto_ks", "desk"]).await;
            faults::plan_of(hotel.tenant, name, nth, mode);
            hotel.force("open").await;
            hotel.pms.post("stays", booking("R2", "102", 3)).await.expect(202);
            hotel.pms.post("stays", booking("R1", "101", 1)).await.expect(202);
            for reservation in ["R1", "R2"] {
                settled_somewhere(&hotel, &standby, reservation).await;
            }
            assert_eq!(hotel.desk(1).await.len(), 1);
            hotel.force("released").await;
            for reservation in ["R1", "R2"] {
                hotel.pms.phase(reservation, "active").await;
            }
            at_rest(&hotel).await;
            let (_, hit) = faults::seen(hotel.tenant);
            assert!(hit, "{name} {nth} was to {mode:?}, and did not");
            assert_eq!((standby.guests(), hotel.codes().len()), (1, 1), "{name} {nth} {mode:?}");
            one_effective_each(&hotel).await;
            invariants::check(&hotel).await;
        })
        .await;
}
