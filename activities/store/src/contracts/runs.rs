//! Runs of the contract suite, and what was accepted of a vendor. A run is settled once, however often it is told.

use crate::{
    StoreError, TenantTx,
    row::RowExt,
    time::{Ts, to_stored},
};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    contract::{Difference, Judgement, Report, completed, judge},
    event::Event,
    ids::{ApiKeyId, IncidentId, PropertyId},
};
use serde::{Deserialize, Serialize};
use sqlx::{postgres::PgRow, types::Json};
use uuid::Uuid;

/// So many runs of a property are kept.
const KEPT_RUNS: i64 = 60;

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

impl TenantTx<'_> {
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
    pub(super) async fn lock_contract(&mut self, property: PropertyId, vendor: &str) -> Result<(), StoreError> {
        self.query("SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2::text || $3 || 'contract', 0))")
            .bind(property.as_uuid())
            .bind(vendor)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// What is expected of a vendor. A report that a newer version has written is as good as none.
    pub(super) async fn expected(&mut self, property: PropertyId, vendor: &str) -> Result<Option<Report>, StoreError> {
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

    pub(super) async fn accept_report(
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

    pub(super) async fn on_its_clock(
        &mut self,
        property: PropertyId,
        real: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let row = self
            .query("SELECT clock_offset_ms FROM properties WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .fetch_one(&mut *self.tx)
            .await?;
        Ok(to_stored(ClockOffset::from_millis(row.int("clock_offset_ms")?).now(real)))
    }
}
