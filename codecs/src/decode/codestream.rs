//! From the values of a codestream to the samples that the data set promises.

use super::{DecodeError, mismatch};
use crate::pixels::{PixelAttributes, Samples};

/// What a codestream says of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    /// Bits of a value.
    pub(super) precision: u32,
    /// Whether the codec gave out negative numbers.
    pub(super) signed: bool,
}

/// Refuses a depth that the samples have no room for, and tells how many bits they will take.
///
/// A codestream of fewer or more bits than Bits Stored keeps its values as they are. Where it calls them unsigned and
/// the data set calls them signed, they are two's complement of the smaller of both depths.
pub(super) fn bits(depth: Depth, a: &PixelAttributes) -> Result<u32, DecodeError> {
    if depth.precision == 0 || depth.precision > a.bits_allocated {
        return Err(mismatch(format!("{} bits in {} allocated", depth.precision, a.bits_allocated)));
    }
    Ok(if depth.signed == a.signed { depth.precision.max(a.bits_stored) } else { depth.precision })
}

/// Makes samples of `values`, which a codec gave as plain numbers.
pub(super) fn samples(
    values: impl Iterator<Item = i32>,
    depth: Depth,
    a: &PixelAttributes,
) -> Result<Samples, DecodeError> {
    bits(depth, a)?;
    let unused = 32 - depth.precision.min(a.bits_stored);
    let low = ((1u64 << depth.precision) - 1) as i32;
    Ok(match (a.signed, depth.signed) {
        (true, false) => signed(values.map(|v| v << unused >> unused), a),
        (true, true) => signed(values, a),
        (false, true) => unsigned(values.map(|v| v & low), a),
        (false, false) => unsigned(values, a),
    })
}

fn signed(values: impl Iterator<Item = i32>, a: &PixelAttributes) -> Samples {
    match a.bits_allocated {
        ..=8 => Samples::I8(values.map(|v| v as i8).collect()),
        9..=16 => Samples::I16(values.map(|v| v as i16).collect()),
        _ => Samples::I32(values.collect()),
    }
}

fn unsigned(values: impl Iterator<Item = i32>, a: &PixelAttributes) -> Samples {
    match a.bits_allocated {
        ..=8 => Samples::U8(values.map(|v| v as u8).collect()),
        9..=16 => Samples::U16(values.map(|v| v as u16).collect()),
        _ => Samples::U32(values.map(|v| v as u32).collect()),
    }
}

/// Values of one or two bytes as a codec left them in memory.
pub(crate) enum Words {
    /// One byte each.
    U8(Vec<u8>),
    /// Two bytes each.
    U16(Vec<u16>),
}

/// The same as [`samples`] for unsigned values, without copying where nothing changes.
pub(super) fn unsigned_words(
    words: Words,
    precision: u32,
    a: &PixelAttributes,
) -> Result<Samples, DecodeError> {
    let depth = Depth { precision, signed: false };
    bits(depth, a)?;
    match words {
        Words::U8(v) if !a.signed && a.bits_allocated <= 8 => Ok(Samples::U8(v)),
        Words::U16(v) if !a.signed && a.bits_allocated == 16 => Ok(Samples::U16(v)),
        Words::U8(v) => samples(v.into_iter().map(i32::from), depth, a),
        Words::U16(v) => samples(v.into_iter().map(i32::from), depth, a),
    }
}

/// Whether sizes in a codestream are those of the data set.
pub(super) fn check_size(
    columns: u32,
    rows: u32,
    components: u32,
    a: &PixelAttributes,
) -> Result<(), DecodeError> {
    if (columns, rows, components) == (a.columns, a.rows, a.samples_per_pixel) {
        Ok(())
    } else {
        Err(mismatch(format!(
            "{columns} x {rows} x {components} instead of {} x {} x {}",
            a.columns, a.rows, a.samples_per_pixel
        )))
    }
}
