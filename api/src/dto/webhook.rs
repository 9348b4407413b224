//! Endpoints of webhooks that come in.

use jiff::Timestamp;
use lock_domain::{
    ids::{PropertyId, WebhookEndpointId},
    webhook::{Scheme, Sender},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

fn secret<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(d)?.map(SecretString::from))
}

/// An endpoint that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// Who will send.
    pub sender: Sender,
    /// How a webhook will be known to be genuine; the sender's usual way if left out.
    #[serde(default)]
    pub scheme: Option<Scheme>,
    /// A secret of the sender's, `whsec_…`, or its public key, `whpk_…`. Left out, one is made and shown once.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>)]
    pub secret: Option<SecretString>,
}

/// Another secret, or another path, is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateEndpoint {
    /// A secret of the sender's, `whsec_…`, or its public key, `whpk_…`. Left out, one is made and shown once.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>)]
    pub secret: Option<SecretString>,
    /// For how long, in seconds, the former one works beside it; 24 hours if left out, at most 7 days. 0 if it is known to others.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604800)]
    pub overlap_s: Option<u32>,
}

/// An endpoint is no longer wanted. Carries nothing.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeEndpoint {}

/// An endpoint.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EndpointBody {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Its hotel.
    pub property: PropertyId,
    /// Who may send.
    pub sender: Sender,
    /// How a webhook is known to be genuine.
    pub scheme: Scheme,
    /// Where to send to, below the API's own address. Shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The secret that was made. Shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its secret or path was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub rotated_at: Option<Timestamp>,
    /// Since when it has been refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

/// A hotel's endpoints.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EndpointPage {
    /// The endpoints, by id.
    pub endpoints: Vec<EndpointBody>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
