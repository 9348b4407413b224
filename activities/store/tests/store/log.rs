//! The tenant's log: no gaps, the right root, and tampering that shows.

use crate::{
    cluster::TestDb,
    world::{World, noon},
};
use futures::future::join_all;
use jiff::SignedDuration;
use lock_domain::{event::Event, stay::StayPhase};
use lock_store::{EventRow, leaf_data};
use lock_tlog::{Hash, consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency, verify_inclusion};
use sqlx::{AssertSqlSafe, Executor};

fn event(phase: StayPhase) -> Event {
    Event::PhaseChanged { phase, cause: None }
}

fn recomputed(rows: &[EventRow]) -> Vec<Hash> {
    rows.iter().map(|r| leaf_hash(&leaf_data(r.id, r.at, r.property, r.stay, &r.payload))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_writers_leave_no_gap_and_the_root_is_right() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 30).await;
    let other = World::enter(&db, world.store.clone()).await;
    let stay = world.stay("R-1").await;
    let writers = (0..50_usize).map(|n| {
        let (world, other) = (&world, &other);
        async move {
            let mut tx = world.tx().await;
            let events = vec![event(StayPhase::Issuing); n % 4];
            let at = noon() + SignedDuration::from_nanos(i64::try_from(n).unwrap() * 777);
            let first = tx.append(at, world.property, Some(stay), &events).await.unwrap();
            let second = tx.append(at, world.property, None, &[event(StayPhase::Active)]).await.unwrap();
            // One in five is rolled back and leaves no gap.
            if n % 5 == 0 {
                return Vec::new();
            }
            tx.commit().await.unwrap();
            let mut foreign = other.tx().await;
            foreign.append(at, other.property, None, &[event(StayPhase::Ended)]).await.unwrap();
            foreign.commit().await.unwrap();
            [first, second].concat()
        }
    });
    let mut seqs = join_all(writers).await.concat();
    seqs.sort_unstable();
    let mut tx = world.tx().await;
    let head = tx.audit_head().await.unwrap();
    assert_eq!(seqs, (0..head.size).collect::<Vec<_>>());
    let rows = tx.events_after(None, 1000, None).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.seq).collect::<Vec<_>>(), seqs);
    let leaves = tx.leaf_hashes(0..head.size).await.unwrap();
    assert_eq!(recomputed(&rows), leaves);
    assert_eq!(root(&leaves), head.root);
    assert_eq!(other.tx().await.audit_head().await.unwrap().size, 40);

    let proof = inclusion_proof(&leaves, 3).unwrap();
    verify_inclusion(&leaves[3], 3, head.size, &proof, &head.root).unwrap();
    let proof = consistency_proof(&leaves, 10).unwrap();
    verify_consistency(10, head.size, &root(&leaves[..10]), &head.root, &proof).unwrap();
}

#[tokio::test]
async fn r_lock_07_what_a_superuser_changes_is_found_by_recomputation() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let mut tx = world.tx().await;
    for phase in StayPhase::ALL {
        tx.append(noon(), world.property, Some(stay), &[event(phase)]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let trusted = world.tx().await.audit_head().await.unwrap();
    let whole = |rows: &[EventRow]| {
        let leaves = recomputed(rows);
        rows.len() as u64 == trusted.size
            && rows.iter().zip(&leaves).enumerate().all(|(n, (r, l))| r.seq == n as u64 && r.leaf_hash == *l)
            && root(&leaves) == trusted.root
    };
    assert!(whole(&world.tx().await.events_after(None, 100, None).await.unwrap()));
    let mut superuser = db.superuser().await;
    superuser
        .execute("ALTER TABLE lock_audit DISABLE TRIGGER ALL; ALTER TABLE outbox DISABLE TRIGGER ALL")
        .await
        .unwrap();
    for change in [
        r#"UPDATE lock_audit SET payload = jsonb_set(payload, '{phase}', '"ended"') WHERE leaf_index = 2"#,
        "UPDATE lock_audit SET at = at + interval '1 microsecond' WHERE leaf_index = 2",
        "UPDATE lock_audit SET stay_id = gen_random_uuid() WHERE leaf_index = 2",
        "UPDATE lock_audit SET property_id = gen_random_uuid() WHERE leaf_index = 2",
        "UPDATE lock_audit SET event_id = gen_random_uuid() WHERE leaf_index = 2",
        "UPDATE lock_audit SET leaf_hash = sha256('other') WHERE leaf_index = 2",
        "DELETE FROM lock_audit WHERE leaf_index = 6",
        "DELETE FROM lock_audit WHERE leaf_index = 2",
        "UPDATE lock_audit SET leaf_index = 60 WHERE leaf_index = 6; UPDATE lock_audit SET leaf_index = 6 WHERE leaf_index = 5;
         UPDATE lock_audit SET leaf_index = 5 WHERE leaf_index = 60",
    ] {
        superuser.execute("BEGIN; CREATE TEMP TABLE kept AS SELECT * FROM lock_audit; COMMIT").await.unwrap();
        superuser.execute(AssertSqlSafe(change)).await.unwrap_or_else(|e| panic!("{change}: {e}"));
        assert!(!whole(&world.tx().await.events_after(None, 100, None).await.unwrap()), "{change}");
        superuser
            .execute(
                "BEGIN; DELETE FROM lock_audit; INSERT INTO lock_audit SELECT * FROM kept; DROP TABLE kept; COMMIT",
            )
            .await
            .unwrap();
        assert!(whole(&world.tx().await.events_after(None, 100, None).await.unwrap()));
    }
}

#[tokio::test]
async fn cursors_filters_and_the_outbox() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let mut listener = world.store.outbox_listener().await.unwrap();
    let mut tx = world.tx().await;
    assert_eq!(tx.append(noon(), world.property, Some(stay), &[]).await.unwrap(), Vec::<u64>::new());
    let events = [event(StayPhase::Issuing), event(StayPhase::Active)];
    assert_eq!(tx.append(noon(), world.property, Some(stay), &events).await.unwrap(), [0, 1]);
    assert_eq!(tx.append(noon(), world.property, None, &events[..1]).await.unwrap(), [2]);
    tx.commit().await.unwrap();
    assert_eq!(listener.recv().await.unwrap(), Some(world.tenant));

    let mut tx = world.tx().await;
    let seqs = |rows: Vec<EventRow>| rows.iter().map(|r| r.seq).collect::<Vec<_>>();
    assert_eq!(seqs(tx.events_after(Some(0), 1, None).await.unwrap()), [1]);
    assert_eq!(seqs(tx.events_after(None, 10, Some(&[world.property])).await.unwrap()), [0, 1, 2]);
    assert_eq!(seqs(tx.events_after(None, 10, Some(&[])).await.unwrap()), Vec::<u64>::new());
    assert_eq!(seqs(tx.timeline(stay, Some(0), 10).await.unwrap()), [1]);
    let row = tx.timeline(stay, None, 1).await.unwrap().remove(0);
    assert_eq!((row.event(), row.kind.as_str(), row.at), (Some(events[0].clone()), events[0].name(), noon()));

    assert_eq!(seqs(tx.unpublished(2).await.unwrap()), [0, 1]);
    assert_eq!(tx.mark_published(&[0, 1], noon()).await.unwrap(), 2);
    assert_eq!(tx.mark_published(&[0, 1], noon()).await.unwrap(), 0);
    assert_eq!(seqs(tx.unpublished(10).await.unwrap()), [2]);
}
