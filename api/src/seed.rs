//! Makes a sandbox: a tenant, a hotel with simulated locks, and an API key with every scope.
//!
//! For developers and demonstrations only; nothing here touches a live property. Safe to run again: ids follow from names, what is there
//! stays, the vendor's address is renewed, and a fresh API key is made, because the earlier one can't be read back.

use crate::{hook::install_tls, scope::Scope};
use anyhow::{Context, ensure};
use lock_domain::{
    Timestamp,
    ids::{ApiKeyId, DoorId, PropertyId, RoomId, TenantId},
    policy::StayPolicy,
};
use lock_kms::{DataKeys, Place};
use lock_store::{NewApiKey, NewDoor, NewProperty, Room, Store};
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

/// The lock vendor of the sandbox.
const VENDOR: &str = "ttlock";
/// The common door, which every key opens.
const FRONT: &str = "Front entrance";
const ROOMS_PER_FLOOR: u32 = 25;

/// What the sandbox shall be.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The owner's database URL, to enter the tenant.
    pub owner_url: SecretString,
    /// A name that tenant, hotel, rooms and doors get their ids from.
    pub name: String,
    /// The hotel's name.
    pub hotel: String,
    /// Its time zone.
    pub zone: String,
    /// How many rooms.
    pub rooms: u32,
    /// The simulated vendor's address, such as `http://127.0.0.1:8081`.
    pub ttlock_url: String,
    /// Where the simulator is told of a moved clock.
    pub clock_hook_url: String,
    /// The simulated application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The simulated account.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// Take lock ids from this number on instead of asking the simulator to build the hotel.
    pub first_lock_id: Option<i64>,
    /// The hotel's choices.
    pub policy: StayPolicy,
}

/// What was made.
#[derive(Debug, Serialize)]
pub struct Seeded {
    /// The tenant.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// An API key with every scope. A secret.
    pub api_key: String,
    /// How many rooms the hotel has.
    pub rooms: u32,
    /// The vendor's lock ids by door name.
    pub locks: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Built {
    locks: Vec<BuiltLock>,
}

#[derive(Deserialize)]
struct BuiltLock {
    lock_id: i64,
    alias: String,
}

/// Makes the sandbox, or completes it.
pub async fn seed(store: &Store, keys: &DataKeys, wanted: &Sandbox) -> anyhow::Result<Seeded> {
    ensure!((1..=9_999).contains(&wanted.rooms), "a sandbox has 1 to 9999 rooms");
    lock_domain::window::zone(&wanted.zone)?;
    let id = |what: &str| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("lock-sandbox/{}/{what}", wanted.name).as_bytes());
    let (tenant, property) = (TenantId::from_uuid(id("tenant")), PropertyId::from_uuid(id("property")));
    let numbers: Vec<String> = (0..wanted.rooms).map(number).collect();
    let locks = locks(wanted, &numbers).await?;
    lock_store::create_tenant(wanted.owner_url.expose_secret(), tenant, "Sandbox").await?;
    let config = serde_json::json!({ "base_url": wanted.ttlock_url, "client_id": wanted.client_id, "username": wanted.username });
    let sealed = sealed(keys, tenant, property, wanted).await?;

    let mut tx = store.tenant(tenant).await?;
    if tx.property(property).await?.is_some() {
        tx.set_vendor(property, VENDOR, &config, Some(&sealed)).await?;
    } else {
        let new = NewProperty {
            id: property,
            name: wanted.hotel.clone(),
            zone: wanted.zone.clone(),
            live: false,
            clock_hook_url: Some(wanted.clock_hook_url.clone()),
            policy: wanted.policy.clone(),
            vendor: VENDOR.to_owned(),
            vendor_config: config,
            vendor_sealed: Some(sealed),
        };
        tx.create_property(&new).await?;
    }
    let known: BTreeSet<String> = tx.doors(property).await?.into_iter().map(|door| door.name).collect();
    let door = |name: &str, room: Option<RoomId>| NewDoor {
        id: DoorId::from_uuid(id(&format!("door/{name}"))),
        property,
        room,
        name: name.to_owned(),
        vendor: VENDOR.to_owned(),
        vendor_lock_id: locks.get(name).map(ToString::to_string).unwrap_or_default(),
    };
    if !known.contains(FRONT) {
        tx.create_door(&door(FRONT, None)).await?;
    }
    for number in numbers {
        let name = door_name(&number);
        if !known.contains(&name) {
            let room = RoomId::from_uuid(id(&format!("room/{number}")));
            tx.create_room(&Room { id: room, property, number }).await?;
            tx.create_door(&door(&name, Some(room))).await?;
        }
    }
    let key = NewApiKey {
        id: ApiKeyId::from_uuid(Uuid::now_v7()),
        name: "sandbox".to_owned(),
        role: "sandbox".to_owned(),
        scopes: Scope::ALL.iter().map(|scope| scope.text().to_owned()).collect(),
        properties: None,
        expires_at: None,
    };
    let (_, token) = tx.mint_api_key(key, Timestamp::now()).await?;
    tx.commit().await?;
    Ok(Seeded { tenant, property, api_key: token.expose_secret().to_owned(), rooms: wanted.rooms, locks })
}

/// The vendor's secrets, sealed for their column.
async fn sealed(keys: &DataKeys, tenant: TenantId, property: PropertyId, wanted: &Sandbox) -> anyhow::Result<Vec<u8>> {
    let secrets = serde_json::json!({
        "client_secret": wanted.client_secret.expose_secret(),
        "password_md5": hex::encode(Md5::digest(wanted.password.expose_secret().as_bytes())),
    });
    let place = Place { table: "properties", column: "vendor_sealed", row: property.as_uuid() };
    Ok(keys.seal(tenant, &place, secrets.to_string().as_bytes()).await?)
}

/// The vendor's lock ids by door name: the simulator builds what it does not have yet.
async fn locks(wanted: &Sandbox, numbers: &[String]) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    let names: Vec<String> = std::iter::once(FRONT.to_owned()).chain(numbers.iter().map(|n| door_name(n))).collect();
    if let Some(first) = wanted.first_lock_id {
        return Ok((first..).zip(names).map(|(id, name)| (name, id.into())).collect());
    }
    install_tls();
    let spec = serde_json::json!({
        "property": wanted.name, "rooms": names, "client_id": wanted.client_id,
        "client_secret": wanted.client_secret.expose_secret(), "username": wanted.username,
        "password_md5": hex::encode(Md5::digest(wanted.password.expose_secret().as_bytes())),
    });
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let url = format!("{}/sim/seed", wanted.ttlock_url.trim_end_matches('/'));
    let answer = client.post(&url).json(&spec).send().await.with_context(|| format!("{url} does not answer"))?;
    let built: Built = answer.error_for_status()?.json().await.context("the simulator's answer has another form")?;
    Ok(built.locks.into_iter().map(|lock| (lock.alias, lock.lock_id.into())).collect())
}

/// Room numbers: floor and place, 101 to 125, 201 to 225 and so on.
fn number(n: u32) -> String {
    (100 * (n / ROOMS_PER_FLOOR + 1) + n % ROOMS_PER_FLOOR + 1).to_string()
}

fn door_name(number: &str) -> String {
    format!("Room {number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_numbered_by_floor() {
        let numbers: Vec<String> = [0, 24, 25, 299].map(number).to_vec();
        assert_eq!(numbers, ["101", "125", "201", "1225"]);
    }
}
