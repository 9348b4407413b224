//! Inventories from outside: what stands at locks, ours and others', what is missing, what should be gone, and locks that nobody can read.

use crate::harness::{
    Client, Hotel, api,
    faults::{self, Mode},
    histories::walked,
    invariants,
    temporal::StayRun,
    until,
};
use crate::salto_ks::House;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_domain::{
    ids::{ApiKeyId, InventoryId, TenantId},
    inventory::InventoryRef,
    policy::StayPolicy,
};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use lock_store::InventoryScope;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(60);

/// Makes everything that was done so far an hour old: what has just changed is not judged.
async fn an_hour_passes(tenant: TenantId) {
    let sql = "UPDATE credentials SET updated_at = updated_at - interval '1 hour' WHERE tenant_id = $1";
    sqlx::query(sql).bind(tenant.as_uuid()).execute(&mut invariants::owner().await).await.unwrap();
}

/// Asks for an inventory and returns it once it is over.
async fn taken(pms: &Client, body: Value) -> Value {
    let asked = pms.post("inventories", body).await.expect(202).body;
    over(pms, asked["id"].as_str().unwrap()).await
}

async fn over(pms: &Client, id: &str) -> Value {
    until("the inventory is over", LIMIT, || async {
        let inventory = pms.get(&format!("inventories/{id}")).await.expect(200).body;
        if matches!(inventory["state"].as_str().unwrap(), "done" | "cancelled") {
            Ok(inventory)
        } else {
            Err(inventory)
        }
    })
    .await
}

async fn locks(pms: &Client, inventory: &Value, query: &str) -> Vec<Value> {
    let path = format!("inventories/{}/locks?{query}", inventory["id"].as_str().unwrap());
    pms.get(&path).await.expect(200).body["locks"].as_array().unwrap().clone()
}

/// What is said of the credentials at a lock.
fn verdicts(lock: &Value) -> Vec<&str> {
    lock["credentials"].as_array().unwrap().iter().map(|entry| entry["verdict"].as_str().unwrap()).collect()
}

fn named<'a>(locks: &'a [Value], door: &str) -> &'a Value {
    locks.iter().find(|lock| lock["door_name"] == door).unwrap_or_else(|| panic!("{door}: {locks:#?}"))
}

impl Hotel {
    /// A call at the vendor that we know nothing of.
    async fn at_the_vendor(&self, verb: &str, form: &[(&str, String)]) -> Value {
        let (http, base) = (reqwest::Client::new(), self.sim.base_url());
        let login = [
            ("clientId", lock_sim::ttlock::DEFAULT_CLIENT_ID),
            ("clientSecret", lock_sim::ttlock::DEFAULT_CLIENT_SECRET),
            ("username", lock_sim::ttlock::DEFAULT_USERNAME),
            ("password", lock_sim::ttlock::DEFAULT_PASSWORD_MD5),
        ];
        let token: Value =
            http.post(format!("{base}/oauth2/token")).form(&login).send().await.unwrap().json().await.unwrap();
        let mut all = vec![
            ("clientId", lock_sim::ttlock::DEFAULT_CLIENT_ID.to_owned()),
            ("accessToken", token["access_token"].as_str().unwrap().to_owned()),
            ("date", Timestamp::now().as_millisecond().to_string()),
        ];
        all.extend_from_slice(form);
        let answer: Value =
            http.post(format!("{base}/v3/{verb}")).form(&all).send().await.unwrap().json().await.unwrap();
        assert!(answer["errcode"].as_i64().is_none_or(|code| code == 0), "{verb}: {answer}");
        answer
    }

    /// Somebody puts a code into a lock in the vendor's app: for so many hours, or without end.
    async fn code_by_hand(&self, room: &str, name: &str, pin: &str, hours: Option<i64>) -> String {
        let now = Timestamp::now();
        let mut form = vec![
            ("lockId", self.lock(room).to_string()),
            ("keyboardPwd", pin.to_owned()),
            ("keyboardPwdName", name.to_owned()),
            ("keyboardPwdType", if hours.is_some() { "3" } else { "2" }.to_owned()),
            ("addType", "2".to_owned()),
        ];
        if let Some(hours) = hours {
            let until = now + SignedDuration::from_hours(hours);
            form.push(("startDate", now.as_millisecond().to_string()));
            form.push(("endDate", until.as_millisecond().to_string()));
        }
        self.at_the_vendor("keyboardPwd/add", &form).await["keyboardPwdId"].to_string()
    }

