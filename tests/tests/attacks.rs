//! Every hostile object of the fixtures against the real server, over DIMSE and over STOW-RS: the answer is one that
//! the case allows, what is stored comes back identical, what is refused is nowhere, others are served meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fixtures::hostile::{Answer, Case, cases};
use fixtures::many::{Address, instance};
use fixtures::pdu::VERIFICATION;
use tests::dimse::{Association, CHUNK, Context, contexts_for};
use tests::http::Http;
use tests::server::{Server, Setup};
use tests::{seed, variable, wait_for};

/// What the server may keep of all attacks together, in KiB: buffers of the allocator, caches of the index. However
/// many rounds there are (`ATTACK_ROUNDS`), it may not become more.
const KEPT_KIB: u64 = 64 * 1024;
/// How long the allocator may take to give back what is free.
const SETTLED: Duration = Duration::from_secs(15);
/// What it may need more than at rest while it is attacked, in KiB.
const PEAK_KIB: u64 = 160 * 1024;
/// How long others may wait meanwhile, on a machine whose processors the attacker keeps busy too.
const PATIENCE: Duration = Duration::from_secs(5);
/// A C-ECHO afterwards, its association included.
const PROMPT: Duration = Duration::from_secs(1);

/// Names and identifiers of patients in the cases; none may be logged. `HOSTILE` is PatientID and AccessionNumber.
const OF_PATIENTS: [&str; 8] =
    ["DU LIEU", "HOSTILE", "alert(", "DROP TABLE", "jndi", "Set-Cookie", "gpj.exe", "cmd|"];

/// How an attempt ended.
enum Outcome {
    Stored,
    Refused,
}

type Allowed = fn(&Case) -> Option<Answer>;
type Attempt = fn(&Server, &Case) -> Result<Outcome>;

/// C-STORE; the association goes on afterwards, whatever the answer was.
fn over_dimse(server: &Server, case: &Case) -> Result<Outcome> {
    let contexts = [
        Context::new(1, &case.sop_class, &case.transfer_syntax),
        Context::new(3, VERIFICATION, "1.2.840.10008.1.2"),
    ];
    let mut association = server.associate("ATTACKER", &contexts)?;
    let named = (case.sop_class.as_str(), case.sop_instance.as_str());
    let response = association.store_chunks(1, named, case.data_set.chunks(CHUNK))?;
    ensure!(association.echo(3)? == 0, "no C-ECHO on the same association");
    association.release()?;
    match response.status {
        0 => Ok(Outcome::Stored),
        0xA900 | 0xC000..=0xCFFF => {
            ensure!(!response.comment.is_empty(), "{:04X} without a reason", response.status);
            Ok(Outcome::Refused)
        }
        status => bail!("an answer that no case allows: {status:04X} {}", response.comment),
    }
}

/// STOW-RS of one file.
fn over_stow(server: &Server, case: &Case) -> Result<Outcome> {
    let answer = server.web().stow(&[case.file_pieces()])?;
    let report = answer.json()?;
    match answer.status {
        200 | 202 => Ok(Outcome::Stored),
        409 => {
            let failures = [&report["00081198"], &report["0008119A"]];
            let reason = failures.iter().find_map(|f| f["Value"][0]["00081197"]["Value"][0].as_u64());
            let reason = reason.with_context(|| format!("a refusal without a reason: {report}"))?;
            ensure!(reason == 0xA900 || reason & 0xF000 == 0xC000 || reason == 0xA700, "{reason:04X}");
            Ok(Outcome::Refused)
        }
        status => bail!("an answer that no case allows: {status} {report}"),
    }
}

/// One attempt, and whether what can be seen afterwards agrees with the answer.
fn attempt(server: &Server, case: &Case, allowed: Answer, attempt: Attempt) -> Result<()> {
    let outcome = attempt(server, case)?;
    // What is no identifier cannot be asked for.
    let can_ask = (1..=64).contains(&case.sop_instance.len())
        && case.sop_instance.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let versions = if can_ask { server.web().versions(&case.sop_instance)? } else { Vec::new() };
    match (outcome, allowed) {
        (Outcome::Stored, Answer::Refuse) => bail!("stored, and has to be refused"),
        (Outcome::Refused, Answer::Store) => bail!("refused, and has to be stored"),
        (Outcome::Stored, _) => {
            let sent = case.data_set.bytes();
            ensure!(versions.iter().any(|v| v.data_set == sent), "stored, and does not come back identical");
        }
        (Outcome::Refused, _) => ensure!(versions.is_empty(), "refused, and can be seen"),
    }
    Ok(())
}

