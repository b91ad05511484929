//! Reading and writing as they should be used, and as they should not.

use std::path::Path;

use storage_config::ContentHash;
use storage_config::disk::{Disk, SimulatedDisk, SyncPoint};
use storage_config::pack::{
    CHUNK, FILE_HEADER_LENGTH, HeaderState, Identity, Kind, MAX_RECORDS, PackErrorKind, PackReader,
    PackWriter, Verify,
};

use crate::sample::{DIR, Found, append, body, create, found, path, whole_records};

#[test]
fn any_range_of_a_body_reads_back() {
    let disk = SimulatedDisk::new(1).disk();
    let mut writer = create(&disk);
    let length = 3 * CHUNK + 100;
    let body = body(1, length);
    let offset = append(&mut writer, Kind::Bulk, &body);
    let reader = PackReader::open(&disk, &path()).unwrap();
    let record = reader.record(offset).unwrap();
    let edges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK, length - 1, length];
    for start in edges {
        for end in edges.into_iter().filter(|end| *end >= start) {
            let mut out = b"before".to_vec();
            reader.read_range(&record, start as u64..end as u64, &mut out).unwrap();
            assert!(out.strip_prefix(b"before") == Some(&body[start..end]), "{start}..{end}");
        }
    }
    for (start, end) in
        [(2, 1), (0, length as u64 + 1), (length as u64 + 1, length as u64 + 2), (0, u64::MAX)]
    {
        let mut out = b"before".to_vec();
        let error = reader.read_range(&record, start..end, &mut out).unwrap_err();
        assert_eq!((error.kind(), out.as_slice()), (PackErrorKind::Misuse, &b"before"[..]));
    }
}

#[test]
fn a_damaged_chunk_is_never_handed_out_and_its_neighbours_are() {
    let sim = SimulatedDisk::new(1);
    let mut writer = create(&sim.disk());
    let body = body(1, 3 * CHUNK);
    let offset = append(&mut writer, Kind::Bulk, &body);
    sim.flip_bit(&path(), offset + 128 + CHUNK as u64 + 17, 3).unwrap();
    let reader = PackReader::open(&sim.disk(), &path()).unwrap();
    let record = reader.record(offset).unwrap();
    assert_eq!(reader.read_body(&record).unwrap_err().kind(), PackErrorKind::Damaged);
    let mut out = Vec::new();
    let chunk = CHUNK as u64;
    let error = reader.read_range(&record, chunk - 1..chunk + 1, &mut out).unwrap_err();
    assert_eq!((error.kind(), out.len()), (PackErrorKind::Damaged, 0));
    reader.read_range(&record, 0..chunk, &mut out).unwrap();
    reader.read_range(&record, 2 * chunk..3 * chunk, &mut out).unwrap();
    assert!(out[..CHUNK] == body[..CHUNK] && out[CHUNK..] == body[2 * CHUNK..]);
}

#[test]
fn a_pack_is_read_while_it_is_written() {
    let disk = SimulatedDisk::new(1).disk();
    let mut writer = create(&disk);
    let reader = PackReader::open(&disk, &path()).unwrap();
    for n in 0..10 {
        let body = body(n, 1000 * n as usize);
        let offset = append(&mut writer, Kind::Bulk, &body);
        let record = reader.record(offset).unwrap();
        assert_eq!(reader.read_body(&record).unwrap(), body);
        assert_eq!(record.end(), writer.len());
    }
    assert_eq!(reader.record(writer.len()).unwrap_err().kind(), PackErrorKind::Damaged);
}

#[test]
fn what_was_not_synced_can_be_cut_back_and_what_was_cannot() {
    let disk = SimulatedDisk::new(1).disk();
    let mut writer = create(&disk);
    append(&mut writer, Kind::Bulk, b"one");
    writer.sync(SyncPoint::Group).unwrap();
    let synced = writer.len();
    append(&mut writer, Kind::Bulk, b"two");
    let two = writer.len();
    append(&mut writer, Kind::Bulk, b"three");
    assert_eq!(writer.synced_len(), synced);
    for wrong in [0, FILE_HEADER_LENGTH, synced + 8, two - 8, two + 8, writer.len() + 8, u64::MAX] {
        assert_eq!(writer.cut_back(wrong).unwrap_err().kind(), PackErrorKind::Misuse, "{wrong}");
    }
    writer.cut_back(two).unwrap();
    writer.begin(Kind::Bulk, 1).unwrap();
    writer.write(&[9; 3 * CHUNK]).unwrap();
    assert_eq!(writer.sync(SyncPoint::Group).unwrap_err().kind(), PackErrorKind::Misuse);
    writer.cut_back(synced).unwrap();
    append(&mut writer, Kind::Bulk, b"four");
    assert_eq!(writer.records(), 2);
    let bodies: Vec<_> =
        whole_records(&disk, &path()).into_iter().map(|(r, body)| (r.sequence, body)).collect();
    assert_eq!(bodies, [(0, b"one".to_vec()), (1, b"four".to_vec())]);
}

