//! NATS with JetStream for the stack, its store kept between runs.
//!
//! Must not know streams or subjects. Fails when the server doesn't come up with JetStream.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::ports::free_port_like;
use super::process::{ProcessSpec, Signal};
use super::server::Server;

const PROBE_LIMIT: Duration = Duration::from_secs(1);

pub(super) fn start(program: &Path, root: &Path, preferred_port: Option<u16>) -> Result<(Server, u16)> {
    let store = root.join("nats");
    std::fs::create_dir_all(&store)?;
    Server::start_on_free_ports(|attempt| {
        let port = free_port_like(preferred_port.filter(|_| attempt == 1))?;
        let spec = ProcessSpec::new("nats", program, root)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
            .arg(&store)
            .ends_by(Signal::Terminate, Signal::Kill);
        Ok((spec, Box::new(move || offers_jetstream(port)), port))
    })
}

/// The server greets with one `INFO {…}` line: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.
fn offers_jetstream(port: u16) -> bool {
    let greeting = || -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    greeting().is_ok_and(|line| {
        let info = line.strip_prefix("INFO ").and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
        info.is_some_and(|info| info["jetstream"] == true)
    })
}
