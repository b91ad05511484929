//! SQLite: one connection that writes, a few that read, one that moves the write-ahead log into the file.
//!
//! WAL with synchronous NORMAL: rows and checkpoints of packs roll back together at a power loss and the packs are
//! replayed, so that a commit costs no sync (docs/ARCHITECTURE.md). Knows connections, not what the rows mean.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::DbError;
use super::faults::{DbCall, DbFaults};
use super::pack::LostPacks;
use super::readers::{Reader, Readers, Reusable};
use super::session::{Link, Session};
use super::total::Kept;
use crate::identity::IdentityRules;

/// Schema versions in order; a file's `user_version` counts those it has.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_reading.sql"),
    include_str!("migrations/0003_statements.sql"),
    include_str!("migrations/0004_damaged.sql"),
    include_str!("migrations/0005_codes.sql"),
    include_str!("migrations/0006_orders.sql"),
    include_str!("migrations/0007_evidence.sql"),
    include_str!("migrations/0008_identity.sql"),
    include_str!("migrations/0009_reuse.sql"),
    include_str!("migrations/0010_verified.sql"),
    include_str!("migrations/0011_objects.sql"),
    include_str!("migrations/0012_proposed.sql"),
    include_str!("migrations/0013_bucket.sql"),
    include_str!("migrations/0014_intake.sql"),
    include_str!("migrations/0016_assigned.sql"),
    include_str!("migrations/0017_mpps.sql"),
    include_str!("migrations/0018_documents.sql"),
    include_str!("migrations/0019_search.sql"),
];
/// Page cache of the connection that writes, in KiB. It keeps the upper levels of the hash indexes.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The same while many rows are made at once, which touch the indexes all over.
const LARGE_CACHE_KIB: i64 = 128 * 1024;
/// Page cache of each connection that reads, in KiB: the upper levels of the indexes of a million studies, so that a look-up
/// by key reads one page.
const READER_CACHE_KIB: i64 = 16 * 1024;
/// Prepared statements kept per connection.
const STATEMENTS: usize = 160;
/// How long a write waits for the one other writer there can be: a checkpoint that empties the log.
const BUSY: Duration = Duration::from_secs(10);

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// Faults on request.
    pub faults: DbFaults,
    /// Connections for reading at the same time.
    pub readers: usize,
    /// Minutes that the machines' local time is ahead of UTC; for the warning about their clocks only.
    pub utc_offset_minutes: i32,
    /// When two records are of one person.
    pub identity: Arc<IdentityRules>,
    /// The number of this server among those of a shared database, which must be its own alone; none where that is not
    /// asked.
    pub server: Option<u32>,
    /// Packs that the index has and nothing else.
    pub lost: LostPacks,
}

impl Default for DbOptions {
    /// Four readers; the time of Vietnam; the rules of identity as shipped.
    fn default() -> Self {
        let identity = IdentityRules::shipped();
        DbOptions {
            faults: DbFaults::none(),
            readers: 4,
            utc_offset_minutes: 7 * 60,
            identity,
            server: None,
            lost: LostPacks::default(),
        }
    }
}

/// What a checkpoint of the write-ahead log did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpointed {
    /// Bytes of the log file before and after.
    pub wal_bytes_before: u64,
    /// Bytes of the log file now.
    pub wal_bytes: u64,
    /// Pages in the log.
    pub pages: u64,
    /// Pages of these that are in the database file now.
    pub moved: u64,
    /// Whether a reader or writer stood in the way of completing it.
    pub busy: bool,
}

/// How large the write-ahead log may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalLimits {
    /// From here on its pages are moved, beside reads and writes.
    pub move_from_bytes: u64,
    /// From here on it is emptied, and writes wait.
    pub empty_from_bytes: u64,
}

impl Default for WalLimits {
    /// 8 MiB and 64 MiB.
    fn default() -> Self {
        WalLimits { move_from_bytes: 8 << 20, empty_from_bytes: 64 << 20 }
    }
}

/// A SQLite file and its connections.
pub struct SqliteDb {
    path: PathBuf,
    options: DbOptions,
    /// None after a failure that left the connection in doubt; the next write opens it again.
    writer: Mutex<Option<Connection>>,
    checkpointer: Mutex<Connection>,
    readers: Readers<Connection>,
    pub(super) totals: Kept,
}

