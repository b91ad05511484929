//! Studies: what their instances say, which of them is shown, and what is counted.

use crate::db::sql::{Value, params};
use storage_config::Uid;

use super::ahead::LookUp;
use super::conflict;
use super::error::DbError;
use super::row::StudyValues;
use super::session::Session;
use super::showing;
use super::touched::{Candidate, Precedence, Touch, Touched};

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
const MODALITIES: &str = "SELECT DISTINCT modality FROM series WHERE study_row = ?1 AND n_instances > 0 \
     AND modality <> '' ORDER BY modality";
const SET_MODALITIES: &str = "UPDATE study SET modalities = ?2 WHERE id = ?1";
const COUNT: &str = "UPDATE study SET (n_series, n_instances) = (SELECT count(*), coalesce(sum(n_instances), 0) \
     FROM series WHERE study_row = ?1 AND n_instances > 0), generation = generation + 1, \
     changed_ms = CASE WHEN changed_ms < ?2 THEN ?2 ELSE changed_ms END WHERE id = ?1";
const CLASH: &str = "SELECT variants_clash FROM study WHERE id = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[FIND, FIND_VARIANT, WINNER, LEAST, MODALITIES, SET_MODALITIES, COUNT, CLASH];

/// The row of a study, if there is one.
pub(super) fn find(session: &Session<'_>, uid: &str) -> Result<Option<i64>, DbError> {
    session.row(FIND, [uid], |row| row.get(0))
}

/// Whether anything of a study was ever stored, withdrawn or not.
pub(super) fn is_known(session: &Session<'_>, uid: &Uid) -> Result<bool, DbError> {
    Ok(session.row(FIND, [uid.as_str()], |_| Ok(()))?.is_some())
}

/// Which of many studies are there.
pub(super) fn rows_ahead(uids: Vec<Vec<Value<'_>>>) -> LookUp<'_> {
    LookUp::while_found(FIND, uids)
}

/// The row of a study, made when it is new.
pub(super) fn row_of(session: &Session<'_>, uid: &Uid, touched: &mut Touched) -> Result<i64, DbError> {
    if let Some(id) = touched.study_rows.get(uid) {
        return Ok(*id);
    }
    let id = match session.row(FIND, [uid.as_str()], |row| row.get(0))? {
        Some(id) => id,
        None => {
            let id = session.insert_one_of_many("study", INSERT, [uid.as_str()])?;
            touched.new_studies.insert(id, uid.clone());
            id
        }
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
    // Of a study that this batch made all sayings are known here.
    let found = match touched.new_studies.contains_key(&study) {
        true => None,
        false => session.row(FIND_VARIANT, params![study, &digest.0[..]], |row| row.get(0))?,
    };
    let id = match found {
        Some(id) => id,
        None => {
            touched.studies.entry(study).or_default().new_variants += 1;
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
            session.insert_one_of_many("study_variant", INSERT_VARIANT, params)?
        }
    };
    touched.study_variants.insert((study, digest.0), id);
    Ok(id)
}

/// Brings studies up to date after their series were.
pub(super) fn settle(session: &Session<'_>, touched: &Touched) -> Result<(), DbError> {
    let known = touched.studies.iter().filter(|(id, _)| !touched.new_studies.contains_key(id));
    session.look_ahead(&to_show_ahead((WINNER, LEAST), known))?;
    let mut shown = Vec::with_capacity(touched.studies.len());
    for (id, touch) in &touched.studies {
        let is_new = touched.new_studies.contains_key(id);
        shown.push((*id, to_show(session, (WINNER, LEAST), *id, touch, is_new)?));
    }
    showing::show(session, &shown, touched)?;
    look_ahead(session, touched)?;
    touched.studies.iter().try_for_each(|(id, touch)| {
        // What only one saying says of a study clashes with no other.
        let alone = touch.new_variants < 2 && touched.new_studies.contains_key(id);
        count(session, *id, touch, alone)
    })
}

/// Looks up at once what is asked of each study that was touched.
fn look_ahead(session: &Session<'_>, touched: &Touched) -> Result<(), DbError> {
    let of = |wanted: &dyn Fn(i64, &Touch) -> bool| -> Vec<i64> {
        touched.studies.iter().filter(|(id, touch)| wanted(**id, touch)).map(|(id, _)| *id).collect()
    };
    let clashing = of(&|id, touch| touch.new_variants > 1 || !touched.new_studies.contains_key(&id));
    let compared: Vec<i64> =
        clashing.iter().copied().filter(|id| touched.studies[id].new_variants > 0).collect();
    session.look_ahead(&[
        LookUp::of_rows(MODALITIES, &of(&|_, touch| touch.new_modality)),
        conflict::variants_ahead(&compared),
        // A comparison may find the first clash.
        LookUp::of_rows(CLASH, &clashing.into_iter().filter(|id| !compared.contains(id)).collect::<Vec<_>>()),
    ])
}

/// Compares what is said of a study, and counts what is served of it.
fn count(session: &Session<'_>, study: i64, touch: &Touch, alone: bool) -> Result<(), DbError> {
    if touch.new_variants > 0 && !alone {
        conflict::compare_variants(session, study)?;
    }
    if touch.best.is_none() && !touch.look_at_all {
        return Ok(());
    }
    if touch.new_modality {
        let modalities: Vec<String> = session.rows(MODALITIES, [study], |row| row.get(0))?;
        session.add(SET_MODALITIES, params![study, listed(&modalities)])?;
    }
    session.add(COUNT, params![study, touch.changed_ms])?;
    if alone {
        return Ok(());
    }
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

/// What [`to_show`] asks of many studies, or series.
pub(super) fn to_show_ahead<'t>(
    (winner, least): (&'static str, &'static str),
    touched: impl Iterator<Item = (&'t i64, &'t Touch)>,
) -> [LookUp<'static>; 2] {
    let (all, some): (Vec<_>, Vec<_>) = touched.partition(|(_, touch)| touch.look_at_all);
    let ids = |of: Vec<(&i64, &Touch)>| of.into_iter().map(|(id, _)| *id).collect::<Vec<i64>>();
    let some = some.into_iter().filter(|(_, touch)| touch.best.is_some()).collect();
    [LookUp::of_rows(winner, &ids(some)), LookUp::of_rows(least, &ids(all))]
}

/// The instance whose attributes are to be shown from now on, if that changes. The statements are those of a study or
/// of a series; one that is new shows none yet.
pub(super) fn to_show(
    session: &Session<'_>,
    (winner, least): (&str, &str),
    id: i64,
    touch: &Touch,
    is_new: bool,
) -> Result<Shown, DbError> {
    if touch.look_at_all {
        let least = session.row(least, [id], |row| {
            let precedence = Precedence { rank: row.get(0)?, received_ms: row.get(1)?, digest: row.get(2)? };
            Ok(Candidate { precedence, instance: row.get(3)?, variant: row.get(4)? })
        })?;
        return Ok(least.map_or(Shown::Nothing, Shown::By));
    }
    let Some(best) = touch.best else { return Ok(Shown::Same) };
    if is_new {
        return Ok(Shown::By(best));
    }
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
