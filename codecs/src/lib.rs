//! Pixels: transfer syntaxes and frame tables.
//!
//! A frame table says where in a Pixel Data value each frame lies, so that one frame is one positioned read. This
//! crate knows no SQL, no network and no packs; decoding and rendering come here too.

mod frames;
mod syntax;

pub use frames::{Fragment, FrameTable, FrameTableError, NativeLayout};
pub use syntax::{Encoding, TransferSyntax};
