//! What an order needs, one thing at a time.

use super::super::exam::{Contrast, ExamAxes, Side};
use super::super::policy::CoveragePolicy;
use super::region::effective_regions;

/// What is needed on an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Wanted<T> {
    /// The axis is not compared.
    NotCompared,
    /// The order leaves open what it should say.
    Untold,
    /// This.
    This(T),
}

/// One region, one side, one view, with or without contrast medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Need {
    pub(in super::super) modality: String,
    pub(in super::super) region: String,
    pub(super) side: Wanted<Side>,
    pub(super) view: Wanted<String>,
    pub(super) kind: String,
    pub(super) contrast: Wanted<WantedContrast>,
}

/// Without contrast medium, or with it by a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedContrast {
    Without,
    With { route: String },
}

/// The word of axes for a modality.
pub(super) fn modality_word<'a>(modality: &'a str, policy: &'a CoveragePolicy) -> &'a str {
    policy.modality_words.get(modality).map_or(modality, String::as_str)
}

/// Whether a region, or the body part that fills it, comes in pairs.
pub(super) fn is_paired(region: &str, policy: &CoveragePolicy) -> bool {
    region.split('/').any(|part| policy.paired.contains(part))
}

/// The needs of the ordered exams. An exam of unknown modality or region has none.
pub(in super::super) fn needs(ordered: &[ExamAxes], policy: &CoveragePolicy) -> Vec<Need> {
    let mut needs = Vec::new();
    for exam in ordered {
        let regions = effective_regions(exam, policy);
        let Some(modality) = exam.modality.as_deref().filter(|_| !regions.is_empty()) else {
            // One exam that is not understood makes the whole order not understood.
            return Vec::new();
        };
        let modality = modality_word(modality, policy).to_owned();
        for region in regions {
            let paired = exam.paired.unwrap_or_else(|| is_paired(&region, policy));
            for side in sides(exam.side, paired) {
                for view in views(exam, &modality, policy) {
                    for contrast in contrasts(exam, &modality, policy) {
                        needs.push(Need {
                            modality: modality.clone(),
                            region: region.clone(),
                            side: side.clone(),
                            view: view.clone(),
                            kind: exam.kind().to_owned(),
                            contrast,
                        });
                    }
                }
            }
        }
    }
    needs
}

fn sides(side: Option<Side>, paired: bool) -> Vec<Wanted<Side>> {
    match side {
        _ if !paired => vec![Wanted::NotCompared],
        None => vec![Wanted::Untold],
        Some(Side::Both) => vec![Wanted::This(Side::Left), Wanted::This(Side::Right)],
        Some(side) => vec![Wanted::This(side)],
    }
}

fn views(exam: &ExamAxes, modality: &str, policy: &CoveragePolicy) -> Vec<Wanted<String>> {
    if !policy.view_modalities.contains(modality) {
        return vec![Wanted::NotCompared];
    }
    if exam.views.is_empty() {
        return vec![Wanted::Untold];
    }
    exam.views.iter().cloned().map(Wanted::This).collect()
}

fn contrasts(exam: &ExamAxes, modality: &str, policy: &CoveragePolicy) -> Vec<Wanted<WantedContrast>> {
    if !policy.contrast_modalities.contains(modality) {
        return vec![Wanted::NotCompared];
    }
    let with = || {
        let route = exam.route.clone().unwrap_or_else(|| policy.default_route.clone());
        Wanted::This(WantedContrast::With { route })
    };
    match exam.contrast {
        None => vec![Wanted::Untold],
        Some(Contrast::Without) => vec![Wanted::This(WantedContrast::Without)],
        Some(Contrast::With) => vec![with()],
        Some(Contrast::WithoutAndWith) => vec![Wanted::This(WantedContrast::Without), with()],
    }
}
