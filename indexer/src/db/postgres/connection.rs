//! One connection to a PostgreSQL server: statements prepared once, answers waited for with a limit, and for batches of
//! new rows few round trips: what is not there is asked for many keys at once, rows that nobody waits for are collected
//! and inserted together before the next statement that might see them.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use super::failed;
use super::values::type_of;
use super::wait::wait;
use crate::db::dialect;
use crate::db::error::DbError;
use crate::db::readers::Reusable;
use crate::db::sql::Value;

/// Prepared statements kept; searches have many texts.
const STATEMENTS: usize = 400;
/// Rows of one statement at most.
const ROWS: usize = 1024;

type Values = Vec<Value<'static>>;

/// A connection.
pub(in crate::db) struct Connection {
    client: Client,
    /// Moves bytes between the client and the socket.
    driver: JoinHandle<()>,
    limit: Duration,
    prepared: RefCell<HashMap<String, Statement>>,
    in_transaction: Cell<bool>,
    broken: Cell<bool>,
    /// Rows to insert, by statement, in the order in which the statements came first.
    waiting: RefCell<Vec<(String, Vec<Values>)>>,
    /// Parameters for which look-ups are known to find nothing; each is good for one use.
    absent: RefCell<HashMap<&'static str, HashSet<Vec<u8>>>>,
    /// Ids that were drawn and not used yet, by table; for this transaction.
    ids: RefCell<HashMap<&'static str, VecDeque<i64>>>,
}

impl Connection {
    /// Over an open connection; `limit` is how long an answer may take.
    pub(super) fn new(client: Client, driver: JoinHandle<()>, limit: Duration) -> Connection {
        Connection {
            client,
            driver,
            limit,
            prepared: RefCell::default(),
            in_transaction: Cell::new(false),
            broken: Cell::new(false),
            waiting: RefCell::default(),
            absent: RefCell::default(),
            ids: RefCell::default(),
        }
    }

