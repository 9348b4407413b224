//! The port's operations as calls of the server.
//!
//! A key's name stands in `description`. There is nothing that makes a repeated `POST /cards` harmless: a second card with
//! `override` ends the first, which a guest may have in his hand. So every issue looks for our name at the door before it sends, and
//! an issue without a whole answer is unconfirmed.

use std::time::Duration;

use async_trait::async_trait;
use lock_domain::window::Window;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::NAME;
use super::config::VisionlineConfig;
use super::local_time::speak;
use super::session::{Gate, Verb, Visit};
use super::wire::{CardBody, CardMade, CardRow, CheckOut, DoorOperation, DoorRow, EncoderRow};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::lanes::Lanes;
use crate::port::{
    CallContext, Capabilities, CredentialToken, Deletion, GatewayStatus, Issued, KeyForm, KeySpec, LockVendor,
    RevokeReach, Scope, VendorCredential, VendorCredentialRef, VendorLock, VendorLockRef,
};
use crate::registry::{Parts, RegistryError};
use crate::rounding::Granularity;

const ENCODE: Verb = Verb::change("cards/encode");
const MOBILE: Verb = Verb::change("cards/mobileAccess");
const CARDS: Verb = Verb::read("cards/list");
const CHECK_OUT: Verb = Verb::change("doors/checkOut");
const DOORS: Verb = Verb::read("doors/list");
const ENCODERS: Verb = Verb::read("encoders/list");
/// Ways to a telephone take up to a minute.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// One Visionline server.
pub(crate) struct Visionline {
    gate: Gate,
    encoders: Lanes,
}

impl Visionline {
    pub(crate) fn new(config: VisionlineConfig, parts: Parts) -> Result<Self, RegistryError> {
        Ok(Self { gate: Gate::new(config, parts.meter)?, encoders: Lanes::default() })
    }

    /// The live cards of a door.
    async fn cards(&self, visit: &mut Visit<'_>, door: &str) -> Result<Vec<CardRow>, VendorError> {
        let target = format!("/cards?guestDoor={}", sent(door));
        let mut rows: Vec<CardRow> = visit.get(CARDS, &target).await?;
        rows.retain(CardRow::live);
        Ok(rows)
    }

    /// The names of these doors; of all there are when there are none. The server lists cards by door only.
    async fn names(&self, visit: &mut Visit<'_>, doors: &[VendorLockRef]) -> Result<Vec<String>, VendorError> {
        if !doors.is_empty() {
            return Ok(doors.iter().map(|door| door.lock_id.clone()).collect());
        }
        let rows: Vec<DoorRow> = visit.get(DOORS, "/doors?details=true").await?;
        Ok(rows.into_iter().map(|row| VendorLock::from(row).lock_id).collect())
    }

    /// The live card with this name that opens all these doors, or any door when there are none.
    async fn standing(
        &self,
        visit: &mut Visit<'_>,
        doors: &[VendorLockRef],
        name: &str,
    ) -> Result<Standing, VendorError> {
        let (mut first, mut missing) = (None, false);
        for door in self.names(visit, doors).await? {
            let mut rows = self.cards(visit, &door).await?;
            rows.retain(|row| row.named(name));
            if rows.len() > 1 {
                tracing::warn!(vendor = NAME, %door, token = name, count = rows.len(), "one name, several cards");
            }
            let row = rows.into_iter().next();
            missing |= row.is_none() && !doors.is_empty();
            first = first.or(row);
            if doors.is_empty() && first.is_some() {
                break;
            }
        }
        Ok(match first {
            None => Standing::Nowhere,
            Some(_) if missing => Standing::Elsewhere,
            Some(row) => Standing::Here(self.credential(&row)),
        })
    }

    fn credential(&self, row: &CardRow) -> VendorCredential {
        let config = self.gate.config();
        let assumed = if row.mobile() {
            config.assumptions.listed_means_delivered
        } else {
            config.assumptions.listed_means_written
        };
        VendorCredential {
            reference: VendorCredentialRef(row.name().to_owned()),
            name: row.name().to_owned(),
            window: row.window(&config.zone),
            confirmed_at_lock: row.delivered().unwrap_or(assumed),
        }
    }

