//! The state machines as pictures, generated from their tables and checked in. `UPDATE=1 cargo test -p lock-domain --test diagrams`
//! writes them anew.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use lock_domain::{
    command::VerbKind,
    credential::{CredentialMove as M, CredentialState},
    stay::{StayPhase, allowed},
};
use std::{fmt::Write as _, path::Path};

fn checked_in(name: &str, fresh: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/diagrams").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, fresh,
        "docs/diagrams/{name} is out of date: run UPDATE=1 cargo test -p lock-domain --test diagrams"
    );
}

#[test]
fn credential() {
    let moves = [
        (M::IssueSent, "issue sent"),
        (M::Confirmed, "confirmed"),
        (M::Unconfirmed, "unconfirmed"),
        (M::Failed, "failed"),
        (M::RevokeSent, "revoke sent"),
        (M::Gone, "gone"),
    ];
    let mut text = String::from("# A key in one lock\n\n```mermaid\nstateDiagram-v2\n    [*] --> planned\n");
    for from in CredentialState::ALL {
        for (by, label) in moves {
            if let Ok(to) = from.after(by) {
                writeln!(text, "    {} --> {}: {label}", from.name(), to.name()).unwrap();
            }
        }
    }
    text.push_str("    gone --> [*]\n```\n");
    checked_in("credential.md", &text);
}

#[test]
fn verbs() {
    let mut text = String::from("# Which verb is allowed in which phase\n\n| verb |");
    StayPhase::ALL.iter().for_each(|phase| write!(text, " {} |", phase.name()).unwrap());
    text.push_str("\n|---|");
    StayPhase::ALL.iter().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for verb in VerbKind::ALL {
        write!(text, "| {} |", verb.name()).unwrap();
        for phase in StayPhase::ALL {
            match allowed(verb, phase) {
                Ok(()) => text.push_str(" yes |"),
                Err(code) => write!(text, " [{code}](../errors/{code}.md) |").unwrap(),
            }
        }
        text.push('\n');
    }
    checked_in("verbs.md", &text);
}
