//! The simulator in the hands of a test in the same process; the control paths call the same functions.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::callbacks::{self, CallbackOrder, CallbackSent};
use super::fault::{Fault, FaultOrder};
use super::journal::JournalEntry;
use super::lock::{Lock, Passcode};
use super::seed::{SeedSpec, Seeded, seed};
use super::stats::Stats;
use super::views::{
    CodeState, CredentialState, GatewayPatch, GatewayState, LockAlarm, LockPatch, LockState, PolicyPatch, TokenExpiry,
    TryOutcome, TryReason,
};
use super::world::World;
use crate::fault::{Faults, Faulty};
use crate::serving::Stop;

/// A simulated TTLock cloud. Clones share one world.
#[derive(Debug, Clone)]
pub struct TtlockSim {
    world: Arc<Mutex<World>>,
    stopping: Stop,
    calling: Arc<Notify>,
}

impl TtlockSim {
    /// An empty world, or the one that `state` holds. A file that can't be read is an error; a missing one is an empty world.
    pub(crate) fn open(state: Option<&Path>) -> std::io::Result<Self> {
        let world = state.map(super::persist::load).transpose()?.flatten().unwrap_or_default();
        let calling = Arc::new(Notify::new());
        Ok(Self { world: Arc::new(Mutex::new(world)), stopping: Stop::new(), calling })
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stop(&self) {
        self.stopping.tell();
    }

    /// Returns when the server is told to stop.
    pub(crate) async fn stopped(&self) {
        self.stopping.told().await;
    }

    /// Returns when there may be a callback to send.
    pub(crate) async fn callbacks_wait(&self) {
        self.calling.notified().await;
    }

    /// Sends callbacks like this from now on.
    pub fn set_callbacks(&self, order: CallbackOrder) {
        self.world().callbacks.set(order);
    }

    /// Lets go the callbacks that were held, the newest first if `reversed`.
    pub fn release_callbacks(&self, reversed: bool) {
        self.world().callbacks.release(reversed);
        self.calling.notify_one();
    }

    /// The callbacks that were sent, and what they met.
    #[must_use]
    pub fn callbacks(&self) -> Vec<CallbackSent> {
        self.world().callbacks.sent()
    }

    /// Builds a hotel; repeating it changes nothing.
    #[must_use]
    pub fn seed(&self, spec: &SeedSpec) -> Seeded {
        seed(&mut self.world(), spec)
    }

    /// Types `pin` at a lock's keypad and writes the lock's record; none for an unknown lock.
    #[must_use]
    pub fn try_pin(&self, lock_id: i64, pin: &str) -> Option<TryOutcome> {
        let mut world = self.world();
        let (now, record) = (world.now(), world.next_id());
        let tried = world.locks.get_mut(&lock_id)?.try_pin(pin, now, record);
        callbacks::records_uploaded(&mut world, lock_id);
        world.touch();
        self.calling.notify_one();
        Some(TryOutcome {
            opened: tried.reason == TryReason::Opened,
            reason: tried.reason,
            lock_time: tried.lock_time,
            passcode_id: tried.passcode,
        })
    }

    /// A lock's alarm goes off, or went off some time ago, and the lock writes its record. False for an unknown lock.
    pub fn alarm(&self, lock_id: i64, alarm: LockAlarm) -> bool {
        let mut world = self.world();
        let (at, record) = (world.now().saturating_sub(alarm.ago_ms), world.next_id());
        let Some(lock) = world.locks.get_mut(&lock_id) else { return false };
        lock.alarm(alarm.record_type, at, record);
        callbacks::records_uploaded(&mut world, lock_id);
        world.touch();
        self.calling.notify_one();
        true
    }

    /// Somebody with the vendor's app stands at the lock: its records reach the cloud without a gateway. False for an unknown lock.
    pub fn carry_records(&self, lock_id: i64) -> bool {
        let mut world = self.world();
        let known = world.locks.contains_key(&lock_id);
        callbacks::records_carried(&mut world, lock_id);
        world.touch();
        self.calling.notify_one();
        known
    }

    /// Sets the world's time to real time plus `offset_ms`.
    pub fn set_clock(&self, offset_ms: i64) {
        let mut world = self.world();
        world.offset_ms = offset_ms;
        world.touch();
    }

    /// The world's time, ms since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.world().now()
    }

    /// A lock as it really is.
    #[must_use]
    pub fn lock(&self, lock_id: i64) -> Option<LockState> {
        let world = self.world();
        world.locks.get(&lock_id).map(|lock| lock_state(&world, lock))
    }

    /// All locks, by id.
    #[must_use]
    pub fn locks(&self) -> Vec<LockState> {
        let world = self.world();
        world.locks.values().map(|lock| lock_state(&world, lock)).collect()
    }

    /// Changes a lock; false for an unknown one.
    pub fn patch_lock(&self, lock_id: i64, patch: &LockPatch) -> bool {
        let mut world = self.world();
        let now = world.now();
        let Some(lock) = world.locks.get_mut(&lock_id) else { return false };
        if let Some(skew) = patch.skew_ms {
            lock.skew_ms = skew;
            lock.set_at = now;
        }
        if let Some(ppm) = patch.drift_ppm {
            lock.skew_ms = lock.clock(now).saturating_sub(now);
            lock.set_at = now;
            lock.drift_ppm = ppm;
        }
        lock.battery = patch.battery.unwrap_or(lock.battery);
        lock.frozen = patch.frozen.unwrap_or(lock.frozen);
        lock.wifi = patch.wifi.unwrap_or(lock.wifi);
        lock.wifi_online = patch.wifi_online.unwrap_or(lock.wifi_online);
        lock.utc_offset_ms = patch.utc_offset_ms.unwrap_or(lock.utc_offset_ms);
        if let Some(near) = patch.gateway_id {
            for gateway in world.gateways.values_mut() {
                gateway.locks.remove(&lock_id);
                if gateway.id == near {
                    gateway.locks.insert(lock_id);
                }
            }
        }
        world.touch();
        true
    }

