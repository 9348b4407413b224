//! Runs of the contract suite, what was accepted of a vendor, and incidents. A run is settled once, however often it is told.

use crate::{
    StoreError, TenantTx,
    row::RowExt,
    time::{Ts, to_stored},
};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    contract::{Difference, Incident, Judgement, Report, completed, judge},
    event::Event,
    ids::{ApiKeyId, IncidentId, PropertyId},
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, postgres::PgRow, types::Json};
use uuid::Uuid;

/// So many runs of a property are kept.
const KEPT_RUNS: i64 = 60;

/// What a property's contract check works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractSettings {
    /// The vendor's id of a lock that no guest uses.
    pub lock: String,
    /// An encoder that somebody puts blank cards on, for vendors of cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
}

/// A run of the suite.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractRun {
    /// Which run; the same run is settled once.
    pub run: Uuid,
    /// The property.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// When, real time.
    pub at: Timestamp,
    /// What it found.
    pub report: Result<Report, NoReport>,
}

/// Why a run came to no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReport {
    /// The vendor was not there.
    Away,
    /// Something of ours, or the set-up: it says nothing of the vendor.
    Untried,
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractVerdict {
    /// It is what later runs are compared with.
    Adopted,
    /// The vendor does what it did.
    Same,
    /// It does something else: an incident is open.
    Drift,
    /// It does again what it did: the incident is over.
    Restored,
    /// Nothing could be settled.
    Silent,
    /// The vendor was not there.
    Away,
    /// The check could not be made, for a reason of ours.
    Untried,
}

impl ContractVerdict {
    /// Stable text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Same => "same",
            Self::Drift => "drift",
            Self::Restored => "restored",
            Self::Silent => "silent",
            Self::Away => "away",
            Self::Untried => "untried",
        }
    }
}

/// A property whose vendor is to be checked, and what the adapter needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractTarget {
    /// The property.
    pub property: PropertyId,
    /// Its time zone.
    pub zone: String,
    /// Its vendor.
    pub vendor: String,
    /// What the check works on.
    pub settings: ContractSettings,
}

