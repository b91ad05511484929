//! The policy: every number, list and "what counts" of the decision, as dated data.
//!
//! It is read from TOML; `indexer/data/policy.toml` is built in. This module may not know how a rule is applied.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::answer::{CheckName, Effect, Reason};
use super::day::Date;
use super::order::Purpose;
use super::prior::{Signature, Source};
use crate::identity::IdentityPolicy;

/// The policy as shipped.
pub const SHIPPED: &str = include_str!("../../data/policy.toml");

/// Why a policy cannot be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The text is no policy.
    #[error("the policy cannot be read: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// It has no version.
    #[error("the policy has no version")]
    Empty,
    /// Two versions begin on one day, so that none of them is the one in force.
    #[error("two versions of the policy begin on {0}")]
    SameDay(Date),
    /// A number is outside of what it can mean.
    #[error("version {version} of the policy: {key} is not a sensible number")]
    Number {
        /// Its version.
        version: String,
        /// Its name.
        key: &'static str,
    },
}

/// All versions of the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    #[serde(rename = "version")]
    versions: Vec<PolicyVersion>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] where the text is no policy, has no version, has two that begin on one day, or a number that
    /// means nothing.
    pub fn from_toml(text: &str) -> Result<Policy, PolicyError> {
        let policy: Policy = toml::from_str(text)?;
        Policy::of(policy.versions)
    }

    /// A policy of versions, in whatever order.
    pub(super) fn of(mut versions: Vec<PolicyVersion>) -> Result<Policy, PolicyError> {
        versions.sort_by_key(|version| version.from);
        if versions.is_empty() {
            return Err(PolicyError::Empty);
        }
        for pair in versions.windows(2) {
            if pair[0].from == pair[1].from {
                return Err(PolicyError::SameDay(pair[0].from));
            }
        }
        for version in &versions {
            version.check()?;
        }
        Ok(Policy { versions })
    }

    /// The policy as shipped.
    ///
    /// # Errors
    /// [`PolicyError`]; a test holds that there is none.
    pub fn shipped() -> Result<Policy, PolicyError> {
        Policy::from_toml(SHIPPED)
    }

    /// The version that begins last.
    #[must_use]
    pub fn latest(&self) -> &PolicyVersion {
        &self.versions[self.versions.len().saturating_sub(1)]
    }

    /// The version in force on a day: the last that begins on or before it. Before the first begins, it is the first,
    /// because a decision without rules would be none.
    #[must_use]
    pub fn in_force(&self, day: Date) -> &PolicyVersion {
        let begun = self.versions.iter().filter(|version| version.from <= day).count();
        &self.versions[begun.saturating_sub(1)]
    }
}

/// A version of the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVersion {
    /// What it is called in answers.
    pub id: String,
    /// Its first day.
    pub from: Date,
    /// Where it comes from.
    pub source: String,
    /// The offset from UTC in which calendar days are counted, in minutes.
    pub utc_offset_minutes: i64,
    /// Up to this age in days an exam without a window lowers nothing.
    pub age_without_window_days: i64,
    /// A device's clock that says an earlier day is not believed: clocks that lost their power begin again long ago.
    pub clock_believed_from: Date,
    /// Studies of one facility within this many hours belong to one visit.
    pub visit_hours: u64,
    /// Fewer received images than this part of what was expected make a prior unusable, in percent.
    pub received_below_percent: u64,
    /// The least signature that a report needs: `declared` or `verified`.
    pub signature: Signature,
    /// Sources of a code on which coverage can rest.
    pub code_sources: BTreeSet<Source>,
    /// Sources of a separately evidenced axis on which coverage can rest.
    pub axis_sources: BTreeSet<Source>,
    /// Words for withdrawals that concern the safety of patients.
    pub safety_reasons: BTreeSet<String>,
    /// Modalities for which `DERIVED\PRIMARY` is an original.
    pub derived_primary_is_original: BTreeSet<String>,
    /// Values 3 and further of Image Type that make a series no exam.
    pub not_an_exam_image_types: BTreeSet<String>,
    /// The greatest lossy ratio by modality; none is configured where the modality is absent.
    #[serde(default)]
    pub lossy_ratio_limit: BTreeMap<String, f64>,
    /// To whom the decision does not apply.
    pub not_applicable: NotApplicable,
    /// What outcomes do to the verdict.
    pub effects: Effects,
    /// What covers what.
    pub coverage: CoveragePolicy,
    /// Lists of validity windows.
    #[serde(default, rename = "window_list")]
    pub window_lists: Vec<WindowList>,
    /// Technical floors.
    #[serde(default, rename = "floor")]
    pub floors: Vec<Floor>,
    /// When two records are of one person.
    pub identity: IdentityPolicy,
}

