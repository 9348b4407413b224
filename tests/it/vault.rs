//! The credential vault from outside: rotations of keys that are interrupted anywhere, a root key that refuses, and who opened what.

use crate::harness::{
    Client, Hotel,
    faults::{self, Mode},
    histories::walked,
    shared,
    temporal::StayRun,
    until,
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_domain::{ids::*, vault::*};
use lock_kms::{DataKeys, KeyState, LocalFileKms, Owner, Place, Purpose, SETTLE};
use lock_store::{AccessOutcome, NewAccess, SealedColumn};
use lock_workflows::RotationProgress;
use reqwest::Method;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use temporalio_client::{UntypedWorkflow, WorkflowFetchHistoryOptions};
use uuid::Uuid;

/// Walks at a time. Each is mostly waiting.
const AT_ONCE: usize = 16;

/// A hotel with a secret in each sealed column but that of webhooks, and one PIN.
pub async fn furnished() -> (Hotel, String) {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    hotel.pms.post("webhook-endpoints", json!({ "sender": "pms" })).await.expect(201);
    let stay = hotel.pms.stay("R1").await;
    (hotel, stay["keys"][0]["id"].as_str().unwrap().to_owned())
}

pub async fn ask(hotel: &Hotel, wish: Value) -> (StayRun, String) {
    let rotation = hotel.pms.post("/v1/vault/rotations", wish).await.expect(202).body;
    let id = rotation["id"].as_str().unwrap().to_owned();
    let workflow = RotationRef { tenant: hotel.tenant, rotation: id.parse().unwrap() }.workflow_id();
    (StayRun::of_workflow(hotel, workflow).await, id)
}

/// Lets the rotation's long wait pass, and returns it when it is done.
pub async fn done(hotel: &Hotel, run: &StayRun, id: &str) -> Value {
    until("the workflow is there", Duration::from_secs(30), || async {
        let path = format!("/v1/vault/rotations/{id}");
        let now = hotel.pms.get(&path).await.expect(200).body;
        if now["begun_at"].is_string() { Ok(()) } else { Err(now) }
    })
    .await;
    run.skip(SETTLE + Duration::from_secs(60)).await;
    until("the rotation is done", Duration::from_secs(120), || async {
        let now = hotel.pms.get(&format!("/v1/vault/rotations/{id}")).await.expect(200).body;
        if now["state"] == "done" { Ok(now) } else { Err(now) }
    })
    .await
}

pub fn fresh_keys(hotel: &Hotel) -> DataKeys {
    shared().keys(&hotel.store)
}

/// Every sealed value of the tenant opens, and is under this version.
async fn all_open_under(hotel: &Hotel, version: u32) -> usize {
    let keys = fresh_keys(hotel);
    let mut opened = 0;
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    for column in SealedColumn::ALL {
        assert_eq!(tx.count_sealed_before(*column, version).await.unwrap(), 0, "{column:?}");
        for row in tx.sealed_before(*column, version + 1, (None, None), 1_000).await.unwrap() {
            let place = Place { table: column.table(), column: column.column(), row: row.row };
            keys.open(hotel.tenant, &place, &row.sealed).await.unwrap();
            opened += 1;
        }
        assert_eq!(
            tx.count_sealed_before(*column, u32::MAX).await.unwrap(),
            tx.count_sealed_before(*column, version + 1).await.unwrap()
        );
    }
    opened
}

pub async fn states(hotel: &Hotel, purpose: Purpose) -> Vec<(u32, KeyState)> {
    fresh_keys(hotel).versions(Owner::from(hotel.tenant), purpose).await.unwrap()
}

pub async fn events(hotel: &Hotel, kind: &str) -> usize {
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let all = tx.events_after(None, 1_000, None).await.unwrap();
    all.iter().filter(|row| row.kind == kind).count()
}

/// Ids of the keys that a workflow's history is encrypted under.
async fn history_keys(run: &StayRun) -> String {
    let temporal = shared().temporal().await;
    let handle = temporal.get_workflow_handle::<UntypedWorkflow>(run.workflow_id.clone());
    let json = handle.fetch_history(WorkflowFetchHistoryOptions::default()).to_json().await.unwrap();
    String::from_utf8(json).unwrap()
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

#[tokio::test]
async fn r_lock_03_a_rotation_moves_everything_to_new_keys_and_histories_still_open() {
    let (hotel, _) = furnished().await;
    let stay = StayRun::of(&hotel, "R1").await;
    let before = history_keys(&stay).await;
    assert!(before.contains(&base64(&format!("{}/1", hotel.tenant))), "{before}");
    let number = LocalFileKms::open(&shared().kms_dir).unwrap().add_root_key().unwrap();

    let (run, id) = ask(&hotel, json!({})).await;
    hotel.pms.post("/v1/vault/rotations", json!({})).await.problem(409, "rotation_under_way");
    let rotation = done(&hotel, &run, &id).await;
    assert_eq!((&rotation["left_behind"], &rotation["resealed"]), (&json!(0), &json!(3)), "{rotation}");
    assert_eq!(all_open_under(&hotel, 2).await, 3);
    for purpose in [Purpose::Rows, Purpose::Histories] {
        assert_eq!(states(&hotel, purpose).await, [(1, KeyState::DecryptOnly), (2, KeyState::Active)]);
    }
    // Every data key is wrapped under a root key that is not older than the new one.
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    for purpose in ["rows", "histories", "fingerprint"] {
        for key in tx.wrapped_keys(purpose).await.unwrap() {
            let root: u32 = key.root.strip_prefix("local/").unwrap().parse().unwrap();
            assert!(root >= number, "{purpose}/{}: {}", key.version, key.root);
        }
    }
    drop(tx);
    assert_eq!(
        (events(&hotel, "vault.rotation_begun.v1").await, events(&hotel, "vault.rotation_finished.v1").await),
        (1, 1)
    );

    // A stay whose history began under the old version goes on, under the new one, and all of it opens.
    assert_eq!(hotel.pms.reveal("R1").await.len(), 6);
    hotel.pms.verb("R1", "room-move", json!({ "room": "102" })).await.ok();
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;
    let after = history_keys(&stay).await;
    for version in [1, 2] {
        assert!(after.contains(&base64(&format!("{}/{version}", hotel.tenant))), "{version}");
    }
    assert!(!stay.histories().await.is_empty());
    // And the next one can be asked for.
    hotel.pms.post("/v1/vault/rotations", json!({ "data_keys": false })).await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_03_each_step_of_a_rotation_may_fail_repeat_or_crash() {
    let (hotel, _) = furnished().await;
    faults::plan(hotel.tenant, usize::MAX, Mode::Fail);
    let (run, id) = ask(&hotel, json!({})).await;
    done(&hotel, &run, &id).await;
    let (seen, _) = faults::seen(hotel.tenant);
    let steps = seen.iter().filter(|name| name.starts_with("rotation_")).count();
    assert!(steps >= 3 + 2 * SealedColumn::ALL.len(), "{seen:?}");
    assert_eq!(steps, seen.len(), "{seen:?}");
    let cases = (1..=steps).flat_map(|nth| Mode::ALL.map(|mode| (nth, mode)));
    stream::iter(cases)
        .for_each_concurrent(AT_ONCE, |(nth, mode)| async move {
            let (hotel, _) = furnished().await;
            faults::plan(hotel.tenant, nth, mode);
            let (run, id) = ask(&hotel, json!({})).await;
            let rotation = done(&hotel, &run, &id).await;
            let (seen, hit) = faults::seen(hotel.tenant);
            assert!(hit, "activity {nth} was to {mode:?}, and did not: {seen:?}");
            let what = format!("{mode:?} of {nth} ({})", seen[nth - 1]);
            assert_eq!((&rotation["left_behind"], &rotation["resealed"]), (&json!(0), &json!(3)), "{what}: {rotation}");
            assert_eq!(all_open_under(&hotel, 2).await, 3, "{what}");
            for purpose in [Purpose::Rows, Purpose::Histories] {
                let found = states(&hotel, purpose).await;
                assert_eq!(found, [(1, KeyState::DecryptOnly), (2, KeyState::Active)], "{what}");
            }
            let told =
                (events(&hotel, "vault.rotation_begun.v1").await, events(&hotel, "vault.rotation_finished.v1").await);
            assert_eq!(told, (1, 1), "{what}");
        })
        .await;
}

#[tokio::test]
async fn a_value_that_does_not_open_is_left_and_keeps_the_old_key() {
    let (hotel, key) = furnished().await;
    let key: KeyId = key.parse().unwrap();
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let rows = tx.sealed_before(SealedColumn::Pins, u32::MAX, (None, None), 10).await.unwrap();
    let row = rows.into_iter().find(|row| row.row == key.as_uuid()).unwrap();
    let mut damaged = row.sealed.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let change = lock_store::Resealed { row: row.row, old: row.sealed, new: damaged };
    assert_eq!(tx.replace_sealed(SealedColumn::Pins, &[change]).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let (run, id) = ask(&hotel, json!({ "root_keys": false })).await;
    let rotation = done(&hotel, &run, &id).await;
    assert_eq!((&rotation["left_behind"], &rotation["resealed"]), (&json!(1), &json!(2)), "{rotation}");
    assert_eq!(states(&hotel, Purpose::Rows).await, [(1, KeyState::Active), (2, KeyState::Active)]);
}

#[tokio::test]
async fn a_rotation_of_thousands_of_values_goes_on_in_new_runs() {
    const MANY: usize = 4_500;
    let (hotel, _) = furnished().await;
    let keys = fresh_keys(&hotel);
    let endpoint = hotel.pms.get("webhook-endpoints").await.expect(200).body["endpoints"][0]["id"].clone();
    let endpoint: WebhookEndpointId = endpoint.as_str().unwrap().parse().unwrap();
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    for n in 0..MANY {
        let id = DeliveryId::from_uuid(Uuid::new_v4());
        let place = Place { table: "webhook_deliveries", column: "body_sealed", row: id.as_uuid() };
        let sealed = keys.seal(hotel.tenant, &place, format!("body {n}").as_bytes()).await.unwrap();
        let (key, at) = (n.to_string(), Timestamp::now());
        let new = lock_store::NewDelivery {
            id,
            endpoint,
            property: hotel.property,
            key: &key,
            digest: &[0; 32],
            body_sealed: &sealed,
            meaning: &[],
            at,
        };
        tx.take_delivery(new).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (run, id) = ask(&hotel, json!({ "root_keys": false })).await;
    until("everything is under the new key", Duration::from_secs(90), || async {
        let now = hotel.pms.get(&format!("/v1/vault/rotations/{id}")).await.expect(200).body;
        if now["resealed"] == json!(MANY + 3) { Ok(()) } else { Err(now) }
    })
    .await;
    // What one run has learnt, the next one knows.
    assert!(run.histories().await.len() > 1);
    let told: RotationProgress = run.ask_progress().await;
    assert_eq!((told.resealed, told.rewrapped), (u64::try_from(MANY).unwrap() + 3, 0));
    done(&hotel, &run, &id).await;
    walked(&run, "continued", "WorkflowExecutionContinuedAsNewEvent").await;
}

#[tokio::test]
async fn rotations_are_for_keys_of_the_whole_tenant_that_may() {
    let hotel = Hotel::open().await;
    let none = json!({ "root_keys": false, "data_keys": false });
    hotel.pms.post("/v1/vault/rotations", none).await.problem(422, "invalid_field");
    let partly = hotel.token(Scope::ALL, Some(vec![hotel.property]), None).await;
    let partly = hotel.pms.with_token(partly);
    partly.post("/v1/vault/rotations", json!({})).await.problem(403, "scope_missing");
    let reader = hotel.pms.with_token(hotel.token(&[Scope::StaysRead], None, None).await);
    reader.post("/v1/vault/rotations", json!({})).await.problem(403, "scope_missing");
    let (key, wish) = (Uuid::new_v4().to_string(), json!({ "data_keys": false }));
    let first = hotel.pms.post_as("/v1/vault/rotations", &key, wish.clone()).await.expect(202).body;
    let again = hotel.pms.post_as("/v1/vault/rotations", &key, wish).await.expect(202).body;
    assert_eq!(first["id"], again["id"]);
    let path = format!("/v1/vault/rotations/{}", first["id"].as_str().unwrap());
    partly.get(&path).await.problem(404, "not_found");
    until("root keys alone wait for nobody", Duration::from_secs(30), || async {
        let now = hotel.pms.get(&path).await.expect(200).body;
        if now["state"] == "done" { Ok(()) } else { Err(now) }
    })
    .await;
}

#[tokio::test]
async fn r_lock_03_a_refused_root_key_locks_secrets_while_the_log_goes_on() {
    let (hotel, key) = furnished().await;
    let kms = LocalFileKms::open(&shared().kms_dir).unwrap();
    let owner = Owner::from(hotel.tenant);
    kms.set_disabled(owner, true).unwrap();
    // A process that has no key in memory yet; the others notice within five minutes.
    let api = Client::new(&shared().another_api(), hotel.property, hotel.token(Scope::ALL, None, None).await);
    let path = format!("stays/R1/keys/{key}/reveal");
    let answer = api.post(&path, json!({})).await.problem(503, "vault_locked");
    assert!(answer.body["remedy"].as_str().unwrap().contains("root key"), "{}", answer.body);
    api.check_in("R2", "102", 30).await.problem(503, "vault_locked");
    api.post("webhook-endpoints", json!({ "sender": "pms" })).await.problem(503, "vault_locked");
    assert_eq!(api.stay("R1").await["phase"], "active", "what holds no secret is read");
    let size = |store: lock_store::Store, tenant| async move {
        store.tenant(tenant).await.unwrap().audit_head().await.unwrap().size
    };
    let before = size(hotel.store.clone(), hotel.tenant).await;
    let later = lock_store::to_stored(Timestamp::now() + SignedDuration::from_mins(1)).to_string();
    api.post("test-clock", json!({ "to": later })).await;
    until("the log goes on", Duration::from_secs(10), || async {
        let now = size(hotel.store.clone(), hotel.tenant).await;
        if now > before { Ok(()) } else { Err(now) }
    })
    .await;
    kms.set_disabled(owner, false).unwrap();
    until("it opens again", Duration::from_secs(30), || async {
        let answer = api.post(&path, json!({})).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;
}

/// The tenant's accesses for a purpose.
pub async fn accesses(hotel: &Hotel, purpose: &str) -> Vec<lock_store::AccessRow> {
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let all = tx.accesses_since(Timestamp::UNIX_EPOCH, 10_000).await.unwrap();
    all.into_iter().filter(|row| row.purpose == purpose).collect()
}

#[tokio::test]
async fn r_lock_03_each_opening_of_a_secret_is_recorded_and_what_is_odd_is_told() {
    let (hotel, key) = furnished().await;
    let key: KeyId = key.parse().unwrap();
    // The worker opened the vendor's secrets and the PIN, and writes so in the background.
    until("effects are recorded", Duration::from_secs(30), || async {
        let rows = accesses(&hotel, "effects").await;
        let has = |place: &str, row: Uuid| {
            rows.iter().any(|one| one.place == place && one.row == row && one.outcome == "opened")
        };
        let both = has("keys.pin_sealed", key.as_uuid()) && has("properties.vendor_sealed", hotel.property.as_uuid());
        if both { Ok(()) } else { Err(rows) }
    })
    .await;
    assert!(accesses(&hotel, "effects").await.iter().all(|row| row.who.starts_with("process/lock-worker@")));
    assert_eq!(events(&hotel, "vault.access_alert.v1").await, 0, "the first process of a tenant is no news");
    // A reveal stands in the record when its answer comes.
    hotel.pms.reveal("R1").await;
    let reveals = accesses(&hotel, "reveal").await;
    assert_eq!((reveals.len(), reveals[0].row, &reveals[0].outcome[..]), (1, key.as_uuid(), "opened"));

    // Thirty within ten minutes, and this desk never had more than one: the next is a burst.
    let who = reveals[0].who.clone();
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let one = |at| NewAccess {
        at,
        who: &who,
        purpose: "reveal",
        place: "keys.pin_sealed",
        row: key.as_uuid(),
        outcome: AccessOutcome::Opened,
        times: 1,
        oddity: None,
    };
    let now = Timestamp::now();
    let many: Vec<_> = (0..30).map(|s| one(now - SignedDuration::from_secs(s))).collect();
    tx.record_accesses(&many).await.unwrap();
    tx.commit().await.unwrap();
    hotel.pms.check_in("R2", "102", 30).await.expect(201);
    hotel.pms.reveal("R2").await;
    assert_eq!(events(&hotel, "vault.access_alert.v1").await, 1);
    hotel.pms.check_in("R3", "103", 30).await.expect(201);
    hotel.pms.reveal("R3").await;
    assert_eq!(events(&hotel, "vault.access_alert.v1").await, 1, "it is told once an hour");
    let told = hotel.pms.send(Method::GET, "/v1/events?limit=500", None, None).await.expect(200).body;
    let told = told["events"].as_array().unwrap().iter().find(|e| e["type"] == "vault.access_alert.v1").cloned();
    assert!(told.is_some_and(|event| event.to_string().contains("burst")));
}

#[tokio::test]
async fn r_lock_03_a_process_that_never_worked_for_a_tenant_is_told_of() {
    let (hotel, key) = furnished().await;
    let key: KeyId = key.parse().unwrap();
    let long_ago = Timestamp::now() - SignedDuration::from_hours(48);
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let known = NewAccess {
        at: long_ago,
        who: "process/known",
        purpose: "effects",
        place: "keys.pin_sealed",
        row: key.as_uuid(),
        outcome: AccessOutcome::Opened,
        times: 1,
        oddity: None,
    };
    tx.record_accesses(&[known]).await.unwrap();
    let sealed = tx.sealed_before(SealedColumn::Pins, u32::MAX, (None, None), 1).await.unwrap().remove(0);
    tx.commit().await.unwrap();
    for (name, alerts) in [("known", 0), ("stranger", 1), ("stranger", 1)] {
        let kms = Arc::new(LocalFileKms::open(&shared().kms_dir).unwrap());
        let book = lock_kms::AccessBook::new(hotel.store.clone(), name, |_| {}, || {});
        let keys = DataKeys::watched(kms, Arc::new(hotel.store.clone()), book.clone()).for_purpose("curiosity");
        let place = Place { table: "keys", column: "pin_sealed", row: sealed.row };
        for _ in 0..3 {
            keys.open(hotel.tenant, &place, &sealed.sealed).await.unwrap();
        }
        let elsewhere = Place { row: Uuid::new_v4(), ..place };
        keys.open(hotel.tenant, &elsewhere, &sealed.sealed).await.unwrap_err();
        book.flush().await.unwrap();
        let rows = accesses(&hotel, "curiosity").await;
        let mine: Vec<_> = rows.iter().filter(|row| row.who == format!("process/{name}")).collect();
        assert!(mine.iter().any(|row| row.outcome == "opened" && row.times == 3), "{rows:?}");
        assert!(mine.iter().any(|row| row.outcome == "refused" && row.times == 1), "{rows:?}");
        assert_eq!(events(&hotel, "vault.access_alert.v1").await, alerts, "{name}");
    }
}
