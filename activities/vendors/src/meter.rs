//! Counting calls: how many, how they ended, how long they took. Vendors bill by the call.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// One call on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallSample {
    /// The vendor's name.
    pub vendor: &'static str,
    /// The vendor's own name of the call.
    pub verb: &'static str,
    /// `ok`, or the name of an [`crate::error::EffectOutcome`].
    pub outcome: &'static str,
    /// From sending to the answer or its absence.
    pub seconds: f64,
}

/// Takes note of every call.
pub trait CallMeter: Send + Sync {
    /// A call ended.
    fn observe(&self, sample: CallSample);
}

/// Takes no note.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl CallMeter for NoMeter {
    fn observe(&self, _: CallSample) {}
}

impl<F: Fn(CallSample) + Send + Sync> CallMeter for F {
    fn observe(&self, sample: CallSample) {
        self(sample);
    }
}

/// `lock_vendor_calls_total{vendor,verb,outcome}` and `lock_vendor_call_seconds{vendor,verb}`.
#[derive(Debug, Clone)]
pub struct PrometheusMeter {
    calls: IntCounterVec,
    seconds: HistogramVec,
}

impl PrometheusMeter {
    /// Registers both; fails when they are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let calls = IntCounterVec::new(
            Opts::new("lock_vendor_calls_total", "Calls at a lock vendor by outcome."),
            &["vendor", "verb", "outcome"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "lock_vendor_call_seconds",
                "Time from sending a call to its answer or the lack of one.",
            )
            .buckets(vec![0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0]),
            &["vendor", "verb"],
        )?;
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { calls, seconds })
    }
}

impl CallMeter for PrometheusMeter {
    fn observe(&self, sample: CallSample) {
        self.calls.with_label_values(&[sample.vendor, sample.verb, sample.outcome]).inc();
        self.seconds.with_label_values(&[sample.vendor, sample.verb]).observe(sample.seconds);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn counts_by_label() {
        let registry = Registry::new();
        let meter = PrometheusMeter::register(&registry).unwrap();
        meter.observe(CallSample { vendor: "v", verb: "add", outcome: "ok", seconds: 0.1 });
        meter.observe(CallSample { vendor: "v", verb: "add", outcome: "ok", seconds: 0.2 });
        assert_eq!(meter.calls.with_label_values(&["v", "add", "ok"]).get(), 2);
        assert!(PrometheusMeter::register(&registry).is_err());
    }
}
