//! Makes one activity of one tenant go wrong: refused before it runs, repeated after it ran, or lost with its worker.
//!
//! A plan says which of the tenant's activities it means (counted from 1, retries included) and what happens to it. `hit` tells whether
//! the plan was carried out: a fault test that hits nothing tests nothing.

use lock_domain::ids::TenantId;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use temporalio_sdk::{
    ApplicationFailure,
    activities::ActivityError,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
};

/// A late activity that nobody lets go by then belongs to a test that is stuck.
const LATEST: Duration = Duration::from_secs(120);

/// What happens to an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It fails without having run.
    Fail,
    /// It runs, its result is lost, and it runs again.
    Repeat,
    /// Its worker dies in the middle of it: nothing is heard of it any more, and what it sent may still arrive.
    Crash,
    /// Its worker hangs before it has done anything, and goes on when the test lets it go ([`let_go`]), long after another has done the work.
    /// An effect, unless the plan names something else.
    Late,
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::Fail, Self::Repeat, Self::Crash];
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    plan: Option<(usize, Mode)>,
    /// Of which activity, if not of all.
    of: Option<String>,
    hit: bool,
    /// Whether the late one may go on, and has run.
    late: (bool, bool),
    /// Activities that have ended of themselves, by name.
    ended: Vec<String>,
}

static STATES: Mutex<BTreeMap<TenantId, State>> = Mutex::new(BTreeMap::new());

fn states() -> MutexGuard<'static, BTreeMap<TenantId, State>> {
    STATES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, the tenant's `nth` activity goes wrong.
pub fn plan(tenant: TenantId, nth: usize, mode: Mode) {
    states().insert(tenant, State { plan: Some((nth, mode)), ..State::default() });
}

/// From now on, the tenant's `nth` activity of this name goes wrong.
pub fn plan_of(tenant: TenantId, name: &str, nth: usize, mode: Mode) {
    let of = Some(name.to_owned());
    states().insert(tenant, State { plan: Some((nth, mode)), of, ..State::default() });
}

/// The tenant's activities so far, by name, and whether its plan was carried out.
pub fn seen(tenant: TenantId) -> (Vec<String>, bool) {
    states().get(&tenant).map(|s| (s.seen.clone(), s.hit)).unwrap_or_default()
}

/// Lets the tenant's late activity go on.
pub fn let_go(tenant: TenantId) {
    states().entry(tenant).or_default().late.0 = true;
}

/// Whether it has run to its end since.
pub fn let_go_done(tenant: TenantId) -> bool {
    states().get(&tenant).is_some_and(|state| state.late.1)
}

/// How many of the tenant's activities of this name have come to an end, whatever it was.
pub fn ended(tenant: TenantId, name: &str) -> usize {
    states().get(&tenant).map_or(0, |state| state.ended.iter().filter(|ended| *ended == name).count())
}

/// The interceptor.
pub struct Faults;

impl ActivityInboundInterceptor for Faults {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let (tenant, mode) = (tenant(&input), note(&input));
        Box::pin(async move {
            let lost = || ActivityError::application(ApplicationFailure::new("the harness says so"));
            match mode {
                None => {
                    let name = input.activity_info().activity_type.clone();
                    let done = next.run(input).await;
                    if let Some(tenant) = tenant {
                        states().entry(tenant).or_default().ended.push(name);
                    }
                    done
                }
                Some(Mode::Fail) => Err(lost()),
                Some(Mode::Repeat) => {
                    let _ = next.run(input).await;
                    Err(lost())
                }
                Some(Mode::Late) => {
                    let tenant = tenant.expect("it was planned for a tenant");
                    let begun = tokio::time::Instant::now();
                    while !states().get(&tenant).is_some_and(|state| state.late.0) {
                        assert!(begun.elapsed() < LATEST, "nobody let the late call go on");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    let done = next.run(input).await;
                    states().entry(tenant).or_default().late.1 = true;
                    done
                }
                Some(Mode::Crash) => {
                    // Cut where it happens to be; then silence, until the server has given it to another worker.
                    let _ = tokio::time::timeout(Duration::from_millis(6), next.run(input)).await;
                    tokio::time::sleep(Duration::from_secs(25)).await;
                    Err(lost())
                }
            }
        })
    }
}

fn tenant(input: &ExecuteActivityInput) -> Option<TenantId> {
    input.activity_info().workflow_id.as_deref()?.split('/').nth(1)?.parse().ok()
}

fn note(input: &ExecuteActivityInput) -> Option<Mode> {
    let info = input.activity_info();
    let tenant = tenant(input)?;
    let mut states = states();
    let state = states.entry(tenant).or_default();
    state.seen.push(info.activity_type.clone());
    let (nth, mode) = state.plan?;
    // Effects alone, so that a test need not know what is recorded between them.
    let of = state.of.as_deref().or((mode == Mode::Late).then_some("perform"));
    let place = state.seen.iter().filter(|name| of.is_none_or(|of| of == *name)).count();
    let meant = of.is_none_or(|of| of == info.activity_type);
    // A local activity lives and dies with its workflow task; killing whole workers is tested with processes.
    let fits = meant && nth == place && !(mode == Mode::Crash && info.is_local);
    state.hit |= fits;
    fits.then_some(mode)
}
