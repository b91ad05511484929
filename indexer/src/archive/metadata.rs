//! An answer: the metadata of one or several series as one JSON array, as a gzip file or as text, piece by piece.
//!
//! What manifests hold goes out as it is. Instances that a manifest has no room for are read when their turn comes, one
//! after another, so that an answer needs no more memory than its manifests and one instance, however long it is.

use std::sync::Arc;

use crc32fast::Hasher as Crc;
use flate2::{Decompress, FlushDecompress};
use storage_config::{ContentHash, Hasher};

use super::error::ReadError;
use super::manifest::Manifest;
use super::{Shared, fragment};
use crate::db::SeriesMember;

/// Bytes of one piece of an answer, about.
const STEP: usize = 128 << 10;

/// The metadata of one series.
#[derive(Clone)]
pub(crate) struct Part {
    /// Of its first instances.
    pub held: Arc<Manifest>,
    /// Its other instances, if there are any.
    pub rest: Option<Rest>,
}

/// Instances whose metadata are made when they are sent.
#[derive(Clone)]
pub(crate) struct Rest {
    /// Where they are read.
    pub shared: Arc<Shared>,
    /// What addresses begin with.
    pub base: String,
    /// The instances in their order.
    pub members: Vec<SeriesMember>,
}

/// The metadata of one or several series as one JSON array.
#[derive(Clone)]
pub struct Metadata {
    parts: Vec<Part>,
}

impl Metadata {
    pub(crate) fn new(mut parts: Vec<Part>) -> Metadata {
        parts.retain(|part| !part.held.members.is_empty() || part.rest.is_some());
        Metadata { parts }
    }

    /// How many instances it describes.
    #[must_use]
    pub fn instances(&self) -> usize {
        let rest = |part: &Part| part.rest.as_ref().map_or(0, |rest| rest.members.len());
        self.parts.iter().map(|part| part.held.members.len() + rest(part)).sum()
    }

    /// A digest of the instances in their order: equal for equal text.
    #[must_use]
    pub fn digest(&self) -> ContentHash {
        let mut hasher = Hasher::new();
        for part in &self.parts {
            part.held.members.iter().for_each(|member| hasher.update(&member.0));
            let rest = part.rest.iter().flat_map(|rest| &rest.members);
            rest.for_each(|member| hasher.update(&member.digest.0));
            let base = part.rest.as_ref().map(|rest| rest.base.as_str()).or(part.held.base.as_deref());
            hasher.update(base.unwrap_or("").as_bytes());
        }
        hasher.finish()
    }

    /// Whether all of it is held, so that its length is known.
    fn is_held(&self) -> bool {
        self.parts.iter().all(|part| part.rest.is_none())
    }

    /// Bytes of the text, where that is known before it is made.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        let marks = 1 + self.parts.len().max(1) as u64;
        self.is_held().then(|| self.parts.iter().map(|part| part.held.length).sum::<u64>() + marks)
    }

    /// Bytes of the gzip file, where that is known before it is made.
    #[must_use]
    pub fn gzip_length(&self) -> Option<u64> {
        let marks = 1 + self.parts.len().max(1);
        let pieces = self.parts.iter().flat_map(|part| &part.held.deflated);
        let held = pieces.map(|piece| piece.bytes.len()).sum::<usize>();
        self.is_held().then(|| (HEADER.len() + held + marks * MARK_BYTES + TRAILER_BYTES) as u64)
    }

    /// The text as a gzip file (RFC 1952), piece by piece.
    #[must_use]
    pub fn gzip(self) -> MetadataGzip {
        let steps = Steps::of(self);
        MetadataGzip { steps: Some(steps), held: None, begun: false, crc: Crc::new(), length: 0 }
    }

    /// The text, piece by piece.
    #[must_use]
    pub fn text(self) -> MetadataText {
        MetadataText { steps: Some(Steps::of(self)), held: None }
    }
}

