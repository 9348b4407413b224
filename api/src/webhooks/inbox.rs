//! Where genuine webhooks wait for the record: lookups of one endpoint, and stores of one tenant, that come at the same moment are done
//! together.
//!
//! It must not know HTTP or signatures. A lookup begins after everybody whom it answers has asked, so that a revocation or a rotation counts
//! from its commit on. Nothing is kept beyond a turn. Nobody is told that a delivery is stored before its transaction is committed. A delivery
//! that the record refuses fails alone; if the record does not answer, all of the turn are told to come again. So are those who find too much
//! waiting already, of their tenant or of all.

use crate::{
    failure,
    gather::{Bounds, Gather, Refused, Work},
    problem::Problem,
    webhooks::{
        room::{Most, Room, Share},
        secrets::Secrets,
        signature::Key,
    },
};
use lock_domain::{
    Timestamp,
    ids::{DeliveryId, PropertyId, TenantId, WebhookEndpointId},
    problem::Code,
    webhook::{Meaning, Sender},
};
use lock_kms::DataKeys;
use lock_store::{Intake, NewDelivery, Store, StoreError, StoredWebhookEndpoint, WebhookEndpoint, WebhookPath};
use lock_telemetry::metrics;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A statement's size stays in proportion: few bodies have more than some hundred bytes, and one may have 256 KiB.
const DELIVERIES: Bounds = Bounds { turn: 64, turn_weight: 1 << 20, waiting: 1_000, waiting_weight: 16 << 20 };
/// One row is looked up for all. No one endpoint's senders fill the process.
const ENDPOINTS: Bounds = Bounds { turn: 1_000, turn_weight: 0, waiting: 1_000, waiting_weight: 0 };
/// Of all tenants, and of whoever has not been recognised yet. Four tenants whose queues are full have room, as a body is held twice.
const PROCESS: Most = Most { webhooks: 10_000, bytes: 128 << 20 };

/// See the module's description.
pub(crate) struct Inbox {
    room: Room,
    endpoints: Gather<Lookups>,
    deliveries: Gather<Deliveries<Store>>,
}

impl Inbox {
    /// Over the record. Nothing waits yet.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            room: Room::new(PROCESS),
            endpoints: Gather::new(Lookups(store.clone()), ENDPOINTS),
            deliveries: Gather::new(Deliveries(store), DELIVERIES),
        }
    }

    /// Room for a body until it is stored or refused: as it came, and sealed.
    pub(crate) fn admit(&self, body: &[u8]) -> Result<Share, Problem> {
        self.room.take(body.len().saturating_mul(2)).ok_or_else(|| refuse(Refused::Full))
    }

    /// The endpoint that a path names, as the record has it now.
    pub(crate) async fn endpoint(&self, path: &WebhookPath) -> Result<Arc<Known>, Problem> {
        self.endpoints.ask(path.names(), ()).await.unwrap_or_else(|refused| Err(refuse(refused)))
    }

    /// Stores a delivery, unless it came before.
    pub(crate) async fn store(&self, tenant: TenantId, delivery: Delivery) -> Result<Intake, Problem> {
        self.deliveries.ask(tenant, delivery).await.unwrap_or_else(|refused| Err(refuse(refused)))
    }

    /// Returns once everything that was taken in is stored or refused.
    pub(crate) async fn finished(&self) {
        self.deliveries.finished().await;
    }
}

fn refuse(refused: Refused) -> Problem {
    match refused {
        Refused::Full => Problem::new(Code::Unavailable, "too many webhooks wait to be stored"),
        Refused::Lost => Problem::unavailable("service", refused),
    }
}

/// What the record has under an endpoint's ids, for all who asked at the same moment.
pub(crate) struct Known {
    stored: Option<StoredWebhookEndpoint>,
    /// Opened for the first who comes by a good path.
    secrets: OnceCell<Secrets>,
}

impl Known {
    /// The endpoint, if this path of it is to be trusted.
    pub(crate) fn recognise(
        &self,
        sender: Option<Sender>,
        path: &WebhookPath,
        now: Timestamp,
    ) -> Option<&WebhookEndpoint> {
        self.stored.as_ref()?.recognise(sender, path, now)
    }

