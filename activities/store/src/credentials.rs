//! Credentials: keys' presence in locks, and what an effect needs to know before it goes to the vendor.

use crate::{
    StoreError, TenantTx,
    row::RowExt,
    time::{Ts, ends},
};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    credential::{CredentialState, KeyKind},
    ids::{AttemptId, CredentialId, DoorId, KeyId, PropertyId, StayId},
    pin::PinSource,
    problem::Code,
    stay::Action,
    vendor::VendorTraits,
    window::Window,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, postgres::PgRow};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An attempt at an effect, as it was recorded before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// What was to be done.
    pub action: Action,
    /// Which attempt of its round, from 1.
    pub no: u32,
    /// When it was recorded.
    pub at: Timestamp,
}

/// Which of a stay's credentials an effect is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectAt {
    /// The credential.
    pub credential: CredentialId,
    /// Its key.
    pub key: KeyId,
    /// The lock's door.
    pub door: DoorId,
}

/// Everything that an effect at a vendor needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectTarget {
    /// The hotel.
    pub property: PropertyId,
    /// IANA name of its time zone.
    pub zone: String,
    /// Its clock.
    pub clock: ClockOffset,
    /// The door's name.
    pub door_name: String,
    /// The lock's vendor.
    pub vendor: String,
    /// The lock's id at the vendor.
    pub vendor_lock_id: String,
    /// The hotel's settings for the vendor.
    pub vendor_config: serde_json::Value,
    /// The hotel's secrets for the vendor, sealed.
    pub vendor_sealed: Option<Vec<u8>>,
    /// Where they stand, if it is not the hotel's main vendor: the row's id.
    pub vendor_row: Option<Uuid>,
    /// Counts changes of the settings.
    pub config_version: i64,
    /// The key's PIN, sealed; `None` if the vendor makes it up and has not, or if it opens nothing any more.
    pub pin_sealed: Option<Vec<u8>>,
    /// Who makes up the key's digits.
    pub pin_source: PinSource,
    /// The credential that a vendor's digits belong to.
    pub pin_credential: Option<CredentialId>,
    /// The key opens once.
    pub one_time: bool,
    /// What the key is.
    pub kind: KeyKind,
    /// Where a card is written: the encoder's name at the vendor.
    pub encoder: Option<String>,
    /// The name under which the vendor stores the credential; where a whole key stands there, the key's.
    pub token: String,
    /// What is recorded of it.
    pub state: CredentialState,
    /// The vendor's id for it.
    pub vendor_ref: Option<String>,
    /// The window that the lock was last asked for.
    pub requested: Option<Window>,
    /// The window that the lock keeps, after the vendor's rounding.
    pub effective: Option<Window>,
    /// When something was last sent whose effect nobody knows.
    pub unresolved_since: Option<Timestamp>,
    /// The latest round of the stay's effects that has looked at it: the given one, or a greater one.
    pub round: u64,
    /// The record says that the stay is not over and not suspended: keys may be put into locks.
    pub stay_open: bool,
    /// The lock has said that it is full: a new code there needs a place first.
    pub said_full: bool,
    /// An attempt without an outcome: its writer died, or is still at it. Read back at the vendor before anything else.
    pub open_intent: Option<Attempt>,
}

/// A credential as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Its id.
    pub id: CredentialId,
    /// Its key.
    pub key: KeyId,
    /// Its stay.
    pub stay: StayId,
    /// The lock's door.
    pub door: DoorId,
    /// The door's name.
    pub door_name: String,
    /// What is known of it.
    pub state: CredentialState,
    /// The window that the lock was last asked for.
    pub requested: Option<Window>,
    /// The window that the lock keeps.
    pub effective: Option<Window>,
    /// The vendor's id for it.
    pub vendor_ref: Option<String>,
    /// Why it is not as wanted.
    pub last_code: Option<Code>,
    /// The door may open until then, if a revoke is pending.
    pub still_valid_until: Option<Timestamp>,
    /// When this last changed.
    pub updated_at: Timestamp,
}

