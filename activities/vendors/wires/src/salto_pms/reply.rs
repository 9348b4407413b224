//! What the server says, read from fields.

use jiff::civil::DateTime;

use super::command::{numbers, read_stamp};

/// A refusal's two letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `ES`: the command can't be read.
    Syntax,
    /// `NC`: the encoder does not answer.
    EncoderSilent,
    /// `NF`: the interface's database is missing or damaged.
    Database,
    /// `OV`: the encoder has something else to do.
    EncoderBusy,
    /// `EP`: no card, or it lies badly.
    NoCard,
    /// `EF`: a foreign or damaged card.
    ForeignCard,
    /// `TD`: the room is not known.
    UnknownRoom,
    /// `ED`: nobody presented a card in time.
    CardTimeout,
    /// `EA`: nobody is checked in to the room.
    NotCheckedIn,
    /// `OS`: the room is out of service.
    OutOfService,
    /// `EO`: the same guest's card is being written elsewhere.
    EncodedElsewhere,
    /// `EV`: the card belongs to a valid member of staff.
    StaffCard,
    /// `EG`: something else.
    General,
}

impl Refusal {
    /// Each with its letters.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Syntax, "ES"),
        (Self::EncoderSilent, "NC"),
        (Self::Database, "NF"),
        (Self::EncoderBusy, "OV"),
        (Self::NoCard, "EP"),
        (Self::ForeignCard, "EF"),
        (Self::UnknownRoom, "TD"),
        (Self::CardTimeout, "ED"),
        (Self::NotCheckedIn, "EA"),
        (Self::OutOfService, "OS"),
        (Self::EncodedElsewhere, "EO"),
        (Self::StaffCard, "EV"),
        (Self::General, "EG"),
    ];

    /// By its letters.
    #[must_use]
    pub fn from_letters(letters: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == letters).map(|(refusal, _)| *refusal)
    }

    /// Its letters.
    #[must_use]
    pub fn letters(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("EG", |(_, letters)| *letters)
    }
}

/// What is on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardRead {
    /// A guest's.
    Guest(GuestCard),
    /// `LM`: staff.
    Staff,
    /// `LR`: a spare card.
    Spare,
    /// `LC`: a guest's, and no longer valid.
    Ended,
    /// `LD`: nothing that the server knows.
    Unknown,
}

/// A guest's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestCard {
    /// Rooms; the first is the main one.
    pub rooms: Vec<String>,
    /// It is valid for the main room.
    pub checked_in: bool,
    /// `0` for the first, else which copy.
    pub copy: String,
    /// Numbers of its authorisations.
    pub granted: Vec<u8>,
    /// From, by the property's clock.
    pub start: Option<DateTime>,
    /// Until, by the property's clock.
    pub expiry: Option<DateTime>,
    /// Who asked for it.
    pub operator: String,
}

/// A line of a door's trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The door.
    pub door: String,
    /// `dd/mm` or `mm/dd`, as the server is set up; no year.
    pub day: String,
    /// `HH:MM`.
    pub time: String,
    /// `0` for an opening, else why not.
    pub incident: String,
    /// The room on the card, or `STAFF`.
    pub card: String,
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Cards were written, with the serials that were asked for.
    Written {
        /// In the order of writing; may be empty.
        serials: Vec<String>,
    },
    /// What was asked for was done.
    Done,
    /// A card was read.
    Card(CardRead),
    /// A line of a trail.
    Event(Event),
    /// No more lines.
    EndOfTrail,
    /// It was refused.
    Refused(Refusal),
}

/// Reads the reply to a command with this verb; none when it is none to it.
#[must_use]
pub fn read(verb: &str, fields: &[String]) -> Option<Reply> {
    let field = |at: usize| fields.get(at).map(String::as_str).unwrap_or_default();
    let first = field(0);
    if let Some(refusal) = Refusal::from_letters(first) {
        return Some(Reply::Refused(refusal));
    }
    let echoed = first.strip_prefix(verb).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    Some(match verb {
        "WF" | "WN" | "WR" if first == "WO" => Reply::EndOfTrail,
        "WF" | "WN" | "WR" if first == "WE" => Reply::Refused(Refusal::General),
        _ if !echoed => return None,
        "CN" | "CC" => {
            let serials = fields.iter().skip(2).filter(|serial| !serial.is_empty()).cloned().collect();
            Reply::Written { serials }
        }
        "LT" => Reply::Card(card(fields)?),
        "WF" | "WN" | "WR" => Reply::Event(Event {
            door: field(1).to_owned(),
            day: field(2).to_owned(),
            time: field(3).to_owned(),
            incident: field(4).to_owned(),
            card: field(6).to_owned(),
        }),
        _ => Reply::Done,
    })
}

fn card(fields: &[String]) -> Option<CardRead> {
    let field = |at: usize| fields.get(at).map(String::as_str).unwrap_or_default();
    Some(match field(2) {
        "LM" => CardRead::Staff,
        "LR" => CardRead::Spare,
        "LC" => CardRead::Ended,
        "LD" => CardRead::Unknown,
        "" => return None,
        _ => CardRead::Guest(GuestCard {
            rooms: (2..6).map(field).filter(|room| !room.is_empty()).map(str::to_owned).collect(),
            checked_in: match field(6) {
                "CI" => true,
                "CO" => false,
                _ => return None,
            },
            copy: field(7).to_owned(),
            granted: numbers(field(8)),
            start: read_stamp(field(9)),
            expiry: read_stamp(field(10)),
            operator: field(11).to_owned(),
        }),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reply(verb: &str, text: &str) -> Option<Reply> {
        read(verb, &text.split('|').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn replies_are_read_by_what_was_asked() {
        let serials = vec!["2F45A2C3".to_owned()];
        assert_eq!(reply("CN", "CN|2|2F45A2C3"), Some(Reply::Written { serials: serials.clone() }));
        assert_eq!(reply("CN", "CN1|2|2F45A2C3|"), Some(Reply::Written { serials }));
        assert_eq!(reply("CO", "CO|0|101"), Some(Reply::Done));
        assert_eq!(reply("CN", "CO|0|101"), None);
        assert_eq!(reply("CC", "CCM|1"), None);
        assert_eq!(reply("LT", "LT|1|LD"), Some(Reply::Card(CardRead::Unknown)));
        assert_eq!(reply("LT", "LT|1"), None);
        assert_eq!(reply("WN", "WO"), Some(Reply::EndOfTrail));
        for (refusal, letters) in Refusal::ALL {
            assert_eq!(reply("CN", &format!("{letters}|1")), Some(Reply::Refused(*refusal)));
            assert_eq!(refusal.letters(), *letters);
        }
    }

    #[test]
    fn a_guests_card_is_read_whole() {
        let read = reply("LT", "LT|1|101|102|||CI|0|1a|1500231126|1100251126|lis-01").unwrap();
        let Reply::Card(CardRead::Guest(card)) = read else { unreachable!() };
        assert_eq!(card.rooms, ["101", "102"]);
        assert_eq!((card.checked_in, card.copy.as_str(), card.granted.as_slice()), (true, "0", &[1, 10][..]));
        assert_eq!(card.expiry, Some("2026-11-25T11:00".parse().unwrap()));
        assert_eq!(card.operator, "lis-01");
    }
}