    /// The keys that are good now; none where nothing is signed.
    pub(crate) async fn keys(
        &self,
        keys: &DataKeys,
        endpoint: &WebhookEndpoint,
        now: Timestamp,
    ) -> Result<Vec<Key>, Problem> {
        let Some(sealed) = &endpoint.secrets_sealed else { return Ok(Vec::new()) };
        let open = || Secrets::open(keys, endpoint.tenant, endpoint.id, sealed);
        Ok(self.secrets.get_or_try_init(open).await?.keys(now))
    }
}

struct Lookups(Store);

impl Work for Lookups {
    type Key = (TenantId, WebhookEndpointId);
    type Item = ();
    type Answer = Result<Arc<Known>, Problem>;

    fn weight((): &()) -> usize {
        0
    }

    async fn turn(&self, (tenant, id): &Self::Key, items: Vec<()>) -> Vec<Self::Answer> {
        let found = self.0.stored_webhook_endpoint(*tenant, *id).await.map_err(failure::store);
        let found = found.map(|stored| Arc::new(Known { stored, secrets: OnceCell::new() }));
        items.into_iter().map(|()| found.clone()).collect()
    }
}

/// A genuine webhook, read and sealed.
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) endpoint: WebhookEndpointId,
    pub(crate) property: PropertyId,
    /// What repeats are known by.
    pub(crate) key: String,
    /// A keyed digest of the body.
    pub(crate) digest: [u8; 32],
    pub(crate) body_sealed: Vec<u8>,
    pub(crate) meaning: Vec<Meaning>,
    pub(crate) at: Timestamp,
    /// Whoever asked may go away before it is stored; the room is its own.
    #[expect(dead_code, reason = "what it holds is given back when it is dropped")]
    pub(crate) share: Share,
}

impl Delivery {
    fn row(&self) -> NewDelivery<'_> {
        NewDelivery {
            id: self.id,
            endpoint: self.endpoint,
            property: self.property,
            key: &self.key,
            digest: &self.digest,
            body_sealed: &self.body_sealed,
            meaning: &self.meaning,
            at: self.at,
        }
    }
}

/// Where deliveries are stored.
trait Record: Send + Sync + 'static {
    /// Stores all, durably, or none.
    fn store(
        &self,
        tenant: TenantId,
        list: &[Delivery],
    ) -> impl Future<Output = Result<Vec<Intake>, StoreError>> + Send;
}

impl Record for Store {
    async fn store(&self, tenant: TenantId, list: &[Delivery]) -> Result<Vec<Intake>, StoreError> {
        let rows: Vec<NewDelivery<'_>> = list.iter().map(Delivery::row).collect();
        let mut tx = self.tenant(tenant).await?;
        let taken = tx.take_deliveries(&rows).await?;
        tx.commit().await?;
        Ok(taken)
    }
}

struct Deliveries<R>(R);

impl<R: Record> Work for Deliveries<R> {
    type Key = TenantId;
    type Item = Delivery;
    type Answer = Result<Intake, Problem>;

    fn weight(item: &Delivery) -> usize {
        item.body_sealed.len() + item.key.len()
    }

    async fn turn(&self, tenant: &TenantId, items: Vec<Delivery>) -> Vec<Self::Answer> {
        match self.0.store(*tenant, &items).await {
            Ok(taken) => taken.into_iter().map(Ok).collect(),
            Err(error) if error.is_of_a_value() && items.len() > 1 => {
                tracing::warn!(%tenant, deliveries = items.len(), %error, "webhooks are stored one by one");
                self.one_by_one(*tenant, &items).await
            }
            Err(error) => vec![Err(failure::store(error)); items.len()],
        }
    }

    fn waiting(&self, change: i64) {
        metrics::webhooks_waiting(change);
    }
}

impl<R: Record> Deliveries<R> {
    /// Finds the one that the record refuses. Ends the attempt with the first trouble that is the record's own.
    async fn one_by_one(&self, tenant: TenantId, items: &[Delivery]) -> Vec<Result<Intake, Problem>> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items.chunks(1) {
            match self.0.store(tenant, item).await {
                Ok(taken) => answers.extend(taken.into_iter().map(Ok)),
                Err(error) if error.is_of_a_value() => answers.push(Err(failure::store(error))),
                Err(error) => {
                    answers.resize(items.len(), Err(failure::store(error)));
                    break;
                }
            }
        }
        answers
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
