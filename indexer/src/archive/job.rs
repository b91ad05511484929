//! One instance on its way from its sender to the packs, and what its sender is told.

use storage_config::{ContentHash, Uid};

use super::budget::Share;
use super::error::{StoreError, StoreErrorKind};
use super::pool::Chunk;
use crate::dataset::attributes::Attributes;
use crate::db::FacilityId;
use crate::record::InstanceBody;

/// What became of a stored instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was not here before.
    New,
    /// This facility already had it; nothing was written.
    Duplicate,
    /// Another facility already had it; only the holding was written.
    Holding,
    /// Another instance with the same SOP Instance UID is here already; both are kept.
    Version,
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What became of it.
    pub outcome: Outcome,
    /// SOP Class UID.
    pub sop_class: Uid,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// Study Instance UID.
    pub study: Uid,
    /// Series Instance UID.
    pub series: Uid,
    /// Digest of the instance.
    pub digest: ContentHash,
    /// Bytes of the data set.
    pub length: u64,
    /// Bytes of the data set that did not need to be written because they were here already.
    pub saved: u64,
}

/// What a sender said its instance is; checked against the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// SOP Class UID of the request.
    pub sop_class: Option<Uid>,
    /// SOP Instance UID of the request.
    pub sop_instance: Option<Uid>,
    /// Study Instance UID of the request.
    pub study: Option<Uid>,
}

type Tell = Box<dyn FnOnce(Result<Stored, StoreError>) + Send>;

/// Tells the sender, exactly once: also when it is dropped on the way, which only a defect can cause.
pub(crate) struct Done(Option<Tell>);

impl Done {
    pub(crate) fn new(tell: impl FnOnce(Result<Stored, StoreError>) + Send + 'static) -> Done {
        Done(Some(Box::new(tell)))
    }

    pub(crate) fn tell(mut self, result: Result<Stored, StoreError>) {
        if let Some(tell) = self.0.take() {
            count(&result);
            tell(result);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(Err(StoreError::Unavailable("the archive stopped before the instance was stored".into())));
        }
    }
}

/// Counts what a sender is told. Depth 1 of deduplication is the whole instance, depth 2 its bulk values.
fn count(result: &Result<Stored, StoreError>) {
    match result {
        Ok(stored) => {
            let (outcome, depth) = match stored.outcome {
                Outcome::New => ("new", "2"),
                Outcome::Version => ("version", "2"),
                Outcome::Duplicate => ("duplicate", "1"),
                Outcome::Holding => ("holding", "1"),
            };
            metrics::counter!("archive_instances_total", "outcome" => outcome).increment(1);
            metrics::counter!("archive_stored_bytes_total")
                .increment(stored.length - stored.saved.min(stored.length));
            metrics::counter!("archive_saved_bytes_total", "depth" => depth).increment(stored.saved);
        }
        Err(error) => {
            let kind = match error.kind() {
                StoreErrorKind::DataSet => "data_set",
                StoreErrorKind::Mismatch => "mismatch",
                StoreErrorKind::OutOfResources => "out_of_resources",
                StoreErrorKind::TooLarge => "too_large",
                StoreErrorKind::Internal => "internal",
            };
            metrics::counter!("archive_refused_total", "kind" => kind).increment(1);
        }
    }
}

/// Where the bytes of one bulk value of a job are.
pub(crate) enum BulkBytes {
    /// In memory, to be appended.
    Memory(Vec<Chunk>),
    /// Not at hand: another copy was durable, or on its way, when this one was dropped.
    Elsewhere,
}

/// An instance that is ready to be deduplicated and appended.
pub(crate) struct Job {
    pub(crate) body: InstanceBody,
    pub(crate) digest: ContentHash,
    /// Parallel to `body.bulk`.
    pub(crate) bulk: Vec<BulkBytes>,
    pub(crate) facility: FacilityId,
    /// Taken when the instance record is appended.
    pub(crate) attributes: Option<Box<Attributes>>,
    pub(crate) study: Uid,
    pub(crate) series: Uid,
    /// Held while the header is in memory.
    pub(crate) _header: Share,
    pub(crate) done: Done,
}

impl Job {
    /// Bytes of the data set.
    pub(crate) fn length(&self) -> u64 {
        self.body.length()
    }

    /// What the sender is told if all goes well.
    pub(crate) fn stored(&self, outcome: Outcome, saved: u64) -> Stored {
        Stored {
            outcome,
            sop_class: self.body.sop_class.clone(),
            sop_instance: self.body.sop_instance.clone(),
            study: self.study.clone(),
            series: self.series.clone(),
            digest: self.digest,
            length: self.length(),
            saved,
        }
    }
}
