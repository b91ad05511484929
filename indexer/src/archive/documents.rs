//! Bulk values handed out one by one (PS3.18 10.4.1.1.5), and what they are: a document, numbers, bytes.

use std::sync::Arc;

use super::error::ReadError;
use super::reader::{self, BulkStream};
use super::{Archive, Shared};
use crate::dataset::charset::{CharacterSets, SiteDefault, TextNotes};
use crate::dataset::text::{Text, integer};
use crate::dataset::{DataSet, Element, Endian, Tag, Value, Vr};
use crate::db::InstanceRow;

const ENCAPSULATED_DOCUMENT: Tag = Tag(0x0042, 0x0011);
const DOCUMENT_TYPE: Tag = Tag(0x0042, 0x0012);
const DOCUMENT_LENGTH: Tag = Tag(0x0042, 0x0015);
/// Largest value that is taken into memory as a whole, in bytes.
const WHOLE_MAX: u64 = 512 << 20;

/// One bulk value on its way out, chunk by chunk, each verified.
pub struct BulkReader {
    shared: Arc<Shared>,
    source: Source,
    length: u64,
    left: u64,
    /// MIME Type of Encapsulated Document, where it is one and says so.
    document: Option<String>,
}

enum Source {
    Stream(BulkStream),
    Whole(Option<Vec<u8>>),
}

impl Archive {
    /// The bulk value `n` of an instance, as its BulkDataURI counts them; none where there is none of that number.
    /// Numbers come little endian, whatever the data set's byte order (PS3.18 8.7.3.3).
    ///
    /// # Errors
    /// When the index or the store cannot be read.
    pub fn bulk_value(&self, instance: &InstanceRow, n: usize) -> Result<Option<BulkReader>, ReadError> {
        self.open_bulk(instance, |data_set| find(&data_set, n).map(|element| (n, element.vr, element.endian)))
    }

    /// The Encapsulated Document (0042,0011) of an instance; none where it has none.
    ///
    /// # Errors
    /// As [`Archive::bulk_value`].
    pub fn document(&self, instance: &InstanceRow) -> Result<Option<BulkReader>, ReadError> {
        let large = self.open_bulk(instance, |data_set| {
            let element = data_set.get(ENCAPSULATED_DOCUMENT)?;
            match element.value {
                Value::Bulk { splice, .. } => Some((splice, element.vr, element.endian)),
                _ => None,
            }
        })?;
        if large.is_some() { Ok(large) } else { self.small_document(instance) }
    }

    /// A document so short that it stands among the other elements.
    fn small_document(&self, instance: &InstanceRow) -> Result<Option<BulkReader>, ReadError> {
        let body = reader::read_body(&self.shared, &instance.digest, &instance.place)?;
        let skeleton = reader::skeleton_of(&self.shared, &body)?;
        let data_set = DataSet::new(&skeleton);
        let element = data_set.get(ENCAPSULATED_DOCUMENT);
        let Some(bytes) = element.and_then(|element| element.bytes().map(<[u8]>::to_vec)) else {
            return Ok(None);
        };
        let (document, said) = described(&data_set);
        let (shared, length) = (self.shared.clone(), unpadded(said, bytes.len() as u64));
        Ok(Some(BulkReader { shared, source: Source::Whole(Some(bytes)), length, left: length, document }))
    }

