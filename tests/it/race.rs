//! Many callers want the same room at once.

use crate::harness::{Answer, Hotel, invariants};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lock_domain::policy::StayPolicy;
use serde_json::json;
use sqlx::Row as _;

/// Tells winners from losers; every loser was told who won.
fn one_wins<'a>(answers: &'a [(String, Answer)], room: &str) -> &'a str {
    let winners: Vec<&String> = answers.iter().filter(|(_, a)| a.status.is_success()).map(|(name, _)| name).collect();
    let [winner] = winners[..] else { panic!("{} win: {winners:?}", winners.len()) };
    for (name, answer) in answers.iter().filter(|(name, _)| name != winner) {
        let answer = answer.clone().problem(409, "room_taken");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("room {room} is taken by reservation {winner} ")), "{name}: {detail}");
        assert_eq!(answer.body["field"], "room");
    }
    winner
}

async fn claims(hotel: &Hotel, room: &str) -> i64 {
    let sql = "SELECT count(*) AS n FROM room_claims JOIN rooms USING (tenant_id, property_id, room_id)
               WHERE tenant_id = $1 AND number = $2 AND released_at IS NULL";
    let row = sqlx::query(sql).bind(hotel.tenant.as_uuid()).bind(room);
    row.fetch_one(&mut invariants::owner().await).await.unwrap().get("n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_08_two_hundred_issue_for_one_room_and_one_wins() {
    let hotel = Hotel::open().await;
    let (from, until) = (Timestamp::now(), Timestamp::now() + SignedDuration::from_hours(30));
    let hotel_ref = &hotel;
    let asks = (0..200).map(|n| async move {
        let name = format!("R{n}");
        let body = json!({ "reservation": name, "room": "101", "from": from.to_string(), "until": until.to_string() });
        let answer = hotel_ref.pms.post("stays?wait=25", body).await;
        (name, answer)
    });
    let answers = join_all(asks).await;
    let winner = one_wins(&answers, "101");
    let stay = hotel.pms.phase(winner, "active").await;
    assert_eq!(stay["room"]["number"], "101");
    let pin = hotel.pms.reveal(winner).await;
    assert!(hotel.try_pin("101", &pin).opened);
    let codes = hotel.codes();
    assert_eq!((codes.len(), codes[0].lock_id, codes[0].opens_now), (1, hotel.lock("101"), true), "{codes:?}");
    assert_eq!(hotel.sim.sim().journal(0).len(), 1, "nothing was put in and taken out again");
    assert_eq!(claims(&hotel, "101").await, 1);
    let stays = hotel.pms.get("stays?limit=500").await.expect(200).body;
    assert_eq!(stays["stays"].as_array().unwrap().len(), 1, "a loser leaves no stay");
    invariants::check(&hotel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_08_many_guests_move_into_one_room_and_one_gets_it() {
    const GUESTS: usize = 19;
    let hotel = Hotel::with(GUESTS + 1, StayPolicy { retry_cap_s: 1, ..StayPolicy::default() }).await;
    let (hotel_ref, wanted) = (&hotel, "120");
    let room = |n: usize| format!("1{:02}", n + 1);
    let arrivals = (0..GUESTS).map(|n| async move {
        hotel_ref.pms.check_in(&format!("R{n}"), &room(n), 30).await.expect(201);
    });
    join_all(arrivals).await;
    let moves = (0..GUESTS).map(|n| async move {
        let name = format!("R{n}");
        let answer = hotel_ref.pms.verb(&name, "room-move", json!({ "room": wanted })).await;
        (name, answer)
    });
    let answers = join_all(moves).await;
    let winner = one_wins(&answers, wanted).to_owned();
    hotel.pms.phase(&winner, "active").await;
    assert_eq!(claims(&hotel, wanted).await, 1);
    for n in 0..GUESTS {
        let name = format!("R{n}");
        let number = hotel.pms.stay(&name).await["room"]["number"].as_str().unwrap().to_owned();
        assert_eq!(number, if name == winner { wanted.to_owned() } else { room(n) });
    }
    let codes = hotel.codes();
    assert_eq!(codes.len(), GUESTS, "each guest has one key in one lock: {codes:?}");
    assert_eq!(codes.iter().filter(|code| code.lock_id == hotel.lock(wanted)).count(), 1);
    invariants::check(&hotel).await;
}
