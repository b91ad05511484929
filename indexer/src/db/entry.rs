//! What goes into the index: records of packs as rows see them, and small notes that no pack keeps.

use storage_config::{ContentHash, Uid};

use super::object::PackObject;
use crate::dataset::attributes::Attributes;
use crate::statement::Statement;

/// A pack as rows name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackId(pub i64);

/// A facility, as packs and rows name it; its codes change, this does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FacilityId(pub u32);

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The pack.
    pub pack: PackId,
    /// Position of the record in the pack, in bytes.
    pub offset: u64,
    /// Length of the record's body as stored, in bytes.
    pub length: u64,
}

/// An instance record.
#[derive(Debug, Clone)]
pub struct InstanceEntry {
    /// Where the record is.
    pub place: Place,
    /// Digest of the instance.
    pub digest: ContentHash,
    /// Transfer syntax in which it was received and is kept.
    pub transfer_syntax: Uid,
    /// The facility that holds it by this record.
    pub facility: FacilityId,
    /// Who sent it.
    pub source: String,
    /// What PatientID is unique in, where it is not unique to a person (it counts orders): an order or a study.
    /// Empty where PatientID means a patient.
    pub patient_scope: String,
    /// Milliseconds since 1970-01-01 UTC by this server's clock.
    pub received_ms: i64,
    /// Bytes of the data set.
    pub length: u64,
    /// Hashes of its bulk values, in order.
    pub bulk: Vec<ContentHash>,
    /// The frame table, where there is one.
    pub frames: Option<Vec<u8>>,
    /// The bulk value that the frame table is about; none where the pixels are so small that they are none.
    pub pixels: Option<ContentHash>,
    /// What the data set says.
    pub attributes: Attributes,
    /// What the data set has against the standard, in words.
    pub notes: Vec<String>,
}

/// One record of a pack.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A bulk value.
    Bulk {
        /// Its SHA-256.
        hash: ContentHash,
        /// Where it is.
        place: Place,
    },
    /// An instance.
    Instance(Box<InstanceEntry>),
    /// A facility has an instance that was here already.
    Holding {
        /// The instance.
        digest: ContentHash,
        /// The facility.
        facility: FacilityId,
        /// Who sent it.
        source: String,
        /// When, in milliseconds since 1970-01-01 UTC.
        received_ms: i64,
        /// Where the record is.
        place: Place,
    },
    /// What people or systems said.
    Statement {
        /// Where the record is.
        place: Place,
        /// The statement.
        statement: Box<Statement>,
        /// Whether what counts is decided by [`Db::decide_statements`] and not at once: for many at a time.
        ///
        /// [`Db::decide_statements`]: super::Db::decide_statements
        later: bool,
    },
    /// A record that cannot become rows.
    Unindexable {
        /// Its pack.
        pack: PackId,
        /// Its position.
        offset: u64,
        /// Why, without patient data.
        reason: String,
    },
}

/// Records in append order and the marks up to which their packs are indexed: applied together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The records, in append order of each pack.
    pub entries: Vec<Entry>,
    /// How far each pack is indexed once the batch is applied.
    pub checkpoints: Vec<(PackId, u64)>,
    /// What entries rely on that was there before, by the number of the entry. Where it is gone by now, which only another
    /// server can have done, the entry is left out and [`Applied::Gone`].
    pub relies_on: Vec<(usize, ReliesOn)>,
}

/// What an entry relies on without bringing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReliesOn {
    /// A bulk value that an instance names.
    Bulk(ContentHash),
    /// An instance that a facility holds.
    Instance(ContentHash),
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// An instance that was not known.
    New,
    /// An instance that was not known, of a SOP Instance UID that was; what it is against the one that is served.
    Version(ConflictKind),
    /// Known, and this facility was known to hold it.
    Duplicate,
    /// Known, but not that this facility holds it.
    Holding,
    /// A bulk value, statement or unindexable record was noted.
    Noted,
    /// Left out: what it relies on was removed meanwhile.
    Gone,
}

/// Why two instances, or one study, need a person's eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConflictKind {
    /// Equal bulk values under other patient attributes from another source: perhaps a mix-up of patients.
    Identity,
    /// Equal bulk values under another header, from the same source with the same UIDs: a correction.
    Correction,
    /// The same SOP Instance UID with other content.
    Content,
    /// The instances of one study name different patients.
    StudyPatients,
    /// One SOP Instance UID under two studies or series; served in each.
    SharedUid,
}

impl ConflictKind {
    pub(super) fn number(self) -> i64 {
        match self {
            ConflictKind::Identity => 1,
            ConflictKind::Correction => 2,
            ConflictKind::Content => 3,
            ConflictKind::StudyPatients => 4,
            ConflictKind::SharedUid => 5,
        }
    }

    pub(super) fn of_number(number: i64) -> Option<ConflictKind> {
        Some(match number {
            1 => ConflictKind::Identity,
            2 => ConflictKind::Correction,
            3 => ConflictKind::Content,
            4 => ConflictKind::StudyPatients,
            5 => ConflictKind::SharedUid,
            _ => return None,
        })
    }
}

/// A note that no pack keeps: background work in small transactions of its own.
#[derive(Debug, Clone)]
pub enum Job {
    /// A pack was sealed at this length.
    PackSealed {
        /// The pack.
        pack: PackId,
        /// Its length in bytes.
        length: u64,
    },
    /// A sealed pack is an object of the bucket, read back.
    PackUploaded(PackObject),
    /// A copy of a bulk value does not match its hash.
    BulkDamaged {
        /// The bulk value.
        hash: ContentHash,
        /// The damaged copy.
        place: Place,
    },
    /// A known peer did something.
    PeerSeen {
        /// Its AE title, or the name of its token.
        ae_title: String,
        /// Its address without the port.
        address: String,
        /// When, in milliseconds since 1970-01-01 UTC.
        at_ms: i64,
        /// What it did.
        what: PeerEvent,
    },
    /// A caller that is not configured was refused.
    UnknownPeer {
        /// Its AE title.
        ae_title: String,
        /// Its address without the port.
        address: String,
        /// The AE title it called.
        called: String,
        /// When, in milliseconds since 1970-01-01 UTC.
        at_ms: i64,
    },
}

/// What a known peer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// A verification.
    Echo,
    /// A store that was acknowledged.
    Store,
    /// Something failed; in words without patient data.
    Error(String),
}
