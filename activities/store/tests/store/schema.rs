//! The schema as it is, against the file that says how it should be. `UPDATE_SCHEMA=1` writes the file anew.

use crate::cluster::TestDb;
use secrecy::SecretString;
use sqlx::Row;
use std::fmt::Write;

/// One line of the schema's text for each thing, from the catalogue, and the same in every supported version of PostgreSQL.
const THINGS: &str = "
WITH tables AS (
    SELECT c.oid, c.relname::text AS name FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '_sqlx_migrations'
), lines AS (
    SELECT name, 1 AS part, a.attnum::int AS place,
           'column ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
    FROM tables JOIN pg_attribute a ON a.attrelid = tables.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL SELECT name, 2, 0, k.conname || ' ' || pg_get_constraintdef(k.oid)
    FROM tables JOIN pg_constraint k ON k.conrelid = tables.oid AND k.contype <> 'n' AND k.conparentid = 0 AND k.contype <> 't'
    UNION ALL SELECT name, 3, 0, pg_get_indexdef(i.indexrelid) FROM tables JOIN pg_index i ON i.indrelid = tables.oid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = tables.oid)
    UNION ALL SELECT name, 4, 0, 'policy ' || p.polname || ' USING ' || pg_get_expr(p.polqual, tables.oid) FROM tables JOIN pg_policy p ON p.polrelid = tables.oid
    UNION ALL SELECT name, 5, 0, pg_get_triggerdef(t.oid) FROM tables JOIN pg_trigger t ON t.tgrelid = tables.oid AND NOT t.tgisinternal
    UNION ALL SELECT name, 6, 0, 'grant ' || string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) || ' to ' || r.rolname
    FROM tables JOIN pg_class c ON c.oid = tables.oid CROSS JOIN aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
    WHERE r.rolname LIKE 'lock_app%' OR r.rolname = 'lock_auditor' GROUP BY name, r.rolname
    UNION ALL SELECT p.proname, 7, 0, pg_get_functiondef(p.oid) FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
) SELECT name, line FROM lines ORDER BY part = 7, name, part, place, line COLLATE \"C\"";

#[tokio::test]
async fn the_migrations_add_up_to_the_schema_file() {
    let db = TestDb::new().await;
    let rows = sqlx::query(THINGS).fetch_all(&mut db.superuser().await).await.unwrap();
    let mut text = String::from(
        "-- What the migrations add up to, read from the catalogue. Made by `UPDATE_SCHEMA=1 cargo test -p lock-store schema`; a test keeps it true.\n",
    );
    let mut last = String::new();
    for row in rows {
        let (name, line): (String, String) = (row.get("name"), row.get("line"));
        if name != last {
            write!(text, "\n{name}\n").unwrap();
            last = name;
        }
        for part in line.trim_end().lines() {
            writeln!(text, "    {}", part.trim_end()).unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/schema.txt");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let file = std::fs::read_to_string(path).unwrap();
    let differing: Vec<_> = text.lines().zip(file.lines()).filter(|(is, should)| is != should).take(5).collect();
    assert!(file == text, "is, should be: {differing:#?}");
}

#[tokio::test]
async fn migrating_again_and_at_once_changes_nothing() {
    let db = TestDb::new().await;
    let other = TestDb::new().await;
    let password = SecretString::from(db.app_password().to_owned());
    let urls = [db.owner_url(), other.owner_url(), db.owner_url(), other.owner_url()];
    let runs = urls.iter().map(|url| lock_store::migrate(url, &password));
    for run in futures::future::join_all(runs).await {
        run.unwrap();
    }
    assert!(lock_store::migrate(&db.owner_url(), &SecretString::from("é")).await.is_err());
    db.store(1).await.ping().await.unwrap();
    assert_eq!(db.store(1).await.tenants().await.unwrap(), []);
}
