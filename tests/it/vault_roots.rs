//! A root key that everybody shares is taken away; a rotation meets data keys that are lost, a root key that refuses, and its own end.

use crate::harness::{
    Client, Hotel,
    house::{House, stay},
    shared, until,
};
use crate::vault::{accesses, ask, done, events, fresh_keys, furnished, states};
use async_trait::async_trait;
use jiff::Timestamp;
use lock_activities::Vault;
use lock_api::{operator, scope::Scope};
use lock_domain::{
    ids::{ApiKeyId, KeyId, RotationId, TenantId},
    vault::{RotationRef, RotationWish},
};
use lock_kms::{DataKeys, KeyState, Kms, KmsError, LocalFileKms, Owner, Place, Purpose, SYSTEM_TENANT, Wrapped};
use lock_store::{Resealed, SealedColumn, Store};
use lock_worker::{maintenance::Loops, nightly::Nightly};
use lock_workflows::{ContractStart, rotation::FinishAsk};
use reqwest::Method;
use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use temporalio_client::{UntypedWorkflow, WorkflowTerminateOptions};
use uuid::Uuid;
use zeroize::Zeroizing;

const PLACE: Place = Place { table: "t", column: "c", row: Uuid::nil() };

/// What a command of `lock-api` printed, and whether it succeeded.
pub async fn operate(house: House, arguments: Vec<String>) -> (House, bool, String) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let house = house
        .blocking(move |deployment| {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            sender.send(deployment.services.operate(&arguments).unwrap()).unwrap();
        })
        .await;
    let output = receiver.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (house, output.status.success(), said)
}

