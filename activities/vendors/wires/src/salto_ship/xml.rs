//! The part of XML that SHIP uses: elements and text.
//!
//! No DTD, no entities but the five of XML and character references, bounded size, depth and count. Attributes, comments and
//! processing instructions are passed over. Text is trimmed: SHIP's own samples pad it with blanks.

use std::borrow::Cow;
use std::fmt;

use quick_xml::Reader;
use quick_xml::events::Event;

/// Largest document, in bytes.
pub const LARGEST: usize = 1024 * 1024;
/// Deepest nesting of elements.
pub const DEEPEST: usize = 32;
/// Most elements in a document.
pub const MOST: usize = 50_000;

/// Why a document is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// More than [`LARGEST`] bytes.
    #[error("the document is too large")]
    TooLarge,
    /// Neither UTF-8 nor ISO-8859-1, or not what it says it is.
    #[error("the document's encoding can't be read")]
    Encoding,
    /// Not well-formed.
    #[error("the document is not well-formed")]
    IllFormed,
    /// It has a document type, or refers to an entity.
    #[error("the document has a document type or an entity")]
    Forbidden,
    /// Nested deeper than [`DEEPEST`].
    #[error("the document is nested too deeply")]
    TooDeep,
    /// More than [`MOST`] elements.
    #[error("the document has too many elements")]
    TooMany,
}

/// An element with its text and its children. Its Debug form shows names only: texts may be PINs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Element {
    name: Cow<'static, str>,
    text: String,
    children: Vec<Self>,
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(&self.name).field(&self.children).finish()
    }
}

impl Element {
    /// With a text and nothing else.
    #[must_use]
    pub fn leaf(name: &'static str, text: impl fmt::Display) -> Self {
        Self { name: Cow::Borrowed(name), text: text.to_string(), children: Vec::new() }
    }

    /// With children and nothing else.
    #[must_use]
    pub fn node(name: &'static str, children: Vec<Self>) -> Self {
        Self { name: Cow::Borrowed(name), text: String::new(), children }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text, trimmed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its children.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// Its children, to be changed or taken.
    pub fn children_mut(&mut self) -> &mut Vec<Self> {
        &mut self.children
    }

    /// The first child of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        find(&self.children, name)
    }

    /// The text of the first child of this name, unless it is empty.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text).filter(|text| !text.is_empty())
    }

    /// Puts a child in the place of those that have its name.
    pub fn replace(&mut self, child: Self) {
        self.children.retain(|old| old.name != child.name);
        self.children.push(child);
    }
}

/// The first of `elements` with this name.
#[must_use]
pub fn find<'a>(elements: &'a [Element], name: &str) -> Option<&'a Element> {
    elements.iter().find(|element| element.name == name)
}

/// Reads a document.
///
/// # Errors
/// As [`XmlError`] says.
pub fn parse(bytes: &[u8]) -> Result<Element, XmlError> {
    if bytes.len() > LARGEST {
        return Err(XmlError::TooLarge);
    }
    let text = decoded(bytes)?;
    let mut reader = Reader::from_str(&text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut count = 0_usize;
    loop {
        match reader.read_event().map_err(|_| XmlError::IllFormed)? {
            Event::Start(start) => {
                begin(&mut open, root.is_some(), start.name().as_ref(), &mut count)?;
            }
            Event::Empty(start) => {
                begin(&mut open, root.is_some(), start.name().as_ref(), &mut count)?;
                end(&mut open, &mut root)?;
            }
            Event::End(_) => end(&mut open, &mut root)?,
            Event::Text(text) => add(&mut open, &text.xml10_content())?,
            Event::CData(text) => add(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|_| XmlError::IllFormed)? {
                    Some(character) => character,
                    None => predefined(&reference).ok_or(XmlError::Forbidden)?,
                };
                if !allowed(resolved) {
                    return Err(XmlError::IllFormed);
                }
                add(&mut open, resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(XmlError::Forbidden),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if open.is_empty() { root.ok_or(XmlError::IllFormed) } else { Err(XmlError::IllFormed) }
}

fn begin(open: &mut Vec<Element>, closed: bool, name: &str, count: &mut usize) -> Result<(), XmlError> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if closed || !first || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':')) {
        return Err(XmlError::IllFormed);
    }
    *count = count.saturating_add(1);
    if *count > MOST {
        return Err(XmlError::TooMany);
    }
    if open.len() >= DEEPEST {
        return Err(XmlError::TooDeep);
    }
    open.push(Element { name: Cow::Owned(name.to_owned()), ..Element::default() });
    Ok(())
}

fn end(open: &mut Vec<Element>, root: &mut Option<Element>) -> Result<(), XmlError> {
    let mut element = open.pop().ok_or(XmlError::IllFormed)?;
    let trimmed = element.text.trim();
    if trimmed.len() != element.text.len() {
        element.text = trimmed.to_owned();
    }
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
    Ok(())
}

fn add(open: &mut [Element], text: &str) -> Result<(), XmlError> {
    if !text.chars().all(allowed) {
        return Err(XmlError::IllFormed);
    }
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() => {}
        None => return Err(XmlError::IllFormed),
    }
    Ok(())
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return None,
    })
}

