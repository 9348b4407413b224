//! The scenes. Each has a guest and rooms of its own, so that one that fails doesn't spoil the next.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::{Timestamp, ToSpan as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::teller::Teller;
use crate::sandbox::{Api, Call, JournalEntry, Order, OwnStack, Sim, Stay, door_of};
use crate::stack::stop;

const ADD: &str = "keyboardPwd/add";
/// Longer than a lost call's time-out, the notice of a dead worker and the pause before the next try together.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(40);
pub(super) const WAIT_S: u32 = 20;
pub(super) const ROOMS: usize = 10;

/// A hotel with the demo's guests.
pub(super) struct Hotel<'a> {
    pub(super) stack: &'a mut OwnStack,
    pub(super) api: Api,
    pub(super) sim: Sim,
    rooms: Vec<String>,
    run: String,
}

/// A guest with a key that is proven.
pub(super) struct Guest {
    pub(super) pin: SecretString,
    pub(super) room_lock: i64,
    locks: Vec<i64>,
    names: Vec<String>,
}

impl<'a> Hotel<'a> {
    pub(super) async fn open(stack: &'a mut OwnStack) -> Result<Self> {
        let (api, sim) = (stack.api().clone(), stack.sim().clone());
        sim.clear_faults().await?;
        // Tries follow each other quickly, so that nobody has to wait through a demo.
        api.change_policy(&[("retry_cap_s", json!(2))]).await?;
        let rooms: Vec<String> = api.rooms().await?.into_iter().map(|(number, _)| number).take(ROOMS).collect();
        if rooms.len() < ROOMS {
            bail!("the demo needs {ROOMS} rooms, the property has {}", rooms.len());
        }
        let run = Timestamp::now().as_second().to_string();
        Ok(Self { stack, api, sim, rooms, run })
    }

    pub(super) async fn check_in(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(a) A guest checks in, and the PIN opens the door");
        let reservation = self.reservation("A");
        let room = self.room(0)?;
        teller.says(&format!(
            "The PMS sends reservation {reservation} for room {room}, from now until the day after tomorrow."
        ));
        let answer = self.api.write(&self.booking(&reservation, &room).wait(WAIT_S)).await?;
        let took = answer.took.as_millis();
        teller.claims(
            answer.status == 201,
            &format!("the API answers {} after {took} ms: the key is in its locks", answer.summary()),
        );
        let guest = self.guest(&reservation).await?;
        for lock in &guest.locks {
            let tried = self.sim.try_pin(*lock, guest.pin.expose_secret()).await?;
            let door = if *lock == guest.room_lock { format!("room {room}") } else { "the common door".to_owned() };
            teller.claims(tried.opened, &format!("the PIN opens {door}"));
        }
        let wrong = self.sim.try_pin(guest.room_lock, &wrong_pin(&guest.pin)).await?;
        teller.claims(!wrong.opened, &format!("another PIN does not ({})", wrong.reason));
        let again = self.api.reveal(&reservation, &self.first_key(&reservation).await?).await;
        teller.claims(again.is_err(), "the PIN is shown once: a second request for it is refused");
        Ok(())
    }

    pub(super) async fn worker_dies(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(b) kill -9 of the worker in the middle of an issue");
        let (reservation, room) = (self.reservation("B"), self.room(1)?);
        let (seq, calls) = (self.sim.journal_end().await?, self.sim.calls(ADD).await?);
        self.sim.fault(&Order::latency(ADD, Duration::from_millis(1_500))).await?;
        teller.says("The vendor takes a second and a half for each call from now on.");
        let answer = self.api.write(&self.booking(&reservation, &room)).await?;
        teller
            .claims(answer.status == 202, &format!("the API accepts reservation {reservation}: {}", answer.summary()));
        self.until("a call to the vendor", async |hotel| Ok(hotel.sim.calls(ADD).await? > calls)).await?;
        let pid = self.stack.worker().pid();
        tokio::task::block_in_place(|| self.stack.worker().kill9())?;
        teller.says(&format!("The call is on its way; the worker (process {pid}) is killed. The vendor acts, and nobody hears its answer."));
        tokio::task::block_in_place(|| self.stack.worker().restart())?;
        teller.says(&format!("A new worker is there (process {}).", self.stack.worker().pid()));
        self.sim.clear_faults().await?;
        self.phase(&reservation, "active").await?;
        teller.says("The stay is active.");
        self.claim_one_code_per_door(teller, &reservation, seq).await?;
        self.tell_timeline(teller, &reservation).await
    }

