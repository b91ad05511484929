//! Packs of every version of the format, written once and kept for ever in `fixtures/packs`.
//!
//! `FREEZE_PACKS=1 cargo test -p storage-config frozen` writes those that are missing; none is ever written again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use storage_config::ContentHash;
use storage_config::disk::{Disk, SyncPoint};
use storage_config::pack::{
    CHUNK, FILE_HEADER_LENGTH, Identity, Kind, PackName, PackReader, PackWriter, Scanned, Verify, scan,
    seal_as_is,
};

use crate::sample::body;

/// What a frozen pack holds.
struct Frozen {
    /// Version of the format and file, under `fixtures/packs`.
    file: &'static str,
    /// SHA-256 of the file.
    sha256: &'static str,
    /// Kind, facility and length of each record.
    records: &'static [(Kind, u32, u64)],
    gaps: usize,
    /// Whether the pack has a seal.
    sealed: bool,
}

/// Every file in `fixtures/packs`. A new version adds to this list; nothing is taken from it.
const FROZEN: &[Frozen] = &[
    Frozen {
        file: "v1/00000000000000000000000000000001-00000001-00000001.pack",
        sha256: "cfbd1fbed1b9ce44b61e39875ffd8acb3adb7b44eab5ee36f372af03051214c0",
        records: &[
            (Kind::Statement, 0, 9),
            (Kind::Bulk, 1, 0),
            (Kind::Bulk, 1, 5000),
            (Kind::Holding, 2, 33),
            (Kind::Bulk, 3, CHUNK as u64 + 1),
        ],
        gaps: 0,
        sealed: true,
    },
    Frozen {
        file: "v1/00000000000000000000000000000002-00000001-00000001.pack",
        sha256: "c57e33c3c666cda9086cfe9c9b1025e15bf4ac2d88c5f10dbcb396198c25798f",
        records: &[(Kind::Bulk, 1, 100), (Kind::Bulk, 1, 300)],
        gaps: 2,
        sealed: true,
    },
    Frozen {
        file: "v1/00000000000000000000000000000003-00000001-00000001.pack",
        sha256: "c953c079c173d445f8574787af265280ab979b4b1be48a08287c590f2b2d21c4",
        records: &[(Kind::Bulk, 1, 100)],
        gaps: 0,
        sealed: false,
    },
];

fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/packs")
}

#[test]
fn frozen_packs_of_every_version_open_and_none_is_unlisted() {
    if std::env::var_os("FREEZE_PACKS").is_some() {
        freeze(1, |_, mut writer| {
            add(&mut writer, FROZEN[0].records);
            writer.seal().unwrap();
        });
        freeze(2, |path, mut writer| {
            add(
                &mut writer,
                &[(Kind::Bulk, 1, 100), (Kind::Bulk, 1, 200), (Kind::Bulk, 1, 300), (Kind::Bulk, 1, 400)],
            );
            let damaged = writer.len() - 100;
            drop(writer);
            let file = Disk::Real.open_write(path).unwrap();
            file.write_at(&[b"damage"], FILE_HEADER_LENGTH + 400).unwrap();
            file.truncate(damaged).unwrap();
            seal_as_is(&Disk::Real, path, FILE_HEADER_LENGTH).unwrap();
        });
        freeze(3, |_, mut writer| {
            add(&mut writer, FROZEN[2].records);
            writer.sync(SyncPoint::Group).unwrap();
        });
    }
    let listed: BTreeSet<PathBuf> = FROZEN.iter().map(|frozen| packs().join(frozen.file)).collect();
    let mut present = BTreeSet::new();
    for version in std::fs::read_dir(packs()).unwrap() {
        present
            .extend(std::fs::read_dir(version.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert_eq!(present, listed, "every file in fixtures/packs is listed, and every listed one is there");
    FROZEN.iter().for_each(check);
}

fn check(frozen: &Frozen) {
    let path = packs().join(frozen.file);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(ContentHash::of(&bytes).to_string(), frozen.sha256, "{} was changed", frozen.file);
    let reader = PackReader::open(&Disk::Real, &path).unwrap();
    let (mut records, mut gaps) = (Vec::new(), 0);
    for found in scan(&reader, FILE_HEADER_LENGTH, Verify::Bodies) {
        match found.unwrap() {
            Scanned::Record(record) => records.push(record),
            Scanned::Gap { .. } => gaps += 1,
            Scanned::Sealed { whole, .. } => assert!(frozen.sealed && whole),
            Scanned::End { .. } => assert!(!frozen.sealed),
        }
    }
    let told: Vec<_> = records.iter().map(|r| (r.kind, r.facility, r.stored_length)).collect();
    assert_eq!((told.as_slice(), gaps), (frozen.records, frozen.gaps), "{}", frozen.file);
    for record in &records {
        let body = reader.read_body(record).unwrap();
        assert_eq!(ContentHash::of(&body), record.raw_sha256);
    }
    let index = reader.seal_index().unwrap();
    assert_eq!(index.is_some(), frozen.sealed);
    if let Some(index) = index {
        assert!(
            index.entries.iter().map(|entry| entry.offset).eq(records.iter().map(|record| record.offset))
        );
        assert_eq!(index.gaps.len(), frozen.gaps);
    }
}

fn add(writer: &mut PackWriter, records: &[(Kind, u32, u64)]) {
    for (kind, facility, length) in records {
        // Long bodies are of one byte each, so that the file compresses where it is kept.
        let body = if *length > 1000 {
            vec![*facility as u8; *length as usize]
        } else {
            body(*length, *length as usize)
        };
        writer.append(*kind, *facility, &[&body], ContentHash::of(&body)).unwrap();
    }
}

fn freeze(n: u8, write: impl Fn(&Path, PackWriter)) {
    let mut id = [0; 16];
    id[15] = n;
    let name = PackName { id, identity: Identity { writer: 1, epoch: 1 } };
    let dir = packs().join("v1");
    let path = dir.join(name.file_name());
    if !path.exists() {
        let writer = PackWriter::create_named(&Disk::Real, &dir, name, 1_700_000_000_000).unwrap();
        write(&path, writer);
    }
}
