//! Measuring the mapper: rows of labelled headers, and coverage, precision and harm over them.
//!
//! Knows the columns of such tables; it may not know where they come from.

use std::collections::BTreeMap;

use super::facts::{OrderedCode, StudyFacts};
use super::outcome::Mapping;

/// A header with the answer that a careful coder gives, where the table has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// Identifier of the row.
    pub id: String,
    /// The header.
    pub facts: StudyFacts,
    /// Accepted techniques, best first; `NONE`; `NOT_RADIOLOGY_CHAPTER`.
    pub expected: Vec<String>,
    /// `yes`, `no`, `unknown` or empty.
    pub contrast: String,
    /// `L`, `R`, `B` or empty.
    pub laterality: String,
    /// 1 plain to 3 needs judgement.
    pub difficulty: String,
    /// Reason and flags such as `[AND 2]`.
    pub note: String,
}

/// Reads a table whose first row has the headings. Columns that are not there are empty.
///
/// # Errors
///
/// The table has no column `id` or `modality`.
pub fn rows(table: &[Vec<String>]) -> Result<Vec<Row>, String> {
    let headings = table.first().ok_or("the table is empty")?;
    let columns: BTreeMap<&str, usize> = headings
        .iter()
        .enumerate()
        .map(|(at, name)| (name.trim().trim_start_matches('\u{feff}'), at))
        .collect();
    for needed in ["id", "modality"] {
        if !columns.contains_key(needed) {
            return Err(format!("there is no column {needed:?}"));
        }
    }
    let row = |cells: &Vec<String>| {
        let cell = |name: &str| columns.get(name).and_then(|at| cells.get(*at)).cloned().unwrap_or_default();
        let list = |name: &str| {
            let text = cell(name);
            text.split('|')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        Row {
            id: cell("id"),
            facts: StudyFacts {
                modality: cell("modality"),
                study_description: cell("study_description"),
                series_descriptions: list("series_descriptions"),
                protocol_names: list("protocol_name"),
                body_part: cell("body_part_examined"),
                view_positions: list("view_positions"),
                laterality: cell("laterality"),
                contrast_agent: cell("contrast_agent"),
                field_strength_t: cell("magnetic_field_strength_t").trim().parse().ok(),
                scanner: cell("slice_class_hint"),
                detector_rows: None,
                requested_procedure: cell("requested_procedure_description"),
                codes: code(&cell("requested_procedure_code")).into_iter().collect(),
                images: cell("n_images").trim().parse().ok(),
                age: cell("patient_age"),
                image_types: Vec::new(),
            },
            expected: list("expected_technique"),
            contrast: cell("expected_contrast"),
            laterality: cell("expected_laterality"),
            difficulty: cell("difficulty"),
            note: cell("note"),
        }
    };
    Ok(table.iter().skip(1).map(row).collect())
}

/// `value^scheme^meaning`; several are joined by `|`, of which the first counts.
fn code(cell: &str) -> Option<OrderedCode> {
    let mut parts = cell.splitn(3, '^').map(|part| part.trim().to_owned());
    let value = parts.next().filter(|value| !value.is_empty());
    let (scheme, meaning) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (value.is_some() || !meaning.is_empty()).then(|| OrderedCode {
        value: value.unwrap_or_default(),
        scheme,
        meaning,
    })
}

/// What one answer is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The answer: techniques, `NONE` or `NOT_RADIOLOGY_CHAPTER`.
    pub answer: Vec<String>,
    /// Every part of the answer is accepted.
    pub correct: bool,
    /// Wrong, and not `NONE`.
    pub harmful: bool,
    /// The contrast is right; none where the label leaves it open.
    pub contrast: Option<bool>,
    /// The side is right.
    pub laterality: bool,
    /// Of techniques that all apply, how many were found, and how many there are.
    pub all_apply: Option<(u32, u32)>,
}

/// Judges an answer by the label of its row.
pub fn judge(row: &Row, mapping: &Mapping) -> Verdict {
    let cell = mapping.technique_cell();
    let answer: Vec<String> =
        if cell.is_empty() { vec!["NONE".to_owned()] } else { cell.split('|').map(str::to_owned).collect() };
    let correct = answer.iter().all(|part| row.expected.contains(part));
    let all_apply = row.note.split("[AND ").nth(1).and_then(|rest| rest.split(']').next()?.parse().ok());
    let all_apply = all_apply.map(|count: u32| {
        let wanted = row.expected.iter().take(usize::try_from(count).unwrap_or(0));
        let found = wanted.filter(|technique| answer.contains(technique)).count();
        (u32::try_from(found).unwrap_or(0), count)
    });
    Verdict {
        correct,
        harmful: !correct && answer != ["NONE"],
        contrast: (row.contrast == "yes" || row.contrast == "no")
            .then(|| mapping.contrast_cell() == row.contrast),
        laterality: mapping.laterality.map_or("", super::choice::side::Side::letter) == row.laterality,
        all_apply,
        answer,
    }
}

/// Counts over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows.
    pub rows: u32,
    /// Rows whose label is not `NONE`.
    pub to_answer: u32,
    /// Of these, rows with an answer.
    pub covered: u32,
    /// Answers that are not `NONE`.
    pub answers: u32,
    /// Of these, correct ones.
    pub correct: u32,
    /// Wrong answers that are not `NONE`.
    pub harmful: u32,
    /// Rows whose label tells the contrast, and of these the right ones.
    pub contrast: (u32, u32),
    /// Rows whose side is right.
    pub laterality: u32,
    /// Techniques that all apply, and of these the ones found.
    pub all_apply: (u32, u32),
}

impl Tally {
    /// Counts one row.
    pub fn add(&mut self, row: &Row, verdict: &Verdict) {
        let answered = verdict.answer != ["NONE"];
        let wanted = row.expected != ["NONE"];
        self.rows += 1;
        self.to_answer += u32::from(wanted);
        self.covered += u32::from(wanted && answered);
        self.answers += u32::from(answered);
        self.correct += u32::from(answered && verdict.correct);
        self.harmful += u32::from(verdict.harmful);
        if let Some(right) = verdict.contrast {
            self.contrast.0 += 1;
            self.contrast.1 += u32::from(right);
        }
        self.laterality += u32::from(verdict.laterality);
        if let Some((found, count)) = verdict.all_apply {
            self.all_apply.0 += count;
            self.all_apply.1 += found;
        }
    }

    /// Rows with an answer, of those that should have one; from 0 to 1.
    pub fn coverage(&self) -> f64 {
        share(self.covered, self.to_answer)
    }

    /// Correct answers of all answers; from 0 to 1.
    pub fn precision(&self) -> f64 {
        share(self.correct, self.answers)
    }

    /// Harmful answers of all rows; from 0 to 1.
    pub fn harm(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { f64::from(self.harmful) / f64::from(self.rows) }
    }
}

/// A share, 1 of nothing.
pub fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 1.0 } else { f64::from(part) / f64::from(whole) }
}
