//! Accepted requests, which are also the operations that their callers follow.

use crate::{IdempotencyScope, StoreError, TenantTx, log::Head, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    command::Command,
    ids::{ApiKeyId, CommandId, PropertyId, ReservationRef, StayId},
    problem::Code,
};
use serde::{Deserialize, Serialize};
use sqlx::{postgres::PgRow, types::Json};

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandStatus {
    /// Durable, and not yet with its workflow.
    Accepted,
    /// Durable, and kept from its workflow until a person approves or rejects it.
    Held,
    /// With its workflow.
    Running,
    /// Stuck until a person acts; the code says why.
    NeedsHuman,
    /// What was asked is so.
    Done,
    /// It can't be; the code says why.
    Failed,
    /// A later command made it pointless.
    Overtaken,
}

impl CommandStatus {
    /// The status's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Running => "running",
            Self::NeedsHuman => "needs_human",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Overtaken => "overtaken",
        }
    }

    /// Whether nothing changes it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Overtaken)
    }
}

/// A command to be entered.
#[derive(Debug, Clone, Copy)]
pub struct NewCommand<'a> {
    /// The command, as its workflow will get it.
    pub command: &'a Command,
    /// The hotel.
    pub property: PropertyId,
    /// The stay; its row must exist.
    pub stay: StayId,
    /// The PMS's reference.
    pub reservation: &'a ReservationRef,
    /// When it was accepted, real time.
    pub at: Timestamp,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    /// The command, as its workflow gets it.
    pub command: Command,
    /// The hotel.
    pub property: PropertyId,
    /// The stay.
    pub stay: StayId,
    /// The PMS's reference.
    pub reservation: ReservationRef,
    /// How far it is.
    pub status: CommandStatus,
    /// Why it failed or waits for a person.
    pub code: Option<Code>,
    /// Who asked.
    pub by: ApiKeyId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When its workflow got it.
    pub delivered_at: Option<Timestamp>,
    /// When it got its verdict.
    pub settled_at: Option<Timestamp>,
}

impl CommandRow {
    /// The command's and operation's id.
    pub fn id(&self) -> CommandId {
        self.command.id
    }
}

// Columns by name: a prepared `SELECT *` breaks when a migration adds one.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT payload, property_id, stay_id, reservation, status, code, by_key, accepted_at, delivered_at, settled_at FROM commands WHERE tenant_id = $1 ",
            $rest
        )
    };
}

macro_rules! insert_command {
    () => {
        "INSERT INTO commands (tenant_id, command_id, property_id, stay_id, reservation, verb, payload, status, by_key, accepted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'accepted', $8, GREATEST($9, (
             SELECT max(accepted_at) + interval '1 microsecond' FROM commands WHERE tenant_id = $1 AND stay_id = $4)))"
    };
}

