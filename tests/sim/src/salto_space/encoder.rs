//! An encoder on the LAN, and the human who presents a card or doesn't.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::sim::SpaceSim;
use super::world::{Content, Human, World};

const TICK: Duration = Duration::from_millis(5);

/// Why there is no card to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCard {
    Unknown,
    Offline,
    Busy,
    TimedOut,
}

/// Waits for a card at an encoder, works on it, and gives the encoder free.
pub(crate) async fn with_card<T>(
    sim: &SpaceSim,
    called: &str,
    work: impl FnOnce(&mut World, u64) -> T,
) -> Result<T, NoCard> {
    let at = reserve(sim, called)?;
    let began = Instant::now();
    loop {
        {
            let mut world = sim.world();
            let waited = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let timeout = world.policy.card_timeout_ms;
            let (card, human) = world.encoders.get(at).map_or((None, Human::Absent), |it| (it.card, it.human));
            let card = match (card, human) {
                (None, Human::Helpful { after_ms }) if waited >= after_ms => {
                    let blank = world.new_card(Content::Blank);
                    world.encoders.iter_mut().skip(at).take(1).for_each(|it| it.card = Some(blank));
                    Some(blank)
                }
                (card, _) => card,
            };
            if card.is_some() || waited >= timeout {
                world.encoders.iter_mut().skip(at).take(1).for_each(|it| it.in_use = false);
                return card.map(|card| work(&mut world, card)).ok_or(NoCard::TimedOut);
            }
        }
        sleep(TICK).await;
    }
}

fn reserve(sim: &SpaceSim, called: &str) -> Result<usize, NoCard> {
    let mut world = sim.world();
    let at = world.encoder(called).ok_or(NoCard::Unknown)?;
    let encoder = world.encoders.get_mut(at).ok_or(NoCard::Unknown)?;
    if !encoder.online {
        return Err(NoCard::Offline);
    }
    if encoder.in_use {
        return Err(NoCard::Busy);
    }
    encoder.in_use = true;
    Ok(at)
}
