//! The fields of one call: query and form merged, the form winning.
//!
//! The vendor ignores fields that it does not know and answers `-3` to one that it knows and cannot read; so does this.

use std::collections::BTreeMap;

use super::errcode::{Errcode, INVALID_PARAMETER};

/// Fields by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

/// One page of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) number: usize,
    pub(crate) size: usize,
}

impl Params {
    pub(crate) fn merge(query: Vec<(String, String)>, form: Vec<(String, String)>) -> Self {
        Self(query.into_iter().chain(form).collect())
    }

    /// A field's text; an empty one counts as absent, as the vendor treats it.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of two spellings: the token endpoint takes `clientId` and the older `client_id`.
    pub(crate) fn either(&self, name: &str, older: &str) -> Option<&str> {
        self.text(name).or_else(|| self.text(older))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Errcode> {
        self.text(name).map(|value| value.trim().parse().map_err(|_| INVALID_PARAMETER)).transpose()
    }

    pub(crate) fn required_number(&self, name: &str) -> Result<i64, Errcode> {
        self.number(name)?.ok_or(INVALID_PARAMETER)
    }

    pub(crate) fn one_of(&self, name: &str, default: i64, allowed: &[i64]) -> Result<i64, Errcode> {
        let value = self.number(name)?.unwrap_or(default);
        if allowed.contains(&value) { Ok(value) } else { Err(INVALID_PARAMETER) }
    }

    pub(crate) fn page(&self, largest: usize) -> Result<Page, Errcode> {
        let number = usize::try_from(self.required_number("pageNo")?).map_err(|_| INVALID_PARAMETER)?;
        let size = usize::try_from(self.required_number("pageSize")?).map_err(|_| INVALID_PARAMETER)?;
        if number == 0 || size == 0 || size > largest {
            return Err(INVALID_PARAMETER);
        }
        Ok(Page { number, size })
    }
}

impl Page {
    /// Cuts `items` to this page and wraps it as the vendor wraps a list.
    pub(crate) fn wrap(self, items: Vec<serde_json::Value>) -> serde_json::Value {
        let total = items.len();
        let list: Vec<_> =
            items.into_iter().skip(self.number.saturating_sub(1).saturating_mul(self.size)).take(self.size).collect();
        serde_json::json!({
            "list": list, "pageNo": self.number, "pageSize": self.size,
            "pages": total.div_ceil(self.size), "total": total,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::merge(Vec::new(), pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn form_wins_over_query_and_empty_is_absent() {
        let merged = Params::merge(
            vec![("a".into(), "1".into()), ("b".into(), "2".into())],
            vec![("a".into(), "3".into()), ("c".into(), String::new())],
        );
        assert_eq!(merged.number("a"), Ok(Some(3)));
        assert_eq!(merged.number("b"), Ok(Some(2)));
        assert_eq!(merged.number("c"), Ok(None));
    }

    #[test]
    fn wrong_type_is_minus_three() {
        assert_eq!(params(&[("lockId", "abc")]).required_number("lockId"), Err(INVALID_PARAMETER));
        assert_eq!(params(&[("pageNo", "1"), ("pageSize", "201")]).page(200).err(), Some(INVALID_PARAMETER));
        assert_eq!(params(&[("t", "9")]).one_of("t", 1, &[1, 2]), Err(INVALID_PARAMETER));
    }

    #[test]
    fn pages_are_cut() {
        let page = params(&[("pageNo", "2"), ("pageSize", "2")]).page(200).unwrap();
        let body = page.wrap((0..5).map(serde_json::Value::from).collect());
        assert_eq!(body["list"], serde_json::json!([2, 3]));
        assert_eq!(body["pages"], 3);
        assert_eq!(body["total"], 5);
    }
}
