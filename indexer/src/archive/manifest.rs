//! A series manifest: the metadata of the instances of a series, compressed, ready to be sent.
//!
//! It grows at its end: what is added is compressed with the text before it as its dictionary and ends at a byte, so that
//! the pieces are one deflate stream (RFC 1951) and nothing is compressed twice while a series arrives. Manifests of
//! several series are joined into one body without touching what is compressed. A manifest is a pure value here: it
//! knows no files and no index.

use std::sync::Arc;

use crc32fast::Hasher as Crc;
use flate2::{Compress, Compression, FlushCompress};
use storage_config::ContentHash;

use super::budget::{Budget, Share};

/// How far back a deflate stream refers.
const WINDOW: usize = 32 << 10;
/// What a manifest's file begins with: name and version.
const MAGIC: &[u8; 12] = b"manifest/2\n\0";
/// The compression that pays: headers of a series repeat each other, and a better search finds the same repetition.
const LEVEL: u32 = 3;
/// Bytes that a manifest holds at most, but for what is added last. What the instances that follow say is made whenever it
/// is sent.
const HELD_MAX: usize = 32 << 20;
/// Bytes of bulk values of a series that stand inline, at most: what follows has addresses.
const INLINE_MAX: u64 = 32 << 20;

/// The metadata of instances: JSON objects with commas between them, no brackets around.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// What the addresses in it begin with; none where there is no address in it, so that it serves every base.
    pub(crate) base: Option<String>,
    /// The instances, in the order in which they stand in it.
    pub(crate) members: Vec<ContentHash>,
    /// Raw deflate blocks that end at a byte; none is the last of its stream.
    pub(super) deflated: Vec<Arc<Piece>>,
    /// Length and CRC-32 of the text.
    pub(super) length: u64,
    pub(super) crc: u32,
    /// Bytes of bulk values that stand inline in it.
    inlined: u64,
    /// The end of the text, for what is added next. Not kept in files.
    window: Vec<u8>,
}

/// A part of the compressed text. Manifests that grew from one have it in common.
pub(crate) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Its share of what all metadata in memory may take.
    _room: Share,
}

impl Piece {
    fn new(mut bytes: Vec<u8>, room: &Budget) -> Result<Arc<Piece>, NoRoom> {
        bytes.shrink_to_fit();
        let mut share = room.share();
        if !share.grow_to(bytes.len() as u64) {
            return Err(NoRoom);
        }
        Ok(Arc::new(Piece { bytes, _room: share }))
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Piece) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Piece {}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

/// Metadata in memory take all the room there is for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the metadata that are asked for at the moment take all the memory there is for them")]
pub(crate) struct NoRoom;

/// The bytes of a file are no manifest, or there is no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAManifest;

impl Manifest {
    /// Bytes that it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        self.held() + self.window.len() + 32 * self.members.len() + 256
    }

    fn held(&self) -> usize {
        self.deflated.iter().map(|piece| piece.bytes.len()).sum()
    }

    /// Whether nothing is to be added any more.
    pub(crate) fn is_full(&self) -> bool {
        self.held() >= HELD_MAX
    }

    /// Bytes of bulk values that may still stand inline.
    pub(crate) fn inline_left(&self) -> u64 {
        INLINE_MAX.saturating_sub(self.inlined)
    }

    /// Notes how many may from now on.
    pub(crate) fn set_inline_left(&mut self, left: u64) {
        self.inlined = INLINE_MAX.saturating_sub(left);
    }

    /// Adds objects: `text` holds them with commas between them.
    pub(crate) fn add(
        &mut self,
        text: &mut Vec<u8>,
        members: &[ContentHash],
        room: &Budget,
    ) -> Result<(), NoRoom> {
        if members.is_empty() {
            return Ok(());
        }
        if !self.members.is_empty() {
            text.insert(0, b',');
        }
        let mut compress = Compress::new(Compression::new(LEVEL), false);
        // Without a dictionary the result is longer and right all the same.
        let _ = (!self.window.is_empty()).then(|| compress.set_dictionary(&self.window));
        let mut deflated = Vec::new();
        deflate(&mut compress, text, &mut deflated);
        self.deflated.push(Piece::new(deflated, room)?);
        let mut crc = Crc::new_with_initial_len(self.crc, self.length);
        crc.update(text);
        (self.crc, self.length) = (crc.finalize(), self.length + text.len() as u64);
        self.members.extend_from_slice(members);
        if text.len() >= WINDOW {
            self.window.clear();
            self.window.extend_from_slice(&text[text.len() - WINDOW..]);
        } else {
            self.window.extend_from_slice(text);
            let over = self.window.len().saturating_sub(WINDOW);
            self.window.drain(..over);
        }
        Ok(())
    }

    /// The bytes of its file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held() + 32 * self.members.len() + 128);
        out.extend_from_slice(MAGIC);
        let base = self.base.as_deref().map_or(&[][..], str::as_bytes);
        let count = self.members.len() as u64;
        for number in [base.len() as u64, count, self.length, u64::from(self.crc), self.inlined] {
            out.extend(number.to_le_bytes());
        }
        out.extend_from_slice(base);
        self.members.iter().for_each(|member| out.extend_from_slice(&member.0));
        self.deflated.iter().for_each(|piece| out.extend_from_slice(&piece.bytes));
        let sum = crc32fast::hash(&out);
        out.extend(sum.to_le_bytes());
        out
    }

    /// Reads a file back. A file that was cut or altered is none: it was never synced.
    pub(crate) fn from_bytes(bytes: &[u8], room: &Budget) -> Result<Manifest, NotAManifest> {
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(NotAManifest)?;
        let mut rest = content.strip_prefix(MAGIC).ok_or(NotAManifest)?;
        if crc32fast::hash(content) != u32::from_le_bytes(*sum) {
            return Err(NotAManifest);
        }
        let mut number = || {
            let (head, tail) = rest.split_first_chunk::<8>().ok_or(NotAManifest)?;
            rest = tail;
            Ok(u64::from_le_bytes(*head))
        };
        let (base, count, length, crc, inlined) = (number()?, number()?, number()?, number()?, number()?);
        let size = |n: u64| usize::try_from(n).map_err(|_| NotAManifest);
        let (base, rest) = rest.split_at_checked(size(base)?).ok_or(NotAManifest)?;
        let bytes = size(count)?.checked_mul(32).ok_or(NotAManifest)?;
        let (members, deflated) = rest.split_at_checked(bytes).ok_or(NotAManifest)?;
        let members = members.chunks_exact(32).filter_map(|hash| hash.try_into().ok()).map(ContentHash);
        let base = String::from_utf8(base.to_vec()).map_err(|_| NotAManifest)?;
        Ok(Manifest {
            base: Some(base).filter(|base| !base.is_empty()),
            members: members.collect(),
            deflated: vec![Piece::new(deflated.to_vec(), room).map_err(|NoRoom| NotAManifest)?],
            length,
            crc: u32::try_from(crc).map_err(|_| NotAManifest)?,
            inlined,
            window: Vec::new(),
        })
    }
}

/// Appends `text` as deflate blocks that end at a byte.
fn deflate(compress: &mut Compress, mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        out.reserve(text.len() / 8 + 1024);
        let (before, room) = (compress.total_in(), out.capacity() - out.len());
        let had = out.len();
        // Cannot fail: the stream is in order, and there is room.
        let _ = compress.compress_vec(text, out, FlushCompress::Sync);
        let taken = usize::try_from(compress.total_in() - before).unwrap_or(0);
        text = text.get(taken..).unwrap_or_default();
        if text.is_empty() && out.len() - had < room {
            return;
        }
    }
}
