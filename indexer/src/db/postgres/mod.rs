//! PostgreSQL: one connection that writes, a few that read, for several servers that share one index.
//!
//! One write transaction at a time over all servers: each begins with the same lock, held until it ends. So none waits
//! for a row of another, no two make the same patient, and each sees all that was committed before. A lost connection
//! is opened again when it is next needed, not more often than a growing wait allows. Knows connections, not what the
//! rows mean.

mod connection;
mod known;
mod migrate;
mod tls;
mod values;
mod wait;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use super::error::DbError;
use super::faults::DbCall;
use super::readers::{Reader, Readers};
use super::session::{Link, Session};
use super::sqlite::DbOptions;
use super::total::Kept;

pub(in crate::db) use connection::Connection;
pub(in crate::db) use known::Found;
pub(in crate::db) use values::cell;

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a start waits for a server that is starting too.
const START: Duration = Duration::from_secs(30);
/// How long a statement may take. One that writes may wait for the other servers' transactions.
const WRITE: Duration = Duration::from_secs(300);
const READ: Duration = Duration::from_secs(60);
/// Waits between attempts to open a connection: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What every connection is set to. Look-ups go by index, as the schema means them to, also while tables are small or
/// nobody has counted them; a server that vanished with a transaction open must not stop the others for long.
const SETTINGS: &str = "SET jit = off; SET enable_seqscan = off; SET idle_in_transaction_session_timeout = '60s'; \
     SET client_min_messages = warning; SET standard_conforming_strings = on; \
     SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') IN ('off', 'local')";
/// One writer at a time in this schema, over all servers.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
     SELECT pg_advisory_xact_lock(1885434739, hashtext(current_schema()))";
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A PostgreSQL database and the connections to it.
pub struct PostgresDb {
    /// Drives the sockets; none once it is dropped.
    runtime: Option<Runtime>,
    config: Config,
    tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
    /// The database without a password, for people.
    name: String,
    options: DbOptions,
    writer: Mutex<Option<Connection>>,
    /// Connections for writing that were opened.
    epoch: AtomicU64,
    readers: Readers<Connection>,
    attempts: Mutex<Attempts>,
    /// Answers that were waited for.
    round_trips: Arc<AtomicU64>,
    pub(super) totals: Kept,
}

/// Takes a lock that lasts as long as the connection.
const CLAIM: &str = "SELECT CAST(CASE WHEN pg_try_advisory_lock(?1) THEN 1 ELSE 0 END AS BIGINT)";
/// Keys of such locks, to which a server's number is added.
const SERVERS: i64 = 0x7061_6373 << 32;
/// How long a start waits for the number of a server that may just have ended.
const TAKEN: Duration = Duration::from_secs(5);

/// When a connection may be tried again after the last attempt failed.
#[derive(Default)]
struct Attempts {
    not_before: Option<Instant>,
    wait: Duration,
    reason: String,
}

