//! The mapper under any input: it answers, and the same header in another spelling has the same answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::path::Path;
use std::sync::LazyLock;

use indexer::codes::score::rows;
use indexer::codes::{Catalogue, OrderedCode, Rules, StudyFacts, map};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::built_in);
static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::built_in(&CATALOGUE));

fn answer(facts: &StudyFacts) -> (String, &'static str, Option<&'static str>) {
    let mapping = map(facts, &CATALOGUE, &RULES);
    (mapping.technique_cell(), mapping.contrast_cell(), mapping.laterality.map(|side| side.letter()))
}

/// Headers of our own sets whose text is whole: damaged text has no other spelling.
fn headers() -> Vec<StudyFacts> {
    let sets = [
        "headers",
        "headers-blind-6",
        "headers-blind-7",
        "headers-blind-8",
        "headers-blind-9",
        "headers-blind-10",
        "headers-blind-11",
        "headers-blind-12",
        "headers-blind-13",
        "headers-blind-14",
        "headers-blind-18",
    ];
    sets.iter().flat_map(|set| whole_headers(set)).collect()
}

fn whole_headers(set: &str) -> Vec<StudyFacts> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/codes/{set}.csv"));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
    let table: Vec<Vec<String>> =
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
    let whole = |facts: &StudyFacts| {
        let text = &facts.study_description;
        text.chars().all(|c| {
            c.is_ascii()
                || "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ"
                    .contains(c.to_lowercase().next().unwrap())
        }) && !text.contains("&#")
            && ["Ngùc", "Ngöïc", "nguwcj", "coojt", "co65t"].iter().all(|damaged| !text.contains(damaged))
    };
    rows(&table).unwrap().into_iter().map(|row| row.facts).filter(whole).collect()
}

/// Another spelling of a text.
type Change<'a> = &'a dyn Fn(&str) -> String;

fn unaccented(text: &str) -> String {
    let marks_off = text.nfd().filter(|letter| !unicode_normalization::char::is_combining_mark(*letter));
    marks_off
        .map(|letter| match letter {
            'đ' => 'd',
            'Đ' => 'D',
            other => other,
        })
        .collect()
}

fn respelled(facts: &StudyFacts, change: Change<'_>) -> StudyFacts {
    let mut other = facts.clone();
    other.study_description = change(&facts.study_description);
    other.requested_procedure = change(&facts.requested_procedure);
    other.series_descriptions = facts.series_descriptions.iter().map(|series| change(series)).collect();
    other.protocol_names = facts.protocol_names.iter().map(|name| change(name)).collect();
    other.body_part = change(&facts.body_part);
    other
}

#[test]
fn case_accents_spacing_and_order_of_series_do_not_matter() {
    let changes: [(&str, Change<'_>); 5] = [
        ("upper case", &|text| text.to_uppercase()),
        ("lower case", &|text| text.to_lowercase()),
        ("no accents", &unaccented),
        ("decomposed", &|text| text.nfd().collect()),
        ("spacing", &|text| format!("  {}  ", text.replace(' ', "   "))),
    ];
    let mut wrong = Vec::new();
    for facts in headers() {
        let want = answer(&facts);
        for (name, change) in &changes {
            let got = answer(&respelled(&facts, *change));
            if got != want {
                wrong.push(format!("{name}: {:?} {want:?} {got:?}", facts.study_description));
            }
        }
        let mut turned = facts.clone();
        turned.series_descriptions.reverse();
        turned.view_positions.reverse();
        if answer(&turned) != want {
            wrong.push(format!("order of series: {:?}", facts.study_description));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_order_of_the_parts_of_a_text_does_not_matter() {
    for (modality, parts) in [
        ("CT", vec!["CLVT", "sọ não", "có tiêm thuốc"]),
        ("DX", vec!["XQ", "khớp gối", "phải", "thẳng nghiêng"]),
        ("MR", vec!["MRI", "KNEE", "RT"]),
        ("DX", vec!["LAT", "SKULL", "AP"]),
        ("US", vec!["Doppler", "SA", "tuyến vú"]),
        ("CT", vec!["lumbar spine", "CT", "without contrast"]),
    ] {
        let with = |text: String| {
            let facts = StudyFacts {
                modality: modality.to_owned(),
                study_description: text,
                ..StudyFacts::default()
            };
            answer(&facts)
        };
        let want = with(parts.join(" "));
        assert!(!want.0.is_empty(), "{parts:?}");
        for turn in 0..parts.len() {
            let mut other = parts.clone();
            other.rotate_left(turn);
            assert_eq!(with(other.join(" ")), want, "{other:?}");
            other.reverse();
            assert_eq!(with(other.join(" ")), want, "{other:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_text_gets_an_answer(
        modality in "(CR|DX|CT|MR|US|XA|MG|RF|OT|SR|\\PC{0,4})",
        study in "\\PC{0,80}",
        series in prop::collection::vec("[ -~À-ỹ?]{0,40}", 0..4),
        agent in "\\PC{0,16}",
        scanner in "\\PC{0,40}",
        code in "(18\\.[0-9.]{0,12}|\\PC{0,16})",
        field in any::<f64>(),
    ) {
        let facts = StudyFacts {
            modality,
            study_description: study,
            series_descriptions: series,
            contrast_agent: agent,
            scanner,
            codes: vec![OrderedCode { value: code.clone(), scheme: String::new(), meaning: code }],
            field_strength_t: Some(field),
            ..StudyFacts::default()
        };
        let mapping = map(&facts, &CATALOGUE, &RULES);
        prop_assert!((0.0..=1.0).contains(&mapping.confidence));
        prop_assert!(!mapping.why.is_empty());
        for technique in &mapping.techniques {
            prop_assert!(CATALOGUE.technique(technique).is_some(), "{} is not in the catalogue", technique);
        }
    }
}
