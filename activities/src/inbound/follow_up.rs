//! What one delivery gives reason for: the vendor is asked, and its answer counts, not the webhook.

use super::{
    FIRST_LOOK, Inbound, OVERLAP, Trouble, read_back,
    records::{self, AT_ONCE, At},
};
use crate::{
    adapters::{self, Settings},
    maintenance::note_gateway,
};
use jiff::Timestamp;
use lock_domain::{event::Event, ids::TenantId, webhook::Meaning};
use lock_store::{DeliveryRow, Property};
use lock_vendors::port::{CallContext, LockVendor, VendorLockRef};
use std::{sync::Arc, time::Duration};

/// For one operation at a vendor, with all the calls that it takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

impl Inbound {
    pub(super) async fn follow_up(&self, tenant: TenantId, delivery: &DeliveryRow) -> Result<(), Trouble> {
        let mut tx = self.store.tenant(tenant).await?;
        let property = tx.property(delivery.property).await?;
        tx.commit().await?;
        let Some(property) = property else { return Ok(()) };
        let call = CallContext::new(delivery.id.to_string(), CALL_TIMEOUT);
        for meaning in &delivery.meaning {
            match meaning {
                Meaning::Records { lock } | Meaning::Lock { lock } => {
                    self.records(tenant, &property, lock, &call).await?;
                }
                Meaning::Gateways => self.gateways(tenant, &property, &call).await?,
                Meaning::Credential { token: Some(token), .. } => {
                    let mut tx = self.store.tenant(tenant).await?;
                    read_back::ask(&mut tx, tenant, &property, delivery.id, token).await?;
                    tx.commit().await?;
                }
                // Kept with its delivery.
                Meaning::Credential { token: None, .. } | Meaning::Receipt { .. } | Meaning::Nothing => {}
            }
        }
        Ok(())
    }

    async fn adapter(&self, tenant: TenantId, property: &Property) -> Result<Arc<dyn LockVendor>, Trouble> {
        let settings = Settings {
            tenant,
            property: property.id,
            vendor: &property.vendor,
            config: &property.vendor_config,
            sealed: property.vendor_sealed.as_deref(),
            row: None,
            version: property.config_version,
        };
        Ok(adapters::open(&self.keys, &self.vendors, &settings).await?)
    }

    /// Reads a lock's records from before the newest that we have, and stores those that are new. A lock that is none of ours is left alone.
    async fn records(
        &self,
        tenant: TenantId,
        property: &Property,
        lock: &str,
        call: &CallContext,
    ) -> Result<(), Trouble> {
        let mut tx = self.store.tenant(tenant).await?;
        let Some(door) = tx.door_of_lock(property.id, &property.vendor, lock).await? else { return Ok(()) };
        let newest = tx.newest_door_record(door).await?;
        tx.commit().await?;
        let present = property.clock.now(Timestamp::now());
        let since = match newest {
            // A lock whose clock is ahead must not hide what comes after.
            Some(newest) => newest.min(present).saturating_sub(OVERLAP),
            None => present.saturating_sub(FIRST_LOOK),
        };
        let vendor = self.adapter(tenant, property).await?;
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        let mut found = vendor.records(call, &VendorLockRef::new(lock), since).await?;
        found.sort_by(|a, b| (a.at_lock, &a.id).cmp(&(b.at_lock, &b.id)));
        for some in found.chunks(AT_ONCE) {
            let mut tx = self.store.tenant(tenant).await?;
            let at = At { tenant, property, vendor: &property.vendor, door, lock, present };
            records::store(&mut tx, at, some).await?;
            tx.commit().await?;
        }
        let mut tx = self.store.tenant(tenant).await?;
        let device = tx.device_of_door(property.id, door).await?;
        tx.commit().await?;
        // Also when nothing is new: an earlier try may have stored it and died before it woke anybody.
        if device.is_some_and(|device| device.suspected_at.is_some()) {
            self.waker.wake(tenant, property.id, vec![door]).await?;
        }
        Ok(())
    }

    async fn gateways(&self, tenant: TenantId, property: &Property, call: &CallContext) -> Result<(), Trouble> {
        let vendor = self.adapter(tenant, property).await?;
        let mut gateways = vendor.gateways(call).await?;
        gateways.sort_by(|a, b| a.id.cmp(&b.id));
        let present = property.clock.now(Timestamp::now());
        let mut tx = self.store.tenant(tenant).await?;
        let mut events = Vec::new();
        for gateway in &gateways {
            let (before, health) = note_gateway(&mut tx, property, gateway, present).await?;
            events.extend(health);
            // The first sight of one that is well is no news.
            if before.unwrap_or(true) != gateway.online {
                events.push(Event::GatewayChanged { gateway: gateway.id.clone(), online: gateway.online });
            }
        }
        tx.append(present, property.id, None, &events).await?;
        tx.commit().await?;
        Ok(())
    }
}
