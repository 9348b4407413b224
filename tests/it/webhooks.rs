//! Webhooks from outside: what is not genuine changes nothing and is counted, and what is genuine counts once.

use crate::harness::{Hotel, invariants, shared, still::Camera, until};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use lock_api::scope::Scope;
use lock_sim::ttlock::{CallbackOrder, GatewayPatch};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

impl Hotel {
    /// A new endpoint of this hotel's.
    async fn endpoint(&self, body: Value) -> Value {
        self.pms.post("webhook-endpoints", body).await.expect(201).body
    }

    /// The simulated cloud calls back from now on, each time so often.
    async fn calls_back(&self, copies: u32, hold: bool) -> Value {
        let endpoint = self.endpoint(json!({ "sender": "ttlock" })).await;
        self.sim.sim().set_callbacks(CallbackOrder { url: Some(url(&endpoint)), copies, hold });
        endpoint
    }

    /// The hotel's events of a type.
    async fn events_of(&self, kind: &str) -> Vec<Value> {
        let page = self.pms.get("/v1/events?limit=500").await.expect(200).body;
        page["events"].as_array().unwrap().iter().filter(|event| event["type"] == kind).cloned().collect()
    }

    async fn until_events(&self, kind: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} {kind}"), LIMIT, || async {
            let events = self.events_of(kind).await;
            if events.len() == count { Ok(events) } else { Err(format!("{events:#?}")) }
        })
        .await
    }

    /// How many deliveries are in a state.
    async fn deliveries(&self, state: &str) -> i64 {
        let sql = "SELECT count(*) FROM webhook_deliveries WHERE tenant_id = $1 AND state = $2";
        let asked = sqlx::query_scalar(sql).bind(self.tenant.as_uuid()).bind(state);
        asked.fetch_one(&mut invariants::owner().await).await.unwrap()
    }

    /// Everything that came in has been followed up.
    async fn followed_up(&self, count: i64) {
        until(&format!("{count} deliveries are processed"), LIMIT, || async {
            let (left, done) = (self.deliveries("received").await, self.deliveries("processed").await);
            if (left, done) == (0, count) { Ok(()) } else { Err((left, done)) }
        })
        .await;
    }
}

fn url(endpoint: &Value) -> String {
    format!("{}{}", shared().api, endpoint["path"].as_str().unwrap())
}

pub(crate) fn headers(id: &str, at: Timestamp, body: &[u8], secret: &Value) -> Vec<(&'static str, String)> {
    let secret = STANDARD.decode(secret.as_str().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(format!("{id}.{}.", at.as_second()).as_bytes());
    mac.update(body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.as_second().to_string()),
        ("webhook-signature", signature),
    ]
}

