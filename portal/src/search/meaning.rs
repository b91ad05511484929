//! What a typed text may mean. Knows how patients are looked for, not how rows are found.

use indexer::dataset::fold::{fold, words};

const PATIENT_NAME: u32 = 0x0010_0010;
const PATIENT_ID: u32 = 0x0010_0020;
const ACCESSION_NUMBER: u32 = 0x0008_0050;
const MODALITIES_IN_STUDY: u32 = 0x0008_0061;

/// Fewest characters that are looked for inside identifiers.
const INSIDE_MIN: usize = 3;

/// A kind of examination: its key in addresses, its Modality values, what people say for it (folded), its name in
/// Vietnamese and in English.
pub(crate) struct Kind {
    pub key: &'static str,
    values: &'static [&'static str],
    said: &'static [&'static str],
    pub vietnamese: &'static str,
    pub english: &'static str,
}

/// The kinds that can be chosen.
pub(crate) static MODALITIES: [Kind; 9] = [
    Kind {
        key: "xr",
        values: &["DX", "CR", "RF", "RG", "PX", "IO"],
        said: &["XQ", "XQUANG", "X-QUANG", "XRAY", "X-RAY", "DX", "CR"],
        vietnamese: "X-quang",
        english: "X-ray",
    },
    Kind {
        key: "ct",
        values: &["CT"],
        said: &["CT", "CLVT", "CT-SCAN"],
        vietnamese: "Cắt lớp vi tính (CT)",
        english: "CT",
    },
    Kind {
        key: "mr",
        values: &["MR"],
        said: &["MR", "MRI", "CHT"],
        vietnamese: "Cộng hưởng từ (MRI)",
        english: "MRI",
    },
    Kind {
        key: "us",
        values: &["US", "IVUS"],
        said: &["US", "SA", "SIEUAM"],
        vietnamese: "Siêu âm",
        english: "Ultrasound",
    },
    Kind { key: "mg", values: &["MG"], said: &["MG"], vietnamese: "Nhũ ảnh", english: "Mammography" },
    Kind {
        key: "xa",
        values: &["XA"],
        said: &["XA", "DSA"],
        vietnamese: "Chụp mạch (DSA)",
        english: "Angiography",
    },
    Kind {
        key: "nm",
        values: &["NM", "PT"],
        said: &["NM", "PT", "PET", "SPECT"],
        vietnamese: "Y học hạt nhân, PET",
        english: "Nuclear medicine, PET",
    },
    Kind { key: "es", values: &["ES"], said: &["ES"], vietnamese: "Nội soi", english: "Endoscopy" },
    Kind {
        key: "doc",
        values: &["SR", "DOC", "ECG", "OT", "SC"],
        said: &["SR", "DOC", "ECG"],
        vietnamese: "Tài liệu, báo cáo",
        english: "Documents, reports",
    },
];

/// The Modality values of a kind.
pub(super) fn values(key: &str) -> Option<&'static [&'static str]> {
    MODALITIES.iter().find(|kind| kind.key == key).map(|kind| kind.values)
}

/// One way to read a text: attributes and what they have to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub keys: Vec<(u32, String)>,
}

impl Reading {
    fn of(keys: impl IntoIterator<Item = (u32, String)>) -> Reading {
        Reading { keys: keys.into_iter().collect() }
    }
}

/// All ways to read a text: as a name; as an identifier or its beginning; as a name with an identifier; as any of
/// these with a modality.
pub(super) fn readings(text: &str) -> Vec<Reading> {
    let typed: Vec<&str> = text.split_whitespace().collect();
    let mut all = vec![Reading::of([(PATIENT_NAME, text.to_owned())])];
    all.extend(identifiers(text.trim()));
    if let Some((at, word)) = only(&typed, |word| word.bytes().any(|b| b.is_ascii_digit())) {
        let name = without(&typed, at);
        if !name.is_empty() {
            for mut reading in identifiers(word) {
                reading.keys.push((PATIENT_NAME, name.clone()));
                all.push(reading);
            }
        }
    }
    if let Some((at, word)) = only(&typed, |word| kind_said(word).is_some())
        && let Some(kind) = kind_said(word)
    {
        let modality = (MODALITIES_IN_STUDY, kind.values.join("\\"));
        let rest = without(&typed, at);
        if rest.is_empty() {
            all.push(Reading::of([modality]));
        } else {
            all.push(Reading::of([(PATIENT_NAME, rest.clone()), modality.clone()]));
            for mut reading in identifiers(&rest) {
                reading.keys.push(modality.clone());
                all.push(reading);
            }
        }
    }
    all
}

