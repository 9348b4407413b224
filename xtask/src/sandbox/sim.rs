//! The simulated doors: what really stands in them, what happens when somebody types a PIN, and orders to misbehave.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::views::{JournalEntry, Lock, SimCredential, Tried};

/// What a sandbox's simulated lock is called at the vendor.
#[must_use]
pub fn door_of(room: &str) -> String {
    format!("Room {room}")
}

/// An order to misbehave, as posted to `/sim/faults`.
#[derive(Debug, Clone)]
pub struct Order {
    body: Value,
}

impl Order {
    /// `kind` (such as `down`) on the vendor's `verb` (such as `keyboardPwd/add`), until it is taken back.
    #[must_use]
    pub fn always(verb: &str, kind: &str) -> Self {
        Self { body: json!({ "verb": verb, "kind": kind }) }
    }

    /// For so many calls only.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.body["remaining"] = count.into();
        self
    }

    /// For one lock only.
    #[must_use]
    pub fn at_lock(mut self, lock: i64) -> Self {
        self.body["lock"] = lock.into();
        self
    }

    /// Every call takes so long, and is carried out even if its caller has gone.
    #[must_use]
    pub fn latency(verb: &str, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { body: json!({ "verb": verb, "kind": "latency", "ms": ms }) }
    }
}

/// The vendor simulator's control interface.
#[derive(Debug, Clone)]
pub struct Sim {
    http: reqwest::Client,
    url: String,
}

impl Sim {
    /// The simulator at this URL.
    #[must_use]
    pub fn new(http: reqwest::Client, url: &str) -> Self {
        Self { http, url: url.trim_end_matches('/').to_owned() }
    }

    /// Every lock.
    ///
    /// # Errors
    /// When the simulator doesn't answer.
    pub async fn locks(&self) -> Result<Vec<Lock>> {
        self.get("/sim/locks").await
    }

    /// Every code in every lock.
    ///
    /// # Errors
    /// When the simulator doesn't answer.
    pub async fn credentials(&self) -> Result<Vec<SimCredential>> {
        self.get("/sim/credentials").await
    }

    /// What the vendor did after entry `seq`.
    ///
    /// # Errors
    /// When the simulator doesn't answer.
    pub async fn journal(&self, seq: u64) -> Result<Vec<JournalEntry>> {
        self.get(&format!("/sim/journal?since={seq}")).await
    }

    /// The number of the last journal entry.
    ///
    /// # Errors
    /// When the simulator doesn't answer.
    pub async fn journal_end(&self) -> Result<u64> {
        Ok(self.journal(0).await?.last().map_or(0, |entry| entry.seq))
    }

    /// Calls so far by the vendor's verb, answered or not.
    ///
    /// # Errors
    /// When the simulator doesn't answer.
    pub async fn calls(&self, verb: &str) -> Result<u64> {
        let stats: Value = self.get("/sim/stats").await?;
        Ok(stats["calls"][verb].as_u64().unwrap_or(0))
    }

    /// Types a PIN at a lock's keypad.
    ///
    /// # Errors
    /// When the simulator doesn't answer.
    pub async fn try_pin(&self, lock: i64, pin: &str) -> Result<Tried> {
        let path = format!("/sim/locks/{lock}/try");
        let answer = self.http.post(self.at(&path)).json(&json!({ "pin": pin })).send().await;
        // The error's text must not repeat the body.
        read(&path, answer.map_err(reqwest::Error::without_url)).await
    }

    /// Puts a lock's clock off by so many seconds.
    ///
    /// # Errors
    /// When the simulator doesn't take it.
    pub async fn skew(&self, lock: i64, seconds: i64) -> Result<()> {
        let path = format!("/sim/locks/{lock}");
        let status =
            self.http.patch(self.at(&path)).json(&json!({ "skew_ms": seconds * 1_000 })).send().await?.status();
        ensure!(status.is_success(), "the simulator answered {status} to {path}");
        Ok(())
    }

    /// From now on the vendor calls back there, each time so often; nowhere without a URL.
    ///
    /// # Errors
    /// When the simulator doesn't take it.
    pub async fn call_back(&self, url: Option<&str>, copies: u32) -> Result<()> {
        let order = json!({ "url": url, "copies": copies });
        let status = self.http.put(self.at("/sim/callbacks")).json(&order).send().await?.status();
        ensure!(status.is_success(), "the simulator answered {status} to the callbacks");
        Ok(())
    }

    /// Orders a fault.
    ///
    /// # Errors
    /// When the simulator doesn't take it.
    pub async fn fault(&self, order: &Order) -> Result<()> {
        let path = "/sim/faults";
        let _id: Value = read(path, self.http.post(self.at(path)).json(&order.body).send().await).await?;
        Ok(())
    }

    /// Takes all faults back.
    ///
    /// # Errors
    /// When the simulator doesn't answer.
    pub async fn clear_faults(&self) -> Result<()> {
        let status = self.http.delete(self.at("/sim/faults")).send().await?.status();
        ensure!(status.is_success(), "the simulator answered {status} to DELETE /sim/faults");
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(path, self.http.get(self.at(path)).send().await).await
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

async fn read<T: DeserializeOwned>(path: &str, answer: reqwest::Result<reqwest::Response>) -> Result<T> {
    let answer = answer.with_context(|| format!("the simulator doesn't answer {path}"))?;
    let status = answer.status();
    ensure!(status.is_success(), "the simulator answered {status} to {path}");
    answer.json().await.with_context(|| format!("the simulator's answer to {path} is not understood"))
}
