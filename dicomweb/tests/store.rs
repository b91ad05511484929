//! STOW-RS as clients see it (PS3.18 10.5).
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use axum::body::Body;
use axum::http::{Request, header};
use dicomweb::Limits;
use support::{BOUNDARY, Instance, JSON, Rig, chunked, element, related};

#[tokio::test]
async fn instances_are_stored_and_named_in_their_order() {
    let rig = Rig::new();
    let uids: Vec<String> = (0..40).map(|n| format!("1.2.3.{}", 40 - n)).collect();
    let parts: Vec<_> = uids.iter().map(|uid| Instance::new("1.2", "1.2.1", uid).file()).collect();
    let answer = rig.store(&parts).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header(header::CONTENT_TYPE), JSON);
    assert_eq!(answer.stored(), uids);
    let json = answer.json();
    assert_eq!(json["00081190"]["Value"][0], "/dicom-web/studies/1.2");
    let first = &json["00081199"]["Value"][0];
    assert_eq!(first["00081190"]["Value"][0], "/dicom-web/studies/1.2/series/1.2.1/instances/1.2.3.40");
    assert_eq!(first["00081150"]["Value"][0], support::SECONDARY_CAPTURE);
    assert!(json.get("00081198").is_none() && json.get("0008119A").is_none());
    // What is stored twice is stored.
    let again = rig.store(&parts[..2]).await;
    assert_eq!((again.status.as_u16(), again.stored()), (200, uids[..2].to_vec()));
}

#[tokio::test]
async fn a_failed_part_does_not_touch_the_others() {
    let rig = Rig::new();
    let mut mismatch = Instance::new("1.2", "1.2.1", "1.2.3.9").file();
    let other = Instance::new("1.2", "1.2.1", "1.2.3.8").data_set();
    let at = mismatch.len() - other.len();
    mismatch[at..].copy_from_slice(&other);
    let cut = Instance::new("1.2", "1.2.1", "1.2.3.7").file();
    let mut directory = Instance::new("1.2", "1.2.1", "1.2.3.6").file();
    let class = directory.windows(25).position(|w| w == b"1.2.840.10008.5.1.4.1.1.7").unwrap();
    directory[class..class + 26].copy_from_slice(b"1.2.840.10008.1.3.10\0\0\0\0\0\0");
    let parts = [
        Instance::new("1.2", "1.2.1", "1.2.3.1").file(),
        b"not DICOM at all".repeat(20),
        mismatch,
        cut[..cut.len() - 100].to_vec(),
        directory,
        Instance::new("1.2", "1.2.1", "1.2.3.2").file(),
    ];
    let answer = rig.store(&parts).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.stored(), ["1.2.3.1", "1.2.3.2"]);
    let (failed, other) = answer.failures();
    assert_eq!(failed[0], 0xA900);
    assert!(failed.contains(&0x0122), "{failed:x?}");
    assert_eq!(other, [0xC000]);
    let none = rig.store(&parts[1..3]).await;
    assert_eq!((none.status.as_u16(), none.stored().len()), (409, 0));
    assert!(none.json()["00081190"].get("Value").is_none());
}

#[tokio::test]
async fn a_study_in_the_path_takes_only_its_own() {
    let rig = Rig::new();
    let parts =
        [Instance::new("1.2", "1.2.1", "1.2.3.1").file(), Instance::new("1.9", "1.9.1", "1.9.3.1").file()];
    let answer = rig.store_chunked("/studies/1.9", related(BOUNDARY, &parts), 1000).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.stored(), ["1.9.3.1"]);
    assert_eq!(answer.failures().0, [0xA900]);
    assert_eq!(answer.json()["00081190"]["Value"][0], "/dicom-web/studies/1.9");
    for bad in ["1.9%00", "..%2f..%2fx", "1.9%0d%0a", "1.9%20", "%D9%A1", "1.9*", &"1".repeat(65)] {
        let answer = rig.store_chunked(&format!("/studies/{bad}"), Vec::new(), 1).await;
        assert_eq!(answer.problem(400).0, "StudyInstanceUID", "{bad}");
    }
}

