//! What a study is coded as: the mapper's answer together with what a person chose, ready to be kept and shown.
//!
//! Pure. Knows the catalogue for names and crosswalks; it may not know rows or requests.

use serde::{Deserialize, Serialize};

use super::catalogue::Catalogue;
use super::choice::side::Side;
use super::concept::{Equivalence, SCHEME_1227, SCHEME_SERVICE, SCHEME_TECHNIQUE};
use super::kept::{Looked, Proposed};
use super::outcome::{Level, Mapping, Outcome};

/// Where the codes of a study come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A person chose them for this study.
    Person,
    /// A choice of a person that holds for the facility.
    Rule,
    /// A code of the order or of the header.
    Code,
    /// Text of the order or of the study.
    Text,
    /// Series and protocol names.
    Series,
    /// Body part.
    BodyPart,
    /// Nothing was found.
    None,
}

impl Source {
    /// Its name in rows and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Source::Person => "person",
            Source::Rule => "rule",
            Source::Code => "code",
            Source::Text => "text",
            Source::Series => "series",
            Source::BodyPart => "body_part",
            Source::None => "none",
        }
    }

    fn of(level: Option<Level>) -> Source {
        match level {
            Some(Level::Facility) => Source::Rule,
            Some(Level::Code) => Source::Code,
            Some(Level::Text) => Source::Text,
            Some(Level::Series) => Source::Series,
            Some(Level::BodyPart) => Source::BodyPart,
            None => Source::None,
        }
    }
}

/// What a person chose for a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// What it is.
    pub outcome: Outcome,
    /// The techniques, where some are assigned.
    pub techniques: Vec<String>,
    /// The service code, where it is known.
    pub service: Option<String>,
    /// Who chose.
    pub by: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
}

/// A code that a study carries, with its name (PS3.3 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCode {
    /// Code Value.
    pub value: String,
    /// Coding Scheme Designator.
    pub scheme: String,
    /// Coding Scheme Version, empty where the list tells none.
    pub version: String,
    /// The full name, as the list writes it.
    pub meaning: String,
}

/// A technique that is offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// `18.K`.
    pub technique: String,
    /// Its name.
    pub name: String,
    /// How sure the mapper is, from 0 to 1.
    pub confidence: f64,
}

/// A line of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is about.
    pub about: String,
    /// What was found and where.
    pub what: String,
}

/// What a study is coded as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyCoding {
    /// What was decided.
    pub outcome: Outcome,
    /// By what.
    pub source: Source,
    /// Who chose, where a person did.
    pub chosen_by: Option<String>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub chosen_ms: Option<i64>,
    /// The techniques that are assigned.
    pub techniques: Vec<String>,
    /// The service code, where exactly one is left or a person chose it.
    pub service: Option<String>,
    /// The service codes that are left.
    pub service_candidates: Vec<String>,
    /// How sure it is, from 0 to 1.
    pub confidence: f64,
    /// What is offered, best first.
    pub candidates: Vec<Offered>,
    /// With or without contrast.
    pub contrast: Option<bool>,
    /// `L`, `R` or `B`.
    pub laterality: Option<String>,
    /// The lowest class of machine was assumed.
    pub machine_assumed: bool,
    /// Why.
    pub why: Vec<Evidence>,
    /// The codes that searches answer.
    pub codes: Vec<NamedCode>,
    /// The examination in words: the names of the techniques, of what is offered first where a person has to choose.
    pub name: String,
    /// The version of rules and lists by which it got them.
    pub version: String,
    /// What was looked at; none of a study that was coded by an earlier program.
    #[serde(default)]
    pub looked: Option<Looked>,
    /// What the rules and lists in force would say instead, where that differs.
    #[serde(default)]
    pub proposed: Option<Proposed>,
}

