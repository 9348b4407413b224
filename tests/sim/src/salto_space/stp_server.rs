//! SHIP over raw TCP.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ship_wire::{Ending, PORTAL, answer};
use super::sim::SpaceSim;

const LARGEST: usize = 1024 * 1024;

/// Serves one connection, call after call.
pub(crate) async fn serve(sim: SpaceSim, mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some(document) = next(&sim, &mut stream, &mut buffer).await? else { return Ok(()) };
        match answer(&sim, document).await {
            Ending::Answer(text) => stream.write_all(&frame(&sim, &text)).await?,
            Ending::Split(text) => {
                for byte in frame(&sim, &text) {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::task::yield_now().await;
                }
            }
            Ending::Glued(text) => {
                let mut bytes = frame(&sim, &text);
                bytes.extend_from_slice(b"STP/00/40/<?xml version='1.0'?><Requ");
                stream.write_all(&bytes).await?;
            }
            Ending::Half(text) => {
                let bytes = frame(&sim, &text);
                stream.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default()).await?;
                return Ok(());
            }
            Ending::Page => {
                stream.write_all(PORTAL.as_bytes()).await?;
                return Ok(());
            }
            Ending::Silence => {
                sim.stopped().await;
                return Ok(());
            }
            Ending::Status(_) | Ending::Cut => return Ok(()),
        }
    }
}

fn frame(sim: &SpaceSim, text: &str) -> Vec<u8> {
    let characters = sim.world().policy.length_in_characters;
    let length = if characters { text.chars().count() } else { text.len() };
    format!("STP/00/{length}/{text}").into_bytes()
}

/// The next document; none when the caller has gone, or what it sends is no STP.
async fn next(sim: &SpaceSim, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        match header(buffer) {
            Header::Whole { start, length } if length <= LARGEST => {
                let end = start.saturating_add(length);
                if buffer.len() >= end {
                    let rest = buffer.split_off(end);
                    let mut document = std::mem::replace(buffer, rest);
                    return Ok(Some(document.split_off(start)));
                }
                // What the samples do that are in circulation: a length that is larger than the document.
                if !sim.world().policy.strict_stp && buffer.ends_with(b"</RequestCall>") {
                    return Ok(Some(std::mem::take(buffer).split_off(start)));
                }
            }
            Header::Part => {}
            Header::Whole { .. } | Header::Wrong => return Ok(None),
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok(None);
        }
        buffer.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
}

enum Header {
    Part,
    Wrong,
    Whole { start: usize, length: usize },
}

fn header(buffer: &[u8]) -> Header {
    let mut slashes = buffer.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let Some(third) = slashes.nth(2) else {
        return if buffer.len() > 20 { Header::Wrong } else { Header::Part };
    };
    let length = buffer
        .get(..third)
        .and_then(|head| head.strip_prefix(b"STP/00/"))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok());
    length.map_or(Header::Wrong, |length| Header::Whole { start: third.saturating_add(1), length })
}
