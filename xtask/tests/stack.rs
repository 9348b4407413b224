//! The stack and the deployment on it, for real: PostgreSQL, Temporal and NATS run; our own binaries are stood in for by a
//! script that speaks their start-up protocol, so that this test doesn't wait for them to build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::time::Duration;

use xtask::project::Project;
use xtask::stack::{Deployment, Part, SEARCH_ATTRIBUTES, Stack, StackOptions, StateFile, http_get, wipe};
#[cfg(target_os = "linux")]
use xtask::stack::{Signal, wait_until};

const STAND_IN: &str = r#"#!/usr/bin/env python3
import http.server, json, os, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
def need(*names):
    missing = [n for n in names if not os.environ.get(n)]
    if missing: sys.exit(f"missing {missing}")
if sys.argv[1:] == ["migrate"]:
    need("DATABASE_URL", "LOCK_APP_PASSWORD"); sys.exit(0)
if sys.argv[1:] == ["seed-sandbox"]:
    need("LOCK_DB_URL", "SIM_TTLOCK_ADDR", "LOCK_KMS_DIR")
    print("seeding"); print(json.dumps({"tenant": "t", "property": "p", "api_key": os.urandom(8).hex()})); sys.exit(0)
need("LOCK_DB_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "NATS_URL", "LOCK_KMS_DIR")
if os.environ.get("DATABASE_URL"): sys.exit("a service must not see the owner's URL")
variable, says = {
    "lock-sim": ("SIM_TTLOCK_ADDR", "lock-sim ttlock listening on"),
    "lock-worker": ("LOCK_METRICS_ADDR", "lock-worker ready, metrics on"),
    "lock-api": ("LOCK_API_ADDR", "lock-api listening on"),
}[name]
asked = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_response(200 if len(asked) > 1 else 503); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *_): pass
host, port = os.environ[variable].split(":")
server = http.server.HTTPServer((host, int(port)), Handler)
print(f"{says} http://{host}:{server.server_port}", flush=True)
server.serve_forever()
"#;

fn project() -> Project {
    Project::find().unwrap()
}

fn stand_ins(dir: &Path) -> PathBuf {
    let bins = dir.join("stand-ins");
    std::fs::create_dir_all(&bins).unwrap();
    for name in ["lock-api", "lock-worker", "lock-sim"] {
        std::fs::write(bins.join(name), STAND_IN).unwrap();
        std::fs::set_permissions(bins.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bins
}

fn answers(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn every_part_survives_kill_9_on_the_same_port_and_nothing_is_left() {
    let stack = Stack::start(StackOptions::for_tests(&project())).unwrap();
    let root = stack.root().to_path_buf();
    assert!(Stack::start(stack.options().clone()).unwrap_err().to_string().contains("already"));

    for part in [Part::Postgres, Part::Temporal, Part::Nats] {
        if !stack.is_embedded(part) {
            continue;
        }
        let (before, address) = (stack.pid(part).unwrap(), address_of(&stack, part));
        stack.kill9(part).unwrap();
        assert!(!stack.is_running(part) && !answers(&address), "{part:?}");
        stack.restart(part).unwrap();
        assert!(answers(&address), "{part:?}");
        assert_ne!(stack.pid(part).unwrap(), before);
    }
    if stack.is_embedded(Part::Temporal) {
        let http = format!("127.0.0.1:{}", stack.port("temporal-http").unwrap()).parse().unwrap();
        let (_, namespace) = http_get(http, "/api/v1/namespaces/default").unwrap();
        for (name, _) in SEARCH_ATTRIBUTES {
            assert!(namespace.contains(&format!("\"{name}\"")), "{name} is not registered");
        }
        assert!(namespace.contains("604800s"), "retention: {namespace}");
    }
    assert_eq!(StateFile::of(&root).alive_processes().is_empty(), stack_is_external(&stack));
    assert!(stack.stop().unwrap().is_empty());
    assert!(!root.exists(), "a throw-away stack leaves its folder behind");
}

fn address_of(stack: &Stack, part: Part) -> String {
    match part {
        Part::Postgres => format!("127.0.0.1:{}", stack.port("postgres").unwrap()),
        Part::Temporal => stack.temporal_address().to_owned(),
        Part::Nats => stack.nats_url().trim_start_matches("nats://").to_owned(),
    }
}

fn stack_is_external(stack: &Stack) -> bool {
    ![Part::Postgres, Part::Temporal, Part::Nats].iter().any(|part| stack.is_embedded(*part))
}

/// The process that runs a stack is killed, or asked to end, while the parts come up: none of them outlives it.
#[test]
#[cfg(target_os = "linux")]
fn no_part_outlives_the_process_that_runs_it() {
    let root = project().stack_dir().join("tests").join(format!("supervised-{}", std::process::id()));
    let file = StateFile::of(&root);
    for signal in [Signal::Kill, Signal::Terminate] {
        let mut supervisor = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["stack-selftest", "--kept-in"])
            .arg(&root)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_until("a first part", Duration::from_secs(120), || {
            assert!(supervisor.try_wait().unwrap().is_none(), "it ended before it was asked to");
            Ok((!file.alive_processes().is_empty()).then_some(()))
        })
        .unwrap();
        let flag = if signal == Signal::Kill { "-KILL" } else { "-TERM" };
        let sent = std::process::Command::new("kill").arg(flag).arg(supervisor.id().to_string()).status().unwrap();
        assert!(sent.success());
        supervisor.wait().unwrap();
        wait_until("end of every part", Duration::from_secs(30), || {
            Ok(file.alive_processes().is_empty().then_some(()))
        })
        .unwrap();
    }
    wipe(&root).unwrap();
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_deployment_resumes_where_it_ended() {
    let options = StackOptions { ephemeral: false, temporal_ui: true, ..StackOptions::for_tests(&project()) };
    let root = options.root.clone();
    let bins = stand_ins(&root);

    let mut first = Deployment::start(options.clone(), &bins).unwrap();
    let key = first.sandbox["api_key"].clone();
    let (api, worker) = (first.api.url().to_owned(), first.worker.url().to_owned());
    assert!(first.links().iter().any(|(_, link)| *link == format!("{api}/docs")));
    if let Some(ui) = first.stack.ui_url() {
        let address = ui.trim_start_matches("http://").parse().unwrap();
        let (status, settings) = http_get(address, "/api/v1/settings").unwrap();
        assert!(status == 200 && settings.contains(&format!("{api}/codec")), "{status} {settings}");
    }
    first.worker.kill9().unwrap();
    assert!(first.ended().iter().any(|report| report.contains("lock-worker has ended")));
    first.worker.restart().unwrap();
    assert_eq!(first.worker.url(), worker);
    assert!(first.ended().is_empty());
    assert!(StateFile::of(&root).load().unwrap().is_running());
    assert!(first.stop().unwrap().is_empty());

    let file = StateFile::of(&root);
    assert!(!file.load().unwrap().is_running() && file.alive_processes().is_empty());
    let text = std::fs::read_to_string(root.join("state.json")).unwrap();
    assert!(!text.contains("password") && !text.contains("postgres://"), "{text}");

    let second = Deployment::start(options, &bins).unwrap();
    assert_eq!(second.sandbox["api_key"], key);
    assert_eq!(second.api.url(), api);
    drop(second);
    assert!(file.alive_processes().is_empty(), "dropping a deployment leaves processes behind");
    wipe(&root).unwrap();
    assert!(!root.join("sandbox.json").exists());
    std::fs::remove_dir_all(root).unwrap();
}
