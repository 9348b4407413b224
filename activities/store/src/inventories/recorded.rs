//! What an inventory has to know of the record: credentials at a lock, and how a vendor of the property is reached.

use crate::{StoreError, TenantTx, row::RowExt};
use jiff::Timestamp;
use lock_domain::{
    ids::{CredentialId, DoorId, KeyId, PropertyId, ReservationRef, StayId},
    inventory::Recorded,
};
use sqlx::{Row, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A credential at a lock, and when it last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRow {
    /// What is recorded; `moving` if an effect is open or unresolved.
    pub recorded: Recorded,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How a vendor of a property is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct VendorSettings {
    /// Its settings, without secrets.
    pub config: serde_json::Value,
    /// Its secrets, sealed.
    pub sealed: Option<Vec<u8>>,
    /// Where they stand, if it is not the property's main vendor: the row's id.
    pub row: Option<Uuid>,
    /// Counts changes of the settings.
    pub version: i64,
}

impl TenantTx<'_> {
    /// What is recorded at a door: everything of stays that are not over, but for what is gone, and whatever has one of these names at the
    /// vendor.
    pub async fn recorded_at(
        &mut self,
        property: PropertyId,
        door: DoorId,
        names: &[&str],
    ) -> Result<Vec<RecordedRow>, StoreError> {
        // A name is the id of a credential, or of a key where a whole key stands at the vendor.
        let ids: BTreeSet<Uuid> =
            names.iter().filter_map(|name| Uuid::try_parse(name.strip_prefix("lis-")?).ok()).collect();
        let rows = self
            .query(
                "SELECT c.credential_id, c.key_id, c.stay_id, c.token, c.vendor_ref, c.state, c.effective_from, c.effective_until, c.updated_at,
                        c.open_intent IS NOT NULL OR c.unresolved_since IS NOT NULL AS moving, k.kind, k.one_time
                 FROM (SELECT c.* FROM stays s JOIN credentials c ON c.tenant_id = $1 AND c.stay_id = s.stay_id
                       WHERE s.tenant_id = $1 AND s.property_id = $2 AND s.phase <> 'ended' AND c.door_id = $3 AND c.state <> 'gone'
                       UNION
                       SELECT c.* FROM credentials c WHERE c.tenant_id = $1 AND c.credential_id = ANY ($4) AND c.door_id = $3
                       UNION
                       SELECT c.* FROM credentials c WHERE c.tenant_id = $1 AND c.key_id = ANY ($4) AND c.door_id = $3) c
                 JOIN keys k ON k.tenant_id = $1 AND k.key_id = c.key_id
                 ORDER BY c.credential_id",
            )
            .bind(property.as_uuid())
            .bind(door.as_uuid())
            .bind(ids.into_iter().collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(recorded).collect()
    }

    /// How a vendor of a property is reached; `None` if it has no such vendor.
    pub async fn vendor_settings(
        &mut self,
        property: PropertyId,
        vendor: &str,
    ) -> Result<Option<VendorSettings>, StoreError> {
        let row = self
            .query(
                "SELECT vendor_config AS config, vendor_sealed AS sealed, NULL::uuid AS row_id, config_version FROM properties
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3
                 UNION ALL
                 SELECT config, sealed, row_id, config_version FROM property_vendors
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 LIMIT 1",
            )
            .bind(property.as_uuid())
            .bind(vendor)
            .fetch_optional(&mut *self.tx)
            .await?;
        let settings = |row: PgRow| {
            Ok(VendorSettings {
                config: row.json("config")?,
                sealed: row.try_get("sealed")?,
                row: row.uuid_opt("row_id")?,
                version: row.int("config_version")?,
            })
        };
        row.map(settings).transpose()
    }

    /// The reservations of stays.
    pub async fn reservations_of(
        &mut self,
        stays: &BTreeSet<StayId>,
    ) -> Result<BTreeMap<StayId, ReservationRef>, StoreError> {
        let rows = self
            .query("SELECT stay_id, reservation FROM stays WHERE tenant_id = $1 AND stay_id = ANY ($2)")
            .bind(stays.iter().map(StayId::as_uuid).collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| Ok((StayId::from_uuid(row.uuid("stay_id")?), row.reservation("reservation")?))).collect()
    }
}

fn recorded(row: &PgRow) -> Result<RecordedRow, StoreError> {
    Ok(RecordedRow {
        recorded: Recorded {
            credential: CredentialId::from_uuid(row.uuid("credential_id")?),
            key: KeyId::from_uuid(row.uuid("key_id")?),
            stay: StayId::from_uuid(row.uuid("stay_id")?),
            kind: row.name("kind")?,
            one_time: row.flag("one_time")?,
            token: row.text("token")?,
            vendor_ref: row.text_opt("vendor_ref")?,
            state: row.name("state")?,
            window: row.window_opt("effective_from", "effective_until")?,
            moving: row.flag("moving")?,
        },
        updated_at: row.at("updated_at")?,
    })
}
