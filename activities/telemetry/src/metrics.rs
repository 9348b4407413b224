//! Every Prometheus metric of our own, in one place, in the default registry. The Temporal SDK has an endpoint of its own for its own.
//!
//! Labels have few values each: vendors, verbs, codes, route patterns. Never an id, a tenant, or anything of a guest. A metric that
//! can't be registered counts nothing and stops nobody.

use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, TextEncoder, core::Collector, default_registry,
};
use std::{sync::LazyLock, time::Duration};

/// The content type of [`render`]'s answer.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From what a PMS takes for instant to what a guest at the desk won't wait for.
const KEY_SECONDS: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 300.0, 1800.0];
const REQUEST_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0];

static TIME_TO_KEY: LazyLock<Option<HistogramVec>> = LazyLock::new(|| {
    histogram(
        "lock_time_to_key_seconds",
        "From the acceptance of a command to the proof that its credential stands in the lock.",
        &KEY_SECONDS,
        &["vendor"],
    )
});

static EFFECTS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("lock_effects_total", "Attempts at effects at a vendor, by outcome.", &["vendor", "action", "outcome"])
});

static UNCONFIRMED: LazyLock<Option<GaugeVec>> = LazyLock::new(|| {
    gauge("lock_effects_unconfirmed", "Credentials of which nobody can tell whether they open a door.", &["vendor"])
});

static COMMANDS: LazyLock<Option<IntCounterVec>> =
    LazyLock::new(|| counter("lock_commands_total", "Commands, by verb and status reached.", &["verb", "status"]));

static OUTBOX_LAG: LazyLock<Option<GaugeVec>> = LazyLock::new(|| {
    gauge("lock_outbox_lag_seconds", "Age of the oldest event that is not published; 0 if there is none.", &[])
});

static REVOKES: LazyLock<Option<GaugeVec>> =
    LazyLock::new(|| gauge("lock_revokes_pending", "Credentials that should be gone and may still open a door.", &[]));

static HELD: LazyLock<Option<GaugeVec>> =
    LazyLock::new(|| gauge("lock_commands_held", "Commands that wait for a person's approval.", &[]));

static VAULT_ALERTS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("lock_vault_access_alerts_total", "Accesses to secrets that were out of pattern.", &["oddity"])
});

static VAULT_REFUSED: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter(
        "lock_vault_refused_total",
        "Secrets that did not open: the root key refuses, or they are damaged.",
        &["process"],
    )
});

static BREAKERS: LazyLock<Option<GaugeVec>> =
    LazyLock::new(|| gauge("lock_breakers", "Properties' breakers, by vendor and state.", &["vendor", "state"]));

static BREAKER_OPENS: LazyLock<Option<IntCounterVec>> =
    LazyLock::new(|| counter("lock_breaker_opens_total", "Breakers that opened.", &["vendor"]));

static BREAKER_FALSE: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter(
        "lock_breaker_false_positives_total",
        "Breakers that opened although the very next round found nothing wrong.",
        &["vendor"],
    )
});

static BREAKER_SECONDS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter(
        "lock_breaker_open_seconds_total",
        "How long breakers were not closed, counted when they close.",
        &["vendor"],
    )
});

static PROBES: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("lock_probes_total", "Probes of vendors, by what they found.", &["vendor", "kind", "finding"])
});

static CONTRACT_RUNS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("lock_contract_runs_total", "Runs of the contract suite, by what came of them.", &["vendor", "verdict"])
});

static CONTRACT_SILENCE: LazyLock<Option<GaugeVec>> = LazyLock::new(|| {
    gauge("lock_contract_runs_unsettled", "Runs of the contract suite in a row that settled nothing.", &["vendor"])
});

static INVENTORY_FINDINGS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter(
        "lock_inventory_findings_total",
        "Credentials at locks that somebody should look at.",
        &["vendor", "verdict"],
    )
});

static DEVICE_ALERTS: LazyLock<Option<IntCounterVec>> =
    LazyLock::new(|| counter("lock_device_alerts_total", "Troubles of devices that began, by kind.", &["kind"]));

static STREAMS: LazyLock<Option<GaugeVec>> = LazyLock::new(|| {
    gauge("lock_streams_listened", "Vendors' streams of events that this process listens to.", &["vendor"])
});

static STREAM_ENDS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("lock_stream_ends_total", "Listeners to a vendor's stream that ended, by why.", &["vendor", "reason"])
});

