//! A look at an outage: who waits, where they may go, and the plan of it written down, in one transaction.
//!
//! What is written down is turned into requests by the API, through the path that every request takes; nothing is sent from here. Safe to run
//! twice: the outage's row is locked, and who has a step already is not planned again. It must not know vendors.

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::failure;
use jiff::{SignedDuration, Timestamp};
use lock_domain::{drain::plan, problem::Code};
use lock_store::{Store, StoreError};
use lock_workflows::{DrainSeen, DrainStart};
use std::{sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// A step that has not become a request for so long is given up: its guest has less time than whatever stands in its way.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// What `Drain` calls.
#[derive(Debug, Clone)]
pub struct Drains {
    /// The record.
    pub store: Store,
}

#[activities]
impl Drains {
    /// See [`lock_workflows::activities::DrainActivities`].
    #[activity(definition = lock_workflows::activities::LookAtOutage)]
    pub async fn look_at_outage(
        self: Arc<Self>,
        _ctx: ActivityContext,
        start: DrainStart,
    ) -> Result<DrainSeen, ActivityError> {
        let again_after = self.look(&start).await.map_err(|error| failure::record(&error))?;
        Ok(DrainSeen { tenant: start.tenant, again_after })
    }
}

impl Drains {
    /// Returns when to look again; `None` if the outage is over.
    async fn look(&self, start: &DrainStart) -> Result<Option<Duration>, StoreError> {
        let real = Timestamp::now();
        let mut tx = self.store.tenant(start.tenant).await?;
        let Some(outage) = tx.lock_outage(start.outage).await? else { return Ok(None) };
        let over = outage.closed_at.is_some();
        tx.end_steps(outage.id, over, real).await?;
        let patience = real.saturating_sub(PATIENCE).unwrap_or(Timestamp::MIN);
        let given_up = tx.give_up_steps(outage.id, patience, Code::Unavailable, real).await?;
        let policy = tx.on_vendor_down(outage.property).await?;
        let begins = outage.opened_at.saturating_add(policy.after()).unwrap_or(Timestamp::MAX);
        if over || real < begins {
            tx.commit().await?;
            return Ok((!over).then(|| positive(begins.duration_since(real))));
        }
        let Some(property) = tx.property(outage.property).await? else { return Ok(None) };
        let now = property.clock.now(real);
        let waiting = tx.waiting(&outage, now, policy.horizon(now)).await?;
        let standby = tx.standby(outage.property, &outage.vendor, real).await?;
        let steps = plan(&policy, &waiting, &standby);
        tx.enter_steps(&outage, &steps, property.clock, real).await?;
        tx.commit().await?;
        if given_up > 0 {
            tracing::warn!(outage = %outage.id, steps = given_up, "steps became no requests, and their stays are planned anew");
        }
        if !steps.is_empty() {
            tracing::info!(outage = %outage.id, stays = steps.len(), "stays that wait are sent elsewhere");
        }
        Ok(Some(Duration::from_secs(policy.look_every_s.into())))
    }
}

fn positive(wait: SignedDuration) -> Duration {
    Duration::try_from(wait).unwrap_or_default()
}
