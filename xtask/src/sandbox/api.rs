//! The REST API as a PMS uses it: every write has an Idempotency-Key, and what is worth repeating is repeated with the same key.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::views::{Stay, StayLine};

/// So often a request is repeated that was not answered, or answered with "later".
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);
/// The longest `wait` plus time for the answer itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A write request.
#[derive(Debug, Clone)]
pub struct Call {
    path: String,
    body: Value,
    key: String,
    wait_s: Option<u32>,
}

impl Call {
    /// A stay to be made.
    #[must_use]
    pub fn new_stay(body: Value) -> Self {
        Self { path: "stays".to_owned(), body, key: fresh_key(), wait_s: None }
    }

    /// A verb such as `check-out` on a stay.
    #[must_use]
    pub fn verb(reservation: &str, verb: &str, body: Value) -> Self {
        Self { path: format!("stays/{reservation}/{verb}"), body, key: fresh_key(), wait_s: None }
    }

    /// A write at any path below the property.
    #[must_use]
    pub fn at(path: &str, body: Value) -> Self {
        Self { path: path.to_owned(), body, key: fresh_key(), wait_s: None }
    }

    /// With this Idempotency-Key instead of a new one.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// Waits for the verdict for so many seconds.
    #[must_use]
    pub fn wait(mut self, seconds: u32) -> Self {
        self.wait_s = Some(seconds);
        self
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; `null` if it is no JSON.
    pub body: Value,
    /// The time from the request to the whole answer, the last repeat only.
    pub took: Duration,
}

impl Answer {
    /// Whether it is a 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The problem's code, such as `room_taken`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The status of the operation that the answer carries.
    #[must_use]
    pub fn operation_status(&self) -> &str {
        let operation = &self.body["operation"];
        operation["status"].as_str().or_else(|| self.body["status"].as_str()).unwrap_or_default()
    }

    /// The operation's id.
    #[must_use]
    pub fn operation_id(&self) -> &str {
        let operation = &self.body["operation"];
        operation["id"].as_str().or_else(|| self.body["id"].as_str()).unwrap_or_default()
    }

    /// The status and, for a problem, its code and detail: for people. Never the whole body, which may hold a PIN.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.code() {
            "" => self.status.to_string(),
            code => format!("{} {code}: {}", self.status, self.body["detail"].as_str().unwrap_or_default()),
        }
    }

    fn expect_success(self, what: &str) -> Result<Self> {
        ensure!(self.is_success(), "{what}: {}", self.summary());
        Ok(self)
    }
}

/// One property, with an API key for it.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    url: String,
    property: String,
    secret: SecretString,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("url", &self.url).field("property", &self.property).finish_non_exhaustive()
    }
}

impl Api {
    /// The API at `url`, for one property.
    #[must_use]
    pub fn new(http: reqwest::Client, url: &str, property: &str, secret: SecretString) -> Self {
        Self { http, url: url.trim_end_matches('/').to_owned(), property: property.to_owned(), secret }
    }

    /// The property itself: zone, clock, policy.
    ///
    /// # Errors
    /// When the API doesn't show it.
    pub async fn property(&self) -> Result<Value> {
        Ok(self.get("").await?.expect_success("the property")?.body)
    }

