//! Zip archives of strangers: whole ones, damaged ones, and those made to hurt.

use std::io::{Read, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::zip::{Zip, ZipLimits};
use super::zip_directory::ZipError;

const LIMITS: ZipLimits = ZipLimits { entries: 100, inflate_bytes: 1 << 40, inflate_ratio: 200 };

/// An archive being made by hand, so that each field can be a lie.
#[derive(Default)]
struct Made {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

struct Lie {
    method: u16,
    flags: u16,
    length: Option<u32>,
    crc: Option<u32>,
}

const HONEST: Lie = Lie { method: 8, flags: 0, length: None, crc: None };

impl Made {
    fn add(&mut self, name: &str, content: &[u8], lie: &Lie) -> &mut Made {
        let packed = if lie.method == 8 {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        } else {
            content.to_vec()
        };
        let mut crc = Crc::new();
        crc.update(content);
        let at = self.bytes.len() as u32;
        let mut same = Vec::new();
        same.extend_from_slice(&[20, 0]);
        for half in [lie.flags, lie.method, 0, 0] {
            same.extend_from_slice(&half.to_le_bytes());
        }
        let length = lie.length.unwrap_or(content.len() as u32);
        for word in [lie.crc.unwrap_or(crc.sum()), packed.len() as u32, length] {
            same.extend_from_slice(&word.to_le_bytes());
        }
        same.extend_from_slice(&(name.len() as u16).to_le_bytes());
        same.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(b"PK\x03\x04");
        self.bytes.extend_from_slice(&same);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(&packed);
        self.directory.extend_from_slice(b"PK\x01\x02\x14\x03");
        self.directory.extend_from_slice(&same);
        self.directory.extend_from_slice(&[0; 10]);
        self.directory.extend_from_slice(&at.to_le_bytes());
        self.directory.extend_from_slice(name.as_bytes());
        self.count += 1;
        self
    }

    fn end(&self) -> Vec<u8> {
        let mut out = [&self.bytes[..], &self.directory, b"PK\x05\x06\0\0\0\0"].concat();
        out.extend_from_slice(&[self.count.to_le_bytes(), self.count.to_le_bytes()].concat());
        out.extend_from_slice(&(self.directory.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out
    }
}

fn open(bytes: &[u8], limits: &ZipLimits) -> Result<Zip, ZipError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Zip::open(file, limits)
}

/// What each entry holds, or why it cannot be read.
fn contents(bytes: &[u8], limits: &ZipLimits) -> Vec<Result<(String, usize), String>> {
    let zip = match open(bytes, limits) {
        Ok(zip) => zip,
        Err(error) => return vec![Err(error.to_string())],
    };
    let read = |entry: Result<super::zip_directory::Entry, ZipError>| {
        let entry = entry.map_err(|error| error.to_string())?;
        let mut content = zip.read(&entry).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        content.read_to_end(&mut out).map_err(|error| error.to_string())?;
        Ok((entry.name, out.len()))
    };
    zip.entries().map(read).collect()
}

#[test]
fn what_is_stored_and_what_is_deflated_is_read() {
    let mut made = Made::default();
    made.add("a/1", &[7; 100_000], &HONEST).add("../../etc/passwd", b"x", &Lie { method: 0, ..HONEST });
    made.add("leer", b"", &HONEST);
    let want = [("a/1", 100_000), ("../../etc/passwd", 1), ("leer", 0)];
    let want: Vec<_> = want.iter().map(|(name, length)| Ok(((*name).to_owned(), *length))).collect();
    assert_eq!(contents(&made.end(), &LIMITS), want);
    let before = [b"#!/bin/sh a program that unpacks itself\n".to_vec(), made.end()].concat();
    assert_eq!(contents(&before, &LIMITS), want, "bytes before the archive");
    assert!(contents(&Made::default().end(), &LIMITS).is_empty());
}

#[test]
fn lies_are_found_out() {
    let one = |lie: Lie| contents(Made::default().add("a", &[1; 5000], &lie).end().as_slice(), &LIMITS);
    let says = |lie: Lie, word: &str| {
        let got = one(lie);
        assert!(got.len() == 1 && got[0].as_ref().is_err_and(|why| why.contains(word)), "{word}: {got:?}");
    };
    says(Lie { flags: 1, ..HONEST }, "encrypted");
    says(Lie { method: 14, ..HONEST }, "method 14");
    says(Lie { length: Some(4999), ..HONEST }, "longer than it says");
    says(Lie { length: Some(5001), ..HONEST }, "shorter than it says");
    says(Lie { crc: Some(1), ..HONEST }, "checksum");
    says(Lie { method: 0, length: Some(9), ..HONEST }, "damaged");
}

#[test]
fn what_is_cut_anywhere_or_changed_anywhere_is_an_error_and_no_more() {
    let mut made = Made::default();
    made.add("a", &[1; 3000], &HONEST).add("b", b"content of b", &Lie { method: 0, ..HONEST });
    let whole = made.end();
    for length in 0..whole.len() {
        let got = contents(&whole[..length], &LIMITS);
        assert!(got.iter().all(Result::is_err), "{length}: {got:?}");
    }
    for at in 0..whole.len() {
        for bit in [0x01, 0x80, 0xFF] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            // Whatever comes of it, what is given out has its checksum.
            let _ = contents(&changed, &LIMITS);
        }
    }
}

#[test]
fn an_archive_cannot_grow_without_bound() {
    let mut made = Made::default();
    for n in 0..10 {
        made.add(&n.to_string(), &vec![0; 8 << 20], &HONEST);
    }
    let small = ZipLimits { inflate_bytes: 20 << 20, ..LIMITS };
    let got = contents(&made.end(), &small);
    assert_eq!(got.iter().filter(|one| one.is_ok()).count(), 2);
    assert!(
        got[2..].iter().all(|one| one.as_ref().is_err_and(|why| why.contains("inflates to more"))),
        "{got:?}"
    );
    let few = ZipLimits { entries: 9, ..LIMITS };
    assert!(matches!(open(&made.end(), &few), Err(ZipError::TooMany { limit: 9 })));
    // A directory that says it has more than can be in it.
    let mut lie = made.end();
    let at = lie.len() - 12;
    lie[at..at + 2].copy_from_slice(&99_u16.to_le_bytes());
    assert!(contents(&lie, &LIMITS).iter().any(Result::is_err));
}

#[test]
fn large_archives_have_their_numbers_elsewhere() {
    let mut made = Made::default();
    made.add("a", &[5; 700], &HONEST);
    let entry_extra = [&1_u16.to_le_bytes()[..], &24_u16.to_le_bytes()].concat();
    // The one entry again, its three numbers in a field of zip64.
    let mut entry = made.directory.clone();
    let number = |at: usize| u64::from(u32::from_le_bytes(entry[at..at + 4].try_into().unwrap()));
    let numbers = [number(24), number(20), number(42)];
    let packed_extra = [entry_extra, numbers.map(u64::to_le_bytes).concat()].concat();
    for at in [20, 24, 42] {
        entry[at..at + 4].copy_from_slice(&[0xFF; 4]);
    }
    entry[30..32].copy_from_slice(&28_u16.to_le_bytes());
    entry.extend_from_slice(&packed_extra);
    let (start, length) = (made.bytes.len() as u64, entry.len() as u64);
    let mut out = [&made.bytes[..], &entry].concat();
    let end_at = out.len() as u64;
    out.extend_from_slice(b"PK\x06\x06");
    out.extend_from_slice(&44_u64.to_le_bytes());
    out.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&[1, 1, length, start].map(u64::to_le_bytes).concat());
    out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    out.extend_from_slice(&end_at.to_le_bytes());
    out.extend_from_slice(&[1, 0, 0, 0]);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&[0xFF; 12]);
    out.extend_from_slice(&[0, 0]);
    assert_eq!(contents(&out, &LIMITS), [Ok(("a".to_owned(), 700))]);
}
