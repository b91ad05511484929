//! A series manifest: the metadata of the instances of a series, compressed, ready to be sent.
//!
//! It grows at its end: what is added is compressed with the text before it as its dictionary and ends at a byte, so that
//! the pieces are one deflate stream (RFC 1951) and nothing is compressed twice while a series arrives. Manifests of
//! several series are joined into one body without touching what is compressed. A manifest is a pure value here: it
//! knows no files and no index.

use crc32fast::Hasher as Crc;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use storage_config::{ContentHash, Hasher};

/// How far back a deflate stream refers.
const WINDOW: usize = 32 << 10;
/// What a manifest's file begins with: name and version.
const MAGIC: &[u8; 12] = b"manifest/1\n\0";
/// The compression that pays: headers of a series repeat each other, and a better search finds the same repetition.
const LEVEL: u32 = 3;
/// Bytes of text made at once when it is decompressed.
const STEP: usize = 128 << 10;

/// The metadata of instances: JSON objects with commas between them, no brackets around.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// What the addresses in it begin with; none where there is no address in it, so that it serves every base.
    pub(crate) base: Option<String>,
    /// The instances, in the order in which they stand in it.
    pub(crate) members: Vec<ContentHash>,
    /// Raw deflate blocks that end at a byte; none is the last of its stream.
    deflated: Vec<u8>,
    /// Length and CRC-32 of the text.
    length: u64,
    crc: u32,
    /// The end of the text, for what is added next. Not kept in files.
    window: Vec<u8>,
}

/// The bytes of a file are no manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAManifest;

