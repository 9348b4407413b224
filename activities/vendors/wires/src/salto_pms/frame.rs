//! Frames and control bytes: `STX SEP f0 SEP f1 … fn SEP ETX LRC`, and ENQ, ACK, NAK between them.
//!
//! Text is Latin-1. LRC is the exclusive or of every byte after STX up to and with ETX; `0D` in its place means "don't check".

/// Start of a frame.
pub const STX: u8 = 0x02;
/// End of a frame's fields.
pub const ETX: u8 = 0x03;
/// "Are you ready?"
pub const ENQ: u8 = 0x05;
/// Taken, or ready.
pub const ACK: u8 = 0x06;
/// Not taken, or not ready.
pub const NAK: u8 = 0x15;
/// Before the first field, between fields and after the last: `³` in Latin-1.
pub const SEP: u8 = 0xb3;
/// In the place of the check byte: not checked.
pub const UNCHECKED: u8 = 0x0d;
/// Longest frame between STX and ETX, in bytes. The longest that is defined has some 400.
pub const LARGEST: usize = 4096;

/// What stands on the wire.
#[derive(Clone, PartialEq, Eq)]
pub enum Symbol {
    /// ENQ.
    Enq,
    /// ACK.
    Ack,
    /// NAK.
    Nak,
    /// A frame with its fields; at least one, and the first is not empty.
    Frame(Vec<String>),
    /// A frame whose check byte is wrong.
    BadCheck,
    /// A frame that is too long, has control bytes in its text, or no fields.
    Malformed,
}

impl std::fmt::Debug for Symbol {
    /// Shows the first field only: others may be telephone numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Enq => f.write_str("Enq"),
            Self::Ack => f.write_str("Ack"),
            Self::Nak => f.write_str("Nak"),
            Self::Frame(fields) => f.debug_tuple("Frame").field(&fields.first()).field(&fields.len()).finish(),
            Self::BadCheck => f.write_str("BadCheck"),
            Self::Malformed => f.write_str("Malformed"),
        }
    }
}

/// Why fields can't be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A character that is not Latin-1, or is a separator or a control character.
    #[error("a field has a character that the wire can't carry")]
    Character,
    /// No fields, or an empty first one.
    #[error("a frame needs a command")]
    Empty,
    /// Longer than [`LARGEST`].
    #[error("the frame is too long")]
    TooLong,
}

/// Frames fields, with a check byte. Nothing is left out silently: another room's name may be what is left.
///
/// # Errors
/// As [`FrameError`] says.
pub fn encode<S: AsRef<str>>(fields: &[S]) -> Result<Vec<u8>, FrameError> {
    if fields.first().is_none_or(|first| first.as_ref().is_empty()) {
        return Err(FrameError::Empty);
    }
    let mut frame = vec![STX, SEP];
    for field in fields {
        for c in field.as_ref().chars() {
            let byte = u8::try_from(u32::from(c)).map_err(|_| FrameError::Character)?;
            if byte == SEP || c.is_control() {
                return Err(FrameError::Character);
            }
            frame.push(byte);
        }
        frame.push(SEP);
    }
    if frame.len() > LARGEST {
        return Err(FrameError::TooLong);
    }
    frame.push(ETX);
    frame.push(check(frame.iter().skip(1)));
    Ok(frame)
}

fn check<'a>(bytes: impl Iterator<Item = &'a u8>) -> u8 {
    bytes.fold(0, |sum, byte| sum ^ byte)
}

/// Whether a text can stand in a field as it is.
#[must_use]
pub fn fits(text: &str) -> bool {
    text.chars().all(|c| u32::from(c) < 0x100 && u32::from(c) != u32::from(SEP) && !c.is_control())
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between frames, where noise is passed over.
    #[default]
    Outside,
    Inside,
    BeforeCheck,
}

/// Takes a stream in pieces of any size.
#[derive(Debug, Default)]
pub struct Decoder {
    place: Place,
    bad: bool,
    fields: Vec<u8>,
}

