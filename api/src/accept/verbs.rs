//! Tx 1 of the verbs on a stay that exists.

use super::{Context, Planned, Wanted, accepted, new};
use crate::{dto::ChosenPin, engine::Target, failure, intent, pins::Pool, problem::Problem, view};
use lock_domain::{
    command::{Command, NewKey, Verb, VerbKind},
    ids::{KeyId, StayId},
    problem::Code,
    stay::{StayPhase, StayRef, Wish, allowed},
};
use lock_store::{KeyRow, StayRow, StoreError, TenantTx};
use uuid::Uuid;

pub(super) async fn plan(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: StayRow,
    wanted: Wanted,
) -> Result<Planned, Problem> {
    let kind = kind(&wanted);
    refuse_early(context, tx, &stay, kind).await?;
    let (mut counted, mut times) = (stay.id.as_uuid(), None);
    let command = match wanted {
        Wanted::New(_) => return Err(Problem::internal("a new stay came as a verb")),
        Wanted::Suspend => context.command(Verb::Suspend),
        Wanted::Resume => context.command(Verb::Resume),
        Wanted::CheckOut => context.command(Verb::CheckOut),
        Wanted::Cancel => context.command(Verb::Cancel),
        Wanted::Read => context.command(Verb::Read),
        Wanted::Remove(asked) => {
            if let Some(key) = asked.key {
                wanted_key(tx, stay.id, key).await?;
            }
            context.command(Verb::Remove { key: asked.key })
        }
        Wanted::Duplicate(asked) => {
            let count = intent::in_range("keys", asked.keys.unwrap_or(1))?;
            intent::chosen_pin(asked.pin.as_ref(), count)?;
            let keys = tx.keys_of(stay.id).await.map_err(failure::store)?;
            let first = keys.iter().map(|key| key.holder.saturating_add(1)).max().unwrap_or(0);
            let holders = first..first.saturating_add(count);
            let keys: Vec<NewKey> = holders.map(|holder| NewKey { id: fresh(), holder }).collect();
            enter(context, tx, stay.id, &keys, asked.pin.as_ref()).await?;
            context.command(Verb::Duplicate { keys })
        }
        Wanted::Reissue(asked) => {
            intent::chosen_pin(asked.pin.as_ref(), 1)?;
            let old = wanted_key(tx, stay.id, asked.key).await?;
            let key = NewKey { id: fresh(), holder: old.holder };
            enter(context, tx, stay.id, &[key], asked.pin.as_ref()).await?;
            tx.set_wish(old.id, Wish::Until(key.id)).await.map_err(failure::store)?;
            context.command(Verb::Reissue { old: old.id, key })
        }
        Wanted::ModifyStay(asked) => {
            let zone = view::zone(context.property);
            let accepted = tx.accepted(stay.id).await.map_err(failure::store)?;
            let (window, fits) = intent::window((&asked).into(), &zone, context.now, Some(accepted.window))?;
            tx.extend_claims(context.property.id, stay.id, window).await.map_err(|error| match error {
                StoreError::RoomTaken { reservation } => failure::room_taken("the room", reservation.as_ref()),
                other => failure::store(other),
            })?;
            times = fits;
            context.command(Verb::ModifyStay { window })
        }
        Wanted::RoomMove(asked) => {
            let rooms = new::rooms(tx, context.property.id, &asked.room, &asked.additional_rooms).await?;
            let accepted = tx.accepted(stay.id).await.map_err(failure::store)?;
            if accepted.room == Some(rooms[0].id) {
                let detail = format!("the stay {} has room {} already", stay.reservation, rooms[0].number);
                return Err(Problem::field(Code::SameRoom, "room", detail));
            }
            let doors = new::doors(tx, context.property.id, &rooms).await?;
            let verb = Verb::RoomMove { room: rooms[0].id, doors };
            let command = context.command(verb);
            new::claim(tx, context.property.id, &rooms, stay.id, &accepted.windows, command.id).await?;
            counted = rooms[0].id.as_uuid();
            command
        }
    };
    let id = StayRef {
        tenant: context.ask.key.tenant,
        property: stay.property,
        reservation: stay.reservation.clone(),
        stay: stay.id,
    };
    planned(context, tx, id, command, times, counted).await
}

async fn planned(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    id: StayRef,
    command: Command,
    times: Option<crate::dto::TimesBody>,
    counted: Uuid,
) -> Result<Planned, Problem> {
        reinstates: stay.reinstates,
    let row = accepted(context, &id, &command);
    let body = view::load(tx, context.property, id.stay, Some(&row), times).await?;
    Ok(Planned { target: Target::Existing(id.clone()), id, command, body, times, counted })
}

/// Refuses what the workflow would refuse, while that is certain: the record may lag behind a command or a deadline, and then the
/// workflow decides.
async fn refuse_early(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: &StayRow,
    verb: VerbKind,
) -> Result<(), Problem> {
    let Err(code) = allowed(verb, stay.phase) else { return Ok(()) };
    let over = matches!(stay.phase, StayPhase::Ending | StayPhase::Ended);
    let due = stay.next_deadline.is_some_and(|at| at <= context.now);
    if !over && due {
        return Ok(());
    }
    let commands = tx.commands_of(stay.id).await.map_err(failure::store)?;
    if !over && commands.iter().any(|command| !command.status.is_final()) {
        return Ok(());
    }
    Err(Problem::new(code, format!("the stay {} is {}", stay.reservation, stay.phase.name())))
}

async fn wanted_key(tx: &mut TenantTx<'_>, stay: StayId, key: KeyId) -> Result<KeyRow, Problem> {
    let keys = tx.keys_of(stay).await.map_err(failure::store)?;
    let found = keys.into_iter().find(|row| row.id == key && row.wish != Wish::Unwanted);
    found.ok_or_else(|| Problem::field(Code::KeyNotFound, "key", format!("the stay has no key {key}")))
}

async fn enter(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: StayId,
    keys: &[NewKey],
    pin: Option<&ChosenPin>,
) -> Result<(), Problem> {
    let property = context.property;
    let pool = Pool { tenant: context.ask.key.tenant, property: property.id, digits: property.policy.pin_digits };
    for key in keys {
        let drawn = pool.draw(context.state, *key, pin).await?;
        pool.enter(context.state, tx, stay, drawn, (context.now, context.at)).await?;
    }
    Ok(())
}

fn fresh() -> KeyId {
    KeyId::from_uuid(Uuid::now_v7())
}

fn kind(wanted: &Wanted) -> VerbKind {
    match wanted {
        Wanted::New(_) => VerbKind::New,
        Wanted::Duplicate(_) => VerbKind::Duplicate,
        Wanted::Reissue(_) => VerbKind::Reissue,
        Wanted::ModifyStay(_) => VerbKind::ModifyStay,
        Wanted::RoomMove(_) => VerbKind::RoomMove,
        Wanted::Remove(_) => VerbKind::Remove,
        Wanted::Suspend => VerbKind::Suspend,
        Wanted::Resume => VerbKind::Resume,
        Wanted::CheckOut => VerbKind::CheckOut,
        Wanted::Cancel => VerbKind::Cancel,
        Wanted::Read => VerbKind::Read,
    }
}
