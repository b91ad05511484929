//! What the tests of this crate share: an archive behind the router, and instances to store in it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use dicomweb::{DicomWeb, Limits, Sender};
use http_body_util::BodyExt;
use indexer::archive::{Archive, ArchiveOptions};
use indexer::db::{Db, DbOptions, FacilityId};
use serde_json::Value;
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::SimulatedDisk;
use tempfile::TempDir;
use tower::ServiceExt;

pub const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
pub const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
pub const JSON: &str = "application/dicom+json";
pub const BOUNDARY: &str = "----=_a (b)+c";

/// The service over an empty archive, its packs on a simulated disk.
pub struct Rig {
    pub app: Router,
    pub archive: Archive,
    pub disk: Arc<SimulatedDisk>,
    /// Holds the index.
    _dir: TempDir,
}

/// A clock that never tells the same time twice.
fn now_ms() -> i64 {
    static TICKS: AtomicI64 = AtomicI64::new(1_763_700_000_000);
    TICKS.fetch_add(1, Ordering::SeqCst)
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Rig {
        let (disk, dir) = (SimulatedDisk::new(1), TempDir::new().unwrap());
        let db = Db::open(&dir.path().join("index.sqlite"), DbOptions::default()).unwrap();
        let store = StoreLimits { min_free_bytes: 0, min_free_percent: 0, ..StoreLimits::default() };
        let packs_dir = PathBuf::from("/archive/packs");
        let cache_dir = Some(dir.path().join("cache"));
        let options = ArchiveOptions {
            disk: disk.disk(),
            packs_dir,
            cache_dir,
            replica: None,
            writer: 1,
            scan: ScanLimits::default(),
            store,
            now_ms,
        };
        let (archive, _) = Archive::open(options, db).unwrap();
        let sender = Sender {
            facility: FacilityId(1),
            source: "stow:test@127.0.0.1".into(),
            patient_id_is_order: false,
        };
        let web = DicomWeb::new(archive.clone(), "/dicom-web/", sender, limits);
        Rig {
            app: Router::new()
                .nest("/dicom-web", dicomweb::router(web.clone()))
                .merge(dicomweb::patient_router(web)),
            archive,
            disk,
            _dir: dir,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).map_err(|_| ());
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(path, None).await
    }

    pub async fn get_as(&self, path: &str, accept: Option<&str>) -> Answer {
        let mut request = Request::get(format!("/dicom-web{path}"));
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Stores a body of the usual Content-Type in chunks of `chunk` bytes.
    pub async fn store_chunked(&self, path: &str, body: Vec<u8>, chunk: usize) -> Answer {
        let content_type = format!("multipart/related; type=\"application/dicom\"; boundary=\"{BOUNDARY}\"");
        self.store_as(path, &content_type, chunked(body, chunk)).await
    }

    pub async fn store_as(&self, path: &str, content_type: &str, body: Body) -> Answer {
        let request = Request::post(format!("/dicom-web{path}")).header(header::CONTENT_TYPE, content_type);
        self.send(request.body(body).unwrap()).await
    }

    pub async fn store(&self, parts: &[Vec<u8>]) -> Answer {
        self.store_chunked("/studies", related(BOUNDARY, parts), 65_536).await
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.archive.close();
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `Err` when the answer was cut.
    pub body: Result<Bytes, ()>,
}

impl Answer {
    pub fn bytes(&self) -> &[u8] {
        self.body.as_ref().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.bytes()).unwrap()
    }

    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem (RFC 9457) of `status`; its field and detail.
    pub fn problem(&self, status: u16) -> (String, String) {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        (text("field"), text("detail"))
    }

    /// Failure reasons of Failed SOP Sequence and of Other Failures Sequence.
    pub fn failures(&self) -> (Vec<u64>, Vec<u64>) {
        let json = self.json();
        let reasons = |tag: &str| {
            let items = json[tag]["Value"].as_array().cloned().unwrap_or_default();
            items.iter().map(|item| item["00081197"]["Value"][0].as_u64().unwrap()).collect()
        };
        (reasons("00081198"), reasons("0008119A"))
    }

    /// SOP Instance UIDs of Referenced SOP Sequence.
    pub fn stored(&self) -> Vec<String> {
        let items = self.json()["00081199"]["Value"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["00081155"]["Value"][0].as_str().unwrap().to_owned()).collect()
    }
}

pub fn chunked(body: Vec<u8>, chunk: usize) -> Body {
    let chunks: Vec<_> =
        body.chunks(chunk).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect();
    Body::from_stream(futures_util::stream::iter(chunks))
}

/// A multipart body.
pub fn related(boundary: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

/// A Part 10 file.
pub struct Instance<'a> {
    pub study: &'a str,
    pub series: &'a str,
    pub instance: &'a str,
    pub transfer_syntax: &'a str,
    pub pixels: Vec<u8>,
}

impl<'a> Instance<'a> {
    pub fn new(study: &'a str, series: &'a str, instance: &'a str) -> Instance<'a> {
        let pixels = (0..6000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Instance { study, series, instance, transfer_syntax: EXPLICIT_LITTLE, pixels }
    }

    pub fn data_set(&self) -> Vec<u8> {
        let mut out = Vec::new();
        element(&mut out, 0x0008, 0x0016, b"UI", SECONDARY_CAPTURE.as_bytes());
        element(&mut out, 0x0008, 0x0018, b"UI", self.instance.as_bytes());
        element(&mut out, 0x0008, 0x0060, b"CS", b"OT");
        element(&mut out, 0x0010, 0x0010, b"PN", b"TRAN^AN");
        element(&mut out, 0x0010, 0x0020, b"LO", b"P1");
        element(&mut out, 0x0020, 0x000D, b"UI", self.study.as_bytes());
        element(&mut out, 0x0020, 0x000E, b"UI", self.series.as_bytes());
        element(&mut out, 0x7FE0, 0x0010, b"OB", &self.pixels);
        out
    }

    pub fn file(&self) -> Vec<u8> {
        let mut meta = Vec::new();
        element(&mut meta, 2, 1, b"OB", &[0, 1]);
        element(&mut meta, 2, 2, b"UI", SECONDARY_CAPTURE.as_bytes());
        element(&mut meta, 2, 3, b"UI", self.instance.as_bytes());
        element(&mut meta, 2, 0x10, b"UI", self.transfer_syntax.as_bytes());
        element(&mut meta, 2, 0x12, b"UI", b"1.2.3");
        let mut out = vec![0; 128];
        out.extend_from_slice(b"DICM");
        element(&mut out, 2, 0, b"UL", &u32::try_from(meta.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&meta);
        out.extend_from_slice(&self.data_set());
        out
    }
}

/// Appends an element in Explicit VR Little Endian.
pub fn element(out: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == b"UI" || vr == b"OB" { 0 } else { b' ' });
    }
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(vr);
    if vr == b"OB" {
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
    } else {
        out.extend_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
    }
    out.extend_from_slice(&value);
}

/// Numbers that look random and come from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