pub fn rewrap_all(away: &str) -> Vec<String> {
    vec!["rewrap-all".to_owned(), "--away".to_owned(), away.to_owned()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_03_a_root_key_that_everybody_shares_goes_when_nothing_of_anybody_is_under_it() {
    let house = House::open().await;
    house.pms.post("stays?wait=20", stay("L1", "101")).await.expect(201);
    let services = house.deployment.services.env().to_vec();
    let setting = |name: &str| services.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let (folder, store) = (setting("LOCK_KMS_DIR"), Store::connect(&setting("LOCK_DB_URL"), 2).await.unwrap());
    let keys = || {
        let kms = Arc::new(LocalFileKms::open(folder.as_ref()).unwrap());
        DataKeys::new(kms, Arc::new(store.clone()))
    };
    // Another customer, and the system: neither could have asked for a rotation.
    let other = TenantId::from_uuid(Uuid::new_v4());
    lock_store::create_tenant(house.deployment.stack.database_url(), other, "another").await.unwrap();
    let owners = [Owner::from(other), Owner::System];
    let mut sealed = Vec::new();
    for owner in owners {
        sealed.push(keys().seal(owner, &PLACE, b"4829").await.unwrap());
        keys().ensure(owner, Purpose::Histories, 1).await.unwrap();
    }
    let kms = LocalFileKms::open(folder.as_ref()).unwrap();
    kms.add_root_key().unwrap();
    kms.set_disabled(owners[0], true).unwrap();
    let (house, done, said) = operate(house, rewrap_all("local/1")).await;
    assert!(!done && said.contains(&format!("left: {other} rows 1 under local/1: ")), "{said}");
    assert!(!said.contains("left: system") && said.contains("do not take the former root key away"), "{said}");
    kms.set_disabled(owners[0], false).unwrap();
    let (house, done, said) = operate(house, rewrap_all("local/1")).await;
    assert!(done && said.contains("nothing is left"), "{said}");
    assert!(said.contains("2 data keys wrapped anew"), "only what was left is touched: {said}");

    std::fs::remove_file(std::path::Path::new(&folder).join("root.key")).unwrap();
    let house = house
        .blocking(|d| {
            d.api.kill9().unwrap();
            d.worker.kill9().unwrap();
            d.api.restart().unwrap();
            d.worker.restart().unwrap();
        })
        .await;
    // Columns, histories and fingerprints of the one that works; and what the others have.
    assert_eq!(house.pms.reveal("L1").await.len(), 6);
    house.pms.verb("L1", "check-out", json!({})).await.ok();
    house.pms.phase("L1", "ended").await;
    house.pms.post("stays?wait=20", stay("L2", "102")).await.expect(201);
    for (owner, sealed) in owners.into_iter().zip(&sealed) {
        assert_eq!(&**keys().open(owner, &PLACE, sealed).await.unwrap(), b"4829", "{owner}");
        assert_eq!(keys().roots(owner, Purpose::Histories).await.unwrap()[&1], "local/2");
    }
    let mut tx = store.tenant(SYSTEM_TENANT).await.unwrap();
    assert!(tx.wrapped_keys("rows").await.unwrap().iter().all(|key| key.root == "local/2"));
    drop(tx);
    store.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_rotation_passes_over_a_data_key_that_is_lost() {
    // Damaged, and under a root key that is gone.
    for (at, becomes) in [(50, 0x5a), (4, 0x77)] {
        let (hotel, _) = furnished().await;
        let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
        let old = tx.wrapped_keys("rows").await.unwrap().remove(0);
        let mut lost = old.wrapped.clone();
        lost[at] ^= becomes;
        assert!(tx.rewrap_key("rows", 1, &old.wrapped, &lost, "local/lost", Timestamp::now()).await.unwrap());
        tx.commit().await.unwrap();
        let (run, id) = ask(&hotel, json!({})).await;
        let rotation = done(&hotel, &run, &id).await;
        // Three values under it, and the key itself.
        assert_eq!((&rotation["left_behind"], &rotation["resealed"]), (&json!(4), &json!(0)), "{rotation}");
        assert_eq!(states(&hotel, Purpose::Rows).await, [(1, KeyState::Active), (2, KeyState::Active)]);
        assert_eq!(states(&hotel, Purpose::Histories).await, [(1, KeyState::DecryptOnly), (2, KeyState::Active)]);
        hotel.pms.post("/v1/vault/rotations", json!({ "data_keys": false })).await.expect(202);
    }
}

#[tokio::test]
async fn a_rotation_that_waits_for_the_root_key_can_be_ended() {
    let (hotel, _) = furnished().await;
    let kms = LocalFileKms::open(&shared().kms_dir).unwrap();
    kms.set_disabled(Owner::from(hotel.tenant), true).unwrap();
    let (run, id) = ask(&hotel, json!({})).await;
    until("its first step is refused", Duration::from_secs(30), || async {
        let pending = run.describe().await.pending_activities;
        if pending.iter().any(|one| one.last_failure.is_some()) { Ok(()) } else { Err(pending.len()) }
    })
    .await;
    let ended = operator::end_rotation(&hotel.store, hotel.tenant).await.unwrap().unwrap();
    assert_eq!(ended.to_string(), id);
    assert_eq!(operator::end_rotation(&hotel.store, hotel.tenant).await.unwrap(), None);
    assert_eq!(hotel.pms.get(&format!("/v1/vault/rotations/{id}")).await.expect(200).body["state"], "done");
    kms.set_disabled(Owner::from(hotel.tenant), false).unwrap();
    hotel.pms.post("/v1/vault/rotations", json!({ "data_keys": false })).await.expect(202);
    assert_eq!(states(&hotel, Purpose::Rows).await.len(), 1, "it has made nothing");
}

#[tokio::test]
async fn a_rotation_whose_workflow_was_terminated_goes_on_when_the_next_is_asked_for() {
    let (hotel, _) = furnished().await;
    let (run, id) = ask(&hotel, json!({ "root_keys": false })).await;
    until("it has begun", Duration::from_secs(30), || async {
        let now = hotel.pms.get(&format!("/v1/vault/rotations/{id}")).await.expect(200).body;
        if now["begun_at"].is_string() { Ok(()) } else { Err(now) }
    })
    .await;
    let handle = shared().temporal().await.get_workflow_handle::<UntypedWorkflow>(run.workflow_id.clone());
    handle.terminate(WorkflowTerminateOptions::default()).await.unwrap();
    hotel.pms.post("/v1/vault/rotations", json!({})).await.problem(409, "rotation_under_way");
    let rotation = done(&hotel, &run, &id).await;
    assert_eq!((&rotation["left_behind"], &rotation["resealed"]), (&json!(0), &json!(3)), "{rotation}");
    assert_eq!(states(&hotel, Purpose::Rows).await, [(1, KeyState::DecryptOnly), (2, KeyState::Active)]);
}

#[tokio::test]
async fn r_lock_03_a_pin_that_is_shown_again_is_on_record_as_well() {
    let (hotel, key) = furnished().await;
    let (path, once) = (format!("stays/R1/keys/{key}/reveal"), Uuid::new_v4().to_string());
    let first = hotel.pms.post_as(&path, &once, json!({})).await.expect(200).body;
    for shown in 2..=4 {
        assert_eq!(hotel.pms.post_as(&path, &once, json!({})).await.expect(200).body["pin"], first["pin"]);
        assert_eq!(accesses(&hotel, "reveal").await.len(), shown);
    }
    let told = hotel.pms.send(Method::GET, "/v1/events?limit=500", None, None).await.expect(200).body.to_string();
    assert_eq!(told.matches("key.pin_revealed").count(), 1, "for the stay it is no news: {told}");
    // They count like any others: by the thirty-first it is a burst.
    for _ in 5..=31 {
        hotel.pms.post_as(&path, &once, json!({})).await.expect(200);
    }
    assert_eq!(events(&hotel, "vault.access_alert.v1").await, 1);
}

#[tokio::test]
async fn a_service_that_does_not_answer_has_refused_nobody() {
    let (hotel, key) = furnished().await;
    let key: KeyId = key.parse().unwrap();
    let api = Client::new(&shared().another_api(), hotel.property, hotel.token(Scope::ALL, None, None).await);
    api.check_in("R2", "102", 30).await.expect(201);
    // Sealed under a version that this process has not heard of, while the service can't be asked for it.
    let (keys, place) = (fresh_keys(&hotel), Place { table: "keys", column: "pin_sealed", row: key.as_uuid() });
    keys.ensure(Owner::from(hotel.tenant), Purpose::Rows, 2).await.unwrap();
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let rows = tx.sealed_before(SealedColumn::Pins, 2, (None, None), 10).await.unwrap();
    let old = rows.into_iter().find(|row| row.row == key.as_uuid()).unwrap();
    let new = keys.reseal(hotel.tenant, &place, &old.sealed, 2).await.unwrap().unwrap();
    assert_eq!(
        tx.replace_sealed(SealedColumn::Pins, &[Resealed { row: old.row, old: old.sealed, new }]).await.unwrap(),
        1
    );
    tx.commit().await.unwrap();
    let mark = shared().kms_dir.join(format!("{}.disabled", hotel.tenant));
    std::os::unix::fs::symlink(&mark, &mark).unwrap();
    let path = format!("stays/R1/keys/{key}/reveal");
    let answer = api.post(&path, json!({})).await;
    assert_eq!((answer.status.as_u16(), accesses(&hotel, "reveal").await.len()), (503, 0), "{}", answer.body);
    std::fs::remove_file(&mark).unwrap();
    api.post(&path, json!({})).await.expect(200);
    let rows = accesses(&hotel, "reveal").await;
    assert_eq!((rows.len(), &rows[0].outcome[..]), (1, "opened"));
}

/// A service that has not heard everywhere which root key is the tenant's now.
struct TwoMinds {
    inner: LocalFileKms,
    torn: AtomicBool,
    calls: AtomicUsize,
}

impl TwoMinds {
    fn named(&self, wrapped: Wrapped) -> Wrapped {
        let n = self.calls.fetch_add(1, Ordering::SeqCst);
        let old = self.torn.load(Ordering::SeqCst) && n.is_multiple_of(2);
        Wrapped { root: if old { "old" } else { "new" }.to_owned(), ..wrapped }
    }
}

#[async_trait]
impl Kms for TwoMinds {
    async fn wrap(&self, owner: Owner, purpose: Purpose, key: &[u8; 32]) -> Result<Wrapped, KmsError> {
        self.inner.wrap(owner, purpose, key).await.map(|wrapped| self.named(wrapped))
    }

    async fn unwrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KmsError> {
        self.inner.unwrap(owner, purpose, wrapped).await
    }

    async fn rewrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Wrapped, KmsError> {
        self.inner.rewrap(owner, purpose, wrapped).await.map(|wrapped| self.named(wrapped))
    }
}

#[tokio::test]
async fn r_lock_03_a_rotation_is_not_over_while_data_keys_are_under_several_root_keys() {
    let (hotel, _) = furnished().await;
    let inner = LocalFileKms::open(&shared().kms_dir).unwrap();
    let kms = Arc::new(TwoMinds { inner, torn: AtomicBool::new(true), calls: AtomicUsize::new(0) });
    let keys = DataKeys::new(Arc::<TwoMinds>::clone(&kms), Arc::new(hotel.store.clone()));
    let (owner, now) = (Owner::from(hotel.tenant), Timestamp::now());
    let rotation = RotationId::from_uuid(Uuid::new_v4());
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    let wish = RotationWish { root_keys: true, data_keys: false };
    assert!(tx.accept_rotation(rotation, wish, ApiKeyId::from_uuid(Uuid::new_v4()), now).await.unwrap());
    tx.mark_rotation_delivered(rotation, now).await.unwrap();
    tx.begin_rotation(rotation, None, None, now).await.unwrap();
    tx.commit().await.unwrap();
    let mut stored = 0;
    for purpose in Purpose::ALL {
        for version in keys.roots(owner, purpose).await.unwrap().into_keys() {
            keys.rewrap(owner, purpose, version).await.unwrap();
            stored += 1;
        }
    }
    assert!(stored > 1, "one data key is under one root key");
    let vault = Vault { store: hotel.store.clone(), keys };
    let ask = || FinishAsk { id: RotationRef { tenant: hotel.tenant, rotation }, last: true };
    let path = format!("/v1/vault/rotations/{rotation}");
    for _ in 0..2 {
        assert!(vault.finished(ask()).await.is_err());
        assert_ne!(hotel.pms.get(&path).await.expect(200).body["state"], "done");
    }
    assert_eq!(events(&hotel, "vault.rotation_finished.v1").await, 0);
    kms.torn.store(false, Ordering::SeqCst);
    assert!(vault.finished(ask()).await.unwrap().over);
    assert_eq!(hotel.pms.get(&path).await.expect(200).body["state"], "done");
    for purpose in Purpose::ALL {
        assert!(vault.keys.roots(owner, purpose).await.unwrap().values().all(|root| root == "new"));
    }
    assert_eq!(events(&hotel, "vault.rotation_finished.v1").await, 1);
}

#[tokio::test]
async fn one_tenants_refused_root_key_keeps_no_other_from_schedules_and_loops() {
    let mut hotels = Vec::new();
    for _ in 0..3 {
        let hotel = Hotel::open().await;
        let (key, body) = (Uuid::new_v4().to_string(), json!({ "lock": hotel.lock("104").to_string() }));
        let body = Some(body.to_string().into_bytes());
        hotel.pms.send(Method::PUT, "contract-check", Some(&key), body).await.expect(200);
        hotels.push(hotel);
    }
    hotels.sort_by_key(|hotel| hotel.tenant);
    let kms = LocalFileKms::open(&shared().kms_dir).unwrap();
    // Whom the others would have to wait for.
    kms.set_disabled(Owner::from(hotels[0].tenant), true).unwrap();
    let store = &hotels[0].store;
    let address = shared().stack.temporal_address();
    let client = lock_worker::connect(address, "default", &fresh_keys(&hotels[0]), "tests").await.unwrap();
    assert!(Nightly::default().see_to(&client, store).await.is_err(), "it is told");
    for (hotel, stands) in hotels.iter().zip([false, true, true]) {
        let start = ContractStart { tenant: hotel.tenant, property: hotel.property, vendor: "ttlock".to_owned() };
        let found = client.get_schedule_handle(start.schedule_id()).describe(Default::default()).await;
        assert_eq!(found.is_ok(), stands, "{}", hotel.tenant);
    }
    let tenants: Vec<TenantId> = hotels.iter().map(|hotel| hotel.tenant).collect();
    let (loops, mut begun) = (Loops::new(client), BTreeSet::new());
    assert!(loops.begin_missing(store, &tenants, &mut begun).await.is_err());
    assert_eq!(begun, hotels[1..].iter().map(|hotel| hotel.property).collect());
    kms.set_disabled(Owner::from(hotels[0].tenant), false).unwrap();
}
