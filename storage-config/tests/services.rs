//! The services besides S3: Google Cloud Storage as a server in this process that checks what Google's does, Azure Blob
//! Storage as Microsoft's emulator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fixtures::azurite::{ACCOUNT, Azurite, CONTAINER, KEY};
use fixtures::bucket::{Act, Asks, BUCKET, Seen, Service, service_account};
use fixtures::rng::Rng;
use storage_config::ContentHash;
use storage_config::config::{self, Bucket, Store};
use storage_config::disk::{Disk, DiskFile};
use storage_config::object::{Client, Effort, ObjectError, Objects};

fn client(service: config::Service, name: &str, settings: &str) -> Result<Objects, ObjectError> {
    let bucket = Bucket { service, name: name.into(), prefix: "site/a-b".into() };
    let store: Store = toml::from_str(settings).unwrap();
    Ok(Objects::Real(Arc::new(Client::new(&bucket, &store)?)))
}

fn google(service: &Service, folder: &tempfile::TempDir, bucket: &str, key: &str) -> Objects {
    let file = folder.path().join("key.json");
    std::fs::write(&file, key).unwrap();
    let settings = format!(
        "[gcs]\nservice_account_file = {:?}\nendpoint = {:?}\nallow_http = true\n",
        file.display().to_string(),
        service.endpoint()
    );
    client(config::Service::Gcs, bucket, &settings).unwrap()
}

fn azure(azurite: &Azurite, container: &str, key: &str) -> Objects {
    let settings = format!(
        "[azure]\naccount = {ACCOUNT:?}\naccess_key = {key:?}\nendpoint = {:?}\nallow_http = true\n",
        azurite.endpoint
    );
    client(config::Service::Azure, container, &settings).unwrap()
}

fn file(folder: &tempfile::TempDir, seed: u64, length: usize) -> (DiskFile, Vec<u8>) {
    let mut bytes = vec![0; length];
    Rng::new(seed).fill(&mut bytes);
    let path = folder.path().join(format!("{seed}-{length}"));
    std::fs::write(&path, &bytes).unwrap();
    (Disk::Real.open(&path).unwrap(), bytes)
}

/// What the archive needs of every service.
fn serves(objects: &Objects, folder: &tempfile::TempDir) {
    objects.probe([7; 16]).unwrap();
    let keys: Vec<String> = (0..20).map(|n| format!("packs/{n:02}.pack")).collect();
    for key in &keys {
        objects.put(key, Bytes::from(key.clone()), Effort::Quick).unwrap();
    }
    objects.put("packs-of-others/x", Bytes::from_static(b"x"), Effort::Quick).unwrap();
    let listed = objects.list("packs", Effort::Quick).unwrap();
    assert_eq!(listed.iter().map(|l| l.key.clone()).collect::<Vec<_>>(), keys);
    assert!(listed.iter().all(|l| l.length == 13));
    assert_eq!(&objects.read(&keys[3], 6..8, Effort::Quick).unwrap()[..], b"03");
    let sha256 = objects.about(&keys[3], Effort::Quick).unwrap().unwrap().sha256;
    assert_eq!(sha256, Some(ContentHash::of(keys[3].as_bytes())));
    objects.delete(&keys[3], Effort::Quick).unwrap();
    objects.delete(&keys[3], Effort::Quick).unwrap();
    assert_eq!(objects.about(&keys[3], Effort::Quick).unwrap(), None);
    assert!(matches!(objects.read(&keys[3], 0..1, Effort::Quick), Err(ObjectError::Missing { .. })));
    for length in [1, 70_000, (8 << 20) + 1, 20 << 20] {
        let (source, bytes) = file(folder, length as u64, length);
        let key = format!("packs/of-{length}");
        let first = objects.upload(&key, &source, length as u64, &|| false).unwrap();
        assert_eq!((first.sha256, first.was_there), (ContentHash::of(&bytes), false));
        assert!(objects.upload(&key, &source, length as u64, &|| false).unwrap().was_there);
        let about = objects.about(&key, Effort::Quick).unwrap().unwrap();
        assert_eq!((about.length, about.sha256), (length as u64, Some(first.sha256)));
        let from = length as u64 / 2;
        assert_eq!(objects.read(&key, from..length as u64, Effort::Quick).unwrap()[..], bytes[length / 2..]);
    }
}

