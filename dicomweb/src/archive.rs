//! All calls into the archive: what this crate asks for, in the archive's types, and the archive's errors, in ours.

use bytes::Bytes;
use indexer::archive::{
    Archive, Expect, InstanceReader, Origin, Outcome, ReadError, Store, StoreError, StoreErrorKind, Stored,
};
use indexer::dataset::part10::{self, Ready};
use indexer::db::{Db, DbError, DbErrorKind, FacilityId, InstanceRow, Scope};
use indexer::query::GroupKey;
use storage_config::{ContentHash, Uid};

use crate::error::Error;
use crate::outgoing::Cut;
use crate::path::Named;
use crate::store::{Failure, PartResult, StoredRow, WARNING_DIFFERS, reason};

/// Who stores: put into a request's extensions by whoever checked it.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The facility that holds what is stored.
    pub facility: FacilityId,
    /// `stow:NAME@ADDRESS`.
    pub source: String,
    /// Whether this source's PatientID is a counter per order.
    pub patient_id_is_order: bool,
}

/// Whether the archive takes stores at the moment.
///
/// # Errors
/// When it does not.
pub fn admits(archive: &Archive) -> Result<(), Error> {
    match archive.refuses() {
        Some(error) => {
            tracing::warn!(kind = ?error.kind(), "a STOW-RS request was refused");
            Err(Error::Unavailable("the archive takes no instances at the moment; try again later"))
        }
        None => Ok(()),
    }
}

/// One part of a STOW-RS request on its way into the archive. After a failure the rest of the part is ignored.
pub struct Intake {
    archive: Archive,
    sender: Sender,
    study: Option<Uid>,
    stage: Stage,
    identity: Option<(Uid, Uid)>,
}

enum Stage {
    /// In the preamble and file meta information.
    Head(part10::Part10),
    /// In the data set.
    DataSet(Box<Store>),
    /// Refused.
    Failed { reason: u16, passing: bool },
}

impl Intake {
    /// An intake for an instance of `sender`, which has to be of `study` if that is given.
    pub fn new(archive: Archive, sender: Sender, study: Option<Uid>) -> Intake {
        Intake { archive, sender, study, stage: Stage::Head(part10::Part10::new()), identity: None }
    }

    /// SOP Class and SOP Instance UID by the file meta information.
    pub fn identity(&self) -> Option<(Uid, Uid)> {
        self.identity.clone()
    }

    /// Whether [`Intake::push`] and [`Intake::finish`] may wait for the disk.
    pub fn would_block(&self) -> bool {
        matches!(&self.stage, Stage::DataSet(store) if store.would_block())
    }

