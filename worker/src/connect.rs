//! The connection to Temporal, with the converter that encrypts everything on its way into a history.

use anyhow::Context as _;
use lock_kms::DataKeys;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, Url};

/// A bare connection to a Temporal frontend, for calls that carry no payload. `identity` says who did something.
pub async fn connection(address: &str, identity: &str) -> anyhow::Result<Connection> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let url: Url = url.parse().context("TEMPORAL_ADDRESS is no host:port")?;
    let options = ConnectionOptions::new(url).identity(identity).dns_load_balancing(None).build();
    Connection::connect(options).await.context("Temporal does not answer")
}

/// Connects to a Temporal frontend. `identity` says in histories who did something.
pub async fn connect(address: &str, namespace: &str, keys: &DataKeys, identity: &str) -> anyhow::Result<Client> {
    let connection = connection(address, identity).await?;
    let options =
        ClientOptions::new(namespace.to_owned()).data_converter(lock_kms::data_converter(keys.clone())).build();
    Client::new(connection, options).context("Temporal client")
}
