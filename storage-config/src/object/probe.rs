//! Whether a bucket can do what the archive needs, asked at the start rather than at the first upload.

use bytes::Bytes;

use super::{Effort, ObjectError, Objects};

/// Where the probe writes.
const FOLDER: &str = "probe";

impl Objects {
    /// Writes an object under the random `id`, reads a range of it, finds it in a list and removes it.
    ///
    /// # Errors
    /// As each of these; `Differs` where the service does not give back what it took.
    pub fn probe(&self, id: [u8; 16]) -> Result<(), ObjectError> {
        let key = format!("{FOLDER}/{:032x}", u128::from_be_bytes(id));
        let differs = |what| ObjectError::Differs { key: key.clone(), what };
        let written = Bytes::copy_from_slice(&id);
        self.put(&key, written.clone(), Effort::Quick)?;
        if self.read(&key, 3..11, Effort::Quick)? != written[3..11] {
            return Err(differs("a range of the object"));
        }
        let about = self.about(&key, Effort::Quick)?.ok_or_else(|| differs("the object is not there"))?;
        if about.length != written.len() as u64 {
            return Err(differs("the length of the object"));
        }
        if !self.list(FOLDER, Effort::Quick)?.iter().any(|listed| listed.key == key) {
            return Err(differs("the list of objects"));
        }
        self.delete(&key, Effort::Quick)?;
        match self.about(&key, Effort::Quick)? {
            Some(_) => Err(differs("the object is there after it was removed")),
            None => Ok(()),
        }
    }
}
