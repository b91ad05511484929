//! What a device says of a performed procedure step (PS3.4 F.7.2): from the attributes of N-CREATE and N-SET to the full
//! state of the step.
//!
//! As little is demanded as is needed: a device whose step is refused shows an error to people who cannot mend it. Pure:
//! it reads a data set that went through the bounded scan, and knows no rows and no messages.

use std::collections::{BTreeSet, HashMap};

use dicom_dictionary_std::tags;
use storage_config::Uid;

use crate::dataset::charset::{CharacterSets, SiteDefault, TextNotes};
use crate::dataset::text::{Text, is_string, shown};
use crate::dataset::{DataSet, Items, Tag, Value, Vr};
use crate::statement::{
    PerformedSeries, PerformedStep, STEP_CHARS_MAX, STEP_INSTANCES_MAX, STEP_SERIES_MAX, STEP_STUDIES_MAX,
    ScheduledFor, StepStatus,
};

/// What is wrong with what a device says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepFault {
    /// An attribute that is needed is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An attribute that is needed has no value.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// The value of an attribute is none that it can have.
    #[error("{0} is invalid")]
    Invalid(&'static str),
    /// There is more of something than this archive takes.
    #[error("more than {1} {0}")]
    TooMany(&'static str, usize),
}

const STATUS: &str = "PerformedProcedureStepStatus (0040,0252)";
const SCHEDULED: &str = "ScheduledStepAttributesSequence (0040,0270)";
const STUDY: &str = "StudyInstanceUID (0020,000D)";
const PERFORMED: &str = "PerformedSeriesSequence (0040,0340)";
const SERIES: &str = "SeriesInstanceUID (0020,000E)";
const IMAGES: &str = "ReferencedImageSequence (0008,1140)";
const DOCUMENTS: &str = "ReferencedNonImageCompositeSOP... (0040,0220)";
const INSTANCE: &str = "ReferencedSOPInstanceUID (0008,1155)";

/// The state of a step that N-CREATE describes, told by `source` of a facility.
///
/// # Errors
/// When the status is not IN PROGRESS, when no study is named, and as [`changed`].
pub fn created(root: &DataSet<'_>, facility: u32, source: &str) -> Result<PerformedStep, StepFault> {
    match status(root)?.ok_or(StepFault::Missing(STATUS))? {
        StepStatus::InProgress => {}
        StepStatus::Completed | StepStatus::Discontinued => return Err(StepFault::Invalid(STATUS)),
    }
    let scheduled = scheduled(root)?;
    let empty = PerformedStep { facility, source: source.to_owned(), scheduled, ..PerformedStep::default() };
    changed(&empty, root)
}

/// The state of a step after an N-SET: what is told takes the place of what was told before, sequences as a whole.
/// For whom and for which studies a step is made is not changed by it.
///
/// # Errors
/// When a value is none that its attribute can have, a series or an instance is not named, or there are too many.
pub fn changed(before: &PerformedStep, root: &DataSet<'_>) -> Result<PerformedStep, StepFault> {
    let texts = Texts::of(root);
    let told = |tags: &[Tag], before: &str| texts.joined(root, tags).unwrap_or_else(|| before.to_owned());
    Ok(PerformedStep {
        facility: before.facility,
        source: before.source.clone(),
        status: status(root)?.unwrap_or(before.status),
        discontinued: texts.discontinued(root).unwrap_or_else(|| before.discontinued.clone()),
        station: told(&[tags::PERFORMED_STATION_AE_TITLE], &before.station),
        step: told(&[tags::PERFORMED_PROCEDURE_STEP_ID], &before.step),
        modality: told(&[tags::MODALITY], &before.modality),
        started: told(
            &[tags::PERFORMED_PROCEDURE_STEP_START_DATE, tags::PERFORMED_PROCEDURE_STEP_START_TIME],
            &before.started,
        ),
        ended: told(
            &[tags::PERFORMED_PROCEDURE_STEP_END_DATE, tags::PERFORMED_PROCEDURE_STEP_END_TIME],
            &before.ended,
        ),
        scheduled: before.scheduled.clone(),
        series: series(root)?.unwrap_or_else(|| before.series.clone()),
    })
}

fn status(root: &DataSet<'_>) -> Result<Option<StepStatus>, StepFault> {
    let Some(element) = root.get(tags::PERFORMED_PROCEDURE_STEP_STATUS) else { return Ok(None) };
    let text = String::from_utf8_lossy(element.bytes().unwrap_or_default()).to_ascii_uppercase();
    match text.trim_matches([' ', '\0']) {
        "" => Err(StepFault::Empty(STATUS)),
        "IN PROGRESS" => Ok(Some(StepStatus::InProgress)),
        "COMPLETED" => Ok(Some(StepStatus::Completed)),
        "DISCONTINUED" => Ok(Some(StepStatus::Discontinued)),
        _ => Err(StepFault::Invalid(STATUS)),
    }
}

/// The items of a sequence; none where it is absent or has no item.
fn items<'a>(
    holder: &DataSet<'a>,
    tag: Tag,
    name: &'static str,
) -> Result<Option<Option<Items<'a>>>, StepFault> {
    match holder.get(tag).map(|element| element.value) {
        None => Ok(None),
        Some(Value::Sequence(items)) => Ok(Some(Some(items).filter(|items| !items.is_empty()))),
        Some(Value::Bytes([])) => Ok(Some(None)),
        Some(_) => Err(StepFault::Invalid(name)),
    }
}

