//! Rooms and doors.

use crate::{StoreError, TenantTx, row::RowExt};
use lock_domain::ids::{DoorId, PropertyId, RoomId};
use sqlx::postgres::PgRow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A guest room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Its hotel.
    pub property: PropertyId,
    /// What stands on the door; unique in the hotel.
    pub number: String,
}

/// A door with a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its id.
    pub id: DoorId,
    /// Its hotel.
    pub property: PropertyId,
    /// Its room; `None` for a common area, which every key opens.
    pub room: Option<RoomId>,
    /// A name for people.
    pub name: String,
    /// The lock's vendor.
    pub vendor: String,
    /// The lock's id at the vendor.
    pub vendor_lock_id: String,
}

/// A room and the doors that are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomWithDoors {
    /// The room.
    pub room: Room,
    /// Its own doors, without common ones.
    pub doors: Vec<Door>,
}

/// A door to be entered.
#[derive(Debug, Clone)]
pub struct NewDoor {
    /// Its id.
    pub id: DoorId,
    /// Its hotel.
    pub property: PropertyId,
    /// Its room, or `None` for a common area.
    pub room: Option<RoomId>,
    /// A name for people.
    pub name: String,
    /// The lock's vendor.
    pub vendor: String,
    /// The lock's id at the vendor.
    pub vendor_lock_id: String,
}

// Columns by name: a prepared `SELECT *` breaks when a migration adds one.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT door_id, property_id, room_id, name, vendor, vendor_lock_id FROM doors WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Enters a room. [`StoreError::Duplicate`] if the number is in use.
    pub async fn create_room(&mut self, room: &Room) -> Result<(), StoreError> {
        self.query("INSERT INTO rooms (tenant_id, property_id, room_id, number) VALUES ($1, $2, $3, $4)")
            .bind(room.property.as_uuid())
            .bind(room.id.as_uuid())
            .bind(&room.number)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Enters a door. [`StoreError::Duplicate`] if the lock is entered already.
    pub async fn create_door(&mut self, door: &NewDoor) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO doors (tenant_id, property_id, door_id, room_id, name, vendor, vendor_lock_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(door.property.as_uuid())
        .bind(door.id.as_uuid())
        .bind(door.room.map(|r| r.as_uuid()))
        .bind(&door.name)
        .bind(&door.vendor)
        .bind(&door.vendor_lock_id)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A property's rooms with their own doors, in the order of their numbers as text, from the one after `after` on. Two round trips.
    pub async fn rooms(
        &mut self,
        property: PropertyId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RoomWithDoors>, StoreError> {
        let rows = self
            .query(
                r#"SELECT room_id, property_id, number FROM rooms
                   WHERE tenant_id = $1 AND property_id = $2 AND ($3::text IS NULL OR number > $3) ORDER BY number LIMIT $4"#,
            )
            .bind(property.as_uuid())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        let rooms: Vec<Room> = rows.iter().map(room).collect::<Result<_, _>>()?;
        let ids: Vec<Uuid> = rooms.iter().map(|room| room.id.as_uuid()).collect();
        let rows = self
            .query(select!("AND property_id = $2 AND room_id = ANY($3) ORDER BY name, door_id"))
            .bind(property.as_uuid())
            .bind(ids)
            .fetch_all(&mut *self.tx)
            .await?;
        let mut by_room: BTreeMap<RoomId, Vec<Door>> = BTreeMap::new();
        for door in rows.iter().map(door) {
            let door = door?;
            if let Some(room) = door.room {
                by_room.entry(room).or_default().push(door);
            }
        }
        Ok(rooms
            .into_iter()
            .map(|room| RoomWithDoors { doors: by_room.remove(&room.id).unwrap_or_default(), room })
            .collect())
    }

    /// A room by its id.
    pub async fn room(&mut self, property: PropertyId, id: RoomId) -> Result<Option<Room>, StoreError> {
        let row = self
            .query("SELECT room_id, property_id, number FROM rooms WHERE tenant_id = $1 AND property_id = $2 AND room_id = $3")
            .bind(property.as_uuid())
            .bind(id.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(room).transpose()
    }

    /// A room by its number.
    pub async fn room_by_number(&mut self, property: PropertyId, number: &str) -> Result<Option<Room>, StoreError> {
        let row = self
            .query("SELECT room_id, property_id, number FROM rooms WHERE tenant_id = $1 AND property_id = $2 AND number = $3")
            .bind(property.as_uuid())
            .bind(number)
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(room).transpose()
    }

    /// The doors that a key for a room opens: the room's own first, then every common one. Not those of vendors on standby.
    pub async fn doors_for_room(&mut self, property: PropertyId, room: RoomId) -> Result<Vec<Door>, StoreError> {
        let rows = self
            .query(select!(
                "AND property_id = $2 AND (room_id = $3 OR room_id IS NULL)
                   AND NOT EXISTS (SELECT FROM property_vendors v WHERE v.tenant_id = $1 AND v.property_id = $2 AND v.vendor = doors.vendor
                                   AND v.standby_rank IS NOT NULL)
                 ORDER BY room_id NULLS LAST, door_id"
            ))
            .bind(property.as_uuid())
            .bind(room.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(door).collect()
    }

    /// The same at one vendor, also if it is on standby.
    pub async fn doors_for_room_at(
        &mut self,
        property: PropertyId,
        room: RoomId,
        vendor: &str,
    ) -> Result<Vec<Door>, StoreError> {
        let rows = self
            .query(select!(
                "AND property_id = $2 AND (room_id = $3 OR room_id IS NULL) AND vendor = $4 ORDER BY room_id NULLS LAST, door_id"
            ))
            .bind(property.as_uuid())
            .bind(room.as_uuid())
            .bind(vendor)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(door).collect()
    }

    /// Every door of a property, in the order of their ids.
    pub async fn doors(&mut self, property: PropertyId) -> Result<Vec<Door>, StoreError> {
        let rows = self
            .query(select!("AND property_id = $2 ORDER BY door_id"))
            .bind(property.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(door).collect()
    }
}

fn room(row: &PgRow) -> Result<Room, StoreError> {
    Ok(Room {
        id: RoomId::from_uuid(row.uuid("room_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        number: row.text("number")?,
    })
}

fn door(row: &PgRow) -> Result<Door, StoreError> {
    Ok(Door {
        id: DoorId::from_uuid(row.uuid("door_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        room: row.uuid_opt("room_id")?.map(RoomId::from_uuid),
        name: row.text("name")?,
        vendor: row.text("vendor")?,
        vendor_lock_id: row.text("vendor_lock_id")?,
    })
}
