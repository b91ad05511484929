//! The DICOM JSON Model of whole data sets (PS3.18 Annex F), and the attributes that the index reads from them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use indexer::dataset::attributes::{AttributeError, Attributes, Code, OtherId};
use indexer::dataset::charset::{SiteDefault, TextNote};
use indexer::dataset::json::write_data_set;
use indexer::dataset::{DataSet, DataSetError, Event, ScanLimits, Scanner, Skeleton};
use proptest::prelude::*;
use serde_json::{Value, json};
use storage_config::Uid;

const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// One element in Explicit VR Little Endian, padded to even length.
fn element(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
    let pad = if vr == "UI" || vr == "OB" { 0 } else { b' ' };
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(pad);
    }
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&((tag >> 16) as u16).to_le_bytes());
    bytes.extend_from_slice(&(tag as u16).to_le_bytes());
    bytes.extend_from_slice(vr.as_bytes());
    if ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"].contains(&vr) {
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    } else {
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
    }
    bytes.extend_from_slice(&value);
    bytes
}

fn sequence(tag: u32, items: &[Vec<u8>]) -> Vec<u8> {
    let mut value = Vec::new();
    for item in items {
        value.extend_from_slice(&[0xfe, 0xff, 0x00, 0xe0]);
        value.extend_from_slice(&(item.len() as u32).to_le_bytes());
        value.extend_from_slice(item);
    }
    element(tag, "SQ", &value)
}

fn scan(transfer_syntax: &str, bytes: &[u8]) -> Result<Skeleton, DataSetError> {
    let mut scanner = Scanner::new(&Uid::parse(transfer_syntax).unwrap(), ScanLimits::default());
    let on = &mut |_: Event<'_>| Ok::<(), DataSetError>(());
    scanner.push(bytes, on)?;
    scanner.finish(on)
}

fn text(skeleton: &Skeleton) -> String {
    let mut out = Vec::new();
    write_data_set(DataSet::new(skeleton), SiteDefault::NONE, &mut |n| Some(format!("bulk/{n}")), &mut out);
    String::from_utf8(out).unwrap()
}

fn to_json(elements: &[Vec<u8>]) -> Value {
    serde_json::from_str(&text(&scan(EXPLICIT_LITTLE, &elements.concat()).unwrap())).unwrap()
}

fn attributes(elements: &[Vec<u8>]) -> Result<Attributes, AttributeError> {
    Attributes::read(&DataSet::new(&scan(EXPLICIT_LITTLE, &elements.concat()).unwrap()))
}

