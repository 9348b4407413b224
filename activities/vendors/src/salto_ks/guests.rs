//! A key at KS: one user of the site under our own name, a PIN, and the groups of the doors that he may open.
//!
//! Never two users of one name: it is looked for before one is made, and after one was made it is looked whether an earlier call, whose
//! answer got lost, has made one as well. Each user costs the site a seat until he is deleted.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::NAME;
use super::adapter::SaltoKs;
use super::errors::{self, trouble};
use super::rooms;
use super::session::{Operation, Verb};
use super::wire::{Group, KeyRow, PlatformUser, SiteUser};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::port::CredentialToken;

const USERS: Verb = Verb::get("GET users");
const USER: Verb = Verb::get("GET users/{id}");
const ADD_GUEST: Verb = Verb::post("POST guests");
const CHANGE: Verb = Verb::patch("PATCH users/{id}");
const DELETE: Verb = Verb::delete("DELETE users/{id}");
const SET_PIN: Verb = Verb::put("PUT users/{id}/pin");
const KEYS: Verb = Verb::get("GET users/{id}/keys");
const GROUPS_OF: Verb = Verb::get("GET users/{id}/access_groups");
const MEMBERS: Verb = Verb::get("GET access_groups/{id}/users");
const JOIN: Verb = Verb::post("POST access_groups/{id}/users");
const LEAVE: Verb = Verb::delete("DELETE access_groups/{id}/users/{id}");

/// Digits that make sense as a PIN.
const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=10;

