//! The relay from the outbox to JetStream.
//!
//! - **Order.** Within a tenant one event is sent when the one before it is acknowledged: a pipeline would let an event overtake one
//!   that is lost with its connection. Tenants are served side by side, so that the acknowledgements of many are under way at once.
//! - **At least once.** An event is marked after its acknowledgement. What is sent again within [`DEDUPLICATION`] is dropped by the
//!   stream by its id; later repeats carry the same id for the consumer to drop. Several relays may run: they repeat each other's work
//!   and reorder nothing.
//! - **Waking.** The database notifies on commit; a notification that gets lost is made up for by a look at every tenant each [`SWEEP`].
//! - **Failure.** NATS or the database away: everything stops, and starts anew after a pause that grows to [`PAUSE_MOST`]. A single event
//!   that can't be sent or read holds up its own tenant only, and is reported each time.

use crate::{
    cloudevent::{CONTENT_TYPE, CloudEvent, nats_subject},
    queue::Queue,
};
use async_nats::{
    ConnectOptions, HeaderMap,
    jetstream::{
        self, Context,
        context::{PublishError, PublishErrorKind},
        message::PublishMessage,
        stream,
    },
};
use futures::{Stream, StreamExt, stream as streams, stream::FuturesUnordered};
use jiff::Timestamp;
use lock_domain::ids::TenantId;
use lock_store::{EventRow, OutboxListener, Store, StoreError};
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

/// The stream's name.
pub const STREAM: &str = "LOCK_EVENTS";
/// The subjects that the stream takes in.
pub const SUBJECTS: &str = "lock.>";
/// How long the stream remembers ids.
pub const DEDUPLICATION: Duration = Duration::from_secs(600);
/// How long the stream keeps events, if this relay made it. The tenant's log in the database keeps them for good.
pub const RETENTION: Duration = Duration::from_secs(7 * 86_400);
/// How often every tenant is looked at, notified or not.
pub const SWEEP: Duration = Duration::from_secs(30);
/// The longest pause after a failure.
pub const PAUSE_MOST: Duration = Duration::from_secs(10);

