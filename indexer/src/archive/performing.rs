//! Performed procedure steps: from a device's message to the statement about the right step (PS3.4 F.7).
//!
//! Knows attributes and statements; what a message is answered with in DICOM's numbers is the business of the face.

use std::sync::Arc;

use storage_config::Uid;

use super::budget::Share;
use super::error::StoreError;
use super::stating::{Basis, Said, StateError, StateErrorKind};
use super::{Archive, Shared};
use crate::dataset::{DataSet, DataSetError, DataSetErrorKind, Event, ScanLimits, Scanner, Skeleton};
use crate::db::{DbError, FacilityId};
use crate::performed::{StepFault, changed, created};
use crate::statement::{Evidence, Kind, PerformedStep, State, StepStatus, Who};

/// Bytes of one message's data set at most: enough for a step that names as many instances as one may.
pub const STEP_BYTES_MAX: u64 = 8 << 20;
/// How often a change is tried again because somebody said something of the step meanwhile.
const TRIES: u32 = 16;

/// Why what a device says of a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// An attribute is missing or wrong.
    #[error(transparent)]
    Fault(#[from] StepFault),
    /// The data set cannot be read, or goes beyond a limit.
    #[error("{0}")]
    DataSet(#[from] DataSetError),
    /// There is a step of this name already.
    #[error("there is a step with this SOP Instance UID already")]
    Exists,
    /// There is no such step.
    #[error("there is no step with this SOP Instance UID")]
    NotFound,
    /// The step is completed or discontinued.
    #[error("Performed Procedure Step Object may no longer be updated")]
    Closed,
    /// It could not be stated.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The kinds of [`StepError`] that a face needs to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepErrorKind {
    /// An attribute that is needed is not there.
    Missing,
    /// An attribute that is needed has no value.
    Empty,
    /// An attribute has a value that it cannot have.
    Invalid,
    /// More than this archive takes, or not now.
    OutOfResources,
    /// The data set cannot be read.
    DataSet,
    /// The name is taken.
    Exists,
    /// There is no such step.
    NotFound,
    /// The step may no longer be changed.
    Closed,
    /// A defect of this program.
    Internal,
}

impl StepError {
    /// What a face needs to know.
    #[must_use]
    pub fn kind(&self) -> StepErrorKind {
        match self {
            StepError::Fault(StepFault::Missing(_)) => StepErrorKind::Missing,
            StepError::Fault(StepFault::Empty(_)) => StepErrorKind::Empty,
            StepError::Fault(StepFault::Invalid(_)) => StepErrorKind::Invalid,
            StepError::Fault(StepFault::TooMany(..)) => StepErrorKind::OutOfResources,
            StepError::DataSet(error) if error.kind() == DataSetErrorKind::Limit => {
                StepErrorKind::OutOfResources
            }
            StepError::DataSet(_) => StepErrorKind::DataSet,
            StepError::Exists => StepErrorKind::Exists,
            StepError::NotFound => StepErrorKind::NotFound,
            StepError::Closed => StepErrorKind::Closed,
            StepError::State(error) if error.kind() == StateErrorKind::Unavailable => {
                StepErrorKind::OutOfResources
            }
            StepError::State(_) => StepErrorKind::Internal,
        }
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> StepError {
        StepError::State(error.into())
    }
}

impl From<DbError> for StepError {
    fn from(error: DbError) -> StepError {
        StepError::State(error.into())
    }
}

/// Who tells of a step.
#[derive(Debug, Clone)]
pub struct StepTeller {
    /// Whose device it is.
    pub facility: FacilityId,
    /// What it calls itself.
    pub name: String,
    /// `dimse:AE@ADDRESS`.
    pub source: String,
}

/// The attributes of a step as they arrive.
pub struct StepReading {
    scanner: Scanner,
    held: Share,
}

/// The attributes of a step, all of which arrived.
pub struct StepAttributes {
    skeleton: Skeleton,
    _held: Share,
}

impl StepReading {
    /// Takes the next bytes of the data set. Long values, of which a step needs none, are dropped.
    ///
    /// # Errors
    /// When the data set cannot be read, goes beyond a limit, or there is no memory for it now.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StepError> {
        self.scanner.push(bytes, &mut dropped)?;
        if self.held.grow_to(self.scanner.memory()) {
            Ok(())
        } else {
            Err(StoreError::Unavailable("too many large headers at once".into()).into())
        }
    }

    /// The data set is complete.
    ///
    /// # Errors
    /// When it is cut short or cannot be read.
    pub fn finish(self) -> Result<StepAttributes, StepError> {
        Ok(StepAttributes { skeleton: self.scanner.finish(&mut dropped)?, _held: self.held })
    }
}

fn dropped(_: Event<'_>) -> Result<(), DataSetError> {
    Ok(())
}

impl StepAttributes {
    fn data_set(&self) -> DataSet<'_> {
        DataSet::new(&self.skeleton)
    }
}

