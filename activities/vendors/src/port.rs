//! What a stay needs from a lock vendor.
//!
//! No vendor offers idempotency keys. Every credential is therefore created under a name that is ours alone
//! ([`CredentialToken`]): after an answer got lost, [`LockVendor::find`] tells whether the effect took place.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lock_domain::window::Window;
use secrecy::SecretString;
use tokio::sync::mpsc::Sender;

use crate::error::VendorError;
use crate::records::{DoorRecord, Heard};
use crate::rounding::Granularity;

/// How far a deletion reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeReach {
    /// The lock itself forgets the credential.
    Door,
    /// The old credential works until the next card is used at the door.
    NextCard,
    /// Nothing reaches the lock; the credential ends with its window.
    Never,
}

/// What one credential at the vendor stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One lock: a key that opens three doors is three credentials.
    Door,
    /// A key: one user, card or telephone with all its doors.
    Key,
}

/// What a vendor can do. The policy asks this instead of knowing vendors by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What one credential stands for.
    pub scope: Scope,
    /// Codes for a keypad.
    pub pin: bool,
    /// Keys in a telephone.
    pub mobile: bool,
    /// Cards.
    pub card: bool,
    /// The caller chooses the digits.
    pub choose_pin: bool,
    /// The vendor can make up digits that the lock accepts without being reached.
    pub offline_pin: bool,
    /// The vendor makes up digits that open once.
    pub one_time_pin: bool,
    /// The window of a credential can be changed in place.
    pub change_window: bool,
    /// The lock's clock can be read and set from afar.
    pub time_sync: bool,
    /// The credentials of a lock can be listed.
    pub read_back: bool,
    /// To what the vendor rounds the window of a chosen PIN.
    pub window_granularity: Granularity,
    /// To what it rounds the window of an offline PIN.
    pub offline_granularity: Granularity,
    /// How far a deletion reaches.
    pub revoke_reach: RevokeReach,
    /// The start of a window is kept. Else a key opens from the moment at which it is made: an issue that comes before its window is
    /// refused with [`crate::error::Condition::TooEarly`], and what is read back has the epoch for a start.
    pub window_start: bool,
    /// Shortest PIN, in digits.
    pub min_pin_digits: u8,
    /// Longest PIN, in digits.
    pub max_pin_digits: u8,
    /// Chosen PINs that fit in a lock.
    pub max_codes_per_lock: u32,
    /// Longest name of a credential, in characters.
    pub max_name_chars: u32,
}

/// What accompanies one operation at a vendor.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// For the whole operation, with all calls that it takes.
    pub timeout: Duration,
    /// W3C `traceparent`, passed on to the vendor.
    pub traceparent: Option<String>,
    /// Names the operation in traces; no guest data.
    pub operation_id: String,
}

impl CallContext {
    /// A context without trace.
    #[must_use]
    pub fn new(operation_id: impl Into<String>, timeout: Duration) -> Self {
        Self { timeout, traceparent: None, operation_id: operation_id.into() }
    }
}

/// A lock in the vendor's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorLockRef {
    /// The vendor's id of the lock.
    pub lock_id: String,
    /// The gateway that serves it, when known: commands for one gateway take turns.
    pub gateway_id: Option<String>,
    /// The offset from UTC that the lock keeps, seconds; matters where windows are rounded to whole hours.
    pub utc_offset_s: i32,
}

impl VendorLockRef {
    /// A lock without known gateway, on UTC.
    #[must_use]
    pub fn new(lock_id: impl Into<String>) -> Self {
        Self { lock_id: lock_id.into(), gateway_id: None, utc_offset_s: 0 }
    }
}

/// Why a text can't name a credential at a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a credential's name has 1 to 40 characters of A-Z a-z 0-9 - _ . and is not a number")]
pub struct TokenError;

/// The name of a credential at the vendor: ours alone, without guest data, and fit for a search.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialToken(String);

impl CredentialToken {
    /// Longest name, so that every vendor takes it.
    pub const LONGEST: usize = 40;

