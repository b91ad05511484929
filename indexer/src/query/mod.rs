//! Queries as values: what QIDO-RS and C-FIND ask, free of both (PS3.4 C.2.2.2, PS3.18 8.3.4).
//!
//! A face turns its keys into [`Match`]es here, once, and gets rows back. This module knows no SQL; `db` answers.

mod matching;
mod page;
mod scope;

pub use matching::{Match, QueryError, Range, Text};
pub use page::{Exam, Page, PageKey, PagePart, QueryRow};
pub use scope::{GroupKey, IdentityGroup, NotAKey, PatientScope};

/// Most rows of one page.
pub const LIMIT_MAX: u32 = 5_000;
/// Rows of a page where the caller names no limit.
pub const LIMIT_DEFAULT: u32 = 1_000;
/// Most rows that may be skipped by number; beyond it pages go on by key.
pub const OFFSET_MAX: u32 = 1_000_000;

/// What one row stands for (PS3.4 C.6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// A patient.
    Patient,
    /// A study.
    Study,
    /// A series.
    Series,
    /// An instance.
    Instance,
}

/// A query: rows of one level that match all keys, newest study first.
#[derive(Debug, Clone)]
pub struct Query {
    /// What one row stands for.
    pub level: Level,
    /// What must match. Keys of a level below ask for at least one entity there that matches them all.
    pub keys: Vec<Match>,
    /// Whose studies are asked for.
    pub scope: PatientScope,
    /// Whether names match by the beginnings of their words (PS3.18 8.3.4.2, fuzzymatching).
    pub fuzzy: bool,
    /// Whether ranges of StudyDate and StudyTime given together are one range of moments (PS3.4 C.2.2.2.5).
    pub combined_date_time: bool,
    /// Whether rows also hold the attributes of the levels above.
    pub with_parents: bool,
    /// Most rows of the page.
    pub limit: u32,
    /// Rows to skip.
    pub offset: u32,
    /// The key of the page before, to go on from there.
    pub after: Option<PageKey>,
}

impl Query {
    /// A query for all of a level.
    #[must_use]
    pub fn new(level: Level) -> Query {
        Query {
            level,
            keys: Vec::new(),
            scope: PatientScope::Everyone,
            fuzzy: false,
            combined_date_time: true,
            with_parents: false,
            limit: LIMIT_DEFAULT,
            offset: 0,
            after: None,
        }
    }

    /// Adds a key as a peer gave it: attribute tag (`0xggggeeee`) and value, in UTF-8. False if matching on this
    /// attribute is not supported, which the face tells its caller. An empty value matches everything.
    ///
    /// # Errors
    /// When the value cannot be one of that attribute, or asks for more than a query may.
    pub fn key(&mut self, tag: u32, value: &str) -> Result<bool, QueryError> {
        self.take(Match::parse(tag, value)?)
    }

    /// Adds a key on an attribute in the items of a sequence, both as tags. Supported is
    /// ProcedureCodeSequence (0008,1032) with CodeValue (0008,0100). False if it is not, as [`Query::key`].
    ///
    /// # Errors
    /// As [`Query::key`].
    pub fn key_within(&mut self, sequence: u32, tag: u32, value: &str) -> Result<bool, QueryError> {
        self.take(Match::parse_within(sequence, tag, value)?)
    }

    fn take(&mut self, parsed: matching::Parsed) -> Result<bool, QueryError> {
        match parsed {
            matching::Parsed::Unsupported => Ok(false),
            matching::Parsed::Universal => Ok(true),
            matching::Parsed::Key(key) => {
                self.keys.push(key);
                Ok(true)
            }
        }
    }
}
