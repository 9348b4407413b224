//! Intents: what is about to be sent to a vendor, made durable first (I3).

use crate::{Attempt, StoreError, TenantTx, credentials::action_parts, row::RowExt, time::Ts, time::to_stored};
use jiff::Timestamp;
use lock_domain::{
    credential::CredentialState,
    ids::{AttemptId, CredentialId},
    stay::Action,
};
use sqlx::types::Json;
use uuid::Uuid;

impl TenantTx<'_> {
    /// Records that an effect is about to be sent, and what the credential is taken for meanwhile. Commit before sending.
    /// [`StoreError::IntentOpen`] if an earlier attempt has no outcome, [`StoreError::NotFound`] if there is no such credential; nothing
    /// has changed then and the transaction goes on.
    pub async fn record_intent(
        &mut self,
        credential: CredentialId,
        action: &Action,
        state: CredentialState,
        no: u32,
        now: Timestamp,
    ) -> Result<AttemptId, StoreError> {
        let attempt = Attempt { id: AttemptId::from_uuid(Uuid::now_v7()), action: *action, no, at: to_stored(now) };
        let number = i32::try_from(no).map_err(|_| StoreError::Argument("the attempt's number is too great"))?;
        let (name, from, until) = action_parts(action);
        let done = self
            .query(
                "WITH held AS (
                     UPDATE credentials SET open_intent = $3, state = $4, updated_at = $10
                     WHERE tenant_id = $1 AND credential_id = $2 AND open_intent IS NULL RETURNING credential_id
                 ) INSERT INTO key_credential_attempts
                       (tenant_id, attempt_id, phase, credential_id, action, attempt_no, requested_from, requested_until, at)
                   SELECT $1, $5, 'intent', credential_id, $6, $7, $8, $9, $10 FROM held",
            )
            .bind(credential.as_uuid())
            .bind(Json(&attempt))
            .bind(state.name())
            .bind(attempt.id.as_uuid())
            .bind(name)
            .bind(number)
            .bind(from)
            .bind(until)
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 1 { Ok(attempt.id) } else { Err(self.why_no_intent(credential).await?) }
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
