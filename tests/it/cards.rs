//! Stays whose keys are cards, at each vendor that has them: written while somebody puts a card on the encoder, tried at the doors.

use crate::harness::{
    SetUp, Site,
    faults::{self, Mode},
    invariants, until,
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lock_sim::{
    salto_space::{self, DEFAULT_SHIP_KEY, Human, SpaceAddrs, SpaceHandle, SpaceServer, Verdict},
    visionline::{self, Placed},
};
use serde_json::{Value, json};
use std::time::Duration;

/// A vendor's server, and what lies on its encoder.
pub enum Server {
    Visionline(visionline::SimHandle),
    Space(SpaceHandle),
}

pub struct Desk {
    pub site: Site,
    pub server: Server,
    vendor: &'static str,
}

const VENDORS: [&str; 3] = ["visionline", "salto_ship", "salto_pms"];

impl Desk {
    pub async fn open(vendor: &'static str) -> Self {
        Self::with_common(vendor, &[]).await
    }

    /// Some of the doors belong to no room.
    async fn with_common(vendor: &'static str, common: &[&str]) -> Self {
        let rooms = ["101", "102", "103"].into_iter().filter(|door| !common.contains(door));
        let rooms = rooms.map(|room| (room.to_owned(), room.to_owned())).collect();
        let common = common.iter().map(|door| (*door).to_owned()).collect();
        let (server, config, secrets) = if vendor == "visionline" {
            let server = visionline::SimServer::start(([127, 0, 0, 1], 0).into()).await.unwrap();
            server.sim().seed(3, 1);
            let config = json!({
                "base_url": server.base_url(), "certificate_sha256": server.sim().fingerprints().certificate,
                "username": visionline::DEFAULT_USERNAME, "time_zone": visionline::TIME_ZONE,
            });
            (Server::Visionline(server), config, json!({ "password": visionline::DEFAULT_PASSWORD }))
        } else {
            let server = SpaceServer::start(SpaceAddrs::default()).await.unwrap();
            server.sim().seed(3);
            let addrs = server.addrs();
            let (config, secrets) = match vendor {
                "salto_ship" => (
                    json!({ "url": format!("http://{}", addrs.http), "time_zone": "Europe/Lisbon", "card_wait_s": 1 }),
                    json!({ "ship_key": DEFAULT_SHIP_KEY }),
                ),
                _ => (
                    json!({ "address": addrs.pms.to_string(), "time_zone": "Europe/Lisbon", "card_wait_s": 1 }),
                    json!({}),
                ),
            };
            (Server::Space(server), config, secrets)
        };
        let site = Site::open(SetUp { vendor, config, secrets, rooms, common }).await;
        Self { site, server, vendor }
    }

    fn encoder(&self) -> &'static str {
        if self.vendor == "visionline" { "Encoder1" } else { "Encoder#1" }
    }

    /// Takes the card that was written last off the encoder.
    fn take(&self) -> u64 {
        match &self.server {
            Server::Visionline(server) => server.sim().cards().iter().map(|card| card.id).max().expect("a card"),
            Server::Space(server) => server.sim().take(self.encoder()).expect("a card on the encoder"),
        }
    }

    /// Somebody puts blank cards on the encoder, or nobody does.
    pub fn attended(&self, yes: bool) {
        match &self.server {
            Server::Visionline(server) => {
                let placed = if yes { Placed::Blanks } else { Placed::Nothing };
                assert!(server.sim().place(self.encoder(), placed));
            }
            Server::Space(server) => {
                let human = if yes { Human::Helpful { after_ms: 0 } } else { Human::Absent };
                assert!(server.sim().set_human(self.encoder(), human));
            }
        }
    }

    /// Holds a card to a door, which learns from it.
    fn opens(&self, door: &str, card: u64) -> bool {
        match &self.server {
            Server::Visionline(server) => server.sim().hold(door, card).unwrap().opened,
            Server::Space(server) => server.sim().try_card(door, card) == Verdict::Opened,
        }
    }

    /// What the server takes for valid keys; on the PMS wire, rooms that somebody is checked in to.
    pub fn standing(&self) -> usize {
        match &self.server {
            Server::Visionline(server) => server.sim().cards().iter().filter(|card| card.live).count(),
            Server::Space(server) if self.vendor == "salto_ship" => server.sim().users().len(),
            Server::Space(server) => {
                let sim = server.sim();
                let rooms = ["101", "102", "103"].map(|room| sim.door(room).unwrap().occupied == Some(true));
                rooms.iter().filter(|occupied| **occupied).count()
            }
        }
    }

    /// The next so many calls of a verb act, and their answers get lost.
    fn lose(&self, verb: &str) {
        match &self.server {
            Server::Visionline(server) => {
                let fault = visionline::FaultOrder::times(verb, visionline::FaultKind::ActThenDrop, 1);
                server.sim().add_fault(fault);
            }
            Server::Space(server) => {
                let fault = salto_space::FaultOrder::times(verb, salto_space::FaultKind::ActThenDrop, 1);
                server.sim().add_fault(fault);
            }
        }
    }

    fn guest(&self, reservation: &str, room: &str) -> Value {
        let now = Timestamp::now();
        let until = now + SignedDuration::from_hours(20);
        json!({
            "reservation": reservation, "room": room, "from": now.to_string(), "until": until.to_string(),
            "kind": "card", "encoder": self.encoder(),
        })
    }

    pub async fn check_in(&self, reservation: &str, room: &str) -> Value {
        let stay = self.site.pms.post("stays?wait=20", self.guest(reservation, room)).await.expect(201).body;
        assert_eq!(stay["phase"], "active", "{}: {stay:#}", self.vendor);
        stay
    }
}

