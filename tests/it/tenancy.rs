//! Every route of the API's description, called by somebody who has no business there. A new route is in it as soon as it is described.

use crate::harness::{Answer, Client, Hotel, shared, still::Camera};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_domain::policy::StayPolicy;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A call of the description with the ids of one hotel's stay filled in.
#[derive(Debug)]
struct Call {
    method: Method,
    template: String,
    path: String,
    body: Option<Value>,
    scope: String,
}

/// The ids that a foreigner may have got hold of.
struct Ids {
    property: String,
    key: String,
    operation: String,
    endpoint: String,
    incident: String,
    outage: String,
    task: String,
    inventory: String,
    all: Vec<String>,
}

async fn ids(hotel: &Hotel) -> Ids {
    let made = hotel.pms.check_in("R1", "101", 30).await.expect(201).body;
    let stay = hotel.pms.stay("R1").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (property, key, operation) =
        (hotel.property.to_string(), text(&stay["keys"][0]["id"]), text(&made["operation"]["id"]));
    let endpoint = hotel.pms.post("webhook-endpoints", json!({ "sender": "pms" })).await.expect(201).body;
    let endpoint = text(&endpoint["id"]);
    let incident = hotel.incident().await.to_string();
    hotel.force("open").await;
    hotel.force("released").await;
    let outage = text(&hotel.outage().await["notice"]["outage"]);
    let task = hotel.task().await;
    let inventory = hotel.inventory_of_nothing().await;
    let others = [
        inventory.clone(),
        task.clone(),
        outage.clone(),
        endpoint.clone(),
        incident.clone(),
        hotel.tenant.to_string(),
        text(&stay["id"]),
        text(&stay["room"]["id"]),
    ];
    let all = [property.clone(), key.clone(), operation.clone()].into_iter().chain(others).collect();
    Ids { property, key, operation, endpoint, incident, outage, task, inventory, all }
}

fn calls(hotel: &Hotel, ids: &Ids) -> Vec<Call> {
    let document: Value = serde_json::from_str(&lock_api::openapi_document()).unwrap();
    let mut calls = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let path = template
                .replace("{property}", &ids.property)
                .replace("{reservation}", "R1")
                .replace("{key}", &ids.key)
                .replace("{operation}", &ids.operation)
                .replace("{endpoint}", &ids.endpoint)
                .replace("{incident}", &ids.incident)
                .replace("{outage}", &ids.outage)
                .replace("{task}", &ids.task)
                .replace("{inventory}", &ids.inventory)
                .replace("{vendor}", "ttlock")
                .replace("{rotation}", "rot_00000000000000000000000000000000");
            let path = path + if template == "/v1/costs/what-if" { "?vendor=visionline" } else { "" };
            assert!(!path.contains('{'), "what is to stand in {template}?");
            let schema = &call["requestBody"]["content"]["application/json"]["schema"];
            let scopes = call["security"][0]["api_key"].as_array().cloned().unwrap_or_default();
            let [scope] = &scopes[..] else { panic!("{method} {template} names no scope") };
            calls.push(Call {
                method: method.to_uppercase().parse().unwrap(),
                path,
                body: (!schema.is_null()).then(|| body(hotel, ids, template, schema)),
                scope: scope.as_str().unwrap().to_owned(),
                template: template.clone(),
            });
        }
    }
    assert!(calls.len() >= 24, "{}", calls.len());
    calls
}

/// A body that would be accepted from whom it may concern.
fn body(hotel: &Hotel, ids: &Ids, template: &str, schema: &Value) -> Value {
    let at = |hours: i64| (Timestamp::now() + SignedDuration::from_hours(hours)).to_string();
    let name = schema["$ref"].as_str().unwrap_or("").rsplit('/').next().unwrap();
    match name {
        "NewStay" => json!({ "reservation": "R9", "room": "102", "from": at(0), "until": at(9) }),
        "NewEndpoint" => json!({ "sender": "ttlock" }),
        "OneShotKey" => json!({ "room": "102", "purpose": "maintenance" }),
        "Replace" => json!({ "key": ids.key }),
        "OtherDates" => json!({ "until": at(50) }),
        "OtherRoom" => json!({ "room": "103" }),
        "PriceList" => json!({ "valid_from": "2026-01-01", "currency": "EUR", "rates": { "per_call": 1 } }),
        "ContractCheckBody" => json!({ "lock": "1001" }),
        "ClockMove" => json!({ "advance_by_s": 60 }),
        "BreakerOverride" => json!({ "state": "open", "reason": "drill", "for_s": 60 }),
        "NewVendor" => json!({ "config": {} }),
        "RunMaintenance" | "TaskDone" | "MoreKeys" | "TakeAway" | "Nothing" | "RotateEndpoint" | "RevokeEndpoint"
        | "StayPolicy" | "FeedGuard" | "OnVendorDown" | "ProbesBody" | "Decision" | "NewRotation"
        | "AcceptIncident" | "VendorFlags" | "NewInventory" | "CancelInventory" => json!({}),
        "" if template.starts_with("/codec/") => {
            let data = json!({ "tenant": hotel.tenant }).to_string();
            json!({ "payloads": [{ "metadata": { "encoding": STANDARD.encode("json/plain") }, "data": STANDARD.encode(data) }] })
        }
        other => panic!("{template}: what does a {other} look like?"),
    }
}

