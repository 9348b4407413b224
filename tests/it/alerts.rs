//! The alert rules, evaluated. `promtool` is no part of the build, so what the rules' forms mean is computed here: counters that rise or are
//! born, summed by a label over a while, against a threshold. A rule of another form fails this test, so that nobody ships one that was never
//! evaluated.

use lock_telemetry::metrics;
use std::collections::{BTreeMap, BTreeSet};

/// Prometheus looks so far back for the value at an instant.
const LOOKBACK_S: f64 = 300.0;

/// `max by (LABEL) (METRIC) > THRESHOLD` of a gauge, and of a counter that rises
/// `sum by (LABEL) ((METRIC unless METRIC offset 5m) or increase(METRIC[5m])) > THRESHOLD`.
#[derive(Debug, PartialEq)]
struct Rule {
    label: String,
    metric: String,
    /// None for a gauge.
    over_s: Option<f64>,
    threshold: f64,
}

fn parse(expr: &str) -> Option<Rule> {
    if let Some(rest) = expr.strip_prefix("max by (") {
        let (label, rest) = rest.split_once(") (")?;
        let (metric, threshold) = rest.split_once(") > ")?;
        let (label, metric, threshold) = (label.to_owned(), metric.to_owned(), threshold.parse().ok()?);
        return Some(Rule { label, metric, over_s: None, threshold });
    }
    let rest = expr.strip_prefix("sum by (")?;
    let (label, rest) = rest.split_once(") ((")?;
    let (metric, rest) = rest.split_once(" unless ")?;
    let (minutes, threshold) = rest
        .strip_prefix(&format!("{metric} offset "))?
        .split_once(&format!("m) or increase({metric}["))
        .and_then(|(minutes, rest)| Some((minutes, rest.strip_prefix(minutes)?.strip_prefix("m])) > ")?)))?;
    let threshold = threshold.parse().ok()?;
    let over_s = Some(minutes.parse::<f64>().ok()? * 60.0);
    Some(Rule { label: label.to_owned(), metric: metric.to_owned(), over_s, threshold })
}

fn rules() -> BTreeMap<String, Rule> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/alerts.yml");
    let text = std::fs::read_to_string(file).unwrap();
    let (mut rules, mut name) = (BTreeMap::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(alert) = line.strip_prefix("- alert: ") {
            name = alert.to_owned();
        } else if let Some(expr) = line.strip_prefix("expr: ") {
            let rule = parse(expr).unwrap_or_else(|| panic!("what does {name} mean? {expr}"));
            rules.insert(name.clone(), rule);
        } else if let Some(page) = line.strip_prefix("runbook: ") {
            let page = format!("{}/../{page}", env!("CARGO_MANIFEST_DIR"));
            assert!(std::path::Path::new(&page).is_file(), "{name}: {page}");
        }
    }
    rules
}

/// Prometheus' `increase`: what was added between the samples of the while, a fall being a restart at 0, stretched to the whole while as
/// far as half a sample's distance beyond the first and the last.
fn increase(samples: &[(f64, f64)], until: f64, over_s: f64) -> f64 {
    let inside: Vec<(f64, f64)> =
        samples.iter().copied().filter(|(at, _)| *at > until - over_s && *at <= until).collect();
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else { return 0.0 };
    if inside.len() < 2 {
        return 0.0;
    }
    let added: f64 = inside.windows(2).map(|w| if w[1].1 >= w[0].1 { w[1].1 - w[0].1 } else { w[1].1 }).sum();
    let sampled = last.0 - first.0;
    let average = sampled / (inside.len() - 1) as f64;
    let beyond = |gap: f64| if gap < average * 1.1 { gap } else { average / 2.0 };
    let mut start = beyond(first.0 - (until - over_s));
    if added > 0.0 && first.1 >= 0.0 {
        // A counter was not below zero before.
        start = start.min(sampled * (first.1 / added));
    }
    added * (sampled + start + beyond(until - last.0)) / sampled
}

/// The value at an instant; none if there was no sample for long.
fn value(samples: &[(f64, f64)], at: f64) -> Option<f64> {
    let last = samples.iter().rev().find(|(when, _)| *when <= at)?;
    (last.0 > at - LOOKBACK_S).then_some(last.1)
}

/// What was added in the while; all that a series has which was not there at its beginning.
fn added(samples: &[(f64, f64)], until: f64, over_s: f64) -> f64 {
    match (value(samples, until - over_s), value(samples, until)) {
        (None, Some(now)) => now,
        _ => increase(samples, until, over_s),
    }
}

/// Values of a label for which the rule fires at `until`, over the series of all processes.
fn fires(rule: &Rule, series: &[(&str, Vec<(f64, f64)>)], until: f64) -> BTreeSet<String> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (label, samples) in series {
        let known = sums.entry((*label).to_owned()).or_default();
        *known = match rule.over_s {
            Some(over_s) => *known + added(samples, until, over_s),
            None => known.max(value(samples, until).unwrap_or(0.0)),
        };
    }
    sums.into_iter().filter(|(_, sum)| *sum > rule.threshold).map(|(label, _)| label).collect()
}

/// Samples each 15 s for 20 minutes, and a moment before, of a counter that has risen so far at each second.
fn sampled(risen: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (-2..=80).map(|n| f64::from(n) * 15.0).map(|at| (at, risen(at).floor().max(0.0))).collect()
}

/// The same, from a second on: nothing was scraped before.
fn born(from: f64, risen: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    sampled(risen).into_iter().filter(|(at, _)| *at >= from).collect()
}

