//! More doors than a hotel opens with.

use super::Hotel;
use lock_domain::ids::{DoorId, RoomId};
use lock_store::{NewDoor, Room};
use uuid::Uuid;

impl Hotel {
    /// A common door that every key opens.
    pub async fn common_door(&self, name: &str) {
        self.door(None, name, "ttlock").await;
    }

    /// A room whose door has another vendor's lock.
    pub async fn door_of_another_vendor(&self, number: &str, vendor: &str) {
        let id = RoomId::from_uuid(Uuid::new_v4());
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        tx.create_room(&Room { id, property: self.property, number: number.to_owned() }).await.unwrap();
        tx.commit().await.unwrap();
        self.door(Some(id), &format!("Room {number}"), vendor).await;
    }

    async fn door(&self, room: Option<RoomId>, name: &str, vendor: &str) {
        let door = NewDoor {
            id: DoorId::from_uuid(Uuid::new_v4()),
            property: self.property,
            room,
            name: name.to_owned(),
            vendor: vendor.to_owned(),
            vendor_lock_id: format!("lock of {name}"),
        };
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        tx.create_door(&door).await.unwrap();
        tx.commit().await.unwrap();
    }
}
