//! Every tenant table × select, insert, update, delete, move, upsert × own tenant, other tenant, no tenant.

use crate::{
    cluster::TestDb,
    rls::{APP_ROLES, fill, fill_for, tenant_tables},
    world::World,
};
use futures::StreamExt;
use lock_domain::ids::TenantId;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

const DENIED: &str = "42501";

/// The tenant of a transaction.
#[derive(Debug, Clone, Copy)]
enum As {
    Tenant(TenantId),
    /// Never set in this session.
    Nobody,
    /// Set by an earlier transaction of the session, which leaves an empty string behind.
    NobodyAnyMore,
}

/// Runs a statement in a transaction that is rolled back: affected rows, or the SQLSTATE.
async fn run(connection: &mut PgConnection, who: As, sql: &str) -> Result<u64, String> {
    if let As::NobodyAnyMore = who {
        let mut tx = connection.begin().await.unwrap();
        tx.execute("SELECT set_config('app.tenant_id', '00000000-0000-0000-0000-000000000001', true)").await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = connection.begin().await.unwrap();
    if let As::Tenant(tenant) = who {
        let set = format!("SELECT set_config('app.tenant_id', '{}', true)", tenant.as_uuid());
        tx.execute(AssertSqlSafe(set)).await.unwrap();
    }
    let done = tx.execute(AssertSqlSafe(sql)).await;
    tx.rollback().await.unwrap();
    done.map(|d| d.rows_affected()).map_err(|e| e.as_database_error().unwrap().code().unwrap().into_owned())
}

/// How many rows of a tenant `COPY … TO` brings.
async fn copied(connection: &mut PgConnection, who: As, table: &str, tenant: Uuid) -> Result<u64, String> {
    let mut tx = connection.begin().await.unwrap();
    if let As::Tenant(own) = who {
        let set = format!("SELECT set_config('app.tenant_id', '{}', true)", own.as_uuid());
        tx.execute(AssertSqlSafe(set)).await.unwrap();
    }
    let rows: Vec<_> = tx.copy_out_raw(&format!("COPY {table} TO STDOUT")).await.unwrap().collect().await;
    tx.rollback().await.unwrap();
    let tenant = tenant.to_string();
    let hit = |row: Result<_, sqlx::Error>| String::from_utf8(Vec::from(row.unwrap())).unwrap().contains(&tenant);
    Ok(rows.into_iter().map(hit).filter(|hit| *hit).count() as u64)
}

#[tokio::test]
async fn r_lock_17_the_matrix() {
    let db = TestDb::new().await;
    let own = fill(&db).await;
    let other = World::enter(&db, own.store.clone()).await;
    fill_for(&other).await;
    let mut superuser = db.superuser().await;
    let mut checked = 0;
    for table in tenant_tables(&mut superuser).await {
        checked += check_table(&db, &mut superuser, &table, own.tenant, other.tenant).await;
    }
    assert!(checked >= 16 * 20, "{checked} cells");
}

async fn check_table(db: &TestDb, superuser: &mut PgConnection, table: &str, own: TenantId, other: TenantId) -> usize {
    let mut app = db.app().await;
    let (mine, theirs) = (own.as_uuid(), other.as_uuid());
    let row: serde_json::Value =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = $1 LIMIT 1")))
            .bind(theirs)
            .fetch_optional(&mut *superuser)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("the test fills {table}"));
    let row = row.to_string().replace('\'', "''");
    let insert = format!("INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, '{row}')).*");
    let mut grants = std::collections::BTreeMap::new();
    for privilege in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
        let sql = "SELECT has_table_privilege('lock_app_rw', $1::regclass, $2)";
        let granted: bool =
            sqlx::query_scalar(sql).bind(table).bind(privilege).fetch_one(&mut *superuser).await.unwrap();
        grants.insert(privilege, granted);
    }
    let may = |privilege: &str| grants[privilege];
    // Rows that are out of sight can't be touched; without the privilege nothing can.
    let unseen = |privilege: &str| if may(privilege) { Ok(0) } else { Err(DENIED.to_owned()) };
    let denied = || Err(DENIED.to_owned());
    let whose = |tenant| format!("WHERE tenant_id = '{tenant}'");
    let touch = |tenant| format!("UPDATE {table} SET tenant_id = tenant_id {}", whose(tenant));
    let delete = |tenant| format!("DELETE FROM {table} {}", whose(tenant));
    let select = |tenant| format!("SELECT 1 FROM {table} {}", whose(tenant));
    assert!(may("SELECT") && may("INSERT"), "{table}");
    let mut cells = 0;
    let mut expect = |got: Result<u64, String>, want: Result<u64, String>, cell: &str| {
        assert_eq!(got, want, "{table}: {cell}");
        cells += 1;
    };

    let as_own = As::Tenant(own);
    let seen = run(&mut app, as_own, &select(mine)).await;
    assert!(seen.as_ref().is_ok_and(|rows| *rows > 0), "{table}: {seen:?}");
    expect(run(&mut app, as_own, &format!("SELECT 1 FROM {table}")).await, seen.clone(), "own sees only own");
    expect(run(&mut app, as_own, &select(theirs)).await, Ok(0), "own reads other");
    let touched = if may("UPDATE") { seen } else { denied() };
    expect(run(&mut app, as_own, &touch(mine)).await, touched, "own updates own");
    expect(run(&mut app, as_own, &touch(theirs)).await, unseen("UPDATE"), "own updates other");
    expect(run(&mut app, as_own, &delete(theirs)).await, unseen("DELETE"), "own deletes other");
    expect(run(&mut app, as_own, &insert).await, denied(), "own inserts for other");
    let upsert = format!("{insert} ON CONFLICT DO NOTHING");
    expect(run(&mut app, as_own, &upsert).await, denied(), "own upserts other");
    let away = format!("UPDATE {table} SET tenant_id = '{theirs}' {}", whose(mine));
    expect(run(&mut app, as_own, &away).await, denied(), "own gives away");
    let twin = run(&mut app, As::Tenant(other), &insert).await;
    expect(twin.clone(), Err("23505".to_owned()), "the owner of a row may insert, and only the key is in the way");

    for nobody in [As::Nobody, As::NobodyAnyMore] {
        // A session that has had a tenant differs from a new one, so each needs its own.
        let mut app = db.app().await;
        for tenant in [mine, theirs] {
            expect(run(&mut app, nobody, &select(tenant)).await, Ok(0), "nobody reads");
            expect(run(&mut app, nobody, &touch(tenant)).await, unseen("UPDATE"), "nobody updates");
            expect(run(&mut app, nobody, &delete(tenant)).await, unseen("DELETE"), "nobody deletes");
        }
        expect(run(&mut app, nobody, &insert).await, denied(), "nobody inserts");
    }
    expect(run(&mut app, as_own, &format!("TRUNCATE {table} CASCADE")).await, denied(), "truncate");
    expect(copied(&mut app, as_own, table, theirs).await, Ok(0), "own copies out other");
    expect(copied(&mut app, As::Nobody, table, mine).await, Ok(0), "nobody copies out");

    for role in &APP_ROLES[1..] {
        superuser.execute(AssertSqlSafe(format!("SET ROLE {role}"))).await.unwrap();
        let others = run(superuser, as_own, &select(theirs)).await;
        assert!(matches!(others.as_ref().map_err(String::as_str), Ok(0) | Err(DENIED)), "{table}: {role} {others:?}");
        expect(run(superuser, as_own, &touch(mine)).await, denied(), role);
        expect(run(superuser, as_own, &delete(mine)).await, denied(), role);
        expect(run(superuser, As::Tenant(other), &insert).await, denied(), role);
        superuser.execute("RESET ROLE").await.unwrap();
    }
    cells
}

#[tokio::test]
async fn readers_see_no_secrets() {
    let db = TestDb::new().await;
    let mut connection = db.superuser().await;
    for role in &APP_ROLES[1..] {
        for table in
            ["api_keys", "tenant_keys", "keys", "pins", "idempotency", "webhook_endpoints", "webhook_deliveries"]
        {
            let sql = "SELECT has_any_column_privilege($1, $2::regclass, 'SELECT')";
            let seen: bool = sqlx::query_scalar(sql).bind(role).bind(table).fetch_one(&mut connection).await.unwrap();
            assert!(!seen, "{role} reads {table}");
        }
        let sql = "SELECT has_column_privilege($1, 'properties', 'vendor_sealed', 'SELECT')";
        let seen: bool = sqlx::query_scalar(sql).bind(role).fetch_one(&mut connection).await.unwrap();
        assert!(!seen, "{role} reads the vendors' secrets");
        let sql = "SELECT has_column_privilege($1, 'property_vendors', 'sealed', 'SELECT')";
        let seen: bool = sqlx::query_scalar(sql).bind(role).fetch_one(&mut connection).await.unwrap();
        assert!(!seen, "{role} reads the secrets of vendors on standby");
    }
}
