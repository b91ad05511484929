//! Conflicts: what a person must look at. Never resolved silently, always shown.
//!
//! Each is a function of the instances that are there, whatever the order in which they came.

use crate::db::sql::params;
use storage_config::{ContentHash, Uid};

use super::ahead::LookUp;
use super::entry::{ConflictKind, PackId, Place};
use super::error::DbError;
use super::session::{Session, signed, unsigned};
use super::touched::Placed;
use crate::statement::Resolution;

/// Something that a person must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What it is.
    pub kind: ConflictKind,
    /// The study.
    pub study_uid: Uid,
    /// The series, where it is about one instance.
    pub series_uid: Option<Uid>,
    /// The SOP instance, where it is about one.
    pub sop_instance: Option<Uid>,
    /// The version that is not served.
    pub digest: Option<ContentHash>,
    /// The version that is served.
    pub served: Option<ContentHash>,
    /// Whether the two name different patients.
    pub patient_differs: bool,
    /// When the version that is not served came, in milliseconds since 1970-01-01 UTC.
    pub received_ms: Option<i64>,
    /// What somebody found the two to be; none while that is open.
    pub resolved: Option<Resolution>,
}

/// A record that could not become rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unindexable {
    /// Its pack and position; the length is not known (0).
    pub place: Place,
    /// Why.
    pub reason: String,
}

/// What one version is against another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Against {
    pub kind: ConflictKind,
    patient_differs: bool,
}

const COMPARE: &str = "SELECT a.bulk_digest = b.bulk_digest AND a.bulk_digest <> x'', \
     a.facility_id = b.facility_id AND a.source = b.source, \
     (v.patient_id, v.issuer, v.name_folded, v.birth_date, v.sex) <> \
     (w.patient_id, w.issuer, w.name_folded, w.birth_date, w.sex) \
     FROM instance a JOIN study_variant v ON v.id = a.study_variant_id, \
     instance b JOIN study_variant w ON w.id = b.study_variant_id WHERE a.id = ?1 AND b.id = ?2";
const NOTE: &str = "INSERT INTO conflict (study_row, kind, series_row, sop_uid, digest, served_digest, \
     patient_differs, received_ms, resolved) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce((SELECT a.resolution \
     FROM version_choice a JOIN version_choice b ON b.subject_row = a.subject_row AND b.digest = ?6 \
     WHERE a.digest = ?5 LIMIT 1), 0)) \
     ON CONFLICT (study_row, kind, series_row, sop_uid, digest) DO NOTHING";
const CLEAR_VERSIONS: &str = "DELETE FROM conflict WHERE study_row = ?1 AND kind IN (1, 2, 3) \
     AND series_row = ?2 AND sop_uid = ?3";
const NOT_SERVED: &str = "SELECT id, digest, received_ms FROM instance \
     WHERE sop_uid = ?1 AND series_row = ?2 AND version > 0 AND hidden = 0";
const SHARING: &str =
    "SELECT DISTINCT study_row, series_row FROM instance WHERE sop_uid = ?1 AND version = 0 LIMIT 2";
/// Whether sayings about a study name different patients. What is absent contradicts nothing.
macro_rules! clash {
    ($of:literal) => {
        concat!(
            "SELECT max(CASE WHEN patient_id <> '' THEN patient_id END) ",
            "<> min(CASE WHEN patient_id <> '' THEN patient_id END) ",
            "OR max(CASE WHEN issuer <> '' THEN issuer END) <> min(CASE WHEN issuer <> '' THEN issuer END) ",
            "OR max(CASE WHEN name_sorted <> '' THEN name_sorted END) ",
            "<> min(CASE WHEN name_sorted <> '' THEN name_sorted END) ",
            "OR max(CASE WHEN birth_date <> '' THEN birth_date END) ",
            "<> min(CASE WHEN birth_date <> '' THEN birth_date END) ",
            "OR max(CASE WHEN sex <> '' THEN sex END) <> min(CASE WHEN sex <> '' THEN sex END) ",
            "FROM study_variant WHERE ",
            $of
        )
    };
}

const VARIANTS: &str = clash!("study_row = ?1");
const PATIENTS: &str = clash!(
    "id IN (SELECT i.study_variant_id FROM series r JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     WHERE r.study_row = ?1)"
);
const SET_CLASH: &str = "UPDATE study SET variants_clash = 1 WHERE id = ?1";
const IS_MARKED: &str = "SELECT 1 FROM conflict WHERE study_row = ?1 AND kind = 4";
const CLEAR_PATIENTS: &str = "DELETE FROM conflict WHERE study_row = ?1 AND kind = 4";
const MARK: &str = "UPDATE study SET identity_conflict = CASE WHEN EXISTS (SELECT 1 FROM conflict \
     WHERE study_row = ?1 AND kind IN (1, 4) AND resolved = 0) THEN 1 ELSE 0 END WHERE id = ?1";
const HAVING: &str = "SELECT DISTINCT study_row, series_row FROM instance WHERE sop_uid = ?1";
const CLEAR_SHARED: &str = "DELETE FROM conflict WHERE study_row = ?1 AND kind = 5 AND series_row = ?2 \
     AND sop_uid = ?3 AND digest = x''";
