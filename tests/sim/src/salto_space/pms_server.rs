//! The PMS wire's dialogue: ACK first, the reply after the card.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::fault::FaultKind;
use super::pms::{Reading, act, verb};
use super::pms_frame::{ACK, Heard, Lrc, NAK, next, write};
use super::sim::SpaceSim;

/// How long a second client waits for the first one's end to be noticed.
const GRACE: Duration = Duration::from_millis(500);
const HUGE: usize = 10 * 1024 * 1024;

/// Serves one connection, command after command.
pub(crate) async fn serve(
    sim: SpaceSim,
    mut stream: TcpStream,
    line: std::sync::Arc<Mutex<()>>,
) -> std::io::Result<()> {
    let single = sim.world().policy.single_client;
    let _alone = if single {
        let Ok(alone) = timeout(GRACE, line.lock_owned()).await else {
            let mut world = sim.world();
            world.stats.turned_away = world.stats.turned_away.saturating_add(1);
            return Ok(());
        };
        Some(alone)
    } else {
        None
    };
    let mut client = Client { sim, buffer: Vec::new(), last: Vec::new(), naks: 0, reading: Reading::default() };
    while let Some(heard) = client.hear(&mut stream).await? {
        if !client.answer(&mut stream, heard).await? {
            return Ok(());
        }
    }
    Ok(())
}

struct Client {
    sim: SpaceSim,
    buffer: Vec<u8>,
    /// The reply before, for a client that says NAK.
    last: Vec<String>,
    /// NAKs that are still to be said.
    naks: u32,
    reading: Reading,
}

impl Client {
    async fn hear(&mut self, stream: &mut TcpStream) -> std::io::Result<Option<Heard>> {
        loop {
            if let Some(heard) = next(&mut self.buffer) {
                return Ok(Some(heard));
            }
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await?;
            if length == 0 {
                return Ok(None);
            }
            self.buffer.extend_from_slice(piece.get(..length).unwrap_or_default());
        }
    }

    /// Says nothing until the caller has gone.
    async fn silence(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        while self.hear(stream).await?.is_some() {}
        Ok(())
    }

    async fn nak(&mut self, stream: &mut TcpStream) -> std::io::Result<bool> {
        self.naks = self.naks.saturating_sub(1);
        {
            let mut world = self.sim.world();
            world.stats.naks = world.stats.naks.saturating_add(1);
        }
        stream.write_all(&[NAK]).await.map(|()| true)
    }

    /// False when the connection is over.
    async fn answer(&mut self, stream: &mut TcpStream, heard: Heard) -> std::io::Result<bool> {
        match heard {
            Heard::Enq => {
                {
                    let mut world = self.sim.world();
                    world.stats.enqs = world.stats.enqs.saturating_add(1);
                }
                if self.naks > 0 {
                    return self.nak(stream).await;
                }
                stream.write_all(&[ACK]).await.map(|()| true)
            }
            Heard::Nak if self.last.is_empty() => Ok(true),
            Heard::Nak => {
                let again = write(&self.last, Lrc::Right);
                stream.write_all(&again).await.map(|()| true)
            }
            Heard::Broken => self.nak(stream).await,
            Heard::Fields(_) if self.naks > 0 => self.nak(stream).await,
            Heard::Fields(fields) => self.command(stream, fields).await,
        }
    }

