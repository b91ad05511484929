//! Frames of an instance (PS3.18 10.4.1.1.6): stored bytes as they are, native ones as Explicit VR Little Endian.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use indexer::archive::{Frames, ReadError, frame_syntax};

use super::accept::{self, FORM_OF_FRAMES, Form, Ranges};
use super::{Asked, answer, is_unchanged, not_modified, related};
use crate::DicomWeb;
use crate::archive::cut;
use crate::error::{Error, shortened};
use crate::measure;
use crate::outgoing::{self, Cut};
use crate::path::Named;
use crate::reading;
use storage_config::ContentHash;

/// Frames of one request, at most.
const FRAMES_MAX: usize = 1024;
/// Longest list of frames, in bytes.
const LIST_MAX: usize = 8192;
/// Answers up to so many bytes are read in one turn and sent as one piece.
const AT_ONCE: u64 = 1 << 20;
/// Bytes of a frame that are read at once for a longer answer.
const PIECE: u64 = 512 << 10;

/// What one turn found.
struct Found {
    content_type: String,
    etag: String,
    length: u64,
    content: Content,
}

enum Content {
    /// The client has it, or asked for the head alone.
    None {
        unchanged: bool,
    },
    Whole(Vec<u8>),
    Parts(Box<Parts>),
}

/// Answers with the frames that the path lists.
///
/// # Errors
/// When the list is none, a frame is not there, or no stored form is accepted.
pub async fn frames(web: &DicomWeb, named: Named, asked: &Asked) -> Result<Response, Error> {
    let list = list(named.part.as_deref().unwrap_or_default())?;
    let ranges = accept::ranges_of(&asked.headers, asked.query.as_deref())?;
    let (headers, head) = (asked.headers.clone(), asked.head);
    let found = reading::turn(&web.archive, move |archive| {
        let frames = reading::frames(archive, &named)?;
        let (parts, found) = Parts::new(frames, list, &ranges)?;
        let content = if is_unchanged(&headers, &found.etag) {
            Content::None { unchanged: true }
        } else if head {
            Content::None { unchanged: false }
        } else if found.length <= AT_ONCE {
            Content::Whole(parts.whole(found.length)?)
        } else {
            Content::Parts(Box::new(parts))
        };
        Ok(Found { content, ..found })
    });
    let Found { content_type, etag, length, content } = found.await?;
    let body = match content {
        Content::None { unchanged: true } => return not_modified(&etag),
        Content::None { unchanged: false } => Body::empty(),
        Content::Whole(bytes) => {
            measure::sent(asked.operation, bytes.len());
            Body::from(bytes)
        }
        Content::Parts(parts) => outgoing::body(asked.operation, *parts).await?,
    };
    answer(body, &content_type, &etag, Some(length))
}

/// Reads a list of frame numbers, which count from 1; the result counts from 0.
///
/// # Errors
/// When it is none, or too long.
pub fn list(text: &str) -> Result<Vec<usize>, Error> {
    let wrong = |reason: String| Error::invalid("frames", reason);
    if text.len() > LIST_MAX {
        return Err(wrong(format!("the list has more than {LIST_MAX} bytes")));
    }
    let mut list = Vec::new();
    for number in text.split(',') {
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let parsed = digits.then(|| number.parse::<usize>().ok()).flatten().and_then(|n| n.checked_sub(1));
        let said = || wrong(format!("{:?} is no frame number; they count from 1", shortened(number)));
        list.push(parsed.ok_or_else(said)?);
    }
    if list.len() > FRAMES_MAX {
        return Err(wrong(format!("at most {FRAMES_MAX} frames are sent at once")));
    }
    Ok(list)
}

/// The answer's parts on their way out.
struct Parts {
    frames: Frames,
    list: std::vec::IntoIter<usize>,
    form: Form,
    tag: String,
    part_type: String,
    first: bool,
    /// The frame that is being sent: its number, how far it is sent, its bytes.
    under_way: Option<(usize, u64, u64)>,
    ended: bool,
}

