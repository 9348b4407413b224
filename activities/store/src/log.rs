//! The tenant's log: events as leaves of a Merkle tree, in one order without gaps.

use crate::{
    StoreError, TenantTx,
    leaf::leaf_data,
    row::RowExt,
    time::{Ts, to_stored},
};
use jiff::Timestamp;
use lock_domain::{
    event::Event,
    ids::{EventId, PropertyId, StayId},
};
use lock_tlog::{CompactRange, Hash, leaf_hash};
use sqlx::postgres::PgRow;
use std::ops::Range;
use uuid::Uuid;

/// The log's head while its row is locked.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    range: CompactRange,
}

impl Head {
    pub(crate) fn read(size: i64, frontier: &[u8]) -> Result<Self, StoreError> {
        let size = u64::try_from(size).map_err(|_| StoreError::Corrupt("size"))?;
        let range = CompactRange::from_bytes(size, frontier).map_err(|_| StoreError::Corrupt("frontier"))?;
        Ok(Self { range })
    }
}

/// The log's size and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// How many events it has.
    pub size: u64,
    /// The root of the Merkle tree over them (RFC 6962).
    pub root: Hash,
    /// When the last one was appended.
    pub at: Timestamp,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its place in the log, from 0: the leaf's index, and the cursor.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// When it happened, on the property's clock, in microseconds.
    pub at: Timestamp,
    /// The hotel.
    pub property: PropertyId,
    /// The stay, if it is one's.
    pub stay: Option<StayId>,
    /// Its type with version, [`Event::name`].
    pub kind: String,
    /// Its JSON form.
    pub payload: serde_json::Value,
    /// The leaf's hash.
    pub leaf_hash: Hash,
}

