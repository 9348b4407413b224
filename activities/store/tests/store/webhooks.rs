//! Webhooks: known by their path, taken once, processed by one at a time; records of doors stored once.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon, window},
};
use jiff::SignedDuration;
use lock_domain::{
    ids::*,
    stay::Action,
    webhook::{Meaning, Scheme, Sender},
};
use lock_store::*;
use secrecy::{ExposeSecret, SecretString};

async fn endpoint(world: &World) -> (WebhookEndpointId, SecretString) {
    let id = fresh!(WebhookEndpointId);
    let new = NewWebhookEndpoint {
        id,
        property: world.property,
        sender: Sender::Ttlock,
        scheme: Scheme::PathOnly,
        secrets_sealed: None,
    };
    let mut tx = world.tx().await;
    let path = tx.create_webhook_endpoint(new, noon()).await.unwrap();
    tx.commit().await.unwrap();
    (id, path)
}

async fn take(world: &World, endpoint: WebhookEndpointId, key: &str, digest: u8) -> Intake {
    let meaning = [Meaning::Records { lock: "1000".into() }];
    let new = NewDelivery {
        id: fresh!(DeliveryId),
        endpoint,
        property: world.property,
        key,
        digest: &[digest; 32],
        body_sealed: b"sealed",
        meaning: &meaning,
        at: noon(),
    };
    let mut tx = world.tx().await;
    let taken = tx.take_delivery(new).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

fn record(id: &str, credential: Option<CredentialId>) -> DoorRecordRow {
    DoorRecordRow {
        id: id.into(),
        at: noon(),
        at_server: None,
        kind: "opened".into(),
        means: "pin",
        credential,
        battery_percent: Some(80),
    }
}

fn gateway(world: &World, online: Option<bool>) -> DeviceSeen<'static> {
    DeviceSeen {
        property: world.property,
        vendor: "ttlock",
        kind: DeviceKind::Gateway,
        id: "7",
        online,
        battery_percent: None,
        name: None,
        has_gateway: None,
        at: noon(),
        present: noon(),
    }
}

/// A row in each of this part's tables.
pub(crate) async fn fill(world: &World) {
    let (id, _) = endpoint(world).await;
    take(world, id, "k", 1).await;
    let mut tx = world.tx().await;
    tx.store_door_records(world.property, "ttlock", world.doors[0], &[record("1", None)], noon()).await.unwrap();
    tx.note_device(gateway(world, Some(true))).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn r_lock_04_only_the_exact_path_is_known_and_only_to_its_sender() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (id, path) = endpoint(&world).await;
    let knows = async |sender, path: &str, seconds| {
        let now = noon() + SignedDuration::from_secs(seconds);
        let path = WebhookPath::parse(path);
        let (tenant, id) = path.names();
        let stored = world.store.stored_webhook_endpoint(tenant, id).await.unwrap();
        stored.and_then(|stored| stored.recognise(sender, &path, now).map(|endpoint| endpoint.id))
    };
    let text = path.expose_secret();
    assert_eq!(knows(Some(Sender::Ttlock), text, 0).await, Some(id));
    assert_eq!(knows(Some(Sender::Visionline), text, 0).await, None);
    assert_eq!(knows(None, text, 0).await, None);
    for bad in ["", "lwh_", world.token.expose_secret(), &text[1..], &format!("{text}0")] {
        assert_eq!(knows(Some(Sender::Ttlock), bad, 0).await, None, "{bad}");
    }
    // The right form and ids, and another secret.
    let (_, other) = endpoint(&world).await;
    let (front, _) = text.split_at(4 + 33 + 33);
    let wrong = format!("{front}{}", &other.expose_secret()[70..]);
    assert_eq!(knows(Some(Sender::Ttlock), &wrong, 0).await, None);

    let mut tx = world.tx().await;
    let until = noon() + SignedDuration::from_secs(100);
    let moved = tx.move_webhook_endpoint(id, until, noon()).await.unwrap();
    tx.commit().await.unwrap();
    for (path, seconds, known) in [(&path, 99, true), (&path, 100, false), (&moved, 0, true), (&moved, 9999, true)] {
        assert_eq!(knows(Some(Sender::Ttlock), path.expose_secret(), seconds).await.is_some(), known, "{seconds}");
    }
    let mut tx = world.tx().await;
    tx.revoke_webhook_endpoint(id, noon()).await.unwrap();
    assert!(tx.webhook_endpoints(world.property, None, 9).await.unwrap().iter().any(|e| e.revoked_at == Some(noon())));
    tx.commit().await.unwrap();
    assert_eq!(knows(Some(Sender::Ttlock), moved.expose_secret(), 1).await, None);
}