impl Parts {
    fn new(frames: Frames, list: Vec<usize>, ranges: &Ranges) -> Result<(Parts, Found), Error> {
        let absent = Error::NotFound("the instance has no such frame");
        let lengths = list.iter().map(|n| frames.length(*n)).collect::<Option<Vec<_>>>().ok_or(absent)?;
        let stored = frames.instance().transfer_syntax.clone();
        let (media_type, sent) = frame_syntax(&frames);
        let form = ranges.frames(media_type, sent, stored.as_str(), list.len() == 1)?;
        let part_type = format!("{media_type}; transfer-syntax={sent}");
        let tag = frames.instance().digest.to_string();
        let numbers: Vec<String> = list.iter().map(|n| (n + 1).to_string()).collect();
        let mut numbers = numbers.join(".");
        if numbers.len() > 64 {
            numbers = ContentHash::of(numbers.as_bytes()).to_string();
        }
        let etag =
            format!("\"{tag}-frames-{numbers}-{}\"", FORM_OF_FRAMES[usize::from(form == Form::Single)]);
        let mut length = lengths.iter().sum();
        let content_type = match form {
            Form::Single => part_type.clone(),
            Form::Related => {
                let head = related::part_head(&tag, &part_type, false).len();
                // The first head has no line end before it.
                length += (head * list.len() - 2 + related::tail(&tag).len()) as u64;
                related::content_type(&tag, media_type)
            }
        };
        let list = list.into_iter();
        let parts = Parts { frames, list, form, tag, part_type, first: true, under_way: None, ended: false };
        Ok((parts, Found { content_type, etag, length, content: Content::None { unchanged: false } }))
    }

    /// Appends the next piece, with heads and tail around frames; false at the end.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Cut> {
        let (n, from, length) = match self.under_way.take() {
            Some(under_way) => under_way,
            None => match self.list.next() {
                Some(n) => {
                    if self.form == Form::Related {
                        let first = std::mem::take(&mut self.first);
                        let head = related::part_head(&self.tag, &self.part_type, first);
                        out.extend_from_slice(head.as_bytes());
                    }
                    (n, 0, self.frames.length(n).ok_or(Cut::BROKEN)?)
                }
                None => {
                    if self.form == Form::Related {
                        out.extend_from_slice(related::tail(&self.tag).as_bytes());
                    }
                    return Ok(false);
                }
            },
        };
        let before = out.len();
        self.frames.read(n, from, PIECE, out).map_err(|error| cut(&error))?;
        let to = from + (out.len() - before) as u64;
        if to == from && to < length {
            return Err(cut(&ReadError::Damaged("a frame is shorter than its table says".into())));
        }
        if to < length {
            self.under_way = Some((n, to, length));
        }
        Ok(true)
    }

    /// All of it in one piece.
    fn whole(mut self, length: u64) -> Result<Vec<u8>, Cut> {
        let slack = self.list.as_slice().last().map_or(0, |n| self.frames.slack(*n));
        let mut out = Vec::with_capacity(usize::try_from(length + slack).unwrap_or(0));
        while self.step(&mut out)? {}
        Ok(out)
    }
}

impl Iterator for Parts {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut out = Vec::with_capacity(PIECE as usize + (128 << 10));
        let step = self.step(&mut out);
        self.ended = !matches!(step, Ok(true));
        Some(step.map(|_| out.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_frames_are_numbers_from_one() {
        assert_eq!(list("1").unwrap(), [0]);
        assert_eq!(list("3,1,3").unwrap(), [2, 0, 2]);
        for text in ["", "0", "1,", ",1", "a", "-1", "1-2", "99999999999999999999", "1 ,2"] {
            assert!(list(text).is_err(), "{text}");
        }
        let many = |n: usize| vec!["1"; n].join(",");
        assert_eq!(list(&many(FRAMES_MAX)).unwrap().len(), FRAMES_MAX);
        assert!(list(&many(FRAMES_MAX + 1)).is_err());
    }
}
