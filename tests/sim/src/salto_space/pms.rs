//! The PMS's commands.

use jiff::civil::DateTime;

use super::encoder::{NoCard, with_card};
use super::journal::Effect;
use super::sim::SpaceSim;
use super::world::{Content, GuestCard, World};

/// Symbols of authorisations 1 to 62.
pub(crate) const SYMBOLS: &[u8; 62] = b"123456789abcdefghijklmnopqrstuvwxyz!#$%&()*+,-./:;<=>?@[\\]^_{}";

/// A refusal's letters.
pub(crate) type Refused = &'static str;
type Reply = Result<Vec<String>, Refused>;

/// Where a client stands in a trail.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    door: String,
    at: usize,
}

/// A command's name, without the number of cards.
pub(crate) fn verb(fields: &[String]) -> String {
    let first = fields.first().map(String::as_str).unwrap_or_default();
    let trimmed = first.trim_end_matches(|c: char| c.is_ascii_digit());
    if matches!(trimmed, "CN" | "CC") { trimmed.to_owned() } else { first.to_owned() }
}

fn field(fields: &[String], at: usize) -> &str {
    fields.get(at).map(String::as_str).unwrap_or_default()
}

fn texts(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Carries a command out. What is refused names the encoder, the telephone or the room in its second field.
pub(crate) async fn act(sim: &SpaceSim, fields: &[String], reading: &mut Reading) -> Vec<String> {
    let verb = verb(fields);
    let reply = match verb.as_str() {
        "CN" | "CC" => card(sim, fields, verb == "CC").await,
        "CNM" | "CCM" => mobile(&mut sim.world(), fields, verb == "CCM"),
        "MC" => modify(&mut sim.world(), fields),
        "CO" => check_out(&mut sim.world(), fields),
        "LT" => read(sim, fields).await,
        "WF" | "WN" | "WR" => Ok(trail(&sim.world(), &verb, fields, reading)),
        _ => Err("ES"),
    };
    let letters = reply.as_ref().err().copied().unwrap_or("ok");
    sim.world().stats.answer(letters);
    reply.unwrap_or_else(|letters| texts(&[letters, field(fields, 1)]))
}

impl From<NoCard> for &'static str {
    fn from(why: NoCard) -> Self {
        match why {
            NoCard::Unknown | NoCard::Offline => "NC",
            NoCard::Busy => "OV",
            NoCard::TimedOut => "ED",
        }
    }
}

struct Wanted {
    rooms: Vec<String>,
    granted: String,
    start: DateTime,
    expiry: DateTime,
    operator: String,
}

fn wanted(world: &World, fields: &[String], rooms_at: usize) -> Result<Wanted, Refused> {
    let rooms: Vec<String> = (rooms_at..rooms_at + 4)
        .map(|at| field(fields, at))
        .filter(|room| !room.is_empty())
        .map(str::to_owned)
        .collect();
    if rooms.is_empty() {
        return Err("ES");
    }
    for room in &rooms {
        match world.rooms.get(room) {
            None => return Err("TD"),
            Some(room) if room.out_of_service => return Err("OS"),
            Some(_) => {}
        }
    }
    let granted = field(fields, rooms_at + 4).to_owned();
    let start = match field(fields, rooms_at + 6) {
        "" => world.local(world.now()),
        text => time(text).ok_or("ES")?,
    };
    let expiry = time(field(fields, rooms_at + 7)).ok_or("ES")?;
    let operator = field(fields, rooms_at + 8).to_owned();
    let known = granted.bytes().all(|byte| SYMBOLS.contains(&byte));
    if !known || expiry <= start || operator.chars().count() > 24 {
        return Err("ES");
    }
    Ok(Wanted { rooms, granted, start, expiry, operator })
}

fn time(text: &str) -> Option<DateTime> {
    if text.len() != 10 {
        return None;
    }
    DateTime::strptime("%H%M%d%m%y", text).ok()
}

/// A guest's key, which goes on a card or into a telephone.
fn key(world: &mut World, wanted: Wanted, copy: bool, phone: Option<String>) -> Result<GuestCard, Refused> {
    let main = wanted.rooms.first().cloned().unwrap_or_default();
    if copy && !world.rooms.get(&main).is_some_and(|room| room.occupied) {
        return Err("EA");
    }
    for name in &wanted.rooms {
        let room = world.rooms.entry(name.clone()).or_default();
        if copy {
            room.copies = room.copies.saturating_add(1);
        } else {
            room.generation = room.generation.saturating_add(1);
            room.copies = 0;
        }
        room.occupied = true;
        room.expiry = Some(wanted.expiry);
    }
    let generation = |name: &String| world.rooms.get(name).map_or(0, |room| room.generation);
    let rooms = wanted.rooms.iter().map(|name| (name.clone(), generation(name))).collect();
    let copies = world.rooms.get(&main).map_or(0, |room| room.copies);
    let serial = format!("{:08X}", world.next_id().wrapping_mul(2_654_435_761) & 0xffff_ffff);
    world.note(if copy { Effect::Copied } else { Effect::CheckedIn }, &wanted.operator, &main);
    Ok(GuestCard {
        rooms,
        granted: wanted.granted,
        start: wanted.start,
        expiry: wanted.expiry,
        copy: copies,
        operator: wanted.operator,
        serial,
        phone,
    })
}