async fn send(url: &str, headers: &[(&str, String)], body: Vec<u8>) -> (StatusCode, String) {
    let mut request = reqwest::Client::new().post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// So many were counted as not genuine.
async fn forged(vendor: &str) -> f64 {
    let text = reqwest::get(format!("{}/metrics", shared().api)).await.unwrap().text().await.unwrap();
    let series = format!("webhook_signature_failed_total{{vendor=\"{vendor}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(series.as_str())?.parse().ok()).unwrap_or(0.0)
}

const BODY: &[u8] = br#"{"type":"reservation.changed","timestamp":"2026-11-23T12:00:00Z","data":{"reservation":"R1"}}"#;

#[tokio::test]
async fn a_one_shot_key_is_over_once_its_locks_records_say_that_it_has_opened() {
    let hotel = Hotel::open().await;
    hotel.calls_back(2, false).await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let guest = hotel.pms.reveal("R1").await;
    let asked = json!({ "room": "101", "purpose": "maintenance", "keys": 2 });
    let made = hotel.pms.post("one-shot-keys?wait=20", asked).await.expect(201).body;
    let name = made["reservation"].as_str().unwrap();
    for (n, left) in [(0, 2), (1, 1)] {
        let reveal = format!("stays/{name}/keys/{}/reveal", made["keys"][n]["id"].as_str().unwrap());
        let pin = hotel.pms.post(&reveal, json!({})).await.expect(200).body["pin"].as_str().unwrap().to_owned();
        assert!(hotel.try_pin("101", &pin).opened);
        until("its digits are gone from the lock", LIMIT, || async {
            let standing = hotel.codes().len();
            if standing == left { Ok(()) } else { Err(standing) }
        })
        .await;
    }
    let over = hotel.pms.phase(name, "ended").await;
    assert_eq!(over["ended_by"], "used", "{over:#}");
    // The guest's own use ends nothing.
    assert!(hotel.try_pin("101", &guest).opened);
    hotel.until_events("credential.used.v1", 3).await;
    assert_eq!(hotel.pms.stay("R1").await["phase"], "active");
}

#[tokio::test]
async fn r_lock_04_what_is_not_genuine_changes_nothing_and_is_counted() {
    let hotel = Hotel::open().await;
    let other = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    let (ours, theirs) =
        (hotel.endpoint(json!({ "sender": "pms" })).await, other.endpoint(json!({ "sender": "pms" })).await);
    let (secret, now) = (&ours["secret"], Timestamp::now());
    let good = headers("msg_1", now, BODY, secret);
    let at = |seconds: i64| now + jiff::SignedDuration::from_secs(seconds);
    let without = |name: &str| good.iter().filter(|(own, _)| *own != name).cloned().collect::<Vec<_>>();
    let mut empty = good.clone();
    empty[2].1 = "v1,".to_owned();
    let mut other_id = good.clone();
    other_id[0].1 = "msg_2".to_owned();
    let mut other_time = good.clone();
    other_time[1].1 = at(1).as_second().to_string();
    let cases = [
        ("forged", headers("msg_1", now, BODY, &theirs["secret"]), BODY.to_vec(), 401, "webhook_refused"),
        ("changed", good.clone(), [BODY, b" "].concat(), 401, "webhook_refused"),
        ("another id", other_id, BODY.to_vec(), 401, "webhook_refused"),
        ("another time", other_time, BODY.to_vec(), 401, "webhook_refused"),
        ("an empty signature", empty, BODY.to_vec(), 401, "webhook_refused"),
        ("no signature", without("webhook-signature"), BODY.to_vec(), 401, "webhook_refused"),
        ("no id", without("webhook-id"), BODY.to_vec(), 401, "webhook_refused"),
        ("late", headers("msg_1", at(-330), BODY, secret), BODY.to_vec(), 400, "webhook_too_old"),
        ("early", headers("msg_1", at(330), BODY, secret), BODY.to_vec(), 400, "webhook_too_old"),
        ("oversized", good.clone(), vec![b' '; 256 * 1024 + 1], 413, "body_too_large"),
        ("no JSON", headers("msg_1", now, b"x", secret), b"x".to_vec(), 400, "invalid_request"),
    ];
    let mut camera = Camera::new(&hotel, &["R1"]).await;
    let before = camera.take_at_rest().await;
    let counted = forged("pms").await;
    for (what, headers, body, status, code) in cases {
        let (got, text) = send(&url(&ours), &headers, body).await;
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code)), "{what}: {text}");
        assert!(!text.contains(hotel.tenant.as_uuid().simple().to_string().as_str()), "{what}: {text}");
    }
    // Sent where another tenant's partner sends: his path, our secret; and our path under another sender's name.
    let (status, _) = send(&url(&theirs), &good, BODY.to_vec()).await;
    assert_eq!(status, 401);
    for wrong in [url(&ours).replace("/pms/", "/ttlock/"), url(&ours).replace("/pms/", "/nobody/"), url(&ours) + "x"] {
        let (status, text) = send(&wrong, &good, BODY.to_vec()).await;
        let (nothing, other) = send(&format!("{}/v1/nothing", shared().api), &good, BODY.to_vec()).await;
        let shape = |text: &str| serde_json::from_str::<Value>(text).map(|mut v| (v["instance"].take(), v).1).unwrap();
        assert_eq!((status, shape(&text)), (nothing, shape(&other)), "as any path that does not exist");
    }
    assert_eq!(camera.take_at_rest().await, before);
    assert_eq!((hotel.deliveries("received").await, other.deliveries("received").await), (0, 0));
    let risen = forged("pms").await - counted;
    assert!(risen >= 11.0, "{risen}");
}