impl Manifest {
    /// Bytes that it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        self.deflated.len() + self.window.len() + 32 * self.members.len() + 256
    }

    /// Adds objects: `text` holds them with commas between them.
    pub(crate) fn add(&mut self, text: &mut Vec<u8>, members: &[ContentHash]) {
        if members.is_empty() {
            return;
        }
        if !self.members.is_empty() {
            text.insert(0, b',');
        }
        let mut compress = Compress::new(Compression::new(LEVEL), false);
        // Without a dictionary the result is longer and right all the same.
        let _ = (!self.window.is_empty()).then(|| compress.set_dictionary(&self.window));
        deflate(&mut compress, text, &mut self.deflated);
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
    }

    /// The bytes of its file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.deflated.len() + 32 * self.members.len() + 128);
        out.extend_from_slice(MAGIC);
        let base = self.base.as_deref().map_or(&[][..], str::as_bytes);
        for number in [base.len() as u64, self.members.len() as u64, self.length, u64::from(self.crc)] {
            out.extend(number.to_le_bytes());
        }
        out.extend_from_slice(base);
        self.members.iter().for_each(|member| out.extend_from_slice(&member.0));
        out.extend_from_slice(&self.deflated);
        let sum = crc32fast::hash(&out);
        out.extend(sum.to_le_bytes());
        out
    }

    /// Reads a file back. A file that was cut or altered is none: it was never synced.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Manifest, NotAManifest> {
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
        let (base, count, length, crc) = (number()?, number()?, number()?, number()?);
        let size = |n: u64| usize::try_from(n).map_err(|_| NotAManifest);
        let (base, rest) = rest.split_at_checked(size(base)?).ok_or(NotAManifest)?;
        let bytes = size(count)?.checked_mul(32).ok_or(NotAManifest)?;
        let (members, deflated) = rest.split_at_checked(bytes).ok_or(NotAManifest)?;
        let members = members.chunks_exact(32).filter_map(|hash| hash.try_into().ok()).map(ContentHash);
        let base = String::from_utf8(base.to_vec()).map_err(|_| NotAManifest)?;
        Ok(Manifest {
            base: Some(base).filter(|base| !base.is_empty()),
            members: members.collect(),
            deflated: deflated.to_vec(),
            length,
            crc: u32::try_from(crc).map_err(|_| NotAManifest)?,
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

/// The metadata of one or several series as one JSON array.
#[derive(Debug, Clone)]
pub struct Metadata {
    parts: Vec<std::sync::Arc<Manifest>>,
    instances: usize,
}

/// A bracket or comma as a deflate block of its own, stored as it is; the last one ends the stream (RFC 1951 3.2.4).
fn stored(mark: u8, last: bool) -> [u8; 6] {
    [u8::from(last), 1, 0, 0xFE, 0xFF, mark]
}

impl Metadata {
    pub(crate) fn new(parts: Vec<std::sync::Arc<Manifest>>) -> Metadata {
        let instances = parts.iter().map(|part| part.members.len()).sum();
        Metadata { parts, instances }
    }

    /// How many instances it describes.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances
    }

    /// A digest of the instances in their order: equal for equal text.
    #[must_use]
    pub fn digest(&self) -> ContentHash {
        let mut hasher = Hasher::new();
        for part in &self.parts {
            part.members.iter().for_each(|member| hasher.update(&member.0));
            hasher.update(part.base.as_deref().unwrap_or("").as_bytes());
        }
        hasher.finish()
    }

    /// Bytes of the text.
    #[must_use]
    pub fn length(&self) -> u64 {
        let marks = 1 + self.parts.len().max(1) as u64;
        self.parts.iter().map(|part| part.length).sum::<u64>() + marks
    }

    /// The text as a gzip file (RFC 1952).
    #[must_use]
    pub fn gzip(&self) -> Vec<u8> {
        let size = self.parts.iter().map(|part| part.deflated.len() + 6).sum::<usize>();
        let mut out = Vec::with_capacity(size + 64);
        // Deflate, no name, no time, no hint at the system.
        out.extend([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]);
        let mut crc = Crc::new();
        let mut mark = b'[';
        for part in &self.parts {
            out.extend(stored(mark, false));
            crc.update(&[mark]);
            out.extend_from_slice(&part.deflated);
            crc.combine(&Crc::new_with_initial_len(part.crc, part.length));
            mark = b',';
        }
        if self.parts.is_empty() {
            out.extend(stored(b'[', false));
            crc.update(b"[");
        }
        out.extend(stored(b']', true));
        crc.update(b"]");
        out.extend(crc.finalize().to_le_bytes());
        // Modulo 2^32, as the format has it.
        out.extend((self.length() as u32).to_le_bytes());
        out
    }

    /// The text, piece by piece.
    #[must_use]
    pub fn text(self) -> MetadataText {
        MetadataText { parts: self.parts.into_iter(), open: None, first: true, ended: false }
    }
}

/// The text of metadata on its way out.
pub struct MetadataText {
    parts: std::vec::IntoIter<std::sync::Arc<Manifest>>,
    open: Option<(std::sync::Arc<Manifest>, Decompress)>,
    first: bool,
    ended: bool,
}

/// The compressed text cannot be read back; a defect of this program or of the machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("compressed metadata cannot be read back")]
pub struct NotReadBack;

impl Iterator for MetadataText {
    type Item = Result<Vec<u8>, NotReadBack>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut out = Vec::with_capacity(STEP);
        if self.open.is_none() {
            match self.parts.next() {
                Some(part) => {
                    out.push(if std::mem::take(&mut self.first) { b'[' } else { b',' });
                    self.open = Some((part, Decompress::new(false)));
                }
                None => {
                    self.ended = true;
                    let text = if self.first { "[]" } else { "]" };
                    return Some(Ok(text.into()));
                }
            }
        }
        if let Some((part, decompress)) = &mut self.open {
            let at = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
            let rest = part.deflated.get(at..).unwrap_or_default();
            let done = decompress.decompress_vec(rest, &mut out, FlushDecompress::None);
            let stuck = out.len() <= 1 && decompress.total_out() < part.length;
            if done.is_err() || stuck {
                self.ended = true;
                return Some(Err(NotReadBack));
            }
            if decompress.total_out() >= part.length {
                self.open = None;
            }
        }
        Some(Ok(out))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use super::*;

    fn objects(from: usize, to: usize) -> Vec<String> {
        (from..to)
            .map(|n| {
                format!(
                    r#"{{"00080018":{{"vr":"UI","Value":["1.2.{n}"]}},"x":"{}"}}"#,
                    "y".repeat(n * 7 % 3000)
                )
            })
            .collect()
    }

    fn hashes(from: usize, to: usize) -> Vec<ContentHash> {
        (from..to).map(|n| ContentHash::of(&n.to_le_bytes())).collect()
    }

    fn grown(steps: &[usize]) -> Manifest {
        let mut manifest = Manifest::default();
        let mut at = 0;
        for step in steps {
            let mut text = objects(at, at + step).join(",").into_bytes();
            manifest.add(&mut text, &hashes(at, at + step));
            at += step;
        }
        manifest
    }

    fn plain(metadata: &Metadata) -> String {
        let pieces: Vec<u8> = metadata.clone().text().flat_map(|piece| piece.unwrap()).collect();
        assert_eq!(pieces.len() as u64, metadata.length());
        String::from_utf8(pieces).unwrap()
    }

    fn unzipped(metadata: &Metadata) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&metadata.gzip()[..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_manifest_that_grew_reads_as_one_that_was_made_at_once() {
        for steps in [&[1][..], &[200], &[1, 1, 1, 40, 0, 100, 57], &[100, 100]] {
            let total: usize = steps.iter().sum();
            let metadata = Metadata::new(vec![Arc::new(grown(steps))]);
            let expected = format!("[{}]", objects(0, total).join(","));
            assert_eq!(plain(&metadata), expected);
            assert_eq!(unzipped(&metadata), expected);
            assert_eq!(metadata.digest(), Metadata::new(vec![Arc::new(grown(&[total]))]).digest());
            assert_eq!(metadata.instances(), total);
        }
    }

    #[test]
    fn series_are_joined_without_being_compressed_again() {
        let parts = vec![Arc::new(grown(&[3, 4])), Arc::new(grown(&[9])), Arc::new(grown(&[1]))];
        let metadata = Metadata::new(parts);
        let all = [objects(0, 7), objects(0, 9), objects(0, 1)].concat();
        assert_eq!(plain(&metadata), format!("[{}]", all.join(",")));
        assert_eq!(unzipped(&metadata), plain(&metadata));
        let none = Metadata::new(Vec::new());
        assert_eq!((plain(&none), unzipped(&none)), ("[]".to_owned(), "[]".to_owned()));
    }

    #[test]
    fn files_read_back_and_grow_on_and_damaged_ones_are_none() {
        let mut manifest = grown(&[5, 60]);
        manifest.base = Some("/dicom-web".into());
        let bytes = manifest.to_bytes();
        let mut back = Manifest::from_bytes(&bytes).unwrap();
        assert_eq!(back.base, manifest.base);
        let mut text = objects(65, 70).join(",").into_bytes();
        back.add(&mut text, &hashes(65, 70));
        let expected = format!("[{}]", objects(0, 70).join(","));
        assert_eq!(unzipped(&Metadata::new(vec![Arc::new(back)])), expected);
        for end in [0, 3, 12, 40, bytes.len() - 1] {
            assert_eq!(Manifest::from_bytes(&bytes[..end]), Err(NotAManifest));
        }
        for at in (0..bytes.len()).step_by(97) {
            let mut altered = bytes.clone();
            altered[at] ^= 4;
            assert_eq!(Manifest::from_bytes(&altered), Err(NotAManifest));
        }
    }
}
