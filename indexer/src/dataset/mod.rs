//! Data sets: the bounded pre-scan, the split into skeleton and bulk values, reading, text, JSON.
//!
//! Everything a peer sends is hostile until it went through [`Scanner`], which takes bytes as they arrive, hands bulk
//! bytes on without copying and keeps the skeleton. It never recurses, never allocates what a length claims, and is
//! bounded by [`ScanLimits`]. [`DataSet`] reads a skeleton; scanner and reader share one grammar, so that they cannot
//! disagree about where an element ends.
//!
//! This module is pure: it knows no packs, no SQL, no sockets and no clock.

mod encoding;
mod error;
mod fragments;
mod grammar;
mod notes;
mod sequences;
mod split;
mod values;

pub mod attributes;
pub mod charset;
pub mod fold;
pub mod inflate;
pub mod json;
pub mod part10;
pub mod reader;
pub mod scanner;
pub mod skeleton;
pub mod text;

pub use dicom_core::{Tag, VR as Vr};

pub use encoding::{Encoding, Endian, is_deflated};
pub use error::{DataSetError, DataSetErrorKind};
pub use notes::{Note, Notes};
pub use reader::{DataSet, Element, Elements, ItemIter, Items, Value};
pub use scanner::{Event, ScanLimits, Scanner};
pub use skeleton::{Parsed, Piece, PixelData, Skeleton, Splice};

/// Value fields of this many bytes and more are bulk values (format version 1; digests depend on it).
pub const BULK_THRESHOLD: u64 = 4096;

/// No reader presents sequences nested deeper than this, whatever the configured limit of the scan.
pub const MAX_DEPTH: u32 = 128;
