//! The OpenAPI 3.1 document, made from the routes themselves, so that neither can drift from the other.
//!
//! It is checked in as `api/openapi.json`; a test compares. After a change: `cargo run -p lock-api -- openapi > api/openapi.json`.

use crate::{routes::*, state::AppState};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lock integration service",
        description = "Keys for hotel stays, through whichever lock vendor the property runs. Every write takes an `Idempotency-Key`; every \
                       problem is RFC 9457 with a code that has a page under `/errors/`; every list has a cursor.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "Stays", description = "Stays and their keys"),
        (name = "Verbs", description = "What can be asked of a stay. Each is an operation that can be followed"),
        (name = "Held", description = "Requests that wait for a person, because too many stays were to lose their keys at once"),
        (name = "Keys", description = "PINs, once"),
        (name = "One-shot keys", description = "Keys that open a room once: to show it, to repair something"),
        (name = "Operations", description = "Accepted requests"),
        (name = "Events", description = "What happened, in one order"),
        (name = "Properties", description = "Hotels, rooms, policies"),
        (name = "Devices", description = "Locks and gateways: how they are, and what people have to do at them"),
        (name = "Outages", description = "Vendors that are down: notices, where stays go, the desk's list"),
        (name = "Test clock", description = "Time of sandbox properties"),
        (name = "Webhooks in", description = "Where vendors and partners may call"),
        (name = "Incidents", description = "Lock vendors that do something else than what was accepted of them"),
        (name = "Inventories", description = "What stands at locks, ours and others'"),
        (name = "Vault", description = "The keys under which the tenant's secrets are sealed"),
        (name = "Costs", description = "What lock vendors cost, and what they take"),
        (name = "Codec", description = "For Temporal's web UI"),
    ),
    modifiers(&ApiKeyScheme)
)]
struct Base;

struct ApiKeyScheme;

impl Modify for ApiKeyScheme {
    fn modify(&self, document: &mut Document) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("An API key. What it may do, and where, was said when it was made.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(bearer));
    }
}

/// Every route that the document describes.
pub(crate) fn described() -> (axum::Router<AppState>, Document) {
    OpenApiRouter::with_openapi(Base::openapi())
        .routes(routes!(verbs::new, stays::list))
        .routes(routes!(stays::show))
        .routes(routes!(stays::timeline))
        .routes(routes!(verbs::duplicate))
        .routes(routes!(verbs::reissue))
        .routes(routes!(verbs::modify_stay))
        .routes(routes!(verbs::room_move))
        .routes(routes!(verbs::suspend))
        .routes(routes!(verbs::resume))
        .routes(routes!(verbs::remove))
        .routes(routes!(verbs::check_out))
        .routes(routes!(verbs::cancel))
        .routes(routes!(verbs::read))
        .routes(routes!(keys::reveal))
        .routes(routes!(one_shot::new))
        .routes(routes!(one_shot::revoke))
        .routes(routes!(operations::show))
        .routes(routes!(events::list))
        .routes(routes!(properties::list))
        .routes(routes!(properties::show))
        .routes(routes!(properties::rooms))
        .routes(routes!(properties::policy))
        .routes(routes!(properties::feed_guard))
        .routes(routes!(vendor_flags::show, vendor_flags::replace))
        .routes(routes!(health::show, vendors::probes))
        .routes(routes!(vendors::set_up))
        .routes(routes!(vendors::force))
        .routes(routes!(outages::notices))
        .routes(routes!(outages::show))
        .routes(routes!(outages::desk))
        .routes(routes!(outages::served))
        .routes(routes!(outages::choices, outages::choose))
        .routes(routes!(devices::list))
        .routes(routes!(devices::tasks))
        .routes(routes!(devices::done))
        .routes(routes!(devices::run))
        .routes(routes!(places::list))
        .routes(routes!(held::list))
        .routes(routes!(held::approve))
        .routes(routes!(held::reject))
        .routes(routes!(clock::show, clock::advance))
        .routes(routes!(costs::show))
        .routes(routes!(costs::imagine))
        .routes(routes!(costs::prices))
        .routes(routes!(costs::set_price))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(incidents::accept))
        .routes(routes!(incidents::set_up))
        .routes(routes!(inventories::list, inventories::take))
        .routes(routes!(inventories::show))
        .routes(routes!(inventories::locks))
        .routes(routes!(inventories::cancel))
        .routes(routes!(inbound::list))
        .routes(routes!(webhook_endpoints::list, webhook_endpoints::create))
        .routes(routes!(webhook_endpoints::rotate))
        .routes(routes!(webhook_endpoints::revoke))
        .routes(routes!(vault::rotate))
        .routes(routes!(vault::show))
        .split_for_parts()
}

/// The routes that a browser of another origin may call: the Temporal UI's.
pub(crate) fn codec() -> (axum::Router<AppState>, Document) {
    OpenApiRouter::new().routes(routes!(codec::decode)).routes(routes!(codec::encode)).split_for_parts()
}

/// The whole document, as JSON text that ends with a line break.
pub fn document() -> String {
    let (_, mut document) = described();
    document.merge(codec().1);
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_checked_in_document_is_up_to_date() {
        let checked_in =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap_or_default();
        let remedy =
            "the API has changed: run `cargo run -p lock-api -- openapi > api/openapi.json` and look at the difference";
        assert!(checked_in == document(), "{remedy}");
    }

    #[test]
    fn every_operation_says_what_can_go_wrong_and_who_may_call_it() {
        let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let what = format!("{method} {path}");
                assert!(operation["responses"]["4XX"].is_object(), "{what}");
                assert!(operation["security"][0]["api_key"].is_array(), "{what}");
                assert!(!operation["summary"].as_str().unwrap().is_empty(), "{what}");
                let keyed =
                    operation["parameters"].as_array().into_iter().flatten().any(|p| p["name"] == "Idempotency-Key");
                let writes = method != "get" && !path.starts_with("/codec");
                assert_eq!(keyed, writes, "{what}");
            }
        }
    }
}
