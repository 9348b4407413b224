//! The few lines of HTML that the service's own pages need: self-contained, no script, nothing fetched from elsewhere.
//!
//! The Markdown here is what our pages use: headings, paragraphs, list items, code spans, bold and fenced blocks. It must not be used for text
//! from outside without [`escape`]; what it doesn't know it prints as it is.

/// Text as HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A whole page.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{}</title>\
         <style>{STYLE}</style><body><main>{body}</main></body></html>",
        escape(title)
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#fafafa;color:#1a1a1a}\
main{max-width:60rem;margin:2rem auto;padding:0 1rem}code,pre{font:14px/1.45 ui-monospace,monospace;background:#eee;border-radius:4px}\
code{padding:0 .25em}pre{padding:.75rem;overflow:auto}table{border-collapse:collapse;width:100%}\
td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}a{color:#0b57d0}\
details{border:1px solid #ddd;border-radius:6px;margin:.5rem 0;padding:.5rem .75rem;background:#fff}summary{cursor:pointer}\
.m{display:inline-block;min-width:3.5em;font-weight:600}label{display:block;margin:.5rem 0}\
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}code,pre{background:#2a2a2a}details{background:#1e1e1e;border-color:#444}\
td,th{border-color:#444}a{color:#8ab4f8}}";

/// Our pages' Markdown as HTML.
pub(crate) fn markdown(text: &str) -> String {
    let mut html = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            html.push_str(if fenced { "<pre>" } else { "</pre>" });
        } else if fenced {
            html.push_str(&escape(line));
            html.push('\n');
        } else if let Some(heading) = line.strip_prefix("## ") {
            html.push_str(&format!("<h2>{}</h2>", spans(heading)));
        } else if let Some(heading) = line.strip_prefix("# ") {
            html.push_str(&format!("<h1>{}</h1>", spans(heading)));
        } else if let Some(item) = line.strip_prefix("- ") {
            html.push_str(&format!("<li>{}</li>", spans(item)));
        } else if !line.is_empty() {
            html.push_str(&format!("<p>{}</p>", spans(line)));
        }
    }
    html
}

/// Code spans within a line.
pub(crate) fn spans(line: &str) -> String {
    let parts = line.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_everywhere() {
        let html = markdown("# A <b>\n\nuse `x<y>` & go\n```\n<script>\n```\n");
        assert_eq!(html, "<h1>A &lt;b&gt;</h1><p>use <code>x&lt;y&gt;</code> &amp; go</p><pre>&lt;script&gt;\n</pre>");
        assert!(document("<t>", "").contains("<title>&lt;t&gt;</title>"));
    }
}
