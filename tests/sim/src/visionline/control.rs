//! The control paths under `/sim`, JSON in and out, on a port of their own without TLS. They belong to the test, not to the vendor, and
//! no fault touches them.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use super::sim::VisionlineSim;
use super::views::{
    CardState, DoorPatch, DoorState, EncoderPatch, EncoderState, Fingerprints, JournalEntry, PolicyPatch, Stats,
    TryOutcome,
};
use crate::control::{ClockBody, Since, found};
use crate::fault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedBody {
    doors: usize,
    #[serde(default = "one")]
    encoders: usize,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TryBody {
    card: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointBody {
    endpoint: String,
    status: String,
}

type Sim = State<VisionlineSim>;

pub(crate) fn routes() -> Router<VisionlineSim> {
    Router::new()
        .route("/sim/health", get(async || "ok"))
        .route("/sim/certificate", get(certificate))
        .route("/sim/seed", post(seed))
        .route("/sim/doors", get(doors))
        .route("/sim/doors/{name}", patch(patch_door))
        .route("/sim/doors/{name}/try", post(hold))
        .route("/sim/encoders", get(encoders))
        .route("/sim/encoders/{name}", patch(patch_encoder))
        .route("/sim/policy", patch(patch_policy))
        .route("/sim/sessions/revoke", post(revoke))
        .route("/sim/clock", post(set_clock))
        .route("/sim/endpoints", post(endpoint))
        .merge(fault::routes())
        .route("/sim/stats", get(stats))
        .route("/sim/cards", get(cards))
        .route("/sim/journal", get(journal))
        .route("/sim/callbacks", get(callbacks))
}

async fn certificate(State(sim): Sim) -> Json<Fingerprints> {
    Json(sim.fingerprints())
}

async fn seed(State(sim): Sim, Json(body): Json<SeedBody>) -> Json<Vec<String>> {
    Json(sim.seed(body.doors, body.encoders))
}

async fn doors(State(sim): Sim) -> Json<Vec<DoorState>> {
    Json(sim.doors())
}

async fn patch_door(State(sim): Sim, Path(name): Path<String>, Json(change): Json<DoorPatch>) -> StatusCode {
    found(sim.patch_door(&name, &change))
}

async fn hold(
    State(sim): Sim,
    Path(name): Path<String>,
    Json(body): Json<TryBody>,
) -> Result<Json<TryOutcome>, StatusCode> {
    sim.hold(&name, body.card).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn encoders(State(sim): Sim) -> Json<Vec<EncoderState>> {
    Json(sim.encoders())
}

async fn patch_encoder(State(sim): Sim, Path(name): Path<String>, Json(change): Json<EncoderPatch>) -> StatusCode {
    found(sim.patch_encoder(&name, &change))
}

async fn patch_policy(State(sim): Sim, Json(change): Json<PolicyPatch>) -> StatusCode {
    sim.patch_policy(&change);
    StatusCode::NO_CONTENT
}

async fn revoke(State(sim): Sim) -> StatusCode {
    sim.revoke_sessions();
    StatusCode::NO_CONTENT
}

async fn set_clock(State(sim): Sim, Json(body): Json<ClockBody>) -> StatusCode {
    sim.set_clock(body.offset_ms);
    StatusCode::NO_CONTENT
}

async fn endpoint(State(sim): Sim, Json(body): Json<EndpointBody>) -> StatusCode {
    sim.endpoint_callback(&body.endpoint, &body.status);
    StatusCode::NO_CONTENT
}

async fn stats(State(sim): Sim) -> Json<Stats> {
    Json(sim.stats())
}

async fn cards(State(sim): Sim) -> Json<Vec<CardState>> {
    Json(sim.cards())
}

async fn journal(State(sim): Sim, Query(since): Query<Since>) -> Json<Vec<JournalEntry>> {
    Json(sim.journal(since.since))
}

async fn callbacks(State(sim): Sim) -> Json<Vec<Value>> {
    Json(sim.callbacks())
}
