//! From a technique to its service codes: films, detector class, contrast and field strength leave out what cannot be.
//!
//! Knows price groups by `price_groups.tsv`.

use super::catalogue::name::DetectorClass;
use super::catalogue::{Catalogue, Service, Technique};
use super::choice::rules::Machine;
use super::facts::{Imaging, StudyFacts};
use super::reading::vocabulary::content;

const PRICE_GROUPS: &str = include_str!("../../data/codes/price_groups.tsv");

/// The service codes of `technique` that the examination may be billed under.
pub(super) fn left(
    catalogue: &Catalogue,
    technique: &Technique,
    facts: &StudyFacts,
    contrast: bool,
    machine: Machine,
) -> Vec<String> {
    let services = technique.services.iter().filter_map(|at| catalogue.services().get(*at));
    let fits = |service: &&Service| {
        let Some(group) = content(PRICE_GROUPS).find_map(|line| group(line, &service.price_group)) else {
            return true;
        };
        let films = group.films.is_none_or(|films| fits_films(films, facts));
        let contrast = group.contrast.is_none_or(|of| of == contrast);
        let class = machine.detector.or(technique.axes.detector);
        let rows = group.class.is_none_or(|of| class.is_none_or(|class| class == of));
        films && contrast && rows
    };
    services.filter(fits).map(|service| service.code.clone()).collect()
}

/// What the price group of a service code says about contrast.
pub(super) fn contrast_of(service: &Service) -> Option<bool> {
    content(PRICE_GROUPS).find_map(|line| group(line, &service.price_group)).and_then(|group| group.contrast)
}

struct Group {
    films: Option<&'static str>,
    contrast: Option<bool>,
    class: Option<DetectorClass>,
}

fn group(line: &'static str, wanted: &str) -> Option<Group> {
    let [name, films, contrast, rows] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    let told = |cell: &'static str| (cell != "-").then_some(cell);
    (name == wanted).then(|| Group {
        films: told(films),
        contrast: told(contrast).map(|cell| cell == "yes"),
        class: told(rows).and_then(|cell| DetectorClass::of_rows(cell.split('-').next()?.parse().ok()?)),
    })
}

/// A digital picture is a film of its own: one, two, three and more. What is digital is on no analogue film.
fn fits_films(films: &str, facts: &StudyFacts) -> bool {
    let digital = matches!(Imaging::of(&facts.modality), Imaging::Xray | Imaging::Mammo);
    match (films, facts.images) {
        ("analogue", _) => !digital,
        (films, Some(images)) if images > 0 => films == images.min(3).to_string(),
        _ => true,
    }
}
