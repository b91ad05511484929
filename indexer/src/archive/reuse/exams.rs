//! Which exams a stored study is said to be, and by whom: a person, its order, a code of its header, its texts.

use std::collections::BTreeSet;

use crate::codes::coded::{Source as CodedBy, StudyCoding};
use crate::db::Stated;
use crate::evidence::Evidence;
use crate::reuse::policy::CoveragePolicy;
use crate::reuse::prior::{AxisSources, PriorExam, Source, Stamp};
use crate::reuse::techniques::{self, TechniqueAxes};
use crate::reuse::{Contrast, ExamAxes, Moment, Side};
use crate::reuse::{names_region_of, stated};
use crate::statement::State;

/// Body parts as headers name them (PS3.16 annex L), upper case, and the region that each means and no other. What may
/// mean several regions (a head) is left out.
const BODY_PARTS: [(&str, &str); 27] = [
    ("ABDOMEN", "abdomen"),
    ("ANKLE", "ankle"),
    ("BRAIN", "brain"),
    ("BREAST", "breast"),
    ("CALCANEUS", "calcaneus"),
    ("CHEST", "chest"),
    ("CLAVICLE", "clavicle"),
    ("CSPINE", "cervical_spine"),
    ("ELBOW", "elbow"),
    ("FEMUR", "femur"),
    ("FOOT", "foot"),
    ("FOREARM", "forearm"),
    ("HAND", "hand"),
    ("HEART", "heart"),
    ("HIP", "hip"),
    ("HUMERUS", "humerus"),
    ("KNEE", "knee"),
    ("LSPINE", "lumbar_spine"),
    ("NECK", "neck"),
    ("PATELLA", "patella"),
    ("PELVIS", "pelvis"),
    ("SCAPULA", "scapula"),
    ("SHOULDER", "shoulder"),
    ("SKULL", "skull"),
    ("STERNUM", "sternum"),
    ("TSPINE", "thoracic_spine"),
    ("WRIST", "wrist"),
];

/// What is known of a study's exams.
pub(super) struct Known<'a> {
    pub coding: Option<&'a StudyCoding>,
    pub orders: &'a [MetOrder<'a>],
    pub evidence: Option<&'a Evidence>,
    /// Modalities of its pictures.
    pub modalities: &'a BTreeSet<String>,
    pub policy: &'a CoveragePolicy,
}

/// An order that the study meets.
pub(super) struct MetOrder<'a> {
    pub stated: &'a Stated,
    /// Whether it orders one exam, or the study alone came under it: else nobody says which of its exams the study is.
    pub alone: bool,
}

/// The exams of a study. The word of a person stands over that of the order, the order over what the mapper found in
/// the header; what stands below is left out, so that it cannot cover what the other denies.
pub(super) fn of(known: &Known<'_>) -> Vec<PriorExam> {
    let by_person = known.coding.is_some_and(|coding| coding.source == CodedBy::Person);
    let ordered: Vec<PriorExam> = known.orders.iter().flat_map(|met| ordered(met, known)).collect();
    let mut exams =
        if by_person || ordered.is_empty() { known.coding.map(coded).unwrap_or_default() } else { ordered };
    if let Some(evidence) = known.evidence {
        exams.iter_mut().for_each(|exam| add_header(exam, evidence, &known.policy.open_regions));
    }
    exams
}

/// What headers say beside the code: a body part that names the very region, and what is shown of the machine.
fn add_header(exam: &mut PriorExam, evidence: &Evidence, open_regions: &BTreeSet<String>) {
    let named = BODY_PARTS.iter().filter(|(part, _)| evidence.body_parts.contains(*part));
    let regions: BTreeSet<String> = named.map(|(_, region)| (*region).to_owned()).collect();
    let axes = techniques::axes(&exam.axes, exam.technique.as_deref(), &exam.codes);
    if !axes.regions.is_empty() && axes.regions.is_subset(&regions) {
        exam.evidenced = AxisSources { region: BTreeSet::from([Source::Image]), ..AxisSources::default() };
    }
    let open = axes.regions.iter().any(|region| open_regions.contains(region));
    if open && axes.body_part.is_none() && regions.len() == 1 {
        exam.axes.body_part = regions.first().cloned();
        exam.evidenced = AxisSources { region: BTreeSet::from([Source::Image]), ..AxisSources::default() };
    }
    let field = evidence.values.get("magnetic_field_strength_tesla").map(|tesla| *tesla as f32);
    // Older machines write the strength in gauss.
    exam.axes.field_strength_tesla = field.map(|value| if value > 100.0 { value / 10_000.0 } else { value });
}

