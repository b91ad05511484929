//! Hostile requests: whatever comes, there is an answer, and the next request is served.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use axum::body::Body;
use axum::http::{Request, header};
use support::{BOUNDARY, Instance, Random, Rig, related};

/// Requests of the mutation loop; more with the variable `MUTATIONS`.
const MUTATIONS: usize = 2000;

fn rounds() -> usize {
    std::env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTATIONS)
}

fn seed() -> u64 {
    let chosen = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let time = || {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
    };
    let seed = chosen.unwrap_or_else(time);
    eprintln!("SEED={seed}");
    seed
}

/// Changes, removes, doubles or inserts a few bytes.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        // Headers and delimiters are what matters, and they are at the start and the end of a part.
        let near = [bytes.len(), bytes.len().min(700), bytes.len().min(120)][random.below(3)];
        let at = if random.below(2) == 0 { random.below(near) } else { bytes.len() - 1 - random.below(near) };
        let to = (at + 1 + random.below(64)).min(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.drain(at..to)),
            3 => {
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let pieces: [&[u8]; 5] = [b"\r\n--", b"\r\n\r\n", b"--", b"\n", b"\xFF\xFF\xFF\xFF"];
                let piece = pieces[random.below(5)];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

#[tokio::test]
async fn mutated_stores_are_answered() {
    let rig = Rig::new();
    let mut random = Random(seed());
    for round in 0..rounds() {
        let uid = format!("1.2.3.{}", round % 50);
        let mut instance = Instance::new("1.2", "1.2.1", &uid);
        instance.pixels.truncate(300);
        let mut body = related(BOUNDARY, &[instance.file(), instance.file()]);
        mutate(&mut random, &mut body);
        let chunk = 1 + random.below(2000);
        let answer = rig.store_chunked("/studies", body, chunk).await;
        assert!([200, 202, 400, 409].contains(&answer.status.as_u16()), "round {round}: {}", answer.status);
        answer.json();
    }
}

#[tokio::test]
async fn mutated_requests_are_answered() {
    let rig = Rig::new();
    assert_eq!(rig.store(&[Instance::new("1.2", "1.2.1", "1.2.3.1").file()]).await.status, 200);
    let mut random = Random(seed());
    for round in 0..rounds() {
        let mut path = [
            "/studies?limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060&PatientName=*x*",
            "/studies/1.2/series?SeriesInstanceUID=1.2.1&(0020,0011)=1&00080060=CT%5CMR",
            "/studies/1.2/series/1.2.1/instances/1.2.3.1?accept=multipart/related;type=%22application/dicom%22",
            "/studies/1.2/metadata?accept=application/dicom+json",
        ][random.below(4)]
        .as_bytes()
        .to_vec();
        mutate(&mut random, &mut path);
        let mut accept =
            b"multipart/related; type=\"application/dicom\"; transfer-syntax=*;q=0.9, */*".to_vec();
        mutate(&mut random, &mut accept);
        let uri = [b"/dicom-web", &path[..]].concat();
        let request = Request::get(&uri[..]).header(header::ACCEPT, &accept[..]);
        // What is no HTTP at all never gets here.
        let Ok(request) = request.body(Body::empty()) else { continue };
        let answer = rig.send(request).await;
        assert!([200, 400, 404, 406].contains(&answer.status.as_u16()), "round {round}: {}", answer.status);
        for (_, value) in &answer.headers {
            assert!(value.as_bytes().iter().all(|b| (b' '..=b'~').contains(b)), "round {round}: {value:?}");
        }
    }
}

#[tokio::test]
async fn a_million_parts_cost_no_memory_that_matters() {
    let rig = Rig::new();
    let part = format!("\r\n--{BOUNDARY}\r\n\r\n");
    let chunk = bytes::Bytes::from(part.repeat(1000));
    let chunks = futures_util::stream::iter((0..1000).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let content_type = format!("multipart/related; type=\"application/dicom\"; boundary=\"{BOUNDARY}\"");
    let answer = rig.store_as("/studies", &content_type, Body::from_stream(chunks)).await;
    assert_eq!(answer.status, 409);
    assert!(answer.bytes().len() < 100_000);
}

#[tokio::test]
async fn odd_headers_are_answered() {
    let rig = Rig::new();
    let long = format!("multipart/related; type=\"application/dicom\"; boundary={}", "b".repeat(1 << 20));
    assert!(rig.store_as("/studies", &long, Body::empty()).await.status.is_client_error());
    let ranges = format!("bytes={}", "0-,".repeat(1000));
    let request =
        Request::get("/dicom-web/studies").header(header::RANGE, ranges).body(Body::empty()).unwrap();
    assert_eq!(rig.send(request).await.status, 200);
    let accept = "a/b,".repeat(100_000);
    rig.get_as("/studies", Some(&accept)).await.problem(400);
    rig.get(&format!("/studies?{}", "a=b&".repeat(10_000))).await.problem(400);
    rig.get(&format!("/studies?PatientName={}", "*a".repeat(10_000))).await.problem(400);
    let request = Request::get("/dicom-web/studies").header(header::ACCEPT, &b"\xFF\xFE"[..]);
    assert_eq!(rig.send(request.body(Body::empty()).unwrap()).await.problem(400).0, "Accept");
}
