//! `application/x-www-form-urlencoded`, as TTLock sends it. A body that is none gives nothing, never a panic.

/// The pairs of a form; none if a part is not UTF-8 or badly escaped.
pub(crate) fn pairs(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |b: u8| char::from(b).to_digit(16);
                u8::try_from(digit(high)? * 16 + digit(low)?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plus_percent_and_empty_values() {
        let read = pairs(b"a=1+2&b=%5B%7B%22x%22%3A1%7D%5D&&c&d=%C3%A4=").unwrap();
        let expected = [("a", "1 2"), ("b", "[{\"x\":1}]"), ("c", ""), ("d", "ä=")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for bad in [&b"a=%"[..], b"a=%5", b"a=%zz", b"a=%ff", b"a=\xff"] {
            assert_eq!(pairs(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = pairs(&body);
        }
    }
}
