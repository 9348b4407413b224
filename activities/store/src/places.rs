//! Places in locks that have said that they are full: who holds one, who waits for one, and how many there are.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    ids::{CredentialId, DoorId, PropertyId, ReservationRef, StayId},
    slots::{Claim, STALE, SaidFull, Standing},
};
use sqlx::postgres::PgRow;

/// A full lock, as whoever wants a place in it must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullLock {
    /// What it said.
    pub said: SaidFull,
    /// Everybody who has a place there or wants one.
    pub claims: Vec<Claim>,
}

/// A full lock, as people look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullLockRow {
    /// Its door.
    pub door: DoorId,
    /// The door's name.
    pub door_name: String,
    /// So many codes of ours fitted when it said that it was full.
    pub fits: u32,
    /// So many stand there now.
    pub held: u32,
    /// When it said so, or was last tried all the same; `None` if it may be tried at once.
    pub told_at: Option<Timestamp>,
    /// Who waits, in the order of their turns.
    pub waiting: Vec<WaitingRow>,
}

/// A stay that waits for a place in a full lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRow {
    /// Which.
    pub stay: StayId,
    /// The PMS's name of it.
    pub reservation: ReservationRef,
    /// When it begins, on the property's clock.
    pub arrives: Timestamp,
    /// Since when it waits, real time.
    pub since: Timestamp,
}