#[tokio::test]
async fn content_types_are_read_as_clients_write_them() {
    let rig = Rig::new();
    let file = Instance::new("1.2", "1.2.1", "1.2.3.1").file();
    for content_type in [
        "multipart/related; boundary=b; type=application/dicom",
        "multipart/related;type=\"application/dicom\";charset=utf-8;boundary=\"b\"",
        "Multipart/Related; TYPE=\"Application/DICOM\" ; BOUNDARY=b",
        "multipart/related; boundary=b",
    ] {
        let body = chunked(related("b", std::slice::from_ref(&file)), 100);
        assert_eq!(rig.store_as("/studies", content_type, body).await.status, 200, "{content_type}");
    }
    assert_eq!(rig.store_as("/studies", "application/dicom", file.clone().into()).await.status, 200);
    for content_type in [
        "multipart/form-data; boundary=b",
        "multipart/related; type=\"application/dicom+xml\"; boundary=b",
        "multipart/related; type=\"application/dicom+json\"; boundary=b",
        "application/json",
        "nonsense",
    ] {
        rig.store_as("/studies", content_type, Body::empty()).await.problem(415);
    }
    for boundary in ["", "; boundary=", "; boundary=\"\"", &format!("; boundary={}", "b".repeat(71))] {
        let content_type = format!("multipart/related; type=\"application/dicom\"{boundary}");
        let status = rig.store_as("/studies", &content_type, Body::empty()).await.status.as_u16();
        assert!([400, 415].contains(&status), "{boundary:?}: {status}");
    }
    let gzip = Request::post("/dicom-web/studies")
        .header(header::CONTENT_TYPE, "multipart/related; type=\"application/dicom\"; boundary=b")
        .header(header::CONTENT_ENCODING, "gzip");
    rig.send(gzip.body(Body::from(related("b", &[file]))).unwrap()).await.problem(415);
}

#[tokio::test]
async fn parts_of_another_type_are_refused_one_by_one() {
    let rig = Rig::new();
    let file = Instance::new("1.2", "1.2.1", "1.2.3.1").file();
    let mut body = Vec::new();
    for headers in [
        "Content-Type: application/json\r\n",
        "Content-Type: application/dicom\r\nContent-Transfer-Encoding: base64\r\n",
        "no header",
        "content-type:application/DICOM; transfer-syntax=1.2.840.10008.1.2.1\r\nContent-Transfer-Encoding: Binary\r\n",
    ] {
        body.extend_from_slice(format!("\r\n--{BOUNDARY}\r\n{headers}\r\n").as_bytes());
        body.extend_from_slice(&file);
    }
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--").as_bytes());
    let answer = rig.store_chunked("/studies", body, 777).await;
    assert_eq!((answer.status.as_u16(), answer.stored().len()), (202, 1));
    assert_eq!(answer.failures().1, [0xC000; 3]);
}

#[tokio::test]
async fn a_body_that_is_cut_short_keeps_what_was_whole() {
    let rig = Rig::new();
    let parts: Vec<_> =
        ["1.2.3.1", "1.2.3.2"].map(|uid| Instance::new("1.2", "1.2.1", uid).file()).into_iter().collect();
    let body = related(BOUNDARY, &parts);
    let answer = rig.store_chunked("/studies", body[..body.len() - 300].to_vec(), 1000).await;
    assert_eq!((answer.status.as_u16(), answer.stored()), (202, vec!["1.2.3.1".to_owned()]));
    assert_eq!(answer.failures().0, [0xC000]);
    rig.store_chunked("/studies", body[..500].to_vec(), 100).await.problem(400);
    rig.store_chunked("/studies", Vec::new(), 1).await.problem(400);
    rig.store_chunked("/studies", format!("--{BOUNDARY}--").into_bytes(), 10).await.problem(400);
    // A boundary within pixels, with its line end of the wrong kind or its line going on, divides nothing.
    let mut tricky = Instance::new("1.2", "1.2.1", "1.2.3.5");
    tricky.pixels = format!("\n--{BOUNDARY}\r\n\r\n--{BOUNDARY}x\r\n").repeat(200).into_bytes();
    assert_eq!(rig.store_chunked("/studies", related(BOUNDARY, &[tricky.file()]), 97).await.status, 200);
}

