//! Scenes about what comes in from the vendor and from others: a lock whose clock runs away, and webhooks that are not what they seem.

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::Sha256;

use super::scenes::{Hotel, WAIT_S};
use super::teller::Teller;
use crate::sandbox::{Call, http_client};

/// More than the five minutes that keys work early.
const SLOW_S: i64 = 420;
const MESSAGE: &[u8] =
    br#"{"type":"reservation.changed","timestamp":"2026-11-23T12:00:00Z","data":{"reservation":"R1"}}"#;

impl Hotel<'_> {
    pub(super) async fn clock_runs_away(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(h) A lock's clock runs away");
        let (reservation, room) = (self.reservation("H"), self.room(8)?);
        self.api.write(&self.booking(&reservation, &room).wait(WAIT_S)).await?;
        let guest = self.guest(&reservation).await?;
        let (lock, pin) = (guest.room_lock, guest.pin.expose_secret());
        let endpoint = self.endpoint("ttlock").await?;
        self.sim.call_back(Some(&self.api.url_of(path_of(&endpoint)?)), 1).await?;
        self.sim.skew(lock, -SLOW_S).await?;
        teller.says(&format!(
            "Since its batteries were changed the lock of room {room} is {} minutes slow; keys work only five minutes early.",
            SLOW_S / 60
        ));
        let tried = self.sim.try_pin(lock, pin).await?;
        teller.claims(!tried.opened, &format!("the guest stands at a closed door ({})", tried.reason));
        teller.says(
            "The vendor calls back with the lock's record of that; its two times don't fit, so the clock is asked.",
        );
        let right = self.until("the lock to be right", async |hotel| {
            let device = hotel.device(lock).await?;
            Ok(device["drift_s"].as_f64().is_some_and(|s| s.abs() < 5.0) && device["alerts"] == json!([]))
        });
        right.await?;
        teller.says(&format!("Of the lock the API says: {}", text(&self.device(lock).await?, "summary")));
        let tried = self.sim.try_pin(lock, pin).await?;
        teller.claims(tried.opened, "the same PIN opens the door now, and nobody had to go there");
        let told = self.told_of(lock).await?;
        let expected = ["device.health_alert.v1", "device.health_resolved.v1"];
        teller.claims(told == expected, &format!("it was told once, and that it is over: {}", told.join(", ")));
        let tasks = self.api.read("maintenance-tasks").await?["tasks"].as_array().map_or(0, Vec::len);
        teller.claims(tasks == 0, &format!("{tasks} maintenance tasks are open"));
        Ok(())
    }

    pub(super) async fn webhooks_bounce(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(i) A forged and a replayed webhook bounce");
        let (reservation, room) = (self.reservation("I"), self.room(9)?);
        self.sim.call_back(None, 1).await?;
        self.api.write(&self.booking(&reservation, &room).wait(WAIT_S)).await?;
        let guest = self.guest(&reservation).await?;
        let (ours, vendors) = (self.endpoint("pms").await?, self.endpoint("ttlock").await?);
        let secret = ours["secret"].as_str().context("an endpoint without a secret")?;
        let url = self.api.url_of(path_of(&ours)?);
        let before = self.still(&reservation).await?;
        let counted = self.refused_as_forged().await?;

        let now = Timestamp::now();
        let forged = signed("demo-1", now, MESSAGE, &format!("whsec_{}", STANDARD.encode([7_u8; 32])))?;
        let (status, code) = post(&url, &forged, MESSAGE.to_vec()).await?;
        teller.claims(status == 401, &format!("a message that is signed with another secret: {status} {code}"));
        let more = self.refused_as_forged().await? - counted;
        teller
            .claims(more == 1, &format!("webhook_signature_failed_total has risen by {more}, which an alert watches"));
        let good = signed("demo-1", now, MESSAGE, secret)?;
        let (status, code) = post(&url, &good, [MESSAGE, b" "].concat()).await?;
        teller.claims(status == 401, &format!("a genuine one with one byte more: {status} {code}"));
        let old = signed("demo-2", now - SignedDuration::from_mins(6), MESSAGE, secret)?;
        let (status, code) = post(&url, &old, MESSAGE.to_vec()).await?;
        teller.claims(status == 400, &format!("a genuine one that somebody has kept for six minutes: {status} {code}"));
        let guessed = self.api.url_of(&format!("{}x", path_of(&vendors)?));
        let (status, code) = post(&guessed, &[], b"notifyType=1".to_vec()).await?;
        teller.claims(status == 404, &format!("a guess at the vendor's secret path: {status} {code}"));
        teller.claims(
            self.still(&reservation).await? == before,
            "and nothing has changed: not an event, not the stay, not a lock",
        );

        teller.says(&format!("The guest opens room {room}. The vendor calls back, three times over."));
        self.sim.call_back(Some(&self.api.url_of(path_of(&vendors)?)), 3).await?;
        let tried = self.sim.try_pin(guest.room_lock, guest.pin.expose_secret()).await?;
        teller.claims(tried.opened, "the PIN opens");
        let used = |lines: &[String]| lines.iter().filter(|line| line.contains("for the first time")).count();
        self.until("the first use to be told", async |hotel| Ok(used(&hotel.api.timeline(&reservation).await?) > 0))
            .await?;
        let lines = self.api.timeline(&reservation).await?;
        let line = lines.iter().find(|line| line.contains("for the first time"));
        teller.claims(used(&lines) == 1, &format!("the timeline says it once: {}", line.map_or("-", String::as_str)));
        self.sim.call_back(None, 1).await
    }

    async fn endpoint(&self, sender: &str) -> Result<Value> {
        let made = self.api.write(&Call::at("webhook-endpoints", json!({ "sender": sender }))).await?;
        anyhow::ensure!(made.status == 201, "no webhook endpoint: {}", made.summary());
        Ok(made.body)
    }

    async fn device(&self, lock: i64) -> Result<Value> {
        let page = self.api.read("devices?limit=500").await?;
        let id = lock.to_string();
        let mut devices = page["devices"].as_array().into_iter().flatten();
        devices.find(|device| device["id"] == id.as_str()).cloned().context("a lock that is no device")
    }

    /// Types of what was told of a lock's health, oldest first.
    async fn told_of(&self, lock: i64) -> Result<Vec<String>> {
        let id = lock.to_string();
        let events = self.api.events().await?;
        let of = events.iter().filter(|event| event["data"]["device"] == id.as_str()).map(|event| text(event, "type"));
        Ok(of.collect())
    }

    /// What must not change: the log's length, the stay, the codes in the locks.
    async fn still(&self, reservation: &str) -> Result<(usize, Value, Vec<String>)> {
        let codes = self.sim.credentials().await?.into_iter().map(|code| code.name).collect();
        Ok((self.api.events().await?.len(), self.api.read(&format!("stays/{reservation}")).await?, codes))
    }

    async fn refused_as_forged(&self) -> Result<u64> {
        let text = http_client()?.get(self.api.url_of("/metrics")).send().await?.text().await?;
        let counts =
            text.lines().filter_map(|line| line.strip_prefix("webhook_signature_failed_total{")?.rsplit_once(' '));
        counts.map(|(_, count)| count.parse::<u64>().with_context(|| format!("`{count}` is no count"))).sum()
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn path_of(endpoint: &Value) -> Result<&str> {
    endpoint["path"].as_str().context("an endpoint without a path")
}

/// The headers of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com).
fn signed(id: &str, at: Timestamp, body: &[u8], secret: &str) -> Result<Vec<(&'static str, String)>> {
    let secret = STANDARD.decode(secret.trim_start_matches("whsec_")).context("a secret of another form")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).context("a secret of no length")?;
    mac.update(format!("{id}.{}.", at.as_second()).as_bytes());
    mac.update(body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let at = at.as_second().to_string();
    Ok(vec![("webhook-id", id.to_owned()), ("webhook-timestamp", at), ("webhook-signature", signature)])
}

async fn post(url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<(u16, String)> {
    let mut request = http_client()?.post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = request.send().await.map_err(reqwest::Error::without_url)?;
    let status = answer.status().as_u16();
    let problem: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
    Ok((status, text(&problem, "code")))
}
