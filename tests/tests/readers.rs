//! Readers of the real server over HTTP: a thousand requests at a time, readers that take nothing or little, readers that
//! hang up in the middle of an answer. The others are served, and nothing of them stays.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use rustix::process::{Resource, getrlimit, setrlimit};
use tests::http::{Answer, read_answer};
use tests::server::{Server, Setup};
use tests::{seed, until_coded, wait_for};

const MIB: usize = 1 << 20;
/// Seconds that the server waits for a reader who takes nothing.
const IDLE_SECONDS: u64 = 3;
/// Requests that are under way at the same time.
const REQUESTS: usize = 1000;
/// Readers who take their time, and such as hang up.
const READERS: usize = 100;
/// What all of these may need in memory above the server at rest, in KiB, and what of it may stay with the allocator and in
/// caches: far less than a thread and its memory for each reader, which was 1.3 GB.
const ROOM_KIB: u64 = 256 * 1024;
/// What may be added in KiB when the same readers come again, and again.
const GROWTH_KIB: u64 = 64 * 1024;
/// How often they come.
const ROUNDS: usize = 10;
/// Connections of the test itself that the server may not have closed yet.
const SOCKETS: usize = 8;
/// Files that the server opens when first needed and keeps: a database and its log for each of the four connections
/// that read it, and packs that are being verified.
const KEPT_FILES: usize = 2 * 4 + 4;
/// How long anybody may wait beside them, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server with `instances`.
fn server_with(folder: &std::path::Path, instances: &[Instance]) -> Result<Server> {
    let server =
        Setup::new(folder).with("PACS_HTTP__LIMITS__IDLE_SECONDS", &IDLE_SECONDS.to_string()).start()?;
    for one in instances {
        let answer = server.web().stow(&[Pieces::from(one.file())])?;
        ensure!(answer.status == 200, "{}: {}", one.path, answer.status);
    }
    Ok(server)
}

/// What a server holds at rest.
#[derive(Debug)]
struct Rest {
    memory_kib: u64,
    threads: u64,
    sockets: usize,
    files: usize,
}

impl Rest {
    fn of(server: &Server) -> Result<Rest> {
        let (mut sockets, mut files) = (0, 0);
        for entry in std::fs::read_dir(format!("/proc/{}/fd", server.pid()))? {
            // One that was closed since it was listed is none.
            let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
            if target.to_string_lossy().starts_with("socket:") { sockets += 1 } else { files += 1 }
        }
        let (memory_kib, threads) = (server.memory_kib("VmRSS")?, server.memory_kib("Threads")?);
        Ok(Rest { memory_kib, threads, sockets, files })
    }

    /// Waits until the server holds no more than this again.
    fn returns(&self, server: &Server) -> Result<()> {
        let mut last = None;
        let came = wait_for("rest", Duration::from_secs(60), || {
            let now = Rest::of(server)?;
            // Blocking threads stay for some seconds.
            let rested = now.sockets <= self.sockets + SOCKETS
                && now.files <= self.files + KEPT_FILES
                && now.memory_kib <= self.memory_kib + ROOM_KIB
                && now.threads <= self.threads + 8;
            last = Some(now);
            Ok(rested.then_some(()))
        });
        eprintln!("before {self:?}, after {last:?}");
        came.with_context(|| format!("{last:?} and not {self:?}"))
    }
}

/// Sockets of this process: the usual soft limit of 1,024 is too few.
fn raise_descriptor_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

