//! What the rows say of a study, as its headers came: what the archive itself says of studies is left out.

use crate::db::sql::params;
use serde_json::{Map, Value};
use storage_config::{ContentHash, Uid};

use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::{Session, unsigned};

/// Series of a study that are looked at.
const SERIES_MAX: i64 = 256;
/// Images of one series that are looked at.
const IMAGES_OF_SERIES_MAX: i64 = 32;
/// Images of a study that are looked at.
const IMAGES_MAX: i64 = 512;

/// A study as its headers describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct StudySource {
    /// Counts visible changes of the study, within one life of the index.
    pub generation: u64,
    /// The facility from which it came first.
    pub facility: FacilityId,
    /// Its series that are served, by series number.
    pub series: Vec<SeriesSource>,
}

/// A series as its headers describe it, attributes as DICOM JSON (PS3.18 F).
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSource {
    /// Modality (0008,0060), empty where there is none.
    pub modality: String,
    /// Instances that are served.
    pub instances: u64,
    /// Digest of the instance that speaks for the series.
    pub digest: ContentHash,
    /// Its SOP Class UID.
    pub sop_class: String,
    /// Whether it is a picture, and not something made from pictures.
    pub is_picture: bool,
    /// What the series says of its study.
    pub study: Map<String, Value>,
    /// What it says of itself.
    pub attributes: Map<String, Value>,
    /// What its first images say.
    pub images: Vec<Map<String, Value>>,
}

const STUDY: &str = "SELECT s.id, s.generation, i.facility_id FROM study s JOIN instance i ON i.id = s.winner_id \
     WHERE s.study_uid = ?1";
const SERIES: &str = "SELECT r.id, r.modality, r.n_instances, i.digest, i.sop_class, i.rank, u.json, v.json \
     FROM series r JOIN instance i ON i.id = r.winner_id JOIN series_variant v ON v.id = r.variant_id \
     JOIN study_variant u ON u.id = i.study_variant_id WHERE r.study_row = ?1 AND r.n_instances > 0 \
     ORDER BY r.series_number, r.series_uid LIMIT ?2";
const IMAGES: &str = "SELECT json FROM instance WHERE series_row = ?1 AND version = 0 \
     ORDER BY instance_number LIMIT ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[STUDY, IMAGES];

/// What the headers of a study say; none where nothing of it is served.
pub(in crate::db) fn of_study(session: &Session<'_>, study: &Uid) -> Result<Option<StudySource>, DbError> {
    let found = session.row(STUDY, [study.as_str()], |row| {
        Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?, FacilityId(row.get(2)?)))
    })?;
    let Some((id, generation, facility)) = found else { return Ok(None) };
    let rows = session.rows(SERIES, params![id, SERIES_MAX], |row| {
        let texts: [String; 4] = [row.get(1)?, row.get(4)?, row.get(6)?, row.get(7)?];
        let digest = ContentHash(row.get(3)?);
        Ok((row.get::<_, i64>(0)?, texts, unsigned(row, 2)?, digest, row.get::<_, i64>(5)? == 0))
    })?;
    let mut series = Vec::with_capacity(rows.len());
    let mut images_left = IMAGES_MAX;
    for (row, [modality, sop_class, study, attributes], instances, digest, is_picture) in rows {
        let most = images_left.min(IMAGES_OF_SERIES_MAX);
        let images: Vec<String> =
            if is_picture { session.rows(IMAGES, params![row, most], |row| row.get(0))? } else { Vec::new() };
        images_left -= images.len() as i64;
        series.push(SeriesSource {
            modality,
            instances,
            digest,
            sop_class,
            is_picture,
            study: object(&study)?,
            attributes: object(&attributes)?,
            images: images.iter().map(|json| object(json)).collect::<Result<_, _>>()?,
        });
    }
    Ok(Some(StudySource { generation, facility, series }))
}

fn object(json: &str) -> Result<Map<String, Value>, DbError> {
    serde_json::from_str(json).map_err(|_| DbError::Invalid("attributes"))
}