const LIST: &str = "SELECT c.kind, s.study_uid, r.series_uid, c.sop_uid, c.digest, c.served_digest, \
     c.patient_differs, c.received_ms, c.resolved FROM conflict c JOIN study s ON s.id = c.study_row \
     LEFT JOIN series r ON r.id = c.series_row WHERE CASE WHEN c.resolved <> 0 THEN 1 ELSE 0 END = ?3 \
     ORDER BY s.study_uid, c.kind, r.series_uid, c.sop_uid, c.digest LIMIT ?1 OFFSET ?2";
const OF_STUDY: &str = "SELECT c.kind, s.study_uid, r.series_uid, c.sop_uid, c.digest, c.served_digest, \
     c.patient_differs, c.received_ms, c.resolved FROM study s JOIN conflict c ON c.study_row = s.id \
     LEFT JOIN series r ON r.id = c.series_row WHERE s.study_uid = ?1 AND c.resolved = 0 \
     ORDER BY c.kind, r.series_uid, c.sop_uid, c.digest LIMIT ?2";
const NOTE_UNINDEXABLE: &str = "INSERT INTO unindexable (pack_id, record_at, reason) VALUES (?1, ?2, ?3) \
     ON CONFLICT (pack_id, record_at) DO UPDATE SET reason = excluded.reason";
const UNINDEXABLE: &str =
    "SELECT pack_id, record_at, reason FROM unindexable ORDER BY pack_id, record_at LIMIT ?1 OFFSET ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    COMPARE,
    CLEAR_VERSIONS,
    NOT_SERVED,
    SHARING,
    VARIANTS,
    PATIENTS,
    SET_CLASH,
    IS_MARKED,
    CLEAR_PATIENTS,
    MARK,
    HAVING,
    CLEAR_SHARED,
    OF_STUDY,
];

/// What two versions are against each other.
pub(super) fn kind_of(session: &Session<'_>, a: i64, b: i64) -> Result<Against, DbError> {
    let compare = |row: &crate::db::sql::Row<'_>| {
        let (same_bulk, same_source, patient_differs): (bool, bool, bool) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let kind = match (same_bulk, same_source, patient_differs) {
            (true, true, _) => ConflictKind::Correction,
            (true, false, true) => ConflictKind::Identity,
            _ => ConflictKind::Content,
        };
        Ok(Against { kind, patient_differs })
    };
    session.row(COMPARE, params![a, b], compare)?.ok_or(DbError::Invalid("version"))
}

/// Notes a version that is not served.
pub(super) fn note_version(
    session: &Session<'_>,
    version: &Placed,
    sop_uid: &str,
    served: &Placed,
    against: &Against,
) -> Result<(), DbError> {
    let params = params![
        version.study,
        against.kind.number(),
        version.series,
        sop_uid,
        &version.precedence.digest[..],
        &served.precedence.digest[..],
        against.patient_differs,
        version.precedence.received_ms,
    ];
    session.execute(NOTE, params)?;
    session.execute(MARK, [version.study]).map(drop)
}

/// Compares all visible versions with the one that is served now, if one is.
pub(super) fn compare_versions(
    session: &Session<'_>,
    study: i64,
    series: i64,
    sop_uid: &str,
    served: Option<&Placed>,
) -> Result<(), DbError> {
    session.execute(CLEAR_VERSIONS, params![study, series, sop_uid])?;
    let Some(served) = served else { return session.execute(MARK, [study]).map(drop) };
    let others = session.rows(NOT_SERVED, params![sop_uid, series], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, i64>(2)?))
    })?;
    for (id, digest, received_ms) in others {
        let against = kind_of(session, id, served.instance)?;
        let params = params![
            study,
            against.kind.number(),
            series,
            sop_uid,
            &digest[..],
            &served.precedence.digest[..],
            against.patient_differs,
            received_ms,
        ];
        session.execute(NOTE, params)?;
    }
    session.execute(MARK, [study]).map(drop)
}

/// Flags a SOP Instance UID that more than one study or series has. Called for each one that comes to have it, so
/// that looking at two is enough.
pub(super) fn note_shared(
    session: &Session<'_>,
    sop_uid: &str,
    study: i64,
    series: i64,
) -> Result<(), DbError> {
    let mut sharing: Vec<(i64, i64)> =
        session.rows(SHARING, [sop_uid], |row| Ok((row.get(0)?, row.get(1)?)))?;
    sharing.push((study, series));
    sharing.sort_unstable();
    sharing.dedup();
    // What has it elsewhere may be withdrawn.
    if sharing.len() < 2 {
        return Ok(());
    }
    for (study, series) in sharing {
        let kind = ConflictKind::SharedUid.number();
        session.execute(NOTE, params![study, kind, series, sop_uid, &[][..], &[][..], false, 0])?;
    }
    Ok(())
}

