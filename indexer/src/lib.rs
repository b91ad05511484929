//! Meaning: data sets, the archive where bytes meet rows, SQL, patients.
//!
//! | module | what |
//! | --- | --- |
//! | [`dataset`] | the bounded scan, the split, reading, text, JSON, the attributes of the index; pure |
//! | [`record`] | bodies of records and the digest of an instance; pure |
//! | [`db`] | all SQL |
//! | [`codes`] | national codes: the catalogue and the mapper from headers to techniques; pure |
//! | [`ledger`] | which exams count as avoided, at which price; whether a chain of entries is whole; pure |
//! | [`query`] | the typed query behind QIDO-RS and C-FIND |
//! | [`statement`] | what people and systems said, and which of it counts; pure |
//! | [`principal`] | who asks and what they may; pure |
//! | [`identity`] | when two records are of one person; pure |
//! | [`evidence`] | what headers say of a study for the reuse decision; pure |
//! | [`performed`] | what devices say of performed procedure steps; pure |
//! | [`reuse`] | the reuse decision and its policy; pure |
//! | [`archive`] | storing and reading: the one place where bytes meet rows |
//! | [`picture`] | pictures of frames, made by child processes |
//!
//! This crate knows no HTTP, no DIMSE and no sockets.

pub mod archive;
pub mod codes;
pub mod dataset;
pub mod db;
pub mod evidence;
pub mod identity;
pub mod ledger;
pub mod performed;
pub mod picture;
pub mod principal;
pub mod query;
pub mod record;
pub mod reuse;
pub mod statement;