    async fn issue_in(&self, visit: &mut Visit<'_>, spec: &KeySpec) -> Result<Issued, VendorError> {
        let plan = Plan::of(spec, self.gate.config())?;
        let _turn = match &plan.encoder {
            Some(encoder) => Some(self.turn(visit, encoder).await?),
            None => None,
        };
        match self.standing(visit, &spec.doors, spec.token.as_str()).await? {
            Standing::Here(credential) => return Ok(Issued { credential, pin: None }),
            Standing::Elsewhere => {
                let error = VendorError::new(NAME, plan.verb.name, Condition::Refused, EffectOutcome::Permanent);
                return Err(error.advising(
                    "Issue a new key: the card of this one opens other doors, and a card can't be changed from afar.",
                ));
            }
            Standing::Nowhere => {}
        }
        let config = self.gate.config();
        let spoken = speak(spec.window, &config.zone);
        let body = CardBody {
            start_time: &spoken.start,
            expire_time: &spoken.expire,
            format: config.card_format.name(),
            door_operations: vec![DoorOperation {
                doors: spec.doors.iter().map(|door| door.lock_id.as_str()).collect(),
                operation: &config.assumptions.guest_operation,
            }],
            description: spec.token.as_str(),
            label: plan.end_point.map(|_| config.label.as_str()),
            end_point: plan.end_point,
        };
        let _: CardMade = visit.post(plan.verb, &plan.target, &body).await?;
        let credential = VendorCredential {
            reference: VendorCredentialRef(spec.token.as_str().to_owned()),
            name: spec.token.as_str().to_owned(),
            window: Some(spoken.window),
            // A card is written when the server answers; a key is on its way to the telephone.
            confirmed_at_lock: plan.end_point.is_none(),
        };
        Ok(Issued { credential, pin: None })
    }

    async fn turn(&self, visit: &Visit<'_>, encoder: &str) -> Result<crate::lanes::Turn, VendorError> {
        self.encoders.turn(encoder, visit.deadline).await.ok_or_else(|| {
            let outcome = EffectOutcome::Retryable { after: None };
            VendorError::new(NAME, ENCODE.name, Condition::EncoderBusy, outcome)
        })
    }

    /// Ends these credentials at these doors. The vendor can only check a whole room out; so all keys that open it must be among them.
    async fn check_out(
        &self,
        visit: &mut Visit<'_>,
        doors: &[VendorLockRef],
        credentials: &[VendorCredentialRef],
    ) -> Result<Deletion, VendorError> {
        let mut ours = Vec::new();
        for door in self.names(visit, doors).await? {
            let rows = self.cards(visit, &door).await?;
            let leaving = |row: &CardRow| credentials.iter().any(|credential| credential.0 == row.name());
            if rows.iter().any(leaving) {
                if !rows.iter().all(leaving) {
                    return Err(VendorError::new(
                        NAME,
                        CHECK_OUT.name,
                        Condition::SharedDoor,
                        EffectOutcome::Permanent,
                    ));
                }
                ours.push(door);
            }
        }
        if ours.is_empty() {
            return Ok(Deletion::AlreadyGone);
        }
        let path = &self.gate.config().assumptions.check_out_path;
        if path.is_empty() {
            let error = VendorError::new(NAME, CHECK_OUT.name, Condition::FeatureMissing, EffectOutcome::Permanent);
            return Err(error.advising("Collect the card, or cut one for the next guest: taking keys away is not set up for this server, and they open until their time is over."));
        }
        for door in ours {
            let target = path.replace("{door}", &sent(&door));
            let _: Value = visit.post(CHECK_OUT, &target, &CheckOut { checked_out: true }).await?;
        }
        Ok(Deletion::Deleted)
    }
}

enum Standing {
    Nowhere,
    /// At some of the doors only.
    Elsewhere,
    Here(VendorCredential),
}

/// How a form becomes a call.
struct Plan<'a> {
    verb: Verb,
    target: String,
    encoder: Option<&'a str>,
    end_point: Option<&'a str>,
}

impl<'a> Plan<'a> {
    fn of(spec: &'a KeySpec, config: &VisionlineConfig) -> Result<Self, VendorError> {
        let invalid =
            |verb: Verb| VendorError::new(NAME, verb.name, Condition::InvalidRequest, EffectOutcome::Permanent);
        // Parameters in alphabetical order: one known client sorts them before it signs, and then both ways are the same.
        match &spec.form {
            KeyForm::Card { encoder } => {
                if spec.doors.is_empty() || encoder.is_empty() {
                    return Err(invalid(ENCODE));
                }
                let join = if spec.joins { "&autoJoin=true" } else { "" };
                let over = if config.overwrite_valid_card { "&overwriteValidCard=true" } else { "" };
                let target = format!("/cards?action=encode{join}&encoder={}{over}", sent(encoder));
                Ok(Self { verb: ENCODE, target, encoder: Some(encoder), end_point: None })
            }
            KeyForm::Mobile { recipient } => {
                let end_point = recipient.expose_secret();
                if spec.doors.is_empty() || end_point.is_empty() || end_point.starts_with('+') {
                    let remedy = "Have the guest set up the hotel's app first: a key goes to the app's endpoint, not to a telephone number.";
                    return Err(invalid(MOBILE).advising(remedy));
                }
                let how = if spec.joins { "autoJoin=true" } else { "override=true" };
                let target = format!("/cards?action=mobileAccess&{how}");
                Ok(Self { verb: MOBILE, target, encoder: None, end_point: Some(end_point) })
            }
            KeyForm::ChosenPin(_) | KeyForm::VendorPin { .. } => Err(VendorError::unsupported(NAME, spec.form.name())),
        }
    }
}

