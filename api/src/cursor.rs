//! Opaque cursors: base64url of versioned JSON that names the list it belongs to.
//!
//! They hold no secret and give no right: a query with a foreign cursor still only sees the caller's rows. One that can't be read, or
//! that belongs to another list, is refused, never taken for the beginning.

use crate::problem::Problem;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lock_domain::problem::Code;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<'a, T> {
    v: u8,
    list: std::borrow::Cow<'a, str>,
    at: T,
}

/// The cursor that says a page of `list` ended at `at`.
pub(crate) fn encode<T: Serialize>(list: &str, at: T) -> String {
    let sealed = Sealed { v: 1, list: list.into(), at };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&sealed).unwrap_or_default())
}

/// Where the page before ended.
pub(crate) fn decode<T: DeserializeOwned>(list: &str, cursor: &str) -> Result<T, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|b| b.len() <= 1024);
    let sealed = bytes.and_then(|b| serde_json::from_slice::<Sealed<'_, T>>(&b).ok());
    let fits = sealed.filter(|s| s.v == 1 && s.list == list);
    fits.map(|s| s.at).ok_or_else(|| Problem::field(Code::CursorInvalid, "cursor", "the cursor can't be read"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = encode("stays", ("2026-11-23T15:00:00Z", 7));
        let (text, number): (String, u8) = decode("stays", &cursor).unwrap();
        assert_eq!((text.as_str(), number), ("2026-11-23T15:00:00Z", 7));
        assert_eq!(decode::<(String, u8)>("events", &cursor).unwrap_err().code, Code::CursorInvalid);
        assert_eq!(decode::<u64>("stays", &cursor).unwrap_err().code, Code::CursorInvalid);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            prop_assert!(decode::<u64>("stays", &text).is_err());
        }

        #[test]
        fn round_trips(at: u64) {
            let cursor = encode("events", at);
            prop_assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(decode::<u64>("events", &cursor).unwrap(), at);
        }
    }
}
