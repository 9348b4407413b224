//! What can go wrong with the record, and whether trying again makes sense.

use lock_domain::ids::{AttemptId, ReservationRef};

/// A failure of the store. Its texts quote no values of rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another stay has the room at that time.
    #[error("the room is taken")]
    RoomTaken {
        /// The other stay's reservation. `None` if only the exclusion constraint noticed; the transaction is lost then.
        reservation: Option<ReservationRef>,
    },
    /// The reservation has a live stay.
    #[error("the reservation has a live stay already")]
    StayExists,
    /// The PIN is in use, or was lately.
    #[error("the PIN is taken")]
    PinTaken,
    /// There is no such row for this tenant.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A unique value is in use; the constraint's name says which. The transaction is lost.
    #[error("violates {0}")]
    Duplicate(String),
    /// The credential has an attempt without an outcome: read back at the vendor and record its outcome first.
    #[error("{0} has no outcome yet")]
    IntentOpen(AttemptId),
    /// A live property's clock can't be moved.
    #[error("a live property keeps real time")]
    ClockLive,
    /// A stored value is not of the form that this version of the code knows.
    #[error("the stored {0} can't be read")]
    Corrupt(&'static str),
    /// An argument that the database can't hold.
    #[error("{0}")]
    Argument(&'static str),
    /// The database refused. No detail of the row is kept.
    #[error("database error {sqlstate}: {message}")]
    Database {
        /// SQLSTATE, five characters.
        sqlstate: String,
        /// The primary message.
        message: String,
        /// The constraint, if one was violated.
        constraint: Option<String>,
    },
    /// The connection could not be had, or was lost. Whether a commit under way took place is unknown.
    #[error("database connection: {0}")]
    Connection(#[source] sqlx::Error),
    /// The driver refused: a row has another form than expected.
    #[error("database driver: {0}")]
    Driver(#[source] sqlx::Error),
    /// A migration failed.
    #[error("migration: {0}")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database was migrated by other files than these: by a newer version, or by one whose files were changed before their release.
    #[error(
        "migration {0}: the database was set up by other files than this version's; run the version that set it up, or a newer one \
         (a local stack: `cargo xtask down --wipe` starts afresh and loses its data)"
    )]
    OtherMigrations(i64),
}

impl StoreError {
    /// Whether the same transaction may succeed if it is run again from its start: serialisation failures, deadlocks, lock time-outs, lost
    /// connections, restarts and a server that is a standby for the moment.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Database { sqlstate, .. } => {
                matches!(
                    sqlstate.as_str(),
                    "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "53300" | "25006"
                ) || sqlstate.starts_with("08")
            }
            _ => false,
        }
    }

    /// Whether a value is at fault that was to be stored, so that others that were to be stored with it may fare better without it: it
    /// can't be encoded, is out of range, violates a constraint or exceeds a limit (SQLSTATE classes 22, 23 and 54).
    pub fn is_of_a_value(&self) -> bool {
        match self {
            Self::Duplicate(_) | Self::Argument(_) | Self::Driver(_) => true,
            Self::Database { sqlstate, .. } => ["22", "23", "54"].iter().any(|class| sqlstate.starts_with(class)),
            _ => false,
        }
    }

    fn from_database(error: &sqlx::postgres::PgDatabaseError) -> Self {
        let constraint = error.constraint().map(str::to_owned);
        match (error.code(), constraint.as_deref()) {
            ("23P01", Some("room_claims_no_overlap")) => Self::RoomTaken { reservation: None },
            ("23505", Some("stays_one_live")) => Self::StayExists,
            ("23505", Some("pins_pkey")) => Self::PinTaken,
            ("23505", Some(name)) => Self::Duplicate(name.to_owned()),
            ("23514", Some("properties_live_clock_is_real")) => Self::ClockLive,
            (code, _) => Self::Database { sqlstate: code.to_owned(), message: error.message().to_owned(), constraint },
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as E;
        match error {
            E::VersionMismatch(version) | E::VersionMissing(version) => Self::OtherMigrations(version),
            other => Self::Migrate(other),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(inner) => match inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                Some(known) => Self::from_database(known),
                None => Self::Driver(E::Database(inner)),
            },
            E::Migrate(inner) => Self::from(*inner),
            E::Io(_)
            | E::Tls(_)
            | E::Protocol(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed => Self::Connection(error),
            other => Self::Driver(other),
        }
    }
}
