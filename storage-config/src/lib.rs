//! Bytes: identifiers, content hashes, disks, objects, packs and the configuration.
//!
//! This crate knows nothing of DICOM data sets, SQL, HTTP or DIMSE. What it promises: a byte that was synced
//! comes back unaltered or is reported as damaged, and text that became a [`Uid`] or an [`AeTitle`] is one.

pub mod config;
pub mod disk;
mod hash;
pub mod object;
pub mod operator;
pub mod pack;
mod uid;

pub use config::Config;
pub use hash::{ContentHash, Hasher};
pub use uid::{AeTitle, AeTitleError, Uid, UidError};
