//! The database of a server under test: its own file, or with `TEST_DATABASE=postgres` one of a PostgreSQL server that
//! all servers of a test program share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use fixtures::postgres::Server;

/// The server, and the URLs of databases by the data folder whose index they are.
static SHARED: Mutex<Option<(Server, HashMap<PathBuf, String>)>> = Mutex::new(None);

/// Whether servers get a database on PostgreSQL that choose none themselves.
#[must_use]
pub fn is_postgres() -> bool {
    std::env::var_os("TEST_DATABASE").is_some_and(|name| name == "postgres")
}

/// The URL of the database that belongs to a data folder, empty when it is asked for the first time.
///
/// # Errors
/// When PostgreSQL is not installed or away.
pub fn of(data_dir: &Path) -> Result<String> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let (server, urls) = match shared.take() {
        Some(running) => shared.insert(running),
        None => shared.insert((Server::start().context("PostgreSQL")?, HashMap::new())),
    };
    if let Some(url) = urls.get(data_dir) {
        return Ok(url.clone());
    }
    let url = server.database().context("a database")?;
    urls.insert(data_dir.to_owned(), url.clone());
    Ok(url)
}

/// Loses the database of a data folder: the next server there finds an empty one.
///
/// # Errors
/// When its files cannot be removed.
pub fn lose(data_dir: &Path) -> Result<()> {
    if is_postgres() {
        if let Some((_, urls)) = SHARED.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            urls.remove(data_dir);
        }
        return Ok(());
    }
    for ending in ["", "-wal", "-shm"] {
        match std::fs::remove_file(data_dir.join(format!("index.sqlite{ending}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
