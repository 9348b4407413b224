//! What a room needs once: an access group with the lock in it and a schedule, without which no PIN of a guest ever opens.
//!
//! The group is ours by its `customer_reference`, a function of the lock, so that it is found again and never made twice.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::NAME;
use super::adapter::SaltoKs;
use super::errors;
use super::session::{Operation, Verb};
use super::wire::{Group, LockRow, Row, Schedule};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::port::VendorLockRef;

const GROUPS: Verb = Verb::get("GET access_groups");
// Making the same group twice is healed, and a lock or a schedule that stands there twice does no harm: an unknown effect is met by
// looking again, which every issue begins with.
const ADD_GROUP: Verb = Verb::post("POST access_groups").harmless();
const DELETE_GROUP: Verb = Verb::delete("DELETE access_groups/{id}").harmless();
const GROUP_LOCKS: Verb = Verb::get("GET access_groups/{id}/locks");
const ADD_LOCK: Verb = Verb::post("POST access_groups/{id}/locks").harmless();
const SCHEDULES: Verb = Verb::get("GET access_groups/{id}/time_schedules").v1_1();
const ADD_SCHEDULE: Verb = Verb::post("POST access_groups/{id}/time_schedules").v1_1().harmless();
pub(super) const LOCKS: Verb = Verb::get("GET locks");

const PREFIX: &str = "lis-door-";

/// A room that was found ready, and when.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) group: String,
    at: Instant,
}

/// The `customer_reference` of a lock's group.
pub(super) fn reference(lock_id: &str) -> String {
    format!("{PREFIX}{lock_id}")
}

/// Whether a group is one of ours.
pub(super) fn ours(group: &Group) -> bool {
    group.customer_reference.as_deref().is_some_and(|text| text.starts_with(PREFIX))
}

fn belongs(group: &Group, lock_id: &str) -> bool {
    group.customer_reference.as_deref() == Some(reference(lock_id).as_str())
}

fn always() -> Value {
    json!({
        "monday": true, "tuesday": true, "wednesday": true, "thursday": true, "friday": true, "saturday": true,
        "sunday": true, "start_time": "00:00", "end_time": "23:59",
    })
}

impl SaltoKs {
    /// The id of the lock's access group, made ready where it is not.
    pub(super) async fn room(&self, operation: Operation<'_>, lock: &VendorLockRef) -> Result<String, VendorError> {
        let _turn = self.turn(operation, &format!("room {}", lock.lock_id)).await?;
        if let Some(ready) = self.known_room(&lock.lock_id) {
            return Ok(ready.group);
        }
        let group = match self.group_of(operation, &lock.lock_id).await? {
            Some(group) => group.id,
            None => self.add_group(operation, &lock.lock_id).await?,
        };
        let session = self.session();
        let held: Vec<Row> = session
            .rows(operation, GROUP_LOCKS, session.url(GROUP_LOCKS, &["access_groups", &group, "locks"]))
            .await?
            .0;
        if !held.iter().any(|row| row.id == lock.lock_id) {
            self.add_lock(operation, &group, &lock.lock_id).await?;
        }
        let schedules: Vec<Schedule> = session
            .rows(operation, SCHEDULES, session.url(SCHEDULES, &["access_groups", &group, "time_schedules"]))
            .await?
            .0;
        if !schedules.iter().any(Schedule::always) {
            let url = session.url(ADD_SCHEDULE, &["access_groups", &group, "time_schedules"]);
            session.patient(operation, ADD_SCHEDULE, &url, Some(&always())).await?;
        }
        self.remember_room(&lock.lock_id, Ready { group: group.clone(), at: Instant::now() });
        Ok(group)
    }

    fn known_room(&self, lock_id: &str) -> Option<Ready> {
        let keep: Duration = self.session().config().assume.room_checked_for;
        self.rooms().get(lock_id).filter(|ready| ready.at.elapsed() < keep).cloned()
    }

    fn remember_room(&self, lock_id: &str, ready: Ready) {
        self.rooms().insert(lock_id.to_owned(), ready);
    }

    /// Looked at again before it is used next.
    pub(super) fn forget_room(&self, group: &str) {
        self.rooms().retain(|_, ready| ready.group != group);
    }

    /// Our access groups, all of the site's.
    pub(super) async fn groups(&self, operation: Operation<'_>) -> Result<Vec<Group>, VendorError> {
        let mut groups = self.all_groups(operation).await?;
        groups.retain(ours);
        Ok(groups)
    }

