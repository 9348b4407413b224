//! Idempotency keys: a repeated request gets the first one's answer.
//!
//! The row is best written in the same transaction as the effect: a second request then waits at the first one's row until it is
//! committed and gets its answer, or takes its place if it was rolled back.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::ApiKeyId;
use sqlx::Row;

/// Which request a key stands for: the same key of another client or for another route is another request.
#[derive(Debug, Clone, Copy)]
pub struct IdempotencyScope<'a> {
    /// Whose request.
    pub client: ApiKeyId,
    /// The route's method and template.
    pub route: &'a str,
    /// The header's value.
    pub key: &'a str,
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// It is the first: go on, and finish it.
    Fresh,
    /// It was answered so.
    Replay {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: serde_json::Value,
    },
    /// The key was used for another body.
    OtherBody,
    /// The first request is still being answered.
    InProgress,
}

impl TenantTx<'_> {
    /// Answers are kept for so long.
    pub const IDEMPOTENCY_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
    /// A request that has been under way for so long is taken for dead, and a repeat takes its place.
    pub const IDEMPOTENCY_TAKEOVER: SignedDuration = SignedDuration::from_secs(60);

    /// Enters a request, or tells what became of it. One round trip for a fresh request, else two.
    pub async fn idempotency_begin(
        &mut self,
        scope: IdempotencyScope<'_>,
        body_sha256: &[u8; 32],
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let stale = now.saturating_sub(Self::IDEMPOTENCY_TAKEOVER).unwrap_or(Timestamp::MIN);
        let expires = now.saturating_add(Self::IDEMPOTENCY_KEPT).unwrap_or(Timestamp::MAX);
        let fresh = self
            .query(
                "INSERT INTO idempotency AS i (tenant_id, api_key_id, route, key, body_sha256, state, begun_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, 'in_progress', $6, $7)
                 ON CONFLICT (tenant_id, api_key_id, route, key) DO UPDATE
                 SET body_sha256 = $5, state = 'in_progress', status = NULL, body = NULL, begun_at = $6, expires_at = $7
                 WHERE i.expires_at <= $6 OR (i.state = 'in_progress' AND i.begun_at <= $8 AND i.body_sha256 = $5)",
            )
            .bind(scope.client.as_uuid())
            .bind(scope.route)
            .bind(scope.key)
            .bind(&body_sha256[..])
            .bind(Ts(now))
            .bind(Ts(expires))
            .bind(Ts(stale))
            .execute(&mut *self.tx)
            .await?;
        if fresh.rows_affected() == 1 {
            return Ok(Begun::Fresh);
        }
        let row = self
            .query(
                "SELECT body_sha256, status, body FROM idempotency
                 WHERE tenant_id = $1 AND api_key_id = $2 AND route = $3 AND key = $4",
            )
            .bind(scope.client.as_uuid())
            .bind(scope.route)
            .bind(scope.key)
            .fetch_one(&mut *self.tx)
            .await?;
        if row.bytes("body_sha256")? != body_sha256 {
            return Ok(Begun::OtherBody);
        }
        let status: Option<i32> = row.try_get("status")?;
        match status.map(u16::try_from) {
            None => Ok(Begun::InProgress),
            Some(Ok(status)) => Ok(Begun::Replay { status, body: row.json("body")? }),
            Some(Err(_)) => Err(StoreError::Corrupt("status")),
        }
    }

    /// Keeps a request's answer for repeats.
    pub async fn idempotency_finish(
        &mut self,
        scope: IdempotencyScope<'_>,
        status: u16,
        body: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let done = self
            .query(
                "UPDATE idempotency SET state = 'done', status = $5, body = $6
                 WHERE tenant_id = $1 AND api_key_id = $2 AND route = $3 AND key = $4",
            )
            .bind(scope.client.as_uuid())
            .bind(scope.route)
            .bind(scope.key)
            .bind(i32::from(status))
            .bind(body)
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("idempotency key")) } else { Ok(()) }
    }

    /// Forgets answers that have expired, at most `limit`. Returns how many.
    pub async fn idempotency_sweep(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let done = self
            .query(
                "DELETE FROM idempotency WHERE (tenant_id, api_key_id, route, key) IN
                 (SELECT tenant_id, api_key_id, route, key FROM idempotency WHERE tenant_id = $1 AND expires_at <= $2 LIMIT $3)",
            )
            .bind(Ts(now))
            .bind(i64::from(limit))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected())
    }
}
