//! The way from the cloud to a lock: a gateway in range that is online and free, or the lock's own WiFi.
//!
//! A gateway has one radio. A second command for it while one is on the air is refused as busy, which shows callers that don't
//! take turns.

use super::errcode::{Errcode, GATEWAY_BUSY, GATEWAY_OFFLINE, LOCK_MISSING, LOCK_OFFLINE, NOT_NEAR_GATEWAY};
use super::world::World;

/// A command's hold on the air.
#[derive(Debug)]
pub(crate) enum Radio {
    /// No lock is contacted.
    NotNeeded,
    /// The lock's own WiFi.
    Wifi,
    /// This gateway, held until [`release`].
    Gateway {
        /// Which.
        id: i64,
        /// What the command takes on the air.
        latency_ms: u64,
    },
}

pub(crate) fn take(world: &mut World, lock_id: i64) -> Result<Radio, Errcode> {
    let lock = world.locks.get(&lock_id).ok_or(LOCK_MISSING)?;
    if lock.wifi {
        return if lock.wifi_online { Ok(Radio::Wifi) } else { Err(LOCK_OFFLINE) };
    }
    let mut near = false;
    let mut online = false;
    for gateway in world.gateways.values_mut().filter(|gateway| gateway.locks.contains(&lock_id)) {
        near = true;
        if !gateway.online {
            continue;
        }
        online = true;
        if !gateway.busy && !gateway.in_flight {
            gateway.in_flight = true;
            return Ok(Radio::Gateway { id: gateway.id, latency_ms: gateway.latency_ms });
        }
    }
    if online {
        world.stats.gateway_collisions = world.stats.gateway_collisions.saturating_add(1);
        return Err(GATEWAY_BUSY);
    }
    Err(if near { GATEWAY_OFFLINE } else { NOT_NEAR_GATEWAY })
}

pub(crate) fn release(world: &mut World, radio: &Radio) {
    if let Radio::Gateway { id, .. } = radio
        && let Some(gateway) = world.gateways.get_mut(id)
    {
        gateway.in_flight = false;
    }
}
