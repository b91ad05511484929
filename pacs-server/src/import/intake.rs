//! What is brought for a patient: noted as a statement while the files come, so that it is known with whatever of them is
//! stored, who took them in and for whom. It joins nobody; a person confirms that, with the document seen.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use indexer::archive::{Archive, StateError};
use indexer::db::FacilityId;
use indexer::statement::{INTAKE_STUDIES_MAX, Intake, Who};
use serde::{Deserialize, Serialize};
use storage_config::Uid;

use super::ImportJob;
use super::tally::FileOutcome;

/// The patient for whom files are brought: the hospital number at a facility here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalPatient {
    /// Code of the facility whose number it is; none where facilities are not told apart.
    #[serde(default)]
    pub facility: Option<String>,
    /// Issuer of the number, where it is another than the facility.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The number (PatientID).
    pub patient_id: String,
}

/// The note of one import.
pub(super) struct Noting {
    archive: Archive,
    name: String,
    who: Who,
    of: Intake,
    /// Never held while something is said: it is taken on the archive's own threads.
    seen: Mutex<BTreeSet<Uid>>,
    /// How many of them were said.
    said: Mutex<usize>,
    any_said: AtomicBool,
}

impl Noting {
    /// The note of the import `name`, as `job` says it; none where it is for nobody in particular.
    ///
    /// # Errors
    /// When the facility of the number is not known.
    pub(super) fn of(
        archive: &Archive,
        name: String,
        (job, origin): (&ImportJob, FacilityId),
        who: Who,
    ) -> Result<Option<Noting>, StateError> {
        let Some(patient) = &job.patient else { return Ok(None) };
        let facility = match &patient.facility {
            Some(code) => archive.known_facility("patient.facility", code)?.0,
            None => 0,
        };
        let of = Intake {
            origin: origin.0,
            facility,
            issuer: patient.issuer.clone().unwrap_or_default(),
            patient_id: patient.patient_id.trim().to_owned(),
            label: job.source.clone().unwrap_or_default(),
            studies: Vec::new(),
        };
        let (archive, seen, said) = (archive.clone(), Mutex::default(), Mutex::default());
        Ok(Some(Noting { archive, name, who, of, seen, said, any_said: AtomicBool::new(false) }))
    }

    /// The name of the import.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sees what became of a file.
    pub(super) fn saw(&self, outcome: &FileOutcome) {
        let FileOutcome::Stored { stored, .. } = outcome else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < INTAKE_STUDIES_MAX && !seen.contains(&stored.study) {
            seen.insert(stored.study.clone());
        }
    }

    /// Says what was seen since it was said last. Waits for the disk; not to be called on the archive's own threads.
    ///
    /// # Errors
    /// When it cannot be said now; it can be tried again.
    pub(super) fn say(&self) -> Result<(), StateError> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let studies: Vec<Uid> =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        if studies.len() == *said {
            return Ok(());
        }
        let count = studies.len();
        self.archive.take_in(&self.name, Intake { studies, ..self.of.clone() }, self.who.clone())?;
        *said = count;
        self.any_said.store(true, Ordering::Release);
        Ok(())
    }

    /// The same, trying again later where it fails now.
    pub(super) fn say_or_later(&self) {
        if let Err(error) = self.say() {
            tracing::warn!(%error, "who brought what was not noted yet");
        }
    }

    /// Whether anything was said.
    pub(super) fn is_said(&self) -> bool {
        self.any_said.load(Ordering::Acquire)
    }
}
