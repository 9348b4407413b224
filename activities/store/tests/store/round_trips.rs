//! How often the hot paths go to the database and back, counted on the wire.

use crate::{
    cluster::TestDb,
    world::{World, noon, window},
};
use lock_domain::{credential::CredentialState, event::Event, ids::*, stay::Action};
use lock_store::{EffectAt, NewIntent, Outcome, OutcomeKind, Store};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream, tcp},
};

/// A proxy that counts statements: simple queries (`Q`) and executions of prepared ones (`E`). The pool's ping after a connection has been
/// given back is not counted: nobody waits for it.
async fn counting_proxy(server: String) -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let ((from_client, mut to_client), (mut from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
            tokio::spawn(forward(from_client, to_server, counter.clone()));
        }
    });
    (port, count)
}

async fn forward(
    mut client: tcp::OwnedReadHalf,
    mut server: tcp::OwnedWriteHalf,
    count: Arc<AtomicUsize>,
) -> Option<()> {
    // The first message, StartupMessage, has a length and no type.
    let mut kind = None;
    loop {
        let length = client.read_u32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await.ok()?;
        if matches!(kind, Some(b'Q' | b'E')) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        let head = [kind.as_slice(), &length.to_be_bytes(), &body].concat();
        server.write_all(&head).await.ok()?;
        kind = Some(client.read_u8().await.ok()?);
    }
}

async fn effects(world: &World, stay: StayId, key: KeyId, count: &AtomicUsize) -> [usize; 2] {
    let at = |door: DoorId| EffectAt { credential: CredentialId::of(key, door), key, door };
    let doors = world.doors.iter().copied().map(at).collect::<Vec<_>>();
    assert!(doors.len() > 1);
    let before = count.swap(0, Ordering::SeqCst);
    assert!(before < 1000);
    let mut tx = world.tx().await;
    tx.effect_targets(&doors, stay, 1, noon()).await.unwrap();
    let action = Action::Issue { window: window(0, 24) };
    let intent = |at: &EffectAt| NewIntent { credential: at.credential, action, state: CredentialState::Issuing };
    let intents: Vec<NewIntent> = doors.iter().map(intent).collect();
    let attempts = tx.record_intents(&intents, 1, noon()).await.unwrap();
    tx.commit().await.unwrap();
    let before = count.swap(0, Ordering::SeqCst);

    let mut tx = world.tx().await;
    let live = |(at, attempt): (&EffectAt, AttemptId)| Outcome {
        attempt,
        credential: at.credential,
        kind: OutcomeKind::Live,
        state: CredentialState::Live,
        vendor_ref: Some("1"),
        requested: None,
        effective: None,
        code: None,
        still_valid_until: None,
        unresolved_since: None,
        detail: None,
        at: noon(),
    };
    let outcomes: Vec<Outcome<'_>> = doors.iter().zip(attempts).map(live).collect();
    tx.record_outcomes(&outcomes, true).await.unwrap();
    let event = |at: &EffectAt| Event::CredentialLive { key, door: at.door, window: window(0, 24), adopted: false };
    let events: Vec<Event> = doors.iter().map(event).collect();
    tx.append(noon(), world.property, Some(stay), &events).await.unwrap();
    tx.commit().await.unwrap();
    [before, count.swap(0, Ordering::SeqCst)]
}

#[tokio::test]
async fn effects_on_many_doors_cost_four_round_trips_before_and_four_after_the_vendor() {
    let db = TestDb::new().await;
    let mut world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let keys = [world.key(stay).await, world.key(stay).await];
    let url = db.app_url();
    let (user, place) = url.rsplit_once('@').unwrap();
    let (server, name) = place.split_once('/').unwrap();
    let (port, count) = counting_proxy(server.to_owned()).await;
    world.store = Store::connect(&format!("{user}@127.0.0.1:{port}/{name}?sslmode=disable"), 1).await.unwrap();
    // The first time the statements are prepared, which costs a round trip more each.
    effects(&world, stay, keys[0], &count).await;
    assert_eq!(effects(&world, stay, keys[1], &count).await, [4, 4]);
}