/// Characters of XML 1.0 (`Char`).
fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// By the declaration: UTF-8 unless it says ISO-8859-1.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = bytes.get(..bytes.len().min(120)).unwrap_or(bytes).to_ascii_lowercase();
    let declaration = head.split(|b| *b == b'>').next().filter(|start| start.starts_with(b"<?xml")).unwrap_or_default();
    let says = |name: &[u8]| declaration.windows(name.len()).any(|part| part == name);
    if says(b"encoding") && !says(b"utf-8") && !says(b"us-ascii") {
        if !says(b"iso-8859-1") {
            return Err(XmlError::Encoding);
        }
        return Ok(Cow::Owned(bytes.iter().copied().map(char::from).collect()));
    }
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| XmlError::Encoding)
}

/// Writes a document in ASCII, so that its length in bytes and in characters is the same.
#[must_use]
pub fn write(element: &Element) -> Vec<u8> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>");
    write_element(element, &mut out);
    out.into_bytes()
}

fn write_element(element: &Element, out: &mut String) {
    out.push('<');
    out.push_str(&element.name);
    if element.text.is_empty() && element.children.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for c in element.text.chars().filter(|c| allowed(*c)) {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            ' '..='~' | '\n' | '\t' => out.push(c),
            other => {
                out.push_str("&#");
                out.push_str(&u32::from(other).to_string());
                out.push(';');
            }
        }
    }
    for child in &element.children {
        write_element(child, out);
    }
    out.push_str("</");
    out.push_str(&element.name);
    out.push('>');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn padded_text_declarations_and_comments_are_taken() {
        let document = b"<?xml version='1.0' encoding='ISO-8859-1'?>\n<!-- x --><a q='1'> b\xe9 &amp; &#51;<c/><![CDATA[<]]></a>\n";
        let root = parse(document).unwrap();
        assert_eq!((root.name(), root.text()), ("a", "b\u{e9} & 3<"));
        assert_eq!(root.children().len(), 1);
        assert_eq!(parse("\u{feff}<a>\u{e9}</a>".as_bytes()).unwrap().text(), "\u{e9}");
    }

    #[test]
    fn what_is_dangerous_or_broken_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(DEEPEST + 1), "</a>".repeat(DEEPEST + 1));
        let many = format!("<a>{}</a>", "<b/>".repeat(MOST));
        let cases: [(&[u8], XmlError); 13] = [
            (b"<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", XmlError::Forbidden),
            (b"<a>&x;</a>", XmlError::Forbidden),
            (b"<a><b></a>", XmlError::IllFormed),
            (b"<a>", XmlError::IllFormed),
            (b"", XmlError::IllFormed),
            (b"<a/><b/>", XmlError::IllFormed),
            (b"text", XmlError::IllFormed),
            (b"<a>&#0;</a>", XmlError::IllFormed),
            (b"<a>\x01</a>", XmlError::IllFormed),
            (b"<a>\xe9</a>", XmlError::Encoding),
            (b"<?xml version='1.0' encoding='UTF-16'?><a/>", XmlError::Encoding),
            (deep.as_bytes(), XmlError::TooDeep),
            (many.as_bytes(), XmlError::TooMany),
        ];
        for (document, expected) in cases {
            let shown = String::from_utf8_lossy(document.get(..document.len().min(60)).unwrap()).into_owned();
            assert_eq!(parse(document).unwrap_err(), expected, "{shown}");
        }
        assert_eq!(parse(&vec![b' '; LARGEST + 1]), Err(XmlError::TooLarge));
    }

    #[test]
    fn debug_shows_no_text() {
        assert!(!format!("{:?}", Element::leaf("PINCode", "739146")).contains("739146"));
    }
}