fn ask(server: &Server, path: &str, accept: &str) -> Result<TcpStream> {
    let mut stream = server.web().connect()?;
    let host = server.http;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

/// The ways to read `one`, each with what it accepts.
fn ways(one: &Instance) -> [(String, &'static str); 6] {
    let Instance { study, series, sop_instance, .. } = one;
    let series = format!("/dicom-web/studies/{study}/series/{series}");
    let whole = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
    let octets = "multipart/related; type=application/octet-stream; transfer-syntax=*";
    [
        (format!("/dicom-web/studies?StudyInstanceUID={study}"), "application/dicom+json"),
        (format!("{series}/metadata"), "application/dicom+json"),
        (format!("{series}/instances/{sop_instance}/frames/1"), octets),
        (format!("{series}/instances/{sop_instance}"), whole),
        (format!("{series}/instances/{sop_instance}/thumbnail"), "image/jpeg"),
        ("/".to_owned(), "text/html"),
    ]
}

/// Fails unless somebody else is served soon.
fn others_are_served(server: &Server, one: &Instance) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    for (path, accept) in &ways(one)[..4] {
        let began = Instant::now();
        let answer = server.web().get_accepting(path, accept)?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        longest = longest.max(began.elapsed());
    }
    let echo = server.echo()?;
    longest = longest.max(echo);
    ensure!(longest < PATIENCE, "others waited {longest:?}");
    Ok(longest)
}

#[test]
fn a_thousand_requests_at_a_time_are_answered() -> Result<()> {
    raise_descriptor_limit()?;
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let instances: Vec<Instance> =
        (0..20).map(|n| instance(seed, Address { study: n, ..Address::default() }, 50_000)).collect();
    let server = server_with(folder.path(), &instances)?;
    until_coded(&mut server.web(), &instances)?;
    let wanted: Vec<(String, &str)> = instances.iter().flat_map(ways).collect();
    let said = |answer: &Answer| -> Vec<u8> {
        // The time on a page of the list changes; that it is one does not.
        if answer.body.starts_with(b"<!doctype html>") { b"page".to_vec() } else { answer.body.clone() }
    };
    let mut alone = Vec::new();
    for (path, accept) in &wanted {
        let answer = server.web().get_accepting(path, accept)?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        alone.push(said(&answer));
    }
    let rest = Rest::of(&server)?;
    let began = Instant::now();
    let mut waiting = Vec::new();
    for n in 0..REQUESTS {
        let (path, accept) = &wanted[n % wanted.len()];
        waiting.push(ask(&server, path, accept)?);
    }
    for (n, stream) in waiting.into_iter().enumerate() {
        let (path, _) = &wanted[n % wanted.len()];
        let answer = read_answer(&mut BufReader::new(stream)).with_context(|| format!("{n}: {path}"))?;
        ensure!(answer.status == 200, "{n}: {path}: {}", answer.status);
        ensure!(said(&answer) == alone[n % wanted.len()], "{n}: {path}: another answer than alone");
    }
    let most = server.memory_kib("VmHWM")?;
    eprintln!("{REQUESTS} requests in {:?}, {most} KiB of memory at most", began.elapsed());
    ensure!(most < rest.memory_kib + ROOM_KIB, "memory rose from {} to {most} KiB", rest.memory_kib);
    rest.returns(&server)?;
    server.stop()
}

/// A series of 4 times 16 MiB, and its address.
fn large_series(seed: u64) -> (Vec<Instance>, String) {
    let address = |number| Address { number, ..Address::default() };
    let instances: Vec<Instance> = (0..4).map(|n| instance(seed, address(n), 16 * MIB)).collect();
    let (study, series) = (&instances[0].study, &instances[0].series);
    let path = format!("/dicom-web/studies/{study}/series/{series}");
    (instances, path)
}

const SERIES: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";

/// Reads until `enough` bytes came or the answer ends; says how many came.
fn take(stream: &mut TcpStream, enough: usize) -> Result<usize> {
    let (mut came, mut buffer) = (0, vec![0; 64 * 1024]);
    while came < enough {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => came += n,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => bail!(error),
        }
    }
    Ok(came)
}

