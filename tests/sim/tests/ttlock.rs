//! The simulator's wire, spoken by hand: strict where the vendor is strict, forgiving where it forgives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lock_sim::ttlock::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD_MD5, DEFAULT_USERNAME, LockPatch, SeedSpec, SimHandle,
    SimOptions, SimServer, TryReason,
};
use md5::{Digest, Md5};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;

struct Desk {
    server: SimHandle,
    http: reqwest::Client,
    token: String,
    lock: i64,
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn http() -> reqwest::Client {
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Desk {
    async fn new() -> Self {
        Self::on(SimServer::start(any_port()).await.unwrap()).await
    }

    async fn on(server: SimHandle) -> Self {
        let seeded = server.sim().seed(&SeedSpec { count: 2, ..SeedSpec::default() });
        let mut desk = Self { server, http: http(), token: String::new(), lock: seeded.locks[0].lock_id };
        let answer = desk.login(&[]).await;
        desk.token = answer["access_token"].as_str().unwrap().to_owned();
        desk
    }

    async fn login(&self, change: &[(&str, &str)]) -> Value {
        let mut fields = vec![
            ("clientId", DEFAULT_CLIENT_ID),
            ("clientSecret", DEFAULT_CLIENT_SECRET),
            ("username", DEFAULT_USERNAME),
            ("password", DEFAULT_PASSWORD_MD5),
        ];
        fields.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        fields.extend_from_slice(change);
        self.post("oauth2/token", &fields).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let url = format!("{}/{path}", self.server.base_url());
        let response = self.http.post(url).form(fields).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// A call with login; `change` replaces or adds fields.
    async fn call(&self, verb: &str, change: &[(&str, &str)]) -> Value {
        let date = now().to_string();
        let lock = self.lock.to_string();
        let mut fields = vec![
            ("clientId", DEFAULT_CLIENT_ID),
            ("accessToken", self.token.as_str()),
            ("date", date.as_str()),
            ("lockId", lock.as_str()),
        ];
        fields.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        fields.extend_from_slice(change);
        self.post(&format!("v3/{verb}"), &fields).await
    }

    async fn add(&self, pin: &str, change: &[(&str, &str)]) -> Value {
        let (from, until) = ((now() - HOUR).to_string(), (now() + 24 * HOUR).to_string());
        let mut fields = vec![
            ("keyboardPwd", pin),
            ("keyboardPwdName", "guest-a"),
            ("startDate", from.as_str()),
            ("endDate", until.as_str()),
            ("addType", "2"),
        ];
        fields.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        fields.extend_from_slice(change);
        self.call("keyboardPwd/add", &fields).await
    }

    fn tries(&self, pin: &str) -> TryReason {
        self.server.sim().try_pin(self.lock, pin).unwrap().reason
    }
}

fn code(body: &Value) -> i64 {
    body.get("errcode").and_then(Value::as_i64).unwrap_or(0)
}

#[tokio::test]
async fn logins_are_strict() {
    let desk = Desk::new().await;
    assert_eq!(hex::encode(Md5::digest(b"123456")), DEFAULT_PASSWORD_MD5);
    let upper = DEFAULT_PASSWORD_MD5.to_uppercase();
    for (field, value, expected) in [
        ("clientId", "nobody", 10000),
        ("clientSecret", "wrong", 10001),
        ("username", "nobody", 10007),
        ("password", "123456", 30005),
        ("password", upper.as_str(), 30005),
        ("password", "00000000000000000000000000000000", 10007),
        ("grant_type", "client_credentials", -3),
    ] {
        assert_eq!(code(&desk.login(&[(field, value)]).await), expected, "{field}={value}");
    }
    let older = [("client_id", DEFAULT_CLIENT_ID), ("client_secret", DEFAULT_CLIENT_SECRET)];
    let rest = [("username", DEFAULT_USERNAME), ("password", DEFAULT_PASSWORD_MD5)];
    assert_eq!(code(&desk.post("oauth2/token", &[older, rest].concat()).await), 0);
}

#[tokio::test]
async fn a_refresh_ends_the_old_pair() {
    let desk = Desk::new().await;
    let first = desk.login(&[]).await;
    let refresh = first["refresh_token"].as_str().unwrap();
    let fields = [
        ("clientId", DEFAULT_CLIENT_ID),
        ("clientSecret", DEFAULT_CLIENT_SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
    ];
    let second = desk.post("oauth2/token", &fields).await;
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!(code(&desk.post("oauth2/token", &fields).await), 10011);
    let old = first["access_token"].as_str().unwrap();
    assert_eq!(code(&desk.call("lock/detail", &[("accessToken", old)]).await), 10004);
    let new = second["access_token"].as_str().unwrap();
    assert_eq!(code(&desk.call("lock/detail", &[("accessToken", new)]).await), 0);
}

#[tokio::test]
async fn each_call_carries_client_token_and_date() {
    let desk = Desk::new().await;
    let (early, late) = ((now() - 6 * 60_000).to_string(), (now() + 6 * 60_000).to_string());
    let within = (now() - 4 * 60_000).to_string();
    for (field, value, expected) in [
        ("clientId", "nobody", 10000),
        ("accessToken", "nothing", 10003),
        ("date", early.as_str(), 80000),
        ("date", late.as_str(), 80000),
        ("date", "yesterday", -3),
        ("date", within.as_str(), 0),
        ("lockId", "abc", -3),
        ("lockId", "1", -1003),
        ("unheardOf", "fine", 0),
    ] {
        assert_eq!(code(&desk.call("lock/detail", &[(field, value)]).await), expected, "{field}={value}");
    }
    assert_eq!(code(&desk.call("lock/listKeyboardPwd", &[("pageNo", "1"), ("pageSize", "201")]).await), -3);
}

#[tokio::test]
async fn reads_go_as_get_and_changes_do_not() {
    let desk = Desk::new().await;
    let query = format!("clientId={DEFAULT_CLIENT_ID}&accessToken={}&date={}&lockId={}", desk.token, now(), desk.lock);
    let get = async |path: &str| {
        let url = format!("{}/v3/{path}?{query}", desk.server.base_url());
        desk.http.get(url).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(get("lock/detail").await["lockId"], desk.lock);
    assert_eq!(code(&get("keyboardPwd/delete").await), -3);
    // Login in the query, the rest in the form.
    let url = format!("{}/v3/keyboardPwd/delete?{query}", desk.server.base_url());
    let answer = desk.http.post(url).form(&[("keyboardPwdId", "5")]).send().await.unwrap();
    assert_eq!(code(&answer.json().await.unwrap()), -2009);
    let unknown = desk.http.get(format!("{}/v3/no/such", desk.server.base_url())).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn a_foreign_lock_is_refused() {
    let desk = Desk::new().await;
    let other = SeedSpec { count: 1, username: "other".to_owned(), ..SeedSpec::default() };
    let theirs = desk.server.sim().seed(&other).locks[0].lock_id.to_string();
    assert_eq!(code(&desk.call("lock/detail", &[("lockId", &theirs)]).await), 20002);
    assert_eq!(code(&desk.add("739146", &[("lockId", &theirs)]).await), 20002);
    desk.server.sim().patch_lock(desk.lock, &LockPatch { frozen: Some(true), ..LockPatch::default() });
    assert_eq!(code(&desk.add("739146", &[]).await), -2025);
}

#[tokio::test]
async fn without_a_telephone_the_default_makes_a_ghost() {
    let desk = Desk::new().await;
    let added = desk.add("739146", &[("addType", "1")]).await;
    let listed =
        desk.call("lock/listKeyboardPwd", &[("pageNo", "1"), ("pageSize", "20"), ("searchStr", "739146")]).await;
    assert_eq!(listed["list"][0]["keyboardPwdId"], added["keyboardPwdId"]);
    assert_eq!(desk.tries("739146"), TryReason::UnknownCode);
    assert!(desk.server.sim().credentials()[0].ghost);

    // The reverse: deleted from the cloud only, it still opens.
    let real = desk.add("482913", &[]).await["keyboardPwdId"].to_string();
    assert_eq!(code(&desk.call("keyboardPwd/delete", &[("keyboardPwdId", &real)]).await), 0);
    assert_eq!(desk.tries("482913"), TryReason::Opened);
    let left =
        desk.server.sim().credentials().into_iter().find(|credential| credential.id.to_string() == real).unwrap();
    assert!(left.in_lock && !left.in_cloud);
}

#[tokio::test]
async fn one_date_alone_changes_nothing_and_says_nothing() {
    let desk = Desk::new().await;
    let id = desk.add("739146", &[]).await["keyboardPwdId"].to_string();
    let before = desk.server.sim().credentials();
    let soon = (now() - 60_000).to_string();
    let half = [("keyboardPwdId", id.as_str()), ("changeType", "2"), ("endDate", soon.as_str())];
    assert_eq!(code(&desk.call("keyboardPwd/change", &half).await), 0);
    assert_eq!(desk.server.sim().credentials(), before);
    let begin = (now() - 2 * HOUR).to_string();
    let both = [half.as_slice(), &[("startDate", begin.as_str())]].concat();
    assert_eq!(code(&desk.call("keyboardPwd/change", &both).await), 0);
    assert_eq!(desk.tries("739146"), TryReason::Expired);
}

#[tokio::test]
async fn random_codes_follow_their_own_rules() {
    let desk = Desk::new().await;
    let half_past = 1_900_000_800_000 / HOUR * HOUR + HOUR / 2;
    let (from, until) = (half_past.to_string(), (half_past + 5 * HOUR).to_string());
    let wanted = [("keyboardPwdType", "3"), ("startDate", from.as_str()), ("endDate", until.as_str())];
    let got = desk.call("keyboardPwd/get", &wanted).await;
    let (id, pin) = (got["keyboardPwdId"].to_string(), got["keyboardPwd"].as_str().unwrap().to_owned());
    let code_state = desk.server.sim().lock(desk.lock).unwrap().codes.remove(0);
    assert_eq!((code_state.from, code_state.until), (half_past - HOUR / 2, half_past + 9 * HOUR / 2));

    let change = [("keyboardPwdId", id.as_str()), ("changeType", "2"), ("startDate", &from), ("endDate", &until)];
    assert_eq!(code(&desk.call("keyboardPwd/change", &change).await), -3008);
    desk.server.sim().set_clock(half_past - now());
    assert_eq!(desk.tries(&pin), TryReason::Opened);
    assert_eq!(code(&desk.call("keyboardPwd/change", &change).await), 0);

    let delete = [("keyboardPwdId", id.as_str()), ("deleteType", "2")];
    assert_eq!(code(&desk.call("keyboardPwd/delete", &delete).await), 0);
    let unused = desk.call("keyboardPwd/get", &wanted).await["keyboardPwdId"].to_string();
    let delete = [("keyboardPwdId", unused.as_str()), ("deleteType", "2")];
    assert_eq!(code(&desk.call("keyboardPwd/delete", &delete).await), 0);
    assert_eq!(code(&desk.call("keyboardPwd/get", &wanted).await), -1026);
}

#[tokio::test]
async fn records_wait_in_the_lock_for_a_gateway() {
    let desk = Desk::new().await;
    desk.add("739146", &[]).await;
    desk.tries("739146");
    desk.tries("000000");
    let page = [("pageNo", "1"), ("pageSize", "50")];
    let records = desk.call("lockRecord/list", &page).await;
    assert_eq!((records["total"].clone(), records["list"][1]["success"].clone()), (json!(2), json!(1)));
    let gateway = desk.server.sim().gateways()[0].gateway_id;
    let off = lock_sim::ttlock::GatewayPatch { online: Some(false), ..Default::default() };
    desk.server.sim().patch_gateway(gateway, &off);
    desk.tries("739146");
    assert_eq!(desk.call("lockRecord/list", &page).await["total"], 2);
    assert_eq!(code(&desk.call("lock/queryDate", &[]).await), -3002);
}

#[tokio::test]
async fn the_control_paths_do_the_same_over_http() {
    let desk = Desk::new().await;
    desk.add("739146", &[]).await;
    let url = |path: &str| format!("{}/sim/{path}", desk.server.base_url());
    let post = async |path: &str, body: Value| {
        let response = desk.http.post(url(path)).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json::<Value>().await.unwrap_or(Value::Null)
    };
    let get = async |path: &str| desk.http.get(url(path)).send().await.unwrap().json::<Value>().await.unwrap();

    let tried = post(&format!("locks/{}/try", desk.lock), json!({ "pin": "739146" })).await;
    assert_eq!((tried["opened"].clone(), tried["reason"].clone()), (json!(true), json!("opened")));
    post("clock", json!({ "offset_ms": 48 * HOUR })).await;
    let late = post(&format!("locks/{}/try", desk.lock), json!({ "pin": "739146" })).await;
    assert_eq!(late["reason"], "expired");
    post("faults", json!({ "verb": "*", "lock": "*", "kind": "errcode", "n": -3003, "remaining": 1 })).await;
    assert_eq!(get("faults").await[0]["kind"], "errcode");
    assert_eq!(code(&desk.call("lock/detail", &[]).await), -3003);
    assert_eq!(get("faults").await, json!([]));
    assert_eq!(get("stats").await["faults"]["errcode"], 1);
    assert_eq!(get("credentials").await[0]["name"], "guest-a");
    assert_eq!(get("journal?since=0").await[0]["effect"], "add");
    assert!(!get("journal").await.to_string().contains("739146"));
    let patched =
        desk.http.patch(url(&format!("locks/{}", desk.lock))).json(&json!({ "battery": 0 })).send().await.unwrap();
    assert_eq!(patched.status(), 204);
    assert_eq!(get(&format!("locks/{}", desk.lock)).await["battery"], 0);
    assert_eq!(desk.tries("739146"), TryReason::NoPower);
}

#[tokio::test]
async fn a_world_in_a_file_comes_back() {
    let path = std::env::temp_dir().join(format!("lock-sim-{}.json", std::process::id()));
    let options = SimOptions { state_file: Some(path.clone()) };
    let desk = Desk::on(SimServer::start_with(any_port(), options.clone()).await.unwrap()).await;
    desk.add("739146", &[]).await;
    let (before, token) = (desk.server.sim().credentials(), desk.token.clone());
    desk.server.shutdown().await;

    let server = SimServer::start_with(any_port(), options).await.unwrap();
    assert_eq!(server.sim().credentials(), before);
    let mut again = Desk::on(server).await;
    again.token = token;
    assert_eq!(code(&again.call("lock/detail", &[]).await), 0);
    assert_eq!(again.tries("739146"), TryReason::Opened);
    again.server.shutdown().await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn thousands_of_calls_take_seconds() {
    let desk = Desk::new().await;
    let started = Instant::now();
    for n in 0..1_000 {
        let pin = format!("7{:05}", n * 37 + 211);
        let id = desk.add(&pin, &[]).await["keyboardPwdId"].to_string();
        assert_eq!(code(&desk.call("keyboardPwd/delete", &[("keyboardPwdId", &id), ("deleteType", "2")]).await), 0);
    }
    assert!(desk.server.sim().credentials().is_empty());
    // Far above what it takes; it only catches a delay per call, such as one that waits for the network's acknowledgement.
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    println!("2000 calls, one at a time: {:?}", started.elapsed());
}