/// After a notification so much more may come, and is served together: a stay is recorded several times within this on its way to a key.
const GATHER: Duration = Duration::from_millis(25);
const PAUSE_LEAST: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(5);
const DRAIN: Duration = Duration::from_secs(2);
const TENANTS_AT_ONCE: usize = 8;
const BATCH: u32 = 256;

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("database: {0}")]
    Store(#[from] StoreError),
    #[error("NATS: {0}")]
    Nats(#[source] async_nats::Error),
    #[error("event {seq} can't be sent: {reason}")]
    Event { seq: u64, reason: String },
}

impl RelayError {
    fn nats(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Nats(Box::new(error))
    }

    /// Whether it is one tenant's trouble only.
    fn is_tenants(&self) -> bool {
        match self {
            Self::Store(error) => !error.is_retryable(),
            Self::Nats(_) => false,
            Self::Event { .. } => true,
        }
    }
}

/// See the module's description.
pub struct OutboxRelay {
    store: Store,
    nats_url: String,
    on_lag: fn(f64),
}

/// What outlives a connection.
#[derive(Default)]
struct Memory {
    /// When the oldest unpublished event of each tenant that has any happened.
    behind: BTreeMap<TenantId, Timestamp>,
    failures: u32,
}

/// How serving a tenant went.
struct Served {
    tenant: TenantId,
    /// The oldest event that is still unpublished, as far as it was seen.
    oldest: Option<Timestamp>,
    result: Result<(), RelayError>,
}

impl OutboxRelay {
    /// From a store to the NATS server at a URL, which may carry credentials. Connects in [`run`](Self::run).
    pub fn new(store: Store, nats_url: impl Into<String>) -> Self {
        Self { store, nats_url: nats_url.into(), on_lag: |_| {} }
    }

    /// Reports the age in seconds of the oldest event that is not published, 0 if there is none, whenever it was looked at.
    pub fn on_lag(mut self, report: fn(f64)) -> Self {
        self.on_lag = report;
        self
    }

    /// Relays until `stop` turns true or its sender is gone. What is being sent then has two seconds to be acknowledged and marked.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut memory = Memory::default();
        let mut nats = None;
        loop {
            match self.session(&mut memory, &mut nats, stop.clone()).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, failures = memory.failures, "events wait in the outbox"),
            }
            let pause = pause(memory.failures);
            memory.failures = memory.failures.saturating_add(1);
            tokio::select! {
                () = sleep(pause) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// From the start to the first failure of NATS or the database, or to the stop.
    async fn session(
        &self,
        memory: &mut Memory,
        nats: &mut Option<Context>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), RelayError> {
        let stopped = stopped(&mut stop);
        tokio::pin!(stopped);
        // First, so that nothing is committed between the look at all tenants and the first notification heard.
        let (listener, jetstream) = tokio::select! {
            () = &mut stopped => return Ok(()),
            ready = self.connect(memory, nats) => ready?,
        };
        let wakes = wakes(listener);
        tokio::pin!(wakes);
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut queue, mut serving) = (Queue::default(), FuturesUnordered::new());
        let outcome = loop {
            while let Some(tenant) = queue.start(TENANTS_AT_ONCE) {
                serving.push(self.serve(&jetstream, tenant));
            }
            tokio::select! {
                () = &mut stopped => break Ok(()),
                Some(served) = serving.next() => match self.note(memory, &mut queue, served) {
                    Ok(()) => {}
                    Err(error) => break Err(error),
                },
                woken = wakes.next() => match woken {
                    Some(Ok(Some(tenant))) => queue.wake(tenant),
                    Some(Ok(None)) => sweep.reset_immediately(),
                    Some(Err(error)) => break Err(error.into()),
                    None => break Err(StoreError::NotFound("notification").into()),
                },
                _ = sweep.tick() => match self.store.tenants().await {
                    Ok(tenants) => tenants.iter().for_each(|tenant| queue.wake(tenant.id)),
                    Err(error) => break Err(error.into()),
                },
            }
        };
        let rest = timeout(DRAIN, serving.collect::<Vec<Served>>()).await.unwrap_or_default();
        for served in rest {
            let _ = self.note(memory, &mut queue, served);
        }
        outcome
    }

    /// Takes in how serving a tenant went; an error that is not the tenant's own comes back.
    fn note(&self, memory: &mut Memory, queue: &mut Queue<TenantId>, served: Served) -> Result<(), RelayError> {
        let Served { tenant, oldest, result } = served;
        match oldest {
            Some(oldest) => memory.behind.insert(tenant, oldest),
            None if result.is_ok() => memory.behind.remove(&tenant),
            None => None,
        };
        self.report(memory);
        queue.done(tenant, oldest.is_some() && result.is_ok());
        match result {
            Ok(()) => memory.failures = 0,
            Err(error) if error.is_tenants() => tracing::error!(%tenant, %error, "the tenant's events wait"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn report(&self, memory: &Memory) {
        let now = Timestamp::now();
        let oldest = memory.behind.values().min();
        (self.on_lag)(oldest.map_or(0.0, |at| now.duration_since(*at).as_secs_f64().max(0.0)));
    }

    async fn connect(
        &self,
        memory: &mut Memory,
        nats: &mut Option<Context>,
    ) -> Result<(OutboxListener, Context), RelayError> {
        let listener = self.store.outbox_listener().await?;
        if memory.failures > 0 {
            // NATS may be away for long, and events that nobody serves grow old all the same.
            for tenant in self.store.tenants().await? {
                let oldest = self.unpublished(tenant.id, 1).await?.first().map(|row| row.at);
                oldest.map(|at| memory.behind.insert(tenant.id, at));
            }
            self.report(memory);
        }
        let context = match nats.take() {
            Some(context) => context,
            None => connect_nats(&self.nats_url).await?,
        };
        // The client mends its own connection, so it is kept even if the next step fails.
        let context = nats.insert(context).clone();
        context.get_or_create_stream(config()).await.map_err(RelayError::nats)?;
        Ok((listener, context))
    }

    async fn unpublished(&self, tenant: TenantId, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let mut tx = self.store.tenant(tenant).await?;
        let rows = tx.unpublished(limit).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Sends a tenant's oldest unpublished events in order, as far as they are acknowledged, and marks those.
    async fn serve(&self, jetstream: &Context, tenant: TenantId) -> Served {
        sleep(GATHER).await;
        let rows = match self.unpublished(tenant, BATCH).await {
            Ok(rows) => rows,
            Err(error) => return Served { tenant, oldest: None, result: Err(error.into()) },
        };
        let mut acknowledged = Vec::with_capacity(rows.len());
        let mut result = Ok(());
        for row in &rows {
            if let Err(error) = send(jetstream, tenant, row).await {
                result = Err(error);
                break;
            }
            acknowledged.push(row.seq);
        }
        if let Err(error) = self.mark(tenant, &acknowledged).await {
            // Everything will be sent again, and dropped by the stream.
            return Served { tenant, oldest: rows.first().map(|row| row.at), result: result.and(Err(error.into())) };
        }
        let full = rows.len() == BATCH as usize;
        let next = rows.get(acknowledged.len()).or_else(|| rows.last().filter(|_| full));
        Served { tenant, oldest: next.map(|row| row.at), result }
    }

    async fn mark(&self, tenant: TenantId, seqs: &[u64]) -> Result<(), StoreError> {
        if seqs.is_empty() {
            return Ok(());
        }
        // A mark that a crash of the database loses is made again, by sending what the stream then drops.
        let mut tx = self.store.tenant_relaxed(tenant).await?;
        tx.mark_published(seqs, Timestamp::now()).await?;
        tx.commit().await
    }
}

async fn connect_nats(url: &str) -> Result<Context, RelayError> {
    let options = ConnectOptions::new().name("lock-outbox").connection_timeout(ANSWER);
    let client = options.connect(url).await.map_err(RelayError::nats)?;
    let mut context = jetstream::new(client);
    context.set_timeout(ANSWER);
    Ok(context)
}

/// What the stream is made with. One that exists already is left as its operators have set it.
fn config() -> stream::Config {
    stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECTS.to_owned()],
        description: Some("CloudEvents of every tenant's log".to_owned()),
        storage: stream::StorageType::File,
        duplicate_window: DEDUPLICATION,
        max_age: RETENTION,
        ..Default::default()
    }
}

async fn send(jetstream: &Context, tenant: TenantId, row: &EventRow) -> Result<(), RelayError> {
    let unsendable = |reason: String| RelayError::Event { seq: row.seq, reason };
    let body = serde_json::to_vec(&CloudEvent::new(tenant, row)).map_err(|error| unsendable(error.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", CONTENT_TYPE);
    // The id goes in after the headers: setting those replaces all of them.
    let message = PublishMessage::build()
        .payload(body.into())
        .headers(headers)
        .message_id(row.id.to_string())
        .expected_stream(STREAM);
    let refused = |error: PublishError| match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => unsendable(error.to_string()),
        _ => RelayError::nats(error),
    };
    let sent = jetstream.send_publish(nats_subject(tenant, row.property, &row.kind), message).await.map_err(refused)?;
    sent.await.map_err(refused)?;
    Ok(())
}

/// Notifications as a stream, which a dropped `next` does not interrupt half-way through one.
fn wakes(listener: OutboxListener) -> impl Stream<Item = Result<Option<TenantId>, StoreError>> {
    streams::unfold(listener, |mut listener| async move {
        let heard = listener.recv().await;
        Some((heard, listener))
    })
}

/// Drops the guard of the value, which must not be held over an await.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn pause(failures: u32) -> Duration {
    PAUSE_LEAST.saturating_mul(1 << failures.min(10)).min(PAUSE_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_can_be_spawned() {
        fn spawnable<F: Future + Send + 'static>(_: impl FnOnce(OutboxRelay, watch::Receiver<bool>) -> F) {}
        spawnable(OutboxRelay::run);
    }

    #[test]
    fn pauses_grow_and_end() {
        assert_eq!(pause(0), PAUSE_LEAST);
        assert_eq!(pause(3), PAUSE_LEAST * 8);
        assert_eq!(pause(u32::MAX), PAUSE_MOST);
    }

    #[test]
    fn only_one_tenants_trouble_spares_the_others() {
        assert!(RelayError::Event { seq: 1, reason: String::new() }.is_tenants());
        assert!(RelayError::Store(StoreError::Corrupt("payload")).is_tenants());
        assert!(!RelayError::nats(std::io::Error::other("gone")).is_tenants());
    }
}
