//! The body part of an exam in a word of the tables: people write it in their own words.

use super::exam::ExamAxes;
use super::policy::CoveragePolicy;
use crate::codes::regions;

/// The axes with their body part in a word of the tables. A word that nobody knows is an untold body part, never another.
pub(super) fn in_words(mut axes: ExamAxes, policy: &CoveragePolicy) -> ExamAxes {
    axes.body_part = axes.body_part.take().and_then(|text| {
        let modality = axes.modality.as_deref().unwrap_or_default();
        regions::body_part(&text, modality).or_else(|| of_policy(&text, policy))
    });
    axes
}

/// A word that the policy itself has for a region.
fn of_policy(text: &str, policy: &CoveragePolicy) -> Option<String> {
    let word = text.trim().to_lowercase().replace([' ', '-'], "_");
    let known = policy.paired.contains(&word)
        || policy.related.iter().any(|family| family.contains(&word))
        || policy.contains.iter().any(|rule| rule.narrower == word || rule.wider.contains(&word));
    known.then_some(word)
}
