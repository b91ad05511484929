//! Pixels: transfer syntaxes, frame tables, decoding, rendering.
//!
//! A frame table says where in a Pixel Data value each frame lies, so that one frame is one positioned read.
//! [`decode`](fn@decode::decode) makes samples of the bytes of a frame, [`render`](fn@render::render) a picture of the
//! samples; [`worker`] does both in child processes, which is where a server has them done: the codecs of JPEG, JPEG-LS
//! and JPEG 2000 are C and C++ and read what a peer sent. This crate knows no SQL, no network and no packs.

pub mod decode;
pub mod render;
pub mod worker;

mod frames;
mod lut;
mod pixels;
mod syntax;
mod turbojpeg;

pub use frames::{Fragment, FrameTable, FrameTableError, NativeLayout};
pub use lut::{Lut, LutError, Palette};
pub use pixels::{Decoded, Frame, Photometric, PixelAttributes, Samples};
pub use syntax::{Encoding, TransferSyntax};
