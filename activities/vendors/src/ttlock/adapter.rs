//! The port's operations as calls of the vendor.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::NAME;
use super::config::TtlockConfig;
use super::errors::{self, Class};
use super::records::RecordRow;
use super::session::{Fields, Operation, Session, Verb};
use super::wire::{Added, BY_GATEWAY, BY_NAME, Date, GatewayRow, Got, LockRow, ONE_TIME, PERIOD, Page, PasscodeRow};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::lanes::{Lanes, Turn};
use crate::port::{
    CallContext, Capabilities, CredentialToken, Deletion, GatewayStatus, Issued, KeyForm, KeySpec, LockVendor,
    RevokeReach, Scope, VendorCredential, VendorCredentialRef, VendorLock, VendorLockRef,
};
use crate::records::DoorRecord;
use crate::registry::Parts;
use crate::rounding::{Granularity, outward};

const ADD: Verb = Verb::change("keyboardPwd/add");
const GET: Verb = Verb::change("keyboardPwd/get");
const CHANGE: Verb = Verb::change("keyboardPwd/change");
const DELETE: Verb = Verb::change("keyboardPwd/delete");
const LIST: Verb = Verb::read("lock/listKeyboardPwd");
const LOCKS: Verb = Verb::read("lock/list");
const RECORDS: Verb = Verb::read("lockRecord/list");
const GATEWAYS: Verb = Verb::read("gateway/list");
const GATEWAY_LOCKS: Verb = Verb::read("gateway/listLock");
const QUERY_DATE: Verb = Verb::read("lock/queryDate");
const UPDATE_DATE: Verb = Verb::repeatable("lock/updateDate");

/// `keyboardPwd/add`: the lock holds these digits already.
const SAME_CODE_EXISTS: i64 = -3007;
const PAGE_SIZE: &str = "200";
/// A lock holds 250 chosen codes and an account a few thousand locks: far more pages mean an answer that never ends.
const MOST_PAGES: u32 = 100;

/// A code that opens once is good for so long from its start.
const ONE_TIME_LASTS: SignedDuration = SignedDuration::from_hours(6);
/// A period that was given out and deleted is not given out again: ends an hour later each are asked for, so many.
const MOST_PERIOD_ENDS: u32 = 4;
const MOST_ONE_TIME_ENDS: u32 = 24;

/// One TTLock account.
pub(crate) struct Ttlock {
    session: Session,
    lanes: Lanes,
}

impl Ttlock {
    pub(crate) fn new(config: TtlockConfig, parts: Parts) -> Self {
        Self { session: Session::new(config, parts), lanes: Lanes::default() }
    }

    /// Waits for the gateway, or for the lock where the gateway is not known.
    async fn turn(&self, operation: Operation<'_>, lock: &VendorLockRef, verb: Verb) -> Result<Turn, VendorError> {
        let lane =
            lock.gateway_id.as_ref().map_or_else(|| format!("lock {}", lock.lock_id), |id| format!("gateway {id}"));
        let busy =
            || VendorError::new(NAME, verb.path, Condition::GatewayBusy, EffectOutcome::Retryable { after: None });
        self.lanes.turn(&lane, operation.deadline).await.ok_or_else(busy)
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        operation: Operation<'_>,
        verb: Verb,
        fields: &Fields<'_>,
    ) -> Result<Vec<T>, VendorError> {
        let mut rows = Vec::new();
        for number in 1..=MOST_PAGES {
            let page_no = number.to_string();
            let mut all = fields.clone();
            all.extend([("pageNo", page_no.as_str()), ("pageSize", PAGE_SIZE), ("orderBy", BY_NAME)]);
            let page: Page<T> = self.session.call(operation, verb, &all).await?;
            let empty = page.list.is_empty();
            rows.extend(page.list);
            if empty || number >= page.pages {
                break;
            }
        }
        Ok(rows)
    }

