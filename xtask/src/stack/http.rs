//! A plain HTTP/1.1 GET to 127.0.0.1, enough to ask a local server whether it is ready.
//!
//! No TLS, no redirects, no keep-alive: anything else belongs to a real client. Fails when nobody answers within two seconds.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const LIMIT: Duration = Duration::from_secs(2);

/// Asks `http://address/path`; returns the status code and the body as it came over the wire.
///
/// # Errors
/// When the server doesn't answer, or answers something that isn't HTTP.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    // HTTP/1.0 keeps the server from chunking the body and makes it close the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
}

fn parse(answer: &str) -> Result<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("answer without an HTTP head")?;
    let status = head.split_whitespace().nth(1).context("answer without a status")?;
    Ok((status.parse().context("status is not a number")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn reads_status_and_body() {
        assert_eq!(parse("HTTP/1.0 503 Busy\r\nA: b\r\n\r\n{}").unwrap(), (503, "{}".to_owned()));
        assert!(parse("SSH-2.0").is_err());
    }
}