#[tokio::test]
async fn r_lock_04_a_delivery_is_taken_once() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (id, _) = endpoint(&world).await;
    let (other, _) = endpoint(&world).await;
    assert_eq!(take(&world, id, "k", 1).await, Intake::Fresh);
    assert_eq!(take(&world, id, "k", 1).await, Intake::Duplicate);
    assert_eq!(take(&world, id, "k", 2).await, Intake::OtherBody);
    assert_eq!(take(&world, other, "k", 2).await, Intake::Fresh, "keys are an endpoint's own");
    let twenty = futures::future::join_all((0..20).map(|_| take(&world, id, "race", 1))).await;
    assert_eq!(twenty.iter().filter(|taken| **taken == Intake::Fresh).count(), 1);
}

fn several<'a>(
    world: &World,
    list: &'a [(WebhookEndpointId, &'a str, [u8; 32])],
    meaning: &'a [Meaning],
) -> Vec<NewDelivery<'a>> {
    let new = |(endpoint, key, digest): &'a (WebhookEndpointId, &'a str, [u8; 32])| NewDelivery {
        id: fresh!(DeliveryId),
        endpoint: *endpoint,
        property: world.property,
        key,
        digest,
        body_sealed: b"sealed",
        meaning,
        at: noon(),
    };
    list.iter().map(new).collect()
}

#[tokio::test]
async fn r_lock_04_a_batch_takes_each_once_within_and_across_batches() {
    use Intake::*;
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let ((one, _), (two, _)) = (endpoint(&world).await, endpoint(&world).await);
    assert_eq!(take(&world, one, "before", 1).await, Fresh);
    let list = [
        (two, "z", [1; 32]),
        (one, "before", [1; 32]),
        (one, "before", [2; 32]),
        (one, "a", [3; 32]),
        (two, "a", [3; 32]),
        (one, "a", [3; 32]),
        (one, "a", [4; 32]),
    ];
    let (look, none) = ([Meaning::Gateways], [Meaning::Nothing]);
    let mut tx = world.tx().await;
    let taken = tx.take_deliveries(&several(&world, &list, &look)).await.unwrap();
    assert_eq!(taken, [Fresh, Duplicate, OtherBody, Fresh, Fresh, Duplicate, OtherBody]);
    assert_eq!(tx.take_deliveries(&[]).await.unwrap(), []);
    tx.commit().await.unwrap();
    let mut tx = world.tx().await;
    let again = tx.take_deliveries(&several(&world, &list, &none)).await.unwrap();
    assert_eq!(again, [Duplicate, Duplicate, OtherBody, Duplicate, Duplicate, Duplicate, OtherBody]);
    let quiet = [(one, "quiet", [1; 32])];
    assert_eq!(tx.take_deliveries(&several(&world, &quiet, &none)).await.unwrap(), [Fresh]);
    let due = tx.claim_deliveries(noon(), SignedDuration::from_secs(60), 99).await.unwrap();
    assert_eq!(due.len(), 4, "what calls for no look is settled");
    assert_eq!(due.iter().filter(|row| row.meaning == look).count(), 3);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_batch_wakes_whoever_processes_once_and_only_if_it_calls_for_a_look() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (id, _) = endpoint(&world).await;
    let mut listener = world.store.webhook_listener().await.unwrap();
    let store = async |keys: [&'static str; 3], meaning: &[Meaning]| {
        let list = keys.map(|key| (id, key, [1; 32]));
        let mut tx = world.tx().await;
        tx.take_deliveries(&several(&world, &list, meaning)).await.unwrap();
        tx.commit().await.unwrap();
    };
    store(["a", "b", "c"], &[Meaning::Nothing]).await;
    let other = World::enter(&db, world.store.clone()).await;
    let (theirs, _) = endpoint(&other).await;
    store(["d", "e", "f"], &[Meaning::Gateways]).await;
    take(&other, theirs, "k", 1).await;
    // In the order of the commits; a second word of the first tenant would come before the other's.
    assert_eq!(listener.recv().await.unwrap(), Some(world.tenant));
    assert_eq!(listener.recv().await.unwrap(), Some(other.tenant));
}

#[tokio::test]
async fn r_lock_17_a_batch_stores_nothing_at_anothers_endpoint_and_nothing_of_a_batch_that_fails() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let other = World::enter(&db, world.store.clone()).await;
    let ((ours, _), (theirs, _)) = (endpoint(&world).await, endpoint(&other).await);
    take(&other, theirs, "k", 1).await;
    let list = [(ours, "k", [1; 32]), (theirs, "k", [1; 32])];
    let mut tx = world.tx().await;
    let error = tx.take_deliveries(&several(&world, &list, &[])).await.unwrap_err();
    assert!(error.is_of_a_value() && !error.is_retryable(), "{error}");
    drop(tx);
    // A good one does better without its neighbour, and another tenant's row of the same key is no repeat.
    assert_eq!(take(&world, ours, "k", 1).await, Intake::Fresh);
    for key in ["", &"x".repeat(201), "a\0b"] {
        let list = [(ours, "good", [1; 32]), (ours, key, [1; 32])];
        let mut tx = world.tx().await;
        assert!(tx.take_deliveries(&several(&world, &list, &[])).await.unwrap_err().is_of_a_value(), "{key:?}");
    }
    assert_eq!(take(&world, ours, "good", 1).await, Intake::Fresh);
}

