//! One call and its answer, over STP or HTTP.

use std::sync::Arc;

use lock_wires::salto_ship::codec::{self, Message};
use lock_wires::salto_ship::stp::{self, Unit};
use lock_wires::salto_ship::xml::Element;
use reqwest::{StatusCode, header};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::NAME;
use super::config::{Access, SaltoShipConfig};
use super::errors;
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::http::{ExchangeError, HttpClients, exchange};
use crate::meter::CallMeter;
use crate::registry::Parts;
use crate::salto::{self, Operation, below};
use crate::watch;

const CONTENT_TYPE: &str = "application/vnd.saltosystems.ship.v1+xml";
const KEY_HEADER: &str = "Salto-SHIP-Key";

/// A call's own name and nature.
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

pub(crate) struct Session {
    config: SaltoShipConfig,
    http: HttpClients,
    meter: Arc<dyn CallMeter>,
}

impl Session {
    pub(crate) fn new(config: SaltoShipConfig, parts: Parts) -> Self {
        Self { config, http: parts.http, meter: parts.meter }
    }

    pub(crate) fn config(&self) -> &SaltoShipConfig {
        &self.config
    }

    /// Calls, and returns what the answer carries.
    pub(crate) async fn call(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        params: Vec<Element>,
    ) -> Result<Vec<Element>, VendorError> {
        let started = Instant::now();
        let document = codec::encode(&Message::Call { name: verb.name.to_owned(), params });
        let result = match &self.config.access {
            Access::Stp { address } => self.by_stp(operation, verb, address, &document).await,
            Access::Http { .. } => self.by_http(operation, verb, document).await,
        };
        operation.observed(&*self.meter, NAME, verb.name, started, result)
    }

    async fn by_stp(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        address: &str,
        document: &[u8],
    ) -> Result<Vec<Element>, VendorError> {
        let lost = |error| below(NAME, verb.name, verb.mutating, error);
        let unit = if self.config.assumed.length_in_characters { Unit::Characters } else { Unit::Bytes };
        let mut stream = salto::connect(address, operation.deadline).await.map_err(lost)?;
        salto::send(&mut stream, &stp::encode(document), operation.deadline).await.map_err(lost)?;
        let mut decoder = stp::Decoder::new(unit);
        let mut buffer = vec![0; 8 * 1024];
        loop {
            let length = salto::receive(&mut stream, &mut buffer, operation.deadline).await.map_err(lost)?;
            decoder.push(buffer.get(..length).unwrap_or_default());
            match decoder.next_document() {
                Ok(Some(answer)) => return self.read(verb, &answer),
                Ok(None) => {}
                Err(_) => return Err(lost(ExchangeError::TooLarge)),
            }
        }
    }

    async fn by_http(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        document: Vec<u8>,
    ) -> Result<Vec<Element>, VendorError> {
        let Access::Http { url, basic, key } = &self.config.access else { return Err(self.bad_answer(verb)) };
        let mut request =
            self.http.for_url(url).post(url.clone()).header(header::CONTENT_TYPE, CONTENT_TYPE).body(document);
        if let Some((user, password)) = basic {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some(key) = key {
            request = request.header(KEY_HEADER, key.expose_secret());
        }
        if let Some(traceparent) = &operation.call.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let answer = exchange(request, operation.deadline)
            .await
            .map_err(|error| below(NAME, verb.name, verb.mutating, error))?;
        let refused = |condition| VendorError::new(NAME, verb.name, condition, EffectOutcome::Permanent);
        match answer.status {
            status if status.is_success() => self.read(verb, &answer.body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refused(Condition::AccessRefused)),
            StatusCode::NOT_IMPLEMENTED => Err(refused(Condition::AccessRefused)
                .advising("Switch SHIP over HTTP on in SALTO Space: System, General options, SHIP.")),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Err(refused(Condition::InvalidRequest)),
            StatusCode::TOO_MANY_REQUESTS => Err(VendorError::new(
                NAME,
                verb.name,
                Condition::RateLimited,
                EffectOutcome::Retryable { after: answer.retry_after() },
            )),
            status if status.is_server_error() => Err(self.failure(verb, Condition::ServerError)),
            _ => Err(self.bad_answer(verb)),
        }
    }

    fn read(&self, verb: Verb, document: &[u8]) -> Result<Vec<Element>, VendorError> {
        match codec::decode(document) {
            Ok(Message::Reply { name, params }) if name == verb.name => {
                watch::elements(verb.name, &params);
                Ok(params)
            }
            Ok(Message::Exception { name, code, .. }) if name == verb.name => {
                Err(errors::error(verb.name, code, verb.mutating, self.config.assumed.vague_failure_is_unconfirmed))
            }
            _ => Err(self.bad_answer(verb)),
        }
    }

    fn failure(&self, verb: Verb, condition: Condition) -> VendorError {
        let retry = EffectOutcome::Retryable { after: None };
        let outcome = if verb.mutating { EffectOutcome::Unconfirmed } else { retry };
        VendorError::new(NAME, verb.name, condition, outcome)
    }

    /// An answer that can't be read: after a change nobody knows.
    pub(crate) fn bad_answer(&self, verb: Verb) -> VendorError {
        self.failure(verb, Condition::BadAnswer)
    }
}
