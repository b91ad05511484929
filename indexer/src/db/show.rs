//! Rows of answers: the stored attributes of a level with those that are computed, as DICOM JSON (PS3.18 F).

use crate::db::sql::Row;
use serde_json::{Map, Value, json};
use storage_config::Uid;

use super::coding;
use super::error::DbError;
use super::find;
use super::session::Session;
use crate::codes::Outcome;
use crate::query::{Exam, GroupKey, LIMIT_MAX, Level, OFFSET_MAX, Page, Query, QueryRow};

const STUDY: &str = "SELECT s.study_uid, v.json, s.modalities, s.n_series, s.n_instances, s.identity_conflict, \
     p.key, s.changed_ms, c.outcome, c.name, c.items, c.schemes FROM study s \
     JOIN study_variant v ON v.id = s.variant_id LEFT JOIN person p ON p.id = s.person_row \
     LEFT JOIN study_code c ON c.study_row = s.id \
     WHERE s.id = ?1";
const SERIES: &str = "SELECT r.series_uid, v.json, r.n_instances, r.study_row \
     FROM series r JOIN series_variant v ON v.id = r.variant_id WHERE r.id = ?1";
const INSTANCE: &str =
    "SELECT sop_uid, json, frames, transfer_syntax, series_row FROM instance WHERE id = ?1";
const OF_PATIENT: &str = "SELECT count(*), CAST(sum(n_series) AS BIGINT), CAST(sum(n_instances) AS BIGINT) FROM study \
     WHERE patient_row = (SELECT patient_row FROM study WHERE id = ?1) AND n_instances > 0";

/// Number of Study Related Instances: of a header what its sender says, of an answer what is here.
const ANNOUNCED: &str = "00201208";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[STUDY, SERIES, INSTANCE, OF_PATIENT];

/// Answers a query.
pub(super) fn answer(session: &Session<'_>, query: &Query) -> Result<Page, DbError> {
    let query =
        &Query { limit: query.limit.min(LIMIT_MAX), offset: query.offset.min(OFFSET_MAX), ..query.clone() };
    let find::Found { rows: found, old_left_out, .. } = find::search(session, query)?;
    let full = found.len() == query.limit as usize;
    let next = found.last().filter(|_| full).map(|(_, key)| key.clone());
    let mut parents = Parents::default();
    let rows = found
        .into_iter()
        .map(|(id, _)| match query.level {
            Level::Patient => patient(session, id),
            Level::Study => study(session, id),
            Level::Series => series(session, id, query.with_parents, &mut parents),
            Level::Instance => instance(session, id, query.with_parents, &mut parents),
        })
        .collect::<Result<_, _>>()?;
    Ok(Page { rows, next, old_left_out })
}

/// The rows above the last one: many rows of a page have the same.
#[derive(Default)]
struct Parents {
    study: Option<(i64, QueryRow)>,
    series: Option<(i64, QueryRow)>,
}

