//! The items of an encapsulated value (PS3.5 A.4): basic offset table and fragments, found while they pass.

use super::Tag;
use super::encoding::Endian;
use super::error::DataSetError;
use super::grammar::Found;
use super::notes::{Note, Notes};
use super::skeleton::PixelData;
use codecs::Fragment;

/// A basic offset table larger than this is not kept (that of four million frames is).
pub(super) const OFFSET_TABLE_BYTES: u64 = 16 << 20;

/// An encapsulated value on its way through the scan.
#[derive(Debug)]
pub(super) struct Fragments {
    tag: Tag,
    endian: Endian,
    start: u64,
    /// How many bytes the value may have within the frame around it.
    room: u64,
    /// How many bytes were met.
    position: u64,
    /// Bytes left of the current item.
    left: u64,
    items: u64,
    /// Whether this is Pixel Data of the data set itself, so that what is found is kept.
    keep: bool,
    fragments: Vec<Fragment>,
    offset_table: Vec<u8>,
    first_item: u64,
    pub notes: Notes,
}

/// What the header of an item is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FragmentHeader {
    Item,
    End,
    /// No item: the value ended before it.
    Other,
}

impl Fragments {
    pub fn new(found: &Found, end: u64, endian: Endian, keep: bool) -> Self {
        Self {
            tag: found.tag,
            endian,
            start: found.start,
            room: end.saturating_sub(found.start),
            position: 0,
            left: 0,
            items: 0,
            keep,
            fragments: Vec::new(),
            offset_table: Vec::new(),
            first_item: 0,
            notes: Notes::default(),
        }
    }

    /// Bytes that come before the next header.
    pub fn left(&self) -> Option<u64> {
        if self.left > 0 {
            return Some(self.left);
        }
        // Too few for a header before the end of the frame around the value: filling.
        let room = self.room.saturating_sub(self.position);
        (room > 0 && room < 8).then_some(room)
    }

    /// Whether the frame around the value ends here.
    pub fn at_end(&self) -> bool {
        self.position >= self.room
    }

    /// Whether any item was met.
    pub fn any(&self) -> bool {
        self.items > 0
    }

    /// Length of the value so far.
    pub fn length(&self) -> u64 {
        self.position
    }

    /// Bytes of an item pass.
    pub fn take(&mut self, bytes: &[u8]) {
        if self.keep && self.items == 1 && self.left > 0 && !self.notes.has(Note::OffsetTableTooLarge) {
            self.offset_table.extend_from_slice(bytes);
        }
        self.position += bytes.len() as u64;
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }

    /// Takes the header of an item.
    ///
    /// # Errors
    /// [`DataSetError::Fragments`] for a fragment of undefined length.
    pub fn header(&mut self, [a, b, c, d, e, f, g, h]: [u8; 8]) -> Result<FragmentHeader, DataSetError> {
        let tag = Tag(self.endian.u16([a, b]), self.endian.u16([c, d]));
        let length = self.endian.u32([e, f, g, h]);
        match tag {
            Tag(0xFFFE, 0xE000) if length == u32::MAX => {
                Err(DataSetError::Fragments { at: self.start.saturating_add(self.position) })
            }
            Tag(0xFFFE, 0xE000) => {
                self.position += 8;
                self.item(u64::from(length));
                Ok(FragmentHeader::Item)
            }
            Tag(0xFFFE, 0xE0DD) => {
                self.position += 8;
                Ok(FragmentHeader::End)
            }
            _ => Ok(FragmentHeader::Other),
        }
    }

    fn item(&mut self, declared: u64) {
        let room = self.room.saturating_sub(self.position);
        if declared > room {
            self.notes.add(Note::Overrun);
        }
        self.left = declared.min(room);
        self.items += 1;
        if self.items == 1 {
            self.first_item = self.position + self.left;
            if self.left > OFFSET_TABLE_BYTES {
                self.notes.add(Note::OffsetTableTooLarge);
            }
        } else if self.keep {
            self.fragments.push(Fragment { offset: self.position, length: self.left });
        }
    }

    /// What is known of the pixel data, if it is that of the data set itself.
    pub fn into_pixel(mut self, splice: Option<usize>, at: u64) -> Option<PixelData> {
        if !self.keep {
            return None;
        }
        self.fragments.shrink_to_fit();
        self.offset_table.shrink_to_fit();
        Some(PixelData {
            tag: self.tag,
            splice,
            at,
            length: self.position,
            encapsulated: true,
            fragments: self.fragments,
            offset_table: self.offset_table,
            first_item: self.first_item,
        })
    }
}