#[tokio::test]
async fn batches_with_the_same_keys_in_other_orders_wait_for_each_other_and_never_both() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (id, _) = endpoint(&world).await;
    let keys: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let all = futures::future::join_all((0..8).map(|n| {
        let mut list: Vec<_> = keys.iter().map(|key| (id, key.as_str(), [1; 32])).collect();
        list.rotate_left(n * 5);
        let world = &world;
        async move {
            let mut tx = world.tx().await;
            let taken = tx.take_deliveries(&several(world, &list, &[Meaning::Gateways])).await.unwrap();
            tx.commit().await.unwrap();
            taken.into_iter().filter(|taken| *taken == Intake::Fresh).count()
        }
    }))
    .await;
    assert_eq!(all.iter().sum::<usize>(), keys.len(), "{all:?}");
}

#[tokio::test]
async fn deliveries_are_processed_by_one_at_a_time_and_again_after_a_lost_one() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (id, _) = endpoint(&world).await;
    for key in ["a", "b", "c"] {
        take(&world, id, key, 1).await;
    }
    let at = |seconds| noon() + SignedDuration::from_secs(seconds);
    let minute = SignedDuration::from_secs(60);
    let mut one = world.tx().await;
    let mut two = world.tx().await;
    let first = one.claim_deliveries(at(0), minute, 2).await.unwrap();
    let second = two.claim_deliveries(at(0), minute, 9).await.unwrap();
    assert_eq!((first.len(), second.len()), (2, 1), "what is locked is skipped");
    assert_eq!(first[0].meaning, [Meaning::Records { lock: "1000".into() }]);
    one.delivery_processed(first[0].id, at(1)).await.unwrap();
    one.delivery_again(first[1].id, at(5), "vendor").await.unwrap();
    one.commit().await.unwrap();
    two.commit().await.unwrap();
    let mut tx = world.tx().await;
    assert_eq!(tx.next_delivery().await.unwrap(), Some(at(5)));
    assert_eq!(tx.claim_deliveries(at(4), minute, 9).await.unwrap(), []);
    let again = tx.claim_deliveries(at(5), minute, 9).await.unwrap();
    assert_eq!((again.len(), again[0].id, again[0].attempt), (1, first[1].id, 2));
    tx.delivery_failed(again[0].id, at(6), "vendor").await.unwrap();
    // Whoever had the third one died.
    let third = tx.claim_deliveries(at(60), minute, 9).await.unwrap();
    assert_eq!((third.len(), third[0].id), (1, second[0].id));
    assert_eq!(tx.forget_deliveries(at(1), 99).await.unwrap(), 2, "what waits is kept");
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn r_lock_04_a_record_of_a_door_is_new_once_and_so_is_a_first_use() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let key = world.key(stay).await;
    let door = world.doors[0];
    let credential = CredentialId::of(key, door);
    let mut tx = world.tx().await;
    tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
    let action = Action::Issue { window: window(0, 24) };
    tx.record_intent(credential, &action, lock_domain::credential::CredentialState::Issuing, 1, noon()).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.tx().await;
    assert_eq!(tx.door_of_lock(world.property, "ttlock", "1000").await.unwrap(), Some(door));
    assert_eq!(tx.door_of_lock(world.property, "salto_ks", "1000").await.unwrap(), None);
    assert_eq!(tx.newest_door_record(door).await.unwrap(), None);
    let rows = [record("2", Some(credential)), record("1", None)];
    let new = tx.store_door_records(world.property, "ttlock", door, &rows, noon()).await.unwrap();
    assert_eq!(new.into_iter().collect::<Vec<_>>(), ["1", "2"]);
    let rows = [record("2", Some(credential)), record("3", None)];
    let new = tx.store_door_records(world.property, "ttlock", door, &rows, noon()).await.unwrap();
    assert_eq!(new.into_iter().collect::<Vec<_>>(), ["3"]);
    assert_eq!(tx.newest_door_record(door).await.unwrap(), Some(noon()));
    assert_eq!(tx.match_credential(credential, door).await.unwrap(), Some(Matched { credential, key, stay }));
    assert_eq!(tx.match_credential(credential, world.doors[1]).await.unwrap(), None);
    assert!(tx.note_first_use(credential, noon()).await.unwrap());
    assert!(!tx.note_first_use(credential, noon()).await.unwrap());
    assert_eq!(tx.note_device(gateway(&world, Some(true))).await.unwrap(), (None, None));
    assert_eq!(tx.note_device(gateway(&world, None)).await.unwrap(), (Some(true), None));
    assert_eq!(tx.note_device(gateway(&world, Some(false))).await.unwrap(), (Some(true), None));
    tx.commit().await.unwrap();
}
