//! The event stream, and the log for what it missed.
//!
//! The stream has no cursor and breaks several times a day; on each new connection the log is read from some time before the moment until
//! which all was passed on, while events are heard. If that much of the log can't be read, less is, and the rest later: until then nothing
//! counts as passed on but what was before. While no connection can be had, the log is all there is, and is read at each try.

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use reqwest::{StatusCode, Upgraded, Url, header};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::NAME;
use super::adapter::SaltoKs;
use super::entries;
use super::errors::{self, trouble};
use super::hub::{self, Negotiated, Said};
use super::session::{Operation, Verb};
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::http::is_loopback;
use crate::port::CallContext;
use crate::records::{DoorRecord, Heard};

const NEGOTIATE: Verb = Verb::post("POST hub/entries/negotiate").harmless();
const CONNECT: Verb = Verb::get("GET hub/entries");
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// For reading the log, of a day or more, page by page.
const LOG_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Pauses grow to so many times the first.
const LONGEST: u32 = 60;
/// Largest message, bytes.
const LARGEST: usize = 256 * 1024;
/// While no connection can be had the log is read at each try, from so long before the last known event on.
const MEANWHILE: SignedDuration = SignedDuration::from_secs(600);
/// Ids kept against repetitions.
const REMEMBERED: usize = 20_000;

type Socket = WebSocketStream<Upgraded>;

/// What was passed on.
struct Passed {
    ids: BTreeSet<String>,
    order: VecDeque<String>,
    /// The newest record, by the locks' clocks.
    last: Timestamp,
    /// All until then was passed on. Only a look as long as the gap may say so.
    complete: Timestamp,
}

impl Passed {
    fn new(since: Timestamp) -> Self {
        Self { ids: BTreeSet::new(), order: VecDeque::new(), last: since, complete: since }
    }

    fn is_new(&self, record: &DoorRecord) -> bool {
        !self.ids.contains(&record.id)
    }

    fn note(&mut self, record: &DoorRecord) {
        // A lock whose clock is ahead must not hide what others do.
        self.last = self.last.max(record.at_lock).min(Timestamp::now().max(self.last));
        self.ids.insert(record.id.clone());
        self.order.push_back(record.id.clone());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// All was passed on until now.
    async fn note_complete(&mut self, heard: &Sender<Heard>) -> Result<(), Unheard> {
        self.complete = self.last;
        heard.send(Heard::Complete(self.complete)).await.map_err(|_| Unheard)
    }

    /// From when on such a look reads the log.
    fn from(&self, look: Look, overlap: SignedDuration) -> Timestamp {
        let from = match look {
            Look::Long => self.complete.saturating_sub(overlap),
            Look::Short => self.last.saturating_sub(MEANWHILE),
        };
        from.unwrap_or(Timestamp::MIN)
    }
}

/// How far a look into the log goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// To some time before all was passed on: locks that were out of reach tell late what was long ago, and may have told it in the gap.
    Long,
    /// To some time before the last known event.
    Short,
}

/// The receiver is gone.
struct Unheard;

/// How a connection ended, when not by a failure.
enum End {
    Unheard,
    Lost,
}

impl From<Unheard> for End {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

/// A look that has begun.
type Looking<'a> = (Look, Pin<Box<dyn Future<Output = Result<Vec<DoorRecord>, VendorError>> + Send + 'a>>);

impl SaltoKs {
    pub(super) async fn follow_events(&self, since: Timestamp, heard: Sender<Heard>) -> Result<(), VendorError> {
        let Some(events) = self.session().config().events_url.clone() else {
            return Err(VendorError::unsupported(NAME, "follow"));
        };
        let listener = heard.clone();
        tokio::select! {
            () = listener.closed() => Ok(()),
            ended = self.listen(events, since, heard) => ended,
        }
    }

    async fn listen(&self, events: Url, since: Timestamp, heard: Sender<Heard>) -> Result<(), VendorError> {
        let assume = &self.session().config().assume;
        let first_pause = assume.stream_pause;
        let mut pause = first_pause;
        let mut passed = Passed::new(since);
        loop {
            let began = Instant::now();
            let ended = match self.connect(&events).await {
                Ok(socket) => self.hear(socket, &mut passed, &heard).await,
                Err(error) => self.meanwhile(&mut passed, &heard).await.map_or(Ok(End::Unheard), |()| Err(error)),
            };
            let mut wait = None;
            match ended {
                Ok(End::Unheard) => return Ok(()),
                Ok(End::Lost) => {
                    tracing::info!(vendor = NAME, "event stream ended; connecting again");
                    if began.elapsed() > assume.stream_silence {
                        pause = first_pause;
                    }
                }
                Err(error) => {
                    tracing::warn!(vendor = NAME, %error, "event stream not there");
                    match error.outcome() {
                        EffectOutcome::Permanent => return Err(error),
                        EffectOutcome::Retryable { after } => wait = after,
                        EffectOutcome::Unconfirmed => {}
                    }
                }
            }
            tokio::time::sleep(wait.map_or(pause, |after| after.max(pause))).await;
            pause = (pause * 2).min(first_pause * LONGEST);
        }
    }

