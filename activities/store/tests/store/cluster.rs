//! A server for the tests: the one that `TEST_DATABASE_URL` names (a superuser's URL), or one of our own that lives as long as a test runs.

use lock_store::Store;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use std::{
    sync::{Arc, Mutex, Weak, mpsc},
    thread::JoinHandle,
};
use uuid::Uuid;
use xtask::{
    project::Project,
    stack::{Stack, StackOptions},
};

/// A server, and the database that others are copied from.
#[derive(Debug)]
pub(crate) struct Cluster {
    owner_url: String,
    app_password: String,
    template: String,
    own: Option<OwnServer>,
}

/// A database of one test. Dropped with it.
#[derive(Debug)]
pub(crate) struct TestDb {
    cluster: Arc<Cluster>,
    name: String,
}

/// The thread that has started the server keeps it: children die with the thread that made them, and a test's thread ends too soon.
#[derive(Debug)]
struct OwnServer {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop = None;
        self.thread.take().map(JoinHandle::join);
    }
}

static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

impl TestDb {
    /// A migrated database with no tenants.
    pub(crate) async fn new() -> Self {
        let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
        let name = format!("lock_test_{}", Uuid::new_v4().simple());
        cluster.run(&format!("CREATE DATABASE {name} TEMPLATE {}", cluster.template)).await;
        Self { cluster, name }
    }

    /// The owner's URL.
    pub(crate) fn owner_url(&self) -> String {
        with_database(&self.cluster.owner_url, &self.name)
    }

    /// The application's URL.
    pub(crate) fn app_url(&self) -> String {
        let (_, address) = self.cluster.owner_url.rsplit_once('@').unwrap();
        with_database(&format!("postgres://lock_app_rw:{}@{address}", self.cluster.app_password), &self.name)
    }

    /// The application's password.
    pub(crate) fn app_password(&self) -> &str {
        &self.cluster.app_password
    }

    /// A connection as the superuser.
    pub(crate) async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.owner_url()).await.unwrap()
    }

    /// A connection as the application, without the store in between.
    pub(crate) async fn app(&self) -> PgConnection {
        PgConnection::connect(&self.app_url()).await.unwrap()
    }

    /// The store.
    pub(crate) async fn store(&self, connections: u32) -> Store {
        Store::connect(&self.app_url(), connections).await.unwrap()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (cluster, drop) = (self.cluster.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        block_on(async move { cluster.run(&drop).await });
    }
}

impl Cluster {
    fn shared() -> Arc<Self> {
        let mut shared = CLUSTER.lock().unwrap();
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start());
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    fn start() -> Self {
        let (owner_url, app_password, own) = match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => (url, "only-for-tests".to_owned(), None),
            Err(_) => {
                let (stop, stopped) = mpsc::channel();
                let (report, started) = mpsc::channel();
                let thread = std::thread::spawn(move || {
                    let project = Project::find().expect("the project's root");
                    let stack = Stack::start(StackOptions::for_tests(&project)).expect("a stack for the tests");
                    report.send((stack.database_url().to_owned(), stack.app_password().to_owned())).unwrap();
                    let _ = stopped.recv();
                });
                let (url, password) = started.recv().expect("the stack has started");
                (url, password, Some(OwnServer { stop: Some(stop), thread: Some(thread) }))
            }
        };
        let template = format!("lock_test_template_{}", Uuid::new_v4().simple());
        let cluster = Self { owner_url, app_password, template, own };
        let (create, url) =
            (format!("CREATE DATABASE {}", cluster.template), with_database(&cluster.owner_url, &cluster.template));
        let password = SecretString::from(cluster.app_password.clone());
        let owner_url = cluster.owner_url.clone();
        block_on(async move {
            run_at(&owner_url, &create).await;
            lock_store::migrate(&url, &password).await.unwrap();
        });
        cluster
    }

    async fn run(&self, sql: &str) {
        run_at(&self.owner_url, sql).await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.own.is_none() {
            let (url, drop) = (self.owner_url.clone(), format!("DROP DATABASE {}", self.template));
            block_on(async move { run_at(&url, &drop).await });
        }
    }
}

async fn run_at(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

/// Runs a future to its end wherever we are, also inside another runtime.
fn block_on(future: impl Future<Output = ()> + Send + 'static) {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
    std::thread::spawn(run).join().unwrap();
}

fn with_database(url: &str, name: &str) -> String {
    let options: PgConnectOptions = url.parse().unwrap();
    let start = url.rsplit_once('@').unwrap().0;
    format!("{start}@{}:{}/{name}", options.get_host(), options.get_port())
}
