//! What a loss of power may do to a pack: nothing to what was synced, and never half a record.

use std::collections::{BTreeMap, BTreeSet};

use storage_config::ContentHash;
use storage_config::disk::{SimulatedDisk, SyncPoint};
use storage_config::pack::{FILE_HEADER_LENGTH, HeaderState, Kind, PackReader, PackWriter, seal_as_is};

use crate::sample::{Draw, body, create, path, whole_records};

const SEEDS: u64 = 1000;

/// What a writer was told, as far as a test must know to judge what is left.
#[derive(Default)]
struct Promises {
    /// Records that a sync has covered.
    synced: BTreeMap<u64, Vec<u8>>,
    /// Records that no sync has covered yet.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Hashes of all bodies that were ever appended at an offset.
    ever: BTreeSet<(u64, ContentHash)>,
    sealed: bool,
}

impl Promises {
    fn appended(&mut self, offset: u64, body: Vec<u8>) {
        self.ever.insert((offset, ContentHash::of(&body)));
        self.waiting.insert(offset, body);
    }
}

/// Writes at random, and stops at a random moment.
fn write_at_random(mut writer: PackWriter, draw: &mut Draw) -> Promises {
    let mut promises = Promises::default();
    for n in 0..draw.below(14) {
        match draw.below(10) {
            0..=3 => {
                let body = body(n, draw.below(9000) as usize);
                let hash = ContentHash::of(&body);
                let extent = writer.append(Kind::Bulk, 1, &[&body], hash).unwrap();
                promises.appended(extent.offset, body);
            }
            4 | 5 => {
                let body = body(n, draw.below(200_000) as usize);
                writer.begin(Kind::Bulk, 1).unwrap();
                let piece = 1 + draw.below(70_000) as usize;
                let stop = draw.below(4) == 0;
                for bytes in body.chunks(piece).take(if stop { 1 } else { usize::MAX }) {
                    writer.write(bytes).unwrap();
                }
                if stop && draw.below(3) == 0 {
                    return promises;
                }
                if stop {
                    writer.cut_back(writer.len()).unwrap();
                } else {
                    let extent = writer.end(ContentHash::of(&body)).unwrap();
                    promises.appended(extent.offset, body);
                }
            }
            6 => {
                let first = promises.waiting.keys().next().copied().unwrap_or(writer.len());
                writer.cut_back(first).unwrap();
                promises.waiting.clear();
            }
            _ => {
                writer.sync(SyncPoint::Group).unwrap();
                promises.synced.append(&mut promises.waiting);
            }
        }
    }
    if draw.below(4) == 0 {
        writer.seal().unwrap();
        promises.synced.append(&mut promises.waiting);
        promises.sealed = true;
    }
    promises
}

/// Says what of the promises was broken on `disk`.
fn check(disk: &SimulatedDisk, promises: &Promises) -> Result<(), String> {
    if !disk.files().contains(&path()) {
        return Err("the pack is gone".to_owned());
    }
    let disk = SimulatedDisk::process_kill(disk).disk();
    let reader = PackReader::open_lenient(&disk, &path()).map_err(|error| error.to_string())?;
    if reader.header_state() != HeaderState::Whole {
        return Err("the file header is gone".to_owned());
    }
    let records: BTreeMap<u64, Vec<u8>> =
        whole_records(&disk, &path()).into_iter().map(|(record, body)| (record.offset, body)).collect();
    if let Some((offset, _)) = promises.synced.iter().find(|(offset, body)| records.get(offset) != Some(body))
    {
        return Err(format!("the synced record at {offset} is gone"));
    }
    for (offset, body) in &records {
        if !promises.ever.contains(&(*offset, ContentHash::of(body))) {
            return Err(format!("the record at {offset} was never written"));
        }
    }
    let index = reader.seal_index().map_err(|error| error.to_string())?;
    if promises.sealed && index.is_none() {
        return Err("the seal is gone".to_owned());
    }
    let verified = promises.synced.keys().next_back().copied().unwrap_or(FILE_HEADER_LENGTH);
    seal_as_is(&disk, &path(), verified).map_err(|error| error.to_string())?;
    let index = reader.seal_index().map_err(|error| error.to_string())?.ok_or("not sealed")?;
    if !index.entries.iter().map(|entry| entry.offset).eq(records.into_keys()) {
        return Err("the seal does not list what the scan finds".to_owned());
    }
    Ok(())
}

fn run(seed: u64, ignored: Option<SyncPoint>) -> Result<(), String> {
    let disk = SimulatedDisk::new(seed);
    if let Some(point) = ignored {
        disk.ignore_sync(point);
    }
    let promises = write_at_random(create(&disk.disk()), &mut Draw::new(seed));
    check(&disk.power_loss(seed), &promises)
}

#[test]
fn synced_records_survive_and_others_are_whole_or_absent() {
    for seed in 0..SEEDS {
        run(seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn without_any_one_of_its_syncs_a_pack_loses_what_it_promised() {
    for point in [SyncPoint::PackCreate, SyncPoint::PackDirectory, SyncPoint::Group, SyncPoint::Seal] {
        let broken = (0..SEEDS).find(|seed| run(*seed, Some(point)).is_err());
        assert!(broken.is_some(), "no test notices that the sync {point} is missing");
    }
}

#[test]
fn a_killed_process_loses_no_record_that_was_appended() {
    for seed in 0..100 {
        let disk = SimulatedDisk::new(seed);
        let mut promises = write_at_random(create(&disk.disk()), &mut Draw::new(seed));
        promises.synced.append(&mut promises.waiting);
        check(&disk.process_kill(), &promises).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn power_that_goes_again_while_sealing_as_is_takes_nothing() {
    for seed in 0..300 {
        let disk = SimulatedDisk::new(seed);
        let mut promises = write_at_random(create(&disk.disk()), &mut Draw::new(seed));
        let mut disk = disk.power_loss(seed);
        for round in 0..3 {
            disk.fail_call_of(storage_config::disk::Operation::SyncData, 1, storage_config::disk::Fault::Eio);
            let records = whole_records(&disk.disk(), &path());
            promises.synced.extend(records.into_iter().map(|(record, body)| (record.offset, body)));
            let sealed = promises.sealed;
            assert_eq!(
                seal_as_is(&disk.disk(), &path(), FILE_HEADER_LENGTH).is_err(),
                !sealed,
                "seed {seed}"
            );
            disk = disk.power_loss(seed ^ round << 32);
        }
        check(&disk, &promises).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}
