//! Outages of vendors at properties: from the moment at which a breaker counts as not closed to the moment at which it does again, and what
//! each of them touched. They follow from the breaker's row, in the transaction that changes it.

use crate::{BreakerRow, StoreError, TenantTx, breakers::breaker, log::index, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    credential::CredentialState,
    drain::Channel,
    event::Event,
    health::{BreakerState, Forced},
    ids::{ApiKeyId, CredentialId, DoorId, KeyId, OutageId, PropertyId, ReservationRef, StayId},
    problem::Code,
};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// An outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutageRow {
    /// Its id.
    pub id: OutageId,
    /// The hotel.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// Since when.
    pub opened_at: Timestamp,
    /// Until when; `None` while it lasts.
    pub closed_at: Option<Timestamp>,
    /// Why; `None` if an operator said so.
    pub code: Option<Code>,
}

/// A credential that an outage touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedRow {
    /// The stay.
    pub stay: StayId,
    /// Its reservation.
    pub reservation: ReservationRef,
    /// The key.
    pub key: KeyId,
    /// The credential.
    pub credential: CredentialId,
    /// The door.
    pub door: DoorId,
    /// An effect was held back.
    pub held: bool,
    /// So many effects were sent.
    pub sent: u32,
    /// Of those, so many were unconfirmed.
    pub unconfirmed: u32,
    /// Where it stands now.
    pub state: CredentialState,
}

