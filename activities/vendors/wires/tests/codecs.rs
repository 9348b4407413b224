//! Whatever arrives, in whatever pieces: read the same, never a panic, never more memory than the limits say.
#![allow(clippy::unwrap_used)]

use lock_wires::salto_pms::dialogue::{Dialogue, Next};
use lock_wires::salto_pms::frame::{self, Symbol};
use lock_wires::salto_ship::codec::{self, Message};
use lock_wires::salto_ship::stp::{self, Unit};
use lock_wires::salto_ship::xml::Element;
use proptest::collection::vec;
use proptest::prelude::*;

/// Cuts `bytes` at these places, in any order and number.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    at.push(bytes.len());
    at.sort_unstable();
    let mut from = 0;
    at.into_iter().map(|to| &bytes[std::mem::replace(&mut from, to)..to]).collect()
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\u{e0}-\u{ff}\u{20ac}\u{1f511}]{0,12}".prop_map(|text| text.trim().to_owned())
}

fn elements() -> impl Strategy<Value = Vec<Element>> {
    const NAMES: [&str; 3] = ["ExtUserID", "SaltoDB.AccessPermission.User_Door", "Period"];
    let leaf = (0..3_usize, text()).prop_map(|(name, text)| Element::leaf(NAMES[name], text));
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        (0..3_usize, vec(inner, 0..4)).prop_map(|(name, children)| Element::node(NAMES[name], children))
    });
    vec(tree, 0..4)
}

fn message() -> impl Strategy<Value = Message> {
    let name = "[A-Za-z.]{1,20}";
    prop_oneof![
        (name, elements()).prop_map(|(name, params)| Message::Call { name, params }),
        (name, elements()).prop_map(|(name, params)| Message::Reply { name, params }),
        (name, 1..1000_i64, text()).prop_map(|(name, code, message)| Message::Exception { name, code, message }),
    ]
}

fn field() -> impl Strategy<Value = String> {
    vec(prop_oneof![32..127_u8, 160..179_u8, 180..=255_u8], 0..20)
        .prop_map(|bytes| bytes.into_iter().map(char::from).collect())
}

fn fields() -> impl Strategy<Value = Vec<String>> {
    vec(field(), 1..8).prop_filter("a command", |fields| !fields[0].is_empty())
}

proptest! {
    #[test]
    fn ship_messages_go_both_ways(message in message()) {
        let bytes = codec::encode(&message);
        prop_assert!(bytes.is_ascii());
        prop_assert_eq!(codec::decode(&bytes).unwrap(), message);
    }

    #[test]
    fn stp_frames_go_both_ways_in_any_pieces(
        messages in vec(message(), 1..4), cuts in vec(any::<usize>(), 0..12), characters in any::<bool>(),
    ) {
        let documents: Vec<_> = messages.iter().map(codec::encode).collect();
        let stream: Vec<u8> = documents.iter().flat_map(|document| stp::encode(document)).collect();
        let mut decoder = stp::Decoder::new(if characters { Unit::Characters } else { Unit::Bytes });
        let mut seen = Vec::new();
        for piece in pieces(&stream, &cuts) {
            decoder.push(piece);
            while let Some(document) = decoder.next_document().unwrap() {
                seen.push(document);
            }
        }
        prop_assert_eq!(seen, documents);
    }

    #[test]
    fn any_stream_reads_the_same_in_any_pieces(
        stream in vec(any::<u8>(), 0..300), head in any::<bool>(), length in 0..60_usize, cuts in vec(any::<usize>(), 0..12),
    ) {
        let mut bytes = if head { format!("STP/00/{length}/").into_bytes() } else { Vec::new() };
        bytes.extend(stream);
        let mut decoder = stp::Decoder::default();
        let (mut seen, mut error) = (Vec::new(), None);
        for piece in pieces(&bytes, &cuts) {
            decoder.push(piece);
            loop {
                match decoder.next_document() {
                    Ok(Some(document)) => seen.push(document),
                    Ok(None) => break,
                    Err(found) => break error = Some(found),
                }
            }
        }
        prop_assert_eq!((seen, error), stp::decode(&bytes));
    }

    #[test]
    fn garbage_is_refused_and_not_panicked_at(garbage in vec(any::<u8>(), 0..400), xmlish in "[<>/a-c&;#x0-9'\"!\\[\\]?= ]{0,80}") {
        let _ = codec::decode(&garbage);
        let _ = codec::decode(xmlish.as_bytes());
        let _ = codec::decode(format!("<RequestResponse><RequestName>a</RequestName>{xmlish}</RequestResponse>").as_bytes());
        let _ = frame::decode(&garbage);
    }

    #[test]
    fn pms_frames_go_both_ways_in_any_pieces(
        frames in vec(fields(), 1..4), noise in vec(vec(prop_oneof![Just(0_u8), Just(13), 32..127_u8], 0..3), 4),
    ) {
        let mut stream = Vec::new();
        for (fields, noise) in frames.iter().zip(&noise) {
            stream.extend(noise);
            stream.extend(frame::encode(fields).unwrap());
        }
        let expected: Vec<_> = frames.into_iter().map(Symbol::Frame).collect();
        prop_assert_eq!(frame::decode(&stream), expected);
    }

    #[test]
    fn a_flipped_bit_is_noticed(fields in fields(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = frame::encode(&fields).unwrap();
        // Past STX: without it nothing begins.
        let at = 1 + at.index(bytes.len() - 1);
        bytes[at] ^= 1 << bit;
        let unchecked = bytes.last() == Some(&frame::UNCHECKED);
        prop_assert!(unchecked || !frame::decode(&bytes).contains(&Symbol::Frame(fields)));
    }

    #[test]
    fn every_dialogue_ends(symbols in vec(0..6_u8, 200)) {
        let mut talk = Dialogue::new(b"frame".to_vec(), true);
        let ended = symbols.into_iter().any(|n| {
            let symbol = match n {
                0 => Symbol::Ack,
                1 | 2 => Symbol::Nak,
                3 => Symbol::Enq,
                4 => Symbol::BadCheck,
                _ => Symbol::Malformed,
            };
            matches!(talk.on(symbol), Next::Reply(_) | Next::NotTaken | Next::Unreadable)
        });
        prop_assert!(ended);
    }
}

#[test]
fn an_endless_stream_is_bounded() {
    let mut decoder = stp::Decoder::default();
    decoder.push(b"STP/00/1048576/");
    let block = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        decoder.push(&block);
    }
    assert_eq!(decoder.next_document(), Err(stp::FrameError::TooLarge));
    let mut frames = frame::Decoder::new();
    frames.push(frame::STX);
    let seen: Vec<_> = (0..10_000_000).filter_map(|_| frames.push(b'x')).collect();
    assert_eq!(seen, [Symbol::Malformed]);
}
