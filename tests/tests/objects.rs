//! The real server over an object store behind a real socket: what it acknowledged is there, byte for byte, whatever the
//! store does and wherever the server is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fixtures::bucket::{ACCESS_KEY_ID, Act, Asks, BUCKET, SECRET_ACCESS_KEY, Seen, Service};
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use tests::dimse::contexts_for;
use tests::server::{Server, Setup};
use tests::{seed, variable, wait_for};

const LONG: Duration = Duration::from_secs(60);

/// An object store with the faults of this one before it: that of `OBJECT_SERVICE` (`host:port ACCESS_KEY_ID SECRET`,
/// with a bucket of the usual name) where it is set, else one in this process.
fn any_service() -> Result<(Service, [String; 2])> {
    let Ok(named) = std::env::var("OBJECT_SERVICE") else {
        return Ok((Service::start()?, [ACCESS_KEY_ID.into(), SECRET_ACCESS_KEY.into()]));
    };
    let words: Vec<&str> = named.split_whitespace().collect();
    let [address, id, secret] = words[..] else { anyhow::bail!("OBJECT_SERVICE={named}") };
    Ok((Service::before(address.parse()?)?, [id.into(), secret.into()]))
}

/// A server with small packs that are sealed soon, over `service`.
fn setup(folder: &Path, service: &Service) -> Setup {
    Setup::new(folder)
        .with("PACS_LOG", "info")
        .with("PACS_STORE__URL", &format!("s3://{BUCKET}/archive"))
        .with("PACS_STORE__S3__ENDPOINT", &service.endpoint())
        .with("PACS_STORE__S3__REGION", "garage")
        .with("PACS_STORE__S3__ACCESS_KEY_ID", ACCESS_KEY_ID)
        .with("PACS_STORE__S3__SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .with("PACS_STORE__S3__ALLOW_HTTP", "true")
        .with("PACS_STORE__CACHE_BYTES", "0")
        .with("PACS_STORE__SEAL_IDLE_SECONDS", "1")
        .with("PACS_STORE__LIMITS__PACK_BYTES", "1048576")
}

fn some(seed: u64, from: u64, to: u64, pixel_bytes: usize) -> Vec<Instance> {
    let at = |number| Address { study: number / 4, series: 0, number };
    (from..to).map(|number| instance(seed, at(number), pixel_bytes)).collect()
}

/// Sends all by C-STORE; those that were answered with success.
fn send<'a>(server: &Server, all: &'a [Instance]) -> Result<Vec<&'a Instance>> {
    let contexts = contexts_for(all);
    let mut association = server.associate("MODALITY", &contexts)?;
    let mut taken = Vec::new();
    for one in all {
        let response = association.store(&contexts, one)?;
        match response.status {
            0 => taken.push(one),
            status => ensure!(status == 0xA700, "{response:?}"),
        }
    }
    association.release()?;
    Ok(taken)
}

fn read_all<'a>(server: &Server, all: impl IntoIterator<Item = &'a Instance>) -> Result<()> {
    let mut web = server.web();
    for one in all {
        let found = web.instance(one).with_context(|| format!("{} was acknowledged", one.sop_instance))?;
        ensure!(found == one.data_set, "{} was altered", one.sop_instance);
    }
    Ok(())
}

fn pack_files(setup: &Setup) -> usize {
    std::fs::read_dir(setup.data_dir().join("packs")).map_or(0, |folder| folder.count())
}

fn metric(server: &Server, name: &str) -> Result<f64> {
    let text = String::from_utf8(server.web().get("/metrics")?.body)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.unwrap_or("0").trim().parse()?)
}

/// Waits until everything is in the bucket and no file is left here.
fn until_uploaded(server: &Server) -> Result<()> {
    wait_for("everything to be uploaded", LONG, || Ok((pack_files(server.setup()) == 0).then_some(())))
}

