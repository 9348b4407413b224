//! Columns that hold sealed values, as a rotation of keys sees them: bytes with a version of a key in front, in the order of their rows.
//!
//! A table may hold more rows than one statement has time for, and no index may see what is in a column, because that comes before the tenant's
//! protection. So a table is read by ranges of its rows' ids, each of a bounded number of rows.
//!
//! It doesn't know how they are sealed, but for where the version stands: the four bytes after the first three. A test compares
//! [`SealedColumn::ALL`] with the catalogue, so that a new column can't be forgotten.

use crate::{StoreError, TenantTx, row::RowExt};
use uuid::Uuid;

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident = $table:literal . $column:literal by $id:literal;)*) => {
        /// A column with sealed values.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum SealedColumn { $($(#[$doc])* $name,)* }

        impl SealedColumn {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its table.
            pub const fn table(self) -> &'static str { match self { $(Self::$name => $table,)* } }

            /// Its name.
            pub const fn column(self) -> &'static str { match self { $(Self::$name => $column,)* } }

            const fn select(self) -> &'static str {
                match self { $(Self::$name => concat!(
                    "SELECT ", $id, " AS row_id, ", $column, " AS sealed FROM ", $table, " WHERE tenant_id = $1 AND ", $column, " IS NOT NULL
                     AND substring(", $column, " FROM 4 FOR 4) < $2 AND ", $id, " > $3 AND ", $id, " <= $4 ORDER BY ", $id, " LIMIT $5"
                ),)* }
            }

            const fn count(self) -> &'static str {
                match self { $(Self::$name => concat!(
                    "SELECT count(*) AS n FROM ", $table, " WHERE tenant_id = $1 AND ", $column, " IS NOT NULL AND substring(", $column,
                    " FROM 4 FOR 4) < $2 AND ", $id, " > $3 AND ", $id, " <= $4"
                ),)* }
            }

            const fn bound(self) -> &'static str {
                match self { $(Self::$name => concat!(
                    "SELECT ", $id, " AS row_id FROM ", $table, " WHERE tenant_id = $1 AND ", $id, " > $2 ORDER BY ", $id, " LIMIT 1 OFFSET $3"
                ),)* }
            }

            const fn update(self) -> &'static str {
                match self { $(Self::$name => concat!(
                    "UPDATE ", $table, " t SET ", $column, " = list.fresh FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS list (row_id, old, fresh)
                     WHERE t.tenant_id = $1 AND t.", $id, " = list.row_id AND t.", $column, " = list.old"
                ),)* }
            }
        }
    };
}

columns! {
    /// Secrets for a property's lock vendor.
    VendorSecrets = "properties"."vendor_sealed" by "property_id";
    /// Secrets for the vendors that a property has beside its main one.
    OtherVendorSecrets = "property_vendors"."sealed" by "row_id";
    /// Secrets of webhook endpoints.
    WebhookSecrets = "webhook_endpoints"."secrets_sealed" by "endpoint_id";
    /// Webhooks as they came.
    WebhookBodies = "webhook_deliveries"."body_sealed" by "delivery_id";
    /// PINs.
    Pins = "keys"."pin_sealed" by "key_id";
}

/// A sealed value and its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// The row's id.
    pub row: Uuid,
    /// The value.
    pub sealed: Vec<u8>,
}

/// A value that was sealed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// The row's id.
    pub row: Uuid,
    /// What stood there.
    pub old: Vec<u8>,
    /// What shall stand there.
    pub new: Vec<u8>,
}

/// So many rows are counted by one statement.
const COUNTED: u32 = 50_000;

impl TenantTx<'_> {
    /// The row up to which there are `rows` of them from after another; `None` if there are fewer.
    pub async fn sealed_bound(
        &mut self,
        column: SealedColumn,
        after: Option<Uuid>,
        rows: u32,
    ) -> Result<Option<Uuid>, StoreError> {
        let query =
            self.query(column.bound()).bind(after.unwrap_or(Uuid::nil())).bind(i64::from(rows.saturating_sub(1)));
        query.fetch_optional(&mut *self.tx).await?.map(|row| row.uuid("row_id")).transpose()
    }

    /// Values under a version before `version`, in the order of their rows' ids, from after a row on, and not beyond another.
    pub async fn sealed_before(
        &mut self,
        column: SealedColumn,
        version: u32,
        (after, until): (Option<Uuid>, Option<Uuid>),
        limit: u32,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let rows = self
            .query(column.select())
            .bind(version.to_be_bytes().to_vec())
            .bind(after.unwrap_or(Uuid::nil()))
            .bind(until.unwrap_or(Uuid::max()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| Ok(SealedRow { row: row.uuid("row_id")?, sealed: row.bytes("sealed")? })).collect()
    }

    /// How many values are under a version before `version`.
    pub async fn count_sealed_before(&mut self, column: SealedColumn, version: u32) -> Result<u64, StoreError> {
        let (mut after, mut count) = (None, 0);
        loop {
            let until = self.sealed_bound(column, after, COUNTED).await?;
            let row = self
                .query(column.count())
                .bind(version.to_be_bytes().to_vec())
                .bind(after.unwrap_or(Uuid::nil()))
                .bind(until.unwrap_or(Uuid::max()))
                .fetch_one(&mut *self.tx)
                .await?;
            count += u64::try_from(row.int("n")?).map_err(|_| StoreError::Corrupt("n"))?;
            if until.is_none() {
                return Ok(count);
            }
            after = until;
        }
    }

    /// Puts values in the place of others. One that was changed meanwhile is left alone. Returns how many were replaced.
    pub async fn replace_sealed(&mut self, column: SealedColumn, list: &[Resealed]) -> Result<u64, StoreError> {
        if list.is_empty() {
            return Ok(0);
        }
        let rows: Vec<Uuid> = list.iter().map(|one| one.row).collect();
        let old: Vec<&[u8]> = list.iter().map(|one| &one.old[..]).collect();
        let new: Vec<&[u8]> = list.iter().map(|one| &one.new[..]).collect();
        let done = self.query(column.update()).bind(rows).bind(old).bind(new).execute(&mut *self.tx).await?;
        Ok(done.rows_affected())
    }
}
