//! Saying something: one statement from request to row.
//!
//! Checks come first, then the record, durable, then the rows, then the answer. Statements on one subject, and requests
//! with one id, take turns; others share the syncs of the group lane.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

use serde::Serialize;
use storage_config::ContentHash;

use super::error::{StoreError, StoreErrorKind};
use super::group_lane::Saying;
use super::{Archive, Shared};
use crate::db::{Db, DbError, DbErrorKind, FacilityId, Stated};
use crate::statement::{
    DatedCode, Facility, HybridTime, ServedVersion, State, Statement, StatementError, Subject, Who,
};

/// Which version of its subject a statement is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Basis {
    /// Whatever counts when it is taken.
    Current,
    /// Exactly this one; none: nothing was stated yet. Another one is [`StateError::Version`].
    Exactly(Option<u64>),
}

/// What somebody says.
#[derive(Debug, Clone)]
pub struct Said {
    /// The client's idempotency key; without one each request is a statement of its own.
    pub id: Option<String>,
    /// Key of the subject.
    pub key: String,
    /// Its full new state.
    pub state: State,
    /// What it is based on.
    pub based_on: Basis,
    /// Who says it.
    pub who: Who,
    /// Why.
    pub why: String,
}

/// Why something was not stated. Unless it is [`StateErrorKind::Unavailable`] nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A part of it is wrong.
    #[error(transparent)]
    Invalid(#[from] StatementError),
    /// What it is about is not here.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Somebody said something else meanwhile.
    #[error("the subject has version {}", current.map_or("none".to_owned(), |version| version.to_string()))]
    Version {
        /// The version that counts.
        current: Option<u64>,
    },
    /// There is one already, with the same value of this field.
    #[error("there is one already with this {0}")]
    Exists(&'static str),
    /// What is there does not allow it: the field, and why.
    #[error("{1}")]
    Conflicts(&'static str, String),
    /// Something else was said under this id.
    #[error("something else was said under this id")]
    IdTaken,
    /// It is not known whether it was stated, or it was not; the same request under the same id tells.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index could not be read.
    #[error("index: {0}")]
    Index(#[from] DbError),
}

/// The kinds of [`StateError`] that a face needs to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateErrorKind {
    /// The request is wrong.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// It contradicts what was said before.
    Conflict,
    /// Trying again later will help.
    Unavailable,
    /// A defect of this program.
    Internal,
}

impl StateError {
    /// What a face needs to know.
    #[must_use]
    pub fn kind(&self) -> StateErrorKind {
        match self {
            StateError::Invalid(_) => StateErrorKind::Invalid,
            StateError::NotFound(_) => StateErrorKind::NotFound,
            StateError::Version { .. }
            | StateError::IdTaken
            | StateError::Exists(_)
            | StateError::Conflicts(..) => StateErrorKind::Conflict,
            StateError::Store(error) => match error.kind() {
                StoreErrorKind::OutOfResources => StateErrorKind::Unavailable,
                _ => StateErrorKind::Internal,
            },
            StateError::Index(error) => match error.kind() {
                DbErrorKind::Unavailable | DbErrorKind::Full => StateErrorKind::Unavailable,
                _ => StateErrorKind::Internal,
            },
        }
    }
}

/// A field of a request that is wrong.
pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> StateError {
    StateError::Invalid(StatementError { field, reason: reason.into() })
}

/// What is being said at the moment: subjects and ids.
#[derive(Default)]
pub(crate) struct Turns {
    taken: Mutex<HashSet<Turn>>,
    freed: Condvar,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Turn {
    /// What the ledger says: one entry follows the other.
    Ledger,
    /// Decisions about an order.
    Decision(String),
    /// A facility's number of an order.
    Placer(u32, String),
    /// A facility's accession number of an order.
    Accession(u32, String),
    Id(String),
    Subject(Subject),
}

/// A turn that ends when it is dropped.
pub(super) struct Taken<'a> {
    turns: &'a Turns,
    turn: Turn,
}

impl Turns {
    /// Waits until nobody else has the turn. Whoever takes several takes them in the order in which [`Turn`] has them.
    pub(super) fn take(&self, turn: Turn) -> Taken<'_> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while !taken.insert(turn.clone()) {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Taken { turns: self, turn }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.turn);
        self.turns.freed.notify_all();
    }
}

impl Archive {
    /// States something: checked, durable, indexed. The same request under the same id again has the same answer and
    /// does nothing.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn state(&self, said: Said) -> Result<Stated, StateError> {
        let asked = hash_of(&(&said.key, &said.state, said.based_on, &said.who, &said.why))?;
        self.once(said.id.clone(), asked, |_| Ok(said))
    }

    /// States what `make` makes of what is here, by the id under which it is stated. It is not asked when the same
    /// request was answered before; of several at once under one id the others wait for the first.
    pub(super) fn once(
        &self,
        id: Option<String>,
        asked: ContentHash,
        make: impl FnOnce(&str) -> Result<Said, StateError>,
    ) -> Result<Stated, StateError> {
        self.once_unless(|| self.refuses(), id, asked, make)
    }

    /// As [`Archive::once`], for what says that something was removed: it may use the room that is kept free.
    pub(super) fn once_to_make_room(
        &self,
        asked: ContentHash,
        make: impl FnOnce(&str) -> Result<Said, StateError>,
    ) -> Result<Stated, StateError> {
        self.once_unless(|| self.shared.health.refuses_making_room(), None, asked, make)
    }

    fn once_unless(
        &self,
        refuses: impl FnOnce() -> Option<StoreError>,
        id: Option<String>,
        asked: ContentHash,
        make: impl FnOnce(&str) -> Result<Said, StateError>,
    ) -> Result<Stated, StateError> {
        let shared = &self.shared;
        let id = match id {
            Some(id) => id,
            None => random_id(shared)?,
        };
        let _id = shared.turns.take(Turn::Id(id.clone()));
        if let Some(known) = self.stated_before(&id, &asked)? {
            return Ok(known);
        }
        if let Some(error) = refuses() {
            return Err(error.into());
        }
        let said = make(&id)?;
        let subject = Subject { kind: said.state.kind(), key: said.key };
        let _subject = shared.turns.take(Turn::Subject(subject.clone()));
        let row = shared.db.subject(subject.kind, &subject.key)?;
        let current = row.as_ref().and_then(|row| row.version);
        let based_on = match said.based_on {
            Basis::Current => current,
            Basis::Exactly(version) if version == current => current,
            Basis::Exactly(_) => return Err(StateError::Version { current }),
        };
        let time = HybridTime::after(row.map(|row| row.latest), (shared.options.now_ms)());
        let writer = shared.identity.writer;
        let Said { state, who, why, .. } = said;
        let statement = Statement { id, writer, time, subject, based_on, state, who, why, asked };
        statement.check()?;
        check(&shared.db, &statement)?;
        self.append(statement)
    }

    /// What was answered before to the same request under the same id.
    ///
    /// # Errors
    /// [`StateError::IdTaken`] when something else was said under it.
    fn stated_before(&self, id: &str, asked: &ContentHash) -> Result<Option<Stated>, StateError> {
        match self.shared.db.statement(id)? {
            Some(known) if known.statement.asked == *asked => Ok(Some(known)),
            Some(_) => Err(StateError::IdTaken),
            None => Ok(None),
        }
    }

    fn append(&self, statement: Statement) -> Result<Stated, StateError> {
        let stopping = || StoreError::Unavailable("the archive is stopping".into());
        let id = statement.id.clone();
        let (done, answer) = std::sync::mpsc::channel();
        self.shared.group.state(Saying { statement: Box::new(statement), done });
        answer.recv().map_err(|_| stopping())??;
        Ok(self.shared.db.statement(&id)?.ok_or_else(stopping)?)
    }

    /// The internal number of a facility's code; a code not seen before becomes a statement first.
    ///
    /// # Errors
    /// When the statement cannot be stored.
    pub fn facility(&self, code: &str) -> Result<FacilityId, StateError> {
        loop {
            let codes = self.shared.db.facility_codes()?;
            if let Some(known) = codes.iter().rfind(|known| known.code == code) {
                return Ok(known.facility);
            }
            let id = codes.iter().map(|known| known.facility.0).max().unwrap_or(0) + 1;
            let codes = vec![DatedCode { code: code.to_owned(), from: "00000000".into() }];
            let stated = self.state(Said {
                id: None,
                key: id.to_string(),
                state: State::Facility(Facility { codes }),
                based_on: Basis::Exactly(None),
                who: Who::system(),
                why: "a code that was not seen before".into(),
            });
            match stated {
                Ok(stated) if stated.version.is_some() => return Ok(FacilityId(id)),
                // Somebody else took the number, perhaps at another server: it may have been for this very code.
                Ok(_) | Err(StateError::Version { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Hash of a request, by which it is known again.
pub(super) fn hash_of(request: &impl Serialize) -> Result<ContentHash, StateError> {
    let text = serde_json::to_vec(request).map_err(|error| StoreError::Internal(error.to_string()))?;
    Ok(ContentHash::of(&text))
}

/// 128 random bits as text.
fn random_id(shared: &Shared) -> Result<String, StateError> {
    let bits = shared.options.disk.random_id();
    let bits = bits.map_err(|error| StoreError::Unavailable(format!("no random bits: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// Checks a statement against what is here, before it is written.
fn check(db: &Db, statement: &Statement) -> Result<(), StateError> {
    match &statement.state {
        State::Facility(facility) => {
            let own = statement.subject.key.parse().ok();
            let codes = db.facility_codes()?;
            let taken = |code: &DatedCode| {
                codes.iter().any(|known| known.code == code.code && Some(known.facility.0) != own)
            };
            if facility.codes.iter().any(taken) {
                return Err(invalid("code", "is the code of another facility"));
            }
            Ok(())
        }
        State::Withdrawal(_)
        | State::CodeRule(_)
        | State::CodesAssigned(_)
        | State::Order(_)
        | State::Report(_)
        | State::ReuseDecision(_)
        | State::Delivery(_)
        | State::LedgerEntry(_)
        | State::Removal(_)
        | State::Intake(_)
        | State::PerformedStep(_) => Ok(()),
        State::ServedVersion(chosen) => check_versions(db, &statement.subject.key, chosen),
        State::PatientLink(link) => super::persons::check_link(db, link),
        State::Collision(collision) => super::persons::check_collision(db, collision),
        State::PatientNumbers(numbers) => super::persons::check_numbers(db, &statement.subject.key, numbers),
        State::LegalHold(_) | State::StudyCode(_) | State::QualityMark(_) => {
            let study = storage_config::Uid::parse(&statement.subject.key)
                .map_err(|error| invalid("study", error.to_string()))?;
            if db.has_study(&study)? { Ok(()) } else { Err(StateError::NotFound("study")) }
        }
    }
}

/// The chosen version must be one of the subject's that is visible, and the others must be of it too.
fn check_versions(db: &Db, key: &str, chosen: &ServedVersion) -> Result<(), StateError> {
    let mut digests = std::iter::once(&chosen.digest).chain(&chosen.others);
    let is_one = |digest: &ContentHash| {
        let row = db.instance_by_digest(digest)?;
        Ok::<bool, DbError>(row.is_some_and(|row| {
            crate::statement::sop_key(&row.study_uid, &row.series_uid, &row.sop_instance) == key
                && !(row.withdrawn && *digest == chosen.digest)
        }))
    };
    match digests.find_map(|digest| is_one(digest).map(|is| (!is).then_some(())).transpose()) {
        None => Ok(()),
        Some(Ok(())) => Err(StateError::NotFound("version of this instance")),
        Some(Err(error)) => Err(error.into()),
    }
}