/// What an order that the study meets names, as far as it is understood. Of several exams those are kept that are of the
/// modality of the pictures; where several studies came, those that the pictures or the mapper tell too.
fn ordered(met: &MetOrder<'_>, known: &Known<'_>) -> Vec<PriorExam> {
    let named = named(met.stated);
    let several = matches!(&met.stated.statement.state, State::Order(order) if order.exams.len() > 1);
    if !several {
        return named;
    }
    let words = &known.policy.modality_words;
    let word = |modality: &String| words.get(modality).unwrap_or(modality).clone();
    let of_pictures: BTreeSet<String> = known.modalities.iter().map(word).collect();
    let axes = |exam: &PriorExam| techniques::axes(&exam.axes, exam.technique.as_deref(), &exam.codes);
    let fits = |exam: &PriorExam| axes(exam).modality.is_none_or(|told| of_pictures.contains(&word(&told)));
    let fitting: Vec<PriorExam> =
        named.iter().filter(|exam| of_pictures.is_empty() || fits(exam)).cloned().collect();
    if met.alone {
        return if fitting.is_empty() { named } else { fitting };
    }
    let only = fitting.len() == 1;
    fitting.into_iter().filter(|exam| is_told(exam, known).unwrap_or(only)).collect()
}

/// Whether the pictures or the mapper name a region of an exam; none where they name no region at all.
fn is_told(exam: &PriorExam, known: &Known<'_>) -> Option<bool> {
    let mut told: BTreeSet<String> = BTreeSet::new();
    if let Some(evidence) = known.evidence {
        told.extend(evidence.images.iter().flat_map(|row| row.regions.iter().cloned()));
        let named = BODY_PARTS.iter().filter(|(part, _)| evidence.body_parts.contains(*part));
        told.extend(named.map(|(_, region)| (*region).to_owned()));
    }
    // The mapper does not read an order that does not tell which study is which, so that it says something of its own.
    let mapped = known.coding.into_iter().flat_map(coded);
    for other in mapped {
        let axes = techniques::axes(&other.axes, other.technique.as_deref(), &other.codes);
        told.extend(axes.regions);
    }
    (!told.is_empty()).then(|| names_region_of(&told, exam, known.policy))
}

/// The exams of an order.
fn named(current: &Stated) -> Vec<PriorExam> {
    let State::Order(order) = &current.statement.state else { return Vec::new() };
    if !super::gather::stands(order.status) {
        return Vec::new();
    }
    let stamp = Stamp { at: Some(Moment { ms: current.statement.time.ms() }), rule: None };
    let read = stated::order("", order, None, None, Vec::new());
    let known = read.exams.into_iter().filter_map(|exam| {
        let technique = techniques::technique(exam.technique.as_deref(), &exam.codes)?;
        Some(PriorExam {
            technique: Some(technique),
            codes: exam.codes,
            source: Source::Order,
            axes: exam.axes,
            evidenced: AxisSources::default(),
            stamp: stamp.clone(),
        })
    });
    known.collect()
}

/// What the mapper, or a person, made of the study.
fn coded(coding: &StudyCoding) -> Vec<PriorExam> {
    let source = match coding.source {
        CodedBy::Person | CodedBy::Rule => Source::Person,
        CodedBy::Code => Source::Header,
        CodedBy::Text | CodedBy::Series => Source::Text,
        CodedBy::BodyPart | CodedBy::None => Source::Derived,
    };
    let at = coding.chosen_ms.map(|ms| Moment { ms });
    let stamp = Stamp { at, rule: Some(coding.version.clone()) };
    let exam = |technique: &String, codes: Vec<String>| PriorExam {
        axes: axes(coding, technique, &codes),
        technique: Some(technique.clone()),
        codes,
        source,
        evidenced: AxisSources::default(),
        stamp: stamp.clone(),
    };
    if !coding.techniques.is_empty() {
        let service = |technique: &String| {
            let of_it =
                |code: &&String| techniques::technique(None, &[(*code).clone()]).as_ref() == Some(technique);
            coding.service.iter().filter(of_it).cloned().collect::<Vec<String>>()
        };
        return coding.techniques.iter().map(|technique| exam(technique, service(technique))).collect();
    }
    // Nobody has chosen yet: the best candidate says what kind of exam it is, and is no code.
    let offered = coding.candidates.first().map(|offered| PriorExam {
        technique: None,
        source: Source::Text,
        axes: with_table(axes(coding, &offered.technique, &[]), &offered.technique),
        ..exam(&offered.technique, Vec::new())
    });
    offered.into_iter().collect()
}

/// Axes that were found beside the technique; its own are left to the table.
fn axes(coding: &StudyCoding, technique: &str, codes: &[String]) -> ExamAxes {
    let known = techniques::axes(&ExamAxes::default(), Some(technique), codes);
    let side = coding.laterality.as_deref().and_then(|letter| match letter {
        "L" => Some(Side::Left),
        "R" => Some(Side::Right),
        "B" => Some(Side::Both),
        _ => None,
    });
    let contrast = coding.contrast.map(|given| if given { Contrast::With } else { Contrast::Without });
    ExamAxes {
        side: side.filter(|_| known.side.is_none()),
        contrast: contrast.filter(|_| known.contrast.is_none()),
        ..ExamAxes::default()
    }
}

fn with_table(axes: ExamAxes, technique: &str) -> ExamAxes {
    match techniques::of_technique(technique) {
        Some(TechniqueAxes::Axes(table)) => axes.over(table),
        _ => axes,
    }
}
