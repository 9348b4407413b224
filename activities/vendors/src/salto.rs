//! What the two wires of SALTO Space have in common: leave to go unencrypted, the property's clock, TCP with a deadline.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use lock_domain::window::{self, Edge, Window};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::config::Fields;
use crate::error::{Condition, EffectOutcome, VendorError};
use crate::http::ExchangeError;
use crate::meter::{CallMeter, CallSample};
use crate::port::CallContext;
use crate::registry::RegistryError;
use crate::rounding::{Granularity, outward};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Fields {
    /// The wires carry keys and PINs as they are: beyond this machine somebody must have decided that.
    pub(crate) fn plain_allowed(&self, host: &str) -> Result<(), RegistryError> {
        let local =
            host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if local || self.switch("allow_unencrypted", false)? {
            return Ok(());
        }
        Err(self
            .bad("the wire is not encrypted: set `allow_unencrypted` when the network between is the property's own"))
    }
}

/// One port operation: its context and when it must be over.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) call: &'a CallContext,
    pub(crate) deadline: Instant,
}

impl<'a> Operation<'a> {
    pub(crate) fn begin(call: &'a CallContext) -> Self {
        Self { call, deadline: Instant::now() + call.timeout }
    }

    /// A card is presented by a human: giving up before the encoder does would leave open whether it was written.
    pub(crate) fn with_card(call: &'a CallContext, wait: Duration) -> Self {
        Self { call, deadline: Instant::now() + call.timeout.max(wait) }
    }

    /// Counts what came of an exchange that began at `started`.
    pub(crate) fn observed<T>(
        self,
        meter: &dyn CallMeter,
        vendor: &'static str,
        verb: &'static str,
        started: Instant,
        result: Result<T, VendorError>,
    ) -> Result<T, VendorError> {
        let outcome = result.as_ref().map_or_else(|error| error.outcome().name(), |_| "ok");
        let code = result.as_ref().err().and_then(VendorError::vendor_code);
        let operation = &self.call.operation_id;
        tracing::debug!(vendor, verb, %operation, outcome, vendor_code = code, "vendor call");
        meter.observe(CallSample { vendor, verb, outcome, seconds: started.elapsed().as_secs_f64() });
        result
    }
}

/// A failure below the vendor's protocol: after something was sent, a change may have happened and a read can be repeated.
pub(crate) fn below(vendor: &'static str, verb: &'static str, mutating: bool, error: ExchangeError) -> VendorError {
    let retry = EffectOutcome::Retryable { after: None };
    let sent = if mutating { EffectOutcome::Unconfirmed } else { retry };
    match error {
        ExchangeError::TimedOut | ExchangeError::Lost => VendorError::new(vendor, verb, Condition::NoAnswer, sent),
        ExchangeError::TooLarge => VendorError::new(vendor, verb, Condition::BadAnswer, sent),
        _ => VendorError::new(vendor, verb, Condition::Unreachable, retry),
    }
}

/// A window as the property's clock shows it, in whole minutes, and what it is as instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalWindow {
    pub(crate) from: DateTime,
    pub(crate) until: DateTime,
    pub(crate) window: Window,
}

/// Outwards: to whole minutes, and past the hour that daylight saving repeats, of which the wire can't say which one is meant.
pub(crate) fn local(window: Window, zone: &TimeZone) -> Option<LocalWindow> {
    let rounded = outward(window, Granularity::Minute, 0);
    let from = clear(zone.to_datetime(rounded.from), zone, -1)?;
    let until = clear(zone.to_datetime(rounded.until), zone, 1)?;
    Some(LocalWindow { from, until, window: instants(from, until, zone)? })
}

/// The instants between two local times.
pub(crate) fn instants(from: DateTime, until: DateTime, zone: &TimeZone) -> Option<Window> {
    let (from, _) = window::instant(from, zone, Edge::Opens)?;
    let (until, _) = window::instant(until, zone, Edge::Closes)?;
    Some(Window { from, until })
}

