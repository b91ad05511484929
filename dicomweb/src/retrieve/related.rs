//! Part 10 files as `multipart/related` (PS3.18 8.6.1.2.1), or one as it is.

use bytes::Bytes;
use indexer::archive::Archive;

use super::accept::Form;
use crate::archive::{Found, Part10};
use crate::outgoing::Cut;

/// Hexadecimal characters of the digest that make the boundary.
const BOUNDARY_DIGITS: usize = 40;

/// The boundary of the answer whose instances have the digest `tag`.
fn boundary(tag: &str) -> &str {
    tag.get(..BOUNDARY_DIGITS).unwrap_or(tag)
}

/// Content-Type of the whole answer, whose parts are of `media_type`.
pub fn content_type(tag: &str, media_type: &str) -> String {
    format!("multipart/related; type=\"{media_type}\"; boundary={}", boundary(tag))
}

/// Content-Type of one instance.
pub fn part_type(found: &Found) -> String {
    format!("application/dicom; transfer-syntax={}", found.transfer_syntax())
}

/// Bytes of the answer with `found`.
pub fn length(tag: &str, found: &[Found], form: Form) -> u64 {
    let parts = found.iter().enumerate().map(|(n, one)| match form {
        Form::Single => one.part10_length(),
        Form::Related => part_head(tag, &part_type(one), n == 0).len() as u64 + one.part10_length(),
    });
    parts.sum::<u64>() + if form == Form::Related { tail(tag).len() as u64 } else { 0 }
}

/// What stands before a part of type `part_type`. The header is spelled as OHIF looks for it.
pub fn part_head(tag: &str, part_type: &str, first: bool) -> String {
    let line_end = if first { "" } else { "\r\n" };
    format!("{line_end}--{}\r\nContent-Type: {part_type}\r\n\r\n", boundary(tag))
}

/// What stands behind the last part.
pub fn tail(tag: &str) -> String {
    format!("\r\n--{}--\r\n", boundary(tag))
}

/// Yields the answer chunk by chunk; reading blocks. After a failure nothing more may be sent: the closing boundary
/// would say that all is well.
pub struct Parts {
    archive: Archive,
    tag: String,
    left: std::vec::IntoIter<Found>,
    form: Form,
    reader: Option<Part10>,
    /// The first instance, when it is open already.
    opened: Option<Part10>,
    first: bool,
    ended: bool,
}

impl Parts {
    /// The answer with `found`; the first may be open already. `Form::Single` is for one instance.
    pub fn new(
        archive: Archive,
        tag: String,
        found: Vec<Found>,
        form: Form,
        opened: Option<Part10>,
    ) -> Parts {
        let left = found.into_iter();
        Parts { archive, tag, left, form, reader: None, opened, first: true, ended: false }
    }

    fn step(&mut self) -> Result<Option<Bytes>, Cut> {
        loop {
            if let Some(reader) = &mut self.reader {
                if let Some(chunk) = reader.next().transpose()? {
                    return Ok(Some(chunk));
                }
                self.reader = None;
            }
            let Some(found) = self.left.next() else {
                self.ended = true;
                return Ok((self.form == Form::Related).then(|| tail(&self.tag).into()));
            };
            self.reader = Some(match self.opened.take() {
                Some(opened) => opened,
                None => found.open(&self.archive)?,
            });
            if self.form == Form::Related {
                let head = part_head(&self.tag, &part_type(&found), std::mem::take(&mut self.first));
                return Ok(Some(head.into()));
            }
        }
    }
}

impl Iterator for Parts {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended |= step.is_err();
        step.transpose()
    }
}
