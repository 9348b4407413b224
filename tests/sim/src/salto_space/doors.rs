//! What a door does with a card or with digits: it judges by the card, by its own memory, and by the server only where it is online.

use serde::{Deserialize, Serialize};

use super::world::{Content, Door, GuestCard, TrailEvent, UserCard, World};

/// How a try at a door ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It opened.
    Opened,
    /// There is no such door, card, or card for this house.
    Unknown,
    /// The card or the digits are not for this door.
    NotAllowed,
    /// Its time has not come.
    TooEarly,
    /// Its time is over.
    Expired,
    /// A later guest's card has been used here.
    OldGuest,
    /// It was cancelled, and the door knows.
    Cancelled,
}

impl Verdict {
    /// The number in Space's trail.
    fn operation(self, pin: bool) -> u32 {
        match self {
            Self::Opened if pin => 26,
            Self::Opened => 17,
            Self::Unknown if pin => 93,
            Self::Unknown | Self::NotAllowed => 84,
            Self::TooEarly => 81,
            Self::Expired => 82,
            Self::OldGuest => 88,
            Self::Cancelled => 96,
        }
    }
}

impl World {
    /// What the door would do, without doing it.
    pub(crate) fn judge(&self, door_id: &str, card: u64, at: i64) -> Verdict {
        let (Some(door), Some(content)) = (self.doors.get(door_id), self.cards.get(&card)) else {
            return Verdict::Unknown;
        };
        match content {
            Content::Blank | Content::Foreign | Content::Staff => Verdict::Unknown,
            Content::User(card) => self.judge_user(door_id, door, card, at),
            Content::Guest(card) => self.judge_guest(door_id, door, card, at),
        }
    }

    fn judge_user(&self, door_id: &str, door: &Door, card: &UserCard, at: i64) -> Verdict {
        if door.blacklist.contains(&card.key) || (door.online && self.cancelled.contains(&card.key)) {
            return Verdict::Cancelled;
        }
        if !card.doors.contains(door_id) {
            return Verdict::NotAllowed;
        }
        within(card.from, card.until, at)
    }

    fn judge_guest(&self, door_id: &str, door: &Door, card: &GuestCard, at: i64) -> Verdict {
        if door.room {
            let Some((_, generation)) = card.rooms.iter().find(|(room, _)| room == door_id) else {
                return Verdict::NotAllowed;
            };
            if *generation < door.generation {
                return Verdict::OldGuest;
            }
            let known = self.rooms.get(door_id);
            if door.online && known.is_some_and(|room| !room.occupied || room.generation != *generation) {
                return Verdict::Cancelled;
            }
        } else {
            let symbol =
                door.authorisation.and_then(|number| super::pms::SYMBOLS.get(usize::from(number).checked_sub(1)?));
            if !symbol.is_some_and(|symbol| card.granted.contains(char::from(*symbol))) {
                return Verdict::NotAllowed;
            }
        }
        within(self.instant(card.start), self.instant(card.expiry), at)
    }

    /// Holds a card at a door. The door learns from it, and writes its trail.
    pub(crate) fn try_card(&mut self, door_id: &str, card: u64, at: i64) -> Verdict {
        // A card that was written later tells the lock which keys were cancelled, before the lock looks at the card itself.
        if let (Some(door), Some(Content::User(card))) = (self.doors.get_mut(door_id), self.cards.get(&card)) {
            door.blacklist.extend(card.blacklist.iter().copied());
        }
        let verdict = self.judge(door_id, card, at);
        let (kind, subject) = match self.cards.get(&card) {
            Some(Content::User(card)) => (0, card.user.clone()),
            Some(Content::Guest(card)) => {
                if let (Verdict::Opened, Some(door)) = (verdict, self.doors.get_mut(door_id)) {
                    let generation =
                        card.rooms.iter().find(|(room, _)| room == door_id).map(|(_, generation)| *generation);
                    door.generation = door.generation.max(generation.unwrap_or_default());
                }
                (1, card.rooms.first().map(|(room, _)| room.clone()).unwrap_or_default())
            }
            _ => (2, String::new()),
        };
        self.write_trail(door_id, verdict.operation(false), kind, subject, at);
        verdict
    }

    /// Types digits at a door's keypad.
    pub(crate) fn try_pin(&mut self, door_id: &str, pin: &str, at: i64) -> Verdict {
        let (verdict, user) = self.judge_pin(door_id, pin, at);
        self.write_trail(door_id, verdict.operation(true), 0, user, at);
        verdict
    }

    pub(crate) fn judge_pin(&self, door_id: &str, pin: &str, at: i64) -> (Verdict, String) {
        let keypad = self.doors.get(door_id).is_some_and(|door| door.keypad);
        let holder = self.users.iter().find(|(_, user)| {
            let field = |name: &str| user.fields.get(name).map(String::as_str).unwrap_or_default();
            field("PINEnabled") == "1" && field("PINCode") == pin && user.doors.contains(door_id)
        });
        match holder.filter(|_| keypad) {
            None => (Verdict::Unknown, String::new()),
            Some((id, user)) => {
                let (from, until) = self.times_of(user);
                (within(from, until, at), id.clone())
            }
        }
    }

    fn write_trail(&mut self, door: &str, operation: u32, subject_type: u8, subject: String, at: i64) {
        let id = i64::try_from(self.trail.len()).unwrap_or(i64::MAX).saturating_add(1);
        let at = self.local(at);
        self.trail.push(TrailEvent { id, at, operation, door: door.to_owned(), subject_type, subject });
    }
}

fn within(from: i64, until: i64, at: i64) -> Verdict {
    if at < from {
        Verdict::TooEarly
    } else if at >= until {
        Verdict::Expired
    } else {
        Verdict::Opened
    }
}
