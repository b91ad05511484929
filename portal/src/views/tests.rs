//! The log from note to page.

use std::io::Write;

use super::read::{Asked, read};
use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// 22 November 2026, 8:04 at the site.
const NOW: i64 = 1_795_309_450_000;

fn person(name: &str) -> Principal {
    Principal::Person { account: name.into(), name: "Bác sĩ".into(), roles: vec![] }
}

fn study(n: u32) -> Subject {
    Subject::Study(Uid::parse(&format!("1.2.{n}")).unwrap())
}

fn all(folder: &Path, asked: &Asked, limit: usize) -> Vec<View> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = read(folder, asked, cursor, limit).unwrap();
        assert!(page.views.len() <= limit);
        found.extend(page.views);
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
        assert_eq!(super::read::Cursor::of_text(&cursor.unwrap().text()), cursor);
    }
}

#[test]
fn a_study_read_frame_by_frame_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = ViewLog::open(dir.path()).unwrap();
    let an = person("an");
    for frame in 0..3_000 {
        log.note(&an, What::Frames, &study(1), HERE, NOW + frame);
    }
    log.note(&an, What::Metadata, &study(1), HERE, NOW + 1);
    log.note(&an, What::Frames, &study(2), HERE, NOW + 2);
    log.note(&person("binh"), What::Frames, &study(1), HERE, NOW + 3);
    log.note(&Principal::Claimed { name: "an".into() }, What::Frames, &study(1), HERE, NOW + 4);
    log.note(&an, What::Frames, &study(1), HERE, NOW + 600_000);
    log.close();
    let folder = dir.path().join("log");
    let found = all(&folder, &Asked::default(), 100);
    let told: Vec<(&str, &str, What, &str)> =
        found.iter().map(|v| (v.kind.as_str(), v.who.as_str(), v.what, v.study.as_str())).collect();
    let want = [
        ("person", "an", What::Frames, "1.2.1"),
        ("claimed", "an", What::Frames, "1.2.1"),
        ("person", "binh", What::Frames, "1.2.1"),
        ("person", "an", What::Frames, "1.2.2"),
        ("person", "an", What::Metadata, "1.2.1"),
        ("person", "an", What::Frames, "1.2.1"),
    ];
    assert_eq!(told, want);
    let text = std::fs::read_to_string(folder.join("views-2026-11.jsonl")).unwrap();
    assert!(!text.contains("Bác sĩ"), "names of accounts only");
    assert_eq!(log.lost(), 0);
    log.note(&an, What::Page, &study(9), HERE, NOW);
    assert_eq!(log.lost(), 1, "what is noted after the end is counted as lost");
}

#[test]
fn pages_filters_months_and_torn_lines() {
    let dir = tempfile::tempdir().unwrap();
    let log = ViewLog::open(dir.path()).unwrap();
    let month = 30 * 86_400_000;
    for n in 0..5_000_u32 {
        let at = NOW + i64::from(n / 2_500) * month + i64::from(n);
        log.note(&person(if n % 2 == 0 { "an" } else { "binh" }), What::Page, &study(n), HERE, at);
    }
    log.close();
    let noted = 5_000 - log.lost() as usize;
    let folder = dir.path().join("log");
    // A process that was ended in the middle of a line.
    let path = folder.join("views-2026-11.jsonl");
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"at_ms\":1").unwrap();
    let again = ViewLog::open(dir.path()).unwrap();
    again.note(&person("an"), What::Page, &study(7_000), HERE, NOW + 5_000);
    again.close();
    for limit in [7, 1_000, 100_000] {
        let found = all(&folder, &Asked::default(), limit);
        assert_eq!(found.len(), noted + 1, "pages of {limit}");
        assert!(found.is_sorted_by(|a, b| a.at_ms >= b.at_ms));
    }
    let by = |who: &str| Asked { who: who.into(), ..Asked::default() };
    assert_eq!(all(&folder, &by("AN"), 100).len() + all(&folder, &by("binh"), 100).len(), noted + 1);
    assert_eq!(all(&folder, &Asked { study: "1.2.7000".into(), ..Asked::default() }, 10).len(), 1);
    let days = |from: &str, to: &str| Asked { from: from.into(), to: to.into(), ..Asked::default() };
    let both = all(&folder, &days("2026-11-22", "2026-11-22"), 100).len()
        + all(&folder, &days("2026-12-01", ""), 100).len();
    assert_eq!(both, noted + 1);
    assert!(all(&folder, &days("", "2026-11-21"), 100).is_empty());
}
