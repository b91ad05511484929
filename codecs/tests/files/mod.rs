//! Reads what these tests need of a DICOM file in Explicit VR Little or Big Endian: top level elements, no sequences.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use codecs::{Fragment, FrameTable, NativeLayout, Photometric, PixelAttributes};

/// The elements of a file by (group << 16 | element), and where its pixel data are.
pub struct File {
    pub transfer_syntax: String,
    elements: BTreeMap<u32, Vec<u8>>,
    big: bool,
    words: bool,
    fragments: Vec<Fragment>,
    pixels: Vec<u8>,
}

/// The corpus that lies beside the repository, if it does.
pub fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dicom-corpus");
    path.is_dir().then_some(path)
}

impl File {
    pub fn read(path: &Path) -> Option<File> {
        let bytes = std::fs::read(path).unwrap();
        let meta_length = number(bytes.get(140..144)?, false) as usize;
        let mut meta = Reader { bytes: bytes.get(144..144 + meta_length)?, big: false };
        let mut transfer_syntax = String::new();
        while let Some((tag, _, value)) = meta.element() {
            if tag == 0x0002_0010 {
                transfer_syntax = text(value);
            }
        }
        let big = transfer_syntax == "1.2.840.10008.1.2.2";
        if transfer_syntax == "1.2.840.10008.1.2" || transfer_syntax.ends_with("1.99") {
            return None;
        }
        let mut file = File {
            transfer_syntax,
            elements: BTreeMap::new(),
            big,
            words: false,
            fragments: Vec::new(),
            pixels: Vec::new(),
        };
        let mut reader = Reader { bytes: bytes.get(144 + meta_length..)?, big };
        while let Some((tag, vr, value)) = reader.element() {
            if tag == 0x7fe0_0010 {
                file.words = vr == *b"OW";
                file.pixels = value.to_vec();
                file.fragments = fragments(value, reader.bytes).unwrap_or_default();
                if !file.fragments.is_empty() {
                    file.pixels = reader.bytes.to_vec();
                }
                return Some(file);
            }
            file.elements.insert(tag, value.to_vec());
        }
        None
    }

    fn number(&self, tag: u32) -> u32 {
        self.elements.get(&tag).map_or(0, |value| number(&value[..2], self.big))
    }

    fn text(&self, tag: u32) -> String {
        self.elements.get(&tag).map_or(String::new(), |value| text(value))
    }

    pub fn frames(&self) -> usize {
        self.text(0x0028_0008).trim().parse().unwrap_or(1)
    }

    pub fn attributes(&self) -> Option<PixelAttributes> {
        Some(PixelAttributes {
            rows: self.number(0x0028_0010),
            columns: self.number(0x0028_0011),
            samples_per_pixel: self.number(0x0028_0002),
            bits_allocated: self.number(0x0028_0100),
            bits_stored: self.number(0x0028_0101),
            high_bit: self.number(0x0028_0102),
            signed: self.number(0x0028_0103) == 1,
            planar: self.number(0x0028_0006) == 1,
            photometric: Photometric::of(&self.text(0x0028_0004))?,
            palette: None,
        })
    }

    /// The bytes of frame `n`, the bit they begin with, and whether they are words.
    pub fn frame(&self, n: usize) -> (Vec<u8>, u8, bool) {
        let a = self.attributes().unwrap();
        let frames = self.frames() as u32;
        let table = match self.fragments.split_first() {
            Some((table, fragments)) => {
                let basic = &self.pixels[table.offset as usize..][..table.length as usize];
                FrameTable::encapsulated(fragments, basic, frames).unwrap()
            }
            None => {
                let layout = NativeLayout {
                    rows: a.rows,
                    columns: a.columns,
                    samples: a.samples_per_pixel,
                    bits_allocated: a.bits_allocated,
                    halved_chroma: a.photometric == Photometric::YbrFull422,
                };
                FrameTable::native(layout, frames, self.pixels.len() as u64).unwrap()
            }
        };
        let bytes = table
            .ranges(n)
            .unwrap()
            .into_iter()
            .flat_map(|range| self.pixels[range.start as usize..range.end as usize].iter().copied());
        let bits = u64::from(a.rows) * u64::from(a.columns) * u64::from(a.bits_allocated);
        (bytes.collect(), (bits * n as u64 % 8) as u8, self.words)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Reader<'a> {
    /// The next element; a value of undefined length is given as empty, its content is what follows.
    fn element(&mut self) -> Option<(u32, [u8; 2], &'a [u8])> {
        let [a, b, c, d, v, r, rest @ ..] = self.bytes else { return None };
        let tag = number(&[*a, *b], self.big) << 16 | number(&[*c, *d], self.big);
        let vr = [*v, *r];
        let long = [*b"OB", *b"OW", *b"UN", *b"SQ", *b"UT", *b"OV", *b"UV", *b"OF", *b"OD"].contains(&vr);
        let (length, rest) = if long {
            (number(rest.get(2..6)?, self.big), &rest[6..])
        } else {
            (number(rest.get(..2)?, self.big), &rest[2..])
        };
        let length = if length == u32::MAX { 0 } else { length as usize };
        let (value, rest) = rest.split_at_checked(length)?;
        self.bytes = rest;
        Some((tag, vr, value))
    }
}

/// The items behind an empty value, offset table first.
fn fragments(value: &[u8], rest: &[u8]) -> Option<Vec<Fragment>> {
    let mut found = Vec::new();
    let mut at = 0;
    while value.is_empty() && rest.get(at..at + 4)? == [0xfe, 0xff, 0x00, 0xe0] {
        let length = u64::from(number(&rest[at + 4..at + 8], false));
        found.push(Fragment { offset: at as u64 + 8, length });
        at += 8 + length as usize;
    }
    Some(found)
}

fn number(bytes: &[u8], big: bool) -> u32 {
    let join = |n: u32, b: &u8| n << 8 | u32::from(*b);
    if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned()
}