    /// The cloud's rows under exactly this name; its own search is fuzzy.
    async fn named(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        token: &CredentialToken,
    ) -> Result<Vec<PasscodeRow>, VendorError> {
        let fields = vec![("lockId", lock.lock_id.as_str()), ("searchStr", token.as_str())];
        let mut rows: Vec<PasscodeRow> = self.pages(operation, LIST, &fields).await?;
        rows.retain(|row| row.named(token.as_str()));
        if rows.len() > 1 {
            tracing::warn!(vendor = NAME, lock = %lock.lock_id, token = %token, count = rows.len(), "one name, several codes");
        }
        Ok(rows)
    }

    /// The digits stand in the lock already. Ours by name and digits: an earlier answer got lost. Else somebody else's.
    async fn adopt(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        spec: &KeySpec,
        pin: &SecretString,
        refusal: VendorError,
    ) -> Result<VendorCredential, VendorError> {
        let rows = self.named(operation, lock, &spec.token).await?;
        let ours = rows.into_iter().find(|row| row.keyboard_pwd.expose_secret() == pin.expose_secret());
        let found = ours.ok_or(refusal)?.credential(self.session.config().listed_means_in_lock);
        let wanted = outward(spec.window, Granularity::Minute, lock.utc_offset_s);
        if found.window == Some(wanted) {
            return Ok(found);
        }
        self.set_window(operation, lock, found.reference, &spec.token, wanted).await
    }

    /// Digits of ours, through the gateway.
    async fn add(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        spec: &KeySpec,
        pin: &SecretString,
    ) -> Result<VendorCredential, VendorError> {
        let _turn = self.turn(operation, lock, ADD).await?;
        let window = outward(spec.window, Granularity::Minute, lock.utc_offset_s);
        match self.put(operation, lock, &spec.token, pin, window).await {
            Err(refusal) if refusal.vendor_code() == Some(SAME_CODE_EXISTS) => {
                self.adopt(operation, lock, spec, pin, refusal).await
            }
            other => other,
        }
    }

    /// Digits of ours, when it is our turn at the gateway.
    async fn put(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        token: &CredentialToken,
        pin: &SecretString,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let (from, until) = millis(window);
        let fields = vec![
            ("lockId", lock.lock_id.as_str()),
            ("keyboardPwd", pin.expose_secret()),
            ("keyboardPwdName", token.as_str()),
            ("keyboardPwdType", PERIOD),
            ("startDate", from.as_str()),
            ("endDate", until.as_str()),
            ("addType", BY_GATEWAY),
        ];
        let added: Added = self.session.call(operation, ADD, &fields).await?;
        Ok(VendorCredential {
            reference: VendorCredentialRef(added.keyboard_pwd_id),
            name: token.as_str().to_owned(),
            window: Some(window),
            confirmed_at_lock: true,
        })
    }

    /// The same digits anew, where a window can't be changed in place. After the first half a failure says that nobody knows: whoever
    /// looks then finds nothing, and makes the code again.
    async fn replace(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        reference: &VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let rows = self.named(operation, lock, token).await?;
        let gone = || VendorError::new(NAME, CHANGE.path, Condition::CredentialGone, EffectOutcome::Permanent);
        let row = rows.into_iter().find(|row| row.keyboard_pwd_id == reference.0).ok_or_else(gone)?;
        self.take_out(operation, lock, reference).await?;
        let put = self.put(operation, lock, token, &row.keyboard_pwd, window).await;
        put.map_err(|error| VendorError::new(NAME, ADD.path, error.condition(), EffectOutcome::Unconfirmed))
    }