    /// Somebody gives a code of ours another end in the vendor's app.
    async fn longer_by_hand(&self, room: &str) {
        let lock = self.lock(room);
        let code = self.codes().into_iter().find(|code| code.lock_id == lock).expect("a code");
        let form = [
            ("lockId", lock.to_string()),
            ("keyboardPwdId", code.id.to_string()),
            ("startDate", code.from.to_string()),
            ("endDate", (code.until + 30 * 86_400_000).to_string()),
            ("changeType", "2".to_owned()),
        ];
        self.at_the_vendor("keyboardPwd/change", &form).await;
    }

    /// An inventory's workflow.
    pub async fn inventory_run(&self, id: &Value) -> StayRun {
        let inventory: InventoryId = id.as_str().unwrap().parse().unwrap();
        let id = InventoryRef { tenant: self.tenant, property: self.property, inventory };
        StayRun::of_workflow(self, id.workflow_id()).await
    }

    /// An inventory that is over, of a vendor that the hotel does not have.
    pub async fn inventory_of_nothing(&self) -> String {
        let (id, now) = (InventoryId::from_uuid(Uuid::now_v7()), Timestamp::now());
        let scope = InventoryScope { vendor: Some("nobody".to_owned()), ..InventoryScope::default() };
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        let by = ApiKeyId::from_uuid(Uuid::new_v4());
        tx.accept_inventory(id, self.property, &scope, by, now).await.unwrap();
        assert!(tx.end_inventory(id, None, now).await.unwrap());
        tx.commit().await.unwrap();
        id.to_string()
    }

    async fn inventories_told(&self) -> Vec<Value> {
        let page = self.pms.get("/v1/events?limit=500").await.expect(200).body;
        let events = page["events"].as_array().unwrap().iter();
        events.filter(|event| event["type"] == "inventory.finished.v1").map(|event| event["data"].clone()).collect()
    }
}

async fn with_rooms(rooms: usize) -> Hotel {
    Hotel::with(rooms, StayPolicy { retry_cap_s: 1, ..StayPolicy::default() }).await
}

