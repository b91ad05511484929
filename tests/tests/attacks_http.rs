//! Raw bytes against the HTTP port of the real server: bodies that lie or never end, headers that never end, searches
//! that are code; and canaries: nothing of a patient is in what the server writes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fixtures::edited::{Edit, edited};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use fixtures::writer::Encoder;
use fixtures::writer::{Syntax, Vr, keyword as k};
use tests::dimse::contexts_for;
use tests::http::{post_head, read_answer, related};
use tests::server::{Server, Setup};
use tests::wait_for;

const MIB: u64 = 1 << 20;
/// What one attack may leave in memory, or need at a time, in KiB.
const ROOM_KIB: u64 = 64 * 1024;
/// Seconds of patience that the server is configured with: for headers, and for silence.
const HEADER_SECONDS: u64 = 2;
const IDLE_SECONDS: u64 = 3;

fn setup(folder: &std::path::Path) -> Setup {
    Setup::new(folder)
        .with("PACS_HTTP__LIMITS__HEADER_SECONDS", &HEADER_SECONDS.to_string())
        .with("PACS_HTTP__LIMITS__IDLE_SECONDS", &IDLE_SECONDS.to_string())
        .with("PACS_SCAN__INSTANCE_BYTES", &(64 * MIB).to_string())
}

/// Fails unless the server is as it was: alive, quick, no larger than `before` and the room for attacks.
fn unharmed(server: &mut Server, before: u64) -> Result<()> {
    ensure!(server.is_alive()?, "the server has ended");
    let echo = server.echo()?;
    ensure!(echo < Duration::from_secs(1), "C-ECHO took {echo:?}");
    ensure!(server.web().get("/readyz")?.status == 200, "not ready");
    let after = server.memory_kib("VmRSS")?;
    ensure!(after < before + ROOM_KIB, "memory rose from {before} to {after} KiB");
    Ok(())
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = setup(folder.path()).start()?;
    server.echo()?;
    let before = server.memory_kib("VmRSS")?;
    let kinds = [
        (related("x"), "Content-Length: 4294967296", ""),
        (related("x"), "Content-Length: 4294967296", "--x\r\nContent-Type: application/dicom\r\n\r\n"),
        ("application/dicom".to_owned(), "Content-Length: 18446744073709551615", "DICM"),
        (related("x"), "Transfer-Encoding: chunked", "ffffffff\r\n--x\r\n"),
    ];
    let began = Instant::now();
    let mut waiting = Vec::new();
    for (content_type, framing, start) in &kinds {
        let mut stream = server.web().connect()?;
        stream.write_all(&post_head(content_type, framing))?;
        stream.write_all(start.as_bytes())?;
        waiting.push(stream);
    }
    for (stream, kind) in waiting.into_iter().zip(&kinds) {
        let answer = read_answer(&mut BufReader::new(stream)).with_context(|| format!("{kind:?}"))?;
        ensure!((400..500).contains(&answer.status), "{kind:?}: {}", answer.status);
    }
    ensure!(began.elapsed().as_secs() < IDLE_SECONDS + 5, "after {:?}", began.elapsed());
    unharmed(&mut server, before)?;
    server.stop()
}

/// A data set that is honest up to its Pixel Data, which has fragments without end.
fn endless_start() -> Vec<u8> {
    let one = instance(1, Address::default(), 16);
    let mut out = Encoder::new(Syntax::EXPLICIT_LITTLE);
    let pixels = 12 + 16;
    out.raw(&one.file()[..one.file().len() - pixels])
        .header(k::PIXEL_DATA.with_vr(Vr::Ob), u32::MAX)
        .item(Some(0));
    out.into_bytes()
}

