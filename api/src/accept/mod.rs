//! A write, from request to answer: idempotency, one transaction, delivery, answer.
//!
//! ```text
//! tx 1: idempotency row · stay, room claims, keys with PINs · command · provisional answer · audit leaf
//! then: deliver to the stay's workflow, wait up to `wait`
//! tx 2: delivered, the final answer; or, if the workflow refused, everything that tx 1 claimed is given up again
//! ```
//! It must not know how workflows or vendors work. If the process dies after tx 1, [`crate::dispatcher`] delivers the command, and a
//! repeat of the request gets the provisional answer. If Temporal does not answer, the caller gets that answer at once.

mod divert;
mod finish;
mod guard;
mod new;
mod one_shot;
pub(crate) mod undo;
mod verbs;

pub(crate) use new::room;

use crate::{
    dto::{MoreKeys, NewStay, OneShotKey, OtherDates, OtherRoom, Replace, StayBody, TakeAway, TimesBody},
    engine::Target,
    failure, idempotency,
    intent::AskedPin,
    once::{self, First},
    pins,
    problem::Problem,
    state::AppState,
};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lock_domain::{
    Timestamp,
    command::{Command, Verb, VerbKind},
    event::Event,
    ids::{CommandId, ReservationRef},
    problem::Code,
    stay::StayRef,
};
use lock_store::{ApiKey, AskedStep, CommandRow, CommandStatus, IdempotencyScope, NewCommand, Property, TenantTx};
use std::time::Duration;
use uuid::Uuid;

/// What a request wants.
pub(crate) enum Wanted {
    New(Box<NewStay>),
    Duplicate(MoreKeys),
    Reissue(Replace),
    ModifyStay(OtherDates),
    RoomMove(OtherRoom),
    Remove(TakeAway),
    Suspend,
    Resume,
    CheckOut,
    Cancel,
    Read,
    OneShot(OneShotKey),
    /// Take a one-shot key back.
    Revoke,
    /// Go to another vendor's doors, as a drain has planned.
    Divert(AskedStep),
}

impl Wanted {
    /// Whether the request holds a PIN or a phone number.
    fn holds_secret(&self) -> bool {
        match self {
            Self::New(asked) => AskedPin::from(asked.as_ref()).is_secret(),
            Self::Duplicate(asked) => AskedPin::from(asked).is_secret(),
            Self::Reissue(asked) => AskedPin::from(asked).is_secret(),
            _ => false,
        }
    }
}

/// A write as it came in.
pub(crate) struct Ask {
    pub(crate) key: ApiKey,
    pub(crate) property: String,
    /// `None` for a new stay, whose body names it.
    pub(crate) reservation: Option<String>,
    /// The route's template, as in metrics.
    pub(crate) route: &'static str,
    pub(crate) idempotency: String,
    pub(crate) hash: [u8; 32],
    pub(crate) wait: Duration,
    pub(crate) traceparent: Option<String>,
}

/// A command that tx 1 is about to accept, with everything that it has written for it.
struct Planned {
    id: StayRef,
    command: Command,
    target: Target,
    body: StayBody,
    times: Option<TimesBody>,
    /// Whose share of commands it counts against: a room or a stay.
    counted: Uuid,
}

/// Everything that the planners share.
struct Context<'a> {
    state: &'a AppState,
    ask: &'a Ask,
    property: &'a Property,
    /// The property's present.
    now: Timestamp,
    /// Real time.
    at: Timestamp,
}

impl Ask {
    /// Reads the headers of a write.
    pub(crate) fn read(
        key: ApiKey,
        property: String,
        reservation: Option<String>,
        route: &'static str,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let idempotency = idempotency::key(headers)?;
        let traceparent = crate::trace::outgoing(headers);
        let (hash, wait) = ([0; 32], Duration::ZERO);
        Ok(Self { key, property, reservation, route, idempotency, hash, wait, traceparent })
    }

    fn scope(&self) -> IdempotencyScope<'_> {
        IdempotencyScope { client: self.key.id, route: self.route, key: &self.idempotency }
    }
}

impl Context<'_> {
    fn command(&self, verb: Verb) -> Command {
        Command {
            tenant: self.ask.key.tenant,
            id: CommandId::from_uuid(Uuid::now_v7()),
            verb,
            by: self.ask.key.id,
            at: self.now,
            clock: self.property.clock,
            traceparent: self.ask.traceparent.clone(),
        }
    }
}

