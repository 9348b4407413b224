//! The port's operations as commands of a PMS: a card is written at an encoder, and nothing else can be asked.

use async_trait::async_trait;
use jiff::Timestamp;
use lock_domain::window::Window;
use lock_wires::salto_pms::command::{Command, Eject, Guest, OPERATOR, ROOMS};
use lock_wires::salto_pms::frame;
use lock_wires::salto_pms::reply::{CardRead, GuestCard, Reply};
use secrecy::ExposeSecret;

use super::NAME;
use super::config::SaltoPmsConfig;
use super::reference::{Made, Reference};
use super::session::{Session, bad_answer};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::lanes::Turn;
use crate::port::{
    CallContext, Capabilities, CredentialToken, Deletion, Issued, KeyForm, KeySpec, LockVendor, RevokeReach, Scope,
    VendorCredential, VendorCredentialRef, VendorLock, VendorLockRef,
};
use crate::registry::Parts;
use crate::rounding::Granularity;
use crate::salto::{LocalWindow, Operation, local};

/// The PMS interface of one Space server.
pub(crate) struct SaltoPms {
    session: Session,
}

/// A key as the wire says it.
struct Wanted<'a> {
    rooms: Vec<&'a str>,
    granted: Vec<u8>,
    told: LocalWindow,
    operator: String,
    copy: bool,
}

impl SaltoPms {
    pub(crate) fn new(config: SaltoPmsConfig, parts: Parts) -> Self {
        Self { session: Session::new(config, parts) }
    }

    fn config(&self) -> &SaltoPmsConfig {
        self.session.config()
    }

