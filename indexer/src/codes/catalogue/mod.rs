//! The catalogue: techniques and services with their names and prices, from the built-in list and imported ones.
//!
//! Knows what the lists say; unknown stays unknown. It may not know studies.

mod built_in;
pub mod list;
pub mod name;
pub mod table;

use std::collections::BTreeMap;

use super::concept::{CodedConcept, Crosswalk, SCHEME_SERVICE, SCHEME_TECHNIQUE};
use super::facts::Imaging;
use list::ImportedList;
use name::Axes;

pub use built_in::BUILT_IN_VERSION;

/// A price in Vietnamese dong.
pub type Vnd = u64;

/// A service code that insurance pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `18.KKKK.GGGG`.
    pub code: String,
    /// The techniques it is billed for, as indexes of [`Catalogue::techniques`].
    pub techniques: Vec<usize>,
    /// The last four digits: films, detector class, contrast.
    pub price_group: String,
    /// Names as the sources write them.
    pub names: Vec<String>,
    /// Ceiling price with film, unknown where no source states it.
    pub price_film_vnd: Option<Vnd>,
    /// Ceiling price without film, unknown where no source states it.
    pub price_no_film_vnd: Option<Vnd>,
    /// Which sources have the code.
    pub sources: Vec<String>,
}

/// A technique of chapter 18.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Technique {
    /// `18.K` without leading zeros.
    pub code: String,
    /// Names as the sources write them.
    pub names: Vec<String>,
    /// The names without kind of machine, detector class, field strength and contrast, folded.
    pub stems: Vec<String>,
    /// What the names tell about the examination.
    pub axes: Axes,
    /// Its services, as indexes of [`Catalogue::services`].
    pub services: Vec<usize>,
}

/// Techniques, services and crosswalks.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    version: String,
    services: Vec<Service>,
    techniques: Vec<Technique>,
    by_code: BTreeMap<String, usize>,
    by_technique: BTreeMap<String, usize>,
    families: BTreeMap<(Imaging, String), Vec<usize>>,
    crosswalk: Crosswalk,
    lists: Vec<ImportedList>,
}

impl Catalogue {
    /// The list that comes with the program. Its version is its date; how long it is valid is not known.
    pub fn built_in() -> Self {
        built_in::read()
    }

    /// The built-in list with `lists`, which stay as they are: a list adds codes, prices and links of its own version
    /// and rewrites none.
    #[must_use]
    pub fn with_lists(mut self, lists: Vec<ImportedList>) -> Self {
        for list in lists {
            for link in list.links() {
                self.crosswalk.add(link);
            }
            self.lists.push(list);
        }
        self
    }

    /// The date of the built-in list, `YYYY-MM-DD`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All services.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// All techniques.
    pub fn techniques(&self) -> &[Technique] {
        &self.techniques
    }

    /// Lists that were imported, in the order given.
    pub fn lists(&self) -> &[ImportedList] {
        &self.lists
    }

    /// The links between schemes.
    pub fn crosswalk(&self) -> &Crosswalk {
        &self.crosswalk
    }

    /// The service with `code`, written with or without leading zeros.
    pub fn service(&self, code: &str) -> Option<&Service> {
        let code = name::service_code(code)?;
        self.by_code.get(&code).and_then(|at| self.services.get(*at))
    }

    /// The technique with `code`, `18.119` or `18.0119`.
    pub fn technique(&self, code: &str) -> Option<&Technique> {
        let code = name::technique_code(code)?;
        self.by_technique.get(&code).and_then(|at| self.techniques.get(*at))
    }

    /// The techniques of one kind of imaging whose name without its axes is `stem`.
    pub fn family(&self, imaging: Imaging, stem: &str) -> Vec<&Technique> {
        let places = self.families.get(&(imaging, stem.to_owned()));
        places.into_iter().flatten().filter_map(|at| self.techniques.get(*at)).collect()
    }

    /// The names of all families of one kind of imaging.
    pub fn stems(&self, imaging: Imaging) -> impl Iterator<Item = &str> {
        self.families.keys().filter(move |(of, _)| *of == imaging).map(|(_, stem)| stem.as_str())
    }

    /// A technique as a coded concept of the built-in list.
    pub fn concept(&self, technique: &str) -> CodedConcept {
        CodedConcept {
            value: technique.to_owned(),
            scheme: SCHEME_TECHNIQUE.to_owned(),
            version: self.version.clone(),
        }
    }

    /// A service as a coded concept of the built-in list.
    pub fn service_concept(&self, service: &str) -> CodedConcept {
        CodedConcept { scheme: SCHEME_SERVICE.to_owned(), ..self.concept(service) }
    }

    fn index(&mut self) {
        for (at, service) in self.services.iter().enumerate() {
            self.by_code.insert(service.code.clone(), at);
        }
        for (at, technique) in self.techniques.iter_mut().enumerate() {
            self.by_technique.insert(technique.code.clone(), at);
            technique.axes = Axes::of(&technique.names);
            technique.stems = technique.names.iter().map(|name| name::stem(name)).collect();
            technique.stems.sort();
            technique.stems.dedup();
            for stem in &technique.stems {
                let family = self.families.entry((technique.axes.imaging, stem.clone())).or_default();
                family.push(at);
            }
        }
    }
}
