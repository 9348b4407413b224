//! Which commands have got their verdict, told to whoever waits for one.

use crate::StoreError;
use lock_domain::ids::CommandId;
use sqlx::postgres::PgListener;
use uuid::Uuid;

/// Hears of commands that have got their verdict, as soon as that is committed. It may miss some while its connection is being made anew, so
/// nobody may depend on it: it only saves waiting.
#[derive(Debug)]
pub struct SettledListener {
    listener: PgListener,
}

impl SettledListener {
    pub(crate) const CHANNEL: &'static str = "settled";

    pub(crate) fn new(listener: PgListener) -> Self {
        Self { listener }
    }

    /// Waits for the next command with a verdict, of any tenant. `None` if some may have been missed.
    pub async fn recv(&mut self) -> Result<Option<CommandId>, StoreError> {
        let notification = self.listener.try_recv().await?;
        let payload = notification.and_then(|n| Uuid::try_parse(n.payload()).ok());
        Ok(payload.map(CommandId::from_uuid))
    }
}
