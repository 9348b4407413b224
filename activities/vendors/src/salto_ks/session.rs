//! Calls with a login: the one repetition after a refused token, the patience with a cloud that has not settled, pages, and the
//! reading of answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::{RequestBuilder, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;

use super::NAME;
use super::config::{SaltoKsConfig, SaltoKsLogin};
use super::errors::{self, trouble};
use super::wire::{self, TokenAnswer};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::http::{Answer, ExchangeError, HttpClients, exchange};
use crate::login::{Granted, Grants, Login, Tokens};
use crate::meter::{CallMeter, CallSample};
use crate::port::CallContext;
use crate::registry::Parts;
use crate::watch;

const TOKEN: Verb = Verb { name: "POST connect/token", http: Http::Post, version: "", mutating: false };
/// Less than this before the deadline nothing is repeated: a call that is cut off leaves more open than one that was not made.
const ROOM_FOR_A_CALL: Duration = Duration::from_millis(500);
/// A site has a few hundred users, groups and locks: far more pages mean an answer that never ends.
const MOST_PAGES: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// A call's name for metrics, and its nature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    http: Http,
    version: &'static str,
    /// Whether its effect, if unknown, matters.
    pub(crate) mutating: bool,
}

impl Verb {
    const fn new(name: &'static str, http: Http, mutating: bool) -> Self {
        Self { name, http, version: "v1.2", mutating }
    }

    pub(crate) const fn get(name: &'static str) -> Self {
        Self::new(name, Http::Get, false)
    }

    pub(crate) const fn post(name: &'static str) -> Self {
        Self::new(name, Http::Post, true)
    }

    pub(crate) const fn put(name: &'static str) -> Self {
        Self::new(name, Http::Put, true)
    }

    pub(crate) const fn patch(name: &'static str) -> Self {
        Self::new(name, Http::Patch, true)
    }

    pub(crate) const fn delete(name: &'static str) -> Self {
        Self::new(name, Http::Delete, true)
    }

    /// Some paths exist in the older version only.
    pub(crate) const fn v1_1(mut self) -> Self {
        self.version = "v1.1";
        self
    }

    /// Changes nothing that matters.
    pub(crate) const fn harmless(mut self) -> Self {
        self.mutating = false;
        self
    }
}

/// One port operation: its context and when it must be over.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) call: &'a CallContext,
    pub(crate) deadline: Instant,
}

impl<'a> Operation<'a> {
    pub(crate) fn begin(call: &'a CallContext) -> Self {
        Self { call, deadline: Instant::now() + call.timeout }
    }

    /// One that consists of several, each with the time of the call, and has so long for all of them.
    pub(crate) fn long(call: &'a CallContext, most: Duration) -> Self {
        Self { call, deadline: Instant::now() + most }
    }

    /// One of several.
    pub(crate) fn part(self) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + self.call.timeout), ..self }
    }
}

/// An answer that is not a failure.
pub(crate) struct Reply {
    pub(crate) value: Value,
    /// The vendor's clock, by its `Date` header.
    pub(crate) at: Option<Timestamp>,
}

impl Reply {
    /// Reads it as `T`. The vendor said yes in a form that we can't read: it acted.
    pub(crate) fn read<T: DeserializeOwned>(self, verb: Verb) -> Result<T, VendorError> {
        serde_json::from_value(self.value).map_err(|_| trouble(verb, Condition::BadAnswer))
    }
}

pub(crate) struct Session {
    config: SaltoKsConfig,
    http: HttpClients,
    meter: Arc<dyn CallMeter>,
    login: Login,
}

impl Session {
    pub(crate) fn new(config: SaltoKsConfig, parts: Parts) -> Self {
        let renew_before = SignedDuration::try_from(config.renew_before).unwrap_or(SignedDuration::ZERO);
        let login = Login::new(parts.token_key, parts.tokens, renew_before);
        Self { config, http: parts.http, meter: parts.meter, login }
    }

    pub(crate) fn config(&self) -> &SaltoKsConfig {
        &self.config
    }

    pub(crate) fn http(&self) -> &HttpClients {
        &self.http
    }

