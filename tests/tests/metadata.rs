//! Metadata of hostile series over HTTP: however much their headers say, the server holds a bounded part of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::io::{BufReader, Read, Write};

use anyhow::{Context as _, Result, ensure};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use fixtures::writer::{Encoder, Syntax};
use serde_json::Value;
use tests::http::read_answer;
use tests::seed;
use tests::server::{Server, Setup};

const MIB: usize = 1 << 20;
/// Longest text of an element that stands inline though it is a bulk value.
const INLINE_TEXT: usize = 64 << 10;
/// Bytes of such texts of a series that stand inline.
const INLINE_OF_SERIES: usize = 32 * MIB;

/// An instance whose header has `count` private texts of `length` letters that do not compress.
fn wordy(seed: u64, number: u64, (count, length): (usize, usize)) -> Instance {
    let mut made = instance(seed, Address { number, ..Address::default() }, 2);
    let mut rng = Rng::nth(seed, number);
    let mut texts = Encoder::new(Syntax::EXPLICIT_LITTLE);
    let mut letters = vec![0; length];
    for n in 0..count {
        rng.fill(&mut letters);
        letters.iter_mut().for_each(|letter| *letter = b'0' + *letter % 64);
        // A backslash would part values.
        letters.iter_mut().filter(|letter| **letter == b'\\').for_each(|letter| *letter = b'x');
        let (group, element) = (0x7001 + 2 * (n / 0xE000) as u16, 0x1000 + (n % 0xE000) as u16);
        texts.header_with_vr(group, element, *b"UT", length as u32).raw(&letters);
    }
    // Header and value of Pixel Data are 14 bytes.
    let pixels = made.data_set.len() - 14;
    made.data_set.splice(pixels..pixels, texts.into_bytes());
    made
}

fn server_with(
    folder: &std::path::Path,
    instances: impl Iterator<Item = Instance>,
) -> Result<(Server, String)> {
    let server = Setup::new(folder).start()?;
    let mut path = String::new();
    for one in instances {
        let answer = server.web().stow(&[Pieces::from(one.file())])?;
        ensure!(answer.status == 200, "{}: {}", one.path, answer.status);
        path = format!("/dicom-web/studies/{}/series/{}/metadata", one.study, one.series);
    }
    Ok((server, path))
}

/// Memory that an answer needs beyond what the server has before, in MiB, and the bytes of the answer.
fn memory_for(server: &Server, path: &str) -> Result<(usize, usize)> {
    let before = server.memory_kib("VmRSS")?;
    // From here on VmHWM is the most that was used since.
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5")?;
    let mut stream = server.web().connect()?;
    let host = server.http;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/dicom+json\r\nConnection: close\r\n\r\n"
    )?;
    let (mut came, mut buffer) = (0, vec![0; 256 << 10]);
    let mut first = Vec::new();
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        if first.len() < 12 {
            first.extend_from_slice(&buffer[..n]);
        }
        came += n;
    }
    ensure!(
        first.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&first[..first.len().min(200)])
    );
    let most = server.memory_kib("VmHWM")?;
    Ok((most.saturating_sub(before) as usize / 1024, came))
}

/// How many values of the instances have an address, and how many stand inline.
fn forms(instances: &Value) -> (usize, usize) {
    let all =
        instances.as_array().expect("an array").iter().flat_map(|one| one.as_object().expect("an object"));
    let private = all.filter(|(tag, _)| tag.starts_with("70"));
    private.fold((0, 0), |(addresses, inline), (_, attribute)| match attribute.get("BulkDataURI") {
        Some(_) => (addresses + 1, inline),
        None => (addresses, inline + 1),
    })
}

#[test]
fn texts_of_a_series_stand_inline_up_to_a_limit_and_have_addresses_beyond() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let each = 128;
    let at_limit = INLINE_OF_SERIES / INLINE_TEXT;
    let all = (0..5).map(|number| wordy(seed, number, (each, INLINE_TEXT)));
    let (server, path) = server_with(folder.path(), all)?;
    let answer = server.web().get(&path)?;
    let found: Value = serde_json::from_slice(&answer.body)?;
    // The limit is that of four instances; the fifth has nothing inline.
    ensure!(at_limit == 4 * each);
    ensure!(forms(&found) == (each, at_limit), "{:?}", forms(&found));
    ensure!(forms(&Value::Array(found.as_array().unwrap()[..4].to_vec())) == (0, at_limit));
    let last = &found.as_array().unwrap()[4];
    let uri = last["70011000"]["BulkDataURI"].as_str().context("an address")?;
    let at = uri.find("/dicom-web").context("a path")?;
    let value = server.web().get_accepting(&uri[at..], "multipart/related; type=application/octet-stream")?;
    ensure!(value.status == 200 && value.body.len() > INLINE_TEXT, "{}", value.status);
    // Asked for alone it has what an instance may.
    let alone = path.replace(
        "/metadata",
        &format!("/instances/{}/metadata", last["00080018"]["Value"][0].as_str().unwrap()),
    );
    ensure!(forms(&server.web().json(&alone)?) == (0, each));
    // The same whether it was compressed or not.
    let mut stream = server.web().connect()?;
    let host = server.http;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    )?;
    let zipped = read_answer(&mut BufReader::new(stream))?;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&zipped.body[..]).read_to_end(&mut text)?;
    ensure!(text == answer.body);
    server.stop()
}

#[test]
fn a_series_of_long_texts_is_answered_in_bounded_memory() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    let (server, path) =
        server_with(folder.path(), (0..24).map(|number| wordy(seed, number, (128, INLINE_TEXT))))?;
    let (mib, bytes) = memory_for(&server, &path)?;
    println!("{} MiB of texts, {bytes} bytes of answer, {mib} MiB of memory", 24 * 8);
    ensure!(bytes > INLINE_OF_SERIES && bytes < INLINE_OF_SERIES + 8 * MIB, "{bytes} bytes");
    ensure!(mib < 112, "{mib} MiB");
    server.stop()
}

#[test]
fn a_series_of_long_headers_is_answered_whole_in_bounded_memory() -> Result<()> {
    let (seed, folder) = (seed(), tempfile::tempdir()?);
    // Each text is too short for a bulk value: they are the header itself and have no addresses.
    let (server, path) =
        server_with(folder.path(), (0..20).map(|number| wordy(seed, number, (3_750, 4_000))))?;
    for round in 0..2 {
        let (mib, bytes) = memory_for(&server, &path)?;
        println!("round {round}: {bytes} bytes of answer, {mib} MiB of memory");
        ensure!(bytes > 20 * 3_750 * 4_000, "{bytes} bytes");
        ensure!(mib < 200, "{mib} MiB");
    }
    server.stop()
}
