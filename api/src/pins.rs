//! Drawing PINs: random, never weak, free on every door of the property.
//!
//! A PIN is in the clear only between the draw and its sealing, in memory that is wiped. The record knows its fingerprint and its sealed
//! form. [`warm`] is called before a transaction begins, so that a key-management service that has to be asked holds no row lock.

use crate::{dto::ChosenPin, failure, problem::Problem, state::AppState};
use lock_domain::{
    Timestamp,
    command::NewKey,
    ids::{KeyId, PropertyId, StayId, TenantId},
    pin,
    problem::Code,
};
use lock_kms::Place;
use lock_store::{NewKeyRow, PinReservation, TenantTx};
use secrecy::{ExposeSecret, SecretString};

/// So often a taken PIN is drawn again before the property counts as full.
const DRAWS: u32 = 64;
/// What fingerprints of PINs are labelled with; the property is part of the value.
const LABEL: &str = "pin";

/// Where a key's PIN stands in the record.
pub fn place(key: KeyId) -> Place {
    Place { table: "keys", column: "pin_sealed", row: key.as_uuid() }
}

/// Fetches the tenant's data keys if they are not in memory.
pub(crate) async fn warm(state: &AppState, tenant: TenantId) -> Result<(), Problem> {
    let nobody = place(KeyId::from_uuid(uuid::Uuid::nil()));
    state.keys().fingerprint(tenant, LABEL, &[]).await.map_err(failure::seal)?;
    state.keys().seal(tenant, &nobody, &[]).await.map_err(failure::seal)?;
    Ok(())
}

/// A PIN for a key, sealed, that may turn out to be taken.
pub(crate) struct Drawn {
    /// The key.
    pub(crate) key: NewKey,
    fingerprint: [u8; 32],
    sealed: Vec<u8>,
    chosen: bool,
}

/// Whose PINs, and how long they are.
#[derive(Clone, Copy)]
pub(crate) struct Pool {
    pub(crate) tenant: TenantId,
    pub(crate) property: PropertyId,
    pub(crate) digits: u8,
}

impl Pool {
    /// A PIN for a key: the chosen one, or a random one.
    pub(crate) async fn draw(
        self,
        state: &AppState,
        key: NewKey,
        chosen: Option<&ChosenPin>,
    ) -> Result<Drawn, Problem> {
        let pin = chosen.map_or_else(|| random(self.digits), |ChosenPin(pin)| pin.clone());
        // The property is hashed along, so that fingerprints tell nothing across properties.
        let named = SecretString::from(format!("{}/{}", self.property, pin.expose_secret()));
        let keys = state.keys();
        let fingerprint = keys.fingerprint(self.tenant, LABEL, named.expose_secret().as_bytes()).await;
        let sealed = keys.seal(self.tenant, &place(key.id), pin.expose_secret().as_bytes()).await;
        Ok(Drawn {
            key,
            fingerprint: fingerprint.map_err(failure::seal)?,
            sealed: sealed.map_err(failure::seal)?,
            chosen: chosen.is_some(),
        })
    }

    /// Enters a key with its PIN; draws again while the PIN is taken. `now` is the property's present, `at` real time.
    pub(crate) async fn enter(
        self,
        state: &AppState,
        tx: &mut TenantTx<'_>,
        stay: StayId,
        mut drawn: Drawn,
        (now, at): (Timestamp, Timestamp),
    ) -> Result<(), Problem> {
        for _ in 0..DRAWS {
            let reserved = tx.reserve_pin(self.property, drawn.key.id, &drawn.fingerprint, now).await;
            match reserved.map_err(failure::store)? {
                PinReservation::Reserved => {
                    let row = NewKeyRow {
                        id: drawn.key.id,
                        stay,
                        holder: drawn.key.holder,
                        pin_fingerprint: &drawn.fingerprint,
                        pin_sealed: &drawn.sealed,
                        at,
                    };
                    return tx.insert_key(row).await.map_err(failure::store);
                }
                PinReservation::Taken if drawn.chosen => {
                    return Err(Problem::field(
                        Code::PinTaken,
                        "pin",
                        "the PIN is in use at this property, or was lately",
                    ));
                }
                PinReservation::Taken => drawn = self.draw(state, drawn.key, None).await?,
            }
        }
        let detail = format!("no free {}-digit PIN after {DRAWS} draws", self.digits);
        Err(Problem::new(Code::PinsExhausted, detail))
    }
}

/// A random PIN that nobody would guess first.
fn random(digits: u8) -> SecretString {
    loop {
        if let Some(pin) = pin::from_random(rand::random(), digits) {
            return SecretString::from(pin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn draws_are_fit_and_differ() {
        let drawn: BTreeSet<String> = (0..500).map(|_| random(6).expose_secret().to_owned()).collect();
        assert!(drawn.iter().all(|pin| pin.len() == 6 && pin::check(pin).is_ok()));
        assert!(drawn.len() > 480, "{} different ones of 500", drawn.len());
    }
}
