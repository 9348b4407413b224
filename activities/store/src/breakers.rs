//! Circuit breakers: one row a property and vendor, shared by all workers. Whoever claims a row makes its next round of probes; what
//! comes of it is written only if nobody has written since.

use crate::{
    StoreError, TenantTx,
    outages::forced,
    row::RowExt,
    time::{Ts, to_stored},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    clock::ClockOffset,
    event::Event,
    health::{Breaker, BreakerState, Evidence, Finding, Forced, Moved, Step},
    ids::PropertyId,
    problem::Code,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, postgres::PgRow, types::Json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// So many rounds of probes are kept.
const KEPT_ROUNDS: i64 = 100;

/// A property's choices about probes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthSettings {
    /// The vendor's id of a lock that no guest uses: trials put a code into it and take it out. Without one, trials only read.
    pub canary_lock: Option<String>,
    /// The same at vendors that the property has beside its main one, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub canary_locks: BTreeMap<String, String>,
    /// Effects of calls for guests are no evidence: only probes decide.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_calls: bool,
}

/// What a round saw of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DevicesSeen {
    /// Locks of the account.
    pub locks: u32,
    /// Gateways, hubs or encoders.
    pub gateways: u32,
    /// Names of those that the vendor does not reach.
    pub gateways_offline: Vec<String>,
}

/// A breaker as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerRow {
    /// The hotel.
    pub property: PropertyId,
    /// The lock vendor.
    pub vendor: String,
    /// Where it stands.
    pub breaker: Breaker,
    /// What the last round found.
    pub evidence: Vec<Evidence>,
    /// What it saw.
    pub devices: DevicesSeen,
    /// Calls for guests since the last round that the vendor answered.
    pub calls_well: u32,
    /// Those that it did not answer, or with a fault of its own.
    pub calls_bad: u32,
    /// How many rounds there were.
    pub round: u64,
    /// How often it has opened.
    pub opens: u64,
    /// How often it has opened for nothing.
    pub false_positives: u64,
    /// An operator's word over it.
    pub forced: Option<Forced>,
    /// Counts changes.
    pub version: i64,
}

impl BreakerRow {
    /// How it counts at `now`.
    pub fn counted(&self, now: Timestamp) -> BreakerState {
        self.breaker.state.counted(self.forced, now)
    }
}

/// A breaker whose round was claimed, and what its probes need.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedBreaker {
    /// The breaker.
    pub row: BreakerRow,
    /// The hotel's clock.
    pub clock: ClockOffset,
    /// The hotel's settings for the vendor.
    pub vendor_config: serde_json::Value,
    /// The hotel's secrets for the vendor, sealed.
    pub vendor_sealed: Option<Vec<u8>>,
    /// Where they stand, if it is not the hotel's main vendor: the row's id.
    pub vendor_row: Option<Uuid>,
    /// Counts changes of the settings.
    pub config_version: i64,
    /// The hotel's choices about probes.
    pub health: HealthSettings,
    /// The vendor's id of some lock of the hotel.
    pub some_lock: Option<String>,
}

/// One probe of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeResult {
    /// What it found.
    pub evidence: Evidence,
    /// How long it took, milliseconds.
    pub took_ms: u32,
}

macro_rules! columns {
    () => {
        "b.property_id, b.vendor, b.state, b.since, b.opened_at, b.code, b.bad, b.good, b.pause_ms, b.next_probe_at, b.unproven, b.evidence,
         b.devices, b.calls_well, b.calls_bad, b.round, b.opens, b.false_positives, b.version,
         b.forced_state, b.forced_reason, b.forced_until"
    };
}