/// What an answer is made of.
enum Step {
    /// A bracket or comma.
    Mark(u8),
    /// Metadata with commas between them.
    Held(Arc<Manifest>),
    /// The last bracket.
    End,
}

/// The steps of an answer.
struct Steps {
    parts: std::vec::IntoIter<Part>,
    rest: Option<Rest>,
    /// How many of the rest were given.
    given: usize,
    /// What follows the mark that was given last.
    next: Option<Arc<Manifest>>,
    begun: bool,
}

impl Steps {
    fn of(metadata: Metadata) -> Steps {
        Steps { parts: metadata.parts.into_iter(), rest: None, given: 0, next: None, begun: false }
    }

    fn next(&mut self) -> Result<Step, ReadError> {
        if let Some(held) = self.next.take() {
            return Ok(Step::Held(held));
        }
        self.next = self.following()?;
        let first = !std::mem::replace(&mut self.begun, true);
        Ok(match &self.next {
            _ if first => Step::Mark(b'['),
            Some(_) => Step::Mark(b','),
            None => Step::End,
        })
    }

    fn following(&mut self) -> Result<Option<Arc<Manifest>>, ReadError> {
        loop {
            if let Some(rest) = &self.rest
                && let Some(member) = rest.members.get(self.given)
            {
                self.given += 1;
                return rest.shared.metadata_of(member, &rest.base, 0).map(|made| Some(Arc::new(made)));
            }
            let Some(part) = self.parts.next() else { return Ok(None) };
            (self.rest, self.given) = (part.rest, 0);
            if !part.held.members.is_empty() {
                return Ok(Some(part.held));
            }
        }
    }
}

impl Shared {
    /// The metadata of one instance, with so many bytes of its bulk values inline.
    pub(super) fn metadata_of(
        &self,
        member: &SeriesMember,
        base: &str,
        mut inline: u64,
    ) -> Result<Manifest, ReadError> {
        let (mut text, mut manifest) = (Vec::new(), Manifest::default());
        let of = (&member.digest, &member.place);
        let written = fragment::write(self, of, base, &mut inline, &mut text)?;
        manifest.base = written.addressed.then(|| base.to_owned());
        manifest.add(&mut text, &[member.digest], self.manifests.room())?;
        Ok(manifest)
    }
}

/// Deflate, no name, no time, no hint at the system (RFC 1952 2.3).
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
/// Bytes of a mark as a block of its own.
const MARK_BYTES: usize = 6;
/// Bytes behind the last block: CRC-32 and length.
const TRAILER_BYTES: usize = 8;

/// A bracket or comma as a deflate block of its own, stored as it is; the last one ends the stream (RFC 1951 3.2.4).
fn stored(mark: u8, last: bool) -> [u8; MARK_BYTES] {
    [u8::from(last), 1, 0, 0xFE, 0xFF, mark]
}

/// Metadata as a gzip file on its way out.
pub struct MetadataGzip {
    steps: Option<Steps>,
    /// A manifest, and which of its pieces comes from where on.
    held: Option<(Arc<Manifest>, usize, usize)>,
    begun: bool,
    crc: Crc,
    length: u64,
}

impl MetadataGzip {
    fn mark(&mut self, mark: u8, last: bool, out: &mut Vec<u8>) {
        out.extend(stored(mark, last));
        self.crc.update(&[mark]);
        self.length += 1;
    }

