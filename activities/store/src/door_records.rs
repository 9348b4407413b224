//! What happened at doors by the vendors' records, each once, and what was last seen of devices.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::ids::{CredentialId, DoorId, KeyId, PropertyId, StayId};
use std::collections::BTreeSet;

/// A record of a door to be stored. No digits and no name: only ids and words of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorRecordRow {
    /// The vendor's id of the record.
    pub id: String,
    /// When, by the lock's own clock.
    pub at: Timestamp,
    /// When it reached the vendor's server.
    pub at_server: Option<Timestamp>,
    /// What happened, in a word.
    pub kind: String,
    /// By what, in a word.
    pub means: &'static str,
    /// The credential, if it is one of ours.
    pub credential: Option<CredentialId>,
    /// The lock's battery in percent.
    pub battery_percent: Option<u8>,
}

/// Whose credential a record speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// The credential.
    pub credential: CredentialId,
    /// Its key.
    pub key: KeyId,
    /// Its stay.
    pub stay: StayId,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// It carries commands to locks.
    Gateway,
    /// A lock.
    Lock,
}

impl DeviceKind {
    /// The kind's name, as in SQL and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Lock => "lock",
        }
    }
}

/// What is seen of a device now.
#[derive(Debug, Clone, Copy)]
pub struct DeviceSeen<'a> {
    /// The hotel.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: &'a str,
    /// What it is.
    pub kind: DeviceKind,
    /// The vendor's id of it.
    pub id: &'a str,
    /// Whether it can be reached, if that is known.
    pub online: Option<bool>,
    /// Its battery in percent, if that is known.
    pub battery_percent: Option<u8>,
    /// The vendor's name of it, if that is known.
    pub name: Option<&'a str>,
    /// Whether a gateway serves it, if that is known.
    pub has_gateway: Option<bool>,
    /// When.
    pub at: Timestamp,
    /// The same on the property's clock.
    pub present: Timestamp,
}

