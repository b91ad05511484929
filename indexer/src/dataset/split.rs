//! The state machine of the scan: headers through the grammar, values to the skeleton or out as bulk bytes.

use super::BULK_THRESHOLD;
use super::encoding::Encoding;
use super::error::DataSetError;
use super::fragments::{FragmentHeader, Fragments};
use super::grammar::{Found, Frame, FrameKind, Grammar, PIXEL_DATA, Token, is_pixel_data};
use super::notes::{Note, Notes};
use super::scanner::{Event, ScanLimits};
use super::skeleton::{PixelData, Splice};

/// What comes next. No state has nothing left to take.
#[derive(Debug)]
enum State {
    /// The header of an element or item.
    Header,
    /// So many bytes that belong to the skeleton.
    Value { left: u64 },
    /// So many bytes of a bulk value.
    Bulk { left: u64 },
    /// The items of an encapsulated value; it may reach to this position.
    Fragments(Fragments),
    /// Bytes after the last element.
    Tail,
}

/// Splits a data set that is not deflated.
#[derive(Debug)]
pub(super) struct Split {
    limits: ScanLimits,
    grammar: Grammar,
    state: State,
    /// The header being collected.
    header: [u8; 12],
    have: usize,
    need: usize,
    elements: u32,
    received: u64,
    bytes: Vec<u8>,
    splices: Vec<Splice>,
    pixel: Option<PixelData>,
}

impl Split {
    /// Bytes of memory that grow with the data set.
    pub(super) fn memory(&self) -> u64 {
        let pixel = self
            .pixel
            .as_ref()
            .map_or(0, |p| p.offset_table.len() + p.fragments.len() * size_of::<codecs::Fragment>());
        (self.bytes.len() + self.splices.len() * size_of::<Splice>() + pixel) as u64
    }
}

/// What the split of a data set leaves.
pub(super) struct Done {
    pub bytes: Vec<u8>,
    pub splices: Vec<Splice>,
    pub pixel: Option<PixelData>,
    /// Where long items and sequences of undefined length start and end.
    pub ends: Vec<(u64, u64)>,
    pub encoding: Encoding,
    pub notes: Notes,
}

/// The first bytes of `input`, at most `left` of them, and the rest.
fn take(input: &[u8], left: u64) -> (&[u8], &[u8]) {
    let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    input.split_at(n)
}

impl Split {
    pub fn new(declared: Encoding, limits: ScanLimits) -> Self {
        let base = Frame::new(FrameKind::Root, declared, u64::MAX, false);
        Self {
            limits,
            grammar: Grammar::new(base, 0, 0, limits.depth).record(),
            state: State::Header,
            header: [0; 12],
            have: 0,
            need: 8,
            elements: 0,
            received: 0,
            bytes: Vec::new(),
            splices: Vec::new(),
            pixel: None,
        }
    }

    pub fn push<E: From<DataSetError>>(
        &mut self,
        mut input: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.received = self.received.saturating_add(input.len() as u64);
        // A header that an encapsulated value handed back may be complete when the input is used up.
        while !input.is_empty() || (matches!(self.state, State::Header) && self.have == self.need) {
            input = match &mut self.state {
                State::Header => self.in_header(input, on)?,
                State::Value { left } => {
                    let (value, rest) = take(input, *left);
                    *left -= value.len() as u64;
                    if *left == 0 {
                        self.state = State::Header;
                    }
                    self.keep(value)?;
                    rest
                }
                State::Bulk { left } => {
                    let (value, rest) = take(input, *left);
                    *left -= value.len() as u64;
                    let done = *left == 0;
                    self.emit(value, on)?;
                    if done {
                        self.end_bulk(on)?;
                    }
                    rest
                }
                State::Fragments(_) => self.in_fragments(input, on)?,
                State::Tail => {
                    self.keep(input)?;
                    &[]
                }
            };
        }
        Ok(())
    }

