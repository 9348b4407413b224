//! Misbehaviour on order, where what is behind the address takes orders: the simulators of `tests/sim` do, by their control paths. A
//! vendor's sandbox does not; then the checks that need it are skipped.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

/// An order was not taken. The text names no secret.
#[derive(Debug, thiserror::Error)]
#[error("the control interface does not take {what}: {reason}")]
pub struct FaultError {
    what: String,
    reason: String,
}

/// Orders misbehaviour, and plays the people at the vendor's devices.
#[async_trait]
pub trait Faults: Send + Sync {
    /// The next call of this verb goes wrong in this way.
    async fn order(&self, verb: &str, kind: &Value) -> Result<(), FaultError>;

    /// Nothing goes wrong any more.
    async fn clear(&self) -> Result<(), FaultError>;

    /// Ends all logins or sessions, as it happens in the middle of the day.
    async fn end_logins(&self) -> Result<(), FaultError>;

    /// Somebody takes the card off the encoder.
    async fn take_card(&self, encoder: &str) -> Result<(), FaultError>;
}

/// The control paths of a simulator in `tests/sim`.
#[derive(Debug)]
pub struct SimulatorFaults {
    http: reqwest::Client,
    url: String,
    logins: Option<(&'static str, Value)>,
    takes_cards: bool,
}

impl SimulatorFaults {
    /// The control paths at this URL, of the simulator of this vendor.
    pub fn new(url: &str, vendor: &str) -> Result<Self, FaultError> {
        crate::simulator::tls();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        let http = http.map_err(|error| FaultError { what: "a client".to_owned(), reason: error.to_string() })?;
        let logins = match vendor {
            "ttlock" | "salto_ks" => Some(("/sim/tokens/expire", json!({ "what": "access" }))),
            "visionline" => Some(("/sim/sessions/revoke", json!({}))),
            _ => None,
        };
        let takes_cards = matches!(vendor, "salto_ship" | "salto_pms");
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), logins, takes_cards })
    }

    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, FaultError> {
        let failed = |reason: String| FaultError { what: format!("{method} {path}"), reason };
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(failed(format!("{status} {text}")));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

#[async_trait]
impl Faults for SimulatorFaults {
    async fn order(&self, verb: &str, kind: &Value) -> Result<(), FaultError> {
        let mut order = kind.clone();
        order["verb"] = json!(verb);
        order["remaining"] = json!(1);
        self.send(reqwest::Method::POST, "/sim/faults", Some(&order)).await.map(drop)
    }

    async fn clear(&self) -> Result<(), FaultError> {
        self.send(reqwest::Method::DELETE, "/sim/faults", None).await.map(drop)
    }

    async fn end_logins(&self) -> Result<(), FaultError> {
        match &self.logins {
            Some((path, body)) => self.send(reqwest::Method::POST, path, Some(body)).await.map(drop),
            None => Ok(()),
        }
    }

    async fn take_card(&self, encoder: &str) -> Result<(), FaultError> {
        if !self.takes_cards {
            return Ok(());
        }
        let path = format!("/sim/encoders/{}", encoder.replace('#', "%23"));
        self.send(reqwest::Method::PATCH, &path, Some(&json!({ "take": true }))).await.map(drop)
    }
}