#[tokio::test]
async fn r_lock_04_a_replayed_one_has_no_effect_and_the_same_answer() {
    let hotel = Hotel::open().await;
    let endpoint = hotel.endpoint(json!({ "sender": "pms" })).await;
    let first = headers("msg_1", Timestamp::now(), BODY, &endpoint["secret"]);
    let to = url(&endpoint);
    let twenty = futures::future::join_all((0..20).map(|_| send(&to, &first, BODY.to_vec()))).await;
    assert!(twenty.iter().all(|answer| *answer == (StatusCode::NO_CONTENT, String::new())), "{twenty:?}");
    hotel.followed_up(1).await;
    let mut camera = Camera::new(&hotel, &[]).await;
    let before = camera.take().await;
    // Signed anew, as a sender repeats: the id counts.
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let again = headers("msg_1", later, BODY, &endpoint["secret"]);
    assert_eq!(send(&url(&endpoint), &again, BODY.to_vec()).await.0, StatusCode::NO_CONTENT);
    let other: &[u8] = br#"{"type":"reservation.cancelled"}"#;
    let reused = headers("msg_1", later, other, &endpoint["secret"]);
    let (status, text) = send(&url(&endpoint), &reused, other.to_vec()).await;
    assert_eq!(status, 409, "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["code"], "webhook_id_reused");
    assert_eq!(camera.take().await, before);
}

#[tokio::test]
async fn r_lock_04_a_callback_that_lies_leads_to_a_look_and_nothing_else() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    let code = hotel.codes().into_iter().next().expect("a code");
    let endpoint = hotel.endpoint(json!({ "sender": "ttlock" })).await;
    let lock = hotel.lock("101");
    let at = Timestamp::now().as_millisecond();
    let records = json!([{ "lockId": lock, "recordType": 4, "success": 1, "username": code.name, "keyboardPwd": "739146", "lockDate": at }]);
    let body = reqwest::Url::parse_with_params(
        "http://x/",
        [("lockId", lock.to_string()), ("notifyType", "1".to_owned()), ("records", records.to_string())],
    );
    let body = body.unwrap().query().unwrap().as_bytes().to_vec();
    let before = hotel.sim.sim().stats().calls.get("lockRecord/list").copied().unwrap_or(0);
    assert_eq!(send(&url(&endpoint), &[], body.clone()).await, (StatusCode::OK, "success".to_owned()));
    hotel.followed_up(1).await;
    assert!(hotel.sim.sim().stats().calls["lockRecord/list"] > before, "the vendor was asked");
    assert!(hotel.events_of("credential.used.v1").await.is_empty(), "and knows of no such thing");
    // The PIN in it does not lie in the database in clear.
    let sql = "SELECT count(*) FROM webhook_deliveries WHERE tenant_id = $1
               AND (position('739146'::bytea in body_sealed) > 0 OR meaning::text LIKE '%739146%' OR dedup_key LIKE '%739146%')";
    let clear: i64 =
        sqlx::query_scalar(sql).bind(hotel.tenant.as_uuid()).fetch_one(&mut invariants::owner().await).await.unwrap();
    assert_eq!(clear, 0);
    for nonsense in [&b"records=%5B%7B"[..], b"{}", b""] {
        assert_eq!(send(&url(&endpoint), &[], nonsense.to_vec()).await.0, 400);
    }
}

#[tokio::test]
async fn r_lock_04_a_use_that_was_told_three_times_is_one_use() {
    let hotel = Hotel::open().await;
    hotel.calls_back(3, false).await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    assert!(!hotel.try_pin("101", "000000").opened);
    assert!(hotel.try_pin("101", &pin).opened);
    let used = hotel.until_events("credential.used.v1", 1).await;
    let stay = hotel.pms.stay("R1").await;
    assert_eq!((&used[0]["stay"], &used[0]["data"]["key"]), (&stay["id"], &stay["keys"][0]["id"]), "{used:#?}");
    assert!(hotel.try_pin("101", &pin).opened);
    until("nine callbacks are answered", LIMIT, || async {
        let sent = hotel.sim.sim().callbacks();
        let well = sent.iter().filter(|call| call.status == 200 && call.answer == "success").count();
        if well == 9 { Ok(()) } else { Err(sent) }
    })
    .await;
    hotel.followed_up(3).await;
    assert_eq!(hotel.events_of("credential.used.v1").await.len(), 1);
    let refused = hotel.events_of("door.entry_refused.v1").await;
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert!(refused[0]["stay"].is_null(), "nobody's code");
    let timeline = hotel.pms.get("stays/R1/timeline").await.expect(200).body.to_string();
    assert_eq!(timeline.matches("for the first time").count(), 1, "{timeline}");
    let all = hotel.pms.get("/v1/events?limit=500").await.expect(200).body.to_string();
    assert!(!all.contains(&pin), "no digits in events");
}

