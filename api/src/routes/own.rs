//! The service's own pages: description, documentation, problem pages, health, metrics. Open to everybody, and nothing in them is anybody's.

use crate::{docs, error_pages, openapi, problem::Problem, state::AppState};
use axum::{
    Json,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use http::{StatusCode, header};
use lock_domain::problem::Code;
use std::sync::LazyLock;

static DESCRIPTION: LazyLock<String> = LazyLock::new(openapi::document);
static DOCS: LazyLock<String> = LazyLock::new(docs::page);

pub(crate) async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION.as_str())
}

pub(crate) async fn docs_page() -> Html<&'static str> {
    Html(DOCS.as_str())
}

pub(crate) async fn to_docs() -> axum::response::Redirect {
    axum::response::Redirect::temporary("/docs")
}

pub(crate) async fn errors() -> Html<String> {
    Html(error_pages::index())
}

pub(crate) async fn error(Path(code): Path<String>) -> Result<Html<String>, Problem> {
    error_pages::page(&code).map(Html).ok_or_else(|| Problem::new(Code::NotFound, "no problem has this code"))
}

pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// Whether requests would be answered: the database and the workflow engine answer, and the process is not about to stop.
pub(crate) async fn readyz(State(state): State<AppState>) -> Response {
    let database = async {
        let limit = std::time::Duration::from_secs(2);
        matches!(tokio::time::timeout(limit, state.store().ping()).await, Ok(Ok(())))
    };
    let (database, temporal) = futures::join!(database, state.engine().ready());
    let word = |well: bool| if well { "ok" } else { "missing" };
    let (temporal, draining) = (temporal.is_ok(), state.is_draining());
    let ready = database && temporal && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "ready": ready, "database": word(database), "temporal": word(temporal), "draining": draining,
    });
    (status, Json(body)).into_response()
}

pub(crate) async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, lock_telemetry::metrics::CONTENT_TYPE)], lock_telemetry::metrics::render())
}
