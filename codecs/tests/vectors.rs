//! Small frames by foreign encoders (DCMTK, OpenJPEG, pylibjpeg) whose samples are known by formula.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use codecs::decode::{DecodeError, can_decode, decode, decode_for};
use codecs::{Frame, Photometric, PixelAttributes, Samples};

const COLUMNS: usize = 40;
const ROWS: usize = 33;
const SAMPLES_MAX: u64 = 4096;

fn grey(bits: u32, signed: bool) -> PixelAttributes {
    PixelAttributes {
        rows: ROWS as u32,
        columns: COLUMNS as u32,
        samples_per_pixel: 1,
        bits_allocated: bits.next_multiple_of(8).next_power_of_two(),
        bits_stored: bits,
        high_bit: bits - 1,
        signed,
        planar: false,
        photometric: Photometric::Monochrome2,
        palette: None,
    }
}

fn colour(photometric: Photometric) -> PixelAttributes {
    PixelAttributes { samples_per_pixel: 3, photometric, ..grey(8, false) }
}

fn pixels<T>(value: impl Fn(i64, i64) -> T) -> Vec<T> {
    (0..ROWS * COLUMNS).map(|n| value((n % COLUMNS) as i64, (n / COLUMNS) as i64)).collect()
}

fn signed_16() -> Samples {
    Samples::I16(pixels(|x, y| (x * 1000 - y * 1500) as i16))
}

fn unsigned_12() -> Samples {
    Samples::U16(pixels(|x, y| ((x * 251 + y * 97) % 4096) as u16))
}

fn rgb() -> Samples {
    Samples::U8(pixels(|x, y| [x * 6, y * 7, (x + y) * 3].map(|v| v as u8)).concat())
}

macro_rules! vector {
    ($name:literal) => {
        &include_bytes!(concat!("vectors/", $name, ".bin"))[..]
    };
}

const LOSSLESS: &str = "1.2.840.10008.1.2.4.57";
const LOSSLESS_FIRST: &str = "1.2.840.10008.1.2.4.70";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";
const RLE: &str = "1.2.840.10008.1.2.5";

fn vectors() -> Vec<(&'static str, &'static [u8], PixelAttributes, Samples)> {
    let words = Samples::U32(pixels(|x, y| ((x * 268_435_455 + y * 65_537) & 0xffff_ffff) as u32));
    vec![
        (LOSSLESS_FIRST, vector!("lossless-signed-16"), grey(16, true), signed_16()),
        (LOSSLESS, vector!("lossless-12"), grey(12, false), unsigned_12()),
        (LOSSLESS_FIRST, vector!("lossless-rgb"), colour(Photometric::Rgb), rgb()),
        (JPEG_LS, vector!("ls-signed-16"), grey(16, true), signed_16()),
        (JPEG_LS, vector!("ls-rgb"), colour(Photometric::Rgb), rgb()),
        (JPEG_2000, vector!("j2k-signed-16"), grey(16, true), signed_16()),
        (JPEG_2000, vector!("j2k-12"), grey(12, false), unsigned_12()),
        (JPEG_2000, vector!("j2k-rgb"), colour(Photometric::YbrRct), rgb()),
        (RLE, vector!("rle-rgb"), colour(Photometric::Rgb), rgb()),
        (RLE, vector!("rle-32"), grey(32, false), words),
    ]
}

#[test]
fn lossless_frames_come_back_exactly() {
    for (n, (syntax, bytes, attributes, expected)) in vectors().into_iter().enumerate() {
        let decoded = decode(Frame::new(syntax, bytes), &attributes, SAMPLES_MAX).unwrap();
        assert_eq!(decoded.samples, expected, "vector {n}, {syntax}");
    }
}

