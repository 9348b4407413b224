//! Counted calls, keys and doors by the day, and price lists: what costs are reckoned from.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{Timestamp, civil::Date};
use lock_domain::{
    cost::{CallCount, DayUse, Group, PriceList},
    ids::{ApiKeyId, PropertyId},
};
use sqlx::{Row, postgres::PgRow, types::Json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Calls of one kind at about one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallsAt {
    /// The property.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// When, real time; its day is that of the property's zone.
    pub at: Timestamp,
    /// The vendor's own name of the call.
    pub verb: &'static str,
    /// How they ended.
    pub outcome: &'static str,
    /// They repeat what was tried before.
    pub retry: bool,
    /// How many.
    pub count: u64,
}

impl TenantTx<'_> {
    /// Adds calls to the counts of their days. Not safe to run twice: each time counts.
    pub async fn add_calls(&mut self, calls: &[CallsAt]) -> Result<(), StoreError> {
        let column = |pick: fn(&CallsAt) -> &str| calls.iter().map(|call| pick(call).to_owned()).collect::<Vec<_>>();
        self.query(
            "INSERT INTO vendor_calls_daily AS c (tenant_id, property_id, vendor, day, verb, outcome, is_retry, calls)
             SELECT $1, l.property, l.vendor, (l.at AT TIME ZONE p.zone)::date, l.verb, l.outcome, l.retry, sum(l.n)
             FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::boolean[], $8::bigint[])
                  AS l (property, vendor, at, verb, outcome, retry, n)
             JOIN properties p ON p.tenant_id = $1 AND p.property_id = l.property
             GROUP BY 2, 3, 4, 5, 6, 7 ORDER BY 2, 3, 4, 5, 6, 7
             ON CONFLICT (tenant_id, property_id, vendor, day, verb, outcome, is_retry) DO UPDATE SET calls = c.calls + excluded.calls",
        )
        .bind(calls.iter().map(|call| call.property.as_uuid()).collect::<Vec<_>>())
        .bind(column(|call| &call.vendor))
        .bind(calls.iter().map(|call| Ts(call.at)).collect::<Vec<_>>())
        .bind(column(|call| call.verb))
        .bind(column(|call| call.outcome))
        .bind(calls.iter().map(|call| call.retry).collect::<Vec<_>>())
        .bind(calls.iter().map(|call| i64::try_from(call.count).unwrap_or(i64::MAX)).collect::<Vec<_>>())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Calls from one day to another, both included; of some properties only, if they are named. They are added up by the database as far as
    /// lines of the group don't tell them apart, and not beyond the days of one price list: so that it takes no more rows than there are verbs of
    /// each line and list, however many outcomes, days and properties there are.
    pub async fn calls(
        &mut self,
        from: Date,
        to: Date,
        properties: Option<&[PropertyId]>,
        by: Group,
    ) -> Result<Vec<CallCount>, StoreError> {
        let rows = self
            .query(
                "WITH lists AS (
                     SELECT vendor, valid_from, lead(valid_from) OVER (PARTITION BY vendor ORDER BY valid_from) AS next
                     FROM vendor_prices WHERE tenant_id = $1
                 )
                 SELECT CASE WHEN $5 THEN NULL ELSE c.property_id END AS property, c.vendor, min(c.day)::text AS day, c.verb,
                        LEAST(sum(c.calls), 9223372036854775807)::bigint AS calls,
                        LEAST(COALESCE(sum(c.calls) FILTER (WHERE c.outcome <> 'ok'), 0), 9223372036854775807)::bigint AS failed,
                        LEAST(COALESCE(sum(c.calls) FILTER (WHERE c.is_retry), 0), 9223372036854775807)::bigint AS retries
                 FROM vendor_calls_daily c
                 LEFT JOIN lists l ON l.vendor = c.vendor AND l.valid_from <= c.day AND (l.next IS NULL OR c.day < l.next)
                 WHERE c.tenant_id = $1 AND c.day BETWEEN $2::date AND $3::date AND ($4::uuid[] IS NULL OR c.property_id = ANY($4))
                 GROUP BY property, c.vendor, l.valid_from, CASE WHEN $6 THEN c.day END, c.verb
                 ORDER BY property, c.vendor, day, c.verb",
            )
            .bind(from.to_string())
            .bind(to.to_string())
            .bind(ids(properties))
            .bind(by == Group::Vendor)
            .bind(by == Group::Day)
            .fetch_all(&mut *self.tx)
            .await?;
        let call = |row: &PgRow| {
            Ok(CallCount {
                property: row.try_get::<Option<Uuid>, _>("property")?.map(PropertyId::from_uuid),
                vendor: row.text("vendor")?,
                day: day(row)?,
                verb: row.text("verb")?,
                count: count(row, "calls")?,
                failed: count(row, "failed")?,
                retries: count(row, "retries")?,
            })
        };
        rows.iter().map(call).collect()
    }

    /// Keys and doors on each day from one to another, both included, by property and vendor. A key counts at a vendor from the day on
    /// which the first of its doors was proven to have it, until the day on which the last was proven not to have it any more. Doors are
    /// those that there are now, from the property's first day on. Days that have not begun at the property yet have nothing.
    ///
    /// Attempts are read only of keys that had not gone before these days, however many there ever were.
    pub async fn day_uses(
        &mut self,
        from: Date,
        to: Date,
        properties: Option<&[PropertyId]>,
    ) -> Result<Vec<DayUse>, StoreError> {
        let rows = self
            .query(
                "WITH own AS (
                     SELECT property_id, zone, (created_at AT TIME ZONE zone)::date AS first_day,
                            LEAST($3::date, (now() AT TIME ZONE zone)::date) AS last_day FROM properties
                     WHERE tenant_id = $1 AND ($4::uuid[] IS NULL OR property_id = ANY($4))
                 ), houses AS (
                     SELECT d.property_id, d.vendor, o.first_day, o.last_day, count(*) AS doors FROM doors d JOIN own o USING (property_id)
                     WHERE d.tenant_id = $1 GROUP BY 1, 2, 3, 4
                 ), asked AS (
                     -- A day more than any zone is away from UTC: which day it was there is told below. All doors of a key count for its beginning.
                     SELECT DISTINCT key_id FROM credentials
                     WHERE tenant_id = $1 AND (state <> 'gone' OR updated_at >= ($2::date - 1)::timestamp AT TIME ZONE 'UTC')
                 ), stood AS (
                     SELECT d.property_id, d.vendor, c.key_id, min(a.began) AS began,
                            max(CASE WHEN c.state = 'gone' THEN COALESCE(a.ended, c.updated_at) ELSE 'infinity' END) AS ended
                     FROM credentials c
                     JOIN asked USING (key_id)
                     JOIN doors d ON d.tenant_id = $1 AND d.door_id = c.door_id
                     JOIN own o ON o.property_id = d.property_id
                     JOIN LATERAL (
                         SELECT min(at) FILTER (WHERE outcome = 'live') AS began, max(at) FILTER (WHERE outcome = 'gone') AS ended
                         FROM key_credential_attempts t
                         WHERE t.tenant_id = $1 AND t.credential_id = c.credential_id AND t.phase = 'outcome'
                     ) a ON a.began IS NOT NULL
                     WHERE c.tenant_id = $1 GROUP BY 1, 2, 3
                 ), dated AS (
                     SELECT s.property_id, s.vendor, (s.began AT TIME ZONE o.zone)::date AS began,
                            LEAST((s.ended AT TIME ZONE o.zone)::date, o.last_day) AS ended
                     FROM stood s JOIN own o USING (property_id)
                 ), made AS (
                     SELECT property_id, vendor, began AS day, count(*) AS n FROM dated GROUP BY 1, 2, 3
                 ), keys AS (
                     SELECT k.property_id, k.vendor, g.day::date AS day, count(*) AS n
                     FROM dated k CROSS JOIN LATERAL generate_series(
                         GREATEST(k.began, $2::date)::timestamp, k.ended::timestamp, interval '1 day') AS g (day)
                     GROUP BY 1, 2, 3
                 )
                 SELECT h.property_id, h.vendor, g.day::date::text AS day, h.doors, COALESCE(k.n, 0) AS keys, COALESCE(m.n, 0) AS made
                 FROM houses h
                 CROSS JOIN LATERAL generate_series(
                     GREATEST(h.first_day, $2::date)::timestamp, h.last_day::timestamp, interval '1 day') AS g (day)
                 LEFT JOIN keys k ON k.property_id = h.property_id AND k.vendor = h.vendor AND k.day = g.day::date
                 LEFT JOIN made m ON m.property_id = h.property_id AND m.vendor = h.vendor AND m.day = g.day::date
                 ORDER BY 1, 2, 3",
            )
            .bind(from.to_string())
            .bind(to.to_string())
            .bind(ids(properties))
            .fetch_all(&mut *self.tx)
            .await?;
        let one = |row: &PgRow| {
            Ok(DayUse {
                property: PropertyId::from_uuid(row.uuid("property_id")?),
                vendor: row.text("vendor")?,
                day: day(row)?,
                keys: count(row, "keys")?,
                made: count(row, "made")?,
                doors: count(row, "doors")?,
            })
        };
        rows.iter().map(one).collect()
    }

    /// All price lists of the tenant, by vendor, each from its day on.
    pub async fn prices(&mut self) -> Result<BTreeMap<String, Vec<PriceList>>, StoreError> {
        let rows = self
            .query(
                "SELECT vendor, valid_from::text AS day, currency, rates FROM vendor_prices WHERE tenant_id = $1 ORDER BY vendor, valid_from",
            )
            .fetch_all(&mut *self.tx)
            .await?;
        let mut prices: BTreeMap<String, Vec<PriceList>> = BTreeMap::new();
        for row in &rows {
            let list = PriceList { valid_from: day(row)?, currency: row.text("currency")?, rates: row.json("rates")? };
            prices.entry(row.text("vendor")?).or_default().push(list);
        }
        Ok(prices)
    }

    /// Enters a price list; one of the same vendor and day is replaced.
    pub async fn set_price(
        &mut self,
        vendor: &str,
        list: &PriceList,
        by: ApiKeyId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO vendor_prices (tenant_id, vendor, valid_from, currency, rates, set_at, set_by) VALUES ($1, $2, $3::date, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, vendor, valid_from) DO UPDATE SET currency = $4, rates = $5, set_at = $6, set_by = $7",
        )
        .bind(vendor)
        .bind(list.valid_from.to_string())
        .bind(&list.currency)
        .bind(Json(&list.rates))
        .bind(Ts(now))
        .bind(by.as_uuid())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

fn ids(properties: Option<&[PropertyId]>) -> Option<Vec<Uuid>> {
    properties.map(|list| list.iter().map(|id| id.as_uuid()).collect())
}

fn day(row: &PgRow) -> Result<Date, StoreError> {
    row.text("day")?.parse().map_err(|_| StoreError::Corrupt("day"))
}

fn count(row: &PgRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Corrupt(column))
}
