//! Frames, metadata and bulk values over HTTP, as viewers ask for them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::io::Read;

use axum::body::Body;
use axum::http::{Request, header};
use support::{Answer, JSON, Rig, element};

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const OHIF: &str = "multipart/related; type=application/octet-stream; transfer-syntax=*";
const IMAGE: &str = "/studies/1.2/series/1.2.1/instances/1.2.3.1";

/// What the pixels of a test instance are.
struct Pixels<'a> {
    syntax: &'a str,
    rows: u16,
    columns: u16,
    bits: u16,
    frames: &'a str,
    /// The whole element, header included, in Explicit VR Little Endian.
    element: Vec<u8>,
    /// Elements before it, of groups 0040 to 0060.
    before: Vec<u8>,
}

fn number(out: &mut Vec<u8>, tag: (u16, u16), value: u16) {
    element(out, tag.0, tag.1, b"US", &value.to_le_bytes());
}

/// An element of a VR with a long length, in Explicit VR Little Endian.
fn long(group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = [group.to_le_bytes(), number.to_le_bytes()].concat();
    out.extend_from_slice(vr);
    out.extend([0, 0]);
    out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
    out.extend_from_slice(value);
    out
}

/// Encapsulated Pixel Data with an empty offset table.
fn fragments(fragments: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
    out.extend([0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0]);
    for fragment in fragments {
        out.extend([0xFE, 0xFF, 0x00, 0xE0]);
        out.extend(u32::try_from(fragment.len()).unwrap().to_le_bytes());
        out.extend_from_slice(fragment);
    }
    out.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    out
}

fn file(sop: &str, pixels: &Pixels<'_>) -> Vec<u8> {
    let class = b"1.2.840.10008.5.1.4.1.1.7";
    let mut meta = Vec::new();
    element(&mut meta, 2, 1, b"OB", &[0, 1]);
    element(&mut meta, 2, 2, b"UI", class);
    element(&mut meta, 2, 3, b"UI", sop.as_bytes());
    element(&mut meta, 2, 0x10, b"UI", pixels.syntax.as_bytes());
    element(&mut meta, 2, 0x12, b"UI", b"1.2.3");
    let mut out = vec![0; 128];
    out.extend_from_slice(b"DICM");
    element(&mut out, 2, 0, b"UL", &u32::try_from(meta.len()).unwrap().to_le_bytes());
    out.extend_from_slice(&meta);
    let mut set = Vec::new();
    element(&mut set, 0x0008, 0x0016, b"UI", class);
    element(&mut set, 0x0008, 0x0018, b"UI", sop.as_bytes());
    element(&mut set, 0x0008, 0x0060, b"CS", b"OT");
    element(&mut set, 0x0010, 0x0020, b"LO", b"P1");
    element(&mut set, 0x0020, 0x000D, b"UI", b"1.2");
    element(&mut set, 0x0020, 0x000E, b"UI", b"1.2.1");
    number(&mut set, (0x0028, 0x0002), 1);
    element(&mut set, 0x0028, 0x0008, b"IS", pixels.frames.as_bytes());
    number(&mut set, (0x0028, 0x0010), pixels.rows);
    number(&mut set, (0x0028, 0x0011), pixels.columns);
    number(&mut set, (0x0028, 0x0100), pixels.bits);
    set.extend_from_slice(&pixels.before);
    set.extend_from_slice(&pixels.element);
    if pixels.syntax == DEFLATED {
        let mut deflater = flate2::read::DeflateEncoder::new(&set[..], flate2::Compression::fast());
        deflater.read_to_end(&mut out).unwrap();
    } else {
        out.extend_from_slice(&set);
    }
    out
}