impl PostgresDb {
    /// Opens a database by its URL and brings its schema up to date. Waits a while for a server that is starting.
    ///
    /// # Errors
    /// When the URL is none, the server cannot be reached, refuses, or its schema is of a later version.
    pub fn open(url: &str, options: DbOptions) -> Result<PostgresDb, DbError> {
        let (config, root) = parse(url)?;
        let tls = (config.get_ssl_mode() != SslMode::Disable)
            .then(|| tls::connector(root.as_deref()))
            .transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("index-io")
            .enable_all()
            .build()
            .map_err(|error| DbError::Away(error.to_string()))?;
        let db = PostgresDb {
            runtime: Some(runtime),
            name: shown(&config),
            config,
            tls,
            readers: Readers::new(options.readers),
            options,
            writer: Mutex::default(),
            epoch: AtomicU64::new(0),
            attempts: Mutex::default(),
            round_trips: Arc::default(),
            totals: Kept::default(),
        };
        let (deadline, taken_deadline) = (Instant::now() + START, Instant::now() + TAKEN);
        loop {
            match db.connect(WRITE) {
                Ok(connection) => {
                    if let Err(error) = db.claim(&connection) {
                        // One that was just killed may still be connected.
                        if Instant::now() < taken_deadline {
                            std::thread::sleep(FIRST_WAIT);
                            continue;
                        }
                        return Err(error);
                    }
                    migrate::run(&connection)?;
                    *lock(&db.writer) = Some(connection);
                    db.epoch.store(1, Ordering::SeqCst);
                    return Ok(db);
                }
                Err(DbError::Away(reason)) if Instant::now() < deadline => {
                    tracing::warn!(reason, "the database is not reached yet");
                    std::thread::sleep(LONGEST_WAIT / 2);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The options it was opened with.
    pub(super) fn options(&self) -> &DbOptions {
        &self.options
    }

    /// Host, port and name, without user and password.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Answers that were waited for since it was opened.
    pub(super) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Connections for writing that were opened, the current one made if it is lost.
    pub(super) fn epoch(&self) -> Result<u64, DbError> {
        let mut slot = lock(&self.writer);
        let connection = self.take_writer(&mut slot)?;
        *slot = Some(connection);
        Ok(self.epoch.load(Ordering::SeqCst))
    }

    /// Whether the database answers; a writer at work is an answer.
    pub(super) fn ping(&self) -> Result<(), DbError> {
        let mut slot = match self.writer.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        let connection = self.take_writer(&mut slot)?;
        let answer = connection.batch("SELECT 1");
        if connection.reset() {
            *slot = Some(connection);
        }
        answer
    }

    /// Runs `work` in one write transaction: all of it or nothing. With `epoch`, only on that connection: whoever
    /// follows what is committed looks first after each new one.
    pub(super) fn write<T>(
        &self,
        epoch: Option<u64>,
        work: impl FnOnce(&Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let mut slot = lock(&self.writer);
        let mut connection = self.take_writer(&mut slot)?;
        let faults = &self.options.faults;
        let begun = faults.call(DbCall::Begin, || match connection.begin(BEGIN) {
            // It was lost while nobody used it. Nothing has happened yet, so that another one serves as well.
            Err(DbError::Away(_)) => {
                connection = self.connect_writer()?;
                connection.begin(BEGIN)
            }
            begun => begun,
        });
        let current = self.epoch.load(Ordering::SeqCst);
        let result = begun
            .and_then(|()| match epoch {
                Some(epoch) if epoch != current => Err(DbError::Reconnected),
                _ => work(&Session::writing(Link::Postgres(&connection), faults)),
            })
            .and_then(|done| faults.call(DbCall::Commit, || connection.commit()).map(|()| done));
        // A connection that cannot even roll back is closed, which rolls back.
        if connection.reset() {
            *slot = Some(connection);
        }
        result
    }

    /// Runs `work` on a connection that reads; each statement sees its own state.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let reader = self.reader()?;
        let connection = reader.connection()?;
        // What was asked ahead for somebody who never came to its use, because of a defect, must not answer others.
        connection.forget();
        work(&Session::reading(Link::Postgres(connection)))
    }

    /// The same in one read transaction: all statements see the same state.
    pub(super) fn read_snapshot<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let reader = self.reader()?;
        let connection = reader.connection()?;
        connection.begin(BEGIN_READ)?;
        let result = work(&Session::reading(Link::Postgres(connection)));
        connection.reset();
        result
    }

    fn reader(&self) -> Result<Reader<'_, Connection>, DbError> {
        self.readers.take(|| self.connect(READ))
    }

    fn take_writer(&self, slot: &mut Option<Connection>) -> Result<Connection, DbError> {
        match slot.take().filter(|connection| !connection.is_broken()) {
            Some(connection) => Ok(connection),
            None => self.connect_writer(),
        }
    }

    fn connect_writer(&self) -> Result<Connection, DbError> {
        let connection = self.connect(WRITE)?;
        self.claim(&connection).map_err(|error| DbError::Away(error.to_string()))?;
        self.epoch.fetch_add(1, Ordering::SeqCst);
        tracing::info!(database = %self.name, "the index is connected again");
        Ok(connection)
    }

    /// Makes sure that this is the only server of its number as long as the connection for writing lasts: two of one
    /// number would take each other's packs for their own.
    fn claim(&self, connection: &Connection) -> Result<(), DbError> {
        let Some(server) = self.options.server else { return Ok(()) };
        let key = SERVERS | i64::from(server);
        let session = Session::reading(Link::Postgres(connection));
        let free: Option<i64> = session.row(CLAIM, [key], |row| row.get(0))?;
        if free == Some(1) { Ok(()) } else { Err(DbError::Taken(server)) }
    }

    /// Opens a connection, unless the last attempt failed a moment ago.
    fn connect(&self, limit: Duration) -> Result<Connection, DbError> {
        {
            let attempts = lock(&self.attempts);
            if attempts.not_before.is_some_and(|at| Instant::now() < at) {
                return Err(DbError::Away(attempts.reason.clone()));
            }
        }
        let result = self.try_connect(limit);
        let mut attempts = lock(&self.attempts);
        match &result {
            Ok(_) => *attempts = Attempts::default(),
            Err(error) => {
                attempts.wait = (attempts.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
                attempts.not_before = Some(Instant::now() + attempts.wait);
                attempts.reason = error.to_string();
            }
        }
        result
    }

    fn try_connect(&self, limit: Duration) -> Result<Connection, DbError> {
        let Some(runtime) = &self.runtime else {
            return Err(DbError::Away("the archive is stopping".into()));
        };
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let opening = runtime.spawn(async move {
            match tls {
                Some(tls) => {
                    let (client, connection) = config.connect(tls).await?;
                    Ok((client, tokio::spawn(async { drop(connection.await) })))
                }
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    Ok((client, tokio::spawn(async { drop(connection.await) })))
                }
            }
        });
        let abort = opening.abort_handle();
        let (client, driver) = match wait::wait(opening, CONNECT) {
            Some(Ok(opened)) => opened.map_err(|error: tokio_postgres::Error| failed(&error))?,
            Some(Err(error)) => return Err(DbError::Away(error.to_string())),
            None => {
                abort.abort();
                return Err(DbError::Away(format!("{} did not answer within {CONNECT:?}", self.name)));
            }
        };
        let connection = Connection::new(client, driver, limit, self.round_trips.clone());
        connection.batch(SETTINGS)?;
        Ok(connection)
    }
}

impl Drop for PostgresDb {
    fn drop(&mut self) {
        // Not by waiting: this may be a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Reads a URL. Without `sslmode` a server on another machine is spoken to over TLS; `sslrootcert=FILE` names the
/// certificates to trust in the place of the system's.
fn parse(url: &str) -> Result<(Config, Option<String>), DbError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (roots, rest): (Vec<&str>, Vec<&str>) =
        query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("sslrootcert="));
    let root = roots.first().and_then(|pair| pair.split_once('=')).map(|(_, file)| file.to_owned());
    let said = rest.iter().any(|pair| pair.starts_with("sslmode=") && *pair != "sslmode=prefer");
    let url = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    // The parser's words may repeat parts of the text, and so a password.
    let mut config: Config =
        url.parse().map_err(|_| DbError::Away("the database URL cannot be read".into()))?;
    if !said {
        let near = config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
        });
        config.ssl_mode(if near && root.is_none() { SslMode::Disable } else { SslMode::Require });
    }
    if config.get_hosts().len() > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    config.application_name("pacs-server").connect_timeout(CONNECT).keepalives_idle(Duration::from_secs(15));
    Ok((config, root))
}

