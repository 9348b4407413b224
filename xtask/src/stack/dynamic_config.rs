//! The dynamic configuration that Temporal runs with, read from `temporal/`.
//!
//! The files have the server's own format, so a cluster can take them as they are; the development server takes no file, only
//! `--dynamic-config-value KEY=JSON`. Must not know what a key means. Fails on anything outside the flat subset used here.

use anyhow::{Context, Result, bail};

/// What every server runs with.
pub const TUNED_YAML: &str = include_str!("../../../temporal/dynamicconfig.yaml");

/// What tests add.
pub const TESTS_YAML: &str = include_str!("../../../temporal/dynamicconfig-tests.yaml");

/// One key with its value as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicValue {
    /// The key.
    pub key: String,
    /// The value, as JSON.
    pub json: String,
}

/// Reads keys that each have one value without constraints: `key:` and, on the next line, `  - value: JSON`.
///
/// # Errors
/// When a line is anything else, a value isn't JSON, or a key has no value.
pub fn parse_flat_yaml(text: &str) -> Result<Vec<DynamicValue>> {
    let mut values = Vec::new();
    let mut key: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        let place = || format!("line {}: {line}", number + 1);
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match (key, content.strip_prefix("- value:"), content.strip_suffix(':')) {
            (Some(name), Some(json), _) => {
                let value: serde_json::Value = serde_json::from_str(json.trim()).with_context(place)?;
                values.push(DynamicValue { key: name.to_owned(), json: value.to_string() });
                key = None;
            }
            (None, None, Some(name)) => key = Some(name),
            _ => bail!("not understood: {}", place()),
        }
    }
    match key {
        Some(name) => bail!("key {name} has no value"),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn our_files_hold_the_keys_that_the_design_promises() {
        let tuned = parse_flat_yaml(TUNED_YAML).unwrap();
        let value = |key: &str| tuned.iter().find(|value| value.key == key).map(|value| value.json.as_str());
        assert_eq!(value("history.transferProcessorMaxPollRPS"), Some("2000"));
        assert_eq!(value("matching.numTaskqueueReadPartitions"), value("matching.numTaskqueueWritePartitions"));
        let tests = parse_flat_yaml(TESTS_YAML).unwrap();
        assert!(
            tests.contains(&DynamicValue { key: "history.timerProcessorMaxTimeShift".into(), json: "\"10ms\"".into() })
        );
        assert!(!tuned.iter().any(|value| value.key.contains("TimeSkipping")), "time skipping is for tests only");
    }

    #[test]
    fn refuses_what_it_would_misread() {
        assert!(parse_flat_yaml("a.b:\n  - value: 1\n    constraints: {}\n").is_err());
        assert!(parse_flat_yaml("a.b:\n  - value: 10ms\n").is_err());
        assert!(parse_flat_yaml("a.b:\n").is_err());
    }
}
