//! The documentation page, made from the OpenAPI document: endpoints by tag, then schemas. Self-contained, for any browser.
//!
//! It must not know routes; what the document doesn't say is not on the page.

use crate::{html, openapi};
use html::{escape, spans};
use serde_json::Value;

/// The page under `/docs`.
pub(crate) fn page() -> String {
    let document: Value = serde_json::from_str(&openapi::document()).unwrap_or_default();
    let text = |value: &Value| spans(value.as_str().unwrap_or_default());
    let mut body =
        format!("<h1>{}</h1><p>{}</p>", text(&document["info"]["title"]), text(&document["info"]["description"]));
    body.push_str(
        "<p><a href=/openapi.json>OpenAPI 3.1</a> · <a href=/errors>problem codes</a> · <a href=/codec/login>decode workflow histories</a></p>\
         <p>Authenticate with <code>Authorization: Bearer &lt;API key&gt;</code>.</p>",
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        body.push_str(&format!("<h2>{}</h2><p>{}</p>", escape(name), text(&tag["description"])));
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation["tags"][0] == name {
                    body.push_str(&one(path, method, operation));
                }
            }
        }
    }
    body.push_str("<h2>Schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let said = text(&schema["description"]);
        body.push_str(&format!("<h3 id=\"{0}\">{0}</h3><p>{said}</p>{1}", escape(name), table(schema)));
    }
    html::document("Lock integration service", &body)
}

fn one(path: &str, method: &str, operation: &Value) -> String {
    let text = |value: &Value| spans(value.as_str().unwrap_or_default());
    let scope = operation["security"][0]["api_key"][0].as_str().unwrap_or_default();
    let mut body = format!(
        "<details><summary><span class=m>{}</span> <code>{}</code> {}</summary><p>{}</p><p>Scope <code>{}</code></p>",
        method.to_uppercase(),
        escape(path),
        text(&operation["summary"]),
        text(&operation["description"]),
        escape(scope)
    );
    let parameters: String = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                text(&p["name"]),
                text(&p["in"]),
                text(&p["description"])
            )
        })
        .collect();
    if !parameters.is_empty() {
        body.push_str(&format!("<h4>Parameters</h4><table>{parameters}</table>"));
    }
    for (_, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        body.push_str(&format!("<h4>Body</h4><p>{}</p>", kind(&content["schema"])));
    }
    let answers: String = operation["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(status, answer)| {
            let schema = answer["content"].as_object().and_then(|c| c.values().next()).map(|c| kind(&c["schema"]));
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(status),
                text(&answer["description"]),
                schema.unwrap_or_default()
            )
        })
        .collect();
    body.push_str(&format!("<h4>Answers</h4><table>{answers}</table></details>"));
    body
}

/// A schema's fields, or its values.
fn table(schema: &Value) -> String {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let row = |(name, field): (&String, &Value)| {
        let needed = if required.iter().any(|r| r == name) { "" } else { " (optional)" };
        let said = spans(field["description"].as_str().unwrap_or_default());
        format!("<tr><td><code>{}</code>{needed}</td><td>{}</td><td>{said}</td></tr>", escape(name), kind(field))
    };
    let rows: String = schema["properties"].as_object().into_iter().flatten().map(row).collect();
    let variants: Vec<String> = schema["oneOf"].as_array().into_iter().flatten().map(kind).collect();
    match (rows.is_empty(), variants.is_empty()) {
        (false, _) => format!("<table>{rows}</table>"),
        (true, false) => format!("<p>{}</p>", variants.join(" or ")),
        (true, true) => format!("<p>{}</p>", kind(schema)),
    }
}

/// A schema in a few words, with a link if it has a name.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escape(name));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|v| format!("<code>{}</code>", escape(v.as_str().unwrap_or_default())))
            .collect::<Vec<_>>()
            .join(" ");
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        return variants.iter().filter(|v| v["type"] != "null").map(kind).collect::<Vec<_>>().join(" or ");
    }
    let name = match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).filter(|t| *t != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "object".to_owned(),
    };
    if name == "array" {
        return format!("list of {}", kind(&schema["items"]));
    }
    if let Some(fields) = schema["properties"].as_object() {
        let names: Vec<String> =
            fields.iter().map(|(n, s)| format!("<code>{}</code>: {}", escape(n), kind(s))).collect();
        return format!("object with {}", names.join(", "));
    }
    let form = schema["format"].as_str().or(schema["pattern"].as_str());
    match form {
        Some(form) => format!("{} <code>{}</code>", escape(&name), escape(form)),
        None => escape(&name),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_every_endpoint_and_schema_and_fetches_nothing() {
        let page = page();
        let document: Value = serde_json::from_str(&openapi::document()).unwrap();
        for path in document["paths"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("<code>{}</code>", escape(path))), "{path}");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("https://"));
    }
}
