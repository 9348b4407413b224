//! One command and its reply on a connection of its own, one connection at a time: the server's port is said to be for one client.

use std::sync::Arc;

use lock_wires::salto_pms::command::Command;
use lock_wires::salto_pms::dialogue::{Dialogue, Next, PAUSE};
use lock_wires::salto_pms::frame::Decoder;
use lock_wires::salto_pms::reply::{self, Reply};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::NAME;
use super::config::SaltoPmsConfig;
use super::errors;
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::http::ExchangeError;
use crate::lanes::{Lanes, Turn};
use crate::meter::CallMeter;
use crate::registry::Parts;
use crate::salto::{self, Operation, below};
use crate::watch;

pub(crate) struct Session {
    config: SaltoPmsConfig,
    meter: Arc<dyn CallMeter>,
    lanes: Lanes,
}

impl Session {
    pub(crate) fn new(config: SaltoPmsConfig, parts: Parts) -> Self {
        Self { config, meter: parts.meter, lanes: Lanes::default() }
    }

    pub(crate) fn config(&self) -> &SaltoPmsConfig {
        &self.config
    }

    /// Waits for the server to be ours.
    pub(crate) async fn turn(&self, operation: Operation<'_>) -> Result<Turn, VendorError> {
        let busy = || VendorError::new(NAME, "turn", Condition::EncoderBusy, EffectOutcome::Retryable { after: None });
        self.lanes.turn("server", operation.deadline).await.ok_or_else(busy)
    }

    /// Sends a command and reads its reply. Whoever calls has the turn.
    pub(crate) async fn call(
        &self,
        operation: Operation<'_>,
        _turn: &Turn,
        command: &Command<'_>,
    ) -> Result<Reply, VendorError> {
        let (verb, mutating) = (command.verb(), mutating(command));
        let invalid = VendorError::new(NAME, verb, Condition::InvalidRequest, EffectOutcome::Permanent);
        let frame = command.frame().map_err(|_| invalid)?;
        let started = Instant::now();
        let result = self.exchange(operation, verb, mutating, frame).await;
        let result = result.and_then(|fields| match reply::read(verb, &fields) {
            Some(Reply::Refused(refusal)) => Err(errors::error(verb, refusal, mutating)),
            Some(reply) => Ok(reply),
            None => Err(bad_answer(verb, mutating)),
        });
        operation.observed(&*self.meter, NAME, verb, started, result)
    }

    async fn exchange(
        &self,
        operation: Operation<'_>,
        verb: &'static str,
        mutating: bool,
        frame: Vec<u8>,
    ) -> Result<Vec<String>, VendorError> {
        let connected = salto::connect(&self.config.address, operation.deadline).await;
        let mut stream = connected.map_err(|error| below(NAME, verb, mutating, error))?;
        let mut dialogue = Dialogue::new(frame, self.config.assumed.nak_repeats_reply);
        let ended = self.talk(operation, &mut stream, &mut dialogue).await;
        match ended {
            Ok(Next::Reply(fields)) => {
                watch::frame(verb, &fields);
                Ok(fields)
            }
            Ok(Next::NotTaken) => Err(not_taken(verb)),
            Ok(_) => Err(bad_answer(verb, mutating)),
            // Refused, and not offered again since.
            Err(_) if dialogue.refused() => Err(not_taken(verb)),
            Err(error) => Err(below(NAME, verb, mutating, error)),
        }
    }

    async fn talk(
        &self,
        operation: Operation<'_>,
        stream: &mut TcpStream,
        dialogue: &mut Dialogue,
    ) -> Result<Next, ExchangeError> {
        salto::send(stream, dialogue.frame(), operation.deadline).await?;
        let mut decoder = Decoder::new();
        let mut buffer = [0; 1024];
        loop {
            let length = salto::receive(stream, &mut buffer, operation.deadline).await?;
            for byte in buffer.iter().take(length) {
                let Some(symbol) = decoder.push(*byte) else { continue };
                match dialogue.on(symbol) {
                    Next::Wait => {}
                    Next::Send(bytes) => salto::send(stream, &bytes, operation.deadline).await?,
                    Next::SendLater(bytes) => {
                        sleep(PAUSE).await;
                        salto::send(stream, &bytes, operation.deadline).await?;
                    }
                    ended => return Ok(ended),
                }
            }
        }
    }
}

fn mutating(command: &Command<'_>) -> bool {
    matches!(command, Command::Card { .. } | Command::Mobile { .. } | Command::Modify { .. } | Command::CheckOut { .. })
}

fn not_taken(verb: &'static str) -> VendorError {
    VendorError::new(NAME, verb, Condition::ServerError, EffectOutcome::Retryable { after: None })
}

pub(crate) fn bad_answer(verb: &'static str, mutating: bool) -> VendorError {
    below(NAME, verb, mutating, ExchangeError::TooLarge)
}
