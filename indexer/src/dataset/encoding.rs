//! Encodings of a data set and the header of one element (PS3.5 sections 6.2, 7.1, 10).

use super::{Tag, Vr};

/// Byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// How elements are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// Whether elements carry their VR.
    pub explicit: bool,
    /// The byte order of tags, lengths and numbers.
    pub endian: Endian,
}

impl Endian {
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Little => Self::Big,
            Self::Big => Self::Little,
        }
    }
}

impl Encoding {
    /// Implicit VR Little Endian (PS3.5 A.1).
    pub const IMPLICIT_LITTLE: Self = Self { explicit: false, endian: Endian::Little };
    /// Explicit VR Little Endian (PS3.5 A.2).
    pub const EXPLICIT_LITTLE: Self = Self { explicit: true, endian: Endian::Little };
    /// Explicit VR Big Endian (retired).
    pub const EXPLICIT_BIG: Self = Self { explicit: true, endian: Endian::Big };

    /// The encoding that a transfer syntax declares. Unknown and private ones are Explicit VR Little Endian, as all
    /// of the standard but two are.
    pub fn of(transfer_syntax: &str) -> Self {
        match transfer_syntax {
            "1.2.840.10008.1.2" => Self::IMPLICIT_LITTLE,
            "1.2.840.10008.1.2.2" => Self::EXPLICIT_BIG,
            _ => Self::EXPLICIT_LITTLE,
        }
    }

    /// The encoding that the first header of a data set shows, which wins over the one that is declared. Its first
    /// group is below 0100 in the right byte order, and its first element is short.
    pub(super) fn found(self, first: [u8; 8]) -> Self {
        let [g0, g1, _, _, v0, v1, _, _] = first;
        let explicit = match VrBytes::of([v0, v1]) {
            VrBytes::Known(_) => true,
            VrBytes::Letters | VrBytes::Blank => self.explicit,
            VrBytes::None => false,
        };
        let group = self.endian.u16([g0, g1]);
        let swapped = group >= 0x0100 && group.swap_bytes() < 0x0100;
        Self { explicit, endian: if swapped { self.endian.other() } else { self.endian } }
    }

    /// The encoding that the first header of an item shows: Implicit VR is met within Explicit VR.
    ///
    /// The reverse is looked for in sequences of VR UN only (`un`), which some writers fill with Explicit VR against
    /// PS3.5 6.2.2, and only where the header as an implicit one makes no sense within `room` bytes: elsewhere the
    /// length of a long first element, such as Contour Sequence, would at times be taken for a VR.
    pub(super) fn found_in_item(self, first: [u8; 8], un: bool, room: u64) -> Self {
        let [_, _, _, _, a, b, c, d] = first;
        let explicit = match VrBytes::of([a, b]) {
            VrBytes::None => false,
            VrBytes::Known(_) if un && !self.explicit => {
                let implicit = u64::from(self.endian.u32([a, b, c, d]));
                implicit > room || implicit > 0xFFFF
            }
            _ => self.explicit,
        };
        Self { explicit, ..self }
    }
}

/// Whether the data set of a transfer syntax is a deflate stream as a whole (PS3.5 A.5, A.7 and A.12).
pub fn is_deflated(transfer_syntax: &str) -> bool {
    matches!(transfer_syntax, "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.4.95" | "1.2.840.10008.1.2.4.205")
}

/// The two bytes where an explicit VR stands.
enum VrBytes {
    Known(Vr),
    /// Two capital letters that are no VR of today.
    Letters,
    /// What some writers put where they know no VR: `??`, `--` or two spaces, with a 16-bit length.
    Blank,
    None,
}

impl VrBytes {
    fn of(bytes: [u8; 2]) -> Self {
        match (Vr::from_binary(bytes), &bytes) {
            (Some(vr), _) => Self::Known(vr),
            (None, b"??" | b"--" | b"  ") => Self::Blank,
            (None, [a, b]) if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Self::Letters,
            (None, _) => Self::None,
        }
    }
}

/// The header of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub tag: Tag,
    /// The VR as written; unknown ones are UN. None if the header is an implicit one.
    pub vr: Option<Vr>,
    /// None if undefined.
    pub length: Option<u64>,
    /// 8 or 12 bytes.
    pub size: u64,
    /// Whether an explicit encoding met bytes that are no VR.
    pub odd_vr: bool,
}

fn defined(length: u32) -> Option<u64> {
    (length != u32::MAX).then_some(u64::from(length))
}

