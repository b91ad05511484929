//! Views: which one an image has, and whether it does for the ordered one.

use std::collections::BTreeSet;

use super::super::answer::Outcome;
use super::super::policy::CoveragePolicy;

/// How deep special cases are followed: a bound on what a policy can write.
const DEPTH: usize = 8;

/// Whether `view` is `general` or a special case of it.
pub(super) fn is_a(view: &str, general: &str, policy: &CoveragePolicy) -> bool {
    is_a_within(view, general, policy, DEPTH)
}

fn is_a_within(view: &str, general: &str, policy: &CoveragePolicy, depth: usize) -> bool {
    let above = policy.view_is_a.get(view);
    view == general
        || depth > 0
            && above.is_some_and(|above| above.iter().any(|v| is_a_within(v, general, policy, depth - 1)))
}

/// The views that images with `stated` have, whose code promises `promised`: the image's own, more exactly told by the
/// code where both agree; the code's where the image is silent.
pub(super) fn effective(
    stated: Option<&str>,
    promised: &BTreeSet<String>,
    policy: &CoveragePolicy,
) -> BTreeSet<String> {
    let Some(stated) = stated else { return promised.clone() };
    let finer: BTreeSet<String> =
        promised.iter().filter(|promised| is_a(promised, stated, policy)).cloned().collect();
    if finer.is_empty() { BTreeSet::from([stated.to_owned()]) } else { finer }
}

/// Whether a view that is there does for the ordered one in a region.
pub(super) fn outcome(ordered: &str, there: &str, region: &str, policy: &CoveragePolicy) -> Outcome {
    let exception = policy.view_exceptions.iter().find(|exception| {
        exception.ordered == ordered
            && exception.there == there
            && (exception.regions.is_empty() || exception.regions.contains(region))
    });
    match exception {
        Some(exception) if exception.may_do => Outcome::Unknown,
        Some(_) => Outcome::Fail,
        None if is_a(there, ordered, policy) => Outcome::Pass,
        // Less exactly told than ordered: it may be the ordered one.
        None if is_a(ordered, there, policy) => Outcome::Unknown,
        None => Outcome::Fail,
    }
}
