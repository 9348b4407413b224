//! Taking webhooks in: many at once, each stored once.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    ids::{DeliveryId, PropertyId, WebhookEndpointId},
    webhook::Meaning,
};
use sqlx::{Row, types::Json};
use std::collections::{BTreeMap, BTreeSet};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// A delivery to be taken.
#[derive(Debug, Clone, Copy)]
pub struct NewDelivery<'a> {
    /// Its id.
    pub id: DeliveryId,
    /// Where it came in.
    pub endpoint: WebhookEndpointId,
    /// The hotel.
    pub property: PropertyId,
    /// What repeats of it are known by, within the endpoint.
    pub key: &'a str,
    /// A keyed digest of the body.
    pub digest: &'a [u8; 32],
    /// The body, sealed by the caller.
    pub body_sealed: &'a [u8],
    /// What it means.
    pub meaning: &'a [Meaning],
    /// When it came, real time.
    pub at: Timestamp,
}

/// Whether a delivery was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// It was; it waits to be processed.
    Fresh,
    /// It came before. Nothing was stored.
    Duplicate,
    /// Another body came under its key before. Nothing was stored.
    OtherBody,
}

impl TenantTx<'_> {
    /// Takes one delivery: [`TenantTx::take_deliveries`] of a list of one.
    pub async fn take_delivery(&mut self, new: NewDelivery<'_>) -> Result<Intake, StoreError> {
        let taken = self.take_deliveries(&[new]).await?;
        taken.first().copied().ok_or(StoreError::Corrupt("intake"))
    }

    /// Takes deliveries, unless they came before, and wakes whoever processes deliveries, once; what calls for no look is settled at once.
    /// Of several under one key the first one counts, as if they had come one after another. Answers in the order of the list. One round
    /// trip if all are new, else two.
    pub async fn take_deliveries(&mut self, list: &[NewDelivery<'_>]) -> Result<Vec<Intake>, StoreError> {
        let firsts = firsts(list);
        let fresh = self.insert(&firsts).await?;
        let known: Vec<_> = firsts.into_values().filter(|new| !fresh.contains(&new.id)).collect();
        let before = if known.is_empty() { BTreeMap::new() } else { self.digests(&known).await? };
        Ok(judge(list, &fresh, &before))
    }

    /// Stores those whose key is new; returns which.
    async fn insert(&mut self, firsts: &Firsts<'_>) -> Result<BTreeSet<DeliveryId>, StoreError> {
        let rows = || firsts.values();
        let sql = "WITH taken AS (
                 INSERT INTO webhook_deliveries (tenant_id, delivery_id, endpoint_id, property_id, dedup_key, body_digest, body_sealed,
                     meaning, received_at, state, next_at, settled_at)
                 SELECT $1, id, endpoint, property, key, digest, body, meaning, at, CASE WHEN look THEN 'received' ELSE 'processed' END, at,
                     CASE WHEN NOT look THEN at END
                 FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bytea[], $7::bytea[], $8::jsonb[], $9::timestamptz[],
                             $10::boolean[]) AS list (id, endpoint, property, key, digest, body, meaning, at, look)
                 ON CONFLICT ON CONSTRAINT webhook_deliveries_once DO NOTHING RETURNING delivery_id, state
             ), told AS (
                 SELECT pg_notify('webhooks', $1::text)::text FROM taken WHERE state = 'received' LIMIT 1
             ) SELECT delivery_id, (SELECT count(*) FROM told) FROM taken";
        let rows = self
            .query(sql)
            .bind(rows().map(|new| new.id.as_uuid()).collect::<Vec<_>>())
            .bind(rows().map(|new| new.endpoint.as_uuid()).collect::<Vec<_>>())
            .bind(rows().map(|new| new.property.as_uuid()).collect::<Vec<_>>())
            .bind(rows().map(|new| new.key).collect::<Vec<_>>())
            .bind(rows().map(|new| &new.digest[..]).collect::<Vec<_>>())
            .bind(rows().map(|new| new.body_sealed).collect::<Vec<_>>())
            .bind(rows().map(|new| Json(new.meaning)).collect::<Vec<_>>())
            .bind(rows().map(|new| Ts(new.at)).collect::<Vec<_>>())
            .bind(rows().map(|new| new.meaning.iter().any(Meaning::calls_for_a_look)).collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| row.uuid("delivery_id").map(DeliveryId::from_uuid)).collect()
    }

    /// The digests of the bodies that stand under the keys of these.
    async fn digests(&mut self, known: &[NewDelivery<'_>]) -> Result<Digests, StoreError> {
        let rows = self
            .query(
                // A subquery in the list of columns is looked up by the index for each row, whatever the planner knows of the table.
                "SELECT endpoint, key, (SELECT d.body_digest FROM webhook_deliveries d
                                        WHERE d.tenant_id = $1 AND d.endpoint_id = endpoint AND d.dedup_key = key) AS digest
                 FROM unnest($2::uuid[], $3::text[]) AS list (endpoint, key)",
            )
            .bind(known.iter().map(|new| new.endpoint.as_uuid()).collect::<Vec<_>>())
            .bind(known.iter().map(|new| new.key).collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await?;
        let mut digests = BTreeMap::new();
        for row in &rows {
            if let Some(digest) = row.try_get::<Option<Vec<u8>>, _>("digest")? {
                digests.insert((row.uuid("endpoint")?, row.text("key")?), digest);
            }
        }
        Ok(digests)
    }
}

