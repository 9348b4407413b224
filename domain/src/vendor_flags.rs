//! Flags of each lock vendor's adapter: what can be changed about its behaviour while it runs, without a release and without a restart.
//!
//! They are the facts about vendors that nobody outside has verified, and those that break most. They are part of a property's vendor
//! settings and hold no secret. Addresses and logins are not among them. The API must not know adapters, so the table stands here; a
//! test of the adapters compares it with what they take.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};
use utoipa::ToSchema;

/// A flag's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FlagValue {
    /// Yes or no.
    Switch(bool),
    /// A whole number.
    Number(i64),
    /// A word or a path.
    Text(Cow<'static, str>),
}

/// What values a flag takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FlagKind {
    /// Yes or no.
    Switch,
    /// A whole number, both ends included.
    Number {
        /// The least.
        least: i64,
        /// The greatest.
        most: i64,
    },
    /// One of these words.
    Choice {
        /// The words.
        of: &'static [&'static str],
    },
    /// A text, of so many characters at most.
    Text {
        /// So many.
        longest: usize,
    },
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Flag {
    /// Its name; a dot leads into an object of the settings.
    pub name: &'static str,
    /// What values it takes.
    #[serde(flatten)]
    pub takes: FlagKind,
    /// What holds if it is left out.
    pub default: FlagValue,
    /// What it does.
    pub meaning: &'static str,
}

/// Why a flag is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FlagError {
    /// Which.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

const fn switch(name: &'static str, default: bool, meaning: &'static str) -> Flag {
    Flag { name, takes: FlagKind::Switch, default: FlagValue::Switch(default), meaning }
}

const fn number(name: &'static str, default: i64, least: i64, most: i64, meaning: &'static str) -> Flag {
    Flag { name, takes: FlagKind::Number { least, most }, default: FlagValue::Number(default), meaning }
}

const fn choice(name: &'static str, of: &'static [&'static str], default: &'static str, meaning: &'static str) -> Flag {
    Flag { name, takes: FlagKind::Choice { of }, default: FlagValue::Text(Cow::Borrowed(default)), meaning }
}

const fn text(name: &'static str, longest: usize, default: &'static str, meaning: &'static str) -> Flag {
    Flag { name, takes: FlagKind::Text { longest }, default: FlagValue::Text(Cow::Borrowed(default)), meaning }
}

static TTLOCK: [Flag; 7] = [
    choice(
        "read_method",
        &["post", "get"],
        "post",
        "How reads are sent; `get` shows the access token to every proxy's log.",
    ),
    choice("date_unit", &["ms", "s"], "ms", "The unit of `date`, which every call carries."),
    number("date_offset_ms", 0, -300_000, 300_000, "Added to `date`, where the vendor's clock is off."),
    switch(
        "change_in_place",
        true,
        "A code's window is changed by one call; else the code is deleted and added again with the same digits.",
    ),
    number("renew_before_s", 86_400, 0, 8_640_000, "How long before its end an access token is replaced."),
    switch("listed_means_in_lock", true, "A code that the cloud lists under our name stands in the lock."),
    switch("vague_failure_is_unconfirmed", true, "After 1 and 90000 nobody knows whether a change took effect."),
];

static SALTO_KS: [Flag; 9] = [
    number(
        "settle_tries",
        0,
        0,
        100,
        "How often a call is repeated that met 404 or 403 for what is not known everywhere yet; 0 is as long as there is time.",
    ),
    number("settle_pause_ms", 2_000, 0, 60_000, "The wait before such a repetition."),
    switch("bare_404_means_gone", false, "A 404 without `ErrorCode` on a user's own path says that he is gone."),
    switch("filter_users", false, "The list of users can be searched by alias."),
    switch("accepted_means_in_lock", true, "What the cloud has accepted counts as known at the door."),
    number("lead_s", 120, 0, 86_400, "How long before its window a key may be made."),
    number("seat_pause_s", 300, 0, 86_400, "The wait before the next try when there are no seats."),
    number("room_checked_for_s", 600, 0, 86_400, "How long a room that was found ready is not looked at again."),
    number("pin_life_s", 7_776_000, 3_600, 31_536_000, "How long a PIN lives that was made without an end."),
];

static SALTO_SHIP: [Flag; 7] = [
    switch("pin_opens_alone", false, "A PIN opens a door with a keypad without the card; PINs are offered only then."),
    switch("update_replaces", false, "An update sets back what it leaves out."),
    switch("length_in_characters", false, "STP's length counts characters, not bytes."),
    switch("vague_failure_is_unconfirmed", true, "After 1, 4 and 404 nobody knows whether a change took effect."),
    number("longest_user_id", 40, 1, 40, "Characters of an `ExtUserID`."),
    number("page_size", 100, 1, 10_000, "Users per page of a list."),
    number("card_wait_s", 35, 1, 600, "Least time for an operation with a card."),
];

static SALTO_PMS: [Flag; 5] = [
    switch("operator_names_key", true, "The operator's name comes back when a card is read."),
    switch("nak_repeats_reply", true, "A reply that can't be read is sent again after NAK."),
    switch(
        "delete_checks_out",
        true,
        "Taking away the first key checks the room out; else nothing is ever taken away.",
    ),
    switch("mobile", false, "Keys go to telephones, with the licence for it."),
    number("card_wait_s", 35, 1, 600, "Least time for an operation with a card."),
];

static VISIONLINE: [Flag; 11] = [
    choice("session", &["per_operation", "kept"], "per_operation", "How long a session is used."),
    choice("date_header", &["date", "x-aah-date"], "date", "Which header carries the signed date."),
    choice("card_format", &["rfid48", "TLCode"], "rfid48", "What is written on a card."),
    switch("overwrite_valid_card", true, "A card that still opens something may be written over."),
    text("assumptions.check_out_path", 200, "/doors/{door}", "Path of a check-out; empty means that there is none."),
    text("assumptions.encoders_path", 200, "", "Path of the list of encoders; empty means that there is none."),
    text("assumptions.guest_operation", 40, "guest", "`operation` of a door that a guest opens."),
    switch("assumptions.codes_are_result_codes", true, "`code` in an error is a result code of the older protocol."),
    switch("assumptions.listed_means_written", true, "A card that the server lists has been written."),
    switch(
        "assumptions.listed_means_delivered",
        true,
        "A key for a telephone that is listed without a status has arrived.",
    ),
    number(
        "assumptions.clock_tolerance_s",
        300,
        0,
        86_400,
        "How far clocks may be apart before a refused login is put down to that.",
    ),
];

/// The flags of a vendor's adapter; none for a vendor without any.
pub fn flags(vendor: &str) -> &'static [Flag] {
    match vendor {
        "ttlock" => &TTLOCK,
        "salto_ks" => &SALTO_KS,
        "salto_ship" => &SALTO_SHIP,
        "salto_pms" => &SALTO_PMS,
        "visionline" => &VISIONLINE,
        _ => &[],
    }
}

