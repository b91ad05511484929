//! Pictures of stored frames, for pages and viewers that show no DICOM (PS3.18 8.7.4).
//!
//! What a frame needs to be shown is gathered here from the header and handed, with its bytes, to the child processes of
//! [`codecs::worker`]. A frame that cannot be decoded rightly makes an error, never a wrong picture. This module knows no
//! HTTP and keeps nothing.

mod header;

use std::sync::Arc;

use codecs::Frame;
use codecs::render::RenderError;
use codecs::worker::{Pool, WorkerError};
use storage_config::Uid;

use crate::archive::{Archive, Frames, ReadError, frame_syntax};
use crate::dataset::attributes::rank;
use crate::db::{DbError, InstanceRow, Scope};

pub use codecs::render::{PictureFormat, RenderRequest, Rendered, Viewport, VoiFunction, Window};

/// Rises when the same frame is drawn otherwise than before, so that caches ask again.
pub const RENDERING: u32 = 1;

/// Most instances that are looked through for the one that stands for a series.
const LOOKED_AT: usize = 1000;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The instance holds no frame of this number.
    #[error("there is no such frame")]
    NoFrame,
    /// The header does not say how the pixels are to be read, or says something impossible.
    #[error("the header does not tell how to show the frame: {0}")]
    Header(String),
    /// The frame or the request makes no picture, or no process can make one now.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// What is stored cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How the pixels of frame `n` of an instance are to be read, counted from 0.
pub(crate) fn pixel_attributes(
    archive: &Archive,
    instance: &InstanceRow,
    n: usize,
) -> Result<codecs::PixelAttributes, PictureError> {
    header::of(archive, instance, n).map(|(attributes, _)| attributes)
}

/// What is to be done about a [`PictureError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureErrorKind {
    /// Ask for a frame that is there.
    Absent,
    /// Ask otherwise: the viewport or the window is impossible.
    Request,
    /// Nothing: this frame has no picture.
    Unshowable,
    /// Try again later.
    Busy,
    /// Look into the log: stored bytes cannot be read.
    Unread,
}

impl PictureError {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> PictureErrorKind {
        match self {
            PictureError::NoFrame => PictureErrorKind::Absent,
            PictureError::Worker(WorkerError::Render(RenderError::Request(_))) => PictureErrorKind::Request,
            PictureError::Worker(WorkerError::Busy | WorkerError::Start(_)) => PictureErrorKind::Busy,
            PictureError::Header(_) | PictureError::Worker(_) => PictureErrorKind::Unshowable,
            PictureError::Read(_) => PictureErrorKind::Unread,
        }
    }
}

/// Makes pictures of what an archive holds. Cheap to clone; calls block.
#[derive(Clone)]
pub struct Pictures {
    archive: Archive,
    pool: Arc<Pool>,
}

impl Pictures {
    /// Pictures from `archive`, made by the processes of `pool`.
    #[must_use]
    pub fn new(archive: Archive, pool: Arc<Pool>) -> Pictures {
        Pictures { archive, pool }
    }

    /// Pictures that can be in work at the same time.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.pool.limits().workers.max(1)
    }

    /// A picture of frame `n`, counted from 0.
    ///
    /// # Errors
    /// [`PictureError`] tells frames that cannot be shown from an archive that cannot show them now.
    pub fn render(
        &self,
        frames: &mut Frames,
        n: usize,
        request: &RenderRequest,
    ) -> Result<Rendered, PictureError> {
        let bytes = frames.length(n).ok_or(PictureError::NoFrame)?;
        let limit = self.pool.limits().frame_bytes;
        if bytes > limit {
            return Err(WorkerError::TooLarge { bytes, limit }.into());
        }
        let (attributes, presentation) = header::of(&self.archive, frames.instance(), n)?;
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        frames.read(n, 0, bytes, &mut content)?;
        // Native frames come as Explicit VR Little Endian has them, each from a byte of its own.
        let (_, syntax) = frame_syntax(frames);
        let frame = Frame::new(syntax, &content);
        match self.pool.render(&frame, &attributes, &presentation, request) {
            // Nothing was asked for but the frame as it is.
            Err(WorkerError::Render(RenderError::Request(what)))
                if request.viewport.is_none() && request.window.is_none() =>
            {
                Err(PictureError::Header(what))
            }
            result => Ok(result?),
        }
    }

    /// The instance that stands for a study or series: the middle one of its first series of images, or of what there
    /// is. None where nothing is served.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn representative(&self, scope: &Scope) -> Result<Option<InstanceRow>, DbError> {
        let mut rows = self.archive.db().instances_of(scope, None, LOOKED_AT)?;
        let is_image = |class: &Uid| rank(class.as_str(), true) == 0;
        if rows.iter().any(|row| is_image(&row.sop_class)) {
            rows.retain(|row| is_image(&row.sop_class));
        }
        let Some(first) = rows.first().map(|row| row.series_uid.clone()) else { return Ok(None) };
        let length = rows.iter().take_while(|row| row.series_uid == first).count();
        Ok(Some(rows.swap_remove(length / 2)))
    }
}
