//! What a PMS asks for, as fields.

use jiff::civil::DateTime;

use super::frame::{self, FrameError};

/// Most rooms on a card.
pub const ROOMS: usize = 4;
/// Longest operator name, in characters.
pub const OPERATOR: usize = 24;

/// Why a command can't be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// None, or more than [`ROOMS`].
    #[error("a card takes one to four rooms")]
    Rooms,
    /// Outside of 2000 to 2099: years have two digits.
    #[error("the year can't be sent")]
    Year,
    /// Not 1 to 62.
    #[error("an authorisation has a number from 1 to 62")]
    Authorisation,
    /// Longer than the command allows.
    #[error("a text is too long")]
    TooLong,
    /// The frame can't carry it.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// What the encoder does with the card afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eject {
    /// Gives it back and waits until it is taken.
    Wait,
    /// Doesn't wait.
    Retain,
}

/// A guest's card or telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest<'a> {
    /// A copy of what the guest has, instead of a new check-in.
    pub copy: bool,
    /// Rooms; the first is the main one.
    pub rooms: &'a [&'a str],
    /// Numbers of authorisations that the guest gets, 1 to 62.
    pub granted: &'a [u8],
    /// Numbers of those that he does not get, though the room has them.
    pub denied: &'a [u8],
    /// From, by the property's clock; none for now.
    pub start: Option<DateTime>,
    /// Until, by the property's clock.
    pub expiry: DateTime,
    /// Who asks, at most [`OPERATOR`] characters.
    pub operator: &'a str,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// `CN`, `CC`: writes cards.
    Card {
        /// Number or name.
        encoder: &'a str,
        /// What becomes of the card.
        eject: Eject,
        /// How many.
        cards: u8,
        /// For whom.
        guest: Guest<'a>,
    },
    /// `CNM`, `CCM`: sends a key to a telephone.
    Mobile {
        /// E.164.
        phone: &'a str,
        /// For whom.
        guest: Guest<'a>,
    },
    /// `MC`: changes a stay.
    Modify {
        /// The room.
        room: &'a str,
        /// Where the guest moves.
        new_room: Option<&'a str>,
        /// Until, by the property's clock.
        expiry: DateTime,
    },
    /// `CO`: the room is vacant.
    CheckOut {
        /// The room.
        room: &'a str,
    },
    /// `LT`: reads a card.
    ReadCard {
        /// Number or name.
        encoder: &'a str,
        /// What becomes of the card.
        eject: Eject,
    },
    /// `WF`: the first line of a door's trail.
    FirstEvent {
        /// The door.
        door: &'a str,
    },
    /// `WN`: the next line, on the same connection.
    NextEvent,
    /// `WR`: the same line again.
    RepeatEvent,
}

impl Command<'_> {
    /// The verb's name, as it is documented.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Card { guest, .. } => {
                if guest.copy {
                    "CC"
                } else {
                    "CN"
                }
            }
            Self::Mobile { guest, .. } => {
                if guest.copy {
                    "CCM"
                } else {
                    "CNM"
                }
            }
            Self::Modify { .. } => "MC",
            Self::CheckOut { .. } => "CO",
            Self::ReadCard { .. } => "LT",
            Self::FirstEvent { .. } => "WF",
            Self::NextEvent => "WN",
            Self::RepeatEvent => "WR",
        }
    }

    /// As a frame.
    ///
    /// # Errors
    /// As [`CommandError`] says.
    pub fn frame(&self) -> Result<Vec<u8>, CommandError> {
        Ok(frame::encode(&self.fields()?)?)
    }

    /// As fields. Trailing empty ones are sent: one client does, and a field that counts stands behind them.
    ///
    /// # Errors
    /// As [`CommandError`] says.
    pub fn fields(&self) -> Result<Vec<String>, CommandError> {
        let verb = self.verb().to_owned();
        Ok(match self {
            Self::Card { encoder, eject, cards, guest } => {
                let mut fields = vec![format!("{verb}{cards}"), (*encoder).to_owned(), letter(*eject)];
                fields.extend(guest.common()?);
                fields.extend([String::new(), String::new(), String::new(), "1".to_owned()]);
                fields
            }
            Self::Mobile { phone, guest } => {
                let mut fields = vec![verb, (*phone).to_owned()];
                fields.extend(guest.common()?);
                fields.resize(16, String::new());
                fields
            }
            Self::Modify { room, new_room, expiry } => {
                let moved = new_room.unwrap_or_default().to_owned();
                vec![verb, (*room).to_owned(), moved, stamp(*expiry)?, String::new()]
            }
            Self::CheckOut { room } => vec![verb, "0".to_owned(), (*room).to_owned()],
            Self::ReadCard { encoder, eject } => vec![verb, (*encoder).to_owned(), letter(*eject)],
            Self::FirstEvent { door } => vec![verb, (*door).to_owned()],
            Self::NextEvent | Self::RepeatEvent => vec![verb],
        })
    }
}

