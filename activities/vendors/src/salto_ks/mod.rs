//! SALTO KS, Connect API.
//!
//! Recipe, quirks, assumptions and what is not verified against the real cloud: `README.md` beside this file. It knows no stay and no
//! guest: a user at KS goes by our own name. It fails as the table in `errors.rs` says; a changing call without a whole answer is
//! unconfirmed.

mod adapter;
mod config;
mod entries;
mod errors;
mod follow;
mod guests;
mod hub;
mod otp;
mod rooms;
mod session;
mod wire;

pub(crate) use adapter::SaltoKs;
pub use config::{Assumptions, SaltoKsConfig, SaltoKsLogin};
pub use otp::remote_open_otp;

/// The vendor's name in metrics, task queues and configuration.
pub const NAME: &str = "salto_ks";

/// Reads bytes as every answer of the cloud and as a message of its stream, for fuzzing: none may panic or take long.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn read_anything(bytes: &[u8]) {
    use serde_json::Value;
    if let Ok(text) = std::str::from_utf8(bytes) {
        for said in hub::read(text) {
            if let hub::Said::Event(event) = said {
                drop(entries::record(&event));
            }
        }
    }
    drop(serde_json::from_slice::<hub::Negotiated>(bytes));
    drop(serde_json::from_slice::<wire::TokenAnswer>(bytes));
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    drop((wire::error_code(&value), entries::record(&value)));
    drop(wire::page::<wire::SiteUser>(value.clone()));
    drop(wire::page::<wire::PlatformUser>(value.clone()));
    drop(wire::page::<wire::Group>(value.clone()));
    drop(wire::page::<wire::Row>(value.clone()));
    drop(wire::page::<wire::Schedule>(value.clone()));
    drop(wire::page::<wire::KeyRow>(value.clone()));
    drop(wire::page::<wire::LockRow>(value.clone()));
    drop(wire::page::<wire::IqRow>(value));
}
