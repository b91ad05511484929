//! Binary values of an element (PS3.5 6.2): numbers and tags in its byte order.

use super::encoding::Endian;
use super::reader::{Element, Items, Value};
use super::{DataSet, Tag};

/// Numbers of a fixed width; trailing bytes that make none are left out. Empty for bulk values and sequences.
macro_rules! numbers {
    ($(#[$doc:meta] $name:ident: $type:ty, $width:literal;)*) => {$(
        #[$doc]
        pub fn $name(&self) -> impl Iterator<Item = $type> + use<'a> {
            let endian = self.endian;
            self.bytes().unwrap_or_default().as_chunks::<$width>().0.iter().map(move |chunk| match endian {
                Endian::Little => <$type>::from_le_bytes(*chunk),
                Endian::Big => <$type>::from_be_bytes(*chunk),
            })
        }
    )*};
}

impl<'a> Element<'a> {
    /// The value field, unless it is a bulk value or a sequence.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    pub fn items(&self) -> Option<Items<'a>> {
        match self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The data set of the first item, if it is a sequence that has one.
    pub fn first_item(&self) -> Option<DataSet<'a>> {
        self.items()?.first()
    }

    numbers! {
        /// The value as 16-bit unsigned numbers (US, OW).
        u16s: u16, 2;
        /// The value as 16-bit signed numbers (SS).
        i16s: i16, 2;
        /// The value as 32-bit unsigned numbers (UL, OL).
        u32s: u32, 4;
        /// The value as 32-bit signed numbers (SL).
        i32s: i32, 4;
        /// The value as 64-bit unsigned numbers (UV, OV).
        u64s: u64, 8;
        /// The value as 64-bit signed numbers (SV).
        i64s: i64, 8;
        /// The value as 32-bit floating point numbers (FL, OF).
        f32s: f32, 4;
        /// The value as 64-bit floating point numbers (FD, OD).
        f64s: f64, 8;
    }

    /// The value as tags (AT).
    pub fn tags(&self) -> impl Iterator<Item = Tag> + 'a {
        let endian = self.endian;
        let pairs = self.bytes().unwrap_or_default().as_chunks::<4>().0.iter();
        pairs.map(move |[a, b, c, d]| Tag(endian.u16([*a, *b]), endian.u16([*c, *d])))
    }
}