    /// The next bytes, or those that end the file.
    fn more(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if let Some((held, piece, at)) = self.held.take() {
            let Some(found) = held.deflated.get(piece) else { return Ok(()) };
            let end = (at + STEP).min(found.bytes.len());
            out.extend_from_slice(found.bytes.get(at..end).unwrap_or_default());
            let next = if end < found.bytes.len() { (piece, end) } else { (piece + 1, 0) };
            self.held = Some((held, next.0, next.1));
            return Ok(());
        }
        let Some(steps) = &mut self.steps else { return Ok(()) };
        match steps.next()? {
            Step::Mark(mark) => self.mark(mark, false, out),
            Step::Held(held) => {
                self.crc.combine(&Crc::new_with_initial_len(held.crc, held.length));
                self.length += held.length;
                self.held = Some((held, 0, 0));
            }
            Step::End => {
                self.mark(b']', true, out);
                out.extend(self.crc.clone().finalize().to_le_bytes());
                // Modulo 2^32, as the format has it.
                out.extend((self.length as u32).to_le_bytes());
                self.steps = None;
            }
        }
        Ok(())
    }
}

impl Iterator for MetadataGzip {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.steps.as_ref()?;
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            out.extend(HEADER);
        }
        while out.len() < STEP && self.steps.is_some() {
            if let Err(error) = self.more(&mut out) {
                self.steps = None;
                return Some(Err(error));
            }
        }
        Some(Ok(out))
    }
}

/// The text of metadata on its way out.
pub struct MetadataText {
    steps: Option<Steps>,
    held: Option<Inflating>,
}

/// A manifest of which a part is text already.
struct Inflating {
    manifest: Arc<Manifest>,
    decompress: Decompress,
    /// Which of its pieces is decompressed, and from where on.
    piece: usize,
    at: usize,
}

impl Inflating {
    /// Appends text, at most what `out` has room for; whether it was the last.
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ReadError> {
        let broken = || ReadError::Damaged("compressed metadata cannot be read back".into());
        let total = self.manifest.length;
        while self.decompress.total_out() < total && out.len() < out.capacity() {
            let (before, had) = (self.decompress.total_in(), out.len());
            // Behind the last piece there may be text left that had no room.
            let piece = self.manifest.deflated.get(self.piece).map_or(&[][..], |piece| &piece.bytes);
            let input = piece.get(self.at..).unwrap_or_default();
            self.decompress.decompress_vec(input, out, FlushDecompress::None).map_err(|_| broken())?;
            let read = usize::try_from(self.decompress.total_in() - before).unwrap_or(0);
            if read == 0 && out.len() == had {
                return Err(broken());
            }
            self.at += read;
            if !piece.is_empty() && self.at >= piece.len() {
                (self.piece, self.at) = (self.piece + 1, 0);
            }
        }
        Ok(self.decompress.total_out() >= total)
    }
}

impl MetadataText {
    fn more(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if let Some(held) = &mut self.held {
            if held.more(out)? {
                self.held = None;
            }
            return Ok(());
        }
        let Some(steps) = &mut self.steps else { return Ok(()) };
        match steps.next()? {
            Step::Mark(mark) => out.push(mark),
            Step::Held(manifest) => {
                let decompress = Decompress::new(false);
                self.held = Some(Inflating { manifest, decompress, piece: 0, at: 0 });
            }
            Step::End => {
                out.push(b']');
                self.steps = None;
            }
        }
        Ok(())
    }
}

impl Iterator for MetadataText {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.steps.as_ref()?;
        // Room for the last bracket too, so that no piece grows.
        let mut out = Vec::with_capacity(STEP + 1);
        while out.len() < STEP && self.steps.is_some() {
            if let Err(error) = self.more(&mut out) {
                self.steps = None;
                return Some(Err(error));
            }
        }
        Some(Ok(out))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::archive::budget::Budget;
    use crate::archive::manifest::NotAManifest;

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

    fn room() -> Budget {
        Budget::new(u64::MAX, 0)
    }

    fn grown(steps: &[usize]) -> Manifest {
        let mut manifest = Manifest::default();
        let mut at = 0;
        for step in steps {
            let mut text = objects(at, at + step).join(",").into_bytes();
            manifest.add(&mut text, &hashes(at, at + step), &room()).unwrap();
            at += step;
        }
        manifest
    }

    fn metadata(manifests: Vec<Manifest>) -> Metadata {
        Metadata::new(manifests.into_iter().map(|held| Part { held: Arc::new(held), rest: None }).collect())
    }