fn noise(length: usize, seed: u32) -> Vec<u8> {
    (0..length as u32).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn native(rows: u16, columns: u16, bits: u16, frames: &str, pixels: &[u8]) -> Vec<u8> {
    let element = long(0x7FE0, 0x0010, if bits == 16 { b"OW" } else { b"OB" }, pixels);
    let syntax = "1.2.840.10008.1.2.1";
    file("1.2.3.1", &Pixels { syntax, rows, columns, bits, frames, element, before: Vec::new() })
}

/// The parts of a multipart answer: their Content-Type exactly as spelled, and their bytes.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let kind = answer.header(header::CONTENT_TYPE).to_owned();
    assert!(kind.starts_with("multipart/related; type=\""), "{kind}");
    let boundary = kind.rsplit("boundary=").next().unwrap();
    let bytes = answer.bytes();
    assert_eq!(answer.header(header::CONTENT_LENGTH), bytes.len().to_string());
    let end = format!("\r\n--{boundary}--\r\n");
    assert!(bytes.ends_with(end.as_bytes()));
    let mut rest = &bytes[..bytes.len() - end.len()];
    let (first, next) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}\r\n"));
    rest = rest.strip_prefix(first.as_bytes()).unwrap();
    let mut parts = Vec::new();
    loop {
        let end = memchr::memmem::find(rest, next.as_bytes());
        let part = &rest[..end.unwrap_or(rest.len())];
        let split = memchr::memmem::find(part, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&part[..split]).unwrap();
        let kind = head.strip_prefix("Content-Type: ").unwrap_or_else(|| panic!("{head}"));
        parts.push((kind.to_owned(), part[split + 4..].to_vec()));
        match end {
            Some(end) => rest = &rest[end + next.len()..],
            None => return parts,
        }
    }
}

async fn rig_with(files: &[Vec<u8>]) -> Rig {
    let rig = Rig::new();
    assert_eq!(rig.store(files).await.status, 200);
    rig
}