impl EventRow {
    /// The event. `None` if a newer version of the code wrote it.
    pub fn event(&self) -> Option<Event> {
        serde_json::from_value(self.payload.clone()).ok()
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT leaf_index, event_id, at, property_id, stay_id, type, payload, leaf_hash FROM lock_audit WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Appends events to the tenant's log and to its outbox, and returns their places. Whoever appends makes every other writer of the
    /// tenant wait until the transaction ends, so call it last. Two round trips; one after [`record_outcome`](Self::record_outcome).
    pub async fn append(
        &mut self,
        at: Timestamp,
        property: PropertyId,
        stay: Option<StayId>,
        events: &[Event],
    ) -> Result<Vec<u64>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let mut head = match self.head.take() {
            Some(head) => head,
            None => self.lock_head().await?,
        };
        let at = to_stored(at);
        let first = head.range.size();
        let mut ids = Vec::with_capacity(events.len());
        let mut kinds = Vec::with_capacity(events.len());
        let mut payloads = Vec::with_capacity(events.len());
        let mut hashes = Vec::with_capacity(events.len());
        for event in events {
            let payload = serde_json::to_value(event).map_err(|_| StoreError::Corrupt("event"))?;
            let id = EventId::from_uuid(Uuid::now_v7());
            let hash = leaf_hash(&leaf_data(id, at, property, stay, &payload));
            head.range.append(hash);
            ids.push(id.as_uuid());
            kinds.push(event.name());
            payloads.push(payload);
            hashes.push(hash.to_vec());
        }
        let last = head.range.size();
        self.query(
            "WITH head AS (
                 UPDATE audit_heads SET size = $2, frontier = $3, root = $4, updated_at = $5 WHERE tenant_id = $1
             ), leaves AS (
                 INSERT INTO lock_audit (tenant_id, leaf_index, event_id, at, property_id, stay_id, type, payload, leaf_hash)
                 SELECT $1, $6 + place - 1, event_id, $5, $7, $8, type, payload, leaf_hash
                 FROM unnest($9::uuid[], $10::text[], $11::jsonb[], $12::bytea[])
                      WITH ORDINALITY AS list (event_id, type, payload, leaf_hash, place)
             ), posted AS (
                 INSERT INTO outbox (tenant_id, seq, event_id)
                 SELECT $1, $6 + place - 1, event_id FROM unnest($9::uuid[]) WITH ORDINALITY AS list (event_id, place)
             ) SELECT pg_notify('outbox', $1::text)",
        )
        .bind(index(last)?)
        .bind(head.range.to_bytes())
        .bind(&head.range.root()[..])
        .bind(Ts(at))
        .bind(index(first)?)
        .bind(property.as_uuid())
        .bind(stay.map(|stay| stay.as_uuid()))
        .bind(ids)
        .bind(kinds)
        .bind(payloads)
        .bind(hashes)
        .execute(&mut *self.tx)
        .await?;
        self.head = Some(head);
        Ok((first..last).collect())
    }

    /// Locks the log's row, which [`create_tenant`](crate::create_tenant) has made.
    async fn lock_head(&mut self) -> Result<Head, StoreError> {
        let row = self
            .query("SELECT size, frontier FROM audit_heads WHERE tenant_id = $1 FOR UPDATE")
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("log"))?;
        Head::read(row.int("size")?, &row.bytes("frontier")?)
    }

    /// Events after a place, or from the first on, oldest first; only those of some properties, if given.
    pub async fn events_after(
        &mut self,
        after: Option<u64>,
        limit: u32,
        properties: Option<&[PropertyId]>,
    ) -> Result<Vec<EventRow>, StoreError> {
        let properties: Option<Vec<Uuid>> = properties.map(|list| list.iter().map(|p| p.as_uuid()).collect());
        let rows = self
            .query(select!(
                "AND leaf_index > $2 AND ($3::uuid[] IS NULL OR property_id = ANY($3)) ORDER BY leaf_index LIMIT $4"
            ))
            .bind(after.map_or(Ok(-1), index)?)
            .bind(properties)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(event_row).collect()
    }

    /// A stay's events after a place, or from the first on, oldest first.
    pub async fn timeline(
        &mut self,
        stay: StayId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let rows = self
            .query(select!("AND stay_id = $2 AND leaf_index > $3 ORDER BY leaf_index LIMIT $4"))
            .bind(stay.as_uuid())
            .bind(after.map_or(Ok(-1), index)?)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(event_row).collect()
    }

    /// The log's size and root.
    pub async fn audit_head(&mut self) -> Result<AuditHead, StoreError> {
        let row = self
            .query("SELECT size, root, updated_at FROM audit_heads WHERE tenant_id = $1")
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("log"))?;
        Ok(AuditHead {
            size: u64::try_from(row.int("size")?).map_err(|_| StoreError::Corrupt("size"))?,
            root: hash(&row, "root")?,
            at: row.at("updated_at")?,
        })
    }

    /// The hashes of the leaves in a range, for proofs. Shorter than asked for if the log is.
    pub async fn leaf_hashes(&mut self, range: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        let rows = self
            .query(
                "SELECT leaf_hash FROM lock_audit WHERE tenant_id = $1 AND leaf_index >= $2 AND leaf_index < $3 ORDER BY leaf_index",
            )
            .bind(index(range.start)?)
            .bind(index(range.end)?)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| hash(row, "leaf_hash")).collect()
    }
}

/// A place in the log as SQL counts it.
pub(crate) fn index(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|_| StoreError::Argument("the place in the log is too great"))
}

fn hash(row: &PgRow, column: &'static str) -> Result<Hash, StoreError> {
    row.bytes(column)?.try_into().map_err(|_| StoreError::Corrupt(column))
}

pub(crate) fn event_row(row: &PgRow) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        seq: u64::try_from(row.int("leaf_index")?).map_err(|_| StoreError::Corrupt("leaf_index"))?,
        id: EventId::from_uuid(row.uuid("event_id")?),
        at: row.at("at")?,
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        stay: row.uuid_opt("stay_id")?.map(StayId::from_uuid),
        kind: row.text("type")?,
        payload: row.json("payload")?,
        leaf_hash: hash(row, "leaf_hash")?,
    })
}
