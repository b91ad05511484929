//! What a header means where it stands: the one grammar of scanner and reader (PS3.5 7.5, A.4).
//!
//! The grammar keeps an explicit stack of open items and sequences and knows positions only, never a value. Frames nest
//! strictly: what claims to reach beyond the frame around it ends with that frame. So a damaged length is contained by
//! the next sound one, and a sequence of defined length can be jumped over; where a long one of undefined length ends
//! is recorded when it is met first, so that reading does not walk through it once for each level around it.

use super::encoding::{Encoding, Endian, Header};
use super::error::DataSetError;
use super::notes::{Note, Notes};
use super::sequences::is_sequence;
use super::{Tag, Vr};

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
pub(super) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// (7FE0,0008), (7FE0,0009), (7FE0,0010).
pub(super) fn is_pixel_data(tag: Tag) -> bool {
    matches!(tag, Tag(0x7FE0, 0x0008 | 0x0009 | 0x0010))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    Root,
    Item,
    Sequence,
}

/// An open data set, item or sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub kind: FrameKind,
    pub encoding: Encoding,
    /// Position after its last byte, of its own or of a frame around it; `u64::MAX` if neither is known.
    pub end: u64,
    /// Whether it has a length of its own.
    pub defined: bool,
    /// Position of its first byte.
    start: u64,
    /// Whether it is a sequence of VR UN, or an item of one.
    pub un: bool,
    /// Whether no element was met, so that the encoding is still to be confirmed.
    fresh: bool,
    last: Tag,
}

impl Frame {
    pub fn new(kind: FrameKind, encoding: Encoding, end: u64, defined: bool) -> Self {
        Self { kind, encoding, end, defined, start: 0, un: false, fresh: true, last: Tag(0, 0) }
    }
}

/// An element as its header tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub tag: Tag,
    /// None if the header has none.
    pub vr: Option<Vr>,
    /// Byte order of its value.
    pub endian: Endian,
    /// Where its value starts.
    pub start: u64,
}

/// What a header is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token {
    /// Four bytes more are needed to tell.
    More,
    /// An element whose value has `length` bytes. The position is behind it.
    Value { found: Found, length: u64 },
    /// An element whose value is fragments. The position is before them; they end at `end` at the latest.
    Encapsulated { found: Found, end: u64 },
    /// An element whose value is items, now open.
    Sequence { found: Found, frame: Frame },
    /// An item, now open.
    Item { frame: Frame },
    /// A delimiter.
    Delimiter,
    /// No element: the header and `rest` bytes more, up to the end of the frame. The position is behind them.
    Opaque { rest: u64 },
    /// No element: the header and all that follows.
    Tail,
    /// The header belongs to what is around the outermost frame.
    End,
}

/// The stack of open frames at a position.
#[derive(Debug)]
pub(super) struct Grammar {
    base: Frame,
    stack: Vec<Frame>,
    /// Where the next header is expected.
    position: u64,
    depth: u32,
    depth_limit: u32,
    done: bool,
    pixel_seen: bool,
    suspect: bool,
    /// Where frames of undefined length started and ended, if that is recorded.
    ends: Option<Vec<(u64, u64)>>,
    pub notes: Notes,
}

/// Frames shorter than this are not worth a record of where they end.
const RECORDED_BYTES: u64 = 512;

impl Grammar {
    /// A grammar at `position` within `base`, which is nested in `depth` sequences.
    pub fn new(base: Frame, position: u64, depth: u32, depth_limit: u32) -> Self {
        Self {
            base,
            stack: Vec::new(),
            position,
            depth,
            depth_limit,
            done: false,
            pixel_seen: false,
            suspect: false,
            ends: None,
            notes: Notes::default(),
        }
    }

    /// Records from now on where frames of undefined length end.
    pub fn record(mut self) -> Self {
        self.ends = Some(Vec::new());
        self
    }

