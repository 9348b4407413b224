//! The invariants of DESIGN §8, read from outside: the locks and the journal of the simulator, the database, the log.

use super::{Hotel, Site, shared};
use lock_domain::ids::TenantId;
use lock_sim::ttlock::Effect;
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

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
    the_log_is_whole(hotel.tenant, &mut db).await;
}

/// I7 of a hotel at another vendor.
pub async fn log_of(site: &Site) {
    the_log_is_whole(site.tenant, &mut owner().await).await;
}

/// I1: one code per stay, holder and door, and none that no credential of ours stands for.
async fn one_code_per_holder_and_door(hotel: &Hotel, db: &mut PgConnection) {
    let rows = sqlx::query(
        "SELECT c.token, c.stay_id, c.door_id, k.holder FROM credentials c JOIN keys k USING (tenant_id, key_id)
         JOIN doors d USING (tenant_id, door_id) WHERE c.tenant_id = $1 AND d.vendor = 'ttlock'",
    )
    .bind(hotel.tenant.as_uuid())
    .fetch_all(db)
    .await
    .unwrap();
    let slots: BTreeMap<String, (Uuid, Uuid, i32)> =
        rows.iter().map(|r| (r.get("token"), (r.get("stay_id"), r.get("door_id"), r.get("holder")))).collect();
    let mut taken = BTreeSet::new();
    for code in hotel.codes() {
        let slot = slots.get(&code.name).unwrap_or_else(|| panic!("{} is nobody's", code.name));
        assert!(taken.insert(*slot), "I1: two codes for {slot:?}");
        assert!(!code.ghost, "a code that the cloud lists and no door knows");
    }
}

/// I3: what the vendor was made to do had been written down before.
async fn effects_have_intents(hotel: &Hotel, db: &mut PgConnection) {
    let rows = sqlx::query(
        "SELECT c.token, count(*) FILTER (WHERE a.action = 'issue') AS issues FROM credentials c
         JOIN key_credential_attempts a USING (tenant_id, credential_id)
         WHERE c.tenant_id = $1 AND a.phase = 'intent' GROUP BY c.token",
    )
    .bind(hotel.tenant.as_uuid())
    .fetch_all(db)
    .await
    .unwrap();
    let intents: BTreeMap<String, i64> = rows.iter().map(|row| (row.get("token"), row.get("issues"))).collect();
    let mut adds: BTreeMap<String, i64> = BTreeMap::new();
    // Clocks have intents of their own (`clock_syncs`).
    for entry in hotel.sim.sim().journal(0).into_iter().filter(|entry| entry.effect != Effect::SetClock) {
        assert!(intents.contains_key(&entry.name), "I3: {} was sent without an intent", entry.name);
        *adds.entry(entry.name).or_default() += i64::from(entry.effect == Effect::Add);
    }
    for (name, added) in adds {
        assert!(added <= intents[&name], "I3: {name} was added {added} times on {} intents", intents[&name]);
    }
}

async fn record_agrees_with_locks(hotel: &Hotel, db: &mut PgConnection) {
    let sql = "SELECT token, state FROM credentials JOIN doors d USING (tenant_id, door_id) WHERE tenant_id = $1 AND d.vendor = 'ttlock'";
    let rows = sqlx::query(sql).bind(hotel.tenant.as_uuid()).fetch_all(db).await.unwrap();
    let standing: BTreeSet<String> = hotel.codes().into_iter().map(|code| code.name).collect();
    for row in rows {
        let (token, state): (String, String) = (row.get("token"), row.get("state"));
        assert_eq!(standing.contains(&token), state == "live", "I2: {token} is {state}");
    }
}

/// I7: leaf indices without a gap, and every event once.
async fn the_log_is_whole(tenant: TenantId, db: &mut PgConnection) {
    let row = sqlx::query(
        "SELECT count(*) AS n, count(DISTINCT event_id) AS events, coalesce(max(leaf_index) + 1, 0) AS size,
                (SELECT size FROM audit_heads WHERE tenant_id = $1) AS head FROM lock_audit WHERE tenant_id = $1",
    )
    .bind(tenant.as_uuid())
    .fetch_one(db)
    .await
    .unwrap();
    let get = |name: &str| row.get::<i64, _>(name);
    assert_eq!((get("n"), get("n"), get("n")), (get("events"), get("size"), get("head")), "I7");
}