#[test]
fn chunks_without_end_take_no_memory() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = setup(folder.path()).start()?;
    server.echo()?;
    let before = server.memory_kib("VmRSS")?;
    let mut fragment = Encoder::new(Syntax::EXPLICIT_LITTLE);
    fragment.item(Some(1 << 17)).raw(&vec![7; 1 << 17]);
    let part = |content_type: &str| format!("--x\r\nContent-Type: {content_type}\r\n\r\n").into_bytes();
    let kinds: [(&str, Vec<u8>, Vec<u8>); 5] = [
        ("a preamble", vec![], vec![b'-'; 1 << 17]),
        ("part headers", b"--x\r\nX-Header: ".to_vec(), vec![b'a'; 1 << 17]),
        ("a part of text", part("text/plain"), vec![b'a'; 1 << 17]),
        ("a data set of no kind", part("application/dicom"), vec![0xff; 1 << 17]),
        ("fragments", [part("application/dicom"), endless_start()].concat(), fragment.into_bytes()),
    ];
    for (what, start, more) in &kinds {
        let mut stream = server.web().connect()?;
        stream.write_all(&post_head(&related("x"), "Transfer-Encoding: chunked"))?;
        let (mut sent, mut most) = (0, 0);
        let mut chunk = start;
        // To a server that hangs up nothing more can be sent; one that listens gets 192 MiB.
        while sent < 192 * MIB {
            let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            if !chunk.is_empty() && stream.write_all(&framed).is_err() {
                break;
            }
            sent += chunk.len() as u64;
            chunk = more;
            if sent % (8 * MIB) < 1 << 17 {
                most = most.max(server.memory_kib("VmRSS")?);
            }
        }
        eprintln!("{what}: {} MiB sent, {most} KiB of memory at most, {before} before", sent / MIB);
        ensure!(most < before + ROOM_KIB, "{what}: memory rose from {before} to {most} KiB");
        drop(stream);
        unharmed(&mut server, before)?;
    }
    ensure!(server.web().count()? == 0, "something was stored");
    server.stop()
}

#[test]
fn a_hundred_thousand_parts_are_answered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = setup(folder.path()).start()?;
    server.echo()?;
    let before = server.memory_kib("VmRSS")?;
    let began = Instant::now();
    let parts = [&b"\r\n--x\r\n\r\n"[..], b"\r\n--x\r\nContent-Type: application/dicom\r\n\r\nDICM"];
    for part in parts {
        let body = Pieces::default().then(part, 100_000).then(&b"\r\n--x--\r\n"[..], 1);
        let answer = server.web().post(&related("x"), &body)?;
        ensure!(answer.status == 409, "{}", answer.status);
        ensure!(answer.body.len() < 1 << 20, "an answer of {} bytes", answer.body.len());
    }
    eprintln!("2 x 100,000 parts in {:?}", began.elapsed());
    unharmed(&mut server, before)?;
    server.stop()?;

    let few = setup(folder.path()).with("PACS_HTTP__LIMITS__PARTS", "10").start()?;
    let files: Vec<Pieces> = (0..11)
        .map(|number| Pieces::from(instance(3, Address { number, ..Address::default() }, 64).file()))
        .collect();
    let answer = few.web().stow(&files[..10])?;
    ensure!(answer.status == 200, "at the limit: {}", answer.status);
    let answer = few.web().stow(&files)?;
    ensure!(answer.status == 202, "one part more than the limit: {}", answer.status);
    ensure!(few.web().count()? == 10, "the part beyond the limit was stored");
    few.stop()
}

#[test]
fn boundaries_are_short() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = setup(folder.path()).start()?;
    server.echo()?;
    let before = server.memory_kib("VmRSS")?;
    for length in [71, 1000, 15_000, 1 << 20] {
        let boundary = "b".repeat(length);
        let mut stream = server.web().connect()?;
        let body = format!("--{boundary}\r\n\r\n\r\n--{boundary}--\r\n");
        let head = post_head(&related(&boundary), &format!("Content-Length: {}", body.len()));
        // The server may hang up before it has read a megabyte of header.
        let sent = stream.write_all(&head).and_then(|()| stream.write_all(body.as_bytes()));
        match read_answer(&mut BufReader::new(stream)) {
            Ok(answer) => ensure!([400, 431].contains(&answer.status), "{length}: {}", answer.status),
            Err(error) => ensure!(sent.is_err() || length == 1 << 20, "{length}: {error:#}"),
        }
    }
    let file = instance(4, Address::default(), 64).file();
    for boundary in ["b".repeat(70), "'()+_,-./:=?".to_owned()] {
        let head = format!("--{boundary}\r\n\r\n").into_bytes();
        let body = Pieces::from(head).then(file.clone(), 1).then(format!("\r\n--{boundary}--\r\n"), 1);
        let answer = server.web().post(&related(&format!("\"{boundary}\"")), &body)?;
        ensure!(answer.status == 200, "{boundary}: {}", answer.status);
    }
    unharmed(&mut server, before)?;
    server.stop()
}