#[tokio::test]
async fn an_inventory_tells_ours_from_others_missing_ones_and_ghosts() {
    let hotel = with_rooms(6).await;
    let pms = &hotel.pms;
    let _ks = hotel.standby(&["101"], 5).await;
    hotel.door_of_another_vendor("901", "salto_pms").await;
    for (reservation, room) in [("R1", "101"), ("R2", "102"), ("R3", "103"), ("R4", "104")] {
        pms.check_in(reservation, room, 30).await.expect(201);
    }
    let gone = pms.stay("R3").await;
    let gone = gone["keys"][0]["credentials"][0]["id"].as_str().unwrap().to_owned();
    let pin = pms.reveal("R3").await;
    pms.verb("R3", "check-out", json!({})).await.ok();
    // Somebody has an old code back in, takes one away, makes one longer, and has one of his own.
    hotel.code_by_hand("103", &gone.replace("cred_", "lis-"), &pin, Some(20)).await;
    hotel.remove_code_behind_our_back("102").await;
    hotel.longer_by_hand("104").await;
    let anna = hotel.code_by_hand("101", "Anna Guest", "740391", None).await;
    let refused = FaultOrder::always("lock/listKeyboardPwd", FaultKind::Errcode { n: -3036 });
    hotel.sim.sim().add_fault(FaultOrder { lock: Some(hotel.lock("105")), ..refused });
    an_hour_passes(hotel.tenant).await;

    let asked = pms.post_as("inventories", "k1", json!({})).await.expect(202).body;
    let repeated = pms.post_as("inventories", "k1", json!({})).await.expect(202);
    assert_eq!((repeated.header("idempotency-replayed"), &repeated.body["id"]), (Some("true"), &asked["id"]));
    assert_eq!(asked["locks"]["all"], 8, "{asked:#}");
    let run = hotel.inventory_run(&asked["id"]).await;
    run.skip(Duration::from_secs(120)).await;
    let done = over(pms, asked["id"].as_str().unwrap()).await;
    assert_eq!(
        done["locks"],
        json!({ "all": 8, "waiting": 0, "read": 6, "not_read": 1, "cannot_list": 1 }),
        "{done:#}"
    );
    assert_eq!(
        done["found"],
        json!({
            "as_recorded": 1, "changed": 1, "under_way": 0, "expired": 0, "ghost": 1, "duplicate": 0, "missing": 1, "spent": 0, "unknown": 1
        })
    );
    assert_eq!(done["findings"], 4);
    let vendors: Vec<_> = done["vendors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["vendor"].as_str().unwrap(), v["can_list"].as_bool().unwrap()))
        .collect();
    assert_eq!(vendors, [("salto_ks", true), ("salto_pms", false), ("ttlock", true)]);

    let all = locks(pms, &done, "limit=500").await;
    let mine = named(&all, "Room 101");
    assert_eq!(verdicts(mine), ["unknown", "as_recorded"], "{mine:#}");
    let (other, ours) = (&mine["credentials"][0], &mine["credentials"][1]);
    assert_eq!((&other["vendor_id"], &other["kind"], &other["opens"]), (&json!(anna), &json!("pin"), &json!(true)));
    assert_eq!((&other["ours"], &other["window"], &other["stay"]), (&json!(false), &Value::Null, &Value::Null));
    assert_eq!((&ours["ours"], &ours["reservation"], &ours["state"]), (&json!(true), &json!("R1"), &json!("live")));
    assert_eq!(ours["key"], pms.stay("R1").await["keys"][0]["id"]);
    assert_eq!(verdicts(named(&all, "Room 102")), ["missing"]);
    let ghost = named(&all, "Room 103");
    assert_eq!((verdicts(ghost), &ghost["credentials"][0]["reservation"]), (vec!["ghost"], &json!("R3")));
    assert_eq!(ghost["credentials"][0]["credential"], gone.as_str());
    assert_eq!(verdicts(named(&all, "Room 104")), ["changed"]);
    let off = named(&all, "Room 105");
    assert_eq!((off["state"].as_str(), off["code"].as_str()), (Some("not_read"), Some("lock_offline")), "{off:#}");
    let dumb = named(&all, "Room 901");
    assert_eq!((dumb["state"].as_str(), verdicts(dumb).len()), (Some("cannot_list"), 0));
    assert!(dumb["summary"].as_str().unwrap().contains("This wire cannot list"), "{dumb:#}");
    assert_eq!(named(&all, "Room 106")["summary"], "Nothing stands here.");

    // By pages, and only what somebody should look at.
    let first = pms.get(&format!("inventories/{}/locks?findings=true&limit=2", done["id"].as_str().unwrap())).await;
    let first = first.expect(200).body;
    let next = locks(pms, &done, &format!("findings=true&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((first["locks"].as_array().unwrap().len(), next.len()), (2, 4), "{next:#?}");

    // It is told once, and no name and no digits are left anywhere that it wrote.
    let told = hotel.inventories_told().await;
    assert_eq!((told.len(), &told[0]["found"]["ghost"], &told[0]["not_read"]), (1, &json!(1), &json!(2)), "{told:#?}");
    let sql = "SELECT string_agg(to_jsonb(l)::text, '') FROM inventory_locks l WHERE tenant_id = $1";
    let kept: String =
        sqlx::query_scalar(sql).bind(hotel.tenant.as_uuid()).fetch_one(&mut invariants::owner().await).await.unwrap();
    let shown = format!("{all:?} {done} {kept} {:?}", run.histories().await);
    for secret in ["Anna", "740391", pin.as_str()] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_is_under_way_is_no_finding() {
    let hotel = with_rooms(2).await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    hotel.remove_code_behind_our_back("101").await;
    let room = json!({ "room": "101" });
    let fresh = taken(&hotel.pms, room.clone()).await;
    assert_eq!((&fresh["found"]["under_way"], &fresh["findings"]), (&json!(1), &json!(0)), "{fresh:#}");
    an_hour_passes(hotel.tenant).await;
    let later = taken(&hotel.pms, room).await;
    assert_eq!((&later["found"]["missing"], &later["locks"]["all"]), (&json!(1), &json!(1)), "{later:#}");
    let latest = hotel.pms.get("inventories?limit=1").await.expect(200).body;
    assert_eq!(latest["inventories"][0]["id"], later["id"]);
    let before = hotel.pms.get(&format!("inventories?cursor={}", latest["next_cursor"].as_str().unwrap())).await;
    assert_eq!(before.expect(200).body["inventories"][0]["id"], fresh["id"]);
    // `read` puts it back, as the entry says.
    hotel.pms.verb("R1", "read", json!({})).await.ok();
    an_hour_passes(hotel.tenant).await;
    let door = locks(&hotel.pms, &later, "").await[0]["door"].clone();
    let after = taken(&hotel.pms, json!({ "door": door })).await;
    assert_eq!((&after["found"]["as_recorded"], &after["findings"]), (&json!(1), &json!(0)), "{after:#}");
}

#[tokio::test]
async fn salto_ks_tells_whom_people_let_in_by_groups_of_their_own() {
    let house = House::open().await;
    let pms = &house.site.pms;
    pms.check_in("R1", "101", 20).await.expect(201);
    let (_, lock) = &house.locks[0];
    let cleaner = house.server.sim().let_in(lock, "Anna from housekeeping", "482913").unwrap();
    an_hour_passes(house.site.tenant).await;
    let done = taken(pms, json!({ "vendor": "salto_ks" })).await;
    assert_eq!((&done["found"]["unknown"], &done["found"]["as_recorded"]), (&json!(1), &json!(2)), "{done:#}");
    let all = locks(pms, &done, "").await;
    let room = named(&all, "Room 101");
    assert_eq!(verdicts(room), ["unknown", "as_recorded"], "{room:#}");
    assert_eq!((&room["credentials"][0]["vendor_id"], room.to_string().contains("Anna")), (&json!(cleaner), false));
    house.server.sim().forget_guests();
    let done = taken(pms, json!({ "room": "101" })).await;
    assert_eq!((&done["found"]["missing"], &done["found"]["unknown"]), (&json!(1), &json!(1)), "{done:#}");
}

#[tokio::test]
async fn a_vendor_that_is_down_ends_it_with_reasons() {
    let hotel = with_rooms(6).await;
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
    let done = taken(&hotel.pms, json!({})).await;
    assert_eq!((&done["state"], &done["locks"]["not_read"]), (&json!("done"), &json!(6)), "{done:#}");
    let all = locks(&hotel.pms, &done, "").await;
    let codes: Vec<_> = all.iter().map(|lock| lock["code"].as_str().unwrap_or_default()).collect();
    assert!(codes.iter().all(|code| ["vendor_unreachable", "vendor_circuit_open"].contains(code)), "{codes:?}");
    let asked = hotel.sim.sim().stats().calls.values().sum::<u64>();
    assert!(asked < 60, "a vendor that is down is not asked for each lock: {asked}");
    // One that an operator holds back is not asked at all.
    hotel.sim.sim().clear_faults();
    hotel.force("open").await;
    // What a worker knows of breakers may be a second old.
    until("nothing is asked any more", LIMIT, || async {
        let before = hotel.sim.sim().stats().calls.get("lock/listKeyboardPwd").copied();
        let done = taken(&hotel.pms, json!({ "room": "101" })).await;
        let after = hotel.sim.sim().stats().calls.get("lock/listKeyboardPwd").copied();
        let code = locks(&hotel.pms, &done, "").await[0]["code"].clone();
        if code == "vendor_circuit_open" && before == after { Ok(()) } else { Err((code, before, after)) }
    })
    .await;
}

#[tokio::test]
async fn one_at_a_time_begun_late_and_ended_by_somebody() {
    let hotel = with_rooms(2).await;
    // Its process can't reach Temporal: another one begins it.
    let deaf = hotel.pms.at(&api::deaf().await);
    let asked = deaf.post("inventories", json!({ "room": "101" })).await.expect(202).body;
    deaf.post("inventories", json!({})).await.problem(409, "inventory_under_way");
    assert_eq!(over(&hotel.pms, asked["id"].as_str().unwrap()).await["state"], "done");

    let asked = deaf.post("inventories", json!({})).await.expect(202).body;
    let cancel = format!("inventories/{}/cancel", asked["id"].as_str().unwrap());
    let ended = deaf.post_as(&cancel, "k1", json!({})).await.expect(200).body;
    assert_eq!((&ended["state"], &ended["locks"]["waiting"]), (&json!("cancelled"), &json!(2)), "{ended:#}");
    let again = deaf.post_as(&cancel, "k1", json!({})).await.expect(200);
    assert_eq!((again.header("idempotency-replayed"), &again.body["state"]), (Some("true"), &json!("cancelled")));
    deaf.post(&cancel, json!({})).await.expect(200);
    let told = hotel.inventories_told().await;
    let cancelled: Vec<_> = told.iter().map(|data| data["cancelled"].as_bool().unwrap_or_default()).collect();
    assert_eq!(cancelled, [false, true], "{told:#?}");
    taken(&hotel.pms, json!({ "room": "102" })).await;
    let left = hotel.pms.get(&format!("inventories/{}", asked["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!(left["locks"]["waiting"], 2, "nothing is read after the end: {left:#}");
}

#[tokio::test]
async fn what_makes_no_sense_and_who_may_not() {
    let hotel = with_rooms(1).await;
    let pms = &hotel.pms;
    pms.post("inventories", json!({ "room": "999" })).await.problem(422, "room_unknown");
    for body in [
        json!({ "door": "Anna" }),
        json!({ "door": format!("door_{}", "0".repeat(32)) }),
        json!({ "vendor": "nobody" }),
        json!({ "vendor": "a\u{0}b" }),
        json!({ "vendor": "" }),
    ] {
        pms.post("inventories", body).await.problem(422, "invalid_field");
    }
    let nothing = format!("inventories/inv_{}", Uuid::nil().simple());
    for path in [nothing.clone(), "inventories/Anna".to_owned(), format!("{nothing}/locks")] {
        pms.get(&path).await.problem(404, "not_found");
    }
    pms.post(&format!("{nothing}/cancel"), json!({})).await.problem(404, "not_found");
    let desk = pms.with_token(hotel.token(&[Scope::StaysRead], None, None).await);
    desk.post("inventories", json!({})).await.problem(403, "scope_missing");
    let done = taken(pms, json!({})).await;
    desk.post(&format!("inventories/{}/cancel", done["id"].as_str().unwrap()), json!({}))
        .await
        .problem(403, "scope_missing");
    assert_eq!(locks(&desk, &done, "").await.len(), 1);
    let other = hotel.another_property(false).await;
    let elsewhere = format!("/v1/properties/{other}/inventories/{}", done["id"].as_str().unwrap());
    pms.get(&elsewhere).await.problem(404, "not_found");
}

/// Every activity of an inventory, in turn, refused, repeated, and lost with its worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_an_inventory_may_fail_repeat_or_crash() {
    let walk = async |nth: usize, mode: Mode| {
        let hotel = with_rooms(3).await;
        hotel.pms.check_in("R1", "101", 30).await.expect(201);
        hotel.code_by_hand("102", "Anna Guest", "740391", Some(9)).await;
        an_hour_passes(hotel.tenant).await;
        faults::plan(hotel.tenant, nth, mode);
        let done = taken(&hotel.pms, json!({})).await;
        assert_eq!(
            (&done["locks"]["read"], &done["found"]["as_recorded"], &done["found"]["unknown"]),
            (&json!(3), &json!(1), &json!(1)),
            "{nth} {mode:?}: {done:#}"
        );
        assert_eq!(hotel.inventories_told().await.len(), 1, "{nth} {mode:?}");
        hotel.inventory_run(&done["id"]).await.at_rest().await;
        assert_eq!(hotel.inventories_told().await.len(), 1, "{nth} {mode:?}");
        faults::seen(hotel.tenant)
    };
    let (seen, _) = walk(usize::MAX, Mode::Fail).await;
    let own: Vec<_> = seen.iter().map(String::as_str).filter(|name| name.starts_with("inventory")).collect();
    assert_eq!(own, ["inventory_begin", "inventory_read"], "{seen:?}");
    let places = seen.iter().enumerate().filter(|(_, name)| name.starts_with("inventory")).map(|(n, _)| n + 1);
    let cases: Vec<_> = places.flat_map(|nth| Mode::ALL.map(|mode| (nth, mode))).collect();
    stream::iter(cases)
        .for_each_concurrent(6, |(nth, mode)| async move {
            let (_, hit) = walk(nth, mode).await;
            assert!(hit, "activity {nth} was to {mode:?}, and did not");
        })
        .await;
}

/// An inventory of a hotel with so many rooms, whose pauses are skipped.
async fn of_rooms(rooms: usize) -> (Hotel, StayRun) {
    let hotel = with_rooms(rooms).await;
    let asked = hotel.pms.post("inventories", json!({})).await.expect(202).body;
    let run = hotel.inventory_run(&asked["id"]).await;
    run.skip(Duration::from_secs(3_600)).await;
    let done = over(&hotel.pms, asked["id"].as_str().unwrap()).await;
    assert_eq!(done["locks"]["read"], rooms, "{done:#}");
    (hotel, run)
}

#[tokio::test]
async fn an_inventory_in_two_steps_keeps_its_pace() {
    let (_hotel, run) = of_rooms(12).await;
    walked(&run, "plain", "TimerFiredEvent").await;
}

#[tokio::test]
async fn a_large_houses_inventory_goes_on_in_another_run() {
    let (_hotel, run) = of_rooms(400).await;
    walked(&run, "continued", "WorkflowExecutionContinuedAsNewEvent").await;
}
