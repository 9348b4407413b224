//! A property's vendors beside its main one, what its probes may touch, and an operator's word over a breaker.

use crate::{
    auth::{self, Allowed},
    dto::{BreakerOverride, NewVendor, OverrideState, ProbesBody, VendorBody, VendorHealthBody},
    extract::{Json, Param},
    failure, idempotency,
    once::{self, First},
    pins,
    problem::{Problem, ProblemBody},
    scope::VendorsWrite,
    state::AppState,
};
use axum::{extract::State, response::Response};
use http::HeaderMap;
use jiff::SignedDuration;
use lock_domain::{
    Timestamp,
    health::{BreakerState, Forced},
    ids::DoorId,
    problem::Code,
    vendor::VendorTraits,
};
use lock_kms::Place;
use lock_store::{HealthSettings, IdempotencyScope, NewDoor, Property, PropertyVendor, StoreError, TenantTx};
use uuid::Uuid;

/// An operator's word counts for at least so long, in seconds.
const LEAST_FOR: u32 = 60;
/// And at most.
const MOST_FOR: u32 = 7 * 24 * 3600;
const MOST_DOORS: usize = 500;

/// Set up a vendor beside the main one
///
/// On standby (`standby_rank`), stays change to it when their own vendor is down; else its doors are opened by every key, as the main vendor's
/// are. Secrets are sealed and never shown. Replaces what was set up before; doors are only added.
#[utoipa::path(
    put, path = "/v1/properties/{property}/vendors/{vendor}", tag = "Properties",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("vendor" = String, Path, description = "The vendor's name"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = NewVendor,
    responses(
        (status = 200, description = "The vendor", body = VendorBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["vendors:write"]))
)]
pub(crate) async fn set_up(
    State(state): State<AppState>,
    allowed: Allowed<VendorsWrite>,
    Param((property, vendor)): Param<(String, String)>,
    headers: HeaderMap,
    body: Json<NewVendor>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let tenant = allowed.key.tenant;
    let scope =
        IdempotencyScope { client: allowed.key.id, route: "PUT /v1/properties/{property}/vendors/{vendor}", key: &key };
    // The body holds secrets: its hash must not be one that could be tried out.
    pins::warm(&state, tenant).await?;
    let hash = pins::request_hash(&state, tenant, &body.hash).await?;
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let wanted = body.value;
    check(&property, &vendor, &wanted)?;
    let at = Timestamp::now();
    if let First::No { status, body } = once::begin(&mut tx, scope, &hash, at).await? {
        return once::replay(status, body);
    }
    let row = PropertyVendor::row_of(property.id, &vendor);
    let place = Place { table: "property_vendors", column: "sealed", row };
    let secrets = secrecy::SecretString::from(serde_json::Value::Object(wanted.secrets).to_string());
    let secrets = secrecy::ExposeSecret::expose_secret(&secrets).as_bytes();
    let sealed = state.keys().seal(tenant, &place, secrets).await.map_err(failure::seal)?;
    let new = PropertyVendor {
        property: property.id,
        vendor: vendor.clone(),
        row,
        config: wanted.config.into(),
        sealed: Some(sealed),
        standby_rank: wanted.standby_rank,
        most_keys: wanted.most_keys,
    };
    tx.set_property_vendor(&new, at).await.map_err(failure::store)?;
    let standing = tx.doors(property.id).await.map_err(failure::store)?;
    let mut entered = 0;
    for (n, door) in wanted.doors.iter().enumerate() {
        if standing.iter().any(|other| other.vendor == vendor && other.vendor_lock_id == door.lock) {
            continue;
        }
        let room = match &door.room {
            None => None,
            Some(named) => {
                let found = crate::accept::room(&mut tx, property.id, named).await;
                let field = Some(format!("doors[{n}].room"));
                Some(found.map_err(|problem| Problem { field, ..problem })?.id)
            }
        };
        let id = DoorId::from_uuid(Uuid::now_v7());
        let (name, vendor, lock) = (door.name.clone(), vendor.clone(), door.lock.clone());
        let door = NewDoor { id, property: property.id, room, name, vendor, vendor_lock_id: lock };
        tx.create_door(&door).await.map_err(failure::store)?;
        entered += 1;
    }
    let (standby_rank, most_keys) = (new.standby_rank, new.most_keys);
    let answer = VendorBody { property: property.id, vendor, standby_rank, most_keys, doors_entered: entered };
    once::finish(tx, scope, answer).await
}

