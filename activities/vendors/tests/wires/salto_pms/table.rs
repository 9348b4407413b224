//! The vendor's letters over the wire: what is known of a writing command after each.

use lock_sim::salto_space::{Effect, FaultKind, FaultOrder};
use lock_vendors::error::EffectOutcome;

use super::support::{Rig, call, card};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Retry,
    Permanent,
    Unconfirmed,
}

#[rustfmt::skip]
const LETTERS: &[(&str, &str, Expected)] = &[
    ("ES", "vendor.invalid_request",     Expected::Permanent),
    ("NC", "vendor.encoder_offline",     Expected::Retry),
    ("NF", "vendor.server_error",        Expected::Retry),
    ("OV", "vendor.encoder_busy",        Expected::Retry),
    ("EP", "vendor.card_missing",        Expected::Retry),
    ("EF", "vendor.card_unusable",       Expected::Retry),
    ("TD", "vendor.lock_unknown",        Expected::Permanent),
    ("ED", "vendor.card_missing",        Expected::Retry),
    ("EA", "vendor.not_checked_in",      Expected::Permanent),
    ("OS", "vendor.room_out_of_service", Expected::Permanent),
    ("EO", "vendor.encoder_busy",        Expected::Retry),
    ("EV", "vendor.card_unusable",       Expected::Retry),
    ("EG", "vendor.failed",              Expected::Unconfirmed),
];

#[tokio::test]
async fn each_refusal_tells_what_is_known() {
    let rig = Rig::new().await;
    for (letters, code, expected) in LETTERS {
        rig.sim().add_fault(FaultOrder::times("CN", FaultKind::Refusal { letters: (*letters).to_owned() }, 1));
        let error = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap_err();
        let got = match error.outcome() {
            EffectOutcome::Retryable { .. } => Expected::Retry,
            EffectOutcome::Unconfirmed => Expected::Unconfirmed,
            EffectOutcome::Permanent => Expected::Permanent,
        };
        assert_eq!((error.code(), got), (*code, *expected), "{letters}");
        assert!(error.vendor_code().is_some());
    }
    assert_eq!(rig.effects(Effect::CheckedIn), 0);
}
