//! A flag changes what goes over the vendor's wire, while everything runs.

use crate::harness::Hotel;
use jiff::{SignedDuration, Timestamp};
use lock_sim::ttlock::Effect;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

impl Hotel {
    async fn set_flags(&self, flags: Value) -> crate::harness::Answer {
        let body = json!({ "flags": flags }).to_string().into_bytes();
        self.pms.send(Method::PUT, "vendor-flags", Some(&Uuid::new_v4().to_string()), Some(body)).await
    }

    /// What was done at the vendor after this entry of its journal, and the number of the last one.
    fn done_after(&self, seq: u64) -> (Vec<Effect>, u64) {
        let entries = self.sim.sim().journal(seq);
        let last = entries.last().map_or(seq, |entry| entry.seq);
        (entries.into_iter().map(|entry| entry.effect).collect(), last)
    }

    async fn leaves_in(&self, hours: i64) {
        let until = (Timestamp::now() + SignedDuration::from_hours(hours)).to_string();
        self.pms.verb("R1", "modify-stay", json!({ "until": until })).await.ok();
    }
}

#[tokio::test]
async fn r_lock_02_a_flag_changes_what_goes_over_the_wire_without_a_restart() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    let (_, at) = hotel.done_after(0);
    hotel.leaves_in(30).await;
    let (done, at) = hotel.done_after(at);
    assert_eq!(done, [Effect::Change]);
    let logins = hotel.sim.sim().stats().calls.get("oauth2/token").copied();

    let answer = hotel.set_flags(json!({ "change_in_place": false })).await.expect(200).body;
    let set = answer["flags"].as_array().unwrap().iter().find(|flag| flag["name"] == "change_in_place").unwrap();
    assert_eq!((&set["value"], &set["default"]), (&json!(false), &json!(true)), "{answer:#}");
    hotel.leaves_in(40).await;
    let (done, at) = hotel.done_after(at);
    assert_eq!(done, [Effect::Delete, Effect::Add]);
    assert!(hotel.try_pin("101", &pin).opened, "the same digits");
    assert_eq!(hotel.codes().len(), 1);
    assert_eq!(hotel.sim.sim().stats().calls.get("oauth2/token").copied(), logins, "the login outlives the change");

    hotel.set_flags(json!({})).await.expect(200);
    hotel.leaves_in(50).await;
    assert_eq!(hotel.done_after(at).0, [Effect::Change]);
    let events = hotel.pms.get("/v1/events?limit=500").await.expect(200).body;
    let changed = events["events"].as_array().unwrap().iter().filter(|e| e["type"] == "vendor.flags_changed.v1");
    let flags: Vec<&Value> = changed.map(|event| &event["data"]["flags"]).collect();
    assert_eq!(flags, [&json!(["change_in_place"]), &json!(["change_in_place"])]);
}

#[tokio::test]
async fn flags_are_checked_by_name_and_value_and_tell_no_secret() {
    let hotel = Hotel::open().await;
    for (flags, field) in [
        (json!({ "base_url": "http://127.0.0.1:1" }), "flags.base_url"),
        (json!({ "date_unit": "hours" }), "flags.date_unit"),
        (json!({ "date_offset_ms": 300_001 }), "flags.date_offset_ms"),
        (json!({ "listed_means_in_lock": "yes" }), "flags.listed_means_in_lock"),
    ] {
        let refused = hotel.set_flags(flags).await.problem(422, "invalid_field");
        assert_eq!(refused.body["field"], field);
    }
    let shown = hotel.pms.get("vendor-flags").await.expect(200).body;
    assert_eq!((&shown["vendor"], &shown["version"]), (&json!("ttlock"), &json!(1)), "nothing has changed");
    assert!(!shown.to_string().contains("base_url") && !shown.to_string().contains("client"), "{shown}");
    // A clock that the vendor finds wrong: the flag reaches the wire, and the vendor says so.
    hotel.set_flags(json!({ "date_unit": "s" })).await.expect(200);
    let now = Timestamp::now();
    let until = (now + SignedDuration::from_hours(5)).to_string();
    let stay = json!({ "reservation": "R1", "room": "101", "from": now.to_string(), "until": until });
    hotel.pms.post("stays", stay).await.expect(202);
    crate::harness::until("the vendor has refused a date", std::time::Duration::from_secs(30), || async {
        let refused = hotel.sim.sim().stats().errcodes.get("80000").copied().unwrap_or(0);
        if refused > 0 { Ok(()) } else { Err(refused) }
    })
    .await;
    hotel.set_flags(json!({})).await.expect(200);
    hotel.pms.phase("R1", "active").await;
}
