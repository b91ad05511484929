//! Counts and sizes as people of a language write them.

use crate::language::Language;

/// A count with its thousands apart: `12.345` in Vietnamese, `12,345` in English.
pub(crate) fn count(language: Language, n: u64) -> String {
    let apart = match language {
        Language::Vietnamese => '.',
        Language::English => ',',
    };
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(apart);
        }
        out.push(digit);
    }
    out
}

/// A size in the unit that suits it, a thousand bytes to a kB, as disks are sold.
pub(crate) fn bytes(language: Language, n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut unit = 0;
    let mut tenths = n.saturating_mul(10);
    // What would round up to a thousand belongs to the next unit.
    while tenths >= 9_995 && unit + 1 < UNITS.len() {
        tenths = tenths / 1000 + u64::from(tenths % 1000 >= 500);
        unit += 1;
    }
    let name = UNITS[unit];
    if unit == 0 || tenths >= 100 {
        return format!("{} {name}", count(language, (tenths + 5) / 10));
    }
    let comma = match language {
        Language::Vietnamese => ',',
        Language::English => '.',
    };
    format!("{}{comma}{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_as_each_language_writes_them() {
        use Language::{English as En, Vietnamese as Vi};
        assert_eq!(count(Vi, 1_234_567), "1.234.567");
        assert_eq!(count(En, 12), "12");
        assert_eq!(bytes(Vi, 999), "999 B");
        assert_eq!(bytes(Vi, 1_250_000), "1,3 MB");
        assert_eq!(bytes(En, 52_428_800), "52 MB");
        assert_eq!(bytes(En, 999_960_000), "1.0 GB");
        assert_eq!(bytes(En, u64::MAX), "1,845 PB");
    }
}
