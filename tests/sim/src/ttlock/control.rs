//! The control paths under `/sim`, JSON in and out. They belong to the test, not to the vendor, and no fault touches them.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::callbacks::{CallbackOrder, CallbackSent};
use super::journal::JournalEntry;
use super::seed::{SeedSpec, Seeded};
use super::sim::TtlockSim;
use super::stats::Stats;
use super::views::{
    CredentialState, GatewayPatch, GatewayState, LockAlarm, LockPatch, LockState, PolicyPatch, TokenExpiry, TryOutcome,
};
use crate::control::{ClockBody, Since, found};
use crate::fault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TryBody {
    pin: String,
}

#[derive(Serialize)]
struct ClockState {
    now: i64,
    offset_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpireBody {
    what: TokenExpiry,
}

type Sim = State<TtlockSim>;

pub(crate) fn routes() -> Router<TtlockSim> {
    Router::new()
        .route("/sim/health", get(async || "ok"))
        .route("/sim/seed", post(seed))
        .route("/sim/locks", get(locks))
        .route("/sim/locks/{id}", get(lock).merge(patch(patch_lock)))
        .route("/sim/locks/{id}/try", post(try_pin))
        .route("/sim/locks/{id}/alarm", post(alarm))
        .route("/sim/locks/{id}/carry", post(carry))
        .route("/sim/gateways", get(gateways))
        .route("/sim/gateways/{id}", patch(patch_gateway))
        .route("/sim/policy", patch(patch_policy))
        .route("/sim/tokens/expire", post(expire))
        .route("/sim/clock", get(clock).post(set_clock))
        .merge(fault::routes())
        .route("/sim/stats", get(stats))
        .route("/sim/credentials", get(credentials))
        .route("/sim/journal", get(journal))
        .route("/sim/callbacks", get(callbacks).put(set_callbacks))
        .route("/sim/callbacks/release", post(release_callbacks))
}

async fn seed(State(sim): Sim, Json(spec): Json<SeedSpec>) -> Json<Seeded> {
    Json(sim.seed(&spec))
}

async fn locks(State(sim): Sim) -> Json<Vec<LockState>> {
    Json(sim.locks())
}

async fn lock(State(sim): Sim, Path(id): Path<i64>) -> Result<Json<LockState>, StatusCode> {
    sim.lock(id).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn patch_lock(State(sim): Sim, Path(id): Path<i64>, Json(change): Json<LockPatch>) -> StatusCode {
    found(sim.patch_lock(id, &change))
}

async fn try_pin(
    State(sim): Sim,
    Path(id): Path<i64>,
    Json(body): Json<TryBody>,
) -> Result<Json<TryOutcome>, StatusCode> {
    sim.try_pin(id, &body.pin).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn alarm(State(sim): Sim, Path(id): Path<i64>, Json(order): Json<LockAlarm>) -> StatusCode {
    found(sim.alarm(id, order))
}

async fn carry(State(sim): Sim, Path(id): Path<i64>) -> StatusCode {
    found(sim.carry_records(id))
}

async fn gateways(State(sim): Sim) -> Json<Vec<GatewayState>> {
    Json(sim.gateways())
}

async fn patch_gateway(State(sim): Sim, Path(id): Path<i64>, Json(change): Json<GatewayPatch>) -> StatusCode {
    found(sim.patch_gateway(id, &change))
}

async fn patch_policy(State(sim): Sim, Json(change): Json<PolicyPatch>) -> StatusCode {
    sim.patch_policy(&change);
    StatusCode::NO_CONTENT
}

async fn expire(State(sim): Sim, Json(body): Json<ExpireBody>) -> StatusCode {
    sim.expire_tokens(body.what);
    StatusCode::NO_CONTENT
}

async fn clock(State(sim): Sim) -> Json<ClockState> {
    let world = sim.world();
    Json(ClockState { now: world.now(), offset_ms: world.offset_ms })
}

async fn set_clock(State(sim): Sim, Json(body): Json<ClockBody>) -> Json<ClockState> {
    sim.set_clock(body.offset_ms);
    clock(State(sim)).await
}

async fn stats(State(sim): Sim) -> Json<Stats> {
    Json(sim.stats())
}

async fn credentials(State(sim): Sim) -> Json<Vec<CredentialState>> {
    Json(sim.credentials())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    #[serde(default)]
    reversed: bool,
}

async fn callbacks(State(sim): Sim) -> Json<Vec<CallbackSent>> {
    Json(sim.callbacks())
}

async fn set_callbacks(State(sim): Sim, Json(order): Json<CallbackOrder>) -> StatusCode {
    sim.set_callbacks(order);
    StatusCode::NO_CONTENT
}

async fn release_callbacks(State(sim): Sim, Json(body): Json<ReleaseBody>) -> StatusCode {
    sim.release_callbacks(body.reversed);
    StatusCode::NO_CONTENT
}

async fn journal(State(sim): Sim, Query(since): Query<Since>) -> Json<Vec<JournalEntry>> {
    Json(sim.journal(since.since))
}
