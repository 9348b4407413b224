//! Tx 1 of the verbs on a stay that exists.

use super::{Context, Planned, Wanted, accepted, divert, new};
use crate::{
    engine::Target,
    failure,
    intent::{self, PinPlan},
    kinds::{self, AskedKeys},
    problem::Problem,
    view,
};
use lock_domain::{
    command::{Command, NewKey, Successor, Verb, VerbKind},
    credential::KeyKind,
    ids::{KeyId, StayId},
    pin::PinSource,
    problem::Code,
    stay::{StayPhase, StayRef, Wish, allowed},
    vendor::VendorTraits,
};
use lock_store::{CommandStatus, KeyRow, Property, StayRow, StoreError, TenantTx};
use uuid::Uuid;

pub(super) async fn plan(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: StayRow,
    wanted: Wanted,
) -> Result<Planned, Problem> {
    if matches!(wanted, Wanted::Revoke) && stay.kind.is_guest() {
        return Err(Problem::new(Code::StayNotFound, "the property has no one-shot key under this reservation"));
    }
    let kind = kind(&wanted);
    stay.kind
        .allows(kind)
        .map_err(|code| Problem::new(code, format!("the stay {} is a one-shot key", stay.reservation)))?;
    refuse_early(context, tx, &stay, kind).await?;
    // What is asked of a stay that has gone to another vendor is asked of that vendor.
    let gone_to = tx.diverted_to(stay.id).await.map_err(failure::store)?;
    let there = gone_to.clone().map(|vendor| Property { vendor, ..context.property.clone() });
    let main = context.property;
    let context = &Context { property: there.as_ref().unwrap_or(main), ..*context };
    let (mut counted, mut times) = (stay.id.as_uuid(), None);
    let command = match wanted {
        Wanted::New(_) | Wanted::OneShot(_) => return Err(Problem::internal("a new stay came as a verb")),
        Wanted::Suspend => context.command(Verb::Suspend),
        Wanted::Resume => context.command(Verb::Resume),
        Wanted::CheckOut => context.command(Verb::CheckOut),
        Wanted::Cancel | Wanted::Revoke => context.command(Verb::Cancel),
        Wanted::Read => context.command(Verb::Read),
        Wanted::Divert(step) => divert::plan(context, tx, &stay, &step).await?,
        Wanted::Remove(asked) => {
            if let Some(key) = asked.key {
                wanted_key(tx, stay.id, key).await?;
            }
            context.command(Verb::Remove { key: asked.key })
        }
        Wanted::Duplicate(asked) => {
            let count = intent::in_range("keys", asked.keys.unwrap_or(1))?;
            let plans = plans(context, tx, stay.id, (&asked).into(), count).await?;
            let keys = tx.keys_of(stay.id).await.map_err(failure::store)?;
            let first = keys.iter().map(|key| key.holder.saturating_add(1)).max().unwrap_or(0);
            let holders = first..first.saturating_add(count);
            let keys: Vec<NewKey> = holders.map(|holder| NewKey { id: fresh(), holder }).collect();
            new::allot(context, tx, stay.id, &keys, plans).await?;
            context.command(Verb::Duplicate { keys })
        }
        Wanted::Reissue(asked) => {
            let plans = plans(context, tx, stay.id, (&asked).into(), 1).await?;
            let old = wanted_key(tx, stay.id, asked.key).await?;
            let key = NewKey { id: fresh(), holder: old.holder };
            new::allot(context, tx, stay.id, &[key], plans).await?;
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
            let keys = anew(context, tx, stay.id, asked.encoder.as_deref()).await?;
            context.command(Verb::ModifyStay { window, keys })
        }
        Wanted::RoomMove(asked) => {
            let rooms = new::rooms(tx, context.property.id, &asked.room, &asked.additional_rooms).await?;
            let accepted = tx.accepted(stay.id).await.map_err(failure::store)?;
            if accepted.room == Some(rooms[0].id) {
                let detail = format!("the stay {} has room {} already", stay.reservation, rooms[0].number);
                return Err(Problem::field(Code::SameRoom, "room", detail));
            }
            let there = match &gone_to {
                Some(vendor) => divert::doors_of_move(tx, main, stay.id, &rooms, vendor).await?,
                None => None,
            };
            let returns = gone_to.is_some() && there.is_none();
            let context = &Context { property: if returns { main } else { context.property }, ..*context };
            let doors = match there {
                Some(doors) => doors,
                None => new::doors(tx, main.id, &rooms).await?,
            };
            let vendor = VendorTraits::of(&context.property.vendor);
            let keys = tx.keys_of(stay.id).await.map_err(failure::store)?;
            let of_vendor = |key: &KeyRow| key.kind == KeyKind::Pin && key.pin_source == PinSource::Vendor;
            let made = match returns {
                true => main.policy.source_at(vendor) == PinSource::Vendor,
                false => keys.iter().any(|key| of_vendor(key) && key.wish != Wish::Unwanted),
            };
            let plans: &[PinPlan] = if made { &[PinPlan::Vendor { one_time: false }] } else { &[] };
            new::one_door_each(vendor, plans, doors.len())?;
            let mut keys = anew(context, tx, stay.id, asked.encoder.as_deref()).await?;
            if returns {
                keys = divert::successors(context, tx, stay.id, &main.vendor).await?;
                tx.set_diverted(stay.id, None).await.map_err(failure::store)?;
            }
            let verb = Verb::RoomMove { room: rooms[0].id, doors, keys };
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
        reinstates: stay.reinstates,
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

/// Where the digits of more keys of a stay come from.
async fn plans(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: StayId,
    asked: AskedKeys<'_>,
    keys: u16,
) -> Result<Vec<PinPlan>, Problem> {
    let vendor = VendorTraits::of(&context.property.vendor);
    let plans = kinds::plans(asked, keys, &context.property.policy, &context.property.vendor)?;
    if vendor.made_pin_per_door && plans.iter().any(|plan| matches!(plan, PinPlan::Vendor { .. })) {
        let commands = tx.commands_of(stay).await.map_err(failure::store)?;
        let standing = commands.iter().filter(|row| row.status != CommandStatus::Failed);
        let doors = standing.fold(0, |most, row| match &row.command.verb {
            // What came before was another vendor's.
            Verb::Divert { doors, .. } => doors.len(),
            verb => verb.doors().map_or(most, |doors| most.max(doors.len())),
        });
        new::one_door_each(vendor, &plans, doors)?;
    }
    Ok(plans)
}

/// Cards of the stay that are written anew, because what stands on a card can't be changed from afar.
async fn anew(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: StayId,
    encoder: Option<&str>,
) -> Result<Vec<Successor>, Problem> {
    let keys = tx.keys_of(stay).await.map_err(failure::store)?;
    let cards: Vec<_> = keys.iter().filter(|key| key.kind == KeyKind::Card && key.wish == Wish::Wanted).collect();
    if cards.is_empty() {
        let needless = || Problem::field(Code::InvalidField, "encoder", "the stay has no card; leave `encoder` out");
        return encoder.map_or(Ok(Vec::new()), |_| Err(needless()));
    }
    let encoder = kinds::encoder(encoder)?;
    let mut successors = Vec::with_capacity(cards.len());
    for old in cards {
        let key = NewKey { id: fresh(), holder: old.holder };
        new::allot(context, tx, stay, &[key], vec![PinPlan::Card { encoder: encoder.clone() }]).await?;
        tx.set_wish(old.id, Wish::Until(key.id)).await.map_err(failure::store)?;
        successors.push(Successor { old: old.id, key });
    }
    Ok(successors)
}

fn fresh() -> KeyId {
    KeyId::from_uuid(Uuid::now_v7())
}

fn kind(wanted: &Wanted) -> VerbKind {
    match wanted {
        Wanted::New(_) | Wanted::OneShot(_) => VerbKind::New,
        Wanted::Duplicate(_) => VerbKind::Duplicate,
        Wanted::Reissue(_) => VerbKind::Reissue,
        Wanted::ModifyStay(_) => VerbKind::ModifyStay,
        Wanted::RoomMove(_) => VerbKind::RoomMove,
        Wanted::Remove(_) => VerbKind::Remove,
        Wanted::Suspend => VerbKind::Suspend,
        Wanted::Resume => VerbKind::Resume,
        Wanted::CheckOut => VerbKind::CheckOut,
        Wanted::Cancel | Wanted::Revoke => VerbKind::Cancel,
        Wanted::Read => VerbKind::Read,
        Wanted::Divert(_) => VerbKind::Divert,
    }
}
