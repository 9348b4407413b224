//! A PMS: sends JSON with an API key and an Idempotency-Key, and keeps the whole answer.

use super::until;
use lock_domain::ids::PropertyId;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The problem's code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self
    }

    /// Fails the test unless it is a 2xx.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.is_success(), "{}: {:#}", self.status, self.body);
        self
    }

    /// Fails the test unless it is this problem.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{:#}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(self.body["remedy"].is_string(), "{:#}", self.body);
        self
    }
}

/// A client with one API key at one property.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    property: PropertyId,
    token: SecretString,
}

impl Client {
    pub fn new(base: &str, property: PropertyId, token: SecretString) -> Self {
        Self { http: reqwest::Client::new(), base: base.to_owned(), property, token }
    }

    /// The same client with another key.
    pub fn with_token(&self, token: SecretString) -> Self {
        Self { token, ..self.clone() }
    }

    /// The same client at another API.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// `path` below the property unless it starts with a slash.
    pub async fn send(&self, method: Method, path: &str, key: Option<&str>, body: Option<Vec<u8>>) -> Answer {
        let url = match path.strip_prefix('/') {
            Some(rooted) => format!("{}/{rooted}", self.base),
            None => format!("{}/v1/properties/{}/{path}", self.base, self.property),
        };
        let mut request = self.http.request(method, url).bearer_auth(self.token.expose_secret());
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = request.send().await.expect("the API answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a whole answer");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    /// A write with a fresh Idempotency-Key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as(path, &Uuid::new_v4().to_string(), body).await
    }

    /// A write with this Idempotency-Key.
    pub async fn post_as(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(key), Some(body.to_string().into_bytes())).await
    }

    /// A new stay from now for so many hours, waited for.
    pub async fn check_in(&self, reservation: &str, room: &str, hours: i64) -> Answer {
        let now = jiff::Timestamp::now();
        let until = now + jiff::SignedDuration::from_hours(hours);
        let body =
            json!({ "reservation": reservation, "room": room, "from": now.to_string(), "until": until.to_string() });
        self.post("stays?wait=20", body).await
    }

    /// A verb on a stay, waited for.
    pub async fn verb(&self, reservation: &str, verb: &str, body: Value) -> Answer {
        self.post(&format!("stays/{reservation}/{verb}?wait=20"), body).await
    }

    /// The stay as it stands.
    pub async fn stay(&self, reservation: &str) -> Value {
        self.get(&format!("stays/{reservation}")).await.expect(200).body
    }

    /// Waits until the stay is in a phase.
    pub async fn phase(&self, reservation: &str, phase: &str) -> Value {
        let what = format!("{reservation} is {phase}");
        until(&what, Duration::from_secs(60), || async {
            // While a part is down the API says so; that is not what is waited for.
            let stay = self.get(&format!("stays/{reservation}")).await.body;
            if stay["phase"] == phase { Ok(stay) } else { Err(stay.to_string()) }
        })
        .await
    }

    /// Waits until an operation has ended; returns how.
    pub async fn ended(&self, operation: &Value) -> String {
        let path = format!("/v1/operations/{}", operation["id"].as_str().expect("an operation"));
        until("the operation has ended", Duration::from_secs(60), || async {
            let status = self.get(&path).await.expect(200).body["status"].as_str().unwrap().to_owned();
            if matches!(&status[..], "done" | "failed" | "overtaken") { Ok(status) } else { Err(status) }
        })
        .await
    }

    /// The PIN of the stay's first key, shown once.
    pub async fn reveal(&self, reservation: &str) -> String {
        let stay = self.stay(reservation).await;
        let key = stay["keys"][0]["id"].as_str().expect("a key").to_owned();
        let answer = self.post(&format!("stays/{reservation}/keys/{key}/reveal"), json!({})).await.expect(200);
        answer.body["pin"].as_str().expect("a PIN").to_owned()
    }
}
