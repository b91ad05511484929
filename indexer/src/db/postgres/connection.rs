//! One connection to a PostgreSQL server: statements prepared once, answers waited for with a limit, and for batches of
//! new rows few round trips: what is not there is asked for many keys at once, rows that nobody waits for are collected
//! and inserted together before the next statement that might see them.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use super::failed;
use super::known::{Found, Known, Rows, key};
use super::values::type_of;
use super::wait::{Request, in_order, wait};
use crate::db::ahead::{Holds, LookUp};
use crate::db::dialect;
use crate::db::error::DbError;
use crate::db::readers::Reusable;
use crate::db::sql::Value;

/// Prepared statements kept; searches have many texts.
const STATEMENTS: usize = 400;
/// Rows of one statement at most.
const ROWS: usize = 1024;
/// Ids that are drawn at once, at first and at most.
const FIRST_IDS: usize = 8;
const MOST_IDS: usize = 512;

type Values = Vec<Value<'static>>;

/// Rows of one statement that are sent together.
struct Waiting {
    sql: String,
    /// Whether the id is the last of the values.
    with_id: bool,
    rows: Vec<Values>,
}

/// Ids that were drawn and not used yet, and how many are drawn next.
struct Ids {
    drawn: VecDeque<i64>,
    next: usize,
}

/// A connection.
pub(in crate::db) struct Connection {
    client: Client,
    /// Moves bytes between the client and the socket.
    driver: JoinHandle<()>,
    limit: Duration,
    prepared: RefCell<HashMap<String, Statement>>,
    in_transaction: Cell<bool>,
    broken: Cell<bool>,
    /// Rows to write, by statement, in the order in which the statements came first.
    waiting: RefCell<Vec<Waiting>>,
    /// What look-ups are known to answer, in this transaction.
    known: Known,
    /// By table; for this transaction.
    ids: RefCell<HashMap<&'static str, Ids>>,
    /// Answers that were waited for, counted over all connections of a database.
    round_trips: Arc<AtomicU64>,
}