impl TenantTx<'_> {
    /// What one effect needs to know: see [`effect_targets`](Self::effect_targets).
    pub async fn effect_target(
        &mut self,
        credential: CredentialId,
        key: KeyId,
        door: DoorId,
        stay: StayId,
        round: u64,
        now: Timestamp,
    ) -> Result<EffectTarget, StoreError> {
        let targets = self.effect_targets(&[EffectAt { credential, key, door }], stay, round, now).await?;
        targets.into_iter().next().ok_or(StoreError::NotFound("key or door of the stay"))
    }

    /// Enters credentials as planned if they are new, locks their rows until the end of the transaction, in the order in which everybody locks
    /// several, notes the `round` unless a later one was noted before, and returns what an effect on each needs, in the order asked.
    /// [`StoreError::NotFound`] if the stay has no such key or its property no such door. No credential may be named twice.
    pub async fn effect_targets(
        &mut self,
        asked: &[EffectAt],
        stay: StayId,
        round: u64,
        now: Timestamp,
    ) -> Result<Vec<EffectTarget>, StoreError> {
        let round = i64::try_from(round).map_err(|_| StoreError::Argument("the round's number is too great"))?;
        // The update locks the row and returns its latest version, which a plain SELECT of the same statement
        // would not see after waiting for another writer.
        let rows = self
            .query(
                "WITH base AS (
                     SELECT a.credential_id, a.key_id, a.door_id, a.door_token, a.key_token,
                            p.property_id, p.zone, p.clock_offset_ms, v.row_id AS vendor_row,
                            CASE WHEN v.row_id IS NULL THEN p.vendor_config ELSE v.config END AS vendor_config,
                            CASE WHEN v.row_id IS NULL THEN p.vendor_sealed ELSE v.sealed END AS vendor_sealed,
                            CASE WHEN v.row_id IS NULL THEN p.config_version ELSE v.config_version END AS config_version,
                            d.name AS door_name, d.vendor, d.vendor_lock_id, k.pin_sealed, k.pin_source, k.pin_credential_id, k.one_time,
                            k.kind, k.encoder, s.phase NOT IN ('ending', 'ended') AND NOT s.suspended AS stay_open,
                            f.door_id IS NOT NULL AS said_full
                     FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $6::text[], $10::text[])
                          AS a (credential_id, key_id, door_id, door_token, key_token)
                     JOIN keys k ON k.tenant_id = $1 AND k.key_id = a.key_id AND k.stay_id = $5
                     JOIN stays s ON s.tenant_id = $1 AND s.stay_id = k.stay_id
                     JOIN properties p ON p.tenant_id = $1 AND p.property_id = s.property_id
                     JOIN doors d ON d.tenant_id = $1 AND d.property_id = s.property_id AND d.door_id = a.door_id
                     LEFT JOIN full_locks f ON f.tenant_id = $1 AND f.door_id = a.door_id
                     LEFT JOIN property_vendors v ON v.tenant_id = $1 AND v.property_id = s.property_id AND v.vendor = d.vendor
                                                  AND d.vendor <> p.vendor
                 ), held AS (
                     INSERT INTO credentials AS c (tenant_id, credential_id, key_id, door_id, stay_id, state, token, updated_at, round)
                     SELECT $1, credential_id, key_id, door_id, $5, 'planned',
                            CASE WHEN vendor = ANY ($9) THEN key_token ELSE door_token END, $7, $8
                     FROM base ORDER BY credential_id
                     ON CONFLICT (tenant_id, credential_id) DO UPDATE SET round = GREATEST(c.round, EXCLUDED.round)
                     RETURNING credential_id, state, vendor_ref, token, requested_from, requested_until, effective_from, effective_until,
                           open_intent, unresolved_since, round
                 ) SELECT * FROM base JOIN held USING (credential_id)",
            )
            .bind(asked.iter().map(|at| at.credential.as_uuid()).collect::<Vec<_>>())
            .bind(asked.iter().map(|at| at.key.as_uuid()).collect::<Vec<_>>())
            .bind(asked.iter().map(|at| at.door.as_uuid()).collect::<Vec<_>>())
            .bind(stay.as_uuid())
            .bind(asked.iter().map(|at| at.credential.vendor_token()).collect::<Vec<_>>())
            .bind(Ts(now))
            .bind(round)
            .bind(VendorTraits::of_whole_keys().map(str::to_owned).collect::<Vec<_>>())
            .bind(asked.iter().map(|at| at.key.vendor_token()).collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await?;
        let mut found: BTreeMap<Uuid, EffectTarget> = BTreeMap::new();
        for row in &rows {
            found.insert(row.uuid("credential_id")?, target(row)?);
        }
        let missing = || StoreError::NotFound("key or door of the stay");
        asked.iter().map(|at| found.remove(&at.credential.as_uuid()).ok_or_else(missing)).collect()
    }

    /// A stay's credentials, in the order of their doors' names.
    pub async fn credentials_of(&mut self, stay: StayId) -> Result<Vec<CredentialRow>, StoreError> {
        let rows = self
            .query(
                "SELECT c.credential_id, c.key_id, c.stay_id, c.door_id, d.name AS door_name, c.state, c.requested_from, c.requested_until,
                        c.effective_from, c.effective_until, c.vendor_ref, c.last_code, c.still_valid_until, c.updated_at
                 FROM credentials c JOIN doors d USING (tenant_id, door_id)
                 WHERE c.tenant_id = $1 AND c.stay_id = $2 ORDER BY d.name, c.key_id",
            )
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(credential).collect()
    }
}