impl TenantTx<'_> {
    /// The door with a vendor's lock.
    pub async fn door_of_lock(
        &mut self,
        property: PropertyId,
        vendor: &str,
        lock: &str,
    ) -> Result<Option<DoorId>, StoreError> {
        let row = self
            .query("SELECT door_id FROM doors WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND vendor_lock_id = $4")
            .bind(property.as_uuid())
            .bind(vendor)
            .bind(lock)
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| row.uuid("door_id").map(DoorId::from_uuid)).transpose()
    }

    /// When the newest stored record of a door happened, by the lock's own clock.
    pub async fn newest_door_record(&mut self, door: DoorId) -> Result<Option<Timestamp>, StoreError> {
        let row = self
            .query("SELECT max(at) AS at FROM door_records WHERE tenant_id = $1 AND door_id = $2")
            .bind(door.as_uuid())
            .fetch_one(&mut *self.tx)
            .await?;
        row.at_opt("at")
    }

    /// Stores records of a door, and returns the ids of those that were not stored before. Of several writers of one record one is told
    /// that it was new: the others wait for his transaction.
    pub async fn store_door_records(
        &mut self,
        property: PropertyId,
        vendor: &str,
        door: DoorId,
        records: &[DoorRecordRow],
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        // In one order for all writers, so that two of them don't wait for each other.
        let mut sorted: Vec<&DoorRecordRow> = records.iter().collect();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        let rows = self
            .query(
                "INSERT INTO door_records (tenant_id, property_id, vendor, record_id, door_id, at, at_server, kind, means, credential_id,
                     battery_percent, stored_at)
                 SELECT $1, $2, $3, r.id, $4, r.at, r.at_server, r.kind, r.means, r.credential, r.battery, $5
                 FROM unnest($6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], $11::uuid[], $12::smallint[])
                      AS r (id, at, at_server, kind, means, credential, battery)
                 ON CONFLICT ON CONSTRAINT door_records_pkey DO NOTHING RETURNING record_id",
            )
            .bind(property.as_uuid())
            .bind(vendor)
            .bind(door.as_uuid())
            .bind(Ts(now))
            .bind(sorted.iter().map(|r| r.id.clone()).collect::<Vec<_>>())
            .bind(sorted.iter().map(|r| Ts(r.at)).collect::<Vec<_>>())
            .bind(sorted.iter().map(|r| r.at_server.map(Ts)).collect::<Vec<_>>())
            .bind(sorted.iter().map(|r| r.kind.clone()).collect::<Vec<_>>())
            .bind(sorted.iter().map(|r| r.means.to_owned()).collect::<Vec<_>>())
            .bind(sorted.iter().map(|r| r.credential.map(|id| id.as_uuid())).collect::<Vec<_>>())
            .bind(sorted.iter().map(|r| r.battery_percent.map(i16::from)).collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| row.text("record_id")).collect()
    }

    /// Whose a credential is, if it is one of this door's.
    pub async fn match_credential(
        &mut self,
        credential: CredentialId,
        door: DoorId,
    ) -> Result<Option<Matched>, StoreError> {
        let row = self
            .query(
                "SELECT key_id, stay_id FROM credentials WHERE tenant_id = $1 AND credential_id = $2 AND door_id = $3",
            )
            .bind(credential.as_uuid())
            .bind(door.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| {
            Ok(Matched {
                credential,
                key: KeyId::from_uuid(row.uuid("key_id")?),
                stay: StayId::from_uuid(row.uuid("stay_id")?),
            })
        })
        .transpose()
    }

    /// Notes that a credential has opened its door. Whether nobody had noted that before.
    pub async fn note_first_use(&mut self, credential: CredentialId, at_lock: Timestamp) -> Result<bool, StoreError> {
        let done = self
            .query(
                "UPDATE credentials SET first_used_at = $3 WHERE tenant_id = $1 AND credential_id = $2 AND first_used_at IS NULL",
            )
            .bind(credential.as_uuid())
            .bind(Ts(at_lock))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes what is seen of a device, and returns what was known before: whether it was online, and its battery. Two round trips; others
    /// who note the same device wait.
    pub async fn note_device(&mut self, seen: DeviceSeen<'_>) -> Result<(Option<bool>, Option<u8>), StoreError> {
        let kind = seen.kind.name();
        let before = self
            .query(
                "SELECT online, battery_percent FROM device_states
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = $4 AND device_id = $5 FOR NO KEY UPDATE",
            )
            .bind(seen.property.as_uuid())
            .bind(seen.vendor)
            .bind(kind)
            .bind(seen.id)
            .fetch_optional(&mut *self.tx)
            .await?;
        self.query(
            "INSERT INTO device_states AS d (tenant_id, property_id, vendor, kind, device_id, online, battery_percent, seen_at, name, has_gateway,
                 online_since)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $6::boolean IS NOT NULL THEN $11::timestamptz END)
             ON CONFLICT (tenant_id, property_id, vendor, kind, device_id) DO UPDATE
             SET online = coalesce($6, d.online), battery_percent = coalesce($7, d.battery_percent), seen_at = $8, name = coalesce($9, d.name),
                 has_gateway = coalesce($10, d.has_gateway),
                 online_since = CASE WHEN $6 IS NULL OR $6 = d.online THEN d.online_since ELSE $11 END",
        )
        .bind(seen.property.as_uuid())
        .bind(seen.vendor)
        .bind(kind)
        .bind(seen.id)
        .bind(seen.online)
        .bind(seen.battery_percent.map(i16::from))
        .bind(Ts(seen.at))
        .bind(seen.name.map(|name| name.chars().take(200).collect::<String>()))
        .bind(seen.has_gateway)
        .bind(Ts(seen.present))
        .execute(&mut *self.tx)
        .await?;
        let Some(row) = before else { return Ok((None, None)) };
        let battery: Option<i16> = sqlx::Row::try_get(&row, "battery_percent")?;
        Ok((sqlx::Row::try_get(&row, "online")?, battery.and_then(|percent| u8::try_from(percent).ok())))
    }
}
