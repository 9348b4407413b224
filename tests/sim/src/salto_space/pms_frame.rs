//! Frames of the PMS wire, as the server reads and writes them. Its own reading, not the adapters'.

pub(crate) const STX: u8 = 0x02;
pub(crate) const ETX: u8 = 0x03;
pub(crate) const ENQ: u8 = 0x05;
pub(crate) const ACK: u8 = 0x06;
pub(crate) const NAK: u8 = 0x15;
const SEP: u8 = 0xb3;
const SKIP: u8 = 0x0d;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Enq,
    Nak,
    Fields(Vec<String>),
    Broken,
}

/// Takes the first whole thing out of what has arrived.
pub(crate) fn next(buffer: &mut Vec<u8>) -> Option<Heard> {
    loop {
        match *buffer.first()? {
            STX => {
                let end = buffer.iter().position(|byte| *byte == ETX)?;
                let lrc = *buffer.get(end.checked_add(1)?)?;
                let frame: Vec<u8> = buffer.drain(..=end.saturating_add(1)).collect();
                let body = frame.get(1..=end)?;
                let sum = body.iter().fold(0, |sum, byte| sum ^ byte);
                return Some(if lrc == sum || lrc == SKIP { fields(body) } else { Heard::Broken });
            }
            ENQ => {
                buffer.remove(0);
                return Some(Heard::Enq);
            }
            NAK => {
                buffer.remove(0);
                return Some(Heard::Nak);
            }
            _ => {
                buffer.remove(0);
            }
        }
    }
}

fn fields(body: &[u8]) -> Heard {
    let inner =
        body.strip_suffix(&[ETX]).and_then(|rest| rest.strip_suffix(&[SEP])).and_then(|rest| rest.strip_prefix(&[SEP]));
    match inner {
        None => Heard::Broken,
        Some(inner) => Heard::Fields(
            inner.split(|byte| *byte == SEP).map(|field| field.iter().copied().map(char::from).collect()).collect(),
        ),
    }
}

/// How a reply is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lrc {
    Right,
    Wrong,
    Skip,
}

pub(crate) fn write(fields: &[String], lrc: Lrc) -> Vec<u8> {
    let mut frame = vec![STX, SEP];
    for field in fields {
        frame.extend(field.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()));
        frame.push(SEP);
    }
    frame.push(ETX);
    let sum = frame.iter().skip(1).fold(0, |sum, byte| sum ^ byte);
    frame.push(match lrc {
        Lrc::Right => sum,
        // Neither right nor the one that is not looked at.
        Lrc::Wrong if sum ^ 0xff == SKIP => sum ^ 0x0f,
        Lrc::Wrong => sum ^ 0xff,
        Lrc::Skip => SKIP,
    });
    frame
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_published_frame_is_read_and_written() {
        let mut bytes = b"\x02\xb3CO\xb30\xb3101\xb3\x03\x0f\x05".to_vec();
        let expected: Vec<String> = ["CO", "0", "101"].map(str::to_owned).to_vec();
        assert_eq!(write(&expected, Lrc::Right), bytes[..bytes.len() - 1]);
        assert_eq!(next(&mut bytes), Some(Heard::Fields(expected.clone())));
        assert_eq!((next(&mut bytes), next(&mut bytes)), (Some(Heard::Enq), None));
        assert_eq!(next(&mut write(&expected, Lrc::Wrong)), Some(Heard::Broken));
        assert_eq!(next(&mut write(&expected, Lrc::Skip)), Some(Heard::Fields(expected)));
    }
}
