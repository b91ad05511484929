//! How far one exam of a study, by one group of its images, is what is needed.

use std::collections::{BTreeMap, BTreeSet};

use super::super::answer::{Outcome, Reason, Value};
use super::super::exam::{Contrast, PLAIN, Side};
use super::super::policy::CoveragePolicy;
use super::super::prior::ImageFacts;
use super::need::{Need, Wanted, WantedContrast, modality_word};
use super::region::{effective_regions, is_untold, names, near_any, region_outcome};
use super::{Exam, unenhanced, view};

/// What was found on an axis.
#[derive(Debug, Clone)]
pub(in super::super) struct Finding {
    pub(in super::super) outcome: Outcome,
    pub(in super::super) reason: Reason,
    pub(in super::super) values: BTreeMap<String, Value>,
    pub(in super::super) study: Option<String>,
}

impl Finding {
    pub(in super::super) fn new(outcome: Outcome, reason: Reason, study: Option<&str>) -> Finding {
        Finding { outcome, reason, values: BTreeMap::new(), study: study.map(str::to_owned) }
    }

    pub(in super::super) fn with(mut self, name: &str, value: impl Into<Value>) -> Finding {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn same(&self, other: &Finding) -> bool {
        self.reason == other.reason && self.values == other.values && self.study == other.study
    }
}

/// How far a need is met.
#[derive(Debug, Clone)]
pub(super) struct Supply {
    pub(super) outcome: Outcome,
    pub(super) exact: bool,
    /// Axes that agree: among equals, the one that is nearest gives the better reason.
    pub(super) agreeing: usize,
    pub(super) findings: Vec<Finding>,
}

impl Supply {
    pub(super) fn rank(&self) -> (Outcome, bool, usize) {
        (self.outcome, self.exact, self.agreeing)
    }

    /// The same where nobody knows whether the images are of the exam.
    pub(super) fn at_best_unknown(mut self, need: &Need, study: &str) -> Supply {
        if self.outcome == Outcome::Pass {
            let unknown = Finding::new(Outcome::Unknown, Reason::RegionUnknown, Some(study));
            self.findings.push(unknown.with("ordered", need.region.as_str()));
            (self.outcome, self.exact) = (Outcome::Unknown, false);
        }
        self
    }
}

/// No exam is known at all.
pub(super) fn nothing(study: Option<&str>) -> Supply {
    let unknown = Finding::new(Outcome::Unknown, Reason::ExamUnknown, study);
    Supply { outcome: Outcome::Unknown, exact: false, agreeing: 0, findings: vec![unknown] }
}

/// What one axis says.
struct Axis {
    outcome: Outcome,
    exact: bool,
    findings: Vec<Finding>,
}

impl Axis {
    fn pass() -> Axis {
        Axis { outcome: Outcome::Pass, exact: true, findings: Vec::new() }
    }

    fn not(finding: Finding) -> Axis {
        Axis { outcome: finding.outcome, exact: false, findings: vec![finding] }
    }

    fn noting(mut self, finding: Finding) -> Axis {
        self.findings.push(finding);
        self
    }
}

/// An exam of a study, looked at by a group of its images for what is needed.
pub(super) struct Seen<'a> {
    pub(super) need: &'a Need,
    pub(super) exam: &'a Exam,
    /// None where nothing is known of images.
    pub(super) row: Option<&'a ImageFacts>,
    pub(super) study: &'a str,
    /// Whether there are fewer images than views that are promised.
    pub(super) short: bool,
    /// The enhanced groups of the exam.
    pub(super) enhanced: &'a [&'a ImageFacts],
}

/// How far an exam, by a group of images, is what is needed.
pub(super) fn supply(seen: &Seen, policy: &CoveragePolicy) -> Supply {
    let Seen { need, exam, row, study, short, enhanced } = *seen;
    let at = At { need, exam, row, study, short, enhanced, policy };
    let (kind, plain_part) = at.kind();
    let axes = [at.modality(), at.region(plain_part), at.side(), at.view(), kind, at.contrast(), at.basis()];
    let outcome = axes.iter().map(|axis| axis.outcome).min().unwrap_or(Outcome::Fail);
    let exact = axes.iter().all(|axis| axis.exact);
    let agreeing = axes.iter().filter(|axis| axis.outcome == Outcome::Pass).count();
    let findings = axes.into_iter().flat_map(|axis| axis.findings).collect();
    Supply { outcome, exact, agreeing, findings }
}

