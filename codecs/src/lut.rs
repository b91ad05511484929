//! Lookup tables: modality, VOI, palette (PS3.3 C.7.6.3.1.5, C.7.9.2, C.11.1, C.11.2).

use serde::{Deserialize, Serialize};

/// Most entries: a descriptor counts them in 16 bits, 0 for 65,536.
const ENTRIES_MAX: usize = 65_536;

/// Why there is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LutError {
    /// Bits per entry are not 8 to 16.
    #[error("the lookup table has entries of a size that does not exist")]
    Bits,
    /// Fewer entries than the descriptor says.
    #[error("the lookup table is shorter than its descriptor says")]
    Short,
    /// A segment of a segmented table leads nowhere.
    #[error("the segments of the lookup table cannot be expanded")]
    Segments,
    /// The three tables of a palette differ in their descriptors.
    #[error("the tables of the palette do not fit each other")]
    Palette,
}

/// A lookup table. Below its first value the first entry holds, beyond its last one the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lut {
    first: i32,
    bits: u32,
    entries: Vec<u16>,
}

impl Lut {
    /// The table of a descriptor (number of entries, first value mapped, bits) and its data. `first` has the sign that
    /// Pixel Representation gives it. Data are 16-bit words in host order; with entries of 8 bits two may share a word.
    ///
    /// # Errors
    /// When descriptor and data do not fit together.
    pub fn new(count: u16, first: i32, bits: u16, data: &[u16]) -> Result<Lut, LutError> {
        let bits = u32::from(bits);
        if !(8..=16).contains(&bits) {
            return Err(LutError::Bits);
        }
        let count = if count == 0 { ENTRIES_MAX } else { usize::from(count) };
        let mut entries: Vec<u16> = if bits == 8 && data.len() < count && data.len() * 2 >= count {
            data.iter().flat_map(|word| word.to_le_bytes()).map(u16::from).take(count).collect()
        } else {
            data.iter().copied().take(count).collect()
        };
        if entries.len() < count {
            return Err(LutError::Short);
        }
        let mask = if bits == 16 { u16::MAX } else { (1 << bits) - 1 };
        // Tables that say 16 bits and hold 8, and the reverse, exist; the reverse would lose its high bits.
        let bits = if entries.iter().any(|entry| *entry > mask) { 16 } else { bits };
        entries.shrink_to_fit();
        Ok(Lut { first, bits, entries })
    }

    /// The same for segmented data (PS3.3 C.7.9.2): discrete, linear and indirect segments.
    ///
    /// # Errors
    /// When descriptor and data do not fit together.
    pub fn segmented(count: u16, first: i32, bits: u16, data: &[u16]) -> Result<Lut, LutError> {
        let wanted = if count == 0 { ENTRIES_MAX } else { usize::from(count) };
        let mut entries = Vec::new();
        expand(data, &mut entries, wanted, None)?;
        if entries.len() < wanted {
            return Err(LutError::Short);
        }
        Lut::new(count, first, bits, &entries)
    }

    /// The entry for `value`.
    #[must_use]
    pub fn get(&self, value: i64) -> u16 {
        let index = value.saturating_sub(i64::from(self.first)).clamp(0, self.entries.len() as i64 - 1);
        self.entries.get(index as usize).copied().unwrap_or(0)
    }

    /// The greatest entry there can be: 255 for 8 bits, 65,535 for 16.
    #[must_use]
    pub fn greatest(&self) -> u16 {
        if self.bits >= 16 { u16::MAX } else { (1 << self.bits) - 1 }
    }
}

