//! From an HTTP request to the vendor's answer, with the fault that is ordered for it.
//!
//! The work runs in a task of its own: a caller who hangs up does not undo what the cloud has begun, as in life.

use std::time::Duration;

use axum::extract::{ConnectInfo, Form, FromRequest, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use super::auth;
use super::calls::{self, Call};
use super::errcode::{Errcode, INVALID_PARAMETER};
use super::fault::FaultKind;
use super::params::Params;
use super::radio::{self, Radio};
use super::sim::TtlockSim;
use crate::conn::{Line, PORTAL};
use crate::fault;

const TOKEN_PATH: &str = "oauth2/token";

type Pairs = Vec<(String, String)>;

/// How the exchange ends.
enum Ending {
    Answer(Value),
    Status(StatusCode),
    Page,
    HalfAnswer(Value),
    Silence,
    Cut,
}

/// Answers everything that is not a control path.
pub(crate) async fn handle(
    State(sim): State<TtlockSim>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let path = request.uri().path().trim_matches('/');
    let verb = path.strip_prefix("v3/").unwrap_or(path).to_owned();
    let known = verb == TOKEN_PATH || calls::find(&verb).is_some();
    if !known {
        sim.world().stats.call("unknown");
        return StatusCode::NOT_FOUND.into_response();
    }
    let post = request.method() == Method::POST;
    if let Some(traceparent) = request.headers().get("traceparent") {
        let text = String::from_utf8_lossy(traceparent.as_bytes()).into_owned();
        let mut world = sim.world();
        world.stats.traced_calls = world.stats.traced_calls.saturating_add(1);
        world.stats.last_traceparent.insert(verb.clone(), text);
    }
    let params = read_params(request).await;
    let work = tokio::spawn(process(sim.clone(), verb, post, params));
    match work.await.unwrap_or(Ending::Status(StatusCode::INTERNAL_SERVER_ERROR)) {
        Ending::Answer(body) => json(body.to_string()),
        Ending::Status(status) => (status, Html(PORTAL)).into_response(),
        Ending::Page => Html(PORTAL).into_response(),
        Ending::HalfAnswer(body) => {
            let mut text = body.to_string();
            text.truncate(text.len() / 2);
            json(text)
        }
        Ending::Silence => line.keep_silent(sim.stopped()).await,
        Ending::Cut => line.drop_answer(),
    }
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json;charset=UTF-8")], text).into_response()
}

async fn read_params(request: Request) -> Result<Params, Errcode> {
    let Query(query) = Query::<Pairs>::try_from_uri(request.uri()).map_err(|_| INVALID_PARAMETER)?;
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let form = if is_form && request.method() == Method::POST {
        Form::<Pairs>::from_request(request, &()).await.map_err(|_| INVALID_PARAMETER)?.0
    } else {
        Pairs::new()
    };
    Ok(Params::merge(query, form))
}

async fn process(sim: TtlockSim, verb: String, post: bool, params: Result<Params, Errcode>) -> Ending {
    let fault = {
        let mut world = sim.world();
        world.stats.call(&verb);
        let lock = params.as_ref().ok().and_then(|params| params.number("lockId").ok().flatten());
        let fault = world.faults.take_at(&verb, lock);
        if let Some(kind) = &fault {
            world.stats.fault(&fault::name(kind));
            world.touch();
        }
        fault
    };
    let acting = Acting { sim, verb, post, params };
    let ending = match fault {
        None => Ending::Answer(acting.act(0).await),
        Some(FaultKind::Latency { ms }) => Ending::Answer(acting.act(ms).await),
        Some(FaultKind::Down) => Ending::Status(StatusCode::SERVICE_UNAVAILABLE),
        Some(FaultKind::HttpStatus { code }) => {
            Ending::Status(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Some(FaultKind::Errcode { n }) => Ending::Answer(Errcode(n).body()),
        Some(FaultKind::Timeout) => Ending::Silence,
        Some(FaultKind::Drop) => Ending::Cut,
        Some(FaultKind::Html) => Ending::Page,
        Some(FaultKind::ActThenTimeout) => {
            acting.act(0).await;
            Ending::Silence
        }
        Some(FaultKind::ActThenDrop) => {
            acting.act(0).await;
            Ending::Cut
        }
        Some(FaultKind::ActThenErrcode { n }) => {
            acting.act(0).await;
            Ending::Answer(Errcode(n).body())
        }
        Some(FaultKind::Garbage) => Ending::HalfAnswer(acting.act(0).await),
        Some(FaultKind::Renamed) => Ending::Answer(renamed(acting.act(0).await)),
        Some(FaultKind::WrongTypes) => Ending::Answer(retyped(acting.act(0).await)),
        Some(FaultKind::Duplicate) => {
            acting.act(0).await;
            Ending::Answer(acting.act(0).await)
        }
    };
    if let Ending::Answer(body) = &ending {
        let code = body.get("errcode").and_then(Value::as_i64).unwrap_or(0);
        acting.sim.world().stats.errcode(code);
    }
    ending
}

/// The same answer in an interface whose fields are called otherwise; only the vendor's numbers keep their names.
fn renamed(answer: Value) -> Value {
    match answer {
        Value::Array(items) => items.into_iter().map(renamed).collect(),
        Value::Object(fields) => {
            let name = |name: String| if name.starts_with("err") { name } else { format!("{name}V4") };
            fields.into_iter().map(|(key, value)| (name(key), renamed(value))).collect()
        }
        other => other,
    }
}

/// The same answer with other types; only the vendor's numbers stay numbers.
fn retyped(answer: Value) -> Value {
    match answer {
        Value::Array(items) => items.into_iter().map(retyped).collect(),
        Value::Object(fields) => {
            let value = |key: &str, value| if key.starts_with("err") { value } else { retyped(value) };
            fields.into_iter().map(|(key, old)| (key.clone(), value(&key, old))).collect()
        }
        Value::Number(number) => Value::String(number.to_string()),
        Value::String(text) => Value::from(text.len()),
        other => other,
    }
}

/// A request that is ready to be carried out, any number of times.
struct Acting {
    sim: TtlockSim,
    verb: String,
    post: bool,
    params: Result<Params, Errcode>,
}

impl Acting {
    /// Carries it out `delay_ms` from now and returns the answer's body.
    async fn act(&self, delay_ms: u64) -> Value {
        self.try_act(delay_ms).await.unwrap_or_else(Errcode::body)
    }

    async fn try_act(&self, delay_ms: u64) -> Result<Value, Errcode> {
        let params = self.params.as_ref().map_err(|code| *code)?;
        let Some(call) = calls::find(&self.verb) else {
            pause(delay_ms).await;
            return if self.post { auth::token(&mut self.sim.world(), params) } else { Err(INVALID_PARAMETER) };
        };
        let (caller, radio) = self.admit(call, params)?;
        let on_air = if let Radio::Gateway { latency_ms, .. } = radio { latency_ms } else { 0 };
        pause(delay_ms.saturating_add(on_air)).await;
        let mut world = self.sim.world();
        let answer = (call.run)(&mut world, &caller, params);
        radio::release(&mut world, &radio);
        answer
    }

    fn admit(&self, call: &Call, params: &Params) -> Result<(auth::Caller, Radio), Errcode> {
        let mut world = self.sim.world();
        let caller = auth::check(&mut world, params)?;
        if !call.read && !self.post {
            return Err(INVALID_PARAMETER);
        }
        if !(call.over_air)(params) {
            return Ok((caller, Radio::NotNeeded));
        }
        let lock_id = params.required_number("lockId")?;
        world.lock_of(&caller.username, lock_id)?;
        let radio = radio::take(&mut world, lock_id)?;
        Ok((caller, radio))
    }
}

async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
