//! A site in one go. The same seed on a new world gives the same ids; a room that stands already is not made again.

use serde::{Deserialize, Serialize};

use super::world::{Lock, User, World};

/// `client_id` of a seeded application.
pub const DEFAULT_CLIENT_ID: &str = "sim-ks-client";
/// Its secret.
pub const DEFAULT_CLIENT_SECRET: &str = "sim-ks-client-secret";
/// The system user.
pub const DEFAULT_USERNAME: &str = "sim-ks-system";
/// His password.
pub const DEFAULT_PASSWORD: &str = "sim-ks-password";

/// A site to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedSpec {
    /// Room names; when empty, `count` rooms are numbered 101…120, 201…220 and so on.
    pub rooms: Vec<String>,
    /// Number of rooms when `rooms` is empty.
    pub count: usize,
    /// Seats, one of which the system user takes.
    pub seats: usize,
    /// The site's IANA time zone.
    pub time_zone: String,
}

impl Default for SeedSpec {
    fn default() -> Self {
        Self { rooms: Vec::new(), count: 0, seats: 100, time_zone: "UTC".to_owned() }
    }
}

/// One room of a seeded site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeededLock {
    /// The vendor's id of the lock.
    pub lock_id: String,
    /// The room name.
    pub name: String,
}

/// What stands after seeding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeded {
    /// The site's UUID.
    pub site_id: String,
    /// Its short code, which the API refuses.
    pub site_uid: String,
    /// Its hub.
    pub iq_id: String,
    /// Locks in the order of the rooms asked for.
    pub locks: Vec<SeededLock>,
}

pub(crate) fn seed(world: &mut World, spec: &SeedSpec) -> Seeded {
    world.clients.insert(DEFAULT_CLIENT_ID.to_owned(), DEFAULT_CLIENT_SECRET.to_owned());
    if world.accounts.insert(DEFAULT_USERNAME.to_owned(), DEFAULT_PASSWORD.to_owned()).is_none() {
        let (id, user_id) = (world.uuid(), world.uuid());
        let admin = User {
            user_id,
            alias: Some("Anna from the front desk".to_owned()),
            role: "site_admin",
            subscribed: true,
            use_pin: false,
            expires_at: None,
            pin: None,
            made_at: 0,
            deleted_at: None,
            id: id.clone(),
        };
        world.users.insert(id, admin);
    }
    world.policy.seats = spec.seats;
    world.time_zone.clone_from(&spec.time_zone);
    let rooms = if spec.rooms.is_empty() {
        (0..spec.count).map(|n| format!("{}{:02}", n / 20 + 1, n % 20 + 1)).collect()
    } else {
        spec.rooms.clone()
    };
    let mut locks = Vec::with_capacity(rooms.len());
    for name in rooms {
        let standing = world.locks.values().find(|lock| lock.name == name).map(|lock| lock.id.clone());
        let lock_id = standing.unwrap_or_else(|| {
            let id = world.uuid();
            world.locks.insert(id.clone(), Lock { id: id.clone(), name: name.clone() });
            id
        });
        locks.push(SeededLock { lock_id, name });
    }
    Seeded { site_id: world.site_id.clone(), site_uid: world.site_uid.clone(), iq_id: world.iq_id.clone(), locks }
}
