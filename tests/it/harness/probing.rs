//! Probes of one hotel's vendor, as a worker makes them, quickly: the shared worker makes none, so that other tests' hotels stay as they
//! are. The shared worker's effects see the same breakers, because these are in the record.

use super::{Hotel, shared, until};
use lock_activities::health::{Gate, Prober};
use lock_store::HealthSettings;
use lock_vendors::{meter::NoMeter, registry::VendorRegistry, token_cache::MemoryTokenCache};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// From round to round.
pub const EVERY: Duration = Duration::from_millis(200);

/// A prober that runs until it is stopped.
pub struct Probing {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Probing {
    /// Stops it after the rounds that are under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

impl Hotel {
    /// Starts to probe; returns after the first round.
    pub async fn probing(&self) -> Probing {
        let (stop, stopped) = watch::channel(false);
        let vendors = VendorRegistry::new(Arc::new(NoMeter), Arc::new(MemoryTokenCache::default())).unwrap();
        let gate = Arc::new(Gate::new(self.store.clone()));
        let keys = shared().keys(&self.store);
        let prober = Prober::new(self.store.clone(), keys, Arc::new(vendors), gate, EVERY).only(vec![self.tenant]);
        let task = tokio::spawn(prober.run(stopped));
        let rounds = self.health().await["rounds"].as_u64().unwrap_or(0);
        self.rounds_after(rounds, 1).await;
        Probing { stop, task }
    }

    /// The lock of this room is nobody's: trials use it.
    pub async fn canary(&self, room: &str) {
        let health = HealthSettings { canary_lock: Some(self.lock(room).to_string()), ..HealthSettings::default() };
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        tx.set_health(self.property, &health).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What the API says of the vendor's health; null before the first look.
    pub async fn health(&self) -> Value {
        self.pms.get("health").await.expect(200).body["vendors"][0].clone()
    }

    /// Waits until so many rounds have been made after the one with this number.
    pub async fn rounds_after(&self, before: u64, more: u64) -> Value {
        until("rounds of probes", Duration::from_secs(60), || async {
            let health = self.health().await;
            if health["rounds"].as_u64().unwrap_or(0) >= before + more { Ok(health) } else { Err(health) }
        })
        .await
    }

    /// Waits until the breaker is so.
    pub async fn breaker(&self, state: &str) -> Value {
        until(&format!("the breaker is {state}"), Duration::from_secs(60), || async {
            let health = self.health().await;
            if health["breaker"] == state { Ok(health) } else { Err(health) }
        })
        .await
    }

    /// Types of the events about breakers, oldest first.
    pub async fn breaker_events(&self) -> Vec<String> {
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        let events = tx.events_after(None, 1_000, None).await.unwrap();
        events.into_iter().map(|event| event.kind).filter(|kind| kind.starts_with("vendor.breaker_")).collect()
    }

    /// The number of the round in which the breaker opened first.
    pub async fn round_of_opening(&self) -> u64 {
        let mut db = super::invariants::owner().await;
        let sql = "SELECT min(p.round) FROM health_probes p JOIN breakers b USING (tenant_id, property_id, vendor)
                   WHERE p.tenant_id = $1 AND p.at >= b.opened_at";
        let round: i64 = sqlx::query_scalar(sql).bind(self.tenant.as_uuid()).fetch_one(&mut db).await.unwrap();
        u64::try_from(round).unwrap()
    }
}
