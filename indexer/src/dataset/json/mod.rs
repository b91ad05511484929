//! The DICOM JSON Model of a data set (PS3.18 Annex F), written straight into a buffer.
//!
//! Knows value representations and how JSON wants them; it may not know URLs (a closure supplies each BulkDataURI) nor
//! which attributes a service returns. The output is valid JSON whatever the data set holds:
//! - attributes ascend by tag; of a tag that occurs twice the first counts;
//! - group lengths, group 0002 and Data Set Trailing Padding are left out;
//! - text is UTF-8, and Specific Character Set of the data set and of each item that has one says so;
//! - IS and DS are numbers where they are numbers, otherwise the text as it stands, which F.2.3 allows;
//! - NaN and infinities, which JSON has no token for, are the strings `NaN`, `Infinity` and `-Infinity`;
//! - SV and UV beyond 2^53 are strings, because readers keep numbers as doubles;
//! - NUL characters inside text are left out.

mod tokens;

use super::charset::{CharacterSets, SiteDefault, TextNotes};
use super::text::{PersonName, Text, integer, is_string, json_number};
use super::{DataSet, Element, Endian, Tag, Value, Vr};

pub(super) const SPECIFIC_CHARACTER_SET: Tag = Tag(0x0008, 0x0005);
const TRAILING_PADDING: Tag = Tag(0xfffc, 0xfffc);
/// Integers up to here are exact in a double.
const EXACT: u64 = 1 << 53;

/// Writes data sets and elements as JSON.
pub struct JsonWriter<'o, 'f> {
    out: &'o mut Vec<u8>,
    bulk: BulkForms<'f>,
    site: SiteDefault,
    notes: TextNotes,
}

/// A bulk value that is met on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkElement {
    /// The element's tag.
    pub tag: Tag,
    /// Its VR.
    pub vr: Vr,
    /// Its number among the splices.
    pub splice: usize,
    /// Its length, in bytes.
    pub length: u64,
}

/// What is written of a bulk value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkForm {
    /// Nothing: the attribute is left out.
    Absent,
    /// Its VR alone.
    Empty,
    /// Its BulkDataURI.
    Uri(String),
    /// Its value, from the bytes of the value field.
    Inline(Vec<u8>),
}