impl Archive {
    /// Begins to read the attributes of a step in a transfer syntax.
    ///
    /// # Errors
    /// As [`Archive::refuses`].
    pub fn begin_step(&self, transfer_syntax: &Uid) -> Result<StepReading, StepError> {
        if let Some(error) = self.refuses() {
            return Err(error.into());
        }
        let shared: &Arc<Shared> = &self.shared;
        let of_site = shared.options.scan;
        let limits = ScanLimits {
            instance_bytes: of_site.instance_bytes.min(STEP_BYTES_MAX),
            inflate_bytes: of_site.inflate_bytes.min(STEP_BYTES_MAX),
            ..of_site
        };
        let held = shared.headers.share();
        Ok(StepReading { scanner: Scanner::new(transfer_syntax, limits), held })
    }

    /// States a step that a device begins (N-CREATE, PS3.4 F.7.2.1); its SOP Instance UID, which is made here where the
    /// device gives none. Durable and indexed when this returns.
    ///
    /// # Errors
    /// [`StepError`]; nothing is stated then.
    pub fn create_step(
        &self,
        named: Option<&Uid>,
        teller: &StepTeller,
        attributes: &StepAttributes,
    ) -> Result<Uid, StepError> {
        let step = created(&attributes.data_set(), teller.facility.0, &teller.source)?;
        let uid = match named {
            Some(uid) => uid.clone(),
            None => self.new_uid()?,
        };
        if self.tell_step(&uid, None, teller, step)? { Ok(uid) } else { Err(StepError::Exists) }
    }

    /// States what a device changes of a step (N-SET, PS3.4 F.7.2.2). Durable and indexed when this returns.
    ///
    /// # Errors
    /// [`StepError::NotFound`] also where another facility's device began the step: nobody is told what others have here.
    pub fn change_step(
        &self,
        uid: &Uid,
        teller: &StepTeller,
        attributes: &StepAttributes,
    ) -> Result<(), StepError> {
        for _ in 0..TRIES {
            let row = self.db().subject(Kind::PerformedStep, uid.as_str())?;
            let current = row.and_then(|row| row.version.zip(row.current));
            let (version, statement) = current.ok_or(StepError::NotFound)?;
            let State::PerformedStep(before) = statement.state else { return Err(StepError::NotFound) };
            if before.facility != teller.facility.0 {
                return Err(StepError::NotFound);
            }
            if before.status != StepStatus::InProgress {
                return Err(StepError::Closed);
            }
            let step = changed(&before, &attributes.data_set())?;
            if self.tell_step(uid, Some(version), teller, step)? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("others change the step all the time".into()).into())
    }

    /// States a step on a version of it; whether that version still counted.
    fn tell_step(
        &self,
        uid: &Uid,
        based_on: Option<u64>,
        teller: &StepTeller,
        step: PerformedStep,
    ) -> Result<bool, StepError> {
        let said = Said {
            id: None,
            key: uid.to_string(),
            state: State::PerformedStep(Box::new(step)),
            based_on: Basis::Exactly(based_on),
            // An AE title is a label, not a credential.
            who: Who { name: teller.name.clone(), by: Evidence::Claimed },
            why: String::new(),
        };
        match self.state(said) {
            Ok(stated) => Ok(stated.version.is_some()),
            Err(StateError::Version { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A UID of 128 random bits (PS3.5 B.2).
    fn new_uid(&self) -> Result<Uid, StepError> {
        let unavailable = |what: String| StoreError::Unavailable(format!("no random bits: {what}"));
        let bits = self.shared.options.disk.random_id().map_err(|error| unavailable(error.to_string()))?;
        let text = format!("2.25.{}", u128::from_be_bytes(bits));
        Uid::parse(&text).map_err(|error| unavailable(error.to_string()).into())
    }
}