#[test]
fn a_study_goes_to_the_bucket_and_is_read_from_there() -> Result<()> {
    let (seed, folder, service) = (seed(), tempfile::tempdir()?, Service::start()?);
    let server = setup(folder.path(), &service).start()?;
    let mut all = some(seed, 0, 12, 40_000);
    // One that goes to a stream lane and whose pack is uploaded in parts.
    all.extend(some(seed, 12, 13, 9_500_000));
    ensure!(send(&server, &all)?.len() == all.len());
    until_uploaded(&server)?;
    ensure!(
        service.objects().iter().all(|(key, _)| key.starts_with("archive/packs/")),
        "{:?}",
        service.objects()
    );
    read_all(&server, &all)?;
    ensure!(metric(&server, "archive_upload_backlog_bytes")? == 0.0);
    let mut web = server.web();
    let metadata = format!("/dicom-web/studies/{}/metadata", all[0].study);
    ensure!(web.json(&metadata)?.as_array().is_some_and(|found| found.len() == 4));
    // Away: not there for the moment, never not found. A block that was read lately may be known still.
    server.stop()?;
    let server = setup(folder.path(), &service).start()?;
    service.on_request(|_| Act::Status(503));
    let frame = format!(
        "/dicom-web/studies/{}/series/{}/instances/{}/frames/1",
        all[0].study, all[0].series, all[0].sop_instance
    );
    let answer = server.web().get(&frame)?;
    ensure!(answer.status == 503 && answer.header("retry-after").is_some(), "{answer:?}");
    service.on_request(|_| Act::Serve);
    read_all(&server, &all)?;
    server.stop()
}

#[test]
fn the_bucket_alone_brings_everything_back() -> Result<()> {
    let (seed, folder, service) = (seed(), tempfile::tempdir()?, Service::start()?);
    let first = setup(folder.path(), &service).with("PACS_STORE__ACK", "remote");
    let all = some(seed, 0, 10, 30_000);
    // Killed as soon as all was acknowledged: nothing but groups may be in the bucket.
    let server = first.start()?;
    ensure!(send(&server, &all)?.len() == all.len());
    server.kill()?;
    std::fs::remove_dir_all(first.data_dir())?;
    let rebuilt = first.run(&["rebuild"])?;
    ensure!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let server = first.start()?;
    read_all(&server, &all)?;
    ensure!(server.web().count()? == all.len() as u64);
    ensure!(send(&server, &all)?.len() == all.len());
    server.stop()
}

#[test]
fn a_wrong_secret_is_told_at_the_start() -> Result<()> {
    let (folder, service) = (tempfile::tempdir()?, Service::start()?);
    let wrong = setup(folder.path(), &service).with("PACS_STORE__S3__SECRET_ACCESS_KEY", "wrong");
    let error = format!("{:#}", wrong.start().err().context("it started")?);
    ensure!(error.contains("the object store refuses"), "{error}");
    ensure!(!error.contains("wrong-secret"));
    Ok(())
}

#[test]
fn a_full_backlog_is_refused_before_data_are_read() -> Result<()> {
    let (seed, folder, service) = (seed(), tempfile::tempdir()?, Service::start()?);
    let server = setup(folder.path(), &service).with("PACS_STORE__BACKLOG_BYTES", "2097152").start()?;
    service.on_request(|_| Act::Cut);
    let all = some(seed, 0, 60, 100_000);
    let taken = send(&server, &all)?;
    ensure!((15..45).contains(&taken.len()), "{} were taken", taken.len());
    let posted = server.web().stow(&[fixtures::hostile::Pieces::from(all[59].file())])?;
    ensure!(posted.status == 503 && posted.header("retry-after").is_some(), "{posted:?}");
    ensure!(metric(&server, "archive_upload_backlog_bytes")? > 2_000_000.0);
    service.on_request(|_| Act::Serve);
    wait_for("room", LONG, || Ok(send(&server, &all[59..])?.first().map(|_| ())))?;
    read_all(&server, taken)?;
    server.stop()
}

/// Where the server is killed: when the bucket hears this.
#[derive(Clone, Copy, Debug)]
enum Step {
    SealedNotUploaded,
    HalfUploaded,
    UploadedNotRecorded,
    RecordedNotRemoved,
}

#[test]
fn killed_at_each_step_of_an_upload_nothing_is_lost() -> Result<()> {
    let steps =
        [Step::SealedNotUploaded, Step::HalfUploaded, Step::UploadedNotRecorded, Step::RecordedNotRemoved];
    for (n, step) in steps.into_iter().enumerate() {
        for ack in ["local", "remote"] {
            killed_at(step, ack, seed() ^ n as u64).with_context(|| format!("{step:?}, {ack}"))?;
        }
    }
    Ok(())
}

