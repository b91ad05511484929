//! One connection for the length of one transaction: prepared statements, each counted for faults.
//!
//! The nouns (`study.rs`, `instance.rs`, ...) speak to the database through this and nothing else.

use rusqlite::{Connection, Params, Row};

use super::error::DbError;
use super::faults::{DbCall, DbFaults};

/// A connection inside a transaction.
pub(super) struct Session<'c> {
    connection: &'c Connection,
    /// None while reading: reads cannot lose anything.
    faults: Option<&'c DbFaults>,
}

impl<'c> Session<'c> {
    pub(super) fn writing(connection: &'c Connection, faults: &'c DbFaults) -> Session<'c> {
        Session { connection, faults: Some(faults) }
    }

    pub(super) fn reading(connection: &'c Connection) -> Session<'c> {
        Session { connection, faults: None }
    }

    /// Runs a statement that returns no rows; the number of rows changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, DbError> {
        self.call(|| {
            let mut statement = self.connection.prepare_cached(sql).map_err(DbError::Statement)?;
            statement.execute(params).map_err(DbError::Statement)
        })
    }

    /// The first row of a statement, if there is one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, DbError> {
        self.call(|| {
            let mut statement = self.connection.prepare_cached(sql).map_err(DbError::Statement)?;
            let mut rows = statement.query(params).map_err(DbError::Statement)?;
            match rows.next().map_err(DbError::Statement)? {
                Some(row) => read(row).map(Some).map_err(DbError::Statement),
                None => Ok(None),
            }
        })
    }

    /// All rows of a statement.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, DbError> {
        self.call(|| {
            let mut statement = self.connection.prepare_cached(sql).map_err(DbError::Statement)?;
            let rows = statement.query_map(params, |row| read(row)).map_err(DbError::Statement)?;
            rows.collect::<rusqlite::Result<Vec<T>>>().map_err(DbError::Statement)
        })
    }

    /// Runs an `INSERT` of one row; the row's id. (`RETURNING` would cost SQLite a temporary table each time.)
    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<i64, DbError> {
        self.execute(sql, params)?;
        Ok(self.connection.last_insert_rowid())
    }

    fn call<T>(&self, carry_out: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
        match self.faults {
            Some(faults) => faults.call(DbCall::Execute, carry_out),
            None => carry_out(),
        }
    }
}

/// A length or offset as SQL keeps it.
pub(super) fn signed(value: u64, what: &'static str) -> Result<i64, DbError> {
    i64::try_from(value).map_err(|_| DbError::Range(what))
}

/// A length, offset or count as it came from SQL: never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}
