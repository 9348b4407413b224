//! One function per wire that reads bytes from a vendor: what the targets under `fuzz/` call.
//!
//! Nothing that a vendor sends may panic, overflow or take long, whoever stands behind the address. The seeds and whatever once broke a
//! parser are read by a test here, on every build.

use lock_wires::salto_pms::{frame, reply};
use lock_wires::salto_ship::{codec as ship, stp};

/// Answers of TTLock's cloud.
pub fn ttlock(bytes: &[u8]) {
    crate::ttlock::read_anything(bytes);
}

/// Answers and callbacks of a Visionline server.
pub fn visionline(bytes: &[u8]) {
    crate::visionline::read_anything(bytes);
}

/// Answers of SALTO KS and messages of its stream.
pub fn salto_ks(bytes: &[u8]) {
    crate::salto_ks::read_anything(bytes);
}

/// SHIP: frames in whatever pieces, XML, and messages. Whatever is read can be written and reads the same again.
pub fn salto_ship(bytes: &[u8]) {
    let (documents, _) = stp::decode(bytes);
    for unit in [stp::Unit::Bytes, stp::Unit::Characters] {
        let mut decoder = stp::Decoder::new(unit);
        for piece in bytes.chunks(3) {
            decoder.push(piece);
            while let Ok(Some(document)) = decoder.next_document() {
                drop(ship::decode(&document));
            }
        }
    }
    for document in documents.iter().map(Vec::as_slice).chain([bytes]) {
        if let Ok(message) = ship::decode(document) {
            crate::salto_ship::read_anything(&message);
            let again = ship::decode(&ship::encode(&message));
            assert!(again.as_ref() == Ok(&message), "read, written and read again: {message:?}, {again:?}");
        }
    }
}

/// The PMS industry standard: control bytes, frames and replies.
pub fn salto_pms(bytes: &[u8]) {
    for symbol in frame::decode(bytes) {
        if let frame::Symbol::Frame(fields) = symbol {
            for verb in ["CN", "CC", "LT", "WF", "WN", "CO", "CA"] {
                drop(reply::read(verb, &fields));
            }
            if let Ok(again) = frame::encode(&fields) {
                let read = frame::decode(&again);
                assert!(read == [frame::Symbol::Frame(fields)], "written and read again: {read:?}");
            }
        }
    }
}

/// A target with its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("ttlock", ttlock),
    ("salto_ks", salto_ks),
    ("salto_ship", salto_ship),
    ("salto_pms", salto_pms),
    ("visionline", visionline),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn every_kept_seed_is_read_without_panic() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (name, target) in TARGETS {
            let seeds: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().collect();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            for seed in seeds {
                target(&std::fs::read(seed.unwrap().path()).unwrap());
            }
            let found = std::fs::read_to_string(corpus.join(name).with_extension("hex")).unwrap();
            for line in found.lines() {
                target(&hex::decode(line).unwrap());
            }
        }
    }
}
