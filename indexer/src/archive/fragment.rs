//! The metadata of one instance: its data set in the DICOM JSON Model (PS3.18 annex F), with an address for each value
//! that is too large to stand in it.
//!
//! Pixel Data are left out: a viewer asks for frames. Text, and tables that a picture is shown through, stand inline
//! even where they are bulk values, because a viewer would ask for each of them before it shows anything.

use storage_config::ContentHash;

use super::bulk::BulkValue;
use super::error::ReadError;
use super::{Shared, reader};
use crate::dataset::charset::SiteDefault;
use crate::dataset::json::{self, BulkElement, BulkForm};
use crate::dataset::text::is_string;
use crate::dataset::{DataSet, Tag, Value};
use crate::db::Place;
use crate::record::InstanceBody;

/// Longest text that stands inline, in bytes.
const TEXT_MAX: u64 = 64 << 10;
/// Longest look-up table that stands inline, in bytes: 65,536 entries of 16 bits.
const TABLE_MAX: u64 = 128 << 10;
/// Bytes of bulk values of one instance that stand inline, at most.
const INLINE_MAX: u64 = 8 << 20;

/// Appends the metadata of the instance `digest`, which is at `place`, to `out`. Addresses begin with `base`. Whether there is one in it.
pub(crate) fn write(
    shared: &Shared,
    (digest, place): (&ContentHash, &Place),
    base: &str,
    out: &mut Vec<u8>,
) -> Result<bool, ReadError> {
    let body = reader::read_body(shared, digest, place)?;
    let skeleton = reader::skeleton_of(shared, &body)?;
    let data_set = DataSet::new(&skeleton);
    let mut forms = Forms {
        shared,
        body: &body,
        deflated: skeleton.is_deflated(),
        pixels: pixels(&data_set),
        prefix: None,
        left: INLINE_MAX,
    };
    let instance = || address(&data_set, base, &body);
    let mut form = |element: BulkElement| forms.of(&element, &instance);
    json::write_with_bulk(data_set, SiteDefault::NONE, &mut form, out);
    Ok(forms.prefix.is_some())
}

struct Forms<'a> {
    shared: &'a Shared,
    body: &'a InstanceBody,
    deflated: bool,
    /// Which bulk value the pixel data of the data set itself are.
    pixels: Option<usize>,
    /// What addresses begin with, once one was needed.
    prefix: Option<String>,
    /// Bytes that may still stand inline.
    left: u64,
}

impl Forms<'_> {
    fn of(&mut self, element: &BulkElement, instance: &dyn Fn() -> String) -> BulkForm {
        if self.pixels == Some(element.splice) {
            return BulkForm::Absent;
        }
        if let Some(bytes) = self.inline(element) {
            return BulkForm::Inline(bytes);
        }
        let prefix = self.prefix.get_or_insert_with(instance);
        BulkForm::Uri(format!("{prefix}/bulkdata/{}", element.splice))
    }

    /// The value, if it is to stand inline. One that cannot be read gets an address, which will say so.
    fn inline(&mut self, element: &BulkElement) -> Option<Vec<u8>> {
        let most = if is_string(element.vr) {
            TEXT_MAX
        } else if is_table(element.tag) {
            TABLE_MAX
        } else {
            return None;
        };
        let bulk = self.body.bulk.get(element.splice)?;
        if self.deflated || element.length > most.min(self.left) {
            return None;
        }
        self.left -= element.length;
        let mut bytes = Vec::new();
        let mut value = BulkValue::find(self.shared, bulk.hash, bulk.length).ok()?;
        value.read(self.shared, 0..bulk.length, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// Palettes and look-up tables (PS3.3 C.7.9, C.11).
fn is_table(tag: Tag) -> bool {
    matches!(tag, Tag(0x0028, 0x1200..=0x1224 | 0x3006 | 0x1408))
}

/// Which bulk value the pixel data are. Those in the header of an icon are others.
fn pixels(data_set: &DataSet<'_>) -> Option<usize> {
    data_set.elements().find_map(|element| match (element.tag, element.value) {
        (Tag(0x7FE0, 0x0008 | 0x0009 | 0x0010), Value::Bulk { splice, .. }) => Some(splice),
        _ => None,
    })
}

/// The address of the instance below `base`.
fn address(data_set: &DataSet<'_>, base: &str, body: &InstanceBody) -> String {
    let uid = |tag: Tag| {
        let found = data_set.get(tag).and_then(|element| element.bytes());
        let parsed = found.and_then(|bytes| storage_config::Uid::parse_bytes(bytes).ok());
        parsed.map(|uid| uid.to_string()).unwrap_or_default()
    };
    let (study, series) = (uid(Tag(0x0020, 0x000D)), uid(Tag(0x0020, 0x000E)));
    format!("{base}/studies/{study}/series/{series}/instances/{}", body.sop_instance)
}
