//! Packs with flipped bits, cut ends and forged contents.

use std::collections::BTreeMap;

use proptest::prelude::*;
use storage_config::ContentHash;
use storage_config::disk::SimulatedDisk;
use storage_config::pack::{
    CHUNK, FILE_HEADER_LENGTH, Gap, Kind, PackErrorKind, PackReader, Scanned, SealedBy, Verify,
    record_length, scan, seal_as_is,
};

use crate::sample::{Found, append, body, create, found, path, whole_records};

/// A pack with records of these body lengths: its bytes, and the bodies by offset.
fn pack_of(lengths: &[usize], sealed: bool) -> (Vec<u8>, BTreeMap<u64, Vec<u8>>) {
    let sim = SimulatedDisk::new(1);
    let mut writer = create(&sim.disk());
    let mut bodies = BTreeMap::new();
    for (n, length) in lengths.iter().enumerate() {
        let body = body(n as u64, *length);
        bodies.insert(append(&mut writer, Kind::Bulk, &body), body);
    }
    if sealed {
        writer.seal().unwrap();
    }
    (sim.contents(&path()).unwrap(), bodies)
}

/// Checks what a scan of damaged bytes may give: only true records, and gaps that fill the room between them.
fn check_scan(sim: &SimulatedDisk, reader: &PackReader, bodies: &BTreeMap<u64, Vec<u8>>) -> Vec<u64> {
    let (mut at, mut seen) = (FILE_HEADER_LENGTH, Vec::new());
    for found in scan(reader, FILE_HEADER_LENGTH, Verify::Bodies) {
        match found.unwrap() {
            Scanned::Record(record) => {
                assert_eq!(record.offset, at);
                assert_eq!(Some(&reader.read_body(&record).unwrap()), bodies.get(&record.offset));
                seen.push(record.offset);
                at = record.end();
            }
            Scanned::Gap { from, to } => {
                assert!(from == at && to > from);
                at = to;
            }
            Scanned::Sealed { at: seal, .. } => assert_eq!(seal, at),
            Scanned::End { at: end } => assert_eq!(end, at),
        }
    }
    assert!(at <= sim.contents(&path()).unwrap().len() as u64);
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_take_the_records_they_hit_and_no_other(
        lengths in prop::collection::vec(prop_oneof![0..300usize, Just(CHUNK), CHUNK..2 * CHUNK + 9], 1..12),
        sealed: bool,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..6),
    ) {
        let (bytes, bodies) = pack_of(&lengths, sealed);
        let sim = SimulatedDisk::new(1);
        sim.put(&path(), &bytes);
        let places: Vec<u64> = flips.iter().map(|(at, _)| at.index(bytes.len()) as u64).collect();
        for (at, (_, bit)) in places.iter().zip(&flips) {
            sim.flip_bit(&path(), *at, *bit).unwrap();
        }
        let changed = sim.contents(&path()).unwrap();
        let reader = PackReader::open_lenient(&sim.disk(), &path()).unwrap();
        let seen = check_scan(&sim, &reader, &bodies);
        for (offset, body) in &bodies {
            let (from, to) = (*offset as usize, (offset + record_length(body.len() as u64)) as usize);
            // Padding before the table is under no CRC, and two flips of one bit are none.
            if bytes[from..to] == changed[from..to] {
                prop_assert!(seen.contains(offset), "record at {} was lost by flips at {:?}", offset, places);
            }
        }
    }

    #[test]
    fn a_cut_end_takes_the_records_it_hits_and_is_no_error(
        lengths in prop::collection::vec(0..3000usize, 0..8),
        sealed: bool,
        cut: prop::sample::Index,
        tail in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..600),
    ) {
        let (mut bytes, bodies) = pack_of(&lengths, sealed);
        let last_cut = bytes.len() - FILE_HEADER_LENGTH as usize + usize::from(!sealed);
        let at = FILE_HEADER_LENGTH as usize + cut.index(last_cut);
        let mut tail = tail;
        if let (Some(first), Some(cut)) = (tail.first_mut(), bytes.get(at)) {
            *first = !cut;
        }
        bytes.truncate(at);
        let kept = bytes.len() as u64;
        bytes.extend_from_slice(&tail);
        let sim = SimulatedDisk::new(1);
        sim.put(&path(), &bytes);
        let reader = PackReader::open(&sim.disk(), &path()).unwrap();
        let seen = check_scan(&sim, &reader, &bodies);
        let end = |(offset, body): (&u64, &Vec<u8>)| offset + record_length(body.len() as u64);
        let whole = bodies.iter().filter(|record| end(*record) <= kept).count();
        prop_assert_eq!(seen.len(), whole);
        let last = bodies.iter().take(seen.len()).next_back().map_or(FILE_HEADER_LENGTH, end);
        prop_assert_eq!(found(&sim.disk(), &path(), Verify::Bodies).pop(), Some(Found::End(last)));

        let sealed = seal_as_is(&sim.disk(), &path(), FILE_HEADER_LENGTH).unwrap();
        let after = sim.contents(&path()).unwrap();
        prop_assert!(after.starts_with(&bytes), "sealing changes nothing that stands there");
        prop_assert_eq!((sealed.length, sealed.records), (after.len() as u64, seen.len()));
        let index = reader.seal_index().unwrap().unwrap();
        prop_assert_eq!(index.sealed_by, SealedBy::LaterStart);
        prop_assert_eq!(index.entries.iter().map(|entry| entry.offset).collect::<Vec<_>>(), seen);
        let torn = bytes.len() as u64 > last;
        prop_assert_eq!(index.gaps.len(), usize::from(torn));
        prop_assert_eq!(seal_as_is(&sim.disk(), &path(), 0).unwrap(), sealed, "sealing again changes nothing");
        prop_assert!(sim.contents(&path()).unwrap() == after);
    }

    #[test]
    fn any_bytes_are_read_without_harm(
        lengths in prop::collection::vec(0..500usize, 0..5),
        sealed: bool,
        patches in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..64)), 0..8),
        doubled: Option<(prop::sample::Index, prop::sample::Index)>,
    ) {
        let (mut bytes, _) = pack_of(&lengths, sealed);
        for (at, patch) in &patches {
            let at = at.index(bytes.len());
            let end = (at + patch.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&patch[..end - at]);
        }
        if let Some((from, to)) = doubled {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let piece = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.extend_from_slice(&piece);
        }
        let sim = SimulatedDisk::new(1);
        sim.put(&path(), &bytes);
        if let Ok(reader) = PackReader::open_lenient(&sim.disk(), &path()) {
            for at in 0..bytes.len() as u64 + 16 {
                let _ = reader.record(at).and_then(|record| reader.read_body(&record));
            }
            let _ = reader.seal_index();
            prop_assert!(scan(&reader, 0, Verify::Bodies).count() < bytes.len());
            prop_assert!(scan(&reader, 0, Verify::Headers).count() < bytes.len());
        }
    }
}

