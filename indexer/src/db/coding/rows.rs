//! The codes of studies as rows: written by the mapper, found by searches and by whoever reviews.

use crate::db::sql::{Row, params};
use serde_json::{Value, json};
use storage_config::Uid;

use crate::codes::coded::{Chosen, NamedCode, StudyCoding};
use crate::codes::concept::{SCHEME_1227, SCHEME_SERVICE, SCHEME_TECHNIQUE};
use crate::codes::{FacilityRule, Outcome};
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::row::bounded;
use crate::db::session::{Session, signed, unsigned};
use crate::db::statement;
use crate::statement::AssignedCodes;

/// Characters of a Code Meaning (LO).
const MEANING_CHARS_MAX: usize = 64;
/// Characters of a Code Value (SH); a longer one is a Long Code Value.
const VALUE_CHARS_MAX: usize = 16;

/// The codes of one state of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCoding {
    /// The study.
    pub study: Uid,
    /// The generation of the study that was looked at.
    pub generation: u64,
    /// The facility from which it came first.
    pub facility: FacilityId,
    /// Folded text of order and study.
    pub basis: String,
    /// The version of rules and lists that looked at it; what it was coded by may be older.
    pub looked_by: String,
    /// What it is coded as.
    pub coding: StudyCoding,
}

/// A study that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Reviewed {
    /// The study.
    pub study: Uid,
    /// The facility from which it came first.
    pub facility: FacilityId,
    /// What the mapper found.
    pub coding: StudyCoding,
}

const FIND: &str = "SELECT id, newest FROM study WHERE study_uid = ?1";
const SET: &str = "INSERT INTO study_code (study_row, facility_id, outcome, source, confidence, technique, \
     service, version, basis, name, items, schemes, body, core, unstated) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT (study_row) DO UPDATE SET \
     facility_id = excluded.facility_id, outcome = excluded.outcome, source = excluded.source, \
     confidence = excluded.confidence, technique = excluded.technique, service = excluded.service, \
     version = excluded.version, basis = excluded.basis, name = excluded.name, items = excluded.items, \
     schemes = excluded.schemes, body = excluded.body, core = excluded.core, unstated = excluded.unstated";
const CLEAR: &str = "DELETE FROM study_code WHERE study_row = ?1";
const CLEAR_VALUES: &str = "DELETE FROM study_code_value WHERE study_row = ?1";
const ADD_VALUE: &str = "INSERT INTO study_code_value (study_row, newest, value, scheme) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT DO NOTHING";
const MOVE_VALUES: &str = "UPDATE study_code_value SET newest = ?2 WHERE study_row = ?1";
const HEADER: &str = "SELECT v.json FROM study s JOIN study_variant v ON v.id = s.variant_id WHERE s.id = ?1";
const PROCESSED: &str =
    "UPDATE study SET processed_generation = ?2 WHERE id = ?1 AND processed_generation < ?2";
const CHANGED: &str = "SELECT study_uid FROM study WHERE generation > processed_generation AND changed_ms <= ?1 \
     ORDER BY changed_ms LIMIT ?2";
const OLDER: &str = "SELECT s.study_uid FROM study_code c JOIN study s ON s.id = c.study_row \
     WHERE c.version < ?1 LIMIT ?2";
const LATER: &str = "SELECT s.study_uid FROM study_code c JOIN study s ON s.id = c.study_row \
     WHERE c.version > ?1 LIMIT ?2";
const OF_STUDY: &str =
    "SELECT c.body FROM study s JOIN study_code c ON c.study_row = s.id WHERE s.study_uid = ?1";
const REVIEW: &str = "SELECT s.study_uid, c.facility_id, c.body FROM study_code c JOIN study s ON s.id = c.study_row \
     WHERE c.outcome = 2 AND c.study_row < coalesce((SELECT a.id FROM study a WHERE a.study_uid = ?2), 9223372036854775807) \
     ORDER BY c.study_row DESC LIMIT ?1";
