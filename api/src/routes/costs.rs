//! What lock vendors cost, and what they take.
//!
//! Reckoned when it is asked for, from counts that workers bring in every half a minute: the last calls may be missing.

use crate::{
    auth::Allowed,
    dto::{CostBody, CostQuery, PricesBody, VendorPrices, WhatIfBody, WhatIfQuery},
    extract::{Asked, Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::{CostsRead, PolicyWrite},
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use jiff::{Span, civil::Date, tz::TimeZone};
use lock_domain::{
    Timestamp,
    cost::{Act, Group, PriceList, calls_of, cost, group, what_if},
    problem::Code,
};
use lock_store::IdempotencyScope;

/// So many days at most are reckoned at once.
const MOST_DAYS: i32 = 366;

/// The days that are asked for.
fn days(from: Option<Date>, to: Option<Date>) -> Result<(Date, Date), Problem> {
    let to = to.unwrap_or_else(|| Timestamp::now().to_zoned(TimeZone::UTC).date());
    let from = from.unwrap_or_else(|| to.saturating_sub(Span::new().days(29)));
    let length = from.until(to).map_or(MOST_DAYS, |span| span.get_days());
    if !(0..MOST_DAYS).contains(&length) {
        return Err(Problem::field(
            Code::InvalidField,
            "from",
            "from must not be after to, and they span at most 366 days",
        ));
    }
    Ok((from, to))
}

/// What lock vendors cost
///
/// By day, property or vendor, in millionths of the currency's unit. A line without a currency had no price list. Calls count by the
/// property's day; keys from the day on which they were proven to stand until the day on which they were proven gone. The last half minute's
/// calls may be missing.
#[utoipa::path(
    get, path = "/v1/costs", tag = "Costs", params(CostQuery),
    responses(
        (status = 200, description = "The lines", body = CostBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["costs:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<CostsRead>,
    Asked(query): Asked<CostQuery>,
) -> Result<axum::Json<CostBody>, Problem> {
    let (from, to) = days(query.from, query.to)?;
    let own = allowed.key.properties.as_deref();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let calls = tx.calls(from, to, own, query.group_by).await.map_err(failure::store)?;
    let uses = tx.day_uses(from, to, own).await.map_err(failure::store)?;
    let prices = tx.prices().await.map_err(failure::store)?;
    let lines = group(&cost(&calls, &uses, &prices), query.group_by);
    Ok(axum::Json(CostBody { from, to, lines }))
}

/// What the same would cost at another vendor
///
/// The acts of these days (keys made, changed, taken away, looked up) as the calls that the other vendor takes for them, at the prices that
/// hold there on the last day. What a vendor can't do in one call is made of what it can: where no key can be changed, a change is a deletion
/// and a new key. What it can't do at all is told.
#[utoipa::path(
    get, path = "/v1/costs/what-if", tag = "Costs", params(WhatIfQuery),
    responses(
        (status = 200, description = "Both", body = WhatIfBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["costs:read"]))
)]
pub(crate) async fn imagine(
    State(state): State<AppState>,
    allowed: Allowed<CostsRead>,
    Asked(query): Asked<WhatIfQuery>,
) -> Result<axum::Json<WhatIfBody>, Problem> {
    let (from, to) = days(query.from, query.to)?;
    if calls_of(&query.vendor, Act::Issue).is_none() {
        return Err(Problem::field(Code::InvalidField, "vendor", "no vendor of this name whose calls are known"));
    }
    let own = allowed.key.properties.as_deref();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let calls = tx.calls(from, to, own, Group::Vendor).await.map_err(failure::store)?;
    let uses = tx.day_uses(from, to, own).await.map_err(failure::store)?;
    let prices = tx.prices().await.map_err(failure::store)?;
    let comparison = what_if(&calls, &uses, &prices, &query.vendor, to);
    Ok(axum::Json(WhatIfBody { from, to, comparison }))
}

/// List price lists
#[utoipa::path(
    get, path = "/v1/vendor-prices", tag = "Costs",
    responses(
        (status = 200, description = "By vendor", body = PricesBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["costs:read"]))
)]
pub(crate) async fn prices(
    State(state): State<AppState>,
    allowed: Allowed<CostsRead>,
) -> Result<axum::Json<PricesBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let prices = tx.prices().await.map_err(failure::store)?;
    let vendors = prices.into_iter().map(|(vendor, lists)| VendorPrices { vendor, lists }).collect();
    Ok(axum::Json(PricesBody { vendors }))
}

/// Enter a vendor's price list
///
/// It holds from its day on, until the next one does; one of the same day is replaced. It is the tenant's, so that it takes an API key for all
/// of its properties.
#[utoipa::path(
    put, path = "/v1/vendor-prices/{vendor}", tag = "Costs",
    params(
        ("vendor" = String, Path, description = "The vendor's name, as in a property's set-up"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = PriceList,
    responses(
        (status = 200, description = "The vendor's lists", body = VendorPrices),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn set_price(
    State(state): State<AppState>,
    allowed: Allowed<PolicyWrite>,
    Param(vendor): Param<String>,
    headers: HeaderMap,
    asked: Json<PriceList>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "PUT /v1/vendor-prices/{vendor}";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    if allowed.key.properties.is_some() {
        let detail = "price lists are the tenant's: this needs an API key for all of its properties";
        return Err(Problem::new(Code::ScopeMissing, detail));
    }
    if calls_of(&vendor, Act::Issue).is_none() {
        return Err(Problem::new(Code::NotFound, "no vendor of this name whose calls are known"));
    }
    asked.value.check().map_err(|error| Problem::field(Code::InvalidField, error.field, error.reason))?;
    let now = Timestamp::now();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    tx.set_price(&vendor, &asked.value, allowed.key.id, now).await.map_err(failure::store)?;
    let lists = tx.prices().await.map_err(failure::store)?.remove(&vendor).unwrap_or_default();
    let answer = VendorPrices { vendor, lists };
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_are_in_order_and_not_too_many() {
        let (first, last) = (date(2026, 1, 1), date(2026, 12, 31));
        assert_eq!(days(Some(first), Some(last)).unwrap(), (first, last));
        assert_eq!(days(None, Some(last)).unwrap().0, date(2026, 12, 2));
        assert!(days(Some(last), Some(first)).is_err());
        assert!(days(Some(date(2025, 12, 1)), Some(last)).is_err());
    }
}
