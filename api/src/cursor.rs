//! Pages of lists, and the opaque cursors between them: base64url of versioned JSON that names the list it belongs to.
//!
//! Cursors hold no secret and give no right: a query with a foreign cursor still only sees the caller's rows. One that can't be read, or
//! that belongs to another list, is refused, never taken for the beginning.

use crate::{problem::Problem, routes};
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

/// Which part of a list is asked for; `T` is a place in it.
pub(crate) struct Slice<T> {
    list: &'static str,
    /// The place at which the page before ended.
    pub(crate) after: Option<T>,
    limit: u32,
}

/// Reads the two parameters of a page of `list`.
pub(crate) fn slice<T: DeserializeOwned>(
    list: &'static str,
    cursor: Option<&str>,
    limit: Option<u32>,
) -> Result<Slice<T>, Problem> {
    let limit = routes::limit(limit)?;
    let after = cursor.map(|cursor| decode(list, cursor)).transpose()?;
    Ok(Slice { list, after, limit })
}

impl<T> Slice<T> {
    /// How many rows to read: one more than the page has, which tells whether another page follows.
    pub(crate) fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// Takes away what the page has not; the next page's cursor, if there is one. `place` is that of a row.
    pub(crate) fn cut<R, P: Serialize>(&self, rows: &mut Vec<R>, place: impl Fn(&R) -> P) -> Option<String> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        rows.last().filter(|_| more).map(|row| encode(self.list, place(row)))
    }
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

    #[test]
    fn a_page_tells_of_another_one_if_there_is() {
        let slice = slice::<u64>("stays", None, Some(2)).unwrap();
        let mut rows = vec![1, 2, 3];
        let next = slice.cut(&mut rows, |row| *row);
        assert_eq!((rows.len(), slice.rows()), (2, 3));
        assert_eq!(decode::<u64>("stays", &next.unwrap()).unwrap(), 2);
        assert_eq!(slice.cut(&mut rows, |row| *row), None);
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