#[test]
fn lossy_frames_come_back_nearly() {
    let extended = Samples::U16(pixels(|x, y| (x * 30 + y * 30) as u16));
    for (syntax, bytes, attributes, expected, allowed) in [
        ("1.2.840.10008.1.2.4.51", vector!("extended-12"), grey(12, false), extended, 40),
        ("1.2.840.10008.1.2.4.50", vector!("baseline-ybr"), colour(Photometric::YbrFull422), rgb(), 12),
        ("1.2.840.10008.1.2.4.50", vector!("baseline-ybr"), colour(Photometric::YbrFull), rgb(), 12),
        // The codestream says that it is not RGB, whatever the data set says.
        ("1.2.840.10008.1.2.4.50", vector!("baseline-ybr"), colour(Photometric::Rgb), rgb(), 12),
    ] {
        let decoded = decode(Frame::new(syntax, bytes), &attributes, SAMPLES_MAX).unwrap();
        let greatest = (0..expected.len()).map(|n| (expected.get(n) - decoded.samples.get(n)).abs()).max();
        assert!(greatest.unwrap() <= allowed, "{syntax}: {greatest:?}");
        assert!(matches!(decoded.photometric, Photometric::Rgb | Photometric::Monochrome2));
    }
}

#[test]
fn no_part_of_a_frame_is_taken_for_the_whole() {
    for (syntax, bytes, attributes, _) in vectors() {
        // The last bytes are the end marker and padding.
        for end in (0..bytes.len() - 4).step_by(7) {
            let result = decode(Frame::new(syntax, &bytes[..end]), &attributes, SAMPLES_MAX);
            assert!(result.is_err(), "{syntax}: {end} of {}", bytes.len());
        }
    }
}

#[test]
fn codestreams_that_contradict_the_data_set_are_refused() {
    for (syntax, bytes, a, _) in vectors() {
        for other in [
            PixelAttributes { rows: a.rows + 1, ..a.clone() },
            PixelAttributes { columns: a.columns - 1, ..a.clone() },
            PixelAttributes { rows: a.columns, columns: a.rows, ..a.clone() },
        ] {
            let result = decode(Frame::new(syntax, bytes), &other, SAMPLES_MAX);
            // Runs of bytes do not know their size: a smaller frame, or another shape, is only the caller's claim.
            if syntax != RLE {
                assert!(matches!(result, Err(DecodeError::Mismatch(_))), "{syntax}: {result:?}");
            }
        }
        let other = match a.samples_per_pixel {
            1 => colour(Photometric::Rgb),
            _ => grey(8, false),
        };
        assert!(decode(Frame::new(syntax, bytes), &other, SAMPLES_MAX).is_err(), "{syntax}");
        if a.bits_allocated > 8 {
            let narrow = PixelAttributes { bits_allocated: 8, bits_stored: 8, high_bit: 7, ..a.clone() };
            assert!(decode(Frame::new(syntax, bytes), &narrow, SAMPLES_MAX).is_err(), "{syntax}");
        }
    }
}

#[test]
fn signed_and_unsigned_mean_the_same_bits() {
    let unsigned = PixelAttributes { signed: false, ..grey(16, false) };
    for (syntax, bytes, _, expected) in vectors().into_iter().filter(|v| v.2.signed) {
        let decoded = decode(Frame::new(syntax, bytes), &unsigned, SAMPLES_MAX).unwrap();
        let bits: Vec<u16> = (0..expected.len()).map(|n| expected.get(n) as u16).collect();
        assert_eq!(decoded.samples, Samples::U16(bits), "{syntax}");
    }
}

const LITTLE: &str = "1.2.840.10008.1.2.1";
const BIG: &str = "1.2.840.10008.1.2.2";

fn small(bits: (u32, u32, u32), signed: bool) -> PixelAttributes {
    let (bits_allocated, bits_stored, high_bit) = bits;
    PixelAttributes { rows: 1, columns: 2, bits_allocated, bits_stored, high_bit, ..grey(8, signed) }
}

fn native(syntax: &str, bytes: &[u8], a: &PixelAttributes) -> Result<Samples, DecodeError> {
    decode(Frame::new(syntax, bytes), a, SAMPLES_MAX).map(|decoded| decoded.samples)
}

