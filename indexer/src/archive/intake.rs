//! Pictures that somebody brought from elsewhere: noting them, showing who they say they are beside the patient they were
//! brought for, and a person's word that they are one or not.

use serde::Serialize;
use storage_config::Uid;

use super::Archive;
use super::persons::LinkPatients;
use super::related::issuer_of_facility;
use super::stating::{Basis, Said, StateError};
use crate::db::{Db, FacilityId, Kin, PersonRecord, Stated};
use crate::identity::{Birth, Clash, PatientIdIs, Person, clashes};
use crate::query::GroupKey;
use crate::reuse::prior::IdentityStatus;
use crate::statement::{Intake, Kind, PatientLink, State, Who};

/// How somebody who was brought stands to the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody said anything yet: not of the patient's group.
    Open,
    /// Of the patient's group, as a person confirmed.
    Confirmed,
    /// Of the patient's group by number: the same hospital number, or the same personal number with birth date and sex.
    ByNumber,
    /// A person parted them.
    Parted,
    /// A collision between them is open.
    Collision,
}

/// Whom some of the pictures name.
#[derive(Debug, Clone)]
pub struct Brought {
    /// What their headers say.
    pub person: PersonRecord,
    /// Their studies.
    pub studies: Vec<Uid>,
    /// Key of what is said here of the patient that agrees best with it; none where only the number is known.
    pub patient: Option<GroupKey>,
    /// How the person stands to the patient.
    pub standing: Standing,
    /// In what the two contradict each other.
    pub clashes: Vec<Clash>,
    /// What counts of the two, where the next thing would be said of them.
    pub said: Option<Stated>,
}

/// What was brought, and where it stands.
#[derive(Debug, Clone)]
pub struct IntakeSeen {
    /// The statement.
    pub stated: Stated,
    /// What it says.
    pub intake: Intake,
    /// What is said here of the patient under the number; more than one where those differ, none where only the number
    /// is known.
    pub patients: Vec<PersonRecord>,
    /// Whom the pictures name.
    pub brought: Vec<Brought>,
    /// Studies of it of which nothing is served any more.
    pub gone: Vec<Uid>,
}

/// A person's word about somebody who was brought.
#[derive(Debug, Clone)]
pub struct BroughtIs {
    /// The import.
    pub intake: String,
    /// Key of who was brought.
    pub person: GroupKey,
    /// Key of the saying of the patient that was seen beside; without it the one that agrees best.
    pub patient: Option<GroupKey>,
    /// Whether they are one person.
    pub linked: bool,
    /// The document that was seen.
    pub document: String,
}

impl Archive {
    /// Notes what is being brought, under the name of the import; said again as more comes.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn take_in(&self, import: &str, intake: Intake, who: Who) -> Result<Stated, StateError> {
        let state = State::Intake(Box::new(intake));
        let key = import.to_owned();
        self.state(Said { id: None, key, state, based_on: Basis::Current, who, why: String::new() })
    }

    /// What was brought with an import, and how it stands to the patient.
    ///
    /// # Errors
    /// [`StateError::NotFound`] when nothing was brought under this name.
    pub fn intake(&self, import: &str) -> Result<IntakeSeen, StateError> {
        let row = self.db().subject(Kind::Intake, import)?;
        let stated = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
        let stated = stated.ok_or(StateError::NotFound("intake"))?;
        let State::Intake(intake) = &stated.statement.state else {
            return Err(StateError::NotFound("intake"));
        };
        let intake = Intake::clone(intake);
        seen(self, stated, intake)
    }

    /// Says that somebody who was brought is the patient, or is not. Both can be said again and again; what is said last
    /// counts.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotFound`] when the person is not among those who were brought,
    /// [`StateError::Exists`] when a collision is open between the two.
    pub fn confirm_brought(
        &self,
        is: BroughtIs,
        (id, based_on): (Option<String>, Basis),
        (who, why): (Who, String),
    ) -> Result<Stated, StateError> {
        let seen = self.intake(&is.intake)?;
        let brought = seen.brought.iter().find(|brought| brought.person.is_called(&is.person));
        let person = brought.map(|brought| &brought.person);
        let person = person.ok_or(StateError::NotFound("person among those who were brought"))?;
        let named = |key: &GroupKey| seen.patients.iter().find(|patient| patient.is_called(key));
        let patient = match &is.patient {
            Some(key) => Some(named(key).ok_or(StateError::NotFound("patient under the number"))?),
            None => brought.and_then(|brought| named(brought.patient.as_ref()?)),
        };
        if let Some(patient) = patient {
            let (a, b, linked) = (patient.key, person.key, is.linked);
            let link = LinkPatients { a, b, linked, document: is.document };
            return self.link_patients(link, (id, based_on), (who, why));
        }
        // Nothing came under the patient's number yet: it is said of the number, for whatever comes.
        let link = of_number(person, &seen.intake, is.linked);
        let state = PatientLink { document: is.document, ..link };
        self.state(Said { id, key: state.key(), state: State::PatientLink(state), based_on, who, why })
    }
}