/// Whether the other side has closed; an answer before that is read and dropped.
fn closed(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 512];
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn slow_headers_keep_nobody_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = setup(folder.path()).start()?;
    server.echo()?;
    let before = server.memory_kib("VmRSS")?;
    let mut slow = Vec::new();
    for n in 0..100 {
        let mut stream = server.web().connect()?;
        let start: &[u8] = if n % 2 == 0 { b"GET / HTTP/1.1\r\nX-Slow: " } else { b"" };
        stream.write_all(start)?;
        stream.set_nonblocking(true)?;
        slow.push(stream);
    }
    let (began, mut longest, mut served) = (Instant::now(), Duration::ZERO, 0);
    while !slow.is_empty() {
        slow.retain_mut(|stream| stream.write_all(b"a").is_ok() && !closed(stream));
        let asked = Instant::now();
        ensure!(server.web().get("/dicom-web/studies")?.status == 200, "others are not served");
        server.echo()?;
        longest = longest.max(asked.elapsed());
        served += 1;
        let left = slow.len();
        ensure!(
            began.elapsed().as_secs() < HEADER_SECONDS + 8,
            "{left} are open after {:?}",
            began.elapsed()
        );
    }
    eprintln!(
        "100 slow connections ended after {:?}; others served {served} times, {longest:?}",
        began.elapsed()
    );
    ensure!(longest < Duration::from_secs(2), "others waited {longest:?}");
    unharmed(&mut server, before)?;
    server.stop()
}

/// Searches that hold what SQL, patterns and headers have a meaning for.
const SEARCHES: [(&str, &[u16]); 22] = [
    ("PatientID=%27%20OR%20%271%27=%271", &[200]),
    ("PatientID=%27;DROP%20TABLE%20study;--", &[200]),
    ("PatientName=%22%20UNION%20SELECT%20*%20FROM%20instance--", &[200]),
    ("AccessionNumber=%25", &[200]),
    ("AccessionNumber=_", &[200]),
    ("PatientID=A%5C%25", &[200]),
    ("PatientID=%00", &[400]),
    ("PatientID=%0d%0aX-Evil:%201", &[400]),
    ("StudyInstanceUID=1%27%20OR%201=1", &[400]),
    ("StudyInstanceUID=%25", &[400]),
    ("StudyDate=20200101%27--", &[200, 400]),
    ("%27%20OR%201=1=1", &[400]),
    ("PatientID%27=1", &[400]),
    ("orderby=PatientName;DROP%20TABLE%20study", &[400]),
    ("includefield=%27;DROP%20TABLE%20study;--", &[400]),
    ("includefield=PatientName,%22x%22", &[400]),
    ("limit=1;DROP%20TABLE%20study", &[400]),
    ("limit=1%20UNION%20SELECT%201", &[400]),
    ("offset=-1", &[400]),
    ("offset=1%27", &[400]),
    ("accept=application/dicom%2Bjson%0d%0aX-Evil:%201", &[400]),
    ("accept=text/html%22%3E%3Cscript%3E", &[400, 406]),
];

/// An instance of another PatientID and AccessionNumber, which in these is the same.
fn of_patient(study: u64, id: &str) -> Result<Instance> {
    let original = instance(9, Address { study, ..Address::default() }, 64);
    let edit = Edit { patient_name: Some(format!("{id}^CHI")), patient_id: Some(id.to_owned()), uids: None };
    edited(&original, &edit).context("an instance that cannot be edited")
}

#[test]
fn searches_are_values_and_never_code() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = setup(folder.path()).start()?;
    let ids = ["A%B", "A_B", "AXB", "AXXB", "A'B", "A\"B"];
    for (study, id) in ids.iter().enumerate() {
        let file = of_patient(4 * study as u64, id)?.file();
        ensure!(server.web().stow(&[Pieces::from(file)])?.status == 200, "{id}");
    }
    let before = server.memory_kib("VmRSS")?;
    let mut web = server.web();
    for level in ["studies", "series", "instances"] {
        for (search, allowed) in SEARCHES {
            let answer = web.get(&format!("/dicom-web/{level}?{search}"))?;
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            ensure!(allowed.contains(&answer.status), "{level}?{search}: {} {told}", answer.status);
            ensure!(answer.header("x-evil").is_none(), "{level}?{search} made a header");
            if answer.status == 200 {
                let rows = answer.json()?.as_array().map_or(1, Vec::len);
                ensure!(rows == 0, "{level}?{search}: {rows} rows");
            }
        }
        // Exactly the one whose identifier it is; `*` and `?` are the only wildcards (PS3.4 C.2.2.2.4).
        let rows = |web: &mut tests::http::Http, value: &str| -> Result<usize> {
            let found = web.json(&format!("/dicom-web/{level}?PatientID={value}"))?;
            found.as_array().map(Vec::len).context("no list")
        };
        for (value, count) in [("A%25B", 1), ("A_B", 1), ("A%27B", 1), ("A%22B", 1), ("A?B", 5), ("A*B", 6)] {
            let found = rows(&mut web, value)?;
            ensure!(found == count, "{level}?PatientID={value}: {found} rows and not {count}");
        }
    }
    let wild = format!("/dicom-web/studies?PatientName={}", "*a".repeat(5_000));
    ensure!([400, 414, 431].contains(&web.get(&wild)?.status), "10 KB of wildcards");
    let wild = format!("/dicom-web/studies?PatientName={}*", "*a?".repeat(20));
    let began = Instant::now();
    ensure!(
        [200, 400].contains(&web.get(&wild)?.status) && began.elapsed().as_secs() < 5,
        "a pattern of stars"
    );
    let all = web.json("/dicom-web/studies?limit=1000000000")?;
    ensure!(all.as_array().is_some_and(|rows| rows.len() == ids.len()), "{all}");
    ensure!(web.get("/dicom-web/studies?offset=1000000000")?.status == 400, "an offset beyond the limit");
    ensure!(web.count()? == ids.len() as u64, "a search has changed the archive");
    unharmed(&mut server, before)?;
    server.stop()
}

