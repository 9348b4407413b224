//! Intents: what is about to be sent to a vendor, made durable first (I3).

use crate::{Attempt, StoreError, TenantTx, credentials::action_parts, row::RowExt, time::Ts, time::to_stored};
use jiff::Timestamp;
use lock_domain::{
    credential::CredentialState,
    ids::{AttemptId, CredentialId},
    stay::Action,
};
use sqlx::types::Json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// An effect that is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewIntent {
    /// The credential that it is on.
    pub credential: CredentialId,
    /// What is to be done.
    pub action: Action,
    /// What the credential is taken for meanwhile.
    pub state: CredentialState,
}

impl TenantTx<'_> {
    /// Records one intent: see [`record_intents`](Self::record_intents).
    pub async fn record_intent(
        &mut self,
        credential: CredentialId,
        action: &Action,
        state: CredentialState,
        no: u32,
        now: Timestamp,
    ) -> Result<AttemptId, StoreError> {
        let made = self.record_intents(&[NewIntent { credential, action: *action, state }], no, now).await?;
        made.first().copied().ok_or(StoreError::NotFound("credential"))
    }

    /// Records that effects are about to be sent, each on another credential, and what these are taken for meanwhile; returns their attempts
    /// in this order. Commit before sending. [`StoreError::IntentOpen`] if an earlier attempt has no outcome, [`StoreError::NotFound`] if
    /// there is no such credential; its intent was not recorded then, the others' were, and the transaction goes on.
    pub async fn record_intents(
        &mut self,
        intents: &[NewIntent],
        no: u32,
        now: Timestamp,
    ) -> Result<Vec<AttemptId>, StoreError> {
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        let number = i32::try_from(no).map_err(|_| StoreError::Argument("the attempt's number is too great"))?;
        let at = to_stored(now);
        let attempt =
            |new: &NewIntent| Attempt { id: AttemptId::from_uuid(Uuid::now_v7()), action: new.action, no, at };
        let attempts: Vec<Attempt> = intents.iter().map(attempt).collect();
        let parts: Vec<_> = intents.iter().map(|new| action_parts(&new.action)).collect();
        let rows = self
            .query(
                "WITH held AS (
                     UPDATE credentials c SET open_intent = a.open_intent, state = a.state, updated_at = $10
                     FROM unnest($2::uuid[], $3::jsonb[], $4::text[], $5::uuid[], $6::text[], $8::timestamptz[], $9::timestamptz[])
                          AS a (credential_id, open_intent, state, attempt_id, action, requested_from, requested_until)
                     WHERE c.tenant_id = $1 AND c.credential_id = a.credential_id AND c.open_intent IS NULL
                     RETURNING a.credential_id, a.attempt_id, a.action, a.requested_from, a.requested_until
                 ) INSERT INTO key_credential_attempts
                       (tenant_id, attempt_id, phase, credential_id, action, attempt_no, requested_from, requested_until, at)
                   SELECT $1, attempt_id, 'intent', credential_id, action, $7, requested_from, requested_until, $10 FROM held
                   RETURNING credential_id",
            )
            .bind(intents.iter().map(|new| new.credential.as_uuid()).collect::<Vec<_>>())
            .bind(attempts.iter().map(Json).collect::<Vec<_>>())
            .bind(intents.iter().map(|new| new.state.name()).collect::<Vec<_>>())
            .bind(attempts.iter().map(|attempt| attempt.id.as_uuid()).collect::<Vec<_>>())
            .bind(parts.iter().map(|(name, ..)| *name).collect::<Vec<_>>())
            .bind(number)
            .bind(parts.iter().map(|(_, from, _)| *from).collect::<Vec<_>>())
            .bind(parts.iter().map(|(.., until)| *until).collect::<Vec<_>>())
            .bind(Ts(now))
            .fetch_all(&mut *self.tx)
            .await?;
        let held: BTreeSet<Uuid> = rows.iter().map(|row| row.uuid("credential_id")).collect::<Result<_, _>>()?;
        if let Some(without) = intents.iter().find(|new| !held.contains(&new.credential.as_uuid())) {
            return Err(self.why_no_intent(without.credential).await?);
        }
        Ok(attempts.iter().map(|attempt| attempt.id).collect())
    }

    async fn why_no_intent(&mut self, credential: CredentialId) -> Result<StoreError, StoreError> {
        let row = self
            .query("SELECT open_intent FROM credentials WHERE tenant_id = $1 AND credential_id = $2")
            .bind(credential.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        let Some(row) = row else {
            return Ok(StoreError::NotFound("credential"));
        };
        Ok(StoreError::IntentOpen(row.json::<Attempt>("open_intent")?.id))
    }
}