#[test]
fn records_forged_inside_a_body_are_never_taken_for_records() {
    let (earlier, _) = pack_of(&[100, 3000], true);
    let sim = SimulatedDisk::new(1);
    let mut writer = create(&sim.disk());
    // The worst a sender could have: a copy of this very pack, id and all, at every alignment, of records that stand
    // at other offsets. And a whole pack of another id.
    let mut other = earlier.clone();
    other.iter_mut().skip(16).step_by(97).for_each(|byte| *byte ^= 1);
    let forged: Vec<u8> = (0..8).flat_map(|pad| [&vec![0; pad], &earlier[..], &other[..]].concat()).collect();
    append(&mut writer, Kind::Bulk, b"before");
    let at = append(&mut writer, Kind::Bulk, &forged);
    let behind = append(&mut writer, Kind::Bulk, b"behind");
    for (place, what) in [(at + 60, "header"), (at + 128 + 5, "body"), (behind - 9, "trailer")] {
        sim.flip_bit(&path(), place, 0).unwrap();
        let expected = [
            Found::Record(FILE_HEADER_LENGTH),
            Found::Gap(at, behind),
            Found::Record(behind),
            Found::End(behind + record_length(6)),
        ];
        assert_eq!(found(&sim.disk(), &path(), Verify::Bodies), expected, "damaged {what}");
        sim.flip_bit(&path(), place, 0).unwrap();
    }
    assert_eq!(whole_records(&sim.disk(), &path()).len(), 3);
}

