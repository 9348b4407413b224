//! What the nightly check of a vendor's contract works on. [`runs`] is what it finds, [`incidents`] what people make of that.

mod incidents;
mod runs;

use crate::{StoreError, TenantTx, row::RowExt};
use lock_domain::ids::PropertyId;
use serde::{Deserialize, Serialize};
use sqlx::{Row, postgres::PgRow, types::Json};

pub use runs::{ContractRun, ContractVerdict, NoReport};

/// What a property's contract check works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractSettings {
    /// The vendor's id of a lock that no guest uses.
    pub lock: String,
    /// An encoder that somebody puts blank cards on, for vendors of cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
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
}
