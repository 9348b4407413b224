//! Who waits for a verdict hears of it from the record.
//!
//! A verdict stands in the record before the stay's workflow tells it: the workflow's own answer comes only after Temporal has kept the
//! step, which takes several milliseconds more. So a request that waits listens to both (ADR 34). It must not decide anything: what is
//! heard is a hint to look at the record. While the listener's connection is away, requests wait for the workflow alone.

use crate::state::AppState;
use lock_domain::ids::CommandId;
use lock_store::StoreError;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Before the listener connects anew.
const PAUSE: Duration = Duration::from_secs(1);

/// The commands of this process whose requests wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled(Arc<Mutex<HashMap<CommandId, Arc<Notify>>>>);

/// A request that waits; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Waiting {
    settled: Settled,
    command: CommandId,
    heard: Arc<Notify>,
}

impl Settled {
    /// Listens for a command's verdict, from now on.
    pub(crate) fn wait_for(&self, command: CommandId) -> Waiting {
        let heard = Arc::new(Notify::new());
        self.lock().insert(command, heard.clone());
        Waiting { settled: self.clone(), command, heard }
    }

    fn tell(&self, command: CommandId) {
        if let Some(heard) = self.lock().get(&command) {
            heard.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CommandId, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns once the verdict stands in the record; never, if that is not heard of.
    pub(crate) async fn heard(&self) {
        self.heard.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.settled.lock().remove(&self.command);
    }
}

/// Listens for ever; ends by being aborted.
pub(crate) async fn run(state: AppState) {
    loop {
        if let Err(error) = listen(&state).await {
            tracing::warn!(%error, "verdicts are not heard from the record");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(state: &AppState) -> Result<(), StoreError> {
    let mut listener = state.store().settled_listener().await?;
    loop {
        if let Some(command) = listener.recv().await? {
            state.settled().tell(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[tokio::test]
    async fn whoever_waits_hears_of_its_own_command_also_if_it_comes_first() {
        let settled = Settled::default();
        let (mine, other) = (CommandId::from_uuid(Uuid::from_u128(1)), CommandId::from_uuid(Uuid::from_u128(2)));
        let waiting = settled.wait_for(mine);
        settled.tell(other);
        assert!(futures::FutureExt::now_or_never(waiting.heard()).is_none());
        settled.tell(mine);
        assert!(futures::FutureExt::now_or_never(waiting.heard()).is_some());
        drop(waiting);
        assert!(settled.lock().is_empty());
    }
}
