//! The story that `cargo xtask demo` tells: ten scenes at a small hotel, each with claims that are checked at the doors.
//!
//! Every claim is judged by the simulated locks and the vendor's journal, not by what our API says of itself. It fails when the stack
//! doesn't answer; a claim that does not hold is told, counted, and ends the demo with a failure.

mod devices;
mod outage;
mod scenes;
mod teller;
mod welcome;

use anyhow::Result;

pub use teller::Teller;
pub use welcome::welcome;

use crate::sandbox::OwnStack;

/// Plays all scenes; the teller knows which claims held.
///
/// # Errors
/// When the stack doesn't answer.
pub async fn play(stack: &mut OwnStack, teller: &mut Teller) -> Result<()> {
    let mut hotel = scenes::Hotel::open(stack).await?;
    hotel.check_in(teller).await?;
    hotel.worker_dies(teller).await?;
    hotel.vendor_acts_and_times_out(teller).await?;
    hotel.room_move(teller).await?;
    hotel.two_clerks(teller).await?;
    hotel.check_out_while_vendor_is_down(teller).await?;
    hotel.request_comes_twice(teller).await?;
    hotel.clock_runs_away(teller).await?;
    hotel.webhooks_bounce(teller).await?;
    hotel.busy_day_without_its_vendor(teller).await
}