async fn a_whole_stay(vendor: &'static str) {
    let desk = Desk::open(vendor).await;
    let pms = &desk.site.pms;
    let stay = desk.check_in("R1", "101").await;
    assert_eq!((&stay["keys"][0]["kind"], &stay["keys"][0]["pin_ready"]), (&json!("card"), &json!(false)), "{stay:#}");
    let first = desk.take();
    assert!(desk.opens("101", first) && !desk.opens("102", first), "{vendor}");

    // Other dates need another card: what stands on one can't be changed from afar.
    let later = (Timestamp::now() + SignedDuration::from_hours(40)).to_string();
    let refused = pms.post("stays/R1/modify-stay", json!({ "until": later })).await.problem(422, "invalid_field");
    assert_eq!(refused.body["field"], "encoder");
    let longer = json!({ "until": later, "encoder": desk.encoder() });
    let stay = pms.verb("R1", "modify-stay", longer).await.ok().body;
    assert_eq!(stay["phase"], "active", "{stay:#}");
    let second = desk.take();
    assert!(first != second && desk.opens("101", second), "{vendor}");
    pms.ended(&stay["operation"]).await;
    assert_eq!(desk.standing(), 1, "{vendor}");

    // The old room opens until the new card is written.
    desk.attended(false);
    let to = json!({ "room": "102", "encoder": desk.encoder() });
    let moving = pms.post("stays/R1/room-move", to).await.expect(202).body;
    pms.phase("R1", "moving").await;
    assert!(desk.opens("101", second), "{vendor}");
    desk.attended(true);
    assert_eq!(pms.ended(&moving["operation"]).await, "done");
    pms.phase("R1", "active").await;
    let third = desk.take();
    assert!(desk.opens("102", third), "{vendor}");
    until("only the new card stands", Duration::from_secs(30), || async {
        if desk.standing() == 1 { Ok(()) } else { Err(desk.standing()) }
    })
    .await;

    let out = pms.verb("R1", "check-out", json!({})).await.ok().body;
    assert_eq!((out["phase"].as_str(), desk.standing()), (Some("ended"), 0), "{vendor}: {out:#}");
    assert!(out["still_valid_until"].is_string(), "an offline lock hears of it from the next card: {out:#}");
    // The next guests' cards tell the locks.
    for (reservation, room, before) in [("R2", "101", second), ("R3", "102", third)] {
        desk.check_in(reservation, room).await;
        let card = desk.take();
        assert!(desk.opens(room, card) && !desk.opens(room, before), "{vendor} {room}");
    }
    assert!(!desk.opens("101", first), "{vendor}");
}

