//! A sender of genuine webhooks, as fast as they are taken: every one is signed and unlike all others, and signed before the clock starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::task::JoinSet;

/// A body is about so long as a PMS's.
const FILLER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) url: String,
    /// `whsec_…`
    pub(crate) secret: String,
    pub(crate) clients: usize,
    pub(crate) messages: usize,
}

struct Message {
    id: String,
    at: String,
    signature: String,
    body: String,
}

/// How many were taken, and how long that took.
pub(crate) async fn measure(load: Load) -> Result<(usize, Duration)> {
    let secret = STANDARD.decode(load.secret.trim_start_matches("whsec_")).context("a secret of another form")?;
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let messages: Vec<Message> = (0..load.messages).map(|n| message(n, at, &secret)).collect::<Result<_>>()?;
    let (messages, next) = (Arc::new(messages), Arc::new(AtomicUsize::new(0)));
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(load.clients).build()?;
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for _ in 0..load.clients {
        let (messages, next, http, url) = (Arc::clone(&messages), Arc::clone(&next), http.clone(), load.url.clone());
        clients.spawn(async move {
            let mut taken = 0;
            while let Some(message) = messages.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = http
                    .post(&url)
                    .header("webhook-id", &message.id)
                    .header("webhook-timestamp", &message.at)
                    .header("webhook-signature", &message.signature)
                    .header("content-type", "application/json")
                    .body(message.body.clone());
                let status = request.send().await.map_err(reqwest::Error::without_url)?.status();
                ensure!(status.as_u16() == 204, "a genuine webhook was answered {status}");
                taken += 1;
            }
            Ok(taken)
        });
    }
    let mut taken = 0;
    while let Some(client) = clients.join_next().await {
        taken += client??;
    }
    Ok((taken, started.elapsed()))
}

fn message(n: usize, at: u64, secret: &[u8]) -> Result<Message> {
    let id = format!("bench-{}", uuid::Uuid::now_v7().simple());
    let body = format!(
        r#"{{"type":"reservation.changed","timestamp":"2026-11-23T12:00:00Z","data":{{"n":{n},"filler":"{FILLER}"}}}}"#
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).context("a secret of no length")?;
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    Ok(Message { id, at: at.to_string(), signature, body })
}
