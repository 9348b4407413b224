//! Logins, media types and what is told apart in configuration.

use lock_sim::salto_space::{DEFAULT_PASSWORD, DEFAULT_USERNAME, FaultKind, FaultOrder};
use lock_vendors::error::{Condition, EffectOutcome};
use serde_json::json;

use super::support::{By, PIN, Rig, call, doors, pin, token};

#[tokio::test]
async fn a_user_name_is_as_good_as_a_key() {
    let rig = Rig::with(By::Http, |config| {
        config.as_object_mut().unwrap().remove("ship_key");
        config["username"] = json!(DEFAULT_USERNAME);
        config["password"] = json!(DEFAULT_PASSWORD);
    })
    .await;
    rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap();
}

#[tokio::test]
async fn a_wrong_key_is_told_to_somebody() {
    let rig = Rig::with(By::Http, |config| config["ship_key"] = json!("guessed")).await;
    let error = rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::AccessRefused, EffectOutcome::Permanent));
    assert!(error.needs_operator() && !format!("{error} {error:?}").contains("guessed"));
    assert!(rig.sim().users().is_empty());
}

#[tokio::test]
async fn statuses_say_what_is_known() {
    let rig = Rig::new(By::Http).await;
    for (code, condition, outcome) in [
        (501, Condition::AccessRefused, EffectOutcome::Permanent),
        (415, Condition::InvalidRequest, EffectOutcome::Permanent),
        (429, Condition::RateLimited, EffectOutcome::Retryable { after: None }),
        (500, Condition::ServerError, EffectOutcome::Unconfirmed),
        (302, Condition::BadAnswer, EffectOutcome::Unconfirmed),
    ] {
        rig.sim().add_fault(FaultOrder::times("SaltoDBUser.Insert", FaultKind::HttpStatus { code }, 1));
        let error = rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap_err();
        assert_eq!((error.condition(), error.outcome()), (condition, outcome), "{code}");
    }
}

#[tokio::test]
async fn lengths_in_characters_are_read_when_it_is_said() {
    let rig = Rig::with(By::Stp, |config| config["length_in_characters"] = json!(true)).await;
    rig.sim().set_policy(|policy| (policy.length_in_characters, policy.utf8_replies) = (true, true));
    rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap();
    // A refusal has words that are longer in bytes than in characters.
    rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap();
    assert!(rig.vendor.find(&call(), &doors(&["901"]), &token(1)).await.unwrap().is_some());
}
