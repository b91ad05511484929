//! The bytes of a zip archive around files whose lengths are known beforehand: stored, not compressed (pictures hardly
//! shrink, and a stream of known length lets a browser show how far it is).
//!
//! Sizes and CRC stand in front of each file, not behind it, since some programs cannot read a stored file without
//! them. Zip64 is used where a length, a place or a count needs it. Names are ours: ASCII without anything special.

/// The CRC-32 of zip over what has been put in.
pub(crate) use flate2::Crc;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
/// Versions that readers need: 2.0, and 4.5 for zip64.
const NEEDS: u16 = 20;
const NEEDS_64: u16 = 45;
/// Made on Unix, so that the modes below are read.
const MADE_BY: u16 = 3 << 8 | NEEDS_64;
/// Ordinary file, readable by all, writable by its owner.
const MODE: u32 = 0o100_644 << 16;
/// A value that stands in the zip64 field instead.
const ELSEWHERE: u32 = u32::MAX;

/// A day and minute as zip writes them: for years from 1980 on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    time: u16,
    date: u16,
}

impl Stamp {
    /// Midnight of a day.
    pub(crate) fn of_day((year, month, day): (i64, i64, i64)) -> Stamp {
        let year = (year - 1980).clamp(0, 127);
        Stamp { time: 0, date: u16::try_from(year << 9 | month << 5 | day).unwrap_or(0x21) }
    }
}

/// A file that was begun.
struct Entry {
    name: String,
    length: u64,
    crc: u32,
    at: u64,
}

/// An archive as it is written.
pub(crate) struct Zip {
    stamp: Stamp,
    entries: Vec<Entry>,
    at: u64,
}

impl Zip {
    /// An archive whose files are all of one moment.
    pub(crate) fn new(stamp: Stamp) -> Zip {
        Zip { stamp, entries: Vec::new(), at: 0 }
    }

    /// What stands before a file of `length` bytes. The file itself has to follow.
    pub(crate) fn begin(&mut self, name: &str, length: u64, crc: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + name.len());
        let large = is_large(length);
        word(&mut out, LOCAL);
        half(&mut out, if large { NEEDS_64 } else { NEEDS });
        self.describe(&mut out, name, length, crc);
        half(&mut out, if large { 20 } else { 0 });
        out.extend_from_slice(name.as_bytes());
        if large {
            extra(&mut out, &[length, length]);
        }
        self.entries.push(Entry { name: name.to_owned(), length, crc, at: self.at });
        self.at += out.len() as u64 + length;
        out
    }

    /// Flags to name length, which both kinds of header have alike.
    fn describe(&self, out: &mut Vec<u8>, name: &str, length: u64, crc: u32) {
        for value in [0, 0, self.stamp.time, self.stamp.date] {
            half(out, value);
        }
        word(out, crc);
        word(out, short(length));
        word(out, short(length));
        half(out, name.len() as u16);
    }

    /// What stands behind the last file.
    pub(crate) fn end(self) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in &self.entries {
            self.central(&mut out, entry);
        }
        let (count, length) = (self.entries.len() as u64, out.len() as u64);
        if count >= u64::from(u16::MAX) || is_large(self.at) || is_large(length) {
            let end_at = self.at + length;
            word(&mut out, END_64);
            long(&mut out, 44);
            half(&mut out, MADE_BY);
            half(&mut out, NEEDS_64);
            word(&mut out, 0);
            word(&mut out, 0);
            for value in [count, count, length, self.at] {
                long(&mut out, value);
            }
            word(&mut out, LOCATOR_64);
            word(&mut out, 0);
            long(&mut out, end_at);
            word(&mut out, 1);
        }
        word(&mut out, END);
        word(&mut out, 0);
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        half(&mut out, count);
        half(&mut out, count);
        word(&mut out, short(length));
        word(&mut out, short(self.at));
        half(&mut out, 0);
        out
    }

    fn central(&self, out: &mut Vec<u8>, entry: &Entry) {
        let mut large = Vec::new();
        if is_large(entry.length) {
            large.extend([entry.length, entry.length]);
        }
        if is_large(entry.at) {
            large.push(entry.at);
        }
        word(out, CENTRAL);
        half(out, MADE_BY);
        half(out, if large.is_empty() { NEEDS } else { NEEDS_64 });
        self.describe(out, &entry.name, entry.length, entry.crc);
        half(out, if large.is_empty() { 0 } else { 4 + 8 * large.len() as u16 });
        // Comment, disk, internal attributes.
        for _ in 0..3 {
            half(out, 0);
        }
        word(out, MODE);
        word(out, short(entry.at));
        out.extend_from_slice(entry.name.as_bytes());
        if !large.is_empty() {
            extra(out, &large);
        }
    }

    /// Bytes of a whole archive of files with these lengths of name and content.
    pub(crate) fn length_of(files: impl Iterator<Item = (usize, u64)>) -> u64 {
        let (mut at, mut central, mut count) = (0_u64, 0_u64, 0_u64);
        for (name, length) in files {
            let large = if is_large(length) { 20 } else { 0 };
            let fields = if is_large(length) { 2 } else { 0 } + u64::from(is_large(at));
            central += 46 + name as u64 + if fields == 0 { 0 } else { 4 + 8 * fields };
            at += 30 + name as u64 + large + length;
            count += 1;
        }
        let end_64 = count >= u64::from(u16::MAX) || is_large(at) || is_large(central);
        at + central + if end_64 { 56 + 20 } else { 0 } + 22
    }
}

fn is_large(value: u64) -> bool {
    value >= u64::from(ELSEWHERE)
}

fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(ELSEWHERE)
}

fn extra(out: &mut Vec<u8>, values: &[u64]) {
    half(out, 1);
    half(out, 8 * values.len() as u16);
    for value in values {
        long(out, *value);
    }
}

fn half(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn word(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn long(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_known_beforehand() {
        let large = u64::from(u32::MAX);
        let many: Vec<u64> = vec![3; 70_000];
        for lengths in
            [&[][..], &[5], &[5, 0, 7], &[large - 1, 1], &[large, 1], &[large - 100, 200, 5], &many]
        {
            let mut zip = Zip::new(Stamp::of_day((2026, 1, 5)));
            let mut written = 0;
            for (n, length) in lengths.iter().enumerate() {
                written += zip.begin(&format!("{n:05}.dcm"), *length, 1).len() as u64 + length;
            }
            written += zip.end().len() as u64;
            assert_eq!(
                Zip::length_of(lengths.iter().map(|length| (9, *length))),
                written,
                "{}",
                lengths.len()
            );
        }
    }
}