fn seen(archive: &Archive, stated: Stated, intake: Intake) -> Result<IntakeSeen, StateError> {
    let db = archive.db();
    let own = kin(db, &intake)?;
    let mut patients: Vec<PersonRecord> = own
        .members
        .iter()
        .filter(|member| member.status == IdentityStatus::SameHospitalNumber)
        .map(|member| member.record.clone())
        .filter(|record| record.is_called(&intake.patient()))
        .collect();
    let clashing = own.clashing.iter().map(|(record, _)| record.clone());
    patients.extend(clashing.filter(|record| record.is_called(&intake.patient())));
    let around: Vec<Kin> =
        patients.iter().filter_map(|patient| db.kin(&patient.key).transpose()).collect::<Result<_, _>>()?;
    let rules = db.identity_rules();
    let mut brought: Vec<Brought> = Vec::new();
    let mut gone = Vec::new();
    for study in &intake.studies {
        let Some((key, _)) = db.keys_of_study(study)? else {
            gone.push(study.clone());
            continue;
        };
        if let Some(known) = brought.iter_mut().find(|known| known.person.key == key) {
            known.studies.push(study.clone());
            continue;
        }
        let Some(person) = db.person(&key)? else { continue };
        let standings = around.iter().chain([&own]).map(|kin| standing(kin, &person));
        let standing = standings.min_by_key(|standing| rank(*standing)).unwrap_or(Standing::Open);
        let compared = patients
            .iter()
            .map(|patient| (clashes(&patient.person, &person.person, &rules.policy), patient.key));
        let nearest = compared.min_by_key(|(clashes, _)| clashes.len());
        let said = match &nearest {
            Some((_, patient)) if *patient != person.key => archive.said_of(*patient, person.key)?,
            Some(_) => None,
            None => said_of_number(db, &person, &intake)?,
        };
        let (clashes, patient) = nearest.map_or((Vec::new(), None), |(clashes, key)| (clashes, Some(key)));
        brought.push(Brought { person, studies: vec![study.clone()], patient, standing, clashes, said });
    }
    Ok(IntakeSeen { stated, intake, patients, brought, gone })
}

/// Who is around the number alone.
fn kin(db: &Db, intake: &Intake) -> Result<Kin, StateError> {
    let issuer = match intake.issuer.as_str() {
        "" if intake.facility > 0 => issuer_of_facility(FacilityId(intake.facility)),
        issuer => issuer.to_owned(),
    };
    let number = Person {
        issuer: Some(issuer),
        hospital_number: Some(intake.patient_id.clone()),
        patient_id_is: PatientIdIs::Patient,
        temporary: false,
        name: None,
        birth: Birth::Unknown,
        sex: None,
        identifiers: Vec::new(),
    };
    Ok(db.kin_of(&number)?)
}

fn standing(kin: &Kin, person: &PersonRecord) -> Standing {
    if let Some(member) = kin.members.iter().find(|member| member.record.key == person.key) {
        return match member.status {
            IdentityStatus::ConfirmedByPerson => Standing::Confirmed,
            _ => Standing::ByNumber,
        };
    }
    if kin.anchor.key == person.key {
        return Standing::ByNumber;
    }
    if kin.parted.iter().any(|key| person.is_called(key)) {
        return Standing::Parted;
    }
    match kin.clashing.iter().any(|(record, _)| record.key == person.key) {
        true => Standing::Collision,
        false => Standing::Open,
    }
}

/// What the patient's sayings say together: of one that clashes nobody may be told as confirmed.
fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::Collision => 0,
        Standing::Confirmed => 1,
        Standing::Parted => 2,
        Standing::ByNumber => 3,
        Standing::Open => 4,
    }
}

/// A link between somebody who was brought and a number under which nothing is here.
fn of_number(person: &PersonRecord, intake: &Intake, linked: bool) -> PatientLink {
    let own = if person.stands_alone() { person.key } else { person.number };
    PatientLink::between(own, intake.patient(), linked)
}

fn said_of_number(db: &Db, person: &PersonRecord, intake: &Intake) -> Result<Option<Stated>, StateError> {
    let row = db.subject(Kind::PatientLink, &of_number(person, intake, true).key())?;
    Ok(row.and_then(|row| Some(Stated { version: row.version, statement: row.current? })))
}