struct At<'a> {
    need: &'a Need,
    exam: &'a Exam,
    row: Option<&'a ImageFacts>,
    study: &'a str,
    short: bool,
    enhanced: &'a [&'a ImageFacts],
    policy: &'a CoveragePolicy,
}

impl At<'_> {
    fn finding(&self, outcome: Outcome, reason: Reason) -> Finding {
        Finding::new(outcome, reason, Some(self.study))
    }

    fn fail(&self, reason: Reason) -> Finding {
        self.finding(Outcome::Fail, reason)
    }

    fn unknown(&self, reason: Reason) -> Finding {
        self.finding(Outcome::Unknown, reason)
    }

    fn modality(&self) -> Axis {
        if let Some(images) = &self.exam.elsewhere {
            let told = self.exam.axes.modality.as_deref().map(|word| modality_word(word, self.policy));
            let there = told.filter(|told| *told != self.need.modality).unwrap_or(images);
            let differs = self.fail(Reason::ModalityDiffers).with("ordered", self.need.modality.as_str());
            return Axis::not(differs.with("there", there));
        }
        match self.exam.axes.modality.as_deref().map(|word| modality_word(word, self.policy)) {
            Some(word) if word == self.need.modality => Axis::pass(),
            Some(word) => Axis::not(
                self.fail(Reason::ModalityDiffers)
                    .with("ordered", self.need.modality.as_str())
                    .with("there", word),
            ),
            None => Axis::not(self.unknown(Reason::ExamUnknown)),
        }
    }

    /// `plain_part`: the exam counts only by its unenhanced series, which then has to cover the region itself.
    fn region(&self, plain_part: bool) -> Axis {
        let needed = self.need.region.as_str();
        if is_untold(needed) {
            return Axis::not(self.unknown(Reason::BodyPartNotOrdered));
        }
        let there = effective_regions(&self.exam.axes, self.policy);
        let of_row = self.row.map(|row| &row.regions).filter(|regions| !regions.is_empty());
        let values = |finding: Finding, there: &BTreeSet<String>| {
            let there: Vec<&str> = there.iter().map(String::as_str).collect();
            finding.with("ordered", needed).with("there", there.join(", "))
        };
        let unknown = || Axis::not(self.unknown(Reason::RegionUnknown).with("ordered", needed));
        let plain_part =
            plain_part && self.row.is_some_and(|row| row.contrast == Some(false) && self.without_is_needed());
        match (region_outcome(needed, &there), of_row) {
            // The unenhanced series of an exam of vessels is of the region around them: it says itself of which.
            (Outcome::Fail, Some(_)) if plain_part && self.row.is_some_and(|row| names(row, needed)) => {
                let reaches = self.row.is_some_and(|row| unenhanced::reaches(row, needed, self.policy));
                if reaches { Axis { exact: false, ..Axis::pass() } } else { unknown() }
            }
            (Outcome::Fail, None) if plain_part && near_any(needed, &there, self.policy) => unknown(),
            (Outcome::Fail, _) => Axis::not(values(self.fail(Reason::RegionNotCovered), &there)),
            (Outcome::Unknown, _) => unknown(),
            (Outcome::Pass, Some(row)) if !self.row.is_some_and(|row| names(row, needed)) => {
                // Of one family it may be less exactly told, or a part only.
                if near_any(needed, row, self.policy) {
                    unknown()
                } else {
                    Axis::not(values(self.fail(Reason::RegionNotCovered), row))
                }
            }
            (Outcome::Pass, None) if plain_part && there.len() > 1 => unknown(),
            (Outcome::Pass, _) => Axis::pass(),
        }
    }

    fn without_is_needed(&self) -> bool {
        self.need.contrast == Wanted::This(WantedContrast::Without)
    }

    fn side(&self) -> Axis {
        let wanted = match &self.need.side {
            Wanted::NotCompared => return Axis::pass(),
            Wanted::Untold => return Axis::not(self.unknown(Reason::SideNotOrdered)),
            Wanted::This(side) => *side,
        };
        let told = self.exam.axes.side;
        let stated = self.row.and_then(|row| row.side);
        let Some(there) = stated.or(told) else {
            return Axis::not(self.unknown(Reason::SideNotEvidenced).with("ordered", word(wanted)));
        };
        let covers = there == wanted || there == Side::Both;
        let axis = if covers {
            Axis { exact: there == wanted || self.told_both(), ..Axis::pass() }
        } else {
            let differs =
                self.fail(Reason::SideDiffers).with("ordered", word(wanted)).with("there", word(there));
            Axis::not(differs)
        };
        match (told, stated) {
            (Some(told), Some(stated)) if told != stated && told != Side::Both && stated != Side::Both => {
                axis.noting(self.contradiction("side", word(told), word(stated)))
            }
            _ => axis,
        }
    }

    /// Whether both sides are needed is not seen here; an exam of both sides is judged as a whole elsewhere.
    fn told_both(&self) -> bool {
        self.exam.axes.side == Some(Side::Both)
    }

    fn view(&self) -> Axis {
        let wanted = match &self.need.view {
            Wanted::NotCompared => return Axis::pass(),
            Wanted::Untold => return Axis::not(self.unknown(Reason::ViewNotOrdered)),
            Wanted::This(view) => view.as_str(),
        };
        let stated = self.row.and_then(|row| row.view.as_deref());
        let there = view::effective(stated, &self.exam.axes.views, self.policy);
        let of = |there: &String| match view::outcome(wanted, there, &self.need.region, self.policy) {
            // One image of untold view cannot be all the views that the code promises.
            Outcome::Pass if self.short && self.row.is_some() && stated.is_none() => Outcome::Unknown,
            other => other,
        };
        let Some(best) = there.iter().map(of).max() else {
            return Axis::not(self.unknown(Reason::ViewNotEvidenced).with("ordered", wanted));
        };
        let shown = there.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let axis = match best {
            Outcome::Pass => Axis::pass(),
            Outcome::Unknown => Axis::not(
                self.unknown(Reason::ViewNotEvidenced).with("ordered", wanted).with("there", shown.as_str()),
            ),
            Outcome::Fail => Axis::not(
                self.fail(Reason::ViewMissing).with("ordered", wanted).with("there", shown.as_str()),
            ),
        };
        let promised = &self.exam.axes.views;
        let agrees = |stated: &str| {
            let near =
                |one: &String| view::is_a(one, stated, self.policy) || view::is_a(stated, one, self.policy);
            promised.is_empty() || promised.iter().any(near)
        };
        match stated.filter(|stated| !agrees(stated)) {
            Some(stated) => {
                let told = promised.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                axis.noting(self.contradiction("view", &told, stated))
            }
            None => axis,
        }
    }

    /// The kind, and whether the exam counts only by its unenhanced series.
    fn kind(&self) -> (Axis, bool) {
        let told = self.exam.axes.kind();
        let there = self.row.and_then(|row| row.kind.as_deref()).unwrap_or(told);
        let wanted = self.need.kind.as_str();
        let covers =
            |there: &str| self.policy.kind_covers.get(there).is_some_and(|kinds| kinds.contains(wanted));
        if there == wanted {
            return (Axis { exact: told == wanted, ..Axis::pass() }, told != wanted);
        }
        if covers(there) {
            return (Axis { exact: false, ..Axis::pass() }, false);
        }
        let without = self.without_is_needed();
        let unenhanced = self.row.is_some_and(|row| row.contrast == Some(false));
        let told_here = self.row.is_some_and(|row| row.kind.is_some());
        if wanted == PLAIN
            && without
            && unenhanced
            && !told_here
            && self.policy.kinds_with_plain_part.contains(there)
        {
            if self.policy.unenhanced_is_plain.contains(&self.need.modality) {
                let note = self.finding(Outcome::Pass, Reason::UnenhancedSeriesCounts);
                return (Axis { exact: false, ..Axis::pass() }.noting(note), true);
            }
            // An unenhanced angiography exists in this modality: the series may be one.
            return (Axis::not(self.unknown(Reason::KindNotEvidenced).with("there", there)), true);
        }
        (Axis::not(self.fail(Reason::KindDiffers).with("ordered", wanted).with("there", there)), false)
    }

    fn contrast(&self) -> Axis {
        let wanted = match &self.need.contrast {
            Wanted::NotCompared => return Axis::pass(),
            Wanted::Untold => return Axis::not(self.unknown(Reason::ContrastNotOrdered)),
            Wanted::This(wanted) => wanted,
        };
        let told = self.exam.axes.contrast;
        let stated = self.row.and_then(|row| row.contrast);
        let axis = match (wanted, stated, told) {
            (WantedContrast::Without, Some(false), _) => self.unenhanced(),
            (WantedContrast::Without, None, Some(Contrast::Without)) => Axis::pass(),
            (WantedContrast::Without, Some(true), _)
            | (WantedContrast::Without, None, Some(Contrast::With)) => {
                Axis::not(self.fail(Reason::UnenhancedMissing))
            }
            (WantedContrast::With { .. }, Some(false), _)
            | (WantedContrast::With { .. }, None, Some(Contrast::Without)) => {
                Axis::not(self.fail(Reason::ContrastMissing))
            }
            (WantedContrast::With { route }, Some(true), _)
            | (WantedContrast::With { route }, None, Some(_)) => self.route(route),
            (WantedContrast::Without, None, Some(Contrast::WithoutAndWith)) | (_, None, None) => {
                Axis::not(self.unknown(Reason::ContrastNotEvidenced))
            }
        };
        let told = told.filter(|told| *told != Contrast::WithoutAndWith).map(|told| told == Contrast::With);
        match (told, stated) {
            // An unenhanced series of an exam with contrast medium is no contradiction.
            (Some(false), Some(true)) => axis.noting(self.contradiction("contrast", "without", "with")),
            _ => axis,
        }
    }

    /// The group is unenhanced; beside an enhanced one it has to cover the region.
    fn unenhanced(&self) -> Axis {
        let covers = self.row.map_or(Outcome::Pass, |row| {
            unenhanced::covers(row, self.enhanced, self.exam, self.need, self.policy)
        });
        match covers {
            Outcome::Pass => Axis::pass(),
            Outcome::Unknown => {
                Axis::not(self.unknown(Reason::RegionUnknown).with("ordered", self.need.region.as_str()))
            }
            Outcome::Fail => Axis::not(self.fail(Reason::UnenhancedMissing)),
        }
    }

    fn route(&self, wanted: &str) -> Axis {
        let there = self.row.and_then(|row| row.route.as_deref()).or(self.exam.axes.route.as_deref());
        match there {
            Some(there) if there == wanted => Axis::pass(),
            Some(there) => {
                Axis::not(self.fail(Reason::RouteDiffers).with("ordered", wanted).with("there", there))
            }
            None => Axis::not(self.unknown(Reason::RouteNotEvidenced).with("ordered", wanted)),
        }
    }

    /// What coverage rests on: a code that counts, or each compared axis evidenced.
    fn basis(&self) -> Axis {
        if self.exam.strong {
            return Axis::pass();
        }
        let evidence = &self.exam.evidence;
        let row = |told: fn(&ImageFacts) -> bool| self.row.is_some_and(told);
        let compared =
            |wanted: bool, evidenced: bool, axis: &'static str| (wanted && !evidenced).then_some(axis);
        let missing: Vec<&str> = [
            compared(true, evidence.region, "region"),
            compared(
                self.need.side != Wanted::NotCompared,
                evidence.side || row(|row| row.side.is_some()),
                "side",
            ),
            compared(
                self.need.view != Wanted::NotCompared,
                evidence.view || row(|row| row.view.is_some()),
                "view",
            ),
            compared(
                self.need.contrast != Wanted::NotCompared,
                evidence.contrast || row(|row| row.contrast.is_some()),
                "contrast",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        if missing.is_empty() {
            return Axis::pass();
        }
        Axis::not(self.unknown(Reason::AxesNotEvidenced).with("axes", missing.join(", ")))
    }

    /// Something is in the images that the code does not say; the images are believed.
    fn contradiction(&self, axis: &str, code: &str, images: &str) -> Finding {
        self.finding(Outcome::Pass, Reason::ImagesContradictCode)
            .with("axis", axis)
            .with("code", code)
            .with("images", images)
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
        Side::Both => "both",
    }
}