    fn open_bulk(
        &self,
        instance: &InstanceRow,
        choose: impl FnOnce(DataSet<'_>) -> Option<(usize, Vr, Endian)>,
    ) -> Result<Option<BulkReader>, ReadError> {
        let shared = &self.shared;
        let body = reader::read_body(shared, &instance.digest, &instance.place)?;
        let skeleton = reader::skeleton_of(shared, &body)?;
        let data_set = DataSet::new(&skeleton);
        let Some((n, vr, endian)) = choose(data_set) else { return Ok(None) };
        let (document, said) = document_of(&data_set, n);
        let deflated = skeleton.is_deflated();
        let length = match (deflated, body.bulk.get(n)) {
            (true, _) => skeleton.bulk_range(n).map(|(_, length)| length),
            (false, bulk) => bulk.map(|bulk| bulk.length),
        };
        let Some(length) = length else { return Ok(None) };
        let width = width(vr).filter(|_| endian == Endian::Big);
        let source = if deflated || width.is_some() {
            if length > WHOLE_MAX {
                return Err(ReadError::DataSet("the value is too long to be taken as a whole".into()));
            }
            let mut bytes = if deflated {
                reader::inflated_value(shared, &body, n, length as usize)?
            } else {
                let mut stream = BulkStream::open(shared, body.bulk[n].hash, length)?;
                let mut bytes = Vec::new();
                while let Some(chunk) = stream.next(shared)? {
                    bytes.extend_from_slice(&chunk);
                }
                bytes
            };
            bytes.chunks_exact_mut(width.unwrap_or(1)).for_each(<[u8]>::reverse);
            Source::Whole(Some(bytes))
        } else {
            Source::Stream(BulkStream::open(shared, body.bulk[n].hash, length)?)
        };
        let length = unpadded(said, length);
        Ok(Some(BulkReader { shared: shared.clone(), source, length, left: length, document }))
    }
}

impl BulkReader {
    /// Bytes of the value.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// MIME Type of Encapsulated Document (0042,0012), where the value is a document and says so.
    #[must_use]
    pub fn document_type(&self) -> Option<&str> {
        self.document.as_deref()
    }

    /// The next bytes, verified; none at the end.
    ///
    /// # Errors
    /// When bytes are damaged and no other copy is good; what was given out before is then not to be completed.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let chunk = match &mut self.source {
            Source::Stream(stream) => stream.next(&self.shared)?,
            Source::Whole(bytes) => bytes.take(),
        };
        let Some(mut chunk) = chunk else { return Ok(None) };
        chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= chunk.len() as u64;
        Ok(Some(chunk))
    }
}

/// The type of the document that bulk value `n` is, and its length as the data set says it.
fn document_of(data_set: &DataSet<'_>, n: usize) -> (Option<String>, Option<u64>) {
    let is_document = data_set
        .get(ENCAPSULATED_DOCUMENT)
        .is_some_and(|element| matches!(element.value, Value::Bulk { splice, .. } if splice == n));
    if is_document { described(data_set) } else { (None, None) }
}

/// The length of a document in a value of `length` bytes: an odd one is padded; what it `said` of itself tells.
fn unpadded(said: Option<u64>, length: u64) -> u64 {
    said.filter(|said| said.checked_add(1) == Some(length)).unwrap_or(length)
}

/// Type and length of the document of a data set, as it says them.
fn described(data_set: &DataSet<'_>) -> (Option<String>, Option<u64>) {
    let sets = CharacterSets::undeclared(SiteDefault::NONE);
    let text = |tag: Tag, vr: Vr| {
        let element = data_set.get(tag)?;
        let text = Text::read(vr, element.bytes()?, &sets, &mut TextNotes::default());
        Some(text.whole().trim().to_owned()).filter(|text| !text.is_empty())
    };
    let length = data_set.get(DOCUMENT_LENGTH).and_then(|element| match element.vr {
        Vr::UL => element.u32s().next().map(u64::from),
        _ => text(DOCUMENT_LENGTH, Vr::IS).and_then(|text| u64::try_from(integer(&text)?).ok()),
    });
    (text(DOCUMENT_TYPE, Vr::LO), length)
}

/// The element whose value is the bulk value `n`, at any depth. Depth is bounded by the reader.
fn find<'a>(data_set: &DataSet<'a>, n: usize) -> Option<Element<'a>> {
    data_set.elements().find_map(|element| match element.value {
        Value::Bulk { splice, .. } => (splice == n).then_some(element),
        Value::Sequence(items) => items.iter().find_map(|item| find(&item, n)),
        Value::Bytes(_) => None,
    })
}

/// Bytes of one number, for a VR of numbers.
fn width(vr: Vr) -> Option<usize> {
    match vr {
        Vr::OW | Vr::US | Vr::SS => Some(2),
        Vr::OF | Vr::OL | Vr::FL | Vr::UL | Vr::SL => Some(4),
        Vr::OD | Vr::OV | Vr::FD | Vr::UV | Vr::SV => Some(8),
        _ => None,
    }
}