    pub(super) async fn vendor_acts_and_times_out(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(c) The vendor acts and then times out");
        let (reservation, room) = (self.reservation("C"), self.room(2)?);
        let seq = self.sim.journal_end().await?;
        self.sim.fault(&Order::always(ADD, "act_then_timeout").times(1)).await?;
        teller.says("The next code will be put into the lock, but the answer will never come.");
        let answer = self.api.write(&self.booking(&reservation, &room)).await?;
        teller.claims(answer.is_success(), &format!("the API accepts reservation {reservation}: {}", answer.summary()));
        self.phase(&reservation, "active").await?;
        teller.says("The stay is active.");
        self.sim.clear_faults().await?;
        self.claim_one_code_per_door(teller, &reservation, seq).await?;
        let timeline = self.api.timeline(&reservation).await?;
        let adopted = timeline.iter().find(|line| line.contains("was found in the lock"));
        teller.claims(
            adopted.is_some(),
            &format!("the timeline says: {}", adopted.map_or("nothing of it", String::as_str)),
        );
        Ok(())
    }

    pub(super) async fn room_move(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(d) A room move: the old key lives until the new one is proven");
        let (reservation, old, new) = (self.reservation("D"), self.room(3)?, self.room(4)?);
        self.api.write(&self.booking(&reservation, &old).wait(WAIT_S)).await?;
        let guest = self.guest(&reservation).await?;
        let pin = guest.pin.expose_secret();
        let new_lock = self.lock_of(&new).await?;
        let calls = self.sim.calls(ADD).await?;
        self.sim.fault(&Order::latency(ADD, Duration::from_millis(2_500)).at_lock(new_lock)).await?;
        teller.says(&format!("The guest of room {old} is moved to room {new}, whose lock is slow today."));
        let answer = self.api.write(&Call::verb(&reservation, "room-move", json!({ "room": new }))).await?;
        teller.claims(answer.status == 202, &format!("the API accepts it: {}", answer.summary()));
        self.until("the call to the new lock", async |hotel| Ok(hotel.sim.calls(ADD).await? > calls)).await?;
        let (there, here) = (self.sim.try_pin(new_lock, pin).await?, self.sim.try_pin(guest.room_lock, pin).await?);
        teller
            .claims(!there.opened && here.opened, &format!("room {new} does not open yet, and room {old} still does"));
        let phase = self.api.stay(&reservation).await?.phase;
        teller.claims(phase == "moving", &format!("the stay says so: {phase}"));
        self.phase(&reservation, "active").await?;
        self.sim.clear_faults().await?;
        teller.claims(self.sim.try_pin(new_lock, pin).await?.opened, &format!("the same PIN opens room {new}"));
        let closed = async |hotel: &Self| Ok(!hotel.sim.try_pin(guest.room_lock, pin).await?.opened);
        let closed = self.until("the old door", closed).await;
        teller.claims(closed.is_ok(), &format!("and room {old} no more"));
        Ok(())
    }

