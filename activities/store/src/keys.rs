//! Keys of stays. A PIN stands here sealed, and leaves once.

use crate::{PinReservation, StoreError, TenantTx, pins::reserve_pin, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    credential::KeyKind,
    ids::{ApiKeyId, KeyId, PropertyId, StayId},
    pin::{PinOrigin, PinSource},
    stay::Wish,
};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// A key to be entered.
#[derive(Debug, Clone, Copy)]
pub struct NewKeyRow<'a> {
    /// Its id.
    pub id: KeyId,
    /// Its stay.
    pub stay: StayId,
    /// Which guest carries it, from 0.
    pub holder: u16,
    /// A keyed hash of the PIN; `None` if the vendor makes the PIN up, later.
    pub pin_fingerprint: Option<&'a [u8]>,
    /// The PIN, sealed by the caller; `None` if the vendor makes it up, later.
    pub pin_sealed: Option<&'a [u8]>,
    /// Who makes up the digits.
    pub pin_source: PinSource,
    /// Why it has the digits that it has.
    pub pin_origin: PinOrigin,
    /// It opens once.
    pub one_time: bool,
    /// What it is.
    pub kind: KeyKind,
    /// Where a card is written: the encoder's name at the vendor, of at most 64 characters. Cards have one, and nothing else.
    pub encoder: Option<&'a str>,
    /// When it was accepted, real time.
    pub at: Timestamp,
}

/// A key without its PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// Its stay.
    pub stay: StayId,
    /// Which guest carries it, from 0.
    pub holder: u16,
    /// Whether it is wanted.
    pub wish: Wish,
    /// The key that replaced it or shall replace it.
    pub superseded_by: Option<KeyId>,
    /// Who makes up the digits.
    pub pin_source: PinSource,
    /// Why it has the digits that it has.
    pub pin_origin: PinOrigin,
    /// Its digits are known.
    pub pin_known: bool,
    /// It opens once.
    pub one_time: bool,
    /// What it is.
    pub kind: KeyKind,
    /// Where a card is written.
    pub encoder: Option<String>,
    /// When its PIN was shown.
    pub revealed_at: Option<Timestamp>,
    /// To whom.
    pub revealed_by: Option<ApiKeyId>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// What a request for a PIN brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reveal {
    /// The sealed PIN, for the first time: write the event.
    Fresh(Vec<u8>),
    /// The sealed PIN again, because it is the same client with the same Idempotency-Key.
    Same(Vec<u8>),
    /// It was shown before.
    Already,
    /// The vendor has not made it up yet, or it opens nothing any more.
    Unknown,
}

macro_rules! insert_key {
    ($from:literal) => {
        concat!(
            "INSERT INTO keys (tenant_id, key_id, stay_id, holder, wish, pin_fingerprint, pin_sealed, pin_source, pin_origin, one_time,
                               created_at, kind, encoder)
             SELECT $1, $2, $3, $4, 'wanted', $5, $6, $7, $8, $9, $10, $11, $12 ",
            $from
        )
    };
}

