//! What we keep of a key, as the server has no id for one: how it was made, from when until when, the card's serial, the main room.

use jiff::Timestamp;
use lock_domain::window::Window;

use crate::port::VendorCredentialRef;

/// How a key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// By a new check-in.
    CheckIn,
    /// As a copy of what the guest had.
    Copy,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) made: Made,
    pub(crate) window: Window,
    /// Empty where the server did not tell.
    pub(crate) serial: String,
    pub(crate) room: String,
}

impl Reference {
    pub(crate) fn text(&self) -> VendorCredentialRef {
        let made = match self.made {
            Made::CheckIn => "in",
            Made::Copy => "copy",
        };
        let (from, until) = (self.window.from.as_second(), self.window.until.as_second());
        VendorCredentialRef(format!("{made}/{from}/{until}/{}/{}", self.serial, self.room))
    }

    pub(crate) fn read(text: &VendorCredentialRef) -> Option<Self> {
        let mut parts = text.0.splitn(5, '/');
        let made = match parts.next()? {
            "in" => Made::CheckIn,
            "copy" => Made::Copy,
            _ => return None,
        };
        let mut instant = || Timestamp::from_second(parts.next()?.parse().ok()?).ok();
        let window = Window { from: instant()?, until: instant()? };
        Some(Self { made, window, serial: parts.next()?.to_owned(), room: parts.next()?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn goes_both_ways() {
        let window =
            Window { from: "2026-11-23T15:00:00Z".parse().unwrap(), until: "2026-11-25T11:00:00Z".parse().unwrap() };
        let reference =
            Reference { made: Made::CheckIn, window, serial: "2F45A2C3".to_owned(), room: "1/01".to_owned() };
        assert_eq!(Reference::read(&reference.text()), Some(reference));
        for bad in ["", "in", "in/x/1//101", "out/1/2//101"] {
            assert_eq!(Reference::read(&VendorCredentialRef(bad.to_owned())), None, "{bad}");
        }
    }
}
