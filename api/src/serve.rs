//! Serving, and stopping in order; and what a serving process does beside: it delivers what was left undelivered, and sweeps.

use crate::{router::build, state::AppState};
use lock_domain::Timestamp;
use std::{io, time::Duration};
use tokio::{net::TcpListener, sync::oneshot};

const SWEEP: Duration = Duration::from_secs(60);
/// How long what was taken in has to be stored once the last request is over. A transaction takes milliseconds.
const FINISH: Duration = Duration::from_secs(5);
const FORGET_AT_ONCE: u32 = 1_000;

/// Serves until `shutdown` is done. Then `/readyz` says no; after [`crate::Config::notice`] no new connection is taken, and requests
/// under way get [`crate::Config::drain`] to finish.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = oneshot::channel();
    let (notice, drain) = (state.config().notice, state.config().drain);
    let sweeper = tokio::spawn(sweep(state.clone()));
    let dispatcher = tokio::spawn(crate::dispatcher::run(state.clone()));
    let drains = tokio::spawn(crate::drains::run(state.clone()));
    let settled = tokio::spawn(crate::settled::run(state.clone()));
    let draining = state.clone();
    let signal = async move {
        shutdown.await;
        draining.drain();
        tracing::info!("draining");
        tokio::time::sleep(notice).await;
        let _ = stopping.send(());
    };
    let server = axum::serve(listener, build(state.clone())).with_graceful_shutdown(signal);
    let too_long = async {
        // A sender that is dropped means that the server has ended by itself.
        if stopped.await.is_ok() {
            tokio::time::sleep(drain).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let result = tokio::select! {
        result = server => result,
        () = too_long => {
            tracing::warn!("some requests did not finish in time");
            Ok(())
        }
    };
    // Of whom went away before the answer.
    if tokio::time::timeout(FINISH, state.inbox().finished()).await.is_err() {
        tracing::warn!("some webhooks could not be stored in time; nobody was told that they are");
    }
    sweeper.abort();
    dispatcher.abort();
    drains.abort();
    settled.abort();
    result
}

/// Forgets full shares, and answers whose time is over.
async fn sweep(state: AppState) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        state.limits().sweep();
        if let Err(error) = forget(&state).await {
            tracing::warn!(%error, "old answers could not be forgotten");
        }
    }
}

async fn forget(state: &AppState) -> Result<(), lock_store::StoreError> {
    for tenant in state.store().tenants().await? {
        let mut tx = state.store().tenant(tenant.id).await?;
        tx.idempotency_sweep(Timestamp::now(), FORGET_AT_ONCE).await?;
        tx.commit().await?;
    }
    Ok(())
}
