//! Which PINs are fit to open a door.
//!
//! A weak PIN is one that a stranger tries first, or that a vendor refuses (TTLock: errcode -2032). Randomness comes from the caller.
//! Where a PIN comes from is a strategy, and why it is the one that it is stands with the key ([`PinOrigin`]), never the digits.

use serde::{Deserialize, Serialize};

/// How a key gets its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinStrategy {
    /// Drawn at random.
    #[default]
    Random,
    /// The caller sends them.
    Chosen,
    /// Digits of a phone number that the caller sends: the last ones, else others of the number, else drawn.
    FromPhone,
}

/// Who makes up the digits of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinSource {
    /// We or the caller; they are known from the start, and stay.
    #[default]
    Ours,
    /// The lock vendor, when the key is made there; known only then.
    Vendor,
}

impl PinSource {
    /// The source's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Vendor => "vendor",
        }
    }
}

/// Which strategy a key's digits came from in the end, and why that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinOrigin {
    /// Drawn, as asked.
    #[default]
    Random,
    /// The caller's own digits.
    Chosen,
    /// The last digits of the phone number.
    PhoneLast,
    /// Other digits of the phone number, because the last ones are easy to guess or taken.
    PhoneOther,
    /// Drawn, because the phone number has no group of digits that is fit and free.
    PhoneUnfit,
    /// Drawn, because the property prefers digits of the phone number and none was sent.
    PhoneMissing,
    /// Drawn, because the property prefers chosen digits and none were sent.
    ChoiceMissing,
    /// Drawn, because one phone number gives one key its digits.
    PhoneOfAnother,
    /// Made up by the lock vendor.
    Vendor,
}

impl PinOrigin {
    /// Every origin.
    pub const ALL: [Self; 9] = [
        Self::Random,
        Self::Chosen,
        Self::PhoneLast,
        Self::PhoneOther,
        Self::PhoneUnfit,
        Self::PhoneMissing,
        Self::ChoiceMissing,
        Self::PhoneOfAnother,
        Self::Vendor,
    ];

    /// The origin's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Chosen => "chosen",
            Self::PhoneLast => "phone_last",
            Self::PhoneOther => "phone_other",
            Self::PhoneUnfit => "phone_unfit",
            Self::PhoneMissing => "phone_missing",
            Self::ChoiceMissing => "choice_missing",
            Self::PhoneOfAnother => "phone_of_another",
            Self::Vendor => "vendor",
        }
    }

    /// The strategy that was used and why, in words.
    pub fn why(self) -> &'static str {
        match self {
            Self::Random => "Drawn at random.",
            Self::Chosen => "The caller's own digits.",
            Self::PhoneLast => "The last digits of the phone number.",
            Self::PhoneOther => {
                "Digits of the phone number that are not its last: those are easy to guess, in use or were lately."
            }
            Self::PhoneUnfit => {
                "Drawn at random: every group of digits in the phone number is easy to guess, in use or was lately."
            }
            Self::PhoneMissing => {
                "Drawn at random: the property prefers digits of the phone number, and none was sent."
            }
            Self::ChoiceMissing => "Drawn at random: the property prefers chosen digits, and none were sent.",
            Self::PhoneOfAnother => "Drawn at random: one phone number gives one key its digits.",
            Self::Vendor => "Made up by the lock vendor when the key is made.",
        }
    }
}

/// Why a PIN is refused. The PIN itself is never part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Something else than the digits 0 to 9.
    #[error("a PIN has digits only")]
    NotDigits,
    /// Too short or too long for keypads.
    #[error("a PIN has 4 to 9 digits")]
    Length,
    /// A stranger would try it: repeated, in sequence, or a repeated group.
    #[error("the PIN is too easy to guess")]
    Weak,
}

/// Checks a PIN that somebody chose.
pub fn check(pin: &str) -> Result<(), PinError> {
    if !pin.bytes().all(|b| b.is_ascii_digit()) {
        Err(PinError::NotDigits)
    } else if !(4..=9).contains(&pin.len()) {
        Err(PinError::Length)
    } else if is_weak(pin.as_bytes()) {
        Err(PinError::Weak)
    } else {
        Ok(())
    }
}

/// Whether digits (ASCII) are of a kind that people try: fewer than three different digits, all in sequence up or down (with
/// wrap-around), a group repeated (`123123`), or a mirror image (`123321`).
fn is_weak(digits: &[u8]) -> bool {
    let distinct = (b'0'..=b'9').filter(|d| digits.contains(d)).count();
    let steps = |by: u8| digits.windows(2).all(|w| (w[0] - b'0' + by) % 10 == w[1] - b'0');
    let half = digits.len() / 2;
    let repeats = (2..=half)
        .any(|group| digits.len().is_multiple_of(group) && digits.chunks(group).all(|chunk| chunk == &digits[..group]));
    let mirrored = digits.iter().eq(digits.iter().rev());
    distinct < 3 || steps(1) || steps(9) || repeats || mirrored
}

