//! The simulator in the hands of a test in the same process; the control paths call the same functions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::doors::Verdict;
use super::fault::{Fault, FaultOrder};
use super::journal::{JournalEntry, Stats};
use super::world::{Content, Door, Encoder, Human, Policy, Room, World};
use crate::fault::{Faults, Faulty};
use crate::serving::Stop;

/// A door as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorState {
    /// `ExtDoorID`, and the room's name on the PMS wire.
    pub id: String,
    /// It asks the server at once.
    pub online: bool,
    /// Somebody is checked in; none for a door that is no room.
    pub occupied: Option<bool>,
    /// What would open it now: `card:N`, or `pin:` and the user.
    pub opened_by: Vec<String>,
}

/// A card, or a key in a telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardState {
    /// The card.
    pub id: u64,
    /// `blank`, `foreign`, `staff`, `user`, `guest` or `telephone`.
    pub content: String,
    /// The user's `ExtUserID`, or the operator of a guest's card.
    pub name: String,
    /// The number of the copy; 0 for a first card.
    pub copy: u32,
}

/// A simulated Space server. Clones share one world.
#[derive(Debug, Clone)]
pub struct SpaceSim {
    world: Arc<Mutex<World>>,
    stopping: Stop,
}

impl SpaceSim {
    pub(crate) fn new() -> Self {
        Self { world: Arc::default(), stopping: Stop::new() }
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

    /// Builds a hotel: offline rooms `101`, `102`, …, an online door `gym` (authorisation 7, with a keypad), an online room `901` with a
    /// keypad, and two encoders, `Encoder#1` and `Encoder#2`, with a helpful human at each. Repeating it changes nothing.
    pub fn seed(&self, rooms: usize) -> Vec<String> {
        let mut world = self.world();
        let names: Vec<String> = (1..=rooms).map(|n| (100 + n).to_string()).collect();
        for name in &names {
            world.rooms.entry(name.clone()).or_default();
            world.doors.entry(name.clone()).or_insert_with(|| Door {
                name: format!("Room {name}"),
                room: true,
                ..Door::default()
            });
        }
        world.rooms.entry("901".to_owned()).or_default();
        world.doors.entry("901".to_owned()).or_insert_with(|| Door {
            name: "Room 901".to_owned(),
            room: true,
            online: true,
            keypad: true,
            ..Door::default()
        });
        world.doors.entry("gym".to_owned()).or_insert_with(|| Door {
            name: "Gym".to_owned(),
            online: true,
            keypad: true,
            authorisation: Some(7),
            ..Door::default()
        });
        if world.encoders.is_empty() {
            for name in ["Encoder#1", "Encoder#2"] {
                let human = Human::Helpful { after_ms: 0 };
                world.encoders.push(Encoder { name: name.to_owned(), online: true, in_use: false, card: None, human });
            }
        }
        names
    }

    /// Changes what the server does where the vendor has not published it.
    pub fn set_policy(&self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.world().policy);
    }

