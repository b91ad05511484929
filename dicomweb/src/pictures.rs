//! Making pictures for many: turns, and a shelf of small ones.
//!
//! No more pictures are in work than there are processes to make them, so that a crowd of requests holds no more frames in
//! memory than that; those who wait hold nothing.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use indexer::archive::Frames;
use indexer::picture::{PictureError, PictureErrorKind, Pictures, RenderRequest};
use lru::LruCache;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::reading::fault;

/// Bytes of pictures that are kept.
const KEPT_BYTES: usize = 16 << 20;
/// Largest picture that is kept, in bytes.
const KEPT_ONE_BYTES: usize = 128 << 10;
/// Most pictures that are kept.
const KEPT_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Makes pictures, for all requests. Cheap to clone.
#[derive(Clone)]
pub struct Studio {
    pictures: Pictures,
    turns: Arc<Semaphore>,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    by_tag: LruCache<String, Bytes>,
    bytes: usize,
}

impl Studio {
    /// A studio that lets as many pictures be in work as `pictures` has processes.
    pub fn new(pictures: Pictures) -> Studio {
        let turns = Arc::new(Semaphore::new(pictures.at_once()));
        let kept = Kept { by_tag: LruCache::new(KEPT_MAX), bytes: 0 };
        Studio { pictures, turns, kept: Arc::new(Mutex::new(kept)) }
    }

    /// What chooses instances and draws.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// The picture that `tag` names, if it was kept.
    pub fn kept(&self, tag: &str) -> Option<Bytes> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).by_tag.get(tag).cloned()
    }

    /// Draws frame `n`, when it is this request's turn, and keeps it under `tag` if it is small.
    ///
    /// # Errors
    /// When the frame has no picture, or none can be made now.
    pub async fn draw(
        &self,
        mut frames: Frames,
        n: usize,
        request: RenderRequest,
        tag: &str,
    ) -> Result<Bytes, Error> {
        let turn = self.turns.clone().acquire_owned().await;
        let pictures = self.pictures.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            pictures.render(&mut frames, n, &request)
        });
        let drawn = work.await.map_err(|_| Error::Internal("the picture was not made"))?;
        let picture = Bytes::from(drawn.map_err(refused)?.bytes);
        self.keep(tag, &picture);
        Ok(picture)
    }

    /// The same on a thread that may wait.
    ///
    /// # Errors
    /// As [`Studio::draw`].
    pub fn draw_here(&self, frames: &mut Frames, n: usize, request: &RenderRequest) -> Result<Bytes, Error> {
        let _turn = tokio::runtime::Handle::current().block_on(self.turns.acquire());
        let drawn = self.pictures.render(frames, n, request);
        Ok(Bytes::from(drawn.map_err(refused)?.bytes))
    }

    fn keep(&self, tag: &str, picture: &Bytes) {
        if picture.len() > KEPT_ONE_BYTES {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += picture.len();
        if let Some((_, gone)) = kept.by_tag.push(tag.to_owned(), picture.clone()) {
            kept.bytes -= gone.len();
        }
        while kept.bytes > KEPT_BYTES
            && let Some((_, gone)) = kept.by_tag.pop_lru()
        {
            kept.bytes -= gone.len();
        }
    }
}

/// What a client is told when there is no picture.
fn refused(error: PictureError) -> Error {
    match (error.kind(), error) {
        (_, PictureError::Read(error)) => fault(error),
        (PictureErrorKind::Absent, _) => Error::NotFound("the instance has no such frame"),
        (PictureErrorKind::Request, error) => Error::invalid("viewport", error.to_string()),
        (PictureErrorKind::Busy, error) => {
            tracing::warn!(%error, "a picture could not be made now");
            Error::Unavailable("no picture can be made now; try again later")
        }
        (_, error) => {
            tracing::info!(%error, "a frame has no picture");
            Error::NotAcceptable(format!("the frame has no rendered form: {error}"))
        }
    }
}
