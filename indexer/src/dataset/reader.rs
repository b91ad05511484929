//! Reading a skeleton: elements, values, items, without copying and without recursion.
//!
//! Reading is safe on any skeleton, also one from a damaged pack: iteration ends where the bytes make no sense, nothing
//! panics, and sequences deeper than [`MAX_DEPTH`] are not entered.

use super::encoding::{Encoding, Endian};
use super::grammar::{Found, Frame, FrameKind, Grammar, Token};
use super::skeleton::{Layout, Skeleton, Splice};
use super::{BULK_THRESHOLD, MAX_DEPTH, Tag, Vr};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;

const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);

/// What is read: skeleton bytes with their splices.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    bytes: &'a [u8],
    splices: &'a [Splice],
    layout: &'a Layout,
}

/// Where a nested data set or a sequence stands, and what it takes over from around it.
#[derive(Debug, Clone, Copy)]
struct Place {
    frame: Frame,
    start: u64,
    depth: u32,
    /// Whether pixel values are signed, as far as known: decides between US and SS in Implicit VR.
    signed: bool,
}

/// A data set or the data set of an item.
#[derive(Debug, Clone, Copy)]
pub struct DataSet<'a> {
    source: Source<'a>,
    place: Place,
}

/// An element.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Its VR; where the data set does not tell (Implicit VR, UN), that of PS3.6, or UN.
    pub vr: Vr,
    /// Its value.
    pub value: Value<'a>,
    /// Byte order of numbers in its value.
    pub endian: Endian,
}

/// The value of an element.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// The value field as stored, padding included.
    Bytes(&'a [u8]),
    /// A bulk value, by its number among the splices.
    Bulk {
        /// Which splice.
        splice: usize,
        /// Length in bytes.
        length: u64,
    },
    /// The items of a sequence.
    Sequence(Items<'a>),
}

/// The items of a sequence. Iterating a copy starts again from the first.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    source: Source<'a>,
    place: Place,
}

/// Iterator over the elements of a [`DataSet`].
#[derive(Debug)]
pub struct Elements<'a> {
    source: Source<'a>,
    grammar: Grammar,
    signed: bool,
}

/// Iterator over the data sets of [`Items`].
#[derive(Debug)]
pub struct ItemIter<'a> {
    source: Source<'a>,
    grammar: Grammar,
    signed: bool,
}

impl<'a> Source<'a> {
    fn slice(&self, start: u64, length: u64) -> &'a [u8] {
        let Some(from) = self.layout.in_skeleton(self.splices, start) else { return &[] };
        let from = from.min(self.bytes.len() as u64);
        let to = from.saturating_add(length).min(self.bytes.len() as u64);
        // Both are bounded by the length of a slice.
        self.bytes.get(from as usize..to as usize).unwrap_or_default()
    }

    /// The next header, with the grammar behind it. None at the end, and where nothing can be made of the bytes.
    fn step(&self, grammar: &mut Grammar) -> Option<Token> {
        let room = grammar.room()?;
        if room < 8 {
            grammar.skip(room);
            return Some(Token::Opaque { rest: 0 });
        }
        let bytes = self.slice(grammar.position(), 12);
        let first = bytes.first_chunk::<8>()?;
        let second = bytes.get(8..).and_then(|rest| rest.first_chunk::<4>());
        let token = grammar.accept(*first, second.copied()).ok()?;
        match token {
            Token::More | Token::Tail | Token::End => None,
            Token::Encapsulated { found, .. } => {
                let splice = self.splices.get(self.layout.splice_at(found.start)?)?;
                grammar.skip(splice.length);
                Some(token)
            }
            token => Some(token),
        }
    }

    /// Goes behind an item or sequence that was just opened, if it is known where that is. Else its content is
    /// met, one level down, before what follows.
    fn leave(&self, frame: &Frame, start: u64, grammar: &mut Grammar) {
        let end = if frame.defined { Some(frame.end) } else { self.layout.end_of(start) };
        if let Some(end) = end {
            grammar.leave(end);
        }
    }

    fn bulk(&self, start: u64) -> Option<Value<'a>> {
        let splice = self.layout.splice_at(start)?;
        Some(Value::Bulk { splice, length: self.splices.get(splice)?.length })
    }
}

impl<'a> DataSet<'a> {
    /// The data set of a skeleton. A deflated one is read inflated.
    pub fn new(skeleton: &'a Skeleton) -> Self {
        let parsed = &skeleton.parsed;
        let (bytes, splices) = match &parsed.inflated {
            None => (&skeleton.bytes, &skeleton.splices),
            Some(inflated) => (&inflated.bytes, &inflated.splices),
        };
        let frame = Frame::new(FrameKind::Root, parsed.declared, u64::MAX, false);
        Self {
            source: Source { bytes, splices, layout: &parsed.layout },
            place: Place { frame, start: 0, depth: 0, signed: false },
        }
    }

