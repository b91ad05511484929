//! Mutated files through file meta, scan and reading: no panic, no memory beyond the limits, bytes come back.
//!
//! `MUTATIONS` sets how many (default 200,000), `MUTATION_SEED` repeats a run.
#![allow(clippy::unwrap_used)]

mod dataset_model;

use dataset_model::*;
use indexer::dataset::part10::{self, Part10};
use indexer::dataset::{DataSetError, Encoding, Endian, Event, ScanLimits, Scanner, Tag, Vr};
use std::path::Path;
use std::time::{Instant, SystemTime};
use storage_config::Uid;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A file with one of everything.
fn made(syntax: &str, encoding: Encoding) -> Vec<u8> {
    let value = |vr, bytes: &[u8]| Node::Value { vr, bytes: bytes.to_vec() };
    let sequence = |items, defined, items_defined, un| Node::Sequence { items, defined, items_defined, un };
    let icon = Node::Pixels { table: vec![], fragments: vec![vec![1; 20], vec![2; 6]] };
    let inner = sequence(vec![vec![value(Vr::LO, b"in"), icon], vec![]], false, false, false);
    let nodes = [
        value(Vr::LO, b"some text"),
        sequence(vec![vec![inner.clone()], vec![value(Vr::UT, &[7; 5000])]], true, true, false),
        sequence(vec![vec![inner]], false, true, true),
        value(Vr::OB, &[9; 4096]),
        Node::Pixels { table: vec![0; 8], fragments: vec![vec![3; 100], vec![4; 50]] },
    ];
    let mut data = Vec::new();
    element(&mut data, encoding, Tag(8, 0x16), Vr::UI, b"1.2.3\0");
    data.extend_from_slice(&Model::of(&nodes, encoding).bytes);
    element(&mut data, encoding, Tag(0xFFFC, 0xFFFC), Vr::OB, &[0; 6]);
    let uid = |text| Uid::parse(text).unwrap();
    [part10::header(&uid("1.2.3"), &uid("1.2.4"), &uid(syntax)), data].concat()
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        made(IMPLICIT, Encoding::IMPLICIT_LITTLE),
        made(EXPLICIT, Encoding::EXPLICIT_LITTLE),
        made(BIG, Encoding::EXPLICIT_BIG),
    ];
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dicom-corpus/generated");
    let folders = ["bad", "charset", "iod", "ts"].map(|folder| corpus.join(folder));
    for folder in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()) {
        let mut files: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        let bytes = files.iter().filter_map(|file| std::fs::read(file).ok());
        seeds.extend(bytes.filter(|bytes| bytes.len() < 20_000));
    }
    seeds
}

fn mutate(random: &mut Random, seed: &[u8]) -> Vec<u8> {
    const WORDS: [[u8; 4]; 8] = [
        [0xff; 4],
        [0xfe, 0xff, 0xff, 0xff],
        [0; 4],
        [0xfe, 0xff, 0, 0xe0],
        [0xfe, 0xff, 0xdd, 0xe0],
        [0xfe, 0xff, 0x0d, 0xe0],
        [0xe0, 0x7f, 0x10, 0],
        *b"SQ\0\0",
    ];
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        // The preamble is not looked at.
        let at = 128 + random.below(bytes.len().saturating_sub(128));
        match random.below(7) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next() as u8),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            2 => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.iter_mut().skip(at).zip(word).for_each(|(byte, new)| *byte = new);
            }
            3 => bytes.truncate(at.max(1)),
            4 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            5 => {
                let end = (at + random.below(64)).min(bytes.len());
                let copy = bytes[at.min(end)..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let length = random.next().to_le_bytes();
                bytes.iter_mut().skip(at).zip(&length[..4]).for_each(|(byte, new)| *byte = *new);
            }
        }
    }
    bytes
}

/// Whether the input was taken.
fn run(random: &mut Random, bytes: &[u8], limits: ScanLimits) -> bool {
    let mut part10 = Part10::new();
    let piece = 1 + random.below(2000);
    let ready = match part10.push(bytes) {
        Ok(Some(ready)) => ready,
        Ok(None) => match part10.finish() {
            Ok(ready) => ready,
            Err(_) => return false,
        },
        Err(_) => return false,
    };
    let data = [&ready.head[..], ready.rest].concat();
    let syntax = ready.meta.transfer_syntax.as_str();
    match scan_cut(syntax, &data, &[piece], limits) {
        Ok(scanned) => {
            assert_eq!(scanned.joined(), data);
            assert!(scanned.skeleton.bytes.len() as u64 <= limits.skeleton_bytes);
            let fragments = scanned.skeleton.pixel.as_ref().map_or(0, |pixel| pixel.fragments.len());
            assert!(fragments <= limits.elements as usize);
            // What is read never holds more than there is.
            let read = walk(&scanned.skeleton);
            assert!(read.len() <= 4 * limits.elements as usize);
            true
        }
        Err(_) => false,
    }
}

#[test]
fn mutated_files_do_no_harm() {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = variable("MUTATION_SEED").unwrap_or(clock);
    let count = variable("MUTATIONS").unwrap_or(200_000);
    eprintln!("MUTATION_SEED={seed} MUTATIONS={count}");
    let (mut random, seeds) = (Random(seed), seeds());
    let limits = ScanLimits { skeleton_bytes: 64 << 10, elements: 20_000, ..ScanLimits::default() };
    let (start, mut taken) = (Instant::now(), 0);
    for _ in 0..count {
        let base = random.below(seeds.len());
        let bytes = mutate(&mut random, &seeds[base]);
        taken += u64::from(run(&mut random, &bytes, limits));
    }
    eprintln!("{count} inputs from {} files, {taken} taken, {:?}", seeds.len(), start.elapsed());
    assert!(taken > 0 && taken < count);
}

/// Prints how fast a large image passes; no assertion, for machines differ.
#[test]
fn throughput() {
    let mut data = Vec::new();
    element(&mut data, Encoding::EXPLICIT_LITTLE, Tag(8, 0x16), Vr::UI, b"1.2.3\0");
    for i in 0..70 {
        element(&mut data, Encoding::EXPLICIT_LITTLE, Tag(0x18, 0x1000 + i), Vr::LO, b"some value");
    }
    header(&mut data, Encoding::EXPLICIT_LITTLE, Tag(0x7FE0, 0x10), Vr::OB, None);
    for _ in 0..8 {
        marker(&mut data, Endian::Little, 0xE000, 65_536);
        data.extend_from_slice(&[5; 65_536]);
    }
    marker(&mut data, Endian::Little, 0xE0DD, 0);
    let (syntax, start, mut bulk) = (Uid::parse(EXPLICIT).unwrap(), Instant::now(), 0usize);
    let rounds = 2_000;
    for _ in 0..rounds {
        let mut scanner = Scanner::new(&syntax, ScanLimits::default());
        let mut on = |event: Event<'_>| {
            if let Event::BulkBytes(bytes) = event {
                bulk += bytes.len();
            }
            Ok::<(), DataSetError>(())
        };
        for piece in data.chunks(16 << 10) {
            scanner.push(piece, &mut on).unwrap();
        }
        scanner.finish(&mut on).unwrap();
    }
    let time = start.elapsed().as_secs_f64();
    eprintln!("{:.1} us for an image of {} bytes", time / f64::from(rounds) * 1e6, data.len());
    assert!(bulk > rounds as usize * 8 * 65_536);
}
