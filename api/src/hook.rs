//! Tells a sandbox's lock simulator of a moved clock.
//!
//! It must not know what is behind the address. Without an answer within [`PATIENCE`] the clock is not moved at all.

use lock_domain::clock::ClockOffset;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);

/// Why the simulator was not told.
#[derive(Debug, thiserror::Error)]
#[error("the clock hook failed: {0}")]
pub(crate) struct HookError(String);

/// A client for clock hooks.
#[derive(Debug, Clone)]
pub(crate) struct ClockHook(Option<reqwest::Client>);

impl ClockHook {
    /// A client that follows no redirect.
    pub(crate) fn new() -> Self {
        install_tls();
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
        Self(client.inspect_err(|error| tracing::error!(%error, "no HTTP client for clock hooks")).ok())
    }

    /// Posts `{"offset_ms": …}`.
    pub(crate) async fn tell(&self, url: &str, offset: ClockOffset) -> Result<(), HookError> {
        let client = self.0.as_ref().ok_or_else(|| HookError("no HTTP client".to_owned()))?;
        let body = serde_json::json!({ "offset_ms": offset.as_millis() });
        // The error's own text holds the address, which may hold a secret.
        let failed = |error: reqwest::Error| HookError(error.without_url().to_string());
        let answer = client.post(url).json(&body).send().await.map_err(failed)?;
        answer.error_for_status().map(|_| ()).map_err(failed)
    }
}

impl Default for ClockHook {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes ring the process's TLS provider. Whoever was first has installed the same one.
pub(crate) fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