impl Connection {
    /// Over an open connection; `limit` is how long an answer may take.
    pub(super) fn new(
        client: Client,
        driver: JoinHandle<()>,
        limit: Duration,
        round_trips: Arc<AtomicU64>,
    ) -> Connection {
        Connection {
            client,
            driver,
            limit,
            prepared: RefCell::default(),
            in_transaction: Cell::new(false),
            broken: Cell::new(false),
            waiting: RefCell::default(),
            known: Known::default(),
            ids: RefCell::default(),
            round_trips,
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

    /// Drops what belongs to a transaction.
    pub(super) fn forget(&self) {
        self.waiting.borrow_mut().clear();
        self.known.clear();
        self.ids.borrow_mut().clear();
    }

    /// Runs a statement; the number of rows changed.
    pub(in crate::db) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, DbError> {
        self.flush()?;
        let statement = self.prepare(sql, values)?;
        self.wait(self.client.execute(&statement, &references(values)))
    }

    /// Runs a statement; its rows.
    pub(in crate::db) fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Rows, DbError> {
        if let Some(rows) = self.known.answer(sql, values) {
            return Ok(rows);
        }
        self.flush()?;
        self.ask(sql, values).map(|rows| Arc::new(rows.into_iter().map(Found::Row).collect()))
    }

    /// Runs a statement; its rows as the server sent them.
    pub(super) fn ask(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, DbError> {
        let statement = self.prepare(sql, values)?;
        self.wait(self.client.query(&statement, &references(values)))
    }

    /// Inserts a row and tells its id.
    pub(in crate::db) fn insert(&self, sql: &str, values: &[Value<'_>]) -> Result<i64, DbError> {
        self.flush()?;
        let rows = self.ask(&format!("{sql} RETURNING id"), values)?;
        rows.first().and_then(|row| row.try_get(0).ok()).ok_or(DbError::Invalid("id"))
    }

    /// Inserts a row into `table` before the next statement, and tells the id it will have.
    pub(in crate::db) fn insert_later(
        &self,
        table: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<i64, DbError> {
        let id = self.next_id(table)?;
        let mut values: Values = values.iter().cloned().map(Value::into_owned).collect();
        values.push(Value::Integer(id));
        self.collect(sql, true, values);
        Ok(id)
    }

    /// Runs a statement before the next one.
    pub(in crate::db) fn later(&self, sql: &str, values: &[Value<'_>]) {
        self.collect(sql, false, values.iter().cloned().map(Value::into_owned).collect());
    }

    fn collect(&self, sql: &str, with_id: bool, values: Values) {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.iter_mut().find(|known| known.with_id == with_id && known.sql == sql) {
            Some(known) => known.rows.push(values),
            None => waiting.push(Waiting { sql: sql.to_owned(), with_id, rows: vec![values] }),
        }
    }

    /// Says that `count` rows of a table will be inserted.
    pub(in crate::db) fn expect_rows(&self, table: &'static str, count: usize) {
        let mut ids = self.ids.borrow_mut();
        let ids = ids.entry(table).or_insert_with(|| Ids { drawn: VecDeque::new(), next: FIRST_IDS });
        ids.next = count.max(1);
    }

    /// The id of a row that will be inserted. Ids are drawn by the dozen; those that are left over are nobody's.
    fn next_id(&self, table: &'static str) -> Result<i64, DbError> {
        let mut all = self.ids.borrow_mut();
        let ids = all.entry(table).or_insert_with(|| Ids { drawn: VecDeque::new(), next: FIRST_IDS });
        if let Some(id) = ids.drawn.pop_front() {
            return Ok(id);
        }
        // Looking for the sequence takes longer than drawing from it.
        let sql = "WITH s AS MATERIALIZED (SELECT pg_get_serial_sequence(?1, 'id')::regclass AS name) \
                   SELECT nextval(s.name) FROM s, generate_series(1, ?2)";
        let count = i64::try_from(ids.next).map_err(|_| DbError::Range("rows"))?;
        let rows = self.ask(sql, &[Value::Text(table.into()), Value::Integer(count)])?;
        ids.drawn = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        ids.next = (ids.next * 2).clamp(FIRST_IDS, MOST_IDS);
        ids.drawn.pop_front().ok_or(DbError::Invalid("id"))
    }

    /// Makes look-ups for many keys at once; each then knows its answer as long as it holds.
    pub(in crate::db) fn look_ahead(&self, look_ups: &[LookUp<'_>]) -> Result<(), DbError> {
        self.flush()?;
        let mut asked = Vec::with_capacity(look_ups.len());
        for look_up in look_ups {
            let mut seen = HashSet::with_capacity(look_up.keys.len());
            let keyed = look_up.keys.iter().map(|values| (key(values), values.as_slice()));
            let (keys, rows): (Vec<Vec<u8>>, Vec<&[Value<'_>]>) =
                keyed.filter(|(key, _)| seen.insert(key.clone())).unzip();
            let Some(first) = rows.first() else { continue };
            let plain = self.prepare(look_up.sql, first)?;
            let text = dialect::look_ahead(&dialect::statement(look_up.sql), &names(plain.params()));
            let statement = self.prepared_as(&text, &arrays(plain.params()))?;
            asked.push((look_up.sql, look_up.holds, keys, statement, columns(&rows)));
        }
        if asked.is_empty() {
            return Ok(());
        }
        let requests = asked.iter().map(|(.., statement, columns)| {
            let request = async move { self.client.query(statement, &references(columns)).await };
            Box::pin(request) as Request<'_, Vec<Row>, tokio_postgres::Error>
        });
        let answers = self.wait(in_order(requests.collect()))?;
        for ((sql, holds, keys, ..), rows) in asked.into_iter().zip(answers) {
            let mut found: Vec<Vec<Found>> = keys.iter().map(|_| Vec::new()).collect();
            for row in rows {
                let at = row.len().checked_sub(1).and_then(|last| row.try_get::<_, i64>(last).ok());
                let at = at.and_then(|number| usize::try_from(number - 1).ok());
                let of_key = at.and_then(|at| found.get_mut(at)).ok_or(DbError::Invalid("number"))?;
                of_key.push(Found::Row(row));
            }
            keys.into_iter().zip(found).for_each(|(key, rows)| self.known.put(sql, key, rows, holds));
        }
        Ok(())
    }

    /// What is known of look-ups.
    pub(in crate::db) fn known(&self) -> &Known {
        &self.known
    }

    /// Takes note that a look-up by `values` finds the row with this id from now on.
    pub(in crate::db) fn is_there(&self, sql: &'static str, values: &[Value<'_>], id: i64) {
        self.known.put(sql, key(values), vec![Found::Id(id)], Holds::WhileFound);
    }

    /// Sends the rows that were collected: each statement once for all its rows where it can be, in the order in which the
    /// statements came first.
    pub(in crate::db) fn flush(&self) -> Result<(), DbError> {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        if waiting.is_empty() {
            return Ok(());
        }
        let mut ready: Vec<(Statement, Sent<'_>)> = Vec::new();
        for Waiting { sql, with_id, rows } in &waiting {
            let Some(first) = rows.first() else { continue };
            let plain = dialect::statement(sql);
            let text = if *with_id { dialect::with_id(&plain, first.len() - 1) } else { plain };
            let types: Vec<Type> = first.iter().map(type_of).collect();
            let one = self.prepared_as(&text, &types)?;
            let many = if rows.len() > 1 { dialect::many(&text, &names(one.params())) } else { None };
            match many {
                Some(text) => {
                    let statement = self.prepared_as(&text, &arrays(one.params()))?;
                    for rows in rows.chunks(ROWS) {
                        let rows: Vec<&[Value<'_>]> = rows.iter().map(Vec::as_slice).collect();
                        ready.push((statement.clone(), Sent::Many(columns(&rows))));
                    }
                }
                None => ready.extend(rows.iter().map(|row| (one.clone(), Sent::One(row)))),
            }
        }
        let requests = ready.iter().map(|(statement, sent)| {
            let request = async move {
                let values = match sent {
                    Sent::One(values) => references(values),
                    Sent::Many(columns) => references(columns),
                };
                self.client.execute(statement, &values).await
            };
            Box::pin(request) as Request<'_, u64, tokio_postgres::Error>
        });
        self.wait(in_order(requests.collect())).map(drop)
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
        self.round_trips.fetch_add(1, Ordering::Relaxed);
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

/// What is bound to a statement that is sent.
enum Sent<'v> {
    One(&'v [Value<'static>]),
    Many(Vec<Column<'v>>),
}

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