const PROPOSED: &str = "SELECT s.study_uid, c.facility_id, c.body FROM study_code c JOIN study s ON s.id = c.study_row \
     WHERE c.proposed = 1 AND c.study_row < coalesce((SELECT a.id FROM study a WHERE a.study_uid = ?2), 9223372036854775807) \
     ORDER BY c.study_row DESC LIMIT ?1";
const PROPOSE: &str = "UPDATE study_code SET proposed = ?2 WHERE study_row = ?1";
const WAITING: &str = "SELECT (SELECT count(*) FROM study_code WHERE outcome = 2), \
     (SELECT count(*) FROM study_code WHERE proposed = 1)";
const UNSTATED: &str = "SELECT s.study_uid, c.body FROM study_code c JOIN study s ON s.id = c.study_row \
     WHERE c.unstated = 1 AND c.study_row >= 0 ORDER BY c.study_row LIMIT ?1";
const CHOSEN: &str =
    "SELECT verdict, techniques, service, who, time_ms FROM code_choice WHERE study_uid = ?1";
const RULES: &str = "SELECT code, text, modality, techniques, who FROM code_rule WHERE facility_id = ?1 \
     ORDER BY subject_row";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    FIND,
    CLEAR,
    CLEAR_VALUES,
    MOVE_VALUES,
    HEADER,
    PROCESSED,
    CHANGED,
    OLDER,
    LATER,
    OF_STUDY,
    PROPOSE,
    UNSTATED,
    CHOSEN,
    RULES,
];

/// The number by which rows know an outcome.
pub(in crate::db) fn number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Assigned => 1,
        Outcome::Review => 2,
        Outcome::OtherChapter => 3,
        Outcome::NoExamination => 4,
    }
}

fn outcome(number: i64) -> Result<Outcome, DbError> {
    let all = [Outcome::Assigned, Outcome::Review, Outcome::OtherChapter, Outcome::NoExamination];
    all.into_iter().find(|outcome| self::number(*outcome) == number).ok_or(DbError::Invalid("outcome"))
}

/// Studies that wait for the mapper and have not changed since `quiet_before_ms`, then those of another version of
/// rules and lists; at most `limit`.
pub(in crate::db) fn to_code(
    session: &Session<'_>,
    version: &str,
    quiet_before_ms: i64,
    limit: u32,
) -> Result<Vec<Uid>, DbError> {
    let uid = |row: &Row<'_>| row.get::<_, String>(0);
    let mut found = session.rows(CHANGED, params![quiet_before_ms, limit], uid)?;
    for sql in [OLDER, LATER] {
        let left = limit.saturating_sub(found.len() as u32);
        if left > 0 {
            found.extend(session.rows(sql, params![version, left], uid)?);
        }
    }
    found.iter().map(|text| Uid::parse(text).map_err(|_| DbError::Invalid("UID"))).collect()
}

