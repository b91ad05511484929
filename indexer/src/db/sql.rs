//! What is bound to a statement and what a row answers, whichever database is asked.
//!
//! The nouns see these types alone, so that one text and one way of reading rows serves all databases. Knows values,
//! not statements.

use std::borrow::Cow;

use super::error::DbError;

/// A value bound to a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'v> {
    /// Nothing.
    Null,
    /// A number, and what is true (1) or not (0).
    Integer(i64),
    /// A measure.
    Real(f64),
    /// A text without U+0000, which not every database takes.
    Text(Cow<'v, str>),
    /// Bytes.
    Blob(Cow<'v, [u8]>),
}

impl Value<'_> {
    /// The same, independent of what it was made from.
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Integer(number) => Value::Integer(number),
            Value::Real(number) => Value::Real(number),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Blob(bytes) => Value::Blob(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// Text as the index keeps it. U+0000 pads values in some headers and means nothing; it is left out here and nowhere
/// else, of what is stored and of what is asked for alike. The data set keeps it.
fn text(text: &str) -> Value<'_> {
    Value::Text(if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) })
}

/// What can be bound to a statement.
pub(super) trait ToValue {
    /// The value to bind.
    fn to_value(&self) -> Value<'_>;
}

macro_rules! integers {
    ($($of:ty),*) => {
        $(impl ToValue for $of {
            fn to_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        })*
    };
}
integers!(i64, i32, u32, u16, u8, bool);

impl ToValue for f64 {
    fn to_value(&self) -> Value<'_> {
        Value::Real(*self)
    }
}

impl ToValue for f32 {
    fn to_value(&self) -> Value<'_> {
        Value::Real(f64::from(*self))
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

/// All that is bound to a statement, in order.
pub(super) trait Params {
    /// The values; `?1` of the statement is the first.
    fn values(&self) -> Vec<Value<'_>>;
}

impl<T: ToValue> Params for &[T] {
    fn values(&self) -> Vec<Value<'_>> {
        self.iter().map(ToValue::to_value).collect()
    }
}

impl Params for [&str; 0] {
    fn values(&self) -> Vec<Value<'_>> {
        Vec::new()
    }
}

macro_rules! arrays {
    ($($length:literal),*) => {
        $(impl<T: ToValue> Params for [T; $length] {
            fn values(&self) -> Vec<Value<'_>> {
                self.iter().map(ToValue::to_value).collect()
            }
        })*
    };
}
arrays!(1, 2, 3, 4, 5, 6);

/// Values of different types, bound to `?1`, `?2` and so on.
macro_rules! params {
    ($($value:expr),+ $(,)?) => {
        &[$(&$value as &dyn $crate::db::sql::ToValue),+] as &[&dyn $crate::db::sql::ToValue]
    };
}
pub(in crate::db) use params;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'r> {
    /// Nothing.
    Null,
    /// A number, and what is true (1) or not (0).
    Integer(i64),
    /// A measure.
    Real(f64),
    /// A text.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
}

/// What can be read from a row.
pub(super) trait FromCell: Sized {
    /// The value; none where the row holds something else.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

macro_rules! numbers {
    ($($of:ty),*) => {
        $(impl FromCell for $of {
            fn from_cell(cell: Cell<'_>) -> Option<$of> {
                match cell {
                    Cell::Integer(number) => <$of>::try_from(number).ok(),
                    _ => None,
                }
            }
        })*
    };
}
numbers!(i64, i32, u64, u32, u16, u8);

impl FromCell for bool {
    fn from_cell(cell: Cell<'_>) -> Option<bool> {
        match cell {
            Cell::Integer(number) => Some(number != 0),
            _ => None,
        }
    }
}

impl FromCell for f64 {
    fn from_cell(cell: Cell<'_>) -> Option<f64> {
        match cell {
            Cell::Real(number) => Some(number),
            Cell::Integer(number) => Some(number as f64),
            _ => None,
        }
    }
}

impl FromCell for String {
    fn from_cell(cell: Cell<'_>) -> Option<String> {
        match cell {
            Cell::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Option<Vec<u8>> {
        match cell {
            Cell::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> FromCell for [u8; N] {
    fn from_cell(cell: Cell<'_>) -> Option<[u8; N]> {
        match cell {
            Cell::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Option<T>> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

/// The number of a column, from 0.
pub(super) trait Column {
    /// It.
    fn number(self) -> usize;
}

impl Column for usize {
    fn number(self) -> usize {
        self
    }
}

/// A row of an answer.
pub(super) enum Row<'r> {
    /// Of SQLite.
    Sqlite(&'r rusqlite::Row<'r>),
    /// Of PostgreSQL.
    Postgres(&'r tokio_postgres::Row),
    /// The id of a row that is known without asking, and nothing else of it.
    Id(i64),
}

impl Row<'_> {
    /// A value of the row.
    ///
    /// # Errors
    /// When the column holds something else.
    pub(super) fn get<C: Column, T: FromCell>(&self, column: C) -> Result<T, DbError> {
        T::from_cell(self.cell(column.number())?).ok_or(DbError::Invalid("value"))
    }

    /// Number of values in the row.
    pub(super) fn columns(&self) -> usize {
        match self {
            Row::Sqlite(row) => row.as_ref().column_count(),
            Row::Postgres(row) => row.len(),
            Row::Id(_) => 1,
        }
    }

    /// A value as it is.
    ///
    /// # Errors
    /// When there is no such column, or its text is none.
    pub(super) fn cell(&self, column: usize) -> Result<Cell<'_>, DbError> {
        use rusqlite::types::ValueRef;
        match self {
            Row::Sqlite(row) => Ok(match row.get_ref(column).map_err(DbError::Statement)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Integer(number),
                ValueRef::Real(number) => Cell::Real(number),
                ValueRef::Text(text) => {
                    Cell::Text(std::str::from_utf8(text).map_err(|_| DbError::Invalid("text"))?)
                }
                ValueRef::Blob(bytes) => Cell::Blob(bytes),
            }),
            Row::Postgres(row) => super::postgres::cell(row, column),
            Row::Id(id) if column == 0 => Ok(Cell::Integer(*id)),
            Row::Id(_) => Err(DbError::Invalid("column")),
        }
    }
}