    /// Appends to the skeleton.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), DataSetError> {
        if self.bytes.len() as u64 + bytes.len() as u64 > self.limits.skeleton_bytes {
            return Err(DataSetError::SkeletonTooLarge { limit: self.limits.skeleton_bytes });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn count(&mut self) -> Result<(), DataSetError> {
        if self.elements >= self.limits.elements {
            return Err(DataSetError::TooManyElements { limit: self.limits.elements });
        }
        self.elements += 1;
        Ok(())
    }

    fn start_bulk<E: From<DataSetError>>(
        &mut self,
        declared: Option<u64>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.splices.push(Splice { at: self.bytes.len() as u64, length: 0 });
        on(Event::BulkStart { declared })
    }

    fn emit<E>(&mut self, bytes: &[u8], on: &mut impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), E> {
        if let Some(splice) = self.splices.last_mut() {
            splice.length += bytes.len() as u64;
        }
        on(Event::BulkBytes(bytes))
    }

    fn end_bulk<E>(&mut self, on: &mut impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), E> {
        self.state = State::Header;
        on(Event::BulkEnd)
    }

    /// Collects header bytes; the rest of the input.
    fn collect<'i>(&mut self, input: &'i [u8]) -> &'i [u8] {
        let (bytes, rest) = input.split_at((self.need - self.have).min(input.len()));
        for (to, from) in self.header.iter_mut().skip(self.have).zip(bytes) {
            *to = *from;
        }
        self.have += bytes.len();
        rest
    }

    fn in_header<'i, E: From<DataSetError>>(
        &mut self,
        input: &'i [u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<&'i [u8], E> {
        if self.have == 0 {
            match self.grammar.room() {
                Some(room) if room < 8 => {
                    self.grammar.notes.add(Note::StrayBytes);
                    self.grammar.skip(room);
                    self.state = State::Value { left: room };
                    return Ok(input);
                }
                _ => {}
            }
        }
        let rest = self.collect(input);
        if self.have < self.need {
            return Ok(rest);
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.header;
        let second = (self.have == 12).then_some([i, j, k, l]);
        let token = self.grammar.accept([a, b, c, d, e, f, g, h], second)?;
        if matches!(token, Token::More) {
            self.need = 12;
            return Ok(rest);
        }
        let (header, have) = (self.header, self.have);
        (self.have, self.need) = (0, 8);
        self.count()?;
        self.keep(header.get(..have).unwrap_or_default())?;
        self.act(token, on)?;
        Ok(rest)
    }

    fn act<E: From<DataSetError>>(
        &mut self,
        token: Token,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match token {
            Token::Value { found, length } => {
                self.note_pixel(&found, length);
                if length >= BULK_THRESHOLD {
                    self.start_bulk(Some(length), on)?;
                    self.state = State::Bulk { left: length };
                } else if length > 0 {
                    self.state = State::Value { left: length };
                }
            }
            Token::Encapsulated { found, end } => {
                let keep = self.grammar.level() == 0 && found.tag == PIXEL_DATA && self.pixel.is_none();
                self.state = State::Fragments(Fragments::new(&found, end, self.grammar.endian(), keep));
                self.start_bulk(None, on)?;
            }
            Token::Opaque { rest } if rest > 0 => self.state = State::Value { left: rest },
            Token::Tail | Token::End => self.state = State::Tail,
            Token::Opaque { .. }
            | Token::Sequence { .. }
            | Token::Item { .. }
            | Token::Delimiter
            | Token::More => {}
        }
        Ok(())
    }

    fn note_pixel(&mut self, found: &Found, length: u64) {
        if self.grammar.level() == 0 && is_pixel_data(found.tag) && self.pixel.is_none() {
            self.pixel = Some(PixelData {
                tag: found.tag,
                splice: (length >= BULK_THRESHOLD).then_some(self.splices.len()),
                at: self.bytes.len() as u64,
                length,
                encapsulated: false,
                fragments: Vec::new(),
                offset_table: Vec::new(),
                first_item: 0,
            });
        }
    }

    fn in_fragments<'i, E: From<DataSetError>>(
        &mut self,
        input: &'i [u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<&'i [u8], E> {
        let State::Fragments(fragments) = &mut self.state else { return Ok(input) };
        if let Some(left) = fragments.left() {
            let (value, rest) = take(input, left);
            fragments.take(value);
            self.emit(value, on)?;
            return Ok(rest);
        }
        if self.have == 0 && fragments.at_end() {
            self.grammar.notes.add(Note::MissingDelimiter);
            self.end_fragments(on)?;
            return Ok(input);
        }
        let rest = self.collect(input);
        if self.have < self.need {
            return Ok(rest);
        }
        let [a, b, c, d, e, f, g, h, ..] = self.header;
        let header = [a, b, c, d, e, f, g, h];
        let State::Fragments(fragments) = &mut self.state else { return Ok(rest) };
        match fragments.header(header)? {
            FragmentHeader::Other => {
                // The header stays collected: it is the next one of the data set around the value.
                self.grammar.notes.add(Note::MissingDelimiter);
                self.end_fragments(on)?;
            }
            FragmentHeader::Item => {
                self.have = 0;
                self.count()?;
                self.emit(&header, on)?;
            }
            FragmentHeader::End => {
                self.have = 0;
                self.emit(&header, on)?;
                self.end_fragments(on)?;
            }
        }
        Ok(rest)
    }

    fn end_fragments<E: From<DataSetError>>(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let State::Fragments(fragments) = std::mem::replace(&mut self.state, State::Header) {
            self.grammar.skip(fragments.length());
            self.grammar.notes.merge(fragments.notes);
            let (splice, at) = (self.splices.len().checked_sub(1), self.bytes.len() as u64);
            if let Some(pixel) = fragments.into_pixel(splice, at) {
                self.pixel = Some(pixel);
            }
        }
        on(Event::BulkEnd)
    }

    pub fn finish<E: From<DataSetError>>(
        mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Done, E> {
        match &self.state {
            State::Tail => {}
            State::Header if self.have == 0 => self.close_frames()?,
            State::Header => self.partial_header()?,
            State::Value { left } => self.cut_short(*left)?,
            State::Bulk { left } => {
                self.cut_short(*left)?;
                self.end_bulk(on)?;
            }
            State::Fragments(fragments) => {
                let complete = self.have == 0 && fragments.left().is_none() && fragments.any();
                if !complete {
                    let missing = fragments.left().unwrap_or(8 - self.have as u64);
                    self.cut_short(missing)?;
                }
                self.grammar.notes.add(Note::MissingDelimiter);
                let withheld = self.header;
                self.emit(withheld.get(..self.have).unwrap_or_default(), on)?;
                self.end_fragments(on)?;
                self.close_frames()?;
            }
        }
        let ends = self.grammar.recorded();
        let (encoding, notes) = (self.grammar.base_encoding(), self.grammar.notes);
        let Self { mut bytes, mut splices, pixel, .. } = self;
        bytes.shrink_to_fit();
        splices.shrink_to_fit();
        Ok(Done { bytes, splices, pixel, ends, encoding, notes })
    }

    fn truncated(&self, missing: u64) -> DataSetError {
        DataSetError::Truncated { at: self.received, missing }
    }

    /// The data set ends within a value: trailing garbage if the value stands where none should, else truncated.
    fn cut_short(&mut self, missing: u64) -> Result<(), DataSetError> {
        if !self.grammar.suspect() {
            return Err(self.truncated(missing));
        }
        self.grammar.notes.add(Note::TrailingGarbage);
        Ok(())
    }

    /// The data set ends between elements: fine, unless an item or sequence should be longer.
    fn close_frames(&mut self) -> Result<(), DataSetError> {
        self.grammar.room();
        let end = self.grammar.end();
        if end != u64::MAX {
            return self.cut_short(end.saturating_sub(self.grammar.position()));
        }
        if self.grammar.level() > 0 {
            self.grammar.notes.add(Note::MissingDelimiter);
        }
        Ok(())
    }

    /// The data set ends within a header: padding, trailing garbage after Pixel Data, or truncated.
    fn partial_header(&mut self) -> Result<(), DataSetError> {
        let (header, have) = (self.header, self.have);
        let bytes = header.get(..have).unwrap_or_default();
        if self.grammar.level() == 0 && bytes.iter().all(|byte| *byte == 0) {
            self.grammar.notes.add(Note::TrailingPadding);
        } else if self.grammar.level() == 0 && self.grammar.pixel_seen() {
            self.grammar.notes.add(Note::TrailingGarbage);
        } else {
            self.cut_short(self.need.saturating_sub(have).max(1) as u64)?;
        }
        self.keep(bytes)
    }
}
