//! The real server, killed at each named step of a compaction, of packs on its disk and of packs in a bucket: nothing that is
//! to stay is lost, nothing is there twice, the next start is as quick as any, and the next compaction ends what was begun.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fixtures::bucket::{ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Service};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use serde_json::json;
use tests::server::{Server, Setup};
use tests::{seed, wait_for};

const LONG: Duration = Duration::from_secs(60);
/// A start after a kill is ready within this.
const READY: Duration = Duration::from_secs(5);

const ON_DISK: [&str; 7] = [
    "compact.condemned",
    "compact.copied",
    "compact.indexed",
    "compact.replaced",
    "compact.stated",
    "compact.durable",
    "compact.removed",
];
const IN_BUCKET: [&str; 9] = [
    "compact.condemned",
    "compact.copied",
    "compact.indexed",
    "compact.uploaded",
    "compact.replaced",
    "compact.stated",
    "compact.retired",
    "compact.removed",
    "compact.deleted",
];

fn setup(folder: &Path, bucket: Option<&Service>) -> Setup {
    let setup = Setup::new(folder)
        .with("PACS_RETENTION__GRACE_DAYS", "0")
        .with("PACS_RETENTION__COMPACT_PERCENT", "1")
        .with("PACS_STORE__RETIRED_SECONDS", "0");
    let Some(service) = bucket else { return setup };
    setup
        .with("PACS_STORE__URL", &format!("s3://{BUCKET}/archive"))
        .with("PACS_STORE__S3__ENDPOINT", &service.endpoint())
        .with("PACS_STORE__S3__REGION", "garage")
        .with("PACS_STORE__S3__ACCESS_KEY_ID", ACCESS_KEY_ID)
        .with("PACS_STORE__S3__SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .with("PACS_STORE__S3__ALLOW_HTTP", "true")
        .with("PACS_STORE__CACHE_BYTES", "0")
        .with("PACS_STORE__SEAL_IDLE_SECONDS", "1")
}

fn study(seed: u64, study: u64) -> Vec<Instance> {
    (0..5).map(|number| instance(seed, Address { study, series: 0, number }, 20_000)).collect()
}

fn stow(server: &Server, all: &[Instance]) -> Result<()> {
    let files: Vec<Pieces> = all.iter().map(|one| Pieces::default().then(one.file(), 1)).collect();
    let answer = server.web().stow(&files)?;
    ensure!(answer.status == 200, "STOW-RS: {}", answer.status);
    Ok(())
}

/// What stays comes back bit for bit and once, what was withdrawn does not come back.
fn check(server: &Server, stays: &[Vec<Instance>], gone: &[Instance]) -> Result<()> {
    let mut web = server.web();
    for one in stays.iter().flatten() {
        let found = web.instance(one).with_context(|| format!("{} was to stay", one.sop_instance))?;
        ensure!(found == one.data_set, "{} was altered", one.sop_instance);
        ensure!(web.versions(&one.sop_instance)?.len() == 1, "one version of the same bytes");
    }
    for one in gone {
        ensure!(web.instance(one).is_err(), "what was withdrawn is shown");
    }
    let state = web.json("/api/v1/state")?;
    let count = stays.iter().flatten().count();
    ensure!(web.count()? == count as u64, "{state}");
    ensure!(state["conflicts"] == 0 && state["unindexable"] == 0, "{state}");
    Ok(())
}

fn compact(setup: &Setup) -> Result<String> {
    let output = setup.run(&["compact", "--who", "operator", "--why", "a test", "--rate", "0"])?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(said)
}

fn until_uploaded(server: &Server) -> Result<()> {
    let packs = server.setup().data_dir().join("packs");
    wait_for("everything to be uploaded", LONG, || {
        Ok((std::fs::read_dir(&packs)?.count() == 0).then_some(()))
    })
}

fn killed_at(step: &'static str, seed: u64, bucket: Option<&Service>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = setup(folder.path(), bucket);
    let server = setup.start()?;
    let (gone, stays) = (study(seed, 0), [study(seed, 1), study(seed, 2)]);
    stow(&server, &gone)?;
    stays.iter().try_for_each(|some| stow(&server, some))?;
    let body = json!({ "study": gone[0].study, "reason": "duplicate", "why": "sent twice" });
    let answer = server.web().say("POST", "/api/v1/withdrawals", &[("X-Claimed-User", "KTV. An")], &body)?;
    ensure!(answer.status == 201, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    // Its packs are sealed then.
    server.stop()?;
    let held = setup.clone().with("ARCHIVE_HOLD_AT", step).start()?;
    if bucket.is_some() {
        until_uploaded(&held)?;
    }
    let words = format!("\"{step}\"");
    std::thread::scope(|scope| -> Result<()> {
        let asked = scope.spawn(|| setup.run(&["compact", "--who", "operator", "--rate", "0"]));
        wait_for("the step", LONG, || {
            let log = setup.log()?;
            ensure!(!log.contains("error: "), "{log}");
            Ok(log.lines().any(|line| line.contains("held at a step") && line.contains(&words)).then_some(()))
        })?;
        held.kill()?;
        let output = asked.join().unwrap()?;
        // At the last step of a bucket the answer is given, and another thread goes on.
        ensure!(!output.status.success() || step == "compact.deleted", "answered before its end");
        Ok(())
    })?;
    let server = setup.start()?;
    ensure!(server.ready_after < READY, "ready after {:?}", server.ready_after);
    check(&server, &stays, &gone)?;
    if bucket.is_some() {
        until_uploaded(&server)?;
    }
    compact(&setup)?;
    check(&server, &stays, &gone)?;
    let verified = setup.run(&["verify", "--rate", "0"])?;
    ensure!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    if let Some(service) = bucket {
        until_uploaded(&server)?;
        let bytes = |service: &Service| service.objects().iter().map(|(_, length)| *length).sum::<usize>();
        wait_for("old objects to be removed", LONG, || Ok((bytes(service) < 300_000).then_some(())))?;
        check(&server, &stays, &gone)?;
    }
    // What was removed for good is taken again as if it were new.
    stow(&server, &gone)?;
    let mut web = server.web();
    for one in &gone {
        ensure!(web.instance(one)? == one.data_set);
    }
    server.stop()?;
    let rebuilt = setup.run(&["rebuild"])?;
    ensure!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let server = setup.start()?;
    let all = [stays[0].clone(), stays[1].clone(), gone];
    check(&server, &all, &[])?;
    server.stop()
}

#[test]
fn killed_at_each_step_on_a_disk_nothing_that_stays_is_lost() -> Result<()> {
    let seed = seed();
    ON_DISK.into_iter().try_for_each(|step| killed_at(step, seed, None).context(step))
}

#[test]
fn killed_at_each_step_with_a_bucket_nothing_that_stays_is_lost() -> Result<()> {
    let seed = seed();
    IN_BUCKET.into_iter().try_for_each(|step| {
        let service = Service::start()?;
        killed_at(step, seed, Some(&service)).context(step)
    })
}