/// Who says what is written of a bulk value.
enum BulkForms<'f> {
    /// The URI by the number among the splices; without one only the VR is written.
    Uri(&'f mut dyn FnMut(usize) -> Option<String>),
    Any(&'f mut dyn FnMut(BulkElement) -> BulkForm),
}

/// Appends the whole data set to `out` as one JSON object, as [`write_data_set`] does; `form` says what is written of
/// each bulk value.
pub fn write_with_bulk(
    data_set: DataSet<'_>,
    site: SiteDefault,
    form: &mut dyn FnMut(BulkElement) -> BulkForm,
    out: &mut Vec<u8>,
) -> TextNotes {
    let mut writer = JsonWriter { out, bulk: BulkForms::Any(form), site, notes: TextNotes::default() };
    writer.data_set(data_set);
    writer.notes
}

/// Appends the whole data set to `out` as one JSON object, the form of `/metadata` (PS3.18 10.4.1.1.2).
///
/// `bulk_uri` gives the BulkDataURI of a bulk value by its number among the splices. Returns what was odd about text.
pub fn write_data_set(
    data_set: DataSet<'_>,
    site: SiteDefault,
    bulk_uri: &mut dyn FnMut(usize) -> Option<String>,
    out: &mut Vec<u8>,
) -> TextNotes {
    let mut writer = JsonWriter::new(out, site, bulk_uri);
    writer.data_set(data_set);
    writer.notes
}

/// The character sets in force in a data set whose elements come in ascending order.
pub(super) fn declared_sets(data_set: DataSet<'_>, site: SiteDefault) -> Option<CharacterSets> {
    let mut first = data_set.elements().take_while(|element| element.tag <= SPECIFIC_CHARACTER_SET);
    let found = first.find(|element| element.tag == SPECIFIC_CHARACTER_SET)?;
    Some(CharacterSets::declared(found.bytes()?, site))
}

impl<'o, 'f> JsonWriter<'o, 'f> {
    /// A writer that appends to `out`.
    pub fn new(
        out: &'o mut Vec<u8>,
        site: SiteDefault,
        bulk_uri: &'f mut dyn FnMut(usize) -> Option<String>,
    ) -> Self {
        Self { out, bulk: BulkForms::Uri(bulk_uri), site, notes: TextNotes::default() }
    }

    /// What was odd about the text written so far.
    pub fn notes(&self) -> TextNotes {
        self.notes
    }

    /// Appends a data set as an object.
    pub fn data_set(&mut self, data_set: DataSet<'_>) {
        let undeclared = CharacterSets::undeclared(self.site);
        self.object(data_set, &undeclared, true);
    }

    fn object(&mut self, data_set: DataSet<'_>, inherited: &CharacterSets, root: bool) {
        let start = self.out.len();
        let own = declared_sets(data_set, self.site);
        if self.elements(data_set.elements(), own.as_ref().unwrap_or(inherited), root) {
            return;
        }
        // Out of order: rare enough to write it twice, and only then are elements gathered in memory.
        self.out.truncate(start);
        let mut elements: Vec<Element<'_>> = data_set.elements().collect();
        elements.sort_by_key(|element| element.tag);
        elements.dedup_by_key(|element| element.tag);
        let found = elements.iter().find(|element| element.tag == SPECIFIC_CHARACTER_SET);
        let own = found.and_then(Element::bytes).map(|terms| CharacterSets::declared(terms, self.site));
        self.elements(elements.into_iter(), own.as_ref().unwrap_or(inherited), root);
    }

    /// Writes the elements as an object; stops and returns false where a tag does not ascend.
    fn elements<'a>(
        &mut self,
        elements: impl Iterator<Item = Element<'a>>,
        sets: &CharacterSets,
        root: bool,
    ) -> bool {
        let open = self.out.len();
        self.out.push(b'{');
        let mut last = None;
        let mut declared = !root;
        for element in elements {
            if last >= Some(element.tag) {
                return false;
            }
            last = Some(element.tag);
            if element.tag.1 == 0 || matches!(element.tag.0, 0 | 2) || element.tag == TRAILING_PADDING {
                continue;
            }
            if root && !declared && element.tag >= SPECIFIC_CHARACTER_SET {
                declared = true;
                self.comma(open);
                self.utf8();
                if element.tag == SPECIFIC_CHARACTER_SET {
                    continue;
                }
            }
            let before = self.out.len();
            self.comma(open);
            if !self.written(&element, sets) {
                self.out.truncate(before);
            }
        }
        if !declared {
            self.comma(open);
            self.utf8();
        }
        self.out.push(b'}');
        true
    }

    fn comma(&mut self, open: usize) {
        if self.out.len() > open + 1 {
            self.out.push(b',');
        }
    }

    /// The attribute that says what the text of the output is encoded in.
    pub(super) fn utf8(&mut self) {
        self.out.extend_from_slice(br#""00080005":{"vr":"CS","Value":["ISO_IR 192"]}"#);
    }

    /// Appends one element as a further member of an object, unless that takes more than `limit` bytes.
    pub(super) fn member(&mut self, element: &Element<'_>, sets: &CharacterSets, limit: usize) {
        let start = self.out.len();
        self.out.push(b',');
        self.element(element, sets);
        if self.out.len() - start > limit {
            self.out.truncate(start);
        }
    }

    /// Appends one element as a member of an object: its tag, and an object with its VR and value.
    pub fn element(&mut self, element: &Element<'_>, sets: &CharacterSets) {
        let before = self.out.len();
        if !self.written(element, sets) {
            self.out.truncate(before);
        }
    }

    /// Writes an element; false where it is to be left out after all.
    fn written(&mut self, element: &Element<'_>, sets: &CharacterSets) -> bool {
        if element.tag == SPECIFIC_CHARACTER_SET {
            self.utf8();
            return true;
        }
        self.out.push(b'"');
        tokens::tag(element.tag, self.out);
        self.out.extend_from_slice(br#"":{"vr":""#);
        self.out.extend_from_slice(element.vr.to_string().as_bytes());
        self.out.push(b'"');
        match element.value {
            Value::Bytes(bytes) if is_string(element.vr) => self.text(element.vr, bytes, sets),
            Value::Bytes([]) => {}
            Value::Bytes(bytes) => self.binary(element, bytes),
            Value::Bulk { splice, length } => match self.form(element, splice, length) {
                BulkForm::Absent => return false,
                BulkForm::Empty => {}
                BulkForm::Uri(uri) => {
                    self.out.extend_from_slice(br#","BulkDataURI":"#);
                    tokens::string(&uri, self.out);
                }
                BulkForm::Inline(bytes) if is_string(element.vr) => self.text(element.vr, &bytes, sets),
                BulkForm::Inline(bytes) => {
                    let inline = Element { value: Value::Bytes(&bytes), ..*element };
                    self.binary(&inline, &bytes);
                }
            },
            Value::Sequence(items) => {
                let mut list = List::start();
                for item in items {
                    list.next(self.out);
                    self.object(item, sets, false);
                }
                list.end(self.out);
            }
        }
        self.out.push(b'}');
        true
    }

    fn form(&mut self, element: &Element<'_>, splice: usize, length: u64) -> BulkForm {
        match &mut self.bulk {
            BulkForms::Uri(uri) => uri(splice).map_or(BulkForm::Empty, BulkForm::Uri),
            BulkForms::Any(form) => form(BulkElement { tag: element.tag, vr: element.vr, splice, length }),
        }
    }

    fn text(&mut self, vr: Vr, bytes: &[u8], sets: &CharacterSets) {
        let text = Text::read(vr, bytes, sets, &mut self.notes);
        let mut list = List::start();
        for value in text.values() {
            list.next(self.out);
            match vr {
                Vr::PN => name(&PersonName::parse(value), self.out),
                _ if value.is_empty() => self.out.extend_from_slice(b"null"),
                Vr::IS => match integer(value) {
                    Some(number) => tokens::display(number, self.out),
                    None => tokens::string(value, self.out),
                },
                Vr::DS => match json_number(value) {
                    Some(token) => self.out.extend_from_slice(token.as_bytes()),
                    None => tokens::string(value, self.out),
                },
                _ => tokens::string(value, self.out),
            }
        }
        list.end(self.out);
    }

    fn binary(&mut self, element: &Element<'_>, bytes: &[u8]) {
        let out = &mut *self.out;
        match element.vr {
            Vr::AT => values(element.tags(), out, |tag, out| {
                out.push(b'"');
                tokens::tag(tag, out);
                out.push(b'"');
            }),
            Vr::US => values(element.u16s(), out, tokens::display),
            Vr::SS => values(element.i16s(), out, tokens::display),
            Vr::UL => values(element.u32s(), out, tokens::display),
            Vr::SL => values(element.i32s(), out, tokens::display),
            Vr::UV => values(element.u64s(), out, |number, out| long(number, number <= EXACT, out)),
            Vr::SV => {
                values(element.i64s(), out, |number, out| long(number, number.unsigned_abs() <= EXACT, out))
            }
            Vr::FL => values(element.f32s(), out, tokens::float32),
            Vr::FD => values(element.f64s(), out, tokens::float64),
            _ => {
                out.extend_from_slice(br#","InlineBinary":""#);
                let width = match element.vr {
                    Vr::OW => 2,
                    Vr::OF | Vr::OL => 4,
                    Vr::OD | Vr::OV => 8,
                    _ => 1,
                };
                if element.endian == Endian::Big && width > 1 {
                    // Bulk values of the JSON model are little endian (PS3.18 8.7.3.3).
                    let swapped: Vec<u8> =
                        bytes.chunks(width).flat_map(|word| word.iter().rev()).copied().collect();
                    tokens::base64(&swapped, out);
                } else {
                    tokens::base64(bytes, out);
                }
                out.push(b'"');
            }
        }
    }
}

/// A `Value` array that is left out when nothing comes.
struct List {
    empty: bool,
}

impl List {
    fn start() -> Self {
        Self { empty: true }
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.empty { br#","Value":["#.as_slice() } else { b"," });
        self.empty = false;
    }

    fn end(self, out: &mut Vec<u8>) {
        if !self.empty {
            out.push(b']');
        }
    }
}

fn values<T>(numbers: impl Iterator<Item = T>, out: &mut Vec<u8>, write: impl Fn(T, &mut Vec<u8>)) {
    let mut list = List::start();
    for number in numbers {
        list.next(out);
        write(number, out);
    }
    list.end(out);
}

fn long(number: impl std::fmt::Display, exact: bool, out: &mut Vec<u8>) {
    if exact {
        tokens::display(number, out);
    } else {
        tokens::string(&number.to_string(), out);
    }
}

/// A person name as an object of its groups; null if it has none (PS3.18 F.2.2).
fn name(name: &PersonName<'_>, out: &mut Vec<u8>) {
    let open = out.len();
    for (key, group) in
        [("Alphabetic", name.alphabetic), ("Ideographic", name.ideographic), ("Phonetic", name.phonetic)]
    {
        if !group.is_empty() {
            out.push(if out.len() == open { b'{' } else { b',' });
            tokens::string(key, out);
            out.push(b':');
            tokens::string(group, out);
        }
    }
    if out.len() == open {
        out.extend_from_slice(b"null");
    } else {
        out.push(b'}');
    }
}
