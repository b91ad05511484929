//! Packs full of statements, to measure how long an index takes to be made again from them.
//!
//! `cargo run --release -p indexer --example said_packs -- FOLDER [STATEMENTS]` writes them into `FOLDER/packs`; then
//! `PACS_DATA_DIR=FOLDER pacs-server rebuild` reads them. Of ten statements four are new orders and two say that one is
//! under way, three are reports and one a mark of a reader. Everybody in them is made up.

#![allow(clippy::print_stdout, reason = "a program that measures")]

use std::error::Error;
use std::path::Path;

use indexer::record::write_statement;
use indexer::statement::{Evidence, HybridTime, State, Statement, Subject, Who};
use serde_json::{Value, json};
use storage_config::ContentHash;
use storage_config::disk::{Disk, SyncPoint};
use storage_config::pack::{Identity, Kind, PackWriter};

/// Bytes of a pack, about.
const PACK_BYTES: u64 = 256 << 20;
/// 2026-01-01.
const FIRST_MS: u64 = 1_767_225_600_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("say where: said_packs FOLDER [STATEMENTS]")?;
    let count: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let packs = Path::new(&folder).join("packs");
    std::fs::create_dir_all(&packs)?;
    let identity = Identity { writer: 1, epoch: 1 };
    let mut writer = PackWriter::create(&Disk::Real, &packs, identity)?;
    for number in 0..count {
        let body = write_statement(&statement(number)?)?;
        writer.append(Kind::Statement, 1, &[&body], ContentHash::of(&body))?;
        if writer.should_seal(PACK_BYTES) {
            let next = PackWriter::create(&Disk::Real, &packs, identity)?;
            std::mem::replace(&mut writer, next).seal()?;
        }
    }
    writer.sync(SyncPoint::Group)?;
    writer.seal()?;
    println!("{count} statements in {}", packs.display());
    Ok(())
}

fn statement(number: u64) -> Result<Statement, Box<dyn Error>> {
    // The order that a statement is about: four of ten statements are new ones.
    let (ten, within) = (number / 10, number % 10);
    let (kind, key, based_on, state): (&str, String, Option<u64>, Value) = match within {
        0..4 => ("order", format!("order-{}", ten * 4 + within), None, order(ten * 4 + within, "requested")),
        4..6 => (
            "order",
            format!("order-{}", ten * 4 + within - 4),
            Some(1),
            order(ten * 4 + within - 4, "in_progress"),
        ),
        6..9 => {
            let of = ten * 3 + within - 6;
            ("report", format!("number:1:R-{of}"), None, report(of))
        }
        _ => {
            let study = format!("1.2.826.0.1.3680043.10.1.{ten}");
            ("quality_mark", study, None, json!({ "mark": "limited", "reader": "BS. Mẫu" }))
        }
    };
    let state: State = serde_json::from_value(json!({ "kind": kind, "state": state }))?;
    Ok(Statement {
        id: format!("{:032x}", u128::from(number) * 0x9E37_79B9_7F4A_7C15),
        writer: 1,
        time: HybridTime::new(FIRST_MS + number * 7, 0)?,
        subject: Subject { kind: state.kind(), key },
        based_on,
        state,
        who: Who { name: "HIS 01001".into(), by: Evidence::Token },
        why: String::new(),
        asked: ContentHash::of(&number.to_le_bytes()),
    })
}

fn order(number: u64, status: &str) -> Value {
    // A person has some eight orders.
    let person = number / 8;
    json!({
        "facility": 1, "placer_number": format!("PL-{number}"), "accession": format!("A-{number}"),
        "patient": {
            "patient_id": format!("P-{person}"), "name": format!("TRAN VAN {}", name(person)),
            "birth_date": format!("19{:02}{:02}{:02}", person % 90 + 10, person % 12 + 1, person % 28 + 1),
            "sex": if person.is_multiple_of(2) { "M" } else { "F" },
        },
        "exams": [{ "code": "18.0149.0040", "name": "Chụp CLVT sọ não", "contrast": "without" }],
        "requested_at": "2026-01-02T08:00:00+07:00", "ordered_by": "BS. Mẫu", "status": status,
    })
}

fn report(number: u64) -> Value {
    json!({
        "facility": 1, "number": format!("R-{number}"), "accession": format!("A-{number}"),
        "description": "Nhu mô não hai bán cầu đồng đều, không thấy khối choán chỗ. Hệ thống não thất không giãn.",
        "conclusion": "Hiện không thấy bất thường trên phim chụp.", "status": "final", "reader": "BS. Mẫu",
        "signature": "declared",
    })
}

/// A made-up given name: many people share few of them.
fn name(person: u64) -> String {
    let parts = ["AN", "BINH", "CUC", "DUNG", "GIANG", "HOA", "KHANH", "LAN", "MINH", "NGOC"];
    let of = |n: u64| parts.get((n % 10) as usize).copied().unwrap_or_default();
    format!("{} {}", of(person / 10), of(person))
}
