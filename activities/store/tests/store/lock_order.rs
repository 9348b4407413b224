//! Two transactions that lock the same rows finish one after the other: everybody locks credentials, then keys, then outages, and the log last.

use crate::{
    cluster::TestDb,
    world::{World, noon, window},
};
use jiff::SignedDuration;
use lock_domain::{
    clock::ClockOffset,
    credential::CredentialState,
    event::Event,
    health::{BreakerState, ForceReason, Forced},
    ids::*,
    stay::Action,
};
use lock_store::{Outcome, OutcomeKind, Recorded, Reveal, TenantTx};
use sqlx::PgConnection;
use std::{sync::Arc, time::Duration};

/// Until so many transactions of this database wait for another one.
pub(crate) async fn waiting(superuser: &mut PgConnection, wanted: i64) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let all = async {
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut *superuser).await.unwrap() < wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("somebody waits");
}

fn event(world: &World) -> Event {
    Event::BreakerReleased { vendor: "ttlock".to_owned(), state: BreakerState::Closed, by: Some(world.api_key) }
}

async fn tell(world: &World, mut tx: TenantTx<'static>) {
    tx.append(noon(), world.property, None, &[event(world)]).await.expect("the log is nobody's who waits");
    tx.commit().await.unwrap();
}

/// Credentials at two doors with an open intent each, in their order.
async fn two_intents(world: &World) -> (KeyId, [(CredentialId, AttemptId); 2]) {
    let stay = world.stay("R-1").await;
    let key = world.key(stay).await;
    let mut intents = Vec::new();
    let mut tx = world.tx().await;
    for door in [world.doors[0], world.doors[2]] {
        let credential = CredentialId::of(key, door);
        tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
        let issue = Action::Issue { window: window(0, 24) };
        let attempt = tx.record_intent(credential, &issue, CredentialState::Issuing, 1, noon()).await.unwrap();
        intents.push((credential, attempt));
    }
    tx.commit().await.unwrap();
    intents.sort();
    (key, intents.try_into().unwrap())
}

fn live((credential, attempt): (CredentialId, AttemptId)) -> Outcome<'static> {
    Outcome {
        attempt,
        credential,
        kind: OutcomeKind::Live,
        state: CredentialState::Live,
        vendor_ref: None,
        requested: Some(window(0, 24)),
        effective: Some(window(0, 24)),
        code: None,
        still_valid_until: None,
        unresolved_since: None,
        detail: None,
        at: noon(),
    }
}

#[tokio::test]
async fn outcomes_of_several_doors_wait_for_a_first_use_without_holding_the_log() {
    let db = TestDb::new().await;
    let world = Arc::new(World::new(&db).await);
    let mut superuser = db.superuser().await;
    let (_, intents) = two_intents(&world).await;
    let mut seen = world.tx().await;
    assert!(seen.note_first_use(intents[1].0, noon()).await.unwrap());
    let kept = tokio::spawn({
        let world = world.clone();
        async move {
            let mut tx = world.tx().await;
            // In whatever order they come.
            let recorded = tx.record_outcomes(&[live(intents[1]), live(intents[0])], true).await;
            assert_eq!(recorded.unwrap(), [Recorded::Applied; 2]);
            tell(&world, tx).await;
        }
    });
    waiting(&mut superuser, 1).await;
    tell(&world, seen).await;
    kept.await.unwrap();
    assert_eq!(world.tx().await.audit_head().await.unwrap().size, 2);
}

#[tokio::test]
async fn outcomes_that_change_a_key_wait_for_its_reveal_without_holding_the_log() {
    let db = TestDb::new().await;
    let world = Arc::new(World::new(&db).await);
    let mut superuser = db.superuser().await;
    let (key, intents) = two_intents(&world).await;
    let mut shown = world.tx().await;
    assert!(matches!(shown.reveal(key, world.api_key, "once", noon()).await.unwrap(), Reveal::Fresh(_)));
    let kept = tokio::spawn({
        let world = world.clone();
        async move {
            let mut tx = world.tx().await;
            tx.record_outcomes(&intents.map(live), false).await.unwrap();
            tx.note_joins(key, true).await.unwrap();
            tell(&world, tx).await;
        }
    });
    waiting(&mut superuser, 1).await;
    tell(&world, shown).await;
    kept.await.unwrap();
    assert_eq!(world.tx().await.audit_head().await.unwrap().size, 2);
}

#[tokio::test]
async fn the_end_of_an_outage_waits_for_a_look_at_it_without_holding_the_log() {
    let db = TestDb::new().await;
    let world = Arc::new(World::new(&db).await);
    let mut superuser = db.superuser().await;
    let until = noon() + SignedDuration::from_hours(1);
    let open = Forced { state: BreakerState::Open, reason: ForceReason::Drill, until };
    let mut tx = world.tx().await;
    tx.enter_breakers(noon(), noon()).await.unwrap();
    tx.force_breaker(world.property, "ttlock", Some(open), world.api_key, ClockOffset::REAL, noon()).await.unwrap();
    tx.commit().await.unwrap();
    // By an operator's word, or when its time is over.
    let mut look = world.tx().await;
    let outage = look.outages(None, None, 1).await.unwrap().remove(0);
    look.lock_outage(outage.id).await.unwrap().unwrap();
    let closed = tokio::spawn({
        let world = world.clone();
        async move {
            let mut tx = world.tx().await;
            tx.end_forced_breakers(until).await.unwrap();
            tx.commit().await.unwrap();
        }
    });
    waiting(&mut superuser, 1).await;
    tell(&world, look).await;
    closed.await.unwrap();
    let outage = world.tx().await.outages(None, None, 1).await.unwrap().remove(0);
    assert_eq!(outage.closed_at, Some(until));
}