#[tokio::test]
async fn native_frames_come_one_by_one_and_in_lists() {
    let pixels = noise(3 * 100 * 90 * 2, 1);
    let rig = rig_with(&[native(100, 90, 16, "3", &pixels)]).await;
    let frame = |n: usize| pixels[n * 18_000..(n + 1) * 18_000].to_vec();
    let kind = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1".to_owned();
    for accept in [
        OHIF,
        "*/*",
        "multipart/related; type=\"application/octet-stream\"",
        "multipart/related;type=application/octet-stream;transfer-syntax=1.2.840.10008.1.2.1",
        "image/jpeg, multipart/related; q=0.3",
    ] {
        let answer = rig.get_as(&format!("{IMAGE}/frames/2"), Some(accept)).await;
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(parts(&answer), [(kind.clone(), frame(1))], "{accept}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "private, no-cache");
    }
    let list = rig.get(&format!("{IMAGE}/frames/3,1,3")).await;
    let wanted = [2, 0, 2].map(|n| (kind.clone(), frame(n)));
    assert_eq!(parts(&list), wanted);
    let alone = rig.get_as(&format!("{IMAGE}/frames/1"), Some("application/octet-stream")).await;
    assert_eq!((alone.header(header::CONTENT_TYPE), alone.bytes()), (kind.as_str(), &frame(0)[..]));
}

#[tokio::test]
async fn what_is_no_frame_is_told_apart() {
    let rig = rig_with(&[native(10, 10, 8, "2", &noise(200, 2))]).await;
    for part in ["3", "1,2,3"] {
        rig.get(&format!("{IMAGE}/frames/{part}")).await.problem(404);
    }
    for part in ["0", "a", "1,", "1-2", "%00", &"1,".repeat(1024)] {
        rig.get(&format!("{IMAGE}/frames/{part}")).await.problem(400);
    }
    rig.get("/studies/1.2/series/1.2.1/instances/1.2.3.9/frames/1").await.problem(404);
    for accept in [
        "image/jpeg",
        "multipart/related; type=\"image/jp2\"",
        "multipart/related; type=\"application/octet-stream\"; transfer-syntax=1.2.840.10008.1.2.4.90",
        "application/dicom",
    ] {
        rig.get_as(&format!("{IMAGE}/frames/1"), Some(accept)).await.problem(406);
    }
    rig.get_as(&format!("{IMAGE}/frames/1"), Some("nonsense")).await.problem(400);
}

#[tokio::test]
async fn small_odd_and_single_bit_frames_are_whole() {
    // 7 x 9 x 8 bit: small enough to stand in the instance record, odd, and padded.
    let pixels = noise(64, 3);
    let rig = rig_with(&[native(7, 9, 8, "1", &pixels)]).await;
    assert_eq!(parts(&rig.get(&format!("{IMAGE}/frames/1")).await)[0].1, pixels[..63]);
    // 3 frames of 127 x 129 single bits: frames begin within bytes.
    let bits = 127 * 129;
    let packed = noise((3 * bits as usize).div_ceil(8).next_multiple_of(2), 4);
    let rig = rig_with(&[native(127, 129, 1, "3", &packed)]).await;
    for n in 0..3 {
        let frame = parts(&rig.get(&format!("{IMAGE}/frames/{}", n + 1)).await).remove(0).1;
        assert_eq!(frame.len(), (bits as usize).div_ceil(8));
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (at % 8) & 1;
        for at in 0..bits as usize {
            assert_eq!(bit(&frame, at), bit(&packed, n * bits as usize + at), "frame {n} bit {at}");
        }
        assert!((bits as usize..frame.len() * 8).all(|at| bit(&frame, at) == 0));
    }
}

#[tokio::test]
async fn compressed_frames_are_their_fragments_as_stored() {
    let (one, two) = (noise(6000, 5), noise(8002, 6));
    let element = fragments(&[&one, &two]);
    let syntax = "1.2.840.10008.1.2.4.70";
    let pixels = Pixels { syntax, rows: 64, columns: 64, bits: 16, frames: "2", element, before: Vec::new() };
    let rig = rig_with(&[file("1.2.3.1", &pixels)]).await;
    let kind = "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70".to_owned();
    for accept in
        [OHIF, "*/*", "multipart/related; type=\"image/jpeg\"", "multipart/related; type=\"image/*\""]
    {
        let answer = rig.get_as(&format!("{IMAGE}/frames/2"), Some(accept)).await;
        assert_eq!(parts(&answer), [(kind.clone(), two.clone())], "{accept}");
    }
    let both = rig.get_as(&format!("{IMAGE}/frames/1,2"), Some(OHIF)).await;
    assert_eq!(parts(&both), [(kind.clone(), one.clone()), (kind.clone(), two.clone())]);
    // Who asks for pixels that need no decoding must not get compressed ones.
    for accept in ["multipart/related; type=\"application/octet-stream\"", "application/octet-stream"] {
        rig.get_as(&format!("{IMAGE}/frames/1"), Some(accept)).await.problem(406);
    }
}

#[tokio::test]
async fn frames_of_a_deflated_data_set_come_inflated() {
    let pixels = noise(2 * 64 * 64, 9);
    let element = long(0x7FE0, 0x0010, b"OB", &pixels);
    let before = long(0x0042, 0x0011, b"OB", &[0; 8192]);
    let set = Pixels { syntax: DEFLATED, rows: 64, columns: 64, bits: 8, frames: "2", element, before };
    let rig = rig_with(&[file("1.2.3.1", &set)]).await;
    let answer = rig.get_as(&format!("{IMAGE}/frames/2,1"), Some(OHIF)).await;
    let got: Vec<Vec<u8>> = parts(&answer).into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(got, [&pixels[4096..], &pixels[..4096]]);
}

#[tokio::test]
async fn big_endian_frames_come_little_endian() {
    let pixels = noise(64 * 64 * 2, 7);
    let set = {
        let little = native(64, 64, 16, "1", &pixels);
        let start = little.len() - pixels.len();
        let mut file = little;
        let swapped: Vec<u8> = pixels.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
        file.truncate(start);
        file.extend_from_slice(&swapped);
        big_endian(&file)
    };
    let rig = rig_with(&[set]).await;
    let answer = rig.get_as(&format!("{IMAGE}/frames/1"), Some(OHIF)).await;
    let kind = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1".to_owned();
    assert_eq!(parts(&answer), [(kind, pixels)]);
}

/// Turns the headers and numbers of a file of ours into Explicit VR Big Endian; the pixels are turned already.
fn big_endian(file: &[u8]) -> Vec<u8> {
    let from = b"1.2.840.10008.1.2.1\0";
    let at = memchr::memmem::find(file, from).unwrap();
    let mut out = file.to_vec();
    out[at..at + from.len()].copy_from_slice(b"1.2.840.10008.1.2.2\0");
    let mut at = memchr::memmem::find(&out, &[8, 0, 0x16, 0, b'U', b'I']).unwrap();
    while at < out.len() {
        out[at..at + 2].reverse();
        out[at + 2..at + 4].reverse();
        let is_long = &out[at + 4..at + 5] == b"O";
        let (header, length) = if is_long {
            out[at + 8..at + 12].reverse();
            (12, u32::from_be_bytes(out[at + 8..at + 12].try_into().unwrap()) as usize)
        } else {
            out[at + 6..at + 8].reverse();
            (8, usize::from(u16::from_be_bytes(out[at + 6..at + 8].try_into().unwrap())))
        };
        if &out[at + 4..at + 6] == b"US" {
            out[at + 8..at + 10].reverse();
        }
        at += header + length;
    }
    out
}

#[tokio::test]
async fn a_frame_that_the_client_has_is_not_sent_again_and_large_ones_are_streamed() {
    let pixels = noise(1500 * 1500 * 2, 8);
    let rig = rig_with(&[native(1500, 1500, 16, "1", &pixels)]).await;
    let path = format!("{IMAGE}/frames/1");
    let first = rig.get_as(&path, Some(OHIF)).await;
    assert!(parts(&first)[0].1 == pixels);
    let etag = first.header(header::ETAG).to_owned();
    assert!(etag.ends_with("-frames-1-related\""));
    let request = Request::get(format!("/dicom-web{path}")).header(header::IF_NONE_MATCH, &etag);
    let again = rig.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.bytes().len(), again.header(header::ETAG)), (304, 0, &etag[..]));
    let head = Request::head(format!("/dicom-web{path}")).body(Body::empty()).unwrap();
    let head = rig.send(head).await;
    assert_eq!(head.header(header::CONTENT_LENGTH), first.header(header::CONTENT_LENGTH));
    // Damage within the frame cuts the answer.
    let damaged = rig.disk.files().into_iter().any(|path| {
        let bytes = rig.disk.contents(&path).unwrap();
        let at = memchr::memmem::find(&bytes, &pixels[4_000_000..4_000_100]);
        at.is_some_and(|at| rig.disk.flip_bit(&path, at as u64, 3).is_ok())
    });
    assert!(damaged);
    let cut = rig.get_as(&path, Some(OHIF)).await;
    assert!(cut.status.is_server_error() || cut.body.is_err());
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

