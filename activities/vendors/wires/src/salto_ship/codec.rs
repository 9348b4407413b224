//! SHIP's envelope: `RequestCall` one way, `RequestResponse` the other, with parameters or an exception.

use std::fmt;

use super::xml::{self, Element, XmlError};

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not XML that we take.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML, but neither a call nor a reply: a web page, for example.
    #[error("the document is neither a call nor a reply")]
    NotShip,
    /// A call or reply without a name.
    #[error("the message has no request name")]
    Nameless,
    /// An exception whose code is not a number.
    #[error("the exception has no number")]
    Exception,
}

/// A call or what it is answered with.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Asks for something.
    Call {
        /// Such as `SaltoDBUser.Insert`.
        name: String,
        /// What it is about.
        params: Vec<Element>,
    },
    /// It was done.
    Reply {
        /// The call's name.
        name: String,
        /// What came of it.
        params: Vec<Element>,
    },
    /// It was refused.
    Exception {
        /// The call's name.
        name: String,
        /// The vendor's number.
        code: i64,
        /// The vendor's words, which may repeat what was sent.
        message: String,
    },
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { name, params } => f.debug_tuple("Call").field(name).field(params).finish(),
            Self::Reply { name, params } => f.debug_tuple("Reply").field(name).field(params).finish(),
            Self::Exception { name, code, .. } => f.debug_tuple("Exception").field(name).field(code).finish(),
        }
    }
}

const CALL: &str = "RequestCall";
const REPLY: &str = "RequestResponse";
const NAME: &str = "RequestName";
const PARAMS: &str = "Params";
const EXCEPTION: &str = "Exception";
const CODE: &str = "Code";
const MESSAGE: &str = "Message";

/// Writes a message as an ASCII document.
#[must_use]
pub fn encode(message: &Message) -> Vec<u8> {
    let (root, name, body) = match message {
        Message::Call { name, params } => (CALL, name, Element::node(PARAMS, params.clone())),
        Message::Reply { name, params } => (REPLY, name, Element::node(PARAMS, params.clone())),
        Message::Exception { name, code, message } => {
            let children = vec![Element::leaf(CODE, code), Element::leaf(MESSAGE, message)];
            (REPLY, name, Element::node(EXCEPTION, children))
        }
    };
    xml::write(&Element::node(root, vec![Element::leaf(NAME, name), body]))
}

/// Reads a message. A reply without parameters is taken as one with none; an exception with the number 0 is a success.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    let mut root = xml::parse(bytes)?;
    let is_call = match root.name() {
        CALL => true,
        REPLY => false,
        _ => return Err(DecodeError::NotShip),
    };
    let name = root.text_of(NAME).ok_or(DecodeError::Nameless)?.to_owned();
    if !is_call && let Some(exception) = root.child(EXCEPTION) {
        let code = exception.text_of(CODE).and_then(|text| text.parse().ok()).ok_or(DecodeError::Exception)?;
        if code != 0 {
            let message = exception.text_of(MESSAGE).unwrap_or_default().to_owned();
            return Ok(Message::Exception { name, code, message });
        }
    }
    let body = root.children_mut().iter_mut().find(|child| child.name() == PARAMS);
    let params = body.map(|element| std::mem::take(element.children_mut())).unwrap_or_default();
    Ok(if is_call { Message::Call { name, params } } else { Message::Reply { name, params } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_exception_is_read_with_blanks_around_its_number() {
        let bytes = b"<RequestResponse><RequestName> X </RequestName><Exception><Code> 202 </Code><Message> m </Message></Exception></RequestResponse>";
        let expected = Message::Exception { name: "X".to_owned(), code: 202, message: "m".to_owned() };
        assert_eq!(decode(bytes).unwrap(), expected);
        assert!(!format!("{expected:?}").contains('m'));
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        assert_eq!(decode(b"<html><body/></html>"), Err(DecodeError::NotShip));
        assert_eq!(decode(b"<RequestResponse><Params/></RequestResponse>"), Err(DecodeError::Nameless));
        let wrong =
            b"<RequestResponse><RequestName>X</RequestName><Exception><Code>soon</Code></Exception></RequestResponse>";
        assert_eq!(decode(wrong), Err(DecodeError::Exception));
        assert_eq!(decode(b"<RequestResp"), Err(DecodeError::Xml(XmlError::IllFormed)));
    }
}
