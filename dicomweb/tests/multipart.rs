//! The multipart reader: the parts do not depend on how the body is cut into chunks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use bytes::Bytes;
use dicomweb::multipart::{Event, HEADERS_MAX, Multipart, MultipartError, PartFault};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    content_type: Option<String>,
    fault: Option<PartFault>,
    content: Vec<u8>,
    complete: bool,
}

/// Reads `body` in chunks of the lengths in `cuts`, repeated.
fn read(boundary: &str, body: &[u8], cuts: &[usize]) -> (Vec<Part>, Result<bool, MultipartError>) {
    let mut reader = Multipart::new(boundary).unwrap();
    let (mut parts, mut closed): (Vec<Part>, bool) = (Vec::new(), false);
    let (mut at, mut turn) = (0, 0);
    loop {
        if at == body.len() {
            reader.end();
        } else {
            let length = cuts[turn % cuts.len()].clamp(1, body.len() - at);
            reader.push(Bytes::copy_from_slice(&body[at..at + length]));
            at += length;
            turn += 1;
        }
        loop {
            match reader.next_event() {
                Err(error) => return (parts, Err(error)),
                Ok(None) => break,
                Ok(Some(Event::End)) => closed = true,
                Ok(Some(Event::Part(headers))) => parts.push(Part {
                    fault: headers.as_ref().err().copied(),
                    content_type: headers.ok().and_then(|h| h.content_type).map(|m| m.essence),
                    content: Vec::new(),
                    complete: false,
                }),
                Ok(Some(Event::Data(bytes))) => {
                    assert!(!bytes.is_empty());
                    let part = parts.last_mut().unwrap();
                    // Of a part that is refused only the end matters.
                    if part.fault.is_none() {
                        part.content.extend_from_slice(&bytes);
                    }
                }
                Ok(Some(Event::PartEnd)) => parts.last_mut().unwrap().complete = true,
            }
        }
        if closed {
            return (parts, Ok(true));
        }
    }
}

fn contents(boundary: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let whole = read(boundary, body, &[usize::MAX]);
    assert_eq!(whole, read(boundary, body, &[1]), "in single bytes");
    assert_eq!(whole.1, Ok(true));
    whole.0.into_iter().map(|part| part.content).collect()
}

#[test]
fn odd_but_clear_bodies_are_read() {
    let cases: [(&[u8], &[&[u8]]); 11] = [
        (b"--b\r\n\r\nx\r\n--b--", &[b"x"]),
        (b"--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--\r\n", &[b"x"]),
        (
            b"preamble\r\nmore --b\r\n\r\n--b \t\r\n\r\nx\r\n--b\t\r\n\r\ny\r\n--b-- \r\nepilogue --b\r\n",
            &[b"x", b"y"],
        ),
        (b"\r\n--b\r\nA: b\r\n c\r\n\td\r\n\r\n\r\nx\r\n\r\n--b--", &[b"\r\nx\r\n"]),
        (b"--b\r\n\r\n--b--", &[b""]),
        (b"--b\r\n\r\n\r\n--b--", &[b""]),
        (b"--b\n\nx\n--b\nA: b\n\n\r\n--b--\n", &[b"x", b"\r"]),
        // A line end of the other kind divides nothing.
        (b"--b\r\n\r\nx\n--b\r\n--b--", &[b"x\n--b"]),
        // The first characters of a delimiter are not one.
        (
            b"--b\r\n\r\nx\r\n--bc\r\n--b-\r\n--b x\r\n--b--x\r\n--\r\n--b--",
            &[b"x\r\n--bc\r\n--b-\r\n--b x\r\n--b--x\r\n--"],
        ),
        (b"--b\r\n\r\n\r\n\r\n-\r\n--\r\n--b--", &[b"\r\n\r\n-\r\n--"]),
        (b"--b\r\n\r\n--b\r\n\r\n--b\r\n\r\nx\r\n--b--", &[b"", b"", b"x"]),
    ];
    for (body, expected) in cases {
        let text = String::from_utf8_lossy(body);
        assert_eq!(contents("b", body), expected, "{text:?}");
    }
}

#[test]
fn a_body_without_its_closing_delimiter_loses_only_its_last_part() {
    for end in ["", "\r", "\r\n", "\r\n-", "\r\n--b", "\r\n--b-", "\r\n--bc--"] {
        let body = format!("--b\r\n\r\nx\r\n--b\r\n\r\ny{end}");
        for cuts in [&[usize::MAX][..], &[1], &[3]] {
            let (parts, result) = read("b", body.as_bytes(), cuts);
            assert_eq!(result, Err(MultipartError::Unclosed), "{end:?}");
            assert_eq!(parts.iter().map(|p| p.complete).collect::<Vec<_>>(), [true, false], "{end:?}");
        }
    }
    for body in ["", "x", "--", "--c--", "x\r\n"] {
        assert_eq!(read("b", body.as_bytes(), &[2]).1, Err(MultipartError::NoDelimiter), "{body:?}");
    }
}