#[tokio::test]
async fn r_lock_13_a_stay_runs_on_visionline_from_check_in_to_check_out() {
    a_whole_stay("visionline").await;
}

#[tokio::test]
async fn r_lock_13_a_stay_runs_on_salto_ship_from_check_in_to_check_out() {
    a_whole_stay("salto_ship").await;
}

#[tokio::test]
async fn r_lock_13_a_stay_runs_on_salto_pms_from_check_in_to_check_out() {
    a_whole_stay("salto_pms").await;
}

#[tokio::test]
async fn a_second_card_joins_the_first_and_both_go_together() {
    for vendor in VENDORS {
        let desk = Desk::open(vendor).await;
        desk.check_in("R1", "101").await;
        let first = desk.take();
        let more = json!({ "kind": "card", "encoder": desk.encoder() });
        let stay = desk.site.pms.verb("R1", "duplicate", more).await.ok().body;
        assert_eq!(stay["phase"], "active", "{vendor}: {stay:#}");
        let second = desk.take();
        assert!(desk.opens("101", second) && desk.opens("101", first), "{vendor}: neither ends the other");
        let out = desk.site.pms.verb("R1", "check-out", json!({})).await.ok().body;
        assert_eq!((out["phase"].as_str(), desk.standing()), (Some("ended"), 0), "{vendor}: {out:#}");
    }
}

#[tokio::test]
async fn however_many_cards_a_stay_has_its_check_out_takes_them_at_once() {
    let desk = Desk::with_common("salto_pms", &["102"]).await;
    let mut body = desk.guest("R1", "101");
    body["keys"] = json!(5);
    desk.site.pms.post("stays", body).await.expect(202);
    desk.site.pms.phase("R1", "active").await;
    desk.site.pms.verb("R1", "check-out", json!({})).await.ok();
    desk.site.pms.phase("R1", "ended").await;
    assert_eq!(desk.standing(), 0);
    let sql = "SELECT count(*) FROM key_credential_attempts WHERE tenant_id = $1 AND outcome = 'refused'";
    let mut db = invariants::owner().await;
    let refused: i64 = sqlx::query_scalar(sql).bind(desk.site.tenant.as_uuid()).fetch_one(&mut db).await.unwrap();
    assert_eq!(refused, 0, "nothing of the stay was left to stand beside");
}

#[tokio::test]
async fn a_lost_card_is_ended_by_its_successor() {
    for vendor in VENDORS {
        let desk = Desk::open(vendor).await;
        let stay = desk.check_in("R1", "101").await;
        let lost = desk.take();
        let anew = json!({ "key": stay["keys"][0]["id"], "encoder": desk.encoder() });
        let done = desk.site.pms.verb("R1", "reissue", anew).await.ok().body;
        desk.site.pms.ended(&done["operation"]).await;
        let found = desk.take();
        assert!(desk.opens("101", found), "{vendor}");
        if vendor != "salto_ship" {
            assert!(!desk.opens("101", lost), "{vendor}: the lock has seen the new card");
        }
        assert_eq!(desk.standing(), 1, "{vendor}");
        desk.site.pms.verb("R1", "check-out", json!({})).await.ok();
        assert_eq!(desk.standing(), 0, "{vendor}");
    }
}

