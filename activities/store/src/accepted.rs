//! What has been accepted for a stay: its record, and what its commands without a verdict are going to make of it.
//!
//! The record lags behind: a command changes it only once the workflow has taken it in. Whoever decides on a stay's dates or room by the
//! row alone decides by what was.

use crate::{CommandRow, CommandStatus, StoreError, TenantTx, row::RowExt};
use lock_domain::{
    command::Verb,
    ids::{RoomId, StayId},
    window::Window,
};

/// A stay's dates and room, as they were accepted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The newest window that was accepted: that of the last change of dates without a verdict, or else the record's.
    pub window: Window,
    /// Every window that may come true: the record's, and those of all changes without a verdict, also of those that are held.
    pub windows: Vec<Window>,
    /// The guest's room; `None` while a room move has no verdict, because only the workflow can tell then.
    pub room: Option<RoomId>,
}

impl TenantTx<'_> {
    /// Reads what has been accepted for a stay, and lets nobody else change that until the end of the transaction. Two round trips: the
    /// second must see what whoever held the row has committed.
    pub async fn accepted(&mut self, stay: StayId) -> Result<Accepted, StoreError> {
        let row = self
            .query(
                "SELECT window_from, window_until, room_id FROM stays WHERE tenant_id = $1 AND stay_id = $2 FOR NO KEY UPDATE",
            )
            .bind(stay.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("stay"))?;
        let recorded = Window { from: row.at("window_from")?, until: row.at("window_until")? };
        let room = RoomId::from_uuid(row.uuid("room_id")?);
        let commands = self.commands_of(stay).await?;
        Ok(overlay(recorded, room, commands.iter().filter(|command| !command.status.is_final())))
    }
}

/// The record with what is still to come laid over it. `undecided` is in the order of acceptance.
fn overlay<'a>(recorded: Window, room: RoomId, undecided: impl Iterator<Item = &'a CommandRow>) -> Accepted {
    let mut accepted = Accepted { window: recorded, windows: vec![recorded], room: Some(room) };
    for row in undecided {
        match row.command.verb {
            Verb::ModifyStay { window, .. } => {
                accepted.windows.push(window);
                // What is held may never be accepted.
                if row.status != CommandStatus::Held {
                    accepted.window = window;
                }
            }
            Verb::RoomMove { .. } => accepted.room = None,
            _ => {}
        }
    }
    accepted
}