/// The instant of a record's local time; of two, the earlier.
pub(crate) fn instant(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    window::instant(at, zone, Edge::Opens).map(|(at, _)| at)
}

fn clear(mut at: DateTime, zone: &TimeZone, step_hours: i64) -> Option<DateTime> {
    while zone.to_ambiguous_timestamp(at).is_ambiguous() {
        at = at.checked_add(Span::new().hours(step_hours)).ok()?;
    }
    Some(at)
}

/// A connection; an error means that nothing was sent.
pub(crate) async fn connect(address: &str, deadline: Instant) -> Result<TcpStream, ExchangeError> {
    if deadline <= Instant::now() {
        return Err(ExchangeError::NotSent);
    }
    let patience = deadline.min(Instant::now() + CONNECT_TIMEOUT);
    let connected = timeout_at(patience, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| ExchangeError::NotSent)?.map_err(|_| ExchangeError::NotSent)?;
    // Without it small messages wait for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(crate) async fn send(stream: &mut TcpStream, bytes: &[u8], deadline: Instant) -> Result<(), ExchangeError> {
    let sent = timeout_at(deadline, stream.write_all(bytes)).await.map_err(|_| ExchangeError::TimedOut)?;
    sent.map_err(|_| ExchangeError::Lost)
}

/// What has arrived; an end of the stream is a loss, as somebody is waiting for more.
pub(crate) async fn receive(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    deadline: Instant,
) -> Result<usize, ExchangeError> {
    match timeout_at(deadline, stream.read(buffer)).await {
        Err(_) => Err(ExchangeError::TimedOut),
        Ok(Ok(0) | Err(_)) => Err(ExchangeError::Lost),
        Ok(Ok(length)) => Ok(length),
    }
}

/// `host:port`, with a port that is not 0.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    if let Ok(address) = address.parse::<SocketAddr>()
        && address.port() == 0
    {
        return None;
    }
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty() && !host.contains('/')).then_some((host, port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn window(from: &str, until: &str) -> Window {
        Window { from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    #[test]
    fn windows_are_told_by_the_propertys_clock() {
        let zone = window::zone("Europe/Lisbon").unwrap();
        let stay = local(window("2026-07-01T14:00:30Z", "2026-07-03T11:00:00Z"), &zone).unwrap();
        assert_eq!(stay.from, "2026-07-01T15:00".parse().unwrap());
        assert_eq!(stay.until, "2026-07-03T12:00".parse().unwrap());
        assert_eq!(stay.window, window("2026-07-01T14:00:00Z", "2026-07-03T11:00:00Z"));
    }

    #[test]
    fn an_hour_that_exists_twice_never_shortens_a_stay() {
        // In Lisbon 01:00 to 02:00 comes twice on 25 October 2026.
        let zone = window::zone("Europe/Lisbon").unwrap();
        for minute in (0..180).step_by(7) {
            let at = "2026-10-25T00:00:00Z".parse::<Timestamp>().unwrap() + Span::new().minutes(minute);
            let ends = local(Window { from: "2026-10-20T12:00:00Z".parse().unwrap(), until: at }, &zone).unwrap();
            let begins = local(Window { from: at, until: "2026-10-30T12:00:00Z".parse().unwrap() }, &zone).unwrap();
            for (told, edge) in [(ends.until, Edge::Opens), (begins.from, Edge::Closes)] {
                let (other, _) = window::instant(told, &zone, edge).unwrap();
                assert!(if edge == Edge::Opens { other >= at } else { other <= at }, "{at} {told}");
            }
            assert!(ends.window.until >= at && begins.window.from <= at);
        }
    }

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(host_and_port("10.0.0.1:8050"), Some(("10.0.0.1", 8050)));
        assert_eq!(host_and_port("[::1]:8050"), Some(("[::1]", 8050)));
        for bad in ["10.0.0.1", ":8050", "host:0", "127.0.0.1:0", "http://host:1", ""] {
            assert_eq!(host_and_port(bad), None, "{bad}");
        }
    }
}
