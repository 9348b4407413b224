//! Signed calls within a session: opening and closing it, the one renewal when the server no longer takes it, and the reading of
//! answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::NAME;
use super::certificate::PinnedServer;
use super::config::{DateHeader, SessionUse, VisionlineConfig};
use super::errors;
use super::signature::{Signed, content_md5, http_date};
use super::wire::{Credentials, Failure, SessionAnswer};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::http::{Answer, ExchangeError, builder, exchange};
use crate::meter::{CallMeter, CallSample};
use crate::port::CallContext;
use crate::registry::RegistryError;
use crate::watch;

/// Without `Retry-After`.
const SLOW_DOWN: Duration = Duration::from_secs(30);
/// A wrong certificate does not get better in a second.
const SERVER_EXCHANGED: Duration = Duration::from_secs(60);
const CLOSING: Duration = Duration::from_secs(2);

/// A call's name and nature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// Whether its effect, if repeated or unknown, matters.
    pub(crate) mutating: bool,
}

impl Verb {
    pub(crate) const fn read(name: &'static str) -> Self {
        Self { name, mutating: false }
    }

    pub(crate) const fn change(name: &'static str) -> Self {
        Self { name, mutating: true }
    }
}

const OPEN: Verb = Verb::read("sessions/open");
const CLOSE: Verb = Verb::read("sessions/close");

/// A session as the server gave it.
struct Login {
    id: String,
    key: SecretString,
}

/// One server.
pub(crate) struct Gate {
    config: VisionlineConfig,
    client: Client,
    pinned: Arc<PinnedServer>,
    meter: Arc<dyn CallMeter>,
    kept: Mutex<Option<Arc<Login>>>,
}

/// One port operation at the server.
pub(crate) struct Visit<'a> {
    gate: &'a Gate,
    call: &'a CallContext,
    pub(crate) deadline: Instant,
    own: Option<Arc<Login>>,
}

/// A failure, and whether it was about the session: then nothing was done.
struct Failed {
    error: VendorError,
    session: bool,
}

impl From<VendorError> for Failed {
    fn from(error: VendorError) -> Self {
        Self { error, session: false }
    }
}

impl Gate {
    pub(crate) fn new(config: VisionlineConfig, meter: Arc<dyn CallMeter>) -> Result<Self, RegistryError> {
        let pinned = PinnedServer::new(config.certificate, config.public_key);
        let tls = pinned
            .client_config()
            .map_err(|_| RegistryError::Config { vendor: NAME, reason: "TLS could not be set up".to_owned() })?;
        // A proxy from the environment is for the world; this server stands in the hotel.
        let client = builder().no_proxy().tls_backend_preconfigured(tls).build().map_err(RegistryError::Http)?;
        Ok(Self { config, client, pinned, meter, kept: Mutex::new(None) })
    }

    pub(crate) fn config(&self) -> &VisionlineConfig {
        &self.config
    }

    pub(crate) fn visit<'a>(&'a self, call: &'a CallContext) -> Visit<'a> {
        Visit { gate: self, call, deadline: Instant::now() + call.timeout, own: None }
    }
}

