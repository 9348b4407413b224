//! What a property may choose about its keys, with the defaults that suit most.

use crate::{
    credential::KeyKind,
    pin::{PinSource, PinStrategy},
    vendor::VendorTraits,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A property's choices that a stay takes with it when it starts. All durations in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StayPolicy {
    /// A key works so long before the stay begins: a lock's clock may be late (R-LOCK-09).
    pub pad_before_s: u32,
    /// A key works so long after the stay has ended, at most.
    pub grace_after_s: u32,
    /// A future-dated stay's keys are put into the locks so long before arrival; sooner would fill the locks' memories.
    pub issue_ahead_s: u32,
    /// The longest pause between two tries at a vendor that does not answer.
    pub retry_cap_s: u32,
    /// Digits of a PIN, 4 to 9 (what every supported keypad takes).
    pub pin_digits: u8,
    /// A PIN is not given out again for so long after it was used.
    pub pin_quarantine_s: u32,
    /// Whether each guest gets a PIN or the stay has one that all share.
    pub pin_per: PinPer,
    /// Where a key's digits come from when the request does not say. What it takes and the request lacks is drawn at random.
    pub pin_strategy: PinStrategy,
    /// Who makes up the digits: we, or the lock vendor, where it can.
    pub pin_source: PinSource,
}

/// Who shares a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinPer {
    /// One PIN, told to all guests of the stay.
    Stay,
    /// One PIN each, so that one can be taken away.
    Guest,
}

impl Default for StayPolicy {
    fn default() -> Self {
        Self {
            pad_before_s: 5 * 60,
            grace_after_s: 0,
            issue_ahead_s: 24 * 3600,
            retry_cap_s: 60,
            pin_digits: 6,
            pin_quarantine_s: 14 * 24 * 3600,
            pin_per: PinPer::Stay,
            pin_strategy: PinStrategy::Random,
            pin_source: PinSource::Ours,
        }
    }
}

/// A policy value out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be between {least} and {most}")]
pub struct PolicyError {
    /// The field's name, as in JSON.
    pub field: &'static str,
    /// Least value.
    pub least: u32,
    /// Greatest value.
    pub most: u32,
}

impl StayPolicy {
    /// Checks every range.
    pub fn check(&self) -> Result<(), PolicyError> {
        let ranges = [
            ("pad_before_s", self.pad_before_s, 0, 2 * 3600),
            ("grace_after_s", self.grace_after_s, 0, 24 * 3600),
            ("issue_ahead_s", self.issue_ahead_s, 0, 30 * 24 * 3600),
            ("retry_cap_s", self.retry_cap_s, 1, 3600),
            ("pin_digits", u32::from(self.pin_digits), 4, 9),
            ("pin_quarantine_s", self.pin_quarantine_s, 0, 366 * 24 * 3600),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(*least..=*most).contains(value)) {
            Some((field, _, least, most)) => Err(PolicyError { field, least, most }),
            None => Ok(()),
        }
    }

    /// Who makes up the digits at this vendor: as chosen, as far as the vendor can.
    pub fn source_at(&self, vendor: &VendorTraits) -> PinSource {
        match (self.pin_source, vendor.choose_pin, vendor.make_pin) {
            (_, false, _) | (PinSource::Vendor, _, true) => PinSource::Vendor,
            _ => PinSource::Ours,
        }
    }

    /// Checks what a vendor can't do.
    pub fn check_at(&self, vendor: &VendorTraits) -> Result<(), PolicyError> {
        let (least, most) = (u32::from(vendor.min_pin_digits), u32::from(vendor.max_pin_digits));
        if self.source_at(vendor) == PinSource::Ours && !vendor.takes(self.pin_digits.into()) {
            return Err(PolicyError { field: "pin_digits", least, most });
        }
        Ok(())
    }

    /// The same policy for a stay at this vendor, with keys of this kind. Where a key opens from the moment at which it is made, it is made
    /// when its window begins; a card is written when it is asked for, because somebody stands at the encoder then.
    #[must_use]
    pub fn at(&self, vendor: &VendorTraits, kind: KeyKind) -> Self {
        let issue_ahead_s = match kind {
            KeyKind::Card => u32::MAX,
            KeyKind::Pin if vendor.window_start => self.issue_ahead_s,
            KeyKind::Pin => self.issue_ahead_s.min(self.pad_before_s),
        };
        Self { issue_ahead_s, ..self.clone() }
    }

    /// [`Self::pad_before_s`] as a duration.
    pub fn pad_before(&self) -> SignedDuration {
        SignedDuration::from_secs(self.pad_before_s.into())
    }

    /// [`Self::grace_after_s`] as a duration.
    pub fn grace_after(&self) -> SignedDuration {
        SignedDuration::from_secs(self.grace_after_s.into())
    }

    /// [`Self::issue_ahead_s`] as a duration.
    pub fn issue_ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.issue_ahead_s.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_up_the_digits_depends_on_what_the_vendor_can() {
        let row = *VendorTraits::of("ttlock");
        let (ours, theirs) =
            (StayPolicy::default(), StayPolicy { pin_source: PinSource::Vendor, ..StayPolicy::default() });
        let (never, only) =
            (VendorTraits { make_pin: false, ..row }, VendorTraits { choose_pin: false, min_pin_digits: 8, ..row });
        assert_eq!([&ours, &theirs].map(|p| p.source_at(&row)), [PinSource::Ours, PinSource::Vendor]);
        assert_eq!([&ours, &theirs].map(|p| p.source_at(&never)), [PinSource::Ours; 2]);
        assert_eq!([&ours, &theirs].map(|p| p.source_at(&only)), [PinSource::Vendor; 2]);
        assert_eq!(ours.check_at(&only), Ok(()), "the vendor's own digits have the vendor's length");
        let short = VendorTraits { max_pin_digits: 5, ..row };
        assert_eq!(ours.check_at(&short), Err(PolicyError { field: "pin_digits", least: 4, most: 5 }));
    }

    #[test]
    fn keys_are_made_when_the_vendor_and_their_kind_allow_it() {
        let policy = StayPolicy::default();
        let ahead = |vendor, kind| policy.at(VendorTraits::of(vendor), kind).issue_ahead_s;
        assert_eq!(ahead("ttlock", KeyKind::Pin), policy.issue_ahead_s);
        assert_eq!(ahead("salto_ks", KeyKind::Pin), policy.pad_before_s, "it would open a day too early");
        assert_eq!(ahead("visionline", KeyKind::Card), u32::MAX, "somebody stands at the encoder now");
    }

    #[test]
    fn defaults_fit_and_bad_values_are_named() {
        assert_eq!(StayPolicy::default().check(), Ok(()));
        let bad = StayPolicy { pin_digits: 3, ..StayPolicy::default() };
        assert_eq!(bad.check(), Err(PolicyError { field: "pin_digits", least: 4, most: 9 }));
    }
}
