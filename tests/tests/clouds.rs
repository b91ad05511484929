//! The real server over Google Cloud Storage (a server in this process that checks what Google's does) and over Azure Blob
//! Storage (Microsoft's emulator): stored, uploaded, read from there, and brought back from there alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use anyhow::{Result, ensure};
use fixtures::azurite::{ACCOUNT, Azurite, CONTAINER, KEY};
use fixtures::bucket::{BUCKET, Service, service_account};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use tests::server::{Server, Setup};
use tests::{seed, wait_for};

const LONG: Duration = Duration::from_secs(60);

fn read_all(server: &Server, all: &[Instance]) -> Result<()> {
    let mut web = server.web();
    for one in all {
        ensure!(web.instance(one)? == one.data_set, "{} was altered", one.sop_instance);
    }
    Ok(())
}

fn goes_there_and_comes_back(setup: &Setup) -> Result<()> {
    let setup = setup.clone().with("PACS_STORE__CACHE_BYTES", "0").with("PACS_STORE__SEAL_IDLE_SECONDS", "1");
    let seed = seed();
    let at = |number| Address { study: number / 4, series: 0, number };
    let mut all: Vec<Instance> = (0..8).map(|number| instance(seed, at(number), 40_000)).collect();
    // One whose pack is uploaded in parts.
    all.push(instance(seed, at(8), 9_500_000));
    let server = setup.start()?;
    for one in &all {
        let answer = server.web().stow(&[Pieces::default().then(one.file(), 1)])?;
        ensure!(answer.status == 200, "STOW-RS: {}", answer.status);
    }
    let packs = setup.data_dir().join("packs");
    wait_for("everything to be uploaded", LONG, || {
        Ok((std::fs::read_dir(&packs)?.count() == 0).then_some(()))
    })?;
    read_all(&server, &all)?;
    server.stop()?;
    std::fs::remove_dir_all(setup.data_dir())?;
    let server = setup.start()?;
    read_all(&server, &all)?;
    ensure!(server.web().count()? == all.len() as u64);
    server.stop()
}

#[test]
fn google_keeps_what_was_stored() -> Result<()> {
    let (folder, service) = (tempfile::tempdir()?, Service::start_google()?);
    let key = folder.path().join("key.json");
    std::fs::write(&key, service_account())?;
    let setup = Setup::new(folder.path())
        .with("PACS_STORE__URL", &format!("gs://{BUCKET}/archive"))
        .with("PACS_STORE__GCS__SERVICE_ACCOUNT_FILE", &key.display().to_string())
        .with("PACS_STORE__GCS__ENDPOINT", &service.endpoint())
        .with("PACS_STORE__GCS__ALLOW_HTTP", "true");
    goes_there_and_comes_back(&setup)?;
    ensure!(service.objects().iter().all(|(key, _)| key.starts_with("archive/packs/")));
    let wrong = setup.with("PACS_STORE__GCS__SERVICE_ACCOUNT_FILE", "/nowhere.json");
    let error = format!("{:#}", wrong.start().err().expect("it started"));
    ensure!(error.contains("/nowhere.json cannot be read"), "{error}");
    Ok(())
}

#[test]
fn azure_keeps_what_was_stored() -> Result<()> {
    let (folder, azurite) = (tempfile::tempdir()?, Azurite::start()?);
    let setup = Setup::new(folder.path())
        .with("PACS_STORE__URL", &format!("az://{CONTAINER}/archive"))
        .with("PACS_STORE__AZURE__ACCOUNT", ACCOUNT)
        .with("PACS_STORE__AZURE__ACCESS_KEY", KEY)
        .with("PACS_STORE__AZURE__ENDPOINT", &azurite.endpoint)
        .with("PACS_STORE__AZURE__ALLOW_HTTP", "true");
    goes_there_and_comes_back(&setup)?;
    let wrong = setup.with("PACS_STORE__AZURE__ACCESS_KEY", "bm90IHRoZSBrZXk=");
    let error = format!("{:#}", wrong.start().err().expect("it started"));
    ensure!(error.contains("the object store refuses"), "{error}");
    Ok(())
}
