//! What a name of the catalogue tells: kind of imaging, detector class, field strength, contrast; and the rest, the
//! stem, which names the examination itself.
//!
//! Knows how the national list words its names; it may not know single codes.

use super::super::facts::Imaging;
use crate::dataset::fold::fold;

/// Detector class of a CT technique, by detector rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetectorClass {
    /// 1 to 32 rows.
    UpTo32,
    /// 64 to 128 rows.
    From64,
    /// 256 rows and more.
    From256,
}

impl DetectorClass {
    /// The class of a scanner; none between the classes, where a person decides.
    pub fn of_rows(rows: u32) -> Option<Self> {
        match rows {
            1..=32 => Some(Self::UpTo32),
            64..=255 => Some(Self::From64),
            256.. => Some(Self::From256),
            _ => None,
        }
    }
}

/// Field strength of an MR technique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// 0.2 to 1.5 T.
    Low,
    /// 3 T and more; measured values from 2.8 T count.
    High,
}

/// What the names of a technique tell about the examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axes {
    /// Kind of imaging.
    pub imaging: Imaging,
    /// Detector class, where the technique has one.
    pub detector: Option<DetectorClass>,
    /// Field strength, where the technique has one.
    pub field: Option<Field>,
    /// With or without contrast, where the names tell.
    pub contrast: Option<bool>,
}

impl Default for Axes {
    fn default() -> Self {
        Self { imaging: Imaging::Unknown, detector: None, field: None, contrast: None }
    }
}

impl Axes {
    /// The axes that any of `names` tells.
    pub fn of(names: &[String]) -> Self {
        let mut axes = Self::default();
        let mut contrasts = Vec::new();
        for folded in names.iter().map(|name| fold(name)) {
            let bare = without(&folded, '[', ']');
            let close: String = bare.chars().filter(|c| !c.is_whitespace()).collect();
            if axes.imaging == Imaging::Unknown {
                axes.imaging = imaging(&folded);
            }
            axes.detector = axes.detector.or(detector(&close));
            axes.field = axes.field.or(field(&close));
            contrasts.extend(contrast(&folded));
        }
        // A technique whose services are billed with and without says neither.
        axes.contrast =
            contrasts.first().copied().filter(|first| contrasts.iter().all(|other| other == first));
        axes
    }
}

fn imaging(folded: &str) -> Imaging {
    let has = |words: &[&str]| words.iter().any(|word| folded.contains(word));
    let kinds: [(&[&str], Imaging); 8] = [
        (&["SO HOA XOA NEN", "DSA", "TANG SANG"], Imaging::Angio),
        (&["TUYEN VU", "TUYEN SUA", "TOMOSYNTHESIS", "SINH THIET VU DUOI DINH VI"], Imaging::Mammo),
        (&["XQUANG", "X-QUANG", "X QUANG"], Imaging::Xray),
        (&["SIEU AM", "DOPPLER"], Imaging::Us),
        (&["CONG HUONG TU", "CHT "], Imaging::Mr),
        (&["CLVT", "CAT LOP"], Imaging::Ct),
        (&["MACH", "TIM", "STENT", "VAN "], Imaging::Angio),
        (&["SINH THIET VU"], Imaging::Mammo),
    ];
    let mammo = !has(&["CONG HUONG TU", "SIEU AM"]);
    let found = kinds.iter().find(|(words, kind)| has(words) && (*kind != Imaging::Mammo || mammo));
    found.map_or(Imaging::Unknown, |(_, kind)| *kind)
}

fn detector(close: &str) -> Option<DetectorClass> {
    if close.contains("1-32DAY") {
        Some(DetectorClass::UpTo32)
    } else if close.contains("64-128DAY") {
        Some(DetectorClass::From64)
    } else if close.contains("256DAY") {
        Some(DetectorClass::From256)
    } else {
        None
    }
}

fn field(close: &str) -> Option<Field> {
    if close.contains("3T") {
        Some(Field::High)
    } else if close.contains("1.5T") || close.contains("1,5T") {
        Some(Field::Low)
    } else {
        None
    }
}

fn contrast(folded: &str) -> Option<bool> {
    let has = |words: &[&str]| words.iter().any(|word| folded.contains(word));
    if has(&["KHONG TIEM", "KHONG CO CHAT TUONG PHAN", "KHONG CO THUOC"]) {
        Some(false)
    } else if has(&[
        "CO TIEM",
        "CO CHAT TUONG PHAN",
        "CO THUOC CAN QUANG",
        "TUONG PHAN DAC HIEU",
        "TIEM THUOC",
    ]) {
        Some(true)
    } else {
        None
    }
}

