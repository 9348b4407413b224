//! Bodies of the verbs.

use jiff::{Timestamp, civil};
use lock_domain::{
    credential::KeyKind,
    ids::{KeyId, ReservationRef},
    pin::PinStrategy,
    stay::Purpose,
};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

/// A PIN that the caller chose. It is never printed, and never part of an answer but that of `reveal`.
#[derive(Clone, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]{4,9}$")]
pub struct ChosenPin(pub SecretString);

impl<'de> Deserialize<'de> for ChosenPin {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // serde's own error would repeat what was sent instead of a string.
        match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(pin) => Ok(Self(pin.into())),
            _ => Err(serde::de::Error::custom("a PIN is a string of digits")),
        }
    }
}

impl std::fmt::Debug for ChosenPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChosenPin(***)")
    }
}

/// A guest's phone number, whose digits can become a PIN. It is never stored, never printed, and part of no answer.
#[derive(Clone, ToSchema)]
#[schema(value_type = String, pattern = "^[+]?[0-9 ./()-]{6,40}$")]
pub struct Phone(pub SecretString);

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(phone) => Ok(Self(phone.into())),
            _ => Err(serde::de::Error::custom("a phone number is a string")),
        }
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phone(***)")
    }
}

/// A stay to be made, with its first keys.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStay {
    /// The PMS's reference; must not hold guest data.
    pub reservation: ReservationRef,
    /// First instant of the stay, RFC 3339. Or send `arrival`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// First instant after the stay, RFC 3339. Or send `departure`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Arrival on the property's wall clock, such as `2026-11-23T15:00`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub arrival: Option<civil::DateTime>,
    /// Departure on the property's wall clock.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub departure: Option<civil::DateTime>,
    /// The room's id or number.
    pub room: String,
    /// More rooms that the same keys open, by id or number.
    #[serde(default)]
    #[schema(max_items = 9)]
    pub additional_rooms: Vec<String>,
    /// How many guests, 1 to 10. With the policy `pin_per: guest` each gets a key.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10, default = 1)]
    pub guests: Option<u16>,
    /// How many keys, 1 to 10, whatever the policy says.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10)]
    pub keys: Option<u16>,
    /// A PIN for the one key; without it one is drawn.
    #[serde(default)]
    pub pin: Option<ChosenPin>,
    /// A phone number for the strategy `from_phone`; it is used for that and then forgotten.
    #[serde(default)]
    pub phone: Option<Phone>,
    /// Where the digits come from; left out, what the property's policy says, or `chosen` if there is a `pin`.
    #[serde(default)]
    pub pin_strategy: Option<PinStrategy>,
    /// What the keys are; left out, PINs where the property's vendor has them, else cards. A card needs `encoder`.
    #[serde(default)]
    pub kind: Option<KeyKind>,
    /// The card encoder, by its name at the vendor. Somebody must put a card on it for each key.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    pub encoder: Option<String>,
}

/// A key that opens one room once, beside whatever guest has the room.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneShotKey {
    /// The room's id or number.
    pub room: String,
    /// What for.
    pub purpose: Purpose,
    /// From when it opens, RFC 3339; left out, from now on. The lock counts from the whole hour before.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Until when, RFC 3339; at most six hours from the whole hour in which it starts, which it is when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// How many keys, 1 to 10; each opens once.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10, default = 1)]
    pub keys: Option<u16>,
}

/// More keys, beside those that exist.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoreKeys {
    /// How many, 1 to 10.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10, default = 1)]
    pub keys: Option<u16>,
    /// A PIN for the one key; without it one is drawn.
    #[serde(default)]
    pub pin: Option<ChosenPin>,
    /// A phone number for the strategy `from_phone`; it is used for that and then forgotten.
    #[serde(default)]
    pub phone: Option<Phone>,
    /// Where the digits come from; left out, what the property's policy says, or `chosen` if there is a `pin`.
    #[serde(default)]
    pub pin_strategy: Option<PinStrategy>,
    /// What the keys are; left out, PINs where the property's vendor has them, else cards. A card needs `encoder`.
    #[serde(default)]
    pub kind: Option<KeyKind>,
    /// The card encoder, by its name at the vendor. Somebody must put a card on it for each key.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    pub encoder: Option<String>,
}

/// One key to replace.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The key.
    pub key: KeyId,
    /// A PIN for its successor; without it one is drawn.
    #[serde(default)]
    pub pin: Option<ChosenPin>,
    /// A phone number for the strategy `from_phone`; it is used for that and then forgotten.
    #[serde(default)]
    pub phone: Option<Phone>,
    /// Where the digits come from; left out, what the property's policy says, or `chosen` if there is a `pin`.
    #[serde(default)]
    pub pin_strategy: Option<PinStrategy>,
    /// What the keys are; left out, PINs where the property's vendor has them, else cards. A card needs `encoder`.
    #[serde(default)]
    pub kind: Option<KeyKind>,
    /// The card encoder, by its name at the vendor. Somebody must put a card on it for each key.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    pub encoder: Option<String>,
}

/// Other dates. What is left out stays as it is.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherDates {
    /// First instant of the stay, RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// First instant after the stay, RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Arrival on the property's wall clock.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub arrival: Option<civil::DateTime>,
    /// Departure on the property's wall clock.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub departure: Option<civil::DateTime>,
    /// The card encoder, by its name at the vendor: needed if the stay has cards, which are written anew.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    pub encoder: Option<String>,
}

/// Another room.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherRoom {
    /// The new room's id or number.
    pub room: String,
    /// More rooms that the same keys open from then on.
    #[serde(default)]
    #[schema(max_items = 9)]
    pub additional_rooms: Vec<String>,
    /// The card encoder, by its name at the vendor: needed if the stay has cards, which are written anew.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    pub encoder: Option<String>,
}

/// One key to take away, or all.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeAway {
    /// The key; left out, all keys of the stay.
    #[serde(default)]
    pub key: Option<KeyId>,
}

/// Nothing: the verb says it all.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// How a test clock shall move: one of the two.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockMove {
    /// Forward by so many seconds.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub advance_by_s: Option<i64>,
    /// Forward to this instant, RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pin_is_never_printed() {
        let text = br#"{"reservation":"R1","room":"101","arrival":"2026-11-23T15:00","until":"2026-11-25T11:00:00Z","pin":"482913","phone":"+351 914 829 137"}"#;
        let stay: NewStay = crate::extract::parse(text).unwrap();
        assert!(!format!("{stay:?}").contains("482913") && !format!("{stay:?}").contains("829"));
        let broken = crate::extract::parse::<NewStay>(br#"{"phone": 351914829137}"#).unwrap_err();
        assert!(!broken.detail.contains("829"), "{}", broken.detail);
        let broken = crate::extract::parse::<NewStay>(br#"{"pin": 482913}"#).unwrap_err();
        assert!(!broken.detail.contains("482913"), "{}", broken.detail);
    }
}
