//! `DATABASE_URL`, `TEMPORAL_ADDRESS` and `NATS_URL` replace the embedded parts of `cargo xtask up`, with our real binaries.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::process::Command;

use xtask::project::Project;
use xtask::stack::{Part, Stack, StackOptions, StateFile, wipe};

#[test]
fn up_takes_the_parts_that_are_there() {
    let project = Project::find().unwrap();
    let theirs = Stack::start(StackOptions::for_tests(&project)).unwrap();
    if ![Part::Postgres, Part::Temporal, Part::Nats].iter().all(|part| theirs.is_embedded(*part)) {
        eprintln!("skipped: the environment replaces a part already");
        return;
    }
    let root = project.stack_dir().join("tests").join(format!("yours-{}", std::process::id()));
    let up = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["up", "--once", "--kept-in"])
        .arg(&root)
        .env("DATABASE_URL", theirs.database_url())
        .env("TEMPORAL_ADDRESS", theirs.temporal_address())
        .env("NATS_URL", theirs.nats_url())
        .current_dir(project.root())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&up.stdout), String::from_utf8_lossy(&up.stderr));
    assert!(up.status.success(), "{said}");
    assert!(said.contains("the key is proven to be in its locks"), "{said}");
    for part in ["PostgreSQL: yours", "Temporal: yours", "NATS: yours"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    // Every process of a stack has a log; only our own three ran.
    let logs = std::fs::read_dir(root.join("logs")).unwrap().map(|log| log.unwrap().file_name().into_string().unwrap());
    let expected = ["lock-api.log", "lock-sim.log", "lock-worker.log"].map(str::to_owned);
    assert_eq!(logs.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    let state = StateFile::of(&root).load().unwrap();
    for port in ["postgres", "temporal", "nats"] {
        assert_eq!(state.port(port), None, "{port}");
    }
    assert!(!said.contains(theirs.database_url()), "the owner's password is shown");
    // What is not its own is left alone.
    for part in [Part::Postgres, Part::Temporal, Part::Nats] {
        assert!(theirs.is_running(part), "{part:?}");
    }
    wipe(&root).unwrap();
    std::fs::remove_dir_all(root).unwrap();
    assert!(theirs.stop().unwrap().is_empty());
}
