//! XML as the server takes it: elements and text, no document type. Its own reading, not the adapters'.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

const DEEPEST: usize = 20;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Node>,
}

impl Node {
    pub(crate) fn leaf(name: &str, text: impl ToString) -> Self {
        Self { name: name.to_owned(), text: text.to_string(), children: Vec::new() }
    }

    pub(crate) fn list(name: &str, children: Vec<Self>) -> Self {
        Self { name: name.to_owned(), text: String::new(), children }
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// Reads a request; none when it is malformed.
pub(crate) fn read(bytes: &[u8]) -> Option<Node> {
    let text: String = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let mut reader = Reader::from_str(&text);
    let mut open: Vec<Node> = Vec::new();
    loop {
        let closed = match reader.read_event().ok()? {
            Event::Start(start) => {
                open.push(Node { name: start.name().as_ref().to_owned(), ..Node::default() });
                None
            }
            Event::Empty(start) => Some(Node { name: start.name().as_ref().to_owned(), ..Node::default() }),
            Event::End(_) => Some(open.pop()?),
            Event::Text(text) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&text.xml10_content());
                }
                None
            }
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().ok()? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference)?.to_owned(),
                };
                open.last_mut()?.text.push_str(&resolved);
                None
            }
            Event::DocType(_) | Event::CData(_) | Event::Eof => return None,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => None,
        };
        if open.len() > DEEPEST {
            return None;
        }
        if let Some(mut node) = closed {
            node.text = node.text.trim().to_owned();
            match open.last_mut() {
                Some(parent) => parent.children.push(node),
                None => return Some(node),
            }
        }
    }
}

/// Writes a reply the way the server does, with a declaration and blanks around.
pub(crate) fn write(node: &Node) -> String {
    let mut out = String::from("<?xml version='1.0' encoding='utf-8'?>\n");
    write_node(node, &mut out);
    out
}

fn write_node(node: &Node, out: &mut String) {
    out.push('<');
    out.push_str(&node.name);
    if node.text.is_empty() && node.children.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    out.push_str(&escape(node.text.as_str()));
    for child in &node.children {
        out.push_str("\n ");
        write_node(child, out);
    }
    out.push_str("</");
    out.push_str(&node.name);
    out.push('>');
}
