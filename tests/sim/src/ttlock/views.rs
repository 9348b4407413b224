//! What the control API shows and takes. Times are milliseconds since the epoch.

use serde::{Deserialize, Serialize};

/// What happened when a code was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TryReason {
    /// The door opened.
    Opened,
    /// The lock holds no such code.
    UnknownCode,
    /// The code's time has not come, by the lock's clock.
    NotYetValid,
    /// The code's time is over, by the lock's clock.
    Expired,
    /// A one-time code that has been used.
    UsedUp,
    /// A random code that nobody used in its first 24 hours.
    SuspendedUnused,
    /// The battery is empty.
    NoPower,
}

/// Answer to a try at the keypad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryOutcome {
    /// Whether the door opened.
    pub opened: bool,
    /// Why, or why not.
    pub reason: TryReason,
    /// The lock's own clock at that moment.
    pub lock_time: i64,
    /// The passcode that was meant, when the lock holds it.
    pub passcode_id: Option<i64>,
}

/// One passcode of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeState {
    /// The vendor's id.
    pub id: i64,
    /// The name that the caller gave it.
    pub name: String,
    /// The digits: the lock's, or the cloud's where the lock has none.
    pub pin: String,
    /// `keyboardPwdType`.
    pub kind: i64,
    /// Chosen by the caller (true) or computed by the offline algorithm.
    pub custom: bool,
    /// Start of the window in the lock, or in the cloud where the lock has none; 0 for no bound.
    pub from: i64,
    /// End of that window; 0 for no bound.
    pub until: i64,
    /// The cloud lists it.
    pub in_cloud: bool,
    /// The lock holds it.
    pub in_lock: bool,
    /// The cloud lists it and the lock does not hold it: it never opens.
    pub ghost: bool,
    /// The door would open for it now.
    pub opens_now: bool,
}

/// A lock as it really is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockState {
    /// The vendor's id.
    pub lock_id: i64,
    /// The group that it was seeded under.
    pub property: String,
    /// The room.
    pub alias: String,
    /// The account that administers it.
    pub admin: String,
    /// Battery in percent.
    pub battery: u8,
    /// Whether the cloud refuses commands for it.
    pub frozen: bool,
    /// The lock's own clock now.
    pub clock: i64,
    /// Lock's clock minus true time.
    pub clock_error_ms: i64,
    /// Gateways near it.
    pub gateways: Vec<i64>,
    /// All its passcodes, by id.
    pub codes: Vec<CodeState>,
    /// Entries in its log.
    pub records: usize,
}

/// A live credential of any lock; no digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialState {
    /// The lock.
    pub lock_id: i64,
    /// The room.
    pub alias: String,
    /// The vendor's id.
    pub id: i64,
    /// The name that the caller gave it.
    pub name: String,
    /// Start of the window; 0 for no bound.
    pub from: i64,
    /// End of the window; 0 for no bound.
    pub until: i64,
    /// The cloud lists it.
    pub in_cloud: bool,
    /// The lock holds it.
    pub in_lock: bool,
    /// Listed and not held: it never opens.
    pub ghost: bool,
    /// The door would open for it now.
    pub opens_now: bool,
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayState {
    /// The vendor's id.
    pub gateway_id: i64,
    /// Its name.
    pub name: String,
    /// Reachable from the cloud.
    pub online: bool,
    /// Answers "busy" to every command.
    pub busy: bool,
    /// How long each command over it takes.
    pub latency_ms: u64,
    /// Locks near it.
    pub locks: Vec<i64>,
}

/// Changes to a lock; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockPatch {
    /// Sets the lock's clock this far from true time.
    pub skew_ms: Option<i64>,
    /// How fast its clock runs away from now on, in millionths.
    pub drift_ppm: Option<i64>,
    /// Battery in percent; 0 is dead.
    pub battery: Option<u8>,
    /// Frozen by its owner.
    pub frozen: Option<bool>,
    /// Lock with its own WiFi, needing no gateway.
    pub wifi: Option<bool>,
    /// Whether that WiFi is up.
    pub wifi_online: Option<bool>,
    /// The offset from UTC stored in the lock, ms.
    pub utc_offset_ms: Option<i64>,
    /// Moves it into the range of this gateway and out of that of all others; 0 out of every range.
    pub gateway_id: Option<i64>,
}

/// A lock's alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockAlarm {
    /// The vendor's `recordType`: 29 for force, 44 for tampering.
    pub record_type: i64,
    /// So long ago, ms.
    #[serde(default)]
    pub ago_ms: i64,
}

/// Changes to a gateway; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayPatch {
    /// Reachable from the cloud.
    pub online: Option<bool>,
    /// Answers "busy" to every command.
    pub busy: Option<bool>,
    /// How long each command over it takes.
    pub latency_ms: Option<u64>,
}

/// Changes to the cloud's limits; what is absent stays, 0 lifts a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyPatch {
    /// Calls per app and month (`30007`).
    pub monthly_quota: Option<u64>,
    /// Calls per app within any second (`30006`).
    pub calls_per_second: Option<u32>,
    /// Life of an access token, seconds.
    pub token_life_s: Option<i64>,
    /// Whether a random code that nobody has used refuses to be changed (`-3008`).
    pub refuse_change_of_unused: Option<bool>,
    /// Custom passcodes that fit into a lock (`-3009`).
    pub codes_per_lock: Option<usize>,
}

/// Ends tokens before their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenExpiry {
    /// Access tokens expire (`10004`); refresh tokens stay good.
    Access,
    /// The cloud forgets access tokens (`10003`); refresh tokens stay good.
    ForgetAccess,
    /// Access and refresh tokens are gone (`10003`, `10011`).
    All,
}