impl Visit<'_> {
    /// Reads. `target` is path and query below `/api/v1`, as they are to be sent.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, verb: Verb, target: &str) -> Result<T, VendorError> {
        self.signed(verb, Method::GET, target, None).await
    }

    /// Posts a body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &mut self,
        verb: Verb,
        target: &str,
        body: &impl Serialize,
    ) -> Result<T, VendorError> {
        let body = serde_json::to_vec(body)
            .map_err(|_| VendorError::new(NAME, verb.name, Condition::InvalidRequest, EffectOutcome::Permanent))?;
        self.signed(verb, Method::POST, target, Some(body)).await
    }

    /// Closes the session of this operation. It would run out by itself; so a failure does not matter.
    pub(crate) async fn end(mut self) {
        let Some(login) = self.own.take() else { return };
        self.deadline = self.deadline.min(Instant::now() + CLOSING);
        let target = format!("/sessions/{}", login.id);
        if let Err(failed) = self.send(CLOSE, Method::DELETE, &target, None, Some(&login)).await {
            tracing::debug!(vendor = NAME, error = %failed.error, "session not closed");
        }
    }

    async fn signed<T: DeserializeOwned>(
        &mut self,
        verb: Verb,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, VendorError> {
        let login = self.login(None).await?;
        let answer = match self.send(verb, method.clone(), target, body.clone(), Some(&login)).await {
            Err(failed) if failed.session => {
                let renewed = self.login(Some(&login)).await?;
                self.send(verb, method, target, body, Some(&renewed)).await
            }
            other => other,
        };
        let answer = answer.map_err(|failed| failed.error)?;
        // The server said yes in a form that we can't read: it acted.
        serde_json::from_slice(&answer).map_err(|_| bad_answer(verb))
    }

    /// The session to use; another one than `refused`.
    async fn login(&mut self, refused: Option<&Arc<Login>>) -> Result<Arc<Login>, VendorError> {
        let other = |login: &&Arc<Login>| refused.is_none_or(|refused| refused.id != login.id);
        match self.gate.config.session {
            SessionUse::PerOperation => {
                if let Some(login) = self.own.as_ref().filter(other) {
                    return Ok(Arc::clone(login));
                }
                let login = self.open().await?;
                self.own = Some(Arc::clone(&login));
                Ok(login)
            }
            SessionUse::Kept => {
                // Whoever opens a session before us may take longer than we have.
                let Ok(mut kept) = timeout_at(self.deadline, self.gate.kept.lock()).await else {
                    let outcome = EffectOutcome::Retryable { after: None };
                    return Err(VendorError::new(NAME, OPEN.name, Condition::Unreachable, outcome));
                };
                if let Some(login) = kept.as_ref().filter(other) {
                    return Ok(Arc::clone(login));
                }
                *kept = None;
                let login = self.open().await?;
                *kept = Some(Arc::clone(&login));
                Ok(login)
            }
        }
    }

    async fn open(&self) -> Result<Arc<Login>, VendorError> {
        let config = &self.gate.config;
        let body = Credentials { username: &config.username, password: config.password.expose_secret() };
        let body = serde_json::to_vec(&body).map_err(|_| bad_answer(OPEN))?;
        let answer =
            self.send(OPEN, Method::POST, "/sessions", Some(body), None).await.map_err(|failed| failed.error)?;
        let session: SessionAnswer = serde_json::from_slice(&answer).map_err(|_| bad_answer(OPEN))?;
        Ok(Arc::new(Login { id: session.id, key: session.access_key }))
    }

    /// One exchange on the wire, counted and traced; neither knows target or body.
    async fn send(
        &self,
        verb: Verb,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
        login: Option<&Arc<Login>>,
    ) -> Result<Vec<u8>, Failed> {
        let span = tracing::info_span!(
            "vendor.call",
            vendor = NAME,
            verb = verb.name,
            operation = %self.call.operation_id,
            outcome = tracing::field::Empty,
            vendor_code = tracing::field::Empty,
        );
        let url = self.url(verb, target)?;
        let headers = self.headers(verb, &method, &url, body.as_deref(), login.map(AsRef::as_ref))?;
        let mut request = self.gate.client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let started = Instant::now();
        let result = match exchange(request, self.deadline).instrument(span.clone()).await {
            Ok(answer) => {
                watch::json(verb.name, &answer.body);
                self.read(verb, answer)
            }
            Err(error) => Err(self.below(verb, error).into()),
        };
        let outcome = result.as_ref().map_or_else(|failed| failed.error.outcome().name(), |_| "ok");
        span.record("outcome", outcome);
        if let Some(code) = result.as_ref().err().and_then(|failed| failed.error.vendor_code()) {
            span.record("vendor_code", code);
        }
        let seconds = started.elapsed().as_secs_f64();
        self.gate.meter.observe(CallSample { vendor: NAME, verb: verb.name, outcome, seconds });
        result
    }

    fn url(&self, verb: Verb, target: &str) -> Result<Url, VendorError> {
        let text = format!("{}/api/v1{target}", self.gate.config.base_url.as_str().trim_end_matches('/'));
        Url::parse(&text)
            .map_err(|_| VendorError::new(NAME, verb.name, Condition::InvalidRequest, EffectOutcome::Permanent))
    }

    fn headers(
        &self,
        verb: Verb,
        method: &Method,
        url: &Url,
        body: Option<&[u8]>,
        login: Option<&Login>,
    ) -> Result<HeaderMap, VendorError> {
        let config = &self.gate.config;
        let unsendable = |_| VendorError::new(NAME, verb.name, Condition::InvalidRequest, EffectOutcome::Permanent);
        let date = http_date(Timestamp::now());
        let md5 = body.map(content_md5);
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&date).map_err(unsendable)?;
        match config.date_header {
            DateHeader::Date => headers.insert(DATE, value),
            DateHeader::XAahDate => headers.insert("x-aah-date", value),
        };
        if let Some(md5) = &md5 {
            headers.insert("content-md5", HeaderValue::from_str(md5).map_err(unsendable)?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(&config.content_type).map_err(unsendable)?);
        }
        if let Some(login) = login {
            let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
            let signed = Signed {
                method: method.as_str(),
                content: md5.as_deref().map(|md5| (md5, config.content_type.as_str())),
                date_header: config.date_header,
                date: &date,
                target: &target,
            };
            let mut value = HeaderValue::from_str(&signed.authorization(&login.id, &login.key)).map_err(unsendable)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(traceparent) = &self.call.traceparent
            && let Ok(value) = HeaderValue::from_str(traceparent)
        {
            headers.insert("traceparent", value);
        }
        Ok(headers)
    }

    fn read(&self, verb: Verb, answer: Answer) -> Result<Vec<u8>, Failed> {
        let status = answer.status;
        if status.is_success() {
            // Only deletions and check-outs may answer without a body.
            return Ok(if answer.body.is_empty() { b"null".to_vec() } else { answer.body });
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            let after = Some(answer.retry_after().unwrap_or(SLOW_DOWN));
            let outcome = EffectOutcome::Retryable { after };
            return Err(VendorError::new(NAME, verb.name, Condition::RateLimited, outcome).into());
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && self.clocks_differ(&answer.headers) {
            let outcome = EffectOutcome::Retryable { after: Some(SLOW_DOWN) };
            return Err(VendorError::new(NAME, verb.name, Condition::ClockSkew, outcome).into());
        }
        let code = serde_json::from_slice::<Failure>(&answer.body).ok().map(|failure| failure.code);
        let error = errors::error(verb, status, code, self.gate.config.assumptions.codes_are_result_codes);
        Err(Failed { error, session: status == StatusCode::UNAUTHORIZED })
    }

    /// The server's `Date` is far from our time.
    fn clocks_differ(&self, headers: &HeaderMap) -> bool {
        let theirs = headers.get(DATE).and_then(|value| value.to_str().ok());
        let theirs = theirs.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
        let tolerance = i64::from(self.gate.config.assumptions.clock_tolerance_s);
        theirs.is_some_and(|at| {
            at.timestamp().as_second().abs_diff(Timestamp::now().as_second()) > tolerance.unsigned_abs()
        })
    }

    fn below(&self, verb: Verb, error: ExchangeError) -> VendorError {
        match error {
            ExchangeError::NotSent => match self.gate.pinned.refused() {
                Some(shown) => {
                    tracing::warn!(vendor = NAME, certificate = %shown.certificate, "another certificate than the pinned one");
                    let key = shown.public_key.map_or_else(|| "unreadable".to_owned(), |key| key.to_string());
                    let remedy = format!(
                        "The server at this address shows another certificate than the one in the property's set-up \
                         (SHA-256 {}, public key {key}). If somebody at the property has replaced it, put the new \
                         fingerprint into the set-up; else have the network looked at.",
                        shown.certificate
                    );
                    let outcome = EffectOutcome::Retryable { after: Some(SERVER_EXCHANGED) };
                    VendorError::new(NAME, verb.name, Condition::CertificateRefused, outcome).advising(remedy)
                }
                None => {
                    let outcome = EffectOutcome::Retryable { after: None };
                    VendorError::new(NAME, verb.name, Condition::Unreachable, outcome)
                }
            },
            ExchangeError::TimedOut | ExchangeError::Lost => failure(verb, Condition::NoAnswer),
            ExchangeError::TooLarge => bad_answer(verb),
        }
    }
}

/// After something was sent: a change may have happened, a read can be repeated.
fn failure(verb: Verb, condition: Condition) -> VendorError {
    let outcome = if verb.mutating { EffectOutcome::Unconfirmed } else { EffectOutcome::Retryable { after: None } };
    VendorError::new(NAME, verb.name, condition, outcome)
}

fn bad_answer(verb: Verb) -> VendorError {
    failure(verb, Condition::BadAnswer)
}
