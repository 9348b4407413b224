//! SHIP over HTTP, and the control paths under `/sim`. One request per connection, written by hand: faults cut it anywhere.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::control;
use super::ship_wire::{Ending, PORTAL, answer};
use super::sim::SpaceSim;
use super::world::{DEFAULT_PASSWORD, DEFAULT_SHIP_KEY, DEFAULT_USERNAME};

const MEDIA_TYPE: &str = "application/vnd.saltosystems.ship.v1+xml";
const LARGEST: usize = 1024 * 1024;

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Serves one connection.
pub(crate) async fn serve(sim: SpaceSim, mut stream: TcpStream) -> std::io::Result<()> {
    let Some(request) = read(&mut stream).await? else { return Ok(()) };
    if request.path.starts_with("/sim") {
        let (status, body) = control::answer(&sim, &request.method, &request.path, &request.body);
        return stream.write_all(response(status, "application/json", &body.to_string()).as_bytes()).await;
    }
    if let Some(status) = refused(&request) {
        return stream.write_all(response(status, "text/html", PORTAL).as_bytes()).await;
    }
    match answer(&sim, request.body).await {
        Ending::Answer(text) | Ending::Glued(text) => {
            stream.write_all(response(200, MEDIA_TYPE, &text).as_bytes()).await
        }
        Ending::Split(text) => {
            for byte in response(200, MEDIA_TYPE, &text).into_bytes() {
                stream.write_all(&[byte]).await?;
                stream.flush().await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
        Ending::Half(text) => {
            let bytes = response(200, MEDIA_TYPE, &text).into_bytes();
            stream.write_all(bytes.get(..bytes.len().saturating_sub(text.len() / 2)).unwrap_or_default()).await
        }
        Ending::Status(status) => stream.write_all(response(status, "text/html", PORTAL).as_bytes()).await,
        Ending::Page => stream.write_all(response(200, "text/html", PORTAL).as_bytes()).await,
        Ending::Silence => {
            sim.stopped().await;
            Ok(())
        }
        Ending::Cut => Ok(()),
    }
}

fn refused(request: &Request) -> Option<u16> {
    if request.method != "POST" || request.path != "/" {
        return Some(404);
    }
    let basic = format!("Basic {}", base64(format!("{DEFAULT_USERNAME}:{DEFAULT_PASSWORD}").as_bytes()));
    let known = request.header("Salto-SHIP-Key") == Some(DEFAULT_SHIP_KEY)
        || request.header("Authorization") == Some(basic.as_str());
    if !known {
        return Some(401);
    }
    (request.header("Content-Type") != Some(MEDIA_TYPE)).then_some(415)
}

fn response(status: u16, media_type: &str, body: &str) -> String {
    let length = body.len();
    let location = if (300..400).contains(&status) { "Location: http://127.0.0.1:9/\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} Sim\r\nContent-Type: {media_type}\r\n{location}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = parse(&bytes) {
            return Ok(request);
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await?;
        if length == 0 || bytes.len() > LARGEST {
            return Ok(None);
        }
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
}

/// Outer none: more is to come. Inner none: it is no HTTP.
fn parse(bytes: &[u8]) -> Option<Option<Request>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (Some(method), Some(path)) = (first.next(), first.next()) else { return Some(None) };
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() };
    let length: usize = request.header("Content-Length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let body = bytes.get(end.saturating_add(4)..)?;
    request.body = body.get(..length)?.to_vec();
    Some(Some(request))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().chain([0, 0].iter()).take(3).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        for place in 0..4_usize {
            let digit = usize::try_from((number >> (18 - 6 * place)) & 63).unwrap_or(0);
            let shown = place <= three.len();
            out.push(if shown { DIGITS.get(digit).copied().map_or('=', char::from) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("user:password", "dXNlcjpwYXNzd29yZA==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
