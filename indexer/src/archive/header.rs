//! The header of a stored instance, and the values of it that were split off.

use std::sync::Arc;

use super::bulk::BulkValue;
use super::error::ReadError;
use super::{Archive, Shared, reader};
use crate::dataset::{DataSet, Element, Skeleton, Value};
use crate::db::InstanceRow;
use crate::record::InstanceBody;

/// Largest value that is taken into memory as a whole, in bytes.
const WHOLE_MAX: u64 = 512 << 20;

/// The header of one instance, read and ready to be looked through.
pub struct HeaderReader {
    shared: Arc<Shared>,
    body: InstanceBody,
    skeleton: Skeleton,
}

impl Archive {
    /// The header of an instance.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn header(&self, instance: &InstanceRow) -> Result<HeaderReader, ReadError> {
        HeaderReader::open(&self.shared, instance)
    }
}

impl HeaderReader {
    pub(super) fn open(shared: &Arc<Shared>, instance: &InstanceRow) -> Result<HeaderReader, ReadError> {
        let body = reader::read_body(shared, &instance.digest, &instance.place)?;
        let skeleton = reader::skeleton_of(shared, &body)?;
        Ok(HeaderReader { shared: shared.clone(), body, skeleton })
    }

    /// The data set without its bulk values.
    #[must_use]
    pub fn data_set(&self) -> DataSet<'_> {
        DataSet::new(&self.skeleton)
    }

    /// Whether pixel data are encapsulated; none without pixel data.
    pub(super) fn encapsulated(&self) -> Option<bool> {
        self.skeleton.pixel.as_ref().map(|pixel| pixel.encapsulated)
    }

    /// The value field of an element of this header, read where it was split off.
    ///
    /// # Errors
    /// When it is a sequence, too long to be taken as a whole, or cannot be read.
    pub fn value(&self, element: &Element<'_>) -> Result<Vec<u8>, ReadError> {
        let refused = |what: &str| Err(ReadError::DataSet(what.into()));
        match element.value {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            Value::Sequence(_) => refused("the value is a sequence"),
            Value::Bulk { length, .. } if length > WHOLE_MAX => {
                refused("the value is too long to be taken as a whole")
            }
            Value::Bulk { splice, length } if self.skeleton.is_deflated() => {
                reader::inflated_value(&self.shared, &self.body, splice, length as usize)
            }
            Value::Bulk { splice, .. } => {
                let damaged = || ReadError::Damaged("a splice".into());
                let bulk = self.body.bulk.get(splice).ok_or_else(damaged)?;
                let mut value = BulkValue::find(&self.shared, bulk.hash, bulk.length)?;
                let mut bytes = Vec::new();
                value.read(&self.shared, 0..bulk.length, &mut bytes)?;
                Ok(bytes)
            }
        }
    }
}
