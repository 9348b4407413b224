//! One workflow per property, for ever: looks after its devices.
//!
//! At night, when guests don't need the gateways, it looks at every lock's clock and has it set where that is needed; each hour it looks at
//! batteries and at what can be reached; what is urgent, because a record of a door says that a clock is off, it looks at at once. Locks go
//! in batches of [`LOCKS_PER_MINUTE`], one lock after another, and the next batch waits until the minute is over.
//!
//! Between those it sleeps on one timer. The night is the property's own by real time, also where a sandbox's test clock runs ahead.
//!
//! A look costs 11 history events, ten locks another 11; the run continues as new after [`HISTORY_LIMIT`], which is a day of a hotel with
//! 300 locks. What is right about a clock is decided by the activities with functions of `domain`; here stands only *when*.
//!
//! How it fails: an activity is tried again for a while, and then its locks wait for the next night. Cancelling does nothing.

#![allow(missing_docs, reason = "the macros add items without documentation beside each documented method")]

use crate::{
    QUEUE_STAYS,
    activities::{DeviceActivities, LockBatch, Survey, SurveyAsk},
    vendor_queue,
};
use jiff::Timestamp;
use lock_domain::{device::LOCKS_PER_MINUTE, ids::*};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, ContinueAsNewOptions, RetryPolicy, SyncWorkflowContext, TimerOptions,
    WaitConditionOptions, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, select,
};

/// After so many history events the workflow continues as new, at the next quiet point.
const HISTORY_LIMIT: u32 = 700;
/// Batteries and links are looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// When a look can't be made at all, the next one comes after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// One try at a batch. A lock takes a few seconds, a gateway that does not answer fifteen.
const TRY_TIMEOUT: Duration = Duration::from_secs(300);
/// All tries at it.
const ALL_TRIES: Duration = Duration::from_secs(1_200);
const HEARTBEAT: Duration = Duration::from_secs(6);

/// What the loop starts with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaintenanceStart {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// What an earlier run hands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Box<Upkeep>>,
}

/// Locks whose clocks should be looked at now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WakeLocks {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// Their doors.
    pub doors: Vec<DoorId>,
}

/// Everything should be looked at now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookNow {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
}

/// What is to be done when: also what one run hands on to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upkeep {
    /// The property's lock vendor, since it is known.
    pub vendor: Option<String>,
    /// Doors whose locks are looked at first.
    pub urgent: Vec<DoorId>,
    /// Doors whose locks are looked at in this night, still.
    pub queue: Vec<DoorId>,
    /// Until when.
    pub queue_until: Option<Timestamp>,
    /// Somebody asked for everything.
    pub asked: bool,
    /// When the next night begins.
    pub night: Option<Timestamp>,
    /// When the next look at batteries and links is due.
    pub look: Option<Timestamp>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Locks(Vec<DoorId>),
    Survey { asked: bool },
    Sleep(Timestamp),
}

impl Upkeep {
    /// Adds doors that are urgent, each once.
    fn wake(&mut self, doors: Vec<DoorId>) {
        for door in doors {
            if !self.urgent.contains(&door) {
                self.urgent.push(door);
            }
        }
    }

    /// Takes what comes next: urgent locks, then this night's, then a survey.
    fn take(&mut self, now: Timestamp) -> Next {
        if self.queue_until.is_some_and(|until| until <= now) {
            // The night is over: what is left comes first in the next one, because it was looked at longest ago.
            self.queue.clear();
        }
        // Without a vendor nobody knows the queue yet.
        let most = LOCKS_PER_MINUTE as usize;
        let list = if self.urgent.is_empty() { &mut self.queue } else { &mut self.urgent };
        if self.vendor.is_some() && !list.is_empty() {
            let rest = list.split_off(list.len().min(most));
            let batch = std::mem::replace(list, rest);
            self.queue.retain(|door| !batch.contains(door));
            return Next::Locks(batch);
        }
        let due = |at: Option<Timestamp>| at.is_none_or(|at| at <= now);
        if self.asked || due(self.night) || due(self.look) {
            return Next::Survey { asked: std::mem::take(&mut self.asked) };
        }
        Next::Sleep([self.night, self.look].into_iter().flatten().min().unwrap_or(now))
    }

    /// After a survey.
    fn surveyed(&mut self, survey: Survey, now: Timestamp) {
        let at = |after: Duration| now.saturating_add(after).unwrap_or(Timestamp::MAX);
        self.vendor = Some(survey.vendor);
        self.night = Some(survey.night);
        self.look = Some(at(if survey.looked { LOOK_EVERY } else { LOOK_AGAIN }));
        if !survey.doors.is_empty() {
            (self.queue, self.queue_until) = (survey.doors, survey.until);
        }
    }

