//! A tenant with one sandbox property of its own, and a simulator that only this hotel's locks hang on.

use super::{Client, shared};
use lock_api::scope::Scope;
use lock_domain::{ids::*, policy::StayPolicy};
use lock_kms::Place;
use lock_sim::ttlock::{CredentialState, SeedSpec, SimHandle, SimServer, TryOutcome};
use lock_store::{NewApiKey, NewDoor, NewProperty, Room, Store};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

/// A hotel that a test may do with as it likes.
pub struct Hotel {
    pub tenant: TenantId,
    pub property: PropertyId,
    pub store: Store,
    pub sim: SimHandle,
    /// Speaks with all scopes.
    pub pms: Client,
    /// The simulator's ids of the locks, by room number; "" is the common door.
    locks: Vec<(String, i64)>,
}

impl Hotel {
    /// Four rooms, quick retries.
    pub async fn open() -> Self {
        Self::with(4, StayPolicy { retry_cap_s: 1, ..StayPolicy::default() }).await
    }

    /// So many rooms, 101 and up.
    pub async fn with(rooms: usize, policy: StayPolicy) -> Self {
        let shared = shared();
        let store = shared.store().await;
        let keys = shared.keys(&store);
        let tenant = TenantId::from_uuid(Uuid::new_v4());
        let property = PropertyId::from_uuid(Uuid::new_v4());
        lock_store::create_tenant(shared.stack.database_url(), tenant, "A hotel of tests").await.unwrap();
        let sim = SimServer::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let spec = SeedSpec { property: property.to_string(), count: rooms, ..SeedSpec::default() };
        let seeded = sim.sim().seed(&spec);
        let secrets = json!({ "client_secret": spec.client_secret, "password_md5": spec.password_md5 });
        let place = Place { table: "properties", column: "vendor_sealed", row: property.as_uuid() };
        let sealed = keys.seal(tenant, &place, secrets.to_string().as_bytes()).await.unwrap();
        let mut tx = store.tenant(tenant).await.unwrap();
        tx.create_property(&NewProperty {
            id: property,
            name: "Test hotel".to_owned(),
            zone: "Europe/Lisbon".to_owned(),
            live: false,
            clock_hook_url: Some(format!("{}/sim/clock", sim.base_url())),
            policy,
            vendor: "ttlock".to_owned(),
            vendor_config: json!({ "base_url": sim.base_url(), "client_id": spec.client_id, "username": spec.username }),
            vendor_sealed: Some(sealed),
        })
        .await
        .unwrap();
        let mut locks = Vec::new();
        for lock in &seeded.locks {
            let id = RoomId::from_uuid(Uuid::new_v4());
            let number = lock.alias.clone();
            tx.create_room(&Room { id, property, number: number.clone() }).await.unwrap();
            tx.create_door(&door(property, Some(id), &format!("Room {number}"), lock.lock_id)).await.unwrap();
            locks.push((number, lock.lock_id));
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
        Self { tenant, property, store, sim, pms: Client::new(&shared.api, property, token), locks }
    }

    /// The simulator's id of a room's lock.
    pub fn lock(&self, room: &str) -> i64 {
        self.locks.iter().find(|(number, _)| number == room).unwrap_or_else(|| panic!("no room {room}")).1
    }

    /// A guest types a PIN at a room's door.
    pub fn try_pin(&self, room: &str, pin: &str) -> TryOutcome {
        self.sim.sim().try_pin(self.lock(room), pin).unwrap()
    }

    /// Every code that stands in some lock or in the vendor's cloud.
    pub fn codes(&self) -> Vec<CredentialState> {
        self.sim.sim().credentials()
    }
}

fn door(property: PropertyId, room: Option<RoomId>, name: &str, lock: i64) -> NewDoor {
    NewDoor {
        id: DoorId::from_uuid(Uuid::new_v4()),
        property,
        room,
        name: name.to_owned(),
        vendor: "ttlock".to_owned(),
        vendor_lock_id: lock.to_string(),
    }
}

impl Hotel {
    /// Moves the property's clock to an instant.
    pub async fn advance(&self, to: &str) {
        self.pms.post("test-clock", json!({ "to": to })).await.ok();
    }

    /// Somebody deletes the only code of a room's lock in the vendor's app.
    pub async fn remove_code_behind_our_back(&self, room: &str) {
        let lock = self.lock(room);
        let code = self.codes().into_iter().find(|code| code.lock_id == lock).expect("a code");
        let http = reqwest::Client::new();
        let base = self.sim.base_url();
        let login = [
            ("clientId", lock_sim::ttlock::DEFAULT_CLIENT_ID),
            ("clientSecret", lock_sim::ttlock::DEFAULT_CLIENT_SECRET),
            ("username", lock_sim::ttlock::DEFAULT_USERNAME),
            ("password", lock_sim::ttlock::DEFAULT_PASSWORD_MD5),
        ];
        let answer = http.post(format!("{base}/oauth2/token")).form(&login).send().await.unwrap();
        let token: serde_json::Value = answer.json().await.unwrap();
        let form = [
            ("clientId", lock_sim::ttlock::DEFAULT_CLIENT_ID.to_owned()),
            ("accessToken", token["access_token"].as_str().unwrap().to_owned()),
            ("date", jiff::Timestamp::now().as_millisecond().to_string()),
            ("lockId", lock.to_string()),
            ("keyboardPwdId", code.id.to_string()),
            ("deleteType", "2".to_owned()),
        ];
        let answer = http.post(format!("{base}/v3/keyboardPwd/delete")).form(&form).send().await.unwrap();
        let done: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(done["errcode"], 0, "{done}");
    }
}

impl Hotel {
    /// A key of this tenant's with these scopes, for some of its properties or all.
    pub async fn token(
        &self,
        scopes: &[Scope],
        properties: Option<Vec<PropertyId>>,
        expires_at: Option<jiff::Timestamp>,
    ) -> SecretString {
        let key = NewApiKey {
            id: ApiKeyId::from_uuid(Uuid::new_v4()),
            name: "another".to_owned(),
            role: "pms".to_owned(),
            scopes: scopes.iter().map(|scope| scope.text().to_owned()).collect(),
            properties,
            expires_at,
        };
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        let (_, token) = tx.mint_api_key(key, jiff::Timestamp::now()).await.unwrap();
        tx.commit().await.unwrap();
        token
    }

    /// One more property of this tenant's, without a room.
    pub async fn another_property(&self, live: bool) -> PropertyId {
        let id = PropertyId::from_uuid(Uuid::new_v4());
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        tx.create_property(&NewProperty {
            id,
            name: "Another hotel".to_owned(),
            zone: "Europe/Lisbon".to_owned(),
            live,
            clock_hook_url: None,
            policy: StayPolicy::default(),
            vendor: "ttlock".to_owned(),
            vendor_config: json!({}),
            vendor_sealed: None,
        })
        .await
        .unwrap();
        tx.commit().await.unwrap();
        id
    }
}