/// Where a stay went in an outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// The stay.
    pub stay: StayId,
    /// Its reservation.
    pub reservation: ReservationRef,
    /// In the order of the plan, from 1.
    pub place: u32,
    /// There.
    pub channel: Channel,
    /// How it ended: `asked`, `accepted`, `failed`, `returned`, `at_desk`, `served` or `over`.
    pub state: String,
    /// Why it failed.
    pub code: Option<Code>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT outage_id, property_id, vendor, opened_at, closed_at, code FROM outages o WHERE o.tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Opens or closes the outage of a property's vendor as its breaker counts now, and appends the event of it after `events`, which tell
    /// why.
    pub(crate) async fn follow_breaker(
        &mut self,
        property: PropertyId,
        vendor: &str,
        clock: ClockOffset,
        now: Timestamp,
        mut events: Vec<Event>,
    ) -> Result<(), StoreError> {
        self.lock_open_outages(&[property]).await?;
        let row = self
            .query(
                "SELECT b.state, b.code, b.forced_state, b.forced_reason, b.forced_until, o.outage_id, o.opened_at FROM breakers b
                 LEFT JOIN outages o ON o.tenant_id = $1 AND o.property_id = b.property_id AND o.vendor = b.vendor AND o.closed_at IS NULL
                 WHERE b.tenant_id = $1 AND b.property_id = $2 AND b.vendor = $3",
            )
            .bind(property.as_uuid())
            .bind(vendor)
            .fetch_one(&mut *self.tx)
            .await?;
        let state: BreakerState = row.name("state")?;
        let holds = state.counted(forced(&row)?, now) != BreakerState::Closed;
        let open = row.uuid_opt("outage_id")?.map(OutageId::from_uuid);
        let stored = crate::to_stored(now);
        let id = open.unwrap_or_else(|| OutageId::from_uuid(Uuid::now_v7()));
        let vendor = vendor.to_owned();
        let change = match (open, holds) {
            (None, true) => {
                let code = row.code_opt("code")?.filter(|_| state != BreakerState::Closed);
                Some(Event::VendorOutage { outage: id, vendor: vendor.clone(), since: stored, code })
            }
            (Some(_), false) => {
                let since = row.at("opened_at")?;
                let after_s = stored.duration_since(since).as_secs();
                Some(Event::VendorOutageOver { outage: id, vendor: vendor.clone(), since, after_s })
            }
            _ => None,
        };
        events.extend(change.clone());
        let places = self.append(clock.now(now), property, None, &events).await?;
        let (Some(change), Some(seq)) = (change, places.last()) else { return Ok(()) };
        match change {
            Event::VendorOutage { code, .. } => {
                self.query(
                    "INSERT INTO outages (tenant_id, outage_id, property_id, vendor, opened_at, code, opened_seq)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(id.as_uuid())
                .bind(property.as_uuid())
                .bind(vendor)
                .bind(Ts(stored))
                .bind(code.map(Code::text))
                .bind(index(*seq)?)
                .execute(&mut *self.tx)
                .await?;
            }
            _ => {
                self.query(
                    "UPDATE outages SET closed_at = $3, closed_seq = $4 WHERE tenant_id = $1 AND outage_id = $2",
                )
                .bind(id.as_uuid())
                .bind(Ts(stored))
                .bind(index(*seq)?)
                .execute(&mut *self.tx)
                .await?;
            }
        }
        Ok(())
    }

    /// Waits until nobody looks at the open outages of these properties, until the end of the transaction. Before the first event: whoever
    /// looks at an outage waits for the log.
    async fn lock_open_outages(&mut self, properties: &[PropertyId]) -> Result<(), StoreError> {
        if properties.is_empty() {
            return Ok(());
        }
        let properties: Vec<Uuid> = properties.iter().map(|property| property.as_uuid()).collect();
        self.query(
            "SELECT outage_id FROM outages WHERE tenant_id = $1 AND property_id = ANY ($2) AND closed_at IS NULL
             ORDER BY outage_id FOR NO KEY UPDATE",
        )
        .bind(properties)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// An operator's word over a property's breaker, or its end (`None`), with the event that says so. [`StoreError::NotFound`] if nobody has
    /// looked at that vendor yet.
    pub async fn force_breaker(
        &mut self,
        property: PropertyId,
        vendor: &str,
        word: Option<Forced>,
        by: ApiKeyId,
        clock: ClockOffset,
        now: Timestamp,
    ) -> Result<BreakerRow, StoreError> {
        let row = self
            .query(
                "UPDATE breakers b SET forced_state = $4, forced_reason = $5, forced_until = $6, forced_by = $7, version = version + 1,
                        leased_until = NULL
                 WHERE b.tenant_id = $1 AND b.property_id = $2 AND b.vendor = $3 RETURNING b.*",
            )
            .bind(property.as_uuid())
            .bind(vendor)
            .bind(word.map(|word| word.state.name()))
            .bind(word.map(|word| word.reason.name()))
            .bind(word.map(|word| Ts(word.until)))
            .bind(word.map(|_| by.as_uuid()))
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("breaker"))?;
        let breaker = breaker(&row)?;
        let vendor_name = vendor.to_owned();
        let event = match word {
            Some(Forced { state, reason, until }) => {
                Event::BreakerForced { vendor: vendor_name, state, reason, until: crate::to_stored(until), by }
            }
            None => Event::BreakerReleased { vendor: vendor_name, state: breaker.breaker.state, by: Some(by) },
        };
        self.follow_breaker(property, vendor, clock, now, vec![event]).await?;
        Ok(breaker)
    }

    /// Ends operators' words whose time is over, and says so.
    pub async fn end_forced_breakers(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let rows = self
            .query(
                "UPDATE breakers b SET forced_state = NULL, forced_reason = NULL, forced_until = NULL, forced_by = NULL, version = b.version + 1,
                        leased_until = NULL
                 FROM properties p WHERE b.tenant_id = $1 AND p.tenant_id = $1 AND p.property_id = b.property_id AND b.forced_until <= $2
                 RETURNING b.property_id, b.vendor, b.state, p.clock_offset_ms",
            )
            .bind(Ts(now))
            .fetch_all(&mut *self.tx)
            .await?;
        let properties = rows.iter().map(|row| row.uuid("property_id").map(PropertyId::from_uuid));
        let properties: Vec<PropertyId> = properties.collect::<Result<_, _>>()?;
        self.lock_open_outages(&properties).await?;
        for row in rows {
            let (property, vendor) = (PropertyId::from_uuid(row.uuid("property_id")?), row.text("vendor")?);
            let event = Event::BreakerReleased { vendor: vendor.clone(), state: row.name("state")?, by: None };
            let clock = ClockOffset::from_millis(row.int("clock_offset_ms")?);
            self.follow_breaker(property, &vendor, clock, now, vec![event]).await?;
        }
        Ok(())
    }

    /// The tenant's outages, the latest first, from before `before` on; only those of some properties, if given.
    pub async fn outages(
        &mut self,
        properties: Option<&[PropertyId]>,
        before: Option<OutageId>,
        limit: u32,
    ) -> Result<Vec<OutageRow>, StoreError> {
        let properties: Option<Vec<Uuid>> = properties.map(|list| list.iter().map(|p| p.as_uuid()).collect());
        let rows = self
            .query(select!(
                "AND ($2::uuid[] IS NULL OR property_id = ANY ($2)) AND ($3::uuid IS NULL OR outage_id < $3) ORDER BY outage_id DESC LIMIT $4"
            ))
            .bind(properties)
            .bind(before.map(|id| id.as_uuid()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(outage).collect()
    }

    /// An outage by its id.
    pub async fn outage(&mut self, id: OutageId) -> Result<Option<OutageRow>, StoreError> {
        let row = self.query(select!("AND outage_id = $2")).bind(id.as_uuid()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(outage).transpose()
    }

    /// The credentials that an outage touched: effects at its vendor's doors that were held back or sent while it lasted.
    pub async fn touched_by(&mut self, id: OutageId, limit: u32) -> Result<Vec<TouchedRow>, StoreError> {
        // Being held back or sent changes a credential. The minute is for hosts whose clocks differ.
        let rows = self
            .query(
                "WITH o AS (SELECT * FROM outages WHERE tenant_id = $1 AND outage_id = $2), held AS (
                     SELECT DISTINCT replace(a.payload ->> 'key', 'key_', '')::uuid AS key_id, replace(a.payload ->> 'door', 'door_', '')::uuid AS door_id
                     FROM lock_audit a, o WHERE a.tenant_id = $1 AND a.property_id = o.property_id AND a.type = 'credential.pending.v1'
                       AND a.payload ->> 'code' = 'vendor_circuit_open' AND a.leaf_index >= o.opened_seq
                       AND a.leaf_index <= COALESCE(o.closed_seq, a.leaf_index)
                 ) SELECT c.stay_id, s.reservation, c.key_id, c.credential_id, c.door_id, c.state, h.key_id IS NOT NULL AS held, t.sent, t.unconfirmed
                 FROM o JOIN doors d ON d.tenant_id = $1 AND d.property_id = o.property_id AND d.vendor = o.vendor
                 JOIN credentials c ON c.tenant_id = $1 AND c.door_id = d.door_id AND c.updated_at >= o.opened_at - interval '1 minute'
                 JOIN stays s ON s.tenant_id = $1 AND s.stay_id = c.stay_id
                 LEFT JOIN held h ON h.key_id = c.key_id AND h.door_id = c.door_id
                 CROSS JOIN LATERAL (
                     SELECT count(*) FILTER (WHERE a.phase = 'intent') AS sent, count(*) FILTER (WHERE a.outcome = 'unconfirmed') AS unconfirmed
                     FROM key_credential_attempts a WHERE a.tenant_id = $1 AND a.credential_id = c.credential_id AND a.at >= o.opened_at
                       AND a.at <= COALESCE(o.closed_at, a.at)
                 ) t WHERE h.key_id IS NOT NULL OR t.sent > 0 ORDER BY c.stay_id, c.key_id, c.door_id LIMIT $3",
            )
            .bind(id.as_uuid())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(touched).collect()
    }

    /// Where stays went in an outage, in the order of the plan.
    pub async fn steps_of(&mut self, id: OutageId, limit: u32) -> Result<Vec<StepRow>, StoreError> {
        let rows = self
            .query(
                "SELECT t.stay_id, s.reservation, t.place, t.channel, t.state, t.code FROM drain_steps t JOIN stays s USING (tenant_id, stay_id)
                 WHERE t.tenant_id = $1 AND t.outage_id = $2 ORDER BY t.place LIMIT $3",
            )
            .bind(id.as_uuid())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(step).collect()
    }
}

/// An operator's word of a breaker's row.
pub(crate) fn forced(row: &PgRow) -> Result<Option<Forced>, StoreError> {
    let Some(state) = row.name_opt("forced_state")? else { return Ok(None) };
    Ok(Some(Forced { state, reason: row.name("forced_reason")?, until: row.at("forced_until")? }))
}

pub(crate) fn outage(row: &PgRow) -> Result<OutageRow, StoreError> {
    Ok(OutageRow {
        id: OutageId::from_uuid(row.uuid("outage_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        vendor: row.text("vendor")?,
        opened_at: row.at("opened_at")?,
        closed_at: row.at_opt("closed_at")?,
        code: row.code_opt("code")?,
    })
}

fn touched(row: &PgRow) -> Result<TouchedRow, StoreError> {
    let great = |column| u32::try_from(row.int(column)?).map_err(|_| StoreError::Corrupt(column));
    Ok(TouchedRow {
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        reservation: row.reservation("reservation")?,
        key: KeyId::from_uuid(row.uuid("key_id")?),
        credential: CredentialId::from_uuid(row.uuid("credential_id")?),
        door: DoorId::from_uuid(row.uuid("door_id")?),
        held: row.flag("held")?,
        sent: great("sent")?,
        unconfirmed: great("unconfirmed")?,
        state: row.name("state")?,
    })
}

fn step(row: &PgRow) -> Result<StepRow, StoreError> {
    let place: i32 = row.try_get("place")?;
    Ok(StepRow {
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        reservation: row.reservation("reservation")?,
        place: u32::try_from(place).map_err(|_| StoreError::Corrupt("place"))?,
        channel: Channel::from(row.text("channel")?),
        state: row.text("state")?,
        code: row.code_opt("code")?,
    })
}
