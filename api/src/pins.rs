//! Allotting PINs: drawn, chosen or a phone number's; never weak, and free on every door of the property.
//!
//! A PIN is in the clear only between the draw and its sealing, in memory that is wiped. The record knows its fingerprint and its sealed
//! form. [`warm`] is called before a transaction begins, so that a key-management service that has to be asked holds no row lock.

use crate::{failure, intent::PinPlan, problem::Problem, state::AppState};
use lock_domain::{
    Timestamp,
    command::NewKey,
    credential::KeyKind,
    ids::{KeyId, PropertyId, StayId, TenantId},
    pin::{self, FINGERPRINT_LABEL, PinOrigin, PinSource},
    problem::Code,
    stay::Wish,
};
use lock_kms::Place;
use lock_store::{KeyRow, NewKeyRow, PinReservation, TenantTx};
use secrecy::{ExposeSecret, SecretString};

/// So often a taken PIN is drawn again before the property counts as full.
const DRAWS: u32 = 64;
/// What hashes of requests that hold a secret are labelled with.
const REQUEST_LABEL: &str = "request";

/// Where a key's PIN stands in the record.
pub fn place(key: KeyId) -> Place {
    Place { table: "keys", column: "pin_sealed", row: key.as_uuid() }
}

/// Fetches the tenant's data keys if they are not in memory.
pub(crate) async fn warm(state: &AppState, tenant: TenantId) -> Result<(), Problem> {
    let nobody = place(KeyId::from_uuid(uuid::Uuid::nil()));
    state.keys().fingerprint(tenant, FINGERPRINT_LABEL, &[]).await.map_err(failure::seal)?;
    state.keys().seal(tenant, &nobody, &[]).await.map_err(failure::seal)?;
    Ok(())
}

/// The hash of a request that holds a PIN or a phone number, keyed: digits are few, so that anybody who reads a plain hash can try them all.
pub(crate) async fn request_hash(state: &AppState, tenant: TenantId, hash: &[u8; 32]) -> Result<[u8; 32], Problem> {
    state.keys().fingerprint(tenant, REQUEST_LABEL, hash).await.map_err(failure::seal)
}

/// Whose PINs, and how long they are.
#[derive(Clone, Copy)]
pub(crate) struct Pool {
    pub(crate) tenant: TenantId,
    pub(crate) property: PropertyId,
    pub(crate) digits: u8,
}

/// For which key of which stay.
#[derive(Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) stay: StayId,
    pub(crate) key: NewKey,
    /// The property's present.
    pub(crate) now: Timestamp,
    /// Real time.
    pub(crate) at: Timestamp,
}

impl Pool {
    /// Enters a key with the digits that its plan leads to.
    pub(crate) async fn allot(
        self,
        state: &AppState,
        tx: &mut TenantTx<'_>,
        holder: Holder,
        plan: PinPlan,
    ) -> Result<KeyRow, Problem> {
        let (offers, drawn) = match plan {
            PinPlan::Draw(why) => (Vec::new(), Some(why)),
            PinPlan::Chosen(pin) => (vec![(PinOrigin::Chosen, pin)], None),
            PinPlan::Phone(groups) => {
                let origin = |last| if last { PinOrigin::PhoneLast } else { PinOrigin::PhoneOther };
                (groups.into_iter().map(|(last, pin)| (origin(last), pin)).collect(), Some(PinOrigin::PhoneUnfit))
            }
            PinPlan::Vendor { one_time } => return later(tx, holder, one_time).await,
            PinPlan::Card { encoder } => {
                let card = NewKeyRow { kind: KeyKind::Card, encoder: Some(&encoder), ..blank(holder) };
                return enter(tx, card).await;
            }
        };
        for (origin, pin) in offers {
            if let Some(row) = self.offer(state, tx, holder, origin, &pin).await? {
                return Ok(row);
            }
        }
        let taken = || Problem::field(Code::PinTaken, "pin", "the PIN is in use at this property, or was lately");
        let origin = drawn.ok_or_else(taken)?;
        for _ in 0..DRAWS {
            if let Some(row) = self.offer(state, tx, holder, origin, &random(self.digits)).await? {
                return Ok(row);
            }
        }
        let detail = format!("no free {}-digit PIN after {DRAWS} draws", self.digits);
        Err(Problem::new(Code::PinsExhausted, detail))
    }

    /// Enters a key with these digits, unless they are taken.
    async fn offer(
        self,
        state: &AppState,
        tx: &mut TenantTx<'_>,
        holder: Holder,
        origin: PinOrigin,
        pin: &SecretString,
    ) -> Result<Option<KeyRow>, Problem> {
        let keys = state.keys();
        let named = SecretString::from(pin::fingerprinted(self.property, pin.expose_secret()));
        let fingerprint = keys.fingerprint(self.tenant, FINGERPRINT_LABEL, named.expose_secret().as_bytes()).await;
        let fingerprint = fingerprint.map_err(failure::seal)?;
        let id = holder.key.id;
        let sealed = keys.seal(self.tenant, &place(id), pin.expose_secret().as_bytes()).await.map_err(failure::seal)?;
        let new = NewKeyRow {
            pin_fingerprint: Some(&fingerprint),
            pin_sealed: Some(&sealed),
            pin_source: PinSource::Ours,
            pin_origin: origin,
            ..blank(holder)
        };
        let entered = tx.insert_key_with_pin(new, self.property, holder.now).await.map_err(failure::store)?;
        Ok((entered == PinReservation::Reserved).then(|| entered_as(new)))
    }
}

/// Enters a key whose digits the vendor makes up.
async fn later(tx: &mut TenantTx<'_>, holder: Holder, one_time: bool) -> Result<KeyRow, Problem> {
    enter(tx, NewKeyRow { one_time, ..blank(holder) }).await
}

fn blank(holder: Holder) -> NewKeyRow<'static> {
    NewKeyRow {
        id: holder.key.id,
        stay: holder.stay,
        holder: holder.key.holder,
        pin_fingerprint: None,
        pin_sealed: None,
        pin_source: PinSource::Vendor,
        pin_origin: PinOrigin::Vendor,
        one_time: false,
        kind: KeyKind::Pin,
        encoder: None,
        at: holder.at,
    }
}

async fn enter(tx: &mut TenantTx<'_>, new: NewKeyRow<'_>) -> Result<KeyRow, Problem> {
    tx.insert_key(new).await.map_err(failure::store)?;
    Ok(entered_as(new))
}

fn entered_as(new: NewKeyRow<'_>) -> KeyRow {
    KeyRow {
        id: new.id,
        stay: new.stay,
        holder: new.holder,
        wish: Wish::Wanted,
        superseded_by: None,
        pin_source: new.pin_source,
        pin_origin: new.pin_origin,
        pin_known: new.pin_sealed.is_some(),
        one_time: new.one_time,
        kind: new.kind,
        encoder: new.encoder.map(str::to_owned),
        revealed_at: None,
        revealed_by: None,
        created_at: lock_store::to_stored(new.at),
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
