//! What Temporal stores of a stay is unreadable without the tenant's key, and the codec endpoint reads it for whom it may concern.

use crate::harness::{Client, Hotel, shared, until};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_sim::ttlock::{FaultKind, FaultOrder};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;
use temporalio_client::{UntypedWorkflow, WorkflowFetchHistoryOptions};

/// A stay's history as Temporal keeps it.
async fn history(hotel: &Hotel, reservation: &str) -> Value {
    let temporal = shared().temporal().await;
    let id = format!("stay/{}/{}/{reservation}", hotel.tenant, hotel.property);
    let history =
        temporal.get_workflow_handle::<UntypedWorkflow>(id).fetch_history(WorkflowFetchHistoryOptions::default());
    serde_json::from_slice(&history.to_json().await.unwrap()).unwrap()
}

/// Every payload of a history but search attributes, which the server must read, with the place where it stands.
fn payloads(value: &Value, place: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) if fields.get("metadata").is_some_and(|m| m.get("encoding").is_some()) => {
            found.push((place.to_owned(), value.clone()));
        }
        Value::Object(fields) => {
            for (name, value) in
                fields.iter().filter(|(name, _)| !matches!(&name[..], "search_attributes" | "searchAttributes"))
            {
                payloads(value, &format!("{place}.{name}"), found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| payloads(value, place, found)),
        _ => {}
    }
}

/// Every failure of a history.
fn failures<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("encodedAttributes")
                || fields.contains_key("stackTrace")
                || fields.contains_key("applicationFailureInfo")
            {
                found.push(value);
            }
            fields.values().for_each(|value| failures(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| failures(value, found)),
        _ => {}
    }
}

fn decoded(text: &Value) -> String {
    String::from_utf8_lossy(&STANDARD.decode(text.as_str().unwrap_or_default()).unwrap()).into_owned()
}

/// A stay in whose history everything occurs: payloads both ways, and the failure of a try.
async fn eventful() -> (Hotel, Value, String) {
    let hotel = Hotel::open().await;
    hotel.sim.sim().add_fault(FaultOrder::times("keyboardPwd/add", FaultKind::Down, 1));
    let until_text = (Timestamp::now() + SignedDuration::from_hours(31)).to_string();
    let body = json!({ "reservation": "R1", "room": "101", "from": Timestamp::now().to_string(), "until": until_text });
    hotel.pms.post("stays?wait=20", body).await.expect(201);
    let later = lock_store::to_stored(Timestamp::now() + SignedDuration::from_hours(77)).to_string();
    hotel.pms.verb("R1", "modify-stay", json!({ "until": later })).await.ok();
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;
    let history = until("the workflow has ended", Duration::from_secs(20), || async {
        let history = history(&hotel, "R1").await;
        if history.to_string().contains("WorkflowExecutionCompleted") { Ok(history) } else { Err(()) }
    })
    .await;
    (hotel, history, later)
}

