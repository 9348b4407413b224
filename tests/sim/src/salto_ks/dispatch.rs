//! From an HTTP request to the vendor's answer, with the fault that is ordered for it.
//!
//! The work runs in a task of its own: a caller who hangs up does not undo what the cloud has begun, as in life.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{ConnectInfo, Form, FromRequest, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Map, Value, json};

use super::auth;
use super::fault::FaultKind;
use super::routes::{self, Asked, Handler, Route};
use super::sim::SaltoKsSim;
use super::site;
use super::world::{BAD_PARAMETER, Failure, INVALID, Outcome, World};
use crate::conn::{Line, PORTAL, torn};
use crate::fault;

const LARGEST_BODY: usize = 64 * 1024;
const HUGE: usize = 10 * 1024 * 1024;
const TOKEN: &str = "POST connect/token";

/// What is asked for.
enum Work {
    Token(BTreeMap<String, String>),
    Site(Handler),
    Refused(Failure),
}

/// A request that is ready to be carried out, any number of times.
struct Acting {
    sim: SaltoKsSim,
    work: Work,
    authorization: Option<String>,
    version: String,
    path: Vec<String>,
    query: BTreeMap<String, String>,
    body: Result<Option<Value>, Failure>,
}

/// How the exchange ends.
enum Ending {
    Answer(Outcome),
    Page(u16, Option<u64>),
    Half(Outcome),
    MidBody(Outcome),
    Twisted(Outcome),
    Huge,
    Redirect,
    Silence,
    Cut,
}

/// Answers everything that is neither a control path nor the stream.
pub(crate) async fn handle(
    State(sim): State<SaltoKsSim>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let Some((name, acting)) = read(&sim, request).await else {
        let mut world = sim.world();
        count(&mut world, "unknown");
        drop(world);
        return StatusCode::NOT_FOUND.into_response();
    };
    let work = tokio::spawn(process(name, acting));
    let ending = work.await.unwrap_or(Ending::Page(500, None));
    answer(&sim, &line, ending).await
}

/// Plays a fault on a path that is not one of these calls, such as the stream's; true when it is answered with that.
pub(crate) async fn fault_only(sim: &SaltoKsSim, line: &Line, name: &str) -> Option<Response> {
    let fault = {
        let mut world = sim.world();
        count(&mut world, name);
        let fault = world.faults.take(name)?;
        *world.stats.faults.entry(fault::name(&fault)).or_default() += 1;
        fault
    };
    let ending = match fault {
        FaultKind::Status { status, code: Some(code), .. } => Ending::Answer(Err(Failure::Code(status, code, "Fault"))),
        FaultKind::Status { status, retry_after, .. } => Ending::Page(status, retry_after),
        FaultKind::Timeout | FaultKind::ActThenTimeout => Ending::Silence,
        FaultKind::Html => Ending::Page(200, None),
        FaultKind::Huge => Ending::Huge,
        FaultKind::Redirect => Ending::Redirect,
        FaultKind::Garbage => Ending::Half(Ok((200, json!({ "connectionToken": "x" })))),
        FaultKind::Down => Ending::Page(503, None),
        _ => Ending::Cut,
    };
    Some(answer(sim, line, ending).await)
}

async fn read(sim: &SaltoKsSim, request: Request) -> Option<(&'static str, Acting)> {
    let method = request.method().as_str().to_owned();
    let segments: Vec<String> =
        request.uri().path().trim_matches('/').split('/').map(std::borrow::ToOwned::to_owned).collect();
    let query = Query::<BTreeMap<String, String>>::try_from_uri(request.uri()).map(|query| query.0).unwrap_or_default();
    let authorization = text(request.headers(), header::AUTHORIZATION);
    if request.headers().contains_key("traceparent") {
        let mut world = sim.world();
        world.stats.traced_calls = world.stats.traced_calls.saturating_add(1);
    }
    let mut acting = Acting {
        sim: sim.clone(),
        work: Work::Refused(Failure::Bare(404)),
        authorization,
        version: segments.first().cloned().unwrap_or_default(),
        path: segments.get(3..).unwrap_or_default().to_vec(),
        query,
        body: Ok(None),
    };
    if segments == ["connect", "token"] {
        if method != "POST" {
            return None;
        }
        let form = Form::<BTreeMap<String, String>>::from_request(request, &()).await;
        acting.work = form.map_or(Work::Refused(Failure::OAuth("invalid_request")), |form| Work::Token(form.0));
        return Some((TOKEN, acting));
    }
    if segments.get(1).map(String::as_str) != Some("sites") {
        return None;
    }
    if segments.len() == 2 && method == "GET" && acting.version == "v1.2" {
        acting.work = Work::Site(site::sites);
        return Some(("GET sites", acting));
    }
    let site = segments.get(2).cloned().unwrap_or_default();
    let name = match routes::find(&method, &acting.version, &acting.path) {
        Route::Call(name, handler) => {
            acting.work = Work::Site(handler);
            name
        }
        Route::NotAllowed => {
            acting.work = Work::Refused(Failure::Bare(405));
            "wrong version"
        }
        Route::Forbidden => {
            acting.work = Work::Refused(Failure::Problem(403));
            "permissions"
        }
        Route::Unknown => return None,
    };
    let known = sim.world().site_id == site;
    if !known && matches!(acting.work, Work::Site(..)) {
        // The short code on the box is no id.
        acting.work = Work::Refused(BAD_PARAMETER);
    }
    acting.body = body(&method, request).await;
    Some((name, acting))
}

