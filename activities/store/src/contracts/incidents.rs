//! Incidents: vendors that do something else than what was accepted of them.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    contract::{Incident, Report, completed},
    event::Event,
    ids::{ApiKeyId, IncidentId, PropertyId},
};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

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
