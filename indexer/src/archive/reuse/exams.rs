//! Which exams a stored study is said to be, and by whom: a person, its order, a code of its header, its texts.

use crate::codes::coded::{Source as CodedBy, StudyCoding};
use crate::db::Stated;
use crate::reuse::prior::{PriorExam, Source, Stamp};
use crate::reuse::stated;
use crate::reuse::techniques::{self, TechniqueAxes};
use crate::reuse::{Contrast, ExamAxes, Moment, Side};
use crate::statement::State;

/// The exams of a study. The word of a person stands over that of the order, the order over what the mapper found in
/// the header; what stands below is left out, so that it cannot cover what the other denies.
pub(super) fn of(coding: Option<&StudyCoding>, orders: &[Stated]) -> Vec<PriorExam> {
    let by_person = coding.is_some_and(|coding| coding.source == CodedBy::Person);
    if !by_person {
        let ordered: Vec<PriorExam> = orders.iter().flat_map(ordered).collect();
        if !ordered.is_empty() {
            return ordered;
        }
    }
    coding.map(coded).unwrap_or_default()
}

/// What an order that the study meets names, as far as it is understood.
fn ordered(current: &Stated) -> Vec<PriorExam> {
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
            evidenced: Default::default(),
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
        evidenced: Default::default(),
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