    /// After a survey that came to nothing.
    fn not_surveyed(&mut self, now: Timestamp) {
        let again = now.saturating_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
        self.look = Some(again);
        self.night = self.night.filter(|night| *night > now).or(Some(again));
    }
}

/// The workflow.
#[workflow]
pub struct Maintenance {
    tenant: TenantId,
    property: PropertyId,
    upkeep: Upkeep,
    /// Counts what a sleeper must wake up for.
    changes: u64,
}

#[workflow_methods]
impl Maintenance {
    #[init]
    fn new(_ctx: &WorkflowContextView, start: MaintenanceStart) -> Self {
        let upkeep = start.carried.map(|carried| *carried).unwrap_or_default();
        Self { tenant: start.tenant, property: start.property, upkeep, changes: 0 }
    }

    /// For ever.
    #[run(name = "Maintenance")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        loop {
            let now = Self::now(ctx);
            let (next, seen) = ctx.state_mut(|s| (s.upkeep.take(now), s.changes));
            match next {
                Next::Locks(doors) => {
                    let pause = pause(doors.len());
                    Self::look_at(ctx, doors).await;
                    Self::pace(ctx, now, pause).await;
                }
                Next::Survey { asked } => Self::survey(ctx, asked, now).await,
                Next::Sleep(until) => {
                    if ctx.history_length() > HISTORY_LIMIT || ctx.continue_as_new_suggested() {
                        return Self::continue_as_new(ctx);
                    }
                    Self::sleep(ctx, until, seen).await;
                }
            }
            if ctx.history_length() > HISTORY_LIMIT {
                return Self::continue_as_new(ctx);
            }
        }
    }

    /// These locks' clocks may be off.
    #[signal(name = "wake")]
    pub fn wake(&mut self, _ctx: &mut SyncWorkflowContext<Self>, wake: WakeLocks) {
        self.upkeep.wake(wake.doors);
        self.changes += 1;
    }

    /// Look at everything now, whatever the hour.
    #[signal(name = "look_now")]
    pub fn look_now(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _now: LookNow) {
        self.upkeep.asked = true;
        self.changes += 1;
    }

    /// What is to be done when, for operators and tests.
    #[query(name = "upkeep")]
    pub fn upkeep(&self, _ctx: &WorkflowContextView) -> MaintenanceStart {
        self.handed_on()
    }
}

/// A batch of so many locks has so much time for itself.
fn pause(locks: usize) -> Duration {
    let locks = u32::try_from(locks).unwrap_or(LOCKS_PER_MINUTE).min(LOCKS_PER_MINUTE);
    Duration::from_secs(60) * locks / LOCKS_PER_MINUTE
}

impl Maintenance {
    fn handed_on(&self) -> MaintenanceStart {
        MaintenanceStart { tenant: self.tenant, property: self.property, carried: Some(Box::new(self.upkeep.clone())) }
    }

