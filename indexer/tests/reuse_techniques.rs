//! The table of techniques: complete for the catalogue, and made of words that the policy knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use indexer::reuse::techniques::{TechniqueAxes, axes, of_technique};
use indexer::reuse::{Contrast, ExamAxes, Policy};

fn catalogue() -> Option<String> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = crate_folder.join("data/bhyt-chapter18-services.csv");
    let beside =
        crate_folder.ancestors().map(|folder| folder.join("shared/catalogue/bhyt-chapter18-services.csv"));
    let found: Vec<PathBuf> = std::iter::once(own).chain(beside).filter(|path| path.exists()).collect();
    found.first().map(|path| fs::read_to_string(path).unwrap())
}

#[test]
fn every_technique_of_the_catalogue_is_in_the_table() {
    let Some(text) = catalogue() else {
        println!("skipped: the catalogue is not here");
        return;
    };
    let mut techniques = BTreeSet::new();
    for line in text.lines().skip(1) {
        let mut columns = line.trim_start_matches('\u{feff}').split(',');
        let (code, technique) = (columns.next().unwrap(), columns.next().unwrap());
        let number = || code.split('.').nth(1).unwrap().parse::<u32>().unwrap();
        techniques.insert(if technique.is_empty() {
            format!("18.{}", number())
        } else {
            technique.to_owned()
        });
    }
    let missing: Vec<&String> =
        techniques.iter().filter(|technique| of_technique(technique).is_none()).collect();
    println!("{} techniques", techniques.len());
    assert!(techniques.len() > 500 && missing.is_empty(), "not in the table: {missing:?}");
}

#[test]
fn the_table_uses_words_of_the_policy() {
    let policy = Policy::shipped().unwrap();
    let coverage = &policy.in_force("2026-11-21".parse().unwrap()).coverage;
    let modalities: BTreeSet<&String> = coverage.modality_words.values().collect();
    let mut compared = 0;
    for number in 1..=9004 {
        let Some(TechniqueAxes::Axes(axes)) = of_technique(&format!("18.{number}")) else { continue };
        compared += 1;
        let modality = axes.modality.as_ref().unwrap();
        assert!(modalities.contains(modality), "18.{number}: {modality}");
        assert!(!axes.regions.is_empty() && axes.kind.is_some(), "18.{number} has no region or kind");
        let contrast = coverage.contrast_modalities.contains(modality);
        assert!(
            axes.contrast != Some(Contrast::With)
                || axes.route.is_some()
                || !contrast
                || axes.kind() == "enterography_tube",
            "18.{number} has no route"
        );
        let by_view = coverage.view_modalities.contains(modality);
        assert!(by_view || axes.views.is_empty(), "18.{number} has views");
    }
    assert!(compared > 400, "only {compared} techniques are compared");
}

#[test]
fn axes_of_well_known_techniques() {
    let of = |technique: &str| axes(&ExamAxes::default(), Some(technique), &[]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<String>>();
    let chest = of("18.119");
    assert_eq!((chest.regions, chest.views), (words(&["chest"]), words(&["frontal"])));
    let head = of("18.150");
    assert_eq!((head.regions, head.contrast), (words(&["brain"]), Some(Contrast::With)));
    assert_eq!(head.route.as_deref(), Some("intravenous"));
    assert_eq!(of("18.153").kind(), "angiography");
    assert_eq!(of("18.263").route.as_deref(), Some("intra_articular"));
    assert_eq!(of("18.296").contrast, Some(Contrast::Without));
    assert_eq!(of("18.391").contrast, Some(Contrast::Without));
    assert_eq!(of("18.220").contrast, None, "the technique leaves it open");
    for (code, contrast) in [
        ("18.0220.0040", Contrast::Without),
        ("18.0220.0041", Contrast::With),
        ("18.0220.0041_GT", Contrast::With),
    ] {
        let by_code = axes(&ExamAxes::default(), None, &[code.to_owned()]);
        assert_eq!(
            (by_code.regions, by_code.contrast),
            (words(&["abdomen", "pelvis"]), Some(contrast)),
            "{code}"
        );
    }
    assert!(matches!(of_technique("18.603"), Some(TechniqueAxes::NotComparable(_))));
}
