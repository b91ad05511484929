//! The built-in list: `data/bhyt-chapter18-services.csv` and the small LOINC crosswalk.
//!
//! Knows the columns of these files.

use std::collections::BTreeMap;

use super::super::concept::{CodedConcept, Equivalence, Link, SCHEME_LOINC};
use super::name::technique_of_service;
use super::{Catalogue, Service, Technique};

/// The day on which the public tables of the built-in list were read.
pub const BUILT_IN_VERSION: &str = "2026-11-21";
const SERVICES: &str = include_str!("../../../data/bhyt-chapter18-services.csv");
const LOINC: &str = include_str!("../../../data/codes/loinc.tsv");

#[derive(serde::Deserialize)]
struct Row {
    code: String,
    technique: String,
    price_group: String,
    name_vi: String,
    price_film_vnd: Option<u64>,
    price_nofilm_vnd: Option<u64>,
    sources: String,
}

pub(super) fn read() -> Catalogue {
    let mut catalogue = Catalogue { version: BUILT_IN_VERSION.to_owned(), ..Catalogue::default() };
    let mut services: BTreeMap<String, usize> = BTreeMap::new();
    let mut techniques: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = csv::Reader::from_reader(SERVICES.trim_start_matches('\u{feff}').as_bytes());
    for row in rows.deserialize::<Row>().flatten() {
        let technique = if row.technique.is_empty() {
            technique_of_service(&row.code).unwrap_or_default()
        } else {
            row.technique.clone()
        };
        let technique_at = *techniques.entry(technique.clone()).or_insert_with(|| {
            catalogue.techniques.push(Technique::new(technique));
            catalogue.techniques.len() - 1
        });
        let service_at = *services.entry(row.code.clone()).or_insert_with(|| {
            catalogue.services.push(Service::new(&row.code, &row.price_group));
            catalogue.services.len() - 1
        });
        if let Some(technique) = catalogue.techniques.get_mut(technique_at) {
            keep(&mut technique.names, row.name_vi.clone());
            keep(&mut technique.services, service_at);
        }
        if let Some(service) = catalogue.services.get_mut(service_at) {
            keep(&mut service.names, row.name_vi);
            keep(&mut service.techniques, technique_at);
            service.price_film_vnd = service.price_film_vnd.or(row.price_film_vnd);
            service.price_no_film_vnd = service.price_no_film_vnd.or(row.price_nofilm_vnd);
            row.sources.split(';').for_each(|source| keep(&mut service.sources, source.to_owned()));
        }
    }
    catalogue.index();
    loinc_links(&mut catalogue);
    catalogue
}

fn keep<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn loinc_links(catalogue: &mut Catalogue) {
    let lines = LOINC.lines().filter(|line| !line.starts_with('#'));
    for columns in lines.map(|line| line.split('\t').collect::<Vec<_>>()) {
        let [loinc, equivalence, techniques, _] = columns[..] else { continue };
        let equivalence = match equivalence {
            "equal" => Equivalence::Equal,
            "wider" => Equivalence::Wider,
            _ => Equivalence::Narrower,
        };
        for technique in techniques.split('&') {
            let link = Link {
                from: catalogue.concept(technique),
                to: CodedConcept {
                    value: loinc.to_owned(),
                    scheme: SCHEME_LOINC.to_owned(),
                    version: String::new(),
                },
                equivalence,
                source: "proposed, to be reviewed by a radiologist".to_owned(),
            };
            catalogue.crosswalk.add(link);
        }
    }
}

impl Service {
    fn new(code: &str, price_group: &str) -> Self {
        Self {
            code: code.to_owned(),
            techniques: Vec::new(),
            price_group: price_group.to_owned(),
            names: Vec::new(),
            price_film_vnd: None,
            price_no_film_vnd: None,
            sources: Vec::new(),
        }
    }
}

impl Technique {
    fn new(code: String) -> Self {
        Self {
            code,
            names: Vec::new(),
            stems: Vec::new(),
            axes: super::Axes::default(),
            services: Vec::new(),
        }
    }
}
