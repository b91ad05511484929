//! WADO-RS as clients see it (PS3.18 10.4).
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use axum::body::Body;
use axum::http::{Method, Request, header};
use bytes::Bytes;
use dicomweb::multipart::{Event, Multipart};
use support::{Answer, Instance, JSON, Rig};

async fn filled() -> Rig {
    let rig = Rig::new();
    let parts: Vec<_> =
        [("1.2", "1.2.1", "1.2.3.1"), ("1.2", "1.2.1", "1.2.3.2"), ("1.2", "1.2.2", "1.2.3.3")]
            .map(|(study, series, uid)| Instance::new(study, series, uid).file())
            .into_iter()
            .collect();
    assert_eq!(rig.store(&parts).await.status, 200);
    rig
}

/// The parts of a multipart answer.
fn parts(answer: &Answer) -> Vec<Vec<u8>> {
    let content_type = answer.header(header::CONTENT_TYPE);
    assert!(content_type.starts_with("multipart/related; type=\"application/dicom\"; boundary="));
    let boundary = content_type.rsplit_once('=').unwrap().1;
    let mut reader = Multipart::new(boundary).unwrap();
    reader.push(Bytes::copy_from_slice(answer.bytes()));
    let mut parts: Vec<Vec<u8>> = Vec::new();
    loop {
        match reader.next_event().unwrap().unwrap() {
            Event::Part(headers) => {
                let media = headers.unwrap().content_type.unwrap();
                assert_eq!(media.essence, "application/dicom");
                assert_eq!(media.parameter("transfer-syntax"), Some(support::EXPLICIT_LITTLE));
                parts.push(Vec::new());
            }
            Event::Data(bytes) => parts.last_mut().unwrap().extend_from_slice(&bytes),
            Event::PartEnd => {}
            Event::End => return parts,
        }
    }
}

const INSTANCE: &str = "/studies/1.2/series/1.2.1/instances/1.2.3.1";

#[tokio::test]
async fn studies_series_and_instances_come_as_stored() {
    let rig = filled().await;
    for (path, count) in [("/studies/1.2", 3), ("/studies/1.2/series/1.2.1", 2), (INSTANCE, 1)] {
        let answer = rig.get(path).await;
        assert_eq!(answer.status, 200);
        let parts = parts(&answer);
        assert_eq!(parts.len(), count, "{path}");
        let data_set = Instance::new("1.2", "1.2.1", "1.2.3.1").data_set();
        assert!(parts.iter().any(|part| part.ends_with(&data_set)), "{path}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "private, no-cache");
        // OHIF looks for the header in this spelling.
        let text = String::from_utf8_lossy(answer.bytes());
        assert!(
            text.contains("\r\nContent-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1\r\n\r\n")
        );
    }
}

#[tokio::test]
async fn accept_is_read_generously_and_refused_clearly() {
    let rig = filled().await;
    let related = "multipart/related; type=\"application/dicom\"; boundary=";
    for (accept, expected) in [
        ("*/*", related),
        ("multipart/related; type=application/dicom", related),
        ("multipart/related;type=\"application/dicom\";transfer-syntax=*", related),
        ("multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.1", related),
        ("multipart/related", related),
        ("text/html, */*;q=0.1", related),
        ("application/dicom", "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"),
        ("application/dicom;q=0.5, multipart/related;q=0.4", "application/dicom; transfer-syntax"),
        ("application/dicom;q=0, multipart/related;q=0.4", related),
    ] {
        let answer = rig.get_as(INSTANCE, Some(accept)).await;
        assert_eq!(answer.status, 200, "{accept}");
        assert!(answer.header(header::CONTENT_TYPE).starts_with(expected), "{accept}");
    }
    for accept in [
        "image/jpeg",
        "application/dicom+json",
        "multipart/related; type=\"application/octet-stream\"",
        "multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.4.90",
        "*/*;q=0",
    ] {
        rig.get_as(INSTANCE, Some(accept)).await.problem(406);
    }
    assert_eq!(rig.get_as(INSTANCE, Some("nonsense")).await.problem(400).0, "Accept");
    let query = rig.get(&format!("{INSTANCE}?accept=application%2Fdicom")).await;
    assert!(query.header(header::CONTENT_TYPE).starts_with("application/dicom;"));
    let injected = rig.get(&format!("{INSTANCE}?accept=application%2Fdicom%0d%0aSet-Cookie%3Aa")).await;
    injected.problem(400);
    // Several instances are multipart even for those who ask otherwise.
    assert_eq!(parts(&rig.get_as("/studies/1.2", Some("application/dicom")).await).len(), 3);
}

#[tokio::test]
async fn metadata_is_one_json_array() {
    let rig = filled().await;
    for (path, count) in [("/studies/1.2", 3), ("/studies/1.2/series/1.2.1", 2), (INSTANCE, 1)] {
        let answer = rig.get_as(&format!("{path}/metadata"), Some(JSON)).await;
        assert_eq!(answer.header(header::CONTENT_TYPE), JSON);
        let json = answer.json();
        assert_eq!(json.as_array().unwrap().len(), count);
        assert!(json[0]["00080018"]["Value"][0].as_str().unwrap().starts_with("1.2.3."));
    }
    let xml = "multipart/related; type=\"application/dicom+xml\"";
    rig.get_as("/studies/1.2/metadata", Some(xml)).await.problem(406);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let rig = filled().await;
    for path in [
        "/studies/1.3",
        "/studies/1.2/series/1.2.9",
        "/studies/1.2/series/1.2.2/instances/1.2.3.1",
        "/studies/1.3/metadata",
        "/nothing",
        "/studies/1.2/nothing",
    ] {
        rig.get(path).await.problem(404);
    }
    for path in ["/studies/1.2%00", "/studies/..%2fx", "/studies/1.2/series/%0d%0a", "/studies/%ff/metadata"]
    {
        rig.get(path).await.problem(400);
    }
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let rig = filled().await;
    for path in [INSTANCE.to_owned(), "/studies/1.2".to_owned(), format!("{INSTANCE}/metadata")] {
        let first = rig.get(&path).await;
        let etag = first.header(header::ETAG).to_owned();
        assert_eq!(rig.get(&path).await.header(header::ETAG), etag);
        for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let request = Request::get(format!("/dicom-web{path}")).header(header::IF_NONE_MATCH, known);
            let answer = rig.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!((answer.status.as_u16(), answer.bytes().len()), (304, 0));
            assert_eq!(answer.header(header::ETAG), etag);
        }
    }
    let single = rig.get_as(INSTANCE, Some("application/dicom")).await;
    assert_ne!(single.header(header::ETAG), rig.get(INSTANCE).await.header(header::ETAG));
}