static STREAM_RECORDS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter(
        "lock_stream_records_total",
        "Records of doors that were heard: new, known already, of no door of ours.",
        &["vendor", "outcome"],
    )
});

static CLOCK_SYNCS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("lock_clock_syncs_total", "Times that a lock's clock was set, by outcome.", &["vendor", "outcome"])
});

static REQUESTS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("lock_api_requests_total", "Requests answered, by route pattern.", &["route", "method", "status"])
});

static REQUEST_TIME: LazyLock<Option<HistogramVec>> = LazyLock::new(|| {
    histogram("lock_api_request_seconds", "From a request to its answer.", &REQUEST_SECONDS, &["route"])
});

static WEBHOOKS: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("webhook_deliveries_total", "Webhooks that came in, by what became of them.", &["vendor", "outcome"])
});

static WEBHOOKS_FORGED: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter(
        "webhook_signature_failed_total",
        "Webhooks without a genuine signature or path, or with one that is too old.",
        &["vendor"],
    )
});

static WEBHOOKS_WAITING: LazyLock<Option<GaugeVec>> =
    LazyLock::new(|| gauge("lock_webhooks_waiting", "Genuine webhooks that wait to be stored.", &[]));
static WEBHOOKS_HELD: LazyLock<Option<GaugeVec>> =
    LazyLock::new(|| gauge("lock_webhooks_held_bytes", "Bytes of webhooks that are neither stored nor refused.", &[]));

static WEBHOOKS_PROCESSED: LazyLock<Option<IntCounterVec>> = LazyLock::new(|| {
    counter("webhook_processed_total", "Attempts at following up a webhook, by outcome.", &["outcome"])
});

/// A credential is proven to be in its lock, so long after its command was accepted.
pub fn time_to_key(vendor: &str, took: Duration) {
    if let Some(metric) = &*TIME_TO_KEY {
        metric.with_label_values(&[vendor]).observe(took.as_secs_f64());
    }
}

/// An attempt at an effect ended, for example `("ttlock", "issue", "confirmed")`.
pub fn effect(vendor: &str, action: &str, outcome: &str) {
    if let Some(metric) = &*EFFECTS {
        metric.with_label_values(&[vendor, action, outcome]).inc();
    }
}

/// So many credentials are unconfirmed now.
pub fn set_effects_unconfirmed(vendor: &str, count: u64) {
    set(&UNCONFIRMED, &[vendor], count as f64);
}

/// A command reached a status, for example `("check_out", "done")`.
pub fn command(verb: &str, status: &str) {
    if let Some(metric) = &*COMMANDS {
        metric.with_label_values(&[verb, status]).inc();
    }
}

/// The oldest unpublished event is so many seconds old.
pub fn set_outbox_lag(seconds: f64) {
    set(&OUTBOX_LAG, &[], seconds);
}

/// So many revokes are pending now.
pub fn set_revokes_pending(count: u64) {
    set(&REVOKES, &[], count as f64);
}

/// So many commands are held for approval now.
pub fn set_commands_held(count: u64) {
    set(&HELD, &[], count as f64);
}

/// So many breakers of a vendor are in a state now, for example `("ttlock", "open", 1)`.
pub fn set_breakers(vendor: &str, state: &str, count: u64) {
    set(&BREAKERS, &[vendor, state], count as f64);
}

/// A breaker has opened.
pub fn breaker_opened(vendor: &str) {
    add(&BREAKER_OPENS, &[vendor], 1);
}

/// A run of the contract suite is settled, for example `("ttlock", "same")`.
pub fn contract_run(vendor: &str, verdict: &str) {
    add(&CONTRACT_RUNS, &[vendor, verdict], 1);
}

/// So many runs of the contract suite in a row have settled nothing, the most of any property.
pub fn set_contract_silence(vendor: &str, runs: u64) {
    set(&CONTRACT_SILENCE, &[vendor], runs as f64);
}

/// What an inventory found at a lock and somebody should look at, for example `("ghost", 1)`.
pub fn inventory_found(vendor: &str, findings: &[(&str, u32)]) {
    for (verdict, count) in findings {
        add(&INVENTORY_FINDINGS, &[vendor, verdict], u64::from(*count));
    }
}

/// A trouble of a device has begun, for example `clock_drift`.
pub fn device_alert(kind: &str) {
    add(&DEVICE_ALERTS, &[kind], 1);
}