impl TenantTx<'_> {
    /// Enters a key as wanted.
    pub async fn insert_key(&mut self, new: NewKeyRow<'_>) -> Result<(), StoreError> {
        self.query(insert_key!(""))
            .bind(new.id.as_uuid())
            .bind(new.stay.as_uuid())
            .bind(i32::from(new.holder))
            .bind(new.pin_fingerprint)
            .bind(new.pin_sealed)
            .bind(new.pin_source.name())
            .bind(new.pin_origin.name())
            .bind(new.one_time)
            .bind(Ts(new.at))
            .bind(new.kind.name())
            .bind(new.encoder)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Enters a key as wanted with its PIN, unless another key has that or it still rests at `now`, on the property's clock.
    pub async fn insert_key_with_pin(
        &mut self,
        new: NewKeyRow<'_>,
        property: PropertyId,
        now: Timestamp,
    ) -> Result<PinReservation, StoreError> {
        let done = self
            .query(concat!(
                "WITH reserved AS (",
                reserve_pin!("$13", "$5", "$2", "$14"),
                " RETURNING 1) ",
                insert_key!("FROM reserved")
            ))
            .bind(new.id.as_uuid())
            .bind(new.stay.as_uuid())
            .bind(i32::from(new.holder))
            .bind(new.pin_fingerprint)
            .bind(new.pin_sealed)
            .bind(new.pin_source.name())
            .bind(new.pin_origin.name())
            .bind(new.one_time)
            .bind(Ts(new.at))
            .bind(new.kind.name())
            .bind(new.encoder)
            .bind(property.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(if done.rows_affected() == 1 { PinReservation::Reserved } else { PinReservation::Taken })
    }

    /// Records whether a key is wanted.
    pub async fn set_wish(&mut self, key: KeyId, wish: Wish) -> Result<(), StoreError> {
        let (name, successor) = match wish {
            Wish::Wanted => ("wanted", None),
            Wish::Until(next) => ("until", Some(next)),
            Wish::Unwanted => ("unwanted", None),
        };
        let done = self
            .query(
                "UPDATE keys SET wish = $3, superseded_by = CASE WHEN $3 = 'wanted' THEN NULL ELSE COALESCE($4, superseded_by) END
                 WHERE tenant_id = $1 AND key_id = $2",
            )
            .bind(key.as_uuid())
            .bind(name)
            .bind(successor.map(|key| key.as_uuid()))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("key")) } else { Ok(()) }
    }

    /// Wants a key after all that this successor was to replace; if another one is to replace it by now, it stays so.
    pub async fn keep_key(&mut self, key: KeyId, successor: KeyId) -> Result<(), StoreError> {
        self.query(
            "UPDATE keys SET wish = 'wanted', superseded_by = NULL
             WHERE tenant_id = $1 AND key_id = $2 AND wish = 'until' AND superseded_by = $3",
        )
        .bind(key.as_uuid())
        .bind(successor.as_uuid())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A stay's keys, oldest first.
    pub async fn keys_of(&mut self, stay: StayId) -> Result<Vec<KeyRow>, StoreError> {
        let rows = self
            .query(
                "SELECT key_id, stay_id, holder, wish, superseded_by, pin_source, pin_origin, pin_sealed IS NOT NULL AS pin_known, one_time,
                        kind, encoder, revealed_at, revealed_by, created_at FROM keys
                 WHERE tenant_id = $1 AND stay_id = $2 ORDER BY created_at, holder, key_id",
            )
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(key_row).collect()
    }

    /// Whose a key is.
    pub async fn stay_of_key(&mut self, key: KeyId) -> Result<Option<StayId>, StoreError> {
        let row = self
            .query("SELECT stay_id FROM keys WHERE tenant_id = $1 AND key_id = $2")
            .bind(key.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| row.uuid("stay_id").map(StayId::from_uuid)).transpose()
    }

    /// Takes a key's PIN for showing it, once. One round trip the first time, else two.
    pub async fn reveal(
        &mut self,
        key: KeyId,
        by: ApiKeyId,
        idempotency_key: &str,
        now: Timestamp,
    ) -> Result<Reveal, StoreError> {
        let fresh = self
            .query(
                "UPDATE keys SET revealed_at = $3, revealed_by = $4, reveal_key = $5
                 WHERE tenant_id = $1 AND key_id = $2 AND revealed_at IS NULL AND pin_sealed IS NOT NULL RETURNING pin_sealed",
            )
            .bind(key.as_uuid())
            .bind(Ts(now))
            .bind(by.as_uuid())
            .bind(idempotency_key)
            .fetch_optional(&mut *self.tx)
            .await?;
        if let Some(row) = fresh {
            return Ok(Reveal::Fresh(row.bytes("pin_sealed")?));
        }
        let row = self
            .query(
                "SELECT pin_sealed, (revealed_by = $3 AND reveal_key = $4) AS same FROM keys
                 WHERE tenant_id = $1 AND key_id = $2",
            )
            .bind(key.as_uuid())
            .bind(by.as_uuid())
            .bind(idempotency_key)
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("key"))?;
        let same: Option<bool> = row.try_get("same")?;
        let sealed: Option<Vec<u8>> = row.try_get("pin_sealed")?;
        Ok(match (sealed, same) {
            (None, _) => Reveal::Unknown,
            (Some(sealed), Some(true)) => Reveal::Same(sealed),
            (Some(_), _) => Reveal::Already,
        })
    }
}

fn key_row(row: &PgRow) -> Result<KeyRow, StoreError> {
    let holder: i32 = row.try_get("holder")?;
    let superseded_by: Option<Uuid> = row.uuid_opt("superseded_by")?;
    let wish = match (row.text("wish")?.as_str(), superseded_by) {
        ("wanted", _) => Wish::Wanted,
        ("until", Some(next)) => Wish::Until(KeyId::from_uuid(next)),
        ("unwanted", _) => Wish::Unwanted,
        _ => return Err(StoreError::Corrupt("wish")),
    };
    Ok(KeyRow {
        id: KeyId::from_uuid(row.uuid("key_id")?),
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        holder: u16::try_from(holder).map_err(|_| StoreError::Corrupt("holder"))?,
        wish,
        superseded_by: superseded_by.map(KeyId::from_uuid),
        pin_source: row.name("pin_source")?,
        pin_origin: row.name("pin_origin")?,
        pin_known: row.flag("pin_known")?,
        one_time: row.flag("one_time")?,
        kind: row.name("kind")?,
        encoder: row.text_opt("encoder")?,
        revealed_at: row.at_opt("revealed_at")?,
        revealed_by: row.uuid_opt("revealed_by")?.map(ApiKeyId::from_uuid),
        created_at: row.at("created_at")?,
    })
}
