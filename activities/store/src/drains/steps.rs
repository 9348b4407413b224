//! The steps of plans: written down, turned into requests, settled, ended.

use crate::{OutageRow, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    drain::{Channel, Step},
    event::Event,
    ids::{CommandId, OutageId, PropertyId, ReservationRef, RoomId, StayId},
    problem::Code,
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

/// A step that waits to become a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedStep {
    /// The outage.
    pub outage: OutageId,
    /// The hotel.
    pub property: PropertyId,
    /// The stay.
    pub stay: StayId,
    /// Its reservation.
    pub reservation: ReservationRef,
    /// The vendor that it leaves.
    pub from: String,
    /// The vendor that it goes to.
    pub to: String,
}

impl TenantTx<'_> {
    /// Writes a plan's steps, after those that an outage has already; one that was over begins anew. Those to the desk are on its list from now
    /// on, and appear in the log.
    pub async fn enter_steps(
        &mut self,
        outage: &OutageRow,
        steps: &[Step],
        clock: ClockOffset,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let stays: Vec<Uuid> = steps.iter().map(|step| step.stay.as_uuid()).collect();
        let channels: Vec<String> = steps.iter().map(|step| step.channel.to_string()).collect();
        let rows = self
            .query(
                "INSERT INTO drain_steps (tenant_id, outage_id, stay_id, channel, place, state, asked_at)
                 SELECT $1, $2, stay_id, channel, place + COALESCE((SELECT max(t.place) FROM drain_steps t WHERE t.tenant_id = $1 AND t.outage_id = $2), 0),
                        CASE channel WHEN 'desk' THEN 'at_desk' ELSE 'asked' END, $5
                 FROM unnest($3::uuid[], $4::text[]) WITH ORDINALITY AS list (stay_id, channel, place)
                 ON CONFLICT (tenant_id, outage_id, stay_id, channel) DO UPDATE
                     SET state = EXCLUDED.state, place = EXCLUDED.place, asked_at = EXCLUDED.asked_at, settled_at = NULL
                     WHERE drain_steps.state = 'over' RETURNING stay_id, channel",
            )
            .bind(outage.id.as_uuid())
            .bind(stays)
            .bind(channels)
            .bind(Ts(now))
            .fetch_all(&mut *self.tx)
            .await?;
        for row in rows.iter().filter(|row| row.text("channel").is_ok_and(|channel| channel == Channel::DESK)) {
            let stay = row.uuid("stay_id")?;
            let found = self
                .query("SELECT room_id FROM stays WHERE tenant_id = $1 AND stay_id = $2")
                .bind(stay)
                .fetch_one(&mut *self.tx)
                .await?;
            let event = Event::LeftToDesk { outage: outage.id, room: RoomId::from_uuid(found.uuid("room_id")?) };
            self.append(clock.now(now), outage.property, Some(StayId::from_uuid(stay)), &[event]).await?;
        }
        Ok(())
    }

    /// Ends what of an outage's steps needs nobody any more: at the desk, stays that don't wait any longer (one that moves, or whose keys were
    /// taken away for a while, will again); once it is `over`, also what nobody has turned into a request yet, so that those stays go on with
    /// their own vendor.
    pub async fn end_steps(&mut self, outage: OutageId, over: bool, now: Timestamp) -> Result<(), StoreError> {
        self.query(
            "UPDATE drain_steps t SET state = CASE WHEN t.state = 'asked' THEN 'returned' ELSE 'over' END, settled_at = $4
             FROM stays s WHERE t.tenant_id = $1 AND t.outage_id = $2 AND s.tenant_id = $1 AND s.stay_id = t.stay_id
               AND (t.state = 'at_desk' AND (s.phase NOT IN ('issuing', 'moving', 'suspended') OR $3) OR t.state = 'asked' AND $3)",
        )
        .bind(outage.as_uuid())
        .bind(over)
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Fails steps that nobody could turn into a request since `asked_before`, so that the next plan sends their stays elsewhere.
    pub async fn give_up_steps(
        &mut self,
        outage: OutageId,
        asked_before: Timestamp,
        code: Code,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let done = self
            .query(
                "UPDATE drain_steps SET state = 'failed', code = $4, settled_at = $5
                 WHERE tenant_id = $1 AND outage_id = $2 AND state = 'asked' AND asked_at < $3",
            )
            .bind(outage.as_uuid())
            .bind(Ts(asked_before))
            .bind(code.text())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected())
    }

    /// Steps that wait to become requests, in the order of their plans.
    pub async fn asked_steps(&mut self, limit: u32) -> Result<Vec<AskedStep>, StoreError> {
        let rows = self
            .query(
                "SELECT t.outage_id, t.stay_id, t.channel, s.property_id, s.reservation, o.vendor FROM drain_steps t
                 JOIN outages o ON o.tenant_id = $1 AND o.outage_id = t.outage_id JOIN stays s ON s.tenant_id = $1 AND s.stay_id = t.stay_id
                 WHERE t.tenant_id = $1 AND t.state = 'asked' AND o.closed_at IS NULL ORDER BY t.asked_at, t.place LIMIT $2",
            )
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(asked).collect()
    }

    /// Locks a step that waits to become a request. `false` if it does not wait any more, or its outage is over.
    pub async fn lock_step(&mut self, step: &AskedStep) -> Result<bool, StoreError> {
        let row = self
            .query(
                "SELECT o.closed_at IS NULL AS lasts FROM drain_steps t JOIN outages o ON o.tenant_id = $1 AND o.outage_id = t.outage_id
                 WHERE t.tenant_id = $1 AND t.outage_id = $2 AND t.stay_id = $3 AND t.channel = $4 AND t.state = 'asked' FOR UPDATE OF t",
            )
            .bind(step.outage.as_uuid())
            .bind(step.stay.as_uuid())
            .bind(&step.to)
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map_or(Ok(false), |row| row.flag("lasts"))
    }

    /// A step has become a request, or can't (`Err`): why. One that has been settled stays as it is.
    pub async fn settle_step(
        &mut self,
        step: &AskedStep,
        became: Result<CommandId, Code>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(
            "UPDATE drain_steps SET state = $5, command_id = $6, code = $7, settled_at = $8
             WHERE tenant_id = $1 AND outage_id = $2 AND stay_id = $3 AND channel = $4 AND state = 'asked'",
        )
        .bind(step.outage.as_uuid())
        .bind(step.stay.as_uuid())
        .bind(&step.to)
        .bind(if became.is_ok() { "accepted" } else { "failed" })
        .bind(became.ok().map(|id| id.as_uuid()))
        .bind(became.err().map(Code::text))
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

fn asked(row: &PgRow) -> Result<AskedStep, StoreError> {
    Ok(AskedStep {
        outage: OutageId::from_uuid(row.uuid("outage_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        reservation: row.reservation("reservation")?,
        from: row.text("vendor")?,
        to: row.text("channel")?,
    })
}
