//! What each lock vendor can do, as far as it matters before anything is accepted.
//!
//! The API must not know adapters, and must not promise what no adapter keeps. So the traits that a request is judged by stand here, as a
//! table by the vendor's name; a test of the adapters compares it with what they say of themselves. A vendor that is not in the table
//! can do what every keypad can.

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

/// Every vendor that there is an adapter for and that has PINs.
const TABLE: &[VendorTraits] = &[
    VendorTraits {
        name: "ttlock",
        choose_pin: true,
        make_pin: true,
        made_pin_per_door: true,
        // TTLock, "Passcode type": one-time codes are valid for 6 hours from their start, which is a whole hour.
        one_time: Some(OneTime { step_s: 3600, lasts_s: 6 * 3600 }),
        min_pin_digits: 4,
        max_pin_digits: 9,
    },
    VendorTraits {
        name: "salto_ks",
        choose_pin: false,
        make_pin: true,
        made_pin_per_door: false,
        one_time: None,
        min_pin_digits: 6,
        max_pin_digits: 6,
    },
];

/// What is assumed of a vendor that has no row: digits of ours, and nothing else.
const UNKNOWN: VendorTraits = VendorTraits {
    name: "unknown",
    choose_pin: true,
    make_pin: false,
    made_pin_per_door: true,
    one_time: None,
    min_pin_digits: 4,
    max_pin_digits: 9,
};

impl VendorTraits {
    /// Every row of the table.
    pub const ALL: &'static [Self] = TABLE;

    /// The traits of the vendor with this name.
    pub fn of(name: &str) -> &'static Self {
        TABLE.iter().find(|row| row.name == name).unwrap_or(&UNKNOWN)
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
            assert!(4 <= row.min_pin_digits && row.min_pin_digits <= row.max_pin_digits && row.max_pin_digits <= 9);
            assert!(row.choose_pin || row.make_pin, "{} has no way to a PIN", row.name);
        }
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