macro_rules! incidents {
    ($rest:literal) => {
        concat!(
            "SELECT incident_id, property_id, vendor, state, opened_at, last_seen_at, runs, ended_at, accepted_by, differences
             FROM vendor_incidents WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// The tenant's sandbox properties whose contract is to be checked.
    pub async fn contract_targets(&mut self) -> Result<Vec<ContractTarget>, StoreError> {
        let rows = self
            .query(
                "SELECT property_id, zone, vendor, contract FROM properties
                 WHERE tenant_id = $1 AND NOT live AND contract IS NOT NULL ORDER BY property_id",
            )
            .fetch_all(&mut *self.tx)
            .await?;
        let target = |row: &PgRow| {
            Ok(ContractTarget {
                property: PropertyId::from_uuid(row.uuid("property_id")?),
                zone: row.text("zone")?,
                vendor: row.text("vendor")?,
                settings: row.json("contract")?,
            })
        };
        rows.iter().map(target).collect()
    }

    /// How many of the last runs in a row have settled nothing, by vendor: the most of any property that is checked. At most as many as are
    /// kept.
    pub async fn contract_silence(&mut self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self
            .query(
                "SELECT p.vendor, max(n.runs) AS runs FROM properties p
                 CROSS JOIN LATERAL (
                     SELECT count(*) AS runs FROM contract_runs r
                     WHERE r.tenant_id = $1 AND r.property_id = p.property_id AND r.vendor = p.vendor AND r.at > COALESCE((
                         SELECT max(s.at) FROM contract_runs s
                         WHERE s.tenant_id = $1 AND s.property_id = p.property_id AND s.vendor = p.vendor
                               AND s.verdict IN ('adopted', 'same', 'restored', 'drift')), '-infinity')
                 ) n
                 WHERE p.tenant_id = $1 AND NOT p.live AND p.contract IS NOT NULL GROUP BY p.vendor ORDER BY p.vendor",
            )
            .fetch_all(&mut *self.tx)
            .await?;
        let one = |row: &PgRow| {
            let runs = u64::try_from(row.try_get::<i64, _>("runs")?).map_err(|_| StoreError::Corrupt("runs"))?;
            Ok((row.text("vendor")?, runs))
        };
        rows.iter().map(one).collect()
    }

    /// What a property's check works on. None if it has none, or is live.
    pub async fn contract_settings(&mut self, property: PropertyId) -> Result<Option<ContractSettings>, StoreError> {
        let row = self
            .query("SELECT contract FROM properties WHERE tenant_id = $1 AND property_id = $2 AND NOT live")
            .bind(property.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        Ok(row.map(|row| row.json_opt("contract")).transpose()?.flatten())
    }

    /// Changes what a property's check works on; none ends it.
    pub async fn set_contract(
        &mut self,
        property: PropertyId,
        settings: Option<&ContractSettings>,
    ) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE properties SET contract = $3 WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .bind(settings.map(Json))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("property")) } else { Ok(()) }
    }

    /// Enters a run, compares it with what was accepted, and opens, continues or ends the incident, with its event: all or nothing. Told
    /// again, a run changes nothing. Returns what came of it.
    pub async fn settle_contract_run(&mut self, run: &ContractRun) -> Result<ContractVerdict, StoreError> {
        self.lock_contract(run.property, &run.vendor).await?;
        let known = self
            .query("SELECT verdict FROM contract_runs WHERE tenant_id = $1 AND run_id = $2")
            .bind(run.run)
            .fetch_optional(&mut *self.tx)
            .await?;
        if let Some(row) = known {
            return row.name("verdict");
        }
        let (verdict, event) = match &run.report {
            Err(NoReport::Away) => (ContractVerdict::Away, None),
            Err(NoReport::Untried) => (ContractVerdict::Untried, None),
            Ok(report) => self.judged(run, report).await?,
        };
        self.query(
            "WITH old AS (
                 DELETE FROM contract_runs WHERE tenant_id = $1 AND run_id IN (
                     SELECT run_id FROM contract_runs WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3
                     ORDER BY at DESC OFFSET $8)
             ) INSERT INTO contract_runs (tenant_id, property_id, vendor, run_id, at, verdict, report)
               VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(run.property.as_uuid())
        .bind(&run.vendor)
        .bind(run.run)
        .bind(Ts(run.at))
        .bind(verdict.name())
        .bind(run.report.as_ref().ok().map(Json))
        .bind(KEPT_RUNS - 1)
        .execute(&mut *self.tx)
        .await?;
        if let Some(event) = event {
            let at = self.on_its_clock(run.property, run.at).await?;
            self.append(at, run.property, None, &[event]).await?;
        }
        Ok(verdict)
    }

    /// One after another decides what is expected of a vendor.
    async fn lock_contract(&mut self, property: PropertyId, vendor: &str) -> Result<(), StoreError> {
        self.query("SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2::text || $3 || 'contract', 0))")
            .bind(property.as_uuid())
            .bind(vendor)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// What is expected of a vendor. A report that a newer version has written is as good as none.
    async fn expected(&mut self, property: PropertyId, vendor: &str) -> Result<Option<Report>, StoreError> {
        let row = self
            .query("SELECT report FROM contract_baselines WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3")
            .bind(property.as_uuid())
            .bind(vendor)
            .fetch_optional(&mut *self.tx)
            .await?;
        Ok(row.and_then(|row| row.json("report").ok()))
    }

    async fn judged(
        &mut self,
        run: &ContractRun,
        report: &Report,
    ) -> Result<(ContractVerdict, Option<Event>), StoreError> {
        let accepted = self.expected(run.property, &run.vendor).await?;
        let judgement = judge(accepted.as_ref(), report);
        if let (Judgement::Same | Judgement::Silent, Some(accepted)) = (&judgement, &accepted) {
            self.learn(run, accepted, report).await?;
        }
        Ok(match judgement {
            Judgement::Silent => (ContractVerdict::Silent, None),
            Judgement::Drift(differences) => (ContractVerdict::Drift, self.drifted(run, report, &differences).await?),
            Judgement::Adopted => {
                self.accept_report(run.property, &run.vendor, report, None, run.at).await?;
                let ended = if self.unseen(run, report).await? { None } else { self.restored(run).await? };
                (ContractVerdict::Adopted, ended)
            }
            // What an incident is about was skipped: nobody knows whether it is over.
            Judgement::Same if self.unseen(run, report).await? => (ContractVerdict::Silent, None),
            Judgement::Same => match self.restored(run).await? {
                None => (ContractVerdict::Same, None),
                ended => (ContractVerdict::Restored, ended),
            },
        })
    }

    /// What a run that is well says for the first time is expected from now on.
    async fn learn(&mut self, run: &ContractRun, accepted: &Report, report: &Report) -> Result<(), StoreError> {
        let whole = completed(accepted, report);
        if whole == *accepted {
            return Ok(());
        }
        self.query(
            "UPDATE contract_baselines SET report = $4 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3",
        )
        .bind(run.property.as_uuid())
        .bind(&run.vendor)
        .bind(Json(&whole))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Whether a check that an open incident is about was skipped in this run.
    async fn unseen(&mut self, run: &ContractRun, report: &Report) -> Result<bool, StoreError> {
        let row = self
            .query(
                "SELECT differences FROM vendor_incidents
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = 'contract_drift' AND state = 'open'",
            )
            .bind(run.property.as_uuid())
            .bind(&run.vendor)
            .fetch_optional(&mut *self.tx)
            .await?;
        let about: Vec<Difference> = row.map(|row| row.json("differences")).transpose()?.unwrap_or_default();
        Ok(about.iter().any(|difference| report.check(&difference.check).is_some_and(|check| !check.speaks())))
    }

    /// Opens an incident, or brings the open one up to date; an event for a new one.
    async fn drifted(
        &mut self,
        run: &ContractRun,
        report: &Report,
        differences: &[Difference],
    ) -> Result<Option<Event>, StoreError> {
        let id = IncidentId::from_uuid(Uuid::now_v7());
        let row = self
            .query(
                "INSERT INTO vendor_incidents AS i (tenant_id, incident_id, property_id, vendor, kind, state, opened_at, last_seen_at, runs,
                                                    differences, report)
                 VALUES ($1, $2, $3, $4, 'contract_drift', 'open', $5, $5, 1, $6, $7)
                 ON CONFLICT (tenant_id, property_id, vendor, kind) WHERE state = 'open'
                 DO UPDATE SET last_seen_at = $5, runs = i.runs + 1, differences = $6, report = $7
                 RETURNING incident_id",
            )
            .bind(id.as_uuid())
            .bind(run.property.as_uuid())
            .bind(&run.vendor)
            .bind(Ts(run.at))
            .bind(Json(differences))
            .bind(Json(report))
            .fetch_one(&mut *self.tx)
            .await?;
        if row.uuid("incident_id")? != id.as_uuid() {
            return Ok(None);
        }
        let mut checks: Vec<String> = differences.iter().map(|difference| difference.check.clone()).collect();
        checks.dedup();
        let count = u32::try_from(differences.len()).unwrap_or(u32::MAX);
        Ok(Some(Event::ContractDrift { vendor: run.vendor.clone(), incident: id, differences: count, checks }))
    }

    /// Ends the open incident, if there is one.
    async fn restored(&mut self, run: &ContractRun) -> Result<Option<Event>, StoreError> {
        let row = self
            .query(
                "UPDATE vendor_incidents SET state = 'restored', ended_at = $4
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = 'contract_drift' AND state = 'open'
                 RETURNING incident_id",
            )
            .bind(run.property.as_uuid())
            .bind(&run.vendor)
            .bind(Ts(run.at))
            .fetch_optional(&mut *self.tx)
            .await?;
        let event = |row: PgRow| -> Result<Event, StoreError> {
            let incident = IncidentId::from_uuid(row.uuid("incident_id")?);
            Ok(Event::ContractRestored { vendor: run.vendor.clone(), incident })
        };
        row.map(event).transpose()
    }

    async fn accept_report(
        &mut self,
        property: PropertyId,
        vendor: &str,
        report: &Report,
        by: Option<ApiKeyId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO contract_baselines (tenant_id, property_id, vendor, report, accepted_at, accepted_by)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, property_id, vendor) DO UPDATE SET report = $4, accepted_at = $5, accepted_by = $6",
        )
        .bind(property.as_uuid())
        .bind(vendor)
        .bind(Json(report))
        .bind(Ts(at))
        .bind(by.map(|by| by.as_uuid()))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Takes what an open incident's last run has seen for what the vendor is expected to do, and appends the event. What that run was silent
    /// about is expected as before. Returns whether the incident was open; if not, nothing has changed.
    pub async fn accept_incident(&mut self, id: IncidentId, by: ApiKeyId, now: Timestamp) -> Result<bool, StoreError> {
        let Some(incident) = self.incident(id).await? else { return Ok(false) };
        self.lock_contract(incident.property, &incident.vendor).await?;
        let row = self
            .query(
                "UPDATE vendor_incidents SET state = 'accepted', ended_at = $3, accepted_by = $4
                 WHERE tenant_id = $1 AND incident_id = $2 AND state = 'open' RETURNING property_id, vendor, report",
            )
            .bind(id.as_uuid())
            .bind(Ts(now))
            .bind(by.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        let Some(row) = row else { return Ok(false) };
        let (property, vendor) = (PropertyId::from_uuid(row.uuid("property_id")?), row.text("vendor")?);
        let mut report: Report = row.json("report")?;
        if let Some(expected) = self.expected(property, &vendor).await? {
            report = completed(&report, &expected);
        }
        self.accept_report(property, &vendor, &report, Some(by), now).await?;
        let at = self.on_its_clock(property, now).await?;
        self.append(at, property, None, &[Event::ContractAccepted { vendor, incident: id, by }]).await?;
        Ok(true)
    }

    /// An incident by its id.
    pub async fn incident(&mut self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        let row = self.query(incidents!("AND incident_id = $2")).bind(id.as_uuid());
        row.fetch_optional(&mut *self.tx).await?.as_ref().map(incident).transpose()
    }

    /// Incidents, newest first, from the one after `after` on; of some properties only, if they are named.
    pub async fn incidents(
        &mut self,
        after: Option<IncidentId>,
        limit: u32,
        properties: Option<&[PropertyId]>,
    ) -> Result<Vec<Incident>, StoreError> {
        let properties: Option<Vec<Uuid>> = properties.map(|list| list.iter().map(|id| id.as_uuid()).collect());
        let rows = self
            .query(incidents!(
                "AND ($2::uuid IS NULL OR incident_id < $2) AND ($3::uuid[] IS NULL OR property_id = ANY($3))
                 ORDER BY incident_id DESC LIMIT $4"
            ))
            .bind(after.map(|id| id.as_uuid()))
            .bind(properties)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(incident).collect()
    }

    async fn on_its_clock(&mut self, property: PropertyId, real: Timestamp) -> Result<Timestamp, StoreError> {
        let row = self
            .query("SELECT clock_offset_ms FROM properties WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .fetch_one(&mut *self.tx)
            .await?;
        Ok(to_stored(ClockOffset::from_millis(row.int("clock_offset_ms")?).now(real)))
    }
}

fn incident(row: &PgRow) -> Result<Incident, StoreError> {
    Ok(Incident {
        id: IncidentId::from_uuid(row.uuid("incident_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        vendor: row.text("vendor")?,
        state: row.name("state")?,
        opened_at: row.at("opened_at")?,
        last_seen_at: row.at("last_seen_at")?,
        runs: u32::try_from(row.try_get::<i32, _>("runs")?).map_err(|_| StoreError::Corrupt("runs"))?,
        ended_at: row.at_opt("ended_at")?,
        accepted_by: row.uuid_opt("accepted_by")?.map(ApiKeyId::from_uuid),
        differences: row.json("differences")?,
    })
}
