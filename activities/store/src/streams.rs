//! Vendors' streams of events: one row a property and vendor. Whoever claims a row listens until its lease ends; what it heard is stored
//! only while nobody has claimed the row since.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::ids::PropertyId;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// A stream that was claimed, and what its listener needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedStream {
    /// The hotel.
    pub property: PropertyId,
    /// The lock vendor.
    pub vendor: String,
    /// Which listener this is.
    pub epoch: i64,
    /// All that the vendor told of until then was heard, by the locks' clocks.
    pub passed_at: Option<Timestamp>,
    /// So many listeners in a row ended with a trouble.
    pub failures: u32,
    /// The hotel's settings for the vendor.
    pub vendor_config: serde_json::Value,
    /// The hotel's secrets for the vendor, sealed.
    pub vendor_sealed: Option<Vec<u8>>,
    /// Where they stand, if it is not the hotel's main vendor: the row's id.
    pub vendor_row: Option<Uuid>,
    /// Counts changes of the settings.
    pub config_version: i64,
}

/// A stream as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// The lock vendor.
    pub vendor: String,
    /// Until when a worker listens; `None` or the past if nobody does.
    pub leased_until: Option<Timestamp>,
    /// Since when the present or last listener does.
    pub listening_since: Option<Timestamp>,
    /// When something was heard last, real time.
    pub heard_at: Option<Timestamp>,
    /// Why the last listener ended, if it was for a trouble: a word of ours.
    pub trouble: Option<String>,
}

