//! One connection for the length of one transaction: prepared statements, each counted for faults.
//!
//! The nouns (`study.rs`, `instance.rs`, ...) speak to the database through this and nothing else.

use super::ahead::LookUp;
use super::error::DbError;
use super::faults::{DbCall, DbFaults};
use super::postgres::{self, Found};
use super::sql::{Params, Row, ToValue, Value};

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
    /// To a PostgreSQL server.
    Postgres(&'c postgres::Connection),
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
            Link::Postgres(connection) => {
                let changed = connection.execute(sql, &params.values())?;
                usize::try_from(changed).map_err(|_| DbError::Range("rows"))
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
                let row = row.map(|row| read(&Row::Sqlite(row))).transpose();
                drop(rows);
                #[cfg(test)]
                super::find::tests::count_steps(&statement);
                row
            }
            Link::Postgres(connection) => {
                let rows = connection.query(sql, &params.values())?;
                rows.first().map(|row| read(&found(row))).transpose()
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
                drop(rows);
                #[cfg(test)]
                super::find::tests::count_steps(&statement);
                Ok(all)
            }
            Link::Postgres(connection) => {
                let rows = connection.query(sql, &params.values())?;
                rows.iter().map(|row| read(&found(row))).collect()
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
            Link::Postgres(connection) => self.call(|| connection.insert(sql, &params.values())),
        }
    }

    /// The same for a row of `table` that is one of many; it may reach the database together with the next statement.
    pub(super) fn insert_one_of_many(
        &self,
        table: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<i64, DbError> {
        match self.link {
            Link::Sqlite(_) => self.insert(sql, params),
            Link::Postgres(connection) => self.call(|| connection.insert_later(table, sql, &params.values())),
        }
    }

    /// Runs a statement whose outcome nobody asks for; it may reach the database together with the next one, and with others
    /// of its text as one. Until then those of another text may overtake it, and of an `UPDATE`, or of an `INSERT` that
    /// updates what is there, each row must be met by one at most.
    pub(super) fn add(&self, sql: &str, params: impl Params) -> Result<(), DbError> {
        match self.link {
            Link::Sqlite(_) => self.execute(sql, params).map(drop),
            Link::Postgres(connection) => self.call(|| {
                connection.later(sql, &params.values());
                Ok(())
            }),
        }
    }

    /// Runs an `INSERT` that does nothing where the row is there, which `look_up` would find; whether it was not.
    pub(super) fn add_new(
        &self,
        (look_up, key): (&'static str, &[&dyn ToValue]),
        sql: &str,
        params: &[&dyn ToValue],
    ) -> Result<bool, DbError> {
        if let Link::Postgres(connection) = self.link
            && let Some(rows) = connection.known().answer(look_up, &key.values())
        {
            return if rows.is_empty() { self.add(sql, params).map(|()| true) } else { Ok(false) };
        }
        Ok(self.execute(sql, params)? > 0)
    }

    /// Whether a look-up costs a way to a server, so that it is worth to gather what will be looked up.
    pub(super) fn is_far(&self) -> bool {
        matches!(self.link, Link::Postgres(_))
    }

    /// Makes look-ups for many keys at once where each costs a way to a server; nothing otherwise. What is looked up must
    /// not change before its look-up, nor afterwards where its answer holds longer, unless [`Session::found`] or
    /// [`Session::forget_ahead`] says so.
    pub(super) fn look_ahead(&self, look_ups: &[LookUp<'_>]) -> Result<(), DbError> {
        match self.link {
            Link::Sqlite(_) => Ok(()),
            Link::Postgres(connection) => self.call(|| connection.look_ahead(look_ups)),
        }
    }

    /// Whether a look-up is known to find nothing; where no look-ahead was made, nothing is known.
    pub(super) fn is_absent(&self, look_up: &str, key: impl Params) -> bool {
        match self.link {
            Link::Sqlite(_) => false,
            Link::Postgres(connection) => connection.known().is_absent(look_up, &key.values()),
        }
    }

    /// Says that a look-up, which asks for an id alone, finds this one from now on.
    pub(super) fn found(&self, look_up: &'static str, key: impl Params, id: i64) {
        if let Link::Postgres(connection) = self.link {
            connection.is_there(look_up, &key.values(), id);
        }
    }

    /// Says that a look-up may find something else than it was known to find.
    pub(super) fn is_changed(&self, look_up: &str, key: impl Params) {
        if let Link::Postgres(connection) = self.link {
            connection.known().forget(look_up, &key.values());
        }
    }

    /// Says that any look-up may find something else than it was known to find.
    pub(super) fn forget_ahead(&self) {
        if let Link::Postgres(connection) = self.link {
            connection.known().clear();
        }
    }

    /// Says that so many rows of `table` will be inserted as one of many.
    pub(super) fn expect_rows(&self, table: &'static str, count: usize) {
        if let Link::Postgres(connection) = self.link {
            connection.expect_rows(table, count);
        }
    }

    /// Removes all rows of a table.
    pub(super) fn empty(&self, table: &str) -> Result<(), DbError> {
        match self.link {
            Link::Sqlite(_) => self.execute(&format!("DELETE FROM {table}"), []).map(drop),
            Link::Postgres(_) => self.execute(&format!("TRUNCATE {table} RESTART IDENTITY"), []).map(drop),
        }
    }

    fn call<T>(&self, carry_out: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
        match self.faults {
            Some(faults) => faults.call(DbCall::Execute, carry_out),
            None => carry_out(),
        }
    }
}

fn found(row: &Found) -> Row<'_> {
    match row {
        Found::Row(row) => Row::Postgres(row),
        Found::Id(id) => Row::Id(*id),
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