async fn card(sim: &SpaceSim, fields: &[String], copy: bool) -> Reply {
    if field(fields, 0).len() != 3 || field(fields, 0).ends_with('0') || !matches!(field(fields, 2), "E" | "R" | "T") {
        return Err("ES");
    }
    let asked = wanted(&sim.world(), fields, 3)?;
    let encoder = field(fields, 1).to_owned();
    let written = with_card(sim, &encoder, |world, card| {
        match world.cards.get(&card) {
            Some(Content::Foreign) | None => return Err("EF"),
            Some(Content::Staff) => return Err("EV"),
            Some(_) => {}
        }
        let key = key(world, asked, copy, None)?;
        let serial = key.serial.clone();
        world.cards.insert(card, Content::Guest(key));
        Ok(serial)
    });
    let serial = written.await.map_err(Refused::from)??;
    let shown = if field(fields, 15) == "0" || field(fields, 15).is_empty() { String::new() } else { serial };
    Ok(texts(&[if copy { "CC" } else { "CN" }, &encoder, &shown]))
}

fn mobile(world: &mut World, fields: &[String], copy: bool) -> Reply {
    let phone = field(fields, 1).to_owned();
    if !phone.starts_with('+') {
        return Err("EG");
    }
    let asked = wanted(world, fields, 2)?;
    let key = key(world, asked, copy, Some(phone.clone()))?;
    world.new_card(Content::Guest(key));
    Ok(texts(&[if copy { "CCM" } else { "CNM" }, &phone]))
}

fn modify(world: &mut World, fields: &[String]) -> Reply {
    let (room, moved) = (field(fields, 1).to_owned(), field(fields, 2));
    let expiry = time(field(fields, 3)).ok_or("ES")?;
    if !moved.is_empty() {
        return Err("EG");
    }
    let known = world.rooms.get_mut(&room).ok_or("TD")?;
    if !known.occupied {
        return Err("EA");
    }
    known.expiry = Some(expiry);
    world.note(Effect::StayChanged, "", &room);
    Ok(texts(&["MC", &room]))
}

fn check_out(world: &mut World, fields: &[String]) -> Reply {
    let room = field(fields, 2).to_owned();
    if field(fields, 1) != "0" {
        return Err("ES");
    }
    let known = world.rooms.get_mut(&room).ok_or("TD")?;
    if !known.occupied {
        return Err("EA");
    }
    known.occupied = false;
    world.note(Effect::CheckedOut, "", &room);
    Ok(texts(&["CO", "0", &room]))
}

async fn read(sim: &SpaceSim, fields: &[String]) -> Reply {
    if !matches!(field(fields, 2), "E" | "R" | "T") {
        return Err("ES");
    }
    let encoder = field(fields, 1).to_owned();
    let seen = with_card(sim, &encoder, |world, card| {
        let with_operator = world.policy.operator_on_card;
        let Some(content) = world.cards.get(&card) else { return Err("EF") };
        match content {
            Content::Foreign => Err("EF"),
            Content::Blank => Ok(texts(&["LT", &encoder, "LD"])),
            Content::Staff | Content::User(_) => Ok(texts(&["LT", &encoder, "LM"])),
            Content::Guest(card) => {
                let (main, generation) = card.rooms.first().cloned().unwrap_or_default();
                let valid = world.rooms.get(&main).is_some_and(|room| room.occupied && room.generation == generation);
                let mut reply = texts(&["LT", &encoder]);
                let mut rooms: Vec<_> = card.rooms.iter().map(|(room, _)| room.clone()).collect();
                rooms.resize(4, String::new());
                reply.extend(rooms);
                let stamp = |at: DateTime| at.strftime("%H%M%d%m%y").to_string();
                reply.extend([
                    if valid { "CI" } else { "CO" }.to_owned(),
                    match card.copy {
                        0..=2 => card.copy.to_string(),
                        _ => "I".to_owned(),
                    },
                    card.granted.clone(),
                    stamp(card.start),
                    stamp(card.expiry),
                    if with_operator { card.operator.clone() } else { String::new() },
                ]);
                Ok(reply)
            }
        }
    });
    seen.await.map_err(Refused::from)?
}

fn trail(world: &World, verb: &str, fields: &[String], reading: &mut Reading) -> Vec<String> {
    match verb {
        "WF" => *reading = Reading { door: field(fields, 1).to_owned(), at: 0 },
        "WN" => reading.at = reading.at.saturating_add(1),
        _ => {}
    }
    if reading.door.is_empty() || !world.doors.contains_key(&reading.door) {
        return texts(&["WE"]);
    }
    let Some(event) = world.trail.iter().filter(|event| event.door == reading.door).nth(reading.at) else {
        return texts(&["WO"]);
    };
    let incident = match event.operation {
        17 | 26 => "0",
        82 => "4",
        84 => "3",
        _ => "2",
    };
    let day = event.at.strftime("%d/%m").to_string();
    let time = event.at.strftime("%H:%M").to_string();
    let subject = if event.subject_type == 1 { event.subject.as_str() } else { "STAFF" };
    texts(&["WF", &event.door, &day, &time, incident, "I", subject, "#0", ""])
}
