//! What went wrong at a vendor, and what that says about the effect.
//!
//! Texts are for clerks and logs: they carry the vendor's number, never its free text, which may repeat what was sent.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use lock_domain::problem::Code;

/// What is known of the effect after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectOutcome {
    /// It did not take place; the same call may succeed later.
    Retryable {
        /// Not before this long from now, when the vendor's kind of failure suggests it.
        after: Option<Duration>,
    },
    /// It did not take place, and the same call can't succeed before somebody changes something.
    Permanent,
    /// It may have taken place: read back before anything else.
    Unconfirmed,
}

impl EffectOutcome {
    /// For metrics and spans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retryable { .. } => "retryable",
            Self::Permanent => "permanent",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

macro_rules! conditions {
    ($($name:ident, $code:literal, $problem:ident, $operator:literal, $remedy:literal;)*) => {
        /// What a vendor ran into, in no vendor's words. Append only: the codes stand in logs and metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition { $(#[doc = concat!("`", $code, "`: ", $remedy)] $name,)* }

        impl Condition {
            /// Every condition.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// Stable text for machines.
            #[must_use]
            pub const fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }
            /// The problem that an API reports for it.
            #[must_use]
            pub const fn problem(self) -> Code { match self { $(Self::$name => Code::$problem,)* } }
            /// Whether it stays until somebody at the property or the vendor acts.
            #[must_use]
            pub const fn needs_operator(self) -> bool { match self { $(Self::$name => $operator,)* } }
            /// What a clerk can do.
            #[must_use]
            pub const fn remedy(self) -> &'static str { match self { $(Self::$name => $remedy,)* } }
        }
    };
}

