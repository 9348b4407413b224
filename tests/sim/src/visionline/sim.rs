//! The handle on the world: what a test in the same process does, and what the control paths do for another process.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::cards;
use super::fault::{Fault, FaultOrder};
use super::tls::Identity;
use super::views::{
    CardState, DoorPatch, DoorState, EncoderPatch, EncoderState, Fingerprints, JournalEntry, Placed, PolicyPatch,
    ShownCertificate, Stats, TryOutcome, TryReason,
};
use super::world::{Delivery, Door, Encoder, World};
use crate::fault::{Faults, Faulty};
use crate::serving::Stop;

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    own: Identity,
    other: Identity,
    copied: Identity,
    shown: Mutex<ShownCertificate>,
    placement: Notify,
    stop: Stop,
}

/// A simulated Visionline server; clones are handles on the same one.
#[derive(Debug, Clone)]
pub struct VisionlineSim(Arc<Shared>);

impl VisionlineSim {
    pub(crate) fn new() -> io::Result<Self> {
        let (own, other) = (Identity::generate()?, Identity::generate()?);
        Ok(Self(Arc::new(Shared {
            world: Mutex::new(World::new()),
            copied: own.copied_by(&other)?,
            own,
            other,
            shown: Mutex::new(ShownCertificate::Own),
            placement: Notify::new(),
            stop: Stop::new(),
        })))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn identity(&self) -> Identity {
        let shown = *self.0.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match shown {
            ShownCertificate::Own => self.0.own.clone(),
            ShownCertificate::Other => self.0.other.clone(),
            ShownCertificate::Copied => self.0.copied.clone(),
        }
    }

    pub(crate) fn placement_changed(&self) -> Notified<'_> {
        self.0.placement.notified()
    }

    pub(crate) fn stop(&self) {
        self.0.stop.tell();
    }

    pub(crate) async fn stopped(&self) {
        self.0.stop.told().await;
    }

    /// Of the server's own certificate: what a careful installer reads off the server.
    #[must_use]
    pub fn fingerprints(&self) -> Fingerprints {
        self.0.own.fingerprints.clone()
    }

    /// Of the certificate that somebody in between shows.
    #[must_use]
    pub fn other_fingerprints(&self) -> Fingerprints {
        self.0.other.fingerprints.clone()
    }

    /// Builds doors `101…` and encoders `Encoder1…`; those that are there stay as they are.
    pub fn seed(&self, doors: usize, encoders: usize) -> Vec<String> {
        let mut world = self.world();
        let names: Vec<_> = (0..doors).map(|n| (101 + n).to_string()).collect();
        for name in &names {
            world.doors.entry(name.clone()).or_default();
        }
        for n in 1..=encoders {
            let encoder = Encoder { online: true, busy: false, placed: Placed::Blanks };
            world.encoders.entry(format!("Encoder{n}")).or_insert(encoder);
        }
        names
    }

    /// All doors.
    #[must_use]
    pub fn doors(&self) -> Vec<DoorState> {
        let world = self.world();
        let state = |(name, door): (&String, &Door)| DoorState {
            name: name.clone(),
            online: door.online,
            sequence: door.sequence,
            lock_sequence: door.lock_sequence,
        };
        world.doors.iter().map(state).collect()
    }

    /// Changes a door; false when there is none with this name.
    pub fn patch_door(&self, name: &str, patch: &DoorPatch) -> bool {
        let mut world = self.world();
        let Some(door) = world.doors.get_mut(name) else { return false };
        door.online = patch.online.unwrap_or(door.online);
        true
    }

    /// All encoders.
    #[must_use]
    pub fn encoders(&self) -> Vec<EncoderState> {
        let world = self.world();
        let state = |(name, encoder): (&String, &Encoder)| EncoderState {
            name: name.clone(),
            online: encoder.online,
            busy: encoder.busy,
            placed: encoder.placed.clone(),
        };
        world.encoders.iter().map(state).collect()
    }

    /// Changes an encoder; false when there is none with this name.
    pub fn patch_encoder(&self, name: &str, patch: &EncoderPatch) -> bool {
        let mut world = self.world();
        let Some(encoder) = world.encoders.get_mut(name) else { return false };
        encoder.online = patch.online.unwrap_or(encoder.online);
        if let Some(placed) = &patch.placed {
            encoder.placed = placed.clone();
        }
        drop(world);
        self.0.placement.notify_waiters();
        true
    }

