//! The form of a vendor's answers: which fields, of which types. Never a value, so that nothing of a guest is in it.
//!
//! Whoever wants to know runs his calls within [`Forms::watched`]; outside of it nothing is noted and nothing is spent. It sees what
//! is called in the same task, which is what adapters do. It fails never; what can't be read has no form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use lock_wires::salto_ship::xml::Element;
use serde_json::Value;

/// Deeper is not looked.
const DEEPEST: usize = 8;
/// More fields of one call are not kept.
const MOST_FIELDS: usize = 300;

tokio::task_local! {
    static WATCHED: Arc<Forms>;
}

type Fields = BTreeMap<String, BTreeSet<&'static str>>;

/// The forms that were seen, by call.
#[derive(Debug, Default)]
pub struct Forms(Mutex<BTreeMap<String, Fields>>);

impl Forms {
    /// Notes the form of every answer that comes while `calls` runs.
    pub async fn watched<F: Future>(self: &Arc<Self>, calls: F) -> F::Output {
        WATCHED.scope(Arc::clone(self), calls).await
    }

    /// A fact per field: `verb path` and the types that it had, such as `number|string`. Paths of fields in lists hold `[]`.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<String, String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let types = |types: &BTreeSet<&'static str>| types.iter().copied().collect::<Vec<_>>().join("|");
        let all = seen.iter().flat_map(|(verb, fields)| fields.iter().map(move |(path, seen)| (verb, path, seen)));
        all.map(|(verb, path, seen)| (format!("{verb} {path}"), types(seen))).collect()
    }

    fn note(&self, verb: &str, form: Vec<(String, &'static str)>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fields = seen.entry(verb.replace(' ', ":")).or_default();
        for (path, kind) in form {
            if fields.len() < MOST_FIELDS || fields.contains_key(&path) {
                fields.entry(path).or_default().insert(kind);
            }
        }
    }
}

fn noted(verb: &str, form: impl FnOnce() -> Vec<(String, &'static str)>) {
    let _ = WATCHED.try_with(|forms| forms.note(verb, form()));
}

/// An answer in JSON.
pub(crate) fn json(verb: &str, body: &[u8]) {
    noted(verb, || {
        let mut form = Vec::new();
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => of_value(&value, String::new(), 0, &mut form),
            Err(_) => form.push((".".to_owned(), if body.is_empty() { "empty" } else { "no JSON" })),
        }
        form
    });
}

/// The parameters of an answer in XML.
pub(crate) fn elements(verb: &str, params: &[Element]) {
    noted(verb, || {
        let mut form = Vec::new();
        params.iter().for_each(|element| of_element(element, "", 0, &mut form));
        form
    });
}

/// The fields of a frame.
pub(crate) fn frame(verb: &str, fields: &[String]) {
    noted(verb, || fields.iter().enumerate().map(|(n, field)| (format!("{n:02}"), of_text(field))).collect())
}

fn of_value(value: &Value, path: String, depth: usize, form: &mut Vec<(String, &'static str)>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if depth < DEEPEST {
        match value {
            Value::Array(items) => {
                items.iter().for_each(|item| of_value(item, format!("{path}[]"), depth + 1, form));
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    // A name is kept as far as it looks like one, so that no value becomes a name.
                    let allowed = |c: &char| c.is_ascii_alphanumeric() || "_-$@".contains(*c);
                    let name: String = name.chars().filter(allowed).take(60).collect();
                    let inner = if path.is_empty() { name } else { format!("{path}.{name}") };
                    of_value(field, inner, depth + 1, form);
                }
            }
            _ => {}
        }
    }
    form.push((if path.is_empty() { ".".to_owned() } else { path }, kind));
}

fn of_element(element: &Element, above: &str, depth: usize, form: &mut Vec<(String, &'static str)>) {
    let path = if above.is_empty() { element.name().to_owned() } else { format!("{above}.{}", element.name()) };
    let kind = if element.children().is_empty() { of_text(element.text()) } else { "element" };
    if depth < DEEPEST {
        element.children().iter().for_each(|child| of_element(child, &path, depth + 1, form));
    }
    form.push((path, kind));
}

/// Texts without types of their own: serial numbers have letters on some days only.
fn of_text(text: &str) -> &'static str {
    if text.is_empty() { "null" } else { "string" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn forms_have_types_and_no_values() {
        let forms = Arc::new(Forms::default());
        json("add", br#"{"id": 7}"#);
        forms
            .watched(async {
                json("list", br#"{"list": [{"id": 7, "pin": "739146"}, {"id": "x", "pin": null}], "pages": 1}"#);
                frame("CN", &["CN".to_owned(), "0".to_owned(), String::new()]);
            })
            .await;
        let facts = forms.facts();
        assert_eq!(facts["list list[].id"], "number|string");
        assert_eq!(facts["list list[].pin"], "null|string");
        assert_eq!(
            (facts["list ."].as_str(), facts["CN 01"].as_str(), facts["CN 02"].as_str()),
            ("object", "string", "null")
        );
        assert!(!facts.keys().any(|fact| fact.starts_with("add")), "nobody watched");
        assert!(!format!("{facts:?}").contains("739146"));
    }
}
