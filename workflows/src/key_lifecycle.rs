//! One workflow per stay, for as long as the stay lasts: the one owner of its keys.
//!
//! Update handlers decide, the run loop acts (DESIGN §4.2). A handler checks a command, changes wishes in the [`Stay`] and waits for the
//! verdict; effects come from the loop alone, most urgent first. While nothing is due the workflow sleeps on one timer and costs nothing.
//!
//! Cancelling the workflow in Temporal does nothing: a key does not leave a lock by that. Use the API's `cancel` or `check-out`.
//!
//! How it fails: a vendor that does not answer makes a round end as *unconfirmed*; the loop goes on with the next round after a pause,
//! for ever if need be, and says so in the record. If the record can't be written the loop waits for it: nothing goes on unrecorded.

#![allow(missing_docs, reason = "the macros add items without documentation beside each documented method")]

#[cfg(test)]
mod tests;

use crate::{
    activities::{Batch, Performed, RecordActivities, StaySnapshot, VendorActivities},
    search, vendor_queue,
};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    command::Command,
    ids::*,
    policy::StayPolicy,
    problem::Code,
    stay::{Effect, Known, Next, Stay, StayPhase, StayRef, Urgency, Verdict},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, ContinueAsNewOptions, LocalActivityOptions,
    RetryPolicy, SyncWorkflowContext, TimerOptions, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, select,
};

/// After so many history events the workflow continues as new, at the next quiet point.
const HISTORY_LIMIT: u32 = 1_000;
/// One try at a vendor must be over by then; it bounds how long a revoke waits for an issue in flight.
const TRY_TIMEOUT: Duration = Duration::from_secs(90);
/// So many callers may wait for verdicts at a time; an earlier one is told to follow his operation instead.
const MOST_WAITING: usize = 5;
/// A worker that is killed in the middle of a try is noticed after so long.
const HEARTBEAT: Duration = Duration::from_secs(6);

/// What a stay's workflow starts with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StayStart {
    /// Who it is.
    pub id: StayRef,
    /// The property's choices.
    pub policy: StayPolicy,
    /// The command that makes it: a `New`.
    pub command: Command,
    /// The property's lock vendor.
    pub vendor: String,
    /// What an earlier run hands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Box<Carried>>,
}

/// What one run hands on to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Carried {
    stay: Stay,
    published: StaySnapshot,
}

/// The answer to a command, once it has a verdict that stands in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// How it ended; `None` if the run went on as another one before: ask again with the same command.
    pub verdict: Option<Verdict>,
    /// Where the stay stands now.
    pub phase: StayPhase,
}

/// The workflow.
#[workflow]
pub struct KeyLifecycle {
    stay: Stay,
    vendor: String,
    start: Command,
    /// Counts what a sleeper must wake up for.
    changes: u64,
    /// The last snapshot that stands in the record.
    published: StaySnapshot,
    /// The trace of the latest command.
    traceparent: Option<String>,
    /// Commands whose callers wait for the verdict, in the order of their coming.
    waiting: Vec<CommandId>,
    /// The run is about to continue as new.
    leaving: bool,
}

#[workflow_methods]
impl KeyLifecycle {
    #[init]
    fn new(_ctx: &WorkflowContextView, start: StayStart) -> Self {
        let StayStart { id, policy, command, vendor, carried } = start;
        let (stay, published) = match carried {
            Some(carried) => (carried.stay, carried.published),
            None => {
                // A start that is no `New` can't come from our API; such a stay is over before it begins.
                let stay = Stay::begin(id.clone(), policy.clone(), &command).unwrap_or_else(|_| Stay::void(id, policy));
                // The record has this much already: the API wrote it when it accepted the command.
                let published = snapshot(&stay, &vendor, command.at, None);
                (stay, published)
            }
        };
        let traceparent = command.traceparent.clone();
        Self { stay, vendor, start: command, changes: 0, published, traceparent, waiting: Vec::new(), leaving: false }
    }

