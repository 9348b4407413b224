//! A deployment of real processes of its own, for tests that kill, replace or re-equip them.

use super::{Answer, Client, until};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::spawn_blocking;
use xtask::{
    project::Project,
    stack::{Deployment, StackOptions, build_binaries, wipe},
};

/// A deployment, a PMS client for its sandbox, and the simulator's controls.
pub struct House {
    pub deployment: Deployment,
    pub pms: Client,
    pub token: String,
    pub sim: String,
    pub http: reqwest::Client,
}

impl House {
    pub async fn open() -> Self {
        Self::with_env(Vec::new()).await
    }

    /// With variables of its own for worker and API.
    pub async fn with_env(service_env: Vec<(String, String)>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let start = move || {
            let project = Project::find().unwrap();
            let bin_dir = build_binaries(&project).unwrap();
            // Kept at the end, so that a test can read what was left behind; it wipes the folder itself.
            let options = StackOptions {
                ephemeral: false,
                postgres_durable: true,
                service_env,
                ..StackOptions::for_tests(&project)
            };
            Deployment::start(options, &bin_dir).unwrap()
        };
        let deployment = spawn_blocking(start).await.unwrap();
        let text = |name: &str| deployment.sandbox[name].as_str().unwrap().to_owned();
        let token = text("api_key");
        let pms =
            Client::new(deployment.api.url(), text("property").parse().unwrap(), SecretString::from(token.clone()));
        let sim = deployment.sim.url().to_owned();
        let house = Self { deployment, pms, token, sim, http: reqwest::Client::new() };
        house
            .pms
            .send(reqwest::Method::PUT, "policy", Some("policy"), Some(br#"{"retry_cap_s":1}"#.to_vec()))
            .await
            .ok();
        house
    }

    pub async fn sim_get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.sim)).send().await.unwrap().json().await.unwrap()
    }

    /// The vendor takes so long over the next code.
    pub async fn slow_add(&self, ms: u64) {
        let order = json!({ "verb": "keyboardPwd/add", "kind": "latency", "ms": ms, "remaining": 1 });
        let answer = self.http.post(format!("{}/sim/faults", self.sim)).json(&order).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Calls of a verb so far.
    pub async fn calls(&self, verb: &str) -> u64 {
        self.sim_get("/sim/stats").await["calls"][verb].as_u64().unwrap_or(0)
    }

    /// Starts an issue and returns when the vendor has begun to work on it.
    pub async fn issue_under_way(&self, reservation: &str, room: &str, key: &str) -> Answer {
        let before = self.calls("keyboardPwd/add").await;
        self.slow_add(1_500).await;
        let answer = self.pms.post_as("stays", key, stay(reservation, room)).await.expect(202);
        until("the vendor is at it", Duration::from_secs(20), || async {
            let now = self.calls("keyboardPwd/add").await;
            if now > before { Ok(()) } else { Err(now) }
        })
        .await;
        answer
    }

    /// The stay is active, and each of its credentials stands in its lock exactly once.
    pub async fn recovered(&self, reservation: &str) {
        let stay = self.pms.phase(reservation, "active").await;
        let credentials = stay["keys"][0]["credentials"].as_array().unwrap();
        let standing = self.sim_get("/sim/credentials").await;
        for credential in credentials {
            let name = credential["id"].as_str().unwrap().replace("cred_", "lis-");
            let found = standing.as_array().unwrap().iter().filter(|code| code["name"] == name.as_str()).count();
            assert_eq!(found, 1, "{name} in {standing:#}");
        }
    }

    /// Ends everything and removes its folder.
    pub async fn close(self) {
        let end = move || {
            let root = self.deployment.stack.root().to_owned();
            assert_eq!(self.deployment.stop().unwrap(), Vec::<String>::new(), "ends by itself");
            wipe(&root).unwrap();
        };
        spawn_blocking(end).await.unwrap();
    }

    pub async fn blocking<T: Send + 'static>(
        mut self,
        act: impl FnOnce(&mut Deployment) -> T + Send + 'static,
    ) -> Self {
        let (deployment, _) = spawn_blocking(move || {
            let done = act(&mut self.deployment);
            (self, done)
        })
        .await
        .unwrap();
        deployment
    }
}

/// A walk-in for thirty hours.
pub fn stay(reservation: &str, room: &str) -> Value {
    // The minute is fixed so that a repeat has the same body.
    let now = jiff::Timestamp::now().round(jiff::Unit::Hour).unwrap();
    let until = now + jiff::SignedDuration::from_hours(30);
    json!({ "reservation": reservation, "room": room, "from": now.to_string(), "until": until.to_string() })
}