#[test]
fn google_serves() {
    let (service, folder) = (Service::start_google().unwrap(), tempfile::tempdir().unwrap());
    serves(&google(&service, &folder, BUCKET, &service_account()), &folder);
    assert_eq!(service.open_uploads(), 0);
    assert!(service.objects().iter().all(|(key, _)| key.starts_with("site/a-b/")));
}

#[test]
fn azure_serves() {
    let (azurite, folder) = (Azurite::start().unwrap(), tempfile::tempdir().unwrap());
    serves(&azure(&azurite, CONTAINER, KEY), &folder);
    let wrong = azure(&azurite, CONTAINER, "bm90IHRoZSBrZXk=").probe([1; 16]).unwrap_err();
    assert!(matches!(wrong, ObjectError::Refused { .. }) && wrong.is_final(), "{wrong}");
    let nowhere = azure(&azurite, "nowhere", KEY).probe([1; 16]).unwrap_err();
    assert!(matches!(nowhere, ObjectError::Missing { .. }), "{nowhere}");
}

#[test]
fn an_upload_that_was_cut_is_sent_again() {
    let (service, folder) = (Service::start_google().unwrap(), tempfile::tempdir().unwrap());
    let objects = google(&service, &folder, BUCKET, &service_account());
    let (source, bytes) = file(&folder, 5, 20 << 20);
    let parts = AtomicU64::new(0);
    service.on_request(move |seen: &Seen| match seen.asks {
        Asks::Part if parts.fetch_add(1, Ordering::SeqCst) == 1 => Act::Half,
        Asks::Complete if parts.fetch_add(1, Ordering::SeqCst) < 6 => Act::Forget,
        _ => Act::Serve,
    });
    let upload = || objects.upload("packs/x", &source, bytes.len() as u64, &|| false);
    // The last answer is lost although the service did what it was asked: whoever tries again finds the object.
    let sent = match upload() {
        Err(ObjectError::Away { .. }) => upload().unwrap(),
        sent => sent.unwrap(),
    };
    assert_eq!(sent.sha256, ContentHash::of(&bytes));
    // One that was stopped halfway leaves no object.
    let stopped = AtomicU64::new(0);
    let stop = || stopped.fetch_add(1, Ordering::SeqCst) > 22;
    let error = objects.upload("packs/y", &source, bytes.len() as u64, &stop).unwrap_err();
    assert!(matches!(error, ObjectError::Stopped), "{error}");
    assert_eq!(objects.about("packs/y", Effort::Quick).unwrap(), None);
    assert!(!objects.upload("packs/y", &source, bytes.len() as u64, &|| false).unwrap().was_there);
}

#[test]
fn what_is_missing_is_said() {
    let (service, folder) = (Service::start_google().unwrap(), tempfile::tempdir().unwrap());
    let wrong = service_account().replace("archive@", "somebody@");
    let error = google(&service, &folder, BUCKET, &wrong).probe([1; 16]).unwrap_err();
    assert!(matches!(error, ObjectError::Refused { .. }) && error.is_final(), "{error}");
    let error = google(&service, &folder, "nowhere", &service_account()).probe([1; 16]).unwrap_err();
    assert!(matches!(error, ObjectError::Missing { .. }), "{error}");
    let no_file = "[gcs]\nservice_account_file = \"/nowhere/key.json\"\n";
    let error = client(config::Service::Gcs, BUCKET, no_file).unwrap_err().to_string();
    assert!(error.contains("store.gcs.service_account_file: /nowhere/key.json"), "{error}");
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{}").unwrap();
    let broken = format!("[gcs]\nservice_account_file = {:?}\n", broken.display().to_string());
    let error = client(config::Service::Gcs, BUCKET, &broken).unwrap_err();
    assert!(matches!(error, ObjectError::Settings(_)), "{error}");
    if std::env::var_os("AZURE_STORAGE_ACCOUNT_NAME").is_none() {
        let error = client(config::Service::Azure, CONTAINER, "").unwrap_err().to_string();
        assert!(error.contains("store.azure.account is empty"), "{error}");
    }
}