    /// What the server does where the vendor has not published it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.world().policy
    }

    /// Changes who stands at an encoder; false for an unknown one.
    pub fn set_human(&self, encoder: &str, human: Human) -> bool {
        self.with_encoder(encoder, |it| it.human = human)
    }

    /// Takes an encoder off the network or puts it back; false for an unknown one.
    pub fn set_encoder_online(&self, encoder: &str, online: bool) -> bool {
        self.with_encoder(encoder, |it| it.online = online)
    }

    /// Puts a card on an encoder; false for an unknown one.
    pub fn place(&self, encoder: &str, card: u64) -> bool {
        self.with_encoder(encoder, |it| it.card = Some(card))
    }

    /// Takes the card off an encoder.
    pub fn take(&self, encoder: &str) -> Option<u64> {
        let mut world = self.world();
        let at = world.encoder(encoder)?;
        world.encoders.get_mut(at)?.card.take()
    }

    fn with_encoder(&self, encoder: &str, change: impl FnOnce(&mut Encoder)) -> bool {
        let mut world = self.world();
        let found = world.encoder(encoder).and_then(|at| world.encoders.get_mut(at));
        found.map(change).is_some()
    }

    /// A new blank card.
    #[must_use]
    pub fn blank_card(&self) -> u64 {
        self.world().new_card(Content::Blank)
    }

    /// A card of another house, which no encoder writes.
    #[must_use]
    pub fn foreign_card(&self) -> u64 {
        self.world().new_card(Content::Foreign)
    }

    /// A card of somebody of the staff.
    #[must_use]
    pub fn staff_card(&self) -> u64 {
        self.world().new_card(Content::Staff)
    }

    /// Takes a room out of service, or puts it back; false for an unknown one.
    pub fn set_out_of_service(&self, room: &str, out: bool) -> bool {
        self.world().rooms.get_mut(room).map(|room| room.out_of_service = out).is_some()
    }

    /// Puts a door online or offline; false for an unknown one.
    pub fn set_door_online(&self, door: &str, online: bool) -> bool {
        self.world().doors.get_mut(door).map(|door| door.online = online).is_some()
    }

    /// Holds a card at a door now. The door learns from it.
    #[must_use]
    pub fn try_card(&self, door: &str, card: u64) -> Verdict {
        let mut world = self.world();
        let now = world.now();
        world.try_card(door, card, now)
    }

    /// Types digits at a door now.
    #[must_use]
    pub fn try_pin(&self, door: &str, pin: &str) -> Verdict {
        let mut world = self.world();
        let now = world.now();
        world.try_pin(door, pin, now)
    }

    /// Whether a card would open a door at a time (ms since the epoch). Changes nothing.
    #[must_use]
    pub fn opens(&self, door: &str, card: u64, at: i64) -> bool {
        self.world().judge(door, card, at) == Verdict::Opened
    }

    /// Whether digits would open a door at a time (ms since the epoch). Changes nothing.
    #[must_use]
    pub fn opens_pin(&self, door: &str, pin: &str, at: i64) -> bool {
        self.world().judge_pin(door, pin, at).0 == Verdict::Opened
    }

    /// Cards that would open a door now.
    #[must_use]
    pub fn cards_that_open(&self, door: &str) -> Vec<u64> {
        let world = self.world();
        let now = world.now();
        world.cards.keys().copied().filter(|card| world.judge(door, *card, now) == Verdict::Opened).collect()
    }

    /// All cards.
    #[must_use]
    pub fn cards(&self) -> Vec<CardState> {
        let world = self.world();
        let state = |(id, content): (&u64, &Content)| {
            let (content, name, copy) = match content {
                Content::Blank => ("blank", String::new(), 0),
                Content::Foreign => ("foreign", String::new(), 0),
                Content::Staff => ("staff", String::new(), 0),
                Content::User(card) => ("user", card.user.clone(), 0),
                Content::Guest(card) if card.phone.is_some() => ("telephone", card.operator.clone(), card.copy),
                Content::Guest(card) => ("guest", card.operator.clone(), card.copy),
            };
            CardState { id: *id, content: content.to_owned(), name, copy }
        };
        world.cards.iter().map(state).collect()
    }

    /// A door; none for an unknown one.
    #[must_use]
    pub fn door(&self, id: &str) -> Option<DoorState> {
        let opened_by: Vec<_> = self.cards_that_open(id).into_iter().map(|card| format!("card:{card}")).collect();
        let world = self.world();
        let now = world.now();
        let door = world.doors.get(id)?;
        let pins = world.users.iter().filter_map(|(name, user)| {
            let pin = user.fields.get("PINCode").filter(|pin| !pin.is_empty())?;
            let (verdict, who) = world.judge_pin(id, pin, now);
            (verdict == Verdict::Opened && who == *name).then(|| format!("pin:{name}"))
        });
        Some(DoorState {
            id: id.to_owned(),
            online: door.online,
            occupied: world.rooms.get(id).map(|room: &Room| room.occupied),
            opened_by: opened_by.into_iter().chain(pins).collect(),
        })
    }

    /// Ids of all doors.
    #[must_use]
    pub fn doors(&self) -> Vec<String> {
        self.world().doors.keys().cloned().collect()
    }

    /// `ExtUserID`s of all users.
    #[must_use]
    pub fn users(&self) -> Vec<String> {
        self.world().users.keys().cloned().collect()
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

    /// What was asked how often.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.world().stats.clone()
    }

    /// What was done after entry `since`.
    #[must_use]
    pub fn journal(&self, since: u64) -> Vec<JournalEntry> {
        self.world().journal.since(since)
    }
}