/// Keeps the codes of a study in the place of those it had.
pub(in crate::db) fn set(session: &Session<'_>, new: &NewCoding) -> Result<(), DbError> {
    let found = session.row(FIND, [new.study.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some((row, newest)): Option<(i64, String)> = found else { return Ok(()) };
    let coding = &new.coding;
    let body = serde_json::to_string(coding).map_err(|_| DbError::Invalid("coding"))?;
    let (items, schemes) = sequences(&coding.codes);
    let core = AssignedCodes::of(&new.study, 0, coding).map(|codes| codes.core());
    let stated = statement::assigned_core(session, new.study.as_str())?;
    let unstated = core.as_ref().is_some_and(|core| stated.is_none_or(|(stated, _)| stated != *core));
    let params = params![
        row,
        new.facility.0,
        number(coding.outcome),
        coding.source.name(),
        coding.confidence,
        coding.techniques.join("|"),
        coding.service.as_deref().unwrap_or_default(),
        new.looked_by,
        new.basis,
        coding.name,
        items,
        schemes,
        body,
        core.unwrap_or_default(),
        i64::from(unstated),
    ];
    session.execute(SET, params)?;
    session.execute(PROPOSE, params![row, i64::from(coding.proposed.is_some())])?;
    session.execute(CLEAR_VALUES, [row])?;
    for code in &coding.codes {
        session.execute(ADD_VALUE, params![row, newest, code.value, code.scheme])?;
    }
    let header: Option<String> = session.row(HEADER, [row], |row| row.get(0))?;
    let header: Value = header.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    for item in header["00081032"]["Value"].as_array().into_iter().flatten() {
        let text = |tag: &str| item[tag]["Value"][0].as_str().unwrap_or_default().to_owned();
        let value =
            ["00080100", "00080119", "00080120"].map(text).into_iter().find(|value| !value.is_empty());
        if let Some(value) = value {
            let of_header = params![row, newest, bounded(&value), bounded(&text("00080102"))];
            session.execute(ADD_VALUE, of_header)?;
        }
    }
    session.execute(PROCESSED, params![row, signed(new.generation, "generation")?]).map(drop)
}

/// Moves a study in the lists of its codes, because it stands elsewhere among the studies.
pub(in crate::db) fn moved(session: &Session<'_>, study: i64, newest: &str) -> Result<(), DbError> {
    session.execute(MOVE_VALUES, params![study, newest]).map(drop)
}

/// Takes the codes of a study away of which nothing is served.
pub(in crate::db) fn clear(session: &Session<'_>, study: &Uid) -> Result<(), DbError> {
    const ALL: &str = "UPDATE study SET processed_generation = generation WHERE id = ?1 AND n_instances = 0";
    let Some(row) = session.row(FIND, [study.as_str()], |row| row.get::<_, i64>(0))? else { return Ok(()) };
    if session.execute(ALL, [row])? > 0 {
        session.execute(CLEAR, [row])?;
        session.execute(CLEAR_VALUES, [row])?;
    }
    Ok(())
}

/// What a study is coded as.
pub(in crate::db) fn of_study(session: &Session<'_>, study: &Uid) -> Result<Option<StudyCoding>, DbError> {
    let body: Option<String> = session.row(OF_STUDY, [study.as_str()], |row| row.get(0))?;
    body.map(|body| read(&body)).transpose()
}

fn read(body: &str) -> Result<StudyCoding, DbError> {
    serde_json::from_str(body).map_err(|_| DbError::Invalid("coding"))
}

/// How many studies wait for a person, and of how many the lists in force would say something else.
pub(in crate::db) fn waiting(session: &Session<'_>) -> Result<(u64, u64), DbError> {
    let found = session.row(WAITING, [], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
    Ok(found.unwrap_or_default())
}

/// Studies that wait for a person, or those of which the lists in force would say something else, the latest first.
pub(in crate::db) fn review(
    session: &Session<'_>,
    proposed: bool,
    (limit, after): (u32, Option<&Uid>),
) -> Result<Vec<Reviewed>, DbError> {
    let sql = if proposed { PROPOSED } else { REVIEW };
    let rows = session.rows(sql, params![limit, after.map_or("", Uid::as_str)], |row| {
        Ok((row.get::<_, String>(0)?, FacilityId(row.get(1)?), row.get::<_, String>(2)?))
    })?;
    rows.into_iter()
        .map(|(uid, facility, body)| {
            let study = Uid::parse(&uid).map_err(|_| DbError::Invalid("UID"))?;
            Ok(Reviewed { study, facility, coding: read(&body)? })
        })
        .collect()
}

/// Codes that were assigned and are not stated yet, with the round in which each is to be; at most `limit`.
pub(in crate::db) fn unstated(session: &Session<'_>, limit: u32) -> Result<Vec<AssignedCodes>, DbError> {
    let rows =
        session.rows(UNSTATED, [limit], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut all = Vec::with_capacity(rows.len());
    for (uid, body) in rows {
        let study = Uid::parse(&uid).map_err(|_| DbError::Invalid("UID"))?;
        let before = statement::assigned_core(session, &uid)?.map_or(0, |(_, round)| round);
        let round = u32::try_from(before + 1).map_err(|_| DbError::Range("round"))?;
        all.extend(AssignedCodes::of(&study, round, &read(&body)?));
    }
    Ok(all)
}

/// What a person chose for a study.
pub(in crate::db) fn chosen(session: &Session<'_>, study: &Uid) -> Result<Option<Chosen>, DbError> {
    let found = session.row(CHOSEN, [study.as_str()], |row| {
        let texts: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((row.get::<_, i64>(0)?, texts, row.get::<_, i64>(4)?))
    })?;
    let Some((verdict, [techniques, service, by], time_ms)) = found else { return Ok(None) };
    Ok(Some(Chosen {
        outcome: outcome(verdict)?,
        techniques: listed(&techniques),
        service: Some(service).filter(|service| !service.is_empty()),
        by,
        time_ms,
    }))
}

/// The rules of a facility.
pub(in crate::db) fn rules(
    session: &Session<'_>,
    facility: FacilityId,
) -> Result<Vec<FacilityRule>, DbError> {
    session.rows(RULES, [facility.0], |row| {
        Ok(FacilityRule {
            code: row.get(0)?,
            text: row.get(1)?,
            modality: row.get(2)?,
            techniques: listed(&row.get::<_, String>(3)?),
            by: row.get(4)?,
        })
    })
}

fn listed(techniques: &str) -> Vec<String> {
    techniques.split('|').filter(|code| !code.is_empty()).map(str::to_owned).collect()
}

/// Items of ProcedureCodeSequence and of CodingSchemeIdentificationSequence as DICOM JSON, empty where there are none.
fn sequences(codes: &[NamedCode]) -> (String, String) {
    let mut schemes: Vec<Value> = Vec::new();
    let mut items: Vec<Value> = Vec::new();
    for code in codes {
        let long = code.value.chars().count() > VALUE_CHARS_MAX;
        let mut item = json!({
            (if long { "00080119" } else { "00080100" }): value(if long { "UC" } else { "SH" }, &code.value),
            "00080102": value("SH", &code.scheme),
            "00080104": value("LO", &cut(&code.meaning)),
        });
        let version: String = code.version.chars().take(VALUE_CHARS_MAX).collect();
        if !version.is_empty() {
            item["00080103"] = value("SH", &version);
        }
        items.push(item);
        let Some((name, organization)) = scheme(&code.scheme) else { continue };
        if !schemes.iter().any(|known| known["00080102"]["Value"][0] == code.scheme.as_str()) {
            schemes.push(json!({
                "00080102": value("SH", &code.scheme),
                "00080115": value("ST", name),
                "00080116": value("ST", organization),
            }));
        }
    }
    let text =
        |items: Vec<Value>| if items.is_empty() { String::new() } else { Value::Array(items).to_string() };
    (text(items), text(schemes))
}

fn value(vr: &str, text: &str) -> Value {
    json!({ "vr": vr, "Value": [text] })
}

fn cut(meaning: &str) -> String {
    meaning.trim().chars().take(MEANING_CHARS_MAX).collect::<String>().trim_end().to_owned()
}

/// Name and responsible organization of the schemes whose designators are this project's own (PS3.3 C.12.1.1.7).
fn scheme(designator: &str) -> Option<(&'static str, &'static str)> {
    let name = match designator {
        SCHEME_TECHNIQUE => "Danh mục kỹ thuật, Thông tư 23/2024/TT-BYT",
        SCHEME_SERVICE => "Mã dịch vụ kỹ thuật bảo hiểm y tế",
        SCHEME_1227 => "Mã dùng chung, Quyết định 1227/QĐ-BYT",
        _ => return None,
    };
    Some((name, "Bộ Y tế, Việt Nam"))
}
