//! `kill -9` of the worker, the API, Temporal and PostgreSQL in the middle of an issue, each followed by recovery; and what is left on
//! disk afterwards. On a deployment of real processes of its own.

use crate::harness::{
    house::{House, stay},
    until,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, Row as _};
use std::time::Duration;
use xtask::stack::Part;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_die_and_nothing_is_lost_or_doubled() {
    let house = House::open().await;

    house.issue_under_way("W1", "101", "w1").await;
    let house = house
        .blocking(|d| {
            d.worker.kill9().unwrap();
            d.worker.restart().unwrap();
        })
        .await;
    house.recovered("W1").await;

    let first = house.issue_under_way("A1", "102", "a1").await;
    let house = house
        .blocking(|d| {
            d.api.kill9().unwrap();
            d.api.restart().unwrap();
        })
        .await;
    house.recovered("A1").await;
    let again = house.pms.post_as("stays", "a1", stay("A1", "102")).await.ok();
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body["id"], first.body["id"]);

    house.issue_under_way("T1", "103", "t1").await;
    let house = house
        .blocking(|d| {
            d.stack.kill9(Part::Temporal).unwrap();
            d.stack.restart(Part::Temporal).unwrap();
        })
        .await;
    house.recovered("T1").await;

    house.issue_under_way("P1", "104", "p1").await;
    let house = house
        .blocking(|d| {
            d.stack.kill9(Part::Postgres).unwrap();
            d.stack.restart(Part::Postgres).unwrap();
        })
        .await;
    house.recovered("P1").await;

    // Accepted while the engine is away: nothing is lost, and it is delivered when the engine is back.
    let house = house.blocking(|d| d.stack.kill9(Part::Temporal).unwrap()).await;
    house.pms.post("stays", stay("D1", "105")).await.expect(202);
    let house = house.blocking(|d| d.stack.restart(Part::Temporal).unwrap()).await;
    house.recovered("D1").await;

    for reservation in ["W1", "A1", "T1", "P1", "D1"] {
        house.pms.verb(reservation, "check-out", json!({})).await.ok();
        house.pms.phase(reservation, "ended").await;
    }
    assert_eq!(house.sim_get("/sim/credentials").await, json!([]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_03_no_secret_and_no_guest_data_is_left_anywhere() {
    let house = House::open().await;
    let (pin, phone) = ("507184629", "+351912345678");
    let mut body = stay("CANARY-7", "106");
    body["pin"] = json!(pin);
    house.pms.post("stays?wait=20", body.clone()).await.expect(201);
    let key = house.pms.stay("CANARY-7").await["keys"][0]["id"].as_str().unwrap().to_owned();
    let shown = house.pms.post(&format!("stays/CANARY-7/keys/{key}/reveal"), json!({})).await.expect(200);
    assert_eq!(shown.body["pin"], pin);
    let mut other = stay("CANARY-8", "108");
    other["phone"] = json!(phone);
    other["pin_strategy"] = json!("from_phone");
    house.pms.post("stays?wait=20", other).await.expect(201);
    body["phone"] = json!(phone);
    house.pms.post("stays", body).await.problem(409, "stay_exists");
    house.slow_add(1).await;
    house.pms.verb("CANARY-7", "room-move", json!({ "room": "107" })).await.ok();
    house.pms.verb("CANARY-7", "suspend", json!({})).await.ok();

    let endpoint = house.pms.post("webhook-endpoints", json!({ "sender": "pms" })).await.expect(201).body;
    let signing = endpoint["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap().to_owned();
    // Everything that is sealed is opened and sealed anew on the way.
    let rotation = house.pms.post("/v1/vault/rotations", json!({})).await.expect(202).body;
    let path = format!("/v1/vault/rotations/{}", rotation["id"].as_str().unwrap());
    until("values are under the new key", Duration::from_secs(60), || async {
        let now = house.pms.get(&path).await.expect(200).body;
        if now["resealed"].as_u64() >= Some(4) { Ok(()) } else { Err(now) }
    })
    .await;
    let root_key = std::fs::read(house.deployment.stack.root().join("kms").join("root.key")).unwrap();

    let secret = house.token.split('_').nth(3).unwrap().to_owned();
    let canaries = [
        ("the webhook's secret", signing.clone()),
        ("the webhook's secret, decoded", hex::encode(STANDARD.decode(signing).unwrap())),
        ("the root key", hex::encode(&root_key)),
        ("the PIN", pin.to_owned()),
        ("the phone number", phone[1..].to_owned()),
        ("the API key's secret", secret),
        ("the vendor's client secret", lock_sim::ttlock::DEFAULT_CLIENT_SECRET.to_owned()),
        ("the vendor's password", lock_sim::ttlock::DEFAULT_PASSWORD_MD5.to_owned()),
    ];
    let mut places = vec![("the database", dump(house.deployment.stack.database_url()).await)];
    let root = house.deployment.stack.root().to_owned();
    let house = house.blocking(|d| d.stack.stop_part(Part::Temporal).unwrap()).await;
    places.push(("Temporal's store", read_all(&root, "temporal.sqlite")));
    places.push(("the logs", read_all(&root.join("logs"), "")));
    house.close().await;
    // What may be found is found: so the search works.
    assert!(holds(&places[0].1, "CANARY-7") && holds(&places[1].1, "CANARY-7"));
    assert!(!places[2].1.is_empty());
    for (place, bytes) in &places {
        assert!(!bytes.windows(root_key.len()).any(|window| window == root_key), "the root key stands in {place}");
        for (what, canary) in &canaries {
            assert!(!holds(bytes, canary) && !holds(bytes, &hex::encode(canary)), "{what} stands in {place}");
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Every row of every table as text.
async fn dump(url: &str) -> Vec<u8> {
    let mut db = PgConnection::connect(url).await.unwrap();
    let tables =
        sqlx::query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetch_all(&mut db).await.unwrap();
    let mut bytes = Vec::new();
    for table in tables {
        let sql = format!("SELECT t::text AS row FROM {} t", table.get::<String, _>(0));
        for row in sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut db).await.unwrap() {
            bytes.extend(row.get::<String, _>("row").into_bytes());
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Every file of a folder whose name starts so.
fn read_all(folder: &std::path::Path, start: &str) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = files.filter(|path| path.is_file() && path.file_name().unwrap().to_string_lossy().starts_with(start));
    named.flat_map(|path| std::fs::read(path).unwrap()).collect()
}
