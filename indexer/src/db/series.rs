//! Series: what their instances say, which of them is shown, and how many there are.

use crate::db::sql::params;
use storage_config::Uid;

use super::error::DbError;
use super::row::{NO_NUMBER, SeriesValues};
use super::session::{Session, unsigned};
use super::study::{self, Shown};
use super::touched::{Touch, Touched};

/// A series of a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRow {
    /// Series Instance UID.
    pub series_uid: Uid,
    /// Modality, empty when absent.
    pub modality: String,
    /// Series Number.
    pub number: Option<i64>,
    /// Instances that are served.
    pub instances: u64,
    /// Rises with every visible change, within one life of the index.
    pub generation: u64,
}

const FIND: &str = "SELECT id FROM series WHERE study_row = ?1 AND series_uid = ?2";
const INSERT: &str = "INSERT INTO series (study_row, series_uid) VALUES (?1, ?2)";
const FIND_VARIANT: &str = "SELECT id FROM series_variant WHERE series_row = ?1 AND digest = ?2";
const INSERT_VARIANT: &str = "INSERT INTO series_variant (series_row, digest, series_number, modality, body_part, \
     performed_date, description_folded, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const WINNER: &str = "SELECT winner_rank, winner_ms, winner_digest FROM series WHERE id = ?1";
const LEAST: &str = "SELECT rank, received_ms, digest, id, series_variant_id FROM instance \
     WHERE series_row = ?1 AND version = 0 ORDER BY rank, received_ms, digest LIMIT 1";
const SHOW: &str = "UPDATE series SET winner_rank = ?2, winner_ms = ?3, winner_digest = ?4, winner_id = ?5, \
     variant_id = ?6, (series_number, modality, body_part, performed_date, description_folded) = \
     (SELECT series_number, modality, body_part, performed_date, description_folded FROM series_variant \
     WHERE id = ?6) WHERE id = ?1";
const CLEAR: &str = "UPDATE series SET winner_rank = NULL, winner_ms = NULL, winner_digest = NULL, \
     winner_id = NULL, variant_id = NULL, series_number = ?2, modality = '', body_part = '', performed_date = '', \
     description_folded = '' WHERE id = ?1";
const COUNT: &str = "UPDATE series SET n_instances = \
     (SELECT count(*) FROM instance WHERE series_row = ?1 AND version = 0), \
     generation = generation + 1, changed_ms = CASE WHEN changed_ms < ?2 THEN ?2 ELSE changed_ms END WHERE id = ?1";
const OF_STUDY: &str = "SELECT r.series_uid, r.modality, r.series_number, r.n_instances, r.generation \
     FROM study s JOIN series r ON r.study_row = s.id WHERE s.study_uid = ?1 AND r.n_instances > 0 \
     ORDER BY r.series_number, r.series_uid";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIND, FIND_VARIANT, WINNER, LEAST, SHOW, CLEAR, COUNT, OF_STUDY];

/// The row of a series, made when it is new.
pub(super) fn row_of(
    session: &Session<'_>,
    study: i64,
    uid: &Uid,
    touched: &mut Touched,
) -> Result<i64, DbError> {
    let key = (study, uid.clone());
    if let Some(id) = touched.series_rows.get(&key) {
        return Ok(*id);
    }
    // A study that this batch made has no series but those that are known here.
    let found = match touched.new_studies.contains_key(&study) {
        true => None,
        false => session.row(FIND, params![study, uid.as_str()], |row| row.get(0))?,
    };
    let id = match found {
        Some(id) => id,
        None => {
            let id = session.insert_one_of_many("series", INSERT, params![study, uid.as_str()])?;
            touched.new_series.insert(id);
            id
        }
    };
    touched.series_rows.insert(key, id);
    Ok(id)
}

/// The row of what an instance says of its series, made when nobody said so before.
pub(super) fn variant(
    session: &Session<'_>,
    series: i64,
    values: &SeriesValues,
    touched: &mut Touched,
) -> Result<i64, DbError> {
    let digest = values.digest();
    if let Some(id) = touched.series_variants.get(&(series, digest.0)) {
        return Ok(*id);
    }
    let found = match touched.new_series.contains(&series) {
        true => None,
        false => session.row(FIND_VARIANT, params![series, &digest.0[..]], |row| row.get(0))?,
    };
    let id = match found {
        Some(id) => id,
        None => {
            let params = params![
                series,
                &digest.0[..],
                values.series_number,
                values.modality,
                values.body_part,
                values.performed_date,
                values.description_folded,
                values.json,
            ];
            session.insert_one_of_many("series_variant", INSERT_VARIANT, params)?
        }
    };
    touched.series_variants.insert((series, digest.0), id);
    Ok(id)
}

/// Looks up at once what bringing series up to date asks of each.
pub(super) fn look_ahead(session: &Session<'_>, touched: &Touched) -> Result<(), DbError> {
    let known = touched.series.iter().filter(|(id, _)| !touched.new_series.contains(id));
    session.look_ahead(&study::to_show_ahead((WINNER, LEAST), known))
}

/// Brings a series up to date: attributes, count, generation. Whether its modality may have changed.
pub(super) fn settle(
    session: &Session<'_>,
    series: i64,
    touch: &Touch,
    is_new: bool,
) -> Result<bool, DbError> {
    let shown = study::to_show(session, (WINNER, LEAST), series, touch, is_new)?;
    if let Shown::By(candidate) = &shown {
        let precedence = &candidate.precedence;
        let params = params![
            series,
            precedence.rank,
            precedence.received_ms,
            &precedence.digest[..],
            candidate.instance,
            candidate.variant,
        ];
        session.add(SHOW, params)?;
    }
    if matches!(shown, Shown::Nothing) {
        session.add(CLEAR, params![series, NO_NUMBER])?;
    }
    session.add(COUNT, params![series, touch.changed_ms])?;
    Ok(!matches!(shown, Shown::Same))
}

pub(super) fn of_study(session: &Session<'_>, study: &Uid) -> Result<Vec<SeriesRow>, DbError> {
    let rows = session.rows(OF_STUDY, [study.as_str()], |row| {
        let number: i64 = row.get(2)?;
        Ok((row.get::<_, String>(0)?, row.get(1)?, number, unsigned(row, 3)?, unsigned(row, 4)?))
    })?;
    rows.into_iter()
        .map(|(uid, modality, number, instances, generation)| {
            let series_uid = Uid::parse(&uid).map_err(|_| DbError::Invalid("series UID"))?;
            let number = Some(number).filter(|number| *number != NO_NUMBER);
            Ok(SeriesRow { series_uid, modality, number, instances, generation })
        })
        .collect()
}