#[test]
fn calls_that_do_not_fit_are_refused_and_change_nothing() {
    let disk = SimulatedDisk::new(1).disk();
    let mut writer = create(&disk);
    let hash = ContentHash::of(b"");
    assert_eq!(writer.write(b"x").unwrap_err().kind(), PackErrorKind::Misuse);
    assert_eq!(writer.end(hash).unwrap_err().kind(), PackErrorKind::Misuse);
    let crcs = writer.append_with_crcs(Kind::Bulk, 0, &[b"x"], &[], hash).unwrap_err();
    assert_eq!(crcs.kind(), PackErrorKind::Misuse);
    writer.begin(Kind::Bulk, 0).unwrap();
    assert_eq!(writer.begin(Kind::Bulk, 0).unwrap_err().kind(), PackErrorKind::Misuse);
    assert_eq!(writer.append(Kind::Bulk, 0, &[], hash).unwrap_err().kind(), PackErrorKind::Misuse);
    writer.cut_back(FILE_HEADER_LENGTH).unwrap();
    assert_eq!(writer.len(), FILE_HEADER_LENGTH);
    assert_eq!(found(&disk, &path(), Verify::Bodies), [Found::End(FILE_HEADER_LENGTH)]);
}

#[test]
fn a_pack_takes_so_many_records_and_no_more() {
    let disk = SimulatedDisk::new(1).disk();
    let mut writer = create(&disk);
    let hash = ContentHash::of(b"");
    for _ in 0..MAX_RECORDS {
        writer.append(Kind::Holding, 1, &[], hash).unwrap();
    }
    assert!(writer.should_seal(u64::MAX));
    assert_eq!(writer.append(Kind::Holding, 1, &[], hash).unwrap_err().kind(), PackErrorKind::Full);
    assert_eq!(writer.begin(Kind::Holding, 1).unwrap_err().kind(), PackErrorKind::Full);
    writer.seal().unwrap();
    let reader = PackReader::open(&disk, &path()).unwrap();
    assert_eq!(reader.seal_index().unwrap().unwrap().entries.len(), MAX_RECORDS);
}

#[test]
fn another_file_is_not_opened_as_a_pack() {
    let sim = SimulatedDisk::new(1);
    let disk = sim.disk();
    drop(create(&disk));
    let pack = sim.contents(&path()).unwrap();
    let kind_of = |path: &Path| PackReader::open(&disk, path).unwrap_err().kind();
    let other = Path::new(DIR).join("b0".repeat(16) + "-00000001-00000002.pack");
    sim.put(&other, &pack);
    assert_eq!(kind_of(&other), PackErrorKind::Damaged, "the name of another pack");
    sim.put(&Path::new(DIR).join("x.pack"), &pack);
    assert_eq!(kind_of(&Path::new(DIR).join("x.pack")), PackErrorKind::Damaged);
    assert_eq!(kind_of(&Path::new(DIR).join("absent.pack")), PackErrorKind::Damaged, "no name of a pack");
    for (bytes, state) in [
        (&b""[..], HeaderState::Absent),
        (&pack[..127], HeaderState::Absent),
        (&[0; 128], HeaderState::Absent),
        (&[1; 128], HeaderState::Damaged),
    ] {
        sim.put(&path(), bytes);
        assert_eq!(kind_of(&path()), PackErrorKind::Damaged);
        assert_eq!(PackReader::open_lenient(&disk, &path()).unwrap().header_state(), state);
        assert_eq!(found(&disk, &path(), Verify::Bodies), [Found::End(FILE_HEADER_LENGTH)]);
    }
    let mut newer = pack;
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..124]);
    newer[124..].copy_from_slice(&crc.to_le_bytes());
    sim.put(&path(), &newer);
    assert_eq!(kind_of(&path()), PackErrorKind::Unsupported);
    assert_eq!(PackReader::open_lenient(&disk, &path()).unwrap_err().kind(), PackErrorKind::Unsupported);
}

#[test]
fn packs_work_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let packs = dir.path().join("a/packs");
    Disk::Real.create_dir_all(&packs, SyncPoint::PackDirectory).unwrap();
    let mut writer = PackWriter::create(&Disk::Real, &packs, Identity { writer: 3, epoch: 4 }).unwrap();
    let file = writer.path().to_owned();
    let large = body(5, 20 * CHUNK + 1);
    append(&mut writer, Kind::Bulk, &large);
    writer.begin(Kind::Bulk, 2).unwrap();
    large.chunks(9999).for_each(|bytes| writer.write(bytes).unwrap());
    writer.end(ContentHash::of(&large)).unwrap();
    writer.sync(SyncPoint::Stream).unwrap();
    append(&mut writer, Kind::Bulk, b"cut back");
    writer.cut_back(writer.synced_len()).unwrap();
    let parts: Vec<&[u8]> = large.chunks(500).collect();
    assert!(parts.len() > 2048, "more parts than one system call takes");
    writer.append(Kind::Bulk, 2, &parts, ContentHash::of(&large)).unwrap();
    writer.seal().unwrap();
    let records = whole_records(&Disk::Real, &file);
    assert!(records.len() == 3 && records.iter().all(|(_, body)| *body == large));
    let index = PackReader::open(&Disk::Real, &file).unwrap().seal_index().unwrap().unwrap();
    assert_eq!(
        index.entries.iter().map(|e| e.offset).collect::<Vec<_>>(),
        records.iter().map(|r| r.0.offset).collect::<Vec<_>>()
    );
}
