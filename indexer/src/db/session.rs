//! One connection for the length of one transaction: prepared statements, each counted for faults.
//!
//! The nouns (`study.rs`, `instance.rs`, ...) speak to the database through this and nothing else.

use super::error::DbError;
use super::faults::{DbCall, DbFaults};
use super::sql::{Params, Row, Value};

/// A connection inside a transaction.
pub(super) struct Session<'c> {
    link: Link<'c>,
    /// None while reading: reads cannot lose anything.
    faults: Option<&'c DbFaults>,
}

/// The connection of a database.
#[derive(Clone, Copy)]
pub(super) enum Link<'c> {
    /// To a SQLite file.
    Sqlite(&'c rusqlite::Connection),
}

impl<'c> Session<'c> {
    pub(super) fn writing(link: Link<'c>, faults: &'c DbFaults) -> Session<'c> {
        Session { link, faults: Some(faults) }
    }

    pub(super) fn reading(link: Link<'c>) -> Session<'c> {
        Session { link, faults: None }
    }

    /// Runs a statement that returns no rows; the number of rows changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, DbError> {
        self.call(|| match self.link {
            Link::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).map_err(DbError::Statement)?;
                bind(&mut statement, &params.values())?;
                statement.raw_execute().map_err(DbError::Statement)
            }
        })
    }

    /// The first row of a statement, if there is one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        self.call(|| match self.link {
            Link::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).map_err(DbError::Statement)?;
                bind(&mut statement, &params.values())?;
                let mut rows = statement.raw_query();
                let row = rows.next().map_err(DbError::Statement)?;
                row.map(|row| read(&Row::Sqlite(row))).transpose()
            }
        })
    }

    /// All rows of a statement.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        self.call(|| match self.link {
            Link::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).map_err(DbError::Statement)?;
                bind(&mut statement, &params.values())?;
                let (mut rows, mut all) = (statement.raw_query(), Vec::new());
                while let Some(row) = rows.next().map_err(DbError::Statement)? {
                    all.push(read(&Row::Sqlite(row))?);
                }
                Ok(all)
            }
        })
    }

    /// Runs an `INSERT` of one row into a table with an `id`; the row's id.
    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<i64, DbError> {
        match self.link {
            // `RETURNING` would cost SQLite a temporary table each time.
            Link::Sqlite(connection) => {
                self.execute(sql, params)?;
                Ok(connection.last_insert_rowid())
            }
        }
    }

    fn call<T>(&self, carry_out: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
        match self.faults {
            Some(faults) => faults.call(DbCall::Execute, carry_out),
            None => carry_out(),
        }
    }
}

fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value<'_>]) -> Result<(), DbError> {
    let found = statement.parameter_count();
    if found != values.len() {
        return Err(DbError::Statement(rusqlite::Error::InvalidParameterCount(values.len(), found)));
    }
    for (n, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(n + 1, value).map_err(DbError::Statement)?;
    }
    Ok(())
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{Null, ToSqlOutput, ValueRef};
        Ok(match self {
            Value::Null => ToSqlOutput::from(Null),
            Value::Integer(number) => ToSqlOutput::from(*number),
            Value::Real(number) => ToSqlOutput::from(*number),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// A length or offset as SQL keeps it.
pub(super) fn signed(value: u64, what: &'static str) -> Result<i64, DbError> {
    i64::try_from(value).map_err(|_| DbError::Range(what))
}

/// A length, offset or count as it came from SQL: never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, DbError> {
    row.get(column)
}
