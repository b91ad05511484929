//! What devices say they made of a study, picture by picture, beside what is served of it (PS3.4 F.7).
//!
//! Only a completed step says how many pictures there should be. One that is under way says that it is not known yet; what
//! was made before a step was stopped need never have been sent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use storage_config::Uid;

use crate::reuse::performed::{ShortSeries, StepFacts};
use crate::statement::{PerformedSeries, PerformedStep, StepStatus};

/// Instances that are named as missing.
const MISSING_NAMED: usize = 20;
/// Series that are named as short.
const SERIES_NAMED: usize = 20;

/// What was found when the steps of a study were looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepsFound {
    /// The steps, by SOP Instance UID, and which version of each was looked at.
    pub of: BTreeMap<String, u64>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// What they say.
    pub facts: StepFacts,
}

/// What is here of a study and of the series of its steps.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// The study.
    pub study: &'a Uid,
    /// For each series of a step, the studies under which something of it is served.
    pub homes: &'a BTreeMap<Uid, BTreeSet<Uid>>,
    /// SOP Instance UIDs of all that is served of the study.
    pub served: &'a BTreeSet<Uid>,
}

/// Whether a series of a step is one of the study.
enum Belongs {
    Here,
    Elsewhere,
    NotTold,
}

/// Compares the steps of a study, the latest first, with what is here.
#[must_use]
pub fn of_steps(steps: &[&PerformedStep], here: Here<'_>) -> StepFacts {
    let mut facts = StepFacts::default();
    let mut series: BTreeMap<&Uid, BTreeSet<&Uid>> = BTreeMap::new();
    let mut documents: BTreeSet<&Uid> = BTreeSet::new();
    for step in steps {
        match step.status {
            StepStatus::InProgress => facts.in_progress += 1,
            StepStatus::Discontinued => {
                facts.discontinued += 1;
                if facts.discontinued_why.is_empty() {
                    facts.discontinued_why.clone_from(&step.discontinued);
                }
            }
            StepStatus::Completed => {
                for made in &step.series {
                    match belongs(step, made, here) {
                        Belongs::Here => {
                            series.entry(&made.series).or_default().extend(&made.images);
                            documents.extend(&made.documents);
                        }
                        Belongs::NotTold if !made.images.is_empty() => facts.unplaced_series += 1,
                        Belongs::NotTold | Belongs::Elsewhere => {}
                    }
                }
            }
        }
    }
    for (uid, made) in &series {
        let (expected, received) = (count(made.iter()), count(made.iter().filter(|it| is_here(it, here))));
        if received < expected && facts.short_series.len() < SERIES_NAMED {
            facts.short_series.push(ShortSeries { series: uid.to_string(), expected, received });
        }
    }
    // One picture may be named with two series; it is one.
    let images: BTreeSet<&Uid> = series.into_values().flatten().collect();
    facts.expected_images = count(images.iter());
    facts.received_images = count(images.iter().filter(|it| is_here(it, here)));
    let missing = images.iter().filter(|it| !is_here(it, here));
    facts.missing = missing.take(MISSING_NAMED).map(ToString::to_string).collect();
    facts.missing_documents = count(documents.iter().filter(|it| !is_here(it, here)));
    facts
}

fn is_here(instance: &Uid, here: Here<'_>) -> bool {
    here.served.contains(instance)
}

fn count<'a>(of: impl Iterator<Item = &'a &'a Uid>) -> u32 {
    u32::try_from(of.count()).unwrap_or(u32::MAX)
}

