//! What operators rely on: one process for one data folder, import into a running server, known and unknown callers,
//! further titles and ports, the index made again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fixtures::edited::{Edit, edited};
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use tests::dimse::{Association, Reply, contexts_for};
use tests::server::Setup;
use tests::{until_coded, wait_for};

fn some(count: u64) -> Vec<Instance> {
    (0..count).map(|study| instance(21, Address { study, ..Address::default() }, 3000)).collect()
}

#[test]
fn one_process_owns_a_data_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    for command in ["serve", "rebuild"] {
        let second = setup.run(&[command])?;
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        ensure!(!second.status.success(), "a second process was let in by {command}");
        let clear = match command {
            "serve" => {
                said.contains("is in use by another process") && said.contains(&server.pid().to_string())
            }
            // On a busy machine the server may not answer on its socket in time; then its lock speaks for it.
            _ => said.contains("the server is running") || said.contains("is in use by another process"),
        };
        ensure!(clear, "{command} says: {said}");
    }
    server.echo()?;
    ensure!(server.web().get("/readyz")?.status == 200, "the first one has suffered");
    server.kill()?;
    // The lock of a process that was killed keeps nobody out.
    setup.start()?.stop()
}

#[test]
fn a_configuration_is_checked_before_it_is_used() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("config.example.toml");
    let check =
        |file: &Path| Setup::new(folder.path()).run(&["--config", file.to_str().unwrap(), "check-config"]);
    let good = check(&example)?;
    ensure!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    ensure!(String::from_utf8_lossy(&good.stdout).contains("ae_title = \"PACS\""), "the keys are not shown");
    for (text, named) in [
        ("[dimse]\nae_titel = \"CT\"\n", "ae_titel"),
        ("[dimse]\nae_title = \"A TITLE THAT IS TOO LONG\"\n", "ae_title"),
        ("[store.limits]\nstream_lanes = 0\n", "store.limits.stream_lanes"),
        ("[http\n", "line 1"),
    ] {
        let file = folder.path().join("bad.toml");
        std::fs::write(&file, text)?;
        let bad = check(&file)?;
        let said = String::from_utf8_lossy(&bad.stderr).into_owned();
        ensure!(!bad.status.success() && said.contains(named), "{text:?}: {said}");
    }
    Ok(())
}

/// The value of a metric with these labels, 0 where it was not counted yet.
fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(name) && labels.iter().all(|l| line.contains(l)));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn what_was_received_stored_and_saved_is_counted_by_depth() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).start()?;
    let one = instance(22, Address::default(), 50_000);
    let relabelled = edited(&one, &Edit::reissued(&one, 22)).context("no copy")?;
    let all = [one.clone(), one, relabelled];
    let contexts = contexts_for(&all);
    let mut association = server.associate("METRICS", &contexts)?;
    for one in &all {
        ensure!(association.store(&contexts, one)?.status == 0, "refused");
    }
    association.release()?;
    let text = String::from_utf8(server.web().get("/metrics")?.body)?;
    let saved = |depth: &str| metric(&text, "archive_saved_bytes_total", &[&format!("depth=\"{depth}\"")]);
    let stored = metric(&text, "archive_stored_bytes_total", &[]);
    ensure!((50_000.0..56_000.0).contains(&stored), "{stored} bytes stored");
    ensure!(saved("1") > 50_000.0, "{} bytes saved of the same instance", saved("1"));
    ensure!((50_000.0..51_000.0).contains(&saved("2")), "{} bytes saved of the same pixels", saved("2"));
    ensure!(metric(&text, "dimse_received_bytes_total", &[]) > 150_000.0, "received bytes");
    ensure!(metric(&text, "archive_instances_total", &[]) == 3.0, "instances");
    ensure!(metric(&text, "dimse_associations_accepted_total", &[]) >= 1.0, "associations");
    ensure!(metric(&text, "dimse_operation_seconds_count", &["store"]) >= 3.0, "latencies");
    server.stop()
}

