//! The axes of each imaging technique of the catalogue, as a table.
//!
//! `indexer/data/technique-axes.tsv` says which axes a technique fixes and which it leaves open, and which techniques
//! cannot be compared (procedures, biopsies). `indexer/data/price-group-contrast.tsv` says what a price group tells of
//! contrast where the technique leaves it open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::exam::{Contrast, ExamAxes, Side};

const TABLE: &str = include_str!("../../data/technique-axes.tsv");
const PRICE_GROUPS: &str = include_str!("../../data/price-group-contrast.tsv");

/// What the table says of a technique.
#[derive(Debug, Clone, PartialEq)]
pub enum TechniqueAxes {
    /// Its axes; what it leaves open is absent.
    Axes(ExamAxes),
    /// It is not compared with others; why, in a word.
    NotComparable(String),
}

static TECHNIQUES: LazyLock<BTreeMap<String, TechniqueAxes>> =
    LazyLock::new(|| rows(TABLE).filter_map(|columns| read(&columns)).collect());

static CONTRAST_OF_PRICE_GROUP: LazyLock<BTreeMap<String, Contrast>> = LazyLock::new(|| {
    let row = |columns: Vec<&'static str>| {
        let contrast = if columns.get(1) == Some(&"with") { Contrast::With } else { Contrast::Without };
        Some(((*columns.first()?).to_owned(), contrast))
    };
    rows(PRICE_GROUPS).filter_map(row).collect()
});

/// Rows of a table below its heading; lines that begin with `#` are comments.
fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.skip(1).map(|line| line.split('\t').collect())
}

/// A row: technique, modality, regions, side, views, kind, contrast, route, name.
fn read(columns: &[&str]) -> Option<(String, TechniqueAxes)> {
    let [technique, modality, regions, side, views, kind, contrast, route, ..] = *columns else {
        return None;
    };
    if modality == "-" {
        return Some((technique.to_owned(), TechniqueAxes::NotComparable(kind.to_owned())));
    }
    let set = |text: &str| -> BTreeSet<String> {
        text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let axes = ExamAxes {
        modality: told(modality),
        regions: set(regions),
        side: (side == "both").then_some(Side::Both),
        views: set(views),
        kind: told(kind),
        contrast: match contrast {
            "with" => Some(Contrast::With),
            "without" => Some(Contrast::Without),
            "without_and_with" => Some(Contrast::WithoutAndWith),
            _ => None,
        },
        route: told(route),
        ..ExamAxes::default()
    };
    Some((technique.to_owned(), TechniqueAxes::Axes(axes)))
}

/// What the table says of a technique (`18.149`).
#[must_use]
pub fn of_technique(technique: &str) -> Option<&'static TechniqueAxes> {
    TECHNIQUES.get(technique)
}

/// The technique: as told, else that of the first service code (`18.0149.0040`).
#[must_use]
pub fn technique(told: Option<&str>, codes: &[String]) -> Option<String> {
    told.map(str::to_owned).or_else(|| codes.iter().find_map(|code| of_service_code(code).map(|(it, _)| it)))
}

/// Technique and price group of a service code `CC.KKKK.GGGG`, suffixes of claims left off.
fn of_service_code(code: &str) -> Option<(String, &str)> {
    let digits =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = code.split(['.', '_']);
    let (chapter, number, group) = (parts.next()?, parts.next()?, parts.next()?);
    if !digits(chapter, 2) || !digits(number, 4) || !digits(group, 4) {
        return None;
    }
    Some((format!("{}.{}", chapter.parse::<u8>().ok()?, number.parse::<u16>().ok()?), group))
}

/// The axes of an exam by its technique and codes, and beneath the axes that are told apart.
#[must_use]
pub fn axes(told: &ExamAxes, technique_told: Option<&str>, codes: &[String]) -> ExamAxes {
    let by_table = technique(technique_told, codes).and_then(|technique| match of_technique(&technique) {
        Some(TechniqueAxes::Axes(axes)) => Some(axes.clone()),
        _ => None,
    });
    let mut axes = told.over(&by_table.unwrap_or_default());
    if axes.contrast.is_none() {
        let groups = codes.iter().filter_map(|code| of_service_code(code));
        axes.contrast = groups.filter_map(|(_, group)| CONTRAST_OF_PRICE_GROUP.get(group)).next().copied();
    }
    // Contrast medium is injected into a vein unless a technique or somebody says otherwise.
    if axes.route.is_none()
        && (technique_told.is_some() || !codes.is_empty())
        && matches!(axes.contrast, Some(Contrast::With | Contrast::WithoutAndWith))
    {
        axes.route = Some("intravenous".to_owned());
    }
    axes
}
