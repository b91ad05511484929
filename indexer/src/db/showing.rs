//! What studies show: the attributes of one of their instances, its patient and person, the words of the name.

use crate::db::sql::params;

use super::ahead::LookUp;
use super::coding;
use super::error::DbError;
use super::patient::{self, PatientKey};
use super::person::{self, Saying};
use super::session::Session;
use super::study::Shown;
use super::touched::{Candidate, Touched};
use super::word::{self, Listed};
use crate::identity::IdentityRules;

const SHOWN: &str = "SELECT name_folded, patient_row, study_uid, person_row, newest FROM study WHERE id = ?1";
const TO_SHOW: &str = "SELECT v.name_folded, v.patient_id, v.issuer, i.facility_id, i.patient_scope, \
     v.name, v.birth_date, v.sex, v.identifiers, v.newest FROM instance i JOIN study_variant v ON v.id = i.study_variant_id WHERE i.id = ?1";
const SHOW: &str = "UPDATE study SET winner_rank = ?2, winner_ms = ?3, winner_digest = ?4, winner_id = ?5, \
     variant_id = ?6, patient_row = ?7, person_row = ?8, (newest, patient_id, issuer, name_folded, name_sorted, birth_date, sex, \
     study_date, study_time, accession, study_id, description_folded, referring_folded) = \
     (SELECT newest, patient_id, issuer, name_folded, name_sorted, birth_date, sex, study_date, study_time, \
     accession, study_id, description_folded, referring_folded FROM study_variant WHERE id = ?6) WHERE id = ?1";
const CLEAR: &str = "UPDATE study SET winner_rank = NULL, winner_ms = NULL, winner_digest = NULL, winner_id = NULL, \
     variant_id = NULL, patient_row = NULL, person_row = ?2, newest = '', patient_id = '', issuer = '', name_folded = '', \
     name_sorted = '', birth_date = '', sex = '', study_date = '', study_time = '', accession = '', study_id = '', \
     description_folded = '', referring_folded = '' WHERE id = ?1";
/// Of a study of which nothing is served: the one that would speak for it.
const LEAST_HIDDEN: &str = "SELECT i.id FROM series r JOIN instance i ON i.series_row = r.id AND i.version <> 0 WHERE r.study_row = ?1 \
     ORDER BY i.rank, i.received_ms, i.digest LIMIT 1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[LEAST_HIDDEN, SHOWN, TO_SHOW, SHOW, CLEAR];

/// What a study shows of its patient, and by what it is found.
struct Before {
    listed: Listed,
    patient: Option<i64>,
    uid: String,
    person: Option<i64>,
}

/// A study whose attributes are those of another instance from now on.
struct ToShow {
    study: i64,
    candidate: Candidate,
    before: Before,
    listed: Listed,
    saying: Saying,
}

/// Has studies show what they are to.
pub(super) fn show(session: &Session<'_>, shown: &[(i64, Shown)], touched: &Touched) -> Result<(), DbError> {
    let rules = &*touched.rules;
    look_ahead(session, shown, touched)?;
    let mut all = Vec::with_capacity(shown.len());
    for (study, shown) in shown {
        match shown {
            Shown::Same => {}
            // What it gives up may be what another takes up.
            Shown::Nothing => clear(session, *study, rules)?,
            Shown::By(candidate) => all.push(to_show(session, *study, candidate, touched)?),
        }
    }
    look_ahead_of_people(session, &all, rules)?;
    all.iter().try_for_each(|one| show_one(session, one, rules))
}

/// Looks up at once what the studies show by now, and what those say who are to be shown.
fn look_ahead(session: &Session<'_>, shown: &[(i64, Shown)], touched: &Touched) -> Result<(), DbError> {
    let changed = shown.iter().filter(|(_, shown)| !matches!(shown, Shown::Same)).map(|(study, _)| *study);
    let known: Vec<i64> = changed.filter(|study| !touched.new_studies.contains_key(study)).collect();
    let instances: Vec<i64> = shown
        .iter()
        .filter_map(|(_, shown)| match shown {
            Shown::By(candidate) => Some(candidate.instance),
            Shown::Same | Shown::Nothing => None,
        })
        .collect();
    session.look_ahead(&[LookUp::of_rows(SHOWN, &known), LookUp::of_rows(TO_SHOW, &instances)])
}

