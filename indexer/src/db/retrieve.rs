//! Instances for reading: by digest, by scope for WADO-RS, all versions of one, and what deduplication asks.

use crate::db::sql::{Params, Row, params};
use storage_config::{ContentHash, Uid};

use super::ahead::LookUp;
use super::bulk;
use super::entry::{ConflictKind, FacilityId, PackId, Place};
use super::error::DbError;
use super::row::NO_NUMBER;
use super::session::{Session, unsigned};

/// What is retrieved (PS3.18 10.4): a study, a series or an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Study Instance UID.
    pub study: Uid,
    /// Series Instance UID.
    pub series: Option<Uid>,
    /// SOP Instance UID.
    pub instance: Option<Uid>,
}

/// An instance as reading needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its id in rows, within one life of the index.
    pub id: i64,
    /// Study Instance UID.
    pub study_uid: Uid,
    /// Series Instance UID.
    pub series_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// SOP Class UID.
    pub sop_class: Uid,
    /// Transfer syntax in which it is kept.
    pub transfer_syntax: Uid,
    /// Its digest.
    pub digest: ContentHash,
    /// Where its record is.
    pub place: Place,
    /// Bytes of its data set.
    pub length: u64,
    /// Number of frames, where the data set says.
    pub frames: Option<u32>,
    /// Series Number.
    pub series_number: Option<i64>,
    /// Instance Number.
    pub instance_number: Option<i64>,
    /// The facility from which it came first.
    pub facility: FacilityId,
    /// Who sent it first.
    pub source: String,
    /// When it first came, in milliseconds since 1970-01-01 UTC.
    pub received_ms: i64,
    /// Whether it is the version that is served.
    pub served: bool,
    /// Whether it was withdrawn: its bytes are not to be given out.
    pub withdrawn: bool,
}

/// Where a page of instances ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAfter {
    series: (i64, String),
    instance: (i64, String),
}

impl InstanceRow {
    /// Where a page ends that has this as its last row.
    #[must_use]
    pub fn after(&self) -> InstanceAfter {
        InstanceAfter {
            series: (self.series_number.unwrap_or(NO_NUMBER), self.series_uid.to_string()),
            instance: (self.instance_number.unwrap_or(NO_NUMBER), self.sop_instance.to_string()),
        }
    }
}

/// A version of a SOP instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// The instance.
    pub instance: InstanceRow,
    /// What it is against the one that is served; none for the one that is.
    pub conflict: Option<ConflictKind>,
    /// What its data set has against the standard, in words.
    pub notes: Vec<String>,
}

/// What is known of an arriving instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whether the instance is known.
    pub instance: bool,
    /// Where its record is.
    pub place: Option<Place>,
    /// Whether this facility is known to hold it: it was not withdrawn, or it came again after it was.
    pub held: bool,
    /// Through which time this facility's holding was withdrawn, in milliseconds since 1970-01-01 UTC: a holding that
    /// is to be visible again comes later.
    pub withdrawn_through_ms: Option<i64>,
    /// Whether it was withdrawn for patient safety.
    pub rejected: bool,
    /// The good copies of each bulk value that was asked for, in their order.
    pub bulk: Vec<Vec<Place>>,
}

/// The columns of an [`InstanceRow`] from instance `i`, series `r`, study `s`.
macro_rules! instances {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, s.study_uid, r.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax, i.digest, ",
            "i.pack_id, i.record_at, i.body_length, i.length, i.frames, r.series_number, ",
            "i.instance_number, i.facility_id, i.source, i.received_ms, i.version, i.hidden ",
            $rest
        )
    };
}

const BY_DIGEST: &str = instances!(
    "FROM instance i JOIN series r ON r.id = i.series_row JOIN study s ON s.id = i.study_row WHERE i.digest = ?1"
);
const ONE: &str = instances!(
    "FROM study s JOIN series r ON r.study_row = s.id JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     WHERE s.study_uid = ?1 AND r.series_uid = ?2 AND i.sop_uid = ?3"
);
const OF_SERIES: &str = instances!(
    "FROM series r JOIN study s ON s.id = r.study_row JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     WHERE r.id = ?1 AND i.instance_number >= ?2 AND (i.instance_number > ?2 OR i.sop_uid > ?3) \
     ORDER BY i.instance_number, i.sop_uid LIMIT ?4"
);
const ANYWHERE: &str = instances!(
    "FROM instance i JOIN series r ON r.id = i.series_row JOIN study s ON s.id = i.study_row \
     WHERE i.sop_uid = ?1 ORDER BY s.study_uid, r.series_uid, i.version <> 0, i.received_ms, i.digest LIMIT 1000"
);
const SERIES: &str = "SELECT r.id, r.series_number, r.series_uid FROM study s JOIN series r ON r.study_row = s.id \
     WHERE s.study_uid = ?1 AND r.n_instances > 0 ORDER BY r.series_number, r.series_uid";
