//! The simulator in the hands of a test in the same process; the control paths call the same functions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::door;
use super::fault::{Fault, FaultOrder};
use super::seed::{SeedSpec, Seeded, seed};
use super::views::{GroupState, JournalEntry, PolicyPatch, Stats, TokenExpiry, TryOutcome, UserState};
use super::world::{Group, Pin, User, World};
use crate::fault::{Faults, Faulty};
use crate::serving::Stop;

/// How the stream's connections are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// Without a word: the client sees 1006.
    Cut,
    /// With SignalR's close message.
    Close,
}

/// A simulated KS cloud. Clones share one world.
#[derive(Debug, Clone)]
pub struct SaltoKsSim {
    world: Arc<Mutex<World>>,
    stopping: Stop,
    stream_end: watch::Sender<StreamEnd>,
}

impl SaltoKsSim {
    pub(crate) fn new() -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new())),
            stopping: Stop::new(),
            stream_end: watch::Sender::new(StreamEnd::Cut),
        }
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

    pub(crate) fn stream_ends(&self) -> watch::Receiver<StreamEnd> {
        self.stream_end.subscribe()
    }

    /// Builds the site; repeating it changes nothing but seats and zone.
    #[must_use]
    pub fn seed(&self, spec: &SeedSpec) -> Seeded {
        seed(&mut self.world(), spec)
    }

    /// Types `pin` at a keypad now and writes the site's log; none for an unknown lock.
    #[must_use]
    pub fn try_pin(&self, lock_id: &str, pin: &str) -> Option<TryOutcome> {
        let at = self.now();
        self.opens(lock_id, pin, at)
    }

    /// The same at another instant, ms since the epoch.
    #[must_use]
    pub fn opens(&self, lock_id: &str, pin: &str, at: i64) -> Option<TryOutcome> {
        door::type_pin(&mut self.world(), lock_id, pin, at)
    }

    /// Writes a row of the site's log that no keypad makes, and sends it over the stream.
    pub fn record(&self, row: Value) {
        let mut world = self.world();
        let at = world.now();
        door::record(&mut world, at, row);
    }

    /// Sets the world's time to real time plus `offset_ms`.
    pub fn set_clock(&self, offset_ms: i64) {
        self.world().offset_ms = offset_ms;
    }

    /// The world's time, ms since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.world().now()
    }

    /// Users who have not been deleted, the administrator included.
    #[must_use]
    pub fn users(&self) -> Vec<UserState> {
        let world = self.world();
        world.users.values().filter(|user| user.deleted_at.is_none()).map(|user| user_state(&world, user)).collect()
    }

    /// Guests: what the calls of a test have left.
    #[must_use]
    pub fn guests(&self) -> Vec<UserState> {
        let world = self.world();
        let guests = world.users.values().filter(|user| user.deleted_at.is_none() && user.role == "site_guest");
        guests.map(|user| user_state(&world, user)).collect()
    }

    /// Somebody deletes all guests in the vendor's own program.
    pub fn forget_guests(&self) {
        let mut world = self.world();
        let now = world.now();
        for user in world.users.values_mut().filter(|user| user.role == "site_guest" && user.deleted_at.is_none()) {
            user.deleted_at = Some(now);
        }
    }

    /// Somebody forbids all guests their PINs in the vendor's own program.
    pub fn forbid_pins(&self) {
        for user in self.world().users.values_mut().filter(|user| user.role == "site_guest") {
            user.use_pin = false;
        }
    }

    /// Somebody gives a person a PIN for a lock in the vendor's own program, by an access group of its own; returns the user's id. None for an
    /// unknown lock.
    pub fn let_in(&self, lock_id: &str, alias: &str, pin: &str) -> Option<String> {
        let mut world = self.world();
        if !world.locks.contains_key(lock_id) {
            return None;
        }
        let (id, user_id, group_id, now) = (world.uuid(), world.uuid(), world.uuid(), world.now());
        let user = User {
            id: id.clone(),
            user_id: user_id.clone(),
            alias: Some(alias.to_owned()),
            role: "site_user",
            subscribed: true,
            use_pin: true,
            expires_at: None,
            pin: Some(Pin { digits: pin.to_owned(), until: now + 3_650 * 86_400_000, set_at: now }),
            made_at: now,
            deleted_at: None,
        };
        world.users.insert(id.clone(), user);
        let group = Group {
            id: group_id.clone(),
            customer_reference: "Housekeeping".to_owned(),
            locks: [lock_id.to_owned()].into(),
            users: [(user_id, now)].into(),
            ..Group::default()
        };
        world.groups.insert(group_id, group);
        Some(id)
    }

    /// Seats in use, the administrator's included.
    #[must_use]
    pub fn seats_taken(&self) -> usize {
        self.world().seats_taken()
    }

    /// All access groups.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupState> {
        let world = self.world();
        let state = |group: &super::world::Group| GroupState {
            id: group.id.clone(),
            customer_reference: group.customer_reference.clone(),
            locks: group.locks.iter().cloned().collect(),
            users: group.users.keys().cloned().collect(),
            schedules: group.schedules.len(),
        };
        world.groups.values().map(state).collect()
    }

    /// Changes how the cloud behaves.
    pub fn patch_policy(&self, patch: &PolicyPatch) {
        let mut world = self.world();
        let policy = &mut world.policy;
        policy.seats = patch.seats.unwrap_or(policy.seats);
        policy.settle_ms = patch.settle_ms.unwrap_or(policy.settle_ms);
        policy.list_lag_ms = patch.list_lag_ms.unwrap_or(policy.list_lag_ms);
        policy.delete_lag_ms = patch.delete_lag_ms.unwrap_or(policy.delete_lag_ms);
        policy.propagation_ms = patch.propagation_ms.unwrap_or(policy.propagation_ms);
        policy.schedule_ms = patch.schedule_ms.unwrap_or(policy.schedule_ms);
        policy.token_life_s = patch.token_life_s.unwrap_or(policy.token_life_s);
        policy.codes_as_text = patch.codes_as_text.unwrap_or(policy.codes_as_text);
        policy.wrap_lists = patch.wrap_lists.unwrap_or(policy.wrap_lists);
        policy.page_size = patch.page_size.unwrap_or(policy.page_size);
        policy.groups_of_user = patch.groups_of_user.unwrap_or(policy.groups_of_user);
        policy.event_form = patch.event_form.unwrap_or(policy.event_form);
        policy.stream_elsewhere = patch.stream_elsewhere.unwrap_or(policy.stream_elsewhere);
    }

    /// Ends tokens before their time.
    pub fn expire_tokens(&self, what: TokenExpiry) {
        let mut world = self.world();
        world.access.clear();
        if what == TokenExpiry::All {
            world.refresh.clear();
        }
    }

    /// Puts a refresh token there, as a person's login in a browser would.
    pub fn grant_refresh_token(&self, token: &str) {
        self.world().refresh.insert(token.to_owned());
    }

    /// Ends the stream's connections: without a word (1006), or cleanly.
    pub fn end_streams(&self, cleanly: bool) {
        self.stream_end.send_replace(if cleanly { StreamEnd::Close } else { StreamEnd::Cut });
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
        self.world().journal.iter().filter(|entry| entry.seq > seq).cloned().collect()
    }
}

fn user_state(world: &World, user: &User) -> UserState {
    let mut locks: Vec<String> = world
        .groups
        .values()
        .filter(|group| group.users.contains_key(&user.user_id))
        .flat_map(|group| group.locks.iter().cloned())
        .collect();
    locks.sort();
    UserState {
        id: user.id.clone(),
        user_id: user.user_id.clone(),
        alias: user.alias.clone(),
        subscribed: user.subscribed,
        use_pin: user.use_pin,
        has_pin: user.pin.is_some(),
        expires_at: user.expires_at,
        locks,
    }
}