#[test]
fn the_status_tells_how_the_server_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let status = |setup: &Setup| -> Result<(Option<i32>, String)> {
        let said = setup.run(&["status", "--wait-seconds", "1"])?;
        Ok((said.status.code(), String::from_utf8(said.stdout)? + &String::from_utf8(said.stderr)?))
    };
    let (code, said) = status(&setup)?;
    ensure!(code == Some(1) && said.contains("no server answers"), "{code:?}: {said}");
    let server = setup.start()?;
    let (code, said) = status(&setup)?;
    ensure!(code == Some(0) && said.contains("takes images"), "{code:?}: {said}");
    ensure!(said.contains(&format!("process {}", server.pid())), "{said}");
    server.stop()?;
    let full = setup
        .with("PACS_STORE__LIMITS__MIN_FREE_PERCENT", "100")
        .with("PACS_STORE__LIMITS__MIN_FREE_BYTES", "4611686018427387904");
    let server = full.start()?;
    let (code, said) = status(&full)?;
    ensure!(code == Some(2) && said.contains("takes NO images: out of space"), "{code:?}: {said}");
    server.stop()
}

#[test]
fn an_import_is_handed_to_the_running_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let server = setup.start()?;
    let files = folder.path().join("disc");
    std::fs::create_dir(&files)?;
    let all = some(30);
    for (n, one) in all.iter().enumerate() {
        std::fs::write(files.join(format!("{n}.dcm")), one.file())?;
    }
    std::fs::write(files.join("letter.txt"), "Chào bác sĩ,\n")?;
    let disc = files.to_str().context("no text")?;
    for (round, counted) in ["stored", "duplicates"].iter().enumerate() {
        let import = setup.run(&["import", disc, "--source", "disc"])?;
        let said = String::from_utf8_lossy(&import.stdout).into_owned();
        let errors = String::from_utf8_lossy(&import.stderr).into_owned();
        ensure!(import.status.success(), "round {round}: {said}{errors}");
        let line = said.lines().find(|line| line.trim_start().starts_with(counted));
        ensure!(line.is_some_and(|line| line.split_whitespace().any(|word| word == "30")), "{said}");
        let mut web = server.web();
        ensure!(web.count()? == 30, "{} instances", web.count()?);
        for one in &all {
            ensure!(web.instance(one)? == one.data_set, "{} is altered", one.path);
        }
    }
    server.stop()?;
    // The same without a server: the command takes the lock itself.
    let more = folder.path().join("more.dcm");
    let one = instance(22, Address::default(), 3000);
    std::fs::write(&more, one.file())?;
    let import = setup.run(&["import", more.to_str().context("no text")?])?;
    ensure!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let server = setup.start()?;
    ensure!(server.web().count()? == 31, "not imported");
    ensure!(server.web().instance(&one)? == one.data_set, "altered");
    server.stop()
}

const PEERS: &str = r#"
[dimse]
accept = "known"
also_ae_titles = ["OLDPACS"]
also_listen = ["127.0.0.1:0"]
[[facility]]
code = "01001"
[[peer]]
ae_title = "CT1"
address = "127.0.0.1"
facility = "01001"
[[peer]]
ae_title = "ELSEWHERE"
address = "192.0.2.7"
"#;

