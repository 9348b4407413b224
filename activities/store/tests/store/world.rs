//! A small hotel to test with: two rooms with a door each, a common door, an API key.

use crate::cluster::TestDb;
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    clock::ClockOffset,
    command::{Command, Verb},
    credential::KeyKind,
    ids::*,
    pin::{PinOrigin, PinSource},
    policy::StayPolicy,
    stay::{StayKind, StayPhase},
    window::Window,
};
use lock_store::{NewApiKey, NewCommand, NewDoor, NewKeyRow, NewProperty, NewStay, Room, Store, create_tenant};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

/// A tenant with a hotel.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) property: PropertyId,
    pub(crate) rooms: [RoomId; 2],
    /// The rooms' doors, then the common one.
    pub(crate) doors: [DoorId; 3],
    pub(crate) api_key: ApiKeyId,
    pub(crate) token: SecretString,
}

/// Noon of a day on which nothing happens.
pub(crate) fn noon() -> Timestamp {
    "2026-11-23T12:00:00.123456Z".parse().unwrap()
}

/// From so many hours after noon, for so many hours.
pub(crate) fn window(from: i64, hours: i64) -> Window {
    let from = noon() + SignedDuration::from_hours(from);
    Window { from, until: from + SignedDuration::from_hours(hours) }
}

pub(crate) fn reservation(text: &str) -> ReservationRef {
    text.parse().unwrap()
}

macro_rules! fresh {
    ($kind:ty) => {
        <$kind>::from_uuid(uuid::Uuid::now_v7())
    };
}
pub(crate) use fresh;

impl World {
    pub(crate) async fn new(db: &TestDb) -> Self {
        Self::with_connections(db, 10).await
    }

    pub(crate) async fn with_connections(db: &TestDb, connections: u32) -> Self {
        Self::enter(db, db.store(connections).await).await
    }

    /// Another tenant on the same pool.
    pub(crate) async fn enter(db: &TestDb, store: Store) -> Self {
        let tenant = fresh!(TenantId);
        create_tenant(&db.owner_url(), tenant, "Hotels of the test").await.unwrap();
        let property = fresh!(PropertyId);
        let rooms = [fresh!(RoomId), fresh!(RoomId)];
        let doors = [fresh!(DoorId), fresh!(DoorId), fresh!(DoorId)];
        let mut tx = store.tenant(tenant).await.unwrap();
        tx.create_property(&NewProperty {
            id: property,
            name: "City Hotel".into(),
            zone: "Europe/Lisbon".into(),
            live: false,
            clock_hook_url: None,
            policy: StayPolicy::default(),
            vendor: "ttlock".into(),
            vendor_config: json!({"base_url": "http://127.0.0.1:1"}),
            vendor_sealed: Some(vec![9]),
        })
        .await
        .unwrap();
        for (room, number) in rooms.iter().zip(["101", "102"]) {
            tx.create_room(&Room { id: *room, property, number: number.into() }).await.unwrap();
        }
        for (place, door) in doors.iter().enumerate() {
            tx.create_door(&NewDoor {
                id: *door,
                property,
                room: rooms.get(place).copied(),
                name: ["Room 101", "Room 102", "Entrance"][place].into(),
                vendor: "ttlock".into(),
                vendor_lock_id: (1000 + place).to_string(),
            })
            .await
            .unwrap();
        }
        let new = NewApiKey {
            id: fresh!(ApiKeyId),
            name: "Front desk".into(),
            role: "desk".into(),
            scopes: vec!["stays:write".into()],
            properties: Some(vec![property]),
            expires_at: None,
        };
        let (key, token) = tx.mint_api_key(new, noon()).await.unwrap();
        tx.commit().await.unwrap();
        Self { store, tenant, property, rooms, doors, api_key: key.id, token }
    }

    pub(crate) async fn tx(&self) -> lock_store::TenantTx<'static> {
        self.store.tenant(self.tenant).await.unwrap()
    }

    pub(crate) fn new_stay(&self, name: &str) -> NewStay {
        NewStay {
            kind: StayKind::Guest,
            purpose: None,
            id: fresh!(StayId),
            property: self.property,
            reservation: reservation(name),
            window: window(0, 24),
            room: self.rooms[0],
            phase: StayPhase::Issuing,
            next_deadline: Some(window(0, 24).until),
            reinstates: None,
            clock: ClockOffset::REAL,
            at: noon(),
        }
    }

    /// A stay, committed.
    pub(crate) async fn stay(&self, name: &str) -> StayId {
        let new = self.new_stay(name);
        let mut tx = self.tx().await;
        tx.insert_stay(&new).await.unwrap();
        tx.commit().await.unwrap();
        new.id
    }

    /// A key of a stay, committed.
    pub(crate) async fn key(&self, stay: StayId) -> KeyId {
        let id = fresh!(KeyId);
        let fingerprint = Uuid::new_v4();
        let mut tx = self.tx().await;
        tx.reserve_pin(self.property, id, fingerprint.as_bytes(), noon()).await.unwrap();
        let new = NewKeyRow {
            id,
            stay,
            holder: 0,
            pin_fingerprint: Some(fingerprint.as_bytes()),
            pin_sealed: Some(b"sealed"),
            pin_source: PinSource::Ours,
            pin_origin: PinOrigin::Random,
            one_time: false,
            kind: KeyKind::Pin,
            encoder: None,
            at: noon(),
        };
        tx.insert_key(new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) fn command(&self, verb: Verb) -> Command {
        Command {
            tenant: self.tenant,
            id: fresh!(CommandId),
            verb,
            at: noon(),
            by: self.api_key,
            clock: ClockOffset::REAL,
            traceparent: None,
        }
    }

    /// An accepted command, committed.
    pub(crate) async fn accepted(&self, stay: StayId, name: &str, verb: Verb) -> Command {
        let command = self.command(verb);
        let mut tx = self.tx().await;
        let reservation = reservation(name);
        tx.insert_command(NewCommand {
            command: &command,
            property: self.property,
            stay,
            reservation: &reservation,
            at: noon(),
        })
        .await
        .unwrap();
        tx.commit().await.unwrap();
        command
    }
}
