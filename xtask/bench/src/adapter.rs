//! What an adapter costs: processor time of this process per call at a vendor whose simulator runs elsewhere and answers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use lock_contract::{Target, simulator::world};
use lock_domain::ids::{PropertyId, TenantId};
use lock_domain::window::Window;
use lock_vendors::error::Condition;
use lock_vendors::meter::CallSample;
use lock_vendors::port::{CallContext, CredentialToken, KeyForm, KeySpec, LockVendor, VendorLockRef};
use lock_vendors::registry::{AdapterKey, VendorRegistry};
use lock_vendors::token_cache::MemoryTokenCache;
use secrecy::SecretString;
use uuid::Uuid;

/// Before the clock starts: signing in, opening connections.
const WARM_UP: u64 = 20;
const TIMEOUT: Duration = Duration::from_secs(15);

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Calls on the wire.
    pub(crate) calls: u64,
    /// Processor time of one, milliseconds.
    pub(crate) cpu_ms: f64,
    /// From sending to the answer, milliseconds.
    pub(crate) wall_ms: f64,
}

/// Makes about so many calls.
pub(crate) async fn measure(vendor: &str, base_url: &str, control_url: &str, calls: u64) -> Result<Cost> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = world(vendor, base_url, control_url).await.context("no world at the simulator")?;
    let counted = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&counted);
    let meter = move |_: CallSample| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let registry = VendorRegistry::new(Arc::new(meter), Arc::new(MemoryTokenCache::default()))?;
    let (tenant, property) = (TenantId::from_uuid(Uuid::from_u128(1)), PropertyId::from_uuid(Uuid::from_u128(2)));
    let key = AdapterKey { tenant, property, vendor: vendor.to_owned() };
    let adapter = registry.get(&key, 1, &SecretString::from(world.config.to_string()))?;
    until(&*adapter, &world.target, &counted, WARM_UP).await?;
    let (from, began, cpu) = (counted.load(Ordering::Relaxed), Instant::now(), cpu_ns()?);
    until(&*adapter, &world.target, &counted, from + calls).await?;
    let (made, cpu) = (counted.load(Ordering::Relaxed) - from, cpu_ns()? - cpu);
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
    let per_call = |ns: u64| ns as f64 / 1e6 / made.max(1) as f64;
    let wall = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(Cost { calls: made, cpu_ms: per_call(cpu), wall_ms: per_call(wall) })
}

/// Asks for a key that is not there, or where the vendor can't be asked, makes a card and takes it away, until so many calls were made.
async fn until(adapter: &dyn LockVendor, target: &Target, counted: &AtomicU64, calls: u64) -> Result<()> {
    let call = CallContext::new("bench", TIMEOUT);
    let token = CredentialToken::new(format!("lis-{}", "0".repeat(32)))?;
    let doors = [VendorLockRef::new(target.lock.clone())];
    while counted.load(Ordering::Relaxed) < calls {
        let before = counted.load(Ordering::Relaxed);
        match adapter.find(&call, &doors, &token).await {
            Ok(found) => ensure!(found.is_none(), "a key that nobody made"),
            Err(error) if matches!(error.condition(), Condition::NotReadable | Condition::Unsupported) => {
                let encoder = target.encoder.clone().context("no encoder")?;
                let from = Timestamp::now();
                let window = Window { from, until: from + SignedDuration::from_hours(24) };
                let form = KeyForm::Card { encoder };
                let spec = KeySpec { token: token.clone(), form, doors: doors.to_vec(), window, joins: false };
                let made = adapter.issue(&call, &spec).await?;
                adapter.delete(&call, &doors, &made.credential.reference).await?;
            }
            Err(error) => bail!("{} does not answer: {error}", adapter.name()),
        }
        ensure!(counted.load(Ordering::Relaxed) > before, "{} makes no call", adapter.name());
    }
    Ok(())
}

/// Nanoseconds on a processor, of all threads that this process has now. Linux: `/proc/PID/task/TID/schedstat`, first field.
fn cpu_ns() -> Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").context("no /proc: this needs Linux")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    ensure!(sum > 0, "the kernel keeps no times of threads");
    Ok(sum)
}