/// Readings for when nothing else was found: identifiers that have the text inside.
pub(super) fn inside(text: &str) -> Vec<Reading> {
    let text = text.trim();
    let long_enough = text.chars().count() >= INSIDE_MIN && !text.contains(char::is_whitespace);
    if !long_enough || !text.bytes().any(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    [PATIENT_ID, ACCESSION_NUMBER].map(|tag| Reading::of([(tag, format!("*{text}*"))])).into()
}

/// An identifier or its beginning, as typed and in capitals, as most identifiers are.
fn identifiers(text: &str) -> Vec<Reading> {
    if text.is_empty() || text.split_whitespace().count() > 2 {
        return Vec::new();
    }
    let capitals = text.to_uppercase();
    let spellings = if capitals == text { vec![capitals] } else { vec![text.to_owned(), capitals] };
    let both = spellings.iter().flat_map(|spelling| {
        [PATIENT_ID, ACCESSION_NUMBER].map(|tag| Reading::of([(tag, format!("{spelling}*"))]))
    });
    both.collect()
}

/// The one word that is such, and where it stands.
fn only<'a>(typed: &[&'a str], is_such: impl Fn(&str) -> bool) -> Option<(usize, &'a str)> {
    let mut such = typed.iter().enumerate().filter(|(_, word)| is_such(word));
    let (at, word) = such.next()?;
    such.next().is_none().then_some((at, *word))
}

fn without(typed: &[&str], at: usize) -> String {
    let rest = typed.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, word)| *word);
    rest.collect::<Vec<_>>().join(" ")
}

fn kind_said(word: &str) -> Option<&'static Kind> {
    let folded = fold(word);
    let mut pieces = words(&folded);
    let (only, None) = (pieces.next()?, pieces.next()) else { return None };
    MODALITIES.iter().find(|kind| kind.said.contains(&only))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<(u32, String)>> {
        readings(text).into_iter().map(|reading| reading.keys).collect()
    }

    fn key(tag: u32, value: &str) -> (u32, String) {
        (tag, value.to_owned())
    }

    #[test]
    fn a_name_is_a_name() {
        assert_eq!(read("nguyễn văn an"), [[key(PATIENT_NAME, "nguyễn văn an")]]);
    }

    #[test]
    fn one_word_may_be_a_number() {
        let ways = read("bn0012");
        assert!(ways.contains(&vec![key(PATIENT_ID, "bn0012*")]));
        assert!(ways.contains(&vec![key(PATIENT_ID, "BN0012*")]));
        assert!(ways.contains(&vec![key(ACCESSION_NUMBER, "BN0012*")]));
    }

    #[test]
    fn a_name_may_stand_with_a_number_or_a_modality() {
        assert!(read("an 2600012").contains(&vec![key(PATIENT_ID, "2600012*"), key(PATIENT_NAME, "an")]));
        assert!(read("An mri").contains(&vec![key(PATIENT_NAME, "An"), key(MODALITIES_IN_STUDY, "MR")]));
        assert!(read("siêu").iter().all(|way| way.iter().all(|(tag, _)| *tag != MODALITIES_IN_STUDY)));
        // "Sa" is a name too: it is looked for as both.
        let sa = read("sa");
        assert!(sa.contains(&vec![key(PATIENT_NAME, "sa")]));
        assert!(sa.contains(&vec![key(MODALITIES_IN_STUDY, "US\\IVUS")]));
    }

    #[test]
    fn the_end_of_a_number_is_looked_for_last() {
        assert_eq!(inside("345").len(), 2);
        assert_eq!(inside("12"), []);
        assert_eq!(inside("anh"), []);
    }
}
