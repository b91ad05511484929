//! Calls into the archive for parts of instances: metadata, frames, bulk values. Each runs as one turn on a blocking
//! thread, from the look into the index to the first bytes.

use indexer::archive::{Archive, BulkReader, Frames, Metadata, ReadError};
use indexer::db::{InstanceRow, Scope};

use crate::archive::{cut, unread, visible};
use crate::error::Error;
use crate::path::Named;

/// What is told of what is not there, or may not be seen.
pub const ABSENT: Error = Error::NotFound("nothing is stored under these identifiers");

/// Runs `work` away from the threads that serve sockets.
///
/// # Errors
/// Those of `work`.
pub async fn turn<T: Send + 'static>(
    archive: &Archive,
    work: impl FnOnce(&Archive) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let archive = archive.clone();
    let done = tokio::task::spawn_blocking(move || work(&archive)).await;
    done.unwrap_or(Err(Error::Internal("the request was not carried out")))
}

/// The metadata of what `named` names; addresses in it begin with `base`.
///
/// # Errors
/// When nothing is visible under those identifiers, or it cannot be read.
pub fn metadata(archive: &Archive, named: &Named, base: &str) -> Result<Metadata, Error> {
    let scope = scope(archive, named)?;
    if scope.instance.is_some() {
        let row = instance(archive, &scope)?;
        return archive.instance_metadata(&row, base).map_err(fault);
    }
    archive.metadata(&scope.study, scope.series.as_ref(), base).map_err(fault)?.ok_or(ABSENT)
}

/// The frames of the instance that `named` names.
///
/// # Errors
/// When nothing is visible under those identifiers, it has no frames, or it cannot be read.
pub fn frames(archive: &Archive, named: &Named) -> Result<Frames, Error> {
    let scope = scope(archive, named)?;
    let found = archive.frames(&scope).map_err(fault)?.ok_or(ABSENT)?;
    found.map_err(|_| Error::NotFound("the instance has no frames, or none that can be told apart"))
}

/// The bulk value `n` of the instance that `named` names.
///
/// # Errors
/// When nothing is visible under those identifiers, it has no such value, or it cannot be read.
pub fn bulk(archive: &Archive, named: &Named, n: usize) -> Result<(InstanceRow, BulkReader), Error> {
    let row = instance(archive, &scope(archive, named)?)?;
    let value = archive.bulk_value(&row, n).map_err(fault)?;
    Ok((row, value.ok_or(Error::NotFound("the instance has no such bulk value"))?))
}

/// The document that the instance that `named` names holds; none where it holds none.
///
/// # Errors
/// When nothing is visible under those identifiers, or it cannot be read.
pub fn document(archive: &Archive, named: &Named) -> Result<(InstanceRow, Option<BulkReader>), Error> {
    let row = instance(archive, &scope(archive, named)?)?;
    let value = archive.document(&row).map_err(fault)?;
    Ok((row, value))
}

/// What `named` names, as the archive has it.
///
/// # Errors
/// When the path names no study, or none that may be seen from below it.
pub fn scope(archive: &Archive, named: &Named) -> Result<Scope, Error> {
    let Named { study, series, instance, patient, .. } = named.clone();
    let study = study.ok_or_else(|| Error::invalid("StudyInstanceUID", "the path names no study"))?;
    if !visible(archive.db(), patient, &study).map_err(|error| unread(&error))? {
        return Err(ABSENT);
    }
    Ok(Scope { study, series, instance })
}

fn instance(archive: &Archive, scope: &Scope) -> Result<InstanceRow, Error> {
    let found = archive.db().instances_of(scope, None, 1).map_err(|error| unread(&error))?;
    found.into_iter().next().ok_or(ABSENT)
}

/// What a client is told of bytes that cannot be read.
pub fn fault(error: ReadError) -> Error {
    match error {
        ReadError::Index(error) => unread(&error),
        ReadError::Away(reason) => {
            tracing::warn!(reason, "stored bytes cannot be reached");
            Error::Unavailable("the stored bytes cannot be reached at the moment")
        }
        error => cut(&error).into(),
    }
}
