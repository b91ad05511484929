//! A study's page, its download, and the state page.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use axum::http::{StatusCode, header};
use fixtures::writer::{DataSet, Syntax, Vr, keyword};
use support::{Rig, between};

#[tokio::test]
async fn a_study_shows_its_series_and_leads_into_the_viewer() {
    let (rig, all) = Rig::with_demo();
    let mut studies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for instance in &all {
        studies.entry(&instance.study).or_default().insert(&instance.series);
    }
    for (study, series) in studies {
        let page = rig.get(&format!("/studies/{study}")).await;
        assert_eq!(page.status, StatusCode::OK);
        let text = page.text();
        let viewers = between(&text, "href=\"/ohif/viewer?StudyInstanceUIDs=", "\"");
        assert_eq!(viewers.len(), 1 + series.len(), "one for the study and one for each series");
        assert!(viewers[0].starts_with(study));
        for one in series {
            assert_eq!(text.matches(&format!("&amp;initialSeriesInstanceUID={one}\"")).count(), 1);
        }
    }
    for nothing in ["/studies/1.2.3", "/studies/not-a-uid", "/studies/1.2.3/download.zip"] {
        let page = rig.get(nothing).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{nothing}");
        assert!(page.text().contains("Không có ca chụp này"));
    }
}

/// What Python's zipfile says of an archive: each name with the SHA-256 of its content, after a test of all CRCs.
const UNZIP: &str = "
import hashlib, io, sys, zipfile
z = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))
assert z.testzip() is None
for info in z.infolist():
    assert info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 8
    print(info.filename, hashlib.sha256(z.read(info)).hexdigest())
";

fn unzip(archive: &[u8]) -> Vec<(String, String)> {
    let mut python = Command::new("python3")
        .args(["-c", UNZIP])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(archive).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap())
        .collect()
}

#[tokio::test]
async fn a_download_is_a_zip_of_the_files_as_they_came() {
    let (rig, all) = Rig::with_demo();
    let studies: BTreeSet<&str> = all.iter().map(|instance| instance.study.as_str()).collect();
    for study in studies {
        let answer = rig.get(&format!("/studies/{study}/download.zip")).await;
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/zip");
        assert_eq!(answer.header(header::CONTENT_LENGTH), answer.body.len().to_string());
        let disposition = answer.header(header::CONTENT_DISPOSITION);
        assert!(disposition.starts_with("attachment; filename=\"ca-chup-2"), "{disposition}");
        let files = unzip(&answer.body);
        let of_study: Vec<_> = all.iter().filter(|instance| instance.study == study).collect();
        assert_eq!(files.len(), of_study.len());
        for (name, _) in &files {
            assert!(name.bytes().all(|b| b.is_ascii_digit() || b"series-/.dcm".contains(&b)), "{name}");
        }
        // The data set is what was sent; the file around it is the archive's own, the same for WADO-RS.
        let mut got: Vec<String> = files.into_iter().map(|(_, hash)| hash).collect();
        let mut want = Vec::new();
        for instance in of_study {
            want.push(stored_file(&rig, &instance.sop_instance, &instance.data_set).await);
        }
        got.sort();
        want.sort();
        assert_eq!(got, want);
    }
}

/// The SHA-256 of an instance's file as `/api/v1` gives it, after a look that it ends with the data set that was sent.
async fn stored_file(rig: &Rig, sop_instance: &str, data_set: &[u8]) -> String {
    let versions = rig.get(&format!("/api/v1/instances/{sop_instance}/versions")).await;
    let versions: serde_json::Value = serde_json::from_slice(&versions.body).unwrap();
    let file = rig.get(versions[0]["href"].as_str().unwrap()).await;
    assert!(file.body.ends_with(data_set));
    storage_config::ContentHash::of(&file.body).to_string()
}

