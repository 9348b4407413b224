//! Whether a command that takes keys away early may go to its stay, or must be held for a person, within tx 1.
//!
//! The rule is [`lock_domain::guard`]'s; here it gets its numbers. It must not know how a held command is decided.

use super::{Context, Planned, accepted};
use crate::{dto::KeyWish, failure, problem::Problem, view};
use lock_domain::{
    command::Verb,
    event::Event,
    guard::{Counted, Judgement},
    problem::Code,
};
use lock_store::{CommandRow, CommandStatus, TenantTx};

/// What the guard says of a command.
pub(super) enum Guarded {
    /// It takes nothing away before its time.
    Ordinary,
    /// It does, and may.
    Early,
    /// It does, and so do too many others.
    Held { others: u32, limit: u32 },
}

/// Asks the guard. One that is held has an answer that says so.
pub(super) async fn ask(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    planned: &mut Planned,
) -> Result<Guarded, Problem> {
    let (property, command) = (context.property, &planned.command);
    let guard = property.feed_guard;
    let one = match &command.verb {
        Verb::Remove { key } => *key,
        _ => None,
    };
    let others = planned.body.keys.iter().filter(|key| key.wish != KeyWish::Unwanted && Some(key.id) != one).count();
    // Taking back a one-shot key shuts out no guest.
    if !planned.body.kind.is_guest() || !guard.is_early(&command.verb, planned.body.window, others, context.now) {
        return Ok(Guarded::Ordinary);
    }
    let counted: Counted =
        tx.count_early(property.id, planned.id.stay, guard.since(context.now)).await.map_err(failure::store)?;
    let Judgement::Hold { limit } = guard.judge(counted) else { return Ok(Guarded::Early) };
    let row = accepted(context, &planned.id, command);
    let row = CommandRow { status: CommandStatus::Held, code: Some(Code::HeldForApproval), ..row };
    planned.body.operation = Some(view::operation(&row));
    planned.body.attention = planned.body.attention.take().or_else(|| Some(Code::HeldForApproval.into()));
    Ok(Guarded::Held { others: counted.others, limit })
}

impl Guarded {
    /// Whether the command goes to nobody.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Notes it at the command that was just entered, and gives the event that tells of the command.
    pub(super) async fn note(
        &self,
        context: &Context<'_>,
        tx: &mut TenantTx<'_>,
        planned: &Planned,
    ) -> Result<Event, Problem> {
        let command = &planned.command;
        if !matches!(self, Self::Ordinary) {
            tx.mark_early(command.id, context.now, self.is_held()).await.map_err(failure::store)?;
        }
        let (verb, operation, by) = (command.verb.kind(), command.id, command.by);
        Ok(match *self {
            Self::Held { others, limit } => Event::CommandHeld { verb, operation, by, others, limit },
            Self::Ordinary | Self::Early => Event::CommandAccepted { verb, operation, by },
        })
    }
}
