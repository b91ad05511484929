//! Every call of the disk fails once, in every way.

use std::collections::BTreeMap;
use std::path::Path;

use storage_config::ContentHash;
use storage_config::disk::{Fault, Operation, SimulatedDisk, SyncPoint};
use storage_config::pack::{
    CHUNK, FILE_HEADER_LENGTH, Identity, Kind, PackError, PackErrorKind, PackReader, PackWriter, Scanned,
    Verify, scan, seal_as_is,
};

use crate::sample::{DIR, append, body, create, path, whole_records};

/// Writes a pack as the archive would, going on after errors as far as the writer allows. Returns what was promised.
fn write(disk: &SimulatedDisk) -> Result<(std::path::PathBuf, BTreeMap<u64, Vec<u8>>), PackError> {
    let identity = Identity { writer: 1, epoch: 1 };
    let mut writer = PackWriter::create(&disk.disk(), Path::new(DIR), identity)?;
    let path = writer.path().to_owned();
    let mut promised = BTreeMap::new();
    for group in 0..3u64 {
        let mut waiting = BTreeMap::new();
        let small = body(group, 1000);
        if let Ok(extent) = writer.append(Kind::Bulk, 1, &[&small], ContentHash::of(&small)) {
            waiting.insert(extent.offset, small);
        }
        let large = body(group + 10, 3 * CHUNK);
        match stream(&mut writer, &large) {
            Ok(offset) => drop(waiting.insert(offset, large)),
            Err(_) => drop(writer.cut_back(writer.len())),
        }
        match writer.sync(SyncPoint::Group) {
            Ok(()) => promised.append(&mut waiting),
            Err(error) => {
                let poisoned = writer.sync(SyncPoint::Group).unwrap_err().kind();
                assert!(poisoned == PackErrorKind::Poisoned, "{error}, then {poisoned:?}");
            }
        }
    }
    let _ = writer.seal();
    Ok((path, promised))
}

fn stream(writer: &mut PackWriter, body: &[u8]) -> Result<u64, PackError> {
    writer.begin(Kind::Bulk, 1)?;
    body.chunks(CHUNK).try_for_each(|bytes| writer.write(bytes))?;
    Ok(writer.end(ContentHash::of(body))?.offset)
}

fn new_disk() -> std::sync::Arc<SimulatedDisk> {
    let disk = SimulatedDisk::new(1);
    disk.disk().create_dir_all(Path::new(DIR), SyncPoint::PackDirectory).unwrap();
    disk
}

#[test]
fn a_fault_at_any_call_breaks_no_promise() {
    let counted = new_disk();
    let before = counted.calls();
    write(&counted).unwrap();
    let calls = counted.calls();
    assert!(calls - before > 20);
    for n in before + 1..=calls {
        for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
            let disk = new_disk();
            disk.fail_call(n, fault);
            let Ok((path, promised)) = write(&disk) else { continue };
            for seed in 0..3 {
                let copy = new_disk();
                copy.fail_call(n, fault);
                write(&copy).unwrap();
                let left = copy.power_loss(seed).disk();
                let records: BTreeMap<_, _> = whole_records(&left, &path)
                    .into_iter()
                    .map(|(record, body)| (record.offset, body))
                    .collect();
                for (offset, body) in &promised {
                    assert!(
                        records.get(offset) == Some(body),
                        "call {n}, {fault:?}, seed {seed}: record at {offset}"
                    );
                }
            }
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    let sim = SimulatedDisk::new(1);
    let mut writer = create(&sim.disk());
    append(&mut writer, Kind::Bulk, b"lost");
    sim.fail_call_of(Operation::SyncData, sim.count(Operation::SyncData) + 1, Fault::Eio);
    assert_eq!(writer.sync(SyncPoint::Group).unwrap_err().kind(), PackErrorKind::Io);
    let calls = sim.calls();
    let hash = ContentHash::of(b"x");
    assert_eq!(writer.sync(SyncPoint::Group).unwrap_err().kind(), PackErrorKind::Poisoned);
    assert_eq!(writer.append(Kind::Bulk, 1, &[b"x"], hash).unwrap_err().kind(), PackErrorKind::Poisoned);
    assert_eq!(writer.begin(Kind::Bulk, 1).unwrap_err().kind(), PackErrorKind::Poisoned);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), PackErrorKind::Poisoned);
    assert_eq!(writer.end(hash).unwrap_err().kind(), PackErrorKind::Poisoned);
    assert_eq!(writer.cut_back(writer.synced_len()).unwrap_err().kind(), PackErrorKind::Poisoned);
    assert_eq!(writer.seal().unwrap_err().kind(), PackErrorKind::Poisoned);
    assert_eq!(sim.calls(), calls);
}