#[test]
fn native_words_of_all_sizes_and_orders() {
    let a16 = small((16, 16, 15), false);
    assert_eq!(native(LITTLE, &[1, 2, 3, 4], &a16), Ok(Samples::U16(vec![0x201, 0x403])));
    assert_eq!(native(BIG, &[1, 2, 3, 4], &a16), Ok(Samples::U16(vec![0x102, 0x304])));
    let a32 = small((32, 32, 31), false);
    assert_eq!(
        native(LITTLE, &[1, 2, 3, 4, 0, 0, 0, 0x80], &a32),
        Ok(Samples::U32(vec![0x0403_0201, 0x8000_0000]))
    );
    assert_eq!(
        native(BIG, &[1, 2, 3, 4, 0x80, 0, 0, 0], &a32),
        Ok(Samples::U32(vec![0x0102_0304, 0x8000_0000]))
    );
    assert_eq!(native(LITTLE, &[0xff, 0x7f], &small((8, 8, 7), true)), Ok(Samples::I8(vec![-1, 127])));
    // Bits above those stored are not part of the value; neither are those below.
    assert_eq!(
        native(LITTLE, &[0xff, 0xf7, 0x00, 0x18], &small((16, 12, 11), true)),
        Ok(Samples::I16(vec![2047, -2048]))
    );
    assert_eq!(
        native(LITTLE, &[0xf0, 0xff, 0x0f, 0x00], &small((16, 12, 15), false)),
        Ok(Samples::U16(vec![0xfff, 0]))
    );
    for length in 0..4 {
        assert!(matches!(native(LITTLE, &[0; 3][..length.min(3)], &a16), Err(DecodeError::Damaged(_))));
    }
    // Padding behind the frame is not part of it.
    assert_eq!(native(LITTLE, &[1, 2, 3, 4, 9, 9], &a16), Ok(Samples::U16(vec![0x201, 0x403])));
}

#[test]
fn bytes_within_words_of_the_other_order() {
    let a = PixelAttributes { columns: 3, ..small((8, 8, 7), false) };
    let words = Frame { words: true, ..Frame::new(BIG, &[2, 1, 0, 3]) };
    assert_eq!(decode(words, &a, SAMPLES_MAX).map(|d| d.samples), Ok(Samples::U8(vec![1, 2, 3])));
    let bytes = Frame { words: false, ..words };
    assert_eq!(decode(bytes, &a, SAMPLES_MAX).map(|d| d.samples), Ok(Samples::U8(vec![2, 1, 0])));
    assert!(decode(Frame { bytes: &[2, 1, 0], ..words }, &a, SAMPLES_MAX).is_err());
}

#[test]
fn single_bits_begin_anywhere() {
    let a = PixelAttributes { rows: 3, columns: 3, ..small((1, 1, 0), false) };
    let frame = Frame { first_bit: 1, ..Frame::new(LITTLE, &[0b0101_0110, 0b11]) };
    let decoded = decode(frame, &a, SAMPLES_MAX).unwrap();
    assert_eq!(decoded.samples, Samples::U8(vec![1, 1, 0, 1, 0, 1, 0, 1, 1]));
    assert!(decode(Frame { bytes: &[0], ..frame }, &a, SAMPLES_MAX).is_err());
}

#[test]
fn colour_by_plane_and_halved_chrominance() {
    let rgb = PixelAttributes {
        planar: true,
        samples_per_pixel: 3,
        photometric: Photometric::Rgb,
        ..small((8, 8, 7), false)
    };
    assert_eq!(native(LITTLE, &[1, 2, 3, 4, 5, 6], &rgb), Ok(Samples::U8(vec![1, 3, 5, 2, 4, 6])));
    let halved = PixelAttributes { planar: false, photometric: Photometric::YbrFull422, ..rgb.clone() };
    assert_eq!(native(LITTLE, &[10, 20, 128, 128], &halved), Ok(Samples::U8(vec![10, 10, 10, 20, 20, 20])));
    let odd = PixelAttributes { columns: 3, ..halved };
    assert!(native(LITTLE, &[0; 9], &odd).is_err());
    let ict = PixelAttributes { photometric: Photometric::YbrIct, ..rgb };
    assert!(native(LITTLE, &[0; 6], &ict).is_err());
}