#[tokio::test]
async fn the_state_page_tells_what_the_archive_is_and_lacks() {
    let (rig, _) = Rig::with_demo();
    rig.archive.in_background(|db| {
        let unknown = indexer::db::Job::UnknownPeer {
            ae_title: "CT<2>".into(),
            address: "192.0.2.7".into(),
            called: "PACS".into(),
            at_ms: 1_767_600_000_000,
        };
        db.background(&unknown).unwrap();
    });
    // The job runs behind; what it does shows when it has run.
    let mut text = String::new();
    for _ in 0..500 {
        text = rig.get("/state").await.text();
        if text.contains("192.0.2.7") {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(text.contains("Máy lạ chờ cho phép"));
    assert!(text.contains("name=\"ae_title\" value=\"CT&lt;2&gt;\"") && text.contains(">Cho phép</button>"));
    assert!(text.contains("Chưa ghi nhận lần sao lưu nào"));
    assert!(text.contains(">XQ1<"), "a machine of the configuration that never called");
    for word in ["Đang nhận ảnh", "<meter", "PACS", "127.0.0.1:11112", "/dicom-web", "Người bệnh"] {
        assert!(text.contains(word), "{word}");
    }
    let json: serde_json::Value = serde_json::from_slice(&rig.get("/api/v1/state").await.body).unwrap();
    assert_eq!(json["studies"], 10);
    assert_eq!(json["stores"], "taken");
}

#[tokio::test]
async fn a_large_file_is_streamed_and_a_damaged_one_never_completed() {
    let rig = Rig::new();
    let pixels: Vec<u8> = (0..9_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut set = DataSet::new();
    set.put(keyword::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.7")
        .put(keyword::SOP_INSTANCE_UID, "1.2.826.0.1.3680043.9.7433.2.1.1")
        .put(keyword::STUDY_INSTANCE_UID, "1.2.826.0.1.3680043.9.7433.2")
        .put(keyword::SERIES_INSTANCE_UID, "1.2.826.0.1.3680043.9.7433.2.1")
        .put(keyword::PIXEL_DATA.with_vr(Vr::Ob), pixels);
    let data_set = set.encode(Syntax::EXPLICIT_LITTLE);
    rig.store("1.2.840.10008.1.2.1", &data_set);
    let path = "/studies/1.2.826.0.1.3680043.9.7433.2/download.zip";
    let answer = rig.get(path).await;
    assert_eq!(answer.header(header::CONTENT_LENGTH), answer.body.len().to_string());
    let files = unzip(&answer.body);
    let want = stored_file(&rig, "1.2.826.0.1.3680043.9.7433.2.1.1", &data_set).await;
    assert_eq!(files, [("series-001/00001.dcm".to_owned(), want)]);
    rig.damage_packs(&data_set[data_set.len() / 2..][..64]);
    assert!(rig.try_get(path).await.is_err(), "a browser must see that the answer was cut");
}

#[tokio::test]
async fn a_damaged_copy_is_counted_and_listed() {
    let rig = Rig::new();
    let pixels: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut set = DataSet::new();
    set.put(keyword::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.7")
        .put(keyword::SOP_INSTANCE_UID, "1.2.826.0.1.3680043.9.7433.4.1.1")
        .put(keyword::STUDY_INSTANCE_UID, "1.2.826.0.1.3680043.9.7433.4")
        .put(keyword::SERIES_INSTANCE_UID, "1.2.826.0.1.3680043.9.7433.4.1")
        .put(keyword::PIXEL_DATA.with_vr(Vr::Ob), pixels);
    let data_set = set.encode(Syntax::EXPLICIT_LITTLE);
    rig.store("1.2.840.10008.1.2.1", &data_set);
    assert!(rig.get("/damaged").await.text().contains("Chưa phát hiện dữ liệu hỏng"));
    rig.damage_packs(&data_set[data_set.len() / 2..][..64]);
    assert!(rig.try_get("/studies/1.2.826.0.1.3680043.9.7433.4/download.zip").await.is_err());
    // The quarantine is noted behind the answer.
    let mut list = serde_json::Value::Null;
    for _ in 0..500 {
        list = serde_json::from_slice(&rig.get("/api/v1/damaged").await.body).unwrap();
        if list["copies"] == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((&list["copies"], &list["damaged"][0]["other_copy"]), (&1.into(), &false.into()), "{list}");
    assert!(rig.get("/damaged").await.text().contains(list["damaged"][0]["hash"].as_str().unwrap()));
    let state = rig.get("/state").await.text();
    assert!(state.contains("Ảnh hỏng, đã cách ly: 1") && state.contains("href=\"/damaged\""), "{state}");
    let told: serde_json::Value = serde_json::from_slice(&rig.get("/api/v1/state").await.body).unwrap();
    assert_eq!((&told["damaged_copies"], &told["missing_packs"]), (&1.into(), &0.into()));
}