    fn now(ctx: &WorkflowContext<Self>) -> Timestamp {
        ctx.workflow_time().and_then(|t| Timestamp::try_from(t).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn options(queue: String) -> ActivityOptions {
        let timeouts = ActivityCloseTimeouts::ScheduleAndStartToClose {
            schedule_to_close: ALL_TRIES,
            start_to_close: TRY_TIMEOUT,
        };
        let retry = RetryPolicy::builder()
            .initial_interval(Duration::from_secs(1))
            .maximum_interval(Duration::from_secs(120))
            .build();
        ActivityOptions::with_close_timeouts(timeouts)
            .task_queue(queue)
            .heartbeat_timeout(HEARTBEAT)
            .retry_policy(retry)
            .cancellation_token(WorkflowCancellationToken::new())
            .build()
    }

    async fn survey(ctx: &mut WorkflowContext<Self>, asked: bool, now: Timestamp) {
        // Which vendor it is the first survey tells; it reads more of the record than of the vendor.
        let (ask, queue) = ctx.state(|s| {
            let ask = SurveyAsk { tenant: s.tenant, property: s.property, now, asked };
            (ask, QUEUE_STAYS.to_owned())
        });
        let made = ctx.execute_activity(DeviceActivities::survey, ask, Self::options(queue)).await;
        let now = Self::now(ctx);
        ctx.state_mut(|s| match made {
            Ok(survey) => s.upkeep.surveyed(survey, now),
            Err(_) => s.upkeep.not_surveyed(now),
        });
    }

    async fn look_at(ctx: &mut WorkflowContext<Self>, doors: Vec<DoorId>) {
        let (batch, queue) = ctx.state(|s| {
            let vendor = s.upkeep.vendor.clone().unwrap_or_default();
            (LockBatch { tenant: s.tenant, property: s.property, doors }, vendor_queue(&vendor))
        });
        // What could not be looked at at all comes up in the next night: it was looked at longest ago then.
        let _ = ctx.execute_activity(DeviceActivities::look_at_locks, batch, Self::options(queue)).await;
    }

    /// Waits until `length` after `since`, whatever happens meanwhile.
    async fn pace(ctx: &mut WorkflowContext<Self>, since: Timestamp, length: Duration) {
        let until = since.saturating_add(length).unwrap_or(since);
        let left = Duration::try_from(until.duration_since(Self::now(ctx))).unwrap_or_default();
        if !left.is_zero() {
            let timer = TimerOptions::builder(left).cancellation_token(WorkflowCancellationToken::new()).build();
            let _ = ctx.timer(timer).await;
        }
    }

    /// Sleeps until a time or a signal, on one timer.
    async fn sleep(ctx: &mut WorkflowContext<Self>, until: Timestamp, seen: u64) {
        let left = Duration::try_from(until.duration_since(Self::now(ctx))).unwrap_or_default();
        let woken = WorkflowCancellationToken::new();
        let timer = TimerOptions::builder(left.max(Duration::from_millis(1))).cancellation_token(woken.clone()).build();
        let waiting = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
        select! {
            _ = ctx.timer(timer) => {}
            _ = ctx.wait_condition_with_options(move |s: &Self| s.changes != seen, waiting) => woken.cancel_with_reason("a signal came"),
        }
    }

    fn continue_as_new(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let next = ctx.state(Self::handed_on);
        let options = ContinueAsNewOptions::builder().task_queue(QUEUE_STAYS.to_owned()).build();
        ctx.continue_as_new(next, options)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn doors(range: std::ops::Range<u32>) -> Vec<DoorId> {
        range.map(|n| format!("door_{n:032x}").parse().unwrap()).collect()
    }

    fn survey(count: u32) -> Survey {
        let tenant = "ten_00000000000000000000000000000001".parse().unwrap();
        let (night, until) = (at(26), Some(at(5)));
        Survey { tenant, vendor: "ttlock".into(), looked: true, doors: doors(0..count), until, night }
    }

    #[test]
    fn a_night_goes_in_batches_and_what_is_urgent_goes_first() {
        let mut upkeep = Upkeep::default();
        assert_eq!(upkeep.take(at(2)), Next::Survey { asked: false });
        upkeep.surveyed(survey(25), at(2));
        assert_eq!(upkeep.take(at(2)), Next::Locks(doors(0..10)));
        upkeep.wake(doors(12..13));
        upkeep.wake(doors(12..13));
        assert_eq!(upkeep.take(at(2)), Next::Locks(doors(12..13)), "once, and not again in its turn");
        assert_eq!(upkeep.take(at(2)), Next::Locks([doors(10..12), doors(13..21)].concat()));
        assert_eq!(upkeep.take(at(2)), Next::Locks(doors(21..25)));
        assert_eq!(upkeep.take(at(2)), Next::Sleep(at(3)), "the next look");
        assert_eq!(upkeep.take(at(3)), Next::Survey { asked: false });
    }

    #[test]
    fn what_the_night_was_too_short_for_waits_and_what_is_asked_does_not() {
        let mut upkeep = Upkeep::default();
        upkeep.surveyed(survey(25), at(2));
        assert_eq!(upkeep.take(at(5)), Next::Survey { asked: false }, "an hour has passed, the night is over");
        upkeep.surveyed(Survey { doors: vec![], ..survey(0) }, at(5));
        assert_eq!(upkeep.take(at(5)), Next::Sleep(at(6)));
        upkeep.asked = true;
        assert_eq!(upkeep.take(at(5)), Next::Survey { asked: true });
        upkeep.surveyed(Survey { until: None, ..survey(3) }, at(5));
        assert_eq!(upkeep.take(at(5)), Next::Locks(doors(0..3)));
    }

    #[test]
    fn a_survey_that_fails_comes_again_soon() {
        let mut upkeep = Upkeep::default();
        upkeep.not_surveyed(at(2));
        let Next::Sleep(until) = upkeep.take(at(2)) else { panic!() };
        assert_eq!(until.duration_since(at(2)).as_secs(), 600);
    }

    #[test]
    fn the_pace_is_kept() {
        assert_eq!([1, 4, 10].map(|n| pause(n).as_secs()), [6, 24, 60]);
    }
}
