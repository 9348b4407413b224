//! ASP.NET Core SignalR, JSON protocol, as far as a listener needs it: records that end with 0x1E. Pure.
//!
//! Source: "SignalR Hub Protocol" and "Transport Protocols" of the ASP.NET Core project.

use serde::Deserialize;
use serde_json::Value;

/// Ends each record.
pub(super) const END: char = '\u{1e}';
/// First record of a client.
pub(super) const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
/// Keeps the connection.
pub(super) const PING: &str = "{\"type\":6}\u{1e}";
/// The vendor's name for a method of ours.
const TARGET: &str = "ReceiveMessage";

/// Answer to `negotiate`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Negotiated {
    #[serde(default)]
    pub(super) connection_token: Option<String>,
    #[serde(default)]
    pub(super) connection_id: Option<String>,
    /// Another server to go to.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// Its token.
    #[serde(default)]
    pub(super) access_token: Option<String>,
    /// Why not.
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// What the server said.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// The handshake is done.
    Ready,
    /// An event.
    Event(Value),
    /// Nothing for us: a ping, a call of a method that we don't have.
    Nothing,
    /// It ends the connection, or it speaks another protocol.
    Over,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default, rename = "type")]
    kind: Option<i64>,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    arguments: Vec<Value>,
    #[serde(default)]
    error: Option<String>,
}

/// Reads one WebSocket message, which holds any number of whole records.
pub(super) fn read(text: &str) -> Vec<Said> {
    text.split(END).filter(|record| !record.is_empty()).map(one).collect()
}

fn one(record: &str) -> Said {
    // An array would do as a record for serde.
    let object = serde_json::from_str::<Value>(record).ok().filter(Value::is_object);
    let Some(Ok(message)) = object.map(serde_json::from_value::<Message>) else { return Said::Over };
    match message.kind {
        None if message.error.is_none() => Said::Ready,
        None | Some(7) => Said::Over,
        Some(1) if message.target.as_deref() == Some(TARGET) => {
            message.arguments.into_iter().next().map_or(Said::Nothing, |argument| Said::Event(unpacked(argument)))
        }
        Some(_) => Said::Nothing,
    }
}

/// "The event JSON" may be an object or a text that holds one: the vendor does not say.
fn unpacked(argument: Value) -> Value {
    match &argument {
        Value::String(text) => serde_json::from_str(text).unwrap_or(argument),
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_are_split_and_told_apart() {
        let text = "{}\u{1e}{\"type\":6}\u{1e}{\"type\":1,\"target\":\"ReceiveMessage\",\"arguments\":[{\"a\":1}]}\u{1e}\
                    {\"type\":1,\"target\":\"ReceiveMessage\",\"arguments\":[\"{\\\"a\\\":2}\"]}\u{1e}\
                    {\"type\":1,\"target\":\"Other\",\"arguments\":[]}\u{1e}{\"type\":7}\u{1e}";
        assert_eq!(
            read(text),
            [
                Said::Ready,
                Said::Nothing,
                Said::Event(json!({"a": 1})),
                Said::Event(json!({"a": 2})),
                Said::Nothing,
                Said::Over
            ]
        );
    }

    #[test]
    fn another_protocol_is_over() {
        for text in ["<html>", "[1]", "{\"error\":\"no\"}", "7"] {
            assert_eq!(read(text), [Said::Over], "{text}");
        }
        assert!(read("\u{1e}\u{1e}").is_empty());
    }
}