/// Whether a vendor's adapter takes these flags.
pub fn check(vendor: &str, wanted: &BTreeMap<String, FlagValue>) -> Result<(), FlagError> {
    for (name, value) in wanted {
        let refuse = |reason: String| Err(FlagError { field: name.clone(), reason });
        let Some(flag) = flags(vendor).iter().find(|flag| flag.name == name) else {
            return refuse(format!("{vendor} has no such flag"));
        };
        let fits = match (&flag.takes, value) {
            (FlagKind::Switch, FlagValue::Switch(_)) => true,
            (FlagKind::Number { least, most }, FlagValue::Number(number)) => (least..=most).contains(&number),
            (FlagKind::Choice { of }, FlagValue::Text(text)) => of.contains(&&**text),
            (FlagKind::Text { longest }, FlagValue::Text(text)) => text.chars().count() <= *longest,
            _ => false,
        };
        if !fits {
            return refuse(match &flag.takes {
                FlagKind::Switch => "must be true or false".to_owned(),
                FlagKind::Number { least, most } => format!("must be a whole number from {least} to {most}"),
                FlagKind::Choice { of } => format!("must be one of {}", of.join(", ")),
                FlagKind::Text { longest } => format!("must be a text of at most {longest} characters"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn one(name: &str, value: FlagValue) -> BTreeMap<String, FlagValue> {
        BTreeMap::from([(name.to_owned(), value)])
    }

    #[test]
    fn r_lock_02_each_default_is_taken_and_each_name_stands_once() {
        for vendor in ["ttlock", "salto_ks", "salto_ship", "salto_pms", "visionline"] {
            let names: BTreeSet<_> = flags(vendor).iter().map(|flag| flag.name).collect();
            assert_eq!(names.len(), flags(vendor).len(), "{vendor}");
            for flag in flags(vendor) {
                assert_eq!(check(vendor, &one(flag.name, flag.default.clone())), Ok(()), "{vendor} {}", flag.name);
                assert!(flag.meaning.ends_with('.'), "{}", flag.name);
            }
        }
    }

    #[test]
    fn what_is_not_taken_is_named() {
        for (name, value) in [
            ("base_url", FlagValue::Text("https://example.org".into())),
            ("client_secret", FlagValue::Text("x".into())),
            ("change_in_place", FlagValue::Number(1)),
            ("date_offset_ms", FlagValue::Number(300_001)),
            ("date_unit", FlagValue::Text("h".into())),
        ] {
            assert_eq!(check("ttlock", &one(name, value)).unwrap_err().field, name);
        }
        assert!(check("vostio", &one("x", FlagValue::Switch(true))).is_err());
    }
}
