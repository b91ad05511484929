//! The same pictures in every transfer syntax decode to the same samples. Needs the corpus beside the repository and
//! says so where it is absent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(clippy::print_stderr, reason = "says what was not tested")]

mod files;

use codecs::decode::decode;
use codecs::{Frame, Samples};
use files::{File, corpus};

const SAMPLES_MAX: u64 = 1 << 24;

fn samples(file: &File, frame: usize) -> Result<Samples, codecs::decode::DecodeError> {
    let (bytes, first_bit, words) = file.frame(frame);
    let frame = Frame { transfer_syntax: &file.transfer_syntax, bytes: &bytes, first_bit, words };
    decode(frame, &file.attributes().unwrap(), SAMPLES_MAX).map(|decoded| decoded.samples)
}

/// Greatest and mean difference.
fn difference(one: &Samples, other: &Samples) -> (i64, f64) {
    assert_eq!(one.len(), other.len());
    let differences = (0..one.len()).map(|n| (one.get(n) - other.get(n)).abs());
    let (greatest, sum) = differences.fold((0, 0), |(greatest, sum), d| (greatest.max(d), sum + d));
    (greatest, sum as f64 / one.len() as f64)
}

#[test]
fn every_transfer_syntax_gives_the_same_picture() {
    let Some(corpus) = corpus() else {
        eprintln!("not tested: there is no corpus beside the repository");
        return;
    };
    let mut decoded = 0;
    for entry in std::fs::read_dir(corpus.join("generated/ts")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (picture, kind) = name.split_once('-').unwrap();
        let Some(file) = File::read(&path) else { continue };
        if kind.starts_with("jxl") || picture == "video" {
            assert!(!codecs::decode::can_decode(&file.transfer_syntax), "{name}");
            continue;
        }
        let reference = File::read(&path.with_file_name(format!("{picture}-ele.dcm"))).unwrap();
        for frame in 0..file.frames() {
            let found = samples(&file, frame).unwrap_or_else(|error| panic!("{name}: {error}"));
            let (greatest, mean) = difference(&found, &samples(&reference, frame).unwrap());
            // The greatest mean difference of each lossy encoding was measured and is the encoder's.
            let allowed = match kind {
                "j2k-lossy" | "htj2k" | "jlsnear" | "jpegext12" => 24.0,
                kind if kind.starts_with("jpegbase") => 8.0,
                _ => 0.0,
            };
            assert!(mean <= allowed, "{name} frame {frame}: greatest {greatest}, mean {mean}");
            decoded += 1;
        }
    }
    assert!(decoded > 100, "{decoded} frames");
}

#[test]
fn frames_that_end_early_are_refused() {
    let Some(corpus) = corpus() else {
        eprintln!("not tested: there is no corpus beside the repository");
        return;
    };
    for kind in ["rle", "jpll14", "jpll14sv1", "jls", "j2k-lossless", "htj2k-lossless", "deflframe", "ele"] {
        let file = File::read(&corpus.join(format!("generated/ts/gray12-{kind}.dcm"))).unwrap();
        let (bytes, ..) = file.frame(0);
        for part in [bytes.len() * 3 / 4, bytes.len() / 2, 70, 10, 0] {
            let frame = Frame::new(&file.transfer_syntax, &bytes[..part]);
            let result = decode(frame, &file.attributes().unwrap(), SAMPLES_MAX);
            assert!(result.is_err(), "{kind}: {part} of {} bytes", bytes.len());
        }
    }
}