impl SaltoKs {
    /// The users of the site, or of one name, and the vendor's clock.
    pub(super) async fn users(
        &self,
        operation: Operation<'_>,
        token: Option<&CredentialToken>,
    ) -> Result<(Vec<SiteUser>, Timestamp), VendorError> {
        let session = self.session();
        let mut url = session.url(USERS, &["users"]);
        if let Some(token) = token.filter(|_| session.config().assume.filter_users) {
            url.query_pairs_mut().append_pair("$filter", &format!("alias eq '{token}'"));
        }
        let (mut users, at): (Vec<SiteUser>, _) = session.rows(operation, USERS, url).await?;
        if let Some(token) = token {
            users.retain(|user| user.named(token));
            // Whoever looks decides in the same way which of several is the one.
            users.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Ok((users, at.unwrap_or_else(Timestamp::now)))
    }

    /// A user by his site user's id.
    pub(super) async fn user(&self, operation: Operation<'_>, id: &str) -> Result<Option<SiteUser>, VendorError> {
        let url = self.session().url(USER, &["users", id]);
        match self.session().call(operation, USER, &url, None).await {
            Ok(reply) => reply.read(USER).map(Some),
            Err(error) if self.gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it says that a user does not exist.
    fn gone(&self, error: &VendorError) -> bool {
        let bare = i64::from(reqwest::StatusCode::NOT_FOUND.as_u16());
        error.vendor_code() == Some(errors::NOT_FOUND)
            || (error.vendor_code() == Some(bare) && self.session().config().assume.bare_404_means_gone)
    }

    /// The user of this name: the one that stands there, or a new one.
    pub(super) async fn guest(
        &self,
        operation: Operation<'_>,
        token: &CredentialToken,
        standing: Vec<SiteUser>,
        until: Timestamp,
    ) -> Result<Guest, VendorError> {
        let mut dead = Vec::new();
        let mut kept: Option<SiteUser> = None;
        for user in standing {
            // The list still shows for some seconds who has been deleted.
            let Some(user) = self.user(operation, &user.id).await? else {
                dead.push(user.id);
                continue;
            };
            if kept.is_none() && user.seated() {
                kept = Some(user);
            } else {
                self.remove(operation, &user.id).await?;
                dead.push(user.id);
            }
        }
        match kept {
            Some(user) => Ok(Guest { user, fresh: false }),
            None => self.add_guest(operation, token, &dead, until).await,
        }
    }

    async fn add_guest(
        &self,
        operation: Operation<'_>,
        token: &CredentialToken,
        dead: &[String],
        until: Timestamp,
    ) -> Result<Guest, VendorError> {
        let session = self.session();
        let url = session.url(ADD_GUEST, &["guests"]);
        let body = json!({ "alias": token.as_str(), "expires_at": until.to_string() });
        let made: SiteUser = session.call(operation, ADD_GUEST, &url, Some(&body)).await?.read(ADD_GUEST)?;
        if !made.seated() {
            // The vendor says yes, gives a PIN and opens no door.
            let after = Some(session.config().assume.seat_pause);
            let outcome = match self.remove(operation, &made.id).await {
                Ok(_) => EffectOutcome::Retryable { after },
                Err(_) => EffectOutcome::Unconfirmed,
            };
            return Err(VendorError::new(NAME, ADD_GUEST.name, Condition::SeatsExhausted, outcome));
        }
        let mut named = loop {
            let mut named = self.users(operation, Some(token)).await?.0;
            named.retain(|user| !dead.contains(&user.id));
            if named.iter().any(|user| user.id == made.id) {
                break named;
            }
            // Who is not listed himself says nothing of another one who may not be listed yet either.
            if !session.pause(operation).await {
                return Err(unsettled(ADD_GUEST));
            }
        };
        for double in named.split_off(1) {
            self.remove(operation, &double.id).await?;
        }
        match named.pop() {
            Some(user) if user.id != made.id => Ok(Guest { user, fresh: false }),
            _ => Ok(Guest { user: made, fresh: true }),
        }
    }

    /// Sets what differs.
    pub(super) async fn change_user(
        &self,
        operation: Operation<'_>,
        user: &SiteUser,
        until: Timestamp,
    ) -> Result<(), VendorError> {
        let mut change = serde_json::Map::new();
        if !user.use_pin {
            change.insert("use_pin".to_owned(), Value::Bool(true));
        }
        if user.expires_at != Some(until) {
            change.insert("expires_at".to_owned(), Value::String(until.to_string()));
        }
        if change.is_empty() {
            return Ok(());
        }
        let url = self.session().url(CHANGE, &["users", &user.id]);
        self.session().patient(operation, CHANGE, &url, Some(&Value::Object(change))).await?;
        Ok(())
    }

    /// Digits that nobody has been told yet. Those before them are void.
    pub(super) async fn new_pin(
        &self,
        operation: Operation<'_>,
        user: &SiteUser,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<SecretString, VendorError> {
        let session = self.session();
        let life = session.config().assume.pin_life;
        // The vendor's own end leaves room for a longer stay; a later one must be asked for.
        let body = match now.saturating_add(life) {
            Ok(end) if end < until => json!({ "expiry_date": until.to_string() }),
            _ => json!({}),
        };
        let url = session.url(SET_PIN, &["users", &user.id, "pin"]);
        let reply = session.patient(operation, SET_PIN, &url, Some(&body)).await?;
        let Value::String(digits) = reply.value else { return Err(trouble(SET_PIN, Condition::BadAnswer)) };
        if !PIN_DIGITS.contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(trouble(SET_PIN, Condition::BadAnswer));
        }
        Ok(digits.into())
    }

    /// When his PIN ends; none when he has no PIN. A PIN without end is one that ends in the far future.
    pub(super) async fn pin_until(
        &self,
        operation: Operation<'_>,
        user: &SiteUser,
    ) -> Result<Option<Timestamp>, VendorError> {
        let url = self.session().url(KEYS, &["users", &user.id, "keys"]);
        let keys: Vec<KeyRow> = match self.session().rows(operation, KEYS, url).await {
            Ok((keys, _)) => keys,
            Err(error) if self.gone(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let pins = keys.into_iter().filter(KeyRow::is_pin);
        Ok(pins.map(|key| key.expiry_date.unwrap_or(Timestamp::MAX)).max())
    }

    /// Those of our groups that he is in.
    pub(super) async fn groups_of(&self, operation: Operation<'_>, user: &SiteUser) -> Result<Vec<Group>, VendorError> {
        let url = self.session().url(GROUPS_OF, &["users", &user.id, "access_groups"]);
        match self.session().rows::<Group>(operation, GROUPS_OF, url).await {
            Ok((mut groups, _)) => {
                groups.retain(rooms::ours);
                Ok(groups)
            }
            Err(error) if self.gone(&error) => Ok(Vec::new()),
            // This path was not seen in use; without it, each group has to be asked.
            Err(error) if error.vendor_code().is_some_and(|code| errors::NO_ROUTE.contains(&code)) => {
                let mut his = Vec::new();
                for group in self.groups(operation).await? {
                    if self.is_member(operation, &group.id, user).await? {
                        his.push(group);
                    }
                }
                Ok(his)
            }
            Err(error) => Err(error),
        }
    }

    /// The platform's ids of a group's members.
    pub(super) async fn members(
        &self,
        operation: Operation<'_>,
        group: &str,
    ) -> Result<Vec<PlatformUser>, VendorError> {
        let url = self.session().url(MEMBERS, &["access_groups", group, "users"]);
        Ok(self.session().rows(operation, MEMBERS, url).await?.0)
    }

    async fn is_member(&self, operation: Operation<'_>, group: &str, user: &SiteUser) -> Result<bool, VendorError> {
        Ok(self.members(operation, group).await?.iter().any(|member| member.id == user.user.id))
    }

    /// Makes him a member of these groups, and of no other of ours.
    pub(super) async fn admit(
        &self,
        operation: Operation<'_>,
        guest: &Guest,
        groups: &[String],
    ) -> Result<(), VendorError> {
        let standing = if guest.fresh { Vec::new() } else { self.groups_of(operation, &guest.user).await? };
        for group in groups.iter().filter(|id| !standing.iter().any(|group| group.id == **id)) {
            self.join(operation, group, &guest.user).await?;
        }
        for group in standing.iter().filter(|group| !groups.contains(&group.id)) {
            self.leave(operation, &group.id, &guest.user).await?;
        }
        Ok(())
    }

    async fn join(&self, operation: Operation<'_>, group: &str, user: &SiteUser) -> Result<(), VendorError> {
        let url = self.session().url(JOIN, &["access_groups", group, "users"]);
        // The site user's id would be "not found" here for ever.
        let body = json!({ "user_id": user.user.id });
        match self.session().patient(operation, JOIN, &url, Some(&body)).await {
            Ok(_) => Ok(()),
            Err(error) => {
                // Perhaps somebody deleted the group.
                self.forget_room(group);
                let refused = error.outcome() == EffectOutcome::Permanent;
                if refused && self.is_member(operation, group, user).await? { Ok(()) } else { Err(error) }
            }
        }
    }

    pub(super) async fn leave(
        &self,
        operation: Operation<'_>,
        group: &str,
        user: &SiteUser,
    ) -> Result<(), VendorError> {
        let url = self.session().url(LEAVE, &["access_groups", group, "users", &user.user.id]);
        match self.session().call(operation, LEAVE, &url, None).await {
            Err(error) if !self.gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes a user and waits until the vendor does not know him any more; whether he was there. Nothing else frees his seat.
    pub(super) async fn remove(&self, operation: Operation<'_>, id: &str) -> Result<bool, VendorError> {
        let url = self.session().url(DELETE, &["users", id]);
        loop {
            match self.session().call(operation, DELETE, &url, None).await {
                Ok(_) => break,
                Err(error) if self.gone(&error) => return Ok(false),
                Err(error) if errors::unsettled(&error) && self.session().pause(operation).await => {}
                Err(error) => return Err(error),
            }
        }
        // The vendor's yes is "accepted", not "done".
        loop {
            match self.user(operation, id).await {
                Ok(None) => return Ok(true),
                Ok(Some(_)) => {}
                Err(error) if matches!(error.outcome(), EffectOutcome::Retryable { .. }) => {}
                Err(error) => return Err(error),
            }
            if !self.session().pause(operation).await {
                return Err(trouble(DELETE, Condition::NoAnswer));
            }
        }
    }
}

/// A user, and whether he was made just now.
pub(super) struct Guest {
    pub(super) user: SiteUser,
    pub(super) fresh: bool,
}

/// A change that the vendor has confirmed and does not show.
fn unsettled(verb: Verb) -> VendorError {
    trouble(verb, Condition::NotSettled)
}