    /// Takes a text as a name. A number is refused: searches for names also find digits of PINs.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = text.into();
        let fits = (1..=Self::LONGEST).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && !text.bytes().all(|b| b.is_ascii_digit());
        fits.then_some(Self(text)).ok_or(TokenError)
    }

    /// The name, if it has the form that ours have: `lis-` and 32 hexadecimal digits. Among names at a vendor it tells ours from those
    /// of people.
    #[must_use]
    pub fn ours(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("lis-")?;
        let fits = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a guest opens the door with, and where it comes from. Its Debug form shows no digits and no number.
#[derive(Debug, Clone)]
pub enum KeyForm {
    /// Digits that we chose.
    ChosenPin(SecretString),
    /// Digits that the vendor makes up; see [`Issued::pin`].
    VendorPin {
        /// It opens once.
        one_time: bool,
    },
    /// A card, written at an encoder that the vendor's server reaches.
    Card {
        /// The encoder's name at the vendor.
        encoder: String,
    },
    /// A key in a telephone.
    Mobile {
        /// What the vendor knows the telephone by: a number in E.164, or the id of an endpoint.
        recipient: SecretString,
    },
}

impl KeyForm {
    /// Stable text for metrics and errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ChosenPin(_) => "chosen_pin",
            Self::VendorPin { .. } => "vendor_pin",
            Self::Card { .. } => "card",
            Self::Mobile { .. } => "mobile",
        }
    }
}

/// A credential to be made.
#[derive(Debug, Clone)]
pub struct KeySpec {
    /// Name at the vendor.
    pub token: CredentialToken,
    /// What it is.
    pub form: KeyForm,
    /// What it opens: exactly one where credentials are [`Scope::Door`], at least one else.
    pub doors: Vec<VendorLockRef>,
    /// When it opens; rounded outwards to what the vendor can express.
    pub window: Window,
    /// Other keys of the same stay go on working beside it. Where a vendor lets a guest's first key invalidate earlier ones (a new
    /// check-in), this one does not.
    pub joins: bool,
}

/// A credential that was made.
#[derive(Debug, Clone)]
pub struct Issued {
    /// As the vendor has it.
    pub credential: VendorCredential,
    /// The digits, where the vendor made them up.
    pub pin: Option<SecretString>,
}

/// The vendor's id of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VendorCredentialRef(pub String);

/// A credential as the vendor knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorCredential {
    /// The vendor's id.
    pub reference: VendorCredentialRef,
    /// Its name there: our token, or whatever somebody else typed.
    pub name: String,
    /// When it opens, after the vendor's rounding; none for one without end.
    pub window: Option<Window>,
    /// The lock itself holds it, as far as the vendor tells.
    pub confirmed_at_lock: bool,
}

/// How a deletion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone by this call.
    Deleted,
    /// The vendor did not know it any more.
    AlreadyGone,
}

/// A gateway and whether the vendor reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayStatus {
    /// The vendor's id.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// Whether the vendor reaches it. Vendors report a loss late: TTLock by about half an hour.
    pub online: bool,
    /// How many locks it serves.
    pub lock_count: u32,
}

/// A lock that the account administers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorLock {
    /// The vendor's id.
    pub lock_id: String,
    /// Its name there.
    pub name: String,
    /// Battery in percent, when known.
    pub battery_percent: Option<u8>,
    /// Whether a gateway serves it.
    pub has_gateway: bool,
}

/// One account at one vendor.
#[async_trait]
pub trait LockVendor: Send + Sync {
    /// The vendor's name: part of metrics, task queues and configuration.
    fn name(&self) -> &'static str;