#[test]
fn a_wrong_header_block_costs_one_part() {
    let long = format!("A: {}\r\n", "x".repeat(HEADERS_MAX));
    let many = "A: b\r\n".repeat(HEADERS_MAX / 6 + 1);
    let cases = [
        ("no header\r\n\r\n", PartFault::Headers),
        (": b\r\n\r\n", PartFault::Headers),
        ("A b: c\r\n\r\n", PartFault::Headers),
        ("Content-Type: nonsense\r\n\r\n", PartFault::Headers),
        ("A: b", PartFault::Headers),
        (long.as_str(), PartFault::HeadersTooLarge),
        (many.as_str(), PartFault::HeadersTooLarge),
    ];
    for (block, fault) in cases {
        let body = format!("--b\r\n{block}\r\n--b\r\n\r\nx\r\n--b--");
        for cuts in [&[usize::MAX][..], &[1], &[7, 4096]] {
            let (parts, result) = read("b", body.as_bytes(), cuts);
            assert_eq!(result, Ok(true));
            assert_eq!(parts.len(), 2);
            assert_eq!((parts[0].fault, parts[0].complete), (Some(fault), true));
            assert_eq!(parts[1].content, b"x");
        }
    }
}

#[test]
fn the_limits_hold_at_the_limit_and_beyond() {
    let block = |length: usize| format!("--b\r\nA:{}\r\n\r\nx\r\n--b--", "y".repeat(length - 6));
    assert_eq!(read("b", block(HEADERS_MAX).as_bytes(), &[512]).0[0].fault, None);
    let fault = read("b", block(HEADERS_MAX + 1).as_bytes(), &[512]).0[0].fault;
    assert_eq!(fault, Some(PartFault::HeadersTooLarge));
    assert!(Multipart::new(&"b".repeat(70)).is_ok());
    for boundary in [&"b".repeat(71), "", "b ", "b\r\n", "ă"] {
        assert!(matches!(Multipart::new(boundary), Err(MultipartError::Boundary(_))), "{boundary:?}");
    }
    let endless = vec![b'x'; 200_000];
    assert_eq!(read("b", &endless, &[1000]).1, Err(MultipartError::NoDelimiter));
    let padded = |n: usize| format!("--b\r\n\r\nx\r\n--b--{}\r\n", " ".repeat(n));
    assert_eq!(read("b", padded(256).as_bytes(), &[usize::MAX]).1, Ok(true));
    assert_eq!(read("b", padded(257).as_bytes(), &[usize::MAX]).1, Err(MultipartError::Unclosed));
}

/// Bytes in which pieces of delimiters are likely.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"\r\n--b-c".to_vec()),
        1 => Just(b"\r\n--b".to_vec()),
        1 => Just(b"\n--b-cd".to_vec()),
        1 => Just(b"--b-cd\r\n".to_vec()),
        1 => Just(b"\r\n--b-cdx".to_vec()),
        1 => Just(b"\r\n--b-cd ".to_vec()),
        1 => Just(b"\r\r\n\n--".to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Whether `content` holds a delimiter of its own, which nobody could tell from a real one.
fn divides(content: &[u8]) -> bool {
    let body = [b"--b-cd\r\n\r\n", content, b"\r\n--b-cd--"].concat();
    let (parts, _) = read("b-cd", &body, &[usize::MAX]);
    parts.len() != 1 || parts[0].content != content
}

/// Bytes that hold no delimiter.
fn undivided() -> impl Strategy<Value = Vec<u8>> {
    content().prop_filter("holds a delimiter", |content| !divides(content))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_gives_the_same_parts(
        parts in proptest::collection::vec(undivided(), 1..5),
        cuts in proptest::collection::vec(1_usize..90, 1..8),
    ) {
        let mut body = Vec::new();
        for part in &parts {
            body.extend_from_slice(b"--b-cd\r\nContent-Type: application/dicom\r\n\r\n");
            body.extend_from_slice(part);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b-cd--\r\n");
        let (found, result) = read("b-cd", &body, &cuts);
        prop_assert_eq!(result, Ok(true));
        let found: Vec<_> = found.into_iter().map(|part| part.content).collect();
        prop_assert_eq!(found, parts);
    }

    #[test]
    fn any_bytes_are_read_alike_in_any_chunks(
        body in proptest::collection::vec(content(), 0..4).prop_map(|parts| parts.join(&b"\r\n--b-cd\r\n"[..])),
        cuts in proptest::collection::vec(1_usize..50, 1..8),
    ) {
        let body = [&b"--b-cd\r\n"[..], &body].concat();
        prop_assert_eq!(read("b-cd", &body, &cuts), read("b-cd", &body, &[usize::MAX]));
    }
}