    pub(super) async fn two_clerks(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(e) Two clerks give out the same room at once");
        let (one, two, room) = (self.reservation("E1"), self.reservation("E2"), self.room(5)?);
        teller.says(&format!("Reservations {one} and {two} ask for room {room} in the same instant."));
        let (first, second) = (self.booking(&one, &room).wait(WAIT_S), self.booking(&two, &room).wait(WAIT_S));
        let (first, second) = tokio::join!(self.api.write(&first), self.api.write(&second));
        let answers = [(one, first?), (two, second?)];
        let won: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_success()).collect();
        let lost: Vec<_> =
            answers.iter().filter(|(_, answer)| answer.status == 409 && answer.code() == "room_taken").collect();
        teller.claims(won.len() == 1 && lost.len() == 1, "one has the room, the other is refused");
        for (reservation, answer) in &answers {
            teller.says(&format!("{reservation} was answered {}", answer.summary()));
        }
        for (_, answer) in &lost {
            teller.says(&format!("What can be done: {}", answer.body["remedy"].as_str().unwrap_or("-")));
        }
        for (reservation, _) in &won {
            self.phase(reservation, "active").await?;
        }
        let codes = self.sim.credentials().await?.iter().filter(|code| code.alias == door_of(&room)).count();
        teller.claims(codes == 1, &format!("the lock of room {room} holds {codes} code"));
        Ok(())
    }

    pub(super) async fn check_out_while_vendor_is_down(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(f) Check-out while the vendor is down");
        let (reservation, room) = (self.reservation("F"), self.room(6)?);
        self.api.write(&self.booking(&reservation, &room).wait(WAIT_S)).await?;
        let guest = self.guest(&reservation).await?;
        self.sim.fault(&Order::always("*", "down")).await?;
        teller.says(&format!("The vendor's cloud goes down; the guest of room {room} checks out."));
        let answer = self.api.write(&Call::verb(&reservation, "check-out", json!({})).wait(1)).await?;
        teller.claims(
            answer.status == 202,
            &format!("the API accepts it and says that it is not done: {}", answer.summary()),
        );
        let stay = self.phase(&reservation, "ending").await?;
        let until = stay.still_valid_until.map_or_else(|| "?".to_owned(), |until| until.to_string());
        let honest = stay.still_valid_until.is_some();
        teller.claims(honest, &format!("the stay says: {} Still valid until {until}.", stay.summary));
        let told = async |hotel: &Self| {
            Ok(hotel.api.timeline(&reservation).await?.into_iter().any(|line| line.contains("still valid until")))
        };
        let told = self.until("the timeline to tell it", told).await.is_ok();
        let timeline = self.api.timeline(&reservation).await?;
        let line = timeline.iter().rev().find(|line| line.contains("still valid until"));
        teller.claims(told, &format!("and its timeline: {}", line.map_or("nothing of it", String::as_str)));
        let tried = self.sim.try_pin(guest.room_lock, guest.pin.expose_secret()).await?;
        teller.claims(tried.opened, "which is true: the PIN still opens the door");
        self.sim.clear_faults().await?;
        teller.says("The vendor is back.");
        self.phase(&reservation, "ended").await?;
        let left = self.codes(&guest.names).await?;
        teller.claims(left == 0, &format!("the stay has ended, and {left} of its codes are left in any lock"));
        let tried = self.sim.try_pin(guest.room_lock, guest.pin.expose_secret()).await?;
        teller.claims(!tried.opened, &format!("the PIN opens nothing ({})", tried.reason));
        Ok(())
    }

    pub(super) async fn request_comes_twice(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(g) The PMS repeats a request");
        let (reservation, room) = (self.reservation("G"), self.room(7)?);
        let key = format!("demo-{reservation}");
        let call = self.booking(&reservation, &room).wait(WAIT_S).key(&key);
        let first = self.api.write(&call).await?;
        self.phase(&reservation, "active").await?;
        let seq = self.sim.journal_end().await?;
        teller.says(&format!(
            "Reservation {reservation} was answered {}; the answer got lost, so the PMS asks again.",
            first.summary()
        ));
        let second = self.api.write(&call).await?;
        let same = first.status == second.status
            && first.operation_id() == second.operation_id()
            && !first.operation_id().is_empty();
        teller.claims(same, &format!("the same answer ({}), the same operation", second.summary()));
        teller.claims(first.body == second.body, "word for word");
        let effects = self.sim.journal(seq).await?.len();
        teller.claims(effects == 0, &format!("{effects} new effects at the vendor"));
        let other = self.booking(&reservation, &self.room(6)?).key(&key);
        let refused = self.api.write(&other).await?;
        teller.claims(
            refused.status == 422,
            &format!("the same key with another request is refused: {}", refused.summary()),
        );
        Ok(())
    }

    /// Exactly one `add` for each of the stay's codes since `seq`, and each stands in its lock once.
    async fn claim_one_code_per_door(&self, teller: &mut Teller, reservation: &str, seq: u64) -> Result<()> {
        let stay = self.api.stay(reservation).await?;
        let names = names(&stay);
        let journal: Vec<JournalEntry> = self.sim.journal(seq).await?;
        let added = |name: &String| journal.iter().filter(|entry| entry.effect == "add" && &entry.name == name).count();
        let adds: Vec<usize> = names.iter().map(added).collect();
        let standing = self.codes(&names).await?;
        let exact = !names.is_empty() && adds.iter().all(|count| *count == 1) && standing == names.len();
        let doors = names.len();
        teller.claims(
            exact,
            &format!(
                "on each of {doors} doors exactly one code: the vendor added {adds:?}, {standing} stand in the locks"
            ),
        );
        Ok(())
    }

    async fn tell_timeline(&self, teller: &Teller, reservation: &str) -> Result<()> {
        teller.says("What the stay's timeline says of it:");
        for line in self.api.timeline(reservation).await? {
            teller.says(&format!("  {line}"));
        }
        Ok(())
    }

    pub(super) async fn guest(&self, reservation: &str) -> Result<Guest> {
        let stay = self.phase(reservation, "active").await?;
        let key = stay.keys.first().with_context(|| format!("{reservation} has no key"))?;
        let pin = self.api.reveal(reservation, &key.id).await?;
        let names = names(&stay);
        let codes = self.sim.credentials().await?;
        let own: Vec<_> = codes.iter().filter(|code| names.contains(&code.name)).collect();
        let room_lock = own.iter().find(|code| code.alias == door_of(&stay.room.number)).map(|code| code.lock_id);
        let room_lock = room_lock.with_context(|| format!("no lock holds the code of {reservation} for its room"))?;
        let mut locks: Vec<i64> = own.iter().map(|code| code.lock_id).collect();
        locks.sort_by_key(|lock| *lock != room_lock);
        Ok(Guest { pin, room_lock, locks, names })
    }

    async fn first_key(&self, reservation: &str) -> Result<String> {
        let stay = self.api.stay(reservation).await?;
        stay.keys.first().map(|key| key.id.clone()).with_context(|| format!("{reservation} has no key"))
    }

    async fn codes(&self, names: &[String]) -> Result<usize> {
        Ok(self.sim.credentials().await?.iter().filter(|code| names.contains(&code.name) && code.in_lock).count())
    }

    pub(super) async fn lock_of(&self, room: &str) -> Result<i64> {
        let lock = self.sim.locks().await?.into_iter().find(|lock| lock.alias == door_of(room));
        lock.map(|lock| lock.lock_id).with_context(|| format!("the simulator has no lock for room {room}"))
    }

    /// Waits until the stay is in a phase.
    pub(super) async fn phase(&self, reservation: &str, phase: &str) -> Result<Stay> {
        let what = format!("{reservation} to be {phase}");
        self.until(&what, async |hotel| Ok(hotel.api.stay(reservation).await?.phase == phase)).await?;
        self.api.stay(reservation).await
    }

    pub(super) async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> Result<bool>) -> Result<()> {
        let started = std::time::Instant::now();
        while !holds(self).await? {
            if started.elapsed() > LIMIT || stop::requested() {
                bail!("waited {:.0} s for {what}", started.elapsed().as_secs_f64());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    pub(super) fn booking(&self, reservation: &str, room: &str) -> Call {
        let now = Timestamp::now();
        let until = now + 48.hours();
        let body: Value = json!({
            "reservation": reservation, "room": room, "guests": 2,
            "from": now.to_string(), "until": until.to_string(),
        });
        Call::new_stay(body)
    }

    /// A demo can be played again on the same stack.
    pub(super) fn reservation(&self, scene: &str) -> String {
        format!("DEMO-{scene}-{}", self.run)
    }

    pub(super) fn room(&self, index: usize) -> Result<String> {
        self.rooms.get(index).cloned().context("too few rooms")
    }
}

fn names(stay: &Stay) -> Vec<String> {
    let wanted = stay.keys.iter().filter(|key| key.wish != "unwanted");
    wanted.flat_map(|key| key.credentials.iter().map(crate::sandbox::Credential::vendor_name)).collect()
}

/// Another PIN of the same length.
fn wrong_pin(pin: &SecretString) -> String {
    let other = |digit: char| if digit == '9' { '0' } else { char::from(digit as u8 + 1) };
    pin.expose_secret().chars().map(other).collect()
}
