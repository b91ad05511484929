//! What the tests of this crate share: the pages over a real archive in a temporary folder, and how to ask them.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use fixtures::studies::{Instance, Options, Scale, demo};
use http_body_util::BodyExt;
use indexer::archive::{Archive, ArchiveOptions, Expect, Origin};
use indexer::db::{Db, DbOptions, FacilityId};
use portal::{Addresses, Machine, Portal};
use storage_config::Uid;
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::Disk;
use storage_config::operator::{AllowedPeers, Backups};
use tempfile::TempDir;
use tower::ServiceExt;

/// The clock of the archive: every instance comes long before the tests run, or now where a test says so.
static NOW_MS: AtomicI64 = AtomicI64::new(1_767_600_000_000);

pub struct Rig {
    pub app: Router,
    pub archive: Archive,
    dir: TempDir,
}

impl Rig {
    pub fn new() -> Rig {
        let dir = TempDir::new().unwrap();
        let db = Db::open(&dir.path().join("index.sqlite"), DbOptions::default()).unwrap();
        let store = StoreLimits { min_free_bytes: 0, min_free_percent: 0, ..StoreLimits::default() };
        let packs_dir = dir.path().join("packs");
        let options = ArchiveOptions {
            disk: Disk::Real,
            packs_dir: packs_dir.clone(),
            cache_dir: Some(dir.path().join("cache")),
            replica: None,
            writer: 1,
            scan: ScanLimits::default(),
            store,
            now_ms: || NOW_MS.fetch_add(1, Ordering::SeqCst),
        };
        let (archive, _) = Archive::open(options, db).unwrap();
        let addresses = Addresses {
            ae_title: "PACS".into(),
            dimse: vec!["127.0.0.1:11112".into()],
            dicom_web: "http://127.0.0.1:8080/dicom-web".into(),
        };
        let machine = Machine { ae_title: "XQ1".into(), address: "192.0.2.9".into() };
        let portal =
            Portal::new(archive.clone(), addresses).with_packs_in(packs_dir).with_machines(vec![machine]);
        let portal = portal
            .with_allowed_peers(AllowedPeers::open(dir.path()).unwrap())
            .with_backups(Backups::new(dir.path()));
        Rig { app: portal::router(portal), archive, dir }
    }

    /// With the demo studies.
    pub fn with_demo() -> (Rig, Vec<Instance>) {
        let rig = Rig::new();
        let all: Vec<Instance> = demo(Options::new(1, Scale::Small)).collect();
        for instance in &all {
            rig.store(instance.syntax.uid, &instance.data_set);
        }
        (rig, all)
    }

    /// Stores a data set.
    pub fn store(&self, transfer_syntax: &str, data_set: &[u8]) {
        let origin = Origin {
            facility: FacilityId(0),
            source: "import:test".into(),
            patient_id_is_order: false,
            issuer: String::new(),
            transfer_syntax: Uid::parse(transfer_syntax).unwrap(),
        };
        let mut store = self.archive.begin(origin).unwrap();
        store.push(data_set).unwrap();
        let (tell, told) = channel();
        store.finish(&Expect::default(), move |result| tell.send(result).unwrap());
        told.recv().unwrap().unwrap();
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts the search form and follows to its list.
    pub async fn search(&self, form: &str) -> Answer {
        let to = self.search_address(form).await;
        self.get(&to).await
    }

    /// The address to which the search form leads.
    pub async fn search_address(&self, form: &str) -> String {
        let request = Request::post("/search")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer = self.send(request).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        answer.header(header::LOCATION).to_owned()
    }

    /// Turns over the bytes at which `content` stands in the packs.
    pub fn damage_packs(&self, content: &[u8]) {
        let mut damaged = 0;
        for entry in std::fs::read_dir(self.dir.path().join("packs")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if let Some(at) = bytes.windows(content.len()).position(|window| window == content) {
                let turned: Vec<u8> = content.iter().map(|byte| !byte).collect();
                let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.write_all_at(&turned, at as u64).unwrap();
                damaged += 1;
            }
        }
        assert_eq!(damaged, 1);
    }

    /// The length of what a path gives; an error when the answer was cut.
    pub async fn try_get(&self, path: &str) -> Result<usize, axum::Error> {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let body = self.app.clone().oneshot(request).await.unwrap().into_body();
        body.collect().await.map(|body| body.to_bytes().len())
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
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
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The names that a list shows, in order.
    pub fn names(&self) -> Vec<String> {
        assert_eq!(self.status, StatusCode::OK);
        between(&self.text(), "<a class=\"name\"", "</a>")
            .iter()
            .map(|link| link.split_once('>').unwrap().1.to_owned())
            .collect()
    }

    /// The studies that a list shows, in order.
    pub fn studies(&self) -> Vec<String> {
        assert_eq!(self.status, StatusCode::OK);
        between(&self.text(), "<a class=\"name\" href=\"/studies/", "\"")
    }
}

/// What stands between two texts, each time.
pub fn between(text: &str, start: &str, end: &str) -> Vec<String> {
    text.split(start).skip(1).map(|rest| rest.split(end).next().unwrap().to_owned()).collect()
}