conditions! {
    Unreachable, "vendor.unreachable", VendorUnreachable, false, "Nothing to do at the desk: we go on trying until the lock vendor answers.";
    NoAnswer, "vendor.no_answer", Unproven, false, "Wait: the vendor did not answer in time, and we look up whether it acted before doing anything else.";
    ServerError, "vendor.server_error", VendorUnreachable, false, "Nothing to do at the desk: the vendor has trouble of its own, and we go on trying.";
    BadAnswer, "vendor.bad_answer", VendorUnreachable, false, "Check that no login page or proxy stands between this server and the vendor; we go on trying.";
    AccessRefused, "vendor.access_refused", VendorAccess, true, "Correct the vendor account's client id, secret, user name or password in the property's set-up.";
    PermissionMissing, "vendor.permission_missing", VendorAccess, true, "Give the vendor account administrator rights over this lock.";
    WrongRegion, "vendor.wrong_region", VendorAccess, true, "Set the vendor's address for the region in which the account was opened.";
    ClockSkew, "vendor.clock_skew", VendorAccess, true, "Set this server's clock (NTP): the vendor refuses calls that are more than five minutes off.";
    RateLimited, "vendor.rate_limited", VendorQuota, false, "Nothing to do at the desk: the vendor takes fewer calls per time, and we slow down.";
    QuotaExhausted, "vendor.quota_exhausted", VendorQuota, true, "Buy more calls in the vendor's console, or wait until the month ends there.";
    LockUnknown, "vendor.lock_unknown", LockUnknown, true, "Correct the lock's id in the property's set-up: the vendor does not know it.";
    LockFrozen, "vendor.lock_frozen", LockUnfit, true, "Have the lock's owner unfreeze it in the vendor's app.";
    LockNotReady, "vendor.lock_not_ready", LockUnfit, true, "Set the lock up in the vendor's app first: it can't take commands from afar.";
    LockOffline, "vendor.lock_offline", LockOffline, false, "Check the lock's battery and its distance to the gateway; we go on trying.";
    LockBusy, "vendor.lock_busy", GatewayBusy, false, "Nothing to do: somebody is using the lock, and we try again in a moment.";
    GatewayOffline, "vendor.gateway_offline", GatewayOffline, false, "Check the gateway's power and network; we go on trying.";
    GatewayBusy, "vendor.gateway_busy", GatewayBusy, false, "Nothing to do: the gateway is serving another lock, and we try again in a moment.";
    GatewayUnknown, "vendor.gateway_unknown", LockUnknown, true, "Add the gateway to the vendor account again: the vendor does not know it.";
    PinTaken, "vendor.pin_taken", CodeTaken, false, "Give the guest another PIN: the lock holds this one already for somebody else.";
    PinTooSimple, "vendor.pin_too_simple", PinWeak, false, "Give the guest another PIN: the vendor finds this one too easy to guess.";
    PinLength, "vendor.pin_length", VendorRefused, false, "Use a PIN of 4 to 9 digits.";
    NeverUsed, "vendor.never_used", VendorRefused, false, "Give the guest a new PIN: one that was never used can't be changed at this lock.";
    PeriodUsed, "vendor.period_used", VendorRefused, false, "Start the window at another hour: the vendor does not issue the same hours twice.";
    LockFull, "vendor.lock_full", LockFull, true, "Delete expired or unused codes from the lock: it has no room for another.";
    CredentialGone, "vendor.credential_gone", VendorRefused, false, "Issue a new key: the lock does not hold this one any more.";
    FeatureMissing, "vendor.feature_missing", LockUnfit, true, "Use another kind of key for this door: its lock can't do this.";
    Unsupported, "vendor.unsupported", LockUnfit, true, "Use another kind of key for this door: the vendor does not offer this.";
    InvalidRequest, "vendor.invalid_request", VendorRefused, true, "Report this to support: the vendor does not accept what we sent.";
    Refused, "vendor.refused", VendorRefused, true, "Look the vendor's number up in its documentation, or ask support.";
    Failed, "vendor.failed", VendorUnreachable, false, "Wait: the vendor reports a failure without a reason, and we look up whether it acted.";
    CertificateRefused, "vendor.certificate_refused", VendorCertificate, true, "Compare the certificate that the vendor's server shows with the one in the property's set-up; take over the new one only when somebody at the property replaced it.";
    EncoderOffline, "vendor.encoder_offline", EncoderUnavailable, false, "Check the card encoder's power and network cable; we go on trying.";
    EncoderBusy, "vendor.encoder_busy", EncoderUnavailable, false, "Wait until the encoder has finished the card before; we try again in a moment.";
    CardMissing, "vendor.card_missing", CardNeeded, false, "Put a blank card on the encoder when it asks for one, and leave it there until it signals.";
    CardUnusable, "vendor.card_unusable", CardNeeded, false, "Put another card on the encoder: this one can't be written.";
    CardCancelled, "vendor.card_cancelled", VendorRefused, false, "Ask for the card again: somebody stopped it at the encoder.";
    SharedDoor, "vendor.shared_door", VendorRefused, true, "Issue new keys to everybody who stays in the room: this vendor can't take away one of a room's keys and leave the others.";
    WireNotPublic, "vendor.wire_not_public", VendorAccess, true, "Ask the vendor for its interface description under your contract and send it to support, or use another vendor's locks: this one's interface is not public.";
    SeatsExhausted, "vendor.seats_exhausted", VendorQuota, true, "Free a seat at the vendor: delete users who have left, or buy more seats in its console.";
    TooEarly, "vendor.too_early", VendorRefused, false, "Nothing to do: this vendor's keys open from the moment they are made, so this one is made when its window begins.";
    PinEndsFirst, "vendor.pin_ends_first", VendorRefused, false, "Issue a new key: the vendor's digits for this one end before the new window does.";
    NotSettled, "vendor.not_settled", VendorUnreachable, false, "Nothing to do: parts of the vendor's cloud don't know each other's news yet, and we try again in a moment.";
    EncoderUnknown, "vendor.encoder_unknown", LockUnknown, true, "Correct the card encoder's name in the property's set-up: the vendor's server does not know it, or it is not set up there.";
    LicenceMissing, "vendor.licence_missing", VendorAccess, true, "Have the vendor's licence extended: it lacks this feature.";
    RecordLocked, "vendor.record_locked", GatewayBusy, false, "Close the user or door in the vendor's own program: somebody is editing it there, and we try again in a moment.";
    NotCheckedIn, "vendor.not_checked_in", VendorRefused, false, "Issue the key as a new check-in: for the lock server nobody is in this room, so there is nothing to copy.";
    RoomOutOfService, "vendor.room_out_of_service", LockUnfit, true, "Put the room back into service in the vendor's program, or use another room.";
    NotReadable, "vendor.not_readable", Unproven, true, "Put the card on the encoder and ask for the key again: this vendor's server can't be asked what it did, only the card can be read.";
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorError {
    vendor: &'static str,
    verb: &'static str,
    condition: Condition,
    outcome: EffectOutcome,
    vendor_code: Option<i64>,
    remedy: Cow<'static, str>,
}

impl VendorError {
    /// A failure of `verb` (the vendor's own name of the call).
    #[must_use]
    pub fn new(vendor: &'static str, verb: &'static str, condition: Condition, outcome: EffectOutcome) -> Self {
        Self { vendor, verb, condition, outcome, vendor_code: None, remedy: Cow::Borrowed(condition.remedy()) }
    }

    /// What this vendor does not offer at all.
    #[must_use]
    pub fn unsupported(vendor: &'static str, verb: &'static str) -> Self {
        Self::new(vendor, verb, Condition::Unsupported, EffectOutcome::Permanent)
    }

    /// With the number that the vendor gave and the remedy for it.
    #[must_use]
    pub fn numbered(mut self, vendor_code: i64, remedy: &'static str) -> Self {
        self.vendor_code = Some(vendor_code);
        self.remedy = Cow::Borrowed(remedy);
        self
    }

    /// With a remedy that names something of this case, such as a fingerprint; never what was sent.
    #[must_use]
    pub fn advising(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// What is known of the effect.
    #[must_use]
    pub fn outcome(&self) -> EffectOutcome {
        self.outcome
    }

    /// What happened.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// Stable text for machines, such as `vendor.gateway_offline`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.condition.code()
    }

    /// The problem that an API reports: while nobody knows whether the vendor acted, that comes first.
    #[must_use]
    pub fn problem(&self) -> Code {
        if self.outcome == EffectOutcome::Unconfirmed { Code::Unproven } else { self.condition.problem() }
    }

    /// What a clerk can do, in words.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Whether it stays until somebody acts.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        self.condition.needs_operator()
    }

    /// The vendor's own number.
    #[must_use]
    pub fn vendor_code(&self) -> Option<i64> {
        self.vendor_code
    }

    /// The vendor's name.
    #[must_use]
    pub fn vendor(&self) -> &'static str {
        self.vendor
    }
}

impl fmt::Display for VendorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {} ({})", self.vendor, self.verb, self.condition.code(), self.outcome.name())?;
        if let Some(code) = self.vendor_code {
            write!(f, ", vendor code {code}")?;
        }
        Ok(())
    }
}

impl std::error::Error for VendorError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_remedies_are_sentences() {
        let mut codes: Vec<_> = Condition::ALL.iter().map(|condition| condition.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Condition::ALL.len());
        assert!(Condition::ALL.iter().all(|c| c.remedy().ends_with('.') && c.code().starts_with("vendor.")));
    }

    #[test]
    fn an_unknown_effect_is_said_first() {
        let error = VendorError::new("v", "add", Condition::GatewayOffline, EffectOutcome::Unconfirmed);
        assert_eq!(error.problem(), Code::Unproven);
        assert_eq!(error.to_string(), "v add: vendor.gateway_offline (unconfirmed)");
    }
}