#[test]
fn attributes_that_contradict_each_other_are_refused() {
    let good = small((16, 12, 11), false);
    assert!(native(LITTLE, &[0; 4], &good).is_ok());
    for bad in [
        PixelAttributes { rows: 0, ..good.clone() },
        PixelAttributes { columns: 0, ..good.clone() },
        PixelAttributes { samples_per_pixel: 3, ..good.clone() },
        PixelAttributes { photometric: Photometric::Rgb, ..good.clone() },
        PixelAttributes { photometric: Photometric::PaletteColor, ..good.clone() },
        PixelAttributes { bits_allocated: 0, ..good.clone() },
        PixelAttributes { bits_allocated: 65_535, ..good.clone() },
        PixelAttributes { bits_allocated: 12, ..good.clone() },
        PixelAttributes { bits_stored: 0, ..good.clone() },
        PixelAttributes { bits_stored: 17, ..good.clone() },
        PixelAttributes { high_bit: 10, ..good.clone() },
        PixelAttributes { high_bit: 16, ..good.clone() },
        PixelAttributes { high_bit: u32::MAX, ..good.clone() },
        PixelAttributes { rows: u32::MAX, columns: u32::MAX, ..good.clone() },
    ] {
        for syntax in [LITTLE, BIG, LOSSLESS, JPEG_LS, JPEG_2000, RLE] {
            assert!(native(syntax, &[0; 4], &bad).is_err(), "{bad:?}");
        }
    }
}

#[test]
fn frames_have_a_greatest_size() {
    let bytes = vec![0; 2048];
    let frame = Frame::new(LITTLE, &bytes);
    let at = PixelAttributes { rows: 32, columns: 32, ..grey(16, false) };
    assert!(decode(frame, &at, 1024).is_ok());
    assert_eq!(decode(frame, &at, 1023), Err(DecodeError::TooLarge { samples: 1024, limit: 1023 }));
}

#[test]
fn what_is_not_decoded_is_named() {
    for syntax in ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.110", "1.2.840.113619.5.2", ""] {
        assert!(!can_decode(syntax));
        assert_eq!(
            native(syntax, &[0; 4], &small((8, 8, 7), false)),
            Err(DecodeError::Syntax(syntax.to_owned()))
        );
    }
}

#[test]
fn what_is_shown_small_is_decoded_small() {
    for (syntax, bytes, attributes) in [
        ("1.2.840.10008.1.2.4.51", vector!("extended-12"), grey(12, false)),
        ("1.2.840.10008.1.2.4.50", vector!("baseline-ybr"), colour(Photometric::YbrFull422)),
        (JPEG_2000, vector!("j2k-rgb"), colour(Photometric::YbrRct)),
    ] {
        let frame = Frame::new(syntax, bytes);
        let whole = decode(frame, &attributes, SAMPLES_MAX).unwrap();
        let mean = |decoded: &codecs::Decoded| {
            let sum: i64 = (0..decoded.samples.len()).map(|n| decoded.samples.get(n)).sum();
            sum as f64 / decoded.samples.len() as f64
        };
        for (wanted, size) in [
            ((41, 33), (40, 33)),
            ((40, 33), (40, 33)),
            ((20, 16), (20, 17)),
            ((10, 8), (10, 9)),
            ((5, 4), (5, 5)),
        ] {
            let small = decode_for(frame, &attributes, SAMPLES_MAX, Some(wanted)).unwrap();
            assert_eq!((small.columns, small.rows), size, "{syntax} {wanted:?}");
            let (small, whole) = (mean(&small), mean(&whole));
            assert!((small - whole).abs() < whole.abs() * 0.25 + 8.0, "{syntax} {wanted:?}: {small} {whole}");
        }
    }
}
