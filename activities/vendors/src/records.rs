//! What happened at a door, in no vendor's words.
//!
//! A record comes from a vendor's log or from its stream of events, and may come twice: [`DoorRecord::id`] tells. It must not carry
//! digits or names of guests; the only name in it is one of ours. Reading never fails over a record that makes no sense: such a
//! record is left out, or is [`RecordKind::Other`].

use jiff::Timestamp;

use crate::port::{CredentialToken, VendorCredentialRef};

/// Why a door stayed shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The lock knows no such code or card.
    Unknown,
    /// Its time has not come.
    TooEarly,
    /// Its time is over.
    Expired,
    /// It is suspended, blocked or was taken away.
    Suspended,
    /// The lock knows whose it is, and he may not enter here or now.
    NotAllowed,
    /// Refused, and the vendor does not say why.
    Unsaid,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// The door was opened.
    Opened,
    /// Somebody tried in vain.
    Refused(Refusal),
    /// The door was locked.
    Locked,
    /// It was opened by force, or somebody tampered with the lock.
    Tampered,
    /// The battery is low.
    BatteryLow,
    /// The door was left open.
    LeftOpen,
    /// The lock can't be reached any more.
    WentOffline,
    /// The lock can be reached again.
    CameOnline,
    /// Anything else, under the vendor's own word or number for it.
    Other(String),
}

/// What the door was tried with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Means {
    /// Digits.
    Pin,
    /// A card or tag.
    Card,
    /// A telephone at the door.
    Mobile,
    /// A command from afar.
    Remote,
    /// A handle, a button or a mechanical key.
    Mechanical,
    /// Something else, or the vendor does not say.
    Unsaid,
}

/// What a stream of events tells: see [`crate::port::LockVendor::follow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something happened at a lock.
    Record(DoorRecord),
    /// All that the vendor tells of until then, by the locks' clocks, was passed on before this. Records that come without it leave a gap that
    /// is yet to be read.
    Complete(Timestamp),
}

/// One event at a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorRecord {
    /// The vendor's id of the record, or what stands for it: unique within the vendor's account.
    pub id: String,
    /// The vendor's id of the lock.
    pub lock_id: String,
    /// When, by the lock's own clock.
    pub at_lock: Timestamp,
    /// When it reached the vendor's server; none where the vendor does not tell. Far from `at_lock` it says that the lock was out of
    /// reach, or that its clock drifts.
    pub at_server: Option<Timestamp>,
    /// What.
    pub kind: RecordKind,
    /// By what.
    pub means: Means,
    /// The vendor's id of the credential, where the vendor tells it.
    pub credential: Option<VendorCredentialRef>,
    /// Our name for the credential, where the vendor tells it.
    pub token: Option<CredentialToken>,
    /// The lock's battery in percent at that moment, where the vendor tells it.
    pub battery_percent: Option<u8>,
}

/// A vendor's own word, cut to what may stand in a log: letters, digits and `_`, at most 40.
#[must_use]
pub(crate) fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_word_is_cut() {
        assert_eq!(word("privacy_mode"), "privacy_mode");
        assert_eq!(word("Anna <a@b.c>").len(), 7);
        assert_eq!(word(&"x".repeat(99)).len(), 40);
    }
}