    fn rooms<'a>(&self, doors: &'a [VendorLockRef]) -> Vec<&'a str> {
        let is_room = |id: &&str| !self.config().authorisations.contains_key(*id);
        doors.iter().map(|door| door.lock_id.as_str()).filter(is_room).collect()
    }

    fn wanted<'a>(&self, spec: &'a KeySpec) -> Option<Wanted<'a>> {
        let rooms = self.rooms(&spec.doors);
        let sendable =
            (1..=ROOMS).contains(&rooms.len()) && rooms.iter().all(|room| !room.is_empty() && frame::fits(room));
        let granted =
            spec.doors.iter().filter_map(|door| self.config().authorisations.get(&door.lock_id).copied()).collect();
        let told = local(spec.window, &self.config().zone)?;
        let operator = operator(&spec.token);
        sendable.then_some(Wanted { rooms, granted, told, operator, copy: spec.joins })
    }

    /// Writes a card, unless the one on the encoder is the one that was asked for already.
    ///
    /// The card is read first: after a lost reply it is the only witness, and a second check-in would end the first one's cards. Reading
    /// needs the card on the encoder, as writing does.
    async fn card(&self, operation: Operation<'_>, encoder: &str, wanted: &Wanted<'_>) -> Result<Issued, VendorError> {
        let turn = self.session.turn(operation).await?;
        if self.lies_there(operation, &turn, encoder, wanted).await? {
            return Ok(wanted.issued(String::new()));
        }
        let command = Command::Card { encoder, eject: Eject::Retain, cards: 1, guest: wanted.guest() };
        match self.session.call(operation, &turn, &command).await {
            Ok(Reply::Written { serials }) => Ok(wanted.issued(serials.into_iter().next().unwrap_or_default())),
            Ok(_) => Err(bad_answer(command.verb(), true)),
            Err(error) if error.outcome() == EffectOutcome::Unconfirmed => {
                match self.lies_there(operation, &turn, encoder, wanted).await {
                    Ok(true) => Ok(wanted.issued(String::new())),
                    // Another card on the encoder is no proof that none was written.
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn lies_there(
        &self,
        operation: Operation<'_>,
        turn: &Turn,
        encoder: &str,
        wanted: &Wanted<'_>,
    ) -> Result<bool, VendorError> {
        let command = Command::ReadCard { encoder, eject: Eject::Retain };
        match self.session.call(operation, turn, &command).await? {
            Reply::Card(CardRead::Guest(card)) => Ok(wanted.is(&card, self.config().assumed.operator_names_key)),
            Reply::Card(CardRead::Staff) => {
                Err(super::errors::error(command.verb(), super::reply::Refusal::StaffCard, false))
            }
            Reply::Card(_) => Ok(false),
            _ => Err(bad_answer(command.verb(), false)),
        }
    }

    async fn mobile(&self, operation: Operation<'_>, phone: &str, wanted: &Wanted<'_>) -> Result<Issued, VendorError> {
        let turn = self.session.turn(operation).await?;
        let command = Command::Mobile { phone, guest: wanted.guest() };
        match self.session.call(operation, &turn, &command).await? {
            Reply::Done => Ok(wanted.issued(String::new())),
            _ => Err(bad_answer(command.verb(), true)),
        }
    }

    async fn check_out(&self, operation: Operation<'_>, rooms: &[&str]) -> Result<Deletion, VendorError> {
        let turn = self.session.turn(operation).await?;
        let mut all = Deletion::AlreadyGone;
        for room in rooms {
            let command = Command::CheckOut { room };
            match self.session.call(operation, &turn, &command).await {
                Ok(Reply::Done) => all = Deletion::Deleted,
                Ok(_) => return Err(bad_answer(command.verb(), true)),
                // Nobody is in it: that is what was wanted.
                Err(error) if error.condition() == Condition::NotCheckedIn => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

impl Wanted<'_> {
    fn guest(&self) -> Guest<'_> {
        Guest {
            copy: self.copy,
            rooms: &self.rooms,
            granted: &self.granted,
            denied: &[],
            start: Some(self.told.from),
            expiry: self.told.until,
            operator: &self.operator,
        }
    }

    fn is(&self, card: &GuestCard, operator_names_key: bool) -> bool {
        let same = card.checked_in
            && card.rooms.first().map(String::as_str) == self.rooms.first().copied()
            && (card.start, card.expiry) == (Some(self.told.from), Some(self.told.until));
        if operator_names_key && !card.operator.is_empty() {
            return same && card.operator == self.operator;
        }
        same && (card.copy != "0") == self.copy
    }

    fn issued(&self, serial: String) -> Issued {
        let reference = Reference {
            made: if self.copy { Made::Copy } else { Made::CheckIn },
            window: self.told.window,
            serial,
            room: self.rooms.first().copied().unwrap_or_default().to_owned(),
        };
        let name = self.operator.clone();
        let window = Some(self.told.window);
        Issued {
            credential: VendorCredential { reference: reference.text(), name, window, confirmed_at_lock: true },
            pin: None,
        }
    }
}

/// As much of the name as an operator's name may have: of ours, the prefix and 80 bits.
fn operator(token: &CredentialToken) -> String {
    token.as_str().chars().take(OPERATOR).collect()
}

fn permanent(verb: &'static str, condition: Condition) -> VendorError {
    VendorError::new(NAME, verb, condition, EffectOutcome::Permanent)
}

#[async_trait]
impl LockVendor for SaltoPms {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scope: Scope::Key,
            pin: false,
            mobile: self.config().assumed.mobile,
            card: true,
            choose_pin: false,
            offline_pin: false,
            one_time_pin: false,
            change_window: false,
            time_sync: false,
            read_back: false,
            window_granularity: Granularity::Minute,
            offline_granularity: Granularity::Minute,
            revoke_reach: RevokeReach::NextCard,
            window_start: true,
            min_pin_digits: 0,
            max_pin_digits: 0,
            max_codes_per_lock: u32::MAX,
            max_name_chars: OPERATOR as u32,
        }
    }

    async fn issue(&self, call: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        let verb = if spec.joins { "CC" } else { "CN" };
        match &spec.form {
            KeyForm::Card { encoder } => {
                let wanted = self.wanted(spec).ok_or_else(|| permanent(verb, Condition::InvalidRequest))?;
                self.card(Operation::with_card(call, self.config().card_wait), encoder, &wanted).await
            }
            KeyForm::Mobile { recipient } if self.config().assumed.mobile => {
                let wanted = self.wanted(spec).ok_or_else(|| permanent(verb, Condition::InvalidRequest))?;
                self.mobile(Operation::begin(call), recipient.expose_secret(), &wanted).await
            }
            _ => Err(VendorError::unsupported(NAME, spec.form.name())),
        }
    }

    async fn find(
        &self,
        _call: &CallContext,
        _doors: &[VendorLockRef],
        _token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        Err(permanent("find", Condition::NotReadable))
    }

    /// The server is told; cards learn of it when they are written again, or at a reader that updates them. The start stays.
    async fn change_window(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let known = Reference::read(credential).ok_or_else(|| permanent("MC", Condition::CredentialGone))?;
        let told = local(Window { from: known.window.from, ..window }, &self.config().zone);
        let told = told.ok_or_else(|| permanent("MC", Condition::InvalidRequest))?;
        let operation = Operation::begin(call);
        let turn = self.session.turn(operation).await?;
        let rooms = self.rooms(doors);
        let room = rooms.first().copied().unwrap_or(known.room.as_str());
        let command = Command::Modify { room, new_room: None, expiry: told.until };
        match self.session.call(operation, &turn, &command).await? {
            Reply::Done => {}
            _ => return Err(bad_answer(command.verb(), true)),
        }
        let changed = Reference { window: Window { until: told.window.until, ..known.window }, ..known };
        Ok(VendorCredential {
            reference: changed.text(),
            name: operator(token),
            window: Some(changed.window),
            confirmed_at_lock: false,
        })
    }

    async fn delete(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        self.delete_all(call, doors, std::slice::from_ref(credential)).await
    }

    /// Checks the rooms out, when the key that checked the guest in is among them. A copy alone can't be taken away: it ends with its
    /// window, or with the next guest's card at the door.
    async fn delete_all(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credentials: &[VendorCredentialRef],
    ) -> Result<Deletion, VendorError> {
        let known: Option<Vec<_>> = credentials.iter().map(Reference::read).collect();
        let known = known.ok_or_else(|| permanent("CO", Condition::CredentialGone))?;
        let now = Timestamp::now();
        // A check-out after the end would hit whoever is in the room by then.
        let living: Vec<_> = known.iter().filter(|key| key.window.until > now).collect();
        if living.is_empty() {
            return Ok(Deletion::AlreadyGone);
        }
        let Some(first) = living.iter().find(|key| key.made == Made::CheckIn) else {
            return Err(permanent("CO", Condition::SharedDoor));
        };
        if !self.config().assumed.delete_checks_out {
            return Err(permanent("CO", Condition::SharedDoor));
        }
        let rooms = self.rooms(doors);
        let rooms = if rooms.is_empty() { vec![first.room.as_str()] } else { rooms };
        self.check_out(Operation::begin(call), &rooms).await
    }

    async fn list(&self, _call: &CallContext, _lock: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        Err(permanent("list", Condition::NotReadable))
    }

    async fn locks(&self, _call: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        Err(VendorError::unsupported(NAME, "locks"))
    }
}
