//! DCMTK's own clients against the listener: what is installed in hospitals behaves like them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod dimse_peer;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dimse_peer::*;

fn run(program: &str, server: &Server, options: &[&str], files: &[PathBuf]) -> Output {
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    Command::new(program)
        .args(options)
        .args([host, port])
        .args(files)
        .output()
        .unwrap_or_else(|error| panic!("{program} of DCMTK cannot be run: {error}"))
}

fn assert_success(output: &Output, what: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !text.contains("E:"), "{what}: {text}");
}

/// A Part 10 file (PS3.10) of a CT image.
fn file(folder: &Path, number: usize, pixels: usize) -> PathBuf {
    let uid = format!("1.2.3.4.{number}");
    let mut meta = Vec::new();
    let mut element = |element: u16, vr: &str, value: &[u8]| {
        meta.extend([&2_u16.to_le_bytes()[..], &element.to_le_bytes(), vr.as_bytes()].concat());
        let length = u16::try_from(value.len().next_multiple_of(2)).unwrap();
        if vr == "OB" {
            meta.extend([0, 0]);
            meta.extend(u32::from(length).to_le_bytes());
        } else {
            meta.extend(length.to_le_bytes());
        }
        meta.extend(value);
        meta.extend(vec![0; value.len() % 2]);
    };
    element(1, "OB", &[0, 1]);
    element(2, "UI", CT.as_bytes());
    element(3, "UI", uid.as_bytes());
    element(0x10, "UI", EXPLICIT.as_bytes());
    element(0x12, "UI", b"1.2.3");
    let group =
        [&[2, 0, 0, 0, b'U', b'L', 4, 0][..], &u32::try_from(meta.len()).unwrap().to_le_bytes()].concat();
    let path = folder.join(format!("{number}.dcm"));
    std::fs::write(&path, [&[0; 128][..], b"DICM", &group, &meta, &data_set(&uid, pixels)].concat()).unwrap();
    path
}

#[test]
fn echoscu_with_every_kind_of_proposal() {
    let server = Server::start(|_| {});
    for options in [
        &["-v"][..],
        &["-v", "-pts", "38"],
        &["-v", "-ppc", "128"],
        &["-v", "--repeat", "5"],
        &["-v", "--abort"],
    ] {
        assert_success(&run("echoscu", &server, options, &[]), &options.join(" "));
    }
}

#[test]
fn storescu_with_every_kind_of_proposal() {
    let server = Server::start(|_| {});
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..10).map(|n| file(folder.path(), n, 100_000 + n * 2)).collect();
    let plain =
        ["", "-R", "-xe", "-xb", "-xi", "-xs", "-xy", "-xx", "-xv", "-xw", "-xt", "-xu", "-xr", "-xd"];
    let more: [&[&str]; 6] = [
        &["-pdu", "4096"],
        &["--max-send-pdu", "4096"],
        &["+C"],
        &["--repeat", "2"],
        &["-usr", "who", "-epw", "-rsp"],
        &["-usr", "who", "-pwd", "secret", "-rsp"],
    ];
    for options in plain.iter().map(|o| vec![*o]).chain(more.iter().map(|o| o.to_vec())) {
        let options: Vec<&str> =
            ["-v"].into_iter().chain(options.into_iter().filter(|o| !o.is_empty())).collect();
        let output = run("storescu", &server, &options, &files);
        assert_success(&output, &options.join(" "));
    }
    let folders = vec![folder.path().to_owned()];
    assert_success(&run("storescu", &server, &["-v", "+sd", "+r"], &folders), "a folder");
    let events = server.events.lock().unwrap();
    let stored = events.iter().filter(|event| event.starts_with("STORESCU store ")).count();
    assert_eq!(stored, 10 * (plain.len() + more.len() + 2), "{:?}", events.last());
}
