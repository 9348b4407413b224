//! The port's operations as calls of SHIP: each key is a user of Space under a name of ours.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use lock_domain::window::Window;
use lock_wires::salto_ship::xml::{self, Element};
use secrecy::{ExposeSecret, SecretString};

use super::NAME;
use super::config::SaltoShipConfig;
use super::errors::{self, Class};
use super::records;
use super::session::{Session, Verb};
use super::users::{self, Card, User};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::lanes::Lanes;
use crate::port::{
    CallContext, Capabilities, CredentialToken, Deletion, Issued, KeyForm, KeySpec, LockVendor, RevokeReach, Scope,
    VendorCredential, VendorCredentialRef, VendorLock, VendorLockRef,
};
use crate::records::DoorRecord;
use crate::registry::Parts;
use crate::rounding::Granularity;
use crate::salto::{LocalWindow, Operation, local};

const INSERT: Verb = Verb::change("SaltoDBUser.Insert");
const UPDATE: Verb = Verb::change("SaltoDBUser.Update");
const DELETE: Verb = Verb::change("SaltoDBUser.Delete");
const FIRST_KEY: Verb = Verb::change("Encoder.SaltoDBUser.AssignNewKey");
const SAME_KEY: Verb = Verb::change("Encoder.SaltoDBUser.UpdateCurrentKey");
const USERS: Verb = Verb::read("SaltoDBUserList.Read");
const DOORS: Verb = Verb::read("SaltoDBDoorList.Read");
const TRAIL: Verb = Verb::read("SaltoDBAuditTrail.Read");

const SHORTEST_PIN: u8 = 4;
const LONGEST_PIN: u8 = 8;
/// Far more pages than any server has users for mean an answer that never ends.
const MOST_PAGES: u32 = 2_000;

/// One Space server.
pub(crate) struct SaltoShip {
    session: Session,
    lanes: Lanes,
}

impl SaltoShip {
    pub(crate) fn new(config: SaltoShipConfig, parts: Parts) -> Self {
        Self { session: Session::new(config, parts), lanes: Lanes::default() }
    }

    fn config(&self) -> &SaltoShipConfig {
        self.session.config()
    }

    fn told(&self, verb: Verb, window: Window) -> Result<LocalWindow, VendorError> {
        local(window, &self.config().zone).ok_or_else(|| invalid(verb))
    }

    /// A whole list. The next page begins with the last id of the one before, or behind it: both are taken.
    async fn rows(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        (list, id): (&str, &str),
        start_at: &'static str,
        wanted: &[Element],
    ) -> Result<Vec<Element>, VendorError> {
        let mut rows: Vec<Element> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut last: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut params = vec![Element::leaf("MaxCount", self.config().page_size)];
            params.extend(last.as_ref().map(|last| Element::leaf(start_at, last)));
            params.extend_from_slice(wanted);
            let mut answer = self.session.call(operation, verb, params).await?;
            let (page, more) = users::page(&mut answer, list).ok_or_else(|| self.session.bad_answer(verb))?;
            let before = rows.len();
            for row in page {
                let name = row.text_of(id).ok_or_else(|| self.session.bad_answer(verb))?.to_owned();
                last = Some(name.clone());
                if seen.insert(name) {
                    rows.push(row);
                }
            }
            if !more {
                return Ok(rows);
            }
            if rows.len() == before {
                break;
            }
        }
        // It says that there is more, and shows nothing: what we look for may be in it.
        Err(self.session.bad_answer(verb))
    }

    async fn user_rows(&self, operation: Operation<'_>) -> Result<Vec<Element>, VendorError> {
        let names = ("SaltoDBUserList", users::ID);
        let wanted = [Element::leaf("ReturnAccessPermissions_User_Door", 1)];
        self.rows(operation, USERS, names, "StartingFromExtUserID", &wanted).await
    }

    async fn user(&self, operation: Operation<'_>, id: &str) -> Result<Option<(User, Element)>, VendorError> {
        let rows = self.user_rows(operation).await?;
        let Some(record) = users::named(&rows, id) else { return Ok(None) };
        let user = User::read(record, &self.config().zone).ok_or_else(|| self.session.bad_answer(USERS))?;
        Ok(Some((user, record.clone())))
    }

    /// Makes the user, or gives the one that stands there from an earlier call the wanted times, doors and digits.
    async fn put(
        &self,
        operation: Operation<'_>,
        spec: &KeySpec,
        told: &LocalWindow,
        pin: Option<&SecretString>,
    ) -> Result<(), VendorError> {
        let id = spec.token.as_str();
        let mut wanted = users::times(told);
        wanted.extend(users::pin(pin.map(ExposeSecret::expose_secret)));
        wanted.push(users::doors(id, spec.doors.iter().map(|door| door.lock_id.as_str())));
        let mut fields = users::fresh(id, self.config().partition.as_deref());
        fields.extend_from_slice(&wanted);
        match self.session.call(operation, INSERT, user_params(id, fields)).await {
            Ok(_) => Ok(()),
            Err(refusal) if errors::is(&refusal, Class::Exists) => self.update(operation, id, wanted).await,
            Err(error) => Err(error),
        }
    }

    async fn update(&self, operation: Operation<'_>, id: &str, changes: Vec<Element>) -> Result<(), VendorError> {
        let params = if self.config().assumed.update_replaces {
            let (_, mut record) = self.user(operation, id).await?.ok_or_else(|| gone(UPDATE))?;
            changes.into_iter().for_each(|change| record.replace(change));
            vec![Element::node("SaltoDBUser", std::mem::take(record.children_mut()))]
        } else {
            user_params(id, changes)
        };
        self.session.call(operation, UPDATE, params).await.map(|_| ())
    }

    /// Writes the user's card. One that was written before, by a call whose answer got lost, is left as it is, or brought up to date.
    async fn write_card(&self, operation: Operation<'_>, id: &str, encoder: &str) -> Result<(), VendorError> {
        let busy =
            || VendorError::new(NAME, FIRST_KEY.name, Condition::EncoderBusy, EffectOutcome::Retryable { after: None });
        let _turn = self.lanes.turn(encoder, operation.deadline).await.ok_or_else(busy)?;
        let params = || vec![Element::leaf(users::ID, id), Element::leaf("EncoderID", encoder)];
        match self.session.call(operation, FIRST_KEY, params()).await {
            Ok(_) => return Ok(()),
            Err(refusal) if errors::is(&refusal, Class::HasKey) => {}
            Err(error) => return Err(error),
        }
        match self.user(operation, id).await? {
            Some((user, _)) if user.card == Card::InSync => Ok(()),
            Some(_) => self.session.call(operation, SAME_KEY, params()).await.map(|_| ()),
            None => Err(gone(SAME_KEY)),
        }
    }
}

