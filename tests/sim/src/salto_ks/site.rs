//! The site, its locks, hubs and log.

use serde_json::{Value, json};

use super::routes::Asked;
use super::world::{BAD_ORDER, BAD_PARAMETER, Failure, Outcome, World};

const LARGEST_PAGE: usize = 1_000;

pub(crate) fn sites(world: &mut World, _: &Asked<'_>) -> Outcome {
    Ok((200, json!([{ "id": world.site_id, "site_uid": world.site_uid, "customer_reference": "hotel" }])))
}

pub(crate) fn site(world: &mut World, _: &Asked<'_>) -> Outcome {
    Ok((
        200,
        json!({
            "id": world.site_id, "site_uid": world.site_uid, "customer_reference": "hotel",
            "active_user_amount": world.seats_taken(), "subscribed_user_amount": world.policy.seats,
            "pin_enabled": true, "active_iq_amount": 1, "time_zone": world.time_zone,
        }),
    ))
}

pub(crate) fn subscription(world: &mut World, _: &Asked<'_>) -> Outcome {
    Ok((
        200,
        json!({
            "user_amount": world.policy.seats, "type": "default",
            "features": ["pods", "events_streaming", "nfc", "events_storage", "activity_log"],
        }),
    ))
}

fn iq(world: &World) -> Value {
    json!({ "id": world.iq_id, "customer_reference": "IQ 01", "online": true, "otp_enabled": true })
}

pub(crate) fn locks(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let rows = world
        .locks
        .values()
        .map(|lock| {
            json!({
                "id": lock.id, "customer_reference": lock.name, "lock_type": "escutcheon_pin", "online": true,
                "locked_state": "locked", "battery_level": "fresh", "communication_type": "blue_net", "iq": iq(world),
            })
        })
        .collect();
    let path = format!("/v1.2/sites/{}/locks", world.site_id);
    Ok((200, world.listed(rows, true, &path, asked.skip()?)))
}

pub(crate) fn iqs(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let rows = vec![iq(world)];
    let path = format!("/v1.2/sites/{}/iqs", world.site_id);
    Ok((200, world.listed(rows, true, &path, asked.skip()?)))
}

/// A remote opening without a password: the hub is never activated here.
pub(crate) fn locking(_: &mut World, _: &Asked<'_>) -> Outcome {
    Err(Failure::Code(404, 2202, "Otp is invalid"))
}

pub(crate) fn entries(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let descending = match asked.query("$orderby") {
        None | Some("utc_date_time" | "utc_date_time asc") => false,
        Some("utc_date_time desc") => true,
        Some(_) => return Err(BAD_ORDER),
    };
    let top = match asked.query("$top") {
        None => 25,
        Some(text) => text.parse().ok().filter(|top| (1..=LARGEST_PAGE).contains(top)).ok_or(BAD_PARAMETER)?,
    };
    let skip = asked.skip()?;
    let mut rows: Vec<_> = world.entries.clone();
    rows.sort_by_key(|(at, _)| *at);
    if descending {
        rows.reverse();
    }
    let count = rows.len();
    let size = top.min(world.policy.page_size.max(1));
    let page: Vec<_> = rows.into_iter().skip(skip).take(size).map(|(_, row)| row).collect();
    let end = skip.saturating_add(page.len());
    let order = if descending { "desc" } else { "asc" };
    let next = (end < count).then(|| {
        format!("/v1.1/sites/{}/entries?$orderby=utc_date_time%20{order}&$top={top}&$skip={end}", world.site_id)
    });
    Ok((200, json!({ "items": page, "next_page_link": next, "count": count })))
}
