//! Keeping what is stored, through the real program: verification, repair, compaction, backup under load and restore.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use serde_json::{Value, json};
use tests::http::Http;
use tests::server::Setup;
use tests::wait_for;

fn study(seed: u64, study: u64, images: u64) -> Vec<Instance> {
    (0..images).map(|number| instance(seed, Address { study, series: 0, number }, 20_000)).collect()
}

fn stow(web: &mut Http, all: &[Instance]) -> Result<()> {
    let files: Vec<Pieces> = all.iter().map(|one| Pieces::default().then(one.file(), 1)).collect();
    let answer = web.stow(&files)?;
    ensure!(answer.status == 200, "STOW-RS: {}", answer.status);
    Ok(())
}

/// Whether an instance comes back byte for byte; none when it does not come back whole.
fn comes_back(web: &mut Http, one: &Instance) -> Result<Option<bool>> {
    let Instance { study, series, sop_instance, .. } = one;
    let path = format!("/dicom-web/studies/{study}/series/{series}/instances/{sop_instance}");
    let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
    match web.get_accepting(&path, accept) {
        Ok(answer) if answer.status == 200 => {
            let sent = one.data_set.as_slice();
            Ok(Some(answer.body.windows(sent.len()).any(|part| part == sent)))
        }
        _ => Ok(None),
    }
}

fn packs(data: &Path) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(data.join("packs"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    all.sort();
    Ok(all)
}

/// Copies the files of a folder as they are at the moment, as `cp` and `rsync` do.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().context("a name")?))?;
        }
    }
    Ok(())
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{} {}{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn ended(output: &Output, code: i32) -> Result<()> {
    ensure!(output.status.code() == Some(code), "{code} was expected: {}", said(output));
    Ok(())
}

/// Flips a bit within the pixels of an instance.
fn damage(data: &Path, one: &Instance) -> Result<()> {
    let sent = &one.data_set[one.data_set.len() - 64..];
    for path in packs(data)? {
        let mut bytes = std::fs::read(&path)?;
        if let Some(at) = bytes.windows(sent.len()).position(|part| part == sent) {
            bytes[at + 7] ^= 4;
            std::fs::write(&path, bytes)?;
            return Ok(());
        }
    }
    anyhow::bail!("the pixels are in no pack")
}

fn json_at(web: &mut Http, path: &str) -> Result<Value> {
    let answer = web.get(path)?;
    ensure!(answer.status == 200, "{path}: {}", answer.status);
    answer.json()
}

#[test]
fn damage_is_found_told_never_served_and_repaired_from_a_replica() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with("PACS_STUDY__QUIET_SECONDS", "1");
    let data = setup.data_dir();
    let server = setup.start()?;
    let all = study(1, 1, 6);
    stow(&mut server.web(), &all)?;
    server.stop()?;
    let replica = folder.path().join("replica");
    copy(&data.join("packs"), &replica)?;
    ended(&setup.run(&["verify"])?, 0)?;
    ended(&setup.run(&["verify", "--against", &replica.display().to_string()])?, 0)?;

    let server = setup.start()?;
    let mut web = server.web();
    ended(&setup.run(&["verify", "--study", &all[0].study])?, 0)?;
    damage(&data, &all[2])?;
    let output = setup.run(&["verify", "--rate", "0"])?;
    ended(&output, 2)?;
    ensure!(said(&output).contains("NO GOOD COPY"), "{}", said(&output));
    let listed = json_at(&mut web, "/api/v1/damaged")?;
    ensure!(listed["copies"] == 1, "{listed}");
    ensure!(comes_back(&mut web, &all[2])?.is_none(), "damaged bytes were served");
    ensure!(comes_back(&mut web, &all[3])? == Some(true));
    let metrics = web.get("/metrics")?;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    ensure!(metrics.contains("archive_damaged{kind=\"bulk\"} 1"), "{metrics}");
    ended(&setup.run(&["verify", "--study", &all[0].study])?, 2)?;
    server.stop()?;
    let output = setup.run(&["verify", "--against", &replica.display().to_string()])?;
    ended(&output, 2)?;
    ensure!(said(&output).contains("damaged here and whole in the backup"), "{}", said(&output));

    let setup = setup.with("PACS_STORE__REPLICA", &replica.display().to_string());
    let server = setup.start()?;
    let mut web = server.web();
    let output = setup.run(&["verify", "--from-start"])?;
    ended(&output, 0)?;
    ensure!(said(&output).contains("1 repaired now"), "{}", said(&output));
    for one in &all {
        ensure!(comes_back(&mut web, one)? == Some(true), "not repaired");
    }
    server.stop()?;
    ended(&setup.run(&["rebuild"])?, 0)?;
    let server = setup.start()?;
    ensure!(comes_back(&mut server.web(), &all[2])? == Some(true));
    server.stop()
}