    /// Without a connection the log is all there is.
    async fn meanwhile(&self, passed: &mut Passed, heard: &Sender<Heard>) -> Result<(), Unheard> {
        let (_, log) = self.look(passed, Look::Short);
        match log.await {
            Ok(missed) => pass_all(passed, heard, missed).await,
            Err(error) => {
                tracing::warn!(vendor = NAME, %error, "neither the event stream nor the log is there");
                Ok(())
            }
        }
    }

    fn look(&self, passed: &Passed, look: Look) -> Looking<'_> {
        let from = passed.from(look, self.session().config().assume.stream_overlap);
        let log = async move {
            let call = CallContext::new("follow", CALL_TIMEOUT);
            self.entries(Operation::long(&call, LOG_TIMEOUT), from).await
        };
        (look, Box::pin(log))
    }

    /// Hears what happens, and meanwhile reads what was missed before. An error if the log can't be read at all.
    async fn hear(&self, mut socket: Socket, passed: &mut Passed, heard: &Sender<Heard>) -> Result<End, VendorError> {
        let assume = &self.session().config().assume;
        let mut ping = tokio::time::interval(assume.stream_silence / 2);
        let mut last_heard = Instant::now();
        // The connection is there before the log is read, so that nothing falls between the two.
        let mut looking = Some(self.look(passed, Look::Long));
        // An event that we can't read is a hint that the log has something new; one look per ping is enough.
        let mut hint = false;
        let mut long_again = None;
        let (mut has_log, mut complete) = (false, false);
        loop {
            let log = async {
                match &mut looking {
                    Some((_, log)) => log.await,
                    None => pending().await,
                }
            };
            let message = tokio::select! {
                message = timeout_at(last_heard + assume.stream_silence, socket.next()) => message,
                missed = log => {
                    let look = looking.take().map_or(Look::Short, |(look, _)| look);
                    match missed {
                        Ok(missed) => {
                            if let Err(unheard) = pass_all(passed, heard, missed).await {
                                return Ok(unheard.into());
                            }
                            has_log = true;
                            complete |= look == Look::Long;
                        }
                        Err(error) if look == Look::Long => {
                            // What opens now is worth more than what locks tell late.
                            tracing::warn!(vendor = NAME, %error, "the log of a day can't be read; reading less, and again later");
                            looking = Some(self.look(passed, Look::Short));
                            long_again = Some(Instant::now() + assume.stream_pause * LONGEST);
                        }
                        Err(error) if !has_log => return Err(error),
                        Err(error) => tracing::warn!(vendor = NAME, %error, "the log can't be read after an event of unknown form"),
                    }
                    if complete && passed.note_complete(heard).await.is_err() {
                        return Ok(End::Unheard);
                    }
                    continue;
                }
                _ = ping.tick() => {
                    if looking.is_none() {
                        if long_again.take_if(|at| *at <= Instant::now()).is_some() {
                            looking = Some(self.look(passed, Look::Long));
                        } else if std::mem::take(&mut hint) {
                            looking = Some(self.look(passed, Look::Short));
                        }
                    }
                    if socket.send(Message::text(hub::PING)).await.is_err() {
                        return Ok(End::Lost);
                    }
                    continue;
                }
            };
            let Ok(Some(Ok(message))) = message else { return Ok(End::Lost) };
            last_heard = Instant::now();
            let text = match &message {
                Message::Text(text) => text.as_str(),
                Message::Close(_) => return Ok(End::Lost),
                _ => continue,
            };
            for said in hub::read(text) {
                match said {
                    Said::Over => return Ok(End::Lost),
                    Said::Ready | Said::Nothing => {}
                    Said::Event(event) => match entries::record(&event) {
                        Some(record) => {
                            let passed_on = pass(passed, heard, record).await;
                            // An event of unknown form may stand in the log before this one.
                            let complete = complete && !hint && looking.is_none();
                            if passed_on.is_err() || complete && passed.note_complete(heard).await.is_err() {
                                return Ok(End::Unheard);
                            }
                        }
                        None => hint = true,
                    },
                }
            }
        }
    }

    async fn connect(&self, events: &Url) -> Result<Socket, VendorError> {
        let call = CallContext::new("follow", CALL_TIMEOUT);
        let operation = Operation::begin(&call);
        let mut hub = events.clone();
        if let Ok(mut segments) = hub.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", "hub", "entries"]);
        }
        hub.query_pairs_mut().append_pair("site_id", &self.session().config().site_id);
        let here = self.session().call(operation, NEGOTIATE, &negotiation(&hub), None).await?;
        let negotiated: Negotiated = here.read(NEGOTIATE)?;
        let (mut hub, negotiated, token) = match (negotiated.url.as_deref(), negotiated.access_token.as_deref()) {
            (None, _) => (hub, negotiated, self.session().token(operation).await?),
            // Another server, with a token of its own; ours stays here.
            (Some(url), Some(token)) => {
                let hub = Url::parse(url).map_err(|_| bad())?;
                if hub.scheme() != "https" && !is_loopback(&hub) {
                    return Err(bad());
                }
                let token = SecretString::from(token);
                let there = self.session().send(operation, NEGOTIATE, &negotiation(&hub), None, &token).await?;
                (hub, there.read(NEGOTIATE)?, token)
            }
            (Some(_), None) => return Err(bad()),
        };
        let id = negotiated.connection_token.or(negotiated.connection_id).filter(|_| negotiated.error.is_none());
        hub.query_pairs_mut().append_pair("id", &id.ok_or_else(bad)?);
        let mut socket = self.upgrade(operation, hub, &token).await?;
        let shaken = timeout(CALL_TIMEOUT, async {
            socket.send(Message::text(hub::HANDSHAKE)).await.ok()?;
            match socket.next().await {
                Some(Ok(Message::Text(text))) => Some(hub::read(text.as_str())),
                _ => None,
            }
        });
        match shaken.await.ok().flatten().as_deref() {
            Some([Said::Ready, rest @ ..]) if !rest.contains(&Said::Over) => Ok(socket),
            _ => Err(bad()),
        }
    }

    /// A WebSocket (RFC 6455) over a connection of the HTTP client, with its TLS and its proxy.
    async fn upgrade(&self, operation: Operation<'_>, url: Url, token: &SecretString) -> Result<Socket, VendorError> {
        let key = generate_key();
        let request = self
            .session()
            .http()
            .upgradable(&url)
            .get(url)
            .bearer_auth(token.expose_secret())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let lost = |_| trouble(CONNECT, Condition::NoAnswer);
        let response =
            timeout_at(operation.deadline, request.send()).await.map_err(|_| trouble(CONNECT, Condition::NoAnswer))?;
        let response = response.map_err(lost)?;
        let status = response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(errors::error(CONNECT, status.as_u16(), None, None));
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().to_vec());
        if accepted.as_deref() != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(bad());
        }
        let stream = response.upgrade().await.map_err(lost)?;
        let limits = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
        Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits)).await)
    }
}

