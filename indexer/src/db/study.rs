//! Studies: what their instances say, which of them is shown, and what is counted.

use crate::db::sql::params;
use storage_config::Uid;

use super::coding;
use super::conflict;
use super::error::DbError;
use super::patient::{self, PatientKey};
use super::person::{self, Saying};
use super::row::StudyValues;
use super::session::Session;
use super::touched::{Candidate, Precedence, Touch, Touched};
use super::word::{self, Listed};
use crate::identity::IdentityRules;

const FIND: &str = "SELECT id FROM study WHERE study_uid = ?1";
const INSERT: &str = "INSERT INTO study (study_uid) VALUES (?1)";
const FIND_VARIANT: &str = "SELECT id FROM study_variant WHERE study_row = ?1 AND digest = ?2";
const INSERT_VARIANT: &str = "INSERT INTO study_variant (study_row, digest, newest, patient_id, issuer, \
     name_folded, name_sorted, birth_date, sex, study_date, study_time, accession, study_id, \
     description_folded, referring_folded, json, name, identifiers) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
const WINNER: &str = "SELECT winner_rank, winner_ms, winner_digest FROM study WHERE id = ?1";
const LEAST: &str = "SELECT i.rank, i.received_ms, i.digest, i.id, i.study_variant_id FROM series r \
     JOIN instance i ON i.series_row = r.id AND i.version = 0 WHERE r.study_row = ?1 \
     ORDER BY i.rank, i.received_ms, i.digest LIMIT 1";
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
const MODALITIES: &str = "SELECT DISTINCT modality FROM series WHERE study_row = ?1 AND n_instances > 0 \
     AND modality <> '' ORDER BY modality";
const SET_MODALITIES: &str = "UPDATE study SET modalities = ?2 WHERE id = ?1";
const COUNT: &str = "UPDATE study SET (n_series, n_instances) = (SELECT count(*), coalesce(sum(n_instances), 0) \
     FROM series WHERE study_row = ?1 AND n_instances > 0), generation = generation + 1, \
     changed_ms = CASE WHEN changed_ms < ?2 THEN ?2 ELSE changed_ms END WHERE id = ?1";
const CLASH: &str = "SELECT variants_clash FROM study WHERE id = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    FIND,
    FIND_VARIANT,
    WINNER,
    LEAST,
    LEAST_HIDDEN,
    SHOWN,
    TO_SHOW,
    SHOW,
    CLEAR,
    MODALITIES,
    SET_MODALITIES,
    COUNT,
    CLASH,
];

/// The row of a study, if there is one.
pub(super) fn find(session: &Session<'_>, uid: &str) -> Result<Option<i64>, DbError> {
    session.row(FIND, [uid], |row| row.get(0))
}

/// Whether anything of a study was ever stored, withdrawn or not.
pub(super) fn is_known(session: &Session<'_>, uid: &Uid) -> Result<bool, DbError> {
    Ok(session.row(FIND, [uid.as_str()], |_| Ok(()))?.is_some())
}

/// The row of a study, made when it is new.
pub(super) fn row_of(session: &Session<'_>, uid: &Uid, touched: &mut Touched) -> Result<i64, DbError> {
    if let Some(id) = touched.study_rows.get(uid) {
        return Ok(*id);
    }
    let id = match session.row(FIND, [uid.as_str()], |row| row.get(0))? {
        Some(id) => id,
        None => session.insert(INSERT, [uid.as_str()])?,
    };
    touched.study_rows.insert(uid.clone(), id);
    Ok(id)
}

/// The row of what an instance says of its study, made when nobody said so before.
pub(super) fn variant(
    session: &Session<'_>,
    study: i64,
    values: &StudyValues,
    touched: &mut Touched,
) -> Result<i64, DbError> {
    let digest = values.digest();
    if let Some(id) = touched.study_variants.get(&(study, digest.0)) {
        return Ok(*id);
    }
    let id = match session.row(FIND_VARIANT, params![study, &digest.0[..]], |row| row.get(0))? {
        Some(id) => id,
        None => {
            touched.studies.entry(study).or_default().new_variant = true;
            let v = values;
            let params = params![
                study,
                &digest.0[..],
                v.newest(),
                v.patient_id,
                v.issuer,
                v.name_folded,
                v.name_sorted,
                v.birth_date,
                v.sex,
                v.study_date,
                v.study_time,
                v.accession,
                v.study_id,
                v.description_folded,
                v.referring_folded,
                v.json,
                v.name,
                v.identifiers,
            ];
            session.insert(INSERT_VARIANT, params)?
        }
    };
    touched.study_variants.insert((study, digest.0), id);
    Ok(id)
}