/// Takes the flag back from a study and series that serve the SOP Instance UID no more; from all, where none shares it.
pub(super) fn note_unshared(
    session: &Session<'_>,
    sop_uid: &str,
    study: i64,
    series: i64,
) -> Result<(), DbError> {
    let still: Vec<i64> = session.rows(SHARING, [sop_uid], |row| row.get(1))?;
    let having: Vec<(i64, i64)> = match still.len() {
        2.. => vec![(study, series)],
        _ => session.rows(HAVING, [sop_uid], |row| Ok((row.get(0)?, row.get(1)?)))?,
    };
    for (study, series) in having {
        session.execute(CLEAR_SHARED, params![study, series, sop_uid])?;
    }
    Ok(())
}

/// What is said of many studies.
pub(super) fn variants_ahead(studies: &[i64]) -> LookUp<'static> {
    LookUp::of_rows(VARIANTS, studies)
}

/// Looks whether a new saying about a study clashes with an older one. Sayings are few, instances many: only a study
/// in which they clash is looked at closer.
pub(super) fn compare_variants(session: &Session<'_>, study: i64) -> Result<(), DbError> {
    let clash = session.row(VARIANTS, [study], |row| row.get::<_, Option<bool>>(0))?.flatten();
    if clash == Some(true) { session.execute(SET_CLASH, [study]).map(drop) } else { Ok(()) }
}

/// Looks whether the served instances of a study name different patients. Once they do, only an instance that is no
/// longer served can change that.
pub(super) fn compare_patients(session: &Session<'_>, study: i64, look_at_all: bool) -> Result<(), DbError> {
    let marked = session.row(IS_MARKED, [study], |_| Ok(()))?.is_some();
    if marked && !look_at_all {
        return Ok(());
    }
    let differ = session.row(PATIENTS, [study], |row| row.get::<_, Option<bool>>(0))?.flatten();
    if differ == Some(true) {
        let kind = ConflictKind::StudyPatients.number();
        session.execute(NOTE, params![study, kind, 0, "", &[][..], &[][..], true, 0])?;
    } else {
        session.execute(CLEAR_PATIENTS, [study])?;
    }
    session.execute(MARK, [study]).map(drop)
}

/// Conflicts that are open, or those that somebody resolved.
pub(super) fn list(
    session: &Session<'_>,
    resolved: bool,
    limit: u32,
    offset: u32,
) -> Result<Vec<Conflict>, DbError> {
    let rows = session.rows(LIST, params![limit, offset, resolved], raw)?;
    rows.into_iter().map(checked).collect()
}

/// Conflicts of a study that are open.
pub(super) fn of_study(session: &Session<'_>, study: &Uid, limit: u32) -> Result<Vec<Conflict>, DbError> {
    let rows = session.rows(OF_STUDY, params![study.as_str(), limit], raw)?;
    rows.into_iter().map(checked).collect()
}

/// A row before its texts are identifiers again.
type Raw = (i64, (String, Option<String>, String), (Vec<u8>, Vec<u8>), bool, (i64, i64));

fn raw(row: &crate::db::sql::Row<'_>) -> Result<Raw, DbError> {
    let texts: (String, Option<String>, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let hashes: (Vec<u8>, Vec<u8>) = (row.get(4)?, row.get(5)?);
    let numbers: (i64, i64) = (row.get(7)?, row.get(8)?);
    Ok((row.get::<_, i64>(0)?, texts, hashes, row.get::<_, bool>(6)?, numbers))
}

fn checked(row: Raw) -> Result<Conflict, DbError> {
    let (kind, (study, series, sop), (digest, served), patient_differs, (received_ms, resolved)) = row;
    let uid = |text: String| Uid::parse(&text).map_err(|_| DbError::Invalid("UID"));
    let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok().map(ContentHash);
    let digest = hash(digest);
    Ok(Conflict {
        kind: ConflictKind::of_number(kind).ok_or(DbError::Invalid("conflict"))?,
        study_uid: uid(study)?,
        series_uid: series.map(uid).transpose()?,
        sop_instance: Some(sop).filter(|sop| !sop.is_empty()).map(uid).transpose()?,
        received_ms: digest.map(|_| received_ms),
        digest,
        served: hash(served),
        patient_differs,
        resolved: match resolved {
            1 => Some(Resolution::Correction),
            2 => Some(Resolution::MixUp),
            _ => None,
        },
    })
}

/// Lists a record that cannot become rows.
pub(super) fn note_unindexable(
    session: &Session<'_>,
    pack: PackId,
    offset: u64,
    reason: &str,
) -> Result<(), DbError> {
    let at = signed(offset, "record position")?;
    session.execute(NOTE_UNINDEXABLE, params![pack.0, at, reason]).map(drop)
}

pub(super) fn unindexable(
    session: &Session<'_>,
    limit: u32,
    offset: u32,
) -> Result<Vec<Unindexable>, DbError> {
    session.rows(UNINDEXABLE, params![limit, offset], |row| {
        let place = Place { pack: PackId(row.get(0)?), offset: unsigned(row, 1)?, length: 0 };
        Ok(Unindexable { place, reason: row.get(2)? })
    })
}