/// A lock's clock was set, for example `("ttlock", "confirmed")`.
pub fn clock_sync(vendor: &str, outcome: &str) {
    add(&CLOCK_SYNCS, &[vendor, outcome], 1);
}

/// A breaker had opened for nothing.
pub fn breaker_false_positive(vendor: &str) {
    add(&BREAKER_FALSE, &[vendor], 1);
}

/// A breaker has closed after so many seconds.
pub fn breaker_open_for(vendor: &str, seconds: u64) {
    add(&BREAKER_SECONDS, &[vendor], seconds);
}

/// A probe found something, for example `("ttlock", "sign_in", "well")`.
pub fn probe(vendor: &str, kind: &str, finding: &str) {
    add(&PROBES, &[vendor, kind, finding], 1);
}

/// A webhook came in, for example `("ttlock", "fresh")`. `vendor` is a sender that we know, or `unknown`.
pub fn webhook(vendor: &str, outcome: &str) {
    if let Some(metric) = &*WEBHOOKS {
        metric.with_label_values(&[vendor, outcome]).inc();
    }
}

/// So many more webhooks (or fewer) wait to be stored than before.
pub fn webhooks_waiting(change: i64) {
    if let Some(metric) = &*WEBHOOKS_WAITING {
        metric.with_label_values::<&str>(&[]).add(change as f64);
    }
}

/// So many more bytes (or fewer) of webhooks that are neither stored nor refused are in memory than before.
pub fn webhooks_held_bytes(change: i64) {
    if let Some(metric) = &*WEBHOOKS_HELD {
        metric.with_label_values::<&str>(&[]).add(change as f64);
    }
}

/// An access to a secret was out of pattern, for example `burst`.
pub fn vault_alert(oddity: &str) {
    if let Some(metric) = &*VAULT_ALERTS {
        metric.with_label_values(&[oddity]).inc();
    }
}

/// A secret did not open.
pub fn vault_refused(process: &str) {
    if let Some(metric) = &*VAULT_REFUSED {
        metric.with_label_values(&[process]).inc();
    }
}

/// Begins what the vault counts in this process at 0, so that a first rise is one.
pub fn vault_from_zero(process: &str, oddities: impl IntoIterator<Item = &'static str>) {
    oddities.into_iter().for_each(|oddity| add(&VAULT_ALERTS, &[oddity], 0));
    add(&VAULT_REFUSED, &[process], 0);
}

/// Begins the counts of webhooks that are not genuine at 0.
pub fn webhooks_from_zero(vendors: impl IntoIterator<Item = &'static str>) {
    vendors.into_iter().for_each(|vendor| add(&WEBHOOKS_FORGED, &[vendor], 0));
}

/// A webhook came in that is not genuine, or too old.
pub fn webhook_signature_failed(vendor: &str) {
    if let Some(metric) = &*WEBHOOKS_FORGED {
        metric.with_label_values(&[vendor]).inc();
    }
}

/// A webhook was followed up: `processed`, `again` or `failed`.
pub fn webhook_processed(outcome: &str) {
    if let Some(metric) = &*WEBHOOKS_PROCESSED {
        metric.with_label_values(&[outcome]).inc();
    }
}

/// This process listens to so many more streams of a vendor; fewer, if it is negative.
pub fn streams_listened(vendor: &str, more: f64) {
    if let Some(metric) = &*STREAMS {
        metric.with_label_values(&[vendor]).add(more);
    }
}

/// A listener ended, for example `("salto_ks", "lost")`.
pub fn stream_ended(vendor: &str, reason: &str) {
    add(&STREAM_ENDS, &[vendor, reason], 1);
}

/// Records were heard, for example `("salto_ks", "new", 3)`.
pub fn stream_records(vendor: &str, outcome: &str, count: usize) {
    add(&STREAM_RECORDS, &[vendor, outcome], u64::try_from(count).unwrap_or(u64::MAX));
}

/// A request was answered. `route` is the pattern (`/v1/stays/{id}`), never the path.
pub fn api_request(route: &str, method: &str, status: u16, took: Duration) {
    if let Some(metric) = &*REQUESTS {
        metric.with_label_values(&[route, method, &status.to_string()]).inc();
    }
    if let Some(metric) = &*REQUEST_TIME {
        metric.with_label_values(&[route]).observe(took.as_secs_f64());
    }
}

