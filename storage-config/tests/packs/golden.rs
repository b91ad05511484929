//! The bytes of a small pack. If this test fails, the format has changed: packs in the field would not be read.

use std::fmt::Write;
use std::path::Path;

use storage_config::ContentHash;
use storage_config::disk::{SimulatedDisk, SyncPoint};
use storage_config::pack::{CHUNK, Flags, Kind, PackReader, SealedBy, Verify, chunk_crcs, record_length};

use crate::sample::{CREATED_MS, Found, append, body, create, found, name, path};

/// A pack of one record of each kind, one of them streamed, and its seal.
fn golden_pack() -> Vec<u8> {
    let disk = SimulatedDisk::new(1);
    let mut writer = create(&disk.disk());
    append(&mut writer, Kind::Bulk, b"bulk value");
    append(&mut writer, Kind::Instance, b"");
    writer.begin(Kind::Holding, 8).unwrap();
    writer.write(b"hold").unwrap();
    writer.write(b"ing!").unwrap();
    writer.end(ContentHash::of(b"holding!")).unwrap();
    append(&mut writer, Kind::Statement, b"statement");
    writer.sync(SyncPoint::Group).unwrap();
    let sealed = writer.seal().unwrap();
    let bytes = disk.contents(&path()).unwrap();
    assert_eq!((sealed.length, sealed.records), (bytes.len() as u64, 4));
    bytes
}

fn hex_lines(bytes: &[u8]) -> String {
    bytes.chunks(16).fold(String::new(), |mut text, line| {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
        text
    })
}

#[test]
fn the_bytes_of_a_pack_are_those_of_version_1() {
    let text = hex_lines(&golden_pack());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/golden_v1.hex"), &text)
            .unwrap();
        return;
    }
    assert_eq!(text, include_str!("golden_v1.hex"));
}

#[test]
fn the_golden_pack_reads_back_by_seal_and_by_scan() {
    let disk = SimulatedDisk::new(2);
    disk.put(&path(), &golden_pack());
    let reader = PackReader::open(&disk.disk(), &path()).unwrap();
    assert_eq!((*reader.name(), reader.created_ms()), (name(), CREATED_MS));
    let index = reader.seal_index().unwrap().unwrap();
    assert_eq!(index.sealed_by, SealedBy::Writer);
    assert!(index.gaps.is_empty());
    let bodies: [(Kind, u32, &[u8]); 4] = [
        (Kind::Bulk, 7, b"bulk value"),
        (Kind::Instance, 7, b""),
        (Kind::Holding, 8, b"holding!"),
        (Kind::Statement, 7, b"statement"),
    ];
    assert_eq!(index.entries.len(), bodies.len());
    let mut expected = Vec::new();
    for (n, (entry, (kind, facility, body))) in index.entries.iter().zip(bodies).enumerate() {
        let record = reader.record(entry.offset).unwrap();
        assert_eq!((entry.kind, entry.facility, entry.flags), (kind, facility, Flags::NONE));
        assert_eq!(
            (record.kind, record.facility, record.writer, record.sequence),
            (kind, facility, 1, n as u64)
        );
        assert_eq!((record.raw_sha256, entry.raw_sha256), (ContentHash::of(body), ContentHash::of(body)));
        assert_eq!(reader.read_body(&record).unwrap(), body);
        assert_eq!(record.end(), entry.offset + record_length(body.len() as u64));
        expected.push(Found::Record(entry.offset));
    }
    expected.push(Found::Sealed(reader.seal().unwrap().unwrap().offset, true));
    assert_eq!(found(&disk.disk(), &path(), Verify::Headers), expected);
    assert_eq!(found(&disk.disk(), &path(), Verify::Bodies), expected);
}

#[test]
fn streamed_and_appended_records_are_the_same_bytes() {
    for length in [0, 1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 20 * CHUNK + 5] {
        let body = body(length as u64, length);
        let hash = ContentHash::of(&body);
        let by = |write: &dyn Fn(&mut storage_config::pack::PackWriter)| {
            let disk = SimulatedDisk::new(3);
            let mut writer = create(&disk.disk());
            write(&mut writer);
            append(&mut writer, Kind::Statement, b"behind");
            disk.contents(&path()).unwrap()
        };
        let whole = by(&|writer| {
            writer.append(Kind::Bulk, 9, &[&body], hash).unwrap();
        });
        let with_crcs = by(&|writer| {
            let (left, right) = body.split_at(length / 3);
            let crcs = chunk_crcs(&[left, right]);
            writer.append_with_crcs(Kind::Bulk, 9, &[left, b"", right], &crcs, hash).unwrap();
        });
        for piece in [1usize, 13, 1000, 65_536, 100_000] {
            if length / piece > 10_000 {
                continue;
            }
            let streamed = by(&|writer| {
                writer.begin(Kind::Bulk, 9).unwrap();
                body.chunks(piece).for_each(|bytes| writer.write(bytes).unwrap());
                assert_eq!(writer.open_len(), Some(length as u64));
                writer.end(hash).unwrap();
            });
            assert!(streamed == whole, "length {length}, pieces of {piece}");
        }
        assert!(with_crcs == whole, "length {length}");
    }
}
