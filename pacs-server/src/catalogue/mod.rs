//! Code lists on this machine: reading their files, keeping their versions, and the commands around them.
//!
//! Knows files; what a list means is decided in `indexer::codes`.

mod command;
mod kept;
mod rows;

pub use command::{Command, run};
pub use kept::{KeptError, keep, load};
pub use rows::{RowsError, read_rows};