/// Brings a study up to date after its series were.
pub(super) fn settle(
    session: &Session<'_>,
    study: i64,
    touch: &Touch,
    rules: &IdentityRules,
) -> Result<(), DbError> {
    match to_show(session, (WINNER, LEAST), study, touch)? {
        Shown::Same => {}
        Shown::Nothing => clear(session, study, rules)?,
        Shown::By(candidate) => show(session, study, &candidate, rules)?,
    }
    if touch.new_variant {
        conflict::compare_variants(session, study)?;
    }
    if touch.best.is_none() && !touch.look_at_all {
        return Ok(());
    }
    if touch.new_modality {
        let modalities: Vec<String> = session.rows(MODALITIES, [study], |row| row.get(0))?;
        session.execute(SET_MODALITIES, params![study, listed(&modalities)])?;
    }
    session.execute(COUNT, params![study, touch.changed_ms])?;
    let clash: Option<bool> = session.row(CLASH, [study], |row| row.get(0))?;
    if clash == Some(true) { conflict::compare_patients(session, study, touch.look_at_all) } else { Ok(()) }
}

/// `\CT\SR\`, so that one modality is found by its text between two delimiters; empty for none.
fn listed(modalities: &[String]) -> String {
    if modalities.is_empty() { String::new() } else { format!("\\{}\\", modalities.join("\\")) }
}

/// Whose attributes a study or series shows from now on.
pub(super) enum Shown {
    /// Those of the same instance as before.
    Same,
    /// Those of this one.
    By(Candidate),
    /// No instance is served any more.
    Nothing,
}

/// The instance whose attributes are to be shown from now on, if that changes. The statements are those of a study or
/// of a series.
pub(super) fn to_show(
    session: &Session<'_>,
    (winner, least): (&str, &str),
    id: i64,
    touch: &Touch,
) -> Result<Shown, DbError> {
    if touch.look_at_all {
        let least = session.row(least, [id], |row| {
            let precedence = Precedence { rank: row.get(0)?, received_ms: row.get(1)?, digest: row.get(2)? };
            Ok(Candidate { precedence, instance: row.get(3)?, variant: row.get(4)? })
        })?;
        return Ok(least.map_or(Shown::Nothing, Shown::By));
    }
    let Some(best) = touch.best else { return Ok(Shown::Same) };
    let shown = session.row(winner, [id], |row| {
        let rank: Option<i64> = row.get(0)?;
        Ok(match rank {
            Some(rank) => Some(Precedence { rank, received_ms: row.get(1)?, digest: row.get(2)? }),
            None => None,
        })
    })?;
    let wins = shown.flatten().is_none_or(|shown| best.precedence < shown);
    Ok(if wins { Shown::By(best) } else { Shown::Same })
}

/// What a study shows of its patient: what it is found by, row of the patient, UID, row of the person.
type Before = (Listed, Option<i64>, String, Option<i64>);

fn before(session: &Session<'_>, study: i64) -> Result<Option<Before>, DbError> {
    session.row(SHOWN, [study], |row| {
        let listed = Listed { name: row.get(0)?, newest: row.get(4)? };
        Ok((listed, row.get(1)?, row.get(2)?, row.get(3)?))
    })
}

/// Empties what a study shows: all of it is withdrawn. Of whom it was stays known, so that it is never taken for somebody
/// else's who has the same number.
fn clear(session: &Session<'_>, study: i64, rules: &IdentityRules) -> Result<(), DbError> {
    let Some((listed, patient, uid, old)) = before(session, study)? else { return Ok(()) };
    let least = session.row(LEAST_HIDDEN, [study], |row| row.get(0))?;
    let person = match least {
        Some(instance) => Some(person::row_of(session, &said_by(session, instance, &uid)?.1, &uid, rules)?),
        None => None,
    };
    session.execute(CLEAR, params![study, person])?;
    word::replace(session, study, &listed, &Listed::default())?;
    old.filter(|_| old != person).map_or(Ok(()), |old| person::drop_unused(session, old))?;
    patient.map_or(Ok(()), |patient| patient::drop_empty(session, patient))
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

fn show(
    session: &Session<'_>,
    study: i64,
    candidate: &Candidate,
    rules: &IdentityRules,
) -> Result<(), DbError> {
    let (old, old_patient, uid, old_person) = before(session, study)?.ok_or(DbError::Invalid("study"))?;
    let (new, saying) = said_by(session, candidate.instance, &uid)?;
    let patient = patient::row_of(session, &saying.patient)?;
    let person = person::row_of(session, &saying, &uid, rules)?;
    let precedence = &candidate.precedence;
    let params = params![
        study,
        precedence.rank,
        precedence.received_ms,
        &precedence.digest[..],
        candidate.instance,
        candidate.variant,
        patient,
        person,
    ];
    session.execute(SHOW, params)?;
    word::replace(session, study, &old, &new)?;
    // Only a study that somebody was known of before can have codes.
    if old_person.is_some() && old.newest != new.newest {
        coding::moved(session, study, &new.newest)?;
    }
    if let Some(old) = old_person.filter(|old| *old != person) {
        person::drop_unused(session, old)?;
    }
    match old_patient {
        Some(old) if old != patient => patient::drop_empty(session, old),
        _ => Ok(()),
    }
}
