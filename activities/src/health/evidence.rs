//! What a vendor's answer says of its health: a table of conditions.

use lock_domain::health::{Finding, Reach};
use lock_vendors::error::{Condition, VendorError};

/// A vendor that says no has answered, and is well; one that does not answer is not. What is known of the effect does not matter here.
pub(crate) fn finding(error: &VendorError) -> Finding {
    use Condition as C;
    let reach = match error.condition() {
        C::Unreachable
        | C::NoAnswer
        | C::ServerError
        | C::BadAnswer
        | C::AccessRefused
        | C::WrongRegion
        | C::ClockSkew
        | C::CertificateRefused => Some(Reach::Link),
        C::GatewayOffline
        | C::GatewayBusy
        | C::GatewayUnknown
        | C::EncoderOffline
        | C::EncoderBusy
        | C::EncoderUnknown => Some(Reach::Gateway),
        C::PermissionMissing
        | C::LockUnknown
        | C::LockFrozen
        | C::LockNotReady
        | C::LockOffline
        | C::LockBusy
        | C::LockFull => Some(Reach::Lock),
        // Nothing was asked, or what was said can mean anything.
        C::Unsupported
        | C::WireNotPublic
        | C::NotReadable
        | C::Failed
        | C::NotSettled
        | C::LicenceMissing
        | C::RateLimited
        | C::QuotaExhausted => return Finding::Silent,
        C::PinTaken
        | C::PinTooSimple
        | C::PinLength
        | C::NeverUsed
        | C::PeriodUsed
        | C::CredentialGone
        | C::FeatureMissing
        | C::InvalidRequest
        | C::Refused
        | C::CardMissing
        | C::CardUnusable
        | C::CardCancelled
        | C::SharedDoor
        | C::SeatsExhausted
        | C::TooEarly
        | C::PinEndsFirst
        | C::RecordLocked
        | C::NotCheckedIn
        | C::RoomOutOfService => None,
    };
    match reach {
        // The condition's own code: that the effect is unproven as well is of no interest here.
        Some(reach) => Finding::Bad { reach, code: error.condition().problem() },
        None => Finding::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_vendors::error::EffectOutcome;

    #[test]
    fn r_lock_22_only_what_the_vendor_owes_counts_against_it() {
        let against: Vec<Condition> = Condition::ALL
            .iter()
            .copied()
            .filter(|condition| {
                let error = VendorError::new("v", "add", *condition, EffectOutcome::Unconfirmed);
                matches!(finding(&error), Finding::Bad { reach: Reach::Link | Reach::Vendor, .. })
            })
            .collect();
        use Condition as C;
        let expected = [
            C::Unreachable,
            C::NoAnswer,
            C::ServerError,
            C::BadAnswer,
            C::AccessRefused,
            C::WrongRegion,
            C::ClockSkew,
            C::CertificateRefused,
        ];
        assert_eq!(against, expected);
    }
}
