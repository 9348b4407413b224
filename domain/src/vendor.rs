//! What each lock vendor can do, as far as it matters before anything is accepted.
//!
//! The API must not know adapters, and must not promise what no adapter keeps. So the traits that a request is judged by stand here, as a
//! table by the vendor's name; a test of the adapters compares it with what they say of themselves. A vendor that is not in the table
//! can do what every keypad can.

use crate::credential::KeyKind;

/// One vendor's traits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorTraits {
    /// The vendor's name, as in a property's set-up.
    pub name: &'static str,
    /// It takes digits that we or the caller chose.
    pub choose_pin: bool,
    /// It can make up the digits itself.
    pub make_pin: bool,
    /// A PIN that it made up opens one door; else every door of the key.
    pub made_pin_per_door: bool,
    /// What stands at the vendor is a whole key with all its doors; else one credential in each lock.
    pub whole_key: bool,
    /// It has keys on cards, written at an encoder while somebody puts the card there.
    pub card: bool,
    /// A key that ends the earlier keys of its room does not end them at common doors.
    pub spares_common_doors: bool,
    /// The start of a window is kept; else a key opens from the moment at which it is made.
    pub window_start: bool,
    /// Its wire is public, so that keys can be made there at all.
    pub public: bool,
    /// It tells what happens at its doors over a stream that somebody has to listen to.
    pub streams: bool,
    /// It can make up digits that open once.
    pub one_time: Option<OneTime>,
    /// Shortest PIN, in digits.
    pub min_pin_digits: u8,
    /// Longest PIN, in digits.
    pub max_pin_digits: u8,
}

/// How long digits that open once are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneTime {
    /// They start at a whole step of the lock's local time, in seconds.
    pub step_s: u32,
    /// They are good for so long from there, in seconds, unless they are used before.
    pub lasts_s: u32,
}

/// Every vendor that there is an adapter for.
const TABLE: &[VendorTraits] = &[
    VendorTraits {
        name: "ttlock",
        // TTLock, "Passcode type": one-time codes are valid for 6 hours from their start, which is a whole hour.
        one_time: Some(OneTime { step_s: 3600, lasts_s: 6 * 3600 }),
        make_pin: true,
        ..UNKNOWN
    },
    VendorTraits {
        name: "salto_ks",
        choose_pin: false,
        make_pin: true,
        made_pin_per_door: false,
        whole_key: true,
        window_start: false,
        streams: true,
        min_pin_digits: 6,
        max_pin_digits: 6,
        ..UNKNOWN
    },
    // Space can have PINs beside a card; that they open alone is an assumption which a property must have tried at its doors.
    VendorTraits { name: "salto_ship", min_pin_digits: 4, max_pin_digits: 8, ..CARDS },
    VendorTraits { name: "salto_pms", ..CARDS },
    VendorTraits { name: "visionline", spares_common_doors: false, ..CARDS },
    VendorTraits { name: "vostio", public: false, ..CARDS },
    VendorTraits { name: "dormakaba", public: false, ..CARDS },
];

/// What is assumed of a vendor that has no row: digits of ours, and nothing else.
const UNKNOWN: VendorTraits = VendorTraits {
    name: "unknown",
    choose_pin: true,
    make_pin: false,
    made_pin_per_door: true,
    whole_key: false,
    card: false,
    spares_common_doors: true,
    window_start: true,
    public: true,
    streams: false,
    one_time: None,
    min_pin_digits: 4,
    max_pin_digits: 9,
};

/// What vendors of cards have in common.
const CARDS: VendorTraits = VendorTraits {
    name: "cards",
    choose_pin: false,
    make_pin: false,
    made_pin_per_door: false,
    whole_key: true,
    card: true,
    spares_common_doors: true,
    window_start: true,
    public: true,
    streams: false,
    one_time: None,
    min_pin_digits: 0,
    max_pin_digits: 0,
};

impl VendorTraits {
    /// Every row of the table.
    pub const ALL: &'static [Self] = TABLE;

    /// The traits of the vendor with this name.
    pub fn of(name: &str) -> &'static Self {
        TABLE.iter().find(|row| row.name == name).unwrap_or(&UNKNOWN)
    }

    /// The names of vendors at which a whole key stands, with all its doors.
    pub fn of_whole_keys() -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(|row| row.whole_key).map(|row| row.name)
    }

    /// The names of vendors that tell over a stream what happens at their doors.
    pub fn of_streams() -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(|row| row.streams).map(|row| row.name)
    }

    /// Whether there is a row for it.
    pub fn is_known(&self) -> bool {
        self.name != UNKNOWN.name
    }

    /// Whether it has PINs of any kind.
    pub fn has_pins(&self) -> bool {
        self.choose_pin || self.make_pin
    }

    /// What a key is when nobody says: a PIN where the vendor has PINs.
    pub fn usual_kind(&self) -> KeyKind {
        if self.has_pins() || !self.card { KeyKind::Pin } else { KeyKind::Card }
    }

    /// Whether a stay may change to it while its own vendor is down: keys can be made there, and nobody has to stand at an encoder for them.
    pub fn can_stand_by(&self) -> bool {
        self.public && self.has_pins()
    }

    /// Whether it has keys of a kind.
    pub fn has(&self, kind: KeyKind) -> bool {
        match kind {
            KeyKind::Pin => self.has_pins(),
            KeyKind::Card => self.card,
        }
    }

    /// The nearest number of digits that the vendor's keypads take.
    pub fn digits(&self, wanted: u8) -> u8 {
        wanted.clamp(self.min_pin_digits, self.max_pin_digits)
    }

    /// Whether the vendor's keypads take so many digits.
    pub fn takes(&self, digits: usize) -> bool {
        (usize::from(self.min_pin_digits)..=usize::from(self.max_pin_digits)).contains(&digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_make_sense() {
        let names: BTreeSet<_> = VendorTraits::ALL.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), VendorTraits::ALL.len());
        for row in VendorTraits::ALL.iter().chain([&UNKNOWN]) {
            // What the policy and `pin::check` take must leave something for every vendor.
            let range = 4 <= row.min_pin_digits && row.min_pin_digits <= row.max_pin_digits && row.max_pin_digits <= 9;
            assert!(range || !row.has_pins());
            assert!(row.has(row.usual_kind()), "{} has no way to a key", row.name);
            assert!(row.whole_key || !row.card, "{}: a card opens all its doors", row.name);
            assert_eq!(row.whole_key, !row.made_pin_per_door, "{}", row.name);
        }
        assert!(!VendorTraits::of("nobody").is_known() && VendorTraits::of("dormakaba").is_known());
        assert_eq!(VendorTraits::of_whole_keys().count(), VendorTraits::ALL.len() - 1, "all but TTLock");
    }

    #[test]
    fn r_lock_01_only_vendors_with_public_pins_stand_by() {
        let able: Vec<_> = VendorTraits::ALL.iter().filter(|row| row.can_stand_by()).map(|row| row.name).collect();
        assert_eq!(able, ["ttlock", "salto_ks"]);
    }

    #[test]
    fn digits_are_brought_into_the_vendors_range() {
        let six = VendorTraits { min_pin_digits: 6, max_pin_digits: 6, ..UNKNOWN };
        assert_eq!([4, 6, 9].map(|n| six.digits(n)), [6, 6, 6]);
        assert!(six.takes(6) && !six.takes(5) && !six.takes(7));
        assert_eq!(VendorTraits::of("nobody").one_time, None);
        assert!(VendorTraits::of("ttlock").one_time.is_some());
    }
}
