//! The suites of the index and of the archive once more, on PostgreSQL; and what only several servers, or a database
//! that goes away, can show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]
#![allow(clippy::duplicate_mod, reason = "each suite brings its own helpers and runs alone too")]

mod archive_world;
mod test_database;

#[path = "archive_codes.rs"]
mod archive_codes;
#[path = "archive_compact.rs"]
mod archive_compact;
#[path = "archive_statements.rs"]
mod archive_statements;
#[path = "archive_store.rs"]
mod archive_store;
#[path = "archive_verify.rs"]
mod archive_verify;
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
#[path = "performed_steps.rs"]
mod performed_steps;
#[path = "persons.rs"]
mod persons;
#[path = "postgres/round_trips.rs"]
mod round_trips;
#[path = "postgres/servers.rs"]
mod servers;
#[path = "statements_decided.rs"]
mod statements_decided;
#[path = "statements_reuse.rs"]
mod statements_reuse;