fn identifiers() -> Vec<Vec<u8>> {
    vec![
        element(0x0008_0016, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
        element(0x0008_0018, "UI", b"1.2.3.4"),
        element(0x0020_000d, "UI", b"1.2.3"),
        element(0x0020_000e, "UI", b"1.2.3.1"),
    ]
}

#[test]
fn text_and_names() {
    let json = to_json(&[
        element(0x0008_0000, "UL", &[4, 0, 0, 0]),
        element(0x0008_0005, "CS", b"ISO_IR 100"),
        element(0x0008_0008, "CS", b"ORIGINAL\\\\AXIAL"),
        element(0x0008_0050, "SH", b""),
        element(0x0008_0090, "PN", b"A^B\\\\C=\xe9\\=="),
        element(0x0010_0010, "PN", b"Lef\xe8vre^Andr\xe9"),
        element(0x0010_4000, "LT", b"a\"b\\c\r\n\x0bd"),
    ]);
    let want = json!({
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", null, "AXIAL"]},
        "00080050": {"vr": "SH"},
        "00080090": {"vr": "PN", "Value": [
            {"Alphabetic": "A^B"}, null, {"Alphabetic": "C", "Ideographic": "é"}, null]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Lefèvre^André"}]},
        "00104000": {"vr": "LT", "Value": ["a\"b\\c\r\n\u{b}d"]},
    });
    assert_eq!(json, want);
}

#[test]
fn numbers() {
    let floats: Vec<u8> = [0.1f32, f32::NAN].iter().flat_map(|number| number.to_le_bytes()).collect();
    let doubles: Vec<u8> = [0.1f64, f64::INFINITY].iter().flat_map(|number| number.to_le_bytes()).collect();
    let json = to_json(&[
        element(0x0008_1161, "UI", b"1.2"),
        element(0x0018_0050, "DS", b"+.50\\1.0E+2\\\\1,5"),
        element(0x0018_9087, "FD", &doubles),
        element(0x0020_0013, "IS", b"007\\-3\\2.0\\1A"),
        element(0x0020_9165, "AT", &[0x10, 0x00, 0x0a, 0xff]),
        element(0x0028_0010, "US", &[1, 2, 3]),
        element(0x0029_1001, "UV", &u64::MAX.to_le_bytes()),
        element(0x0029_1002, "SV", &(-5i64).to_le_bytes()),
        element(0x0029_1003, "FL", &floats),
        element(0x0029_1004, "SS", &[0xff, 0xff]),
    ]);
    assert_eq!(json["00180050"], json!({"vr": "DS", "Value": [0.50, 100.0, null, "1,5"]}));
    assert_eq!(json["00189087"], json!({"vr": "FD", "Value": [0.1, "Infinity"]}));
    assert_eq!(json["00200013"], json!({"vr": "IS", "Value": [7, -3, 2, "1A"]}));
    assert_eq!(json["00209165"], json!({"vr": "AT", "Value": ["0010FF0A"]}));
    assert_eq!(json["00280010"], json!({"vr": "US", "Value": [513, 8195]}));
    assert_eq!(json["00291001"], json!({"vr": "UV", "Value": ["18446744073709551615"]}));
    assert_eq!(json["00291002"], json!({"vr": "SV", "Value": [-5]}));
    assert_eq!(json["00291003"], json!({"vr": "FL", "Value": [0.1, "NaN"]}));
    assert_eq!(json["00291004"], json!({"vr": "SS", "Value": [-1]}));
}

#[test]
fn binary_and_bulk_values() {
    let json = to_json(&[
        element(0x0028_1201, "OW", &[1, 2]),
        element(0x0029_1001, "UN", &[]),
        element(0x0042_0011, "OB", &vec![7; 5000]),
        element(0x7fe0_0010, "OW", &vec![0; 4096]),
        element(0xfffc_fffc, "OB", &[0; 8]),
    ]);
    let want = json!({
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00281201": {"vr": "OW", "InlineBinary": "AQI="},
        "00291001": {"vr": "UN"},
        "00420011": {"vr": "OB", "BulkDataURI": "bulk/0"},
        "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"},
    });
    assert_eq!(json, want);
    let big = scan(EXPLICIT_BIG, &[0x00, 0x28, 0x12, 0x01, b'O', b'W', 0, 0, 0, 0, 0, 2, 1, 2]).unwrap();
    assert!(text(&big).contains(r#""InlineBinary":"AgE=""#), "little endian in JSON: {}", text(&big));
}

#[test]
fn sequences_have_character_sets_of_their_own() {
    let thai = [element(0x0008_0005, "CS", b"ISO_IR 166"), element(0x0008_0104, "LO", b"\xa1")].concat();
    let inner = sequence(0x0008_1115, &[element(0x0008_0104, "LO", b"\xe9")]);
    let json = to_json(&[
        element(0x0008_0005, "CS", b"ISO_IR 101"),
        sequence(0x0008_1032, &[thai, element(0x0008_0104, "LO", b"\xea"), Vec::new(), inner]),
        sequence(0x0008_1110, &[]),
    ]);
    let utf8 = json!({"vr": "CS", "Value": ["ISO_IR 192"]});
    let items = json!([
        {"00080005": utf8, "00080104": {"vr": "LO", "Value": ["ก"]}},
        {"00080104": {"vr": "LO", "Value": ["ę"]}},
        {},
        {"00081115": {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": ["é"]}}]}},
    ]);
    assert_eq!(json["00081032"], json!({"vr": "SQ", "Value": items}));
    assert_eq!(json["00081110"], json!({"vr": "SQ"}));
    assert_eq!(json["00080005"], utf8);
}

#[test]
fn disorder_is_put_in_order() {
    let bytes = [
        element(0x0010_0020, "LO", b"\xe8"),
        element(0x0010_0020, "LO", b"second"),
        element(0x0008_0005, "CS", b"ISO_IR 101"),
        element(0x0008_0060, "CS", b"CT"),
    ];
    let text = text(&scan(EXPLICIT_LITTLE, &bytes.concat()).unwrap());
    let want = concat!(
        r#"{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00080060":{"vr":"CS","Value":["CT"]},"#,
        r#""00100020":{"vr":"LO","Value":["č"]}}"#
    );
    assert_eq!(text, want);
}

#[test]
fn missing_identifiers_are_named() {
    for (left_out, keyword) in
        ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"].iter().enumerate()
    {
        let mut elements = identifiers();
        elements.remove(left_out);
        assert_eq!(attributes(&elements), Err(AttributeError::Missing { keyword }));
    }
    let mut elements = identifiers();
    elements[2] = element(0x0020_000d, "UI", b"1.2/../3");
    assert_eq!(attributes(&elements).unwrap_err().keyword(), "StudyInstanceUID");
    elements[2] = element(0x0020_000d, "UI", b" ");
    assert_eq!(attributes(&elements), Err(AttributeError::Missing { keyword: "StudyInstanceUID" }));
    elements[2] = element(0x0020_000d, "UI", b"1.02..3 ");
    assert_eq!(attributes(&elements).unwrap().study_uid.as_str(), "1.02..3", "odd, but not refused");
}

#[test]
fn a_vietnamese_header() {
    let card = [
        element(0x0010_0020, "LO", b"DN4010112345678"),
        element(0x0010_0021, "LO", b"BHXH"),
        element(0x0010_0022, "CS", b"TEXT"),
    ];
    let code = [
        element(0x0008_0100, "SH", b"18.0119.0028"),
        element(0x0008_0102, "SH", b"99VNBHYT"),
        element(0x0008_0104, "LO", "Chụp X-quang ngực thẳng".as_bytes()),
    ];
    let mut elements = identifiers();
    elements.extend([
        element(0x0008_002a, "DT", b"20260304101530.5+0700"),
        element(0x0008_0020, "DA", b"2026.03.04"),
        element(0x0008_0030, "TM", b"10:15"),
        element(0x0008_0060, "CS", b"DX"),
        sequence(0x0008_1032, &[code.concat()]),
        element(0x0010_0010, "PN", "NGUYỄN^VĂN ĐỨC".as_bytes()),
        element(0x0010_0020, "LO", b" 0001234\x07 "),
        element(0x0010_0021, "LO", b"60152"),
        element(0x0010_0030, "DA", b"1957"),
        sequence(0x0010_1002, &[card.concat(), Vec::new()]),
        element(0x0010_4000, "LT", "ghi chú ".repeat(400).as_bytes()),
        element(0x0020_0011, "IS", b"3.0"),
        element(0x0028_0010, "US", &[0, 8]),
        element(0x0028_0011, "US", &[0, 4]),
    ]);
    let read = attributes(&elements).unwrap();
    assert_eq!(read.patient.id.as_deref(), Some("0001234"));
    assert_eq!(read.patient.issuer.as_deref(), Some("60152"));
    assert_eq!(read.patient.name_folded, "NGUYEN VAN DUC");
    assert_eq!(
        read.patient.birth_date.as_ref().map(|date| (date.raw.as_str(), date.normal.is_some())),
        Some(("1957", false))
    );
    let other = OtherId {
        id: "DN4010112345678".into(),
        issuer: Some("BHXH".into()),
        kind: Some("TEXT".into()),
        ..OtherId::default()
    };
    assert_eq!(read.patient.other_ids, [other]);
    assert_eq!(read.study.date.as_ref().and_then(|date| date.normal.as_deref()), Some("20260304"));
    assert_eq!(read.study.time.as_ref().and_then(|time| time.normal.as_deref()), Some("101500.000000"));
    let code = Code {
        value: "18.0119.0028".into(),
        scheme: Some("99VNBHYT".into()),
        version: None,
        meaning: Some("Chụp X-quang ngực thẳng".into()),
    };
    assert_eq!(read.study.procedure_codes, [code]);
    let performed = read.performed().unwrap();
    assert_eq!((performed.local.as_str(), performed.offset_minutes), ("20260304101530.500000", Some(420)));
    assert_eq!(
        (read.series.number, read.instance.rows, read.instance.columns),
        (Some(3), Some(2048), Some(1024))
    );
    assert_eq!(read.rank, 0);
    assert!(read.text_notes.has(TextNote::Undeclared));
    assert_eq!(read.study_json["00080020"], json!({"vr": "DA", "Value": ["2026.03.04"]}), "as in the header");
    assert_eq!(read.study_json["00081032"]["Value"][0]["00080100"]["Value"][0], "18.0119.0028");
    assert_eq!(read.series_json["00080060"], json!({"vr": "CS", "Value": ["DX"]}));
    assert_eq!(read.instance_json["00280010"], json!({"vr": "US", "Value": [2048]}));
    for level in [&read.study_json, &read.series_json, &read.instance_json] {
        assert_eq!(level["00080005"]["Value"][0], "ISO_IR 192");
    }
}

#[test]
fn long_values_are_bounded_in_the_index_only() {
    let mut elements = identifiers();
    elements.insert(2, element(0x0008_1030, "LO", "ư".repeat(1500).as_bytes()));
    let read = attributes(&elements).unwrap();
    assert_eq!(read.study.description.map(|text| text.chars().count()), Some(1024));
    let code = [element(0x0008_0100, "SH", b"1"), element(0x0008_0104, "LO", &[b'm'; 300])].concat();
    elements[2] = sequence(0x0008_1032, &vec![code; 40]);
    let read = attributes(&elements).unwrap();
    assert_eq!(read.study.procedure_codes.len(), 32);
    assert!(!read.study_json.contains_key("00081032"), "too long for a search result");
    assert_eq!(to_json(&elements)["00081032"]["Value"].as_array().map(Vec::len), Some(40));
}

proptest! {
    /// Whatever the scan takes is read without a panic, and is valid JSON.
    #[test]
    fn any_data_set_is_valid_json(
        damage in proptest::collection::vec((0usize..600, any::<u8>()), 0..12),
        noise in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let item = [element(0x0008_0005, "CS", b"\\ISO 2022 IR 87"), element(0x0008_0104, "LO", b"\x1b$B;3\x1b(B")].concat();
        let mut bytes = [
            identifiers().concat(),
            element(0x0008_0005, "CS", b"GB18030"),
            sequence(0x0008_1032, &[item, noise]),
            element(0x0018_0050, "DS", b"1.5\\2"),
            element(0x0028_0010, "US", &[0, 8]),
            element(0x0042_0011, "OB", &[9; 33]),
        ].concat();
        for (at, byte) in damage {
            if let Some(target) = bytes.get_mut(at) {
                *target = byte;
            }
        }
        if let Ok(skeleton) = scan(EXPLICIT_LITTLE, &bytes) {
            let text = text(&skeleton);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
            let _ = Attributes::read(&DataSet::new(&skeleton));
        }
    }
}

#[test]
fn an_issuer_from_elsewhere_is_that_of_data_sets_that_name_none() {
    let mut bare = attributes(&identifiers()).unwrap();
    bare.issued_by("");
    assert_eq!((&bare.patient.issuer, bare.study_json.get("00100021")), (&None, None));
    bare.issued_by("79001");
    assert_eq!(bare.patient.issuer.as_deref(), Some("79001"));
    assert_eq!(bare.study_json["00100021"], json!({"vr": "LO", "Value": ["79001"]}));
    let mut elements = identifiers();
    elements.insert(2, element(0x0010_0021, "LO", b"OTHER "));
    let mut named = attributes(&elements).unwrap();
    named.issued_by("79001");
    assert_eq!(named.patient.issuer.as_deref(), Some("OTHER"));
    assert_eq!(named.study_json["00100021"]["Value"], json!(["OTHER"]));
}
