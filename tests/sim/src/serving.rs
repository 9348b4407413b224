//! How a simulator's servers begin and end.

use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::conn::Line;

/// How long idle connections get to close before they are cut.
const GRACE: Duration = Duration::from_secs(2);

/// Tells everything that belongs to a simulator to end. Clones are handles on the same one.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn tell(&self) {
        self.0.send_replace(true);
    }

    /// Returns when it is told.
    pub(crate) async fn told(&self) {
        let mut receiver = self.0.subscribe();
        // An error means that the sender is gone, which is a stop too.
        let _ = receiver.wait_for(|stop| *stop).await;
    }
}

/// Answers until `stopped` returns.
pub(crate) fn serve<L>(
    listener: L,
    router: Router,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()>
where
    L: Listener<Addr: std::fmt::Debug>,
    Line: for<'a> Connected<IncomingStream<'a, L>>,
{
    tokio::spawn(async move {
        let server = axum::serve(listener, router.into_make_service_with_connect_info::<Line>());
        if let Err(error) = server.with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "simulator stopped");
        }
    })
}

/// Returns when a server that was told to stop has freed its port.
pub(crate) async fn ended(serving: JoinHandle<()>) {
    let abort = serving.abort_handle();
    if tokio::time::timeout(GRACE, serving).await.is_err() {
        abort.abort();
    }
}