#[tokio::test]
async fn a_history_is_encrypted_and_opens_for_its_tenant_only() {
    let (hotel, history, later) = eventful().await;
    let mut found = Vec::new();
    payloads(&history, "", &mut found);
    assert!(found.len() >= 12, "{}: {history:#}", found.len());
    let own = format!("{}/", hotel.tenant);
    // What the SDK notes about a local activity for itself, it writes in clear: numbers, times and the activity's name.
    let (notes, found): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(place, _)| place.ends_with(".MarkerRecordedEventAttributes.details.data.payloads"));
    for (place, note) in notes {
        let note: Value = serde_json::from_str(&decoded(&note["data"])).unwrap();
        let known =
            "seq attempt activity_id activity_type complete_time backoff original_schedule_time activation_index";
        assert!(note.as_object().unwrap().keys().all(|name| known.contains(name)), "{place}: {note}");
        assert_eq!(note["activity_type"], "record_stay");
    }
    for (place, payload) in &found {
        assert_eq!(decoded(&payload["metadata"]["encoding"]), "binary/encrypted", "{place}");
        let key = decoded(&payload["metadata"]["encryption-key-id"]);
        assert!(key.starts_with(&own) || key.starts_with("system/"), "{place}: {key}");
        let data = decoded(&payload["data"]);
        for canary in ["window", "until", "verb", "reservation", &later] {
            assert!(!data.contains(canary), "{place} says {canary}");
        }
    }
    assert!(!history.to_string().contains(&later) && !history.to_string().contains("pad_before_s"));

    let all = json!({ "payloads": found.iter().map(|(_, payload)| payload).collect::<Vec<_>>() });
    let reader = hotel.pms.with_token(hotel.token(&[Scope::HistoriesRead], None, None).await);
    let opened = reader.post("/codec/decode", all.clone()).await.expect(200);
    assert_eq!(opened.header("cache-control"), Some("no-store"));
    let opened = opened.body["payloads"].as_array().unwrap().clone();
    assert_eq!(opened.len(), found.len());
    let texts: String = opened.iter().map(|payload| decoded(&payload["data"])).collect();
    // What is under the system's key, any tenant's reader could open: it names nobody.
    for (payload, (place, sealed)) in opened.iter().zip(&found) {
        let text = decoded(&payload["data"]);
        let names = ["ten_", "prop_", "stay_", "room_", "door_", "key_", "cred_", "op_", "ak_", "R1"];
        let nobodys = names.iter().all(|name| !text.contains(&format!("\"{name}")));
        assert!(nobodys || decoded(&sealed["metadata"]["encryption-key-id"]).starts_with(&own), "{place}: {text}");
    }
    for told in ["\"reservation\":\"R1\"", &later, "pad_before_s", "check_out"] {
        assert!(texts.contains(told), "{told} is not in {texts}");
    }
    // And back again: what is encoded now opens to the same.
    let plain = json!({ "payloads": opened });
    let sealed = reader.post("/codec/encode", plain.clone()).await.expect(200).body;
    assert_ne!(sealed, plain);
    assert_eq!(reader.post("/codec/decode", sealed).await.expect(200).body, plain);

    let mine = found.iter().find(|(_, payload)| decoded(&payload["metadata"]["encryption-key-id"]).starts_with(&own));
    let mine = json!({ "payloads": [mine.expect("a payload under the tenant's key").1] });
    let stranger = Hotel::open().await;
    stranger.pms.post("/codec/decode", mine.clone()).await.problem(403, "codec_refused");
    stranger.pms.post("/codec/decode", all).await.problem(403, "codec_refused");
    let mut tampered = mine.clone();
    tampered["payloads"][0]["metadata"]["encryption-key-id"] = json!(STANDARD.encode(format!("{}/1", stranger.tenant)));
    stranger.pms.post("/codec/decode", tampered).await.problem(403, "codec_refused");
    let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|scope| *scope != Scope::HistoriesRead).collect();
    let lacking = hotel.pms.with_token(hotel.token(&others, None, None).await);
    lacking.post("/codec/decode", mine.clone()).await.problem(403, "scope_missing");
    // A payload does not tell which property it is of, so a key of some properties opens none.
    let partly = hotel.token(&[Scope::HistoriesRead], Some(vec![hotel.property]), None).await;
    Client::new(&shared().api, hotel.property, partly).post("/codec/decode", mine).await.problem(403, "codec_refused");
}

#[tokio::test]
async fn failures_in_a_history_tell_nothing() {
    let (hotel, history, _) = eventful().await;
    let mut found = Vec::new();
    failures(&history, &mut found);
    assert!(!found.is_empty(), "a try failed: {history:#}");
    let mut encoded = Vec::new();
    for failure in found {
        let message = failure["message"].as_str().unwrap_or("");
        assert!(matches!(message, "" | "Encoded failure"), "{failure:#}");
        assert_eq!(failure["stackTrace"].as_str().unwrap_or(""), "");
        encoded.push(failure["encodedAttributes"].clone());
    }
    assert!(encoded.iter().any(|payload| !payload.is_null()));
    let encoded: Vec<Value> = encoded.into_iter().filter(|payload| !payload.is_null()).collect();
    let opened = hotel.pms.post("/codec/decode", json!({ "payloads": encoded })).await.expect(200).body;
    let text = decoded(&opened["payloads"][0]["data"]);
    assert!(text.contains("message"), "{text}");
}

/// A browser: no API key, but a cookie once it has logged in.
struct Browser {
    http: reqwest::Client,
    cookie: Option<String>,
}

impl Browser {
    fn new() -> Self {
        Self { http: reqwest::Client::new(), cookie: None }
    }

    /// Logs in, and returns the status and the cookie as it was set.
    async fn log_in(&mut self, form: &[(&str, &str)]) -> (u16, Option<String>) {
        let answer = self.http.post(format!("{}/codec/login", shared().api)).form(form).send().await.unwrap();
        let set = answer.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
        self.cookie = set.as_deref().map(|set| set.split(';').next().unwrap().to_owned());
        (answer.status().as_u16(), set)
    }