    /// A path of the site.
    pub(crate) fn url(&self, verb: Verb, path: &[&str]) -> Url {
        let mut url = self.config.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([verb.version, "sites", self.config.site_id.as_str()]).extend(path);
        }
        url
    }

    /// Calls, once more when the login was refused.
    pub(crate) async fn call(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Reply, VendorError> {
        let grants = TokenEndpoint { session: self, operation };
        let token = self.login.access(&grants).await?;
        match self.send(operation, verb, url, body, &token).await {
            Err(error) if error.vendor_code() == Some(errors::UNAUTHORIZED) => {
                let renewed = self.login.renewed(&token, &grants).await?;
                self.send(operation, verb, url, body, &renewed).await
            }
            other => other,
        }
    }

    /// Calls, again and again while the cloud has not settled and there is time.
    pub(crate) async fn patient(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Reply, VendorError> {
        let most = self.config.assume.settle_tries;
        let mut repeated = 0_u32;
        loop {
            match self.call(operation, verb, url, body).await {
                Err(error) if errors::unsettled(&error) => {
                    if (most > 0 && repeated >= most) || !self.pause(operation).await {
                        return Err(error);
                    }
                    repeated = repeated.saturating_add(1);
                }
                other => return other,
            }
        }
    }

    /// Waits before a repetition; false when there is no time for one.
    pub(crate) async fn pause(&self, operation: Operation<'_>) -> bool {
        let until = Instant::now() + self.config.assume.settle_pause;
        if until + ROOM_FOR_A_CALL >= operation.deadline {
            return false;
        }
        tokio::time::sleep_until(until).await;
        true
    }

    /// All rows of a list, and the vendor's clock.
    pub(crate) async fn rows<T: DeserializeOwned>(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        first: Url,
    ) -> Result<(Vec<T>, Option<Timestamp>), VendorError> {
        let mut all = Vec::new();
        let mut url = first;
        let mut at = None;
        for _ in 0..MOST_PAGES {
            let reply = self.call(operation, verb, &url, None).await?;
            at = reply.at;
            let (rows, next) = wire::page(reply.value).ok_or_else(|| trouble(verb, Condition::BadAnswer))?;
            all.extend(rows);
            match next {
                Some(link) => url = self.next_page(verb, &url, &link)?,
                None => break,
            }
        }
        Ok((all, at))
    }

    /// The token goes nowhere else, whatever a link says.
    pub(crate) fn next_page(&self, verb: Verb, here: &Url, link: &str) -> Result<Url, VendorError> {
        let next = here.join(link).ok().filter(|next| next.origin() == self.config.base_url.origin());
        next.ok_or_else(|| trouble(verb, Condition::BadAnswer))
    }

    /// A token for a connection that is not one of these calls.
    pub(crate) async fn token(&self, operation: Operation<'_>) -> Result<SecretString, VendorError> {
        self.login.access(&TokenEndpoint { session: self, operation }).await
    }

    /// Calls once, with this token.
    pub(crate) async fn send(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        url: &Url,
        body: Option<&Value>,
        token: &SecretString,
    ) -> Result<Reply, VendorError> {
        let client = self.http.for_url(url);
        let url = url.clone();
        let request = match verb.http {
            Http::Get => client.get(url),
            Http::Post => client.post(url),
            Http::Put => client.put(url),
            Http::Patch => client.patch(url),
            Http::Delete => client.delete(url),
        };
        let request = request.bearer_auth(token.expose_secret()).header(header::ACCEPT, "application/json");
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.exchange(operation, verb, request, |answer| read(verb, answer)).await
    }

    /// One exchange on the wire, counted and traced; neither knows its content.
    async fn exchange<T>(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        request: RequestBuilder,
        read: impl FnOnce(&Answer) -> Result<T, VendorError>,
    ) -> Result<T, VendorError> {
        let span = tracing::info_span!(
            "vendor.call",
            vendor = NAME,
            verb = verb.name,
            operation = %operation.call.operation_id,
            outcome = tracing::field::Empty,
            vendor_code = tracing::field::Empty,
        );
        let request = match &operation.call.traceparent {
            Some(traceparent) => request.header("traceparent", traceparent),
            None => request,
        };
        let started = Instant::now();
        let result = match exchange(request, operation.deadline).instrument(span.clone()).await {
            Ok(answer) => {
                watch::json(verb.name, &answer.body);
                read(&answer)
            }
            Err(error) => Err(below(verb, error)),
        };
        let outcome = result.as_ref().map_or_else(|error| error.outcome().name(), |_| "ok");
        span.record("outcome", outcome);
        if let Some(code) = result.as_ref().err().and_then(VendorError::vendor_code) {
            span.record("vendor_code", code);
        }
        let seconds = started.elapsed().as_secs_f64();
        self.meter.observe(CallSample { vendor: NAME, verb: verb.name, outcome, seconds });
        result
    }
}

fn read(verb: Verb, answer: &Answer) -> Result<Reply, VendorError> {
    let at = answer
        .headers
        .get(header::DATE)
        .and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date.as_bytes()).ok());
    if answer.status.is_success() {
        // 202 and 204 have no body.
        if answer.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Reply { value: Value::Null, at });
        }
        let value = serde_json::from_slice(&answer.body).map_err(|_| trouble(verb, Condition::BadAnswer))?;
        return Ok(Reply { value, at });
    }
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let code = body.as_ref().and_then(wire::error_code);
    Err(errors::error(verb, answer.status.as_u16(), code, answer.retry_after()))
}

