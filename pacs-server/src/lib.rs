//! The process: command line, DIMSE listener, HTTP listener, wiring, telemetry.
//!
//! This crate wires the faces to one archive. It knows no SQL text, no pages and no PS3.18; those are in `indexer`,
//! `portal` and `dicomweb`.

pub mod catalogue;
pub mod cli;
pub mod codes;
pub mod control;
pub mod decode_worker;
pub mod dimse;
pub mod http;
pub mod import;
mod ledger;
pub mod serve;
pub mod withdrawal;

mod account;
mod compact;
pub mod hold;
mod os_user;
mod peer_log;
mod setup;
mod status;
mod telemetry;
mod verify;
