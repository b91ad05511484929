//! Which database the index is in, and whether it answers. Knows connections, not rows.

use super::Db;
use super::error::DbError;

impl Db {
    /// Which database it is, for people: without user and password.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Db::Sqlite(db) => format!("sqlite {}", db.path().display()),
            Db::Postgres(db) => db.name().to_owned(),
        }
    }

    /// Which kind of database it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Db::Sqlite(_) => "sqlite",
            Db::Postgres(_) => "postgres",
        }
    }

    /// Whether several archives may have rows in it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Db::Postgres(_))
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it is away.
    pub fn ping(&self) -> Result<(), DbError> {
        match self {
            Db::Sqlite(_) => Ok(()),
            Db::Postgres(db) => db.ping(),
        }
    }

    /// Does what makes very many rows at once, with more memory for the database meanwhile.
    pub(crate) fn with_many_rows<T>(&self, work: impl FnOnce() -> T) -> T {
        let set = |large| match self {
            // It is faster with it, and right without.
            Db::Sqlite(db) => drop(db.set_large_cache(large)),
            Db::Postgres(_) => {}
        };
        set(true);
        let done = work();
        set(false);
        done
    }

    /// Answers of a server that were waited for since it was opened: what a batch of rows costs besides the server's work. 0
    /// for a file.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        match self {
            Db::Sqlite(_) => 0,
            Db::Postgres(db) => db.round_trips(),
        }
    }

    /// Counts the connections over which was written; a lost one is opened again. After it changed, what was committed
    /// before must be looked up: a database that was restored or failed over may have lost it.
    ///
    /// # Errors
    /// When the database is away.
    pub fn epoch(&self) -> Result<u64, DbError> {
        match self {
            Db::Sqlite(_) => Ok(0),
            Db::Postgres(db) => db.epoch(),
        }
    }
}
