//! Locks, gateways, the lock's clock, battery and records.

use serde_json::{Value, json};

use super::auth::Caller;
use super::errcode::{Errcode, GATEWAY_MISSING};
use super::journal::Effect;
use super::lock::Lock;
use super::params::Params;
use super::world::World;

pub(crate) fn locks(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let page = params.page(1000)?;
    let alias = params.text("lockAlias");
    let rows = world
        .locks
        .values()
        .filter(|lock| lock.admin == caller.username && alias.is_none_or(|text| lock.alias.contains(text)))
        .map(|lock| summary(world, lock))
        .collect();
    Ok(page.wrap(rows))
}

fn summary(world: &World, lock: &Lock) -> Value {
    json!({
        "lockId": lock.id,
        "lockName": format!("S1_{}", lock.mac.replace(':', "").chars().rev().take(6).collect::<String>()),
        "lockAlias": lock.alias,
        "lockMac": lock.mac,
        "electricQuantity": lock.battery,
        "featureValue": if lock.wifi { "100000000500500" } else { "500" },
        "hasGateway": i32::from(world.gateways.values().any(|gateway| gateway.locks.contains(&lock.id))),
        "groupName": lock.property,
        "timezoneRawOffset": lock.utc_offset_ms,
        "date": lock.set_at,
    })
}

pub(crate) fn lock_detail(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let id = params.required_number("lockId")?;
    let lock = world.lock_of(&caller.username, id)?.clone();
    let mut body = summary(world, &lock);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("modelNum".into(), "SN9206".into());
        fields.insert("hardwareRevision".into(), "1.6".into());
        fields.insert("firmwareRevision".into(), "4.1.18".into());
        fields.insert("autoLockTime".into(), 5.into());
        fields.insert("passageMode".into(), 2.into());
    }
    Ok(body)
}

pub(crate) fn query_date(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let now = world.now();
    let lock = world.lock_of(&caller.username, params.required_number("lockId")?)?;
    // The lock keeps whole seconds.
    Ok(json!({ "date": lock.clock(now).div_euclid(1000) * 1000 }))
}

pub(crate) fn update_date(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let now = world.now();
    let id = params.required_number("lockId")?;
    let lock = world.lock_of(&caller.username, id)?;
    lock.set_clock(now);
    let date = lock.clock(now).div_euclid(1000) * 1000;
    world.note(Effect::SetClock, id, (0, String::new()), true, None);
    Ok(json!({ "date": date }))
}

pub(crate) fn battery(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let lock = world.lock_of(&caller.username, params.required_number("lockId")?)?;
    Ok(json!({ "electricQuantity": lock.battery }))
}

pub(crate) fn records(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let id = params.required_number("lockId")?;
    let page = params.page(200)?;
    let from = params.number("startDate")?.unwrap_or(0);
    let until = params.number("endDate")?.filter(|until| *until > 0).unwrap_or(i64::MAX);
    let kind = params.number("recordType")?;
    let reachable = world.reachable(id);
    let uploaded_at = world.now();
    let lock = world.lock_of(&caller.username, id)?;
    let battery = lock.battery;
    if reachable {
        for record in lock.records.iter_mut().filter(|record| record.server_date.is_none()) {
            record.server_date = Some(uploaded_at);
        }
    }
    let rows = lock
        .records
        .iter()
        .rev()
        .filter(|record| (from..=until).contains(&record.lock_date))
        .filter(|record| kind.is_none_or(|kind| kind == record.kind))
        .filter_map(|record| {
            record.server_date.map(|server_date| {
                json!({
                    "recordId": record.id,
                    "lockId": id,
                    "recordTypeFromLock": record.kind,
                    "recordType": record.kind,
                    "success": i32::from(record.opened),
                    "username": record.name,
                    "keyboardPwd": record.pin,
                    "lockDate": record.lock_date,
                    "serverDate": server_date,
                    "electricQuantity": battery,
                })
            })
        })
        .collect();
    Ok(page.wrap(rows))
}

pub(crate) fn gateways(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let page = params.page(200)?;
    params.one_of("orderBy", 0, &[0, 1, 2])?;
    let rows = world
        .gateways
        .values()
        .filter(|gateway| gateway.admin == caller.username)
        .map(|gateway| {
            json!({
                "gatewayId": gateway.id,
                "gatewayMac": mac(gateway.id),
                "gatewayName": gateway.name,
                "gatewayVersion": 2,
                "networkName": "staff",
                "networkMac": mac(gateway.id + 1),
                "lockNum": gateway.locks.len(),
                "isOnline": i32::from(gateway.online),
            })
        })
        .collect();
    Ok(page.wrap(rows))
}

pub(crate) fn gateway_locks(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let id = params.required_number("gatewayId")?;
    let gateway = world.gateways.get(&id).filter(|gateway| gateway.admin == caller.username).ok_or(GATEWAY_MISSING)?;
    let list: Vec<Value> = gateway
        .locks
        .iter()
        .filter_map(|lock_id| world.locks.get(lock_id))
        .map(|lock| {
            json!({
                "lockId": lock.id, "lockName": lock.alias, "lockAlias": lock.alias, "lockMac": lock.mac,
                "rssi": -60 - lock.id % 30, "updateDate": lock.set_at,
            })
        })
        .collect();
    Ok(json!({ "list": list }))
}

/// A made-up hardware address, unique per id.
pub(crate) fn mac(id: i64) -> String {
    let [.., a, b, c] = id.to_be_bytes();
    format!("02:54:4C:{a:02X}:{b:02X}:{c:02X}")
}
