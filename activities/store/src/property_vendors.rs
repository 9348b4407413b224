//! Vendors that a property has beside its main one: in daily use, or on standby for when another one is down.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::ids::PropertyId;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// A vendor of a property beside its main one.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyVendor {
    /// The hotel.
    pub property: PropertyId,
    /// The vendor's name.
    pub vendor: String,
    /// The place that its secrets are sealed for: the row's own id.
    pub row: Uuid,
    /// Its settings, without secrets.
    pub config: serde_json::Value,
    /// Its secrets, sealed by the caller for `row`.
    pub sealed: Option<Vec<u8>>,
    /// In which order stays change to it, from 1, and no key opens its doors before; `None` if it is in daily use beside the main one.
    pub standby_rank: Option<u32>,
    /// So many keys it can have at a time; `None` is any number.
    pub most_keys: Option<u32>,
}

impl PropertyVendor {
    /// The id of the row of a property's vendor: a function of both, so that secrets can be sealed before there is a row.
    pub fn row_of(property: PropertyId, vendor: &str) -> Uuid {
        Uuid::new_v5(&property.as_uuid(), vendor.as_bytes())
    }
}

impl TenantTx<'_> {
    /// Enters a vendor of a property, or changes it and counts the change.
    pub async fn set_property_vendor(&mut self, new: &PropertyVendor, now: Timestamp) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO property_vendors (tenant_id, property_id, vendor, row_id, config, sealed, standby_rank, most_keys, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (tenant_id, property_id, vendor) DO UPDATE SET config = EXCLUDED.config, sealed = EXCLUDED.sealed,
                 standby_rank = EXCLUDED.standby_rank, most_keys = EXCLUDED.most_keys,
                 config_version = property_vendors.config_version + 1",
        )
        .bind(new.property.as_uuid())
        .bind(&new.vendor)
        .bind(new.row)
        .bind(&new.config)
        .bind(&new.sealed)
        .bind(new.standby_rank.map(count))
        .bind(new.most_keys.map(count))
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A property's vendors beside its main one: those on standby by their rank, then the others by name.
    pub async fn property_vendors(&mut self, property: PropertyId) -> Result<Vec<PropertyVendor>, StoreError> {
        let rows = self
            .query(
                "SELECT property_id, vendor, row_id, config, sealed, standby_rank, most_keys FROM property_vendors
                 WHERE tenant_id = $1 AND property_id = $2 ORDER BY standby_rank NULLS LAST, vendor",
            )
            .bind(property.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(property_vendor).collect()
    }
}

fn property_vendor(row: &PgRow) -> Result<PropertyVendor, StoreError> {
    let small = |column: &'static str| -> Result<Option<u32>, StoreError> {
        let value: Option<i32> = row.try_get(column)?;
        value.map(|n| u32::try_from(n).map_err(|_| StoreError::Corrupt(column))).transpose()
    };
    Ok(PropertyVendor {
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        vendor: row.text("vendor")?,
        row: row.uuid("row_id")?,
        config: row.json("config")?,
        sealed: row.try_get("sealed")?,
        standby_rank: small("standby_rank")?,
        most_keys: small("most_keys")?,
    })
}

fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