/// Expands segments up to `wanted` entries; an indirect segment names `count` segments from a word of the same data.
fn expand(data: &[u16], out: &mut Vec<u16>, wanted: usize, mut count: Option<u16>) -> Result<(), LutError> {
    let indirect = count.is_some();
    let mut rest = data.iter().copied();
    while out.len() < wanted && count != Some(0) {
        let (Some(opcode), Some(length)) = (rest.next(), rest.next()) else { break };
        match opcode {
            0 => {
                let before = out.len();
                out.extend(rest.by_ref().take(usize::from(length)));
                if out.len() - before < usize::from(length) {
                    return Err(LutError::Segments);
                }
            }
            1 => {
                let (Some(end), Some(start)) = (rest.next(), out.last().copied()) else {
                    return Err(LutError::Segments);
                };
                let (start, end, steps) = (f64::from(start), f64::from(end), f64::from(length));
                let step = |n: u16| (start + (end - start) * f64::from(n) / steps).round() as u16;
                out.extend((1..=length).map(step));
            }
            // One level: segments named by an indirect segment may not be indirect themselves.
            2 if !indirect => {
                let (Some(low), Some(high)) = (rest.next(), rest.next()) else {
                    return Err(LutError::Segments);
                };
                let offset = usize::from(low) | usize::from(high) << 16;
                let from = data.get(offset / 2..).ok_or(LutError::Segments)?;
                expand(from, out, wanted, Some(length))?;
            }
            _ => return Err(LutError::Segments),
        }
        count = count.map(|n| n - 1);
    }
    Ok(())
}

/// The three tables of `PALETTE COLOR`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Palette {
    tables: [Lut; 3],
    shift: u32,
}

impl Palette {
    /// A palette of its red, green and blue table.
    ///
    /// # Errors
    /// When the tables differ in length, first value or bits.
    pub fn new(red: Lut, green: Lut, blue: Lut) -> Result<Palette, LutError> {
        let tables = [red, green, blue];
        let [r, g, b] = &tables;
        if [g, b].iter().any(|t| t.entries.len() != r.entries.len() || t.first != r.first) {
            return Err(LutError::Palette);
        }
        let greatest = tables.iter().flat_map(|t| &t.entries).copied().max().unwrap_or(0);
        let bits = tables.iter().map(|t| t.bits).max().unwrap_or(8);
        // Many tables that declare 16 bits hold values of 8: shifted, their picture would be black.
        let shift = if greatest <= 255 { 0 } else { bits - 8 };
        Ok(Palette { tables, shift })
    }

    /// Red, green and blue of `value`, 8 bits each.
    #[must_use]
    pub fn get(&self, value: i64) -> [u8; 3] {
        self.tables.each_ref().map(|table| (table.get(value) >> self.shift) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_take_the_outer_entries() {
        let lut = Lut::new(3, -1, 16, &[10, 20, 30, 99]).unwrap();
        assert_eq!([-5, -1, 0, 1, 2, i64::MAX].map(|v| lut.get(v)), [10, 10, 20, 30, 30, 30]);
        assert_eq!(Lut::new(3, 0, 16, &[1, 2]), Err(LutError::Short));
        assert_eq!(Lut::new(0, 0, 16, &[1; 65_535]), Err(LutError::Short));
        assert!(Lut::new(0, 0, 16, &[1; 65_536]).is_ok());
        assert_eq!(Lut::new(1, 0, 7, &[1]), Err(LutError::Bits));
    }

    #[test]
    fn entries_of_8_bits_come_one_or_two_to_a_word() {
        let packed = Lut::new(3, 0, 8, &[0x0201, 0x0003]).unwrap();
        let loose = Lut::new(3, 0, 8, &[1, 2, 3]).unwrap();
        assert_eq!(packed, loose);
    }

    #[test]
    fn segments_expand() {
        // Two entries, a line of four to 50, the first segment again.
        let lut = Lut::segmented(8, 0, 16, &[0, 2, 10, 10, 1, 4, 50, 2, 1, 0, 0]).unwrap();
        assert_eq!((0..8).map(|v| lut.get(v)).collect::<Vec<_>>(), [10, 10, 20, 30, 40, 50, 10, 10]);
        for bad in [&[1, 4, 50][..], &[0, 9, 1], &[2, 1, 0, 0], &[3, 1, 1], &[0, 1, 5, 2, 1, 0, 9]] {
            assert!(Lut::segmented(8, 0, 16, bad).is_err(), "{bad:?}");
        }
    }
}
