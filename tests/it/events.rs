//! What happens to a stay arrives at consumers: in JetStream and in the cursor log, the same events in the same order.

use crate::harness::{Client, Hotel, shared, until};
use async_nats::jetstream::consumer::pull::OrderedConfig;
use futures::StreamExt as _;
use lock_api::scope::Scope;
use lock_events::{CloudEvent, relay::STREAM};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// The whole log of a hotel's tenant, read in pages of this size.
async fn log(client: &Client, limit: usize) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    let mut path = format!("/v1/events?limit={limit}");
    loop {
        let page = client.get(&path).await.expect(200).body;
        let new = page["events"].as_array().unwrap().clone();
        assert!(new.len() <= limit);
        path = format!("/v1/events?limit={limit}&after={}", page["next_cursor"].as_str().expect("always a cursor"));
        if new.is_empty() {
            return events;
        }
        events.extend(new);
    }
}

/// So many events of a tenant, from the stream's beginning.
async fn streamed(subject: &str, count: usize) -> Vec<CloudEvent> {
    let nats = async_nats::connect(shared().stack.nats_url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(nats);
    let stream = until("the stream exists", Duration::from_secs(20), || jetstream.get_stream(STREAM)).await;
    let config = OrderedConfig { filter_subject: subject.to_owned(), ..Default::default() };
    let mut messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), messages.next()).await;
        let message = next.unwrap_or_else(|_| panic!("{} of {count} events", events.len())).unwrap().unwrap();
        let headers = message.headers.as_ref().unwrap();
        assert_eq!(headers.get("Content-Type").unwrap().as_str(), "application/cloudevents+json");
        let event: CloudEvent = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(headers.get("Nats-Msg-Id").map(|id| id.as_str().contains(&event.id)), Some(true));
        assert!(message.subject.ends_with(&event.kind), "{}", message.subject);
        events.push(event);
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_in_order_without_gaps_and_are_those_of_the_log() {
    let hotel = Hotel::open().await;
    let made = hotel.pms.check_in("R1", "101", 30).await.expect(201).body;
    hotel.pms.reveal("R1").await;
    hotel.pms.verb("R1", "room-move", json!({ "room": "102" })).await.ok();
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.check_in("R2", "101", 30).await.expect(201);
    hotel.pms.phase("R1", "ended").await;

    let logged = log(&hotel.pms, 3).await;
    assert!(logged.len() > 12, "{}", logged.len());
    let arrived = streamed(&format!("lock.{}.>", hotel.tenant), logged.len()).await;
    for (place, (event, line)) in arrived.iter().zip(&logged).enumerate() {
        assert_eq!((event.seq(), line["seq"].as_u64()), (Some(place as u64), Some(place as u64)));
        assert_eq!(
            (event.id.as_str(), event.kind.as_str()),
            (line["id"].as_str().unwrap(), line["type"].as_str().unwrap())
        );
        assert_eq!(event.specversion, "1.0");
        assert_eq!(event.source, format!("/v1/tenants/{}/properties/{}", hotel.tenant, hotel.property));
        assert_eq!(event.subject.as_deref(), line["stay"].as_str());
        assert_eq!(event.time.unwrap().to_string(), line["at"].as_str().unwrap());
        assert!(event.event().is_some(), "{event:?}");
    }
    let mine: Vec<&str> =
        arrived.iter().filter(|e| e.subject.as_deref() == made["id"].as_str()).map(|e| e.kind.as_str()).collect();
    for kind in [
        "stay.command_accepted.v1",
        "credential.live.v1",
        "key.pin_revealed.v1",
        "stay.room_changed.v1",
        "credential.gone.v1",
    ] {
        assert!(mine.contains(&kind), "{kind} is not in {mine:?}");
    }
    // The tenant's log tells nobody else's events, and the stream's subjects none of another tenant.
    let ids: BTreeSet<&str> = arrived.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), arrived.len(), "each once");
}

#[tokio::test]
async fn every_page_size_reads_each_event_once() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;
    let whole = log(&hotel.pms, 500).await;
    for limit in [1, 2, 7] {
        assert_eq!(log(&hotel.pms, limit).await, whole, "pages of {limit}");
    }
    // A reader who stands at the end goes on from there, and sees what is new only.
    let end = hotel.pms.get("/v1/events?limit=500").await.expect(200).body["next_cursor"].as_str().unwrap().to_owned();
    let none = hotel.pms.get(&format!("/v1/events?after={end}")).await.expect(200).body;
    assert_eq!((&none["events"], none["next_cursor"].as_str()), (&json!([]), Some(end.as_str())));
    hotel.pms.check_in("R2", "101", 30).await.expect(201);
    let new = hotel.pms.get(&format!("/v1/events?after={end}")).await.expect(200).body;
    assert_eq!(new["events"][0]["seq"].as_u64(), Some(whole.len() as u64));

    let mut cut = end.clone();
    cut.pop();
    let rooms = hotel.pms.get("rooms?limit=1").await.expect(200).body["next_cursor"].as_str().unwrap().to_owned();
    for garbage in ["nonsense", "e30", "%00", &cut, &rooms, &"A".repeat(3_000)] {
        let refused = hotel.pms.get(&format!("/v1/events?after={garbage}")).await.problem(400, "cursor_invalid");
        assert_eq!(refused.body["field"], "after", "{garbage}");
    }
    // Somebody else's cursor is a place in a list, not a right.
    let stranger = Hotel::open().await;
    assert_eq!(stranger.pms.get(&format!("/v1/events?after={end}")).await.expect(200).body["events"], json!([]));
    let elsewhere = hotel.another_property(false).await;
    let token = hotel.token(&[Scope::EventsRead], Some(vec![elsewhere]), None).await;
    assert_eq!(log(&hotel.pms.with_token(token), 10).await, Vec::<Value>::new());
}
