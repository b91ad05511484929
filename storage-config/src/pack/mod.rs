//! Packs: self-describing, append-only files of checksummed records. `docs/FORMAT.md` says every byte.
//!
//! A [`PackWriter`] appends and syncs, a [`PackReader`] reads and verifies, [`scan()`] walks a pack from front to back
//! past any damage. This module knows records and bytes. It must not know what a body means, nor SQL, nor peers.

mod error;
mod footer;
mod format;
mod name;
mod reader;
mod recover;
mod scan;
mod stream;
mod verify;
mod writer;

pub use error::{PackError, PackErrorKind};
pub use footer::{Gap, SealEntry, SealIndex, SealedBy, SealedLedger};
pub use format::{CHUNK, FILE_HEADER_LENGTH, Flags, Kind, MAX_BODY, MAX_RECORDS, chunk_crcs, record_length};
pub use name::{Identity, PackName, PackNameError};
pub use reader::{HeaderState, PackReader, Record};
pub use recover::seal_as_is;
pub use scan::{Scan, Scanned, Verify, scan};
pub use verify::Body;
pub use writer::{Extent, PackWriter, Sealed};
