//! Outcomes: what an attempt at a vendor has brought to light.

use crate::{
    StoreError, TenantTx,
    log::Head,
    row::RowExt,
    time::{Ts, ends},
};
use jiff::Timestamp;
use lock_domain::{
    credential::CredentialState,
    ids::{AttemptId, CredentialId},
    problem::Code,
    window::Window,
};
use sqlx::Row;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// Proven to be in the lock.
    Live,
    /// Proven not to be in the lock.
    Gone,
    /// Nobody can tell.
    Unconfirmed,
    /// The vendor refused.
    Refused,
    /// Not sent.
    CalledOff,
}

impl OutcomeKind {
    /// The outcome's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Gone => "gone",
            Self::Unconfirmed => "unconfirmed",
            Self::Refused => "refused",
            Self::CalledOff => "called_off",
        }
    }
}

/// An attempt's outcome, and what the credential's row shall say from now on.
#[derive(Debug, Clone)]
pub struct Outcome<'a> {
    /// The attempt; its intent must have been recorded.
    pub attempt: AttemptId,
    /// Its credential.
    pub credential: CredentialId,
    /// How it ended.
    pub kind: OutcomeKind,
    /// What is known of the credential now.
    pub state: CredentialState,
    /// The vendor's id for it; `None` keeps what is recorded.
    pub vendor_ref: Option<&'a str>,
    /// The window that the lock was asked for; `None` keeps what is recorded.
    pub requested: Option<Window>,
    /// The window that the lock keeps; `None` keeps what is recorded.
    pub effective: Option<Window>,
    /// Why it is not as wanted; `None` clears it.
    pub code: Option<Code>,
    /// The door may open until then, if a revoke is pending; `None` clears it.
    pub still_valid_until: Option<Timestamp>,
    /// Something was sent, and nobody knows its effect; it may arrive until a while after this instant. An outcome that proves the
    /// credential live or gone clears it, any other one without it keeps what is recorded.
    pub unresolved_since: Option<Timestamp>,
    /// What the vendor said, without secrets.
    pub detail: Option<serde_json::Value>,
    /// When it was known, real time.
    pub at: Timestamp,
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The attempt and the credential's row say so now.
    Applied,
    /// The attempt had an outcome already; nothing has changed. Write no event.
    Repeated,
}

impl TenantTx<'_> {
    /// Records an attempt's outcome on the credential's row and in the list of attempts, and locks the tenant's log, so that a following
    /// [`append`](Self::append) needs one round trip less. A credential that is proven gone loses its windows and the vendor's id.
    /// [`StoreError::NotFound`] if there is no such intent.
    pub async fn record_outcome(&mut self, outcome: &Outcome<'_>) -> Result<Recorded, StoreError> {
        self.note_outcome(outcome, true).await
    }

    /// Records several outcomes, as [`record_outcome`](Self::record_outcome) does, in the order in which everybody locks credentials, and
    /// returns what became of each. The tenant's log is locked with the last one, or not at all unless `log_next`: whoever holds the log must
    /// not wait for a credential or a key any more, because their holders wait for the log. One round trip each.
    pub async fn record_outcomes(
        &mut self,
        outcomes: &[Outcome<'_>],
        log_next: bool,
    ) -> Result<Vec<Recorded>, StoreError> {
        let mut ordered: Vec<(usize, &Outcome<'_>)> = outcomes.iter().enumerate().collect();
        ordered.sort_by_key(|(_, outcome)| outcome.credential);
        let mut recorded = vec![Recorded::Repeated; outcomes.len()];
        for (n, (place, outcome)) in ordered.into_iter().enumerate() {
            recorded[place] = self.note_outcome(outcome, log_next && n + 1 == outcomes.len()).await?;
        }
        Ok(recorded)
    }

    async fn note_outcome(&mut self, outcome: &Outcome<'_>, log: bool) -> Result<Recorded, StoreError> {
        let (requested_from, requested_until) = ends(outcome.requested);
        let (effective_from, effective_until) = ends(outcome.effective);
        // The log's row is locked last: the condition makes it wait for the credential's row, so that two writers can't wait for each other.
        let row = self
            .query(
                "WITH held AS (
                     UPDATE credentials SET open_intent = NULL, state = $4, last_code = $10, still_valid_until = $11, updated_at = $13,
                         unresolved_since = CASE WHEN $15 NOT IN ('live', 'gone') THEN GREATEST($16, unresolved_since) END,
                         vendor_ref = CASE WHEN $4 <> 'gone' THEN COALESCE($5, vendor_ref) END,
                         requested_from = CASE WHEN $4 <> 'gone' THEN COALESCE($6, requested_from) END,
                         requested_until = CASE WHEN $4 <> 'gone' THEN COALESCE($7, requested_until) END,
                         effective_from = CASE WHEN $4 <> 'gone' THEN COALESCE($8, effective_from) END,
                         effective_until = CASE WHEN $4 <> 'gone' THEN COALESCE($9, effective_until) END
                     WHERE tenant_id = $1 AND credential_id = $3 AND open_intent ->> 'id' = $14 RETURNING credential_id
                 ), noted AS (
                     INSERT INTO key_credential_attempts (tenant_id, attempt_id, phase, credential_id, action, attempt_no,
                         requested_from, requested_until, outcome, code, detail, at)
                     SELECT $1, $2, 'outcome', i.credential_id, i.action, i.attempt_no, i.requested_from, i.requested_until, $15, $10, $12, $13
                     FROM held JOIN key_credential_attempts i
                       ON i.tenant_id = $1 AND i.attempt_id = $2 AND i.phase = 'intent' AND i.credential_id = held.credential_id
                     RETURNING attempt_id
                 ) SELECT (SELECT count(*) FROM noted) AS noted, h.size, h.frontier
                   FROM (SELECT) AS always LEFT JOIN LATERAL (
                       SELECT size, frontier FROM audit_heads WHERE tenant_id = $1 AND $17 AND (SELECT count(*) FROM noted) >= 0 FOR UPDATE
                   ) AS h ON true",
            )
            .bind(outcome.attempt.as_uuid())
            .bind(outcome.credential.as_uuid())
            .bind(outcome.state.name())
            .bind(outcome.vendor_ref)
            .bind(requested_from)
            .bind(requested_until)
            .bind(effective_from)
            .bind(effective_until)
            .bind(outcome.code.map(Code::text))
            .bind(outcome.still_valid_until.map(Ts))
            .bind(&outcome.detail)
            .bind(Ts(outcome.at))
            .bind(outcome.attempt.to_string())
            .bind(outcome.kind.name())
            .bind(outcome.unresolved_since.map(Ts))
            .bind(log)
            .fetch_one(&mut *self.tx)
            .await?;
        if let Some(size) = row.try_get::<Option<i64>, _>("size")? {
            self.head = Some(Head::read(size, &row.bytes("frontier")?)?);
        }
        if row.int("noted")? == 1 { Ok(Recorded::Applied) } else { self.why_no_outcome(outcome.attempt).await }
    }

    async fn why_no_outcome(&mut self, attempt: AttemptId) -> Result<Recorded, StoreError> {
        let row = self
            .query(
                "SELECT 1 FROM key_credential_attempts WHERE tenant_id = $1 AND attempt_id = $2 AND phase = 'outcome'",
            )
            .bind(attempt.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|_| Recorded::Repeated).ok_or(StoreError::NotFound("open attempt"))
    }
}