    fn plain(metadata: &Metadata) -> String {
        let pieces: Vec<u8> = metadata.clone().text().flat_map(|piece| piece.unwrap()).collect();
        assert_eq!(Some(pieces.len() as u64), metadata.length());
        String::from_utf8(pieces).unwrap()
    }

    fn unzipped(metadata: &Metadata) -> String {
        let pieces: Vec<u8> = metadata.clone().gzip().flat_map(|piece| piece.unwrap()).collect();
        assert_eq!(Some(pieces.len() as u64), metadata.gzip_length());
        let mut text = String::new();
        flate2::read::GzDecoder::new(&pieces[..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_manifest_that_grew_reads_as_one_that_was_made_at_once() {
        for steps in [&[1][..], &[200], &[1, 1, 1, 40, 0, 100, 57], &[100, 100]] {
            let total: usize = steps.iter().sum();
            let metadata = metadata(vec![grown(steps)]);
            let expected = format!("[{}]", objects(0, total).join(","));
            assert_eq!(plain(&metadata), expected);
            assert_eq!(unzipped(&metadata), expected);
            assert_eq!(metadata.digest(), self::metadata(vec![grown(&[total])]).digest());
            assert_eq!(metadata.instances(), total);
        }
    }

    #[test]
    fn series_are_joined_without_being_compressed_again() {
        // A series that was emptied meanwhile has no part in it.
        let metadata = metadata(vec![grown(&[3, 4]), grown(&[]), grown(&[9]), grown(&[1])]);
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
        let mut back = Manifest::from_bytes(&bytes, &room()).unwrap();
        assert_eq!(back.base, manifest.base);
        let mut text = objects(65, 70).join(",").into_bytes();
        back.add(&mut text, &hashes(65, 70), &room()).unwrap();
        let expected = format!("[{}]", objects(0, 70).join(","));
        assert_eq!(unzipped(&metadata(vec![back])), expected);
        for end in [0, 3, 12, 40, bytes.len() - 1] {
            assert_eq!(Manifest::from_bytes(&bytes[..end], &room()), Err(NotAManifest));
        }
        for at in (0..bytes.len()).step_by(97) {
            let mut altered = bytes.clone();
            altered[at] ^= 4;
            assert_eq!(Manifest::from_bytes(&altered, &room()), Err(NotAManifest));
        }
    }

    #[test]
    fn long_text_comes_in_pieces_of_one_size() {
        let mut manifest = Manifest::default();
        let long = format!("{{\"x\":\"{}\"}}", "y".repeat(5 << 20));
        manifest.add(&mut long.clone().into_bytes(), &hashes(0, 1), &room()).unwrap();
        let metadata = metadata(vec![manifest]);
        assert_eq!(plain(&metadata), format!("[{long}]"));
        assert_eq!(unzipped(&metadata), format!("[{long}]"));
        assert!(metadata.text().all(|piece| piece.unwrap().len() <= STEP + 1));
    }

    #[test]
    fn metadata_that_find_no_room_are_not_made_and_others_give_theirs_back() {
        // Digits of hashes take half of their length, whatever stands before them.
        let text = |from: u64| -> Vec<u8> {
            (from..from + 100)
                .flat_map(|n| ContentHash::of(&n.to_le_bytes()).to_string().into_bytes())
                .collect()
        };
        let (room, member) = (Budget::new(5_000, 0), hashes(0, 1));
        let mut one = Manifest::default();
        one.add(&mut text(0), &member, &room).unwrap();
        // What grew from another has its pieces in common with it.
        let mut more = one.clone();
        assert!(more.add(&mut text(100), &member, &room).is_err());
        drop(one);
        assert!(more.add(&mut text(100), &member, &room).is_err());
        drop(more);
        assert!(Manifest::default().add(&mut text(100), &member, &room).is_ok());
    }
}