#[tokio::test]
async fn other_methods_are_answered_with_what_there_is() {
    let rig = filled().await;
    for path in [INSTANCE, "/studies/1.2", "/studies/1.2/metadata", "/studies", "/series"] {
        let ask = |method: Method| Request::builder().method(method).uri(format!("/dicom-web{path}"));
        let head = rig.send(ask(Method::HEAD).body(Body::empty()).unwrap()).await;
        let get = rig.get(path).await;
        assert_eq!((head.status, head.bytes().len()), (get.status, 0), "{path}");
        assert_eq!(head.headers.get(header::CONTENT_TYPE), get.headers.get(header::CONTENT_TYPE));
        assert_eq!(head.headers.get(header::ETAG), get.headers.get(header::ETAG));
        let options = rig.send(ask(Method::OPTIONS).body(Body::empty()).unwrap()).await;
        assert_eq!(options.status, 204);
        assert_eq!(
            options.header(header::ALLOW).contains("POST"),
            path.starts_with("/studies") && path.len() < 13
        );
        let delete = rig.send(ask(Method::DELETE).body(Body::empty()).unwrap()).await;
        delete.problem(405);
        assert_eq!(delete.headers.get_all(header::ALLOW).iter().count(), 1);
    }
    let head = Request::head(format!("/dicom-web{INSTANCE}")).body(Body::empty()).unwrap();
    let length = rig.get(INSTANCE).await.bytes().len();
    assert_eq!(rig.send(head).await.header(header::CONTENT_LENGTH), length.to_string());
}

#[tokio::test]
async fn damage_cuts_an_answer_and_never_completes_it() {
    let rig = Rig::new();
    let mut instance = Instance::new("1.2", "1.2.1", "1.2.3.1");
    instance.pixels = (0..900_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    assert_eq!(rig.store(&[instance.file()]).await.status, 200);
    let path = rig.disk.files().into_iter().find(|path| {
        let bytes = rig.disk.contents(path).unwrap();
        let wanted = &instance.pixels[800_000..800_100];
        let at = memchr::memmem::find(&bytes, wanted);
        at.is_some_and(|at| rig.disk.flip_bit(path, at as u64, 3).is_ok())
    });
    assert!(path.is_some());
    for accept in ["*/*", "application/dicom"] {
        let answer = rig.get_as(INSTANCE, Some(accept)).await;
        assert!(answer.status.is_server_error() || answer.body.is_err(), "{accept}: {}", answer.status);
    }
}