    /// Closes all frames where the data ends; starts and ends of what was recorded, by start.
    pub fn recorded(&mut self) -> Vec<(u64, u64)> {
        while !self.stack.is_empty() {
            self.pop();
        }
        let mut ends = self.ends.take().unwrap_or_default();
        ends.sort_unstable();
        ends.shrink_to_fit();
        ends
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many frames are open within the outermost one.
    pub fn level(&self) -> usize {
        self.stack.len()
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The encoding of the outermost frame, as found if a header was met.
    pub fn base_encoding(&self) -> Encoding {
        self.base.encoding
    }

    /// The byte order of headers in the innermost frame.
    pub fn endian(&self) -> Endian {
        self.top().encoding.endian
    }

    /// Where the innermost frame ends; `u64::MAX` if unknown.
    pub fn end(&self) -> u64 {
        self.top().end
    }

    /// Whether the current element of the data set itself stands after Pixel Data against the order of tags:
    /// if it is cut short, it is trailing garbage rather than a truncated data set.
    pub fn suspect(&self) -> bool {
        self.suspect
    }

    /// Whether Pixel Data of the data set itself has been met.
    pub fn pixel_seen(&self) -> bool {
        self.pixel_seen
    }

    /// Moves on by the bytes of a value, or of filling that is no element.
    pub fn skip(&mut self, bytes: u64) {
        self.position = self.position.saturating_add(bytes);
    }

    /// Leaves the frame that was just opened: it ended at this position when it was met first.
    pub fn leave(&mut self, end: u64) {
        self.position = end;
        self.pop();
    }

    /// Closes the frames that end here. The bytes left in the innermost one (at least one), or none at the end.
    pub fn room(&mut self) -> Option<u64> {
        loop {
            if self.done {
                return None;
            }
            match self.top().end.checked_sub(self.position) {
                None | Some(0) => self.pop(),
                Some(room) => return Some(room),
            }
        }
    }

    /// Takes a header: its first 8 bytes, and 4 more if they are there. `room` was asked before and is at least 8.
    ///
    /// # Errors
    /// [`DataSetError::TooDeep`].
    pub fn accept(&mut self, first: [u8; 8], second: Option<[u8; 4]>) -> Result<Token, DataSetError> {
        loop {
            let token = match self.top().kind {
                FrameKind::Sequence => self.in_sequence(first),
                FrameKind::Root | FrameKind::Item => self.in_data_set(first, second)?,
            };
            if let Some(token) = token {
                return Ok(token);
            }
            if self.done {
                return Ok(Token::End);
            }
        }
    }

    fn top(&self) -> &Frame {
        self.stack.last().unwrap_or(&self.base)
    }

    fn top_mut(&mut self) -> &mut Frame {
        self.stack.last_mut().unwrap_or(&mut self.base)
    }

    fn pop(&mut self) {
        let Some(frame) = self.stack.pop() else {
            self.done = true;
            return;
        };
        if frame.kind == FrameKind::Sequence {
            self.depth = self.depth.saturating_sub(1);
        }
        let long = self.position.saturating_sub(frame.start) >= RECORDED_BYTES;
        if let Some(ends) = self.ends.as_mut().filter(|_| long && !frame.defined) {
            ends.push((frame.start, self.position));
        }
    }

    /// A frame that opens here with a length or none; the frame around it bounds it.
    fn open(&mut self, kind: FrameKind, encoding: Encoding, length: Option<u64>, un: bool) -> Frame {
        let around = self.top().end;
        let own = length.map_or(around, |length| self.position.saturating_add(length));
        if own > around {
            self.notes.add(Note::Overrun);
        }
        let start = self.position;
        let frame = Frame { start, un, ..Frame::new(kind, encoding, own.min(around), length.is_some()) };
        self.stack.push(frame);
        frame
    }

    fn opaque(&mut self) -> Token {
        self.notes.add(Note::StrayBytes);
        let rest = self.top().end.saturating_sub(self.position).saturating_sub(8);
        self.position = self.top().end;
        Token::Opaque { rest }
    }

    /// None: the sequence is over without a delimiter, the header belongs to what is around it.
    fn in_sequence(&mut self, first: [u8; 8]) -> Option<Token> {
        let Frame { encoding, defined, un, .. } = *self.top();
        let header = Header::read(first, None, Encoding { explicit: false, ..encoding })?;
        match header.tag {
            ITEM => {
                self.skip(8);
                let frame = self.open(FrameKind::Item, encoding, header.length, un);
                return Some(Token::Item { frame });
            }
            SEQUENCE_END if !defined => {
                self.skip(8);
                self.pop();
                return Some(Token::Delimiter);
            }
            SEQUENCE_END | ITEM_END => return Some(self.stray()),
            _ if defined => return Some(self.opaque()),
            _ => {}
        }
        self.notes.add(Note::MissingDelimiter);
        self.pop();
        None
    }

    fn stray(&mut self) -> Token {
        self.notes.add(Note::StrayDelimiter);
        self.skip(8);
        Token::Delimiter
    }

    /// None: the item is over without a delimiter, the header belongs to what is around it.
    fn in_data_set(
        &mut self,
        first: [u8; 8],
        second: Option<[u8; 4]>,
    ) -> Result<Option<Token>, DataSetError> {
        let frame = *self.top();
        let [g0, g1, e0, e1, ..] = first;
        let tag = Tag(frame.encoding.endian.u16([g0, g1]), frame.encoding.endian.u16([e0, e1]));
        if tag.0 == 0xFFFE {
            return Ok(self.delimiter_in_data_set(tag, &frame));
        }
        if frame.kind == FrameKind::Root && first == [0; 8] {
            self.notes.add(Note::TrailingPadding);
            return Ok(Some(Token::Tail));
        }
        let encoding = self.confirm(first, &frame);
        let Some(header) = Header::read(first, second, encoding) else {
            let room = frame.end.saturating_sub(self.position);
            return Ok(Some(if room < 12 { self.opaque() } else { Token::More }));
        };
        if header.odd_vr {
            self.notes.add(Note::InvalidVr);
            if frame.kind == FrameKind::Root && self.pixel_seen {
                self.notes.add(Note::TrailingGarbage);
                return Ok(Some(Token::Tail));
            }
        }
        self.enter(&header, &frame);
        self.element(&header, encoding, &frame).map(Some)
    }

    /// Item and sequence delimiters, and items that open before the last one was closed. Only an item of undefined
    /// length is closed by them; elsewhere they are noted and have no effect.
    fn delimiter_in_data_set(&mut self, tag: Tag, frame: &Frame) -> Option<Token> {
        if frame.kind != FrameKind::Item || frame.defined {
            return Some(self.stray());
        }
        match tag {
            ITEM_END => {
                self.skip(8);
                self.pop();
                Some(Token::Delimiter)
            }
            ITEM | SEQUENCE_END => {
                self.notes.add(Note::MissingDelimiter);
                self.pop();
                None
            }
            _ => Some(self.stray()),
        }
    }

    /// The encoding of the frame, judged by its first header.
    fn confirm(&mut self, first: [u8; 8], frame: &Frame) -> Encoding {
        if !frame.fresh {
            return frame.encoding;
        }
        let room = frame.end.saturating_sub(self.position).saturating_sub(8);
        let found = match frame.kind {
            FrameKind::Root => frame.encoding.found(first),
            _ => frame.encoding.found_in_item(first, frame.un, room),
        };
        if found != frame.encoding {
            self.notes.add(Note::OtherEncoding);
        }
        let top = self.top_mut();
        (top.encoding, top.fresh) = (found, false);
        found
    }

    fn enter(&mut self, header: &Header, frame: &Frame) {
        if header.tag == frame.last {
            self.notes.add(Note::DuplicateTag);
        } else if header.tag < frame.last {
            self.notes.add(Note::TagOrder);
        }
        self.top_mut().last = header.tag;
        if frame.kind == FrameKind::Root {
            self.suspect = self.pixel_seen && header.tag < PIXEL_DATA;
            self.pixel_seen |= is_pixel_data(header.tag);
        }
        self.skip(header.size);
    }

    fn element(&mut self, header: &Header, encoding: Encoding, frame: &Frame) -> Result<Token, DataSetError> {
        let Header { tag, vr, length, .. } = *header;
        let endian = if vr == Some(Vr::UN) { Endian::Little } else { encoding.endian };
        let found = Found { tag, vr, endian, start: self.position };
        if length.is_none() && is_encapsulated(tag, vr) {
            return Ok(Token::Encapsulated { found, end: frame.end });
        }
        let items = length.is_none() || vr == Some(Vr::SQ) || (vr.is_none() && is_sequence(tag));
        if let (Some(length), false) = (length, items) {
            let room = frame.end.saturating_sub(self.position);
            if length > room {
                self.notes.add(Note::Overrun);
            }
            if length % 2 == 1 {
                self.notes.add(Note::OddLength);
            }
            let length = length.min(room);
            self.skip(length);
            return Ok(Token::Value { found, length });
        }
        if self.depth >= self.depth_limit {
            return Err(DataSetError::TooDeep { limit: self.depth_limit });
        }
        // PS3.5 6.2.2 note 4: the items of UN are Implicit VR Little Endian, whatever is around them.
        let within = match vr {
            Some(Vr::UN) => Encoding::IMPLICIT_LITTLE,
            Some(_) => encoding,
            None => Encoding { explicit: false, ..encoding },
        };
        let frame = self.open(FrameKind::Sequence, within, length, vr == Some(Vr::UN));
        self.depth += 1;
        Ok(Token::Sequence { found, frame })
    }
}

/// Whether a value of undefined length is fragments: Pixel Data, and any other whose VR has no items.
fn is_encapsulated(tag: Tag, vr: Option<Vr>) -> bool {
    tag == PIXEL_DATA || matches!(vr, Some(Vr::OB | Vr::OD | Vr::OF | Vr::OL | Vr::OV | Vr::OW))
}
