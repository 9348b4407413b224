//! STP, SHIP's framing on raw TCP: `STP/00/<length>/` and then the document, the same both ways.
//!
//! Whether `<length>` counts bytes or characters is not published. What we write is ASCII, where the two agree; what we read is
//! counted as the caller says.

use super::xml::LARGEST;

const HEAD: &[u8] = b"STP/00/";
/// Most digits of a length; [`LARGEST`] has seven.
const DIGITS: usize = 8;

/// Why a stream is no STP any more; nothing after it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not begin with `STP/00/` and a length.
    #[error("the stream is not STP")]
    NotStp,
    /// A document longer than [`LARGEST`], or more waiting than is ever read.
    #[error("the frame is too large")]
    TooLarge,
}

/// What a length counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Bytes.
    #[default]
    Bytes,
    /// Characters of UTF-8.
    Characters,
}

/// Frames a document.
#[must_use]
pub fn encode(document: &[u8]) -> Vec<u8> {
    let mut frame = HEAD.to_vec();
    frame.extend_from_slice(document.len().to_string().as_bytes());
    frame.push(b'/');
    frame.extend_from_slice(document);
    frame
}

/// Takes a stream in pieces of any size.
#[derive(Debug, Default)]
pub struct Decoder {
    unit: Unit,
    buffer: Vec<u8>,
    broken: Option<FrameError>,
}

impl Decoder {
    /// For a stream whose lengths count `unit`s.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self { unit, ..Self::default() }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        // A character has at most four bytes; beyond that nobody takes out what has arrived.
        if self.buffer.len().saturating_add(piece.len()) > LARGEST.saturating_mul(4) {
            self.fail(FrameError::TooLarge);
            return;
        }
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole document, if it has arrived.
    ///
    /// # Errors
    /// As [`FrameError`] says; from then on always the same.
    pub fn next_document(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        match self.bounds() {
            Ok(None) => Ok(None),
            Ok(Some((start, end))) => {
                let rest = self.buffer.split_off(end);
                let mut frame = std::mem::replace(&mut self.buffer, rest);
                Ok(Some(frame.split_off(start)))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.buffer = Vec::new();
        self.broken = Some(error);
        error
    }

    /// Where the first document begins and ends, when it is all there.
    fn bounds(&self) -> Result<Option<(usize, usize)>, FrameError> {
        let shown = self.buffer.len().min(HEAD.len());
        if self.buffer.get(..shown) != HEAD.get(..shown) {
            return Err(FrameError::NotStp);
        }
        let mut length = 0_usize;
        for (digits, byte) in self.buffer.iter().skip(HEAD.len()).enumerate() {
            match byte {
                b'0'..=b'9' if digits < DIGITS => {
                    length = length.saturating_mul(10).saturating_add(usize::from(byte - b'0'))
                }
                b'/' if digits > 0 => {
                    if length > LARGEST {
                        return Err(FrameError::TooLarge);
                    }
                    let start = HEAD.len().saturating_add(digits).saturating_add(1);
                    return Ok(self.end(start, length).map(|end| (start, end)));
                }
                _ => return Err(FrameError::NotStp),
            }
        }
        Ok(None)
    }

    fn end(&self, start: usize, length: usize) -> Option<usize> {
        let body = self.buffer.get(start..)?;
        let bytes = match self.unit {
            Unit::Bytes => (body.len() >= length).then_some(length)?,
            Unit::Characters => {
                let mut begins = body.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80).map(|(at, _)| at);
                match begins.nth(length) {
                    Some(next) => next,
                    // The last character is whole when its first byte says so.
                    None => whole(body, length)?,
                }
            }
        };
        Some(start.saturating_add(bytes))
    }
}

/// The length of `body` when it is exactly `count` whole characters.
fn whole(body: &[u8], count: usize) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    (text.chars().count() == count).then_some(body.len())
}

/// All whole documents at the start of a stream, until it ends or is no STP any more.
#[must_use]
pub fn decode(stream: &[u8]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut decoder = Decoder::default();
    decoder.push(stream);
    let mut documents = Vec::new();
    loop {
        match decoder.next_document() {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => return (documents, None),
            Err(error) => return (documents, Some(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_count_the_document_only() {
        assert_eq!(encode(b"<a/>"), b"STP/00/4/<a/>");
        assert_eq!(decode(b"STP/00/4/<a/>STP/00/3/<b>STP/0"), (vec![b"<a/>".to_vec(), b"<b>".to_vec()], None));
    }

    #[test]
    fn characters_are_counted_when_asked() {
        let mut decoder = Decoder::new(Unit::Characters);
        for byte in "STP/00/3/a\u{e9}\u{20ac}STP/00/1/b".as_bytes() {
            decoder.push(&[*byte]);
        }
        assert_eq!(decoder.next_document(), Ok(Some("a\u{e9}\u{20ac}".as_bytes().to_vec())));
        assert_eq!(decoder.next_document(), Ok(Some(b"b".to_vec())));
        assert_eq!(decoder.next_document(), Ok(None));
    }

    #[test]
    fn what_is_no_frame_stays_refused() {
        for stream in ["GET / HTTP/1.1", "STP/01/3/abc", "STP/00//abc", "STP/00/-1/", "STP/00/999999999/", "stp/00/1/a"]
        {
            assert_eq!(decode(stream.as_bytes()), (vec![], Some(FrameError::NotStp)), "{stream}");
        }
        assert_eq!(decode(b"STP/00/99999999/x").1, Some(FrameError::TooLarge));
        let mut decoder = Decoder::default();
        decoder.push(b"x");
        assert_eq!(decoder.next_document(), Err(FrameError::NotStp));
        decoder.push(b"STP/00/1/a");
        assert_eq!(decoder.next_document(), Err(FrameError::NotStp));
    }
}
