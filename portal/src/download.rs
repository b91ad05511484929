//! `/studies/{uid}/download.zip`: the instances of a study as files of PS3.10, in a zip archive that is made while it
//! is sent.
//!
//! Names are made of numbers alone: `series-001/00001.dcm`, in the order of the study. A file's CRC has to stand before
//! it, so a file up to [`HELD`] bytes is held in memory and a larger one is read twice. What turns out damaged cuts the
//! answer short of its announced length: no browser takes it for whole.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use indexer::archive::{Archive, InstanceReader, ReadError};
use indexer::dataset::part10;
use indexer::db::{Db, DbError, InstanceRow, Scope};
use storage_config::Uid;
use tokio::sync::Semaphore;

use crate::Portal;
use crate::api::ask;
use crate::calendar::{Day, now_ms};
use crate::frame::Failure;
use crate::language::Language;
use crate::zip::{Crc, Stamp, Zip};

/// Largest file that is held while its CRC is made, in bytes.
const HELD: u64 = 8 << 20;
/// Bytes of one turn; a turn ends with the chunk that reaches it.
const TURN: usize = 512 * 1024;
/// Turns at a time, of all downloads of the process.
const TURNS_AT_A_TIME: usize = 4;
static TURNS: Semaphore = Semaphore::const_new(TURNS_AT_A_TIME);
/// Rows that are read at once.
const ROWS: usize = 2_000;

/// A file of the archive to be.
struct Planned {
    name: String,
    length: u64,
    row: InstanceRow,
}

pub(crate) async fn download(
    State(portal): State<Portal>,
    language: Language,
    Path(uid): Path<String>,
) -> Result<Response, Failure> {
    let uid = Uid::parse(&uid).map_err(|_| Failure::no_study(language))?;
    let files = ask(&portal.archive, move |archive| plan(archive.db(), &uid)).await;
    let files = files.map_err(Failure::of(language))?;
    if files.is_empty() {
        return Err(Failure::no_study(language));
    }
    let today = Day::at(now_ms());
    let length = Zip::length_of(files.iter().map(|file| (file.name.len(), file.length)));
    let writer = Writer::new(portal.archive.clone(), files, Stamp::of_day(today.parts()));
    // The name says nothing of the patient: folders of downloads are read by others too.
    let name = format!("attachment; filename=\"ca-chup-{}.zip\"", today.iso());
    let mut response = Body::from_stream(stream(writer)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.extend(HeaderValue::from_str(&name).ok().map(|name| (header::CONTENT_DISPOSITION, name)));
    Ok(response)
}

/// The files of a study, in its order.
fn plan(db: &Db, study: &Uid) -> Result<Vec<Planned>, DbError> {
    let scope = Scope { study: study.clone(), series: None, instance: None };
    let mut files: Vec<Planned> = Vec::new();
    let (mut series, mut in_series) = (0_u32, 0_u32);
    let mut after = None;
    loop {
        let rows = db.instances_of(&scope, after.as_ref(), ROWS)?;
        let (read, last) = (rows.len(), rows.last().map(InstanceRow::after));
        for row in rows {
            if files.last().is_none_or(|before| before.row.series_uid != row.series_uid) {
                (series, in_series) = (series + 1, 0);
            }
            in_series += 1;
            let header = part10::header(&row.sop_class, &row.sop_instance, &row.transfer_syntax);
            files.push(Planned {
                name: format!("series-{series:03}/{in_series:05}.dcm"),
                length: header.len() as u64 + row.length,
                row,
            });
        }
        if read < ROWS {
            return Ok(files);
        }
        after = last;
    }
}

/// The archive as it is made, piece by piece. Blocks on the packs.
struct Writer {
    archive: Archive,
    files: std::vec::IntoIter<Planned>,
    zip: Option<Zip>,
    /// A large file that is being read for the second time, and the bytes still to come.
    open: Option<(InstanceReader, u64)>,
}

impl Writer {
    fn new(archive: Archive, files: Vec<Planned>, stamp: Stamp) -> Writer {
        Writer { archive, files: files.into_iter(), zip: Some(Zip::new(stamp)), open: None }
    }

    /// The next bytes, at least [`TURN`] of them but at the end; none after it.
    fn turn(&mut self) -> Result<Option<Vec<u8>>, Cut> {
        let mut out = Vec::with_capacity(TURN);
        while out.len() < TURN {
            if let Some((reader, left)) = &mut self.open {
                match reader.next_chunk()? {
                    Some(chunk) => {
                        *left = left.checked_sub(chunk.len() as u64).ok_or(Cut)?;
                        out.extend_from_slice(&chunk);
                    }
                    None if *left == 0 => self.open = None,
                    None => return Err(Cut),
                }
            } else if let Some(file) = self.files.next() {
                self.begin(&file, &mut out)?;
            } else if let Some(zip) = self.zip.take() {
                out.extend_from_slice(&zip.end());
            } else {
                break;
            }
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }

    /// Writes the header of a file, and the file itself if it is small.
    fn begin(&mut self, file: &Planned, out: &mut Vec<u8>) -> Result<(), Cut> {
        // What was withdrawn since the download began is not given out any more.
        if self.archive.db().instance_by_digest(&file.row.digest)?.is_none_or(|row| row.withdrawn) {
            return Err(Cut);
        }
        let mut reader = self.archive.read(&file.row)?;
        let (mut crc, mut length, mut held) = (Crc::new(), 0, Vec::new());
        while let Some(chunk) = reader.next_chunk()? {
            crc.update(&chunk);
            length += chunk.len() as u64;
            if file.length <= HELD {
                held.extend_from_slice(&chunk);
            }
        }
        let zip = self.zip.as_mut().filter(|_| length == file.length).ok_or(Cut)?;
        out.extend_from_slice(&zip.begin(&file.name, length, crc.sum()));
        if length <= HELD {
            out.extend_from_slice(&held);
        } else {
            self.open = Some((self.archive.read(&file.row)?, length));
        }
        Ok(())
    }
}

/// The archive could not be completed.
#[derive(Debug, Clone, Copy)]
struct Cut;

impl From<DbError> for Cut {
    fn from(error: DbError) -> Cut {
        ReadError::from(error).into()
    }
}

impl From<ReadError> for Cut {
    fn from(error: ReadError) -> Cut {
        tracing::error!(%error, "a download was cut");
        Cut
    }
}

/// The writer in turns on blocking threads; a slow receiver holds one turn's bytes and no thread, and one that has gone
/// away starts no other turn.
fn stream(writer: Writer) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    futures_util::stream::try_unfold(writer, |mut writer| async move {
        let cut = || io::Error::other("the archive could not be completed");
        let permit = TURNS.acquire().await.map_err(|_| cut())?;
        let turn = tokio::task::spawn_blocking(move || {
            let bytes = writer.turn();
            drop(permit);
            (writer, bytes)
        });
        match turn.await {
            Ok((writer, Ok(bytes))) => Ok(bytes.map(|bytes| (Bytes::from(bytes), writer))),
            Ok((_, Err(Cut))) | Err(_) => Err(cut()),
        }
    })
}
