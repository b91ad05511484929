//! What look-ups are known to answer before they are made, within one transaction.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;

use crate::db::ahead::Holds;
use crate::db::sql::Value;

/// A row of an answer.
pub(in crate::db) enum Found {
    /// As the database sent it.
    Row(Row),
    /// Of which only the id is known, and wanted.
    Id(i64),
}

/// The rows of an answer; they may be given out more than once.
pub(in crate::db) type Rows = Arc<Vec<Found>>;

struct Answer {
    rows: Rows,
    stays: bool,
}

/// Answers by look-up and key.
#[derive(Default)]
pub(in crate::db) struct Known(RefCell<HashMap<&'static str, HashMap<Vec<u8>, Answer>>>);

impl Known {
    /// Takes note of an answer.
    pub(super) fn put(&self, sql: &'static str, key: Vec<u8>, rows: Vec<Found>, holds: Holds) {
        let stays = match holds {
            Holds::Absence if !rows.is_empty() => return,
            Holds::Absence | Holds::Once => false,
            Holds::WhileFound => !rows.is_empty(),
            Holds::Always => true,
        };
        let answer = Answer { rows: Arc::new(rows), stays };
        self.0.borrow_mut().entry(sql).or_default().insert(key, answer);
    }

    /// The answer, if it is known.
    pub(in crate::db) fn answer(&self, sql: &str, values: &[Value<'_>]) -> Option<Rows> {
        let mut known = self.0.borrow_mut();
        let answers = known.get_mut(sql).filter(|answers| !answers.is_empty())?;
        let key = key(values);
        if answers.get(&key)?.stays {
            return answers.get(&key).map(|answer| answer.rows.clone());
        }
        answers.remove(&key).map(|answer| answer.rows)
    }

    /// Whether nothing is known to be there; the answer stays.
    pub(in crate::db) fn is_absent(&self, sql: &str, values: &[Value<'_>]) -> bool {
        let known = self.0.borrow();
        let answer = known.get(sql).and_then(|answers| answers.get(&key(values)));
        answer.is_some_and(|answer| answer.rows.is_empty())
    }

    /// Forgets the answer for one key.
    pub(in crate::db) fn forget(&self, sql: &str, values: &[Value<'_>]) {
        if let Some(answers) = self.0.borrow_mut().get_mut(sql) {
            answers.remove(&key(values));
        }
    }

    /// Forgets all.
    pub(in crate::db) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// Parameters as bytes that are equal where they are.
pub(super) fn key(values: &[Value<'_>]) -> Vec<u8> {
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