    /// All gateways, by id.
    #[must_use]
    pub fn gateways(&self) -> Vec<GatewayState> {
        let world = self.world();
        world
            .gateways
            .values()
            .map(|gateway| GatewayState {
                gateway_id: gateway.id,
                name: gateway.name.clone(),
                online: gateway.online,
                busy: gateway.busy,
                latency_ms: gateway.latency_ms,
                locks: gateway.locks.iter().copied().collect(),
            })
            .collect()
    }

    /// Changes a gateway; false for an unknown one.
    pub fn patch_gateway(&self, gateway_id: i64, patch: &GatewayPatch) -> bool {
        let mut world = self.world();
        let Some(gateway) = world.gateways.get_mut(&gateway_id) else { return false };
        let changed = patch.online.is_some_and(|online| online != gateway.online);
        gateway.online = patch.online.unwrap_or(gateway.online);
        gateway.busy = patch.busy.unwrap_or(gateway.busy);
        gateway.latency_ms = patch.latency_ms.unwrap_or(gateway.latency_ms);
        if changed {
            callbacks::gateway_changed(&mut world, gateway_id);
        }
        world.touch();
        self.calling.notify_one();
        true
    }

    /// Changes the cloud's limits.
    pub fn patch_policy(&self, patch: &PolicyPatch) {
        let mut world = self.world();
        let policy = &mut world.policy;
        policy.monthly_quota = patch.monthly_quota.unwrap_or(policy.monthly_quota);
        policy.calls_per_second = patch.calls_per_second.unwrap_or(policy.calls_per_second);
        policy.token_life_s = patch.token_life_s.unwrap_or(policy.token_life_s);
        policy.refuse_change_of_unused = patch.refuse_change_of_unused.unwrap_or(policy.refuse_change_of_unused);
        policy.codes_per_lock = patch.codes_per_lock.unwrap_or(policy.codes_per_lock);
        world.touch();
    }

    /// Ends tokens before their time.
    pub fn expire_tokens(&self, what: TokenExpiry) {
        let mut world = self.world();
        match what {
            TokenExpiry::Access => world.access.values_mut().for_each(|access| access.expires_at = 0),
            TokenExpiry::ForgetAccess => world.access.clear(),
            TokenExpiry::All => {
                world.access.clear();
                world.refresh.clear();
            }
        }
        world.touch();
    }

    /// Orders a fault and returns its id.
    pub fn add_fault(&self, order: FaultOrder) -> u64 {
        self.with_faults(|faults| faults.add(order))
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.with_faults(|faults| faults.list())
    }

    /// Takes one fault back; false when it is not in force.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.with_faults(|faults| faults.remove(id))
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.with_faults(Faults::clear);
    }

    /// Counters since the process began.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.world().stats.clone()
    }

    /// Changes at the vendor after entry `seq`; 0 for all.
    #[must_use]
    pub fn journal(&self, seq: u64) -> Vec<JournalEntry> {
        self.world().journal.since(seq)
    }

    /// All credentials of all locks.
    #[must_use]
    pub fn credentials(&self) -> Vec<CredentialState> {
        let world = self.world();
        world
            .locks
            .values()
            .flat_map(|lock| lock_state(&world, lock).codes.into_iter().map(|code| credential(lock, code)))
            .collect()
    }
}

fn lock_state(world: &World, lock: &Lock) -> LockState {
    let now = world.now();
    let clock = lock.clock(now);
    LockState {
        lock_id: lock.id,
        property: lock.property.clone(),
        alias: lock.alias.clone(),
        admin: lock.admin.clone(),
        battery: lock.battery,
        frozen: lock.frozen,
        clock,
        clock_error_ms: clock.saturating_sub(now),
        gateways: world
            .gateways
            .values()
            .filter(|gateway| gateway.locks.contains(&lock.id))
            .map(|gateway| gateway.id)
            .collect(),
        codes: lock.passcodes.values().map(|code| code_state(lock, code, clock)).collect(),
        records: lock.records.len(),
    }
}

fn code_state(lock: &Lock, code: &Passcode, clock: i64) -> CodeState {
    let plan = code.door.as_ref().or(code.cloud.as_ref());
    CodeState {
        id: code.id,
        name: code.name.clone(),
        pin: plan.map(|plan| plan.pin.clone()).unwrap_or_default(),
        kind: code.kind,
        custom: code.custom,
        from: plan.map_or(0, |plan| plan.from),
        until: plan.map_or(0, |plan| plan.until),
        in_cloud: code.cloud.is_some(),
        in_lock: code.door.is_some(),
        ghost: code.cloud.is_some() && code.door.is_none(),
        opens_now: lock.battery > 0 && lock.judge(code, clock) == TryReason::Opened,
    }
}

fn credential(lock: &Lock, code: CodeState) -> CredentialState {
    CredentialState {
        lock_id: lock.id,
        alias: lock.alias.clone(),
        id: code.id,
        name: code.name,
        from: code.from,
        until: code.until,
        in_cloud: code.in_cloud,
        in_lock: code.in_lock,
        ghost: code.ghost,
        opens_now: code.opens_now,
    }
}
