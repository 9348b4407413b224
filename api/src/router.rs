//! Routes and layers, put together.

use crate::{
    layers, openapi,
    routes::{codec, own, webhook_intake},
    state::AppState,
};
use axum::{
    Router, middleware,
    routing::{get, post},
};
use http::{HeaderName, Method, header};
use tower_http::cors::CorsLayer;

/// The whole API.
pub fn build(state: AppState) -> Router {
    let (described, _) = openapi::described();
    let (codec_calls, _) = openapi::codec();
    let codec_calls = match state.config().ui_origin.clone() {
        Some(origin) => codec_calls.layer(
            CorsLayer::new()
                .allow_origin(origin)
                .allow_methods([Method::POST])
                .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, HeaderName::from_static("x-namespace")])
                .allow_credentials(true),
        ),
        None => codec_calls,
    };
    Router::new()
        .merge(described)
        .merge(codec_calls)
        .route("/v1/webhooks/{sender}/{endpoint}", post(webhook_intake::take))
        .route("/codec/login", get(codec::login_page).post(codec::login))
        .route("/", get(own::to_docs))
        .route("/openapi.json", get(own::openapi_json))
        .route("/docs", get(own::docs_page))
        .route("/errors", get(own::errors))
        .route("/errors/{code}", get(own::error))
        .route("/healthz", get(own::healthz))
        .route("/readyz", get(own::readyz))
        .route("/metrics", get(own::metrics))
        .fallback(layers::nothing_here)
        // `route_layer` knows the matched path, and `fallback` has its own.
        .layer(middleware::from_fn_with_state(state.clone(), layers::surround))
        .with_state(state)
}
