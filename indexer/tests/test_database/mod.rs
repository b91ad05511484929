//! A database of its own for each test: a file of SQLite, or in the suite `on_postgres` one of a server that is started
//! for the tests and ends with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "each test uses a part, and suites that others include leave it out")]

pub mod server;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use indexer::db::{Db, DbError, DbOptions};
use server::Server;

/// Whether this suite runs on PostgreSQL.
pub fn is_postgres() -> bool {
    env!("CARGO_CRATE_NAME") == "on_postgres"
}

/// Opens the database of a path: the file, or what stands for it on the server.
pub fn open(path: &Path, options: DbOptions) -> Result<Db, DbError> {
    if is_postgres() { Db::open_postgres(&url_of(path), options) } else { Db::open(path, options) }
}

/// Loses the database of a path: the next one that is opened there is empty.
pub fn lose(path: &Path) {
    if is_postgres() {
        names().lock().unwrap().remove(path);
        return;
    }
    std::fs::remove_file(path).unwrap();
    let _ = std::fs::remove_file(format!("{}-wal", path.display()));
}

/// The server that all tests of a suite share.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

fn names() -> &'static Mutex<HashMap<PathBuf, String>> {
    static NAMES: OnceLock<Mutex<HashMap<PathBuf, String>>> = OnceLock::new();
    NAMES.get_or_init(Mutex::default)
}

fn url_of(path: &Path) -> String {
    let mut names = names().lock().unwrap();
    names.entry(path.to_owned()).or_insert_with(|| server().database()).clone()
}