/// Echoes, stores and searches until `enough`; returns how often and the longest that one of them took.
fn be_served(dimse: SocketAddr, http: SocketAddr, seed: u64, enough: &AtomicBool) -> Result<(u64, Duration)> {
    let (mut rounds, mut longest) = (0, Duration::ZERO);
    while !enough.load(Ordering::Acquire) {
        let began = Instant::now();
        let one = instance(seed, Address { study: rounds, ..Address::default() }, 2000);
        let contexts = contexts_for([&one]);
        let mut association = Association::open(dimse, "OTHER", "PACS", &contexts)?;
        let response = association.store(&contexts, &one)?;
        ensure!(response.status == 0, "somebody else's store: {response:?}");
        association.release()?;
        longest = longest.max(began.elapsed());
        let began = Instant::now();
        ensure!(Http::new(http).instance(&one)? == one.data_set, "somebody else's image is altered");
        longest = longest.max(began.elapsed());
        rounds += 1;
    }
    Ok((rounds, longest))
}

/// All cases of one seed, and others served meanwhile.
fn round(name: &str, server: &Server, seed: u64, (allowed, by): (Allowed, Attempt)) -> Result<()> {
    let (began, enough) = (Instant::now(), AtomicBool::new(false));
    let (mut wrong, mut tried) = (Vec::new(), 0);
    let others = std::thread::scope(|scope| {
        let (dimse, http, enough) = (server.dimse[0], server.http, &enough);
        let others = scope.spawn(move || be_served(dimse, http, seed, enough));
        for case in &cases(seed) {
            let Some(answer) = allowed(case) else { continue };
            tried += 1;
            if let Err(error) = attempt(server, case, answer, by) {
                wrong.push(format!("{} {} ({answer:?}): {error:#}", case.attack, case.name));
            }
        }
        enough.store(true, Ordering::Release);
        others.join().unwrap()
    });
    let (served, longest) = others.context("others were not served")?;
    assert!(wrong.is_empty(), "{} of {tried} cases:\n{}", wrong.len(), wrong.join("\n"));
    let took = began.elapsed();
    eprintln!("{name}: {tried} cases in {took:?}; others served {served} times, waiting {longest:?} at most");
    ensure!(longest < PATIENCE, "others waited {longest:?}");
    let echo = server.echo()?;
    ensure!(echo < PROMPT, "C-ECHO took {echo:?}");
    Ok(())
}

/// Nothing of a patient, and no control character, in what the server writes.
fn nothing_is_told(text: &str) -> Result<()> {
    let line = text.lines().find(|line| OF_PATIENTS.iter().any(|word| line.contains(word)));
    ensure!(line.is_none(), "a patient is logged: {line:?}");
    ensure!(text.bytes().all(|b| b == b'\n' || b >= b' '), "a control character is logged");
    Ok(())
}

fn attack(name: &str, allowed: Allowed, by: Attempt) -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let setup = Setup::new(folder.path()).with("PACS_LOG", "debug");
    let mut server = setup.start()?;
    // What a working day leaves in memory is not the attacks' doing.
    for case in cases(seed ^ 1).iter().filter(|case| allowed(case) == Some(Answer::Store)) {
        attempt(&server, case, Answer::Store, by).with_context(|| case.name.clone())?;
    }
    let (before, peak) = (server.memory_kib("VmRSS")?, server.memory_kib("VmHWM")?);
    let mut after = Vec::new();
    for n in 0..variable("ATTACK_ROUNDS", 3) {
        round(name, &server, seed.wrapping_add(2 * n), (allowed, by))?;
        after.push(server.memory_kib("VmRSS")?);
        let settled = wait_for("memory to be given back", SETTLED, || {
            server.echo()?;
            let now = server.memory_kib("VmRSS")?;
            Ok((now < before + KEPT_KIB).then_some(now))
        });
        after.push(settled.with_context(|| format!("{before} KiB before, {after:?} after"))?);
    }
    let highest = server.memory_kib("VmHWM")?;
    eprintln!("{name}: {before} KiB of memory before, {after:?} after rounds and settled, {highest} at most");
    ensure!(highest < peak + PEAK_KIB, "memory rose from {peak} to {highest} KiB meanwhile");
    ensure!(server.is_alive()?, "the server has ended");
    let unindexable = server.web().json("/api/v1/state")?["unindexable"].clone();
    ensure!(unindexable == 0, "{unindexable} records are in a pack and cannot be indexed");
    nothing_is_told(&String::from_utf8_lossy(&server.web().get("/metrics")?.body))?;
    server.stop()?;
    let log = setup.log()?;
    ensure!(log.lines().count() > 10, "there is no log to look at");
    nothing_is_told(&log)
}

#[test]
fn hostile_objects_over_dimse() -> Result<()> {
    attack("DIMSE", |case| case.dimse, over_dimse)
}

#[test]
fn hostile_objects_over_stow() -> Result<()> {
    attack("STOW-RS", |case| case.file, over_stow)
}