#[tokio::test]
async fn metadata_is_complete_compressed_on_request_and_follows_the_series() {
    let rig = Rig::new();
    let stored = |n: u32| {
        let pixels = noise(64 * 64 * 2, n);
        let element = long(0x7FE0, 0x0010, b"OW", &pixels);
        let before =
            [long(0x0040, 0xA160, b"UT", &b"x".repeat(5000)), long(0x0051, 0x1001, b"OB", &noise(6000, n))];
        let syntax = "1.2.840.10008.1.2.1";
        let (frames, before) = ("1", before.concat());
        file(
            &format!("1.2.3.{n}"),
            &Pixels { syntax, rows: 64, columns: 64, bits: 16, frames, element, before },
        )
    };
    let mut etags = Vec::new();
    for n in 1..=4 {
        assert_eq!(rig.store(&[stored(n)]).await.status, 200);
        for path in ["/studies/1.2", "/studies/1.2/series/1.2.1"] {
            let plain = rig.get_as(&format!("{path}/metadata"), Some(JSON)).await;
            let objects = plain.json();
            assert_eq!(objects.as_array().unwrap().len(), n as usize);
            assert_eq!(plain.header(header::CONTENT_LENGTH), plain.bytes().len().to_string());
            let last = &objects[n as usize - 1];
            assert_eq!(last["00280010"]["Value"][0], 64);
            assert!(last.get("7FE00010").is_none());
            assert_eq!(last["0040A160"]["Value"][0].as_str().unwrap().len(), 5000);
            let uri = format!("/dicom-web/studies/1.2/series/1.2.1/instances/1.2.3.{n}/bulkdata/1");
            assert_eq!(last["00511001"]["BulkDataURI"], uri);
            let value = rig.get(uri.strip_prefix("/dicom-web").unwrap()).await;
            assert_eq!(value.bytes(), noise(6000, n));
            let request = Request::get(format!("/dicom-web{path}/metadata"))
                .header(header::ACCEPT_ENCODING, "gzip, deflate, br");
            let zipped = rig.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(zipped.header(header::CONTENT_ENCODING), "gzip");
            assert_eq!(zipped.header(header::CONTENT_LENGTH), zipped.bytes().len().to_string());
            assert_eq!(gunzip(zipped.bytes()), plain.bytes());
            etags.push(plain.header(header::ETAG).to_owned());
        }
    }
    etags.dedup();
    assert_eq!(etags.len(), 4);
    let one = rig.get(&format!("{IMAGE}/metadata")).await;
    assert_eq!(one.json()[0]["00080018"]["Value"][0], "1.2.3.1");
}

