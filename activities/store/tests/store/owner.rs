//! A managed PostgreSQL gives nobody superuser rights; the owner of the database must be enough.

use crate::{cluster::TestDb, world::fresh};
use lock_domain::ids::TenantId;
use lock_store::{Store, StoreError, create_tenant, migrate};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, Executor};
use uuid::Uuid;

#[tokio::test]
async fn an_owner_without_superuser_rights_migrates_and_enters_tenants() {
    let db = TestDb::new().await;
    let (boss, name) = (format!("boss_{}", Uuid::new_v4().simple()), format!("lock_test_{}", Uuid::new_v4().simple()));
    let mut superuser = db.superuser().await;
    for sql in [
        format!("CREATE ROLE {boss} LOGIN CREATEROLE NOSUPERUSER PASSWORD 'only-for-tests'"),
        format!("GRANT lock_owner, lock_app_rw TO {boss} WITH ADMIN OPTION"),
        format!("CREATE DATABASE {name} OWNER {boss}"),
    ] {
        superuser.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let (_, place) = db.owner_url().rsplit_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let address = place.split_once('/').unwrap().0;
    let url = format!("postgres://{boss}:only-for-tests@{address}/{name}");
    let password = SecretString::from(db.app_password().to_owned());
    migrate(&url, &password).await.unwrap();
    migrate(&url, &password).await.unwrap();
    let tenant = fresh!(TenantId);
    create_tenant(&url, tenant, "First").await.unwrap();
    create_tenant(&url, tenant, "Second").await.unwrap();

    let app = format!("postgres://lock_app_rw:{}@{address}/{name}", db.app_password());
    let store = Store::connect(&app, 1).await.unwrap();
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.iter().map(|t| (t.id, t.name.as_str())).collect::<Vec<_>>(), [(tenant, "Second")]);
    assert_eq!(store.tenant(tenant).await.unwrap().audit_head().await.unwrap().root, lock_tlog::empty_root());
    store.close().await;
    for sql in [format!("DROP DATABASE {name} WITH (FORCE)"), format!("DROP ROLE {boss}")] {
        superuser.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    superuser.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_other_files_is_refused_with_the_remedy() {
    let db = TestDb::new().await;
    let password = SecretString::from(db.app_password().to_owned());
    let mut superuser = db.superuser().await;
    superuser.execute("UPDATE _sqlx_migrations SET checksum = 'edited' WHERE version = 4").await.unwrap();
    let refused = migrate(&db.owner_url(), &password).await.unwrap_err();
    assert!(matches!(refused, StoreError::OtherMigrations(4)));
    assert!(refused.to_string().contains("cargo xtask down --wipe"));
}
