//! Verifying a series: each served instance with its bulk values read again from the disk and hashed.

use std::collections::BTreeSet;

use storage_config::pack::{Body, Kind, PackReader};

use super::Verifier;
use super::findings::Judged;
use super::pace::Pace;
use super::pack::{Finding, leaves_open, read};
use crate::archive::error::ReadError;
use crate::db::{DbError, PackId, Place, SeriesMember};
use crate::record::InstanceBody;

/// What a series was found to be.
pub(super) enum SeriesRead {
    /// All of it was read: so many instances, so many of them without a whole copy.
    Read { instances: u64, damaged: u64 },
    /// It was to stop, or some of it is out of reach at the moment.
    Unread,
}

impl Verifier<'_> {
    /// Reads a series (by its id in rows) and keeps what was found.
    pub(super) fn series(&self, series: i64, pace: &mut Pace<'_>) -> Result<SeriesRead, DbError> {
        let (generation, members) = self.shared.db.series_members(series)?;
        let (mut damaged, mut packs) = (0, BTreeSet::new());
        for member in &members {
            match self.instance(member, &mut packs, pace) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => damaged += 1,
                Ok(None) => return Ok(SeriesRead::Unread),
                Err(ReadError::Away(_)) => return Ok(SeriesRead::Unread),
                Err(ReadError::Index(error)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "an instance cannot be read");
                    damaged += 1;
                }
            }
        }
        let at = (generation, (self.shared.options.now_ms)());
        let packs: Vec<PackId> = packs.into_iter().collect();
        self.archive().in_index(move |db| db.set_series_verified(series, at, damaged, &packs))?;
        Ok(SeriesRead::Read { instances: members.len() as u64, damaged })
    }

    /// Whether an instance is whole in at least one copy of each of its parts; none when that cannot be said now.
    fn instance(
        &self,
        member: &SeriesMember,
        packs: &mut BTreeSet<PackId>,
        pace: &mut Pace<'_>,
    ) -> Result<Option<bool>, ReadError> {
        let body = match self.record(member, pace)? {
            Some(body) => body,
            None => return Ok(Some(false)),
        };
        packs.insert(member.place.pack);
        let mut whole = true;
        for bulk in &body.bulk {
            let mut copies = self.shared.db.bulk_locations(&bulk.hash)?;
            copies.retain(|copy| !copy.damaged);
            let (mut found, mut unread) = (false, false);
            for copy in copies {
                match self.bulk(&copy.place, bulk.hash, pace) {
                    None if pace.stopped() => return Ok(None),
                    // Another copy may be whole.
                    None => unread = true,
                    Some(true) => {
                        packs.insert(copy.place.pack);
                        found = true;
                        break;
                    }
                    Some(false) => {}
                }
            }
            if unread && !found {
                return Ok(None);
            }
            whole &= found;
        }
        Ok(Some(whole))
    }

    /// The record of an instance, if it is whole; [`ReadError::Away`] when that cannot be said now. What is not is listed and repaired where that can be done.
    fn record(&self, member: &SeriesMember, pace: &mut Pace<'_>) -> Result<Option<InstanceBody>, ReadError> {
        let mut place = member.place;
        // Once as it was, once where a repair or another process put it.
        for _ in 0..2 {
            match self.read_record(&place, member, pace) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => return Err(ReadError::Away("a record was not read".into())),
                Err(finding) => {
                    let row = self.shared.db.instance_by_digest(&member.digest)?;
                    let Some(row) = row else { return Ok(None) };
                    if row.place == place {
                        let away = || ReadError::Away("the object of a pack was not read".into());
                        let whole = self.damaged(place.pack, finding, pace).ok_or_else(away)?;
                        let row = self.shared.db.instance_by_digest(&member.digest)?;
                        match row {
                            Some(row) if row.place != place => place = row.place,
                            // It was a file, and the object is whole.
                            Some(_) if whole => {}
                            _ => return Ok(None),
                        }
                    } else {
                        place = row.place;
                    }
                }
            }
        }
        Ok(None)
    }

    /// The record if it is whole; none when that cannot be said now.
    fn read_record(
        &self,
        place: &Place,
        member: &SeriesMember,
        pace: &mut Pace<'_>,
    ) -> Result<Option<InstanceBody>, Finding> {
        let finding = |what| Finding {
            from: place.offset,
            to: place.offset + storage_config::pack::record_length(place.length),
            kind: Some(Kind::Instance),
            hash: None,
            what,
        };
        let reader = match self.shared.reader(place) {
            Ok(reader) => reader,
            Err(error) if self.is_lost(place, &error) => return Err(finding("its pack cannot be read")),
            Err(_) => return Ok(None),
        };
        let record = match reader.record(place.offset) {
            Ok(record) => record,
            Err(error) if leaves_open(&error) => return Ok(self.unread(place, &reader)),
            Err(_) => return Err(finding("the frame of a record")),
        };
        match read(&reader, &record, pace) {
            Body::Whole => {}
            Body::Unread | Body::Unreadable => return Ok(self.unread(place, &reader)),
            Body::Damaged(what) => return Err(finding(what)),
        }
        let body = match reader.read_body(&record) {
            Ok(body) => body,
            Err(error) if leaves_open(&error) => return Ok(self.unread(place, &reader)),
            Err(_) => return Err(finding("a chunk of the body")),
        };
        match InstanceBody::read(&body) {
            Ok((body, digest)) if digest == member.digest && body.digest() == digest => Ok(Some(body)),
            _ => Err(finding("the digest")),
        }
    }

    /// Whether a pack that cannot be opened is damaged or not there.
    fn is_lost(&self, place: &Place, error: &ReadError) -> bool {
        tracing::warn!(pack = place.pack.0, %error, "a pack was not opened");
        self.name_of(place.pack).is_some_and(|name| self.judge(place.pack, &name, error) == Judged::Lost)
    }

    /// Nothing can be said now; the next time its pack is opened anew if it stands elsewhere by now.
    fn unread<T>(&self, place: &Place, reader: &PackReader) -> Option<T> {
        self.shared.has_moved(place.pack, reader);
        None
    }

    /// Whether a copy of a bulk value is whole; none when that cannot be said now. One that is not is quarantined, and repaired
    /// where that can be done.
    fn bulk(&self, place: &Place, hash: storage_config::ContentHash, pace: &mut Pace<'_>) -> Option<bool> {
        let finding = |what| Finding {
            from: place.offset,
            to: place.offset + storage_config::pack::record_length(place.length),
            kind: Some(Kind::Bulk),
            hash: Some(hash),
            what,
        };
        let reader = match self.shared.reader(place) {
            Ok(reader) => reader,
            Err(error) if !self.is_lost(place, &error) => return None,
            Err(_) => {
                return self.damaged(place.pack, finding("its pack cannot be read"), pace);
            }
        };
        let body = match reader.record(place.offset) {
            Ok(record) if record.raw_sha256 == hash => read(&reader, &record, pace),
            Ok(_) => Body::Damaged("another record stands there"),
            Err(error) if leaves_open(&error) => Body::Unread,
            Err(_) => Body::Damaged("the frame of a record"),
        };
        match body {
            Body::Whole => Some(true),
            Body::Unread | Body::Unreadable => self.unread(place, &reader),
            Body::Damaged(what) => self.damaged(place.pack, finding(what), pace),
        }
    }
}