impl Guest<'_> {
    /// Four rooms, granted, denied, start, expiry, operator.
    fn common(&self) -> Result<Vec<String>, CommandError> {
        if self.rooms.is_empty() || self.rooms.len() > ROOMS {
            return Err(CommandError::Rooms);
        }
        if self.operator.chars().count() > OPERATOR {
            return Err(CommandError::TooLong);
        }
        let mut fields: Vec<String> = self.rooms.iter().map(|room| (*room).to_owned()).collect();
        fields.resize(ROOMS, String::new());
        fields.extend([symbols(self.granted)?, symbols(self.denied)?]);
        fields.push(self.start.map(stamp).transpose()?.unwrap_or_default());
        fields.extend([stamp(self.expiry)?, self.operator.to_owned()]);
        Ok(fields)
    }
}

fn letter(eject: Eject) -> String {
    match eject {
        Eject::Wait => "E".to_owned(),
        Eject::Retain => "R".to_owned(),
    }
}

/// `HHMMDDMMYY`, to the minute; what is below it is cut.
///
/// # Errors
/// For a year that two digits don't name.
pub fn stamp(at: DateTime) -> Result<String, CommandError> {
    if !(2000..=2099).contains(&at.year()) {
        return Err(CommandError::Year);
    }
    Ok(at.strftime("%H%M%d%m%y").to_string())
}

/// The time that a stamp stands for; 20YY.
#[must_use]
pub fn read_stamp(text: &str) -> Option<DateTime> {
    if text.len() != 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let pair = |at: usize| text.get(at..at.saturating_add(2))?.parse::<i8>().ok();
    let year = i16::from(pair(8)?).saturating_add(2000);
    DateTime::new(year, pair(6)?, pair(4)?, pair(0)?, pair(2)?, 0, 0).ok()
}

/// The symbols of authorisations 1 to 62, in this order.
const SYMBOLS: &[u8; 62] = b"123456789abcdefghijklmnopqrstuvwxyz!#$%&()*+,-./:;<=>?@[\\]^_{}";

/// The symbols of authorisations.
///
/// # Errors
/// For a number that has none.
pub fn symbols(numbers: &[u8]) -> Result<String, CommandError> {
    let symbol = |number: &u8| {
        let at = usize::from(*number).checked_sub(1)?;
        SYMBOLS.get(at).copied().map(char::from)
    };
    numbers.iter().map(|number| symbol(number).ok_or(CommandError::Authorisation)).collect()
}

