//! Looking up attributes of one data set: its elements gathered once, texts decoded, cleaned and bounded.

use storage_config::{Uid, UidError};

use super::AttributeError;
use super::when::{Normalised, date, time};
use crate::dataset::charset::{CharacterSets, SiteDefault, TextNotes};
use crate::dataset::json::SPECIFIC_CHARACTER_SET;
use crate::dataset::text::{INDEXED_CHARACTERS, Text, integer, is_string, shown};
use crate::dataset::{DataSet, Element, Items, Tag, Value, Vr};

/// Most elements that are looked at. Real headers have a few hundred at their top level.
const MAX_ELEMENTS: usize = 4096;
/// Most items of a sequence and most values of an attribute that the index keeps.
pub(super) const MAX_ITEMS: usize = 32;

/// The elements of one data set or item that the index may want.
pub(super) struct Header<'a> {
    elements: Vec<Element<'a>>,
    pub sets: CharacterSets,
    pub site: SiteDefault,
    /// Which bulk value the pixels are.
    pub pixels: Option<usize>,
}

impl<'a> Header<'a> {
    /// Gathers the elements of the groups that the index knows; private groups and pixels are left out.
    pub fn gather(data_set: DataSet<'a>, inherited: &CharacterSets, site: SiteDefault) -> Self {
        let mut elements: Vec<Element<'a>> = Vec::with_capacity(128);
        let mut pixels = None;
        let known = data_set.elements().filter(|element| {
            if let (Tag(0x7FE0, 0x0008..=0x0010), Value::Bulk { splice, .. }, None) =
                (element.tag, element.value, pixels)
            {
                pixels = Some(splice);
            }
            element.tag.0 % 2 == 0 && element.tag.0 <= 0x0072
        });
        elements.extend(known.take(MAX_ELEMENTS));
        if !elements.is_sorted_by_key(|element| element.tag) {
            elements.sort_by_key(|element| element.tag);
        }
        let mut header = Self { elements, sets: inherited.clone(), site, pixels };
        if let Some(terms) = header.get(SPECIFIC_CHARACTER_SET).and_then(|element| element.bytes()) {
            header.sets = CharacterSets::declared(terms, site);
        }
        header
    }

    /// The elements in ascending order.
    pub fn elements(&self) -> &[Element<'a>] {
        &self.elements
    }

    /// The first element with this tag.
    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        let at = self.elements.partition_point(|element| element.tag < tag);
        self.elements.get(at).filter(|element| element.tag == tag)
    }

    /// The text of an element; one whose VR is no string (UN with unknown tag, a wrong VR) is read as LO.
    fn read(&self, tag: Tag, notes: &mut TextNotes) -> Option<Text<'a>> {
        let element = self.get(tag)?;
        let bytes = element.bytes().filter(|bytes| !bytes.is_empty())?;
        let vr = if is_string(element.vr) { element.vr } else { Vr::LO };
        Some(Text::read(vr, bytes, &self.sets, notes))
    }

    /// The text of an attribute that has one value; `None` if it is absent or empty.
    pub fn text(&self, tag: Tag, notes: &mut TextNotes) -> Option<String> {
        let text = self.read(tag, notes)?;
        Some(shown(text.whole(), INDEXED_CHARACTERS)).filter(|text| !text.is_empty())
    }

    /// The values of an attribute, empty ones included, at most [`MAX_ITEMS`].
    pub fn texts(&self, tag: Tag, notes: &mut TextNotes) -> Vec<String> {
        let text = self.read(tag, notes);
        let values = text.iter().flat_map(Text::values).take(MAX_ITEMS);
        values.map(|value| shown(value, INDEXED_CHARACTERS)).collect()
    }

    /// The first value as an integer, from IS, DS or a binary VR.
    pub fn number(&self, tag: Tag, notes: &mut TextNotes) -> Option<i64> {
        let element = self.get(tag)?;
        match element.vr {
            Vr::US => element.u16s().next().map(i64::from),
            Vr::SS => element.i16s().next().map(i64::from),
            Vr::UL => element.u32s().next().map(i64::from),
            Vr::SL => element.i32s().next().map(i64::from),
            _ => integer(self.read(tag, notes)?.values().next()?),
        }
    }

    /// The first value as a count; `None` if it is negative or does not fit.
    pub fn count(&self, tag: Tag, notes: &mut TextNotes) -> Option<u32> {
        u32::try_from(self.number(tag, notes)?).ok()
    }

    pub fn date(&self, tag: Tag, notes: &mut TextNotes) -> Option<Normalised> {
        let raw = self.text(tag, notes)?;
        Some(Normalised { normal: date(&raw), raw })
    }

    pub fn time(&self, tag: Tag, notes: &mut TextNotes) -> Option<Normalised> {
        let raw = self.text(tag, notes)?;
        Some(Normalised { normal: time(&raw), raw })
    }

    /// A unique identifier that an instance must have.
    pub fn uid(&self, tag: Tag, keyword: &'static str) -> Result<Uid, AttributeError> {
        let bytes = self.get(tag).and_then(Element::bytes).ok_or(AttributeError::Missing { keyword })?;
        Uid::parse_bytes(bytes).map_err(|error| match error {
            UidError::Empty => AttributeError::Missing { keyword },
            error => AttributeError::Invalid { keyword, error },
        })
    }

    /// The items of a sequence as headers of their own, at most [`MAX_ITEMS`].
    pub fn items(&self, tag: Tag) -> impl Iterator<Item = Header<'a>> + '_ {
        let items = self.get(tag).and_then(Element::items);
        let each = items.as_ref().map(Items::iter).into_iter().flatten().take(MAX_ITEMS);
        each.map(|item| Header::gather(item, &self.sets, self.site))
    }
}
