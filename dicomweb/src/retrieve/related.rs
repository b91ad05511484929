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

/// Content-Type of the whole answer.
pub fn content_type(tag: &str) -> String {
    format!("multipart/related; type=\"application/dicom\"; boundary={}", boundary(tag))
}

/// Content-Type of one instance.
pub fn part_type(found: &Found) -> String {
    format!("application/dicom; transfer-syntax={}", found.transfer_syntax())
}

/// Bytes of an answer with one instance of `part10` bytes.
pub fn length(tag: &str, found: &Found, form: Form, part10: u64) -> u64 {
    match form {
        Form::Single => part10,
        Form::Related => (part_head(tag, found, true).len() + tail(tag).len()) as u64 + part10,
    }
}

/// What stands before an instance. The header is spelled as OHIF looks for it.
fn part_head(tag: &str, found: &Found, first: bool) -> String {
    let line_end = if first { "" } else { "\r\n" };
    format!("{line_end}--{}\r\nContent-Type: {}\r\n\r\n", boundary(tag), part_type(found))
}

fn tail(tag: &str) -> String {
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
                let head = part_head(&self.tag, &found, std::mem::take(&mut self.first));
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
