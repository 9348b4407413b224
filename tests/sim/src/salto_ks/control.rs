//! The control paths under `/sim`, JSON in and out. They belong to the test, not to the vendor, and no fault touches them.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::hub;
use super::seed::{SeedSpec, Seeded};
use super::sim::SaltoKsSim;
use super::views::{GroupState, JournalEntry, PolicyPatch, Stats, TokenExpiry, TryOutcome, UserState};
use crate::control::{ClockBody, Since};
use crate::fault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TryBody {
    pin: String,
    #[serde(default)]
    at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpireBody {
    what: TokenExpiry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndBody {
    #[serde(default)]
    cleanly: bool,
}

type Sim = State<SaltoKsSim>;

pub(crate) fn routes() -> Router<SaltoKsSim> {
    Router::new()
        .route("/v1/hub/entries/negotiate", post(hub::negotiate))
        .route("/v1/hub/entries", get(hub::connect))
        .route("/elsewhere/hub/negotiate", post(hub::negotiate_elsewhere))
        .route("/elsewhere/hub", get(hub::connect_elsewhere))
        .route("/sim/health", get(async || "ok"))
        .route("/sim/seed", post(seed))
        .route("/sim/locks/{id}/try", post(try_pin))
        .route("/sim/users", get(users))
        .route("/sim/groups", get(groups))
        .route("/sim/policy", patch(patch_policy))
        .route("/sim/tokens/expire", post(expire))
        .route("/sim/streams/end", post(end_streams))
        .route("/sim/clock", get(clock).post(set_clock))
        .merge(fault::routes())
        .route("/sim/stats", get(stats))
        .route("/sim/journal", get(journal))
}

async fn seed(State(sim): Sim, Json(spec): Json<SeedSpec>) -> Json<Seeded> {
    Json(sim.seed(&spec))
}

async fn try_pin(
    State(sim): Sim,
    Path(id): Path<String>,
    Json(body): Json<TryBody>,
) -> Result<Json<TryOutcome>, StatusCode> {
    let at = body.at.unwrap_or_else(|| sim.now());
    sim.opens(&id, &body.pin, at).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn users(State(sim): Sim) -> Json<Vec<UserState>> {
    Json(sim.users())
}

async fn groups(State(sim): Sim) -> Json<Vec<GroupState>> {
    Json(sim.groups())
}

async fn patch_policy(State(sim): Sim, Json(change): Json<PolicyPatch>) -> StatusCode {
    sim.patch_policy(&change);
    StatusCode::NO_CONTENT
}

async fn expire(State(sim): Sim, Json(body): Json<ExpireBody>) -> StatusCode {
    sim.expire_tokens(body.what);
    StatusCode::NO_CONTENT
}

async fn end_streams(State(sim): Sim, Json(body): Json<EndBody>) -> StatusCode {
    sim.end_streams(body.cleanly);
    StatusCode::NO_CONTENT
}

async fn clock(State(sim): Sim) -> Json<Value> {
    let world = sim.world();
    Json(json!({ "now": world.now(), "offset_ms": world.offset_ms }))
}

async fn set_clock(State(sim): Sim, Json(body): Json<ClockBody>) -> Json<Value> {
    sim.set_clock(body.offset_ms);
    clock(State(sim)).await
}

async fn stats(State(sim): Sim) -> Json<Stats> {
    Json(sim.stats())
}

async fn journal(State(sim): Sim, Query(since): Query<Since>) -> Json<Vec<JournalEntry>> {
    Json(sim.journal(since.since))
}
