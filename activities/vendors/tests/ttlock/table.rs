//! The vendor's numbers over the wire: what is known of a changing call after each.

use lock_sim::ttlock::{FaultKind, FaultOrder};
use lock_vendors::error::EffectOutcome;

use super::support::{PIN, Pins, Rig, call, spec, token};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Retry,
    Permanent,
    Operator,
    Unconfirmed,
}

#[rustfmt::skip]
const NUMBERS: &[(i64, &str, Expected)] = &[
    (1,     "vendor.failed",             Expected::Unconfirmed),
    (-3,    "vendor.invalid_request",    Expected::Operator),
    (20002, "vendor.permission_missing", Expected::Operator),
    (30006, "vendor.rate_limited",       Expected::Retry),
    (30008, "vendor.wrong_region",       Expected::Operator),
    (80000, "vendor.clock_skew",         Expected::Retry),
    (90000, "vendor.server_error",       Expected::Unconfirmed),
    (-1003, "vendor.lock_unknown",       Expected::Operator),
    (-2025, "vendor.lock_frozen",        Expected::Operator),
    (-1007, "vendor.lock_not_ready",     Expected::Operator),
    (-1026, "vendor.period_used",        Expected::Permanent),
    (-2009, "vendor.credential_gone",    Expected::Permanent),
    (-2012, "vendor.lock_offline",       Expected::Retry),
    (-2018, "vendor.permission_missing", Expected::Operator),
    (-2032, "vendor.pin_too_simple",     Expected::Permanent),
    (-3002, "vendor.gateway_offline",    Expected::Retry),
    (-3003, "vendor.gateway_busy",       Expected::Retry),
    (-3006, "vendor.pin_length",         Expected::Permanent),
    (-3007, "vendor.pin_taken",          Expected::Permanent),
    (-3008, "vendor.never_used",         Expected::Permanent),
    (-3009, "vendor.lock_full",          Expected::Operator),
    (-3034, "vendor.lock_not_ready",     Expected::Operator),
    (-3036, "vendor.lock_offline",       Expected::Retry),
    (-3037, "vendor.lock_busy",          Expected::Retry),
    (-4037, "vendor.gateway_unknown",    Expected::Operator),
    (-4043, "vendor.feature_missing",    Expected::Operator),
    (-4056, "vendor.lock_full",          Expected::Operator),
    (-77_777, "vendor.refused",          Expected::Operator),
];

#[tokio::test]
async fn each_number_tells_what_is_known() {
    let rig = Rig::new(1).await;
    rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    for (number, code, expected) in NUMBERS {
        rig.sim().add_fault(FaultOrder::times("keyboardPwd/add", FaultKind::Errcode { n: *number }, 1));
        let error = rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap_err();
        let got = match error.outcome() {
            EffectOutcome::Retryable { .. } => Expected::Retry,
            EffectOutcome::Unconfirmed => Expected::Unconfirmed,
            EffectOutcome::Permanent if error.needs_operator() => Expected::Operator,
            EffectOutcome::Permanent => Expected::Permanent,
        };
        assert_eq!((error.vendor_code(), error.code(), got), (Some(*number), *code, *expected));
    }
    assert!(rig.sim().credentials().is_empty());
}