#[test]
fn a_full_disk_loses_the_record_and_keeps_the_pack() {
    let sim = SimulatedDisk::new(1);
    let mut writer = create(&sim.disk());
    append(&mut writer, Kind::Bulk, b"one");
    let end = writer.len();
    sim.set_capacity(Some(end + 5000));
    let large = body(1, 20_000);
    let error = writer.append(Kind::Bulk, 1, &[&large], ContentHash::of(&large)).unwrap_err();
    assert_eq!((error.kind(), writer.len()), (PackErrorKind::OutOfSpace, end));
    assert_eq!(sim.contents(&path()).unwrap().len() as u64, end, "what was written of it is given back");
    assert_eq!(stream(&mut writer, &body(2, 3 * CHUNK)).unwrap_err().kind(), PackErrorKind::OutOfSpace);
    assert_eq!(writer.write(b"more").unwrap_err().kind(), PackErrorKind::Misuse);
    writer.cut_back(end).unwrap();
    append(&mut writer, Kind::Bulk, b"two");
    writer.sync(SyncPoint::Group).unwrap();
    assert_eq!(whole_records(&sim.disk(), &path()).len(), 2);
}

#[test]
fn a_pack_that_could_not_be_created_durably_is_not_there() {
    let counted = new_disk();
    let before = counted.calls();
    drop(PackWriter::create(&counted.disk(), Path::new(DIR), Identity { writer: 1, epoch: 1 }).unwrap());
    for n in before + 1..=counted.calls() {
        let disk = new_disk();
        disk.fail_call(n, Fault::Eio);
        assert!(PackWriter::create(&disk.disk(), Path::new(DIR), Identity { writer: 1, epoch: 1 }).is_err());
        assert!(disk.files().is_empty(), "call {n}");
    }
}

#[test]
fn an_unreadable_stretch_is_told_as_an_error_and_what_is_behind_it_is_found() {
    let sim = SimulatedDisk::new(1);
    let mut writer = create(&sim.disk());
    let offsets: Vec<u64> = (0..4).map(|n| append(&mut writer, Kind::Bulk, &body(n, 10_000))).collect();
    let reader = PackReader::open(&sim.disk(), &path()).unwrap();
    let before = sim.count(Operation::Read);
    let reads = {
        scan(&reader, 0, Verify::Bodies).count();
        sim.count(Operation::Read) - before
    };
    for n in 1..=reads {
        sim.fail_call_of(Operation::Read, sim.count(Operation::Read) + n, Fault::Eio);
        let found: Vec<_> = scan(&reader, 0, Verify::Bodies).collect();
        assert_eq!(found.iter().filter(|found| found.is_err()).count(), 1, "read {n}");
        let is_record = |found: &&Result<Scanned, _>| matches!(found, Ok(Scanned::Record(_)));
        assert!(found.iter().filter(is_record).count() >= offsets.len() - 1, "read {n}: {found:?}");
        sim.fail_call_of(Operation::Read, sim.count(Operation::Read) + 3 + n, Fault::Eio);
        assert_eq!(
            seal_as_is(&sim.disk(), &path(), 0).err().map(|error| error.kind()),
            Some(PackErrorKind::Io)
        );
    }
    sim.fail_from(Operation::Read, sim.count(Operation::Read) + 1, Fault::Eio);
    let found: Vec<_> = scan(&reader, FILE_HEADER_LENGTH, Verify::Headers).collect();
    assert!(found.iter().all(|found| !matches!(found, Ok(Scanned::Record(_)))));
    assert!(found.iter().any(Result::is_err), "a disk that cannot read is no empty pack");
}