/// The PIN of so many digits that `random` stands for, or `None` if that one is weak: draw again.
///
/// `random` should be uniform over all of `u64`; the bias of the remainder is below one in ten thousand million.
pub fn from_random(random: u64, digits: u8) -> Option<String> {
    let digits = digits.clamp(4, 9);
    let value = random % 10_u64.pow(u32::from(digits));
    let pin = format!("{value:0width$}", width = usize::from(digits));
    check(&pin).is_ok().then_some(pin)
}

/// The digits of a phone number as people write it: with spaces, dashes, dots, slashes, brackets and one plus in front. `None` if it is
/// none: E.164 allows 15 digits, and fewer than 6 are no number of a person.
pub fn phone_digits(text: &str) -> Option<String> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let fits = text.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '/' | '(' | ')'));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (fits && (6..=15).contains(&digits.len())).then_some(digits)
}

/// The groups of so many digits in a phone number that are fit as a PIN, the last one first; each with whether it is the number's end.
pub fn of_phone(number: &str, digits: u8) -> Vec<(bool, String)> {
    let (length, most) = (usize::from(digits), number.len());
    let starts = (0..=most.saturating_sub(length)).rev().filter(|_| most >= length);
    let groups = starts.filter_map(|start| number.get(start..start + length).map(|pin| (start + length == most, pin)));
    let mut fit: Vec<(bool, String)> = Vec::new();
    for (last, pin) in groups {
        if check(pin).is_ok() && !fit.iter().any(|(_, other)| other == pin) {
            fit.push((last, pin.to_owned()));
        }
    }
    fit
}

/// What fingerprints of PINs are labelled with.
pub const FINGERPRINT_LABEL: &str = "pin";

/// What a PIN's fingerprint is made of. The property is part of it, so that fingerprints tell nothing across properties. A secret.
pub fn fingerprinted(property: crate::ids::PropertyId, pin: &str) -> String {
    format!("{property}/{pin}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn phone_numbers_as_people_write_them() {
        assert_eq!(phone_digits("+351 (21) 482-913.7").unwrap(), "351214829137");
        assert_eq!(phone_digits("0171/4829137").unwrap(), "01714829137");
        for bad in ["", "12345", "1234567890123456", "call me", "4829137x", "++49 4829137", "48\u{661}29137"] {
            assert_eq!(phone_digits(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_digits_come_first_and_weak_groups_are_left_out() {
        let pins = |number: &str, digits| of_phone(number, digits).into_iter().map(|(_, pin)| pin).collect::<Vec<_>>();
        assert_eq!(pins("351482913", 6), ["482913", "148291", "514829", "351482"]);
        assert!(of_phone("351482913", 6)[0].0 && !of_phone("351482913", 6)[1].0);
        // 123456, 234567 are guessed first; what is left is further to the front.
        assert_eq!(of_phone("491234567", 6).into_iter().map(|(last, _)| last).collect::<Vec<_>>(), [false, false]);
        assert_eq!(pins("0000000", 6), Vec::<String>::new());
        assert_eq!(pins("482913", 9), Vec::<String>::new());
    }

    #[test]
    fn origins_have_names_as_in_json() {
        for origin in PinOrigin::ALL {
            assert_eq!(serde_json::to_value(origin).unwrap(), origin.name());
            assert!(origin.why().ends_with('.'));
        }
        for source in [PinSource::Ours, PinSource::Vendor] {
            assert_eq!(serde_json::to_value(source).unwrap(), source.name());
        }
    }

    #[test]
    fn weak_ones_are_refused() {
        for weak in ["0000", "1234", "4321", "7890", "0123", "112112", "123321", "565656", "1122", "987654"] {
            assert_eq!(check(weak), Err(PinError::Weak), "{weak}");
        }
        for fit in ["4829", "730518", "102938475", "1357"] {
            assert_eq!(check(fit), Ok(()), "{fit}");
        }
        assert_eq!(check("12a4"), Err(PinError::NotDigits));
        assert_eq!(check("123"), Err(PinError::Length));
        assert_eq!(check("1234567890"), Err(PinError::Length));
    }

    proptest! {
        #[test]
        fn groups_of_a_number_are_fit_and_different(number in "[0-9]{6,15}", digits in 4_u8..=9) {
            let groups = of_phone(&number, digits);
            for (last, pin) in &groups {
                prop_assert!(check(pin).is_ok() && pin.len() == usize::from(digits) && number.contains(pin.as_str()));
                prop_assert!(!last || number.ends_with(pin.as_str()));
            }
            let different: std::collections::BTreeSet<_> = groups.iter().map(|(_, pin)| pin).collect();
            prop_assert_eq!(different.len(), groups.len());
        }

        #[test]
        fn no_text_is_a_phone_number_by_accident(text in ".{0,30}") {
            let _ = phone_digits(&text);
        }

        #[test]
        fn drawn_pins_are_fit(random: u64, digits in 4_u8..=9) {
            if let Some(pin) = from_random(random, digits) {
                prop_assert_eq!(pin.len(), usize::from(digits));
                prop_assert!(check(&pin).is_ok());
            }
        }
    }

    #[test]
    fn few_draws_are_thrown_away() {
        let kept = (0..1_000_000_u64).filter(|n| from_random(*n, 6).is_some()).count();
        assert!(kept > 980_000, "{kept} of a million six-digit PINs are fit");
    }
}
