//! Whose calls they are: what a vendor bills for is counted by property.
//!
//! The ledger is told of every call after it ended and must not hold it up: no I/O, no waiting. It must not know prices.

use std::sync::Arc;

use crate::meter::{CallMeter, CallSample};
use crate::registry::AdapterKey;

tokio::task_local! {
    static REPEATING: bool;
}

/// Calls that `calls` makes repeat what was tried before, or don't. Only calls of the same task are meant, which is what adapters make.
pub async fn repeating<F: Future>(repeating: bool, calls: F) -> F::Output {
    REPEATING.scope(repeating, calls).await
}

/// Keeps count of calls.
pub trait CallLedger: Send + Sync {
    /// A call of this property's adapter ended. `retry`: it repeats what was tried before.
    fn enter(&self, whose: &AdapterKey, call: CallSample, retry: bool);
}

/// A meter that also tells the ledger whose call it was.
pub(crate) struct Booked {
    pub(crate) whose: AdapterKey,
    pub(crate) meter: Arc<dyn CallMeter>,
    pub(crate) ledger: Arc<dyn CallLedger>,
}

impl CallMeter for Booked {
    fn observe(&self, sample: CallSample) {
        self.ledger.enter(&self.whose, sample, REPEATING.try_with(|is| *is).unwrap_or(false));
        self.meter.observe(sample);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::meter::NoMeter;
    use lock_domain::ids::{PropertyId, TenantId};
    use std::sync::Mutex;
    use uuid::Uuid;

    #[derive(Default)]
    struct Entries(Mutex<Vec<(String, bool)>>);

    impl CallLedger for Entries {
        fn enter(&self, whose: &AdapterKey, call: CallSample, retry: bool) {
            self.0.lock().unwrap().push((format!("{} {}", whose.vendor, call.verb), retry));
        }
    }

    #[tokio::test]
    async fn r_lock_18_a_call_is_entered_with_its_owner_and_whether_it_repeats() {
        let entries = Arc::new(Entries::default());
        let (tenant, property) = (TenantId::from_uuid(Uuid::nil()), PropertyId::from_uuid(Uuid::nil()));
        let whose = AdapterKey { tenant, property, vendor: "v".to_owned() };
        let ledger: Arc<dyn CallLedger> = Arc::<Entries>::clone(&entries);
        let booked = Booked { whose, meter: Arc::new(NoMeter), ledger };
        let sample = CallSample { vendor: "v", verb: "add", outcome: "ok", seconds: 0.1 };
        booked.observe(sample);
        repeating(true, async { booked.observe(sample) }).await;
        repeating(false, async { booked.observe(sample) }).await;
        assert_eq!(entries.0.lock().unwrap().iter().map(|(_, retry)| *retry).collect::<Vec<_>>(), [false, true, false]);
    }
}