#[tokio::test]
async fn bulk_values_come_alone_or_as_multipart() {
    let value = noise(7001, 9);
    let mut padded = value.clone();
    padded.push(0);
    let before = long(0x0051, 0x1001, b"OB", &padded);
    let element = long(0x7FE0, 0x0010, b"OW", &noise(64 * 64 * 2, 1));
    let syntax = "1.2.840.10008.1.2.1";
    let pixels = Pixels { syntax, rows: 64, columns: 64, bits: 16, frames: "1", element, before };
    let rig = rig_with(&[file("1.2.3.1", &pixels)]).await;
    let path = format!("{IMAGE}/bulkdata/0");
    for accept in ["*/*", "application/octet-stream", "text/html, application/*;q=0.5"] {
        let answer = rig.get_as(&path, Some(accept)).await;
        assert_eq!((answer.status.as_u16(), answer.bytes()), (200, &padded[..]), "{accept}");
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/octet-stream");
    }
    for accept in [
        "multipart/related; type=\"application/octet-stream\"",
        "multipart/related; type=\"application/pdf\", multipart/related; type=application/octet-stream",
        "multipart/*",
    ] {
        let answer = rig.get_as(&path, Some(accept)).await;
        assert_eq!(parts(&answer), [("application/octet-stream".to_owned(), padded.clone())], "{accept}");
    }
    rig.get_as(&path, Some("image/jpeg")).await.problem(406);
    for part in ["9", "x", "-1", "99999999999999999999"] {
        rig.get(&format!("{IMAGE}/bulkdata/{part}")).await.problem(404);
    }
    // An answer of several instances says its length too.
    let study = rig.get("/studies/1.2").await;
    assert_eq!(study.header(header::CONTENT_LENGTH), study.bytes().len().to_string());
    // Not an encapsulated document.
    rig.get(&format!("{IMAGE}/rendered")).await.problem(406);
}

#[tokio::test]
async fn a_pdf_is_shown_as_it_is() {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    pdf.extend(noise(9000, 3));
    let mut padded = pdf.clone();
    padded.resize(pdf.len().next_multiple_of(2), 0);
    let mut before = long(0x0042, 0x0011, b"OB", &padded);
    element(&mut before, 0x0042, 0x0012, b"LO", b"application/pdf");
    element(&mut before, 0x0042, 0x0015, b"UL", &u32::try_from(pdf.len()).unwrap().to_le_bytes());
    let syntax = "1.2.840.10008.1.2.1";
    let pixels = Pixels { syntax, rows: 0, columns: 0, bits: 8, frames: "0", element: Vec::new(), before };
    let rig = rig_with(&[file("1.2.3.1", &pixels)]).await;
    for accept in [None, Some("*/*"), Some("text/html,application/pdf")] {
        let answer = rig.get_as(&format!("{IMAGE}/rendered"), accept).await;
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/pdf");
        assert_eq!(answer.bytes(), pdf);
        assert_eq!(answer.header(header::CONTENT_DISPOSITION), "inline");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert!(answer.header(header::CONTENT_SECURITY_POLICY).contains("sandbox"));
    }
    let uri = rig.get(&format!("{IMAGE}/metadata")).await.json()[0]["00420011"]["BulkDataURI"].clone();
    let path = uri.as_str().unwrap().strip_prefix("/dicom-web").unwrap().to_owned();
    assert_eq!(rig.get(&path).await.header(header::CONTENT_TYPE), "application/pdf");
    let ohif =
        "multipart/related; type=\"application/pdf\", multipart/related; type=\"application/octet-stream\"";
    assert_eq!(parts(&rig.get_as(&path, Some(ohif)).await), [("application/pdf".to_owned(), pdf)]);
    rig.get(&format!("{IMAGE}/frames/1")).await.problem(404);
}