impl PolicyVersion {
    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let number = |key| PolicyError::Number { version: self.id.clone(), key };
        if self.utc_offset_minutes.abs() > 14 * 60 {
            return Err(number("utc_offset_minutes"));
        }
        if !(0..=36_500).contains(&self.age_without_window_days) {
            return Err(number("age_without_window_days"));
        }
        if self.visit_hours > 24 * 31 {
            return Err(number("visit_hours"));
        }
        if self.received_below_percent > 100 {
            return Err(number("received_below_percent"));
        }
        if self.coverage.unenhanced.extent_percent > 100 {
            return Err(number("coverage.unenhanced.extent_percent"));
        }
        let windows = self.window_lists.iter().flat_map(|list| list.days.values());
        if windows.into_iter().any(|days| !(0..=36_500).contains(days)) {
            return Err(number("window_list.days"));
        }
        if self.lossy_ratio_limit.values().any(|limit| !limit.is_finite() || *limit < 1.0) {
            return Err(number("lossy_ratio_limit"));
        }
        Ok(())
    }

    /// The list of windows in force on a day: of those that have begun and not ended, the one that began last.
    #[must_use]
    pub fn windows_in_force(&self, day: Date) -> Option<&WindowList> {
        let in_force = |list: &&WindowList| list.from <= day && list.until.is_none_or(|until| day <= until);
        self.window_lists.iter().filter(in_force).max_by_key(|list| list.from)
    }
}

/// A dated list of validity windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowList {
    /// Its first day.
    pub from: Date,
    /// Its last day.
    #[serde(default)]
    pub until: Option<Date>,
    /// Where it comes from.
    pub source: String,
    /// Calendar days by technique or code; a prior of as many days is inside.
    pub days: BTreeMap<String, i64>,
}

/// A technical floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Modality of the ordered exam.
    pub modality: String,
    /// Its regions; empty: all.
    #[serde(default)]
    pub regions: BTreeSet<String>,
    /// Techniques; empty: all.
    #[serde(default)]
    pub techniques: BTreeSet<String>,
    /// The name of the value, with unit.
    pub value: String,
    /// At least this.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// At most this.
    #[serde(default)]
    pub at_most: Option<f64>,
}

/// Orders for which the decision does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotApplicable {
    /// Purposes.
    pub purposes: BTreeSet<Purpose>,
    /// Techniques that are always dynamic.
    pub techniques: BTreeSet<String>,
    /// Modalities that are always dynamic.
    pub modalities: BTreeSet<String>,
    /// Kinds that are always dynamic.
    pub kinds: BTreeSet<String>,
    /// Why techniques are not compared with others, as the table of techniques says it: a procedure is done, not looked up.
    pub not_comparable: BTreeSet<String>,
}

/// What outcomes do to the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// Of a failed check.
    pub fail: BTreeMap<CheckName, Effect>,
    /// Of a check whose outcome is unknown.
    pub unknown: BTreeMap<CheckName, Effect>,
    /// Of single reasons, in place of the above.
    pub reasons: BTreeMap<Reason, Effect>,
}

/// What covers what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoveragePolicy {
    /// DICOM modalities by the word used in axes.
    pub modality_words: BTreeMap<String, String>,
    /// Modalities whose views are compared.
    pub view_modalities: BTreeSet<String>,
    /// Modalities whose contrast is compared.
    pub contrast_modalities: BTreeSet<String>,
    /// The route where an order says with contrast and no more.
    pub default_route: String,
    /// Regions that a technique leaves open, so that the body part says which; `any` is replaced by the body part.
    pub open_regions: BTreeSet<String>,
    /// Regions and body parts that come in pairs.
    pub paired: BTreeSet<String>,
    /// Modalities whose unenhanced series is a plain exam whatever the rest of the study is.
    pub unenhanced_is_plain: BTreeSet<String>,
    /// Kinds whose unenhanced series counts as the plain exam.
    pub kinds_with_plain_part: BTreeSet<String>,
    /// What an unenhanced series needs to count as the plain exam beside an enhanced one.
    pub unenhanced: UnenhancedPolicy,
    /// Kinds that cover other kinds, beside themselves.
    pub kind_covers: BTreeMap<String, BTreeSet<String>>,
    /// What a view is a special case of.
    pub view_is_a: BTreeMap<String, BTreeSet<String>>,
    /// Views that do not cover what they are a special case of.
    #[serde(rename = "view_exception")]
    pub view_exceptions: Vec<ViewException>,
    /// Wider regions.
    pub contains: Vec<Contains>,
    /// Families of regions that are listed together; others are folded under other exams.
    pub related: Vec<BTreeSet<String>>,
}

/// What an unenhanced series needs to count as the plain exam of a study that has an enhanced one. A few slices that only
/// watch the contrast medium arrive cover no region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnenhancedPolicy {
    /// Modalities of slices, for which this is asked.
    pub modalities: BTreeSet<String>,
    /// Fewer images are no series of a region.
    pub min_images: u32,
    /// Slices that reach less far are none either, in millimetres.
    pub min_extent_mm: u32,
    /// A series that names no region has to reach so far as part of the enhanced one, in percent; else it is unknown.
    pub extent_percent: u32,
    /// How far a series has to reach that covers a region which the code of its exam does not name, in millimetres.
    pub region_extent_mm: BTreeMap<String, u32>,
}

/// A view that does not cover another although it is a special case of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewException {
    /// The ordered view.
    pub ordered: String,
    /// The view that is there.
    pub there: String,
    /// In these regions; empty: in all.
    #[serde(default)]
    pub regions: BTreeSet<String>,
    /// Whether it may do, so that a doctor has to look; else it does not.
    #[serde(default)]
    pub may_do: bool,
}

/// A region that lies inside others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contains {
    /// The narrower region.
    pub narrower: String,
    /// The regions that cover it when all of them are imaged.
    pub wider: BTreeSet<String>,
    /// Modalities for which it holds.
    pub modalities: BTreeSet<String>,
    /// Only where the order is without contrast medium.
    #[serde(default)]
    pub only_without_contrast: bool,
}