    /// The elements in the order of the data set.
    pub fn elements(&self) -> Elements<'a> {
        let Place { frame, start, depth, signed } = self.place;
        Elements { source: self.source, grammar: Grammar::new(frame, start, depth, MAX_DEPTH), signed }
    }

    /// The first element with this tag.
    pub fn get(&self, tag: Tag) -> Option<Element<'a>> {
        self.elements().find(|element| element.tag == tag)
    }

    /// The byte order of the data set.
    pub fn endian(&self) -> Endian {
        self.found_encoding().endian
    }

    /// In how many sequences the data set is nested.
    pub fn depth(&self) -> u32 {
        self.place.depth
    }

    /// The encoding, and where long items and sequences of undefined length start and end: one walk over all.
    pub(super) fn survey(&self) -> (Encoding, Vec<(u64, u64)>) {
        let Place { frame, start, depth, .. } = self.place;
        let mut grammar = Grammar::new(frame, start, depth, MAX_DEPTH).record();
        while self.source.step(&mut grammar).is_some() {}
        (grammar.base_encoding(), grammar.recorded())
    }

    /// The encoding as its first header shows it.
    pub fn found_encoding(&self) -> Encoding {
        let mut elements = self.elements();
        self.source.step(&mut elements.grammar);
        elements.grammar.base_encoding()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            let token = self.source.step(&mut self.grammar)?;
            match (token, self.grammar.level()) {
                (Token::Value { found, length }, 0) => return Some(self.value(&found, length)),
                (Token::Encapsulated { found, .. }, 0) => {
                    let value = self.source.bulk(found.start)?;
                    let vr = found.vr.unwrap_or(Vr::OB);
                    return Some(Element { tag: found.tag, vr, value, endian: found.endian });
                }
                (Token::Sequence { found, frame }, 1) => {
                    let value = self.items(frame, found.start, self.grammar.depth());
                    self.source.leave(&frame, found.start, &mut self.grammar);
                    return Some(Element { tag: found.tag, vr: Vr::SQ, value, endian: found.endian });
                }
                _ => {}
            }
        }
    }
}

impl<'a> Elements<'a> {
    fn value(&mut self, found: &Found, length: u64) -> Element<'a> {
        let bulk = (length >= BULK_THRESHOLD).then(|| self.source.bulk(found.start)).flatten();
        let vr = resolve(found, self.signed);
        let value = match bulk {
            Some(value) => value,
            // PS3.5 6.2.2: a sequence that was not known to some system on its way, as UN of defined length.
            None if vr == Vr::SQ && self.grammar.depth() < MAX_DEPTH => {
                let end = found.start.saturating_add(length);
                let mut frame = Frame::new(FrameKind::Sequence, Encoding::IMPLICIT_LITTLE, end, true);
                frame.un = true;
                self.items(frame, found.start, self.grammar.depth() + 1)
            }
            None => Value::Bytes(self.source.slice(found.start, length)),
        };
        let element = Element { tag: found.tag, vr, value, endian: found.endian };
        if found.tag == PIXEL_REPRESENTATION {
            self.signed = element.u16s().next() == Some(1);
        }
        element
    }

    fn items(&self, frame: Frame, start: u64, depth: u32) -> Value<'a> {
        let place = Place { frame, start, depth, signed: self.signed };
        Value::Sequence(Items { source: self.source, place })
    }
}

impl<'a> Items<'a> {
    /// The items in order.
    pub fn iter(&self) -> ItemIter<'a> {
        let Place { frame, start, depth, signed } = self.place;
        ItemIter { source: self.source, grammar: Grammar::new(frame, start, depth, MAX_DEPTH), signed }
    }

    /// The first item.
    pub fn first(&self) -> Option<DataSet<'a>> {
        self.iter().next()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.first().is_none()
    }
}

impl<'a> IntoIterator for Items<'a> {
    type Item = DataSet<'a>;
    type IntoIter = ItemIter<'a>;

    fn into_iter(self) -> ItemIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Items<'a> {
    type Item = DataSet<'a>;
    type IntoIter = ItemIter<'a>;

    fn into_iter(self) -> ItemIter<'a> {
        self.iter()
    }
}

impl<'a> Iterator for ItemIter<'a> {
    type Item = DataSet<'a>;

    fn next(&mut self) -> Option<DataSet<'a>> {
        loop {
            // What is within an item that was handed out is walked over here; only items directly below count.
            let token = self.source.step(&mut self.grammar)?;
            if let (Token::Item { frame }, 1) = (token, self.grammar.level()) {
                let (start, depth) = (self.grammar.position(), self.grammar.depth());
                self.source.leave(&frame, start, &mut self.grammar);
                let place = Place { frame, start, depth, signed: self.signed };
                return Some(DataSet { source: self.source, place });
            }
        }
    }
}

/// The VR of an element: as written, else that of PS3.6, with the choice where it leaves one (PS3.5 A.1).
fn resolve(found: &Found, signed: bool) -> Vr {
    match found.vr {
        Some(vr) if vr != Vr::UN => return vr,
        _ => {}
    }
    match StandardDataDictionary.by_tag(found.tag).map(|entry| entry.vr()) {
        Some(VirtualVr::Exact(vr)) => vr,
        Some(VirtualVr::Xs) if signed => Vr::SS,
        Some(VirtualVr::Xs) => Vr::US,
        Some(VirtualVr::Ox | VirtualVr::Px | VirtualVr::Lt) => Vr::OW,
        _ => Vr::UN,
    }
}
