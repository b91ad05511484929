//! Packs and bodies that the tests share.

use std::path::{Path, PathBuf};

use storage_config::ContentHash;
use storage_config::disk::{Disk, SyncPoint};
use storage_config::pack::{
    FILE_HEADER_LENGTH, Identity, Kind, PackName, PackReader, PackWriter, Record, Scanned, Verify, scan,
};

/// Where the tests keep packs on a simulated disk.
pub const DIR: &str = "/packs";

/// A name that is always the same.
pub fn name() -> PackName {
    let id = std::array::from_fn(|n| 0xA0 + n as u8);
    PackName { id, identity: Identity { writer: 1, epoch: 2 } }
}

/// The time at which the packs of these tests were created.
pub const CREATED_MS: u64 = 1_700_000_000_000;

pub fn path() -> PathBuf {
    Path::new(DIR).join(name().file_name())
}

pub fn create(disk: &Disk) -> PackWriter {
    disk.create_dir_all(Path::new(DIR), SyncPoint::PackDirectory).unwrap();
    PackWriter::create_named(disk, Path::new(DIR), name(), CREATED_MS).unwrap()
}

/// `length` bytes without a pattern, different for each `salt`.
pub fn body(salt: u64, length: usize) -> Vec<u8> {
    let mut state = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub fn append(writer: &mut PackWriter, kind: Kind, body: &[u8]) -> u64 {
    writer.append(kind, 7, &[body], ContentHash::of(body)).unwrap().offset
}

/// Every record of the pack with its body, by a scan that verifies bodies.
pub fn whole_records(disk: &Disk, path: &Path) -> Vec<(Record, Vec<u8>)> {
    let reader = PackReader::open_lenient(disk, path).unwrap();
    let mut records = Vec::new();
    for found in scan(&reader, FILE_HEADER_LENGTH, Verify::Bodies) {
        if let Scanned::Record(record) = found.unwrap() {
            let body = reader.read_body(&record).unwrap();
            assert_eq!(ContentHash::of(&body), record.raw_sha256);
            assert_eq!(reader.record(record.offset).unwrap(), record);
            records.push((record, body));
        }
    }
    records
}

/// What a scan of the pack finds, records by their offset.
pub fn found(disk: &Disk, path: &Path, verify: Verify) -> Vec<Found> {
    let reader = PackReader::open_lenient(disk, path).unwrap();
    scan(&reader, FILE_HEADER_LENGTH, verify)
        .map(|found| match found.unwrap() {
            Scanned::Record(record) => Found::Record(record.offset),
            Scanned::Gap { from, to } => Found::Gap(from, to),
            Scanned::Sealed { at, whole } => Found::Sealed(at, whole),
            Scanned::End { at } => Found::End(at),
        })
        .collect()
}

/// See [`found`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Record(u64),
    Gap(u64, u64),
    Sealed(u64, bool),
    End(u64),
}

/// A small random generator for scenarios; the seed is printed by the assertion that fails.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(seed.wrapping_mul(0xD129_0DDB_53C4_3E49) ^ 0x5DEE_CE66)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % limit
    }
}
