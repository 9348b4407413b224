//! Where stays go that wait for a vendor that is down: who waits, where they may go, where they were sent, and who stands at the desk.

use crate::{
    CommandStatus, OutageRow, StoreError, TenantTx,
    outages::{forced, outage},
    row::RowExt,
    time::Ts,
};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    drain::{Channel, OnVendorDown, Standby, Step, Waiting},
    event::Event,
    health::BreakerState,
    ids::{ApiKeyId, CommandId, OutageId, PropertyId, ReservationRef, RoomId, StayId},
    problem::Code,
};
use sqlx::{Row, postgres::PgRow, types::Json};
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

/// A guest at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskRow {
    /// The outage.
    pub outage: OutageId,
    /// The vendor that is down.
    pub vendor: String,
    /// Why it is.
    pub code: Option<Code>,
    /// The stay.
    pub stay: StayId,
    /// Its reservation.
    pub reservation: ReservationRef,
    /// The number of the guest's room.
    pub room: String,
    /// When the guest arrives.
    pub arrival: Timestamp,
    /// Why no other vendor took it; `None` if there was none to ask.
    pub refused: Option<Code>,
    /// Since when it has been on the list.
    pub since: Timestamp,
}

impl TenantTx<'_> {
    /// A property's choices about stays that wait.
    pub async fn on_vendor_down(&mut self, property: PropertyId) -> Result<OnVendorDown, StoreError> {
        let row = self
            .query("SELECT on_vendor_down FROM properties WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("property"))?;
        Ok(row.json_opt("on_vendor_down")?.unwrap_or_default())
    }

    /// Changes them. They count from the next look on, also in an outage that has begun.
    pub async fn set_on_vendor_down(&mut self, property: PropertyId, choices: &OnVendorDown) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE properties SET on_vendor_down = $3 WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .bind(Json(choices))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("property")) } else { Ok(()) }
    }

    /// An outage, locked until the end of the transaction: one look at a time.
    pub async fn lock_outage(&mut self, id: OutageId) -> Result<Option<OutageRow>, StoreError> {
        let row = self
            .query("SELECT outage_id, property_id, vendor, opened_at, closed_at, code FROM outages WHERE tenant_id = $1 AND outage_id = $2 FOR NO KEY UPDATE")
            .bind(id.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(outage).transpose()
    }

    /// Guests' stays that wait for the vendor of an outage, arrive before `until`, and are not on their way elsewhere. A stay waits if its
    /// keys are wanted now and none is proven at the rooms' doors; one that moves, if none is proven at its new room's.
    pub async fn waiting(
        &mut self,
        outage: &OutageRow,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Waiting>, StoreError> {
        let rows = self
            .query(
                "SELECT s.stay_id, s.window_from, s.created_at, k.keys,
                        ARRAY (SELECT channel FROM drain_steps t WHERE t.tenant_id = $1 AND t.outage_id = $4 AND t.stay_id = s.stay_id
                               AND t.state <> 'over') AS tried,
                        ARRAY (SELECT d.vendor FROM doors d JOIN room_claims r ON r.tenant_id = $1 AND r.stay_id = s.stay_id
                                   AND r.released_at IS NULL AND r.room_id = d.room_id
                               WHERE d.tenant_id = $1 AND d.property_id = $2 AND NOT k.cards AND s.phase = 'issuing' GROUP BY d.vendor
                               HAVING count(DISTINCT d.room_id) = (SELECT count(DISTINCT r.room_id) FROM room_claims r
                                   WHERE r.tenant_id = $1 AND r.stay_id = s.stay_id AND r.released_at IS NULL)) AS doors_at
                 FROM stays s
                 CROSS JOIN LATERAL (SELECT count(*) AS keys, bool_or(kind = 'card') AS cards FROM keys k
                                     WHERE k.tenant_id = $1 AND k.stay_id = s.stay_id AND k.wish = 'wanted') k
                 WHERE s.tenant_id = $1 AND s.property_id = $2 AND s.phase IN ('issuing', 'moving') AND s.kind = 'guest' AND NOT s.suspended
                   AND s.window_from < $6 AND s.window_until > $5 AND k.keys > 0
                   AND CASE WHEN s.diverted_to IS NULL THEN EXISTS (
                           SELECT FROM doors d WHERE d.tenant_id = $1 AND d.property_id = $2 AND d.room_id = s.room_id AND d.vendor = $3
                             AND NOT EXISTS (SELECT FROM property_vendors v WHERE v.tenant_id = $1 AND v.property_id = $2
                                             AND v.vendor = d.vendor AND v.standby_rank IS NOT NULL))
                       ELSE s.diverted_to = $3 END
                   AND NOT EXISTS (SELECT FROM credentials c JOIN doors d ON d.tenant_id = $1 AND d.door_id = c.door_id
                                   WHERE c.tenant_id = $1 AND c.stay_id = s.stay_id AND c.state = 'live' AND d.room_id IS NOT NULL
                                     AND (s.phase = 'issuing' OR d.room_id = s.room_id))
                   AND NOT EXISTS (SELECT FROM drain_steps t WHERE t.tenant_id = $1 AND t.outage_id = $4 AND t.stay_id = s.stay_id
                                   AND t.state = 'asked')
                 ORDER BY s.window_from, s.created_at, s.stay_id",
            )
            .bind(outage.property.as_uuid())
            .bind(&outage.vendor)
            .bind(outage.id.as_uuid())
            .bind(Ts(now))
            .bind(Ts(until))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(waiting).collect()
    }

    /// The vendors that a property has on standby, by rank, without one of them: whether they work, and how many more keys they can have.
    pub async fn standby(
        &mut self,
        property: PropertyId,
        without: &str,
        now: Timestamp,
    ) -> Result<Vec<Standby>, StoreError> {
        let rows = self
            .query(
                "SELECT v.vendor, v.most_keys, b.state, b.forced_state, b.forced_reason, b.forced_until,
                        (SELECT count(*) FROM keys k JOIN stays s ON s.tenant_id = $1 AND s.stay_id = k.stay_id
                         WHERE k.tenant_id = $1 AND k.wish = 'wanted' AND s.property_id = $2 AND s.phase <> 'ended'
                           AND (s.diverted_to = v.vendor OR EXISTS (SELECT FROM drain_steps t WHERE t.tenant_id = $1
                                AND t.stay_id = s.stay_id AND t.state = 'asked' AND t.channel = v.vendor))) AS used
                 FROM property_vendors v
                 LEFT JOIN breakers b ON b.tenant_id = $1 AND b.property_id = v.property_id AND b.vendor = v.vendor
                 WHERE v.tenant_id = $1 AND v.property_id = $2 AND v.vendor <> $3 AND v.standby_rank IS NOT NULL
                 ORDER BY v.standby_rank, v.vendor",
            )
            .bind(property.as_uuid())
            .bind(without)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| standby(row, now)).collect()
    }

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

    /// Outages that last and whose drain was not begun.
    pub async fn undrained(&mut self, limit: u32) -> Result<Vec<OutageRow>, StoreError> {
        let rows = self
            .query(
                "SELECT outage_id, property_id, vendor, opened_at, closed_at, code FROM outages
                 WHERE tenant_id = $1 AND closed_at IS NULL AND drain_begun_at IS NULL ORDER BY opened_at LIMIT $2",
            )
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(outage).collect()
    }

    /// Notes that an outage's drain has begun.
    pub async fn drain_begun(&mut self, outage: OutageId, now: Timestamp) -> Result<(), StoreError> {
        self.query(
            "UPDATE outages SET drain_begun_at = COALESCE(drain_begun_at, $3) WHERE tenant_id = $1 AND outage_id = $2",
        )
        .bind(outage.as_uuid())
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
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

    /// The vendor whose doors have the stay's keys instead of its own vendor's.
    pub async fn diverted_to(&mut self, stay: StayId) -> Result<Option<String>, StoreError> {
        let row = self
            .query("SELECT diverted_to FROM stays WHERE tenant_id = $1 AND stay_id = $2")
            .bind(stay.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map_or(Ok(None), |row| row.text_opt("diverted_to"))
    }

    /// Notes it, or that its own vendor's doors have them again.
    pub async fn set_diverted(&mut self, stay: StayId, to: Option<&str>) -> Result<(), StoreError> {
        self.query("UPDATE stays SET diverted_to = $3 WHERE tenant_id = $1 AND stay_id = $2")
            .bind(stay.as_uuid())
            .bind(to)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Notes again whose doors have the stay's keys, after a command that had said otherwise came to nothing: those that the last command
    /// names that stands.
    pub async fn restore_diverted(&mut self, stay: StayId) -> Result<(), StoreError> {
        let commands = self.commands_of(stay).await?;
        let standing = commands.iter().rev().filter(|row| row.status != CommandStatus::Failed);
        let doors = standing.filter_map(|row| row.command.verb.doors()).next().unwrap_or_default();
        let doors: Vec<Uuid> = doors.iter().map(|door| door.as_uuid()).collect();
        self.query(
            "UPDATE stays SET diverted_to = (
                 SELECT d.vendor FROM doors d WHERE d.tenant_id = $1 AND d.door_id = ANY ($3) AND d.room_id IS NOT NULL
                   AND EXISTS (SELECT FROM drain_steps t JOIN commands c ON c.tenant_id = $1 AND c.command_id = t.command_id
                               WHERE t.tenant_id = $1 AND t.stay_id = $2 AND t.channel = d.vendor AND c.status <> 'failed') LIMIT 1)
             WHERE tenant_id = $1 AND stay_id = $2",
        )
        .bind(stay.as_uuid())
        .bind(doors)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Vendors whose doors the stay was sent away from.
    pub async fn left_vendors(&mut self, stay: StayId) -> Result<Vec<String>, StoreError> {
        let rows = self
            .query(
                "SELECT DISTINCT o.vendor FROM drain_steps t JOIN outages o ON o.tenant_id = $1 AND o.outage_id = t.outage_id
                 JOIN commands c ON c.tenant_id = $1 AND c.command_id = t.command_id
                 WHERE t.tenant_id = $1 AND t.stay_id = $2 AND c.status <> 'failed' ORDER BY o.vendor",
            )
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| row.text("vendor")).collect()
    }

    /// The rooms that a stay has.
    pub async fn claimed_rooms(&mut self, stay: StayId) -> Result<Vec<RoomId>, StoreError> {
        let rows = self
            .query("SELECT DISTINCT room_id FROM room_claims WHERE tenant_id = $1 AND stay_id = $2 AND released_at IS NULL ORDER BY room_id")
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| Ok(RoomId::from_uuid(row.uuid("room_id")?))).collect()
    }

    /// Guests at a property's desk, in the order of arrival, then of acceptance. All of them: a desk works by one list.
    pub async fn desk(&mut self, property: PropertyId, limit: u32) -> Result<Vec<DeskRow>, StoreError> {
        let rows = self
            .query(
                "SELECT t.outage_id, o.vendor, o.code, t.stay_id, s.reservation, r.number, s.window_from, t.asked_at,
                        (SELECT COALESCE(f.code, c.code) FROM drain_steps f
                         LEFT JOIN commands c ON c.tenant_id = $1 AND c.command_id = f.command_id AND c.status = 'failed'
                         WHERE f.tenant_id = $1 AND f.outage_id = t.outage_id AND f.stay_id = t.stay_id AND f.channel <> 'desk'
                         ORDER BY f.place DESC LIMIT 1) AS refused
                 FROM drain_steps t JOIN outages o ON o.tenant_id = $1 AND o.outage_id = t.outage_id
                 JOIN stays s ON s.tenant_id = $1 AND s.stay_id = t.stay_id JOIN rooms r ON r.tenant_id = $1 AND r.property_id = s.property_id AND r.room_id = s.room_id
                 WHERE t.tenant_id = $1 AND o.property_id = $2 AND t.state = 'at_desk' AND s.phase IN ('issuing', 'moving')
                 ORDER BY s.window_from, s.created_at, s.stay_id LIMIT $3",
            )
            .bind(property.as_uuid())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(desk).collect()
    }

    /// The desk has let a guest in. Returns the stay's outages that it was on the list for; none if it was on no list.
    pub async fn served_at_desk(
        &mut self,
        property: PropertyId,
        reservation: &ReservationRef,
        by: ApiKeyId,
        now: Timestamp,
    ) -> Result<Vec<(OutageId, StayId)>, StoreError> {
        let rows = self
            .query(
                "UPDATE drain_steps t SET state = 'served', served_by = $4, settled_at = $5 FROM stays s
                 WHERE t.tenant_id = $1 AND s.tenant_id = $1 AND s.stay_id = t.stay_id AND s.property_id = $2 AND s.reservation = $3
                   AND t.state = 'at_desk' RETURNING t.outage_id, t.stay_id",
            )
            .bind(property.as_uuid())
            .bind(reservation.as_str())
            .bind(by.as_uuid())
            .bind(Ts(now))
            .fetch_all(&mut *self.tx)
            .await?;
        let ids = |row: &PgRow| -> Result<_, StoreError> {
            Ok((OutageId::from_uuid(row.uuid("outage_id")?), StayId::from_uuid(row.uuid("stay_id")?)))
        };
        rows.iter().map(ids).collect()
    }
}

fn waiting(row: &PgRow) -> Result<Waiting, StoreError> {
    let tried: Vec<String> = row.try_get("tried")?;
    Ok(Waiting {
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        arrival: row.at("window_from")?,
        accepted: row.at("created_at")?,
        keys: u32::try_from(row.int("keys")?).map_err(|_| StoreError::Corrupt("keys"))?,
        doors_at: row.try_get("doors_at")?,
        tried: tried.into_iter().map(Channel::from).collect(),
    })
}

fn standby(row: &PgRow, now: Timestamp) -> Result<Standby, StoreError> {
    let state = row.name_opt("state")?.unwrap_or(BreakerState::Closed);
    let most: Option<i32> = row.try_get("most_keys")?;
    let free = most
        .map(|most| u32::try_from(i64::from(most).saturating_sub(row.int("used").unwrap_or(0)).max(0)).unwrap_or(0));
    Ok(Standby { vendor: row.text("vendor")?, works: state.counted(forced(row)?, now) == BreakerState::Closed, free })
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

fn desk(row: &PgRow) -> Result<DeskRow, StoreError> {
    Ok(DeskRow {
        outage: OutageId::from_uuid(row.uuid("outage_id")?),
        vendor: row.text("vendor")?,
        code: row.code_opt("code")?,
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        reservation: row.reservation("reservation")?,
        room: row.text("number")?,
        arrival: row.at("window_from")?,
        refused: row.code_opt("refused")?,
        since: row.at("asked_at")?,
    })
}
