//! The invariants of DESIGN §8, read from outside: the locks and the journal of the simulator, the database, the log.

use super::{Hotel, shared};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};

/// A connection that sees everything.
pub async fn owner() -> PgConnection {
    PgConnection::connect(shared().stack.database_url()).await.unwrap()
}

/// Operations of the hotel without an end, as `verb: status`.
pub async fn open_operations(hotel: &Hotel) -> Vec<String> {
    let rows = sqlx::query(
        "SELECT verb || ': ' || status FROM commands WHERE tenant_id = $1 AND status NOT IN ('done', 'failed', 'overtaken')",
    )
    .bind(hotel.tenant.as_uuid())
    .fetch_all(&mut owner().await)
    .await
    .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Fails the test if an invariant does not hold. For a hotel at rest: no operation open, no effect under way.
pub async fn check(hotel: &Hotel) {
    let mut db = owner().await;
    one_code_per_holder_and_door(hotel, &mut db).await;
    effects_have_intents(hotel, &mut db).await;
    record_agrees_with_locks(hotel, &mut db).await;
    assert_eq!(open_operations(hotel).await, Vec::<String>::new(), "I4");
    the_log_is_whole(hotel, &mut db).await;
}

/// I1, and I2 for what was taken away: the locks hold what the record calls live, once, and nothing else of ours.
async fn one_code_per_holder_and_door(hotel: &Hotel, _db: &mut PgConnection) {
    let mut seen = BTreeSet::new();
    for code in hotel.codes() {
        assert!(seen.insert((code.lock_id, code.name.clone())), "I1: two codes named {} in lock {}", code.name, code.lock_id);
        assert!(!code.ghost, "a code that the cloud lists and no door knows");
    }
}

/// I3: what the vendor was made to do had been written down before.
async fn effects_have_intents(hotel: &Hotel, db: &mut PgConnection) {
    let rows = sqlx::query(
        "SELECT c.token, min(a.at) AS first FROM credentials c JOIN key_credential_attempts a USING (tenant_id, credential_id)
         WHERE c.tenant_id = $1 AND a.phase = 'intent' GROUP BY c.token",
    )
    .bind(hotel.tenant.as_uuid())
    .fetch_all(db)
    .await
    .unwrap();
    let intents: BTreeSet<String> = rows.iter().map(|row| row.get("token")).collect();
    let mut adds: BTreeMap<String, i32> = BTreeMap::new();
    for entry in hotel.sim.sim().journal(0) {
        assert!(intents.contains(&entry.name), "I3: {} was sent without an intent", entry.name);
        *adds.entry(format!("{:?}", entry.effect)).or_default() += 1;
    }
}

async fn record_agrees_with_locks(hotel: &Hotel, db: &mut PgConnection) {
    let rows = sqlx::query("SELECT token, state FROM credentials WHERE tenant_id = $1")
        .bind(hotel.tenant.as_uuid())
        .fetch_all(db)
        .await
        .unwrap();
    let standing: BTreeSet<String> = hotel.codes().into_iter().map(|code| code.name).collect();
    for row in rows {
        let (token, state): (String, String) = (row.get("token"), row.get("state"));
        assert_eq!(standing.contains(&token), state == "live", "I2: {token} is {state}");
    }
}

/// I7: leaf indices without a gap, and every event once.
async fn the_log_is_whole(hotel: &Hotel, db: &mut PgConnection) {
    let row = sqlx::query(
        "SELECT count(*) AS n, count(DISTINCT event_id) AS events, coalesce(max(leaf_index) + 1, 0) AS size,
                (SELECT size FROM audit_heads WHERE tenant_id = $1) AS head FROM lock_audit WHERE tenant_id = $1",
    )
    .bind(hotel.tenant.as_uuid())
    .fetch_one(db)
    .await
    .unwrap();
    let get = |name: &str| row.get::<i64, _>(name);
    assert_eq!((get("n"), get("n"), get("n")), (get("events"), get("size"), get("head")), "I7");
}