fn killed_at(step: Step, ack: &str, seed: u64) -> Result<()> {
    let (folder, service) = (tempfile::tempdir()?, Service::start()?);
    let setup = setup(folder.path(), &service).with("PACS_STORE__ACK", ack);
    let server = setup.start()?;
    let (tell, told) = mpsc::channel();
    let dead = Arc::new(AtomicBool::new(false));
    let (parts, still) = (AtomicU64::new(0), dead.clone());
    service.on_request(move |seen: &Seen| {
        let ours = seen.key.starts_with("archive/packs/");
        let now = match (step, seen.asks) {
            // The first question about a pack comes before anything of it is sent.
            (Step::SealedNotUploaded, Asks::Head) => ours,
            (Step::HalfUploaded, Asks::Part) => ours && parts.fetch_add(1, Ordering::SeqCst) == 1,
            (Step::UploadedNotRecorded, Asks::Complete) => ours,
            // The last thing that is read back; what follows is the record and the end of the file.
            (Step::RecordedNotRemoved, Asks::Get) => ours && parts.fetch_add(1, Ordering::SeqCst) == 1,
            _ => false,
        };
        match (now, step) {
            (false, _) => Act::Serve,
            (true, Step::RecordedNotRemoved) => {
                let _ = tell.send(());
                Act::Serve
            }
            (true, _) => {
                // Answered only when nobody is left to hear it.
                let _ = tell.send(());
                while !still.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                if matches!(step, Step::UploadedNotRecorded) { Act::Forget } else { Act::Cut }
            }
        }
    });
    let mut all = some(seed, 0, 6, 20_000);
    all.extend(some(seed, 6, 7, 18_000_000));
    let taken = send(&server, &all)?;
    ensure!(taken.len() == all.len());
    told.recv_timeout(LONG).context("the step never came")?;
    server.kill()?;
    dead.store(true, Ordering::SeqCst);
    service.on_request(|_| Act::Serve);
    let server = setup.start()?;
    read_all(&server, &all)?;
    until_uploaded(&server)?;
    read_all(&server, &all)?;
    wait_for("groups to be removed", LONG, || {
        let left = service.objects().iter().any(|(key, _)| key.contains("/groups/"));
        Ok((!left).then_some(()))
    })?;
    ensure!(server.web().count()? == all.len() as u64);
    server.stop()
}

/// Every other request fails in one way or another; `OBJECT_STORES` says how many stores (60 where it is not set).
#[test]
fn under_faults_of_every_other_request_nothing_acknowledged_is_lost() -> Result<()> {
    let (seed, stores) = (seed(), variable("OBJECT_STORES", 60));
    for ack in ["local", "remote"] {
        let (folder, (service, [id, secret])) = (tempfile::tempdir()?, any_service()?);
        let setup = setup(folder.path(), &service)
            .with("PACS_STORE__ACK", ack)
            .with("PACS_STORE__URL", &format!("s3://{BUCKET}/{seed:x}-{ack}"))
            .with("PACS_STORE__S3__ACCESS_KEY_ID", &id)
            .with("PACS_STORE__S3__SECRET_ACCESS_KEY", &secret);
        let server = setup.start()?;
        service.fail(50, seed);
        let all = some(seed, 0, stores, 60_000);
        let mut acknowledged = Vec::new();
        for group in all.chunks(6) {
            acknowledged.extend(send(&server, group)?);
        }
        ensure!(ack == "remote" || acknowledged.len() == all.len());
        println!(
            "{ack}: {} of {} acknowledged, {} requests",
            acknowledged.len(),
            all.len(),
            service.requests()
        );
        server.kill()?;
        service.on_request(|_| Act::Serve);
        let server = setup.start()?;
        read_all(&server, acknowledged)?;
        let taken = send(&server, &all)?.len();
        ensure!(ack == "remote" || taken == all.len(), "what was refused is taken when it is sent again");
        // Under `ack = remote` nothing is taken before the packs of the process that was killed are in the bucket.
        let all_taken = || Ok((send(&server, &all)?.len() == all.len()).then_some(()));
        wait_for("what was refused to be taken when it is sent again", LONG, all_taken)?;
        until_uploaded(&server)?;
        read_all(&server, &all)?;
        ensure!(server.web().count()? == all.len() as u64);
        server.stop()?;
    }
    Ok(())
}
