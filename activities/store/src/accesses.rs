//! The record of who opened secrets: append-only rows, and what they say about an accessor.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::vault::{Oddity, Past, TOLD_FOR};
use uuid::Uuid;

/// So many accesses of an accessor are looked at to know its habits.
const LOOKED_AT: i64 = 500;
/// Older ones are no habits.
const HABITS: SignedDuration = SignedDuration::from_hours(60 * 24);

/// How an access ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessOutcome {
    /// The secret was opened.
    Opened,
    /// It did not open.
    Refused,
}

impl AccessOutcome {
    /// Its name, as in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Refused => "refused",
        }
    }
}

/// An access, or several equal ones.
#[derive(Debug, Clone)]
pub struct NewAccess<'a> {
    /// The last of them, real time.
    pub at: Timestamp,
    /// By whom: an accessor's text.
    pub who: &'a str,
    /// What for.
    pub purpose: &'a str,
    /// The sealed column, `table.column`.
    pub place: &'a str,
    /// Its row.
    pub row: Uuid,
    /// How it ended.
    pub outcome: AccessOutcome,
    /// How many there were.
    pub times: u32,
    /// What was out of pattern.
    pub oddity: Option<Oddity>,
}

/// An access as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRow {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// What for.
    pub purpose: String,
    /// The sealed column, `table.column`.
    pub place: String,
    /// Its row.
    pub row: Uuid,
    /// How it ended.
    pub outcome: String,
    /// How many there were.
    pub times: i64,
    /// What was out of pattern.
    pub oddity: Option<String>,
}

impl TenantTx<'_> {
    /// Records accesses.
    pub async fn record_accesses(&mut self, list: &[NewAccess<'_>]) -> Result<(), StoreError> {
        if list.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = list.iter().map(|_| Uuid::now_v7()).collect();
        let at: Vec<Ts> = list.iter().map(|one| Ts(one.at)).collect();
        let text = |part: fn(&NewAccess<'_>) -> String| -> Vec<String> { list.iter().map(part).collect() };
        let rows: Vec<Uuid> = list.iter().map(|one| one.row).collect();
        let times: Vec<i32> = list.iter().map(|one| i32::try_from(one.times).unwrap_or(i32::MAX).max(1)).collect();
        let oddities: Vec<Option<&str>> = list.iter().map(|one| one.oddity.map(Oddity::name)).collect();
        self.query(
            "INSERT INTO vault_accesses (tenant_id, access_id, at, who, purpose, place, row_id, outcome, times, oddity)
             SELECT $1, list.* FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[],
                                           $9::int[], $10::text[]) AS list",
        )
        .bind(ids)
        .bind(at)
        .bind(text(|one| one.who.to_owned()))
        .bind(text(|one| one.purpose.to_owned()))
        .bind(text(|one| one.place.to_owned()))
        .bind(rows)
        .bind(text(|one| one.outcome.name().to_owned()))
        .bind(times)
        .bind(oddities)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// What is recorded of an accessor's accesses before `at`. `hour` gives the hour of the day of an instant. Two round trips.
    pub async fn access_past(
        &mut self,
        who: &str,
        at: Timestamp,
        hour: impl Fn(Timestamp) -> u8,
    ) -> Result<Past, StoreError> {
        let rows = self
            .query(
                "SELECT at, oddity FROM vault_accesses WHERE tenant_id = $1 AND who = $2 AND at > $3 AND at <= $4 ORDER BY at DESC LIMIT $5",
            )
            .bind(who)
            .bind(Ts(at.saturating_sub(HABITS).unwrap_or(Timestamp::UNIX_EPOCH)))
            .bind(Ts(at))
            .bind(LOOKED_AT)
            .fetch_all(&mut *self.tx)
            .await?;
        let mut earlier = Vec::with_capacity(rows.len());
        let mut told = Vec::new();
        for row in &rows {
            let then = row.at("at")?;
            earlier.push(then);
            if at.duration_since(then) < TOLD_FOR {
                told.extend(row.name_opt::<Oddity>("oddity")?);
            }
        }
        let first = self
            .query("SELECT at FROM vault_accesses WHERE tenant_id = $1 ORDER BY at LIMIT 1")
            .fetch_optional(&mut *self.tx)
            .await?;
        let tenant_since = first.map(|row| row.at("at")).transpose()?;
        Ok(Past { tenant_since, told, ..Past::of(&earlier, at, hour) })
    }

    /// Accesses since an instant, oldest first.
    pub async fn accesses_since(&mut self, since: Timestamp, limit: u32) -> Result<Vec<AccessRow>, StoreError> {
        let rows = self
            .query(
                "SELECT at, who, purpose, place, row_id, outcome, times::bigint AS times, oddity FROM vault_accesses
                 WHERE tenant_id = $1 AND at >= $2 ORDER BY at, access_id LIMIT $3",
            )
            .bind(Ts(since))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        let read = |row: &sqlx::postgres::PgRow| -> Result<AccessRow, StoreError> {
            Ok(AccessRow {
                at: row.at("at")?,
                who: row.text("who")?,
                purpose: row.text("purpose")?,
                place: row.text("place")?,
                row: row.uuid("row_id")?,
                outcome: row.text("outcome")?,
                times: row.int("times")?,
                oddity: row.text_opt("oddity")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
