//! How a property's lock vendor is.

use crate::{
    auth::{self, Allowed},
    dto::{DevicesBody, ForcedBody, HealthBody, Reason, VendorHealthBody},
    extract::Param,
    failure,
    problem::{Problem, ProblemBody},
    scope::StaysRead,
    state::AppState,
};
use axum::extract::State;
use lock_domain::health::{Evidence, LinkView, ProbeKind, VendorOpinion, notice, vendor_wide};
use lock_store::BreakerRow;

/// Read a property's health
///
/// Whether keys are sent to its lock vendor, since when, and what the probes found last.
#[utoipa::path(
    get, path = "/v1/properties/{property}/health", tag = "Properties",
    params(("property" = String, Path, description = "The property's id")),
    responses(
        (status = 200, description = "Its health", body = HealthBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
) -> Result<axum::Json<HealthBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let all = tx.breakers(None).await.map_err(failure::store)?;
    let mut own: Vec<&BreakerRow> = all.iter().filter(|row| row.property == property.id).collect();
    own.sort_by_key(|row| (row.vendor != property.vendor, row.vendor.clone()));
    let vendors = own.into_iter().map(|row| body(row, opinion(&all, &row.vendor))).collect();
    Ok(axum::Json(HealthBody { property: property.id, vendors }))
}

/// What the tenant's properties say of a vendor together; nothing of any one of them is told.
pub(super) fn opinion(all: &[BreakerRow], vendor: &str) -> VendorOpinion {
    let links = all.iter().filter(|row| row.vendor == vendor).map(|row| LinkView {
        state: row.breaker.state,
        signs_in: row.evidence.iter().find(|e| e.kind == ProbeKind::SignIn).and_then(Evidence::of_link),
    });
    vendor_wide(&links.collect::<Vec<_>>())
}

pub(super) fn body(row: &BreakerRow, vendor_wide: VendorOpinion) -> VendorHealthBody {
    let now = lock_domain::Timestamp::now();
    let (breaker, counted) = (&row.breaker, row.counted(now));
    let forced = row.forced.filter(|forced| now < forced.until).map(|forced| ForcedBody {
        state: forced.state,
        reason: forced.reason,
        until: forced.until,
        probes_say: breaker.state,
    });
    let down_since = breaker.opened_at.unwrap_or(breaker.since);
    VendorHealthBody {
        vendor: row.vendor.clone(),
        breaker: counted,
        forced,
        since: breaker.since,
        summary: notice(&row.vendor, counted, down_since, breaker.code),
        reason: breaker.code.map(Reason::from),
        next_probe: breaker.next_probe_at,
        evidence: row.evidence.clone(),
        devices: DevicesBody {
            locks: row.devices.locks,
            gateways: row.devices.gateways,
            gateways_offline: row.devices.gateways_offline.clone(),
        },
        vendor_wide,
        rounds: row.round,
        opens: row.opens,
        false_positives: row.false_positives,
    }
}
