//! The metadata of one instance: its data set in the DICOM JSON Model (PS3.18 annex F), with an address for each value
//! that is too large to stand in it.
//!
//! Pixel Data are left out: a viewer asks for frames. Text, and tables that a picture is shown through, stand inline
//! even where they are bulk values, because a viewer would ask for each of them before it shows anything. How many bytes
//! of them do is bounded for an instance and, by who asks, for a series; beyond that they have addresses too.

use std::sync::MutexGuard;

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
/// Bytes of an instance record from which its metadata are made while no other such are.
const LARGE: u64 = 1 << 20;

/// What was written, and the turn in which large metadata are made. Whoever wrote them keeps it until they are compressed,
/// so that one such text is in memory at a time.
pub(crate) struct Written<'a> {
    /// Whether there is an address in it.
    pub addressed: bool,
    /// The turn.
    pub turn: Option<MutexGuard<'a, ()>>,
}

/// Appends the metadata of the instance `digest`, which is at `place`, to `out`. Addresses begin with `base`. Of
/// `inline_left`, bytes of bulk values that may still stand inline, is taken what does.
pub(crate) fn write<'a>(
    shared: &'a Shared,
    (digest, place): (&ContentHash, &Place),
    base: &str,
    inline_left: &mut u64,
    out: &mut Vec<u8>,
) -> Result<Written<'a>, ReadError> {
    let mut turn = (place.length >= LARGE).then(|| shared.manifests.large_turn());
    let body = reader::read_body(shared, digest, place)?;
    // What a deflated data set inflates to is not known before.
    if turn.is_none() && crate::dataset::is_deflated(body.transfer_syntax.as_str()) {
        turn = Some(shared.manifests.large_turn());
    }
    let skeleton = reader::skeleton_of(shared, &body)?;
    let data_set = DataSet::new(&skeleton);
    let mut forms = Forms {
        shared,
        body: &body,
        deflated: skeleton.is_deflated(),
        pixels: pixels(&data_set),
        prefix: None,
        left: INLINE_MAX.min(*inline_left),
        taken: 0,
    };
    let instance = || address(&data_set, base, &body);
    let mut form = |element: BulkElement| forms.of(&element, &instance);
    json::write_with_bulk(data_set, SiteDefault::NONE, &mut form, out);
    *inline_left -= forms.taken;
    Ok(Written { addressed: forms.prefix.is_some(), turn })
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
    /// Bytes that do.
    taken: u64,
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
        self.taken += element.length;
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