/// A UID; none where it is absent or empty.
fn uid(holder: &DataSet<'_>, tag: Tag, name: &'static str) -> Result<Option<Uid>, StepFault> {
    let Some(bytes) = holder.get(tag).and_then(|element| element.bytes()) else { return Ok(None) };
    if bytes.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(None);
    }
    Uid::parse_bytes(bytes).map(Some).map_err(|_| StepFault::Invalid(name))
}

/// For which studies a step was scheduled: at least one has to be named.
fn scheduled(root: &DataSet<'_>) -> Result<Vec<ScheduledFor>, StepFault> {
    let found = items(root, tags::SCHEDULED_STEP_ATTRIBUTES_SEQUENCE, SCHEDULED)?;
    let found = found.ok_or(StepFault::Missing(SCHEDULED))?.ok_or(StepFault::Empty(SCHEDULED))?;
    let texts = Texts::of(root);
    let mut all: Vec<ScheduledFor> = Vec::new();
    for item in &found {
        let Some(study) = uid(&item, tags::STUDY_INSTANCE_UID, STUDY)? else { continue };
        let accession = texts.joined(&item, &[tags::ACCESSION_NUMBER]).unwrap_or_default();
        let scheduled = ScheduledFor { study, accession };
        if !all.contains(&scheduled) {
            all.push(scheduled);
        }
        if all.len() > STEP_STUDIES_MAX {
            return Err(StepFault::TooMany("scheduled studies", STEP_STUDIES_MAX));
        }
    }
    if all.is_empty() { Err(StepFault::Missing(STUDY)) } else { Ok(all) }
}

/// What was made; none where nothing is told of it. Items that name one series are one.
fn series(root: &DataSet<'_>) -> Result<Option<Vec<PerformedSeries>>, StepFault> {
    let Some(found) = items(root, tags::PERFORMED_SERIES_SEQUENCE, PERFORMED)? else { return Ok(None) };
    let mut all: Vec<PerformedSeries> = Vec::new();
    let mut places: HashMap<Uid, usize> = HashMap::new();
    let mut left = STEP_INSTANCES_MAX;
    for item in found.iter().flatten() {
        let images = references(&item, tags::REFERENCED_IMAGE_SEQUENCE, IMAGES, &mut left)?;
        let documents = references(
            &item,
            tags::REFERENCED_NON_IMAGE_COMPOSITE_SOP_INSTANCE_SEQUENCE,
            DOCUMENTS,
            &mut left,
        )?;
        let Some(series) = uid(&item, tags::SERIES_INSTANCE_UID, SERIES)? else {
            if images.is_empty() && documents.is_empty() {
                continue;
            }
            return Err(StepFault::Missing(SERIES));
        };
        let place = *places.entry(series.clone()).or_insert(all.len());
        if place == STEP_SERIES_MAX {
            return Err(StepFault::TooMany("series", STEP_SERIES_MAX));
        }
        if place == all.len() {
            all.push(PerformedSeries { series, images: Vec::new(), documents: Vec::new() });
        }
        if let Some(known) = all.get_mut(place) {
            known.images.extend(images);
            known.documents.extend(documents);
        }
    }
    for one in &mut all {
        once(&mut one.images);
        once(&mut one.documents);
    }
    Ok(Some(all))
}

/// The instances that a sequence refers to, of at most `left` that may still be named.
fn references(
    holder: &DataSet<'_>,
    tag: Tag,
    name: &'static str,
    left: &mut usize,
) -> Result<Vec<Uid>, StepFault> {
    let mut all = Vec::new();
    for item in items(holder, tag, name)?.flatten().iter().flatten() {
        let instance = uid(&item, tags::REFERENCED_SOP_INSTANCE_UID, INSTANCE)?;
        all.push(instance.ok_or(StepFault::Missing(INSTANCE))?);
        *left = left.checked_sub(1).ok_or(StepFault::TooMany("instances", STEP_INSTANCES_MAX))?;
    }
    Ok(all)
}

/// Leaves out what stands there already; the order stays.
fn once(all: &mut Vec<Uid>) {
    let mut seen = BTreeSet::new();
    all.retain(|one| seen.insert(one.clone()));
}

/// Texts of the step in its character sets.
struct Texts(CharacterSets);

impl Texts {
    fn of(root: &DataSet<'_>) -> Texts {
        let declared = root.get(tags::SPECIFIC_CHARACTER_SET).and_then(|element| element.bytes());
        Texts(match declared {
            Some(terms) => CharacterSets::declared(terms, SiteDefault::NONE),
            None => CharacterSets::undeclared(SiteDefault::NONE),
        })
    }

    /// The values of attributes in one text; none where none of them is there.
    fn joined(&self, holder: &DataSet<'_>, tags: &[Tag]) -> Option<String> {
        let text = |tag: &Tag| {
            let element = holder.get(*tag)?;
            let vr = if is_string(element.vr) { element.vr } else { Vr::LO };
            let read = Text::read(vr, element.bytes()?, &self.0, &mut TextNotes::default());
            Some(shown(read.whole(), STEP_CHARS_MAX))
        };
        let told: Vec<String> = tags.iter().filter_map(text).collect();
        if told.is_empty() {
            return None;
        }
        let joined = told.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        Some(shown(&joined, STEP_CHARS_MAX))
    }

    /// Why a step was stopped, in the words of the device.
    fn discontinued(&self, root: &DataSet<'_>) -> Option<String> {
        let reasons = root.get(tags::PERFORMED_PROCEDURE_STEP_DISCONTINUATION_REASON_CODE_SEQUENCE)?;
        let item = reasons.first_item()?;
        self.joined(&item, &[tags::CODE_MEANING])
    }
}
