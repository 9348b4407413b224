//! After tx 1: delivery to the workflow, and the answer.

use super::{Ask, Planned, answer, undo};
use crate::{
    dispatcher,
    engine::{EngineError, Submission, Target},
    failure,
    problem::Problem,
    state::AppState,
    view,
};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use lock_domain::{Timestamp, problem::Code, stay::StayPhase};
use lock_store::{CommandRow, CommandStatus, Property};

/// Delivers an accepted command and answers. From here on nothing can take the acceptance back but a refusal by the workflow.
pub(super) async fn deliver(
    state: &AppState,
    ask: &Ask,
    property: &Property,
    planned: Planned,
) -> Result<Response, Problem> {
    if matches!(planned.target, Target::Existing(_)) {
        let in_order = dispatcher::deliver_older(state, &planned.id, planned.command.id).await;
        if !in_order.unwrap_or(false) {
            return Ok(answer(StatusCode::ACCEPTED, &planned.body));
        }
    }
    let waiting = state.settled().wait_for(planned.command.id);
    let sending = state.engine().submit(planned.target.clone(), planned.command.clone(), ask.wait);
    let sent = tokio::select! {
        sent = sending => sent,
        // What the record says is said; the workflow's own answer follows when Temporal has kept the step.
        () = waiting.heard(), if !ask.wait.is_zero() => Ok(Submission::Settled),
    };
    let finished = match sent {
        Ok(Submission::Accepted) => delivered(state, &planned).await.map(|()| None),
        Ok(Submission::Settled) => settled(state, ask, property, &planned).await.map(Some),
        Ok(Submission::Refused(code)) => refused(state, ask, property, &planned, code).await.map(Some),
        Err(EngineError::NotRunning) => gone(state, ask, property, &planned).await,
        Err(error) => {
            tracing::warn!(operation = %planned.command.id, %error, "left to the dispatcher");
            Ok(None)
        }
    };
    match finished {
        Ok(Some(response)) => Ok(response),
        Ok(None) => Ok(answer(StatusCode::ACCEPTED, &planned.body)),
        // Accepted is accepted; what could not be noted now is noted by the workflow and the dispatcher.
        Err(problem) if problem.code.status() >= 500 => Ok(answer(StatusCode::ACCEPTED, &planned.body)),
        Err(problem) => Err(problem),
    }
}

async fn delivered(state: &AppState, planned: &Planned) -> Result<(), Problem> {
    // If the note is lost, the dispatcher delivers once more, and the workflow knows the command.
    let mut tx = state.store().tenant_relaxed(planned.id.tenant).await.map_err(failure::store)?;
    tx.mark_delivered(planned.command.id, Timestamp::now()).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)
}

/// The verdict, which stands in the record already.
async fn settled(state: &AppState, ask: &Ask, property: &Property, planned: &Planned) -> Result<Response, Problem> {
    // The verdict is durable; an answer that is lost with the database is the provisional one again, and that leads to the verdict.
    let mut tx = state.store().tenant_relaxed(planned.id.tenant).await.map_err(failure::store)?;
    let row = tx.command(planned.command.id).await.map_err(failure::store)?;
    if let Some(CommandRow { status: CommandStatus::Failed, code, .. }) = row {
        let problem = Problem::from(code.unwrap_or(Code::Internal)).of(planned.command.id);
        keep(&mut tx, ask, &problem).await?;
        tx.commit().await.map_err(failure::store)?;
        return Ok(problem.into_response());
    }
    let body = view::load(&mut tx, property, planned.id.stay, row.as_ref(), planned.times).await?;
    let status = if matches!(planned.target, Target::Begin(_)) { StatusCode::CREATED } else { StatusCode::OK };
    let value = serde_json::to_value(&body).map_err(Problem::internal)?;
    tx.idempotency_finish(ask.scope(), status.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(answer(status, &body))
}

/// The workflow refused: nothing was done, and nothing stays claimed.
async fn refused(
    state: &AppState,
    ask: &Ask,
    property: &Property,
    planned: &Planned,
    code: Code,
) -> Result<Response, Problem> {
    let mut tx = state.store().tenant(planned.id.tenant).await.map_err(failure::store)?;
    let at = Timestamp::now();
    let problem = Problem::from(code).of(planned.command.id);
    keep(&mut tx, ask, &problem).await?;
    let stay = tx.stay_by_id(planned.id.stay).await.map_err(failure::store)?;
    let stay = stay.ok_or_else(|| Problem::internal("the stay of an accepted command is gone"))?;
    undo::undo(&mut tx, property, &stay, &planned.command, code, (property.clock.now(at), at)).await?;
    tx.commit().await.map_err(failure::store)?;
    Ok(problem.into_response())
}

/// The stay's workflow is not running: over since tx 1, or not begun because its own command waits for the dispatcher.
async fn gone(
    state: &AppState,
    ask: &Ask,
    property: &Property,
    planned: &Planned,
) -> Result<Option<Response>, Problem> {
    let mut tx = state.store().tenant(planned.id.tenant).await.map_err(failure::store)?;
    let stay = tx.stay_by_id(planned.id.stay).await.map_err(failure::store)?;
    drop(tx);
    match stay {
        Some(stay) if stay.phase == StayPhase::Ended => {
            refused(state, ask, property, planned, Code::StayEnded).await.map(Some)
        }
        _ => Ok(None),
    }
}

async fn keep(tx: &mut lock_store::TenantTx<'_>, ask: &Ask, problem: &Problem) -> Result<(), Problem> {
    let value = serde_json::to_value(problem).map_err(Problem::internal)?;
    let status = problem.code.status();
    tx.idempotency_finish(ask.scope(), status, &value).await.map_err(failure::store)
}
