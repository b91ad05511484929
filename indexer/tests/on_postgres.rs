//! The suites of the index and of the archive once more, on PostgreSQL; and what only several servers, or a database
//! that goes away, can show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]
#![allow(clippy::duplicate_mod, reason = "the suites are whole tests of their own, with their tools")]

mod archive_world;
mod test_database;

#[path = "archive_codes.rs"]
mod archive_codes;
#[path = "archive_statements.rs"]
mod archive_statements;
#[path = "archive_store.rs"]
mod archive_store;
#[path = "postgres/away.rs"]
mod away;
#[path = "db_apply.rs"]
mod db_apply;
#[path = "db_commute.rs"]
mod db_commute;
#[path = "db_faults.rs"]
mod db_faults;
#[path = "db_query.rs"]
mod db_query;
#[path = "patient_groups.rs"]
mod patient_groups;
#[path = "postgres/servers.rs"]
mod servers;
