//! Requests that make no sense: each is refused with a problem that names field and remedy, and leaves no trace in the database or in
//! a workflow's history.

use crate::harness::{Answer, Hotel, shared, still::Camera, until};
use jiff::{SignedDuration, Timestamp};
use lock_api::{
    scope::Scope,
    seed::{Sandbox, seed},
};
use lock_domain::{policy::StayPolicy, problem::Code};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// A request and the problem that it meets.
struct Case {
    method: Method,
    path: String,
    key: Option<String>,
    kind: &'static str,
    body: Vec<u8>,
    token: Option<Option<SecretString>>,
    code: &'static str,
    field: &'static str,
}

fn case(code: &'static str, field: &'static str, method: Method, path: &str, body: Vec<u8>) -> Case {
    let key = Some(Uuid::new_v4().to_string());
    Case { method, path: path.to_owned(), key, kind: "application/json", body, token: None, code, field }
}

/// A write that is refused; `field` is empty where no field is to blame.
fn post(code: &'static str, field: &'static str, path: &str, body: Value) -> Case {
    case(code, field, Method::POST, path, body.to_string().into_bytes())
}

fn get(code: &'static str, field: &'static str, path: &str) -> Case {
    case(code, field, Method::GET, path, Vec::new())
}

impl Case {
    fn raw(code: &'static str, body: &[u8]) -> Self {
        case(code, "", Method::POST, "stays", body.to_vec())
    }

    fn by(self, token: Option<SecretString>) -> Self {
        Self { token: Some(token), ..self }
    }

