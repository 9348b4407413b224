//! SHIP's calls.

use super::encoder::{NoCard, with_card};
use super::ship_users::{Refused, count, page};
use super::sim::SpaceSim;
use super::xml::{Node, read};

/// A call that was understood.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) params: Node,
}

/// Reads a call. What is malformed is answered too, under an empty name.
pub(crate) fn parse(document: &[u8]) -> Result<Call, (String, Refused)> {
    let root = read(document).ok_or((String::new(), 500))?;
    let name = root.text_of("RequestName").unwrap_or_default().to_owned();
    if root.name != "RequestCall" || name.is_empty() {
        return Err((name, 501));
    }
    if root.children.iter().any(|child| !matches!(child.name.as_str(), "RequestName" | "Params")) {
        return Err((name, 501));
    }
    let params = root.child("Params").cloned().unwrap_or_default();
    Ok(Call { name, params })
}

/// Carries a call out.
pub(crate) async fn act(sim: &SpaceSim, call: &Call) -> Result<Vec<Node>, Refused> {
    let params = &call.params;
    let id = || params.text_of("ExtUserID").map(str::to_owned);
    match call.name.as_str() {
        "GetInfo" => Ok(vec![
            Node::leaf("ProtocolID", "SHIP"),
            Node::leaf("ProtocolVersion", "1.0"),
            Node::leaf("DateTime", {
                let world = sim.world();
                world.local(world.now()).strftime("%Y-%m-%dT%H:%M:%S")
            }),
            Node::leaf("DefaultLanguage", "eng"),
        ]),
        "SaltoDBUser.Insert" => sim.world().insert_user(params.child("SaltoDBUser").ok_or(501)?),
        "SaltoDBUser.Update" => sim.world().update_user(params.child("SaltoDBUser").ok_or(501)?),
        "SaltoDBUser.Delete" => sim.world().delete_user(id().as_deref()),
        "SaltoDBUserList.Read" => sim.world().list_users(params),
        "SaltoDBDoorList.Read" => doors(sim, params),
        "SaltoDBAuditTrail.Read" => trail(sim, params),
        "Encoder.SaltoDBUser.AssignNewKey" => write(sim, params, true).await,
        "Encoder.SaltoDBUser.UpdateCurrentKey" => write(sim, params, false).await,
        _ => Err(502),
    }
}

async fn write(sim: &SpaceSim, params: &Node, first: bool) -> Result<Vec<Node>, Refused> {
    let id = params.text_of("ExtUserID").ok_or(12)?.to_owned();
    let encoder = params.text_of("EncoderID").ok_or(12)?.to_owned();
    {
        let world = sim.world();
        let user = world.users.get(&id).ok_or(200)?;
        match (user.key.is_some(), first) {
            (true, true) => return Err(305),
            (false, false) => return Err(300),
            _ => {}
        }
    }
    let done = with_card(sim, &encoder, |world, card| world.write_user(&id, card, first)).await;
    done.unwrap_or_else(|why| {
        Err(match why {
            NoCard::Unknown => 400,
            NoCard::Offline => 401,
            NoCard::Busy => 402,
            NoCard::TimedOut => 403,
        })
    })
}

fn doors(sim: &SpaceSim, params: &Node) -> Result<Vec<Node>, Refused> {
    let world = sim.world();
    let start = params.text_of("StartingFromExtDoorID");
    let (ids, last) =
        page(world.doors.keys().map(String::as_str), start, world.policy.page_repeats_last, count(params)?);
    let row = |id: &&str| {
        let door = world.doors.get(*id)?;
        Some(Node::list(
            "SaltoDBDoor",
            vec![
                Node::leaf("ExtDoorID", id),
                Node::leaf("Name", &door.name),
                Node::leaf("OpeningMode", 0),
                Node::leaf("BatteryStatus", door.battery),
            ],
        ))
    };
    let rows = ids.iter().filter_map(row).collect();
    Ok(vec![Node::list("SaltoDBDoorList", rows), Node::leaf("EOF", u8::from(last))])
}

fn trail(sim: &SpaceSim, params: &Node) -> Result<Vec<Node>, Refused> {
    let world = sim.world();
    let most = count(params)?;
    let number = |name: &str| params.text_of(name).map(str::parse::<i64>).transpose().map_err(|_| 503_i64);
    let descending = params.text_of("DescendingOrder") == Some("1");
    let start = number("StartingFromEventID")?;
    let mut events: Vec<_> = world
        .trail
        .iter()
        .filter(|event| start.is_none_or(|start| if descending { event.id <= start } else { event.id >= start }))
        .collect();
    if descending {
        events.reverse();
    }
    let row = |event: &&super::world::TrailEvent| {
        Node::list(
            "SaltoDBAuditTrailEvent",
            vec![
                Node::leaf("EventID", event.id),
                Node::leaf("EventDateTime", event.at.strftime("%Y-%m-%dT%H:%M:%S")),
                Node::leaf("Operation", event.operation),
                Node::leaf("IsExit", 0),
                Node::leaf("DoorID", &event.door),
                Node::leaf("SubjectType", event.subject_type),
                Node::leaf("SubjectID", &event.subject),
            ],
        )
    };
    Ok(vec![Node::list("SaltoDBAuditTrail", events.iter().take(most).map(row).collect())])
}
