//! Who is one person, as people say it: links, partings, doubts, and the numbers that they evidence.

use storage_config::Uid;

use super::Archive;
use super::stating::{Basis, Said, StateError, invalid};
use crate::db::{Db, GROUP_PATIENTS_MAX, PersonRecord, Stated};
use crate::identity::Relation;
use crate::query::GroupKey;
use crate::statement::{Collision, Finding, Kind, PatientLink, PatientNumbers, State, Who};

/// What somebody says of two patients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPatients {
    /// The one: key of a patient.
    pub a: GroupKey,
    /// The other.
    pub b: GroupKey,
    /// Whether they are one person; if not, they are never offered as one again.
    pub linked: bool,
    /// The document that was seen; empty where none was named.
    pub document: String,
}

impl Archive {
    /// Links two patients, or parts them. It is said of their numbers, so that it holds for all that comes under them;
    /// of what is said under a number that several people share, or that stands for nobody, it is said of that alone.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when a key names nobody, [`StateError::Exists`] when a collision is
    /// open between the two, which has to be resolved and not passed over.
    pub fn link_patients(
        &self,
        link: LinkPatients,
        (id, based_on): (Option<String>, Basis),
        (who, why): (Who, String),
    ) -> Result<Stated, StateError> {
        let (a, b) = self.level(&link)?;
        let state = PatientLink { document: link.document, ..PatientLink::between(a, b, link.linked) };
        self.state(Said { id, key: state.key(), state: State::PatientLink(state), based_on, who, why })
    }

    /// What counts of two patients, where somebody would say the next thing of them; none where nobody said anything.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when a key names nobody.
    pub fn said_of(&self, a: GroupKey, b: GroupKey) -> Result<Option<Stated>, StateError> {
        let link = LinkPatients { a, b, linked: true, document: String::new() };
        let (a, b) = self.level(&link)?;
        let row = self.db().subject(Kind::PatientLink, &PatientLink::between(a, b, true).key())?;
        Ok(row.and_then(|row| Some(Stated { version: row.version, statement: row.current? })))
    }

    /// The keys under which something is said of a pair.
    fn level(&self, link: &LinkPatients) -> Result<(GroupKey, GroupKey), StateError> {
        let db = self.db();
        let a = named(db, &link.a, "patient a")?;
        let b = named(db, &link.b, "patient b")?;
        let shared = |record: &PersonRecord| {
            let kin = db.kin(&record.key)?;
            Ok::<bool, StateError>(kin.is_some_and(|kin| !kin.clashing.is_empty()))
        };
        let alone = a.number == b.number || a.stands_alone() || b.stands_alone();
        if alone || shared(&a)? || shared(&b)? { Ok((a.key, b.key)) } else { Ok((a.number, b.number)) }
    }

    /// Opens a collision because somebody doubts that a study is of a patient: until it is resolved the study stands
    /// alone, and is nobody's prior. `patient` is the key of whom it was thought to be of.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when there is no such patient or nothing of the study is served.
    pub fn open_collision(
        &self,
        patient: &GroupKey,
        study: &Uid,
        id: Option<String>,
        (who, why): (Who, String),
    ) -> Result<Stated, StateError> {
        let db = self.db();
        let person = named(db, patient, "patient")?;
        let (now, alone) = db.keys_of_study(study)?.ok_or(StateError::NotFound("study"))?;
        // A study that stands alone was taken for the person's by what somebody said of it: the doubt is about all that
        // comes under the person's number.
        let by_number = now == alone && now != person.key && !person.stands_alone();
        let of = if by_number { person.number } else { person.key };
        let state = Collision { study: Some(study.clone()), ..Collision::between(of, alone, Finding::Open) };
        let (key, state) = (state.key(), State::Collision(state));
        self.state(Said { id, key, state, based_on: Basis::Current, who, why })
    }

    /// Resolves a collision, whoever opened it, or opens it again.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when there is none between the two.
    pub fn resolve_collision(
        &self,
        (a, b): (GroupKey, GroupKey),
        (finding, document): (Finding, String),
        (id, based_on): (Option<String>, Basis),
        (who, why): (Who, String),
    ) -> Result<Stated, StateError> {
        let pair = Collision::between(a, b, finding);
        let before = self.db().subject(Kind::Collision, &pair.key())?.and_then(|row| row.current);
        let study = match before.map(|statement| statement.state) {
            Some(State::Collision(before)) => before.study,
            _ => None,
        };
        let state = Collision { study, document, ..pair };
        self.state(Said { id, key: state.key(), state: State::Collision(state), based_on, who, why })
    }
}

fn named(db: &Db, key: &GroupKey, what: &'static str) -> Result<PersonRecord, StateError> {
    db.person(key)?.ok_or(StateError::NotFound(what))
}

pub(super) fn check_link(db: &Db, link: &PatientLink) -> Result<(), StateError> {
    for (what, key) in [("patient a", &link.a), ("patient b", &link.b)] {
        if !db.has_patient(key)? {
            return Err(StateError::NotFound(what));
        }
    }
    if !link.linked {
        return Ok(());
    }
    if link.document.trim().is_empty() {
        return Err(invalid("document", "is missing: which document was seen"));
    }
    let together = db.linked_patients(link.a)?.len() + db.linked_patients(link.b)?.len();
    if together > GROUP_PATIENTS_MAX {
        return Err(invalid("b", format!("more than {GROUP_PATIENTS_MAX} patients would be one person")));
    }
    match db.relation(&link.a, &link.b)? {
        Some(Relation::Collision(_)) => Err(StateError::Exists("b")),
        _ => Ok(()),
    }
}

pub(super) fn check_collision(db: &Db, collision: &Collision) -> Result<(), StateError> {
    if collision.finding == Finding::OnePerson && collision.document.trim().is_empty() {
        return Err(invalid("document", "is missing: which document was seen"));
    }
    if db.subject(Kind::Collision, &collision.key())?.is_some() {
        return Ok(());
    }
    let doubted = collision.study.is_some() && collision.finding == Finding::Open;
    if doubted && (db.has_patient(&collision.a)? || db.has_patient(&collision.b)?) {
        return Ok(());
    }
    match db.relation(&collision.a, &collision.b)? {
        Some(Relation::Collision(_)) => Ok(()),
        Some(_) if collision.finding == Finding::Open => Ok(()),
        _ => Err(StateError::NotFound("collision")),
    }
}

pub(super) fn check_numbers(db: &Db, key: &str, numbers: &PatientNumbers) -> Result<(), StateError> {
    // A number that somebody evidences may link.
    if !numbers.identifiers.is_empty() && numbers.document.trim().is_empty() {
        return Err(invalid("document", "is missing: in which document the number was seen"));
    }
    let key = key.parse().map_err(|_| StateError::NotFound("patient"))?;
    if db.has_patient(&key)? { Ok(()) } else { Err(StateError::NotFound("patient")) }
}
