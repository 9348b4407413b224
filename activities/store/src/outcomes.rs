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
use uuid::Uuid;

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
    /// Records one outcome, and locks the tenant's log: see [`record_outcomes`](Self::record_outcomes).
    pub async fn record_outcome(&mut self, outcome: &Outcome<'_>) -> Result<Recorded, StoreError> {
        let recorded = self.record_outcomes(std::slice::from_ref(outcome), true).await?;
        recorded.first().copied().ok_or(StoreError::NotFound("open attempt"))
    }

    /// Records attempts' outcomes, each of another credential, on the credentials' rows and in the list of attempts, and returns what became
    /// of each. Locks credentials in the order in which everybody does, and then, with `log_next`, the tenant's log, so that a following
    /// [`append`](Self::append) needs one round trip less: whoever holds the log must not wait for a credential or a key any more, because
    /// their holders wait for the log. A credential that is proven gone loses its windows and the vendor's id.
    /// [`StoreError::NotFound`] if there is no such intent.
    pub async fn record_outcomes(
        &mut self,
        outcomes: &[Outcome<'_>],
        log_next: bool,
    ) -> Result<Vec<Recorded>, StoreError> {
        if outcomes.is_empty() {
            return Ok(Vec::new());
        }
        let requested: Vec<_> = outcomes.iter().map(|one| ends(one.requested)).collect();
        let effective: Vec<_> = outcomes.iter().map(|one| ends(one.effective)).collect();
        // The log's row is locked last: the condition makes it wait for the credentials' rows, so that two writers can't wait for each other.
        let row = self
            .query(
                "WITH asked AS (
                     SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                                          $8::timestamptz[], $9::timestamptz[], $10::text[], $11::timestamptz[], $12::jsonb[],
                                          $13::timestamptz[], $14::text[], $15::text[], $16::timestamptz[])
                              AS a (attempt_id, credential_id, state, vendor_ref, requested_from, requested_until, effective_from,
                                    effective_until, code, still_valid_until, detail, at, attempt, outcome, unresolved_since)
                 ), locked AS (
                     SELECT credential_id FROM credentials WHERE tenant_id = $1 AND credential_id = ANY ($3)
                     ORDER BY credential_id FOR NO KEY UPDATE
                 ), held AS (
                     UPDATE credentials c SET open_intent = NULL, state = a.state, last_code = a.code,
                         still_valid_until = a.still_valid_until, updated_at = a.at,
                         unresolved_since = CASE WHEN a.outcome NOT IN ('live', 'gone') THEN GREATEST(a.unresolved_since, c.unresolved_since) END,
                         vendor_ref = CASE WHEN a.state <> 'gone' THEN COALESCE(a.vendor_ref, c.vendor_ref) END,
                         requested_from = CASE WHEN a.state <> 'gone' THEN COALESCE(a.requested_from, c.requested_from) END,
                         requested_until = CASE WHEN a.state <> 'gone' THEN COALESCE(a.requested_until, c.requested_until) END,
                         effective_from = CASE WHEN a.state <> 'gone' THEN COALESCE(a.effective_from, c.effective_from) END,
                         effective_until = CASE WHEN a.state <> 'gone' THEN COALESCE(a.effective_until, c.effective_until) END
                     FROM locked JOIN asked a USING (credential_id)
                     WHERE c.tenant_id = $1 AND c.credential_id = a.credential_id AND c.open_intent ->> 'id' = a.attempt
                     RETURNING a.attempt_id, a.credential_id, a.outcome, a.code, a.detail, a.at
                 ), noted AS (
                     INSERT INTO key_credential_attempts (tenant_id, attempt_id, phase, credential_id, action, attempt_no,
                         requested_from, requested_until, outcome, code, detail, at)
                     SELECT $1, i.attempt_id, 'outcome', i.credential_id, i.action, i.attempt_no, i.requested_from, i.requested_until,
                            held.outcome, held.code, held.detail, held.at
                     FROM held JOIN key_credential_attempts i
                       ON i.tenant_id = $1 AND i.attempt_id = held.attempt_id AND i.phase = 'intent' AND i.credential_id = held.credential_id
                     RETURNING attempt_id
                 ) SELECT ARRAY(SELECT attempt_id FROM noted) AS noted, h.size, h.frontier
                   FROM (SELECT) AS always LEFT JOIN LATERAL (
                       SELECT size, frontier FROM audit_heads WHERE tenant_id = $1 AND $17 AND (SELECT count(*) FROM noted) >= 0 FOR UPDATE
                   ) AS h ON true",
            )
            .bind(each(outcomes, |one| one.attempt.as_uuid()))
            .bind(each(outcomes, |one| one.credential.as_uuid()))
            .bind(each(outcomes, |one| one.state.name()))
            .bind(each(outcomes, |one| one.vendor_ref))
            .bind(requested.iter().map(|(from, _)| *from).collect::<Vec<_>>())
            .bind(requested.iter().map(|(_, until)| *until).collect::<Vec<_>>())
            .bind(effective.iter().map(|(from, _)| *from).collect::<Vec<_>>())
            .bind(effective.iter().map(|(_, until)| *until).collect::<Vec<_>>())
            .bind(each(outcomes, |one| one.code.map(Code::text)))
            .bind(each(outcomes, |one| one.still_valid_until.map(Ts)))
            .bind(each(outcomes, |one| one.detail.clone()))
            .bind(each(outcomes, |one| Ts(one.at)))
            .bind(each(outcomes, |one| one.attempt.to_string()))
            .bind(each(outcomes, |one| one.kind.name()))
            .bind(each(outcomes, |one| one.unresolved_since.map(Ts)))
            .bind(log_next)
            .fetch_one(&mut *self.tx)
            .await?;
        if let Some(size) = row.try_get::<Option<i64>, _>("size")? {
            self.head = Some(Head::read(size, &row.bytes("frontier")?)?);
        }
        let noted: Vec<Uuid> = row.try_get("noted")?;
        let mut recorded = Vec::with_capacity(outcomes.len());
        for one in outcomes {
            let applied = noted.contains(&one.attempt.as_uuid());
            recorded.push(if applied { Recorded::Applied } else { self.why_no_outcome(one.attempt).await? });
        }
        Ok(recorded)
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

fn each<'a, T>(outcomes: &'a [Outcome<'a>], part: impl Fn(&'a Outcome<'a>) -> T) -> Vec<T> {
    outcomes.iter().map(part).collect()
}
