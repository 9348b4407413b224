//! Hotels and their choices.

use crate::{StoreError, TenantTx, row::RowExt};
use lock_domain::{clock::ClockOffset, guard::FeedGuard, ids::PropertyId, policy::StayPolicy};
use sqlx::{postgres::PgRow, types::Json};

/// A hotel.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its id.
    pub id: PropertyId,
    /// A name for people.
    pub name: String,
    /// IANA name of its time zone.
    pub zone: String,
    /// Real guests; its clock is real time.
    pub live: bool,
    /// A sandbox property's test clock.
    pub clock: ClockOffset,
    /// Where a sandbox's lock simulator is told of a new time.
    pub clock_hook_url: Option<String>,
    /// Its choices.
    pub policy: StayPolicy,
    /// How many stays may lose their keys early before a person is asked.
    pub feed_guard: FeedGuard,
    /// The lock vendor.
    pub vendor: String,
    /// The vendor's settings, without secrets.
    pub vendor_config: serde_json::Value,
    /// The vendor's secrets, sealed by the caller.
    pub vendor_sealed: Option<Vec<u8>>,
    /// Counts changes of the vendor's settings, so that caches can tell.
    pub config_version: i64,
}

/// A hotel to be entered.
#[derive(Debug, Clone)]
pub struct NewProperty {
    /// Its id.
    pub id: PropertyId,
    /// A name for people.
    pub name: String,
    /// IANA name of its time zone; checked by the caller.
    pub zone: String,
    /// Real guests.
    pub live: bool,
    /// Where a sandbox's lock simulator is told of a new time. Refused on a live property.
    pub clock_hook_url: Option<String>,
    /// Its choices; checked by the caller.
    pub policy: StayPolicy,
    /// The lock vendor.
    pub vendor: String,
    /// The vendor's settings. No secrets: these go sealed into `vendor_sealed`.
    pub vendor_config: serde_json::Value,
    /// The vendor's secrets, sealed.
    pub vendor_sealed: Option<Vec<u8>>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT property_id, name, zone, live, clock_offset_ms, clock_hook_url, policy, feed_guard, vendor, vendor_config,
                    vendor_sealed, config_version FROM properties WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Enters a hotel.
    pub async fn create_property(&mut self, new: &NewProperty) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO properties (tenant_id, property_id, name, zone, live, clock_hook_url, policy, vendor, vendor_config, vendor_sealed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.id.as_uuid())
        .bind(&new.name)
        .bind(&new.zone)
        .bind(new.live)
        .bind(&new.clock_hook_url)
        .bind(Json(&new.policy))
        .bind(&new.vendor)
        .bind(&new.vendor_config)
        .bind(&new.vendor_sealed)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A hotel by its id.
    pub async fn property(&mut self, id: PropertyId) -> Result<Option<Property>, StoreError> {
        let row = self.query(select!("AND property_id = $2")).bind(id.as_uuid()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(property).transpose()
    }

    /// The tenant's hotels in the order of their ids, from the one after `after` on.
    pub async fn properties(&mut self, after: Option<PropertyId>, limit: u32) -> Result<Vec<Property>, StoreError> {
        let rows = self
            .query(select!("AND ($2::uuid IS NULL OR property_id > $2) ORDER BY property_id LIMIT $3"))
            .bind(after.map(|id| id.as_uuid()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(property).collect()
    }

    /// Changes a hotel's choices. Stays that have begun keep the ones they began with.
    pub async fn set_policy(&mut self, id: PropertyId, policy: &StayPolicy) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE properties SET policy = $3 WHERE tenant_id = $1 AND property_id = $2")
            .bind(id.as_uuid())
            .bind(Json(policy))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("property")) } else { Ok(()) }
    }

    /// Changes how many stays of a hotel may lose their keys early. What is held already stays held.
    pub async fn set_feed_guard(&mut self, id: PropertyId, guard: &FeedGuard) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE properties SET feed_guard = $3 WHERE tenant_id = $1 AND property_id = $2")
            .bind(id.as_uuid())
            .bind(Json(guard))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("property")) } else { Ok(()) }
    }

    /// The vendor's settings as they are, which nobody else changes until the transaction ends.
    pub async fn lock_vendor_config(&mut self, id: PropertyId) -> Result<serde_json::Value, StoreError> {
        let row = self
            .query("SELECT vendor_config FROM properties WHERE tenant_id = $1 AND property_id = $2 FOR NO KEY UPDATE")
            .bind(id.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.ok_or(StoreError::NotFound("property"))?.json("vendor_config")
    }

    /// Changes the vendor's settings but for its name and secrets, counts the change, and returns the count.
    pub async fn set_vendor_config(&mut self, id: PropertyId, config: &serde_json::Value) -> Result<i64, StoreError> {
        let row = self
            .query(
                "UPDATE properties SET vendor_config = $3, config_version = config_version + 1
                 WHERE tenant_id = $1 AND property_id = $2 RETURNING config_version",
            )
            .bind(id.as_uuid())
            .bind(config)
            .fetch_optional(&mut *self.tx)
            .await?;
        row.ok_or(StoreError::NotFound("property"))?.int("config_version")
    }

    /// Changes the vendor's settings, and counts the change.
    pub async fn set_vendor(
        &mut self,
        id: PropertyId,
        vendor: &str,
        config: &serde_json::Value,
        sealed: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let done = self
            .query(
                "UPDATE properties SET vendor = $3, vendor_config = $4, vendor_sealed = $5, config_version = config_version + 1
                 WHERE tenant_id = $1 AND property_id = $2",
            )
            .bind(id.as_uuid())
            .bind(vendor)
            .bind(config)
            .bind(sealed)
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("property")) } else { Ok(()) }
    }
}

fn property(row: &PgRow) -> Result<Property, StoreError> {
    Ok(Property {
        id: PropertyId::from_uuid(row.uuid("property_id")?),
        name: row.text("name")?,
        zone: row.text("zone")?,
        live: row.flag("live")?,
        clock: ClockOffset::from_millis(row.int("clock_offset_ms")?),
        clock_hook_url: row.text_opt("clock_hook_url")?,
        policy: row.json("policy")?,
        feed_guard: row.json_opt("feed_guard")?.unwrap_or_default(),
        vendor: row.text("vendor")?,
        vendor_config: row.json("vendor_config")?,
        vendor_sealed: sqlx::Row::try_get(row, "vendor_sealed")?,
        config_version: row.int("config_version")?,
    })
}
