//! An endpoint's secrets: a short list with ends, sealed as one value. Pure but for sealing and opening.

use crate::{failure, problem::Problem, webhooks::signature::Key};
use lock_domain::{
    Timestamp,
    ids::{TenantId, WebhookEndpointId},
    webhook::SECRETS_MOST,
};
use lock_kms::{DataKeys, Place};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(with = "text")]
    secret: Zeroizing<String>,
    /// Good before then; the newest has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// A secret as JSON; only ever inside of what is sealed.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(secret: &Zeroizing<String>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(secret)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(d).map(Zeroizing::new)
    }
}

/// The secrets of one endpoint, the newest first.
pub(crate) struct Secrets(Vec<Entry>);

fn place(id: WebhookEndpointId) -> Place {
    Place { table: "webhook_endpoints", column: "secrets_sealed", row: id.as_uuid() }
}

impl Secrets {
    /// One secret without end.
    pub(crate) fn of(secret: &SecretString) -> Self {
        Self(vec![Entry { secret: Zeroizing::new(secret.expose_secret().to_owned()), until: None }])
    }

    /// A new one in front; those before are good until `until`, or until their own earlier end.
    pub(crate) fn rotated(mut self, secret: &SecretString, until: Timestamp, now: Timestamp) -> Self {
        for entry in &mut self.0 {
            entry.until = Some(entry.until.map_or(until, |own| own.min(until)));
        }
        self.0.retain(|entry| entry.until.is_none_or(|until| now < until));
        self.0.truncate(SECRETS_MOST - 1);
        self.0.splice(0..0, Self::of(secret).0);
        self
    }

    /// Those that are good now.
    pub(crate) fn keys(&self, now: Timestamp) -> Vec<Key> {
        let good = self.0.iter().filter(|entry| entry.until.is_none_or(|until| now < until));
        good.filter_map(|entry| Key::parse(&entry.secret)).collect()
    }

    /// For the database.
    pub(crate) async fn seal(
        &self,
        keys: &DataKeys,
        tenant: TenantId,
        id: WebhookEndpointId,
    ) -> Result<Vec<u8>, Problem> {
        let text = Zeroizing::new(serde_json::to_vec(&self.0).map_err(Problem::internal)?);
        keys.seal(tenant, &place(id), &text).await.map_err(failure::seal)
    }

    /// From the database.
    pub(crate) async fn open(
        keys: &DataKeys,
        tenant: TenantId,
        id: WebhookEndpointId,
        sealed: &[u8],
    ) -> Result<Self, Problem> {
        let text = keys.open(tenant, &place(id), sealed).await.map_err(failure::seal)?;
        let unreadable = |_| Problem::internal("the secrets of a webhook endpoint can't be read");
        serde_json::from_slice(&text).map(Self).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::webhooks::signature::new_secret;
    use jiff::SignedDuration;

    #[test]
    fn old_ones_end_and_the_list_stays_short() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let later = |hours| now + SignedDuration::from_hours(hours);
        let mut secrets = Secrets::of(&new_secret());
        assert_eq!(secrets.keys(later(99_999)).len(), 1);
        secrets = secrets.rotated(&new_secret(), later(24), now);
        assert_eq!((secrets.keys(now).len(), secrets.keys(later(24)).len()), (2, 1));
        // A second rotation does not make the first one's end later, and can make it sooner.
        secrets = secrets.rotated(&new_secret(), later(48), now);
        assert_eq!(
            (secrets.keys(later(23)).len(), secrets.keys(later(24)).len(), secrets.keys(later(48)).len()),
            (3, 2, 1)
        );
        secrets = secrets.rotated(&new_secret(), now, now);
        assert_eq!(secrets.keys(now).len(), 1);
        for _ in 0..9 {
            secrets = secrets.rotated(&new_secret(), later(24), now);
        }
        assert_eq!(secrets.keys(now).len(), SECRETS_MOST);
    }
}
