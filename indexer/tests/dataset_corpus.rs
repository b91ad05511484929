//! Every file of the DICOM corpus beside the repository (`../shared/dicom-corpus`): found, scanned, joined, read.
#![allow(clippy::unwrap_used)]

mod dataset_model;

use dataset_model::*;
use indexer::dataset::part10::{Part10, Part10Error};
use indexer::dataset::{DataSet, ScanLimits, Skeleton, Tag};
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dicom-corpus");
    path.join("manifest.csv").is_file().then_some(path)
}

/// File, expectation and transfer syntax; the first seven columns have no quoted comma but in names.
fn manifest(path: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(path.join("manifest.csv")).unwrap();
    let row = |line: &str| {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        (fields[0].clone(), fields[1].clone(), fields[6].clone())
    };
    text.lines().skip(1).map(row).collect()
}

fn open(bytes: &[u8], piece: usize) -> Result<(String, Vec<u8>), Part10Error> {
    let mut part10 = Part10::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(piece.min(rest.len()));
        if let Some(ready) = part10.push(head)? {
            let data = [&ready.head[..], ready.rest, tail].concat();
            assert_eq!(bytes.len() - data.len(), ready.meta.data_set_offset as usize);
            return Ok((ready.meta.transfer_syntax.as_str().to_owned(), data));
        }
        rest = tail;
    }
    let ready = part10.finish()?;
    Ok((ready.meta.transfer_syntax.as_str().to_owned(), ready.head))
}

#[test]
fn every_file_of_the_corpus() {
    let Some(path) = corpus() else {
        eprintln!("skipped: ../shared/dicom-corpus is not there");
        return;
    };
    let (mut taken, mut failures) = (0, Vec::new());
    for (file, expect, syntax) in manifest(&path) {
        let bytes = std::fs::read(path.join(&file)).unwrap();
        let opened = open(&bytes, 64 << 10);
        assert_eq!(opened, open(&bytes, 13), "{file}");
        let scanned = opened.map_err(|error| error.to_string()).and_then(|(found, data)| {
            if expect == "store" {
                assert_eq!(found, syntax, "{file}");
            }
            scan(&found, &data).map(|scanned| (found, data, scanned)).map_err(|error| error.to_string())
        });
        match scanned {
            Ok((found, data, scanned)) => {
                taken += 1;
                check(&file, &found, &data, &scanned, &expect);
            }
            Err(error) if expect == "store" => failures.push(format!("{file}: {error}")),
            Err(error) => eprintln!("{expect} {file}: {error}"),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(taken >= 448);
}

fn check(file: &str, syntax: &str, data: &[u8], scanned: &Scanned, expect: &str) {
    assert_eq!(scanned.joined(), data, "{file}");
    assert_eq!(scanned.skeleton.data_set_length(), data.len() as u64, "{file}");
    let cut = scan_cut(syntax, data, &[4093, 17, 65536], ScanLimits::default()).unwrap();
    assert_eq!(&cut, scanned, "{file}");
    let met = walk(&scanned.skeleton);
    let notes: Vec<&str> = scanned.skeleton.parsed.notes.iter().map(|note| note.name()).collect();
    if !notes.is_empty() {
        eprintln!("{expect} {file}: {}", notes.join(", "));
    }
    let data_set = DataSet::new(&scanned.skeleton);
    if expect == "store" {
        assert!(data_set.get(Tag(0x0008, 0x0018)).is_some(), "{file}");
        assert!(data_set.get(Tag(0x0020, 0x000D)).is_some(), "{file}");
    }
    if !scanned.skeleton.is_deflated() {
        let Skeleton { bytes, splices, .. } = scanned.skeleton.clone();
        let restored = Skeleton::restore(syntax, bytes, splices).unwrap();
        assert_eq!(walk(&restored), met, "{file}");
    }
    if let Some(pixel) = &scanned.skeleton.pixel {
        let has = |met: &Met| match met {
            Met::Bytes(tag, bytes) => *tag == pixel.tag && bytes.len() as u64 == pixel.length,
            Met::Bulk(tag, length) => *tag == pixel.tag && *length == pixel.length,
            _ => false,
        };
        assert!(met.iter().any(has), "{file}");
        let last = pixel.fragments.last().map_or(0, |fragment| fragment.offset + fragment.length);
        assert!(last <= pixel.length, "{file}");
    }
}
