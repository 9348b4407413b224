//! Hotels in bulk. The same seed on an empty world gives the same ids; on a world that has it already, nothing new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::devices::mac;
use super::lock::Lock;
use super::world::{Account, Gateway, World};

/// `clientId` of a seeded app unless the seed names another.
pub const DEFAULT_CLIENT_ID: &str = "sim-client";
/// `clientSecret` of that app.
pub const DEFAULT_CLIENT_SECRET: &str = "sim-client-secret";
/// Account that administers seeded locks unless the seed names another.
pub const DEFAULT_USERNAME: &str = "sim-front-desk";
/// MD5 of that account's password, `123456`.
pub const DEFAULT_PASSWORD_MD5: &str = "e10adc3949ba59abbe56e057f20f883e";

/// A hotel to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedSpec {
    /// Groups the locks; the pair of account and property makes a seed repeatable.
    pub property: String,
    /// Room names; when empty, `count` rooms are numbered 101…120, 201…220 and so on.
    pub rooms: Vec<String>,
    /// Number of rooms when `rooms` is empty.
    pub count: usize,
    /// Rooms that share a gateway; 0 for no gateway at all.
    pub rooms_per_gateway: usize,
    /// `clientId` of the app.
    pub client_id: String,
    /// `clientSecret` of the app.
    pub client_secret: String,
    /// The account that administers the locks.
    pub username: String,
    /// MD5 of its password, 32 lowercase hex digits.
    pub password_md5: String,
    /// Offset from UTC stored in each lock, ms.
    pub utc_offset_ms: i64,
}

impl Default for SeedSpec {
    fn default() -> Self {
        Self {
            property: "hotel".to_owned(),
            rooms: Vec::new(),
            count: 0,
            rooms_per_gateway: 10,
            client_id: DEFAULT_CLIENT_ID.to_owned(),
            client_secret: DEFAULT_CLIENT_SECRET.to_owned(),
            username: DEFAULT_USERNAME.to_owned(),
            password_md5: DEFAULT_PASSWORD_MD5.to_owned(),
            utc_offset_ms: 0,
        }
    }
}

/// One room of a seeded hotel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeededLock {
    /// The vendor's id of the lock.
    pub lock_id: i64,
    /// The room name.
    pub alias: String,
    /// The gateway near it.
    pub gateway_id: Option<i64>,
}

/// What stands after seeding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeded {
    /// Gateways of the hotel.
    pub gateways: Vec<i64>,
    /// Locks in the order of the rooms asked for.
    pub locks: Vec<SeededLock>,
}

pub(crate) fn seed(world: &mut World, spec: &SeedSpec) -> Seeded {
    let app = world.apps.entry(spec.client_id.clone()).or_default();
    app.secret.clone_from(&spec.client_secret);
    if !world.accounts.contains_key(&spec.username) {
        let uid = world.next_id();
        world.accounts.insert(spec.username.clone(), Account { uid, password_md5: spec.password_md5.clone() });
    }
    let rooms = if spec.rooms.is_empty() { numbered(spec.count) } else { spec.rooms.clone() };
    let existing: BTreeMap<String, i64> = world
        .locks
        .values()
        .filter(|lock| lock.admin == spec.username && lock.property == spec.property)
        .map(|lock| (lock.alias.clone(), lock.id))
        .collect();
    let mut locks = Vec::with_capacity(rooms.len());
    let mut current: Option<(i64, usize)> = None;
    for alias in rooms {
        if let Some(id) = existing.get(&alias) {
            let gateway_id =
                world.gateways.values().find(|gateway| gateway.locks.contains(id)).map(|gateway| gateway.id);
            locks.push(SeededLock { lock_id: *id, alias, gateway_id });
            continue;
        }
        let lock_id = world.next_id();
        let lock = new_lock(world, spec, lock_id, alias.clone());
        world.locks.insert(lock_id, lock);
        let gateway_id = (spec.rooms_per_gateway > 0).then(|| {
            let (id, used) = current.filter(|(_, used)| *used < spec.rooms_per_gateway).unwrap_or_else(|| {
                let id = world.next_id();
                world.gateways.insert(id, new_gateway(spec, id));
                (id, 0)
            });
            current = Some((id, used + 1));
            if let Some(gateway) = world.gateways.get_mut(&id) {
                gateway.locks.insert(lock_id);
            }
            id
        });
        locks.push(SeededLock { lock_id, alias, gateway_id });
    }
    world.touch();
    let gateways: BTreeSet<i64> = locks.iter().filter_map(|lock| lock.gateway_id).collect();
    Seeded { gateways: gateways.into_iter().collect(), locks }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{}{:02}", n / 20 + 1, n % 20 + 1)).collect()
}

fn new_lock(world: &World, spec: &SeedSpec, id: i64, alias: String) -> Lock {
    Lock {
        id,
        property: spec.property.clone(),
        alias,
        mac: mac(id),
        admin: spec.username.clone(),
        battery: 90,
        frozen: false,
        wifi: false,
        wifi_online: true,
        utc_offset_ms: spec.utc_offset_ms,
        skew_ms: 0,
        drift_ppm: 0,
        set_at: world.now(),
        passcodes: BTreeMap::new(),
        deleted_periods: Vec::new(),
        records: VecDeque::new(),
    }
}

fn new_gateway(spec: &SeedSpec, id: i64) -> Gateway {
    Gateway {
        id,
        name: format!("{}-gw-{id}", spec.property),
        admin: spec.username.clone(),
        online: true,
        busy: false,
        latency_ms: 0,
        locks: BTreeSet::new(),
        in_flight: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats() {
        let spec = SeedSpec { count: 25, ..SeedSpec::default() };
        let (mut one, mut two) = (World::default(), World::default());
        let first = seed(&mut one, &spec);
        assert_eq!(first, seed(&mut two, &spec));
        assert_eq!(first, seed(&mut one, &spec));
        assert_eq!(first.gateways.len(), 3);
        assert_eq!(first.locks.last().map(|lock| lock.alias.as_str()), Some("205"));
    }
}
