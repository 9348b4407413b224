//! The property-wide allocator of PINs: no two keys of a property have the same PIN at a time, and a used one rests.
//!
//! A PIN is known here by its fingerprint, a keyed hash that the caller makes.

use crate::{StoreError, TenantTx, time::Ts};
use jiff::Timestamp;
use lock_domain::ids::{KeyId, PropertyId};

/// Whether a PIN could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinReservation {
    /// It is the key's now.
    Reserved,
    /// It is in use or rests; draw another. The transaction goes on.
    Taken,
}

macro_rules! reserve_pin {
    ($property:literal, $fingerprint:literal, $key:literal, $now:literal) => {
        concat!(
            "INSERT INTO pins AS p (tenant_id, property_id, fingerprint, key_id, reserved_at) VALUES ($1, ",
            $property,
            ", ",
            $fingerprint,
            ", ",
            $key,
            ", ",
            $now,
            ") ON CONFLICT (tenant_id, property_id, fingerprint) DO UPDATE
             SET key_id = EXCLUDED.key_id, reserved_at = EXCLUDED.reserved_at, quarantined_until = NULL
             WHERE p.quarantined_until <= EXCLUDED.reserved_at OR (p.key_id = EXCLUDED.key_id AND p.quarantined_until IS NULL)"
        )
    };
}

pub(crate) use reserve_pin;

impl TenantTx<'_> {
    /// Reserves a PIN for a key, unless another key has it or it still rests at `now`. A second time for the same key is fine.
    pub async fn reserve_pin(
        &mut self,
        property: PropertyId,
        key: KeyId,
        fingerprint: &[u8],
        now: Timestamp,
    ) -> Result<PinReservation, StoreError> {
        let done = self
            .query(reserve_pin!("$2", "$3", "$4", "$5"))
            .bind(property.as_uuid())
            .bind(fingerprint)
            .bind(key.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(if done.rows_affected() == 1 { PinReservation::Reserved } else { PinReservation::Taken })
    }

    /// Lets a key's PINs rest until `until`, on the property's clock. A PIN that rests already keeps its time, and one that has gone to
    /// another key is left alone.
    pub async fn release_pins(&mut self, key: KeyId, until: Timestamp) -> Result<(), StoreError> {
        self.query(
            "UPDATE pins SET quarantined_until = $3 WHERE tenant_id = $1 AND key_id = $2 AND quarantined_until IS NULL",
        )
        .bind(key.as_uuid())
        .bind(Ts(until))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
