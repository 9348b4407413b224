//! The probes of one round, by the vendors' port. None touches a guest's key: they read, and the one that changes something changes a test
//! lock.

use super::evidence::finding;
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    health::{BreakerState, Evidence, Finding, ProbeKind, Reach, passive},
    problem::Code,
    window::Window,
};
use lock_store::{ClaimedBreaker, DevicesSeen, ProbeResult};
use lock_vendors::{
    error::VendorError,
    port::{CallContext, CredentialToken, KeyForm, KeySpec, LockVendor, Scope, VendorLockRef},
};
use secrecy::SecretString;
use std::time::Duration;
use tokio::time::Instant;

/// For one reading probe.
const READ: Duration = Duration::from_secs(5);
/// For each call of the canary's, which waits for a lock.
const WRITE: Duration = Duration::from_secs(15);
/// A code that could not be taken out of the test lock ends by itself.
const CANARY_WINDOW: SignedDuration = SignedDuration::from_mins(30);

/// What a round brought to light.
pub(super) struct Probed {
    pub(super) probes: Vec<ProbeResult>,
    pub(super) devices: DevicesSeen,
}

/// Makes one round. The canary is asked when the breaker is not closed and the others let hope, and when calls for guests fail while reading
/// works.
pub(super) async fn round(vendor: &dyn LockVendor, claimed: &ClaimedBreaker, now: Timestamp) -> Probed {
    let mut devices = DevicesSeen::default();
    let canary = claimed.health.canary_lock.as_deref();
    let reads = canary.or(claimed.some_lock.as_deref());
    let (sign_in, lock_list, gateways) = tokio::join!(
        timed(ProbeKind::SignIn, READ, sign_in(vendor)),
        timed(ProbeKind::LockList, READ, lock_list(vendor, reads)),
        timed(ProbeKind::Gateways, READ, gateways(vendor)),
    );
    let calls = Evidence { kind: ProbeKind::Passive, finding: heard(claimed) };
    devices.locks = sign_in.1.unwrap_or_default();
    if let Some((count, offline)) = gateways.1 {
        (devices.gateways, devices.gateways_offline) = (count, offline);
    }
    let mut probes = vec![sign_in.0, lock_list.0, gateways.0, ProbeResult { evidence: calls, took_ms: 0 }];
    let hope = probes[..3].iter().filter(|probe| probe.evidence.of_link() == Some(false)).count() < 2;
    let asked = claimed.row.breaker.state != BreakerState::Closed || calls.of_link() == Some(false);
    if let Some(lock) = canary.filter(|_| hope && asked && can_make(vendor)) {
        let all = 4 * WRITE;
        probes.push(timed(ProbeKind::Canary, all, put_and_take(vendor, lock, claimed, now)).await.0);
    }
    Probed { probes, devices }
}

/// What calls for guests say, where the property lets them.
fn heard(claimed: &ClaimedBreaker) -> Finding {
    if claimed.health.ignore_calls { Finding::Silent } else { passive(claimed.row.calls_well, claimed.row.calls_bad) }
}

/// What a probe saw, if it speaks at all.
type Seen<T> = Result<Option<T>, VendorError>;

async fn timed<T>(kind: ProbeKind, limit: Duration, probe: impl Future<Output = Seen<T>>) -> (ProbeResult, Option<T>) {
    let started = Instant::now();
    // Adapters keep the time that a call is given; one that does not must not hold up a round.
    let (finding, seen) = match tokio::time::timeout(limit + READ, probe).await {
        Ok(Ok(Some(seen))) => (Finding::Well, Some(seen)),
        Ok(Ok(None)) => (Finding::Silent, None),
        Ok(Err(error)) => {
            tracing::debug!(%error, kind = kind.name(), "a probe failed");
            (finding(&error), None)
        }
        Err(_) => (Finding::Bad { reach: Reach::Link, code: Code::VendorUnreachable }, None),
    };
    let took_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    (ProbeResult { evidence: Evidence { kind, finding }, took_ms }, seen)
}

fn call(kind: ProbeKind, timeout: Duration) -> CallContext {
    CallContext::new(format!("probe-{}", kind.name()), timeout)
}

async fn sign_in(vendor: &dyn LockVendor) -> Seen<u32> {
    let locks = vendor.locks(&call(ProbeKind::SignIn, READ)).await?;
    Ok(Some(u32::try_from(locks.len()).unwrap_or(u32::MAX)))
}

async fn lock_list(vendor: &dyn LockVendor, lock: Option<&str>) -> Seen<()> {
    let Some(lock) = lock.filter(|_| vendor.capabilities().read_back) else { return Ok(None) };
    vendor.list(&call(ProbeKind::LockList, READ), &VendorLockRef::new(lock)).await?;
    Ok(Some(()))
}

/// Their number, and the names of those that are offline. A gateway that is offline says nothing against the vendor, which has told us. None
/// at all may mean that nobody was asked.
async fn gateways(vendor: &dyn LockVendor) -> Seen<(u32, Vec<String>)> {
    let all = vendor.gateways(&call(ProbeKind::Gateways, READ)).await?;
    let offline = all.iter().filter(|gateway| !gateway.online).map(|gateway| gateway.name.clone()).take(20).collect();
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    Ok((count > 0).then_some((count, offline)))
}

fn can_make(vendor: &dyn LockVendor) -> bool {
    let can = vendor.capabilities();
    can.pin && can.choose_pin && can.scope == Scope::Door
}

/// Puts a code into the test lock and takes it out, with what an earlier trial may have left there.
async fn put_and_take(vendor: &dyn LockVendor, lock: &str, claimed: &ClaimedBreaker, now: Timestamp) -> Seen<()> {
    let call = call(ProbeKind::Canary, WRITE);
    let doors = [VendorLockRef::new(lock)];
    let Ok(token) = CredentialToken::new(format!("canary-{}", claimed.row.property.as_uuid().simple())) else {
        return Ok(None);
    };
    if let Some(left) = vendor.find(&call, &doors, &token).await? {
        vendor.delete(&call, &doors, &left.reference).await?;
    }
    let until = now.saturating_add(CANARY_WINDOW).unwrap_or(now);
    let digits: u32 = rand::random_range(10_000_000..100_000_000);
    let form = KeyForm::ChosenPin(SecretString::from(digits.to_string()));
    let spec = KeySpec { token, form, doors: doors.to_vec(), window: Window { from: now, until }, joins: true };
    let issued = vendor.issue(&call, &spec).await?;
    vendor.delete(&call, &doors, &issued.credential.reference).await?;
    Ok(Some(()))
}
