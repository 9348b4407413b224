//! More API processes beside the shared one, on the test's own threads.

use super::shared;
use lock_api::engine::{Temporal, TemporalSettings};
use lock_store::Store;
use std::{io, sync::Arc};
use tokio::{sync::oneshot, task::JoinHandle};

/// One that is as good as the shared one.
pub async fn another() -> String {
    start(shared().stack.temporal_address().to_owned()).await
}

/// One that reaches no workflow: what it accepts is as if it had died right after its transaction.
pub async fn deaf() -> String {
    start("127.0.0.1:1".to_owned()).await
}

/// One that ends when it is told to; the handle says when it has.
pub async fn ending() -> (String, oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
    let (end, told) = oneshot::channel();
    let told = async move {
        let _ = told.await;
    };
    let (base, served) = serve(shared().stack.temporal_address().to_owned(), told).await;
    (base, end, served)
}

async fn start(temporal: String) -> String {
    serve(temporal, std::future::pending()).await.0
}

async fn serve(
    temporal: String,
    end: impl Future<Output = ()> + Send + 'static,
) -> (String, JoinHandle<io::Result<()>>) {
    let shared = shared();
    let store = Store::connect(&shared.app_url, 8).await.unwrap();
    let keys = shared.keys(&store);
    let converter = lock_kms::data_converter(keys.clone());
    let settings = TemporalSettings { address: temporal, namespace: "default".to_owned(), converter };
    let state = lock_api::AppState::new(store, keys, Arc::new(Temporal::new(settings)), lock_api::Config::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (base, tokio::spawn(lock_api::serve(listener, state, end)))
}