    /// Takes the next bytes of the part.
    pub fn push(&mut self, bytes: &[u8]) {
        let pushed = match &mut self.stage {
            Stage::Head(reader) => match reader.push(bytes) {
                Ok(Some(ready)) => self.begin(ready),
                Ok(None) => Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "a part of a STOW-RS request was refused");
                    Err(REFUSED)
                }
            },
            Stage::DataSet(store) => store.push(bytes).map_err(|error| failed(&error)),
            Stage::Failed { .. } => Ok(()),
        };
        if let Err(stage) = pushed {
            self.stage = stage;
        }
    }

    /// Ends the part. `tell` is called once, when the instance is durable and indexed or when it is refused.
    pub fn finish(mut self, tell: impl FnOnce(PartResult) + Send + 'static) {
        if let Stage::Head(reader) = self.stage {
            // A file that is shorter than any usual one may still be whole.
            self.stage = REFUSED;
            if let Some(stage) = reader.finish().ok().and_then(|ready| self.begin(ready).err()) {
                self.stage = stage;
            }
        }
        let Intake { study, stage, identity, .. } = self;
        let (reason, passing) = match stage {
            Stage::DataSet(store) => {
                let (sop_class, sop_instance) = identity.clone().unzip();
                let expect = Expect { sop_class, sop_instance, study };
                return store.finish(&expect, move |result| tell(part_result(result, identity)));
            }
            Stage::Failed { reason, passing } => (reason, passing),
            Stage::Head(_) => (reason::PROCESSING, false),
        };
        tell(PartResult::Failed { failure: Failure { reason, identity }, passing });
    }

    /// Begins the store with what is there of the data set.
    fn begin(&mut self, Ready { meta, head, rest }: Ready<'_>) -> Result<(), Stage> {
        if meta.is_dicomdir() {
            // It describes a medium, it is no instance to keep.
            self.identity = meta.media_storage_sop_class.zip(meta.media_storage_sop_instance);
            return Err(Stage::Failed { reason: reason::SOP_CLASS, passing: false });
        }
        self.identity = meta.media_storage_sop_class.zip(meta.media_storage_sop_instance);
        if meta.guessed {
            // PS3.18 8.7.3.1 has file meta information in each part; without its transfer syntax a compressed
            // image could be kept under a wrong one.
            return Err(REFUSED);
        }
        let origin = Origin {
            facility: self.sender.facility,
            source: self.sender.source.clone(),
            patient_id_is_order: self.sender.patient_id_is_order,
            issuer: String::new(),
            transfer_syntax: meta.transfer_syntax,
        };
        let mut store = self.archive.begin(origin).map_err(|error| failed(&error))?;
        for piece in [&head[..], rest] {
            store.push(piece).map_err(|error| failed(&error))?;
        }
        self.stage = Stage::DataSet(Box::new(store));
        Ok(())
    }
}

/// A part that is not understood.
const REFUSED: Stage = Stage::Failed { reason: reason::NOT_UNDERSTOOD, passing: false };

/// The table of store errors to Failure Reasons. Logs what the sender is not told, without identifiers.
fn failed(error: &StoreError) -> Stage {
    let kind = error.kind();
    match error {
        StoreError::Mismatch { what, .. } => tracing::warn!(what, "an instance is not what its request says"),
        error => tracing::warn!(%error, "an instance of a STOW-RS request was not stored"),
    }
    let reason = match kind {
        StoreErrorKind::DataSet => reason::NOT_UNDERSTOOD,
        StoreErrorKind::Mismatch => reason::MISMATCH,
        StoreErrorKind::OutOfResources | StoreErrorKind::TooLarge => reason::RESOURCES,
        StoreErrorKind::Internal => reason::PROCESSING,
    };
    Stage::Failed { reason, passing: kind == StoreErrorKind::OutOfResources }
}

fn part_result(result: Result<Stored, StoreError>, identity: Option<(Uid, Uid)>) -> PartResult {
    match result {
        Ok(stored) => PartResult::Stored(Box::new(StoredRow {
            // The sender's instance is kept, but what is served under its identifiers is another one.
            warning: (stored.outcome == Outcome::Version).then_some(WARNING_DIFFERS),
            sop_class: stored.sop_class,
            sop_instance: stored.sop_instance,
            study: stored.study,
            series: stored.series,
        })),
        Err(error) => match failed(&error) {
            Stage::Failed { reason, passing } => {
                PartResult::Failed { failure: Failure { reason, identity }, passing }
            }
            _ => PartResult::refused(reason::PROCESSING),
        },
    }
}

/// What is stored of one instance, for retrieving it.
pub struct Found(InstanceRow);

impl From<InstanceRow> for Found {
    fn from(row: InstanceRow) -> Found {
        Found(row)
    }
}

impl Found {
    /// Digest of the instance.
    pub fn digest(&self) -> &ContentHash {
        &self.0.digest
    }

    /// Transfer syntax in which it is stored and sent.
    pub fn transfer_syntax(&self) -> &Uid {
        &self.0.transfer_syntax
    }

    /// Bytes of it as a Part 10 file.
    pub fn part10_length(&self) -> u64 {
        let row = &self.0;
        let header = part10::header(&row.sop_class, &row.sop_instance, &row.transfer_syntax);
        header.len() as u64 + row.length
    }

