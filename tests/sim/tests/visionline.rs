//! The Visionline simulator is as strict as it says: a client that signs by hand, and then gets one thing wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use lock_sim::visionline::{FaultOrder, PolicyPatch, SimHandle, SimServer};
use md5::{Digest, Md5};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sha1::Sha1;

const JSON: &str = "application/json;charset=utf-8";

struct Desk {
    server: SimHandle,
    client: Client,
    session: String,
    key: String,
}

fn date(offset_s: i64) -> String {
    let at = Timestamp::now().saturating_add(SignedDuration::from_secs(offset_s)).unwrap();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn md5(body: &str) -> String {
    STANDARD.encode(Md5::digest(body))
}

/// A call with all that is signed of it; each test spoils one part after signing.
#[derive(Clone)]
struct Call {
    method: Method,
    target: String,
    body: String,
    content_type: String,
    md5: String,
    date: String,
    signature: String,
    session: String,
}

impl Desk {
    async fn new() -> Self {
        let server = SimServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        server.sim().seed(2, 1);
        let client = Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        let login = r#"{"username":"sym","password":"sym"}"#;
        assert_eq!(md5(login), "62vvvkRi3TRtURahQ++3Zg==");
        let answer = client
            .post(format!("{}/api/v1/sessions", server.base_url()))
            .header("content-type", JSON)
            .header("content-md5", md5(login))
            .header("date", date(0))
            .body(login)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let body: Value = answer.json().await.unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { session: text("id"), key: text("accessKey"), server, client }
    }

    fn signed(&self, method: Method, target: &str, body: &str) -> Call {
        let (sum, kind) = if body.is_empty() { (String::new(), "") } else { (md5(body), JSON) };
        let date = date(0);
        let text = format!("{method}\n{sum}\n{kind}\n{date}\n{target}");
        let mut mac = Hmac::<Sha1>::new_from_slice(self.key.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        Call {
            method,
            target: target.to_owned(),
            body: body.to_owned(),
            content_type: kind.to_owned(),
            md5: sum,
            date,
            signature: STANDARD.encode(mac.finalize().into_bytes()),
            session: self.session.clone(),
        }
    }

    async fn send(&self, call: &Call) -> (StatusCode, Value) {
        let url = format!("{}{}", self.server.base_url(), call.target);
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .header("date", &call.date)
            .header("authorization", format!("AWS {}:{}", call.session, call.signature));
        if !call.body.is_empty() {
            request = request.header("content-md5", &call.md5).header("content-type", &call.content_type);
        }
        let answer = request.body(call.body.clone()).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    fn encode(&self) -> Call {
        let day = |days: i64| {
            let at = Timestamp::now().saturating_add(SignedDuration::from_hours(24 * days)).unwrap();
            at.strftime("%Y%m%dT1100").to_string()
        };
        let body = json!({
            "startTime": day(0), "expireTime": day(2), "format": "rfid48", "description": "d",
            "doorOperations": [{ "doors": ["101"], "operation": "guest" }],
        });
        self.signed(Method::POST, "/api/v1/cards?action=encode&autoJoin=true&encoder=Encoder1", &body.to_string())
    }
}

#[tokio::test]
async fn what_is_signed_is_what_arrives() {
    let desk = Desk::new().await;
    let good = desk.encode();
    assert_eq!(desk.send(&good).await.0, StatusCode::CREATED);
    let spoiled = |change: fn(&mut Call)| {
        let mut call = good.clone();
        change(&mut call);
        call
    };
    for (what, expected, call) in [
        (
            "another order of parameters",
            401,
            spoiled(|c| c.target = "/api/v1/cards?autoJoin=true&action=encode&encoder=Encoder1".to_owned()),
        ),
        ("another spelling of a type", 401, spoiled(|c| c.content_type = "application/json; charset=UTF-8".to_owned())),
        ("another body", 400, spoiled(|c| c.body = c.body.replace("101", "102"))),
        (
            "another body with its own sum",
            401,
            spoiled(|c| {
                c.body = c.body.replace("101", "102");
                c.md5 = md5(&c.body);
            }),
        ),
        ("another date", 401, spoiled(|c| c.date = date(30))),
        ("another session", 401, spoiled(|c| c.session = "s0-0".to_owned())),
        ("no signature", 401, spoiled(|c| c.signature.clear())),
    ] {
        let (status, body) = desk.send(&call).await;
        assert_eq!(status.as_u16(), expected, "{what}");
        assert!(body["code"].is_i64() && body["message"].is_string() && body["developerMessage"].is_string(), "{what}");
    }
    assert_eq!(desk.server.sim().cards().len(), 1);
}

#[tokio::test]
async fn a_stale_date_and_an_idle_session_are_refused() {
    let desk = Desk::new().await;
    desk.server.sim().patch_policy(&PolicyPatch { clock_skew_s: Some(301), ..PolicyPatch::default() });
    let doors = desk.signed(Method::GET, "/api/v1/doors", "");
    assert_eq!(desk.send(&doors).await.1["code"], 1004);
    desk.server.sim().patch_policy(&PolicyPatch { clock_skew_s: Some(0), ..PolicyPatch::default() });
    assert_eq!(desk.send(&doors).await.0, StatusCode::OK);
    desk.server.sim().patch_policy(&PolicyPatch { session_life_s: Some(0), ..PolicyPatch::default() });
    assert_eq!(desk.send(&doors).await.1["code"], 1002);
}

#[tokio::test]
async fn a_card_with_an_unknown_or_odd_field_is_refused() {
    let desk = Desk::new().await;
    let good = desk.encode().body;
    for (from, to) in [
        ("startTime", "start_time"),
        ("rfid48", "rfid49"),
        ("T1100", "T11:00"),
        ("\"guest\"", "\"staff\""),
        ("\"101\"", "\"999\""),
    ] {
        let body = good.replace(from, to);
        let target = "/api/v1/cards?action=encode&encoder=Encoder1";
        let (status, _) = desk.send(&desk.signed(Method::POST, target, &body)).await;
        assert!(status.is_client_error() && status != StatusCode::UNAUTHORIZED, "{to}: {status}");
    }
    for target in
        ["/api/v1/cards?action=mobileAccess&override=true", "/api/v1/cards?action=encode&autoJoin=yes&encoder=Encoder1"]
    {
        let (status, _) = desk.send(&desk.signed(Method::POST, target, &good)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{target}");
    }
    assert!(desk.server.sim().journal(0).is_empty());
}

#[tokio::test]
async fn another_process_drives_it_over_the_control_port() {
    let desk = Desk::new().await;
    let control = |path: &str| format!("{}{path}", desk.server.control_url());
    let shown: Value = desk.client.get(control("/sim/certificate")).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["certificate"], desk.server.sim().fingerprints().certificate);
    let order = json!({ "verb": "doors/list", "kind": "rate_limited", "retry_after_s": 5, "remaining": 1 });
    let answer = desk.client.post(control("/sim/faults")).json(&order).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(desk.server.sim().faults()[0].order.remaining, Some(1));
    assert_eq!(desk.send(&desk.signed(Method::GET, "/api/v1/doors", "")).await.0, StatusCode::TOO_MANY_REQUESTS);
    let placed = json!({ "placed": { "card": "serial-1" } });
    let answer = desk.client.patch(control("/sim/encoders/Encoder1")).json(&placed).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(desk.send(&desk.encode()).await.0, StatusCode::CREATED);
    let card = json!({ "card": desk.server.sim().cards()[0].id });
    let tried = desk.client.post(control("/sim/doors/102/try")).json(&card).send().await.unwrap();
    assert_eq!(tried.json::<Value>().await.unwrap(), json!({ "opened": false, "reason": "wrong_door" }));
    desk.server.sim().add_fault(FaultOrder::always("*", lock_sim::visionline::FaultKind::Down));
    let answer = desk.client.delete(control("/sim/faults")).send().await.unwrap();
    assert_eq!((answer.status(), desk.server.sim().faults().len()), (StatusCode::NO_CONTENT, 0));
}

#[tokio::test]
async fn callbacks_go_out_without_any_proof() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let desk = Desk::new().await;
    let inbox = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hooks", inbox.local_addr().unwrap());
    desk.server.sim().patch_policy(&PolicyPatch { callback_url: Some(url), ..PolicyPatch::default() });
    desk.server.sim().endpoint_callback("e-1", "ACTIVE");
    let (mut stream, _) = inbox.accept().await.unwrap();
    let mut text = String::new();
    while !text.ends_with('}') {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "ended early: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert!(text.starts_with("POST /hooks") && text.contains(r#""endpointStatus":"ACTIVE""#), "{text}");
    assert!(!text.to_lowercase().contains("authorization") && !text.to_lowercase().contains("signature"));
}