impl StudyCoding {
    /// What a study is coded as by the mapper, or by the person who chose, whose word outweighs it.
    #[must_use]
    pub fn of(
        mapping: &Mapping,
        chosen: Option<&Chosen>,
        catalogue: &Catalogue,
        version: &str,
    ) -> StudyCoding {
        let mut why: Vec<Evidence> = mapping
            .why
            .iter()
            .map(|line| Evidence { about: line.about.to_owned(), what: line.what.clone() })
            .collect();
        let offered = mapping.candidates.iter().map(|candidate| Offered {
            name: technique_name(catalogue, &candidate.technique),
            technique: candidate.technique.clone(),
            confidence: candidate.confidence,
        });
        let candidates: Vec<Offered> = offered.collect();
        let (outcome, techniques, service) = match chosen {
            Some(chosen) => (chosen.outcome, chosen.techniques.clone(), chosen.service.clone()),
            None => (mapping.outcome, mapping.techniques.clone(), mapping.service.clone()),
        };
        if let Some(chosen) = chosen {
            why.insert(0, Evidence { about: "person".to_owned(), what: format!("chosen by {}", chosen.by) });
        }
        let mut names: Vec<String> =
            techniques.iter().map(|technique| technique_name(catalogue, technique)).collect();
        if names.is_empty() && outcome == Outcome::Review {
            names.extend(candidates.first().map(|offered| offered.name.clone()));
        }
        StudyCoding {
            outcome,
            source: if chosen.is_some() { Source::Person } else { Source::of(mapping.level) },
            chosen_by: chosen.map(|chosen| chosen.by.clone()),
            chosen_ms: chosen.map(|chosen| chosen.time_ms),
            codes: codes(catalogue, &techniques, service.as_deref()),
            techniques,
            service,
            service_candidates: mapping.service_candidates.clone(),
            confidence: if chosen.is_some() { 1.0 } else { mapping.confidence },
            candidates,
            contrast: mapping.contrast,
            laterality: mapping.laterality.map(|side| Side::letter(side).to_owned()),
            machine_assumed: mapping.machine_assumed && chosen.is_none(),
            why,
            name: names.join(" + "),
            version: version.to_owned(),
            looked: None,
            proposed: None,
        }
    }
}

fn technique_name(catalogue: &Catalogue, technique: &str) -> String {
    let known = catalogue.technique(technique).and_then(|technique| technique.names.first().cloned());
    known.unwrap_or_else(|| technique.to_owned())
}

/// Techniques, the service, and what an imported list says they are among the shared codes.
fn codes(catalogue: &Catalogue, techniques: &[String], service: Option<&str>) -> Vec<NamedCode> {
    let named = |value: &str, scheme: &str, meaning: String| NamedCode {
        value: value.to_owned(),
        scheme: scheme.to_owned(),
        version: catalogue.version().to_owned(),
        meaning,
    };
    let mut codes: Vec<NamedCode> = Vec::new();
    for technique in techniques {
        codes.push(named(technique, SCHEME_TECHNIQUE, technique_name(catalogue, technique)));
    }
    if let Some(service) = service {
        let name = catalogue.service(service).and_then(|service| service.names.first().cloned());
        codes.push(named(service, SCHEME_SERVICE, name.unwrap_or_else(|| service.to_owned())));
    }
    let of_service = service.and_then(|service| shared(catalogue, SCHEME_SERVICE, service));
    let of_techniques = || techniques.iter().filter_map(|code| shared(catalogue, SCHEME_TECHNIQUE, code));
    match of_service {
        Some(code) => codes.push(code),
        None => codes.extend(of_techniques()),
    }
    codes
}

/// The shared code that means the same, where the lists name exactly one.
fn shared(catalogue: &Catalogue, scheme: &str, value: &str) -> Option<NamedCode> {
    let links = catalogue.crosswalk().of(scheme, value);
    let mut same = links.iter().filter(|(to, how, _)| to.scheme == SCHEME_1227 && *how == Equivalence::Equal);
    let (code, ..) = same.next()?;
    if same.any(|(other, ..)| other.value != code.value) {
        return None;
    }
    let entries =
        catalogue.lists().iter().flat_map(|list| list.entries.iter().map(move |entry| (list, entry)));
    let mut named =
        entries.filter(|(list, entry)| list.concept(entry) == **code).map(|(_, entry)| &entry.name);
    let meaning = named.next_back().cloned().unwrap_or_else(|| code.value.clone());
    Some(NamedCode {
        value: code.value.clone(),
        scheme: code.scheme.clone(),
        version: code.version.clone(),
        meaning,
    })
}
