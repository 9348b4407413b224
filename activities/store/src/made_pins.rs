//! PINs that a vendor has made up: they are known only when the key stands in a lock, and they die with what they open.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::ids::{CredentialId, KeyId, PropertyId};

/// Digits as they came from the vendor.
#[derive(Debug, Clone, Copy)]
pub struct MadePin<'a> {
    /// The hotel.
    pub property: PropertyId,
    /// The key.
    pub key: KeyId,
    /// What they open by.
    pub credential: CredentialId,
    /// A keyed hash of the digits.
    pub fingerprint: &'a [u8],
    /// The digits, sealed by the caller.
    pub sealed: &'a [u8],
    /// The property's present.
    pub now: Timestamp,
}

/// What became of digits that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptPin {
    /// The key had other digits before, which somebody may have been told.
    pub again: bool,
    /// Another key has the same digits, and one of the same doors.
    pub shared_with: Option<KeyId>,
}

impl TenantTx<'_> {
    /// Files digits under their key, not yet shown, in place of any earlier ones. The vendor gave them, so they are taken as they are: that
    /// another key has them is told, not refused. Two round trips, or three if another key of the property has them.
    pub async fn keep_made_pin(&mut self, pin: &MadePin<'_>) -> Result<KeptPin, StoreError> {
        let row = self
            .query(
                "UPDATE keys SET pin_sealed = $3, pin_fingerprint = $4, pin_credential_id = $5, pins_made = pins_made + 1,
                        revealed_at = NULL, revealed_by = NULL, reveal_key = NULL
                 WHERE tenant_id = $1 AND key_id = $2 AND pin_source = 'vendor' RETURNING pins_made > 1 AS again",
            )
            .bind(pin.key.as_uuid())
            .bind(pin.sealed)
            .bind(pin.fingerprint)
            .bind(pin.credential.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("key with a vendor's PIN"))?;
        let again = row.flag("again")?;
        // Digits that rest are taken over: they open this door from now on, so nobody else may get them.
        let reserved = self
            .query(
                "INSERT INTO pins AS p (tenant_id, property_id, fingerprint, key_id, reserved_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (tenant_id, property_id, fingerprint) DO UPDATE
                 SET key_id = $4, reserved_at = $5, quarantined_until = NULL
                 WHERE p.quarantined_until IS NOT NULL OR p.key_id = $4",
            )
            .bind(pin.property.as_uuid())
            .bind(pin.fingerprint)
            .bind(pin.key.as_uuid())
            .bind(Ts(pin.now))
            .execute(&mut *self.tx)
            .await?;
        if reserved.rows_affected() == 1 {
            return Ok(KeptPin { again, shared_with: None });
        }
        let other = self
            .query(
                "SELECT p.key_id FROM pins p
                 JOIN credentials theirs ON theirs.tenant_id = $1 AND theirs.key_id = p.key_id
                 JOIN credentials mine ON mine.tenant_id = $1 AND mine.key_id = $4 AND mine.door_id = theirs.door_id
                 WHERE p.tenant_id = $1 AND p.property_id = $2 AND p.fingerprint = $3
                   AND theirs.state NOT IN ('planned', 'gone') AND mine.state NOT IN ('planned', 'gone') LIMIT 1",
            )
            .bind(pin.property.as_uuid())
            .bind(pin.fingerprint)
            .bind(pin.key.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        let shared_with = other.map(|row| row.uuid("key_id").map(KeyId::from_uuid)).transpose()?;
        Ok(KeptPin { again, shared_with })
    }

    /// Forgets a vendor's digits of a key: they are about to be replaced, or were found to open nothing.
    pub async fn forget_pin_of(&mut self, key: KeyId) -> Result<(), StoreError> {
        self.query(
            "UPDATE keys SET pin_sealed = NULL, pin_fingerprint = NULL, pin_credential_id = NULL
             WHERE tenant_id = $1 AND key_id = $2 AND pin_source = 'vendor'",
        )
        .bind(key.as_uuid())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Forgets a vendor's digits that open nothing any more, because this credential is gone. Where a vendor's digits open every door of a
    /// key (`whole_key`), they are kept until the last of its credentials is gone. Digits of ours are left alone.
    pub async fn forget_made_pin(
        &mut self,
        key: KeyId,
        credential: CredentialId,
        whole_key: bool,
    ) -> Result<(), StoreError> {
        self.query(
            "UPDATE keys k SET pin_sealed = NULL, pin_fingerprint = NULL, pin_credential_id = NULL
             WHERE tenant_id = $1 AND key_id = $2 AND pin_source = 'vendor' AND pin_sealed IS NOT NULL
               AND CASE WHEN $4 THEN NOT EXISTS (SELECT FROM credentials c WHERE c.tenant_id = $1 AND c.key_id = k.key_id
                                                   AND c.credential_id <> $3 AND c.state NOT IN ('planned', 'gone'))
                        ELSE pin_credential_id = $3 END",
        )
        .bind(key.as_uuid())
        .bind(credential.as_uuid())
        .bind(whole_key)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