    /// Whether it is known to be of no more use.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get() || self.client.is_closed()
    }

    /// Runs statements of constant text.
    pub(super) fn batch(&self, sql: &str) -> Result<(), DbError> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Begins a transaction by `sql`.
    pub(super) fn begin(&self, sql: &str) -> Result<(), DbError> {
        self.in_transaction.set(true);
        self.batch(sql)
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// [`DbError::OutcomeUnknown`] where the server did not say what became of it.
    pub(super) fn commit(&self) -> Result<(), DbError> {
        self.flush()?;
        self.batch("COMMIT").map_err(|error| match error {
            DbError::Away(reason) => DbError::OutcomeUnknown(reason),
            error => error,
        })?;
        self.in_transaction.set(false);
        self.forget();
        Ok(())
    }

    /// Leaves the transaction there may be; whether the connection can go on.
    pub(super) fn reset(&self) -> bool {
        self.forget();
        if self.in_transaction.get() && !self.is_broken() && self.batch("ROLLBACK").is_ok() {
            self.in_transaction.set(false);
        }
        self.is_reusable()
    }

    fn forget(&self) {
        self.waiting.borrow_mut().clear();
        self.absent.borrow_mut().clear();
        self.ids.borrow_mut().clear();
    }

    /// Runs a statement; the number of rows changed.
    pub(in crate::db) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, DbError> {
        self.flush()?;
        let statement = self.prepare(sql, values)?;
        self.wait(self.client.execute(&statement, &references(values)))
    }

    /// Runs a statement; its rows.
    pub(in crate::db) fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, DbError> {
        if self.was_absent(sql, values) {
            return Ok(Vec::new());
        }
        self.flush()?;
        let statement = self.prepare(sql, values)?;
        self.wait(self.client.query(&statement, &references(values)))
    }

    /// Inserts a row and tells its id.
    pub(in crate::db) fn insert(&self, sql: &str, values: &[Value<'_>]) -> Result<i64, DbError> {
        let rows = self.query(&format!("{sql} RETURNING id"), values)?;
        rows.first().and_then(|row| row.try_get(0).ok()).ok_or(DbError::Invalid("id"))
    }

    /// Inserts a row into `table` before the next statement, and tells the id it will have.
    pub(in crate::db) fn insert_later(
        &self,
        table: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<i64, DbError> {
        let drawn = self.ids.borrow_mut().get_mut(table).and_then(VecDeque::pop_front);
        let Some(id) = drawn else { return self.insert(sql, values) };
        let mut values: Values = values.iter().cloned().map(Value::into_owned).collect();
        let sql = dialect::with_id(&dialect::statement(sql), values.len());
        values.push(Value::Integer(id));
        self.collect(sql, values);
        Ok(id)
    }

    /// Inserts a row before the next statement.
    pub(in crate::db) fn later(&self, sql: &str, values: &[Value<'_>]) {
        let values = values.iter().cloned().map(Value::into_owned).collect();
        self.collect(dialect::statement(sql), values);
    }

    fn collect(&self, sql: String, values: Values) {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.iter_mut().find(|(known, _)| *known == sql) {
            Some((_, rows)) => rows.push(values),
            None => waiting.push((sql, vec![values])),
        }
    }

    /// Draws ids for `count` rows of a table.
    pub(in crate::db) fn draw_ids(&self, table: &'static str, count: usize) -> Result<(), DbError> {
        let sql = "SELECT nextval(pg_get_serial_sequence(?1, 'id')) FROM generate_series(1, ?2)";
        let count = i64::try_from(count).map_err(|_| DbError::Range("rows"))?;
        let rows = self.query(sql, &[Value::Text(table.into()), Value::Integer(count)])?;
        let ids = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        self.ids.borrow_mut().insert(table, ids);
        Ok(())
    }

    /// Asks at once for which of many parameters a look-up finds nothing; the look-up itself then knows it, once each.
    pub(in crate::db) fn look_ahead(&self, sql: &'static str, all: &[Vec<Value<'_>>]) -> Result<(), DbError> {
        let Some(first) = all.first() else { return Ok(()) };
        self.flush()?;
        let plain = self.prepare(sql, first)?;
        let text = dialect::absent(&dialect::statement(sql), &names(plain.params()));
        let rows: Vec<&[Value<'_>]> = all.iter().map(Vec::as_slice).collect();
        let columns = columns(&rows);
        let statement = self.prepared_as(&text, &arrays(plain.params()))?;
        let found = self.wait(self.client.query(&statement, &references(&columns)))?;
        let mut absent = self.absent.borrow_mut();
        let absent = absent.entry(sql).or_default();
        for row in found {
            let number: i64 = row.try_get(0).map_err(|_| DbError::Invalid("number"))?;
            let at = usize::try_from(number - 1).map_err(|_| DbError::Invalid("number"))?;
            absent.extend(all.get(at).map(|values| key(values)));
        }
        Ok(())
    }

    /// Whether a look-up is known to find nothing. It is known for one use, since what follows may put it there.
    pub(in crate::db) fn was_absent(&self, sql: &str, values: &[Value<'_>]) -> bool {
        let mut absent = self.absent.borrow_mut();
        !absent.is_empty() && absent.get_mut(sql).is_some_and(|keys| keys.remove(&key(values)))
    }

    /// Sends the rows that were collected.
    pub(in crate::db) fn flush(&self) -> Result<(), DbError> {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        if waiting.is_empty() {
            return Ok(());
        }
        let mut ready: Vec<(Statement, Vec<Vec<Value<'_>>>)> = Vec::new();
        let mut whole: Vec<(Statement, Vec<Column<'_>>)> = Vec::new();
        for (sql, rows) in &waiting {
            let Some(first) = rows.first() else { continue };
            let plain = self.prepare(sql, first)?;
            let many = if rows.len() > 1 { dialect::many(sql, &names(plain.params())) } else { None };
            match many {
                Some(text) => {
                    let statement = self.prepared_as(&text, &arrays(plain.params()))?;
                    for rows in rows.chunks(ROWS) {
                        let rows: Vec<&[Value<'_>]> = rows.iter().map(Vec::as_slice).collect();
                        whole.push((statement.clone(), columns(&rows)));
                    }
                }
                None => ready.extend(rows.iter().map(|row| (plain.clone(), vec![row.clone()]))),
            }
        }
        // All are sent before the first answer is waited for.
        self.wait(async {
            let many = whole.iter().map(|(statement, columns)| async move {
                self.client.execute(statement, &references(columns)).await
            });
            let single = ready.iter().map(|(statement, rows)| async move {
                self.client.execute(statement, &references(&rows[0])).await
            });
            let (many, single) = futures_util::future::join(try_join_all(many), try_join_all(single)).await;
            many.and(single)
        })?;
        Ok(())
    }

    /// The prepared statement of a text, by the types of its first values.
    fn prepare(&self, sql: &str, values: &[Value<'_>]) -> Result<Statement, DbError> {
        if let Some(statement) = self.prepared.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let types: Vec<Type> = values.iter().map(type_of).collect();
        self.make(&dialect::statement(sql), sql, &types)
    }

    /// The prepared statement of a text of this dialect.
    fn prepared_as(&self, text: &str, types: &[Type]) -> Result<Statement, DbError> {
        if let Some(statement) = self.prepared.borrow().get(text) {
            return Ok(statement.clone());
        }
        self.make(text, text, types)
    }

    fn make(&self, text: &str, name: &str, types: &[Type]) -> Result<Statement, DbError> {
        let statement = self.wait(self.client.prepare_typed(text, types))?;
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() >= STATEMENTS {
            prepared.clear();
        }
        prepared.insert(name.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Waits for an answer. After none came the connection is of no more use.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, DbError> {
        if self.broken.get() {
            return Err(DbError::Away("the connection was given up".into()));
        }
        match wait(answer, self.limit) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => {
                let error = failed(&error);
                // A statement whose plan another server's migration made invalid is prepared anew on a new connection.
                let stale =
                    matches!(&error, DbError::Server { code, .. } if code == "0A000" || code == "26000");
                self.broken.set(self.broken.get() || stale || matches!(error, DbError::Away(_)));
                Err(error)
            }
            None => {
                self.broken.set(true);
                Err(DbError::Away(format!("no answer within {:?}", self.limit)))
            }
        }
    }
}

impl Reusable for Connection {
    fn is_reusable(&self) -> bool {
        !self.is_broken() && !self.in_transaction.get()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // One that is whole says goodbye; the driver of one that is not might wait for ever.
        if self.broken.get() {
            self.driver.abort();
        }
    }
}

/// A column of many rows, sent as an array.
type Column<'v> = Vec<Value<'v>>;

fn columns<'v>(rows: &[&[Value<'v>]]) -> Vec<Column<'v>> {
    let width = rows.first().map_or(0, |row| row.len());
    (0..width).map(|n| rows.iter().filter_map(|row| row.get(n).cloned()).collect()).collect()
}

fn references<T: ToSql + Sync>(values: &[T]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn names(types: &[Type]) -> Vec<&str> {
    types.iter().map(Type::name).collect()
}

fn arrays(types: &[Type]) -> Vec<Type> {
    let array = |of: &Type| match *of {
        Type::INT8 => Type::INT8_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        _ => Type::TEXT_ARRAY,
    };
    types.iter().map(array).collect()
}

/// Parameters as bytes that are equal where they are.
fn key(values: &[Value<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for value in values {
        let bytes: &[u8] = match value {
            Value::Null => &[],
            Value::Integer(number) => &number.to_le_bytes(),
            Value::Real(number) => &number.to_le_bytes(),
            Value::Text(text) => text.as_bytes(),
            Value::Blob(bytes) => bytes,
        };
        out.extend((bytes.len() as u64).to_le_bytes());
        out.extend(bytes);
    }
    out
}
