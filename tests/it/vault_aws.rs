//! The whole service on AWS KMS, played by moto: a disabled key locks, an enabled one lets go on, and a rotation moves to another key.

use crate::harness::{
    house::{House, stay},
    until,
};
use crate::vault_roots::{operate, rewrap_all};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::spawn_blocking;
use xtask::{
    project::Project,
    stack::{Moto, Progress},
};

const ALIAS: &str = "alias/lock";

/// Asks AWS KMS as its administrator. moto looks at the region of a signature and not at the signature.
async fn kms(moto: &str, operation: &str, body: Value) -> Value {
    let signed =
        "AWS4-HMAC-SHA256 Credential=admin/20261123/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=none";
    let request = reqwest::Client::new().post(moto).header("Authorization", signed);
    let request = request.header("X-Amz-Target", format!("TrentService.{operation}"));
    let answer =
        request.header("Content-Type", "application/x-amz-json-1.1").body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{operation}: {}", answer.text().await.unwrap());
    serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
}

/// A new key's id.
async fn new_key(moto: &str) -> String {
    kms(moto, "CreateKey", json!({})).await["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

async fn restarted(house: House) -> House {
    house
        .blocking(|d| {
            d.api.kill9().unwrap();
            d.api.restart().unwrap();
            d.worker.restart().unwrap();
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_03_on_aws_a_disabled_key_locks_reads_and_effects_wait_and_a_rotation_moves_on() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let moto = spawn_blocking(|| Moto::start(&Project::find().unwrap(), Progress::hidden()).unwrap()).await.unwrap();
    let first = new_key(moto.url()).await;
    kms(moto.url(), "CreateAlias", json!({ "AliasName": ALIAS, "TargetKeyId": first })).await;
    let env = [
        ("LOCK_KMS", "aws"),
        ("LOCK_KMS_KEY", ALIAS),
        ("LOCK_KMS_ENDPOINT", moto.url()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "service"),
        ("AWS_SECRET_ACCESS_KEY", "unused"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let house = House::with_env(env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()).await;
    house.pms.post("stays?wait=20", stay("L1", "101")).await.expect(201);
    let key = house.pms.stay("L1").await["keys"][0]["id"].as_str().unwrap().to_owned();

    // Accepted while no worker runs; then the customer disables his key, and nobody has a data key in memory any more.
    let house = house.blocking(|d| d.worker.kill9().unwrap()).await;
    house.pms.post("stays", stay("W1", "102")).await.expect(202);
    kms(moto.url(), "DisableKey", json!({ "KeyId": first })).await;
    let house = restarted(house).await;
    let sent = house.calls("keyboardPwd/add").await;
    let reveal = format!("stays/L1/keys/{key}/reveal");
    let answer = house.pms.post(&reveal, json!({})).await.problem(503, "vault_locked");
    assert!(answer.body["remedy"].as_str().unwrap().contains("Enable the root key"));
    house.pms.post("stays", stay("W2", "103")).await.problem(503, "vault_locked");
    assert_eq!(house.pms.stay("W1").await["phase"], "issuing", "it waits, and can be read");
    // The worker has asked the service meanwhile, and was refused.
    let asked = format!("{}/lock-faults", moto.url());
    until("the worker was refused", Duration::from_secs(30), || async {
        let calls: Value = reqwest::get(&asked).await.unwrap().json().await.unwrap();
        let decrypts = calls["calls"]["Decrypt"].as_u64().unwrap_or(0);
        if decrypts > 12 { Ok(()) } else { Err(calls) }
    })
    .await;
    assert_eq!(house.calls("keyboardPwd/add").await, sent, "nothing is sent to a lock");

    kms(moto.url(), "EnableKey", json!({ "KeyId": first })).await;
    house.recovered("W1").await;
    until("PINs can be shown again", Duration::from_secs(30), || async {
        let answer = house.pms.post(&reveal, json!({})).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;

    // The service lets histories be read and refuses the key of the columns: the effect begins, sees that it can't, and waits.
    let order = json!({ "operation": "Decrypt", "purpose": "rows", "kind": "error", "code": "AccessDeniedException", "times": 1_000 });
    let orders = reqwest::Client::new();
    orders.post(&asked).body(order.to_string()).send().await.unwrap().error_for_status().unwrap();
    let house = house
        .blocking(|d| {
            d.worker.kill9().unwrap();
            d.worker.restart().unwrap();
        })
        .await;
    let sent = house.calls("keyboardPwd/add").await;
    let waiting = house.pms.post("stays", stay("W3", "104")).await.expect(202).body;
    until("the effect was refused its key", Duration::from_secs(60), || async {
        let told: Value = reqwest::get(&asked).await.unwrap().json().await.unwrap();
        let met = told["faults"][0]["met"].as_u64().unwrap_or(0);
        if met >= 2 { Ok(()) } else { Err(told) }
    })
    .await;
    assert_eq!(house.calls("keyboardPwd/add").await, sent, "nothing is sent to a lock");
    let operation = format!("/v1/operations/{}", waiting["operation"]["id"].as_str().unwrap());
    let status = house.pms.get(&operation).await.expect(200).body["status"].clone();
    assert!(status != "failed", "it waits: {status}");
    orders.post(&asked).body(json!({ "kind": "clear" }).to_string()).send().await.unwrap().error_for_status().unwrap();
    house.recovered("W3").await;

    // Another root key: every data key goes under it, and the first one is of no use any more.
    let second = new_key(moto.url()).await;
    kms(moto.url(), "UpdateAlias", json!({ "AliasName": ALIAS, "TargetKeyId": second })).await;
    let rotation = house.pms.post("/v1/vault/rotations", json!({ "data_keys": false })).await.expect(202).body;
    let path = format!("/v1/vault/rotations/{}", rotation["id"].as_str().unwrap());
    let rotation = until("the rotation is done", Duration::from_secs(60), || async {
        let now = house.pms.get(&path).await.expect(200).body;
        if now["state"] == "done" { Ok(now) } else { Err(now) }
    })
    .await;
    assert_eq!(rotation["rewrapped"], 3, "{rotation}");
    // The system's data keys are under the first one still, until the operator has everybody's wrapped anew; then it can go.
    let (house, done, said) = operate(house, rewrap_all(&first)).await;
    assert!(done && said.contains("nothing is left") && said.contains(&second), "{said}");
    kms(moto.url(), "DisableKey", json!({ "KeyId": first })).await;
    let house = restarted(
        house
            .blocking(|d| {
                d.worker.kill9().unwrap();
            })
            .await,
    )
    .await;
    assert_eq!(house.pms.reveal("W1").await.len(), 6);
    house.pms.post("stays?wait=20", stay("L2", "105")).await.expect(201);
    house.pms.verb("W1", "check-out", json!({})).await.ok();
    house.pms.phase("W1", "ended").await;
    house.close().await;
    drop(moto);
}