    async fn all_groups(&self, operation: Operation<'_>) -> Result<Vec<Group>, VendorError> {
        let session = self.session();
        Ok(session.rows(operation, GROUPS, session.url(GROUPS, &["access_groups"])).await?.0)
    }

    /// Every access group that has the lock: ours, told by its reference, and those that people made, each of which has to be asked.
    pub(super) async fn groups_with(&self, operation: Operation<'_>, lock_id: &str) -> Result<Vec<Group>, VendorError> {
        let session = self.session();
        let mut with = Vec::new();
        for group in self.all_groups(operation).await? {
            let has = if ours(&group) {
                belongs(&group, lock_id)
            } else {
                let url = session.url(GROUP_LOCKS, &["access_groups", &group.id, "locks"]);
                let held: Vec<Row> = session.rows(operation, GROUP_LOCKS, url).await?.0;
                held.iter().any(|row| row.id == lock_id)
            };
            if has {
                with.push(group);
            }
        }
        Ok(with)
    }

    /// Groups of a lock: one, or more for a while after an answer got lost. Everybody takes the first.
    async fn groups_for(&self, operation: Operation<'_>, lock_id: &str) -> Result<Vec<Group>, VendorError> {
        let mut groups = self.groups(operation).await?;
        groups.retain(|group| belongs(group, lock_id));
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(groups)
    }

    pub(super) async fn group_of(&self, operation: Operation<'_>, lock_id: &str) -> Result<Option<Group>, VendorError> {
        Ok(self.groups_for(operation, lock_id).await?.into_iter().next())
    }

    async fn add_group(&self, operation: Operation<'_>, lock_id: &str) -> Result<String, VendorError> {
        let session = self.session();
        let url = session.url(ADD_GROUP, &["access_groups"]);
        let body = json!({ "customer_reference": reference(lock_id) });
        let added: Group = session.call(operation, ADD_GROUP, &url, Some(&body)).await?.read(ADD_GROUP)?;
        // Somebody else may have made it at the same moment, or an earlier call that got no answer.
        let mut groups = self.groups_for(operation, lock_id).await?.into_iter();
        let first = groups.next().map_or(added.id, |group| group.id);
        for double in groups {
            if !self.members(operation, &double.id).await?.is_empty() {
                continue;
            }
            let url = session.url(DELETE_GROUP, &["access_groups", &double.id]);
            // What is left behind is empty and does no harm.
            if let Err(error) = session.call(operation, DELETE_GROUP, &url, None).await {
                tracing::warn!(%error, vendor = NAME, "a second access group of a room was not removed");
            }
        }
        Ok(first)
    }

    async fn add_lock(&self, operation: Operation<'_>, group: &str, lock_id: &str) -> Result<(), VendorError> {
        let session = self.session();
        let locks: Vec<LockRow> = session.rows(operation, LOCKS, session.url(LOCKS, &["locks"])).await?.0;
        if !locks.iter().any(|lock| lock.id == lock_id) {
            return Err(VendorError::new(NAME, ADD_LOCK.name, Condition::LockUnknown, EffectOutcome::Permanent)
                .numbered(errors::NOT_FOUND, Condition::LockUnknown.remedy()));
        }
        let url = session.url(ADD_LOCK, &["access_groups", group, "locks"]);
        let body = json!({ "lock_id": lock_id });
        session.patient(operation, ADD_LOCK, &url, Some(&body)).await?;
        Ok(())
    }

    /// All locks of the site.
    pub(super) async fn lock_rows(&self, operation: Operation<'_>) -> Result<Vec<LockRow>, VendorError> {
        let session = self.session();
        Ok(session.rows(operation, LOCKS, session.url(LOCKS, &["locks"])).await?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_reference() {
        assert_eq!(reference("4d77312f"), "lis-door-4d77312f");
        let group = |text: Option<&str>| Group { id: "g".into(), customer_reference: text.map(str::to_owned) };
        assert!(ours(&group(Some("lis-door-x"))) && belongs(&group(Some("lis-door-x")), "x"));
        assert!(!ours(&group(Some("All doors"))) && !ours(&group(None)) && !belongs(&group(Some("lis-door-xy")), "x"));
        assert_eq!(errors::trouble(ADD_GROUP, Condition::NoAnswer).outcome(), EffectOutcome::Retryable { after: None });
    }
}
