//! What the catalogue says of roles, owners, privileges, policies and keys. A new table can't be forgotten: it is found there.

use crate::{
    cluster::TestDb,
    world::{World, noon, window},
};
use lock_domain::{
    command::Verb,
    credential::CredentialState,
    event::Event,
    ids::CredentialId,
    stay::{Action, StayPhase},
};
use lock_store::IdempotencyScope;
use sqlx::{PgConnection, Row};

pub(crate) const APP_ROLES: [&str; 3] = ["lock_app_rw", "lock_app_ro", "lock_auditor"];

/// A tenant with a row in every tenant table.
pub(crate) async fn fill(db: &TestDb) -> World {
    let world = World::new(db).await;
    fill_for(&world).await;
    world
}

pub(crate) async fn fill_for(world: &World) {
    let stay = world.stay("R-1").await;
    let key = world.key(stay).await;
    let command = world.accepted(stay, "R-1", Verb::CheckOut).await;
    let mut tx = world.tx().await;
    tx.claim_room(world.property, world.rooms[0], stay, &[window(0, 24)], command.id).await.unwrap();
    let scope = IdempotencyScope { client: world.api_key, route: "POST /v1/stays", key: "k" };
    tx.idempotency_begin(scope, &[1; 32], noon()).await.unwrap();
    let door = world.doors[0];
    let credential = CredentialId::of(key, door);
    tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
    let action = Action::Issue { window: window(0, 24) };
    tx.record_intent(credential, &action, CredentialState::Issuing, 1, noon()).await.unwrap();
    tx.insert_wrapped_key("pins", 1, b"wrapped", "root", noon()).await.unwrap();
    let event = Event::PhaseChanged { phase: StayPhase::Active, cause: None };
    tx.append(noon(), world.property, Some(stay), &[event]).await.unwrap();
    tx.commit().await.unwrap();
    crate::webhooks::fill(world).await;
    crate::vault::fill(world).await;
    crate::devices::fill(world).await;
    crate::breakers::one_round(world).await;
    crate::contracts::fill(world).await;
    crate::costs::fill(world).await;
    crate::drains::fill(world).await;
    crate::streams::fill(world).await;
    crate::inventories::fill(world).await;
    crate::places::fill(world).await;
}

/// Every table with a tenant, but the list of tenants itself.
pub(crate) async fn tenant_tables(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname <> 'tenants'
               ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(connection).await.unwrap();
    assert!(tables.len() >= 16, "{tables:?}");
    tables
}

#[tokio::test]
async fn r_lock_17_every_tenant_table_is_forced_behind_one_policy() {
    let db = TestDb::new().await;
    let mut connection = db.superuser().await;
    for table in tenant_tables(&mut connection).await {
        let row = sqlx::query(
            "SELECT c.relkind = 'r' AND c.relrowsecurity AND c.relforcerowsecurity AS forced,
                    array_agg(p.polname::text) AS names, min(p.polcmd::text) AS command, bool_and(p.polpermissive) AS permissive,
                    min(pg_get_expr(p.polqual, c.oid)) AS visible, min(pg_get_expr(p.polwithcheck, c.oid)) AS writable
             FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid WHERE c.oid = $1::regclass GROUP BY c.oid",
        )
        .bind(&table)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let rule = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)";
        assert!(row.get::<bool, _>("forced"), "{table}");
        assert_eq!(row.get::<Vec<String>, _>("names"), ["tenant_only"], "{table}");
        assert_eq!(row.get::<String, _>("command"), "*", "{table}");
        assert_eq!(row.get::<String, _>("visible"), rule, "{table}");
        assert_eq!(row.get::<String, _>("writable"), rule, "{table}");
    }
}

#[tokio::test]
async fn r_lock_17_keys_start_with_the_tenant() {
    let db = TestDb::new().await;
    let mut connection = db.superuser().await;
    // Unique and exclusion constraints would tell of other tenants' rows, and foreign keys would reach them: both bypass row security.
    let loose: Vec<String> = sqlx::query_scalar(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations' AND a.attname <> 'tenant_id'
         UNION ALL
         SELECT k.conrelid::regclass || '.' || k.conname FROM pg_constraint k
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
         JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(loose, Vec::<String>::new());
}

#[tokio::test]
async fn r_lock_17_application_roles_own_nothing_and_bypass_nothing() {
    let db = TestDb::new().await;
    let mut connection = db.superuser().await;
    let roles = APP_ROLES.map(str::to_owned).to_vec();
    let powerful: Vec<String> = sqlx::query_scalar(
        "SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1)
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin <> (rolname = 'lock_app_rw'))
         UNION ALL SELECT r.rolname::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY($1)
         UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname = 'lock_owner' AND (rolsuper OR rolbypassrls OR rolcanlogin)",
    )
    .bind(&roles)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(powerful, Vec::<String>::new());
    let owned: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT relowner AS owner FROM pg_class UNION ALL SELECT proowner FROM pg_proc
         UNION ALL SELECT nspowner FROM pg_namespace UNION ALL SELECT datdba FROM pg_database) o
         JOIN pg_roles r ON r.oid = o.owner WHERE r.rolname = ANY($1)",
    )
    .bind(&roles)
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(owned, 0);
    // And nobody creates anything, or sets triggers or foreign keys on what is there.
    let extra: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || ' ' || p.privilege || ' ' || r.role FROM pg_class c,
             unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege), unnest($1) AS r (role)
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND has_table_privilege(r.role, c.oid, p.privilege)
         UNION ALL SELECT 'schema ' || r.role FROM unnest($1) AS r (role) WHERE has_schema_privilege(r.role, 'public', 'CREATE')
         UNION ALL SELECT c.relname || ' public' FROM pg_class c, aclexplode(c.relacl) a
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S') AND a.grantee = 0
         UNION ALL SELECT 'database' WHERE has_database_privilege('lock_app_rw', current_database(), 'CREATE')",
    )
    .bind(&roles)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(extra, Vec::<String>::new());
}
