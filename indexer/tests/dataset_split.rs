//! Scan, split, join and read, against a model and against oddities that are seen in the field.
#![allow(clippy::unwrap_used)]

mod dataset_model;

use codecs::Fragment;
use dataset_model::*;
use indexer::dataset::{
    DataSet, DataSetError, Encoding, Endian, Note, ScanLimits, Skeleton, Splice, Tag, Value, Vr,
};
use proptest::prelude::*;
use std::io::Write;

const EL: Encoding = Encoding::EXPLICIT_LITTLE;

fn encodings() -> impl Strategy<Value = (&'static str, Encoding)> {
    prop_oneof![
        Just((IMPLICIT, Encoding::IMPLICIT_LITTLE)),
        Just((EXPLICIT, EL)),
        Just((BIG, Encoding::EXPLICIT_BIG)),
        // What is declared need not be what is sent.
        Just((EXPLICIT, Encoding::IMPLICIT_LITTLE)),
        Just((IMPLICIT, EL)),
        Just((EXPLICIT, Encoding::EXPLICIT_BIG)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Joining gives the same bytes, reading gives the tree, and neither depends on how the bytes arrived.
    #[test]
    fn trees_come_back(nodes in tree(), (syntax, encoding) in encodings(),
                       cuts in prop::collection::vec(1usize..300, 1..8)) {
        let model = Model::of(&nodes, encoding);
        let whole = scan(syntax, &model.bytes).unwrap();
        prop_assert_eq!(&whole.joined(), &model.bytes);
        prop_assert_eq!(&whole.bulk, &model.bulk);
        prop_assert_eq!(whole.skeleton.parsed.encoding, encoding);
        prop_assert_eq!(walk(&whole.skeleton), model.met);
        for cuts in [&cuts[..], &[1], &[7]] {
            let cut = scan_cut(syntax, &model.bytes, cuts, ScanLimits::default()).unwrap();
            prop_assert_eq!(&cut, &whole);
        }
        let Skeleton { bytes, splices, .. } = whole.skeleton.clone();
        let restored = Skeleton::restore(syntax, bytes, splices).unwrap();
        prop_assert_eq!(walk(&restored), walk(&whole.skeleton));
        prop_assert_eq!(restored.parsed.encoding, encoding);
    }

    /// Also what is damaged gives one result, however it arrives, and what is taken comes back.
    #[test]
    fn damage_does_not_depend_on_pieces(
        nodes in tree(), (syntax, encoding) in encodings(), cuts in prop::collection::vec(1usize..100, 1..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut_at in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut bytes = Model::of(&nodes, encoding).bytes;
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if shorten {
            bytes.truncate(cut_at.index(bytes.len()).max(1));
        }
        let whole = scan(syntax, &bytes);
        prop_assert_eq!(&scan_cut(syntax, &bytes, &cuts, ScanLimits::default()), &whole);
        prop_assert_eq!(&scan_cut(syntax, &bytes, &[1], ScanLimits::default()), &whole);
        if let Ok(scanned) = whole {
            prop_assert_eq!(&scanned.joined(), &bytes);
            walk(&scanned.skeleton);
        }
    }

    /// A skeleton from a damaged pack is refused or can be read without harm.
    #[test]
    fn any_skeleton_is_safe(bytes in prop::collection::vec(any::<u8>(), 0..200),
                            splices in prop::collection::vec((0u64..250, any::<u64>()), 0..4)) {
        let splices = splices.into_iter().map(|(at, length)| Splice { at, length }).collect();
        if let Ok(skeleton) = Skeleton::restore(EXPLICIT, bytes, splices) {
            walk(&skeleton);
        }
    }

    /// A deflated data set is one bulk value, and reads as what it inflates to.
    #[test]
    fn deflated_reads_inflated(nodes in tree(), cuts in prop::collection::vec(1usize..300, 1..8), zlib in any::<bool>()) {
        let model = Model::of(&nodes, EL);
        let stream = deflate(&model.bytes, zlib);
        let whole = scan(DEFLATED, &stream).unwrap();
        prop_assert_eq!(&whole.bulk, &vec![stream.clone()]);
        prop_assert_eq!(&whole.skeleton.splices, &vec![Splice { at: 0, length: stream.len() as u64 }]);
        prop_assert!(whole.skeleton.bytes.is_empty());
        prop_assert_eq!(walk(&whole.skeleton), model.met);
        prop_assert_eq!(whole.skeleton.parsed.notes.has(Note::ZlibHeader), zlib);
        prop_assert_eq!(&scan_cut(DEFLATED, &stream, &cuts, ScanLimits::default()).unwrap(), &whole);
    }
}

fn deflate(bytes: &[u8], zlib: bool) -> Vec<u8> {
    let level = flate2::Compression::best();
    if zlib {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        return encoder.finish().unwrap();
    }
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn small() -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, EL, Tag(8, 0x16), Vr::UI, b"1.2\0");
    element(&mut out, EL, Tag(0x10, 0x10), Vr::PN, b"A^B ");
    out
}

fn notes(syntax: &str, bytes: &[u8]) -> Vec<Note> {
    let scanned = scan(syntax, bytes).unwrap();
    assert_eq!(scanned.joined(), bytes);
    scanned.skeleton.parsed.notes.iter().collect()
}

#[test]
fn threshold_is_frozen() {
    for (length, bulk) in [(4095, 0), (4096, 1), (4097, 1)] {
        let mut bytes = small();
        element(&mut bytes, EL, Tag(0x42, 0x11), Vr::OB, &vec![3; length]);
        assert_eq!(scan(EXPLICIT, &bytes).unwrap().bulk.len(), bulk);
    }
}

#[test]
fn private_sequence_of_defined_length_is_opaque_when_implicit() {
    let il = Encoding::IMPLICIT_LITTLE;
    let mut items = Vec::new();
    let mut item = Vec::new();
    element(&mut item, il, Tag(9, 0x1001), Vr::LO, b"ab");
    marker(&mut items, Endian::Little, 0xE000, item.len() as u32);
    items.extend_from_slice(&item);
    let mut bytes = Vec::new();
    element(&mut bytes, il, Tag(9, 0x1000), Vr::SQ, &items);
    let scanned = scan(IMPLICIT, &bytes).unwrap();
    assert_eq!(walk(&scanned.skeleton), [Met::Bytes(Tag(9, 0x1000), items.clone())]);

    // The same value as UN of a known sequence is read as items (PS3.5 6.2.2), though it is split as a value.
    let mut bytes = Vec::new();
    element(&mut bytes, EL, Tag(8, 0x1115), Vr::UN, &items);
    let scanned = scan(EXPLICIT, &bytes).unwrap();
    let tag = Tag(8, 0x1115);
    let inner = Met::Bytes(Tag(9, 0x1001), b"ab".to_vec());
    assert_eq!(walk(&scanned.skeleton), [Met::Open(tag), Met::Item, inner, Met::ItemEnd, Met::Close]);
}

#[test]
fn pixel_data_is_described() {
    let mut bytes = small();
    header(&mut bytes, EL, Tag(0x7FE0, 0x10), Vr::OB, None);
    marker(&mut bytes, Endian::Little, 0xE000, 8);
    bytes.extend_from_slice(&[0, 0, 0, 0, 14, 0, 0, 0]);
    for fragment in [&[1u8; 6][..], &[2; 4]] {
        marker(&mut bytes, Endian::Little, 0xE000, fragment.len() as u32);
        bytes.extend_from_slice(fragment);
    }
    marker(&mut bytes, Endian::Little, 0xE0DD, 0);
    element(&mut bytes, EL, Tag(0xFFFC, 0xFFFC), Vr::OB, &[0; 4]);
    let scanned = scan(EXPLICIT, &bytes).unwrap();
    let pixel = scanned.skeleton.pixel.as_ref().unwrap();
    assert_eq!(pixel.fragments, [Fragment { offset: 24, length: 6 }, Fragment { offset: 38, length: 4 }]);
    assert_eq!(pixel.offset_table, [0, 0, 0, 0, 14, 0, 0, 0]);
    assert_eq!((pixel.first_item, pixel.length, pixel.splice, pixel.encapsulated), (16, 50, Some(0), true));
    assert_eq!(scanned.bulk[0][24..30], [1; 6]);
    assert!(scanned.skeleton.parsed.notes.is_empty());

    let mut bytes = small();
    element(&mut bytes, EL, Tag(0x7FE0, 0x08), Vr::OF, &[1; 8000]);
    let scanned = scan(EXPLICIT, &bytes).unwrap();
    let pixel = scanned.skeleton.pixel.as_ref().unwrap();
    assert_eq!((pixel.length, pixel.splice, pixel.encapsulated), (8000, Some(0), false));
    assert_eq!(scanned.skeleton.bulk_range(0), Some((pixel.at, 8000)));
    assert_eq!(scanned.declared, [Some(8000)]);
}

#[test]
fn tails_after_the_last_element() {
    let mut image = small();
    element(&mut image, EL, Tag(0x7FE0, 0x10), Vr::OW, &[1; 8]);
    assert_eq!(notes(EXPLICIT, &image), []);
    for zeros in [1, 7, 8, 9, 300] {
        assert_eq!(notes(EXPLICIT, &[&image[..], &vec![0; zeros]].concat()), [Note::TrailingPadding]);
        assert_eq!(notes(EXPLICIT, &[&small()[..], &vec![0; zeros]].concat()), [Note::TrailingPadding]);
    }
    for garbage in ["x", "garbage!", "GARBAGE AFTER THE END", "<html>"] {
        let found = notes(EXPLICIT, &[&image[..], garbage.as_bytes()].concat());
        assert!(found.contains(&Note::TrailingGarbage), "{garbage}: {found:?}");
    }
    // Without Pixel Data before it, half a header is a truncated data set.
    let cut = [&small()[..], b"x"].concat();
    assert!(matches!(scan(EXPLICIT, &cut), Err(DataSetError::Truncated { .. })));
    // A later element that is cut short stands behind Pixel Data in the right order: not garbage.
    let mut cut = image.clone();
    header(&mut cut, EL, Tag(0xFFFA, 0xFFFA), Vr::OB, Some(10));
    assert!(matches!(scan(EXPLICIT, &cut), Err(DataSetError::Truncated { .. })));
}

#[test]
fn missing_and_stray_delimiters() {
    let mut bytes = small();
    header(&mut bytes, EL, Tag(0x40, 0x275), Vr::SQ, None);
    marker(&mut bytes, Endian::Little, 0xE000, u32::MAX);
    element(&mut bytes, EL, Tag(0x40, 7), Vr::LO, b"ab");
    let open = bytes.clone();
    assert_eq!(notes(EXPLICIT, &open), [Note::MissingDelimiter]);
    // The next item without the end of the last one.
    marker(&mut bytes, Endian::Little, 0xE000, u32::MAX);
    element(&mut bytes, EL, Tag(0x40, 7), Vr::LO, b"cd");
    marker(&mut bytes, Endian::Little, 0xE0DD, 0);
    element(&mut bytes, EL, Tag(0x40, 0xE001), Vr::LO, b"ef");
    assert_eq!(notes(EXPLICIT, &bytes), [Note::MissingDelimiter]);
    let scanned = scan(EXPLICIT, &bytes).unwrap();
    let sequence = DataSet::new(&scanned.skeleton).get(Tag(0x40, 0x275)).unwrap();
    assert_eq!(sequence.items().unwrap().iter().count(), 2);
    assert_eq!(DataSet::new(&scanned.skeleton).elements().count(), 4);
    // A delimiter where nothing is open.
    let mut bytes = small();
    marker(&mut bytes, Endian::Little, 0xE0DD, 0);
    element(&mut bytes, EL, Tag(0x40, 7), Vr::LO, b"ab");
    assert_eq!(notes(EXPLICIT, &bytes), [Note::StrayDelimiter]);
    // Encapsulated Pixel Data without its delimiter, at the end and before another element.
    let mut bytes = small();
    header(&mut bytes, EL, Tag(0x7FE0, 0x10), Vr::OB, None);
    marker(&mut bytes, Endian::Little, 0xE000, 0);
    marker(&mut bytes, Endian::Little, 0xE000, 4);
    bytes.extend_from_slice(&[1; 4]);
    assert_eq!(notes(EXPLICIT, &bytes), [Note::MissingDelimiter]);
    element(&mut bytes, EL, Tag(0xFFFC, 0xFFFC), Vr::OB, &[0; 2]);
    assert_eq!(notes(EXPLICIT, &bytes), [Note::MissingDelimiter]);
    let scanned = scan(EXPLICIT, &bytes).unwrap();
    assert_eq!(scanned.bulk[0].len(), 20);
    assert_eq!(walk(&scanned.skeleton).len(), 4);
}

#[test]
fn lengths_that_lie_within_a_sequence_are_contained() {
    let mut bytes = small();
    let mut item = Vec::new();
    header(&mut item, EL, Tag(0x40, 7), Vr::UT, Some(0xFFFF_FFF0));
    item.extend_from_slice(b"abcd");
    header(&mut bytes, EL, Tag(0x40, 0x275), Vr::SQ, Some(item.len() + 8));
    marker(&mut bytes, Endian::Little, 0xE000, 5000);
    bytes.extend_from_slice(&item);
    element(&mut bytes, EL, Tag(0x40, 0xE001), Vr::LO, b"ef");
    assert_eq!(notes(EXPLICIT, &bytes), [Note::Overrun]);
    let scanned = scan(EXPLICIT, &bytes).unwrap();
    assert!(matches!(
        DataSet::new(&scanned.skeleton).get(Tag(0x40, 0xE001)).unwrap().value,
        Value::Bytes(b"ef")
    ));
}

#[test]
fn truncation_is_an_error_everywhere_in_a_value() {
    let mut bytes = small();
    element(&mut bytes, EL, Tag(0x7FE0, 0x10), Vr::OW, &[1; 5000]);
    for cut in [11, small().len() + 4, small().len() + 12, bytes.len() - 1] {
        let result = scan(EXPLICIT, &bytes[..cut]);
        assert!(matches!(result, Err(DataSetError::Truncated { .. })), "{cut}: {result:?}");
    }
    assert_eq!(scan(EXPLICIT, &[]), Err(DataSetError::Empty));
}

fn nested(depth: usize, defined: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut left = depth * 16;
    for _ in 0..depth {
        let lengths = if defined { (Some(left - 8), (left - 16) as u32) } else { (None, u32::MAX) };
        header(&mut bytes, Encoding::IMPLICIT_LITTLE, Tag(8, 0x1115), Vr::SQ, lengths.0);
        marker(&mut bytes, Endian::Little, 0xE000, lengths.1);
        left -= 16;
    }
    bytes
}

#[test]
fn limits_hold_at_the_limit_and_one_more() {
    for defined in [false, true] {
        assert!(scan(IMPLICIT, &nested(64, defined)).is_ok());
        for depth in [65, 2_000, 100_000] {
            assert_eq!(scan(IMPLICIT, &nested(depth, defined)), Err(DataSetError::TooDeep { limit: 64 }));
        }
    }
    let empty = |count: usize| (0..count).flat_map(|_| *b"\x09\0\x01\x10LO\0\0").collect::<Vec<u8>>();
    let limits = ScanLimits { elements: 1000, ..ScanLimits::default() };
    assert!(scan_cut(EXPLICIT, &empty(1000), &[4096], limits).is_ok());
    let many = scan_cut(EXPLICIT, &empty(1001), &[4096], limits);
    assert_eq!(many, Err(DataSetError::TooManyElements { limit: 1000 }));
    let limits = ScanLimits { skeleton_bytes: small().len() as u64, ..ScanLimits::default() };
    assert!(scan_cut(EXPLICIT, &small(), &[3], limits).is_ok());
    let limits = ScanLimits { skeleton_bytes: small().len() as u64 - 1, ..ScanLimits::default() };
    let large = scan_cut(EXPLICIT, &small(), &[3], limits);
    assert_eq!(large, Err(DataSetError::SkeletonTooLarge { limit: limits.skeleton_bytes }));
    let limits = ScanLimits { instance_bytes: small().len() as u64, ..ScanLimits::default() };
    assert!(scan_cut(EXPLICIT, &small(), &[3], limits).is_ok());
    let limits = ScanLimits { instance_bytes: small().len() as u64 - 1, ..ScanLimits::default() };
    let large = scan_cut(EXPLICIT, &small(), &[3], limits);
    assert_eq!(large, Err(DataSetError::InstanceTooLarge { limit: limits.instance_bytes }));
}

#[test]
fn inflate_limits_hold() {
    let mut bytes = small();
    element(&mut bytes, EL, Tag(0x7FE0, 0x10), Vr::OW, &vec![0; 3 << 20]);
    let stream = deflate(&bytes, false);
    assert!(bytes.len() / stream.len() > 200);
    let result = scan(DEFLATED, &stream);
    assert_eq!(result, Err(DataSetError::InflateRatio { limit: 200 }));
    let limits = |inflate_bytes| ScanLimits { inflate_ratio: 2000, inflate_bytes, ..ScanLimits::default() };
    assert!(scan_cut(DEFLATED, &stream, &[], limits(bytes.len() as u64)).is_ok());
    let result = scan_cut(DEFLATED, &stream, &[], limits(bytes.len() as u64 - 1));
    assert_eq!(result, Err(DataSetError::InflateTooLarge { limit: bytes.len() as u64 - 1 }));
    let cut = scan_cut(DEFLATED, &stream[..stream.len() - 1], &[], limits(1 << 30));
    assert!(matches!(cut, Err(DataSetError::Truncated { .. })));
    assert!(matches!(scan(DEFLATED, &small()), Err(DataSetError::NotDeflated { .. })));
    // One padding byte is due, more is noted.
    let padded = [&deflate(&small(), false)[..], &[0]].concat();
    assert_eq!(notes(DEFLATED, &padded), []);
    assert_eq!(notes(DEFLATED, &[&padded[..], &[0]].concat()), [Note::TrailingGarbage]);
}

#[test]
fn a_claimed_length_costs_nothing() {
    let mut bytes = small();
    header(&mut bytes, EL, Tag(0x7FE0, 0x10), Vr::OB, Some(0xFFFF_FFFE));
    let result = scan(EXPLICIT, &bytes);
    assert_eq!(result, Err(DataSetError::Truncated { at: bytes.len() as u64, missing: 0xFFFF_FFFE }));
}

#[test]
fn big_endian_numbers() {
    let mut bytes = Vec::new();
    element(&mut bytes, Encoding::EXPLICIT_BIG, Tag(0x28, 0x10), Vr::US, &[1, 2, 0, 3]);
    element(&mut bytes, Encoding::EXPLICIT_BIG, Tag(0x28, 0x11), Vr::FD, &1.5f64.to_be_bytes());
    let scanned = scan(BIG, &bytes).unwrap();
    let data_set = DataSet::new(&scanned.skeleton);
    assert_eq!(data_set.endian(), Endian::Big);
    assert_eq!(data_set.get(Tag(0x28, 0x10)).unwrap().u16s().collect::<Vec<_>>(), [258, 3]);
    assert_eq!(data_set.get(Tag(0x28, 0x11)).unwrap().f64s().collect::<Vec<_>>(), [1.5]);
}

#[test]
fn vr_of_implicit_elements_is_that_of_the_dictionary() {
    let il = Encoding::IMPLICIT_LITTLE;
    let mut bytes = Vec::new();
    element(&mut bytes, il, Tag(0x08, 0x60), Vr::CS, b"CT");
    element(&mut bytes, il, Tag(0x09, 0x10), Vr::LO, b"ab");
    element(&mut bytes, il, Tag(0x09, 0x1010), Vr::LO, b"ab");
    element(&mut bytes, il, Tag(0x28, 0x103), Vr::US, &[1, 0]);
    element(&mut bytes, il, Tag(0x28, 0x106), Vr::US, &[1, 0]);
    element(&mut bytes, il, Tag(0x28, 0x3006), Vr::OW, &[1, 0]);
    element(&mut bytes, il, Tag(0x6000, 0x3000), Vr::OW, &[1, 0]);
    let scanned = scan(IMPLICIT, &bytes).unwrap();
    let vrs: Vec<Vr> = DataSet::new(&scanned.skeleton).elements().map(|element| element.vr).collect();
    assert_eq!(vrs, [Vr::CS, Vr::LO, Vr::UN, Vr::US, Vr::SS, Vr::OW, Vr::OW]);
}
