//! Files: preamble, file meta, files without them, and what goes out.
#![allow(clippy::unwrap_used)]

mod dataset_model;

use dataset_model::*;
use indexer::dataset::part10::{self, Meta, Part10, Part10Error, header as outgoing};
use indexer::dataset::{Encoding, Tag, Vr};
use storage_config::Uid;

const EL: Encoding = Encoding::EXPLICIT_LITTLE;

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

/// Opens a file whole and byte by byte; both must agree.
fn open(bytes: &[u8]) -> Result<(Meta, Vec<u8>), Part10Error> {
    let by = |piece: usize| {
        let mut part10 = Part10::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(piece.min(rest.len()));
            if let Some(ready) = part10.push(head)? {
                return Ok((ready.meta, [&ready.head[..], ready.rest, tail].concat()));
            }
            rest = tail;
        }
        part10.finish().map(|ready| (ready.meta, ready.head))
    };
    let whole = by(usize::MAX);
    assert_eq!(whole, by(1));
    whole
}

fn data(encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, encoding, Tag(8, 5), Vr::CS, b"ISO_IR 192");
    element(&mut out, encoding, Tag(8, 0x16), Vr::UI, b"1.2\0");
    element(&mut out, encoding, Tag(0x10, 0x10), Vr::PN, b"A^B ");
    out
}

fn prefixed(meta: &[u8], data: &[u8]) -> Vec<u8> {
    [&b"MZ"[..], &[7; 126], b"DICM", meta, data].concat()
}

#[test]
fn what_goes_out_is_frozen() {
    let file = outgoing(&uid("1.2.840.10008.5.1.4.1.1.2"), &uid("1.2.3"), &uid(EXPLICIT));
    let meta: &[u8] = b"\x02\0\0\0UL\x04\0\xa4\0\0\0\
        \x02\0\x01\0OB\0\0\x02\0\0\0\0\x01\
        \x02\0\x02\0UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0\
        \x02\0\x03\0UI\x06\x001.2.3\0\
        \x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0\
        \x02\0\x12\0UI\x2c\x002.25.231489167263042563171096743205311874907\
        \x02\0\x13\0SH\x0e\0PACS_ARCHIVE_1";
    assert_eq!(file, [&[0; 128][..], b"DICM", meta].concat());
    assert_eq!(u32::from_le_bytes(*b"\xa4\0\0\0") as usize, meta.len() - 12);
    let (meta, rest) = open(&[&file[..], &data(EL)].concat()).unwrap();
    assert_eq!(rest, data(EL));
    assert_eq!(meta.transfer_syntax, uid(EXPLICIT));
    assert_eq!(meta.media_storage_sop_class, Some(uid("1.2.840.10008.5.1.4.1.1.2")));
    assert_eq!(meta.media_storage_sop_instance, Some(uid("1.2.3")));
    assert!(meta.had_preamble && meta.had_meta && !meta.guessed && !meta.is_dicomdir());
}

#[test]
fn meta_may_be_odd() {
    let mut meta = Vec::new();
    element(&mut meta, EL, Tag(2, 0), Vr::UL, &[0xff, 0xff, 0, 0]);
    element(&mut meta, EL, Tag(2, 2), Vr::UI, part10::MEDIA_STORAGE_DIRECTORY.as_bytes());
    element(&mut meta, EL, Tag(2, 0x10), Vr::UI, b"1.2.840.10008.1.2 ");
    // The group length lies; there is no preamble; there is no prefix either; there is no group length.
    for file in [
        prefixed(&meta, &data(Encoding::IMPLICIT_LITTLE)),
        [b"DICM", &meta[..], &data(Encoding::IMPLICIT_LITTLE)].concat(),
        [&meta[..], &data(Encoding::IMPLICIT_LITTLE)].concat(),
        prefixed(&meta[12..], &data(Encoding::IMPLICIT_LITTLE)),
    ] {
        let (meta, rest) = open(&file).unwrap();
        assert_eq!((meta.transfer_syntax.as_str(), meta.guessed), (IMPLICIT, false));
        assert_eq!(rest, data(Encoding::IMPLICIT_LITTLE));
        assert_eq!(file.len() - rest.len(), meta.data_set_offset as usize);
        assert!(meta.is_dicomdir());
    }
}

