//! The event stream: SignalR's negotiation, handshake, pings and messages over WebSocket. Events of a site go to whoever listens at that
//! moment; nothing is kept for those who come later.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::auth;
use super::dispatch::fault_only;
use super::sim::{SaltoKsSim, StreamEnd};
use super::views::EventForm;
use super::world::World;
use crate::conn::Line;

const END: char = '\u{1e}';
const PING_EVERY: Duration = Duration::from_secs(15);

type Params = Query<BTreeMap<String, String>>;

fn refused(sim: &SaltoKsSim, headers: &HeaderMap, query: &Params) -> Option<StatusCode> {
    let world = sim.world();
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if auth::check(&world, authorization).is_err() {
        return Some(StatusCode::UNAUTHORIZED);
    }
    (query.get("site_id") != Some(&world.site_id)).then_some(StatusCode::FORBIDDEN)
}

pub(crate) async fn negotiate(
    State(sim): State<SaltoKsSim>,
    ConnectInfo(line): ConnectInfo<Line>,
    query: Params,
    headers: HeaderMap,
) -> Response {
    if let Some(response) = fault_only(&sim, &line, "POST hub/entries/negotiate").await {
        return response;
    }
    if let Some(status) = refused(&sim, &headers, &query) {
        return status.into_response();
    }
    let mut world = sim.world();
    if world.policy.stream_elsewhere {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let token = world.uuid();
        world.elsewhere.insert(token.clone());
        return Json(json!({ "url": format!("http://{host}/elsewhere/hub?site=1"), "accessToken": token }))
            .into_response();
    }
    connection(&mut world)
}

fn connection(world: &mut World) -> Response {
    let (id, token) = (world.uuid(), world.uuid());
    world.hub_tokens.insert(token.clone());
    Json(json!({
        "negotiateVersion": 1, "connectionId": id, "connectionToken": token,
        "availableTransports": [{ "transport": "WebSockets", "transferFormats": ["Text", "Binary"] }],
    }))
    .into_response()
}

/// The other server knows its own tokens and no other.
fn known_elsewhere(sim: &SaltoKsSim, headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")).is_some_and(|token| sim.world().elsewhere.contains(token))
}

pub(crate) async fn negotiate_elsewhere(State(sim): State<SaltoKsSim>, headers: HeaderMap) -> Response {
    if !known_elsewhere(&sim, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    connection(&mut sim.world())
}

pub(crate) async fn connect_elsewhere(
    State(sim): State<SaltoKsSim>,
    ConnectInfo(line): ConnectInfo<Line>,
    query: Params,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !known_elsewhere(&sim, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    admit(sim, line, &query, upgrade)
}

pub(crate) async fn connect(
    State(sim): State<SaltoKsSim>,
    ConnectInfo(line): ConnectInfo<Line>,
    query: Params,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Some(response) = fault_only(&sim, &line, "GET hub/entries").await {
        return response;
    }
    if let Some(status) = refused(&sim, &headers, &query) {
        return status.into_response();
    }
    admit(sim, line, &query, upgrade)
}

fn admit(sim: SaltoKsSim, line: Line, query: &Params, upgrade: WebSocketUpgrade) -> Response {
    // A connection's token is good once.
    let known = query.get("id").is_some_and(|id| sim.world().hub_tokens.remove(id));
    if !known {
        return StatusCode::NOT_FOUND.into_response();
    }
    upgrade.on_upgrade(async move |socket| serve(sim, line, socket).await)
}

async fn serve(sim: SaltoKsSim, line: Line, mut socket: WebSocket) {
    let (mut events, mut ends) = (sim.world().events.subscribe(), sim.stream_ends());
    ends.mark_unchanged();
    if !shake(&mut socket).await {
        return;
    }
    {
        let mut world = sim.world();
        world.stats.streams += 1;
        world.stats.streams_ever += 1;
    }
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        let text = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => message(sim.world().policy.event_form, &event),
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            },
            _ = ping.tick() => json!({ "type": 6 }).to_string(),
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_))) | Some(Err(_)) | None => break,
                Some(Ok(_)) => continue,
            },
            _ = ends.changed() => {
                let end = *ends.borrow_and_update();
                match end {
                    StreamEnd::Cut => line.cut(),
                    StreamEnd::Close => {
                        let _ = socket.send(Message::text(format!("{}{END}", json!({ "type": 7 })))).await;
                        let _ = socket.send(Message::Close(None)).await;
                    }
                }
                break;
            }
            () = sim.stopped() => break,
        };
        if socket.send(Message::text(format!("{text}{END}"))).await.is_err() {
            break;
        }
    }
    let mut world = sim.world();
    world.stats.streams = world.stats.streams.saturating_sub(1);
}

async fn shake(socket: &mut WebSocket) -> bool {
    let Some(Ok(Message::Text(text))) = socket.recv().await else { return false };
    let asked: Option<Value> = text.as_str().strip_suffix(END).and_then(|text| serde_json::from_str(text).ok());
    let good = asked.is_some_and(|asked| asked["protocol"] == "json" && asked["version"] == 1);
    let answer = if good { json!({}) } else { json!({ "error": "The protocol is not supported." }) };
    socket.send(Message::text(format!("{answer}{END}"))).await.is_ok() && good
}

fn message(form: EventForm, event: &Value) -> String {
    let argument = match form {
        EventForm::Object => event.clone(),
        EventForm::Text => json!(event.to_string()),
        EventForm::Hint => json!({ "changed": true }),
    };
    json!({ "type": 1, "target": "ReceiveMessage", "arguments": [argument] }).to_string()
}