async fn send(client: &Client, call: &Call) -> Answer {
    let body = call.body.as_ref().map(|body| body.to_string().into_bytes());
    client.send(call.method.clone(), &call.path, Some(&uuid::Uuid::new_v4().to_string()), body).await
}

/// A stranger sees nothing: 404 for what has an id, and lists without it.
async fn sees_nothing(stranger: &Client, calls: &[Call], ids: &Ids) {
    for call in calls {
        let answer = send(stranger, call).await;
        let told = answer.body.to_string();
        for id in ids.all.iter().filter(|id| !call.path.contains(*id)) {
            assert!(!told.contains(id.as_str()), "{call:?} told {id}: {told}");
        }
        match &call.template[..] {
            "/codec/encode" | "/codec/decode" => {
                assert!(matches!(answer.status.as_u16(), 200 | 403), "{call:?}: {told}")
            }
            // A stranger rotates his own keys, a key of some properties nobody's.
            "/v1/vault/rotations" => {
                assert!(matches!(answer.status.as_u16(), 202 | 403 | 409), "{call:?}: {told}");
                continue;
            }
            // A stranger enters prices of his own, a key of some properties nobody's.
            "/v1/vendor-prices/{vendor}" => {
                assert!(matches!(answer.status.as_u16(), 200 | 403), "{call:?}: {told}");
                continue;
            }
            template if template.contains('{') => assert_eq!(answer.status, 404, "{call:?}: {told}"),
            _ => assert_eq!(answer.status, 200, "{call:?}: {told}"),
        }
        assert!(
            !answer.status.is_success() || call.method == Method::GET || call.template == "/codec/decode",
            "{call:?}: {told}"
        );
    }
}

#[tokio::test]
async fn r_lock_17_no_route_shows_or_changes_what_is_another_tenants() {
    let hotel = Hotel::open().await;
    let ids = ids(&hotel).await;
    let calls = calls(&hotel, &ids);
    let stranger = Hotel::open().await;
    let mut camera = Camera::new(&hotel, &["R1"]).await;
    let before = camera.take_at_rest().await;
    let journal = hotel.sim.sim().journal(0);
    sees_nothing(&stranger.pms, &calls, &ids).await;
    assert_eq!(camera.take_at_rest().await, before);
    assert_eq!(hotel.sim.sim().journal(0), journal);
}

#[tokio::test]
async fn r_lock_17_a_key_of_another_property_sees_and_changes_nothing() {
    let hotel = Hotel::open().await;
    let ids = ids(&hotel).await;
    let calls = calls(&hotel, &ids);
    let elsewhere = hotel.another_property(false).await;
    let token = hotel.token(Scope::ALL, Some(vec![elsewhere]), None).await;
    let neighbour = Client::new(&shared().api, hotel.property, token);
    let mut camera = Camera::new(&hotel, &["R1"]).await;
    let before = camera.take_at_rest().await;
    sees_nothing(&neighbour, &calls, &ids).await;
    let own = neighbour.get("/v1/properties").await.expect(200).body;
    assert_eq!(own["properties"][0]["id"], elsewhere.to_string());
    assert_eq!(neighbour.get("/v1/events").await.expect(200).body["events"], json!([]));
    assert_eq!(camera.take_at_rest().await, before);
}

#[tokio::test]
async fn each_route_asks_for_its_scope_and_for_a_key() {
    let hotel = Hotel::with(1, StayPolicy::default()).await;
    let ids = ids(&hotel).await;
    let calls = calls(&hotel, &ids);
    let known: BTreeSet<&str> = Scope::ALL.iter().map(|scope| scope.text()).collect();
    let used: BTreeSet<&str> = calls.iter().map(|call| call.scope.as_str()).collect();
    assert_eq!(used, known, "every scope is good for something");
    let nobody = hotel.pms.with_token("nonsense".into());
    let mut camera = Camera::new(&hotel, &["R1"]).await;
    let before = camera.take_at_rest().await;
    for scope in Scope::ALL {
        let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|other| other != scope).collect();
        let lacking = hotel.pms.with_token(hotel.token(&others, None, None).await);
        for call in calls.iter().filter(|call| call.scope == scope.text()) {
            let refused = send(&lacking, call).await.problem(403, "scope_missing");
            assert!(refused.body["detail"].as_str().unwrap().contains(scope.text()), "{call:?}: {:#}", refused.body);
            let refused = send(&nobody, call).await.problem(401, "unauthorized");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        }
    }
    // A key that has a route's scope and no other gets past it, to where nothing of its tenant is.
    let stranger = Hotel::with(0, StayPolicy::default()).await;
    for scope in Scope::ALL {
        let only = stranger.pms.with_token(stranger.token(&[*scope], None, None).await);
        for call in calls.iter().filter(|call| call.scope == scope.text()) {
            let answer = send(&only, call).await;
            assert!(answer.status != 401 && answer.code() != "scope_missing", "{call:?}: {:#}", answer.body);
        }
    }
    let after = camera.take_at_rest().await;
    assert!(before.differs_only_in(&after, "api_keys"), "{before:?}\n{after:?}");
}