const VERSION: &str = "SELECT c.kind, i.notes FROM instance i LEFT JOIN conflict c ON c.study_row = i.study_row \
     AND c.kind IN (1, 2, 3) AND c.series_row = i.series_row AND c.sop_uid = i.sop_uid AND c.digest = i.digest \
     WHERE i.id = ?1";
/// The last: the record of the instance is damaged or about to be removed, so that it has to be written again.
const HELD: &str = "SELECT i.pack_id, i.record_at, i.body_length, \
     (SELECT h.last_ms FROM holding h WHERE h.instance_id = i.id AND h.facility_id = ?2), \
     CASE WHEN i.damaged <> 0 OR i.condemned <> 0 THEN 1 ELSE 0 END FROM instance i WHERE i.digest = ?1";
const WITHDRAWN: &str = "SELECT max(through_ms), max(safety) FROM withdrawn \
     WHERE digest = ?1 AND facility_id IN (-1, ?2)";
const FRAMES: &str = "SELECT bytes, pixels FROM frame_table WHERE instance_id = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[BY_DIGEST, ONE, OF_SERIES, ANYWHERE, SERIES, VERSION, HELD, WITHDRAWN, FRAMES];

/// What an instance's text columns hold before they are identifiers again.
type Raw = ([String; 5], InstanceRest);

struct InstanceRest {
    id: i64,
    digest: [u8; 32],
    place: Place,
    length: u64,
    frames: Option<u32>,
    series_number: i64,
    instance_number: i64,
    facility: u32,
    source: String,
    received_ms: i64,
    version: i64,
    hidden: bool,
}

fn raw(row: &Row<'_>) -> Result<Raw, DbError> {
    let texts = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
    let rest = InstanceRest {
        id: row.get(0)?,
        digest: row.get(6)?,
        place: Place { pack: PackId(row.get(7)?), offset: unsigned(row, 8)?, length: unsigned(row, 9)? },
        length: unsigned(row, 10)?,
        frames: row.get(11)?,
        series_number: row.get(12)?,
        instance_number: row.get(13)?,
        facility: row.get(14)?,
        source: row.get(15)?,
        received_ms: row.get(16)?,
        version: row.get(17)?,
        hidden: row.get(18)?,
    };
    Ok((texts, rest))
}

fn checked((texts, rest): Raw) -> Result<InstanceRow, DbError> {
    let uid = |text: &String| Uid::parse(text).map_err(|_| DbError::Invalid("UID"));
    let number = |number| Some(number).filter(|number| *number != NO_NUMBER);
    let [study, series, sop_instance, sop_class, transfer_syntax] = &texts;
    Ok(InstanceRow {
        id: rest.id,
        study_uid: uid(study)?,
        series_uid: uid(series)?,
        sop_instance: uid(sop_instance)?,
        sop_class: uid(sop_class)?,
        transfer_syntax: uid(transfer_syntax)?,
        digest: ContentHash(rest.digest),
        place: rest.place,
        length: rest.length,
        frames: rest.frames,
        series_number: number(rest.series_number),
        instance_number: number(rest.instance_number),
        facility: FacilityId(rest.facility),
        source: rest.source,
        received_ms: rest.received_ms,
        served: rest.version == 0,
        withdrawn: rest.hidden,
    })
}

pub(super) fn known(
    session: &Session<'_>,
    digest: &ContentHash,
    facility: FacilityId,
    hashes: &[ContentHash],
) -> Result<Known, DbError> {
    let asked = params![&digest.0[..], facility.0];
    session.look_ahead(&[LookUp::once(HELD, vec![asked.values()]), bulk::locations_ahead(hashes)])?;
    let held = session.row(HELD, asked, |row| {
        let pack = PackId(row.get(0)?);
        let place = Place { pack, offset: unsigned(row, 1)?, length: unsigned(row, 2)? };
        Ok((place, row.get::<_, Option<i64>>(3)?, row.get::<_, bool>(4)?))
    })?;
    let (through, rejected) = match held {
        Some(_) => session
            .row(WITHDRAWN, asked, |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<bool>>(1)?.unwrap_or(false)))
            })?
            .unwrap_or_default(),
        None => (None, false),
    };
    let mut places = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let good =
            bulk::locations(session, hash)?.into_iter().filter(|location| location.may_be_counted_on());
        places.push(good.map(|location| location.place).collect());
    }
    let good = held.filter(|(_, _, to_be_replaced)| !to_be_replaced);
    let last_ms = good.and_then(|(_, last_ms, _)| last_ms);
    Ok(Known {
        instance: good.is_some(),
        place: good.map(|(place, ..)| place),
        held: last_ms.is_some_and(|last_ms| through.is_none_or(|through| last_ms > through)),
        withdrawn_through_ms: through,
        rejected,
        bulk: places,
    })
}