#[tokio::test]
async fn the_limits_hold_at_the_limit_and_beyond() {
    let file = Instance::new("1.2", "1.2.1", "1.2.3.1").file();
    let body = related(BOUNDARY, &vec![file.clone(); 3]);
    let limits = |parts, bytes| Limits { parts, request_bytes: Some(bytes), ..Limits::default() };
    let length = body.len() as u64;
    assert_eq!(Rig::with(limits(3, length)).store_chunked("/studies", body.clone(), 999).await.status, 200);
    let few = Rig::with(limits(2, length)).store_chunked("/studies", body.clone(), 999).await;
    assert_eq!((few.status.as_u16(), few.failures().1), (202, vec![0xA700]));
    let short = Rig::with(limits(3, length - 1)).store_chunked("/studies", body.clone(), 999).await;
    assert_eq!((short.status.as_u16(), short.stored().len()), (202, 2));
    Rig::with(limits(0, length)).store_chunked("/studies", body.clone(), 999).await.problem(413);
    let announced = Request::post("/dicom-web/studies")
        .header(header::CONTENT_TYPE, "multipart/related; type=\"application/dicom\"; boundary=b")
        .header(header::CONTENT_LENGTH, 1_u64 << 32);
    Rig::with(limits(3, 1000)).send(announced.body(Body::empty()).unwrap()).await.problem(413);
}

#[tokio::test]
async fn a_silent_client_is_given_up() {
    let limits = Limits { idle: std::time::Duration::from_millis(20), ..Limits::default() };
    let rig = Rig::with(limits);
    let content_type = format!("multipart/related; type=\"application/dicom\"; boundary=\"{BOUNDARY}\"");
    let body = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    rig.store_as("/studies", &content_type, body).await.problem(408);
}

#[tokio::test]
async fn what_is_retrieved_is_what_was_stored() {
    let rig = Rig::new();
    let mut instance = Instance::new("1.2", "1.2.1", "1.2.3.1");
    instance.pixels = vec![7; 700_000];
    element(&mut instance.pixels, 0x0008, 0x0018, b"UI", b"9.9.9");
    assert_eq!(rig.store(&[instance.file()]).await.status, 200);
    let path = "/studies/1.2/series/1.2.1/instances/1.2.3.1";
    let answer = rig.get_as(path, Some("application/dicom; transfer-syntax=*")).await;
    assert_eq!(answer.status, 200);
    let data_set = instance.data_set();
    assert!(answer.bytes().ends_with(&data_set) && answer.bytes()[128..].starts_with(b"DICM"));
    assert_eq!(answer.header(header::CONTENT_LENGTH), answer.bytes().len().to_string());
}

#[tokio::test]
async fn a_full_disk_refuses_and_says_when_to_come_again() {
    let rig = Rig::new();
    let file = |n: usize| {
        let uid = format!("1.2.3.{n}");
        let mut instance = Instance::new("1.2", "1.2.1", &uid);
        // Pixels of its own, so that nothing is deduplicated.
        instance.pixels.extend_from_slice(uid.as_bytes());
        instance.file()
    };
    let files: Vec<_> = (0..40).map(file).collect();
    assert_eq!(rig.store(&files[..1]).await.status, 200);
    let used: usize = rig.disk.files().iter().map(|path| rig.disk.contents(path).unwrap().len()).sum();
    rig.disk.set_capacity(Some(used as u64 + 3000));
    let answer = rig.store(&files[1..]).await;
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    assert_eq!(answer.header(header::RETRY_AFTER), "30");
    assert!(answer.stored().is_empty());
    // What is there is served all the same.
    assert_eq!(rig.get("/studies/1.2").await.status, 200);
}
