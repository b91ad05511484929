//! Whether contrast was given: what was acquired beats what was ordered, and no trace of contrast means without.
//!
//! Knows how agents are written; it may not know techniques.

use super::evidence::Evidence;
use super::stated::Stated;
use crate::codes::facts::StudyFacts;
use crate::codes::reading::Reading;
use crate::dataset::fold::fold;

/// Words of Contrast/Bolus Agent that deny it.
const DENIALS: [&str; 22] = [
    "NO",
    "NONE",
    "N",
    "KHONG",
    "KO",
    "K",
    "NIL",
    "NA",
    "N A",
    "0",
    "WITHOUT",
    "KHONG TIEM",
    "FALSE",
    "NOT APPLIED",
    "NO CONTRAST",
    "UNENHANCED",
    "0 ML",
    "KHONG THUOC",
    "NON CONTRAST",
    "WO",
    "NOT GIVEN",
    "NEGATIVE",
];
/// Agents that are drunk or filled in: no contrast of the blood.
const ORAL: [&str; 5] = ["ORAL", "PO", "UONG", "WATER", "NUOC"];

/// What is known about contrast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contrast {
    /// With or without, where anything tells.
    pub(crate) told: Option<bool>,
    /// Whether that was acquired rather than ordered.
    pub(crate) acquired: bool,
    /// Whether order and study text ask or contradict each other, and nothing that was acquired tells.
    pub(crate) open: bool,
    /// Whether one region was ordered with, another without.
    pub(crate) differs: bool,
}

/// What agent, series and text say.
pub(crate) fn told(facts: &StudyFacts, evidence: &Evidence) -> Contrast {
    let with = evidence.series.iter().any(|series| series.has("with"));
    let without = evidence.series.iter().any(|series| series.has("without"));
    let text = evidence.text();
    let acquired = match (agent(&facts.contrast_agent), with, without) {
        (Some(true), ..) | (None, true, _) => Some(true),
        (Some(false), ..) => Some(false),
        // Series that are called plain, and none that is not: what was ordered was not done.
        (None, false, true) if evidence.series.iter().all(|s| s.has("without") || s.has("localiser")) => {
            Some(false)
        }
        _ => None,
    };
    // An exam of vessels is ordered with contrast even where a word for it is missing.
    let ordered = match (evidence.contrast.stated, text.has("with"), text.has("without")) {
        (Some(Stated::With), ..) => Some(true),
        (Some(Stated::Without), ..) => Some(false),
        (Some(Stated::Open), ..) => None,
        (None, true, _) => Some(true),
        (None, false, true) => Some(false),
        _ => (evidence.protocol.has("with")).then_some(true),
    };
    let bare = evidence.contrast.stated.is_none() && ordered == Some(true);
    let strange = bare && is_beside_strange_words(&text);
    let open = (evidence.contrast.stated == Some(Stated::Open) || strange) && acquired.is_none();
    Contrast {
        told: acquired.or(ordered),
        acquired: acquired.is_some(),
        open,
        differs: evidence.contrast.differs,
    }
}

/// Whether the words for contrast stand beside a word that nobody understands: what is injected may be no contrast at all, or
/// be forbidden.
fn is_beside_strange_words(text: &Reading) -> bool {
    let Some(found) = text.found.get("with") else { return false };
    let phrase: Vec<&str> = found.words.split(' ').collect();
    let is_strange = |word: &String| text.unknown.contains(word) || text.stray.contains(word);
    let places = (0..(text.words.len() + 1).saturating_sub(phrase.len()))
        .filter(|at| text.words[*at..].iter().zip(&phrase).all(|(word, of)| word == of));
    places.into_iter().any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.words.get(before));
        before.into_iter().chain(text.words.get(at + phrase.len())).any(is_strange)
    })
}

/// What Contrast/Bolus Agent says, none where it is empty.
fn agent(value: &str) -> Option<bool> {
    let folded = fold(value);
    let spaced: String = folded.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let text = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return None;
    }
    let oral =
        text.split(' ').any(|word| ORAL.contains(&word)) && !text.contains("IV") && !text.contains(" TM");
    Some(!(DENIALS.contains(&text.as_str()) || oral))
}

#[cfg(test)]
mod tests {
    use super::agent;

    #[test]
    fn an_agent_may_deny_itself() {
        assert_eq!(agent(""), None);
        for no in ["NO", "Không", "none", "N/A", "Oral"] {
            assert_eq!(agent(no), Some(false), "{no}");
        }
        for yes in ["Ultravist 300", "APPLIED", "Dotarem 10ml", "oral + IV"] {
            assert_eq!(agent(yes), Some(true), "{yes}");
        }
    }
}
