//! Calls with a login: the fields that every call carries, the one repetition after a refused token, and the reading of answers.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;

use super::NAME;
use super::config::{DateUnit, ReadMethod, TtlockConfig};
use super::errors::{self, Class};
use super::wire::TokenAnswer;
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::http::{ExchangeError, HttpClients, exchange};
use crate::login::{Granted, Grants, Login};
use crate::meter::{CallMeter, CallSample};
use crate::port::CallContext;
use crate::registry::Parts;
use crate::watch;

const TOKEN: &str = "oauth2/token";
/// Numbers after which a refresh token is of no more use: unknown or ended tokens, invalid refresh token.
const SPENT: [i64; 3] = [10003, 10004, 10011];

pub(crate) type Fields<'a> = Vec<(&'static str, &'a str)>;

/// A call's own name and nature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) path: &'static str,
    /// Whether its effect, if repeated or unknown, matters.
    pub(crate) mutating: bool,
    /// Whether it may go as GET.
    pub(crate) read: bool,
}

impl Verb {
    pub(crate) const fn read(path: &'static str) -> Self {
        Self { path, mutating: false, read: true }
    }

    pub(crate) const fn change(path: &'static str) -> Self {
        Self { path, mutating: true, read: false }
    }

    /// Changes something, and doing it again or twice is the same.
    pub(crate) const fn repeatable(path: &'static str) -> Self {
        Self { path, mutating: false, read: false }
    }
}

pub(crate) struct Session {
    config: TtlockConfig,
    http: HttpClients,
    meter: Arc<dyn CallMeter>,
    login: Login,
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
}

impl Session {
    pub(crate) fn new(config: TtlockConfig, parts: Parts) -> Self {
        let renew_before = SignedDuration::try_from(config.renew_before).unwrap_or(SignedDuration::ZERO);
        let login = Login::new(parts.token_key, parts.tokens, renew_before);
        Self { config, http: parts.http, meter: parts.meter, login }
    }

    pub(crate) fn config(&self) -> &TtlockConfig {
        &self.config
    }

    /// Calls and reads the answer as `T`.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        fields: &Fields<'_>,
    ) -> Result<T, VendorError> {
        let grants = TokenEndpoint { session: self, operation };
        let token = self.login.access(&grants).await?;
        let body = match self.send(operation, verb, fields, &token).await {
            Err(error) if error.vendor_code().is_some_and(|code| errors::find(code).class == Class::Token) => {
                let renewed = self.login.renewed(&token, &grants).await?;
                self.send(operation, verb, fields, &renewed).await?
            }
            other => other?,
        };
        // The vendor said yes in a form that we can't read: it acted.
        serde_json::from_value(body).map_err(|_| bad_answer(verb))
    }

    /// Now, as the vendor wants to be told.
    fn date(&self) -> String {
        let now = Timestamp::now().as_millisecond().saturating_add(self.config.date_offset_ms);
        match self.config.date_unit {
            DateUnit::Milliseconds => now.to_string(),
            DateUnit::Seconds => now.div_euclid(1_000).to_string(),
        }
    }

    async fn send(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        fields: &Fields<'_>,
        token: &SecretString,
    ) -> Result<Value, VendorError> {
        let date = self.date();
        let mut all: Fields<'_> = vec![
            ("clientId", self.config.client_id.as_str()),
            ("accessToken", token.expose_secret()),
            ("date", date.as_str()),
        ];
        all.extend_from_slice(fields);
        let url = self.url(&["v3", verb.path]);
        self.exchange(operation, verb, url, &all).await
    }

    /// One exchange on the wire, counted and traced; neither knows the fields.
    async fn exchange(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        url: Url,
        fields: &Fields<'_>,
    ) -> Result<Value, VendorError> {
        let span = tracing::info_span!(
            "vendor.call",
            vendor = NAME,
            verb = verb.path,
            operation = %operation.call.operation_id,
            outcome = tracing::field::Empty,
            vendor_code = tracing::field::Empty,
        );
        let started = Instant::now();
        let request = self.request(operation, verb, url, fields);
        let result = match exchange(request, operation.deadline).instrument(span.clone()).await {
            Ok(answer) => {
                watch::json(verb.path, &answer.body);
                self.read(verb, answer.status, &answer.body)
            }
            Err(error) => Err(below(verb, error)),
        };
        let outcome = result.as_ref().map_or_else(|error| error.outcome().name(), |_| "ok");
        span.record("outcome", outcome);
        if let Some(code) = result.as_ref().err().and_then(VendorError::vendor_code) {
            span.record("vendor_code", code);
        }
        let seconds = started.elapsed().as_secs_f64();
        self.meter.observe(CallSample { vendor: NAME, verb: verb.path, outcome, seconds });
        result
    }

    fn request(&self, operation: Operation<'_>, verb: Verb, url: Url, fields: &Fields<'_>) -> RequestBuilder {
        let client = self.http.for_url(&url);
        let request = if verb.read && self.config.read_method == ReadMethod::Get {
            client.get(url).query(fields)
        } else {
            client.post(url).form(fields)
        };
        match &operation.call.traceparent {
            Some(traceparent) => request.header("traceparent", traceparent),
            None => request,
        }
    }

    fn read(&self, verb: Verb, status: StatusCode, body: &[u8]) -> Result<Value, VendorError> {
        let parsed = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
        // Failures come with status 200; should one ever come with another, its number still says more than the status.
        match parsed.as_ref().and_then(errcode) {
            Some(code) if code != 0 => {
                return Err(errors::error(verb.path, code, verb.mutating, self.config.vague_failure_is_unconfirmed));
            }
            _ => {}
        }
        match parsed {
            Some(value) if status.is_success() => Ok(value),
            _ if status == StatusCode::TOO_MANY_REQUESTS => {
                Err(VendorError::new(NAME, verb.path, Condition::RateLimited, EffectOutcome::Retryable { after: None }))
            }
            _ if status.is_server_error() => Err(failure(verb, Condition::ServerError)),
            _ => Err(bad_answer(verb)),
        }
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.config.base_url.clone();
        url.set_path(&segments.join("/"));
        url
    }
}