#[tokio::test]
async fn one_of_two_cards_of_a_room_can_t_be_taken_away_where_a_check_out_would_take_both() {
    for vendor in ["visionline", "salto_pms"] {
        let desk = Desk::open(vendor).await;
        let stay = desk.check_in("R1", "101").await;
        let first = desk.take();
        let more = json!({ "encoder": desk.encoder() });
        desk.site.pms.verb("R1", "duplicate", more).await.ok();
        let second = desk.take();
        let one = json!({ "key": stay["keys"][0]["id"] });
        desk.site.pms.post("stays/R1/remove", one).await.ok();
        let told = until("the stay says so", Duration::from_secs(30), || async {
            let stay = desk.site.pms.stay("R1").await;
            if stay["attention"]["code"] == "vendor_refused" { Ok(stay) } else { Err(stay.to_string()) }
        })
        .await;
        assert!(told["still_valid_until"].is_string(), "{vendor}: {told:#}");
        assert!(desk.opens("101", first) && desk.opens("101", second), "{vendor}: and it is true");
        desk.site.pms.verb("R1", "check-out", json!({})).await.ok();
        assert_eq!(desk.standing(), 0, "{vendor}");
    }
}

#[tokio::test]
async fn r_lock_13_lost_answers_leave_one_card_and_lose_no_check_out() {
    let cases = [
        ("visionline", "cards/encode"),
        ("visionline", "doors/checkOut"),
        ("salto_ship", "SaltoDBUser.Insert"),
        ("salto_ship", "Encoder.SaltoDBUser.AssignNewKey"),
        ("salto_ship", "SaltoDBUser.Delete"),
        ("salto_pms", "CN"),
        ("salto_pms", "CO"),
    ];
    for (vendor, verb) in cases {
        let desk = Desk::open(vendor).await;
        desk.lose(verb);
        desk.site.pms.post("stays", desk.guest("R1", "101")).await.expect(202);
        desk.site.pms.phase("R1", "active").await;
        let card = desk.take();
        assert!(desk.opens("101", card) && desk.standing() == 1, "{vendor} {verb}");
        desk.site.pms.post("stays/R1/check-out", json!({})).await.ok();
        desk.site.pms.phase("R1", "ended").await;
        assert_eq!(desk.standing(), 0, "{vendor} {verb}");
    }
}

/// Check-in, move and check-out, with each effect in turn refused, repeated and lost with its worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_13_every_effect_on_cards_may_fail_repeat_or_crash() {
    let modes = |vendor| (1..=8).flat_map(move |nth| Mode::ALL.map(|mode| (vendor, nth, mode)));
    stream::iter(VENDORS.into_iter().flat_map(modes))
        .for_each_concurrent(10, |(vendor, nth, mode)| async move {
            let desk = Desk::open(vendor).await;
            faults::plan(desk.site.tenant, nth, mode);
            let pms = &desk.site.pms;
            pms.post("stays", desk.guest("R1", "101")).await.expect(202);
            pms.phase("R1", "active").await;
            let old = desk.take();
            let to = json!({ "room": "102", "encoder": desk.encoder() });
            let moving = pms.post("stays/R1/room-move", to).await.ok().body;
            assert_eq!(pms.ended(&moving["operation"]).await, "done", "{vendor} {nth} {mode:?}");
            let new = desk.take();
            assert!(old != new && desk.opens("102", new), "{vendor} {nth} {mode:?}");
            until("the old card is gone", Duration::from_secs(60), || async {
                if desk.standing() == 1 { Ok(()) } else { Err((vendor, nth, mode, desk.standing())) }
            })
            .await;
            pms.post("stays/R1/check-out", json!({})).await.ok();
            pms.phase("R1", "ended").await;
            assert_eq!(desk.standing(), 0, "{vendor} {nth} {mode:?}");
            invariants::log_of(&desk.site).await;
            let (seen, hit) = faults::seen(desk.site.tenant);
            let local = mode == Mode::Crash && seen.get(nth - 1).is_some_and(|name| name != "perform");
            assert!(hit || local, "{vendor} {nth} {mode:?}: {seen:?}");
        })
        .await;
}