impl TenantTx<'_> {
    /// Enters a stream for each of the tenant's properties that has one of these vendors, and doors there, and none yet.
    pub async fn enter_streams(&mut self, vendors: &[&str], now: Timestamp) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO vendor_streams (tenant_id, property_id, vendor, next_at)
             SELECT $1, p.property_id, p.vendor, $3
             FROM (SELECT property_id, vendor FROM properties WHERE tenant_id = $1
                   UNION SELECT property_id, vendor FROM property_vendors WHERE tenant_id = $1) p
             WHERE p.vendor = ANY($2)
               AND EXISTS (SELECT FROM doors d WHERE d.tenant_id = $1 AND d.property_id = p.property_id AND d.vendor = p.vendor)
               AND NOT EXISTS (SELECT FROM vendor_streams s WHERE s.tenant_id = $1 AND s.property_id = p.property_id AND s.vendor = p.vendor)
             ON CONFLICT DO NOTHING",
        )
        .bind(vendors.iter().map(|vendor| (*vendor).to_owned()).collect::<Vec<_>>())
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Claims streams that nobody listens to, at most `limit`, until `until`: nobody else gets them before. Commit before listening.
    pub async fn claim_streams(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedStream>, StoreError> {
        let rows = self
            .query(
                "WITH due AS MATERIALIZED (
                     SELECT s.property_id, s.vendor FROM vendor_streams s
                     WHERE s.tenant_id = $1 AND s.next_at <= $2 AND (s.leased_until IS NULL OR s.leased_until <= $2)
                       AND (EXISTS (SELECT FROM properties p WHERE p.tenant_id = $1 AND p.property_id = s.property_id AND p.vendor = s.vendor)
                            OR EXISTS (SELECT FROM property_vendors v
                                       WHERE v.tenant_id = $1 AND v.property_id = s.property_id AND v.vendor = s.vendor))
                     ORDER BY s.next_at LIMIT $4 FOR UPDATE SKIP LOCKED
                 ), s AS (
                     UPDATE vendor_streams s SET leased_until = $3, listening_since = $2, epoch = s.epoch + 1 FROM due
                     WHERE s.tenant_id = $1 AND s.property_id = due.property_id AND s.vendor = due.vendor RETURNING s.*
                 ) SELECT s.property_id, s.vendor, s.epoch, s.passed_at, s.failures, v.row_id AS vendor_row,
                          CASE WHEN v.row_id IS NULL THEN p.vendor_config ELSE v.config END AS vendor_config,
                          CASE WHEN v.row_id IS NULL THEN p.vendor_sealed ELSE v.sealed END AS vendor_sealed,
                          CASE WHEN v.row_id IS NULL THEN p.config_version ELSE v.config_version END AS config_version
                 FROM s JOIN properties p ON p.tenant_id = $1 AND p.property_id = s.property_id
                 LEFT JOIN property_vendors v ON v.tenant_id = $1 AND v.property_id = s.property_id AND v.vendor = s.vendor AND p.vendor <> s.vendor
                 WHERE p.vendor = s.vendor OR v.row_id IS NOT NULL",
            )
            .bind(Ts(now))
            .bind(Ts(until))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(claimed).collect()
    }

    /// Goes on listening until `until`. Returns the version of the settings that count now; `None` if the stream was lost to another
    /// listener, or the hotel has that vendor no more.
    pub async fn keep_stream(&mut self, claimed: &ClaimedStream, until: Timestamp) -> Result<Option<i64>, StoreError> {
        let row = self
            .query(
                "WITH s AS (
                     UPDATE vendor_streams SET leased_until = $5
                     WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND epoch = $4 RETURNING property_id, vendor
                 ) SELECT CASE WHEN p.vendor = s.vendor THEN p.config_version ELSE v.config_version END AS config_version
                 FROM s JOIN properties p ON p.tenant_id = $1 AND p.property_id = s.property_id
                 LEFT JOIN property_vendors v ON v.tenant_id = $1 AND v.property_id = s.property_id AND v.vendor = s.vendor",
            )
            .bind(claimed.property.as_uuid())
            .bind(&claimed.vendor)
            .bind(claimed.epoch)
            .bind(Ts(until))
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map_or(Ok(None), |row| Ok(row.try_get("config_version")?))
    }

    /// Notes that something was heard, and up to when all of it is stored, if that is so. Whether the stream is still the listener's: if
    /// not, the caller must store nothing. Another listener can't claim it before the transaction ends.
    pub async fn note_heard(
        &mut self,
        claimed: &ClaimedStream,
        passed: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .query(
                "UPDATE vendor_streams SET heard_at = $6, passed_at = GREATEST(passed_at, $5), trouble = NULL, failures = 0
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND epoch = $4",
            )
            .bind(claimed.property.as_uuid())
            .bind(&claimed.vendor)
            .bind(claimed.epoch)
            .bind(passed.map(Ts))
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a listener: somebody may listen from `next` on. `trouble` is a word of ours. One that was lost meanwhile is left alone.
    pub async fn release_stream(
        &mut self,
        claimed: &ClaimedStream,
        next: Timestamp,
        trouble: Option<&str>,
    ) -> Result<(), StoreError> {
        self.query(
            "UPDATE vendor_streams SET leased_until = NULL, next_at = $5, trouble = coalesce($6, trouble),
                    failures = CASE WHEN $6::text IS NULL THEN failures ELSE LEAST(failures + 1, 1000000) END
             WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND epoch = $4",
        )
        .bind(claimed.property.as_uuid())
        .bind(&claimed.vendor)
        .bind(claimed.epoch)
        .bind(Ts(next))
        .bind(trouble)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A property's streams, by vendor.
    pub async fn streams(&mut self, property: PropertyId) -> Result<Vec<StreamRow>, StoreError> {
        let rows = self
            .query(
                "SELECT vendor, leased_until, listening_since, heard_at, trouble FROM vendor_streams
                 WHERE tenant_id = $1 AND property_id = $2 ORDER BY vendor",
            )
            .bind(property.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(StreamRow {
                    vendor: row.text("vendor")?,
                    leased_until: row.at_opt("leased_until")?,
                    listening_since: row.at_opt("listening_since")?,
                    heard_at: row.at_opt("heard_at")?,
                    trouble: row.text_opt("trouble")?,
                })
            })
            .collect()
    }
}

fn claimed(row: &PgRow) -> Result<ClaimedStream, StoreError> {
    let failures: i32 = row.try_get("failures")?;
    Ok(ClaimedStream {
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        vendor: row.text("vendor")?,
        epoch: row.int("epoch")?,
        passed_at: row.at_opt("passed_at")?,
        failures: u32::try_from(failures).map_err(|_| StoreError::Corrupt("failures"))?,
        vendor_config: row.json("vendor_config")?,
        vendor_sealed: row.try_get("vendor_sealed")?,
        vendor_row: row.uuid_opt("vendor_row")?,
        config_version: row.int("config_version")?,
    })
}
