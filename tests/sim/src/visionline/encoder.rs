//! An encoder, and the person who lays a card on it or does not.

use std::time::Duration;

use axum::http::StatusCode;

use super::calls::Refusal;
use super::sim::VisionlineSim;
use super::views::Placed;

fn at_encoder(code: i64, message: &'static str) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, code, message)
}

/// Takes the encoder, waits for a card and returns its serial number. The encoder stays taken until [`release`].
pub(crate) async fn card(sim: &VisionlineSim, name: &str) -> Result<String, Refusal> {
    let wait = {
        let mut world = sim.world();
        let wait = Duration::from_millis(world.policy.card_wait_ms);
        let encoder = world.encoders.get_mut(name).ok_or_else(|| at_encoder(7, "undefined device"))?;
        if !encoder.online {
            return Err(at_encoder(3, "no connection to the device"));
        }
        if encoder.busy {
            world.stats.encoder_collisions = world.stats.encoder_collisions.saturating_add(1);
            return Err(at_encoder(4, "the device is processing"));
        }
        encoder.busy = true;
        wait
    };
    let found = tokio::time::timeout(wait, placed(sim, name)).await;
    let found = found.unwrap_or_else(|_| Err(at_encoder(41, "no card inserted")));
    if found.is_err() {
        release(sim, name);
    }
    found
}

async fn placed(sim: &VisionlineSim, name: &str) -> Result<String, Refusal> {
    loop {
        let changed = sim.placement_changed();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let mut world = sim.world();
            let id = world.next_id();
            match world.encoders.get(name).map(|encoder| encoder.placed.clone()) {
                Some(Placed::Blanks) => return Ok(format!("blank-{id}")),
                Some(Placed::Card(serial)) => return Ok(serial),
                Some(Placed::Foreign) => return Err(at_encoder(43, "unusable smart card")),
                Some(Placed::Cancel) => return Err(at_encoder(39, "cancelled by user")),
                Some(Placed::Nothing) => {}
                None => return Err(at_encoder(7, "undefined device")),
            }
        }
        changed.await;
    }
}

/// Lets the next one have the encoder.
pub(crate) fn release(sim: &VisionlineSim, name: &str) {
    if let Some(encoder) = sim.world().encoders.get_mut(name) {
        encoder.busy = false;
    }
}
