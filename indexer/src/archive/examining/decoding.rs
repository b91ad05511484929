//! Whether frames decode: each of a small study, of a large one first, middle and last of every series and some between.
//!
//! A frame that this program cannot decode whoever sent it (a video, a private syntax) says nothing; one whose bytes are
//! damaged or contradict their header does not decode.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use codecs::Frame;
use codecs::decode::DecodeError;
use codecs::render::RenderError;
use codecs::worker::{Pool, WorkerError};
use storage_config::Uid;

use crate::archive::{Archive, Frames, ReadError, frame_syntax};
use crate::db::{ExaminedInstance, ExaminedSeries, ExaminedStudy, Scope};
use crate::picture::{PictureError, pixel_attributes};

/// Frames of a study that are all decoded; of a larger one about so many are.
const FRAMES: u32 = 64;
/// Frames of one series that are decoded at least, where it has so many: first, middle, last.
const OF_SERIES: u32 = 3;
/// How long the frames of one study are decoded; what is left then is left out.
const TIME: Duration = Duration::from_secs(20);

/// What decoding found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Decoded {
    /// Frames that do not decode; none where it could not be found out.
    pub undecodable: Option<u32>,
    /// Frames that were tried.
    pub tried: u32,
    /// Frames of the study.
    pub all: u32,
}

/// What one frame came to.
enum Came {
    Decodes,
    DoesNot,
    Untold,
}

/// Decoding the frames of one study.
pub(super) struct Decoding<'a> {
    pub archive: &'a Archive,
    pub pool: &'a Pool,
    pub study: &'a Uid,
}

impl Decoding<'_> {
    /// Decodes frames of a study.
    ///
    /// # Errors
    /// When the index or the disk cannot be read.
    pub(super) fn of(&self, source: &ExaminedStudy) -> Result<Decoded, ReadError> {
        let pictures: Vec<&ExaminedSeries> =
            source.series.iter().filter(|series| series.instances.iter().any(|it| it.is_picture)).collect();
        let all = pictures.iter().map(|series| frames_of(series)).fold(0u32, u32::saturating_add);
        let mut found = Decoded { undecodable: None, tried: 0, all };
        let (mut bad, mut untold) = (0, 0u32);
        let until = Instant::now() + TIME;
        for series in pictures {
            let mut wanted = wanted(frames_of(series), all);
            let mut before = 0u32;
            for instance in series.instances.iter().filter(|instance| instance.is_picture) {
                let count = frames_in(instance);
                let own: Vec<u32> = wanted.range(before..before.saturating_add(count)).copied().collect();
                wanted = wanted.split_off(&before.saturating_add(count));
                if !own.is_empty() && Instant::now() < until {
                    let scope = Scope {
                        study: self.study.clone(),
                        series: Some(series.uid.clone()),
                        instance: Some(instance.sop_instance.clone()),
                    };
                    let numbers = own.iter().map(|place| (place - before) as usize);
                    for came in self.instance(&scope, numbers)? {
                        found.tried += 1;
                        bad += u32::from(matches!(came, Came::DoesNot));
                        untold += u32::from(matches!(came, Came::Untold));
                    }
                }
                before = before.saturating_add(count);
            }
        }
        // Nothing is said of a study whose frames cannot be decoded here at all.
        if bad > 0 || found.tried > untold {
            found.undecodable = Some(bad);
        }
        Ok(found)
    }

    fn instance(&self, scope: &Scope, frames: impl Iterator<Item = usize>) -> Result<Vec<Came>, ReadError> {
        let mut came = Vec::new();
        match self.archive.frames(scope) {
            Ok(Some(Ok(mut opened))) => {
                for n in frames {
                    came.push(self.frame(&mut opened, n)?);
                }
            }
            Ok(Some(Err(_))) => came.push(Came::DoesNot),
            Ok(None) => {}
            Err(error) => came.push(unread(error)?),
        }
        Ok(came)
    }

    fn frame(&self, frames: &mut Frames, n: usize) -> Result<Came, ReadError> {
        let Some(bytes) = frames.length(n) else { return Ok(Came::DoesNot) };
        if bytes > self.pool.limits().frame_bytes {
            return Ok(Came::Untold);
        }
        let attributes = match pixel_attributes(self.archive, frames.instance(), n) {
            Ok(attributes) => attributes,
            Err(PictureError::Read(error)) => return unread(error),
            Err(_) => return Ok(Came::Untold),
        };
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        if let Err(error) = frames.read(n, 0, bytes, &mut content) {
            return unread(error);
        }
        let (_, syntax) = frame_syntax(frames);
        match self.pool.decode(&Frame::new(syntax, &content), &attributes) {
            Ok(_) => Ok(Came::Decodes),
            Err(WorkerError::Render(error)) => Ok(match error {
                RenderError::Decode(DecodeError::Damaged(_) | DecodeError::Mismatch(_)) => Came::DoesNot,
                _ => Came::Untold,
            }),
            Err(WorkerError::Died | WorkerError::TimedOut) => Ok(Came::DoesNot),
            // Also where no process decodes at the moment: the next answer asks for another look.
            Err(WorkerError::TooLarge { .. } | WorkerError::Busy | WorkerError::Start(_)) => Ok(Came::Untold),
        }
    }
}

/// Bytes that are damaged or gone are frames that do not decode; an index or a disk that fails is tried again.
fn unread(error: ReadError) -> Result<Came, ReadError> {
    match error {
        error if error.is_damage() => Ok(Came::DoesNot),
        ReadError::Missing(_) | ReadError::DataSet(_) => Ok(Came::DoesNot),
        error => Err(error),
    }
}

fn frames_of(series: &ExaminedSeries) -> u32 {
    let pictures = series.instances.iter().filter(|instance| instance.is_picture);
    pictures.map(frames_in).fold(0, u32::saturating_add)
}

/// Frames of a picture: one where its header names no number (PS3.3 C.7.6.6).
fn frames_in(instance: &ExaminedInstance) -> u32 {
    instance.frames.unwrap_or(1)
}

/// Which frames of a series of `count` are decoded, by their place: its share of what is decoded of the study's `all`,
/// spread evenly, first and last among them.
fn wanted(count: u32, all: u32) -> BTreeSet<u32> {
    if count == 0 {
        return BTreeSet::new();
    }
    let share = if all <= FRAMES {
        count
    } else {
        let share = u64::from(FRAMES) * u64::from(count) / u64::from(all.max(1));
        u32::try_from(share).unwrap_or(FRAMES).max(OF_SERIES).min(count)
    };
    let last = u64::from(count - 1);
    let steps = u64::from(share.max(2) - 1);
    (0..u64::from(share)).filter_map(|n| u32::try_from(n * last / steps).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_studies_are_decoded_as_a_whole_and_large_ones_in_part() {
        assert_eq!(wanted(5, 40).into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(wanted(1, 1).into_iter().collect::<Vec<_>>(), [0]);
        let of_many = wanted(1000, 4000);
        assert_eq!((of_many.len(), of_many.first(), of_many.last()), (16, Some(&0), Some(&999)));
        assert_eq!(wanted(9, 4000).into_iter().collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(wanted(2, 4000).into_iter().collect::<Vec<_>>(), [0, 1]);
        assert!(wanted(0, 0).is_empty());
    }
}