    async fn take_out(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        reference: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        let fields = vec![
            ("lockId", lock.lock_id.as_str()),
            ("keyboardPwdId", reference.0.as_str()),
            ("deleteType", BY_GATEWAY),
        ];
        match self.session.call::<Value>(operation, DELETE, &fields).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.vendor_code().is_some_and(|code| errors::find(code).class == Class::Gone) => {
                Ok(Deletion::AlreadyGone)
            }
            Err(error) => Err(error),
        }
    }

    /// Digits that the vendor makes up and that the lock accepts without being reached.
    async fn get(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        spec: &KeySpec,
        kind: &str,
    ) -> Result<(VendorCredential, SecretString), VendorError> {
        let rounded = outward(spec.window, Granularity::Hour, lock.utc_offset_s);
        // A code that opens once is good for six hours whatever end is named; the cloud compares the end all the same.
        let (mut window, tries) = match kind {
            ONE_TIME => (Window { until: later(rounded.from, ONE_TIME_LASTS), ..rounded }, MOST_ONE_TIME_ENDS),
            _ => (rounded, MOST_PERIOD_ENDS),
        };
        let mut left = tries;
        let got: Got = loop {
            let (from, until) = millis(window);
            let fields = vec![
                ("lockId", lock.lock_id.as_str()),
                ("keyboardPwdName", spec.token.as_str()),
                ("keyboardPwdType", kind),
                ("startDate", from.as_str()),
                ("endDate", until.as_str()),
            ];
            left -= 1;
            match self.session.call(operation, GET, &fields).await {
                Ok(got) => break got,
                // The same period was given out and deleted before: the vendor gives it out once.
                Err(error) if error.condition() == Condition::PeriodUsed && left > 0 => {
                    window.until = later(window.until, SignedDuration::from_secs(Granularity::Hour.seconds()));
                }
                Err(error) => return Err(error),
            }
        };
        if kind == ONE_TIME {
            window.until = later(window.from, ONE_TIME_LASTS);
        }
        let credential = VendorCredential {
            reference: VendorCredentialRef(got.keyboard_pwd_id),
            name: spec.token.as_str().to_owned(),
            window: Some(window),
            confirmed_at_lock: true,
        };
        Ok((credential, got.keyboard_pwd))
    }

    async fn set_window(
        &self,
        operation: Operation<'_>,
        lock: &VendorLockRef,
        reference: VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        if !self.session.config().change_in_place {
            return self.replace(operation, lock, &reference, token, window).await;
        }
        let (from, until) = millis(window);
        // Without both dates the call answers well and changes nothing.
        let fields = vec![
            ("lockId", lock.lock_id.as_str()),
            ("keyboardPwdId", reference.0.as_str()),
            ("startDate", from.as_str()),
            ("endDate", until.as_str()),
            ("changeType", BY_GATEWAY),
        ];
        let _: Value = self.session.call(operation, CHANGE, &fields).await?;
        let name = token.as_str().to_owned();
        Ok(VendorCredential { reference, name, window: Some(window), confirmed_at_lock: true })
    }

    async fn clock(&self, call: &CallContext, lock: &VendorLockRef, verb: Verb) -> Result<Timestamp, VendorError> {
        let operation = Operation::begin(call);
        let _turn = self.turn(operation, lock, verb).await?;
        let answer: Date = self.session.call(operation, verb, &vec![("lockId", lock.lock_id.as_str())]).await?;
        Timestamp::from_millisecond(answer.date).map_err(|_| {
            VendorError::new(NAME, verb.path, Condition::BadAnswer, EffectOutcome::Retryable { after: None })
        })
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// The one door that a code stands in.
fn sole(doors: &[VendorLockRef], verb: Verb) -> Result<&VendorLockRef, VendorError> {
    match doors {
        [lock] => Ok(lock),
        _ => Err(VendorError::new(NAME, verb.path, Condition::InvalidRequest, EffectOutcome::Permanent)),
    }
}

fn millis(window: Window) -> (String, String) {
    (window.from.as_millisecond().to_string(), window.until.as_millisecond().to_string())
}

#[async_trait]
impl LockVendor for Ttlock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scope: Scope::Door,
            pin: true,
            mobile: false,
            card: false,
            choose_pin: true,
            offline_pin: true,
            one_time_pin: true,
            change_window: true,
            time_sync: true,
            read_back: true,
            window_granularity: Granularity::Minute,
            offline_granularity: Granularity::Hour,
            revoke_reach: RevokeReach::Door,
            window_start: true,
            min_pin_digits: 4,
            max_pin_digits: 9,
            max_codes_per_lock: 250,
            max_name_chars: 40,
        }
    }

    async fn issue(&self, call: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        let operation = Operation::begin(call);
        let lock = sole(&spec.doors, ADD)?;
        match &spec.form {
            KeyForm::ChosenPin(pin) => {
                let credential = self.add(operation, lock, spec, pin).await?;
                Ok(Issued { credential, pin: None })
            }
            KeyForm::VendorPin { one_time } => {
                let kind = if *one_time { ONE_TIME } else { PERIOD };
                let (credential, pin) = self.get(operation, lock, spec, kind).await?;
                Ok(Issued { credential, pin: Some(pin) })
            }
            KeyForm::Card { .. } | KeyForm::Mobile { .. } => Err(VendorError::unsupported(NAME, spec.form.name())),
        }
    }

    async fn find(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        let lock = sole(doors, LIST)?;
        let rows = self.named(Operation::begin(call), lock, token).await?;
        let confirmed = self.session.config().listed_means_in_lock;
        Ok(rows.into_iter().next().map(|row| row.credential(confirmed)))
    }

    async fn change_window(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
        token: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let lock = sole(doors, CHANGE)?;
        let operation = Operation::begin(call);
        let _turn = self.turn(operation, lock, CHANGE).await?;
        let window = outward(window, Granularity::Minute, lock.utc_offset_s);
        self.set_window(operation, lock, credential.clone(), token, window).await
    }

    async fn delete(
        &self,
        call: &CallContext,
        doors: &[VendorLockRef],
        credential: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        let lock = sole(doors, DELETE)?;
        let operation = Operation::begin(call);
        let _turn = self.turn(operation, lock, DELETE).await?;
        self.take_out(operation, lock, credential).await
    }

    async fn list(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        let fields = vec![("lockId", lock.lock_id.as_str())];
        let rows: Vec<PasscodeRow> = self.pages(Operation::begin(call), LIST, &fields).await?;
        let confirmed = self.session.config().listed_means_in_lock;
        Ok(rows.into_iter().map(|row| row.credential(confirmed)).collect())
    }

    async fn lock_clock(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Timestamp, VendorError> {
        self.clock(call, lock, QUERY_DATE).await
    }

    async fn sync_clock(&self, call: &CallContext, lock: &VendorLockRef) -> Result<Timestamp, VendorError> {
        self.clock(call, lock, UPDATE_DATE).await
    }

    async fn gateways(&self, call: &CallContext) -> Result<Vec<GatewayStatus>, VendorError> {
        let rows: Vec<GatewayRow> = self.pages(Operation::begin(call), GATEWAYS, &Vec::new()).await?;
        Ok(rows.into_iter().map(GatewayStatus::from).collect())
    }

    async fn gateway_locks(&self, call: &CallContext, gateway_id: &str) -> Result<Vec<String>, VendorError> {
        let fields = vec![("gatewayId", gateway_id)];
        let page: Page<LockRow> = self.session.call(Operation::begin(call), GATEWAY_LOCKS, &fields).await?;
        Ok(page.list.into_iter().map(|row| VendorLock::from(row).lock_id).collect())
    }

    async fn records(
        &self,
        call: &CallContext,
        lock: &VendorLockRef,
        since: Timestamp,
    ) -> Result<Vec<DoorRecord>, VendorError> {
        let from = since.as_millisecond().max(0).to_string();
        let fields = vec![("lockId", lock.lock_id.as_str()), ("startDate", from.as_str())];
        let rows: Vec<RecordRow> = self.pages(Operation::begin(call), RECORDS, &fields).await?;
        Ok(rows.into_iter().filter_map(RecordRow::record).collect())
    }

    async fn locks(&self, call: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        let rows: Vec<LockRow> = self.pages(Operation::begin(call), LOCKS, &Vec::new()).await?;
        Ok(rows.into_iter().map(VendorLock::from).collect())
    }
}