/// Looks up at once who is known of those that are to be shown, and the words of their names.
fn look_ahead_of_people(session: &Session<'_>, all: &[ToShow], rules: &IdentityRules) -> Result<(), DbError> {
    if !session.is_far() {
        return Ok(());
    }
    let names = all.iter().flat_map(|one| [one.before.listed.name.as_str(), one.listed.name.as_str()]);
    session.look_ahead(&[
        patient::rows_ahead(all.iter().map(|one| &one.saying.patient)),
        word::rows_ahead(names),
    ])?;
    let sayings: Vec<(&Saying, &str)> =
        all.iter().map(|one| (&one.saying, one.before.uid.as_str())).collect();
    person::look_ahead(session, &sayings, rules)
}

fn to_show(
    session: &Session<'_>,
    study: i64,
    candidate: &Candidate,
    touched: &Touched,
) -> Result<ToShow, DbError> {
    let before = match touched.new_studies.get(&study) {
        Some(uid) => Before { listed: Listed::default(), patient: None, uid: uid.to_string(), person: None },
        None => before(session, study)?.ok_or(DbError::Invalid("study"))?,
    };
    let (listed, saying) = said_by(session, candidate.instance, &before.uid)?;
    Ok(ToShow { study, candidate: *candidate, before, listed, saying })
}

fn before(session: &Session<'_>, study: i64) -> Result<Option<Before>, DbError> {
    session.row(SHOWN, [study], |row| {
        let listed = Listed { name: row.get(0)?, newest: row.get(4)? };
        Ok(Before { listed, patient: row.get(1)?, uid: row.get(2)?, person: row.get(3)? })
    })
}

/// Empties what a study shows: all of it is withdrawn. Of whom it was stays known, so that it is never taken for somebody
/// else's who has the same number.
fn clear(session: &Session<'_>, study: i64, rules: &IdentityRules) -> Result<(), DbError> {
    let Some(before) = before(session, study)? else { return Ok(()) };
    let least = session.row(LEAST_HIDDEN, [study], |row| row.get(0))?;
    let person = match least {
        Some(instance) => {
            let (_, saying) = said_by(session, instance, &before.uid)?;
            Some(person::row_of(session, &saying, &before.uid, rules)?)
        }
        None => None,
    };
    session.execute(CLEAR, params![study, person])?;
    word::replace(session, study, &before.listed, &Listed::default())?;
    leave(session, &before, (None, person))
}

/// By what an instance has its study found, and what it says of the person of its study.
fn said_by(session: &Session<'_>, instance: i64, study_uid: &str) -> Result<(Listed, Saying), DbError> {
    let said = session.row(TO_SHOW, [instance], |row| {
        let (patient_id, issuer): (String, String) = (row.get(1)?, row.get(2)?);
        let (facility, scope): (u32, String) = (row.get(3)?, row.get(4)?);
        let patient = PatientKey::new(&patient_id, &issuer, facility, &scope, study_uid);
        let (name, birth_date, sex, identifiers) = (row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?);
        let listed = Listed { name: row.get(0)?, newest: row.get(9)? };
        Ok((listed, Saying { patient, name, birth_date, sex, identifiers }))
    })?;
    said.ok_or(DbError::Invalid("instance"))
}

fn show_one(session: &Session<'_>, one: &ToShow, rules: &IdentityRules) -> Result<(), DbError> {
    let ToShow { study, candidate, before, listed, saying } = one;
    let patient = patient::row_of(session, &saying.patient)?;
    let person = person::row_of(session, saying, &before.uid, rules)?;
    let precedence = &candidate.precedence;
    let params = params![
        *study,
        precedence.rank,
        precedence.received_ms,
        &precedence.digest[..],
        candidate.instance,
        candidate.variant,
        patient,
        person,
    ];
    session.add(SHOW, params)?;
    word::replace(session, *study, &before.listed, listed)?;
    // Only a study that somebody was known of before can have codes.
    if before.person.is_some() && before.listed.newest != listed.newest {
        coding::moved(session, *study, &listed.newest)?;
    }
    leave(session, before, (Some(patient), Some(person)))
}

/// Forgets whom a study showed before, if it was the last one of theirs.
fn leave(
    session: &Session<'_>,
    before: &Before,
    (patient, person): (Option<i64>, Option<i64>),
) -> Result<(), DbError> {
    if let Some(old) = before.person.filter(|old| Some(*old) != person) {
        person::drop_unused(session, old)?;
    }
    before.patient.filter(|old| Some(*old) != patient).map_or(Ok(()), |old| patient::drop_empty(session, old))
}