impl TenantTx<'_> {
    /// Enters a closed breaker, due at `first`, for each vendor of the tenant's properties that has doors there and none yet.
    pub async fn enter_breakers(&mut self, now: Timestamp, first: Timestamp) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO breakers (tenant_id, property_id, vendor, state, since, bad, good, pause_ms, next_probe_at)
             SELECT $1, p.property_id, p.vendor, 'closed', $2, 0, 0, 0, $3
             FROM (SELECT property_id, vendor FROM properties WHERE tenant_id = $1
                   UNION SELECT property_id, vendor FROM property_vendors WHERE tenant_id = $1) p
             WHERE EXISTS (SELECT FROM doors d WHERE d.tenant_id = $1 AND d.property_id = p.property_id AND d.vendor = p.vendor)
               AND NOT EXISTS (SELECT FROM breakers b WHERE b.tenant_id = $1 AND b.property_id = p.property_id AND b.vendor = p.vendor)
             ON CONFLICT DO NOTHING",
        )
        .bind(Ts(now))
        .bind(Ts(first))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Claims breakers whose round is due, at most `limit`, until `until`: nobody else gets them before. Commit before probing.
    pub async fn claim_probes(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedBreaker>, StoreError> {
        let rows = self
            .query(concat!(
                "WITH due AS (
                     SELECT b.property_id, b.vendor FROM breakers b
                     WHERE b.tenant_id = $1 AND b.next_probe_at <= $2 AND (b.leased_until IS NULL OR b.leased_until <= $2)
                     ORDER BY b.next_probe_at LIMIT $4 FOR UPDATE SKIP LOCKED
                 ), b AS (
                     UPDATE breakers b SET leased_until = $3, version = b.version + 1 FROM due
                     WHERE b.tenant_id = $1 AND b.property_id = due.property_id AND b.vendor = due.vendor RETURNING b.*
                 ) SELECT ",
                columns!(),
                ", p.clock_offset_ms, p.health, v.row_id AS vendor_row,
                   CASE WHEN v.row_id IS NULL THEN p.vendor_config ELSE v.config END AS vendor_config,
                   CASE WHEN v.row_id IS NULL THEN p.vendor_sealed ELSE v.sealed END AS vendor_sealed,
                   CASE WHEN v.row_id IS NULL THEN p.config_version ELSE v.config_version END AS config_version,
                   (SELECT min(d.vendor_lock_id) FROM doors d
                    WHERE d.tenant_id = $1 AND d.property_id = b.property_id AND d.vendor = b.vendor) AS some_lock
                 FROM b JOIN properties p ON p.tenant_id = $1 AND p.property_id = b.property_id
                 LEFT JOIN property_vendors v ON v.tenant_id = $1 AND v.property_id = b.property_id AND v.vendor = b.vendor AND p.vendor <> b.vendor
                 WHERE p.vendor = b.vendor OR v.row_id IS NOT NULL"
            ))
            .bind(Ts(now))
            .bind(Ts(until))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(claimed).collect()
    }

    /// Writes what a round made of a claimed breaker, gives it back, and appends the event of its move, all or nothing. Returns whether
    /// it was still claimed by the caller; if not, nothing has changed. Calls that were counted meanwhile are kept for the next round.
    pub async fn settle_round(
        &mut self,
        claimed: &ClaimedBreaker,
        step: &Step,
        probes: &[ProbeResult],
        devices: &DevicesSeen,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (row, next) = (&claimed.row, &step.breaker);
        let evidence: Vec<Evidence> = probes.iter().map(|probe| probe.evidence).collect();
        let done = self
            .query(
                "UPDATE breakers SET state = $4, since = $5, opened_at = $6, code = $7, bad = $8, good = $9, pause_ms = $10, next_probe_at = $11,
                        unproven = $12, evidence = $13, devices = $14, round = round + 1, opens = opens + $15,
                        false_positives = false_positives + $16, calls_well = GREATEST(calls_well - $17, 0),
                        calls_bad = GREATEST(calls_bad - $18, 0), leased_until = NULL, version = version + 1
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND version = $19",
            )
            .bind(row.property.as_uuid())
            .bind(&row.vendor)
            .bind(next.state.name())
            .bind(Ts(to_stored(next.since)))
            .bind(next.opened_at.map(Ts))
            .bind(next.code.map(Code::text))
            .bind(count(next.bad))
            .bind(count(next.good))
            .bind(millis(next.pause))
            .bind(Ts(next.next_probe_at))
            .bind(next.unproven)
            .bind(Json(&evidence))
            .bind(Json(devices))
            .bind(i64::from(matches!(step.moved, Some(Moved::Opened { .. }))))
            .bind(i64::from(step.false_positive))
            .bind(count(row.calls_well))
            .bind(count(row.calls_bad))
            .bind(row.version)
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let round = i64::try_from(row.round).unwrap_or(i64::MAX).saturating_add(1);
        self.keep_probes(row, round, probes, now).await?;
        if let Some(moved) = step.moved {
            self.follow_breaker(row.property, &row.vendor, claimed.clock, now, vec![event(row, next, moved)]).await?;
        }
        Ok(true)
    }

    async fn keep_probes(
        &mut self,
        row: &BreakerRow,
        round: i64,
        probes: &[ProbeResult],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let said = |probe: &ProbeResult| match probe.evidence.finding {
            Finding::Well => ("well", None, None),
            Finding::Bad { reach, code } => ("bad", serde_json::to_value(reach).ok(), Some(code.text())),
            Finding::Silent => ("silent", None, None),
        };
        let (mut kinds, mut findings, mut reaches, mut codes, mut took) = (vec![], vec![], vec![], vec![], vec![]);
        for probe in probes {
            let (finding, reach, code) = said(probe);
            kinds.push(probe.evidence.kind.name());
            findings.push(finding);
            reaches.push(reach.and_then(|reach| reach.as_str().map(str::to_owned)));
            codes.push(code);
            took.push(count(probe.took_ms));
        }
        self.query(
            "WITH old AS (
                 DELETE FROM health_probes WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND round <= $5
             ) INSERT INTO health_probes (tenant_id, property_id, vendor, round, kind, finding, reach, code, took_ms, at)
               SELECT $1, $2, $3, $4, kind, finding, reach, code, took, $11
               FROM unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::int[]) AS list (kind, finding, reach, code, took)
               ON CONFLICT DO NOTHING",
        )
        .bind(row.property.as_uuid())
        .bind(&row.vendor)
        .bind(round)
        .bind(round.saturating_sub(KEPT_ROUNDS))
        .bind(kinds)
        .bind(findings)
        .bind(reaches)
        .bind(codes)
        .bind(took)
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A property's breakers; all of the tenant's if none is named.
    pub async fn breakers(&mut self, property: Option<PropertyId>) -> Result<Vec<BreakerRow>, StoreError> {
        let rows = self
            .query(concat!(
                "SELECT ",
                columns!(),
                " FROM breakers b WHERE b.tenant_id = $1 AND ($2::uuid IS NULL OR b.property_id = $2) ORDER BY b.property_id, b.vendor"
            ))
            .bind(property.map(|id| id.as_uuid()))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(breaker).collect()
    }

    /// Counts calls for guests, for the next round. A property without a breaker is passed over.
    pub async fn count_calls(
        &mut self,
        property: PropertyId,
        vendor: &str,
        well: u32,
        bad: u32,
    ) -> Result<(), StoreError> {
        self.query(
            "UPDATE breakers SET calls_well = LEAST(calls_well::bigint + $4, 1000000), calls_bad = LEAST(calls_bad::bigint + $5, 1000000)
             WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3",
        )
        .bind(property.as_uuid())
        .bind(vendor)
        .bind(i64::from(well))
        .bind(i64::from(bad))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A property's choices about probes.
    pub async fn health_settings(&mut self, property: PropertyId) -> Result<HealthSettings, StoreError> {
        let row = self
            .query("SELECT health FROM properties WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("property"))?;
        Ok(row.json_opt("health")?.unwrap_or_default())
    }

    /// Changes a property's choices about probes.
    pub async fn set_health(&mut self, property: PropertyId, health: &HealthSettings) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE properties SET health = $3 WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .bind(Json(health))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("property")) } else { Ok(()) }
    }
}

