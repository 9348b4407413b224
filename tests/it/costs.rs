//! What a vendor costs, from its calls to money, and what it would cost elsewhere.

use crate::harness::{Client, Hotel, shared, until};
use jiff::{Timestamp, tz::TimeZone};
use lock_api::scope::Scope;
use lock_sim::ttlock::{FaultKind, FaultOrder};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn put(client: &Client, vendor: &str, list: Value) -> crate::harness::Answer {
    let key = Uuid::new_v4().to_string();
    let body = Some(list.to_string().into_bytes());
    client.send(Method::PUT, &format!("/v1/vendor-prices/{vendor}"), Some(&key), body).await
}

impl Hotel {
    /// Calls that are counted for the hotel, by verb and whether they repeat.
    async fn counted(&self, verb: &str) -> (i64, i64) {
        let mut db = crate::harness::invariants::owner().await;
        let sql = "SELECT COALESCE(sum(calls), 0)::bigint, COALESCE(sum(calls) FILTER (WHERE is_retry), 0)::bigint
                   FROM vendor_calls_daily WHERE tenant_id = $1 AND verb = $2";
        sqlx::query_as(sql).bind(self.tenant.as_uuid()).bind(verb).fetch_one(&mut db).await.unwrap()
    }

    async fn doors(&self) -> i64 {
        let sql = "SELECT count(*) FROM doors WHERE tenant_id = $1";
        let mut db = crate::harness::invariants::owner().await;
        sqlx::query_scalar(sql).bind(self.tenant.as_uuid()).fetch_one(&mut db).await.unwrap()
    }
}

#[tokio::test]
async fn r_lock_18_every_call_is_counted_once_and_becomes_money() {
    let hotel = Hotel::open().await;
    hotel.sim.sim().add_fault(FaultOrder::times("keyboardPwd/add", FaultKind::Errcode { n: -3002 }, 1));
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    hotel.pms.check_in("R2", "102", 20).await.expect(201);
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;
    let asked = |verb: &str| i64::try_from(hotel.sim.sim().stats().calls.get(verb).copied().unwrap_or(0)).unwrap();
    until("the counts are in the record", Duration::from_secs(90), || async {
        let (add, delete) = (hotel.counted("keyboardPwd/add").await, hotel.counted("keyboardPwd/delete").await);
        if add.0 >= asked("keyboardPwd/add") && delete.0 >= asked("keyboardPwd/delete") {
            Ok(())
        } else {
            Err((add, delete))
        }
    })
    .await;
    let (adds, repeated) = hotel.counted("keyboardPwd/add").await;
    assert_eq!(adds, asked("keyboardPwd/add"), "each once");
    assert_eq!(repeated, 1, "the one that had failed");

    let unpriced = hotel.pms.get("/v1/costs?group_by=vendor").await.expect(200).body;
    assert_eq!(
        (&unpriced["lines"][0]["currency"], &unpriced["lines"][0]["total"]),
        (&Value::Null, &json!(0)),
        "{unpriced:#}"
    );
    // Its days of any month have whole shares.
    let (month, day) = (377_580_000_i64, Timestamp::now().to_zoned(TimeZone::get("Europe/Lisbon").unwrap()).date());
    let share = month / i64::from(day.days_in_month());
    let list = json!({ "valid_from": "2026-01-01", "currency": "EUR", "rates": {
        "per_call": 0, "verbs": { "keyboardPwd/add": 2_000_000 }, "per_key_month": month, "per_door_month": 10 * month } });
    put(&hotel.pms, "ttlock", list).await.expect(200);
    let other = json!({ "valid_from": "2026-01-01", "currency": "EUR", "rates": { "per_call": 1_000_000 } });
    put(&hotel.pms, "visionline", other).await.expect(200);
    let costs = hotel.pms.get("/v1/costs?group_by=property").await.expect(200).body;
    let [line] = &costs["lines"].as_array().unwrap()[..] else { panic!("{costs:#}") };
    assert_eq!((&line["property"], &line["vendor"]), (&json!(hotel.property), &json!("ttlock")));
    assert_eq!((&line["for_calls"], &line["keys"]), (&json!(adds * 2_000_000), &json!(2)), "{line:#}");
    // One guest has left on the day on which he came: his key stood on it, too. The days to come cost nothing yet.
    assert_eq!(line["for_keys"], json!(2 * share), "{line:#}");
    assert_eq!(line["for_doors"], json!(hotel.doors().await * 10 * share), "{line:#}");
    let total = adds * 2_000_000 + (2 + 10 * hotel.doors().await) * share;
    assert_eq!((&line["total"], &line["per_key"]), (&json!(total), &json!(total / 2)), "{line:#}");
    let later = day.saturating_add(jiff::Span::new().days(40));
    let path = format!("/v1/costs?group_by=property&from={day}&to={later}");
    assert_eq!(hotel.pms.get(&path).await.expect(200).body["lines"][0]["total"], json!(total));
    let today = Timestamp::now().to_zoned(TimeZone::get("Europe/Lisbon").unwrap()).date();
    let days = hotel.pms.get(&format!("/v1/costs?from={today}&to={today}")).await.expect(200).body;
    assert_eq!(days["lines"][0]["day"], json!(today.to_string()), "{days:#}");

    let there = hotel.pms.get("/v1/costs/what-if?vendor=visionline").await.expect(200).body;
    assert_eq!(there["acts"]["issue"], json!(adds), "{there:#}");
    let (calls, total) = (there["then"]["calls"].as_u64().unwrap(), there["then"]["total"].as_u64().unwrap());
    assert_eq!(total, calls * 1_000_000);
    assert!(calls >= u64::try_from(adds).unwrap() * 4, "an issue takes four calls there: {there:#}");
}

#[tokio::test]
async fn r_lock_18_prices_are_the_tenants_and_costs_those_of_the_keys_properties() {
    let hotel = Hotel::open().await;
    let list = |currency: &str| json!({ "valid_from": "2026-01-01", "currency": currency, "rates": { "per_call": 1 } });
    assert_eq!(put(&hotel.pms, "ttlock", list("euro")).await.problem(422, "invalid_field").body["field"], "currency");
    put(&hotel.pms, "nobody", list("EUR")).await.problem(404, "not_found");
    let elsewhere = hotel.another_property(false).await;
    let token = hotel.token(Scope::ALL, Some(vec![elsewhere]), None).await;
    let neighbour = Client::new(&shared().api, hotel.property, token);
    put(&neighbour, "ttlock", list("EUR")).await.problem(403, "scope_missing");
    let seen = neighbour.get("/v1/costs").await.expect(200).body.to_string();
    assert!(!seen.contains(&hotel.property.to_string()), "{seen}");
    assert_eq!(put(&hotel.pms, "ttlock", list("EUR")).await.expect(200).body["lists"][0]["currency"], "EUR");
    for query in ["from=2026-11-02&to=2026-11-01", "from=2020-01-01", "vendor=x"] {
        assert!(hotel.pms.get(&format!("/v1/costs?{query}")).await.status.is_client_error(), "{query}");
    }
    let unknown = hotel.pms.get("/v1/costs/what-if?vendor=nobody").await.problem(422, "invalid_field");
    assert_eq!(unknown.body["field"], "vendor");
}