fn shown(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("postgres {host}:{port}/{}", config.get_dbname().unwrap_or_default())
}

/// What an error of the driver means. The server's details may hold values of rows and are left out.
fn failed(error: &tokio_postgres::Error) -> DbError {
    let Some(told) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(": {cause}"));
        return DbError::Away(format!("{error}{cause}"));
    };
    let gone = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    if gone.contains(told.code()) {
        return DbError::Away(told.message().to_owned());
    }
    DbError::Server { code: told.code().code().to_owned(), message: told.message().to_owned() }
}

/// A panic elsewhere must not stop the archive: what a mutex here guards is whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_is_spoken_to_over_tls() {
        for (url, mode) in [
            ("postgres://pacs@%2Frun%2Fpostgresql/pacs", SslMode::Disable),
            ("postgres://pacs:secret@localhost/pacs", SslMode::Disable),
            ("postgres://pacs:secret@db.example/pacs", SslMode::Require),
            ("postgres://pacs:secret@db.example/pacs?sslmode=prefer", SslMode::Require),
            ("postgres://pacs:secret@db.example/pacs?sslmode=disable", SslMode::Disable),
            ("postgres://pacs:secret@localhost/pacs?sslmode=require", SslMode::Require),
            ("postgres://pacs:secret@localhost/pacs?sslrootcert=/etc/ca.pem", SslMode::Require),
        ] {
            assert_eq!(parse(url).unwrap().0.get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let (config, _) = parse("postgres://pacs:secret@db.example:6543/archive").unwrap();
        assert_eq!(shown(&config), "postgres db.example:6543/archive");
        assert!(!parse("postgres://pacs:secret@db:x/archive").unwrap_err().to_string().contains("secret"));
    }
}
