//! HTTP towards vendors, with the limits that hold for all of them: no redirects, bounded bodies, a deadline, TLS by ring.

use std::time::Duration;

use reqwest::header::{self, HeaderMap};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use tokio::time::Instant;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_BODY: usize = 1024 * 1024;

/// How an exchange failed below the vendor's own protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExchangeError {
    /// Nothing was sent: no connection, or no time left.
    NotSent,
    /// Sent, and no whole answer in time.
    TimedOut,
    /// Sent, and the connection ended before the whole answer.
    Lost,
    /// More than this adapter is ready to read.
    TooLarge,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// `Retry-After` in seconds, at most an hour; the form with a date is rare and counts as absent.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(3_600)))
    }
}

/// Clients shared by all adapters: connections are reused.
#[derive(Debug, Clone)]
pub(crate) struct HttpClients {
    outside: Client,
    local: Client,
    outside_http1: Client,
    local_http1: Client,
}

impl HttpClients {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error means that another thread was faster, with a provider of the process's choice.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self {
            outside: builder().build()?,
            local: builder().no_proxy().build()?,
            outside_http1: builder().http1_only().build()?,
            local_http1: builder().no_proxy().http1_only().build()?,
        })
    }

    /// The client for `url`: a proxy from the environment is right for the world and wrong for this machine.
    pub(crate) fn for_url(&self, url: &Url) -> &Client {
        if is_loopback(url) { &self.local } else { &self.outside }
    }

    /// The client for `url` whose connections can become something else, such as a WebSocket.
    pub(crate) fn upgradable(&self, url: &Url) -> &Client {
        if is_loopback(url) { &self.local_http1 } else { &self.outside_http1 }
    }
}

/// What all clients have in common.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("lock-vendors/", env!("CARGO_PKG_VERSION")))
}

/// Whether `url` stays on this machine, where plain HTTP is acceptable.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// Sends and reads the whole answer before `deadline`.
pub(crate) async fn exchange(request: RequestBuilder, deadline: Instant) -> Result<Answer, ExchangeError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ExchangeError::NotSent);
    }
    let mut response = request.timeout(left).send().await.map_err(|error| classify(&error))?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
        if body.len().saturating_add(chunk.len()) > LARGEST_BODY {
            return Err(ExchangeError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

fn classify(error: &reqwest::Error) -> ExchangeError {
    if error.is_connect() || error.is_builder() {
        ExchangeError::NotSent
    } else if error.is_timeout() {
        ExchangeError::TimedOut
    } else {
        ExchangeError::Lost
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loopback_is_recognised() {
        for (url, expected) in [
            ("http://127.0.0.1:80", true),
            ("http://localhost", true),
            ("http://[::1]:8", true),
            ("https://euapi.ttlock.com", false),
            ("http://127.0.0.1.example.org", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
