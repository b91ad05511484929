//! From free words for a part of the body to the regions of the axes of techniques: *Khớp gối*, `KNEE` and `knee` are
//! one body part.
//!
//! Words are read by the vocabulary of the mapper; `data/codes/regions.tsv` says which region a concept names. What the
//! vocabulary does not know, or what may be several regions, names none: nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::facts::Imaging;
use super::reading::vocabulary::content;
use super::reading::{Concept, Kind, Vocabulary};
use crate::dataset::fold::fold;

const TABLE: &str = include_str!("../../data/codes/regions.tsv");
/// Characters of a text that are read: a body part is a few words.
const TEXT_CHARS_MAX: usize = 200;

/// Parts that the vocabulary counts to a greater one, which an exam may be of alone; looked for as whole words of the
/// folded text, the first that is found.
const PARTS: [(&str, &str); 9] = [
    ("THUMB", "thumb"),
    ("NGON TAY CAI", "thumb"),
    ("NGON CAI", "thumb"),
    ("FINGER", "finger"),
    ("NGON TAY", "finger"),
    ("TOE", "toe"),
    ("NGON CHAN", "toe"),
    ("ACROMIOCLAVICULAR", "acromioclavicular_joint"),
    ("CUNG DON", "acromioclavicular_joint"),
];

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::built_in);

/// A row of the table.
struct Named {
    words: BTreeSet<String>,
    also: BTreeSet<String>,
}

static REGIONS: LazyLock<BTreeMap<&'static str, Named>> = LazyLock::new(|| {
    let list = |cell: &str| {
        cell.split_whitespace().filter(|word| *word != "-").map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let (concept, words, also) = (columns.next()?, columns.next()?, columns.next()?);
        Some((concept, Named { words: list(words), also: list(also) }))
    };
    content(TABLE).filter_map(row).collect()
});

/// The concepts of regions in a text, the narrowest.
fn concepts(text: &str, imaging: Imaging) -> BTreeSet<Concept> {
    let cut: String =
        text.chars().map(|letter| if letter == '_' { ' ' } else { letter }).take(TEXT_CHARS_MAX).collect();
    let reading = VOCABULARY.read_text(&cut, imaging);
    let all: BTreeSet<Concept> = reading.of_kind(&VOCABULARY, Kind::Region).collect();
    let around = |region: &Concept| all.iter().any(|other| VOCABULARY.is_within(other, region));
    all.iter().copied().filter(|region| !around(region)).collect()
}

/// The regions that a text about pictures of `modality` names, with other words of the tables for them; empty where it
/// names none, or something that may be any of several.
#[must_use]
pub fn named(text: &str, modality: &str) -> BTreeSet<String> {
    let found = concepts(text, Imaging::of(modality));
    let named: Option<Vec<&Named>> = found.iter().map(|concept| REGIONS.get(concept)).collect();
    let words = named.into_iter().flatten();
    words.flat_map(|named| named.words.iter().chain(&named.also).cloned()).collect()
}

/// The one body part that a text names, in a word of the tables; none where the vocabulary does not know it, or where it
/// may be several.
#[must_use]
pub fn body_part(text: &str, modality: &str) -> Option<String> {
    let folded = fold(&text.replace('_', " "));
    let words: Vec<&str> = folded.split(|letter: char| !letter.is_alphanumeric()).collect();
    let padded = format!(" {} ", words.join(" "));
    if let Some((_, part)) = PARTS
        .iter()
        .find(|(word, _)| padded.contains(&format!(" {word} ")) || padded.contains(&format!(" {word}S ")))
    {
        return Some((*part).to_owned());
    }
    let found = concepts(text, Imaging::of(modality));
    let words: BTreeSet<&String> =
        found.iter().filter_map(|concept| REGIONS.get(concept)).flat_map(|named| &named.words).collect();
    let told = found.iter().all(|concept| REGIONS.contains_key(concept));
    words.first().filter(|_| told && words.len() == 1).map(|word| (*word).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_of_concepts_and_words_of_the_tables() {
        for concept in REGIONS.keys() {
            assert_eq!(
                VOCABULARY.kind(concept),
                if *concept == "urogram" { Kind::Exam } else { Kind::Region },
                "{concept}"
            );
        }
    }

    #[test]
    fn words_of_any_spelling_are_one_body_part() {
        let ct = |text: &str| body_part(text, "CT").unwrap_or_default();
        for text in ["Khớp gối", "KNEE", "knee", "gối", "khop goi", "Khớp gối phải", "knee joint"]
        {
            assert_eq!(ct(text), "knee", "{text}");
        }
        for (text, word) in [
            ("ankle", "ankle"),
            ("Khớp cổ chân", "ankle"),
            ("khớp vai", "shoulder"),
            ("Khớp háng", "hip"),
            ("ngón tay", "finger"),
            ("lower_leg", "lower_leg"),
            ("xương gót", "calcaneus"),
            ("heel", "calcaneus"),
            ("Ngực", "chest"),
            ("CHEST", "chest"),
            ("sọ não", "brain"),
        ] {
            assert_eq!(ct(text), word, "{text}");
        }
        for text in ["khớp", "xyzzy", "", "gối và cổ chân", "cột sống"] {
            assert_eq!(ct(text), "", "{text}");
        }
    }

    #[test]
    fn a_text_about_pictures_names_its_regions() {
        let ct = |text: &str| named(text, "CT").into_iter().collect::<Vec<_>>().join(",");
        assert_eq!(ct("Thorax 5.0 B31f"), "chest");
        assert_eq!(ct("SO NAO 5mm"), "brain");
        assert_eq!(ct("Bụng chậu 5.0"), "abdomen,pelvis");
        assert_eq!(ct("5.0 B31f"), "");
        assert_eq!(ct("HEAD"), "head");
    }
}