/// Words of names that belong to the axes. Longer ones come first.
const AXIS_WORDS: [&str; 29] = [
    "KHONG TIEM THUOC CAN QUANG",
    "CO TIEM THUOC CAN QUANG",
    "KHONG TIEM CHAT TUONG PHAN",
    "CO TIEM CHAT TUONG PHAN",
    "CO TIEM THUOC TUONG PHAN",
    "CO TIEM TUONG PHAN",
    "KHONG DUNG THUOC BETA BLOCK",
    "KHONG TIEM THUOC",
    "CO TIEM THUOC",
    "SO HOA XOA NEN",
    "DUOI HUONG DAN CUA SIEU AM",
    "DUOI HUONG DAN SIEU AM",
    "DUOI HUONG DAN CAT LOP VI TINH",
    "DUOI HUONG DAN CAT LOP BI TINH",
    "DUOI CAT LOP VI TINH",
    "DUOI X QUANG TANG SANG",
    "DUOI SIEU AM",
    "QUA SIEU AM",
    "CHUP CAT LOP VI TINH",
    "CAT LOP VI TINH",
    "CHUP CONG HUONG TU",
    "CONG HUONG TU",
    "CHUP X QUANG",
    "CHUP XQUANG",
    "CHUP CLVT",
    "SIEU AM",
    "XQUANG",
    "CHUP",
    "CLVT",
];

/// The name without its axes: `Chụp CLVT sọ não có tiêm thuốc cản quang (từ 1-32 dãy)` is `SO NAO`.
pub fn stem(name: &str) -> String {
    let bare = without(&without(&fold(name), '[', ']'), '(', ')');
    let spaced: String = bare.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let mut words = format!(" {} ", spaced.split_whitespace().collect::<Vec<_>>().join(" "));
    for phrase in AXIS_WORDS {
        words = words.replace(&format!(" {phrase} "), " ");
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` without what stands between `open` and `close`.
fn without(text: &str, open: char, close: char) -> String {
    let mut depth = 0_u32;
    let mut kept = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == open {
            depth += 1;
        } else if letter == close {
            depth = depth.saturating_sub(1);
        } else if depth == 0 {
            kept.push(letter);
        }
    }
    kept
}

/// `18.K` of `18.119`, `18.0119` or `BS_18.119`.
pub fn technique_code(text: &str) -> Option<String> {
    let text = text.trim();
    let (chapter, number) = text.split_once('.')?;
    let digits = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    (chapter == "18" && digits(number)).then(|| format!("18.{}", number.trim_start_matches('0')))
}

/// `18.KKKK.GGGG`, with a suffix such as `_GT` or `.K.12345` left off.
pub fn service_code(text: &str) -> Option<String> {
    let mut parts = text.trim().split('.');
    let (chapter, number, group) = (parts.next()?, parts.next()?, parts.next()?);
    let group = group.split('_').next()?;
    let four = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (chapter == "18" && four(number) && four(group)).then(|| format!("18.{number:0>4}.{group:0>4}"))
}

/// The technique that a service code names by its middle part.
pub fn technique_of_service(code: &str) -> Option<String> {
    technique_code(&service_code(code)?[..7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_its_axes_and_its_stem() {
        let name = "Chụp CLVT sọ não không tiêm thuốc cản quang (từ 64-128 dãy) [giá 1- 32 dãy]";
        assert_eq!(stem(name), "SO NAO");
        let axes = Axes::of(&[name.to_owned()]);
        assert_eq!(axes.imaging, Imaging::Ct);
        assert_eq!(axes.detector, Some(DetectorClass::From64));
        assert_eq!(axes.contrast, Some(false));
        let axes = Axes::of(&["Chụp cộng hưởng từ khớp (≥ 3T) [không có chất tương phản]".to_owned()]);
        assert_eq!((axes.imaging, axes.field), (Imaging::Mr, Some(Field::High)));
        assert_eq!(stem("Chụp X-quang ngực thẳng [số hóa 1 phim]"), "NGUC THANG");
    }

    #[test]
    fn codes_are_read_in_every_spelling_and_others_are_not() {
        assert_eq!(technique_code("18.0119").as_deref(), Some("18.119"));
        assert_eq!(service_code("18.119.28_TB").as_deref(), Some("18.0119.0028"));
        assert_eq!(technique_of_service("18.0119.0028").as_deref(), Some("18.119"));
        for other in ["", "18", "19.0119.0028", "18.x.0028", "18..", "BM00265.260119", "18.12345.1"] {
            assert_eq!(service_code(other), None, "{other}");
        }
    }
}