#[test]
fn readers_who_take_nothing_are_left_and_slow_ones_served() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let (instances, path) = large_series(seed);
    let small = instance(seed, Address { study: 9, ..Address::default() }, 5_000);
    let server = server_with(folder.path(), &[&instances[..], std::slice::from_ref(&small)].concat())?;
    others_are_served(&server, &small)?;
    let rest = Rest::of(&server)?;
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..READERS {
        silent.push(ask(&server, &path, SERIES)?);
    }
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push((ask(&server, &path, SERIES)?, 0));
    }
    let (mut most, mut longest, mut open) = (0, Duration::ZERO, usize::MAX);
    // The slow ones take a bit in each turn, for longer than the server waits for a silent one.
    while open > rest.sockets + SOCKETS + slow.len() || began.elapsed().as_secs() < 3 * IDLE_SECONDS {
        longest = longest.max(others_are_served(&server, &small)?);
        for (stream, came) in &mut slow {
            *came += take(stream, 256 * 1024)?;
        }
        most = most.max(server.memory_kib("VmRSS")?);
        open = Rest::of(&server)?.sockets;
        ensure!(began.elapsed() < Duration::from_secs(90), "{open} sockets after {:?}", began.elapsed());
    }
    eprintln!(
        "{READERS} silent readers were left after {:?}; {most} KiB of memory at most, {} before; others waited {longest:?}",
        began.elapsed(),
        rest.memory_kib
    );
    ensure!(most < rest.memory_kib + ROOM_KIB, "memory rose from {} to {most} KiB", rest.memory_kib);
    for (mut stream, came) in slow {
        let all = came + take(&mut stream, usize::MAX)?;
        ensure!(all > 4 * 16 * MIB, "a slow reader got {all} bytes");
    }
    for mut stream in silent {
        let came = take(&mut stream, usize::MAX)?;
        ensure!(came < 4 * 16 * MIB, "a silent reader got all of {came} bytes");
    }
    rest.returns(&server)?;
    server.stop()
}

#[test]
fn a_download_ends_when_its_study_is_withdrawn() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let (instances, _) = large_series(seed);
    let server = server_with(folder.path(), &instances)?;
    let study = instances[0].study.as_str();
    let mut reader = ask(&server, &format!("/studies/{study}/download.zip"), "*/*")?;
    let began = take(&mut reader, MIB)?;
    ensure!(began >= MIB, "the download did not begin: {began} bytes");
    let asked = serde_json::json!({ "study": study, "reason": "wrong_patient", "who": "BS. An" });
    let answer = server.web().say("POST", "/api/v1/withdrawals", &[], &asked)?;
    ensure!(answer.status == 201, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    // What the system had already taken for the reader, and the file that was open, still come.
    let came = began + take(&mut reader, usize::MAX)?;
    ensure!(came < instances.len() * 16 * MIB, "all of the withdrawn study came: {came} bytes");
    server.stop()
}

#[test]
fn readers_who_hang_up_leave_nothing() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let (instances, path) = large_series(seed);
    let small = instance(seed, Address { study: 9, ..Address::default() }, 5_000);
    let server = server_with(folder.path(), &[&instances[..], std::slice::from_ref(&small)].concat())?;
    others_are_served(&server, &small)?;
    let rest = Rest::of(&server)?;
    let zip = format!("/studies/{}/download.zip", instances[0].study);
    let one = format!("{path}/instances/{}", instances[0].sop_instance);
    let kinds = [(&path, SERIES), (&zip, "*/*"), (&one, SERIES)];
    let (mut memory, mut longest) = (Vec::new(), Duration::ZERO);
    for round in 0..ROUNDS {
        let mut readers = Vec::new();
        for n in 0..READERS {
            let (path, accept) = kinds[n % kinds.len()];
            readers.push(ask(&server, path, accept)?);
        }
        for (n, mut reader) in readers.into_iter().enumerate() {
            // Some go before the first byte, some within the head, some in the middle.
            let enough = [0, 100, 300_000, 3_000_000][(n + round) % 4];
            take(&mut reader, enough)?;
            let (path, _) = kinds[n % kinds.len()];
            let mut start = [0; 12];
            if enough == 0 && n % 8 == 0 {
                reader.read_exact(&mut start)?;
                ensure!(&start == b"HTTP/1.1 200", "{path}: {}", String::from_utf8_lossy(&start));
            }
        }
        longest = longest.max(others_are_served(&server, &small)?);
        memory.push(server.memory_kib("VmRSS")?);
    }
    let (half, end) = (memory[ROUNDS / 2 - 1], memory[ROUNDS - 1]);
    eprintln!("KiB of memory: {} before, then {memory:?}; others waited {longest:?}", rest.memory_kib);
    ensure!(end < rest.memory_kib + ROOM_KIB, "memory rose from {} to {end} KiB", rest.memory_kib);
    ensure!(end < half + GROWTH_KIB, "memory grows: {memory:?}");
    rest.returns(&server)?;
    server.stop()
}