/// Percent-encoded for path and query alike.
fn sent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[async_trait]
impl LockVendor for Visionline {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scope: Scope::Key,
            pin: false,
            mobile: true,
            card: true,
            choose_pin: false,
            offline_pin: false,
            one_time_pin: false,
            change_window: false,
            time_sync: false,
            read_back: true,
            window_granularity: Granularity::Minute,
            offline_granularity: Granularity::Minute,
            revoke_reach: RevokeReach::NextCard,
            window_start: true,
            min_pin_digits: 0,
            max_pin_digits: 0,
            max_codes_per_lock: u32::MAX,
            max_name_chars: 40,
        }
    }

    async fn issue(&self, call: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        let mut visit = self.gate.visit(call);
        let result = self.issue_in(&mut visit, spec).await;
        visit.end().await;
        result
    }

    async fn find(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        let mut visit = self.gate.visit(call);
        let result = self.standing(&mut visit, doors, token.as_str()).await;
        visit.end().await;
        Ok(match result? {
            Standing::Here(credential) => Some(credential),
            Standing::Nowhere | Standing::Elsewhere => None,
        })
    }

    /// A card can't be changed from afar. It is answered well only when the card says what is wanted already.
    async fn change_window(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        _: &VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let unsupported = VendorError::unsupported(NAME, "change_window");
        let Some(found) = self.find(call, doors, token).await? else { return Err(unsupported) };
        if found.window != Some(speak(window, &self.gate.config().zone).window) {
            return Err(unsupported
                .advising("Issue a new key with the new dates: what stands on a card can't be changed from afar."));
        }
        if !found.confirmed_at_lock {
            let outcome = EffectOutcome::Retryable { after: Some(ON_ITS_WAY) };
            let error = VendorError::new(NAME, CARDS.name, Condition::NoAnswer, outcome);
            return Err(
                error.advising("Ask the guest to open the hotel's app where there is network: the key is on its way.")
            );
        }
        Ok(found)
    }

    async fn delete(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        self.delete_all(call, doors, std::slice::from_ref(credential)).await
    }

    async fn delete_all(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credentials: &[VendorCredentialRef],
    ) -> Result<Deletion, VendorError> {
        let mut visit = self.gate.visit(call);
        let result = self.check_out(&mut visit, doors, credentials).await;
        visit.end().await;
        result
    }

    async fn list(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        let mut visit = self.gate.visit(call);
        let result = self.cards(&mut visit, &lock.lock_id).await;
        visit.end().await;
        let listed = |row: &CardRow| {
            let mut credential = self.credential(row);
            // What others wrote on their cards may be a guest's name; an id is told by the server.
            if let Some(id) = row.server_id().filter(|_| CredentialToken::ours(row.name()).is_none()) {
                credential.reference = VendorCredentialRef(id.to_owned());
            }
            credential
        };
        Ok(result?.iter().map(listed).collect())
    }

    async fn gateways(&self, call: &CallContext) -> Result<Vec<GatewayStatus>, VendorError> {
        let path = &self.gate.config().assumptions.encoders_path;
        if path.is_empty() {
            return Ok(Vec::new());
        }
        let mut visit = self.gate.visit(call);
        let result: Result<Vec<EncoderRow>, _> = visit.get(ENCODERS, path).await;
        visit.end().await;
        Ok(result?.into_iter().map(GatewayStatus::from).collect())
    }

    async fn locks(&self, call: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        let mut visit = self.gate.visit(call);
        let result: Result<Vec<DoorRow>, _> = visit.get(DOORS, "/doors?details=true").await;
        visit.end().await;
        Ok(result?.into_iter().map(VendorLock::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_into_a_query_as_they_are() {
        assert_eq!(sent("Front Desk/1&a=b+ü"), "Front%20Desk%2F1%26a%3Db%2B%C3%BC");
        assert_eq!(sent("Encoder1"), "Encoder1");
    }
}