/// What must be nowhere: name, PatientID, and the number of the study that all of them have.
const CANARIES: [&str; 3] = ["CANARYNAME", "CANARYID", "2.25.7007007"];

#[test]
fn nothing_of_a_patient_is_logged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = setup(folder.path());
    let server = setup.start()?;
    let uids = |n: u32| Some(["1", "1.1", "1.1.9"].map(|end| format!("2.25.7007007.{n}.{end}")));
    let name = |n: u32| Some(format!("CANARYNAME^{n}"));
    let canary = |n: u32, of: u32| {
        let original = instance(11, Address { study: 0, ..Address::default() }, 64);
        let edit = Edit { patient_name: name(n), patient_id: Some(format!("CANARYID{n}")), uids: uids(of) };
        edited(&original, &edit).context("an instance that cannot be edited")
    };
    let good = canary(1, 1)?;
    let contexts = contexts_for([&good]);
    let mut association = server.associate("CT1", &contexts)?;
    let mut cut = canary(3, 3)?;
    cut.data_set.truncate(cut.data_set.len() - 20);
    let mut misnamed = canary(4, 4)?;
    misnamed.sop_instance = "2.25.7007007.99".to_owned();
    // Stored; again; another version under the same UIDs; refused; refused.
    let statuses = [&good, &good, &canary(2, 1)?, &cut, &misnamed]
        .map(|one| association.store(&contexts, one).map(|response| response.status));
    let statuses: Vec<u16> = statuses.into_iter().collect::<Result<_>>()?;
    ensure!(statuses[..3] == [0; 3] && statuses[3..].iter().all(|s| *s != 0), "{statuses:x?}");
    // Cut off within a data set.
    let whole = fixtures::pdu::c_store(1, 9, &good.sop_class, &good.sop_instance, &good.data_set, 400);
    association.send(&whole[..whole.len() / 2])?;
    drop(association);
    let mut web = server.web();
    for file in [good.file(), cut.file(), misnamed.file()] {
        web.stow(&[Pieces::from(file)])?;
    }
    for path in [
        "/dicom-web/studies?PatientName=CANARYNAME*&PatientID=CANARYID1",
        "/dicom-web/studies?PatientName=CANARYNAME&Nonsense=CANARYID",
        "/dicom-web/studies?CANARYNAME=CANARYID",
        "/dicom-web/studies/2.25.7007007.1.1/metadata",
        "/dicom-web/studies/2.25.7007007.55",
        "/dicom-web/studies/CANARYID/CANARYNAME",
        "/api/v1/instances/CANARYID/versions",
        "/api/v1/conflicts",
    ] {
        web.get(path)?;
    }
    let metrics = String::from_utf8_lossy(&web.get("/metrics")?.body).into_owned();
    let peers = wait_for("the peer log", Duration::from_secs(10), || {
        let peers = web.json("/api/v1/peers")?;
        Ok(peers.as_array().is_some_and(|p| !p.is_empty()).then_some(peers))
    })?;
    let said = server.said.clone();
    server.stop()?;
    let log = setup.log()?;
    ensure!(log.contains("CT1"), "the log does not say who called");
    for (what, text) in
        [("log", &log), ("metrics", &metrics), ("output", &said), ("peers", &peers.to_string())]
    {
        for canary in CANARIES.iter().filter(|canary| !(what == "peers" && canary.starts_with("2."))) {
            if let Some(line) = text.lines().find(|line| line.contains(canary)) {
                bail!("{what}: {line}");
            }
        }
    }
    Ok(())
}