fn check(property: &Property, vendor: &str, wanted: &NewVendor) -> Result<(), Problem> {
    let bad = |field: &str, detail: &str| Err(Problem::field(Code::InvalidField, field, detail));
    if vendor == property.vendor {
        return bad("vendor", "this is the property's main vendor");
    }
    let traits = VendorTraits::of(vendor);
    if !traits.is_known() || !traits.public {
        return bad("vendor", "no vendor that keys can be made at has this name");
    }
    if wanted.standby_rank == Some(0) {
        return bad("standby_rank", "ranks count from 1");
    }
    if wanted.standby_rank.is_some() && !traits.can_stand_by() {
        return bad(
            "standby_rank",
            "the vendor has no PINs, and a card needs somebody at an encoder; leave `standby_rank` out",
        );
    }
    if wanted.doors.len() > MOST_DOORS {
        return bad("doors", "at most 500 at once");
    }
    for (n, door) in wanted.doors.iter().enumerate() {
        let clear = |text: &str, most: usize| (1..=most).contains(&text.chars().count()) && !text.contains('\0');
        if !clear(&door.name, 100) || !clear(&door.lock, 200) {
            return bad(&format!("doors[{n}]"), "a name of 1 to 100 characters and a lock of 1 to 200");
        }
    }
    Ok(())
}

/// Replace what a property's probes may touch
///
/// The test lock of each vendor, which trials put a code into, and whether calls for guests count as evidence. What is left out gets its
/// default.
#[utoipa::path(
    put, path = "/v1/properties/{property}/health", tag = "Properties",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = ProbesBody,
    responses(
        (status = 200, description = "The choices", body = ProbesBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn probes(
    State(state): State<AppState>,
    allowed: Allowed<crate::scope::PolicyWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    body: Json<ProbesBody>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let scope = IdempotencyScope { client: allowed.key.id, route: "PUT /v1/properties/{property}/health", key: &key };
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let settings = canaries(&mut tx, &property, &body.value).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &body.hash, Timestamp::now()).await? {
        return once::replay(status, body);
    }
    tx.set_health(property.id, &settings).await.map_err(failure::store)?;
    once::finish(tx, scope, body.value).await
}

/// The vendors' own ids of the test locks. A common door is none: every guest uses it.
async fn canaries(tx: &mut TenantTx<'_>, property: &Property, asked: &ProbesBody) -> Result<HealthSettings, Problem> {
    let doors = tx.doors(property.id).await.map_err(failure::store)?;
    let mut settings = HealthSettings { ignore_calls: asked.ignore_calls, ..HealthSettings::default() };
    for (vendor, door) in &asked.canary_doors {
        let found = doors.iter().find(|known| known.id == *door && known.vendor == *vendor && known.room.is_some());
        let lock = found.map(|door| door.vendor_lock_id.clone()).ok_or_else(|| {
            let detail = format!("the property has no door {door} of {vendor} that belongs to a room");
            Problem::field(Code::InvalidField, format!("canary_doors.{vendor}"), detail)
        })?;
        if *vendor == property.vendor {
            settings.canary_lock = Some(lock);
        } else {
            settings.canary_locks.insert(vendor.clone(), lock);
        }
    }
    Ok(settings)
}

/// Take a breaker's decision
///
/// For one vendor at one property, with a reason and an end: `open` makes keys wait, `closed` sends them, whatever the probes find; `released`
/// lets the probes decide again. Probes go on meanwhile. It is in the tenant's log, and an `open` one is an outage like any other.
#[utoipa::path(
    post, path = "/v1/properties/{property}/vendors/{vendor}/breaker", tag = "Outages",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("vendor" = String, Path, description = "The vendor's name"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = BreakerOverride,
    responses(
        (status = 200, description = "The vendor's health as it counts now", body = VendorHealthBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["vendors:write"]))
)]
pub(crate) async fn force(
    State(state): State<AppState>,
    allowed: Allowed<VendorsWrite>,
    Param((property, vendor)): Param<(String, String)>,
    headers: HeaderMap,
    body: Json<BreakerOverride>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/vendors/{vendor}/breaker";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let at = Timestamp::now();
    let word = word(&body.value, at)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &body.hash, at).await? {
        return once::replay(status, body);
    }
    // Also where nobody has probed yet.
    tx.enter_breakers(at, at).await.map_err(failure::store)?;
    let forced = tx.force_breaker(property.id, &vendor, word, allowed.key.id, property.clock, at).await;
    let row = forced.map_err(|error| match error {
        StoreError::NotFound(_) => Problem::new(Code::NotFound, "the property has no doors of a vendor with this name"),
        other => failure::store(other),
    })?;
    let all = tx.breakers(None).await.map_err(failure::store)?;
    once::finish(tx, scope, super::health::body(&row, super::health::opinion(&all, &vendor))).await
}

fn word(asked: &BreakerOverride, at: Timestamp) -> Result<Option<Forced>, Problem> {
    let state = match asked.state {
        OverrideState::Released => return Ok(None),
        OverrideState::Open => BreakerState::Open,
        OverrideState::Closed => BreakerState::Closed,
    };
    let range = format!("between {LEAST_FOR} and {MOST_FOR} seconds");
    let seconds = asked.for_s.filter(|s| (LEAST_FOR..=MOST_FOR).contains(s));
    let seconds = seconds.ok_or_else(|| Problem::field(Code::InvalidField, "for_s", range))?;
    let until = at.saturating_add(SignedDuration::from_secs(seconds.into())).map_err(Problem::internal)?;
    Ok(Some(Forced { state, reason: asked.reason, until }))
}