#[tokio::test]
async fn several_cards_are_written_one_after_another_and_the_first_is_the_new_guests() {
    let desk = Desk::open("visionline").await;
    let Server::Visionline(server) = &desk.server else { unreachable!() };
    // Whoever stands there takes his time, so that the second card is left to the next try.
    let slow = visionline::FaultKind::Latency { ms: 5_500 };
    server.sim().add_fault(visionline::FaultOrder::times("cards/encode", slow, 2));
    let mut body = desk.guest("R1", "101");
    body["keys"] = json!(2);
    desk.site.pms.post("stays", body).await.expect(202);
    desk.site.pms.phase("R1", "active").await;
    let joined: Vec<bool> = server.sim().journal(0).iter().map(|entry| entry.joined).collect();
    assert_eq!(joined, [false, true]);
    assert_eq!(server.sim().stats().encoder_collisions, 0, "nobody is asked for two cards at once");
    assert!(server.sim().cards().iter().all(|card| card.live && card.opens));
}

#[tokio::test]
async fn where_nobody_can_ask_the_attempt_says_that_the_answer_is_the_proof() {
    for (vendor, proof) in [("salto_pms", Some("vendor_answer")), ("visionline", None)] {
        let desk = Desk::open(vendor).await;
        desk.check_in("R1", "101").await;
        let sql = "SELECT detail ->> 'proof' FROM key_credential_attempts WHERE tenant_id = $1 AND phase = 'outcome'";
        let mut db = invariants::owner().await;
        let tenant = desk.site.tenant.as_uuid();
        let found: Vec<Option<String>> = sqlx::query_scalar(sql).bind(tenant).fetch_all(&mut db).await.unwrap();
        assert_eq!(found, [proof.map(str::to_owned)], "{vendor}");
    }
}

#[tokio::test]
async fn a_card_that_nobody_puts_there_is_waited_for() {
    let desk = Desk::open("visionline").await;
    let Server::Visionline(server) = &desk.server else { unreachable!() };
    server.sim().patch_policy(&visionline::PolicyPatch { card_wait_ms: Some(200), ..Default::default() });
    desk.attended(false);
    desk.site.pms.post("stays", desk.guest("R1", "101")).await.expect(202);
    until("the stay says what it waits for", Duration::from_secs(30), || async {
        let stay = desk.site.pms.stay("R1").await;
        let code = &stay["keys"][0]["credentials"][0]["code"];
        if code == "card_needed" { Ok(()) } else { Err(stay.to_string()) }
    })
    .await;
    desk.attended(true);
    desk.site.pms.phase("R1", "active").await;
    assert_eq!(desk.standing(), 1);
}

#[tokio::test]
async fn what_a_vendor_has_no_key_for_is_refused_when_it_is_asked() {
    let desk = Desk::open("visionline").await;
    let ask = async |more: Value| {
        let mut body = desk.guest("N1", "101");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.site.pms.post("stays", body).await
    };
    let refused = ask(json!({ "kind": "pin", "encoder": null })).await.problem(422, "capability_missing");
    assert!(
        refused.body["field"] == "kind" && refused.body["detail"].as_str().unwrap().contains("card"),
        "{refused:?}"
    );
    assert_eq!(ask(json!({ "pin": "482913" })).await.problem(422, "capability_missing").body["field"], "pin");
    assert_eq!(ask(json!({ "encoder": null })).await.problem(422, "invalid_field").body["field"], "encoder");
    let config =
        json!({ "base_address": "https://guest.example", "username": "u", "user_pool_id": "p", "client_id": "c" });
    let rooms = vec![("101".to_owned(), "101".to_owned())];
    let set_up = SetUp { vendor: "vostio", config, secrets: json!({ "password": "p" }), rooms, common: vec![] };
    let site = Site::open(set_up).await;
    site.pms.post("stays", desk.guest("N1", "101")).await.problem(422, "wire_not_public");
}