impl TenantTx<'_> {
    /// Enters a command as accepted, after every other one of its stay, whatever the clock of the process that accepted that one said: in
    /// this order they are delivered. Keeps the request's first answer, and locks the tenant's log, so that a following
    /// [`append`](Self::append) needs one round trip less. [`StoreError::NotFound`] if the request was not entered.
    pub async fn accept_command(
        &mut self,
        new: NewCommand<'_>,
        scope: IdempotencyScope<'_>,
        status: u16,
        body: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let row = self
            .query(concat!(
                "WITH entered AS (",
                insert_command!(),
                "), answered AS (
                     UPDATE idempotency SET state = 'done', status = $13, body = $14
                     WHERE tenant_id = $1 AND api_key_id = $10 AND route = $11 AND key = $12 RETURNING 1
                 ) SELECT (SELECT count(*) FROM answered) AS answered, size, frontier
                   FROM audit_heads WHERE tenant_id = $1 AND (SELECT count(*) FROM answered) >= 0 FOR UPDATE"
            ))
            .bind(new.command.id.as_uuid())
            .bind(new.property.as_uuid())
            .bind(new.stay.as_uuid())
            .bind(new.reservation.as_str())
            .bind(new.command.verb.kind().name())
            .bind(Json(new.command))
            .bind(new.command.by.as_uuid())
            .bind(Ts(new.at))
            .bind(scope.client.as_uuid())
            .bind(scope.route)
            .bind(scope.key)
            .bind(i32::from(status))
            .bind(body)
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("log"))?;
        if row.int("answered")? == 0 {
            return Err(StoreError::NotFound("idempotency key"));
        }
        self.head = Some(Head::read(row.int("size")?, &row.bytes("frontier")?)?);
        Ok(())
    }

    /// Enters a command like [`accept_command`](Self::accept_command), for one that no request waits for.
    pub async fn insert_command(&mut self, new: NewCommand<'_>) -> Result<(), StoreError> {
        self.query(insert_command!())
            .bind(new.command.id.as_uuid())
            .bind(new.property.as_uuid())
            .bind(new.stay.as_uuid())
            .bind(new.reservation.as_str())
            .bind(new.command.verb.kind().name())
            .bind(Json(new.command))
            .bind(new.command.by.as_uuid())
            .bind(Ts(new.at))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// A command by its id.
    pub async fn command(&mut self, id: CommandId) -> Result<Option<CommandRow>, StoreError> {
        let row = self.query(select!("AND command_id = $2")).bind(id.as_uuid()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(command).transpose()
    }

    /// A stay's commands, oldest first.
    pub async fn commands_of(&mut self, stay: StayId) -> Result<Vec<CommandRow>, StoreError> {
        let rows = self
            .query(select!("AND stay_id = $2 ORDER BY accepted_at, command_id"))
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(command).collect()
    }

    /// Notes that the workflow has the command. A second time, or after the verdict, changes nothing but the first time of delivery.
    pub async fn mark_delivered(&mut self, id: CommandId, at: Timestamp) -> Result<(), StoreError> {
        self.query(
            "UPDATE commands SET delivered_at = COALESCE(delivered_at, $3),
                    status = CASE status WHEN 'accepted' THEN 'running' ELSE status END
             WHERE tenant_id = $1 AND command_id = $2",
        )
        .bind(id.as_uuid())
        .bind(Ts(at))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Commands that were accepted at `accepted_before` or earlier and that no workflow has yet, oldest first.
    pub async fn undelivered(&mut self, accepted_before: Timestamp, limit: u32) -> Result<Vec<CommandRow>, StoreError> {
        let rows = self
            .query(select!(
                "AND delivered_at IS NULL AND status = 'accepted' AND accepted_at <= $2
                 ORDER BY accepted_at, command_id LIMIT $3"
            ))
            .bind(Ts(accepted_before))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(command).collect()
    }

    /// Sets a command's status, and returns the command if that changed: a final status stays, whatever comes later. One with a verdict
    /// was delivered, and whoever listens ([`Store::settled_listener`](crate::Store::settled_listener)) hears of it with the commit.
    pub async fn settle_command(
        &mut self,
        id: CommandId,
        status: CommandStatus,
        code: Option<Code>,
        at: Timestamp,
    ) -> Result<Option<Command>, StoreError> {
        let row = self
            .query(
                "WITH changed AS (
                     UPDATE commands SET status = $3, code = $4, settled_at = CASE WHEN $5 THEN $6 END,
                            delivered_at = CASE WHEN $5 THEN COALESCE(delivered_at, $6) ELSE delivered_at END
                     WHERE tenant_id = $1 AND command_id = $2 AND status NOT IN ('done', 'failed', 'overtaken')
                       AND (status, code) IS DISTINCT FROM ($3, $4) RETURNING payload
                 ) SELECT payload, CASE WHEN $5 THEN pg_notify('settled', $2::text) END FROM changed",
            )
            .bind(id.as_uuid())
            .bind(status.name())
            .bind(code.map(Code::text))
            .bind(status.is_final())
            .bind(Ts(at))
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| row.json("payload")).transpose()
    }
}

pub(crate) fn command(row: &PgRow) -> Result<CommandRow, StoreError> {
    Ok(CommandRow {
        command: row.json("payload")?,
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        reservation: row.reservation("reservation")?,
        status: row.name("status")?,
        code: row.code_opt("code")?,
        by: ApiKeyId::from_uuid(row.uuid("by_key")?),
        accepted_at: row.at("accepted_at")?,
        delivered_at: row.at_opt("delivered_at")?,
        settled_at: row.at_opt("settled_at")?,
    })
}
