//! Setting up the database: roles, schema, tenants. The only part that runs with the owner's rights.

use crate::{StoreError, scram};
use lock_domain::ids::TenantId;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, Connection,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgConnection},
};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// The same for every database of the cluster, so that two of them being set up at once wait for each other where they can.
const ROLES: &str = include_str!("roles.sql");
const ATTEMPTS: u32 = 20;

/// Brings the database to this version, and gives the role `lock_app_rw` its password (ASCII). `owner_url` is a superuser, or a role that
/// may create roles and owns the database. It may be run by several processes at once, and again at any time.
pub async fn migrate(owner_url: &str, app_password: &SecretString) -> Result<(), StoreError> {
    let mut connection = connect(owner_url).await?;
    let mut attempt = 1;
    while let Err(error) = make_roles(&mut connection, app_password).await {
        if attempt == ATTEMPTS || !lost_race(&error) {
            return Err(error);
        }
        attempt += 1;
    }
    sqlx::raw_sql("SET ROLE lock_owner").execute(&mut connection).await?;
    // `run` takes what can be acquired from, and the compiler can't prove such a future `Send`; this is its inner part.
    MIGRATIONS.run_direct(None, &mut connection, false).await?;
    connection.close().await?;
    Ok(())
}

/// Enters a customer, with an empty log. Needs the owner's rights, because it is not any tenant's business. A second time changes nothing
/// but the name.
pub async fn create_tenant(owner_url: &str, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    let mut connection = connect(owner_url).await?;
    let mut tx = connection.begin().await?;
    // The owner is bound by the tenant's policies as well.
    sqlx::query("SELECT set_config('role', 'lock_owner', true), set_config('app.tenant_id', $1::text, true)")
        .bind(tenant.as_uuid())
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO tenants (tenant_id, name) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET name = $2",
    )
    .bind(tenant.as_uuid())
    .bind(name)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO audit_heads (tenant_id, size, frontier, root, updated_at) VALUES ($1, 0, '', $2, now())
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(&lock_tlog::empty_root()[..])
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

async fn connect(url: &str) -> Result<PgConnection, StoreError> {
    let options: PgConnectOptions = url.parse()?;
    Ok(PgConnection::connect_with(&options.application_name("lock-migrate")).await?)
}

async fn make_roles(connection: &mut PgConnection, app_password: &SecretString) -> Result<(), StoreError> {
    let password = app_password.expose_secret();
    // Other characters would have to be normalised first (SASLprep), and passwords of machines have no need of them.
    if password.is_empty() || !password.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(StoreError::Argument("the application's password must be of visible ASCII characters"));
    }
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt);
    let verifier = scram::verifier(password.as_bytes(), &salt).ok_or(StoreError::Argument("the password is no key"))?;
    let mut tx = connection.begin().await?;
    sqlx::raw_sql(ROLES).execute(&mut *tx).await?;
    // The verifier is of Base64 characters, `$`, `:` and `-`: nothing that ends a quoted string.
    let alter = format!("ALTER ROLE lock_app_rw LOGIN PASSWORD '{verifier}'");
    sqlx::raw_sql(AssertSqlSafe(alter)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether another database's set-up changed the same role at the same moment. PostgreSQL has no lock for that across databases: it says
/// `tuple concurrently updated` (XX000).
fn lost_race(error: &StoreError) -> bool {
    match error {
        StoreError::Duplicate(_) => true,
        StoreError::Database { sqlstate, .. } => matches!(sqlstate.as_str(), "XX000" | "42710" | "40P01" | "40001"),
        _ => false,
    }
}