#[test]
fn a_scan_does_not_need_the_seal_and_tells_damage_of_it() {
    let (bytes, bodies) = pack_of(&[10, 20], true);
    let sim = SimulatedDisk::new(1);
    sim.put(&path(), &bytes);
    let seal = PackReader::open(&sim.disk(), &path()).unwrap().seal().unwrap().unwrap().offset;
    sim.flip_bit(&path(), seal + 128 + 70, 1).unwrap();
    let reader = PackReader::open(&sim.disk(), &path()).unwrap();
    assert_eq!(reader.seal_index().unwrap_err().kind(), PackErrorKind::Damaged);
    let records = bodies.keys().map(|at| Found::Record(*at));
    let with = |last| records.clone().chain([last]).collect::<Vec<_>>();
    assert_eq!(found(&sim.disk(), &path(), Verify::Headers), with(Found::Sealed(seal, true)));
    assert_eq!(found(&sim.disk(), &path(), Verify::Bodies), with(Found::Sealed(seal, false)));
}

#[test]
fn a_seal_that_is_not_at_the_end_means_nothing() {
    let (mut bytes, bodies) = pack_of(&[10, 20], true);
    let seal_end = bytes.len() as u64;
    bytes.extend_from_slice(&[0; 13]);
    let sim = SimulatedDisk::new(1);
    sim.put(&path(), &bytes);
    let reader = PackReader::open(&sim.disk(), &path()).unwrap();
    assert!(reader.seal_index().unwrap().is_none());
    let records: Vec<_> = bodies.keys().map(|at| Found::Record(*at)).collect();
    let expected = [records.as_slice(), &[Found::End(seal_end)]].concat();
    assert_eq!(found(&sim.disk(), &path(), Verify::Bodies), expected);
    seal_as_is(&sim.disk(), &path(), 0).unwrap();
    let index = reader.seal_index().unwrap().unwrap();
    assert_eq!((index.entries.len(), index.gaps.len()), (2, 1));
    let expected =
        [records.as_slice(), &[Found::Gap(seal_end, seal_end + 16), Found::Sealed(seal_end + 16, true)]];
    assert_eq!(found(&sim.disk(), &path(), Verify::Bodies), expected.concat());
}

#[test]
fn records_of_unknown_kind_or_flags_are_refused_by_name_and_passed_over() {
    let (bytes, bodies) = pack_of(&[10, 20, 30], false);
    let (at, next) = (*bodies.keys().nth(1).unwrap() as usize, *bodies.keys().nth(2).unwrap() as usize);
    for (place, value, text) in [(at + 32, 99, "record kind 99"), (at + 34, 1, "record flags 1")] {
        let mut bytes = bytes.clone();
        bytes[place] = value;
        let crc = crc32c::crc32c(&bytes[at..at + 124]).to_le_bytes();
        bytes[at + 124..at + 128].copy_from_slice(&crc);
        bytes[next - 12..next - 8].copy_from_slice(&crc);
        let table = next - 40;
        let crc = crc32c::crc32c(&bytes[table..next - 4]).to_le_bytes();
        bytes[next - 4..next].copy_from_slice(&crc);
        let sim = SimulatedDisk::new(1);
        sim.put(&path(), &bytes);
        let reader = PackReader::open(&sim.disk(), &path()).unwrap();
        let found: Vec<_> = scan(&reader, 0, Verify::Bodies).collect();
        assert!(found.len() == 4 && [0, 2, 3].iter().all(|n| found[*n].is_ok()), "{found:?}");
        let error = found[1].as_ref().unwrap_err();
        assert!(error.kind() == PackErrorKind::Unsupported && error.to_string().contains(text), "{error}");
        assert_eq!(seal_as_is(&sim.disk(), &path(), 0).unwrap_err().kind(), PackErrorKind::Unsupported);
    }
}

#[test]
fn a_pack_with_a_damaged_middle_is_sealed_with_its_gap() {
    let (bytes, bodies) = pack_of(&[100, 100, 100], false);
    let offsets: Vec<u64> = bodies.keys().copied().collect();
    let sim = SimulatedDisk::new(1);
    sim.put(&path(), &bytes);
    sim.flip_bit(&path(), offsets[1] + 128, 0).unwrap();
    assert_eq!(seal_as_is(&sim.disk(), &path(), 0).unwrap().records, 2);
    let index = PackReader::open(&sim.disk(), &path()).unwrap().seal_index().unwrap().unwrap();
    assert_eq!(index.gaps, [Gap { from: offsets[1], to: offsets[2] }]);
    assert_eq!(index.entries[1].raw_sha256, ContentHash::of(&bodies[&offsets[2]]));
}
