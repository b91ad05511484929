//! The answer of the mapper, and what it is asked with.

use serde::{Deserialize, Serialize};

use super::catalogue::Catalogue;
use super::choice::caution::Caution;
use super::choice::rules::Table;
use super::choice::side::Side;
use super::reading::Vocabulary;

/// Where evidence comes from, the strongest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A rule of the facility, made from the choice of a person.
    Facility,
    /// A valid national code.
    Code,
    /// Text of the order or of the study.
    Text,
    /// Series and protocol names.
    Series,
    /// Body part, often left over from the examination before.
    #[default]
    BodyPart,
}

/// One line of evidence, for a person to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about: `region`, `contrast`, `detector`, `side`, `code`, `conflict`, ...
    pub about: &'static str,
    /// What was found and where.
    pub what: String,
}

/// A technique that may be the one, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `18.K`.
    pub technique: String,
    /// How sure the mapper is; not a probability that was measured.
    pub confidence: f64,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The techniques are assigned.
    Assigned,
    /// A person has to choose; the candidates are offered.
    Review,
    /// The study belongs to another chapter of the national list.
    OtherChapter,
    /// Nothing here is an examination of a patient: documents, localisers, phantoms, tests.
    NoExamination,
}

/// The answer for one study.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// What was decided.
    pub outcome: Outcome,
    /// The techniques that all apply where they are assigned, else empty.
    pub techniques: Vec<String>,
    /// All candidates, best first.
    pub candidates: Vec<Candidate>,
    /// Where the evidence comes from; none where no examination was found.
    pub level: Option<Level>,
    /// How sure the mapper is of the best candidate, from 0 to 1.
    pub confidence: f64,
    /// With or without contrast, unknown where no examination was found.
    pub contrast: Option<bool>,
    /// The side, where there is one.
    pub laterality: Option<Side>,
    /// The service code, where exactly one is left for a single technique.
    pub service: Option<String>,
    /// The service codes that are left.
    pub service_candidates: Vec<String>,
    /// The header does not tell detector class or field strength: the technique of the lowest class is assumed until
    /// the register of machines says otherwise.
    pub machine_assumed: bool,
    /// Why.
    pub why: Vec<Line>,
}

/// A choice of a person that holds for a facility from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilityRule {
    /// A local code of the order, or empty.
    pub code: String,
    /// Folded study or order text, or empty; one of both is there.
    pub text: String,
    /// Modality for which it holds.
    pub modality: String,
    /// The techniques.
    pub techniques: Vec<String>,
    /// Who chose, and when.
    pub by: String,
}

/// What the mapper goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Confidence from which a technique is assigned.
    pub assign_from: f64,
    /// Choices of people of the facility that the study comes from.
    pub facility: Vec<FacilityRule>,
    /// Words.
    pub vocabulary: Vocabulary,
    /// Examinations.
    pub table: Table,
    /// Where to wait for a person.
    pub caution: Caution,
}

impl Rules {
    /// The rules that come with the program.
    pub fn built_in(catalogue: &Catalogue) -> Self {
        let vocabulary = Vocabulary::built_in();
        let table = Table::built_in(&vocabulary, catalogue);
        let caution = Caution::built_in(&vocabulary);
        let assign_from = caution.assign_from();
        Self { assign_from, facility: Vec::new(), vocabulary, table, caution }
    }
}

impl Mapping {
    pub(super) fn none(outcome: Outcome, about: &'static str, what: String) -> Self {
        Self {
            outcome,
            techniques: Vec::new(),
            candidates: Vec::new(),
            level: None,
            confidence: 0.0,
            contrast: None,
            laterality: None,
            service: None,
            service_candidates: Vec::new(),
            machine_assumed: false,
            why: vec![Line { about, what }],
        }
    }

    /// The answer as one cell: techniques joined by `|`, empty, or `NOT_RADIOLOGY_CHAPTER`.
    pub fn technique_cell(&self) -> String {
        match self.outcome {
            Outcome::OtherChapter => "NOT_RADIOLOGY_CHAPTER".to_owned(),
            Outcome::Assigned => self.techniques.join("|"),
            Outcome::Review | Outcome::NoExamination => String::new(),
        }
    }

    /// `yes`, `no` or `unknown`.
    pub fn contrast_cell(&self) -> &'static str {
        match self.contrast {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        }
    }

    /// The evidence in one line.
    pub fn why_cell(&self) -> String {
        self.why.iter().map(|line| format!("{}: {}", line.about, line.what)).collect::<Vec<_>>().join("; ")
    }
}