/// The first of each key. Two transactions that store the same keys at the same moment wait for each other's rows: in the order of the keys
/// one of them waits, in any other order both might.
type Firsts<'a> = BTreeMap<(Uuid, &'a str), NewDelivery<'a>>;
type Digests = BTreeMap<(Uuid, String), Vec<u8>>;

fn firsts<'a>(list: &[NewDelivery<'a>]) -> Firsts<'a> {
    let mut firsts = BTreeMap::new();
    for new in list {
        firsts.entry((new.endpoint.as_uuid(), new.key)).or_insert(*new);
    }
    firsts
}

/// What became of each, when `fresh` were stored and `before` stood there already.
fn judge(list: &[NewDelivery<'_>], fresh: &BTreeSet<DeliveryId>, before: &Digests) -> Vec<Intake> {
    let firsts = firsts(list);
    let judged = list.iter().map(|new| {
        if fresh.contains(&new.id) {
            return Intake::Fresh;
        }
        let first = firsts.get(&(new.endpoint.as_uuid(), new.key)).filter(|first| fresh.contains(&first.id));
        let stored = match first {
            Some(first) => Some(&first.digest[..]),
            None => before.get(&(new.endpoint.as_uuid(), new.key.to_owned())).map(Vec::as_slice),
        };
        // What stood there and is gone was forgotten a moment ago.
        if stored.is_none_or(|stored| stored.ct_eq(&new.digest[..]).into()) {
            Intake::Duplicate
        } else {
            Intake::OtherBody
        }
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Key, digest of the body.
    type Seat = (usize, u8);
    const KEYS: [&str; 4] = ["a", "b", "c", "d"];

    fn new<'a>(n: usize, key: &'a str, digest: &'a [u8; 32]) -> NewDelivery<'a> {
        NewDelivery {
            id: DeliveryId::from_uuid(Uuid::from_u128(n as u128)),
            endpoint: WebhookEndpointId::from_uuid(Uuid::nil()),
            property: PropertyId::from_uuid(Uuid::nil()),
            key,
            digest,
            body_sealed: b"",
            meaning: &[],
            at: Timestamp::UNIX_EPOCH,
        }
    }

    proptest! {
        /// Cut into batches in any way, every delivery gets the answer that it gets alone, and the same ones are stored.
        #[test]
        fn a_batch_answers_as_one_after_another(came in proptest::collection::vec((0..KEYS.len(), 0..3_u8), 0..30), cuts: Vec<u8>) {
            let digests: Vec<[u8; 32]> = came.iter().map(|seat| [seat.1; 32]).collect();
            let list: Vec<_> = came.iter().zip(&digests).enumerate().map(|(n, (seat, digest))| new(n, KEYS[seat.0], digest)).collect();
            // One after another.
            let mut stored: BTreeMap<usize, u8> = BTreeMap::new();
            let alone: Vec<Intake> = came.iter().map(|(key, digest): &Seat| match stored.get(key) {
                None => { stored.insert(*key, *digest); Intake::Fresh }
                Some(before) if before == digest => Intake::Duplicate,
                Some(_) => Intake::OtherBody,
            }).collect();
            // In batches, over a table that is a map.
            let mut table = Digests::new();
            let (mut answers, mut rest, mut cuts) = (Vec::new(), &list[..], cuts.into_iter());
            while !rest.is_empty() {
                let cut = cuts.next().map_or(rest.len(), |cut| usize::from(cut % 9 + 1).min(rest.len()));
                let (batch, after) = rest.split_at(cut);
                let before = table.clone();
                let mut fresh = BTreeSet::new();
                for ((endpoint, key), new) in firsts(batch) {
                    table.entry((endpoint, key.to_owned())).or_insert_with(|| { fresh.insert(new.id); new.digest.to_vec() });
                }
                answers.extend(judge(batch, &fresh, &before));
                rest = after;
            }
            prop_assert_eq!(answers, alone);
            prop_assert_eq!(table.len(), stored.len());
        }
    }
}