fn user_params(id: &str, mut fields: Vec<Element>) -> Vec<Element> {
    fields.insert(0, Element::leaf(users::ID, id));
    vec![Element::node("SaltoDBUser", fields)]
}

fn invalid(verb: Verb) -> VendorError {
    VendorError::new(NAME, verb.name, Condition::InvalidRequest, EffectOutcome::Permanent)
}

fn gone(verb: Verb) -> VendorError {
    VendorError::new(NAME, verb.name, Condition::CredentialGone, EffectOutcome::Permanent)
}

fn fits(pin: &SecretString) -> bool {
    let digits = pin.expose_secret();
    (usize::from(SHORTEST_PIN)..=usize::from(LONGEST_PIN)).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[async_trait]
impl LockVendor for SaltoShip {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        let pin = self.config().assumed.pin_opens_alone;
        Capabilities {
            scope: Scope::Key,
            pin,
            mobile: false,
            card: true,
            choose_pin: pin,
            offline_pin: false,
            one_time_pin: false,
            change_window: true,
            time_sync: false,
            read_back: true,
            window_granularity: Granularity::Minute,
            offline_granularity: Granularity::Minute,
            revoke_reach: RevokeReach::NextCard,
            window_start: true,
            min_pin_digits: SHORTEST_PIN,
            max_pin_digits: LONGEST_PIN,
            max_codes_per_lock: u32::MAX,
            max_name_chars: self.config().assumed.longest_user_id,
        }
    }

    async fn issue(&self, call: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        let longest = usize::try_from(self.config().assumed.longest_user_id).unwrap_or(usize::MAX);
        if spec.doors.is_empty() || spec.token.as_str().len() > longest {
            return Err(invalid(INSERT));
        }
        let told = self.told(INSERT, spec.window)?;
        match &spec.form {
            KeyForm::ChosenPin(pin) if self.config().assumed.pin_opens_alone => {
                if !fits(pin) {
                    return Err(VendorError::new(NAME, INSERT.name, Condition::PinLength, EffectOutcome::Permanent)
                        .advising("Use a PIN of 4 to 8 digits."));
                }
                self.put(Operation::begin(call), spec, &told, Some(pin)).await?;
            }
            KeyForm::Card { encoder } => {
                let operation = Operation::with_card(call, self.config().card_wait);
                self.put(operation, spec, &told, None).await?;
                self.write_card(operation, spec.token.as_str(), encoder).await?;
            }
            _ => return Err(VendorError::unsupported(NAME, spec.form.name())),
        }
        let name = spec.token.as_str().to_owned();
        let reference = VendorCredentialRef(name.clone());
        let credential = VendorCredential { reference, name, window: Some(told.window), confirmed_at_lock: true };
        Ok(Issued { credential, pin: None })
    }

    async fn find(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        let found = self.user(Operation::begin(call), token.as_str()).await?.map(|(user, _)| user);
        let opens = |user: &User| {
            doors.is_empty() || (user.usable() && doors.iter().all(|door| user.doors.contains(&door.lock_id)))
        };
        Ok(found.filter(opens).map(User::credential))
    }

    async fn change_window(
        &self,
        call: &CallContext,
        _doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        _token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let operation = Operation::begin(call);
        let told = self.told(UPDATE, window)?;
        self.update(operation, &credential.0, users::times(&told)).await?;
        // Whether the card knows it already, only the server can say.
        let found = self.user(operation, &credential.0).await?;
        found.map(|(user, _)| user.credential()).ok_or_else(|| gone(UPDATE))
    }

    async fn open_doors(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        _token: &CredentialToken,
    ) -> Result<VendorCredential, VendorError> {
        let operation = Operation::begin(call);
        let id = credential.0.as_str();
        let (user, _) =
            self.user(operation, id).await?.filter(|(user, _)| user.usable()).ok_or_else(|| gone(UPDATE))?;
        if user.card != Card::None {
            return Err(VendorError::unsupported(NAME, "open_doors"));
        }
        let wanted = users::doors(id, doors.iter().map(|door| door.lock_id.as_str()));
        self.update(operation, id, vec![wanted]).await?;
        Ok(user.credential())
    }

    async fn delete(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        let operation = Operation::begin(call);
        let id = credential.0.as_str();
        let Some((user, _)) = self.user(operation, id).await? else { return Ok(Deletion::AlreadyGone) };
        let refused = |door: &String| doors.iter().any(|refused| refused.lock_id == *door);
        let left: Vec<&str> = user.doors.iter().filter(|door| !refused(door)).map(String::as_str).collect();
        if !doors.is_empty() && !left.is_empty() {
            if left.len() == user.doors.len() {
                return Ok(Deletion::AlreadyGone);
            }
            self.update(operation, id, vec![users::doors(id, left.into_iter())]).await?;
            return Ok(Deletion::Deleted);
        }
        match self.session.call(operation, DELETE, vec![Element::leaf(users::ID, id)]).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if errors::is(&error, Class::Gone) => Ok(Deletion::AlreadyGone),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        let mut found = Vec::new();
        for record in self.user_rows(Operation::begin(call)).await? {
            let ours = record.text_of(users::ID).and_then(CredentialToken::ours).is_some();
            match User::read(&record, &self.config().zone) {
                Some(user) if user.usable() && user.doors.contains(&lock.lock_id) => found.push(user.credential()),
                None if ours => return Err(self.session.bad_answer(USERS)),
                _ => {}
            }
        }
        Ok(found)
    }

    async fn records(
        &self,
        call: &CallContext,
        lock: &VendorLockRef,
        since: Timestamp,
    ) -> Result<Vec<DoorRecord>, VendorError> {
        let operation = Operation::begin(call);
        let mut found = Vec::new();
        let mut oldest: Option<i64> = None;
        // Newest first, until what comes is older than asked for.
        for _ in 0..MOST_PAGES {
            let mut params = vec![
                Element::leaf("MaxCount", self.config().page_size),
                Element::leaf("DescendingOrder", 1),
                Element::leaf("ShowDoorIDAs", 1),
                Element::leaf("ShowUserIDAs", 1),
            ];
            params.extend(oldest.map(|oldest| Element::leaf("StartingFromEventID", oldest.saturating_sub(1))));
            let answer = self.session.call(operation, TRAIL, params).await?;
            let trail = xml::find(&answer, "SaltoDBAuditTrail");
            let rows = trail.ok_or_else(|| self.session.bad_answer(TRAIL))?.children();
            let lowest = rows.iter().filter_map(records::number).min();
            let seen: Vec<_> = rows.iter().filter_map(|row| records::record(row, &self.config().zone)).collect();
            // A card may bring old news late: one old record says nothing, a page of them does.
            let past = !seen.is_empty() && seen.iter().all(|record| record.at_lock < since);
            found.extend(seen.into_iter().filter(|record| record.at_lock >= since && record.lock_id == lock.lock_id));
            let further = lowest.filter(|lowest| *lowest > 1 && oldest.is_none_or(|oldest| *lowest < oldest));
            if past || further.is_none() {
                return Ok(found);
            }
            oldest = further;
        }
        Err(self.session.bad_answer(TRAIL))
    }

    async fn locks(&self, call: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        let names = ("SaltoDBDoorList", "ExtDoorID");
        let rows = self.rows(Operation::begin(call), DOORS, names, "StartingFromExtDoorID", &[]).await?;
        let lock = |row: &Element| {
            Some(VendorLock {
                lock_id: row.text_of("ExtDoorID")?.to_owned(),
                name: row.text_of("Name").unwrap_or_default().to_owned(),
                // The server knows three states; these stand for "low" and "very low".
                battery_percent: match row.text_of("BatteryStatus") {
                    Some("1") => Some(20),
                    Some("2") => Some(5),
                    _ => None,
                },
                has_gateway: false,
            })
        };
        Ok(rows.iter().filter_map(lock).collect())
    }
}