/// Where to ask for a connection to `hub`.
fn negotiation(hub: &Url) -> Url {
    let mut url = hub.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push("negotiate");
    }
    url.query_pairs_mut().append_pair("negotiateVersion", "1");
    url
}

async fn pass(passed: &mut Passed, heard: &Sender<Heard>, record: DoorRecord) -> Result<(), Unheard> {
    if passed.is_new(&record) {
        passed.note(&record);
        heard.send(Heard::Record(record)).await.map_err(|_| Unheard)?;
    }
    Ok(())
}

async fn pass_all(passed: &mut Passed, heard: &Sender<Heard>, mut missed: Vec<DoorRecord>) -> Result<(), Unheard> {
    missed.sort_by_key(|record| record.at_lock);
    for record in missed {
        pass(passed, heard, record).await?;
    }
    Ok(())
}

fn bad() -> VendorError {
    trouble(CONNECT, Condition::BadAnswer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn repetitions_are_known_and_memory_is_bounded() {
        let start: Timestamp = "2026-08-18T00:00:00Z".parse().unwrap();
        let mut passed = Passed::new(start);
        let record = |n: usize| {
            let at = start.saturating_add(SignedDuration::from_secs(n as i64)).unwrap();
            entries::record(&json!({
                "id": format!("e{n}"), "lock_id": "l", "utc_date_time": at.to_string(), "event_category": "lock_opened",
            }))
            .unwrap()
        };
        for n in 0..=REMEMBERED {
            passed.note(&record(n));
        }
        assert!(passed.is_new(&record(0)) && !passed.is_new(&record(1)));
        assert_eq!((passed.ids.len(), passed.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(passed.last, record(REMEMBERED).at_lock);
    }
}
