//! Many at once against the real server: associations and memory, writers of one instance, an end under load.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fixtures::edited::{Edit, edited};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use tests::dimse::{Association, contexts_for};
use tests::http::Http;
use tests::seed;
use tests::server::{Server, Setup};

/// Associations at once: the most that one address gets by default.
const CROWD: u64 = 64;
/// Resident memory that a server with so many associations may reach, in KiB: 300 MB.
const CROWD_KIB: u64 = 300_000_000 / 1024;
/// How long stores under way get when the server stops, as these tests configure it.
const DRAIN_SECONDS: u64 = 10;

/// Runs `work` on `CROWD` threads that begin together.
fn crowd(work: impl Fn(u64) -> Result<()> + Sync) -> Result<()> {
    let start = Barrier::new(CROWD as usize);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CROWD)
            .map(|n| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(n)
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })
}

/// Stores `instances` over one association.
fn send(server: &Server, calling: &str, instances: &[Instance]) -> Result<()> {
    let contexts = contexts_for(instances);
    let mut association = server.associate(calling, &contexts)?;
    for one in instances {
        let response = association.store(&contexts, one)?;
        ensure!(response.status == 0, "{}: {response:?}", one.path);
    }
    association.release()
}

#[test]
fn sixty_four_associations_fit_in_memory() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let server = Setup::new(folder.path()).start()?;
    let began = Instant::now();
    let made = |study: u64| {
        (0..7).map(move |number| {
            let bytes = if number == 3 { 6_000_000 } else { 300_000 };
            instance(seed, Address { study, number, ..Address::default() }, bytes)
        })
    };
    let together = Barrier::new(CROWD as usize);
    crowd(|n| {
        let contexts = contexts_for(&made(n).take(1).collect::<Vec<_>>());
        let mut association = server.associate(&format!("CT{n}"), &contexts)?;
        together.wait();
        for one in made(n) {
            let response = association.store(&contexts, &one)?;
            ensure!(response.status == 0, "{}: {response:?}", one.path);
        }
        association.release()
    })?;
    let (peak, took) = (server.memory_kib("VmHWM")?, began.elapsed());
    eprintln!("{CROWD} associations at once, 500 MB in {took:?}, {peak} KiB of memory at most");
    ensure!(peak < CROWD_KIB, "{peak} KiB of memory, {CROWD_KIB} are allowed");
    let mut web = server.web();
    ensure!(web.count()? == CROWD * 7, "{} instances", web.count()?);
    for one in (0..CROWD).flat_map(made) {
        ensure!(web.instance(&one)? == one.data_set, "{} is altered", one.path);
    }
    server.stop()
}

#[test]
fn sixty_four_writers_of_one_instance_make_one() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let server = Setup::new(folder.path()).start()?;
    // In memory, and too large for it.
    for (study, bytes) in [(0, 50_000), (1, 5_000_000)] {
        let one = instance(seed, Address { study, ..Address::default() }, bytes);
        crowd(|n| {
            if n % 4 == 0 {
                let answer = server.web().stow(&[Pieces::from(one.file())])?;
                ensure!(answer.status == 200, "{}", answer.status);
                return Ok(());
            }
            send(&server, &format!("CT{n}"), std::slice::from_ref(&one))
        })?;
        let mut web = server.web();
        ensure!(web.count()? == study + 1, "{} rows of {} instances", web.count()?, study + 1);
        let versions = web.versions(&one.sop_instance)?;
        ensure!(versions.len() == 1 && versions[0].data_set == one.data_set, "{} versions", versions.len());
        ensure!(web.instance(&one)? == one.data_set, "altered");
    }
    ensure!(server.web().json("/api/v1/state")?["conflicts"] == 0, "a conflict of one with itself");
    server.stop()
}

#[test]
fn two_variants_at_once_are_two_versions() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let server = Setup::new(folder.path()).start()?;
    let first = instance(seed, Address::default(), 60_000);
    let other = edited(&first, &Edit::corrected("BAN^KHAC", "KHAC1")).context("cannot be edited")?;
    let mut repainted = first.clone();
    *repainted.data_set.last_mut().context("empty")? ^= 1;
    let variants = [first, other, repainted];
    crowd(|n| send(&server, &format!("CT{n}"), std::slice::from_ref(&variants[n as usize % 3])))?;
    let mut web = server.web();
    let versions = web.versions(&variants[0].sop_instance)?;
    ensure!(versions.len() == 3, "{} versions", versions.len());
    for variant in &variants {
        let copies = versions.iter().filter(|v| v.data_set == variant.data_set).count();
        ensure!(copies == 1, "a variant is there {copies} times");
    }
    let served: Vec<_> = versions.iter().filter(|v| v.served).collect();
    ensure!(served.len() == 1, "{} versions are served", served.len());
    ensure!(web.instance(&variants[0])? == served[0].data_set, "WADO-RS serves another version");
    let rows = web.json(&format!("/dicom-web/instances?SOPInstanceUID={}", variants[0].sop_instance))?;
    ensure!(rows.as_array().is_some_and(|rows| rows.len() == 1), "QIDO-RS shows {rows}");
    let conflicts = web.json("/api/v1/conflicts")?;
    ensure!(
        conflicts.as_array().is_some_and(|rows| rows.len() >= 2),
        "the conflict is not shown: {conflicts}"
    );
    server.stop()
}

