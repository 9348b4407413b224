//! Webhooks that come in: who may send them, how each is known to be genuine, what makes two of them the same, and what one may mean.
//!
//! A webhook never changes anything by what it says. One that nobody signs is a hint to look at the vendor again; one that is signed tells
//! of the sender's own doings. It must not know HTTP, cryptography or how a body is read: digests come in as arguments.

use crate::problem::Code;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// How far a sender's time may be from ours, both ways.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// How long the former secret or path goes on working after a rotation, if nobody says otherwise.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// The longest overlap.
pub const OVERLAP_MOST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So many secrets are good at a time.
pub const SECRETS_MOST: usize = 4;
/// How long a delivery is remembered, so that a repeat is known as one. Longer than any sender tries: Standard Webhooks advises three days.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Largest body, in bytes.
pub const BODY_MOST: usize = 256 * 1024;
/// A vendor that names its events by nothing may say the same again after this time, and mean it.
pub const BUCKET: SignedDuration = SignedDuration::from_mins(5);

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// TTLock's cloud.
    Ttlock,
    /// A Visionline server.
    Visionline,
    /// A property-management system.
    Pms,
    /// A provider of messages to guests.
    Notifications,
}

/// How a webhook is known to be genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Ours: `Lock-Delivery`, and `Lock-Signature: t=<seconds>,v1=<hex>` with HMAC-SHA-256 over `<id>.<seconds>.<body>`.
    HmacSha256,
    /// Standard Webhooks 1.0.0: `v1` (HMAC-SHA-256) or `v1a` (Ed25519).
    StandardWebhooks,
    /// By nothing but a path that cannot be guessed. What it says is a hint.
    PathOnly,
}

impl Sender {
    /// Every sender.
    pub const ALL: [Self; 4] = [Self::Ttlock, Self::Visionline, Self::Pms, Self::Notifications];

    /// The sender's name, as in paths, JSON and SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ttlock => "ttlock",
            Self::Visionline => "visionline",
            Self::Pms => "pms",
            Self::Notifications => "notifications",
        }
    }

    /// The sender with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sender| sender.name() == name)
    }

    /// The schemes that the sender can do; the first is the usual one.
    pub const fn schemes(self) -> &'static [Scheme] {
        match self {
            Self::Ttlock | Self::Visionline => &[Scheme::PathOnly],
            Self::Pms | Self::Notifications => &[Scheme::StandardWebhooks, Scheme::HmacSha256],
        }
    }
}

impl Scheme {
    /// The scheme's name, as in JSON and SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac_sha256",
            Self::StandardWebhooks => "standard_webhooks",
            Self::PathOnly => "path_only",
        }
    }
}

/// Why a webhook is refused although its path is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header is missing, double or of another form.
    #[error("a header of the signature is missing or malformed")]
    Malformed,
    /// No signature is one of a secret that is good now.
    #[error("no signature fits")]
    Signature,
    /// It is genuine, and was signed more than [`TOLERANCE`] ago or ahead.
    #[error("signed too long ago, or in the future")]
    Time,
}

impl Refusal {
    /// The problem that the sender is told.
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed | Self::Signature => Code::WebhookRefused,
            Self::Time => Code::WebhookTooOld,
        }
    }
}

/// Whether a sender's time is near enough to ours.
pub fn in_time(sent: Timestamp, now: Timestamp) -> bool {
    now.duration_since(sent).abs() <= TOLERANCE
}

/// Whether a text can be a sender's id of a message: 1 to 128 visible characters without a dot, which separates what is signed.
pub fn is_message_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'.')
}

/// Where a credential stands, as its vendor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialWord {
    /// On its way to the telephone.
    Issuing,
    /// In the telephone.
    Issued,
    /// On its way out.
    Revoking,
    /// Gone.
    Revoked,
    /// Something that we don't know.
    Other,
}

/// What became of a message to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptWord {
    /// It has arrived.
    Delivered,
    /// It never will.
    Failed,
}

/// What a webhook gives reason for. Never carries digits, names or telephones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "means", rename_all = "snake_case")]
pub enum Meaning {
    /// Something happened at a lock: read its records.
    Records {
        /// The vendor's id of the lock.
        lock: String,
    },
    /// A gateway is said to have come or gone: look at the gateways.
    Gateways,
    /// A lock on the property's own network is said to have come or gone: read its records and battery.
    Lock {
        /// The vendor's id of the lock.
        lock: String,
    },
    /// A credential is said to stand differently.
    Credential {
        /// Our name for it, if it is one of ours.
        token: Option<String>,
        /// What is said.
        status: CredentialWord,
    },
    /// A message to a guest was delivered, or was not.
    Receipt {
        /// The provider's id of the message.
        message: String,
        /// Which of the two.
        status: ReceiptWord,
    },
    /// Nothing that we act upon.
    Nothing,
}