    /// Asks as Temporal's UI does, and returns status, problem code and body.
    async fn decode(&self, payloads: &Value) -> (u16, String, Value) {
        let mut request = self.http.post(format!("{}/codec/decode", shared().api)).json(payloads);
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        (status, body["code"].as_str().unwrap_or_default().to_owned(), body)
    }
}

#[tokio::test]
async fn a_browser_logs_in_once_and_reads_its_own_tenants_histories() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let mut found = Vec::new();
    payloads(&history(&hotel, "R1").await, "", &mut found);
    let sealed: Vec<Value> = found
        .into_iter()
        .map(|(_, payload)| payload)
        .filter(|payload| decoded(&payload["metadata"]["encoding"]) == "binary/encrypted")
        .collect();
    let asked = json!({ "payloads": sealed });
    let page = reqwest::get(format!("{}/codec/login", shared().api)).await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.text().await.unwrap().contains("name=api_key"));

    let token = hotel.token(&[Scope::HistoriesRead], None, None).await;
    let mut browser = Browser::new();
    assert_eq!(browser.decode(&asked).await.1, "unauthorized");
    let (status, set) = browser.log_in(&[("api_key", token.expose_secret())]).await;
    let set = set.expect("a cookie");
    assert_eq!(status, 200);
    for attribute in ["Path=/codec", "HttpOnly", "SameSite=Strict", "Max-Age=28800"] {
        assert!(set.contains(attribute), "{attribute} is not in it");
    }
    assert!(!set.contains(token.expose_secret()), "the key itself is not kept");
    let (status, _, opened) = browser.decode(&asked).await;
    assert_eq!((status, opened["payloads"].as_array().unwrap().len()), (200, sealed.len()));
    let texts: String = opened["payloads"].as_array().unwrap().iter().map(|p| decoded(&p["data"])).collect();
    assert!(texts.contains("\"reservation\":\"R1\""), "{texts}");

    // Another tenant's browser reads nothing of it.
    let stranger = Hotel::open().await;
    let mut other = Browser::new();
    other.log_in(&[("api_key", stranger.token(&[Scope::HistoriesRead], None, None).await.expose_secret())]).await;
    assert_eq!(other.decode(&asked).await.1, "codec_refused");

    // A cookie that was tampered with, of another tenant, later or of nothing.
    let good = browser.cookie.clone().unwrap();
    let (name, value) = good.split_once('=').unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    let [tenant, key, end, proof] = parts[..] else { panic!("{}", parts.len()) };
    let later = (end.parse::<i64>().unwrap() + 1).to_string();
    let foreign = stranger.tenant.to_string();
    for forged in [
        [&foreign[..], key, end, proof],
        [tenant, key, &later, proof],
        [tenant, key, end, "00"],
        [tenant, "x", end, proof],
    ] {
        browser.cookie = Some(format!("{name}={}", forged.join(".")));
        let (status, code, _) = browser.decode(&asked).await;
        assert_eq!((status, &code[..]), (401, "unauthorized"), "{forged:?}");
    }

    // A key that is revoked takes its cookies with it.
    browser.cookie = Some(good.clone());
    assert_eq!(browser.decode(&asked).await.0, 200);
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    tx.revoke_api_key(key.parse().unwrap(), Timestamp::now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(browser.decode(&asked).await.1, "unauthorized");
}

#[tokio::test]
async fn a_key_that_may_not_read_histories_gets_no_cookie() {
    let hotel = Hotel::open().await;
    let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|scope| *scope != Scope::HistoriesRead).collect();
    let lacking = hotel.token(&others, None, None).await;
    let partly = hotel.token(&[Scope::HistoriesRead], Some(vec![hotel.property]), None).await;
    let expired = Timestamp::now() - SignedDuration::from_secs(1);
    let expired = hotel.token(&[Scope::HistoriesRead], None, Some(expired)).await;
    let mut browser = Browser::new();
    for (key, expected) in [
        (lacking.expose_secret(), 403),
        (partly.expose_secret(), 403),
        (expired.expose_secret(), 401),
        ("nonsense", 401),
        ("", 401),
    ] {
        let (status, set) = browser.log_in(&[("api_key", key)]).await;
        assert_eq!((status, set), (expected, None));
    }
    assert_eq!(browser.log_in(&[("key", "x")]).await, (400, None));
}