#[tokio::test]
async fn r_lock_04_late_and_reordered_callbacks_lead_to_the_same() {
    let hotel = Hotel::open().await;
    hotel.calls_back(2, true).await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    for _ in 0..3 {
        assert!(hotel.try_pin("101", &pin).opened);
    }
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;
    assert!(hotel.events_of("credential.used.v1").await.is_empty(), "nobody has told yet");
    hotel.sim.sim().release_callbacks(true);
    let used = hotel.until_events("credential.used.v1", 1).await;
    until("six callbacks are answered and followed up", LIMIT, || async {
        let (sent, left) = (hotel.sim.sim().callbacks().len(), hotel.deliveries("received").await);
        if (sent, left) == (6, 0) { Ok(()) } else { Err((sent, left)) }
    })
    .await;
    assert_eq!(hotel.events_of("credential.used.v1").await, used);
    assert_eq!(hotel.pms.stay("R1").await["phase"], "ended", "what comes late brings nothing back");
    assert!(hotel.codes().is_empty());
}

#[tokio::test]
async fn a_gateway_that_goes_and_comes_is_told_once_each() {
    let hotel = Hotel::open().await;
    hotel.calls_back(3, false).await;
    let gateway = hotel.sim.sim().gateways()[0].gateway_id;
    for online in [false, true] {
        assert!(
            hotel.sim.sim().patch_gateway(gateway, &GatewayPatch { online: Some(online), ..GatewayPatch::default() })
        );
        let events = hotel.until_events("device.gateway_changed.v1", if online { 2 } else { 1 }).await;
        let last = events.last().unwrap();
        assert_eq!((&last["data"]["gateway"], &last["data"]["online"]), (&json!(gateway.to_string()), &json!(online)));
    }
}

#[tokio::test]
async fn secrets_and_paths_are_shown_once_and_can_be_changed() {
    let hotel = Hotel::open().await;
    let asked = json!({ "sender": "notifications" });
    let made = hotel.pms.post_as("webhook-endpoints", "k1", asked.clone()).await.expect(201).body;
    let again = hotel.pms.post_as("webhook-endpoints", "k1", asked).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((&again.body["id"], again.body.get("secret"), again.body.get("path")), (&made["id"], None, None));
    let (id, old) = (made["id"].as_str().unwrap().to_owned(), made["secret"].clone());
    let signed = async |name: &str, secret: &Value| {
        send(&url(&made), &headers(name, Timestamp::now(), BODY, secret), BODY.to_vec()).await.0.as_u16()
    };
    let rotate = async |overlap: u64| {
        let body = json!({ "overlap_s": overlap });
        hotel.pms.post(&format!("webhook-endpoints/{id}/rotate"), body).await.expect(200).body["secret"].clone()
    };
    let new = rotate(600).await;
    assert_eq!((signed("a", &old).await, signed("b", &new).await), (204, 204), "both during the overlap");
    let newest = rotate(0).await;
    assert_eq!((signed("c", &old).await, signed("d", &new).await, signed("e", &newest).await), (401, 401, 204));
    hotel
        .pms
        .post(&format!("webhook-endpoints/{id}/rotate"), json!({ "overlap_s": 604_801 }))
        .await
        .problem(422, "invalid_field");
    let weak = json!({ "secret": format!("whsec_{}", STANDARD.encode([7; 23])) });
    hotel.pms.post(&format!("webhook-endpoints/{id}/rotate"), weak).await.problem(422, "invalid_field");
    let path_only = json!({ "sender": "pms", "scheme": "path_only" });
    hotel.pms.post("webhook-endpoints", path_only).await.problem(422, "invalid_field");
    hotel.pms.post(&format!("webhook-endpoints/{id}/revoke"), json!({})).await.expect(200);
    assert_eq!(signed("f", &newest).await, 404);
    let list = hotel.pms.get("webhook-endpoints").await.expect(200).body;
    assert!(list["endpoints"][0]["revoked_at"].is_string() && !list.to_string().contains("whsec_"), "{list:#}");

    let ttlock = hotel.endpoint(json!({ "sender": "ttlock" })).await;
    let moved = format!("webhook-endpoints/{}/rotate", ttlock["id"].as_str().unwrap());
    let moved = hotel.pms.post(&moved, json!({ "overlap_s": 0 })).await.expect(200).body;
    let body = b"notifyType=4&lockId=1".to_vec();
    assert_eq!(send(&url(&ttlock), &[], body.clone()).await.0, 404);
    assert_eq!(send(&url(&moved), &[], body).await.0, 200);
    // A key without the scope makes none.
    let desk = hotel.pms.with_token(hotel.token(&[Scope::StaysRead], None, None).await);
    desk.post("webhook-endpoints", json!({ "sender": "pms" })).await.problem(403, "scope_missing");
}
