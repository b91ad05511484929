//! Names and descriptions in 23 character sets, from real data sets: header attributes and JSON say the same.
//!
//! Reads the corpus of DICOM files that lies beside a development checkout (`../shared/dicom-corpus`); where it is
//! absent the test says so and passes. The character sets themselves are tested without it in `dataset::charset`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::{Path, PathBuf};

use indexer::dataset::attributes::Attributes;
use indexer::dataset::charset::SiteDefault;
use indexer::dataset::fold::fold;
use indexer::dataset::json::write_data_set;
use indexer::dataset::part10::Part10;
use indexer::dataset::{DataSet, DataSetError, ScanLimits, Scanner, Skeleton};

fn corpus() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    Some(repository.parent()?.join("shared/dicom-corpus/generated/charset")).filter(|folder| folder.is_dir())
}

fn skeleton(file: &Path) -> Skeleton {
    let bytes = std::fs::read(file).unwrap();
    let mut part10 = Part10::new();
    let ready = part10.push(&bytes).unwrap().unwrap();
    let mut scanner = Scanner::new(&ready.meta.transfer_syntax, ScanLimits::default());
    let on = &mut |_: indexer::dataset::Event<'_>| Ok::<(), DataSetError>(());
    scanner.push(&ready.head, on).unwrap();
    scanner.push(ready.rest, on).unwrap();
    scanner.finish(on).unwrap()
}

fn json(data_set: DataSet<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    write_data_set(data_set, SiteDefault::NONE, &mut |_| None, &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// What stands in JSON for the name `a=b=c`.
fn groups(name: &str) -> serde_json::Value {
    let keys = ["Alphabetic", "Ideographic", "Phonetic"];
    let groups = keys.into_iter().zip(name.split('=')).filter(|(_, group)| !group.is_empty());
    groups.map(|(key, group)| (key.to_owned(), group.into())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn every_set_of_the_corpus() {
    let Some(folder) = corpus() else {
        eprintln!("skipped: no ../shared/dicom-corpus beside the checkout");
        return;
    };
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() >= 23);
    for (file, texts) in &expected {
        let (name, description) = (texts["pn"].as_str().unwrap(), texts["desc"].as_str().unwrap());
        let skeleton = skeleton(&folder.join(file).with_extension("dcm"));
        let data_set = DataSet::new(&skeleton);
        let read = Attributes::read(&data_set).unwrap();
        assert_eq!(read.patient.name.as_deref(), Some(name), "{file}");
        assert_eq!(read.patient.name_folded, fold(name), "{file}");
        assert_eq!(read.study.description.as_deref(), Some(description), "{file}");
        let json = json(data_set);
        assert_eq!(json["00100010"]["Value"][0], groups(name), "{file}");
        assert_eq!(json["00081030"]["Value"][0], description, "{file}");
        assert_eq!(json["00080005"]["Value"][0], "ISO_IR 192", "{file}");
        assert_eq!(read.study_json["00100010"], json["00100010"], "{file}");
    }
}