impl SqliteDb {
    /// Opens the file, makes it when it is missing, brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or was written by a later version.
    pub fn open(path: &Path, options: DbOptions) -> Result<SqliteDb, DbError> {
        let mut writer = connect(path, Use::Write)?;
        migrate(&mut writer)?;
        let checkpointer = connect(path, Use::Checkpoint)?;
        let readers = Readers::new(options.readers);
        let (writer, checkpointer) = (Mutex::new(Some(writer)), Mutex::new(checkpointer));
        let totals = Kept::default();
        Ok(SqliteDb { path: path.to_owned(), options, writer, checkpointer, readers, totals })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The options it was opened with.
    pub(super) fn options(&self) -> &DbOptions {
        &self.options
    }

    /// Runs `work` in one write transaction: all of it or nothing.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let mut slot = lock(&self.writer);
        let connection = match slot.take() {
            Some(connection) => connection,
            None => connect(&self.path, Use::Write)?,
        };
        let faults = &self.options.faults;
        let result = faults
            .call(DbCall::Begin, || connection.execute_batch("BEGIN IMMEDIATE").map_err(DbError::Statement))
            .and_then(|()| work(&Session::writing(Link::Sqlite(&connection), faults)))
            .and_then(|done| {
                let commit = || connection.execute_batch("COMMIT").map_err(commit_error);
                faults.call(DbCall::Commit, commit).map(|()| done)
            });
        // A connection that cannot even roll back is closed, which rolls back.
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            *slot = Some(connection);
        }
        result
    }

    /// Gives the connection that writes more memory, or takes it back.
    pub(super) fn set_large_cache(&self, large: bool) -> Result<(), DbError> {
        let slot = lock(&self.writer);
        let Some(connection) = slot.as_ref() else { return Ok(()) };
        let cache = if large { LARGE_CACHE_KIB } else { WRITER_CACHE_KIB };
        connection.execute_batch(&format!("PRAGMA cache_size = -{cache}")).map_err(DbError::Statement)
    }

    /// Runs `work` on a connection that can only read; each statement sees its own state.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let reader = self.reader()?;
        work(&Session::reading(Link::Sqlite(reader.connection()?)))
    }

    /// The same in one read transaction: all statements see the same state.
    pub(super) fn read_snapshot<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let reader = self.reader()?;
        let connection = reader.connection()?;
        let transaction = connection.unchecked_transaction().map_err(DbError::Statement)?;
        work(&Session::reading(Link::Sqlite(&transaction)))
    }

    fn reader(&self) -> Result<Reader<'_, Connection>, DbError> {
        self.readers.take(|| connect(&self.path, Use::Read))
    }

    /// Bytes of the write-ahead log file. It is reused from its start once all of it was moved, so that this is
    /// its largest extent since it was last emptied.
    #[must_use]
    pub fn wal_bytes(&self) -> u64 {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |file| file.len())
    }

    /// Moves pages of the write-ahead log into the file, on a connection of its own, when the log is as large as
    /// `limits` say. Readers never wait; writers wait only while an overlong log is emptied.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn checkpoint(&self, limits: WalLimits) -> Result<Option<Checkpointed>, DbError> {
        let before = self.wal_bytes();
        if before < limits.move_from_bytes {
            return Ok(None);
        }
        let connection = lock(&self.checkpointer);
        let mut done = run_checkpoint(&connection, "PRAGMA wal_checkpoint(PASSIVE)", before)?;
        if before >= limits.empty_from_bytes {
            let _writers_wait = lock(&self.writer);
            done = run_checkpoint(&connection, "PRAGMA wal_checkpoint(TRUNCATE)", before)?;
        }
        Ok(Some(Checkpointed { wal_bytes: self.wal_bytes(), ..done }))
    }
}

impl Reusable for Connection {
    fn is_reusable(&self) -> bool {
        self.is_autocommit()
    }
}

fn run_checkpoint(connection: &Connection, pragma: &str, before: u64) -> Result<Checkpointed, DbError> {
    connection
        .query_row(pragma, [], |row| {
            let count = |column| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(column)?.max(0).unsigned_abs());
            let busy = row.get::<_, i64>(0)? != 0;
            let (pages, moved) = (count(1)?, count(2)?);
            Ok(Checkpointed { wal_bytes_before: before, wal_bytes: before, pages, moved, busy })
        })
        .map_err(DbError::Statement)
}

fn commit_error(error: rusqlite::Error) -> DbError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::ConstraintViolation) => {
            DbError::Statement(error)
        }
        _ => DbError::OutcomeUnknown(error.to_string()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Write,
    Read,
    Checkpoint,
}

fn connect(path: &Path, purpose: Use) -> Result<Connection, DbError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if purpose == Use::Write {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags).map_err(DbError::Open)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(BUSY).map_err(DbError::Open)?;
    let cache = if purpose == Use::Write { WRITER_CACHE_KIB } else { READER_CACHE_KIB };
    // Memory mapping stays off: a failing disk must be an error, not a signal.
    let pragmas = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 8388608; PRAGMA mmap_size = 0; PRAGMA cache_size = -{cache};
         PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; PRAGMA case_sensitive_like = ON;"
    );
    connection.execute_batch(&pragmas).map_err(DbError::Open)?;
    // A plan does not depend on what is bound: otherwise statements are compiled again at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(DbError::Open)?;
    if purpose == Use::Read {
        connection.execute_batch("PRAGMA query_only = ON").map_err(DbError::Open)?;
    }
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), DbError> {
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(DbError::Open)?;
    let known = MIGRATIONS.len() as i64;
    let done = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len());
    let done = done.ok_or(DbError::NewerSchema { found, known })?;
    for (number, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction().map_err(DbError::Open)?;
        transaction.execute_batch(sql).map_err(DbError::Open)?;
        transaction.pragma_update(None, "user_version", number as i64 + 1).map_err(DbError::Open)?;
        transaction.commit().map_err(DbError::Open)?;
    }
    Ok(())
}

/// A panic elsewhere must not stop the archive: what a mutex here guards is whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
