//! Temporal's development server for the stack: history and visibility in one SQLite file, search attributes and retention as
//! we want them.
//!
//! Must not know workflows. Fails when the server doesn't come up, or holds a search attribute of another type.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::dynamic_config::{TESTS_YAML, TUNED_YAML, parse_flat_yaml};
use super::http;
use super::options::StackOptions;
use super::poll::wait_until;
use super::ports::free_port_like;
use super::process::{ProcessSpec, Signal};
use super::server::Server;
use super::state::StackState;

/// The custom search attributes of the namespace, with their types; `temporal/README.md` says what each is for.
pub const SEARCH_ATTRIBUTES: [(&str, &str); 8] = [
    ("TenantId", "Keyword"),
    ("PropertyId", "Keyword"),
    ("RoomId", "Keyword"),
    ("Vendor", "Keyword"),
    ("KeyState", "Keyword"),
    ("NeedsAttention", "Bool"),
    ("ArrivalAt", "Datetime"),
    ("MigrationWave", "Keyword"),
];

/// The namespace of the stack.
pub(super) const NAMESPACE: &str = "default";
/// How long a closed workflow stays readable. The development server's own default is one day, which ends before anybody has
/// looked at yesterday's check-out.
const RETENTION: (&str, &str) = ("7d", "604800s");
const SETUP_LIMIT: Duration = Duration::from_secs(30);

/// The ports of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) grpc: u16,
    pub(super) http: u16,
    pub(super) ui: u16,
    pub(super) metrics: u16,
}

impl Ports {
    fn choose(earlier: Option<&StackState>) -> Result<Self> {
        let like = |name| free_port_like(earlier.and_then(|state| state.port(name)));
        Ok(Self {
            grpc: like("temporal")?,
            http: like("temporal-http")?,
            ui: like("temporal-ui")?,
            metrics: like("temporal-metrics")?,
        })
    }
}

pub(super) fn start(cli: &Path, options: &StackOptions, earlier: Option<&StackState>) -> Result<(Server, Ports)> {
    let (server, ports) = Server::start_on_free_ports(|attempt| {
        let ports = Ports::choose(earlier.filter(|_| attempt == 1))?;
        let spec = spec(cli, options, ports)?;
        Ok((spec, Box::new(move || describe_namespace(ports.http).is_ok()), ports))
    })?;
    // Registering is asynchronous, and attributes of `--search-attribute` are not added to a database file that exists already.
    wait_until("Temporal's search attributes and retention", SETUP_LIMIT, || {
        let namespace = describe_namespace(ports.http)?;
        let todo = missing(&namespace)?;
        for (name, kind) in &todo {
            let arguments = ["operator", "search-attribute", "create", "--name", name, "--type", kind];
            run_cli(cli, ports.grpc, &arguments)?;
        }
        let keeps = namespace["config"]["workflowExecutionRetentionTtl"] == RETENTION.1;
        if !keeps {
            run_cli(
                cli,
                ports.grpc,
                &["operator", "namespace", "update", "-n", NAMESPACE, "--retention", RETENTION.0],
            )?;
        }
        Ok((todo.is_empty() && keeps).then_some(()))
    })?;
    Ok((server, ports))
}

fn spec(cli: &Path, options: &StackOptions, ports: Ports) -> Result<ProcessSpec> {
    let mut spec = ProcessSpec::new("temporal", cli, &options.root)
        .args(["server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn", "--log-format", "json"])
        .args(["--port", &ports.grpc.to_string(), "--http-port", &ports.http.to_string()])
        .args(["--metrics-port", &ports.metrics.to_string()])
        .without_env_prefix("TEMPORAL_")
        .ends_by(Signal::Terminate, Signal::Kill);
    if !options.temporal_in_memory {
        // WAL with synchronous=normal: a killed process loses nothing; a power cut may lose the last transactions, never more.
        spec = spec.arg("--db-filename").arg(options.root.join("temporal.sqlite")).args([
            "--sqlite-pragma",
            "journal_mode=wal",
            "--sqlite-pragma",
            "synchronous=normal",
        ]);
    }
    if options.temporal_ui {
        spec = spec.args(["--ui-port", &ports.ui.to_string(), "--ui-disable-news-fetch"]);
        if let Some(endpoint) = &options.ui_codec_endpoint {
            spec = spec.args(["--ui-codec-endpoint", endpoint]);
        }
    } else {
        spec = spec.arg("--headless");
    }
    for (name, kind) in SEARCH_ATTRIBUTES {
        spec = spec.arg("--search-attribute").arg(format!("{name}={kind}"));
    }
    let mut values = parse_flat_yaml(TUNED_YAML).context("temporal/dynamicconfig.yaml")?;
    if options.temporal_for_tests {
        values.extend(parse_flat_yaml(TESTS_YAML).context("temporal/dynamicconfig-tests.yaml")?);
    }
    for value in values {
        spec = spec.arg("--dynamic-config-value").arg(format!("{}={}", value.key, value.json));
    }
    Ok(spec)
}

fn describe_namespace(http_port: u16) -> Result<Value> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, http_port));
    let (status, body) = http::get(address, &format!("/api/v1/namespaces/{NAMESPACE}"))?;
    ensure!(status == 200, "Temporal answers {status}");
    Ok(serde_json::from_str(&body)?)
}

/// The attributes that the namespace lacks. It maps each name to a column that is called after its type (`Keyword03`).
fn missing(namespace: &Value) -> Result<Vec<(&'static str, &'static str)>> {
    let mut missing = Vec::new();
    let aliases = namespace["config"]["customSearchAttributeAliases"].as_object();
    for (name, kind) in SEARCH_ATTRIBUTES {
        let column = aliases.and_then(|all| all.iter().find(|(_, alias)| *alias == name)).map(|(column, _)| column);
        match column.map(|column| column.trim_end_matches(|c: char| c.is_ascii_digit())) {
            None => missing.push((name, kind)),
            Some(found) if found == kind => {}
            Some(found) => bail!(
                "search attribute {name} is {found} in the kept Temporal database, {kind} is wanted: \
                 start afresh with `cargo xtask down --wipe`"
            ),
        }
    }
    Ok(missing)
}

fn run_cli(cli: &Path, grpc_port: u16, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(cli);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TEMPORAL_")) {
        command.env_remove(name);
    }
    let output = command
        .args(arguments)
        .args(["--address", &format!("127.0.0.1:{grpc_port}")])
        .stdin(Stdio::null())
        .output()
        .context("the Temporal CLI doesn't start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // The server may have finished registering it on its own since we looked.
    ensure!(output.status.success() || errors.contains("already exist"), "temporal {}: {errors}", arguments.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_missing_attributes_from_wrong_ones() {
        let none = json!({"config": {}});
        assert_eq!(missing(&none).unwrap().len(), SEARCH_ATTRIBUTES.len());
        let some =
            json!({"config": {"customSearchAttributeAliases": {"Keyword02": "TenantId", "Bool01": "NeedsAttention"}}});
        assert_eq!(missing(&some).unwrap().len(), SEARCH_ATTRIBUTES.len() - 2);
        let wrong = json!({"config": {"customSearchAttributeAliases": {"Text01": "TenantId"}}});
        assert!(missing(&wrong).unwrap_err().to_string().contains("down --wipe"));
    }
}
