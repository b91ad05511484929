//! Oddities that a scan met and tolerated: an image must not be lost over them, but they are worth showing.

/// One tolerated oddity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Note {
    /// The data set is encoded otherwise than its transfer syntax says.
    OtherEncoding,
    /// A value has an odd length.
    OddLength,
    /// Elements are not in ascending order.
    TagOrder,
    /// An element occurs twice in a row.
    DuplicateTag,
    /// A VR is none of PS3.5 6.2, or an element of an explicit data set has none.
    InvalidVr,
    /// A length reaches beyond the item or sequence around it; it was taken to end there.
    Overrun,
    /// A sequence of defined length has content that is no item, or the end of an item is no element.
    StrayBytes,
    /// A delimiter where there is nothing to delimit.
    StrayDelimiter,
    /// An item, sequence or encapsulated value is not closed.
    MissingDelimiter,
    /// Zero bytes after the last element.
    TrailingPadding,
    /// Bytes that are no element after Pixel Data.
    TrailingGarbage,
    /// The basic offset table is too large to be kept.
    OffsetTableTooLarge,
    /// A deflated data set has a zlib header, against PS3.5 A.5.
    ZlibHeader,
}

const ALL: [Note; 13] = [
    Note::OtherEncoding,
    Note::OddLength,
    Note::TagOrder,
    Note::DuplicateTag,
    Note::InvalidVr,
    Note::Overrun,
    Note::StrayBytes,
    Note::StrayDelimiter,
    Note::MissingDelimiter,
    Note::TrailingPadding,
    Note::TrailingGarbage,
    Note::OffsetTableTooLarge,
    Note::ZlibHeader,
];

impl Note {
    /// A short name for logs and pages; stable.
    pub fn name(self) -> &'static str {
        match self {
            Self::OtherEncoding => "other-encoding",
            Self::OddLength => "odd-length",
            Self::TagOrder => "tag-order",
            Self::DuplicateTag => "duplicate-tag",
            Self::InvalidVr => "invalid-vr",
            Self::Overrun => "overrun",
            Self::StrayBytes => "stray-bytes",
            Self::StrayDelimiter => "stray-delimiter",
            Self::MissingDelimiter => "missing-delimiter",
            Self::TrailingPadding => "trailing-padding",
            Self::TrailingGarbage => "trailing-garbage",
            Self::OffsetTableTooLarge => "offset-table-too-large",
            Self::ZlibHeader => "zlib-header",
        }
    }
}

/// A set of [`Note`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes(u32);

impl Notes {
    /// Adds a note; a second time changes nothing.
    pub fn add(&mut self, note: Note) {
        self.0 |= 1 << note as u8;
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Notes) {
        self.0 |= other.0;
    }

    /// Whether the note is in the set.
    pub fn has(self, note: Note) -> bool {
        self.0 & (1 << note as u8) != 0
    }

    /// Whether nothing odd was met.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The notes in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Note> {
        ALL.into_iter().filter(move |note| self.has(*note))
    }
}