    /// The life of the stay.
    #[run(name = "KeyLifecycle")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<StayPhase> {
        Self::live(ctx).await
    }

    /// A command. Answers when it has a verdict; a caller with less time stops waiting, and the stay goes on.
    #[update(name = "command")]
    pub async fn command(ctx: &mut WorkflowContext<Self>, command: Command) -> CommandAnswer {
        let id = command.id;
        ctx.state_mut(|s| {
            s.accept(&command);
            s.waiting.push(id);
        });
        let answered = |s: &Self| s.leaving || s.answer(id).is_some() || s.crowded_out(id);
        let options = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
        // Only cancellation ends the wait early, and this token is never cancelled.
        let _ = ctx.wait_condition_with_options(answered, options).await;
        let now = Self::now(ctx);
        ctx.state_mut(|s| s.waiting.retain(|w| *w != id));
        ctx.state(|s| CommandAnswer { tenant: s.stay.id.tenant, verdict: s.answer(id), phase: s.stay.phase(now) })
    }

    #[update_validator(command)]
    fn check(
        &self,
        _ctx: &WorkflowContextView,
        command: &Command,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.leaving {
            return Err(Box::new(Code::Unavailable));
        }
        self.stay.check(command, command.at).map_err(Into::into)
    }

    /// The property's test clock was moved. Earlier readings are ignored.
    #[signal(name = "clock")]
    pub fn clock(&mut self, _ctx: &mut SyncWorkflowContext<Self>, clock: ClockOffset) {
        if clock > self.stay.clock {
            self.stay.clock = clock;
            self.changes += 1;
        }
    }

    /// The whole state, for operators and tests.
    #[query(name = "stay")]
    pub fn stay(&self, _ctx: &WorkflowContextView) -> Stay {
        self.stay.clone()
    }
}