fn event(row: &BreakerRow, next: &Breaker, moved: Moved) -> Event {
    let vendor = row.vendor.clone();
    let since = to_stored(next.opened_at.or(row.breaker.opened_at).unwrap_or(next.since));
    match moved {
        Moved::Opened { code } => {
            Event::BreakerOpened { vendor, since, code, next_trial: to_stored(next.next_probe_at) }
        }
        Moved::HalfOpened => Event::BreakerHalfOpen { vendor, since },
        Moved::Closed { after } => Event::BreakerClosed { vendor, since, after_s: after.as_secs() },
    }
}

fn claimed(row: &PgRow) -> Result<ClaimedBreaker, StoreError> {
    let breaker = breaker(row)?;
    let mut health: HealthSettings = row.json_opt("health")?.unwrap_or_default();
    let vendor_row = row.uuid_opt("vendor_row")?;
    if vendor_row.is_some() {
        health.canary_lock = health.canary_locks.get(&breaker.vendor).cloned();
    }
    Ok(ClaimedBreaker {
        row: breaker,
        vendor_row,
        clock: ClockOffset::from_millis(row.int("clock_offset_ms")?),
        vendor_config: row.json("vendor_config")?,
        vendor_sealed: row.try_get("vendor_sealed")?,
        config_version: row.int("config_version")?,
        health,
        some_lock: row.text_opt("some_lock")?,
    })
}

pub(crate) fn breaker(row: &PgRow) -> Result<BreakerRow, StoreError> {
    let small = |column: &'static str| -> Result<u32, StoreError> {
        u32::try_from(row.try_get::<i32, _>(column)?).map_err(|_| StoreError::Corrupt(column))
    };
    let great = |column| u64::try_from(row.int(column)?).map_err(|_| StoreError::Corrupt(column));
    Ok(BreakerRow {
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        vendor: row.text("vendor")?,
        breaker: Breaker {
            state: row.name::<BreakerState>("state")?,
            since: row.at("since")?,
            opened_at: row.at_opt("opened_at")?,
            code: row.code_opt("code")?,
            bad: small("bad")?,
            good: small("good")?,
            pause: SignedDuration::from_millis(row.int("pause_ms")?),
            next_probe_at: row.at("next_probe_at")?,
            unproven: row.flag("unproven")?,
        },
        // Written by another version of the code, it may have kinds that this one does not know.
        evidence: row.json("evidence").unwrap_or_default(),
        devices: row.json("devices").unwrap_or_default(),
        calls_well: small("calls_well")?,
        calls_bad: small("calls_bad")?,
        round: great("round")?,
        opens: great("opens")?,
        false_positives: great("false_positives")?,
        forced: forced(row)?,
        version: row.int("version")?,
    })
}

fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn millis(pause: SignedDuration) -> i64 {
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}
