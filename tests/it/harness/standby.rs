//! SALTO KS as a second vendor of a hotel whose rooms have a wall reader of it beside their lock.

use super::{Client, Hotel, until};
use lock_sim::salto_ks::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD, DEFAULT_USERNAME, SeedSpec, SimHandle, SimServer,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// The second vendor.
pub struct Standby {
    pub server: SimHandle,
    locks: Vec<(String, String)>,
    set_up: Value,
}

impl Standby {
    /// Whether digits open a room's wall reader.
    pub fn opens(&self, room: &str, pin: &str) -> bool {
        let (_, lock) = self.locks.iter().find(|(name, _)| name == room).unwrap();
        self.server.sim().try_pin(lock, pin).unwrap().opened
    }

    pub fn guests(&self) -> usize {
        self.server.sim().guests().len()
    }
}

impl Hotel {
    /// Sets up SALTO KS on standby, with readers at these rooms and so many keys.
    pub async fn standby(&self, rooms: &[&str], most_keys: u32) -> Standby {
        let server = SimServer::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let spec = SeedSpec { rooms: rooms.iter().map(|room| (*room).to_owned()).collect(), ..SeedSpec::default() };
        let seeded = server.sim().seed(&spec);
        let locks: Vec<_> = seeded.locks.iter().map(|lock| (lock.name.clone(), lock.lock_id.clone())).collect();
        let doors: Vec<Value> = locks
            .iter()
            .map(|(room, lock)| json!({ "room": room, "name": format!("Reader {room}"), "lock": lock }))
            .collect();
        let body = json!({
            "config": {
                "base_url": server.base_url(), "identity_url": server.base_url(), "site_id": seeded.site_id,
                "client_id": DEFAULT_CLIENT_ID, "username": DEFAULT_USERNAME, "settle_pause_ms": 10,
            },
            "secrets": { "client_secret": DEFAULT_CLIENT_SECRET, "password": DEFAULT_PASSWORD },
            "standby_rank": 1, "most_keys": most_keys, "doors": doors,
        });
        let made = self.pms.put("vendors/salto_ks", body.clone()).await.expect(200).body;
        assert_eq!(made["doors_entered"], rooms.len());
        Standby { server, locks, set_up: body }
    }

    /// A reader at this room that the vendor does not know.
    pub async fn wrong_reader(&self, standby: &Standby, room: &str) {
        let mut body = standby.set_up.clone();
        let lock = uuid::Uuid::new_v4().to_string();
        body["doors"] = json!([{ "room": room, "name": format!("Reader {room}"), "lock": lock }]);
        self.pms.put("vendors/salto_ks", body).await.expect(200);
    }

    /// Where stays go when a vendor is down: at once, looked at each second.
    pub async fn drains_to(&self, channels: &[&str]) {
        let body = json!({ "after_s": 0, "look_every_s": 1, "channels": channels });
        self.pms.put("on-vendor-down", body).await.expect(200);
    }

    /// An operator's word over the breaker of the main vendor.
    pub async fn force(&self, state: &str) -> Value {
        let for_s = (state != "released").then_some(600);
        let body = json!({ "state": state, "reason": "drill", "for_s": for_s });
        self.pms.post("vendors/ttlock/breaker", body).await.expect(200).body
    }

    /// Reservations on the desk's list, in its order, once there are so many.
    pub async fn desk(&self, count: usize) -> Vec<String> {
        until("the desk's list", Duration::from_secs(60), || async {
            let list = self.pms.get("desk").await.expect(200).body;
            let names: Vec<String> = list["guests"].as_array().unwrap().iter().map(name).collect();
            if names.len() == count { Ok(names) } else { Err(names) }
        })
        .await
    }

    /// The latest outage, with everything that it touched.
    pub async fn outage(&self) -> Value {
        let notices = self.pms.get("/v1/notices").await.expect(200).body;
        let id = notices["notices"][0]["outage"].as_str().expect("an outage").to_owned();
        self.pms.get(&format!("/v1/outages/{id}")).await.expect(200).body
    }
}

impl Client {
    /// A replacement with a fresh Idempotency-Key.
    pub async fn put(&self, path: &str, body: Value) -> super::Answer {
        let key = uuid::Uuid::new_v4().to_string();
        self.send(Method::PUT, path, Some(&key), Some(body.to_string().into_bytes())).await
    }

    /// The PIN of the stay's key that is wanted, shown once.
    pub async fn reveal_wanted(&self, reservation: &str) -> String {
        let stay = self.stay(reservation).await;
        let keys = stay["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["wish"] == "wanted").expect("a key")["id"].as_str().unwrap().to_owned();
        let answer = self.post(&format!("stays/{reservation}/keys/{key}/reveal"), json!({})).await.expect(200);
        answer.body["pin"].as_str().expect("a PIN").to_owned()
    }
}

fn name(line: &Value) -> String {
    line["reservation"].as_str().unwrap().to_owned()
}
