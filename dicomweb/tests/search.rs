//! QIDO-RS as clients see it (PS3.18 10.6).
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use axum::http::header;
use support::{Answer, Instance, JSON, Rig};

async fn filled() -> Rig {
    let rig = Rig::new();
    let parts: Vec<_> =
        [("1.2", "1.2.1", "1.2.3.1"), ("1.2", "1.2.1", "1.2.3.2"), ("1.9", "1.9.1", "1.9.3.1")]
            .map(|(study, series, uid)| Instance::new(study, series, uid).file())
            .into_iter()
            .collect();
    assert_eq!(rig.store(&parts).await.status, 200);
    rig
}

/// The Retrieve URLs of a result, sorted.
fn addresses(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header(header::CONTENT_TYPE), JSON);
    let rows = answer.json();
    let address = |row: &serde_json::Value| row["00081190"]["Value"][0].as_str().unwrap().to_owned();
    let mut found: Vec<String> = rows.as_array().unwrap().iter().map(address).collect();
    found.sort();
    found
}

fn warnings(answer: &Answer) -> Vec<String> {
    answer.headers.get_all(header::WARNING).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_level_is_searched_below_every_path() {
    let rig = filled().await;
    for (path, expected) in [
        ("/studies", &["/dicom-web/studies/1.2", "/dicom-web/studies/1.9"][..]),
        ("/series", &["/dicom-web/studies/1.2/series/1.2.1", "/dicom-web/studies/1.9/series/1.9.1"]),
        ("/studies/1.9/series", &["/dicom-web/studies/1.9/series/1.9.1"]),
        ("/studies/1.9/instances", &["/dicom-web/studies/1.9/series/1.9.1/instances/1.9.3.1"]),
        (
            "/studies/1.2/series/1.2.1/instances",
            &[
                "/dicom-web/studies/1.2/series/1.2.1/instances/1.2.3.1",
                "/dicom-web/studies/1.2/series/1.2.1/instances/1.2.3.2",
            ],
        ),
        ("/instances?0020000D=1.9", &["/dicom-web/studies/1.9/series/1.9.1/instances/1.9.3.1"]),
        ("/studies?StudyInstanceUID=1.2%5C1.9", &["/dicom-web/studies/1.2", "/dicom-web/studies/1.9"]),
        ("/studies?StudyInstanceUID=1.2,1.3", &["/dicom-web/studies/1.2"]),
        ("/studies?PatientID=P1&StudyInstanceUID=1.2", &["/dicom-web/studies/1.2"]),
        ("/studies/1.9/series?SeriesInstanceUID=1.9.1", &["/dicom-web/studies/1.9/series/1.9.1"]),
        // A key that contradicts the path.
        ("/studies/1.9/series?StudyInstanceUID=1.2", &[]),
        ("/studies?PatientID=nobody", &[]),
        ("/studies/1.77/series", &[]),
        ("/studies?limit=0", &[]),
    ] {
        assert_eq!(addresses(&rig.get(path).await), expected, "{path}");
    }
}

#[tokio::test]
async fn what_the_viewer_asks_is_answered() {
    let rig = filled().await;
    let list = "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030";
    let answer = rig.get_as(&format!("/studies?{list}"), Some("application/dicom+json")).await;
    assert_eq!(addresses(&answer).len(), 2);
    assert!(warnings(&answer).is_empty());
    let series = "includefield=00080021%2C00080031%2C0008103E%2C00200011";
    assert_eq!(addresses(&rig.get(&format!("/studies/1.2/series?{series}")).await).len(), 1);
    let filtered = format!("/studies?{list}&StudyInstanceUID=1.2&ModalitiesInStudy=CT%2COT");
    assert_eq!(addresses(&rig.get(&filtered).await).len(), 1);
}

#[tokio::test]
async fn pages_are_bounded_and_say_when_there_is_more() {
    let rig = filled().await;
    let first = rig.get("/studies?limit=1").await;
    assert_eq!(warnings(&first), ["299 dicom-web \"there may be additional results that can be requested\""]);
    let second = rig.get("/studies?limit=1&offset=1").await;
    assert!(warnings(&rig.get("/studies?limit=1000000000").await).is_empty());
    assert_ne!(addresses(&first), addresses(&second));
    assert_eq!(rig.get("/studies?offset=1000000000").await.problem(400).0, "offset");
}

#[tokio::test]
async fn what_cannot_be_matched_is_named() {
    let rig = filled().await;
    let answer = rig.get("/studies?PatientWeight=60&00400275.00400009=7&StudyInstanceUID=1.2").await;
    assert_eq!(addresses(&answer).len(), 1);
    assert_eq!(
        warnings(&answer),
        ["299 dicom-web \"these keys are not supported and were ignored: 00400275.00400009, 00101030\""]
    );
    for (query, field) in [
        ("Nonsense=1", "Nonsense"),
        ("orderby=1;DROP%20TABLE%20study", "orderby"),
        ("includefield=x%27--", "includefield"),
        ("limit=1%20OR%201", "limit"),
        ("StudyDate=yesterday", "StudyDate"),
        ("SeriesInstanceUID=1.2%0d%0aX:%20y", "SeriesInstanceUID"),
        ("00081155=%zz", "00081155"),
    ] {
        assert_eq!(rig.get(&format!("/studies?{query}")).await.problem(400).0, field, "{query}");
    }
    rig.get_as("/studies", Some("multipart/related; type=\"application/dicom+xml\"")).await.problem(406);
}
