//! Tokens of JSON (RFC 8259): strings, numbers, base64.

use std::fmt::Display;
use std::io::Write;

use super::super::Tag;

/// A tag as eight hexadecimal digits, without quotes.
pub(super) fn tag(tag: Tag, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for part in [tag.0, tag.1] {
        for shift in [12, 8, 4, 0] {
            out.push(DIGITS[usize::from((part >> shift) & 0xf)]);
        }
    }
}

/// Writes to a vector, which cannot fail.
pub(super) fn display(value: impl Display, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

pub(super) fn float32(number: f32, out: &mut Vec<u8>) {
    // The shortest digits that give back the same single, not those of the double it becomes.
    if number.is_finite() { serde(&number, out) } else { not_finite(f64::from(number), out) }
}

pub(super) fn float64(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() { serde(&number, out) } else { not_finite(number, out) }
}

fn serde(number: &impl serde::Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, number);
}

fn not_finite(number: f64, out: &mut Vec<u8>) {
    let name: &[u8] = match number {
        _ if number.is_nan() => br#""NaN""#,
        _ if number > 0.0 => br#""Infinity""#,
        _ => br#""-Infinity""#,
    };
    out.extend_from_slice(name);
}

/// A string with its quotes; NUL characters are left out.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        match special.first() {
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(b'\r') => out.extend_from_slice(b"\\r"),
            Some(b'\t') => out.extend_from_slice(b"\\t"),
            Some(quoted @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', *quoted]),
            Some(0) | None => {}
            Some(control) => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Base64 with padding (RFC 4648 section 4), without quotes.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * at) & 0x3f) as usize];
            out.push(if at <= chunk.len() { digit } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written<T>(value: T, write: impl Fn(T, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_tags() {
        assert_eq!(written(Tag(0x7fe0, 0x0010), tag), "7FE00010");
        assert_eq!(written(0.1f32, float32), "0.1");
        assert_eq!(written(1.5e300, float64).parse(), Ok(1.5e300));
        assert_eq!(written(f64::NAN, float64), "\"NaN\"");
        assert_eq!(written(f32::NEG_INFINITY, float32), "\"-Infinity\"");
        for (bytes, want) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(written(bytes.as_bytes(), base64), want);
        }
        assert_eq!(written([0xffu8, 0xef, 0xbe].as_slice(), base64), "/+++");
    }

    proptest! {
        #[test]
        fn strings_are_read_back(text in any::<String>(), controls in "[\\x00-\\x20\"\\\\]{0,9}") {
            let text = text + &controls;
            let read: String = serde_json::from_str(&written(text.as_str(), string)).unwrap();
            prop_assert_eq!(read, text.replace('\0', ""));
        }

        #[test]
        fn floats_are_read_back(single in any::<f32>(), double in any::<f64>()) {
            prop_assume!(single.is_finite() && double.is_finite());
            prop_assert_eq!(written(single, float32).parse::<f32>().unwrap(), single);
            prop_assert_eq!(written(double, float64).parse::<f64>().unwrap(), double);
        }
    }
}
