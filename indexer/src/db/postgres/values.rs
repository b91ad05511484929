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
            // The sum of whole numbers.
            Type::NUMERIC => Cell::Integer(whole(raw).ok_or("a number that is not whole or too large")?),
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

/// A decimal number as the server sends it, where it is whole: how many digits to the base of 10,000 follow, the power
/// of the first one, the sign, how many decimals are shown, the digits.
fn whole(raw: &[u8]) -> Option<i64> {
    let mut words = raw.chunks_exact(2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]));
    let (_digits, mut power, sign) = (words.next()?, words.next()?, words.next()?);
    let _decimals = words.next()?;
    let sign = match sign {
        0 => 1,
        0x4000 => -1,
        _ => return None,
    };
    let mut number: i64 = 0;
    for digit in words {
        if power < 0 {
            if digit != 0 {
                return None;
            }
            continue;
        }
        number = number.checked_mul(10_000)?.checked_add(sign * i64::from(digit))?;
        power -= 1;
    }
    (0..=power).try_fold(number, |number, _| number.checked_mul(10_000))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_whole_numbers() {
        let sent = |words: &[i16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        for (words, number) in [
            (&[0, 0, 0, 0][..], Some(0)),
            (&[1, 0, 0, 0, 7], Some(7)),
            (&[1, 1, 0, 0, 5], Some(50_000)),
            (&[2, 1, 0x4000, 0, 1, 2345], Some(-12_345)),
            (&[5, 4, 0, 0, 922, 3372, 368, 5477, 5807], Some(i64::MAX)),
            (&[5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808], Some(i64::MIN)),
            (&[5, 4, 0, 0, 922, 3372, 368, 5477, 5808], None),
            (&[2, 0, 0, 1, 1, 5000], None),
            (&[1, 9, 0, 0, 1], None),
            (&[0, 0, -0x4000, 0], None),
        ] {
            assert_eq!(whole(&sent(words)), number, "{words:?}");
        }
    }
}