    /// What this vendor can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes a credential that opens these doors. Where the same credential (by its name) stands there already, from a call whose answer
    /// got lost, it is adopted and given the wanted window and doors, as far as the vendor's capabilities go: the call can be repeated.
    /// A form that the vendor does not offer is refused with [`crate::error::Condition::Unsupported`].
    ///
    /// Where the vendor makes up the digits, a repetition may give others, and then those before are void: after an unconfirmed try call
    /// this again; [`LockVendor::find`] never tells digits.
    async fn issue(&self, call: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError>;

    /// The credential with this name, when the vendor knows one that opens all these doors. For [`Scope::Key`] no doors at all asks for
    /// whatever goes by that name, also when a lost call left it half made: what a revocation has to look for.
    async fn find(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError>;

    /// Gives a credential another window.
    async fn change_window(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError>;

    /// Gives a standing key more doors, and changes nothing else of it: the digits that the guest knows go on opening. `doors` are all that
    /// it opens afterwards. Can be repeated. [`crate::error::Condition::CredentialGone`] when there is no such key any more, or none that
    /// opens anything. For [`Scope::Key`] with PINs only: what stands on a card can't be changed from afar.
    async fn open_doors(
        &self,
        _call: &CallContext,
        _doors: &[VendorLockRef],
        _credential: &VendorCredentialRef,
        _token: &CredentialToken,
    ) -> Result<VendorCredential, VendorError> {
        Err(VendorError::unsupported(self.name(), "open_doors"))
    }

    /// Makes these doors refuse a credential; one that has no door left is deleted. Can be repeated. What it means at the door says
    /// [`Capabilities::revoke_reach`].
    async fn delete(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError>;

    /// Takes away several keys of the same doors together. Where a vendor can only empty a whole room, this works and
    /// [`LockVendor::delete`] of one of them is refused with [`crate::error::Condition::SharedDoor`]. Can be repeated;
    /// [`Deletion::AlreadyGone`] when none of them stood there.
    async fn delete_all(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credentials: &[VendorCredentialRef],
    ) -> Result<Deletion, VendorError> {
        let mut all = Deletion::AlreadyGone;
        for credential in credentials {
            if self.delete(call, doors, credential).await? == Deletion::Deleted {
                all = Deletion::Deleted;
            }
        }
        Ok(all)
    }

    /// All credentials of a lock, ours or not.
    async fn list(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError>;

    /// The lock's own clock, where [`Capabilities::time_sync`].
    async fn lock_clock(&self, _call: &CallContext, _lock: &VendorLockRef) -> Result<Timestamp, VendorError> {
        Err(VendorError::unsupported(self.name(), "lock_clock"))
    }

    /// Sets the lock's clock to the vendor's time and returns what the lock shows then. Can be repeated.
    async fn sync_clock(&self, _call: &CallContext, _lock: &VendorLockRef) -> Result<Timestamp, VendorError> {
        Err(VendorError::unsupported(self.name(), "sync_clock"))
    }

    /// The account's gateways, hubs or encoders: what stands between the vendor's server and the property's hardware.
    async fn gateways(&self, _call: &CallContext) -> Result<Vec<GatewayStatus>, VendorError> {
        Ok(Vec::new())
    }

    /// Ids of the locks near a gateway, for [`VendorLockRef::gateway_id`]. Vendors keep this list some time: TTLock half an hour.
    async fn gateway_locks(&self, _call: &CallContext, _gateway_id: &str) -> Result<Vec<String>, VendorError> {
        Ok(Vec::new())
    }

    /// What happened at a lock at or after `since`, by the lock's clock, in no particular order. Records reach a vendor late: ask for some
    /// time before the last one seen, and tell them apart by their ids.
    async fn records(
        &self,
        _call: &CallContext,
        _lock: &VendorLockRef,
        _since: Timestamp,
    ) -> Result<Vec<DoorRecord>, VendorError> {
        Err(VendorError::unsupported(self.name(), "records"))
    }

    /// Passes on what happens at all locks from `since` on, as the vendor tells it, until the receiver is dropped (then `Ok`) or going on
    /// makes no sense. Connections that end are made anew, and what happened in between is read from the vendor's log. Each record
    /// arrives at least once: whoever follows again from before the last [`Heard::Complete`] on misses nothing.
    async fn follow(&self, _since: Timestamp, _heard: Sender<Heard>) -> Result<(), VendorError> {
        Err(VendorError::unsupported(self.name(), "follow"))
    }

    /// The account's locks.
    async fn locks(&self, call: &CallContext) -> Result<Vec<VendorLock>, VendorError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_every_vendor() {
        assert!(CredentialToken::new("lis-0123456789abcdef0123456789abcdef").is_ok());
        for bad in ["", "73914", "room 12", "naïve", &"x".repeat(41)] {
            assert_eq!(CredentialToken::new(bad), Err(TokenError), "{bad}");
        }
        assert!(CredentialToken::ours("lis-0123456789abcdef0123456789abcdef").is_some());
        for other in ["Anna", "lis-anna", "lis-0123456789ABCDEF0123456789abcdef"] {
            assert_eq!(CredentialToken::ours(other), None, "{other}");
        }
    }
}
