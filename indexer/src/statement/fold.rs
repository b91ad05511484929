//! Which statements of a subject count: compare-and-set by version, in one order that all readers agree on.
//!
//! The outcome depends on the set of statements alone. The index decides in pieces with [`Fold`]; [`decide`] is the
//! same over a whole set, against which tests hold it.

use std::collections::BTreeMap;

use super::{Statement, Subject};

/// Decides the statements of one subject, one after the other in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fold {
    version: Option<u64>,
}

impl Fold {
    /// Goes on after `version`; none where nothing was stated yet.
    #[must_use]
    pub fn from(version: Option<u64>) -> Fold {
        Fold { version }
    }

    /// The version that the next statement makes. None: the subject has another version than the one it was based on,
    /// so it is superseded.
    pub fn take(&mut self, based_on: Option<u64>) -> Option<u64> {
        if based_on != self.version {
            return None;
        }
        self.version = Some(based_on.unwrap_or(0) + 1);
        self.version
    }

    /// The version of the subject after what was taken.
    #[must_use]
    pub fn version(self) -> Option<u64> {
        self.version
    }
}

/// What is known of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided<'a> {
    /// The statement that counts.
    pub current: &'a Statement,
    /// The version it made.
    pub version: u64,
    /// Statements that lost, in order.
    pub superseded: Vec<&'a Statement>,
}

/// The state of all subjects of a set of statements, in whatever order and however often they come.
pub fn decide<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> BTreeMap<Subject, Decided<'a>> {
    let mut ordered: Vec<&Statement> = statements.into_iter().collect();
    ordered.sort_by(|one, other| (&one.subject, one.order()).cmp(&(&other.subject, other.order())));
    ordered.dedup_by(|one, other| one.subject == other.subject && one.order() == other.order());
    let mut all: BTreeMap<Subject, (Fold, Decided<'a>)> = BTreeMap::new();
    let mut lost: Vec<&Statement> = Vec::new();
    for statement in ordered {
        let known = all.get_mut(&statement.subject);
        let mut fold = known.as_ref().map_or(Fold::default(), |(fold, _)| *fold);
        match (fold.take(statement.based_on), known) {
            (Some(version), Some((kept, decided))) => {
                *kept = fold;
                (decided.current, decided.version) = (statement, version);
            }
            (Some(version), None) => {
                let decided = Decided { current: statement, version, superseded: Vec::new() };
                all.insert(statement.subject.clone(), (fold, decided));
            }
            (None, _) => lost.push(statement),
        }
    }
    for statement in lost {
        if let Some((_, decided)) = all.get_mut(&statement.subject) {
            decided.superseded.push(statement);
        }
    }
    all.into_iter().map(|(subject, (_, decided))| (subject, decided)).collect()
}