    /// Changes some of the property's choices; stays that are made afterwards have them.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn change_policy(&self, changes: &[(&str, Value)]) -> Result<()> {
        let mut policy = self.property().await?["policy"].clone();
        for (name, value) in changes {
            policy[*name] = value.clone();
        }
        let request = self.http.put(self.at("policy")).json(&policy).header("idempotency-key", fresh_key());
        self.send(request).await?.expect_success("the policy")?;
        Ok(())
    }

    /// What stands at a path below the property.
    ///
    /// # Errors
    /// When the API doesn't show it.
    pub async fn read(&self, path: &str) -> Result<Value> {
        Ok(self.get(path).await?.expect_success(path)?.body)
    }

    /// What stands at a path of the tenant's, such as `notices`.
    ///
    /// # Errors
    /// When the API doesn't show it.
    pub async fn read_tenant(&self, path: &str) -> Result<Value> {
        Ok(self.send(self.http.get(format!("{}/v1/{path}", self.url))).await?.expect_success(path)?.body)
    }

    /// Replaces what stands at a path below the property.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn replace(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.put(self.at(path)).json(body).header("idempotency-key", fresh_key());
        Ok(self.send(request).await?.expect_success(path)?.body)
    }

    /// The tenant's whole log of events, oldest first.
    ///
    /// # Errors
    /// When the API doesn't show it.
    pub async fn events(&self) -> Result<Vec<Value>> {
        let (mut events, mut after) = (Vec::new(), String::new());
        loop {
            let request = self.http.get(format!("{}/v1/events?limit=500{after}", self.url));
            let page = self.send(request).await?.expect_success("the events")?.body;
            let some = page["events"].as_array().cloned().unwrap_or_default();
            if some.is_empty() {
                return Ok(events);
            }
            events.extend(some);
            after = format!("&after={}", page["next_cursor"].as_str().context("the events have no cursor")?);
        }
    }

    /// A path of the API as a URL, for callers without a key.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Room numbers with room ids, by number.
    ///
    /// # Errors
    /// When the API doesn't show them.
    pub async fn rooms(&self) -> Result<Vec<(String, String)>> {
        let rooms: Vec<super::views::Room> = self.all("rooms", "rooms").await?;
        Ok(rooms.into_iter().map(|room| (room.number, room.id)).collect())
    }

    /// Every stay of the property.
    ///
    /// # Errors
    /// When the API doesn't show them.
    pub async fn stays(&self) -> Result<Vec<StayLine>> {
        self.all("stays", "stays").await
    }

    /// A stay in full.
    ///
    /// # Errors
    /// When the API doesn't show it.
    pub async fn stay(&self, reservation: &str) -> Result<Stay> {
        let answer = self.get(&format!("stays/{reservation}")).await?.expect_success(reservation)?;
        serde_json::from_value(answer.body).with_context(|| format!("the answer about {reservation} is not understood"))
    }

    /// The sentences of a stay's timeline, oldest first.
    ///
    /// # Errors
    /// When the API doesn't show it.
    pub async fn timeline(&self, reservation: &str) -> Result<Vec<String>> {
        let answer = self.get(&format!("stays/{reservation}/timeline")).await?.expect_success("the timeline")?;
        let lines = answer.body["lines"].as_array().cloned().unwrap_or_default();
        Ok(lines.iter().filter_map(|line| line["text"].as_str().map(str::to_owned)).collect())
    }

    /// A key's PIN, which is shown once.
    ///
    /// # Errors
    /// When the API doesn't show it.
    pub async fn reveal(&self, reservation: &str, key: &str) -> Result<SecretString> {
        let call = Call::verb(reservation, &format!("keys/{key}/reveal"), json!({}));
        let answer = self.write(&call).await?.expect_success("the PIN")?;
        let pin = answer.body["pin"].as_str().context("the answer has no PIN")?;
        Ok(pin.to_owned().into())
    }

    /// Sends a write; repeats it with the same Idempotency-Key while the API doesn't answer or says "later".
    ///
    /// # Errors
    /// When no answer comes, after all repeats.
    pub async fn write(&self, call: &Call) -> Result<Answer> {
        self.send(self.request(call)).await
    }

    /// Sends a write once.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn write_once(&self, call: &Call) -> Result<Answer> {
        answer(self.request(call).bearer_auth(self.secret.expose_secret())).await
    }

    /// Moves the property's test clock to `to`; returns its present afterwards.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn move_clock(&self, to: Timestamp) -> Result<Timestamp> {
        let request = self.http.post(self.at("test-clock")).json(&json!({ "to": to.to_string() }));
        let answer = self.send(request.header("idempotency-key", fresh_key())).await?;
        now_of(&answer.expect_success("the test clock")?.body)
    }

    /// The property's present.
    ///
    /// # Errors
    /// When the API doesn't tell.
    pub async fn now(&self) -> Result<Timestamp> {
        now_of(&self.get("test-clock").await?.expect_success("the test clock")?.body)
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let mut request = self.http.post(self.at(&call.path)).json(&call.body).header("idempotency-key", &call.key);
        if let Some(seconds) = call.wait_s {
            request = request.query(&[("wait", seconds)]);
        }
        request
    }

    fn at(&self, path: &str) -> String {
        let url = format!("{}/v1/properties/{}/{path}", self.url, self.property);
        url.trim_end_matches('/').to_owned()
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.http.get(self.at(path))).await
    }

    async fn all<T: DeserializeOwned>(&self, path: &str, field: &str) -> Result<Vec<T>> {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut request = self.http.get(self.at(path)).query(&[("limit", "100")]);
            if let Some(cursor) = &cursor {
                request = request.query(&[("cursor", cursor)]);
            }
            let page = self.send(request).await?.expect_success(path)?.body;
            let items: Vec<T> = serde_json::from_value(page[field].clone())
                .with_context(|| format!("the list of {field} is not understood"))?;
            found.extend(items);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(found),
            }
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let request = request.bearer_auth(self.secret.expose_secret());
        let mut last = String::new();
        for _ in 0..TRIES {
            if crate::stack::stop::requested() {
                bail!("stopped while waiting for the API");
            }
            let Some(again) = request.try_clone() else { bail!("a request that can't be repeated") };
            match answer(again).await {
                // 429 and 503 say "later", `idempotency_in_progress` that the first one is still being answered.
                Ok(answer) if matches!(answer.status, 429 | 503) || answer.code() == "idempotency_in_progress" => {
                    last = answer.summary();
                }
                Ok(answer) => return Ok(answer),
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the API doesn't answer: {last}")
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer> {
    let started = Instant::now();
    let response = request.timeout(ANSWER_LIMIT).send().await?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await?;
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Ok(Answer { status, body, took: started.elapsed() })
}

fn now_of(body: &Value) -> Result<Timestamp> {
    let now = body["now"].as_str().context("the answer has no `now`")?;
    now.parse().with_context(|| format!("`{now}` is no instant"))
}

fn fresh_key() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