impl Decoder {
    /// At the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next byte; what it completes, if anything.
    pub fn push(&mut self, byte: u8) -> Option<Symbol> {
        match self.place {
            Place::Outside => match byte {
                STX => {
                    self.begin();
                    None
                }
                ENQ => Some(Symbol::Enq),
                ACK => Some(Symbol::Ack),
                NAK => Some(Symbol::Nak),
                _ => None,
            },
            Place::Inside => match byte {
                ETX => {
                    self.place = Place::BeforeCheck;
                    None
                }
                // A new frame begins where the old one was cut off.
                STX => {
                    self.begin();
                    Some(Symbol::Malformed)
                }
                // Nobody knows where it would end: what follows is noise until the next frame begins.
                _ if self.fields.len() >= LARGEST => {
                    self.fields = Vec::new();
                    self.place = Place::Outside;
                    Some(Symbol::Malformed)
                }
                text => {
                    self.bad |= char::from(text).is_control();
                    self.fields.push(text);
                    None
                }
            },
            Place::BeforeCheck => {
                self.place = Place::Outside;
                let fields = std::mem::take(&mut self.fields);
                Some(if self.bad { Symbol::Malformed } else { finish(&fields, byte) })
            }
        }
    }

    fn begin(&mut self) {
        self.place = Place::Inside;
        self.bad = false;
        self.fields.clear();
    }
}

fn finish(fields: &[u8], given: u8) -> Symbol {
    if given != UNCHECKED && given != check(fields.iter().chain([&ETX])) {
        return Symbol::BadCheck;
    }
    let Some(inner) = fields.strip_prefix(&[SEP]).and_then(|rest| rest.strip_suffix(&[SEP])) else {
        return Symbol::Malformed;
    };
    if inner.first().is_none_or(|first| *first == SEP) {
        return Symbol::Malformed;
    }
    let text = |field: &[u8]| field.iter().copied().map(char::from).collect();
    Symbol::Frame(inner.split(|byte| *byte == SEP).map(text).collect())
}

/// Everything whole in a stream.
#[must_use]
pub fn decode(stream: &[u8]) -> Vec<Symbol> {
    let mut decoder = Decoder::new();
    stream.iter().filter_map(|byte| decoder.push(*byte)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn frame(fields: &[&str]) -> Symbol {
        Symbol::Frame(fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn frames_and_control_bytes_follow_each_other() {
        let mut stream = vec![ENQ, 0x00, ACK];
        stream.extend(encode(&["OV", "1"]).unwrap());
        stream.extend([NAK]);
        stream.extend(b"\x02\xb3CO\xb30\xb3101\xb3\x03\x0d");
        let expected = [Symbol::Enq, Symbol::Ack, frame(&["OV", "1"]), Symbol::Nak, frame(&["CO", "0", "101"])];
        assert_eq!(decode(&stream), expected);
    }

    #[test]
    fn the_check_byte_may_be_any_byte() {
        // The sum of this frame is STX itself.
        let made = (0..=255_u8)
            .map(|n| encode(&["A".to_owned(), format!("{n}")]).unwrap())
            .chain((' '..='~').map(|c| encode(&[c.to_string(), "B".to_owned()]).unwrap()));
        for bytes in made {
            assert!(matches!(decode(&bytes).as_slice(), [Symbol::Frame(_)]), "{bytes:02x?}");
        }
    }

    #[test]
    fn wrong_and_broken_frames_are_told_apart() {
        assert_eq!(decode(b"\x02\xb3CO\xb3\x03\x00"), [Symbol::BadCheck]);
        assert_eq!(decode(b"\x02CO\xb3\x03\x0d"), [Symbol::Malformed]);
        assert_eq!(decode(b"\x02\xb3\xb3\x03\x0d"), [Symbol::Malformed]);
        assert_eq!(decode(b"\x02\xb3\x03\x0d"), [Symbol::Malformed]);
        assert_eq!(decode(b"\x02\xb3C\x06O\xb3\x03\x0d\x06"), [Symbol::Malformed, Symbol::Ack]);
        assert_eq!(decode(b"\x02\xb3CO\x02\xb3OV\xb3\x03\x0d"), [Symbol::Malformed, frame(&["OV"])]);
        let long = [&[STX, SEP][..], &vec![b'x'; LARGEST * 3], &[SEP, ETX, UNCHECKED]].concat();
        assert_eq!(decode(&long), [Symbol::Malformed]);
    }

    #[test]
    fn what_the_wire_cannot_carry_is_refused() {
        for bad in ["1\u{b3}01", "101\r", "10\u{20ac}", "\u{9f}"] {
            assert_eq!(encode(&["CO", bad]), Err(FrameError::Character));
            assert!(!fits(bad));
        }
        assert_eq!(encode::<&str>(&[]), Err(FrameError::Empty));
        assert_eq!(encode(&["", "x"]), Err(FrameError::Empty));
        assert_eq!(encode(&["x".repeat(LARGEST)]), Err(FrameError::TooLong));
        assert!(fits("Su\u{ef}te 1"));
    }
}
