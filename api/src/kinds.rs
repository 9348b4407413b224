//! From what a request says about kinds of keys to what each key is: a PIN, or a card that is written at an encoder. Pure.
//!
//! What the vendor can't do is refused here, with the field and what to send instead, before anybody stands at a door or at an encoder.

use crate::{
    dto::{MoreKeys, NewStay, Replace},
    intent::{self, AskedPin, PinPlan},
    problem::Problem,
};
use lock_domain::{credential::KeyKind, policy::StayPolicy, problem::Code, vendor::VendorTraits};

/// Longest name of an encoder.
const LONGEST: usize = 64;

/// What a request says about its keys.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AskedKeys<'a> {
    kind: Option<KeyKind>,
    encoder: Option<&'a str>,
    pin: AskedPin<'a>,
}

macro_rules! asked_keys {
    ($($body:ident),*) => {$(
        impl<'a> From<&'a $body> for AskedKeys<'a> {
            fn from(body: &'a $body) -> Self {
                Self { kind: body.kind, encoder: body.encoder.as_deref(), pin: body.into() }
            }
        }
    )*};
}

asked_keys!(NewStay, MoreKeys, Replace);

/// Where each of so many keys comes from. `name` is the property's vendor.
pub(crate) fn plans(asked: AskedKeys<'_>, keys: u16, policy: &StayPolicy, name: &str) -> Result<Vec<PinPlan>, Problem> {
    let vendor = usable(name)?;
    let kind = match (asked.kind, asked.encoder) {
        (Some(kind), _) => kind,
        (None, Some(_)) => KeyKind::Card,
        (None, None) => vendor.usual_kind(),
    };
    match kind {
        _ if !vendor.has(kind) => Err(missing(kind, name)),
        KeyKind::Pin if asked.encoder.is_some() => Err(Problem::field(
            Code::InvalidField,
            "encoder",
            "an `encoder` goes with the kind `card`; a PIN needs none",
        )),
        KeyKind::Pin => intent::pin_plans(asked.pin, keys, policy, vendor),
        KeyKind::Card => {
            if let Some(field) = asked.pin.field() {
                let detail = format!("the keys are cards, and a card has no PIN: leave `{field}` out");
                return Err(Problem::field(Code::CapabilityMissing, field, detail));
            }
            let encoder = encoder(asked.encoder)?;
            Ok(vec![PinPlan::Card { encoder }; keys.into()])
        }
    }
}

/// The kind of keys that these plans lead to.
pub(crate) fn kind(plans: &[PinPlan]) -> KeyKind {
    if plans.iter().any(|plan| matches!(plan, PinPlan::Card { .. })) { KeyKind::Card } else { KeyKind::Pin }
}

/// The traits of a vendor at which keys can be made.
fn usable(name: &str) -> Result<&'static VendorTraits, Problem> {
    let vendor = VendorTraits::of(name);
    if !vendor.public {
        let detail = format!("the interface of {name} is not public, so no key can be made there");
        return Err(Problem::new(Code::WireNotPublic, detail));
    }
    if !vendor.is_known() {
        return Err(Problem::new(Code::CapabilityMissing, "there is no adapter for the property's lock vendor"));
    }
    Ok(vendor)
}

fn missing(kind: KeyKind, name: &str) -> Problem {
    let detail = match kind {
        KeyKind::Pin => format!("{name} has no PINs; send the kind `card` and the `encoder` at which it is written"),
        KeyKind::Card => format!("{name} has no cards; leave `kind` and `encoder` out, and the key is a PIN"),
    };
    Problem::field(Code::CapabilityMissing, "kind", detail)
}

/// An encoder's name.
pub(crate) fn encoder(asked: Option<&str>) -> Result<String, Problem> {
    let refusal = |detail: String| Problem::field(Code::InvalidField, "encoder", detail);
    let Some(name) = asked else {
        return Err(refusal(
            "a card is written at an encoder: send the name of the one at which somebody puts the card".to_owned(),
        ));
    };
    let fits = (1..=LONGEST).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(refusal(format!("an encoder's name has 1 to {LONGEST} characters"))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::extract::parse;

    fn asked(text: &str, vendor: &str) -> Result<Vec<PinPlan>, (Code, Option<String>)> {
        let asked: MoreKeys = parse(text.as_bytes()).unwrap();
        plans((&asked).into(), 2, &StayPolicy::default(), vendor).map_err(|problem| (problem.code, problem.field))
    }

    #[test]
    fn a_pin_where_there_are_pins_and_a_card_where_there_are_none() {
        assert!(matches!(asked("{}", "ttlock").unwrap()[..], [PinPlan::Draw(_), PinPlan::Draw(_)]));
        assert!(matches!(asked("{}", "salto_ks").unwrap()[..], [PinPlan::Vendor { .. }, PinPlan::Vendor { .. }]));
        for vendor in ["visionline", "salto_ship", "salto_pms"] {
            let made = asked(r#"{"encoder":"Desk 1"}"#, vendor).unwrap();
            assert!(matches!(&made[..], [PinPlan::Card { encoder }, PinPlan::Card { .. }] if encoder == "Desk 1"));
            assert_eq!(kind(&made), KeyKind::Card);
        }
    }

    #[test]
    fn what_can_not_be_is_refused_with_its_field() {
        let refused = |text, vendor, code, field: &str| {
            assert_eq!(asked(text, vendor).unwrap_err(), (code, Some(field.to_owned())), "{text} {vendor}");
        };
        refused("{}", "visionline", Code::InvalidField, "encoder");
        refused(r#"{"encoder":""}"#, "visionline", Code::InvalidField, "encoder");
        refused(r#"{"kind":"pin"}"#, "visionline", Code::CapabilityMissing, "kind");
        refused(r#"{"encoder":"E","pin":"482913"}"#, "salto_pms", Code::CapabilityMissing, "pin");
        refused(r#"{"pin":"482913"}"#, "salto_pms", Code::CapabilityMissing, "pin");
        refused(r#"{"kind":"card","encoder":"E"}"#, "ttlock", Code::CapabilityMissing, "kind");
        refused(r#"{"encoder":"E"}"#, "salto_ks", Code::CapabilityMissing, "kind");
        refused(r#"{"kind":"pin","encoder":"E"}"#, "ttlock", Code::InvalidField, "encoder");
        assert_eq!(asked("{}", "vostio").unwrap_err(), (Code::WireNotPublic, None));
        assert_eq!(asked("{}", "dormakaba").unwrap_err(), (Code::WireNotPublic, None));
        assert_eq!(asked("{}", "nobody").unwrap_err(), (Code::CapabilityMissing, None));
    }
}
