//! How a request proves that it comes from a session: HMAC-SHA1 over what is sent, byte for byte. Pure.
//!
//! Source: public client code of the Hospitality Web API (document 61 1100 080 is not public). SHA-1 and MD5 are the vendor's choice;
//! what protects the exchange is TLS with the pinned certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

use super::config::DateHeader;

/// `Content-MD5` of a body.
pub(crate) fn content_md5(body: &[u8]) -> String {
    STANDARD.encode(Md5::digest(body))
}

/// RFC 1123, as `Date` has it.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// What is signed of a request. `content` is the MD5 and the type of its body, as sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) content: Option<(&'a str, &'a str)>,
    pub(crate) date_header: DateHeader,
    pub(crate) date: &'a str,
    /// Path and query exactly as on the request line.
    pub(crate) target: &'a str,
}

impl Signed<'_> {
    pub(crate) fn text(&self) -> String {
        let (md5, kind) = self.content.unwrap_or_default();
        let prefix = match self.date_header {
            DateHeader::Date => "",
            DateHeader::XAahDate => "X-Aah-Date:",
        };
        format!("{}\n{md5}\n{kind}\n{prefix}{}\n{}", self.method, self.date, self.target)
    }

    /// The value of `Authorization`.
    pub(crate) fn authorization(&self, session: &str, access_key: &SecretString) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha1>::new_from_slice(access_key.expose_secret().as_bytes()).expect("a key of any length");
        mac.update(self.text().as_bytes());
        format!("AWS {session}:{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DATE: &str = "Mon, 23 Nov 2026 10:00:00 GMT";
    const BODY: &str = r#"{"expireTime":"20261125T1100","startTime":"20261123T1500","format":"rfid48","doorOperations":[{"doors":["101"],"operation":"guest"}]}"#;
    const ENCODE: &str = "/api/v1/cards?action=encode&autoJoin=true&encoder=Encoder1";

    fn key() -> SecretString {
        "SECRETKEY".into()
    }

    #[test]
    fn the_bodys_hash() {
        assert_eq!(content_md5(br#"{"username":"sym","password":"sym"}"#), "62vvvkRi3TRtURahQ++3Zg==");
        assert_eq!(content_md5(BODY.as_bytes()), "lWmJM09llNJJgIdRUEUyYA==");
    }

    #[test]
    fn the_date_is_rfc_1123() {
        assert_eq!(http_date("2026-11-23T10:00:00Z".parse().unwrap()), DATE);
        assert_eq!(http_date("2027-01-05T08:09:03.9Z".parse().unwrap()), "Tue, 05 Jan 2027 08:09:03 GMT");
    }

    #[test]
    fn a_request_without_body() {
        let signed = Signed {
            method: "DELETE",
            content: None,
            date_header: DateHeader::Date,
            date: DATE,
            target: "/api/v1/sessions/abc123",
        };
        assert_eq!(signed.text(), "DELETE\n\n\nMon, 23 Nov 2026 10:00:00 GMT\n/api/v1/sessions/abc123");
        assert_eq!(signed.authorization("abc123", &key()), "AWS abc123:5ySNGupVELB1oAnfN4+QeOhF8Pg=");
    }

    #[test]
    fn a_request_with_body_and_query() {
        let md5 = content_md5(BODY.as_bytes());
        let signed = Signed {
            method: "POST",
            content: Some((&md5, "application/json;charset=utf-8")),
            date_header: DateHeader::Date,
            date: DATE,
            target: ENCODE,
        };
        assert_eq!(signed.authorization("s", &key()), "AWS s:7tF+tGJAz2//zBVQToi0bHI1thA=");
    }

    #[test]
    fn the_other_date_header_is_part_of_its_line() {
        let signed = Signed {
            method: "GET",
            content: None,
            date_header: DateHeader::XAahDate,
            date: DATE,
            target: "/api/v1/doors",
        };
        assert_eq!(signed.text(), "GET\n\n\nX-Aah-Date:Mon, 23 Nov 2026 10:00:00 GMT\n/api/v1/doors");
    }
}
