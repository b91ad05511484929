//! The client of object stores against a service behind a real socket: honest, failing, lying, gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fixtures::bucket::{ACCESS_KEY_ID, Act, Asks, BUCKET, SECRET_ACCESS_KEY, Seen, Service};
use fixtures::rng::Rng;
use storage_config::config::{self, Bucket, Store};
use storage_config::disk::{Disk, DiskFile};
use storage_config::object::{Blocks, Client, Effort, ObjectError, ObjectFile, ObjectPart, Objects};

/// Rounds under faults; `SOAK_OBJECT_ROUNDS` for long runs.
const ROUNDS: u64 = 40;

fn settings(service: &Service, secret: &str) -> Store {
    let text = format!(
        "[s3]\nendpoint = {:?}\nregion = \"garage\"\naccess_key_id = {ACCESS_KEY_ID:?}\n\
         secret_access_key = {secret:?}\nallow_http = true\n",
        service.endpoint()
    );
    toml::from_str(&text).unwrap()
}

fn client(service: &Service, bucket: &str, secret: &str) -> Objects {
    let bucket = Bucket { service: config::Service::S3, name: bucket.into(), prefix: "site/a-b".into() };
    Objects::Real(Arc::new(Client::new(&bucket, &settings(service, secret)).unwrap()))
}

fn objects() -> (Service, Objects) {
    let service = Service::start().unwrap();
    let objects = client(&service, BUCKET, SECRET_ACCESS_KEY);
    (service, objects)
}

fn file(folder: &tempfile::TempDir, seed: u64, length: usize) -> (DiskFile, Vec<u8>) {
    let mut bytes = vec![0; length];
    Rng::new(seed).fill(&mut bytes);
    let path = folder.path().join(format!("{seed}-{length}"));
    std::fs::write(&path, &bytes).unwrap();
    (Disk::Real.open(&path).unwrap(), bytes)
}

#[test]
fn objects_are_written_read_listed_and_removed() {
    let (service, objects) = objects();
    objects.probe([7; 16]).unwrap();
    assert!(service.objects().is_empty(), "a probe leaves nothing behind");
    let keys: Vec<String> = (0..20).map(|n| format!("packs/{n:02}.pack")).collect();
    for key in &keys {
        objects.put(key, Bytes::from(key.clone()), Effort::Quick).unwrap();
    }
    objects.put("packs-of-others/x", Bytes::from_static(b"x"), Effort::Quick).unwrap();
    let listed = objects.list("packs", Effort::Quick).unwrap();
    assert_eq!(listed.iter().map(|l| l.key.clone()).collect::<Vec<_>>(), keys, "more than a page");
    assert!(listed.iter().all(|l| l.length == 13));
    assert!(service.objects().iter().all(|(key, _)| key.starts_with("site/a-b/")));
    assert_eq!(&objects.read(&keys[3], 6..8, Effort::Quick).unwrap()[..], b"03");
    assert!(objects.about(&keys[3], Effort::Quick).unwrap().unwrap().sha256.is_some());
    objects.delete(&keys[3], Effort::Quick).unwrap();
    objects.delete(&keys[3], Effort::Quick).unwrap();
    assert_eq!(objects.about(&keys[3], Effort::Quick).unwrap(), None);
    assert!(matches!(objects.read(&keys[3], 0..1, Effort::Quick), Err(ObjectError::Missing { .. })));
}

#[test]
fn who_may_not_and_what_is_not_there_are_told_apart() {
    let service = Service::start().unwrap();
    let wrong = client(&service, BUCKET, "not the secret");
    let error = wrong.probe([1; 16]).unwrap_err();
    assert!(matches!(error, ObjectError::Refused { .. }) && error.is_final(), "{error}");
    let nowhere = client(&service, "nowhere", SECRET_ACCESS_KEY);
    assert!(matches!(nowhere.probe([1; 16]).unwrap_err(), ObjectError::Missing { .. }));
}

#[test]
fn files_of_any_length_are_uploaded_once_and_read_anywhere() {
    let (service, objects) = objects();
    let folder = tempfile::tempdir().unwrap();
    for (n, length) in [1, 1000, (8 << 20) + 1, 20 << 20].into_iter().enumerate() {
        let key = format!("packs/{n}");
        let (file, bytes) = file(&folder, n as u64, length);
        let first = objects.upload(&key, &file, length as u64, &|| false).unwrap();
        let before = service.requests();
        let again = objects.upload(&key, &file, length as u64, &|| false).unwrap();
        assert_eq!((first.was_there, again.was_there), (false, true));
        assert!(service.requests() - before <= 4, "what is there is not sent again");
        let part = ObjectPart { key: key.into(), start: 0, length: length as u64 };
        let remote = ObjectFile::new(objects.clone(), Arc::new(Blocks::new(8 << 20)), vec![part]);
        let mut rng = Rng::new(n as u64);
        for _ in 0..20 {
            let from = rng.index(length);
            let mut some = vec![0; (1 + rng.index(300_000)).min(length - from)];
            assert_eq!(remote.read_at(&mut some, from as u64).unwrap(), some.len());
            assert!(some == bytes[from..from + some.len()], "{length} bytes, from {from}");
        }
    }
    assert_eq!(service.open_uploads(), 0);
}