/// Everything in the default registry, in Prometheus' text format. Empty if it can't be written.
pub fn render() -> String {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&prometheus::gather(), &mut text) {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "the metrics can't be rendered");
            String::new()
        }
    }
}

fn add(metric: &LazyLock<Option<IntCounterVec>>, labels: &[&str], by: u64) {
    if let Some(metric) = &**metric {
        metric.with_label_values(labels).inc_by(by);
    }
}

fn set(metric: &LazyLock<Option<GaugeVec>>, labels: &[&str], value: f64) {
    if let Some(metric) = &**metric {
        metric.with_label_values(labels).set(value);
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> Option<IntCounterVec> {
    registered(name, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> Option<GaugeVec> {
    registered(name, GaugeVec::new(Opts::new(name, help), labels))
}

fn histogram(name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> Option<HistogramVec> {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(name, HistogramVec::new(opts, labels))
}

fn registered<M: Collector + Clone + 'static>(name: &str, metric: prometheus::Result<M>) -> Option<M> {
    let registered = metric.and_then(|metric| {
        default_registry().register(Box::new(metric.clone()))?;
        Ok(metric)
    });
    registered.inspect_err(|error| tracing::warn!(metric = name, %error, "a metric is left out")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_metrics_are_rendered() {
        time_to_key("ttlock", Duration::from_millis(700));
        effect("ttlock", "issue", "confirmed");
        set_effects_unconfirmed("ttlock", 2);
        command("new", "done");
        set_outbox_lag(0.5);
        set_revokes_pending(1);
        set_commands_held(3);
        webhook("ttlock", "fresh");
        webhook_signature_failed("pms");
        webhook_processed("again");
        webhooks_waiting(3);
        webhooks_waiting(-1);
        webhooks_held_bytes(70);
        webhooks_held_bytes(-30);
        set_breakers("ttlock", "open", 1);
        breaker_opened("ttlock");
        breaker_false_positive("ttlock");
        breaker_open_for("ttlock", 90);
        probe("ttlock", "sign_in", "bad");
        api_request("/v1/stays/{id}", "GET", 200, Duration::from_millis(3));
        let text = render();
        for line in [
            "lock_time_to_key_seconds_bucket{vendor=\"ttlock\",le=\"1\"} 1",
            "lock_time_to_key_seconds_bucket{vendor=\"ttlock\",le=\"0.5\"} 0",
            "lock_effects_total{action=\"issue\",outcome=\"confirmed\",vendor=\"ttlock\"} 1",
            "lock_effects_unconfirmed{vendor=\"ttlock\"} 2",
            "lock_commands_total{status=\"done\",verb=\"new\"} 1",
            "lock_outbox_lag_seconds 0.5",
            "lock_revokes_pending 1",
            "lock_commands_held 3",
            "lock_webhooks_waiting 2",
            "lock_webhooks_held_bytes 40",
            "webhook_deliveries_total{outcome=\"fresh\",vendor=\"ttlock\"} 1",
            "webhook_signature_failed_total{vendor=\"pms\"} 1",
            "webhook_processed_total{outcome=\"again\"} 1",
            "lock_breakers{state=\"open\",vendor=\"ttlock\"} 1",
            "lock_breaker_opens_total{vendor=\"ttlock\"} 1",
            "lock_breaker_false_positives_total{vendor=\"ttlock\"} 1",
            "lock_breaker_open_seconds_total{vendor=\"ttlock\"} 90",
            "lock_probes_total{finding=\"bad\",kind=\"sign_in\",vendor=\"ttlock\"} 1",
            "lock_api_requests_total{method=\"GET\",route=\"/v1/stays/{id}\",status=\"200\"} 1",
            "lock_api_request_seconds_count{route=\"/v1/stays/{id}\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn what_is_told_of_begins_at_zero() {
        vault_from_zero("nobody", ["never"]);
        webhooks_from_zero(["never"]);
        let text = render();
        for line in [
            "lock_vault_access_alerts_total{oddity=\"never\"} 0",
            "lock_vault_refused_total{process=\"nobody\"} 0",
            "webhook_signature_failed_total{vendor=\"never\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_metric_that_cant_be_registered_is_left_out() {
        assert!(counter("not a name", "x", &[]).is_none());
        assert!(counter("lock_twice", "x", &[]).is_some());
        assert!(gauge("lock_twice", "x", &["other"]).is_none());
    }
}
