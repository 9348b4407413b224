//! One listener: follows a stream until it is lost, refused, set up anew, or told to stop.

use super::Parts;
use crate::{
    adapters::{self, Settings},
    inbound::{
        FIRST_LOOK, OVERLAP,
        records::{self, AT_ONCE, At},
    },
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::TenantId;
use lock_store::{ClaimedStream, Property, StoreError};
use lock_telemetry::metrics;
use lock_vendors::{
    port::LockVendor,
    records::{DoorRecord, Heard},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

/// What may wait to be stored. When it is full, nothing more is read from the vendor.
const WAITING: usize = 2 * AT_ONCE;
/// After the database has failed.
const AGAIN: Duration = Duration::from_secs(1);
/// Doublings of the first pause.
const DOUBLINGS: u32 = 5;

/// Why a listener ends.
#[derive(Debug)]
enum End {
    /// It was told to.
    Stopped,
    /// Somebody else listens, or the hotel has left the vendor.
    Lost,
    /// The settings are others now.
    Changed,
    /// For this trouble, a word.
    Trouble(&'static str),
}

impl End {
    fn word(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::Trouble(word) => word,
        }
    }
}

pub(super) struct Listener {
    pub(super) parts: Arc<Parts>,
    pub(super) tenant: TenantId,
    pub(super) stream: ClaimedStream,
}

/// Records of one lock, in the order of their times.
type ByLock = BTreeMap<String, Vec<DoorRecord>>;

impl Listener {
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let vendor = self.stream.vendor.as_str();
        metrics::streams_listened(vendor, 1.0);
        let end = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => End::Stopped,
            end = self.listen() => end,
        };
        metrics::streams_listened(vendor, -1.0);
        metrics::stream_ended(vendor, end.word());
        let now = Timestamp::now();
        let (next, trouble) = match end {
            // A new listener would end the same way at once, if the hotel has left the vendor: it is not claimed then.
            End::Lost => return,
            End::Stopped | End::Changed => (now, None),
            End::Trouble(word) => {
                tracing::warn!(property = %self.stream.property, vendor, trouble = word, "nobody listens for a while");
                (now.saturating_add(self.pause()).unwrap_or(now), Some(word))
            }
        };
        let released = async {
            let mut tx = self.parts.store.tenant(self.tenant).await?;
            tx.release_stream(&self.stream, next, trouble).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            tracing::warn!(vendor, %error, "a stream is free only when its lease ends");
        }
    }

    fn pause(&self) -> SignedDuration {
        let (first, doublings) = (self.parts.pace.pause, self.stream.failures.min(DOUBLINGS));
        (first * (1 << doublings)).min(first * 30)
    }

    async fn listen(&self) -> End {
        let (property, vendor) = match self.open().await {
            Ok(Some(opened)) => opened,
            Ok(None) => return End::Lost,
            Err(word) => return End::Trouble(word),
        };
        let present = property.clock.now(Timestamp::now());
        let since = match self.stream.passed_at {
            // A lock whose clock is ahead must not hide what comes after.
            Some(passed) => passed.min(present).saturating_sub(OVERLAP),
            None => present.saturating_sub(FIRST_LOOK),
        };
        let (send, heard) = mpsc::channel(WAITING);
        tokio::select! {
            followed = vendor.follow(since.unwrap_or(Timestamp::UNIX_EPOCH), send) => match followed {
                Ok(()) => End::Lost,
                Err(error) => {
                    tracing::warn!(property = %property.id, vendor = self.stream.vendor, %error, "the stream is refused");
                    End::Trouble(error.problem().text())
                }
            },
            end = self.take(property.clone(), heard) => end,
            end = self.keep() => end,
        }
    }

    async fn open(&self) -> Result<Option<(Property, Arc<dyn LockVendor>)>, &'static str> {
        let (parts, stream) = (&self.parts, &self.stream);
        let property = async {
            let mut tx = parts.store.tenant(self.tenant).await?;
            tx.property(stream.property).await
        };
        let Some(property) = property.await.map_err(|_| "database")? else { return Ok(None) };
        let settings = Settings {
            tenant: self.tenant,
            property: stream.property,
            vendor: &stream.vendor,
            config: &stream.vendor_config,
            sealed: stream.vendor_sealed.as_deref(),
            row: stream.vendor_row,
            version: stream.config_version,
        };
        let vendor = adapters::open(&parts.keys, &parts.vendors, &settings).await.map_err(|error| {
            // Our own trouble, or the set-up's.
            tracing::warn!(property = %property.id, vendor = stream.vendor, %error, "no adapter to listen with");
            "settings"
        })?;
        Ok(Some((property, vendor)))
    }

    /// Renews the lease, and ends when it is lost or the settings have changed.
    async fn keep(&self) -> End {
        let lease = self.parts.pace.lease;
        let third = Duration::try_from(lease / 3).unwrap_or(AGAIN);
        let mut kept_at = Timestamp::now();
        loop {
            sleep(third).await;
            let now = Timestamp::now();
            let kept = async {
                let mut tx = self.parts.store.tenant_relaxed(self.tenant).await?;
                let version = tx.keep_stream(&self.stream, now.saturating_add(lease).unwrap_or(now)).await?;
                tx.commit().await.map(|()| version)
            };
            match kept.await {
                Ok(Some(version)) if version == self.stream.config_version => kept_at = now,
                Ok(Some(_)) => return End::Changed,
                Ok(None) => return End::Lost,
                // Somebody else listens by now, or will.
                Err(_) if now.duration_since(kept_at) >= lease => return End::Lost,
                Err(error) => tracing::warn!(%error, "a stream's lease can't be renewed"),
            }
        }
    }

    /// Stores what is heard.
    async fn take(&self, mut property: Property, mut heard: mpsc::Receiver<Heard>) -> End {
        let mut some = Vec::new();
        loop {
            // The sender ends only with the call that follows the stream, which says why.
            if heard.recv_many(&mut some, AT_ONCE).await == 0 {
                return std::future::pending().await;
            }
            let mut by_lock = ByLock::new();
            let mut complete = None;
            for one in some.drain(..) {
                match one {
                    Heard::Complete(until) => complete = Some(until),
                    // PostgreSQL's text can't hold a zero byte, and no lock of ours has one in its name.
                    Heard::Record(record) if record.lock_id.contains('\0') => {}
                    Heard::Record(record) => by_lock.entry(record.lock_id.clone()).or_default().push(record),
                }
            }
            for records in by_lock.values_mut() {
                records.sort_by(|a, b| (a.at_lock, &a.id).cmp(&(b.at_lock, &b.id)));
            }
            loop {
                match self.store(&mut property, &by_lock, complete).await {
                    Ok(true) => break,
                    Ok(false) => return End::Lost,
                    Err(error) if error.is_retryable() => {
                        tracing::warn!(%error, "what was heard waits");
                        sleep(AGAIN).await;
                    }
                    Err(error) => {
                        tracing::error!(property = %property.id, %error, "what was heard can't be stored");
                        return End::Trouble("database");
                    }
                }
            }
        }
    }

    /// Stores records lock by lock; the last transaction says that all until then is stored, if it is. Whether the stream is still ours.
    async fn store(
        &self,
        property: &mut Property,
        by_lock: &ByLock,
        complete: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let (stream, vendor) = (&self.stream, self.stream.vendor.as_str());
        if by_lock.is_empty() {
            let mut tx = self.parts.store.tenant_relaxed(self.tenant).await?;
            let passed = complete.map(|at| at.min(property.clock.now(Timestamp::now())));
            let ours = tx.note_heard(stream, passed, Timestamp::now()).await?;
            return tx.commit().await.map(|()| ours);
        }
        for (left, (lock, records)) in (0..by_lock.len()).rev().zip(by_lock) {
            let mut tx = self.parts.store.tenant(self.tenant).await?;
            // A test clock may have moved, and the hotel's choices may have changed.
            if let Some(now) = tx.property(stream.property).await? {
                *property = now;
            }
            let present = property.clock.now(Timestamp::now());
            let passed = complete.filter(|_| left == 0).map(|at| at.min(present));
            if !tx.note_heard(stream, passed, Timestamp::now()).await? {
                return Ok(false);
            }
            let door = tx.door_of_lock(stream.property, vendor, lock).await?;
            let mut suspected = false;
            if let Some(door) = door {
                let at = At { tenant: self.tenant, property, vendor, door, lock, present };
                let new = records::store(&mut tx, at, records).await?;
                metrics::stream_records(vendor, "new", new);
                metrics::stream_records(vendor, "known", records.len() - new);
                suspected = tx.device_of_door(stream.property, door).await?.is_some_and(|d| d.suspected_at.is_some());
            } else {
                metrics::stream_records(vendor, "no_door", records.len());
            }
            tx.commit().await?;
            if let (true, Some(door)) = (suspected, door) {
                // The nightly look comes to it as well.
                if let Err(error) = self.parts.waker.wake(self.tenant, stream.property, vec![door]).await {
                    tracing::warn!(%error, "a clock that seems off waits for the night");
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_can_be_spawned() {
        fn spawnable<F: Future + Send + 'static>(_: impl FnOnce(Listener, watch::Receiver<bool>) -> F) {}
        spawnable(Listener::run);
    }
}
