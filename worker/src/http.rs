//! `/healthz`, `/readyz` and `/metrics` of the worker. For operators and probes; no other interface.

use axum::{Router, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use lock_store::Store;
use lock_telemetry::metrics;
use std::{future::Future, net::SocketAddr};
use tokio::net::TcpListener;

/// Serves until `stop` completes. `sdk` is where the Temporal SDK serves its metrics.
pub(crate) async fn serve(
    listener: TcpListener,
    store: Store,
    sdk: SocketAddr,
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
    let all = move || async move {
        let text = metrics::render() + &sdk_metrics(sdk).await;
        ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(all));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// The SDK's metrics; nothing rather than an error, because ours must be seen even then.
async fn sdk_metrics(sdk: SocketAddr) -> String {
    let fetch = async { reqwest::get(format!("http://{sdk}/metrics")).await?.text().await };
    fetch.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the SDK's metrics can't be fetched");
        String::new()
    })
}