impl KeyLifecycle {
    /// See [`Self::run`]. A stay sleeps for weeks in here, and thousands of them in one worker: what is not asleep has its future in a box of
    /// its own, so that none of it is kept meanwhile.
    async fn live(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<StayPhase> {
        loop {
            let now = Self::now(ctx);
            let (next, seen) = ctx.state_mut(|s| {
                s.stay.tick(now);
                s.compact();
                (s.stay.next(now), s.changes)
            });
            let deadline = match &next {
                Next::Sleep(until) => Some(*until),
                Next::Act(..) => ctx.state(|s| s.published.next_deadline),
                Next::Finish => None,
            };
            Box::pin(Self::publish(ctx, now, deadline)).await?;
            // A command may have come meanwhile, and have dropped what was to be made: nobody would take that away again. Stays that began
            // before `fresh-effects` acted all the same.
            let stale = matches!(next, Next::Act(..)) && ctx.state(|s| s.changes) != seen;
            if stale && ctx.patched("fresh-effects") {
                continue;
            }
            match next {
                Next::Act(urgency, effects) => Box::pin(Self::act(ctx, urgency, effects)).await?,
                Next::Sleep(until) => {
                    if ctx.history_length() > HISTORY_LIMIT || ctx.continue_as_new_suggested() {
                        Box::pin(Self::continue_as_new(ctx)).await?;
                    }
                    Self::sleep(ctx, until, seen).await?;
                }
                Next::Finish => {
                    Box::pin(Self::settled(ctx)).await?;
                    if ctx.state(|s| s.changes) == seen {
                        return Ok(StayPhase::Ended);
                    }
                }
            }
        }
    }

    fn now(ctx: &WorkflowContext<Self>) -> Timestamp {
        let real = real_time(ctx.workflow_time());
        ctx.state(|s| s.stay.clock.now(real))
    }

    fn accept(&mut self, command: &Command) {
        if command.traceparent.is_some() {
            self.traceparent.clone_from(&command.traceparent);
        }
        // The validator has said yes, but all validators of an activation run before any handler: an earlier one may have changed that.
        if let Err(code) = self.stay.apply(command, command.at) {
            self.stay.refuse(command, code);
        }
        self.changes += 1;
    }

    /// Gives back memory that a sleeper does not need.
    fn compact(&mut self) {
        self.stay.shrink_to_fit();
        self.waiting.shrink_to_fit();
        self.published.doors.shrink_to_fit();
        self.published.running.shrink_to_fit();
    }

    /// Whether a caller has to stop waiting because others have come after him: the server takes ten updates of a workflow at a time, and
    /// a check-out must always be among them.
    fn crowded_out(&self, id: CommandId) -> bool {
        let later = self.waiting.iter().rev().position(|w| *w == id);
        later.is_some_and(|later| later >= MOST_WAITING)
    }

    /// The verdict on a command, once it stands in the record.
    fn answer(&self, id: CommandId) -> Option<Verdict> {
        let reported = !self.stay.unreported.iter().any(|s| s.id == id);
        self.stay.verdict(id).filter(|_| reported)
    }

    /// Brings the record up to date, if it is not.
    async fn publish(
        ctx: &mut WorkflowContext<Self>,
        now: Timestamp,
        deadline: Option<Timestamp>,
    ) -> WorkflowResult<()> {
        let (fresh, changed) = ctx.state(|s| {
            let fresh = snapshot(&s.stay, &s.vendor, now, deadline);
            let (settled, retired) = (fresh.settled.clone(), fresh.retired.clone());
            let news = !settled.is_empty() || !retired.is_empty();
            let known = StaySnapshot { at: fresh.at, settled, retired, ..s.published.clone() };
            let changed = fresh != known || news;
            (fresh, changed)
        });
        if !changed {
            return Ok(());
        }
        let shown = |s: &StaySnapshot| (s.room, s.phase, s.attention.is_some());
        if ctx.state(|s| shown(&s.published) != shown(&fresh)) {
            let (room, phase, attention) = shown(&fresh);
            ctx.upsert_search_attributes(search::changed(room, phase, attention));
        }
        let patient = RetryPolicy::builder()
            .initial_interval(Duration::from_millis(200))
            .maximum_interval(Duration::from_secs(20))
            .build();
        let options = LocalActivityOptions::builder()
            .retry_policy(patient)
            .timer_backoff_threshold(Duration::from_secs(30))
            .start_to_close_timeout(Duration::from_secs(15))
            .schedule_to_close_timeout(Duration::from_secs(10 * 366 * 24 * 3600))
            .cancellation_token(WorkflowCancellationToken::new())
            .build();
        ctx.execute_local_activity(RecordActivities::record_stay, fresh.clone(), options).await?;
        ctx.state_mut(|s| {
            s.stay.reported(&fresh.settled, &fresh.retired);
            // These are told once; whether anything else has changed doesn't hang on them.
            s.published = StaySnapshot { settled: Vec::new(), retired: Vec::new(), ..fresh };
            s.compact();
        });
        Ok(())
    }

    /// Performs a batch, and stops trying if something more urgent comes up.
    async fn act(ctx: &mut WorkflowContext<Self>, urgency: Urgency, effects: Vec<Effect>) -> WorkflowResult<()> {
        let budget = effects.iter().map(|e| e.budget).max().unwrap_or(TRY_TIMEOUT);
        let (batch, queue, cap) = ctx.state_mut(|s| {
            s.stay.sent(&effects);
            let batch = Batch {
                id: s.stay.id.clone(),
                urgency,
                effects: effects.clone(),
                stay_window: s.stay.window,
                clock: s.stay.clock,
                budget,
                round: s.stay.rounds,
                traceparent: s.traceparent.clone(),
            };
            // At another vendor's doors, that vendor's queue: a dark vendor's slots and limits are not for them.
            let vendor = s.stay.vendor_of(&effects).unwrap_or(&s.vendor);
            (batch, vendor_queue(vendor), s.stay.policy.retry_cap_s)
        });
        let cap = Duration::from_secs(cap.into());
        let retry =
            RetryPolicy::builder().initial_interval(cap.min(Duration::from_secs(1))).maximum_interval(cap).build();
        let stop = WorkflowCancellationToken::new();
        let timeouts = ActivityCloseTimeouts::ScheduleAndStartToClose {
            schedule_to_close: budget + 4 * TRY_TIMEOUT,
            start_to_close: TRY_TIMEOUT,
        };
        let options = ActivityOptions::with_close_timeouts(timeouts)
            .task_queue(queue)
            .heartbeat_timeout(HEARTBEAT)
            .retry_policy(retry)
            .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
            .cancellation_token(stop.clone())
            .build();
        let begun = Self::now(ctx);
        let mut gave_way = false;
        let known = {
            let mut running = Box::pin(ctx.execute_activity(VendorActivities::perform, batch, options));
            loop {
                let now = Self::now(ctx);
                let (alarm, way, seen) = ctx.state(|s| {
                    let way = s.stay.gives_way_at(urgency, &effects, begun, now);
                    (s.stay.next_alarm(urgency, now), way, s.changes)
                });
                // Stays that began before `give-way` had no such alarm.
                let way = way.filter(|_| ctx.patched("give-way"));
                let alarm = alarm.into_iter().chain(way).min();
                let left = alarm.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
                let awake = WorkflowCancellationToken::new();
                let waiting =
                    WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
                let mut changed = Box::pin(ctx.wait_condition_with_options(move |s: &Self| s.changes != seen, waiting));
                // Most batches are over long before anything else falls due, and then there is no timer.
                match left.filter(|left| *left < budget) {
                    None => select! {
                        known = running.as_mut() => break known,
                        _ = changed.as_mut() => {}
                    },
                    Some(left) => {
                        let timer = TimerOptions::builder(left).cancellation_token(awake.clone()).build();
                        select! {
                            known = running.as_mut() => {
                                awake.cancel_with_reason("the batch is over");
                                break known;
                            }
                            _ = changed.as_mut() => awake.cancel_with_reason("something changed"),
                            _ = ctx.timer(timer) => {}
                        }
                    }
                }
                drop(changed);
                let now = Self::now(ctx);
                let (stopped, way) = ctx.state_mut(|s| {
                    s.stay.tick(now);
                    (s.stay.preempts(urgency, &effects, now), s.stay.gives_way_at(urgency, &effects, begun, now))
                });
                if stopped {
                    stop.cancel_with_reason("something more urgent came up");
                    break running.await;
                }
                if way.is_some_and(|at| at <= now) && ctx.patched("give-way") {
                    gave_way = true;
                    stop.cancel_with_reason("others have their turn");
                    break running.await;
                }
            }
        };
        let now = Self::now(ctx);
        let read = match &known {
            Ok(performed) if urgency == Urgency::Read => {
                let proven = performed.known.iter().all(|k| matches!(k, Known::Live { .. } | Known::Gone));
                // Stays that began before `unread` took whatever came for a reading.
                Some(if proven || ctx.patched("unread") { performed.known.clone() } else { Vec::new() })
            }
            _ => None,
        };
        ctx.state_mut(|s| {
            if let Ok(Performed { outrun_by: Some(round), .. }) = &known {
                s.stay.outrun(*round);
            }
            for (n, effect) in effects.iter().enumerate() {
                let one = match &known {
                    Ok(performed) => {
                        performed.known.get(n).copied().unwrap_or(Known::Unconfirmed { code: Code::Unproven })
                    }
                    Err(temporalio_workflow::ActivityExecutionError::Cancelled(_)) => Known::CalledOff,
                    Err(_) => Known::Unconfirmed { code: Code::Unproven },
                };
                let one = if gave_way && one == Known::CalledOff { s.stay.gave_way(effect) } else { one };
                s.stay.record(effect, one, now);
            }
            if let Some(read) = &read {
                s.stay.read_back(read, now);
            }
        });
        Ok(())
    }

    /// Sleeps until a deadline or a change, on one timer.
    async fn sleep(ctx: &mut WorkflowContext<Self>, until: Timestamp, seen: u64) -> WorkflowResult<()> {
        let left = until.duration_since(Self::now(ctx));
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO).max(Duration::from_millis(1));
        let changed = WorkflowCancellationToken::new();
        let timer = TimerOptions::builder(left).cancellation_token(changed.clone()).build();
        let waiting = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
        select! {
            _ = ctx.timer(timer) => {}
            _ = ctx.wait_condition_with_options(move |s: &Self| s.changes != seen, waiting) => changed.cancel_with_reason("something changed"),
        }
        Ok(())
    }