    async fn command(&mut self, stream: &mut TcpStream, fields: Vec<String>) -> std::io::Result<bool> {
        let name = verb(&fields);
        let fault = {
            let mut world = self.sim.world();
            world.stats.call(&name);
            let fault = world.faults.take(&name);
            if let Some(kind) = &fault {
                world.stats.fault(&crate::fault::name(kind));
            }
            fault
        };
        match &fault {
            Some(FaultKind::Nak { times }) => {
                self.naks = *times;
                return self.nak(stream).await;
            }
            Some(FaultKind::Drop | FaultKind::Down | FaultKind::HttpStatus { .. } | FaultKind::Exception { .. }) => {
                return Ok(false);
            }
            Some(FaultKind::Silence) => {
                self.silence(stream).await?;
                return Ok(false);
            }
            Some(FaultKind::Html) => {
                stream.write_all(super::ship_wire::PORTAL.as_bytes()).await?;
                return Ok(false);
            }
            Some(FaultKind::Glued | FaultKind::NoAck) => {}
            _ => stream.write_all(&[ACK]).await?,
        }
        let reply = match &fault {
            Some(FaultKind::AckThenDrop) => return Ok(false),
            Some(FaultKind::Refusal { letters }) => vec![letters.clone(), fields.get(1).cloned().unwrap_or_default()],
            _ => self.work(fields, fault.as_ref()).await,
        };
        self.last.clone_from(&reply);
        self.reply(stream, reply, fault).await
    }

    /// Goes on when the caller hangs up, as in life.
    async fn work(&mut self, fields: Vec<String>, fault: Option<&FaultKind>) -> Vec<String> {
        let (sim, fault) = (self.sim.clone(), fault.cloned());
        let mut reading = std::mem::take(&mut self.reading);
        let working = tokio::spawn(async move {
            if let Some(FaultKind::Latency { ms }) = fault {
                sleep(Duration::from_millis(ms)).await;
            }
            if fault == Some(FaultKind::Duplicate) {
                act(&sim, &fields, &mut reading).await;
            }
            let reply = act(&sim, &fields, &mut reading).await;
            (reply, reading)
        });
        match working.await {
            Ok((reply, reading)) => {
                self.reading = reading;
                reply
            }
            Err(_) => vec!["EG".to_owned()],
        }
    }

    async fn reply(
        &mut self,
        stream: &mut TcpStream,
        reply: Vec<String>,
        fault: Option<FaultKind>,
    ) -> std::io::Result<bool> {
        let mut bytes = write(&reply, Lrc::Right);
        match fault {
            Some(FaultKind::ActThenDrop | FaultKind::ActThenException { .. }) => return Ok(false),
            Some(FaultKind::ActThenSilence) => {
                self.silence(stream).await?;
                return Ok(false);
            }
            Some(FaultKind::ActThenRefusal { letters }) => {
                self.last = vec![letters, "1".to_owned()];
                bytes = write(&self.last, Lrc::Right);
            }
            Some(FaultKind::BadLrc { times }) => return self.bad_lrc(stream, &reply, times).await,
            Some(FaultKind::SkipLrc) => bytes = write(&reply, Lrc::Skip),
            Some(FaultKind::Glued) => bytes.insert(0, ACK),
            Some(FaultKind::Split) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::task::yield_now().await;
                }
                return Ok(true);
            }
            Some(FaultKind::HalfThenDrop) => {
                stream.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default()).await?;
                return Ok(false);
            }
            Some(FaultKind::Garbage) => bytes = b"\x02\xb3\x00\xff\x03\x00".repeat(40),
            Some(FaultKind::WrongTypes) => {
                bytes = write(&[reply.first().cloned().unwrap_or_default()], Lrc::Right);
                self.last.truncate(1);
            }
            Some(FaultKind::WrongName) => {
                self.last = vec!["INFO".to_owned()];
                bytes = write(&self.last, Lrc::Right);
            }
            Some(FaultKind::Huge) => {
                bytes = vec![b'x'; HUGE];
                bytes.splice(0..0, [0x02, 0xb3]);
            }
            _ => {}
        }
        stream.write_all(&bytes).await?;
        Ok(true)
    }

    async fn bad_lrc(&mut self, stream: &mut TcpStream, reply: &[String], times: u32) -> std::io::Result<bool> {
        for _ in 0..times {
            stream.write_all(&write(reply, Lrc::Wrong)).await?;
            match self.hear(stream).await? {
                Some(Heard::Nak) => {}
                Some(other) => return Box::pin(self.answer(stream, other)).await,
                None => return Ok(false),
            }
        }
        stream.write_all(&write(reply, Lrc::Right)).await?;
        Ok(true)
    }
}
