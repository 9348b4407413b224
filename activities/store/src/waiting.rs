//! Credentials whose effect is not sent for now, so that nobody has to guess why nothing happens.

use crate::{StoreError, TenantTx, time::Ts};
use jiff::Timestamp;
use lock_domain::{credential::CredentialState, ids::CredentialId, problem::Code};

impl TenantTx<'_> {
    /// Notes why a credential waits, and what it is taken for meanwhile. Nothing is sent, so no attempt is recorded; an open one stays open.
    /// Returns whether that is news.
    pub async fn note_waiting(
        &mut self,
        credential: CredentialId,
        state: CredentialState,
        code: Code,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .query(
                "UPDATE credentials SET state = $3, last_code = $4, updated_at = $5
                 WHERE tenant_id = $1 AND credential_id = $2 AND (last_code IS DISTINCT FROM $4 OR state <> $3)",
            )
            .bind(credential.as_uuid())
            .bind(state.name())
            .bind(code.text())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
