//! A JSON array of data sets, made one by one.

use bytes::Bytes;
use indexer::archive::Archive;

use crate::archive::Found;
use crate::outgoing::Cut;

/// Yields the array piece by piece; reading an instance blocks.
pub struct Objects {
    archive: Archive,
    left: std::vec::IntoIter<Found>,
    at: At,
}

enum At {
    First,
    Further,
    End,
}

impl Objects {
    /// The array of `found`, which is not empty.
    pub fn new(archive: Archive, found: Vec<Found>) -> Objects {
        Objects { archive, left: found.into_iter(), at: At::First }
    }
}

impl Iterator for Objects {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        let separator = match self.at {
            At::First => b'[',
            At::Further => b',',
            At::End => return None,
        };
        let Some(found) = self.left.next() else {
            self.at = At::End;
            return Some(Ok(Bytes::from_static(b"]")));
        };
        self.at = At::Further;
        let mut object = vec![separator];
        Some(found.metadata(&self.archive, &mut object).map(|()| object.into()))
    }
}