fn study(session: &Session<'_>, id: i64) -> Result<QueryRow, DbError> {
    let (told, coded) = session
        .row(STUDY, [id], |row| {
            let counts: (i64, i64) = (row.get(3)?, row.get(4)?);
            let texts: (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let key: Option<Vec<u8>> = row.get(6)?;
            let told = (texts.0, texts.1, texts.2, counts, (row.get(5)?, key, row.get::<_, i64>(7)?));
            Ok((told, coded(row)?))
        })?
        .ok_or(DbError::Invalid("study"))?;
    let (uid, json, modalities, counts, (identity_conflict, key, changed_ms)) = told;
    let mut attributes = object(&json)?;
    let announced = attributes.get(ANNOUNCED).and_then(|a| a.get("Value")?.get(0)?.as_u64());
    let modalities: Vec<&str> = modalities.split('\\').filter(|modality| !modality.is_empty()).collect();
    set(&mut attributes, "0020000D", "UI", json!([uid]));
    set(&mut attributes, "00080056", "CS", json!(["ONLINE"]));
    set(&mut attributes, "00080061", "CS", json!(modalities));
    set(&mut attributes, "00201206", "IS", json!([counts.0]));
    set(&mut attributes, ANNOUNCED, "IS", json!([counts.1]));
    let exam = coded.map(|coded| carry_codes(&mut attributes, coded)).transpose()?;
    let study_uid = parse(&uid)?;
    let patient = key.as_deref().and_then(GroupKey::from_bytes);
    let (series_uid, sop_instance) = (None, None);
    Ok(QueryRow {
        study_uid,
        series_uid,
        sop_instance,
        attributes,
        identity_conflict,
        patient,
        changed_ms,
        announced,
        exam,
    })
}

/// What a study is coded as: outcome, name, items of ProcedureCodeSequence, items about their schemes.
type Coded = (i64, String, [String; 2]);

fn coded(row: &Row<'_>) -> Result<Option<Coded>, DbError> {
    match row.get::<_, Option<i64>>(8)? {
        Some(outcome) => Ok(Some((outcome, row.get(9)?, [row.get(10)?, row.get(11)?]))),
        None => Ok(None),
    }
}

/// Puts the assigned codes behind those of the header, which stay as they are.
fn carry_codes(attributes: &mut Map<String, Value>, (outcome, name, items): Coded) -> Result<Exam, DbError> {
    for (tag, items) in ["00081032", "00080110"].into_iter().zip(items) {
        if items.is_empty() {
            continue;
        }
        let items: Vec<Value> = serde_json::from_str(&items).map_err(|_| DbError::Invalid("codes"))?;
        let own = attributes.get_mut(tag).and_then(|attribute| attribute.get_mut("Value")?.as_array_mut());
        match own {
            Some(own) => {
                let is_own = |item: &Value| own.iter().any(|own| same_code(own, item));
                let further: Vec<Value> = items.into_iter().filter(|item| !is_own(item)).collect();
                own.extend(further);
            }
            None => set(attributes, tag, "SQ", Value::Array(items)),
        }
    }
    Ok(Exam { name, waits: outcome == coding::number(Outcome::Review) })
}

/// Whether two items are one code of one scheme.
fn same_code(one: &Value, other: &Value) -> bool {
    ["00080100", "00080119", "00080102"].iter().all(|tag| one[tag]["Value"] == other[tag]["Value"])
}

/// A patient as its newest study names it.
fn patient(session: &Session<'_>, study_row: i64) -> Result<QueryRow, DbError> {
    const OF_STUDY: [&str; 3] = ["00101010", "00101020", "00101030"];
    let mut row = study(session, study_row)?;
    row.attributes.retain(|tag, _| {
        (tag.starts_with("0010") && !OF_STUDY.contains(&tag.as_str()))
            || tag == "00080005"
            || tag == "00080056"
    });
    let counts: [i64; 3] = session
        .row(OF_PATIENT, [study_row], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
        .ok_or(DbError::Invalid("patient"))?;
    for (tag, count) in ["00201200", "00201202", "00201204"].into_iter().zip(counts) {
        set(&mut row.attributes, tag, "IS", json!([count]));
    }
    Ok(row)
}

fn series(
    session: &Session<'_>,
    id: i64,
    with_parents: bool,
    parents: &mut Parents,
) -> Result<QueryRow, DbError> {
    let (uid, json, count, study_row) = session
        .row(SERIES, [id], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get(3)?))
        })?
        .ok_or(DbError::Invalid("series"))?;
    if parents.study.as_ref().is_none_or(|(known, _)| *known != study_row) {
        parents.study = Some((study_row, study(session, study_row)?));
    }
    let Some((_, parent)) = &parents.study else { return Err(DbError::Invalid("study")) };
    let mut row = below(parent, object(&json)?, with_parents);
    set(&mut row.attributes, "0020000E", "UI", json!([uid]));
    set(&mut row.attributes, "00201209", "IS", json!([count]));
    row.series_uid = Some(parse(&uid)?);
    Ok(row)
}

fn instance(
    session: &Session<'_>,
    id: i64,
    with_parents: bool,
    parents: &mut Parents,
) -> Result<QueryRow, DbError> {
    let (uid, json, frames, syntax, series_row) = session
        .row(INSTANCE, [id], |row| {
            let texts: (String, String, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
            Ok((texts.0, texts.1, row.get::<_, Option<i64>>(2)?, texts.2, row.get(4)?))
        })?
        .ok_or(DbError::Invalid("instance"))?;
    if parents.series.as_ref().is_none_or(|(known, _)| *known != series_row) {
        let row = series(session, series_row, with_parents, parents)?;
        parents.series = Some((series_row, row));
    }
    let Some((_, parent)) = &parents.series else { return Err(DbError::Invalid("series")) };
    let mut row = below(parent, object(&json)?, with_parents);
    if let Some(series_uid) = &parent.series_uid {
        set(&mut row.attributes, "0020000E", "UI", json!([series_uid.as_str()]));
    }
    set(&mut row.attributes, "00080018", "UI", json!([uid]));
    set(&mut row.attributes, "00083002", "UI", json!([syntax]));
    if let Some(frames) = frames {
        set(&mut row.attributes, "00280008", "IS", json!([frames]));
    }
    row.sop_instance = Some(parse(&uid)?);
    Ok(row)
}

/// A row under another: its own attributes, before them those of the levels above where asked for.
fn below(parent: &QueryRow, own: Map<String, Value>, with_parents: bool) -> QueryRow {
    let mut attributes = if with_parents { parent.attributes.clone() } else { Map::new() };
    attributes.extend(own);
    set(&mut attributes, "0020000D", "UI", json!([parent.study_uid.as_str()]));
    set(&mut attributes, "00080056", "CS", json!(["ONLINE"]));
    QueryRow { attributes, ..parent.clone() }
}

fn set(attributes: &mut Map<String, Value>, tag: &str, vr: &str, values: Value) {
    let empty = values.as_array().is_some_and(Vec::is_empty);
    let value = if empty { json!({ "vr": vr }) } else { json!({ "vr": vr, "Value": values }) };
    attributes.insert(tag.to_owned(), value);
}

fn object(json: &str) -> Result<Map<String, Value>, DbError> {
    serde_json::from_str(json).map_err(|_| DbError::Invalid("attributes"))
}

fn parse(uid: &str) -> Result<Uid, DbError> {
    Uid::parse(uid).map_err(|_| DbError::Invalid("UID"))
}