#[test]
fn compaction_frees_what_was_withdrawn_as_a_duplicate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path()).with("PACS_RETENTION__GRACE_DAYS", "0");
    let server = setup.start()?;
    let (gone, stays) = (study(2, 1, 20), study(2, 2, 5));
    let mut web = server.web();
    stow(&mut web, &gone)?;
    stow(&mut web, &stays)?;
    server.stop()?;
    let server = setup.start()?;
    let withdrawn =
        ["withdraw", &gone[0].study, "--reason", "duplicate", "--why", "sent twice", "--who", "An"];
    ended(&setup.run(&withdrawn)?, 0)?;
    let size = || -> Result<u64> {
        packs(&setup.data_dir())?.iter().map(|path| Ok(std::fs::metadata(path)?.len())).sum()
    };
    let before = size()?;
    let output = setup.run(&["compact", "--dry-run"])?;
    ended(&output, 0)?;
    ensure!(
        said(&output).contains("20 withdrawn instances would be removed") && size()? == before,
        "{}",
        said(&output)
    );
    ensure!(setup.run(&["compact"])?.status.code() != Some(0), "nobody said who");
    let output = setup.run(&["compact", "--who", "An", "--why", "the disk is full"])?;
    ended(&output, 0)?;
    println!("{}", said(&output));
    ensure!(size()? < before / 2, "{} of {before} bytes are left", size()?);
    let mut web = server.web();
    for one in &stays {
        ensure!(comes_back(&mut web, one)? == Some(true));
    }
    ensure!(comes_back(&mut web, &gone[0])?.is_none());
    ended(&setup.run(&["verify"])?, 0)?;
    server.stop()?;
    ended(&setup.run(&["rebuild"])?, 0)?;
    let server = setup.start()?;
    let mut web = server.web();
    for one in &stays {
        ensure!(comes_back(&mut web, one)? == Some(true));
    }
    ensure!(comes_back(&mut web, &gone[0])?.is_none());
    // What was removed comes back by being sent again.
    stow(&mut web, &gone)?;
    ensure!(comes_back(&mut web, &gone[0])? == Some(true));
    server.stop()
}

/// Stores until it is told to end; what was acknowledged.
fn load(address: std::net::SocketAddr, over: &AtomicBool, acknowledged: &Mutex<Vec<Instance>>) -> Result<()> {
    let mut web = Http::new(address);
    for n in 100.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let some = study(3, n, 4);
        stow(&mut web, &some)?;
        acknowledged.lock().unwrap().extend(some);
    }
    Ok(())
}

#[test]
fn a_backup_made_under_load_holds_all_that_was_acknowledged_before_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Small packs, so that some are sealed and some are begun while the copy is made.
    let setup = Setup::new(folder.path()).with("PACS_STORE__LIMITS__PACK_BYTES", "1048576");
    let server = setup.start()?;
    let mut web = server.web();
    let withdrawn = study(3, 1, 3);
    stow(&mut web, &withdrawn)?;
    let who = [("X-Claimed-User", "BS. An")];
    let body = json!({ "study": withdrawn[0].study, "reason": "quality", "why": "unsharp" });
    let answer = web.say("POST", "/api/v1/withdrawals", &who, &body)?;
    ensure!(answer.status == 201, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    let account = setup.run(&["account", "list"])?;
    ended(&account, 0)?;

    let (over, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let backup = folder.path().join("backup");
    let before = std::thread::scope(|scope| -> Result<Vec<Instance>> {
        let loaders: Vec<_> =
            (0..2).map(|_| scope.spawn(|| load(server.http, &over, &acknowledged))).collect();
        let begun = wait_for("some load", Duration::from_secs(60), || {
            Ok(Some(()).filter(|()| acknowledged.lock().unwrap().len() >= 200))
        });
        let before = acknowledged.lock().unwrap().clone();
        let copied = begun.and_then(|()| copy(&setup.data_dir().join("packs"), &backup.join("packs")));
        over.store(true, Ordering::SeqCst);
        for loader in loaders {
            loader.join().unwrap()?;
        }
        copied.map(|()| before)
    })?;
    println!("{} acknowledged before the copy, {} in all", before.len(), acknowledged.lock().unwrap().len());
    // Packs that were sealed before the copy are in it as they are; the others are completed by the next one.
    for entry in std::fs::read_dir(setup.data_dir())? {
        let path = entry?.path();
        let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
        if path.is_file() && !name.starts_with("index.sqlite") && !["lock", "control.sock"].contains(&&*name)
        {
            std::fs::copy(&path, backup.join(&name))?;
        }
    }
    let restored = setup.clone().with("PACS_DATA_DIR", &backup.display().to_string());
    let output = restored.run(&["rebuild"])?;
    println!("{}", said(&output));
    let again = restored.start()?;
    let mut web = again.web();
    for one in &before {
        ensure!(comes_back(&mut web, one)? == Some(true), "acknowledged before the copy and lost");
    }
    let stated = json_at(&mut web, "/api/v1/withdrawals")?;
    ensure!(stated.to_string().contains(&withdrawn[0].study), "the withdrawal is forgotten: {stated}");
    ensure!(comes_back(&mut web, &withdrawn[0])?.is_none(), "what was withdrawn is shown");
    again.stop()?;
    server.stop()?;

    // The next copy completes it, and then there is no difference.
    let second = folder.path().join("second");
    copy(&setup.data_dir().join("packs"), &second)?;
    ended(&setup.run(&["verify", "--rate", "0", "--against", &second.display().to_string()])?, 0)?;
    std::fs::remove_file(&packs_in(&second)?[0])?;
    ended(&setup.run(&["verify", "--rate", "0", "--against", &second.display().to_string()])?, 2)
}

fn packs_in(folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}