#[test]
fn r_lock_04_the_alert_on_forged_webhooks_fires_and_only_then() {
    let rules = rules();
    let rule = &rules["WebhookSignatureFailures"];
    assert_eq!((rule.label.as_str(), rule.metric.as_str()), ("vendor", "webhook_signature_failed_total"));
    let nothing = BTreeSet::new();
    let attack = |at: f64| 100.0 + (at - 600.0).clamp(0.0, 60.0);
    let one_a_minute = |at: f64| 7.0 + at / 60.0;
    // Sixty within a minute, from the tenth on; another sender has a wrong secret once a minute.
    let series = [("pms", sampled(attack)), ("ttlock", sampled(one_a_minute))];
    assert_eq!(fires(rule, &series, 599.0), nothing);
    assert_eq!(fires(rule, &series, 660.0), BTreeSet::from(["pms".to_owned()]));
    assert_eq!(fires(rule, &series, 1_000.0), nothing, "it is over");
    // Each of two processes sees half.
    let half = |at: f64| (at - 600.0).clamp(0.0, 12.0) / 1.5;
    let halves = [("pms", sampled(half)), ("pms", sampled(half))];
    assert_eq!(fires(rule, &halves[..1], 700.0), nothing);
    assert_eq!(fires(rule, &halves, 700.0), BTreeSet::from(["pms".to_owned()]));
    // A restart loses nothing but what came between two samples, and is no rise of the old count.
    let restarted = |at: f64| if at < 650.0 { 500.0 } else { 0.0 };
    assert_eq!(fires(rule, &[("pms", sampled(restarted))], 700.0), nothing);
    // The first attack on a process comes before it was scraped with any count at all.
    let at_once = [("pms", born(600.0, |_| 60.0)), ("ttlock", born(600.0, |_| 10.0))];
    assert_eq!(fires(rule, &at_once, 599.0), nothing);
    assert_eq!(fires(rule, &at_once, 615.0), BTreeSet::from(["pms".to_owned()]));
    assert_eq!(fires(rule, &at_once, 1_000.0), nothing, "it is over");
}

#[test]
fn r_lock_03_the_alerts_on_the_vault_fire_and_only_then() {
    let rules = rules();
    let nothing = BTreeSet::new();
    let odd = &rules["VaultAccessOutOfPattern"];
    let once = |at: f64| if at < 600.0 { 3.0 } else { 4.0 };
    let series = [("burst", sampled(once)), ("odd_hour", sampled(|_| 9.0))];
    assert_eq!(fires(odd, &series, 590.0), nothing);
    assert_eq!(fires(odd, &series, 660.0), BTreeSet::from(["burst".to_owned()]));
    assert_eq!(fires(odd, &series, 1_260.0), nothing, "it is over");
    // The very first one of a process: its counter is there from then on, at 1; or it was there at 0.
    for first in [born(600.0, |_| 1.0), born(540.0, |at| if at < 600.0 { 0.0 } else { 1.0 })] {
        let series = [("new_process", first), ("burst", born(540.0, |_| 0.0))];
        assert_eq!(fires(odd, &series, 599.0), nothing);
        assert_eq!(fires(odd, &series, 630.0), BTreeSet::from(["new_process".to_owned()]));
        assert_eq!(fires(odd, &series, 1_100.0), BTreeSet::from(["new_process".to_owned()]), "for ten minutes");
        assert_eq!(fires(odd, &series, 1_215.0), nothing, "it is over");
    }
    // A process begins anew: its counter is away for a while, and comes back with another first one.
    for (ends, gap) in [(840.0, 60.0), (240.0, 900.0)] {
        let mut anew = sampled(|at| if at < ends { 3.0 } else { 1.0 });
        anew.retain(|(at, _)| *at < ends || *at >= ends + gap);
        let fired = fires(odd, &[("new_process", anew)], ends + gap + 30.0);
        assert_eq!(fired, BTreeSet::from(["new_process".to_owned()]), "{gap}");
    }
    let locked = &rules["VaultLocked"];
    let one_in_a_while = |at: f64| at / 120.0;
    let each_try = |at: f64| (at - 600.0).max(0.0) / 10.0;
    let series = [("api", sampled(one_in_a_while)), ("worker", sampled(each_try))];
    assert_eq!(fires(locked, &series, 600.0), nothing);
    assert_eq!(fires(locked, &series, 700.0), BTreeSet::from(["worker".to_owned()]));
    let at_start = [("api", born(600.0, |_| 5.0)), ("worker", born(600.0, |_| 6.0))];
    assert_eq!(fires(locked, &at_start, 615.0), BTreeSet::from(["worker".to_owned()]));
}

#[test]
fn r_lock_02_the_alert_on_contracts_that_nobody_knows_of_fires_in_the_third_night() {
    let rules = rules();
    let rule = &rules["ContractUnsettled"];
    // Two workers say the same, and the one that was asked later says so later.
    let nights = |late: f64| sampled(move |at| ((at - late) / 300.0).max(0.0));
    let series = [("ttlock", nights(0.0)), ("ttlock", nights(30.0)), ("salto_ks", sampled(|_| 2.0))];
    assert_eq!(fires(rule, &series, 890.0), BTreeSet::new());
    assert_eq!(fires(rule, &series, 905.0), BTreeSet::from(["ttlock".to_owned()]));
}

/// The rule's metric is one that this service has, with the rule's label.
#[test]
fn the_rules_name_metrics_that_exist() {
    metrics::webhook_signature_failed("nobody");
    metrics::vault_alert("burst");
    metrics::vault_refused("worker");
    metrics::set_contract_silence("nobody", 0);
    let text = metrics::render();
    for (name, rule) in rules() {
        assert!(text.lines().any(|line| line.starts_with(&format!("{}{{{}=", rule.metric, rule.label))), "{name}");
    }
}