    /// Waits until every update has been answered.
    async fn settled(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let other = ctx.clone();
        let waiting = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
        let _ = ctx.wait_condition_with_options(move |_: &Self| other.all_handlers_finished(), waiting).await;
        Ok(())
    }

    /// Goes on as a new run with a short history. Callers that wait are told to ask again.
    async fn continue_as_new(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        ctx.state_mut(|s| s.leaving = true);
        Self::settled(ctx).await?;
        let next = ctx.state(|s| StayStart {
            id: s.stay.id.clone(),
            policy: s.stay.policy.clone(),
            command: s.start.clone(),
            vendor: s.vendor.clone(),
            carried: Some(Box::new(Carried { stay: s.stay.clone(), published: s.published.clone() })),
        });
        let options = ContinueAsNewOptions::builder().task_queue(vendor_queue(&next.vendor)).build();
        ctx.continue_as_new(next, options)?;
        Ok(())
    }
}

fn real_time(time: Option<std::time::SystemTime>) -> Timestamp {
    time.and_then(|t| Timestamp::try_from(t).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn snapshot(stay: &Stay, vendor: &str, now: Timestamp, next_deadline: Option<Timestamp>) -> StaySnapshot {
    StaySnapshot {
        id: stay.id.clone(),
        vendor: vendor.to_owned(),
        phase: stay.phase(now),
        cause: stay.ended,
        suspended: stay.suspended,
        attention: stay.attention(),
        window: stay.window,
        room: stay.room,
        doors: stay.doors_in_use(),
        next_deadline,
        settled: stay.unreported.clone(),
        running: stay.open.iter().map(|c| c.id).collect(),
        retired: stay.retired.clone(),
        pin_quarantine_s: stay.policy.pin_quarantine_s,
        at: now,
    }
}