impl Header {
    /// Reads a header. None if it has 12 bytes and `second` is none.
    ///
    /// In an explicit data set, bytes that cannot be a VR make this one header an implicit one, as other readers do.
    /// A VR of the future has a 32-bit length (PS3.5 7.1.2); a misspelt one has not, and its length shows where
    /// the reserved bytes would be.
    pub fn read(first: [u8; 8], second: Option<[u8; 4]>, encoding: Encoding) -> Option<Self> {
        let [t0, t1, t2, t3, a, b, c, d] = first;
        let endian = encoding.endian;
        let tag = Tag(endian.u16([t0, t1]), endian.u16([t2, t3]));
        let short = u64::from(endian.u16([c, d]));
        let (vr, long, odd_vr) = match VrBytes::of([a, b]) {
            _ if !encoding.explicit => (None, false, false),
            VrBytes::Known(vr) => (Some(vr), is_long(vr), false),
            VrBytes::Letters => (Some(Vr::UN), short == 0, true),
            VrBytes::Blank => (Some(Vr::UN), false, true),
            VrBytes::None => (None, false, true),
        };
        let (length, size) = match (vr, long) {
            (None, _) => (defined(endian.u32([a, b, c, d])), 8),
            (Some(_), false) => (Some(short), 8),
            (Some(_), true) => (defined(endian.u32(second?)), 12),
        };
        Some(Self { tag, vr, length, size, odd_vr })
    }
}

/// Whether an explicit VR has a 32-bit length (PS3.5 table 7.1-1).
fn is_long(vr: Vr) -> bool {
    matches!(
        vr,
        Vr::OB
            | Vr::OD
            | Vr::OF
            | Vr::OL
            | Vr::OV
            | Vr::OW
            | Vr::SQ
            | Vr::SV
            | Vr::UC
            | Vr::UN
            | Vr::UR
            | Vr::UT
            | Vr::UV
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_header_shows_encoding() {
        let implicit = [8, 0, 5, 0, 10, 0, 0, 0];
        let explicit = *b"\x08\0\x05\0CS\x0a\0";
        let big = *b"\0\x08\0\x05CS\0\x0a";
        let unknown = *b"\x08\0\x05\0ZZ\x0a\0";
        assert_eq!(Encoding::EXPLICIT_LITTLE.found(implicit), Encoding::IMPLICIT_LITTLE);
        assert_eq!(Encoding::IMPLICIT_LITTLE.found(explicit), Encoding::EXPLICIT_LITTLE);
        assert_eq!(Encoding::IMPLICIT_LITTLE.found(big), Encoding::EXPLICIT_BIG);
        assert_eq!(Encoding::EXPLICIT_LITTLE.found(big), Encoding::EXPLICIT_BIG);
        assert_eq!(Encoding::EXPLICIT_BIG.found(explicit), Encoding::EXPLICIT_LITTLE);
        assert_eq!(Encoding::EXPLICIT_BIG.found(big), Encoding::EXPLICIT_BIG);
        assert_eq!(Encoding::IMPLICIT_LITTLE.found(unknown), Encoding::IMPLICIT_LITTLE);
        assert_eq!(Encoding::EXPLICIT_LITTLE.found(unknown), Encoding::EXPLICIT_LITTLE);
    }

    #[test]
    fn a_length_in_an_item_is_no_vr() {
        let implicit = *b"\x06\x30\x40\0SQ\x02\0";
        let long = *b"\x06\x30\x40\0SQ\0\0";
        let explicit = *b"\x08\0\0\x01SH\x06\0";
        let item = |first, un, room| Encoding::IMPLICIT_LITTLE.found_in_item(first, un, room).explicit;
        assert!(!item(implicit, false, u64::MAX) && !item(implicit, false, 100));
        assert!(!item(long, true, u64::MAX) && item(long, true, 100) && item(explicit, true, u64::MAX));
        assert!(!Encoding::EXPLICIT_LITTLE.found_in_item([8, 0, 5, 0, 10, 0, 0, 0], false, 100).explicit);
    }

    #[test]
    fn headers_of_every_form() {
        let read = |first, second| Header::read(first, second, Encoding::EXPLICIT_LITTLE);
        let short = read(*b"\x10\0\x10\0PN\x04\0", None).unwrap();
        assert_eq!(
            (short.tag, short.vr, short.length, short.size),
            (Tag(0x10, 0x10), Some(Vr::PN), Some(4), 8)
        );
        assert!(read(*b"\x10\0\x10\0UN\0\0", None).is_none());
        let long = read(*b"\x10\0\x10\0UN\0\0", Some([0xff; 4])).unwrap();
        assert_eq!((long.length, long.size), (None, 12));
        let misspelt = read(*b"\x10\0\x10\0XX\x04\0", None).unwrap();
        assert_eq!((misspelt.vr, misspelt.length, misspelt.odd_vr), (Some(Vr::UN), Some(4), true));
        let blank = read(*b"\x10\0\x10\0??\x04\0", None).unwrap();
        assert_eq!((blank.vr, blank.length), (Some(Vr::UN), Some(4)));
        let implicit = read(*b"\x10\0\x10\0\x06\0\0\0", None).unwrap();
        assert_eq!((implicit.vr, implicit.length, implicit.size), (None, Some(6), 8));
    }
}