    fn keyed(self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self }
    }

    async fn send(&self, hotel: &Hotel, usual: &SecretString) -> Answer {
        let base = &shared().api;
        let url = match self.path.strip_prefix('/') {
            Some(rooted) => format!("{base}/{rooted}"),
            None => format!("{base}/v1/properties/{}/{}", hotel.property, self.path),
        };
        let mut request = reqwest::Client::new().request(self.method.clone(), url).header("Content-Type", self.kind);
        if let Some(token) = self.token.as_ref().unwrap_or(&Some(usual.clone())) {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(key) = &self.key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.body(self.body.clone()).send().await.expect("the API answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }
}

fn day(n: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(24 * n)).to_string()
}

fn stay(reservation: &str, room: &str, from: i64, until: i64) -> Value {
    json!({ "reservation": reservation, "room": room, "from": day(from), "until": day(until) })
}

/// A stay that would be accepted, but for these fields.
fn but(fields: Value) -> Value {
    let mut body = stay("N1", "104", 10, 12);
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// R1 is active in 101, S1 suspended in 102, P1 planned for 103, P2 planned for 101, E1 over.
async fn house() -> (Hotel, SecretString) {
    let hotel = Hotel::open().await;
    let token = hotel.token(Scope::ALL, None, None).await;
    let mut first = stay("R1", "101", 0, 2);
    first["pin"] = json!("507184");
    hotel.pms.with_token(token.clone()).post_as("stays?wait=20", "first", first).await.expect(201);
    hotel.pms.check_in("S1", "102", 20).await.expect(201);
    hotel.pms.verb("S1", "suspend", json!({})).await.ok();
    hotel.pms.post("stays?wait=20", stay("P1", "103", 5, 8)).await.expect(201);
    hotel.pms.post("stays?wait=20", stay("P2", "101", 5, 8)).await.expect(201);
    hotel.pms.check_in("E1", "104", 20).await.expect(201);
    hotel.pms.verb("E1", "check-out", json!({})).await.ok();
    for (reservation, phase) in [("S1", "suspended"), ("P1", "planned"), ("P2", "planned"), ("E1", "ended")] {
        hotel.pms.phase(reservation, phase).await;
    }
    (hotel, token)
}

fn new_stays() -> Vec<Case> {
    let no_property = "/v1/properties/prop_00000000000000000000000000000001/stays";
    let field = |code, field, fields| post(code, field, "stays", but(fields));
    let mut lacking = but(json!({}));
    lacking.as_object_mut().unwrap().remove("reservation");
    vec![
        post("property_not_found", "", no_property, but(json!({}))),
        post("property_not_found", "", "/v1/properties/nonsense/stays", but(json!({}))),
        field("room_unknown", "room", json!({ "room": "999" })),
        field("room_unknown", "room", json!({ "room": "room_00000000000000000000000000000001" })),
        field("room_unknown", "room", json!({ "room": "10\u{0}1" })),
        field("room_unknown", "additional_rooms[0]", json!({ "additional_rooms": ["999"] })),
        field("invalid_field", "additional_rooms[0]", json!({ "additional_rooms": ["104"] })),
        field("window_ended", "until", json!({ "from": day(-3), "until": day(-1) })),
        field("window_reversed", "until", json!({ "until": day(9) })),
        field("window_too_long", "until", json!({ "until": day(500) })),
        field("window_too_far", "from", json!({ "from": day(900), "until": day(901) })),
        field("invalid_field", "arrival", json!({ "arrival": "2030-01-01T15:00" })),
        field("invalid_field", "from", json!({ "from": "tomorrow" })),
        field("invalid_request", "zone", json!({ "zone": "Mars/Olympus_Mons" })),
        field("invalid_request", "email", json!({ "email": "guest@example.com" })),
        field("invalid_field", "phone", json!({ "phone": "call me" })),
        field("room_taken", "room", json!({ "reservation": "N1", "room": "103", "from": day(7), "until": day(9) })),
        field("stay_exists", "reservation", json!({ "reservation": "R1" })),
        field("invalid_field", "reservation", json!({ "reservation": "a b" })),
        field("invalid_field", "reservation", json!({ "reservation": "x".repeat(65) })),
        field("invalid_request", "guests", json!({ "guests": "two" })),
        field("invalid_field", "guests", json!({ "guests": 11 })),
        field("invalid_field", "keys", json!({ "keys": 0 })),
        field("pin_weak", "pin", json!({ "pin": "123456" })),
        field("pin_taken", "pin", json!({ "pin": "507184" })),
        field("invalid_field", "pin", json!({ "pin": "48a9" })),
        field("invalid_field", "pin", json!({ "pin": "482951", "keys": 2 })),
        post("invalid_request", "reservation", "stays", lacking),
        post("invalid_field", "wait", "stays?wait=99", but(json!({}))),
        post("invalid_request", "wait", "stays?wait=long", but(json!({}))),
        post("idempotency_key_missing", "Idempotency-Key", "stays", but(json!({}))).keyed(None),
        post("idempotency_key_missing", "Idempotency-Key", "stays", but(json!({}))).keyed(Some(&"x".repeat(129))),
        post("idempotency_key_reused", "Idempotency-Key", "stays", but(json!({}))).keyed(Some("first")),
        Case::raw("body_too_large", &[b' '; 10 * 1024 * 1024]),
        Case::raw("invalid_request", b"{\"reservation\": \"\xff\xfe\"}"),
        Case::raw("invalid_request", b"[1, 2]"),
        Case::raw("invalid_request", format!("{} {{}}", but(json!({}))).as_bytes()),
        Case { kind: "text/plain", ..Case::raw("unsupported_media_type", b"{}") },
    ]
}

async fn callers(hotel: &Hotel) -> Vec<Case> {
    let expired = hotel.token(Scope::ALL, None, Some(Timestamp::now() - SignedDuration::from_secs(1))).await;
    let reader = hotel.token(&[Scope::StaysRead], None, None).await;
    let foreign = Hotel::with(0, StayPolicy::default()).await.token(Scope::ALL, None, None).await;
    let ask = |code| post(code, "", "stays", but(json!({})));
    let mut mistyped = reader.expose_secret().to_owned();
    mistyped.pop();
    vec![
        ask("unauthorized").by(None),
        ask("unauthorized").by(Some("nonsense".into())),
        ask("unauthorized").by(Some(mistyped.into())),
        ask("unauthorized").by(Some(expired)),
        ask("scope_missing").by(Some(reader)),
        ask("property_not_found").by(Some(foreign)),
    ]
}

fn verbs(key: &str) -> Vec<Case> {
    let verb = |code, field, path: &str, body| post(code, field, &format!("stays/{path}"), body);
    let any = |name: &str| match name {
        "reissue" => json!({ "key": key }),
        "modify-stay" => json!({ "until": day(3) }),
        "room-move" => json!({ "room": "104" }),
        _ => json!({}),
    };
    let names = [
        "duplicate",
        "reissue",
        "modify-stay",
        "room-move",
        "suspend",
        "resume",
        "remove",
        "check-out",
        "cancel",
        "read",
    ];
    let over = names.iter().map(|name| verb("stay_ended", "", &format!("E1/{name}"), any(name)));
    let nobody = names.iter().map(|name| verb("stay_not_found", "", &format!("NOBODY/{name}"), any(name)));
    let unknown_key = "key_00000000000000000000000000000001";
    let mut cases = vec![
        verb("stay_suspended", "", "S1/duplicate", json!({})),
        verb("stay_suspended", "", "S1/reissue", any("reissue")),
        verb("stay_suspended", "", "S1/suspend", json!({})),
        verb("stay_suspended", "", "S1/read", json!({})),
        verb("stay_not_begun", "", "P1/check-out", json!({})),
        verb("stay_not_begun", "", "P1/read", json!({})),
        verb("stay_not_suspended", "", "R1/resume", json!({})),
        verb("same_room", "room", "R1/room-move", json!({ "room": "101" })),
        verb("room_unknown", "room", "R1/room-move", json!({ "room": "999" })),
        verb("room_taken", "room", "R1/room-move", json!({ "room": "102" })),
        verb("room_taken", "room", "R1/modify-stay", json!({ "until": day(6) })),
        verb("window_ended", "until", "R1/modify-stay", json!({ "from": day(-3), "until": day(-2) })),
        verb("window_reversed", "until", "P1/modify-stay", json!({ "until": day(4) })),
        verb("invalid_field", "until", "R1/modify-stay", json!({})),
        verb("key_not_found", "key", "R1/remove", json!({ "key": unknown_key })),
        verb("key_not_found", "key", "R1/reissue", json!({ "key": unknown_key })),
        verb("invalid_field", "key", "R1/reissue", json!({ "key": "door_1" })),
        verb("invalid_request", "key", "R1/reissue", json!({})),
        verb("invalid_request", "force", "R1/check-out", json!({ "force": true })),
        verb("key_not_found", "", &format!("R1/keys/{unknown_key}/reveal"), json!({})),
        verb("pin_revealed", "", &format!("R1/keys/{key}/reveal"), json!({})),
    ];
    cases.extend(over.chain(nobody));
    cases
}

fn other_calls(live: &str) -> Vec<Case> {
    let clock = |code, field, body| post(code, field, "test-clock", body);
    let policy = |code, field, body: Value| case(code, field, Method::PUT, "policy", body.to_string().into_bytes());
    vec![
        clock("clock_backwards", "to", json!({ "to": day(-1) })),
        clock("clock_backwards", "advance_by_s", json!({ "advance_by_s": -1 })),
        clock("invalid_field", "to", json!({})),
        post("clock_live", "", &format!("/v1/properties/{live}/test-clock"), json!({ "advance_by_s": 60 })),
        policy("invalid_field", "pin_digits", json!({ "pin_digits": 3 })),
        policy("invalid_request", "pin_digts", json!({ "pin_digts": 6 })),
        get("operation_not_found", "", "/v1/operations/op_00000000000000000000000000000001"),
        get("operation_not_found", "", "/v1/operations/nonsense"),
        get("stay_not_found", "", "stays/NOBODY"),
        get("stay_not_found", "", "stays/NOBODY/timeline"),
        get("stay_not_found", "", "stays/a%20b"),
        get("cursor_invalid", "cursor", "stays?cursor=nonsense"),
        get("cursor_invalid", "cursor", "rooms?cursor=bm9uc2Vuc2U"),
        get("cursor_invalid", "after", "/v1/events?after=nonsense"),
        get("invalid_field", "limit", "/v1/events?limit=0"),
        get("invalid_field", "limit", "stays?limit=501"),
        get("invalid_request", "phase", "stays?phase=nonsense"),
        get("invalid_request", "arrival_from", "stays?arrival_from=tomorrow"),
        get("room_unknown", "room", "stays?room=999"),
        get("not_found", "", "/v1/nonsense"),
        case("method_not_allowed", "", Method::DELETE, "stays/R1", Vec::new()),
        post("invalid_request", "", "/codec/decode", json!({ "payloads": 5 })),
    ]
}

#[tokio::test]
async fn bad_input_is_refused_by_name_and_changes_nothing() {
    let (hotel, token) = house().await;
    let key = hotel.pms.stay("R1").await["keys"][0]["id"].as_str().unwrap().to_owned();
    hotel.pms.reveal("R1").await;
    let live = hotel.another_property(true).await.to_string();
    let mut cases = new_stays();
    cases.extend(callers(&hotel).await);
    cases.extend(verbs(&key));
    cases.extend(other_calls(&live));

    let mut camera = Camera::new(&hotel, &["R1", "S1", "P1", "P2", "E1", "N1", "NOBODY"]).await;
    let before = camera.take_at_rest().await;
    let effects = hotel.sim.sim().journal(0).len();
    for case in &cases {
        let answer = case.send(&hotel, &token).await;
        let what =
            format!("{} {} {:.200}: {:#}", case.method, case.path, String::from_utf8_lossy(&case.body), answer.body);
        let code = Code::from_text(case.code).unwrap();
        assert_eq!((answer.status.as_u16(), answer.code()), (code.status(), case.code), "{what}");
        assert_eq!(answer.body["field"].as_str().unwrap_or(""), case.field, "{what}");
        assert_eq!(answer.body["remedy"], code.remedy(), "{what}");
        assert_eq!(answer.body["type"], format!("/errors/{code}"), "{what}");
        assert!(answer.body["instance"].as_str() == answer.header("x-request-id"), "{what}");
        assert!(!answer.body.to_string().contains("507184"), "a PIN stands in an answer: {what}");
        assert_eq!(camera.take().await, before, "{what}");
    }
    assert_eq!(hotel.sim.sim().journal(0).len(), effects);
    assert!(cases.len() > 90, "{}", cases.len());
}

/// What the record can't tell, because a command is under way, the workflow's validator does.
#[tokio::test]
async fn a_verb_that_the_workflow_refuses_leaves_no_event_and_gives_everything_back() {
    let hotel = Hotel::open().await;
    let stay = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    let pin = hotel.pms.reveal("R1").await;
    let slow = FaultOrder {
        lock: Some(hotel.lock("102")),
        ..FaultOrder::times("keyboardPwd/add", FaultKind::Latency { ms: 4_000 }, 1)
    };
    hotel.sim.sim().add_fault(slow);
    let moving = hotel.pms.post("stays/R1/room-move", json!({ "room": "102" })).await.expect(202).body;
    hotel.pms.phase("R1", "moving").await;
    until("the vendor is at it", Duration::from_secs(20), || async {
        let adds = hotel.sim.sim().stats().calls.get("keyboardPwd/add").copied();
        if adds == Some(2) { Ok(()) } else { Err(adds) }
    })
    .await;
    let mut camera = Camera::new(&hotel, &["R1"]).await;
    let before = camera.history("R1").await.unwrap().0;
    hotel.pms.verb("R1", "room-move", json!({ "room": "103" })).await.problem(409, "move_under_way");
    let key = stay["keys"][0]["id"].clone();
    hotel.pms.verb("R1", "reissue", json!({ "key": key })).await.problem(409, "move_under_way");
    assert_eq!(camera.history("R1").await.unwrap().0, before, "a refusal writes no history");
    assert_eq!(hotel.pms.ended(&moving["operation"]).await, "done");
    assert!(hotel.try_pin("102", &pin).opened);
    let keys = hotel.pms.stay("R1").await["keys"].clone();
    let wanted: Vec<&Value> = keys.as_array().unwrap().iter().filter(|k| k["wish"] == "wanted").collect();
    assert!(matches!(wanted[..], [one] if one["id"] == key), "the key that was not replaced: {keys:#}");
    hotel.pms.check_in("R3", "103", 20).await.expect(201);
    camera.take_at_rest().await;
}

#[tokio::test]
async fn a_zone_that_does_not_exist_is_refused_when_a_property_is_made() {
    let hotel = Hotel::with(0, StayPolicy::default()).await;
    let url = shared().stack.database_url();
    for zone in ["Mars/Olympus_Mons", "CEST", "+02:00", ""] {
        let wanted = Sandbox {
            owner_url: url.to_owned().into(),
            name: format!("zone {zone}"),
            hotel: "Nowhere".to_owned(),
            zone: zone.to_owned(),
            rooms: 1,
            ttlock_url: hotel.sim.base_url().to_string(),
            clock_hook_url: String::new(),
            client_id: String::new(),
            client_secret: "x".to_owned().into(),
            username: String::new(),
            password: "x".to_owned().into(),
            first_lock_id: Some(1),
            policy: StayPolicy::default(),
        };
        let refused = seed(&hotel.store, &shared().keys(&hotel.store), &wanted).await.unwrap_err();
        assert!(refused.to_string().contains(&format!("`{zone}` is not an IANA time zone")), "{refused}");
        let tenants = hotel.store.tenants().await.unwrap();
        assert!(tenants.iter().all(|tenant| tenant.name != "Sandbox"), "nothing was made");
    }
}
