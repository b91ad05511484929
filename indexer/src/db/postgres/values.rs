//! Values as PostgreSQL sends and takes them (binary format).

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::db::error::DbError;
use crate::db::sql::{Cell, Value};

/// Any value of a row, in the few types that the index uses.
struct Any<'r>(Cell<'r>);

impl<'r> FromSql<'r> for Any<'r> {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Result<Any<'r>, Box<dyn Error + Sync + Send>> {
        Ok(Any(match *of {
            Type::INT8 => Cell::Integer(i64::from_sql(of, raw)?),
            Type::INT4 => Cell::Integer(i64::from(i32::from_sql(of, raw)?)),
            Type::INT2 => Cell::Integer(i64::from(i16::from_sql(of, raw)?)),
            Type::BOOL => Cell::Integer(i64::from(bool::from_sql(of, raw)?)),
            Type::FLOAT8 => Cell::Real(f64::from_sql(of, raw)?),
            Type::BYTEA => Cell::Blob(<&[u8]>::from_sql(of, raw)?),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => Cell::Text(<&str>::from_sql(of, raw)?),
            _ => return Err(format!("a value of type {of}").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Any<'r>, Box<dyn Error + Sync + Send>> {
        Ok(Any(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value of a row.
pub(in crate::db) fn cell(row: &tokio_postgres::Row, column: usize) -> Result<Cell<'_>, DbError> {
    row.try_get::<_, Any<'_>>(column).map(|any| any.0).map_err(|_| DbError::Invalid("value"))
}

impl ToSql for Value<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, of) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT4) => i32::try_from(*number)?.to_sql(of, out),
            (Value::Integer(number), &Type::FLOAT8) => (*number as f64).to_sql(of, out),
            (Value::Integer(number), _) => number.to_sql(of, out),
            (Value::Real(number), _) => number.to_sql(of, out),
            (Value::Text(text), _) => text.as_ref().to_sql(of, out),
            (Value::Blob(bytes), _) => bytes.as_ref().to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::FLOAT8, Type::TEXT, Type::VARCHAR, Type::BYTEA].contains(of)
    }

    to_sql_checked!();
}

/// The type by which a parameter is announced; the server finds that of a missing value.
pub(super) fn type_of(value: &Value<'_>) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Integer(_) => Type::INT8,
        Value::Real(_) => Type::FLOAT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}