#[test]
fn many_readers_of_one_block_are_one_request() {
    let (service, objects) = objects();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    objects.put("packs/x", bytes.clone().into(), Effort::Quick).unwrap();
    let part = ObjectPart { key: "packs/x".into(), start: 0, length: bytes.len() as u64 };
    let file = ObjectFile::new(objects, Arc::new(Blocks::new(64 << 20)), vec![part]);
    service.on_request(|_| Act::Slow(Duration::from_millis(50)));
    let before = service.requests();
    std::thread::scope(|scope| {
        for n in 0..16 {
            let (file, bytes) = (&file, &bytes);
            scope.spawn(move || {
                let mut some = vec![0; 4000];
                file.read_at(&mut some, n * 5000).unwrap();
                assert!(some == bytes[n as usize * 5000..][..4000]);
            });
        }
    });
    assert_eq!(service.requests() - before, 1);
}

#[test]
fn an_error_inside_a_success_is_no_success() {
    let (service, objects) = objects();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = file(&folder, 5, 9 << 20);
    let completions = AtomicU64::new(0);
    service.on_request(move |seen| match seen.asks {
        Asks::Complete if completions.fetch_add(1, Ordering::SeqCst) < 3 => Act::ErrorInside,
        _ => Act::Serve,
    });
    // However often it takes: in the end it is there, or an error says that it is not.
    let done = (0..5).any(|_| objects.upload("packs/x", &file, 9 << 20, &|| false).is_ok());
    assert!(done);
    assert_eq!(service.objects().first().map(|(_, length)| *length), Some(9 << 20));
}

/// Faults of all kinds at half of the requests: a call says what is so, or fails.
#[test]
fn under_faults_nothing_false_is_said() {
    let seed = std::env::var("TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(11);
    let rounds = std::env::var("SOAK_OBJECT_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    println!("seed {seed}");
    let (service, objects) = objects();
    service.on_request(move |seen: &Seen| {
        let mut rng = Rng::nth(seed, seen.number);
        let acts = [
            Act::Status(500),
            Act::Status(503),
            Act::Cut,
            Act::Forget,
            Act::Half,
            Act::Slow(Duration::from_millis(30)),
        ];
        if rng.below(2) == 0 { *rng.pick(&acts) } else { Act::Serve }
    });
    let folder = tempfile::tempdir().unwrap();
    let (mut wrote, mut read, mut failed) = (0, 0, 0);
    for round in 0..rounds {
        let length = if round % 8 == 0 { 9 << 20 } else { 1 + round as usize * 4001 };
        let (file, bytes) = file(&folder, seed ^ round, length);
        let key = format!("packs/{round}");
        match objects.upload(&key, &file, length as u64, &|| false) {
            Ok(_) => wrote += 1,
            Err(error) => {
                println!("{error}");
                failed += 1;
                continue;
            }
        }
        match objects.read(&key, 0..length as u64, Effort::Patient) {
            Ok(found) => {
                assert!(found == bytes, "round {round}: other bytes");
                read += 1;
            }
            Err(error) => {
                println!("{error}");
                failed += 1;
            }
        }
    }
    println!("{wrote} written, {read} read, {failed} given up, {} requests", service.requests());
    assert!(wrote > rounds / 2 && read > rounds / 4, "retries bring most of it through");
}

/// Against a service that others wrote, where one is named: `S3_ENDPOINT`, `S3_REGION`, `S3_BUCKET`, and
/// `AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY`.
#[test]
fn a_service_of_others_agrees() {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let endpoint = variable("S3_ENDPOINT", "");
    if endpoint.is_empty() {
        println!("skipped: S3_ENDPOINT names no service");
        return;
    }
    let s3 = config::S3 {
        endpoint,
        region: variable("S3_REGION", "us-east-1"),
        allow_http: true,
        ..config::S3::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let random = Disk::Real.random_id().unwrap();
    let prefix = format!("test-{:032x}", u128::from_be_bytes(random));
    let name = variable("S3_BUCKET", BUCKET);
    let bucket = Bucket { service: config::Service::S3, name, prefix };
    let objects = Objects::Real(Arc::new(Client::new(&bucket, &Store { s3, ..Store::default() }).unwrap()));
    objects.probe(random).unwrap();
    for (n, length) in [1, 5000, 21 << 20].into_iter().enumerate() {
        let key = format!("packs/{n}.pack");
        let (file, bytes) = file(&folder, n as u64, length);
        assert!(!objects.upload(&key, &file, length as u64, &|| false).unwrap().was_there);
        assert!(objects.upload(&key, &file, length as u64, &|| false).unwrap().was_there);
        assert!(objects.read(&key, 0..length as u64, Effort::Patient).unwrap() == bytes);
    }
    let listed = objects.list("packs", Effort::Patient).unwrap();
    assert_eq!(listed.iter().map(|l| l.length).collect::<Vec<_>>(), [1, 5000, 21 << 20]);
    for listed in &listed {
        objects.delete(&listed.key, Effort::Patient).unwrap();
    }
    assert!(objects.list("packs", Effort::Patient).unwrap().is_empty());
}
