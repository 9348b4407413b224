//! Where the digits of keys come from: the request decides, the property's policy fills in, the vendor limits.
//!
//! It must not draw or allot any: [`crate::pins`] does, by the plans that are made here.

use crate::{
    dto::{ChosenPin, MoreKeys, NewStay, Phone, Replace},
    problem::Problem,
};
use lock_domain::{
    pin::{self, PinError, PinOrigin, PinSource, PinStrategy},
    policy::StayPolicy,
    problem::Code,
    vendor::VendorTraits,
};
use secrecy::{ExposeSecret, SecretString};

/// What a request says about digits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AskedPin<'a> {
    pin: Option<&'a ChosenPin>,
    phone: Option<&'a Phone>,
    strategy: Option<PinStrategy>,
}

macro_rules! asked_pin {
    ($($body:ident),*) => {$(
        impl<'a> From<&'a $body> for AskedPin<'a> {
            fn from(body: &'a $body) -> Self {
                Self { pin: body.pin.as_ref(), phone: body.phone.as_ref(), strategy: body.pin_strategy }
            }
        }
    )*};
}

asked_pin!(NewStay, MoreKeys, Replace);

impl AskedPin<'_> {
    /// The first field that says something about digits.
    pub(crate) fn field(&self) -> Option<&'static str> {
        match (self.pin, self.phone, self.strategy) {
            (Some(_), ..) => Some("pin"),
            (_, Some(_), _) => Some("phone"),
            (.., Some(_)) => Some("pin_strategy"),
            _ => None,
        }
    }

    /// Whether the request holds digits that a hash of it must not give away.
    pub(crate) fn is_secret(&self) -> bool {
        self.pin.is_some() || self.phone.is_some()
    }
}

/// Where one key's digits come from.
#[derive(Debug, Clone)]
pub(crate) enum PinPlan {
    /// Drawn, and why.
    Draw(PinOrigin),
    /// These, or none.
    Chosen(SecretString),
    /// The first of these groups of a phone number that is free, or drawn. Each with whether it is the number's end.
    Phone(Vec<(bool, SecretString)>),
    /// Made up by the vendor.
    Vendor {
        /// To open once.
        one_time: bool,
    },
    /// None: it is a card, written at this encoder.
    Card {
        /// Its name at the vendor.
        encoder: String,
    },
}

/// Where the digits of so many keys come from, one plan per key.
pub(crate) fn pin_plans(
    asked: AskedPin<'_>,
    keys: u16,
    policy: &StayPolicy,
    vendor: &VendorTraits,
) -> Result<Vec<PinPlan>, Problem> {
    let AskedPin { pin, phone, strategy } = asked;
    let invalid = |field: &'static str, detail: &str| Err(Problem::field(Code::InvalidField, field, detail));
    let number = phone.map(|Phone(text)| number(text)).transpose()?;
    let strategy = match (strategy, pin, &number) {
        (None | Some(PinStrategy::Chosen), Some(_), _) => PinStrategy::Chosen,
        (Some(_), Some(_), _) => return invalid("pin_strategy", "a `pin` goes with the strategy `chosen`"),
        (Some(PinStrategy::Chosen), None, _) => return invalid("pin", "the strategy `chosen` takes a `pin`"),
        (Some(PinStrategy::FromPhone), _, None) => {
            return invalid("phone", "the strategy `from_phone` takes a `phone`");
        }
        (asked, ..) => asked.unwrap_or(policy.pin_strategy),
    };
    if policy.source_at(vendor) == PinSource::Vendor {
        if pin.is_some() || asked.strategy.is_some_and(|s| s != PinStrategy::Random) {
            let field = if pin.is_some() { "pin" } else { "pin_strategy" };
            let detail = "the lock vendor makes up the PINs of this property; leave `pin` and `pin_strategy` out";
            return Err(Problem::field(Code::CapabilityMissing, field, detail));
        }
        return Ok(vec![PinPlan::Vendor { one_time: false }; keys.into()]);
    }
    let (first, others) = match (strategy, pin, number) {
        (PinStrategy::Chosen, Some(chosen), _) => {
            (PinPlan::Chosen(chosen_pin(chosen, keys, vendor)?), PinOrigin::Random)
        }
        (PinStrategy::Chosen, None, _) => (PinPlan::Draw(PinOrigin::ChoiceMissing), PinOrigin::ChoiceMissing),
        (PinStrategy::FromPhone, _, Some(number)) => {
            let groups = pin::of_phone(number.expose_secret(), vendor.digits(policy.pin_digits));
            let groups = groups.into_iter().map(|(last, pin)| (last, SecretString::from(pin))).collect();
            (PinPlan::Phone(groups), PinOrigin::PhoneOfAnother)
        }
        (PinStrategy::FromPhone, _, None) => (PinPlan::Draw(PinOrigin::PhoneMissing), PinOrigin::PhoneMissing),
        (PinStrategy::Random, ..) => (PinPlan::Draw(PinOrigin::Random), PinOrigin::Random),
    };
    let rest = (1..keys).map(|_| PinPlan::Draw(others));
    Ok(std::iter::once(first).chain(rest).collect())
}

