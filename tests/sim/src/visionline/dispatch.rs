//! From an HTTP request to the vendor's answer, with the fault that is ordered for it.
//!
//! The work runs in a task of its own: a caller who hangs up does not undo what the server has begun, as in life.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};

use super::auth;
use super::calls::{Call, Refusal, failure};
use super::cards::{self, Standing, Wanted};
use super::encoder;
use super::fault::FaultKind;
use super::sim::VisionlineSim;
use super::world::Delivery;
use crate::conn::{Line, torn};
use crate::fault;

const LARGEST: usize = 1024 * 1024;
const JSON: &str = "application/json;charset=utf-8";
const PAGE: &str = "<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body></body></html>";

type Params = BTreeMap<String, String>;
type Answer = (StatusCode, Value);

/// How the exchange ends.
enum Ending {
    Answer(Answer),
    Plain(Response),
    Half(Value),
    Reset(Value),
    Silence,
    Cut,
}

/// Answers everything on the vendor's port.
pub(crate) async fn handle(
    State(sim): State<VisionlineSim>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(Query(params)) = Query::<Params>::try_from_uri(&parts.uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(call) = Call::of(&parts.method, parts.uri.path(), params.get("action").map(String::as_str)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let acting = Acting { sim: sim.clone(), call, parts, params, body };
    let work = tokio::spawn(process(acting));
    let ending = work.await.unwrap_or_else(|_| Ending::Plain(StatusCode::INTERNAL_SERVER_ERROR.into_response()));
    let mut response = match ending {
        Ending::Answer((status, body)) => {
            count(&sim, status);
            json_response(status, body.to_string())
        }
        Ending::Plain(response) => {
            count(&sim, response.status());
            response
        }
        Ending::Half(body) => {
            let mut text = body.to_string();
            text.truncate(text.len() / 2);
            json_response(StatusCode::CREATED, text)
        }
        Ending::Reset(body) => {
            let mut response = torn(StatusCode::CREATED, &body.to_string());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
            response
        }
        Ending::Silence => line.keep_silent(sim.stopped()).await,
        Ending::Cut => line.drop_answer(),
    };
    let date = sim.world().server_clock().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = date.parse() {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

fn count(sim: &VisionlineSim, status: StatusCode) {
    let mut world = sim.world();
    *world.stats.statuses.entry(status.as_u16().to_string()).or_default() += 1;
}

fn json_response(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], text).into_response()
}

async fn process(acting: Acting) -> Ending {
    let fault = {
        let mut world = acting.sim.world();
        let verb = acting.call.verb();
        *world.stats.calls.entry(verb.to_owned()).or_default() += 1;
        if acting.parts.headers.contains_key("traceparent") {
            world.stats.traced_calls += 1;
        }
        let fault = world.faults.take(verb);
        if let Some(kind) = &fault {
            *world.stats.faults.entry(fault::name(kind)).or_default() += 1;
        }
        fault
    };
    let status = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let failed = |code, number| Ending::Answer((status(code), failure(number, "ordered")));
    match fault {
        None => Ending::Answer(acting.act().await),
        Some(FaultKind::Latency { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ending::Answer(acting.act().await)
        }
        Some(FaultKind::Down) => Ending::Plain(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        Some(FaultKind::HttpStatus { code }) => Ending::Plain((status(code), Html(PAGE)).into_response()),
        Some(FaultKind::Error { status, code }) => failed(status, code),
        Some(FaultKind::Timeout) => Ending::Silence,
        Some(FaultKind::Drop) => Ending::Cut,
        Some(FaultKind::Html) => Ending::Plain(Html(PAGE).into_response()),
        Some(FaultKind::ActThenTimeout) => {
            acting.act().await;
            Ending::Silence
        }
        Some(FaultKind::ActThenDrop) => {
            acting.act().await;
            Ending::Cut
        }
        Some(FaultKind::ActThenError { status, code }) => {
            acting.act().await;
            failed(status, code)
        }
        Some(FaultKind::ResetMidBody) => Ending::Reset(acting.act().await.1),
        Some(FaultKind::Garbage) => Ending::Half(acting.act().await.1),
        Some(FaultKind::WrongTypes) => {
            acting.act().await;
            Ending::Answer((StatusCode::CREATED, wrong()))
        }
        Some(FaultKind::Huge) => {
            acting.act().await;
            Ending::Plain(json_response(StatusCode::CREATED, " ".repeat(10 * 1024 * 1024)))
        }
        Some(FaultKind::Duplicate) => {
            acting.act().await;
            Ending::Answer(acting.act().await)
        }
        Some(FaultKind::Redirect) => {
            Ending::Plain((StatusCode::FOUND, [(header::LOCATION, "https://192.0.2.1/login")]).into_response())
        }
        Some(FaultKind::RateLimited { retry_after_s }) => {
            let mut response = StatusCode::TOO_MANY_REQUESTS.into_response();
            if let Some(seconds) = retry_after_s {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            Ending::Plain(response)
        }
        Some(FaultKind::SessionRevoked) => {
            acting.sim.revoke_sessions();
            Ending::Answer(acting.act().await)
        }
    }
}

/// All fields that the API has, each of a type that it never has.
fn wrong() -> Value {
    json!({
        "id": { "a": 1 }, "accessKey": 7, "credentialID": [1], "description": 1, "doorName": {}, "name": [],
        "startTime": 20_261_123, "cancelled": "no",
    })
}

/// A request that is ready to be carried out, any number of times.
struct Acting {
    sim: VisionlineSim,
    call: Call,
    parts: Parts,
    params: Params,
    body: Bytes,
}

impl Acting {
    async fn act(&self) -> Answer {
        self.try_act().await.unwrap_or_else(|refusal| (refusal.status, refusal.body()))
    }

    async fn try_act(&self) -> Result<Answer, Refusal> {
        if self.call == Call::Open {
            return auth::open(&mut self.sim.world(), &self.parts, &self.body);
        }
        let session = auth::check(&mut self.sim.world(), &self.parts, &self.body)?;
        match &self.call {
            Call::Open => Err(Refusal::new(StatusCode::BAD_REQUEST, 1001, "opened already")),
            Call::Close(id) => {
                let own = *id == session;
                let gone = own && self.sim.world().sessions.remove(id).is_some();
                let status = if gone { StatusCode::OK } else { StatusCode::NOT_FOUND };
                Ok((status, Value::Null))
            }
            Call::Encode => self.encode().await,
            Call::Mobile => self.mobile(),
            Call::Cards => {
                let door = self.params.get("guestDoor");
                let door = door.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, 2001, "guestDoor is needed"))?;
                Ok((StatusCode::OK, cards::of_door(&self.sim.world(), door)?))
            }
            Call::Doors => Ok((StatusCode::OK, self.doors())),
            Call::CheckOut(door) => {
                let keys = cards::check_out(&mut self.sim.world(), door, &self.body)?;
                for key in keys {
                    self.sim.deliver(key, Delivery::Revoked);
                }
                Ok((StatusCode::OK, json!({ "id": door })))
            }
            Call::Encoders => {
                let row = |encoder: super::EncoderState| json!({ "name": encoder.name, "online": encoder.online });
                Ok((StatusCode::OK, self.sim.encoders().into_iter().map(row).collect()))
            }
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.params.get(name).map(String::as_str) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, 2001, "a flag is true or false")),
        }
    }

    /// `autoJoin` and `override` exclude one another. A card without either is a new guest's.
    fn standing(&self) -> Result<Standing, Refusal> {
        match (self.flag("autoJoin")?, self.flag("override")?) {
            (true, true) => Err(Refusal::new(StatusCode::BAD_REQUEST, 2001, "join or override")),
            (true, false) => Ok(Standing::Joins),
            (false, _) => Ok(Standing::Overrides),
        }
    }

    async fn encode(&self) -> Result<Answer, Refusal> {
        let (standing, overwrite) = (self.standing()?, self.flag("overwriteValidCard")?);
        let wanted = Wanted::read(&self.sim.world(), &self.body, false)?;
        let name = self.params.get("encoder").map(String::as_str).unwrap_or_default();
        let serial = encoder::card(&self.sim, name).await?;
        let made = cards::make(&mut self.sim.world(), &wanted, standing, Some(serial), overwrite);
        encoder::release(&self.sim, name);
        Ok((StatusCode::CREATED, json!({ "id": made? })))
    }

    fn mobile(&self) -> Result<Answer, Refusal> {
        let standing = self.standing()?;
        let id = {
            let mut world = self.sim.world();
            let wanted = Wanted::read(&world, &self.body, true)?;
            cards::make(&mut world, &wanted, standing, None, false)?
        };
        self.sim.deliver(id, Delivery::Issued);
        Ok((StatusCode::CREATED, json!({ "credentialID": format!("c{id}") })))
    }

    fn doors(&self) -> Value {
        let details = self.params.get("details").is_some_and(|flag| flag == "true");
        let row = |(number, door): (usize, super::DoorState)| {
            let mut row = json!({ "doorID": number + 1, "doorName": door.name });
            if details {
                row["localName"] = format!("Room {}", door.name).into();
                row["doorType"] = "GUEST_ROOM".into();
                row["online"] = door.online.into();
            }
            row
        };
        self.sim.doors().into_iter().enumerate().map(row).collect()
    }
}