fn errcode(body: &Value) -> Option<i64> {
    let field = body.get("errcode")?;
    field.as_i64().or_else(|| field.as_str()?.parse().ok())
}

/// After something was sent: a change may have happened, a read can be repeated.
fn failure(verb: Verb, condition: Condition) -> VendorError {
    let outcome = if verb.mutating { EffectOutcome::Unconfirmed } else { EffectOutcome::Retryable { after: None } };
    VendorError::new(NAME, verb.path, condition, outcome)
}

fn bad_answer(verb: Verb) -> VendorError {
    failure(verb, Condition::BadAnswer)
}

fn below(verb: Verb, error: ExchangeError) -> VendorError {
    match error {
        ExchangeError::NotSent => {
            VendorError::new(NAME, verb.path, Condition::Unreachable, EffectOutcome::Retryable { after: None })
        }
        ExchangeError::TimedOut | ExchangeError::Lost => failure(verb, Condition::NoAnswer),
        ExchangeError::TooLarge => bad_answer(verb),
    }
}

/// The token endpoint in the course of an operation.
struct TokenEndpoint<'a> {
    session: &'a Session,
    operation: Operation<'a>,
}

impl TokenEndpoint<'_> {
    async fn ask(&self, own: Fields<'_>) -> Result<TokenAnswer, VendorError> {
        let config = self.session.config();
        let mut fields: Fields<'_> =
            vec![("clientId", config.client_id.as_str()), ("clientSecret", config.client_secret.expose_secret())];
        fields.extend(own);
        let verb = Verb::repeatable(TOKEN);
        let url = self.session.url(&["oauth2", "token"]);
        let body = self.session.exchange(self.operation, verb, url, &fields).await?;
        serde_json::from_value(body).map_err(|_| bad_answer(verb))
    }
}

impl Grants for TokenEndpoint<'_> {
    async fn first(&self) -> Result<Granted, VendorError> {
        let config = self.session.config();
        let password = config.password_md5.expose_secret();
        let answer = self.ask(vec![("username", config.username.as_str()), ("password", password)]).await?;
        Ok(Granted::Tokens(answer.into()))
    }

    async fn refresh(&self, token: &SecretString) -> Result<Granted, VendorError> {
        let fields = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        match self.ask(fields).await {
            Ok(answer) => Ok(Granted::Tokens(answer.into())),
            Err(error) if error.vendor_code().is_some_and(|code| SPENT.contains(&code)) => Ok(Granted::Refused(error)),
            Err(error) => Err(error),
        }
    }
}