fn number(text: &SecretString) -> Result<SecretString, Problem> {
    let refusal = || {
        Problem::field(
            Code::InvalidField,
            "phone",
            "a phone number has 6 to 15 digits; spaces, dashes, dots, slashes, brackets and a plus in front may stand between them",
        )
    };
    pin::phone_digits(text.expose_secret()).map(SecretString::from).ok_or_else(refusal)
}

/// A PIN that the caller chose, for so many keys.
fn chosen_pin(ChosenPin(chosen): &ChosenPin, keys: u16, vendor: &VendorTraits) -> Result<SecretString, Problem> {
    if keys != 1 {
        return Err(Problem::field(Code::InvalidField, "pin", "a chosen PIN goes with exactly one key"));
    }
    pin::check(chosen.expose_secret()).map_err(|error| match error {
        PinError::Weak => Problem::field(Code::PinWeak, "pin", error.to_string()),
        PinError::NotDigits | PinError::Length => Problem::field(Code::InvalidField, "pin", error.to_string()),
    })?;
    if !vendor.takes(chosen.expose_secret().len()) {
        let (least, most) = (vendor.min_pin_digits, vendor.max_pin_digits);
        let detail = format!("the property's locks take PINs of {least} to {most} digits");
        return Err(Problem::field(Code::InvalidField, "pin", detail));
    }
    Ok(chosen.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::extract::parse;

    fn plans(text: &str, keys: u16, policy: &StayPolicy, vendor: &VendorTraits) -> Result<Vec<PinPlan>, Problem> {
        let asked: MoreKeys = parse(text.as_bytes()).unwrap();
        pin_plans((&asked).into(), keys, policy, vendor)
    }

    #[test]
    fn chosen_pins() {
        let (policy, ttlock) = (StayPolicy::default(), VendorTraits::of("ttlock"));
        let refused = |pin: &str, keys, vendor: &VendorTraits| {
            let problem = plans(&format!(r#"{{"pin":"{pin}"}}"#), keys, &policy, vendor).unwrap_err();
            assert!(!problem.detail.contains(pin) && problem.field.as_deref() == Some("pin"));
            (problem.code, problem.detail)
        };
        assert_eq!(refused("1234", 1, ttlock).0, Code::PinWeak);
        assert_eq!(refused("48a9", 1, ttlock).0, Code::InvalidField);
        assert_eq!(refused("4829", 2, ttlock).0, Code::InvalidField);
        let eight = VendorTraits { min_pin_digits: 8, ..*ttlock };
        assert_eq!(
            refused("482913", 1, &eight),
            (Code::InvalidField, "the property's locks take PINs of 8 to 9 digits".to_owned())
        );
        assert!(matches!(plans(r#"{"pin":"4829"}"#, 1, &policy, ttlock).unwrap()[..], [PinPlan::Chosen(_)]));
        assert!(matches!(
            plans("{}", 2, &policy, ttlock).unwrap()[..],
            [PinPlan::Draw(PinOrigin::Random), PinPlan::Draw(PinOrigin::Random)]
        ));
    }

    #[test]
    fn the_request_decides_and_the_policy_fills_in() {
        let ttlock = VendorTraits::of("ttlock");
        let policy = |pin_strategy| StayPolicy { pin_strategy, ..StayPolicy::default() };
        let (random, phone, chosen) =
            (policy(PinStrategy::Random), policy(PinStrategy::FromPhone), policy(PinStrategy::Chosen));
        let with_phone = r#"{"phone":"+351 914 829 137"}"#;
        let first = |text: &str, policy: &StayPolicy| plans(text, 1, policy, ttlock).unwrap().remove(0);
        let PinPlan::Phone(groups) = first(with_phone, &phone) else { panic!("the policy prefers phone digits") };
        let groups: Vec<_> = groups.iter().map(|(last, pin)| (*last, pin.expose_secret())).collect();
        assert_eq!(groups[..2], [(true, "829137"), (false, "482913")]);
        assert!(
            matches!(first(with_phone, &random), PinPlan::Draw(PinOrigin::Random)),
            "a number alone decides nothing"
        );
        let asked = r#"{"phone":"914829137","pin_strategy":"from_phone"}"#;
        assert!(matches!(first(asked, &random), PinPlan::Phone(_)));
        assert!(matches!(
            first(r#"{"phone":"914829137","pin_strategy":"random"}"#, &phone),
            PinPlan::Draw(PinOrigin::Random)
        ));
        assert!(matches!(first("{}", &phone), PinPlan::Draw(PinOrigin::PhoneMissing)));
        assert!(matches!(first("{}", &chosen), PinPlan::Draw(PinOrigin::ChoiceMissing)));
        assert!(matches!(first(r#"{"pin":"482913"}"#, &phone), PinPlan::Chosen(_)), "digits that are sent are wanted");
        let many = plans(with_phone, 3, &phone, ttlock).unwrap();
        assert!(matches!(
            many[..],
            [PinPlan::Phone(_), PinPlan::Draw(PinOrigin::PhoneOfAnother), PinPlan::Draw(PinOrigin::PhoneOfAnother)]
        ));
        let refused = |text: &str| {
            let problem = plans(text, 1, &random, ttlock).unwrap_err();
            (problem.code, problem.field.unwrap())
        };
        assert_eq!(refused(r#"{"pin_strategy":"chosen"}"#), (Code::InvalidField, "pin".to_owned()));
        assert_eq!(refused(r#"{"pin_strategy":"from_phone"}"#), (Code::InvalidField, "phone".to_owned()));
        assert_eq!(
            refused(r#"{"pin_strategy":"random","pin":"482913"}"#),
            (Code::InvalidField, "pin_strategy".to_owned())
        );
        assert_eq!(refused(r#"{"phone":"call reception"}"#), (Code::InvalidField, "phone".to_owned()));
    }

    #[test]
    fn a_vendor_that_makes_up_pins_takes_none() {
        let (ttlock, policy) = (VendorTraits::of("ttlock"), StayPolicy::default());
        let only = VendorTraits { choose_pin: false, ..*ttlock };
        let vendors = StayPolicy { pin_source: PinSource::Vendor, ..StayPolicy::default() };
        for (policy, vendor) in [(&policy, &only), (&vendors, ttlock)] {
            let made = plans(r#"{"phone":"914829137"}"#, 2, policy, vendor).unwrap();
            assert!(matches!(made[..], [PinPlan::Vendor { one_time: false }, PinPlan::Vendor { one_time: false }]));
            let problem = plans(r#"{"pin":"482913"}"#, 1, policy, vendor).unwrap_err();
            assert_eq!((problem.code, problem.field.as_deref()), (Code::CapabilityMissing, Some("pin")));
        }
    }
}