/// Carries a write through. The answer is complete but for what the layers add.
pub(crate) async fn carry(state: &AppState, ask: Ask, wanted: Wanted) -> Result<Response, Problem> {
    let _turn = state.running().enter(ask.key.id, &format!("{} {}", ask.route, ask.idempotency))?;
    // Data keys that have to be fetched are fetched before a connection is held.
    pins::warm(state, ask.key.tenant).await?;
    let hash = match wanted.holds_secret() {
        true => pins::request_hash(state, ask.key.tenant, &ask.hash).await?,
        false => ask.hash,
    };
    let mut tx = state.store().tenant(ask.key.tenant).await.map_err(failure::store)?;
    let property = crate::auth::property(&mut tx, &ask.key, &ask.property).await?;
    let at = Timestamp::now();
    if let First::No { status, body } = once::begin(&mut tx, ask.scope(), &hash, at).await? {
        return replay(status, body);
    }
    let context = Context { state, ask: &ask, property: &property, now: property.clock.now(at), at };
    let mut planned = Box::pin(plan(&context, &mut tx, wanted)).await?;
    state.limits().command(planned.counted)?;
    let guarded = guard::ask(&context, &mut tx, &mut planned).await?;
    Box::pin(enter(&context, &mut tx, &planned, &guarded)).await?;
    tx.commit().await.map_err(failure::store)?;
    let clock = property.clock;
    let kind = planned.command.verb.kind();
    if guarded.is_held() {
        lock_telemetry::metrics::command(kind.name(), CommandStatus::Held.name());
        tracing::warn!(operation = %planned.command.id, verb = kind.name(), property = %property.id, "held for approval");
        return Ok(answer(StatusCode::ACCEPTED, &planned.body));
    }
    tracing::info!(operation = %planned.command.id, verb = kind.name(), offset_ms = clock.as_millis(), "accepted");
    Box::pin(finish::deliver(state, &ask, &property, planned)).await
}

async fn plan(context: &Context<'_>, tx: &mut TenantTx<'_>, wanted: Wanted) -> Result<Planned, Problem> {
    match (wanted, &context.ask.reservation) {
        (Wanted::New(stay), _) => new::plan(context, tx, *stay).await,
        (Wanted::OneShot(key), _) => one_shot::plan(context, tx, key).await,
        (wanted, Some(reservation)) => {
            let nothing = || Problem::new(Code::StayNotFound, "the property has no stay under this reservation");
            let reservation: ReservationRef = reservation.parse().map_err(|_| nothing())?;
            let stay = tx.stay(context.property.id, &reservation).await.map_err(failure::store)?.ok_or_else(nothing)?;
            verbs::plan(context, tx, stay, wanted).await
        }
        (_, None) => Err(Problem::internal("a verb without a reservation")),
    }
}

/// Command, provisional answer and audit leaf: the end of tx 1.
async fn enter(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    planned: &Planned,
    guarded: &guard::Guarded,
) -> Result<(), Problem> {
    let Planned { id, command, .. } = planned;
    let new = NewCommand {
        command,
        property: context.property.id,
        stay: id.stay,
        reservation: &id.reservation,
        at: context.at,
    };
    let body = serde_json::to_value(&planned.body).map_err(Problem::internal)?;
    let status = StatusCode::ACCEPTED.as_u16();
    tx.accept_command(new, context.ask.scope(), status, &body).await.map_err(failure::store)?;
    let mut events = vec![guarded.note(context, tx, planned).await?];
    if let (VerbKind::New, Some(former)) = (command.verb.kind(), id.reinstates) {
        events.push(Event::StayReinstated { former });
    }
    if let (VerbKind::New, Some(purpose)) = (command.verb.kind(), planned.body.purpose) {
        events.push(Event::OneShotAsked { room: planned.body.room.id, purpose, by: command.by });
    }
    tx.append(context.now, context.property.id, Some(id.stay), &events).await.map_err(failure::store)?;
    Ok(())
}

/// The command as its row will say, for the provisional answer.
fn accepted(context: &Context<'_>, id: &StayRef, command: &Command) -> CommandRow {
    CommandRow {
        command: command.clone(),
        property: id.property,
        stay: id.stay,
        reservation: id.reservation.clone(),
        status: CommandStatus::Accepted,
        code: None,
        by: command.by,
        accepted_at: lock_store::to_stored(context.at),
        delivered_at: None,
        settled_at: None,
    }
}

/// The first request's answer again.
fn replay(status: u16, body: serde_json::Value) -> Result<Response, Problem> {
    if status >= 400 {
        let problem: Problem = serde_json::from_value(body).map_err(Problem::internal)?;
        return Ok(once::replayed(problem.into_response()));
    }
    let body: StayBody = serde_json::from_value(body).map_err(Problem::internal)?;
    let status = StatusCode::from_u16(status).map_err(Problem::internal)?;
    Ok(once::replayed(answer(status, &body)))
}

/// A stay as an answer, with where to look next.
fn answer(status: StatusCode, body: &StayBody) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    let location = match (status, &body.operation) {
        (StatusCode::ACCEPTED, Some(operation)) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            Some(format!("/v1/operations/{}", operation.id))
        }
        (StatusCode::CREATED, _) => Some(format!("/v1/properties/{}/stays/{}", body.property, body.reservation)),
        _ => None,
    };
    if let Some(location) = location.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
