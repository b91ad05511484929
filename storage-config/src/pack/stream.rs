//! Records whose length is not known when they begin: body first, table and trailer behind it, header last.

use super::error::PackError;
use super::format::{CHUNK, ChunkCrcs, Kind, MAX_BODY, RECORD_HEADER, encode_tail};
use super::writer::{Extent, PackWriter};
use crate::hash::ContentHash;

/// After so many bytes of a body the disk is asked to begin writing them, so that the sync at the end of a large
/// value waits for the last of them only.
const WRITEBACK: u64 = 128 << 10;

/// A record that was begun and not ended.
#[derive(Debug)]
pub(super) struct OpenRecord {
    kind: Kind,
    facility: u32,
    crcs: ChunkCrcs,
    /// Bytes taken, those in `buffer` included.
    taken: u64,
    /// Small pieces, until they are worth a write.
    buffer: Vec<u8>,
    /// Up to where in the body writeback was asked for.
    kicked: u64,
    failed: bool,
}

impl PackWriter {
    /// Begins a record whose body follows by [`PackWriter::write`]. Memory does not grow with the body, but for 4
    /// bytes in each [`CHUNK`]. Given up by [`PackWriter::cut_back`] to [`PackWriter::len`].
    ///
    /// # Errors
    /// `Full`, `Poisoned`; `Misuse` while another record is open.
    pub fn begin(&mut self, kind: Kind, facility: u32) -> Result<(), PackError> {
        self.check_closed()?;
        self.check_room(kind)?;
        self.open = Some(OpenRecord {
            kind,
            facility,
            crcs: ChunkCrcs::default(),
            taken: 0,
            buffer: Vec::new(),
            kicked: 0,
            failed: false,
        });
        Ok(())
    }

    /// Takes the next bytes of the open record's body.
    ///
    /// # Errors
    /// What the disk says, `Full` beyond [`MAX_BODY`], `Poisoned`; the record can then only be cut back. `Misuse`
    /// without an open record.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        let mut record = self.take_open()?;
        let result = self.write_open(&mut record, bytes);
        record.failed = result.is_err();
        self.open = Some(record);
        result
    }

    /// Ends the open record. `raw_sha256` is the hash of its body, which the caller has computed.
    ///
    /// # Errors
    /// As [`PackWriter::write`].
    pub fn end(&mut self, raw_sha256: ContentHash) -> Result<Extent, PackError> {
        let mut record = self.take_open()?;
        match self.end_open(&mut record, raw_sha256) {
            Ok(extent) => Ok(extent),
            Err(error) => {
                record.failed = true;
                self.open = Some(record);
                Err(error)
            }
        }
    }

    /// Bytes taken of the open record's body; `None` without one.
    pub fn open_len(&self) -> Option<u64> {
        self.open.as_ref().map(|record| record.taken)
    }

    fn take_open(&mut self) -> Result<OpenRecord, PackError> {
        self.check_alive()?;
        if self.open.as_ref().is_some_and(|record| record.failed) {
            return Err(self.misuse("the open record has failed and must be cut back"));
        }
        self.open.take().ok_or_else(|| self.misuse("no record is open"))
    }

    fn write_open(&mut self, record: &mut OpenRecord, bytes: &[u8]) -> Result<(), PackError> {
        if record.taken + bytes.len() as u64 > MAX_BODY {
            return Err(PackError::Full(*self.name()));
        }
        record.crcs.update(bytes);
        let gathered = record.buffer.len() + bytes.len();
        if gathered < CHUNK {
            record.buffer.extend_from_slice(bytes);
        } else {
            let offset = self.length + RECORD_HEADER as u64 + record.taken - record.buffer.len() as u64;
            self.file
                .write_at(&[&record.buffer, bytes], offset)
                .map_err(|source| self.io("writing a streamed body", source))?;
            record.buffer.clear();
            let written = record.taken + bytes.len() as u64;
            if written - record.kicked >= WRITEBACK {
                let from = self.length + RECORD_HEADER as u64 + record.kicked;
                self.file.start_writeback(from, written - record.kicked);
                record.kicked = written;
            }
        }
        record.taken += bytes.len() as u64;
        Ok(())
    }

    fn end_open(&mut self, record: &mut OpenRecord, raw_sha256: ContentHash) -> Result<Extent, PackError> {
        let header = self.header(record.kind, record.facility, record.taken, raw_sha256)?;
        let head = header.encode();
        let tail = encode_tail(&head, record.taken, &std::mem::take(&mut record.crcs).finish());
        let offset = header.body_offset() + record.taken - record.buffer.len() as u64;
        self.file
            .write_at(&[&record.buffer, &tail], offset)
            .and_then(|()| self.file.write_at(&[&head], header.offset))
            .map_err(|source| self.io("ending a streamed record", source))?;
        Ok(self.accept(&header))
    }
}
