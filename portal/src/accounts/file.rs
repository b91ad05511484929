//! The file of the accounts: replaced as a whole, so that a loss of power leaves the old or the new one, and readable by
//! its owner alone.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use storage_config::disk::replace_file;

use super::{Account, AccountError};

/// Version of the file's format.
const VERSION: u32 = 1;
/// Most bytes of the file.
const BYTES: u64 = 16 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    version: u32,
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    accounts: &'a [&'a Account],
}

/// The accounts in the file; none when there is no file.
///
/// # Errors
/// When it is not understood.
pub(super) fn read(path: &Path) -> Result<Vec<Account>, AccountError> {
    let failed = |reason: String| AccountError::File { path: path.to_owned(), reason };
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(metadata) if metadata.len() > BYTES => return Err(failed("it is too large".into())),
        Ok(_) | Err(_) => {}
    }
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let file: Read = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    if file.version != VERSION {
        return Err(failed(format!("its version is {}, not {VERSION}", file.version)));
    }
    Ok(file.accounts)
}

/// Puts `accounts` in the place of the file. When it returns, they are on the disk.
///
/// # Errors
/// When the disk does not take them; the old file is still there then.
pub(super) fn replace(path: &Path, accounts: &[&Account]) -> Result<(), AccountError> {
    let failed = |error: io::Error| AccountError::File { path: path.to_owned(), reason: error.to_string() };
    let mut text = serde_json::to_vec_pretty(&Written { version: VERSION, accounts })
        .map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    replace_file(path, &text).map_err(failed)
}