async fn body(method: &str, request: Request) -> Result<Option<Value>, Failure> {
    if matches!(method, "GET" | "DELETE") {
        return Ok(None);
    }
    let is_json =
        text(request.headers(), header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json {
        return Err(Failure::Bare(415));
    }
    let bytes = axum::body::to_bytes(request.into_body(), LARGEST_BODY).await.map_err(|_| Failure::Bare(413))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| INVALID)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

pub(crate) fn count(world: &mut World, name: &str) {
    *world.stats.calls.entry(name.to_owned()).or_default() += 1;
}

async fn process(name: &'static str, acting: Acting) -> Ending {
    let fault = {
        let mut world = acting.sim.world();
        count(&mut world, name);
        let fault = world.faults.take(name);
        if let Some(kind) = &fault {
            *world.stats.faults.entry(fault::name(kind)).or_default() += 1;
        }
        fault
    };
    match fault {
        None => Ending::Answer(acting.act()),
        Some(FaultKind::Latency { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ending::Answer(acting.act())
        }
        Some(FaultKind::Down) => Ending::Page(503, None),
        Some(FaultKind::Status { status, code: Some(code), .. }) => {
            Ending::Answer(Err(Failure::Code(status, code, "Fault")))
        }
        Some(FaultKind::Status { status, retry_after, .. }) => Ending::Page(status, retry_after),
        Some(FaultKind::Timeout) => Ending::Silence,
        Some(FaultKind::Drop) => Ending::Cut,
        Some(FaultKind::Html) => Ending::Page(200, None),
        Some(FaultKind::Redirect) => Ending::Redirect,
        Some(FaultKind::ActThenTimeout) => {
            let _ = acting.act();
            Ending::Silence
        }
        Some(FaultKind::ActThenDrop) => {
            let _ = acting.act();
            Ending::Cut
        }
        Some(FaultKind::ActThenStatus { status }) => {
            let _ = acting.act();
            Ending::Page(status, None)
        }
        Some(FaultKind::MidBody) => Ending::MidBody(acting.act()),
        Some(FaultKind::Garbage) => Ending::Half(acting.act()),
        Some(FaultKind::WrongTypes) => Ending::Twisted(acting.act()),
        Some(FaultKind::Huge) => {
            let _ = acting.act();
            Ending::Huge
        }
        Some(FaultKind::Duplicate) => {
            let _ = acting.act();
            Ending::Answer(acting.act())
        }
    }
}

impl Acting {
    fn act(&self) -> Outcome {
        let mut world = self.sim.world();
        let handler = match &self.work {
            Work::Token(form) => return auth::token(&mut world, self.authorization.as_deref(), form),
            Work::Refused(failure @ Failure::OAuth(_)) => return Err(failure.clone()),
            Work::Site(handler) => Ok(*handler),
            Work::Refused(failure) => Err(failure.clone()),
        };
        auth::check(&world, self.authorization.as_deref())?;
        let body = self.body.clone()?;
        let asked = Asked { version: &self.version, path: &self.path, query: &self.query, body };
        handler?(&mut world, &asked)
    }
}

async fn answer(sim: &SaltoKsSim, line: &Line, ending: Ending) -> Response {
    let mut response = match ending {
        Ending::Answer(outcome) => {
            let (status, body) = shown(sim, outcome);
            respond(status, body)
        }
        Ending::Page(status, retry_after) => page(status, retry_after),
        Ending::Half(outcome) => {
            let (status, mut body) = shown(sim, outcome);
            body.truncate(body.len() / 2);
            respond(status, body)
        }
        Ending::MidBody(outcome) => {
            let (status, body) = shown(sim, outcome);
            torn(status, &body)
        }
        Ending::Twisted(outcome) => {
            let (status, body) = shown(sim, outcome);
            let value = serde_json::from_str(&body).unwrap_or(Value::Null);
            respond(status, twist(value).to_string())
        }
        Ending::Huge => respond(StatusCode::OK, format!("[\"{}\"]", "x".repeat(HUGE))),
        Ending::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Ending::Silence => line.keep_silent(sim.stopped()).await,
        Ending::Cut => line.drop_answer(),
    };
    let now = sim.world().now();
    let date = Timestamp::from_millisecond(now)
        .ok()
        .and_then(|now| DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok())
        .and_then(|date| date.parse().ok());
    if let Some(date) = date {
        response.headers_mut().insert(header::DATE, date);
    }
    let status = response.status().as_u16();
    *sim.world().stats.statuses.entry(status).or_default() += 1;
    response
}

/// Status and body as the vendor writes them.
fn shown(sim: &SaltoKsSim, outcome: Outcome) -> (StatusCode, String) {
    let as_text = sim.world().policy.codes_as_text;
    let (status, body) = match outcome {
        Ok((status, body)) => (status, body),
        Err(Failure::Code(status, code, message)) => {
            let code = if as_text { json!(code.to_string()) } else { json!(code) };
            (status, json!({ "ErrorCode": code, "Message": message }))
        }
        Err(Failure::Problem(status)) => {
            (status, json!({ "type": "about:blank", "title": "Forbidden", "status": status }))
        }
        Err(Failure::OAuth(word)) => (400, json!({ "error": word })),
        Err(Failure::Bare(status)) => (status, Value::Null),
    };
    let text = if body.is_null() { String::new() } else { body.to_string() };
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), text)
}

fn respond(status: StatusCode, body: String) -> Response {
    if body.is_empty() {
        return status.into_response();
    }
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

fn page(status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, "text/html")], PORTAL).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Everything of another type than it was.
fn twist(value: Value) -> Value {
    match value {
        Value::String(_) => json!(7),
        Value::Number(number) => json!(number.to_string()),
        Value::Bool(_) => json!("perhaps"),
        Value::Null => json!([]),
        Value::Array(rows) => Value::Array(rows.into_iter().map(twist).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, twist(value))).collect::<Map<_, _>>())
        }
    }
}
