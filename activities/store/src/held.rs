//! Commands that are held for approval, and the counts that tell when they must be.

use crate::{CommandRow, StoreError, TenantTx, commands::command, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    command::Command,
    guard::Counted,
    ids::{CommandId, PropertyId, StayId},
    problem::Code,
    stay::StayPhase,
    window::Window,
};
use sqlx::{postgres::PgRow, types::Json};

/// A command that is held, and where its stay stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    /// The command.
    pub command: CommandRow,
    /// Where the stay stands.
    pub phase: StayPhase,
    /// What the PMS said last of its window.
    pub window: Window,
}

macro_rules! select_held {
    ($rest:literal) => {
        concat!(
            "SELECT c.payload, c.property_id, c.stay_id, c.reservation, c.status, c.code, c.by_key, c.accepted_at, c.delivered_at,
                    c.settled_at, s.phase, s.window_from, s.window_until
             FROM commands c JOIN stays s USING (tenant_id, stay_id)
             WHERE c.tenant_id = $1 AND c.property_id = $2 AND c.status = 'held' ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Counts a property's early commands since an instant of its clock, and those that are held, other than the stay's own. Whoever
    /// counts makes everybody else who counts for the property wait until the transaction ends, so that two can't both be the last that
    /// passes. Two round trips: a snapshot that is older than the lock would miss those who had it before.
    pub async fn count_early(
        &mut self,
        property: PropertyId,
        stay: StayId,
        since: Timestamp,
    ) -> Result<Counted, StoreError> {
        self.query("SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2::text || 'feed guard', 0))")
            .bind(property.as_uuid())
            .execute(&mut *self.tx)
            .await?;
        let row = self
            .query(
                "WITH early AS (SELECT stay_id FROM commands
                                WHERE tenant_id = $1 AND property_id = $2 AND early_at > $4 AND status <> 'failed'
                                UNION SELECT stay_id FROM commands WHERE tenant_id = $1 AND property_id = $2 AND status = 'held')
                 SELECT (SELECT count(*) FROM early WHERE stay_id <> $3) AS others,
                        (SELECT count(*) FROM stays WHERE tenant_id = $1 AND property_id = $2 AND phase <> 'ended')
                        + (SELECT count(*) FROM early JOIN stays USING (stay_id) WHERE tenant_id = $1 AND phase = 'ended') AS live",
            )
            .bind(property.as_uuid())
            .bind(stay.as_uuid())
            .bind(Ts(since))
            .fetch_one(&mut *self.tx)
            .await?;
        let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Counted { others: count(row.int("others")?), live: count(row.int("live")?) })
    }

    /// Marks a command that was just entered as early, at this instant of the property's clock, and holds it if it shall be.
    pub async fn mark_early(&mut self, id: CommandId, at: Timestamp, held: bool) -> Result<(), StoreError> {
        self.query(
            "UPDATE commands SET early_at = $3, status = CASE WHEN $4 THEN 'held' ELSE status END,
                    code = CASE WHEN $4 THEN $5 ELSE code END
             WHERE tenant_id = $1 AND command_id = $2 AND status = 'accepted'",
        )
        .bind(id.as_uuid())
        .bind(Ts(at))
        .bind(held)
        .bind(Code::HeldForApproval.text())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A property's held commands in the order of their ids, which is that of their acceptance, from the one after `after` on.
    pub async fn held(
        &mut self,
        property: PropertyId,
        after: Option<CommandId>,
        limit: u32,
    ) -> Result<Vec<HeldRow>, StoreError> {
        let rows = self
            .query(select_held!("AND ($3::uuid IS NULL OR c.command_id > $3) ORDER BY c.command_id LIMIT $4"))
            .bind(property.as_uuid())
            .bind(after.map(|id| id.as_uuid()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(held).collect()
    }

    /// Locks held commands of a property for a decision: those with these ids, or the oldest. Commands that are not held are left out.
    pub async fn lock_held(
        &mut self,
        property: PropertyId,
        ids: Option<&[CommandId]>,
        limit: u32,
    ) -> Result<Vec<HeldRow>, StoreError> {
        let ids: Option<Vec<uuid::Uuid>> = ids.map(|ids| ids.iter().map(CommandId::as_uuid).collect());
        let rows = self
            .query(select_held!(
                "AND ($3::uuid[] IS NULL OR c.command_id = ANY($3)) ORDER BY c.command_id LIMIT $4 FOR UPDATE OF c"
            ))
            .bind(property.as_uuid())
            .bind(ids)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(held).collect()
    }

    /// How many commands of the tenant are held; of one property if it is named.
    pub async fn held_count(&mut self, property: Option<PropertyId>) -> Result<u64, StoreError> {
        let row = self
            .query(
                "SELECT count(*) AS n FROM commands
                 WHERE tenant_id = $1 AND status = 'held' AND ($2::uuid IS NULL OR property_id = $2)",
            )
            .bind(property.map(|id| id.as_uuid()))
            .fetch_one(&mut *self.tx)
            .await?;
        Ok(u64::try_from(row.int("n")?).unwrap_or(0))
    }

    /// Lets a held command go, as it stands in `command` now, to be delivered like any other that was accepted. It no longer counts as
    /// early. Returns whether it was held.
    pub async fn release_held(&mut self, command: &Command) -> Result<bool, StoreError> {
        let done = self
            .query(
                "UPDATE commands SET status = 'accepted', code = NULL, early_at = NULL, payload = $3
                 WHERE tenant_id = $1 AND command_id = $2 AND status = 'held'",
            )
            .bind(command.id.as_uuid())
            .bind(Json(command))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn held(row: &PgRow) -> Result<HeldRow, StoreError> {
    Ok(HeldRow {
        command: command(row)?,
        phase: row.name("phase")?,
        window: Window { from: row.at("window_from")?, until: row.at("window_until")? },
    })
}