impl Meaning {
    /// Whether somebody has to look at the vendor. What does not is kept, and leads to nothing.
    pub fn calls_for_a_look(&self) -> bool {
        match self {
            Self::Records { .. } | Self::Gateways | Self::Lock { .. } => true,
            // What is on its way is followed by another word when it has arrived.
            Self::Credential { token, status } => {
                token.is_some() && !matches!(status, CredentialWord::Issuing | CredentialWord::Revoking)
            }
            Self::Receipt { .. } | Self::Nothing => false,
        }
    }
}

/// What TTLock's records are told apart by, in a callback: they carry no id there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// `lockId`.
    pub lock: String,
    /// `lockDate`, milliseconds since 1970 by the lock's clock.
    pub lock_date: i64,
    /// `recordType`.
    pub kind: i64,
    /// A keyed digest of `keyboardPwd`, never the digits; none where there are no digits.
    pub digits: Option<[u8; 32]>,
}

/// One text for a set of records, whatever their order and however often each is named.
pub fn records_text(mut keys: Vec<RecordKey>) -> String {
    keys.sort_unstable();
    keys.dedup();
    let mut text = String::new();
    for key in keys {
        // Writing to a String does not fail.
        let _ = write!(text, "{}/{}/{}/", key.lock, key.lock_date, key.kind);
        for byte in key.digits.iter().flatten() {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

/// The number of the while in which something without an id was said.
pub fn bucket(at: Timestamp) -> i64 {
    at.as_second().div_euclid(BUCKET.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn key(lock: &str, date: i64, digits: u8) -> RecordKey {
        RecordKey { lock: lock.into(), lock_date: date, kind: 4, digits: Some([digits; 32]) }
    }

    #[test]
    fn five_minutes_both_ways() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (seconds, fits) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
            assert_eq!(in_time(now + SignedDuration::from_secs(seconds), now), fits, "{seconds}");
        }
        assert!(!in_time(Timestamp::MIN, now) && !in_time(Timestamp::MAX, now));
    }

    #[test]
    fn ids_have_no_dot() {
        assert!(is_message_id("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"));
        for bad in ["", "a.b", "a b", "ä", &"x".repeat(129)] {
            assert!(!is_message_id(bad), "{bad}");
        }
    }

    #[test]
    fn names_are_the_json_form_and_vendors_without_signatures_have_paths() {
        for sender in Sender::ALL {
            assert_eq!(serde_json::to_value(sender).unwrap(), sender.name());
            assert_eq!(Sender::from_name(sender.name()), Some(sender));
            for scheme in sender.schemes() {
                assert_eq!(serde_json::to_value(scheme).unwrap(), scheme.name());
            }
        }
        assert_eq!(Sender::Ttlock.schemes(), [Scheme::PathOnly]);
        assert!(!Sender::Pms.schemes().contains(&Scheme::PathOnly));
    }

    #[test]
    fn only_an_end_of_a_key_of_ours_is_worth_a_look() {
        use CredentialWord as W;
        let calls = |token: bool, status| {
            Meaning::Credential { token: token.then(|| "lis-1".to_owned()), status }.calls_for_a_look()
        };
        assert_eq!(
            [W::Issuing, W::Issued, W::Revoking, W::Revoked, W::Other].map(|word| calls(true, word)),
            [false, true, false, true, true]
        );
        assert!(!calls(false, W::Revoked) && !Meaning::Nothing.calls_for_a_look());
    }

    #[test]
    fn records_differ_by_each_of_their_parts() {
        let text = |keys: &[RecordKey]| records_text(keys.to_vec());
        let one = text(&[key("5", 7, 1)]);
        for other in [key("6", 7, 1), key("5", 8, 1), key("5", 7, 2)] {
            assert_ne!(one, text(&[other]));
        }
        let without = RecordKey { digits: None, ..key("5", 7, 1) };
        assert!(!text(std::slice::from_ref(&without)).is_empty() && text(&[without]) != one);
    }

    proptest! {
        #[test]
        fn the_order_of_records_does_not_matter(mut dates in proptest::collection::vec(0_i64..9, 1..6)) {
            let keys = |dates: &[i64]| records_text(dates.iter().map(|date| key("5", *date, 1)).collect());
            let first = keys(&dates);
            dates.reverse();
            dates.push(dates[0]);
            prop_assert_eq!(first, keys(&dates));
        }
    }
}