    /// Lays something on an encoder.
    pub fn place(&self, encoder: &str, placed: Placed) -> bool {
        self.patch_encoder(encoder, &EncoderPatch { placed: Some(placed), ..EncoderPatch::default() })
    }

    /// Changes the server.
    pub fn patch_policy(&self, patch: &PolicyPatch) {
        if let Some(shown) = patch.certificate {
            *self.0.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        }
        let mut world = self.world();
        let policy = &mut world.policy;
        policy.clock_skew_s = patch.clock_skew_s.unwrap_or(policy.clock_skew_s);
        policy.session_life_s = patch.session_life_s.unwrap_or(policy.session_life_s);
        policy.card_wait_ms = patch.card_wait_ms.unwrap_or(policy.card_wait_ms);
        policy.delivery_ms = patch.delivery_ms.unwrap_or(policy.delivery_ms);
        if let Some(url) = &patch.callback_url {
            policy.callback_url.clone_from(url);
        }
    }

    /// Ends all sessions.
    pub fn revoke_sessions(&self) {
        self.world().sessions.clear();
    }

    /// Sets the hotel's time to real time plus this. Logins stay on real time.
    pub fn set_clock(&self, offset_ms: i64) {
        self.world().offset_ms = offset_ms;
    }

    /// Holds a card to a lock; none when there is no such card.
    pub fn hold(&self, door: &str, card: u64) -> Option<TryOutcome> {
        let reason = cards::hold(&mut self.world(), door, card)?;
        Some(TryOutcome { opened: reason == TryReason::Opened, reason })
    }

    /// All cards and keys that were ever made.
    #[must_use]
    pub fn cards(&self) -> Vec<CardState> {
        let world = self.world();
        world.cards.iter().map(|card| cards::state(&world, card)).collect()
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

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let world = self.world();
        Stats { sessions_open: world.sessions.len(), ..world.stats.clone() }
    }

    /// What was really done after entry `since`, in order.
    #[must_use]
    pub fn journal(&self, since: u64) -> Vec<JournalEntry> {
        self.world().journal.iter().filter(|entry| entry.seq > since).cloned().collect()
    }

    /// Somebody checks a room out in the vendor's own program.
    pub fn check_out_by_hand(&self, door: &str) {
        for card in self.world().cards.iter_mut().filter(|card| card.doors.contains_key(door)) {
            card.cancelled = true;
        }
    }

    /// The callbacks so far, sent or not.
    #[must_use]
    pub fn callbacks(&self) -> Vec<Value> {
        self.world().callbacks.clone()
    }

    /// Tells that a telephone was set up, or is no longer.
    pub fn endpoint_callback(&self, endpoint: &str, status: &str) {
        self.tell(json!({ "callbackType": "ENDPOINT", "endpointId": endpoint, "endpointStatus": status }));
    }

    /// Brings a key to its telephone, or takes it away, and tells on the way.
    pub(crate) fn deliver(&self, id: u64, to: Delivery) {
        let wait = self.world().policy.delivery_ms;
        if wait == 0 {
            self.delivered(id, to);
            return;
        }
        let sim = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            sim.delivered(id, to);
        });
    }

    fn delivered(&self, id: u64, to: Delivery) {
        let told = {
            let mut world = self.world();
            let Some(card) = world.cards.iter_mut().find(|card| card.id == id) else { return };
            card.delivery = Some(to);
            json!({
                "callbackType": "CREDENTIAL",
                "systemId": "sim",
                "endpointId": card.end_point,
                "credentialId": format!("c{id}"),
                "credentialStatus": to.word(),
                "label": card.label,
                "description": card.description,
                "validity": { "startDate": card.start, "endDate": card.expire },
            })
        };
        self.tell(told);
    }

    /// Posts without any proof of who it is, once; a receiver that is away misses it.
    fn tell(&self, callback: Value) {
        let url = {
            let mut world = self.world();
            world.callbacks.push(callback.clone());
            world.policy.callback_url.clone()
        };
        if url.is_empty() {
            return;
        }
        tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
            let sent = match client {
                Ok(client) => client.post(url).json(&callback).send().await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "callback not delivered");
            }
        });
    }
}