impl TenantTx<'_> {
    /// The full locks of a property in the order of their doors, after `after`, with whoever waits as of `now` (real time). Two round trips.
    pub async fn full_locks(
        &mut self,
        property: PropertyId,
        after: Option<DoorId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<FullLockRow>, StoreError> {
        let rows = self
            .query(
                "SELECT f.door_id, d.name, f.ours, NULLIF(f.told_at, 'epoch') AS told_at, (
                     SELECT count(*) FROM credentials c WHERE c.tenant_id = $1 AND c.door_id = f.door_id
                        AND (c.state IN ('live', 'unconfirmed', 'revoking') OR c.open_intent IS NOT NULL)
                 ) AS held
                 FROM full_locks f JOIN doors d ON d.tenant_id = $1 AND d.door_id = f.door_id
                 WHERE f.tenant_id = $1 AND f.property_id = $2 AND ($3::uuid IS NULL OR f.door_id > $3) ORDER BY f.door_id LIMIT $4",
            )
            .bind(property.as_uuid())
            .bind(after.map(|door| door.as_uuid()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        let number =
            |row: &PgRow, name: &'static str| u32::try_from(row.int(name)?).map_err(|_| StoreError::Corrupt(name));
        let lock = |row: &PgRow| -> Result<FullLockRow, StoreError> {
            let (door, door_name) = (DoorId::from_uuid(row.uuid("door_id")?), row.text("name")?);
            let (fits, held, told_at) = (number(row, "ours")?, number(row, "held")?, row.at_opt("told_at")?);
            Ok(FullLockRow { door, door_name, fits, held, told_at, waiting: Vec::new() })
        };
        let mut locks = rows.iter().map(lock).collect::<Result<Vec<_>, _>>()?;
        let waiting = self
            .query(
                "SELECT w.door_id, c.stay_id, s.reservation, s.window_from, w.since
                 FROM place_waits w
                 JOIN credentials c ON c.tenant_id = $1 AND c.credential_id = w.credential_id
                 JOIN stays s ON s.tenant_id = $1 AND s.stay_id = c.stay_id
                 WHERE w.tenant_id = $1 AND w.door_id = ANY ($2) AND w.asked_at > $3
                   AND s.phase NOT IN ('ending', 'ended') AND NOT s.suspended
                 ORDER BY s.window_from, s.created_at, w.credential_id",
            )
            .bind(locks.iter().map(|lock| lock.door.as_uuid()).collect::<Vec<_>>())
            .bind(Ts(now.saturating_sub(STALE).unwrap_or(Timestamp::MIN)))
            .fetch_all(&mut *self.tx)
            .await?;
        for row in &waiting {
            let door = DoorId::from_uuid(row.uuid("door_id")?);
            let waits = WaitingRow {
                stay: StayId::from_uuid(row.uuid("stay_id")?),
                reservation: row.reservation("reservation")?,
                arrives: row.at("window_from")?,
                since: row.at("since")?,
            };
            locks.iter_mut().filter(|lock| lock.door == door).for_each(|lock| lock.waiting.push(waits.clone()));
        }
        Ok(locks)
    }

    /// What is known of a lock that has said that it is full, and of everybody who has a place there or waits for one, as of `now` (real
    /// time); `None` if it has not, or has room again. Nobody else is answered for this lock until the end of the transaction. Locks of a
    /// transaction are to be asked for in the order of their doors. Two round trips.
    pub async fn full_lock(&mut self, door: DoorId, now: Timestamp) -> Result<Option<FullLock>, StoreError> {
        // A statement of its own: the next one must see what whoever was answered before has committed.
        let said = self
            .query("SELECT ours, told_at FROM full_locks WHERE tenant_id = $1 AND door_id = $2 FOR UPDATE")
            .bind(door.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        let Some(said) = said else { return Ok(None) };
        let ours = u32::try_from(said.int("ours")?).map_err(|_| StoreError::Corrupt("ours"))?;
        let said = SaidFull { ours, at: said.at("told_at")? };
        let stale = now.saturating_sub(STALE).unwrap_or(Timestamp::MIN);
        let rows = self
            .query(
                "SELECT c.credential_id, c.stay_id, s.window_from, s.created_at, k.pin_source = 'ours' AS keeps_digits, NOT k.one_time AS returns,
                        CASE WHEN NOT (c.state IN ('live', 'unconfirmed', 'revoking') OR c.open_intent IS NOT NULL) THEN 'waits'
                             WHEN c.state = 'revoking' OR EXISTS (
                                 SELECT FROM commands m WHERE m.tenant_id = $1 AND m.stay_id = c.stay_id AND m.verb = 'give_way'
                                    AND m.status IN ('accepted', 'running') AND m.payload -> 'verb' ->> 'door' = $4) THEN 'leaves'
                             ELSE 'holds' END AS standing
                 FROM credentials c
                 JOIN stays s ON s.tenant_id = $1 AND s.stay_id = c.stay_id
                 JOIN keys k ON k.tenant_id = $1 AND k.key_id = c.key_id
                 LEFT JOIN place_waits w ON w.tenant_id = $1 AND w.credential_id = c.credential_id AND w.asked_at > $3
                 WHERE c.tenant_id = $1 AND c.door_id = $2
                   AND (c.state IN ('live', 'unconfirmed', 'revoking') OR c.open_intent IS NOT NULL
                        OR w.credential_id IS NOT NULL AND s.phase NOT IN ('ending', 'ended') AND NOT s.suspended)
                 ORDER BY c.credential_id",
            )
            .bind(door.as_uuid())
            .bind(Ts(stale))
            .bind(door.to_string())
            .fetch_all(&mut *self.tx)
            .await?;
        let claim = |row: &PgRow| -> Result<Claim, StoreError> {
            Ok(Claim {
                credential: CredentialId::from_uuid(row.uuid("credential_id")?),
                stay: StayId::from_uuid(row.uuid("stay_id")?),
                arrives: row.at("window_from")?,
                booked: row.at("created_at")?,
                standing: match row.text("standing")?.as_str() {
                    "waits" => Standing::Waits,
                    "leaves" => Standing::Leaves,
                    "holds" => Standing::Holds,
                    _ => return Err(StoreError::Corrupt("standing")),
                },
                keeps_digits: row.flag("keeps_digits")?,
                returns: row.flag("returns")?,
            })
        };
        Ok(Some(FullLock { said, claims: rows.iter().map(claim).collect::<Result<_, _>>()? }))
    }

    /// A credential waits for a place at a door. It must be asked again before [`STALE`] is over, or it waits no longer. Those that have
    /// stopped asking are forgotten.
    pub async fn wait_for_place(
        &mut self,
        credential: CredentialId,
        door: DoorId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let stale = now.saturating_sub(STALE).unwrap_or(Timestamp::MIN);
        self.query(
            "WITH stale AS (
                 DELETE FROM place_waits WHERE tenant_id = $1 AND door_id = $3 AND asked_at <= $5 AND credential_id <> $2
             ) INSERT INTO place_waits AS w (tenant_id, credential_id, door_id, since, asked_at) VALUES ($1, $2, $3, $4, $4)
               ON CONFLICT (tenant_id, credential_id) DO UPDATE SET asked_at = EXCLUDED.asked_at",
        )
        .bind(credential.as_uuid())
        .bind(door.as_uuid())
        .bind(Ts(now))
        .bind(Ts(stale))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A credential has a place, or one is tried: it waits no longer. With `look`, nobody else tries the same for a while.
    pub async fn take_place(
        &mut self,
        credential: CredentialId,
        door: DoorId,
        look: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(
            "WITH waited AS (
                 DELETE FROM place_waits WHERE tenant_id = $1 AND credential_id = $2
             ) UPDATE full_locks SET told_at = $4 WHERE tenant_id = $1 AND door_id = $3 AND $5",
        )
        .bind(credential.as_uuid())
        .bind(door.as_uuid())
        .bind(Ts(now))
        .bind(look)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A lock has said that it has no room for another code: as many of ours fit as stand there now.
    pub async fn note_full_lock(
        &mut self,
        property: PropertyId,
        door: DoorId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO full_locks (tenant_id, door_id, property_id, ours, told_at)
             SELECT $1, $2, $3, (
                 SELECT count(*) FROM credentials c WHERE c.tenant_id = $1 AND c.door_id = $2
                    AND (c.state IN ('live', 'unconfirmed', 'revoking') OR c.open_intent IS NOT NULL)
             ), $4
             ON CONFLICT (tenant_id, door_id) DO UPDATE SET ours = EXCLUDED.ours, told_at = EXCLUDED.told_at",
        )
        .bind(door.as_uuid())
        .bind(property.as_uuid())
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A lock that had said that it is full has taken a code. If more of ours stand there now than fitted then, the next one may be tried at
    /// once; if nobody waits any more, its word is forgotten.
    pub async fn note_room(&mut self, door: DoorId, now: Timestamp) -> Result<(), StoreError> {
        let stale = now.saturating_sub(STALE).unwrap_or(Timestamp::MIN);
        self.query(
            "WITH standing AS (
                 SELECT count(*) AS ours FROM credentials c WHERE c.tenant_id = $1 AND c.door_id = $2
                    AND (c.state IN ('live', 'unconfirmed', 'revoking') OR c.open_intent IS NOT NULL)
             ), waiting AS (
                 SELECT FROM place_waits WHERE tenant_id = $1 AND door_id = $2 AND asked_at > $3 LIMIT 1
             ), forgotten AS (
                 DELETE FROM full_locks f USING standing
                 WHERE f.tenant_id = $1 AND f.door_id = $2 AND f.ours < standing.ours AND NOT EXISTS (SELECT FROM waiting)
             ) UPDATE full_locks f SET ours = standing.ours, told_at = 'epoch' FROM standing
               WHERE f.tenant_id = $1 AND f.door_id = $2 AND f.ours < standing.ours AND EXISTS (SELECT FROM waiting)",
        )
        .bind(door.as_uuid())
        .bind(Ts(stale))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
