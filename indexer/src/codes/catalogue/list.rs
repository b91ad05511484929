//! An imported list: what was read from a table, its version, and how it differs from an older one.
//!
//! Knows entries; it may not know files or where lists are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::concept::{CodedConcept, Equivalence, Link};
use super::super::concept::{SCHEME_1227, SCHEME_LOINC, SCHEME_SERVICE, SCHEME_TECHNIQUE};
use super::name::{service_code, technique_code};

/// What a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// An annex of Decision 1227/QĐ-BYT: shared indicator codes.
    Decision1227,
    /// Service codes with prices, of the ministry or a province.
    PriceList,
    /// A hospital's own codes with the national ones.
    HospitalList,
}

impl ListKind {
    /// The word that names the kind in files and on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Decision1227 => "decision-1227",
            Self::PriceList => "price-list",
            Self::HospitalList => "hospital-list",
        }
    }

    /// The scheme of the codes of such a list. `facility` names the hospital of its own list.
    pub fn scheme(self, facility: &str) -> String {
        match self {
            Self::Decision1227 => SCHEME_1227.to_owned(),
            Self::PriceList => SCHEME_SERVICE.to_owned(),
            Self::HospitalList => format!("99{facility}"),
        }
    }
}

/// One row of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The code of this list.
    pub code: String,
    /// The name, as written.
    pub name: String,
    /// Technique of Circular 23, `18.K`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technique: Option<String>,
    /// Insurance service code, `18.KKKK.GGGG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Reference LOINC code, a hint to be checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loinc: Option<String>,
    /// Price with film, or the only price, in dong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_film_vnd: Option<u64>,
    /// Price without film, in dong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_no_film_vnd: Option<u64>,
    /// Unit, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A list that was imported, in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedList {
    /// What it is.
    pub kind: ListKind,
    /// Its date, `YYYY-MM-DD`: the version.
    pub version: String,
    /// Whose list it is: the decision, the province, the facility.
    pub source: String,
    /// The facility code of a hospital's own list, else empty.
    #[serde(default)]
    pub facility: String,
    /// Rows, in the order of the table.
    pub entries: Vec<Entry>,
}

impl ImportedList {
    /// The code of an entry as a coded concept of this list's version.
    pub fn concept(&self, entry: &Entry) -> CodedConcept {
        CodedConcept {
            value: entry.code.clone(),
            scheme: self.kind.scheme(&self.facility),
            version: self.version.clone(),
        }
    }

    /// What the list says about other schemes. A service code and the technique it is billed for count as wider: the
    /// same technique has several service codes. LOINC is a hint, hence wider as well.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for entry in &self.entries {
            let targets = [
                (&entry.technique, SCHEME_TECHNIQUE, self.to_technique()),
                (&entry.service, SCHEME_SERVICE, Equivalence::Equal),
                (&entry.loinc, SCHEME_LOINC, Equivalence::Wider),
            ];
            for (value, scheme, equivalence) in targets {
                let Some(value) = value.as_ref().filter(|value| **value != entry.code) else { continue };
                let to =
                    CodedConcept { value: value.clone(), scheme: scheme.to_owned(), version: String::new() };
                links.push(Link {
                    from: self.concept(entry),
                    to,
                    equivalence,
                    source: format!("{} {}", self.source, self.version),
                });
            }
        }
        links
    }

    fn to_technique(&self) -> Equivalence {
        if self.kind == ListKind::PriceList { Equivalence::Wider } else { Equivalence::Equal }
    }
}

/// How a list differs from an older one, by code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Codes that are new.
    pub added: Vec<Entry>,
    /// Codes that are gone.
    pub removed: Vec<Entry>,
    /// Codes whose row says something else: before and after.
    pub changed: Vec<(Entry, Entry)>,
}

/// The difference between two lists of one kind, by code and name where a code stands in several rows.
pub fn diff(old: &[Entry], new: &[Entry]) -> Difference {
    let keyed = |entries: &[Entry]| {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mut keyed = BTreeMap::new();
        for entry in entries {
            let nth = seen.entry(entry.code.clone()).or_default();
            *nth += 1;
            keyed.insert((entry.code.clone(), *nth), entry.clone());
        }
        keyed
    };
    let (old, new) = (keyed(old), keyed(new));
    let mut difference = Difference::default();
    for (key, entry) in &new {
        match old.get(key) {
            None => difference.added.push(entry.clone()),
            Some(before) if before != entry => difference.changed.push((before.clone(), entry.clone())),
            Some(_) => {}
        }
    }
    difference.removed = old.into_iter().filter(|(key, _)| !new.contains_key(key)).map(|(_, e)| e).collect();
    difference
}

/// A technique code of a cell: `18.119`; anything else is kept out.
pub(super) fn technique_cell(cell: &str) -> Option<String> {
    technique_code(cell)
}

/// A service code of a cell: `18.0119.0028`; anything else is kept out.
pub(super) fn service_cell(cell: &str) -> Option<String> {
    service_code(cell)
}
