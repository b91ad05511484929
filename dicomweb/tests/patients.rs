//! The resources below a patient's key: that person's studies, and nothing of anybody else.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use axum::body::Body;
use axum::http::{Request, header};
use dicomweb::Sender;
use indexer::db::FacilityId;
use indexer::query::{Level, Query};
use support::{Answer, Instance, Rig, related};

/// Stores an instance of PatientID `P1` as `facility` does.
async fn store(rig: &Rig, facility: u32, instance: Instance<'_>) {
    let kind = format!("multipart/related; type=\"application/dicom\"; boundary=\"{}\"", support::BOUNDARY);
    let mut request = Request::post("/dicom-web/studies").header(header::CONTENT_TYPE, kind);
    let source = format!("stow:{facility}@127.0.0.1");
    let sender = Sender { facility: FacilityId(facility), source, patient_id_is_order: false };
    request.extensions_mut().unwrap().insert(sender);
    let body = Body::from(related(support::BOUNDARY, &[instance.file()]));
    assert_eq!(rig.send(request.body(body).unwrap()).await.status, 200);
}

/// The key that the index gives the patient of a study.
fn key_of(rig: &Rig, study: &str) -> String {
    let mut query = Query::new(Level::Study);
    query.key(0x0020_000D, study).unwrap();
    rig.archive.db().query(&query).unwrap().rows[0].patient.unwrap().to_string()
}

fn studies(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let rows = json.as_array().unwrap().iter();
    let mut found: Vec<String> =
        rows.map(|row| row["0020000D"]["Value"][0].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}

async fn below(rig: &Rig, key: &str, path: &str) -> Answer {
    let request = Request::get(format!("/patients/{key}/dicom-web{path}"));
    rig.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_same_number_at_another_facility_is_another_person() {
    let rig = Rig::new();
    store(&rig, 1, Instance::new("1.1", "1.1.1", "1.1.1.1")).await;
    store(&rig, 1, Instance::new("1.3", "1.3.1", "1.3.1.1")).await;
    store(&rig, 2, Instance::new("1.2", "1.2.1", "1.2.1.1")).await;
    let (one, stranger) = (key_of(&rig, "1.1"), key_of(&rig, "1.2"));
    assert_ne!(one, stranger);
    assert_eq!(key_of(&rig, "1.3"), one);
    assert_eq!(studies(&rig.get("/studies?PatientID=P1").await).len(), 3);
    for query in ["", "?00100020=P1&limit=101", "?PatientID=P*", "?StudyInstanceUID=1.1,1.2,1.3"] {
        assert_eq!(studies(&below(&rig, &one, &format!("/studies{query}")).await), ["1.1", "1.3"], "{query}");
    }
    assert_eq!(studies(&below(&rig, &stranger, "/studies?00100020=P1").await), ["1.2"]);
    assert_eq!(studies(&below(&rig, &one, "/studies?00100020=P2").await), [""; 0]);
    assert_eq!(below(&rig, &one, "/instances").await.json().as_array().unwrap().len(), 2);
    assert_eq!(below(&rig, &one, "/studies/1.2/series").await.json(), serde_json::json!([]));
    let instance = |n: u32| format!("/studies/1.{n}/series/1.{n}.1/instances/1.{n}.1.1");
    for path in ["", "/metadata", "/bulkdata/0"] {
        assert_eq!(below(&rig, &one, &format!("{}{path}", instance(1))).await.status, 200, "{path}");
        below(&rig, &one, &format!("{}{path}", instance(2))).await.problem(404);
    }
    below(&rig, &one, &format!("{}/frames/1", instance(2))).await.problem(404);
    below(&rig, &one, &format!("{}/rendered", instance(2))).await.problem(404);
    for path in ["/studies/1.2", "/studies/1.2/metadata", "/studies/1.2/series/1.2.1/metadata"] {
        below(&rig, &one, path).await.problem(404);
    }
    // Addresses stay below the key.
    let row = below(&rig, &one, "/studies?StudyInstanceUID=1.1").await.json();
    assert_eq!(row[0]["00081190"]["Value"][0], format!("/patients/{one}/dicom-web/studies/1.1"));
}

#[tokio::test]
async fn what_is_no_key_is_nobodys() {
    let rig = Rig::new();
    store(&rig, 1, Instance::new("1.1", "1.1.1", "1.1.1.1")).await;
    for path in ["/studies", "/studies/1.1", "/studies/1.1/metadata", "/studies/1.1/series/1.1.1"] {
        below(&rig, &"0".repeat(32), path).await.problem(404);
        for key in ["P1", "x", "..%2f", &key_of(&rig, "1.1").to_uppercase()] {
            assert!(below(&rig, key, path).await.status.is_client_error(), "{key}{path}");
        }
    }
}
