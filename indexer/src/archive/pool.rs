//! The memory in which bulk values are assembled: chunks of 64 KiB from one pool with a fixed size.
//!
//! A store that finds the pool empty spills into a stream lane; it never waits for memory.

use std::sync::{Arc, Mutex, PoisonError};

use storage_config::pack::CHUNK;

/// The pool; clones share it.
#[derive(Clone)]
pub(crate) struct ChunkPool(Arc<Mutex<Free>>);

struct Free {
    chunks: Vec<Vec<u8>>,
    /// Chunks that may still be made.
    unmade: usize,
}

impl ChunkPool {
    /// A pool that never holds more than `bytes` (rounded down to chunks). Chunks are made when first needed.
    pub(crate) fn new(bytes: u64) -> ChunkPool {
        let unmade = usize::try_from(bytes / CHUNK as u64).unwrap_or(usize::MAX);
        ChunkPool(Arc::new(Mutex::new(Free { chunks: Vec::new(), unmade })))
    }

    /// An empty chunk, or none when all are in use.
    pub(crate) fn take(&self) -> Option<Chunk> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match free.chunks.pop() {
            Some(bytes) => bytes,
            None => {
                free.unmade = free.unmade.checked_sub(1)?;
                Vec::with_capacity(CHUNK)
            }
        };
        Some(Chunk { bytes, pool: self.clone() })
    }
}

/// Up to [`CHUNK`] bytes; goes back to its pool when dropped.
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    pool: ChunkPool,
}

impl Chunk {
    /// Takes what fits of `bytes`; returns how many that were.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> usize {
        let room = CHUNK - self.bytes.len();
        let taken = room.min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// The bytes taken so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).chunks.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_lends_what_it_has_and_takes_it_back() {
        let pool = ChunkPool::new(2 * CHUNK as u64 + 1);
        let mut first = pool.take().unwrap();
        let second = pool.take().unwrap();
        assert!(pool.take().is_none());
        assert_eq!(first.fill(&[7; CHUNK + 5]), CHUNK);
        assert_eq!(first.fill(&[7]), 0);
        drop(first);
        assert!(pool.take().unwrap().bytes().is_empty());
        drop(second);
    }
}