/// A series is of the study under which it is here; one of which nothing is here is of the only study of its step.
fn belongs(step: &PerformedStep, made: &PerformedSeries, here: Here<'_>) -> Belongs {
    let homes = here.homes.get(&made.series).filter(|homes| !homes.is_empty());
    let studies = step.studies();
    match homes {
        Some(homes) if homes.contains(here.study) => Belongs::Here,
        Some(_) => Belongs::Elsewhere,
        None if studies.len() == 1 && studies.contains(here.study) => Belongs::Here,
        None => Belongs::NotTold,
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::ScheduledFor;

    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn step(status: StepStatus, studies: &[&str], series: &[(&str, &[&str])]) -> PerformedStep {
        let scheduled = |study: &&str| ScheduledFor { study: uid(study), accession: String::new() };
        let made = |(series, images): &(&str, &[&str])| PerformedSeries {
            series: uid(series),
            images: images.iter().map(|it| uid(it)).collect(),
            documents: vec![uid("9.9")],
        };
        PerformedStep {
            status,
            discontinued: "moved".into(),
            scheduled: studies.iter().map(scheduled).collect(),
            series: series.iter().map(made).collect(),
            ..PerformedStep::default()
        }
    }

    fn found(steps: &[PerformedStep], homes: &[(&str, &str)], served: &[&str]) -> StepFacts {
        let mut by_series: BTreeMap<Uid, BTreeSet<Uid>> = BTreeMap::new();
        for (series, study) in homes {
            by_series.entry(uid(series)).or_default().insert(uid(study));
        }
        let served = served.iter().map(|it| uid(it)).collect();
        let study = uid("1");
        let steps: Vec<&PerformedStep> = steps.iter().collect();
        of_steps(&steps, Here { study: &study, homes: &by_series, served: &served })
    }

    #[test]
    fn pictures_are_compared_one_by_one_and_extra_ones_take_no_ones_place() {
        let made: [(&str, &[&str]); 2] = [("1.1", &["5.1", "5.2"]), ("1.2", &["5.3", "5.2"])];
        let told = [step(StepStatus::Completed, &["1"], &made)];
        let facts = found(&told, &[("1.1", "1")], &["5.1", "7.1", "7.2", "9.9"]);
        assert_eq!((facts.expected_images, facts.received_images), (3, 1));
        assert_eq!(facts.missing, ["5.2", "5.3"]);
        let short = |n: usize| (facts.short_series[n].expected, facts.short_series[n].received);
        assert_eq!((short(0), short(1)), ((2, 1), (2, 0)));
        assert_eq!(facts.missing_documents, 0);
        assert!(facts.is_exact());
        let all = found(&told, &[("1.1", "1")], &["5.1", "5.2", "5.3"]);
        assert_eq!((all.expected_images, all.received_images, all.missing_documents), (3, 3, 1));
        assert!(all.missing.is_empty() && all.short_series.is_empty());
    }

    #[test]
    fn only_completed_steps_expect_something() {
        let made: [(&str, &[&str]); 1] = [("1.1", &["5.1"])];
        let told = [
            step(StepStatus::InProgress, &["1"], &made),
            step(StepStatus::Discontinued, &["1"], &made),
            step(StepStatus::Completed, &["1"], &[("1.3", &[])]),
        ];
        let facts = found(&told, &[], &[]);
        assert_eq!((facts.expected_images, facts.in_progress, facts.discontinued), (0, 1, 1));
        assert_eq!(facts.discontinued_why, "moved");
        assert!(!facts.is_exact());
    }

    #[test]
    fn a_series_is_of_the_study_that_has_it() {
        let made: [(&str, &[&str]); 3] = [("1.1", &["5.1"]), ("1.2", &["5.2"]), ("1.3", &["5.3"])];
        let told = [step(StepStatus::Completed, &["1", "2"], &made)];
        let facts = found(&told, &[("1.1", "1"), ("1.2", "2")], &["5.1"]);
        assert_eq!((facts.expected_images, facts.received_images, facts.unplaced_series), (1, 1, 1));
        // A step that names another study, of which a series came here all the same.
        let told = [step(StepStatus::Completed, &["2"], &made)];
        let facts = found(&told, &[("1.1", "1")], &["5.1"]);
        assert_eq!((facts.expected_images, facts.received_images, facts.unplaced_series), (1, 1, 2));
    }
}
