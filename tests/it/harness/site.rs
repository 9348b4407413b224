//! A hotel at one of the other vendors: a tenant with one sandbox property, and a simulator that only its doors hang on.

use super::{Client, shared};
use lock_api::scope::Scope;
use lock_domain::{ids::*, policy::StayPolicy};
use lock_kms::Place;
use lock_store::{NewApiKey, NewDoor, NewProperty, Room};
use serde_json::Value;
use uuid::Uuid;

/// What a property is set up with.
pub struct SetUp {
    pub vendor: &'static str,
    pub config: Value,
    pub secrets: Value,
    /// Room numbers with the vendor's ids of their locks.
    pub rooms: Vec<(String, String)>,
    /// The vendor's ids of common doors.
    pub common: Vec<String>,
}

/// A hotel that a test may do with as it likes.
pub struct Site {
    pub tenant: TenantId,
    pub pms: Client,
}

impl Site {
    /// Quick retries; the rest of the policy as it comes.
    pub async fn open(set_up: SetUp) -> Self {
        let shared = shared();
        let store = shared.store().await;
        let keys = shared.keys(&store);
        let (tenant, property) = (TenantId::from_uuid(Uuid::new_v4()), PropertyId::from_uuid(Uuid::new_v4()));
        lock_store::create_tenant(shared.stack.database_url(), tenant, "A hotel of tests").await.unwrap();
        let place = Place { table: "properties", column: "vendor_sealed", row: property.as_uuid() };
        let sealed = keys.seal(tenant, &place, set_up.secrets.to_string().as_bytes()).await.unwrap();
        let mut tx = store.tenant(tenant).await.unwrap();
        tx.create_property(&NewProperty {
            id: property,
            name: "Test hotel".to_owned(),
            zone: "Europe/Lisbon".to_owned(),
            live: false,
            clock_hook_url: None,
            policy: StayPolicy { retry_cap_s: 1, ..StayPolicy::default() },
            vendor: set_up.vendor.to_owned(),
            vendor_config: set_up.config,
            vendor_sealed: Some(sealed),
        })
        .await
        .unwrap();
        let door = |room, name: &str, lock: &str| NewDoor {
            id: DoorId::from_uuid(Uuid::new_v4()),
            property,
            room,
            name: name.to_owned(),
            vendor: set_up.vendor.to_owned(),
            vendor_lock_id: lock.to_owned(),
        };
        for (number, lock) in &set_up.rooms {
            let id = RoomId::from_uuid(Uuid::new_v4());
            tx.create_room(&Room { id, property, number: number.clone() }).await.unwrap();
            tx.create_door(&door(Some(id), &format!("Room {number}"), lock)).await.unwrap();
        }
        for lock in &set_up.common {
            tx.create_door(&door(None, &format!("Common {lock}"), lock)).await.unwrap();
        }
        let key = NewApiKey {
            id: ApiKeyId::from_uuid(Uuid::new_v4()),
            name: "tests".to_owned(),
            role: "pms".to_owned(),
            scopes: Scope::ALL.iter().map(|scope| scope.text().to_owned()).collect(),
            properties: None,
            expires_at: None,
        };
        let (_, token) = tx.mint_api_key(key, jiff::Timestamp::now()).await.unwrap();
        tx.commit().await.unwrap();
        Self { tenant, pms: Client::new(&shared.api, property, token) }
    }
}