#[test]
fn unknown_callers_are_refused_and_remembered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).with_file(PEERS)?.start()?;
    let one = instance(23, Address::default(), 3000);
    let contexts = contexts_for([&one]);
    let (calling, called) = ([1, 1, 3], [1, 1, 7]);
    for (ae, to, why) in
        [("STRANGER", "PACS", calling), ("ELSEWHERE", "PACS", calling), ("CT1", "OTHER", called)]
    {
        for address in &server.dimse {
            match Association::request(*address, ae, to, &contexts)? {
                Reply::Rejected(reason) => ensure!(reason == why, "{ae} to {to}: {reason:?}"),
                Reply::Accepted(_) => bail!("{ae} to {to} was accepted"),
            }
        }
    }
    let mut web = server.web();
    let unknown = wait_for("unknown callers", Duration::from_secs(10), || {
        let list = web.json("/api/v1/peers/unknown")?;
        let names = |ae: &str, to: &str| {
            let is = |row: &serde_json::Value| {
                row["ae_title"] == ae && row["called"] == to && row["address"] == "127.0.0.1"
            };
            list.as_array().is_some_and(|rows| rows.iter().any(is))
        };
        let all = names("STRANGER", "PACS") && names("ELSEWHERE", "PACS") && names("CT1", "OTHER");
        Ok(all.then_some(list.clone()))
    })?;
    ensure!(!unknown.to_string().contains("OLDPACS"), "{unknown}");
    ensure!(web.count()? == 0, "something was stored");
    server.stop()
}

#[test]
fn the_title_and_port_of_an_old_archive_are_served() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Setup::new(folder.path()).with_file(PEERS)?.start()?;
    ensure!(server.dimse.len() == 2, "{:?} are announced", server.dimse);
    let all = some(4);
    let contexts = contexts_for(&all);
    let places = server.dimse.iter().flat_map(|address| ["PACS", "OLDPACS"].map(|title| (*address, title)));
    for ((address, title), one) in places.zip(&all) {
        let mut association = Association::open(address, "CT1", title, &contexts)?;
        let response = association.store(&contexts, one)?;
        ensure!(response.status == 0, "{title} at {address}: {response:?}");
        association.release()?;
    }
    let mut web = server.web();
    for one in &all {
        ensure!(web.instance(one)? == one.data_set, "{} is altered", one.path);
    }
    wait_for("the peer's last store", Duration::from_secs(10), || {
        let list = web.json("/api/v1/peers")?;
        let stored = |row: &serde_json::Value| row["ae_title"] == "CT1" && row["last_store_ms"].is_number();
        Ok(list.as_array().is_some_and(|rows| rows.iter().any(stored)).then_some(()))
    })?;
    server.stop()
}

#[test]
fn a_lost_index_is_made_again_with_the_same_answers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new(folder.path());
    let all = some(40);
    let server = setup.start()?;
    let contexts = contexts_for(&all);
    let mut association = server.associate("CT1", &contexts)?;
    for one in &all {
        ensure!(association.store(&contexts, one)?.status == 0, "{}", one.path);
    }
    association.release()?;
    let ask = |web: &mut tests::http::Http| -> Result<Vec<Vec<u8>>> {
        let levels = ["studies", "series", "instances", "studies?PatientName=L*&includefield=all"];
        levels.iter().map(|level| Ok(web.get(&format!("/dicom-web/{level}"))?.body)).collect()
    };
    until_coded(&mut server.web(), &all)?;
    let before = ask(&mut server.web())?;
    server.stop()?;
    tests::database::lose(&setup.data_dir())?;
    let rebuild = setup.run(&["rebuild"])?;
    ensure!(rebuild.status.success(), "{}", String::from_utf8_lossy(&rebuild.stderr));
    let server = setup.start()?;
    let mut web = server.web();
    until_coded(&mut web, &all)?;
    // Addresses in the answers name the port, which is another one.
    ensure!(ask(&mut web)?.len() == before.len() && web.count()? == all.len() as u64, "{}", web.count()?);
    for (level, (was, is)) in before.iter().zip(ask(&mut web)?).enumerate() {
        ensure!(
            *was == is,
            "answer {level}: {} and {}",
            String::from_utf8_lossy(was),
            String::from_utf8_lossy(&is)
        );
    }
    for one in &all {
        ensure!(web.instance(one)? == one.data_set, "{} is altered", one.path);
    }
    server.stop()
}
