//! Where the bytes of a file come from.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use rustix::fs::{Advice, fadvise};

/// Bytes that are copied at once.
const PIECE: usize = 64 * 1024;
/// Bytes between two looks whether the archive takes anything, as it does not on a disk that fills.
const LOOK_BYTES: u64 = 64 * 1024 * 1024;

/// A file being read from start to end.
pub(super) enum Source {
    /// A file of a disk.
    File(File),
    /// Bytes that come once, and the folder where they are kept if they have to be read twice.
    Stream(Box<dyn Read + Send>, PathBuf),
}

/// Why bytes that come once were not kept.
#[derive(Debug)]
pub(super) enum NotKept {
    /// They did not come to their end.
    Read(io::Error),
    /// There are more than so many.
    TooMany(u64),
    /// Not now: the disk does not take them, or the archive takes nothing.
    ForNow(String),
}

impl Source {
    /// Says that all of it is going to be read.
    pub(super) fn will_be_read(&self) {
        if let Source::File(file) = self {
            // The advice is not needed to be right.
            let _ = fadvise(file, 0, None, Advice::Sequential);
        }
    }

    /// What is left of it as a file that can be read twice; where it came once, in a file without a name of at most
    /// `most` bytes, while `refuses` says nothing against it.
    ///
    /// # Errors
    /// [`NotKept`].
    pub(super) fn keep(
        &mut self,
        most: u64,
        refuses: &dyn Fn() -> Option<String>,
    ) -> Result<&mut File, NotKept> {
        if let Source::Stream(stream, folder) = self {
            let wrong = |error: io::Error| NotKept::ForNow(format!("cannot be kept: {error}"));
            let mut kept = tempfile::tempfile_in(folder).map_err(wrong)?;
            let (mut piece, mut length, mut look) = (vec![0; PIECE], 0, 0);
            loop {
                if length >= look {
                    look += LOOK_BYTES;
                    refuses().map_or(Ok(()), |why| Err(NotKept::ForNow(why)))?;
                }
                let read = match stream.read(&mut piece) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(NotKept::Read(error)),
                };
                length += read as u64;
                if length > most {
                    return Err(NotKept::TooMany(most));
                }
                kept.write_all(&piece[..read]).map_err(wrong)?;
            }
            kept.rewind().map_err(wrong)?;
            *self = Source::File(kept);
        }
        match self {
            Source::File(file) => Ok(file),
            Source::Stream(..) => Err(NotKept::ForNow("not kept".to_owned())),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(bytes: u64, folder: &std::path::Path) -> Source {
        Source::Stream(Box::new(io::repeat(7).take(bytes)), folder.to_owned())
    }

    #[test]
    fn what_comes_once_is_kept_up_to_its_limit_and_while_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut source = stream(100_000, dir.path());
        let kept = source.keep(100_000, &|| None).unwrap();
        assert_eq!(kept.metadata().unwrap().len(), 100_000);
        assert!(matches!(
            stream(100_001, dir.path()).keep(100_000, &|| None),
            Err(NotKept::TooMany(100_000))
        ));
        let full = || Some("the disk is full".to_owned());
        assert!(matches!(stream(1, dir.path()).keep(100, &full), Err(NotKept::ForNow(_))));
        // A folder that takes no file is the disk's fault and not that of the bytes.
        let nowhere = stream(1, &dir.path().join("gone")).keep(100, &|| None).map(drop);
        assert!(matches!(nowhere, Err(NotKept::ForNow(_))), "{nowhere:?}");
        let far = 2 * LOOK_BYTES;
        let looks = std::cell::Cell::new(0);
        let filling = || {
            looks.set(looks.get() + 1);
            (looks.get() > 2).then(|| "the disk is full".to_owned())
        };
        assert!(matches!(stream(far, dir.path()).keep(far, &filling), Err(NotKept::ForNow(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }
}