#[test]
fn transfer_syntax_from_the_first_elements() {
    let encodings = [(IMPLICIT, Encoding::IMPLICIT_LITTLE), (EXPLICIT, EL), (BIG, Encoding::EXPLICIT_BIG)];
    for (syntax, encoding) in encodings {
        for (file, preamble) in [(data(encoding), false), (prefixed(&[], &data(encoding)), true)] {
            let (meta, rest) = open(&file).unwrap();
            assert_eq!((meta.transfer_syntax.as_str(), meta.guessed), (syntax, true));
            assert_eq!((meta.had_preamble, meta.had_meta), (preamble, false));
            assert_eq!(rest, data(encoding));
        }
    }
    // Meta without a transfer syntax, and one that is none.
    for value in [&b"x.y "[..], b""] {
        let mut meta = Vec::new();
        element(&mut meta, EL, Tag(2, 3), Vr::UI, b"1.2.3\0");
        element(&mut meta, EL, Tag(2, 0x10), Vr::UI, value);
        let (meta, _) = open(&prefixed(&meta, &data(EL))).unwrap();
        assert_eq!((meta.transfer_syntax.as_str(), meta.guessed, meta.had_meta), (EXPLICIT, true, true));
    }
}

#[test]
fn the_prefix_within_a_data_set_is_no_prefix() {
    let mut file = Vec::new();
    element(&mut file, EL, Tag(8, 5), Vr::CS, b"ISO_IR 192");
    element(&mut file, EL, Tag(8, 8), Vr::CS, &[b' '; 128 - 18 - 8]);
    element(&mut file, EL, Tag(0x4944, 0x4d43), Vr::LO, b"    ");
    assert_eq!(&file[128..132], b"DICM");
    let (meta, rest) = open(&file).unwrap();
    assert!(!meta.had_preamble);
    assert_eq!(rest, file);
}

#[test]
fn what_is_not_dicom() {
    let text = b"The quick brown fox jumps over the lazy dog. ".repeat(10);
    let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[1; 300]].concat();
    let zeros = vec![0; 1000];
    let binary = [&[2, 0, 9, 0][..], &[0xee; 300]].concat();
    for file in [&text[..], &png, &zeros, &binary, b"", b"short"] {
        assert_eq!(open(file), Err(Part10Error::NotDicom), "{:?}", &file[..file.len().min(8)]);
    }
    assert_eq!(open(&prefixed(&[], &png)), Err(Part10Error::NoTransferSyntax));
}

#[test]
fn meta_is_bounded() {
    let mut meta = Vec::new();
    for _ in 0..=part10::META_ELEMENTS {
        element(&mut meta, EL, Tag(2, 0x16), Vr::AE, b"");
    }
    assert_eq!(open(&prefixed(&meta, &data(EL))), Err(Part10Error::MetaTooManyElements));
    let mut meta = Vec::new();
    header(&mut meta, EL, Tag(2, 0x102), Vr::OB, Some(part10::META_BYTES + 1));
    assert_eq!(open(&prefixed(&meta, &data(EL))), Err(Part10Error::MetaTooLarge));
    let mut meta = Vec::new();
    header(&mut meta, EL, Tag(2, 0x102), Vr::OB, None);
    assert_eq!(open(&prefixed(&meta, &data(EL))), Err(Part10Error::MetaMalformed));
    let mut meta = Vec::new();
    header(&mut meta, EL, Tag(2, 0x102), Vr::OB, Some(1000));
    assert_eq!(open(&prefixed(&meta, &data(EL))), Err(Part10Error::Truncated));
}