/// The numbers of symbols; what is no symbol is passed over.
#[must_use]
pub fn numbers(symbols: &str) -> Vec<u8> {
    let number = |c: char| {
        let at = SYMBOLS.iter().position(|symbol| char::from(*symbol) == c)?;
        u8::try_from(at.saturating_add(1)).ok()
    };
    symbols.chars().filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn guest<'a>(rooms: &'a [&'a str]) -> Guest<'a> {
        Guest {
            copy: false,
            rooms,
            granted: &[],
            denied: &[],
            start: Some("2026-11-23T15:00".parse().unwrap()),
            expiry: "2026-11-25T11:00".parse().unwrap(),
            operator: "",
        }
    }

    #[test]
    fn the_published_vectors_byte_for_byte() {
        let check_out = Command::CheckOut { room: "101" };
        assert_eq!(check_out.frame().unwrap(), b"\x02\xb3\x43\x4f\xb3\x30\xb3\x31\x30\x31\xb3\x03\x0f");
        let read = Command::ReadCard { encoder: "1", eject: Eject::Retain };
        assert_eq!(read.frame().unwrap(), b"\x02\xb3\x4c\x54\xb3\x31\xb3\x52\xb3\x03\x78");
        let card = Command::Card { encoder: "1", eject: Eject::Wait, cards: 1, guest: guest(&["101"]) };
        let expected = [
            0x02, 0xb3, 0x43, 0x4e, 0x31, 0xb3, 0x31, 0xb3, 0x45, 0xb3, 0x31, 0x30, 0x31, 0xb3, 0xb3, 0xb3, 0xb3, 0xb3,
            0xb3, 0x31, 0x35, 0x30, 0x30, 0x32, 0x33, 0x31, 0x31, 0x32, 0x36, 0xb3, 0x31, 0x31, 0x30, 0x30, 0x32, 0x35,
            0x31, 0x31, 0x32, 0x36, 0xb3, 0xb3, 0xb3, 0xb3, 0xb3, 0x31, 0xb3, 0x03, 0xfb,
        ];
        assert_eq!(card.frame().unwrap(), expected);
        assert_eq!(frame::encode(&["OV", "1"]).unwrap(), b"\x02\xb3\x4f\x56\xb3\x31\xb3\x03\x98");
    }

    #[test]
    fn the_other_commands_have_their_fields_where_they_belong() {
        let copy = Guest { copy: true, granted: &[1, 10, 36], denied: &[62], ..guest(&["101", "102"]) };
        let fields =
            Command::Card { encoder: "Desk", eject: Eject::Retain, cards: 2, guest: copy.clone() }.fields().unwrap();
        assert_eq!((fields[0].as_str(), fields[2].as_str()), ("CC2", "R"));
        assert_eq!(
            (fields[3].as_str(), fields[4].as_str(), fields[7].as_str(), fields[8].as_str()),
            ("101", "102", "1a!", "}")
        );
        assert_eq!(fields.len(), 16);
        let mobile = Command::Mobile { phone: "+351912345678", guest: copy }.fields().unwrap();
        assert_eq!((mobile[0].as_str(), mobile[6].as_str(), mobile[9].as_str()), ("CCM", "1a!", "1100251126"));
        assert_eq!(mobile.len(), 16);
        let modify = Command::Modify { room: "1", new_room: None, expiry: "2026-11-25T11:00".parse().unwrap() };
        assert_eq!(modify.fields().unwrap(), ["MC", "1", "", "1100251126", ""]);
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let with = |guest| Command::Card { encoder: "1", eject: Eject::Wait, cards: 1, guest }.frame();
        assert_eq!(with(guest(&[])), Err(CommandError::Rooms));
        assert_eq!(with(guest(&["1", "2", "3", "4", "5"])), Err(CommandError::Rooms));
        assert_eq!(with(Guest { granted: &[63], ..guest(&["1"]) }), Err(CommandError::Authorisation));
        assert_eq!(with(Guest { granted: &[0], ..guest(&["1"]) }), Err(CommandError::Authorisation));
        assert_eq!(
            with(Guest { expiry: "2100-01-01T00:00".parse().unwrap(), ..guest(&["1"]) }),
            Err(CommandError::Year)
        );
        assert_eq!(with(Guest { operator: "1234567890123456789012345", ..guest(&["1"]) }), Err(CommandError::TooLong));
        assert_eq!(with(guest(&["1\u{b3}1"])), Err(CommandError::Frame(FrameError::Character)));
    }

    #[test]
    fn symbols_and_stamps_go_both_ways() {
        let all: Vec<u8> = (1..=62).collect();
        assert_eq!(numbers(&symbols(&all).unwrap()), all);
        assert_eq!(symbols(&[9, 10, 35, 36, 47, 62]).unwrap(), "9az!.}");
        let at: DateTime = "2026-11-23T15:00".parse().unwrap();
        assert_eq!(stamp(at).unwrap(), "1500231126");
        assert_eq!(read_stamp("1500231126"), Some(at));
        for bad in ["", "150023112", "2500231126", "1500321126", "15002311 6", "15002311\u{e9}"] {
            assert_eq!(read_stamp(bad), None, "{bad}");
        }
    }
}