#[test]
fn stores_are_refused_without_room_and_reads_go_on() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let setup = Setup::new(folder.path());
    let [known, new] = [0, 1].map(|number| instance(seed, Address { number, ..Address::default() }, 10_000));
    let server = setup.start()?;
    send(&server, "CT1", std::slice::from_ref(&known))?;
    server.stop()?;

    let full = setup
        .clone()
        .with("PACS_STORE__LIMITS__MIN_FREE_BYTES", "9000000000000000000")
        .with("PACS_STORE__LIMITS__MIN_FREE_PERCENT", "100");
    let server = full.start()?;
    let contexts = contexts_for([&new]);
    let mut association = server.associate("CT1", &contexts)?;
    for one in [&new, &known] {
        let response = association.store(&contexts, one)?;
        ensure!(response.status == 0xA700, "{response:?}");
        ensure!(response.comment.contains("free"), "no reason is told: {:?}", response.comment);
    }
    association.release()?;
    server.echo()?;
    let mut web = server.web();
    let answer = web.stow(&[Pieces::from(new.file())])?;
    ensure!(answer.status == 503 && answer.header("retry-after").is_some(), "{answer:.300?}");
    ensure!(web.get("/readyz")?.status == 503, "ready, and takes nothing");
    ensure!(web.get("/healthz")?.status == 200, "not alive");
    ensure!(web.instance(&known)? == known.data_set, "what is there is altered");
    ensure!(web.count()? == 1, "something was stored");
    let state = web.json("/api/v1/state")?;
    ensure!(state["stores"] == "refused" && state["refused_because"].is_string(), "{state}");
    server.stop()?;

    let server = setup.start()?;
    send(&server, "CT1", &[known, new])?;
    ensure!(server.web().count()? == 2, "not both");
    server.stop()
}

/// Stores until the server ends the association; returns what was acknowledged.
fn store_to_the_end(server: &Server, seed: u64, study: u64, stopped: &AtomicBool) -> Result<Vec<Instance>> {
    let made = |number: u64| {
        let bytes = if number % 5 == 4 { 5_000_000 } else { 200_000 };
        instance(seed, Address { study, number, ..Address::default() }, bytes)
    };
    let contexts = contexts_for([&made(0)]);
    let mut association = Association::open(server.dimse[0], "CT", "PACS", &contexts)?;
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let one = made(number);
        match association.store(&contexts, &one) {
            Ok(response) if response.status == 0 => acknowledged.push(one),
            // The archive takes nothing any more, and says so.
            Ok(response) => ensure!(response.status == 0xA700, "{response:?}"),
            Err(error) => {
                ensure!(stopped.load(Ordering::Acquire), "ended before the server was stopped: {error:#}");
                break;
            }
        }
    }
    Ok(acknowledged)
}

#[test]
fn an_end_in_order_under_load() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let setup =
        Setup::new(folder.path()).with("PACS_DIMSE__LIMITS__DRAIN_SECONDS", &DRAIN_SECONDS.to_string());
    let mut server = setup.start()?;
    let (stopped, all) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let status = std::thread::scope(|scope| -> Result<_> {
        for study in 0..8 {
            let (server, stopped, all) = (&server, &stopped, &all);
            scope.spawn(move || {
                let acknowledged = store_to_the_end(server, seed, study, stopped).unwrap();
                all.lock().unwrap().extend(acknowledged);
            });
        }
        let mut web = Http::new(server.http);
        tests::wait_for("load", Duration::from_secs(30), || Ok((web.count()? >= 40).then_some(())))?;
        stopped.store(true, Ordering::Release);
        server.ask_to_stop()?;
        Ok(Instant::now())
    });
    let asked = status?;
    let status = server.wait(Duration::from_secs(DRAIN_SECONDS + 5))?;
    let took = asked.elapsed();
    ensure!(status.success(), "ended with {status}");
    ensure!(took < Duration::from_secs(DRAIN_SECONDS + 2), "the end took {took:?}");
    let all = all.into_inner().unwrap();
    let server = setup.start()?;
    let mut web = server.web();
    for one in &all {
        ensure!(web.instance(one)? == one.data_set, "{} was acknowledged and is altered", one.path);
    }
    // Nothing was cut off between its rows and its answer.
    ensure!(web.count()? == all.len() as u64, "{} acknowledged, {} there", all.len(), web.count()?);
    eprintln!("stopped within {took:?}, {} instances acknowledged until then", all.len());
    server.stop()
}