    /// Opens it as a Part 10 file.
    ///
    /// # Errors
    /// When its bytes cannot be found.
    pub fn open(&self, archive: &Archive) -> Result<Part10, Cut> {
        archive.read(&self.0).map(|reader| Part10 { reader, held: None }).map_err(|error| cut(&error))
    }
}

/// A stored instance as a Part 10 file, chunk by chunk, each verified. A chunk is held back until the next one is
/// read: the last one is given out only after the whole was verified, so that a receiver who counts bytes sees a
/// damaged instance cut.
pub struct Part10 {
    reader: InstanceReader,
    held: Option<Bytes>,
}

impl Iterator for Part10 {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_chunk() {
                Ok(Some(chunk)) => {
                    if let Some(before) = self.held.replace(Bytes::from(chunk)) {
                        return Some(Ok(before));
                    }
                }
                Ok(None) => return self.held.take().map(Ok),
                Err(error) => return Some(Err(cut(&error))),
            }
        }
    }
}

/// Logs why stored bytes could not be read.
pub fn cut(error: &(dyn std::error::Error + 'static)) -> Cut {
    tracing::error!(%error, "stored bytes could not be read");
    metrics::counter!("dicomweb_cut_answers_total").increment(1);
    Cut { away: matches!(error.downcast_ref(), Some(ReadError::Away(_))) }
}

/// Rows of one read of the index.
const PAGE: usize = 1000;

/// The served instances that a path names, by series and instance number.
///
/// # Errors
/// When there is none, or the index cannot be read.
pub async fn instances(archive: &Archive, named: Named) -> Result<Vec<Found>, Error> {
    let study = named.study.ok_or_else(|| Error::invalid("StudyInstanceUID", "the path names no study"))?;
    let scope = Scope { study, series: named.series, instance: named.instance };
    let (archive, patient) = (archive.clone(), named.patient);
    let found = blocking(move || {
        let mut found: Vec<Found> = Vec::new();
        if !visible(archive.db(), patient, &scope.study)? {
            return Ok(found);
        }
        loop {
            let after = found.last().map(|last| last.0.after());
            let page = archive.db().instances_of(&scope, after.as_ref(), PAGE)?;
            let last = page.len() < PAGE;
            found.extend(page.into_iter().map(Found));
            if last {
                return Ok(found);
            }
        }
    });
    match found.await? {
        found if found.is_empty() => Err(Error::NotFound("nothing is stored under these identifiers")),
        found => Ok(found),
    }
}

/// Whether a study may be seen from below the path of `patient`.
///
/// # Errors
/// When the index cannot be read.
pub fn visible(db: &Db, patient: Option<GroupKey>, study: &Uid) -> Result<bool, DbError> {
    let Some(key) = patient else { return Ok(true) };
    match db.identity_group(&[key])? {
        Some(group) => db.group_has_study(&group, study),
        None => Ok(false),
    }
}

/// Opens an instance away from the threads that serve sockets.
///
/// # Errors
/// When its bytes cannot be found.
pub async fn open(archive: &Archive, found: &Found) -> Result<Part10, Error> {
    let (archive, found) = (archive.clone(), Found(found.0.clone()));
    let opened = tokio::task::spawn_blocking(move || found.open(&archive)).await;
    opened.unwrap_or(Err(Cut::BROKEN)).map_err(Error::from)
}

/// Runs a read of the index on a blocking thread.
///
/// # Errors
/// When the index cannot be read.
pub async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, DbError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result.map_err(|error| unread(&error)),
        Err(_) => Err(Error::Internal("the index could not be read")),
    }
}

/// Logs why the index could not be read.
pub fn unread(error: &DbError) -> Error {
    if error.kind() == DbErrorKind::Unavailable {
        tracing::warn!(%error, "the index could not be read now");
        return Error::Unavailable("the index is busy; try again later");
    }
    tracing::error!(%error, "the index could not be read");
    Error::Internal("the index could not be read; the archive's log says more")
}
