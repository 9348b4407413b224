//! Tables that record what happened can't be changed, not even by their owner's plain statements.

use crate::{cluster::TestDb, rls::fill};
use sqlx::{AssertSqlSafe, Executor};

#[tokio::test]
async fn r_lock_17_append_only_tables_refuse_every_change() {
    let db = TestDb::new().await;
    let tenant = fill(&db).await.tenant;
    // What the application may only add to.
    let sql = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
               AND has_table_privilege('lock_app_rw', c.oid, 'INSERT') AND NOT has_table_privilege('lock_app_rw', c.oid, 'UPDATE')
               AND NOT has_table_privilege('lock_app_rw', c.oid, 'DELETE')
               ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut db.superuser().await).await.unwrap();
    assert_eq!(tables, ["clock_syncs", "door_records", "key_credential_attempts", "lock_audit", "vault_accesses"]);
    for table in tables {
        for change in [
            format!("UPDATE {table} SET at = at"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
            format!(
                "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ON CONSTRAINT {table}_pkey DO UPDATE SET at = now()"
            ),
        ] {
            for superuser in [true, false] {
                let mut connection = if superuser { db.superuser().await } else { db.app().await };
                let set = format!("SELECT set_config('app.tenant_id', '{}', false)", tenant.as_uuid());
                connection.execute(AssertSqlSafe(set)).await.unwrap();
                let error = connection.execute(AssertSqlSafe(change.clone())).await.unwrap_err();
                assert_eq!(
                    error.as_database_error().unwrap().code().unwrap(),
                    "42501",
                    "{change}, superuser: {superuser}"
                );
            }
        }
    }
}
