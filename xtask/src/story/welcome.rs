//! The first guest of an `up`: one check-in by HTTP, proven at the simulated door, so that one sees the main job done.

use anyhow::{Context, Result, bail};
use jiff::ToSpan as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::sandbox::{Api, Call, Sim, door_of, http_client};
use crate::stack::Deployment;

/// Checks a guest in and returns what happened, in sentences.
///
/// # Errors
/// When the API or the simulator does not answer, every room is taken, or the door does not open.
pub async fn welcome(deployment: &Deployment) -> Result<Vec<String>> {
    let text = |name: &str| deployment.sandbox[name].as_str().map(str::to_owned).context("the sandbox is unreadable");
    let http = http_client()?;
    let api = Api::new(http.clone(), deployment.api.url(), &text("property")?, SecretString::from(text("api_key")?));
    let sim = Sim::new(http, deployment.sim.url());
    let now = api.now().await?;
    let reservation = format!("WELCOME-{}", now.as_second());
    for (room, _) in api.rooms().await? {
        let until = (now + 24.hours()).to_string();
        let body = json!({ "reservation": reservation, "room": room, "from": now.to_string(), "until": until });
        let answer = api.write(&Call::new_stay(body).wait(20)).await?;
        if answer.code() == "room_taken" {
            continue;
        }
        if !answer.is_success() {
            bail!("the first guest could not be checked in: {}", answer.summary());
        }
        let stay = api.stay(&reservation).await?;
        let key = stay.keys.first().context("the stay has no key")?;
        let pin = api.reveal(&reservation, &key.id).await?;
        let locks = sim.locks().await?;
        let lock = locks.iter().find(|lock| lock.alias == door_of(&room)).context("the room has no lock")?;
        let tried = sim.try_pin(lock.lock_id, pin.expose_secret()).await?;
        if !tried.opened {
            bail!("the PIN does not open room {room}: {}", tried.reason);
        }
        return Ok(vec![
            format!("A guest is checked into room {room} (reservation {reservation})."),
            format!(
                "After {} ms the key is proven to be in its locks; the PIN opens the door.",
                answer.took.as_millis()
            ),
        ]);
    }
    bail!("every room of the sandbox is taken; `cargo xtask down --wipe` starts afresh")
}