fn below(verb: Verb, error: ExchangeError) -> VendorError {
    match error {
        ExchangeError::NotSent => {
            VendorError::new(NAME, verb.name, Condition::Unreachable, EffectOutcome::Retryable { after: None })
        }
        ExchangeError::TimedOut | ExchangeError::Lost => trouble(verb, Condition::NoAnswer),
        ExchangeError::TooLarge => trouble(verb, Condition::BadAnswer),
    }
}

/// The token endpoint in the course of an operation.
struct TokenEndpoint<'a> {
    session: &'a Session,
    operation: Operation<'a>,
}

impl TokenEndpoint<'_> {
    async fn ask(&self, fields: &[(&str, &str)]) -> Result<Granted, VendorError> {
        let config = self.session.config();
        let mut url = config.identity_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["connect", "token"]);
        }
        let request = self
            .session
            .http
            .for_url(&url)
            .post(url)
            .basic_auth(&config.client_id, Some(config.client_secret.expose_secret()))
            .form(fields);
        self.session.exchange(self.operation, TOKEN, request, granted).await
    }

    async fn by_refresh(&self, token: &SecretString) -> Result<Granted, VendorError> {
        self.ask(&[("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())]).await
    }
}

impl Grants for TokenEndpoint<'_> {
    async fn first(&self) -> Result<Granted, VendorError> {
        let config = self.session.config();
        match &config.login {
            SaltoKsLogin::Password { username, password } => {
                let fields = [
                    ("grant_type", "password"),
                    ("username", username),
                    ("password", password.expose_secret()),
                    ("scope", &config.scope),
                ];
                self.ask(&fields).await
            }
            SaltoKsLogin::Refresh(token) => self.by_refresh(token).await,
        }
    }

    async fn refresh(&self, token: &SecretString) -> Result<Granted, VendorError> {
        Ok(match self.by_refresh(token).await? {
            // Without another one the old one stays good (RFC 6749, section 6).
            Granted::Tokens(Tokens { refresh: None, access, expires_in }) => {
                Granted::Tokens(Tokens { refresh: Some(token.clone()), access, expires_in })
            }
            other => other,
        })
    }
}

/// OAuth failures come with 400 (RFC 6749, §5.2) or 401 and a word.
fn granted(answer: &Answer) -> Result<Granted, VendorError> {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if answer.status.is_success() {
        let tokens = body.and_then(|body| serde_json::from_value::<TokenAnswer>(body).ok());
        return tokens.map(|answer| Granted::Tokens(answer.into())).ok_or_else(|| trouble(TOKEN, Condition::BadAnswer));
    }
    let status = answer.status.as_u16();
    let word = body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str);
    let refused = |remedy| {
        VendorError::new(NAME, TOKEN.name, Condition::AccessRefused, EffectOutcome::Permanent)
            .numbered(i64::from(status), remedy)
    };
    match (status, word) {
        (400 | 401, Some("invalid_grant")) => Ok(Granted::Refused(refused(
            "Correct the KS user name or password in the property's set-up, or log in to KS again from there.",
        ))),
        (400 | 401, Some("invalid_client")) => {
            Err(refused("Correct the client id or client secret in the property's set-up."))
        }
        (400 | 401, Some("invalid_scope" | "unauthorized_client" | "unsupported_grant_type")) => {
            Err(refused("Ask SALTO to allow this kind of login and the scope of the set-up for the client id."))
        }
        (400 | 401, Some(_)) => Err(refused(Condition::AccessRefused.remedy())),
        _ => {
            let error = errors::error(TOKEN, status, None, answer.retry_after());
            // A refused login is no refused token, and must not lead to another one.
            if error.vendor_code() == Some(errors::UNAUTHORIZED) {
                return Err(refused(Condition::AccessRefused.remedy()));
            }
            Err(error)
        }
    }
}
