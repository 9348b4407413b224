//! The port's operations as calls of the vendor.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;
use tokio::sync::mpsc::Sender;

use super::NAME;
use super::config::SaltoKsConfig;
use super::guests::Guest;
use super::rooms::{self, Ready};
use super::session::{Operation, Session, Verb};
use super::wire::{IqRow, SiteUser};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::lanes::{Lanes, Turn};
use crate::port::{
    CallContext, Capabilities, CredentialToken, Deletion, GatewayStatus, Issued, KeyForm, KeySpec, LockVendor,
    RevokeReach, Scope, VendorCredential, VendorCredentialRef, VendorLock, VendorLockRef,
};
use crate::records::{DoorRecord, Heard};
use crate::registry::Parts;
use crate::rounding::{Granularity, outward};

const IQS: Verb = Verb::get("GET iqs");
const ISSUE: &str = "issue";
const CHANGE_WINDOW: &str = "change_window";
const OPEN_DOORS: &str = "open_doors";

/// One site of one KS account.
pub(crate) struct SaltoKs {
    session: Session,
    lanes: Lanes,
    rooms: Mutex<BTreeMap<String, Ready>>,
}

impl SaltoKs {
    pub(crate) fn new(config: SaltoKsConfig, parts: Parts) -> Self {
        Self { session: Session::new(config, parts), lanes: Lanes::default(), rooms: Mutex::default() }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn rooms(&self) -> MutexGuard<'_, BTreeMap<String, Ready>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One at a time within this process: the vendor has nothing that makes a second "if there is none, make one" fail.
    pub(super) async fn turn(&self, operation: Operation<'_>, lane: &str) -> Result<Turn, VendorError> {
        let busy = || VendorError::new(NAME, "wait", Condition::NotSettled, EffectOutcome::Retryable { after: None });
        self.lanes.turn(lane, operation.deadline).await.ok_or_else(busy)
    }

    /// How long until a key for this window may be made, by the vendor's clock; none when it may.
    fn early(&self, from: Timestamp, now: Timestamp) -> Option<SignedDuration> {
        let lead = SignedDuration::try_from(self.session.config().assume.lead).unwrap_or(SignedDuration::ZERO);
        let wait = from.duration_since(now) - lead;
        wait.is_positive().then_some(wait)
    }

    fn credential(&self, user: &SiteUser, window: Option<Window>, proven: bool) -> VendorCredential {
        VendorCredential {
            reference: VendorCredentialRef(user.id.clone()),
            // What people call their users is none of our business.
            name: user.token().map(|token| token.as_str().to_owned()).unwrap_or_default(),
            window,
            confirmed_at_lock: proven && self.session.config().assume.accepted_means_in_lock,
        }
    }

    /// From when on the guest has been made: what follows may leave him and his seat behind.
    async fn equip(
        &self,
        operation: Operation<'_>,
        guest: &Guest,
        groups: &[String],
        times: (Timestamp, Timestamp),
    ) -> Result<Issued, VendorError> {
        let (now, until) = times;
        self.change_user(operation, &guest.user, until).await?;
        self.admit(operation, guest, groups).await?;
        let pin = self.new_pin(operation, &guest.user, now, until).await?;
        Ok(Issued { credential: self.credential(&guest.user, None, true), pin: Some(pin) })
    }

    /// A refusal for good says that nothing stands there: so it must be true.
    async fn clean_up(&self, operation: Operation<'_>, guest: &Guest, error: VendorError) -> VendorError {
        if error.outcome() != EffectOutcome::Permanent {
            return error;
        }
        match self.remove(operation, &guest.user.id).await {
            Ok(_) => error,
            Err(_) => VendorError::new(NAME, ISSUE, error.condition(), EffectOutcome::Unconfirmed),
        }
    }

    /// What stands under a name, as far as the vendor tells.
    async fn read_back(
        &self,
        operation: Operation<'_>,
        user: &SiteUser,
        now: Timestamp,
    ) -> Result<VendorCredential, VendorError> {
        let pin = self.pin_until(operation, user).await?;
        let ready = user.seated() && user.use_pin && pin.is_some_and(|until| until > now);
        let until = [user.expires_at, pin].into_iter().flatten().min().filter(|until| *until < Timestamp::MAX);
        let window = until.map(|until| Window { from: Timestamp::UNIX_EPOCH, until });
        Ok(self.credential(user, window, ready))
    }
}

fn bad_request(verb: &'static str) -> VendorError {
    VendorError::new(NAME, verb, Condition::InvalidRequest, EffectOutcome::Permanent)
}

#[async_trait]
impl LockVendor for SaltoKs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scope: Scope::Key,
            pin: true,
            mobile: false,
            card: false,
            choose_pin: false,
            offline_pin: false,
            one_time_pin: false,
            change_window: true,
            time_sync: false,
            read_back: true,
            window_granularity: Granularity::Minute,
            offline_granularity: Granularity::Minute,
            revoke_reach: RevokeReach::Door,
            window_start: false,
            min_pin_digits: 6,
            max_pin_digits: 6,
            max_codes_per_lock: u32::MAX,
            max_name_chars: 40,
        }
    }

    async fn issue(&self, call: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        if !matches!(spec.form, KeyForm::VendorPin { one_time: false }) {
            return Err(VendorError::unsupported(NAME, spec.form.name()));
        }
        if spec.doors.is_empty() {
            return Err(bad_request(ISSUE));
        }
        let operation = Operation::begin(call);
        let _turn = self.turn(operation, &format!("key {}", spec.token)).await?;
        let window = outward(spec.window, Granularity::Minute, 0);
        let (standing, now) = self.users(operation, Some(&spec.token)).await?;
        if let Some(wait) = self.early(window.from, now) {
            let after = Some(wait.unsigned_abs());
            return Err(VendorError::new(NAME, ISSUE, Condition::TooEarly, EffectOutcome::Retryable { after }));
        }
        let mut groups = Vec::with_capacity(spec.doors.len());
        for door in &spec.doors {
            groups.push(self.room(operation, door).await?);
        }
        let guest = self.guest(operation, &spec.token, standing, window.until).await?;
        match self.equip(operation, &guest, &groups, (now, window.until)).await {
            Ok(mut issued) => {
                spec.token.as_str().clone_into(&mut issued.credential.name);
                issued.credential.window = Some(window);
                Ok(issued)
            }
            Err(error) => Err(self.clean_up(operation, &guest, error).await),
        }
    }

    async fn find(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        let operation = Operation::begin(call);
        let (standing, now) = self.users(operation, Some(token)).await?;
        for user in standing {
            let Some(user) = self.user(operation, &user.id).await? else { continue };
            if !doors.is_empty() {
                let groups = self.groups_of(operation, &user).await?;
                let opens = |door: &VendorLockRef| {
                    let reference = rooms::reference(&door.lock_id);
                    groups.iter().any(|group| group.customer_reference.as_deref() == Some(reference.as_str()))
                };
                if !doors.iter().all(opens) {
                    continue;
                }
            }
            let mut found = self.read_back(operation, &user, now).await?;
            token.as_str().clone_into(&mut found.name);
            return Ok(Some(found));
        }
        Ok(None)
    }

    async fn change_window(
        &self,
        call: &CallContext,
        _doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let operation = Operation::begin(call);
        let _turn = self.turn(operation, &format!("key {token}")).await?;
        let window = outward(window, Granularity::Minute, 0);
        let permanent = |condition| VendorError::new(NAME, CHANGE_WINDOW, condition, EffectOutcome::Permanent);
        let gone = || permanent(Condition::CredentialGone);
        let user = self.user(operation, &credential.0).await?.ok_or_else(gone)?;
        let (_, now) = self.users(operation, Some(token)).await?;
        if self.early(window.from, now).is_some() {
            // It opens already and can't be told to stop for a while.
            return Err(permanent(Condition::Unsupported));
        }
        if self.pin_until(operation, &user).await?.is_some_and(|until| until < window.until) {
            return Err(permanent(Condition::PinEndsFirst));
        }
        match self.change_user(operation, &user, window.until).await {
            Err(error) if error.vendor_code() == Some(super::errors::NOT_FOUND) => return Err(gone()),
            other => other?,
        }
        let mut changed = self.credential(&user, Some(window), user.seated());
        token.as_str().clone_into(&mut changed.name);
        Ok(changed)
    }

    async fn open_doors(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        token: &CredentialToken,
    ) -> Result<VendorCredential, VendorError> {
        let operation = Operation::begin(call);
        let _turn = self.turn(operation, &format!("key {token}")).await?;
        let gone = || VendorError::new(NAME, OPEN_DOORS, Condition::CredentialGone, EffectOutcome::Permanent);
        let user = self.user(operation, &credential.0).await?.ok_or_else(gone)?;
        let (_, now) = self.users(operation, Some(token)).await?;
        let pin = self.pin_until(operation, &user).await?;
        if !user.seated() || !user.use_pin || pin.is_none_or(|until| until <= now) {
            return Err(gone());
        }
        let mut standing = self.read_back(operation, &user, now).await?;
        let mut groups = Vec::with_capacity(doors.len());
        for door in doors {
            groups.push(self.room(operation, door).await?);
        }
        self.admit(operation, &Guest { user, fresh: false }, &groups).await?;
        token.as_str().clone_into(&mut standing.name);
        Ok(standing)
    }

    async fn delete(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        let operation = Operation::begin(call);
        let Some(user) = self.user(operation, &credential.0).await? else { return Ok(Deletion::AlreadyGone) };
        let lane = user.token().map_or_else(|| format!("user {}", user.id), |token| format!("key {token}"));
        let _turn = self.turn(operation, &lane).await?;
        if !doors.is_empty() {
            let closing: Vec<String> = doors.iter().map(|door| rooms::reference(&door.lock_id)).collect();
            let (close, keep): (Vec<_>, Vec<_>) = self
                .groups_of(operation, &user)
                .await?
                .into_iter()
                .partition(|group| group.customer_reference.as_ref().is_some_and(|text| closing.contains(text)));
            if !keep.is_empty() {
                for group in &close {
                    self.leave(operation, &group.id, &user).await?;
                }
                return Ok(if close.is_empty() { Deletion::AlreadyGone } else { Deletion::Deleted });
            }
        }
        if let Some(token) = user.token() {
            // A second one of this name, from a call whose answer got lost, would keep a seat and a PIN.
            for double in self.users(operation, Some(&token)).await?.0 {
                if double.id != user.id {
                    self.remove(operation, &double.id).await?;
                }
            }
        }
        let was_there = self.remove(operation, &user.id).await?;
        Ok(if was_there { Deletion::Deleted } else { Deletion::AlreadyGone })
    }

    async fn list(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        let operation = Operation::begin(call);
        let mut members = Vec::new();
        for group in self.groups_with(operation, &lock.lock_id).await? {
            members.extend(self.members(operation, &group.id).await?);
        }
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let (users, now) = self.users(operation, None).await?;
        let mut listed = Vec::with_capacity(members.len());
        for user in users.iter().filter(|user| members.iter().any(|member| member.id == user.user.id)) {
            let mut credential = self.read_back(operation, user, now).await?;
            // Without a seat or a PIN ours opens nothing any more, whatever end its user has.
            if user.token().is_some() && !credential.confirmed_at_lock {
                credential.window = Some(Window { from: Timestamp::UNIX_EPOCH, until: now });
            }
            listed.push(credential);
        }
        Ok(listed)
    }

    async fn gateways(&self, call: &CallContext) -> Result<Vec<GatewayStatus>, VendorError> {
        let operation = Operation::begin(call);
        let iqs: Vec<IqRow> = self.session.rows(operation, IQS, self.session.url(IQS, &["iqs"])).await?.0;
        let locks = self.lock_rows(operation).await?;
        Ok(iqs.into_iter().map(|iq| iq.status(&locks)).collect())
    }

    async fn gateway_locks(&self, call: &CallContext, gateway_id: &str) -> Result<Vec<String>, VendorError> {
        let mut locks = self.lock_rows(Operation::begin(call)).await?;
        locks.retain(|lock| lock.iq.as_ref().is_some_and(|iq| iq.id == gateway_id));
        Ok(locks.into_iter().map(|lock| lock.id).collect())
    }

    async fn records(
        &self,
        call: &CallContext,
        lock: &VendorLockRef,
        since: Timestamp,
    ) -> Result<Vec<DoorRecord>, VendorError> {
        let mut records = self.entries(Operation::begin(call), since).await?;
        records.retain(|record| record.lock_id == lock.lock_id);
        Ok(records)
    }

    async fn follow(&self, since: Timestamp, heard: Sender<Heard>) -> Result<(), VendorError> {
        self.follow_events(since, heard).await
    }

    async fn locks(&self, call: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        let locks = self.lock_rows(Operation::begin(call)).await?;
        Ok(locks.into_iter().map(VendorLock::from).collect())
    }
}