pub(super) fn by_digest(session: &Session<'_>, digest: &ContentHash) -> Result<Option<InstanceRow>, DbError> {
    session.row(BY_DIGEST, [&digest.0[..]], raw)?.map(checked).transpose()
}

pub(super) fn of_scope(
    session: &Session<'_>,
    scope: &Scope,
    after: Option<&InstanceAfter>,
    limit: usize,
) -> Result<Vec<InstanceRow>, DbError> {
    if let (Some(series), Some(instance)) = (&scope.series, &scope.instance) {
        let found = if after.is_some() {
            None
        } else {
            session.row(ONE, [scope.study.as_str(), series.as_str(), instance.as_str()], raw)?
        };
        return found.map(checked).into_iter().collect();
    }
    let series: Vec<(i64, i64, String)> =
        session.rows(SERIES, [scope.study.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut found = Vec::new();
    for (id, number, uid) in series {
        if scope.series.as_ref().is_some_and(|wanted| wanted.as_str() != uid) {
            continue;
        }
        let position =
            after.map(|after| (number, uid.as_str()).cmp(&(after.series.0, after.series.1.as_str())));
        let (number, sop_uid) = match (position, after) {
            (Some(std::cmp::Ordering::Less), _) => continue,
            (Some(std::cmp::Ordering::Equal), Some(after)) => (after.instance.0, after.instance.1.as_str()),
            _ => (i64::MIN, ""),
        };
        let left = limit.saturating_sub(found.len());
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        for row in session.rows(OF_SERIES, params![id, number, sop_uid, left], raw)? {
            found.push(checked(row)?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

pub(super) fn versions(
    session: &Session<'_>,
    study: Option<&Uid>,
    sop_instance: &Uid,
) -> Result<Vec<VersionRow>, DbError> {
    let mut found = Vec::new();
    for row in session.rows(ANYWHERE, [sop_instance.as_str()], raw)? {
        let instance = checked(row)?;
        if study.is_some_and(|study| *study != instance.study_uid) {
            continue;
        }
        let (kind, notes): (Option<i64>, String) = session
            .row(VERSION, [instance.id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .ok_or(DbError::Invalid("version"))?;
        let conflict = kind.and_then(ConflictKind::of_number);
        let notes = notes.lines().map(str::to_owned).collect();
        found.push(VersionRow { instance, conflict, notes });
    }
    Ok(found)
}

pub(super) fn frame_table(session: &Session<'_>, instance: i64) -> Result<Option<Vec<u8>>, DbError> {
    session.row(FRAMES, [instance], |row| row.get(0))
}

/// An instance with what reading its frames needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSource {
    /// The instance.
    pub instance: InstanceRow,
    /// Its frame table, where there is one.
    pub table: Option<Vec<u8>>,
    /// The bulk value that the table is about; none where the pixels stand in the instance record.
    pub pixels: Option<ContentHash>,
    /// Good copies of that bulk value.
    pub places: Vec<Place>,
}

/// What reading frames of a served instance needs, in one look.
pub(super) fn frame_source(session: &Session<'_>, scope: &Scope) -> Result<Option<FrameSource>, DbError> {
    let Some(instance) = of_scope(session, scope, None, 1)?.pop() else { return Ok(None) };
    let found = session.row(FRAMES, [instance.id], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let (table, pixels) = found.unzip();
    let pixels = pixels.and_then(|hash| hash.try_into().ok()).map(ContentHash);
    let mut places = Vec::new();
    if let Some(hash) = &pixels {
        let good = bulk::locations(session, hash)?.into_iter().filter(|location| !location.damaged);
        places.extend(good.map(|location| location.place));
    }
    Ok(Some(FrameSource { instance, table, pixels, places }))
}
