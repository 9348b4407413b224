//! What a plan is made from: who waits, and where they may go.

use crate::{OutageRow, StoreError, TenantTx, outages::forced, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    drain::{Channel, Standby, Waiting},
    health::BreakerState,
    ids::{PropertyId, StayId},
};
use sqlx::{Row, postgres::PgRow};

impl TenantTx<'_> {
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