fn target(row: &PgRow) -> Result<EffectTarget, StoreError> {
    Ok(EffectTarget {
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        zone: row.text("zone")?,
        clock: ClockOffset::from_millis(row.int("clock_offset_ms")?),
        door_name: row.text("door_name")?,
        vendor: row.text("vendor")?,
        vendor_lock_id: row.text("vendor_lock_id")?,
        vendor_config: row.json("vendor_config")?,
        vendor_sealed: row.try_get("vendor_sealed")?,
        vendor_row: row.uuid_opt("vendor_row")?,
        config_version: row.int("config_version")?,
        pin_sealed: row.try_get("pin_sealed")?,
        pin_source: row.name("pin_source")?,
        pin_credential: row.uuid_opt("pin_credential_id")?.map(CredentialId::from_uuid),
        one_time: row.flag("one_time")?,
        kind: row.name("kind")?,
        encoder: row.text_opt("encoder")?,
        token: row.text("token")?,
        state: row.name("state")?,
        vendor_ref: row.text_opt("vendor_ref")?,
        requested: row.window_opt("requested_from", "requested_until")?,
        effective: row.window_opt("effective_from", "effective_until")?,
        unresolved_since: row.at_opt("unresolved_since")?,
        round: u64::try_from(row.int("round")?).map_err(|_| StoreError::Corrupt("round"))?,
        stay_open: row.try_get("stay_open")?,
        said_full: row.flag("said_full")?,
        open_intent: row.json_opt("open_intent")?,
    })
}

/// The action's name as in SQL, and the window that it asks for.
pub(crate) fn action_parts(action: &Action) -> (&'static str, Option<Ts>, Option<Ts>) {
    let (name, window) = match action {
        Action::Issue { window } => ("issue", Some(*window)),
        Action::Change { window } => ("change", Some(*window)),
        Action::Revoke => ("revoke", None),
        Action::Read { window } => ("read", Some(*window)),
    };
    let (from, until) = ends(window);
    (name, from, until)
}

fn credential(row: &PgRow) -> Result<CredentialRow, StoreError> {
    Ok(CredentialRow {
        id: CredentialId::from_uuid(row.uuid("credential_id")?),
        key: KeyId::from_uuid(row.uuid("key_id")?),
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        door: DoorId::from_uuid(row.uuid("door_id")?),
        door_name: row.text("door_name")?,
        state: row.name("state")?,
        requested: row.window_opt("requested_from", "requested_until")?,
        effective: row.window_opt("effective_from", "effective_until")?,
        vendor_ref: row.text_opt("vendor_ref")?,
        last_code: row.code_opt("last_code")?,
        still_valid_until: row.at_opt("still_valid_until")?,
        updated_at: row.at("updated_at")?,
    })
}
