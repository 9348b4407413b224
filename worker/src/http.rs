//! `/healthz`, `/readyz` and `/metrics` of the worker. For operators and probes; no other interface.

use axum::{Router, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use lock_store::Store;
use std::future::Future;
use tokio::net::TcpListener;

/// Serves until `stop` completes.
pub(crate) async fn serve(
    listener: TcpListener,
    store: Store,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let ready = move || {
        let store = store.clone();
        async move {
            match store.ping().await {
                Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("the database does not answer: {error}\n")),
            }
        }
    };
    let metrics = || async {
        ([(CONTENT_TYPE, lock_telemetry::metrics::CONTENT_TYPE)], lock_telemetry::metrics::render()).into_response()
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
