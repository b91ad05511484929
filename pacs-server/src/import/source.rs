//! Where the bytes of a file come from.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use rustix::fs::{Advice, fadvise};

/// Bytes that are copied at once.
const PIECE: usize = 64 * 1024;

/// A file being read from start to end.
pub(super) enum Source {
    /// A file of a disk.
    File(File),
    /// Bytes that come once, and the folder where they are kept if they have to be read twice.
    Stream(Box<dyn Read + Send>, PathBuf),
}

impl Source {
    /// Says that all of it is going to be read.
    pub(super) fn will_be_read(&self) {
        if let Source::File(file) = self {
            // The advice is not needed to be right.
            let _ = fadvise(file, 0, None, Advice::Sequential);
        }
    }

    /// What is left of it as a file that can be read twice; where it came once, in a file without a name.
    ///
    /// # Errors
    /// When it cannot be read to its end, or not be kept.
    pub(super) fn keep(&mut self) -> io::Result<&mut File> {
        if let Source::Stream(stream, folder) = self {
            let mut kept = tempfile::tempfile_in(folder)?;
            let mut piece = vec![0; PIECE];
            loop {
                match stream.read(&mut piece) {
                    Ok(0) => break,
                    Ok(length) => kept.write_all(&piece[..length])?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            kept.rewind()?;
            *self = Source::File(kept);
        }
        match self {
            Source::File(file) => Ok(file),
            Source::Stream(..) => Err(io::Error::other("not kept")),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::File(file) => file.read(buffer),
            Source::Stream(stream, _) => stream.read(buffer),
        }
    }
}
