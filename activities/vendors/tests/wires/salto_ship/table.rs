//! The vendor's numbers over the wire: what is known of a changing call after each.

use lock_sim::salto_space::{FaultKind, FaultOrder};
use lock_vendors::error::EffectOutcome;

use super::support::{By, ENCODER, Rig, call, card};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Retry,
    Permanent,
    Unconfirmed,
}

#[rustfmt::skip]
const NUMBERS: &[(i64, &str, Expected)] = &[
    (1,   "vendor.server_error",     Expected::Unconfirmed),
    (4,   "vendor.failed",           Expected::Unconfirmed),
    (5,   "vendor.card_cancelled",   Expected::Permanent),
    (6,   "vendor.invalid_request",  Expected::Permanent),
    (7,   "vendor.refused",          Expected::Permanent),
    (11,  "vendor.credential_gone",  Expected::Permanent),
    (12,  "vendor.invalid_request",  Expected::Permanent),
    (13,  "vendor.licence_missing",  Expected::Permanent),
    (14,  "vendor.licence_missing",  Expected::Permanent),
    (100, "vendor.lock_unknown",     Expected::Permanent),
    (101, "vendor.record_locked",    Expected::Retry),
    (102, "vendor.refused",          Expected::Permanent),
    (200, "vendor.credential_gone",  Expected::Permanent),
    (201, "vendor.record_locked",    Expected::Retry),
    (203, "vendor.card_unusable",    Expected::Retry),
    (204, "vendor.refused",          Expected::Permanent),
    (205, "vendor.refused",          Expected::Permanent),
    (206, "vendor.refused",          Expected::Permanent),
    (300, "vendor.credential_gone",  Expected::Permanent),
    (301, "vendor.quota_exhausted",  Expected::Permanent),
    (302, "vendor.card_unusable",    Expected::Retry),
    (303, "vendor.card_missing",     Expected::Retry),
    (304, "vendor.card_unusable",    Expected::Retry),
    (306, "vendor.card_unusable",    Expected::Retry),
    (400, "vendor.encoder_unknown",  Expected::Permanent),
    (401, "vendor.encoder_offline",  Expected::Retry),
    (402, "vendor.encoder_busy",     Expected::Retry),
    (403, "vendor.card_missing",     Expected::Retry),
    (404, "vendor.failed",           Expected::Unconfirmed),
    (405, "vendor.card_cancelled",   Expected::Permanent),
    (406, "vendor.encoder_unknown",  Expected::Permanent),
    (407, "vendor.encoder_unknown",  Expected::Permanent),
    (500, "vendor.invalid_request",  Expected::Permanent),
    (501, "vendor.invalid_request",  Expected::Permanent),
    (502, "vendor.invalid_request",  Expected::Permanent),
    (503, "vendor.invalid_request",  Expected::Permanent),
    (600, "vendor.refused",          Expected::Permanent),
    (601, "vendor.refused",          Expected::Permanent),
    (777, "vendor.refused",          Expected::Permanent),
];

#[tokio::test]
async fn each_number_tells_what_is_known() {
    let rig = Rig::new(By::Stp).await;
    for (number, code, expected) in NUMBERS {
        rig.sim().add_fault(FaultOrder::times(
            "Encoder.SaltoDBUser.AssignNewKey",
            FaultKind::Exception { n: *number },
            1,
        ));
        let error = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap_err();
        let got = match error.outcome() {
            EffectOutcome::Retryable { .. } => Expected::Retry,
            EffectOutcome::Unconfirmed => Expected::Unconfirmed,
            EffectOutcome::Permanent => Expected::Permanent,
        };
        assert_eq!((error.vendor_code(), error.code(), got), (Some(*number), *code, *expected));
    }
    assert_eq!(rig.sim().take(ENCODER), None);
}
