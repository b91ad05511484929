//! The disk under the packs: the real one, or a simulated one that loses what was not synced.
//!
//! All pack I/O goes through [`Disk`]. It knows files, directories and durability; it knows nothing of records.
//!
//! The contract of both kinds of disk:
//! * [`DiskFile::write_at`] writes everything or fails; after a failure any part of the bytes may have been written.
//! * Bytes, lengths and truncations of a file are durable once [`DiskFile::sync_data`] has succeeded, names in a
//!   directory once [`Disk::sync_dir`] has. Before that, a loss of power may keep any part of them.
//! * After a failed sync nothing written before it counts as durable, whatever later syncs say.

mod lock;
mod real;
mod replace;
mod simulated;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use lock::{DirLock, LockError};
pub use replace::replace_file;
pub use simulated::{Fault, Operation, SimulatedDisk, SimulatedFile};

/// Where in the archive a sync stands, so that a test can name it and take it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncPoint {
    /// The header of a new pack.
    PackCreate,
    /// The directory entry of a new pack.
    PackDirectory,
    /// A group of records, before their stores are answered.
    Group,
    /// A record that was streamed into a lane of its own.
    Stream,
    /// The seal of a pack.
    Seal,
    /// A pack found open at the start, before its tail is indexed.
    Recovery,
    /// The directory of packs at the start.
    RecoveryDirectory,
    /// Records that were copied into a new pack, before the old ones may go.
    Copy,
    /// The directory after a pack was removed.
    Removal,
}

impl SyncPoint {
    /// Every sync point.
    pub const ALL: [SyncPoint; 9] = [
        SyncPoint::PackCreate,
        SyncPoint::PackDirectory,
        SyncPoint::Group,
        SyncPoint::Stream,
        SyncPoint::Seal,
        SyncPoint::Recovery,
        SyncPoint::RecoveryDirectory,
        SyncPoint::Copy,
        SyncPoint::Removal,
    ];
}

impl fmt::Display for SyncPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SyncPoint::PackCreate => "pack-create",
            SyncPoint::PackDirectory => "pack-directory",
            SyncPoint::Group => "group",
            SyncPoint::Stream => "stream",
            SyncPoint::Seal => "seal",
            SyncPoint::Recovery => "recovery",
            SyncPoint::RecoveryDirectory => "recovery-directory",
            SyncPoint::Copy => "copy",
            SyncPoint::Removal => "removal",
        })
    }
}

/// Space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// What an unprivileged process may still write.
    pub available: u64,
}

/// A disk. Cheap to clone; clones are the same disk.
#[derive(Clone, Debug)]
pub enum Disk {
    /// The file systems of this machine.
    Real,
    /// A disk in memory, for tests.
    Simulated(Arc<SimulatedDisk>),
}

/// An open file of a [`Disk`]. Reads and writes name their offset, so one handle serves many threads.
#[derive(Debug)]
pub enum DiskFile {
    /// A file of this machine.
    Real(File),
    /// A file of a simulated disk.
    Simulated(SimulatedFile),
}

impl Disk {
    /// Creates a file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken; otherwise what the system says.
    pub fn create_new(&self, path: &Path) -> io::Result<DiskFile> {
        match self {
            Disk::Real => real::create_new(path).map(DiskFile::Real),
            Disk::Simulated(disk) => disk.create_new(path).map(DiskFile::Simulated),
        }
    }

    /// Opens a file for reading (and syncing).
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    pub fn open(&self, path: &Path) -> io::Result<DiskFile> {
        match self {
            Disk::Real => File::open(path).map(DiskFile::Real),
            Disk::Simulated(disk) => disk.open(path, false).map(DiskFile::Simulated),
        }
    }

    /// Opens a file that exists for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    pub fn open_write(&self, path: &Path) -> io::Result<DiskFile> {
        match self {
            Disk::Real => File::options().read(true).write(true).open(path).map(DiskFile::Real),
            Disk::Simulated(disk) => disk.open(path, true).map(DiskFile::Simulated),
        }
    }

    /// Makes the names in `dir` durable: what was created or removed there before.
    ///
    /// # Errors
    /// What the system says; the names then do not count as durable, ever.
    pub fn sync_dir(&self, dir: &Path, point: SyncPoint) -> io::Result<()> {
        match self {
            Disk::Real => real::sync_dir(dir),
            Disk::Simulated(disk) => disk.sync_dir(dir, point),
        }
    }

    /// The names in `dir`, sorted.
    ///
    /// # Errors
    /// What the system says.
    pub fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        match self {
            Disk::Real => real::list(dir),
            Disk::Simulated(disk) => disk.list(dir),
        }
    }

    /// Removes a file. Durable after [`Disk::sync_dir`] of its directory.
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        match self {
            Disk::Real => std::fs::remove_file(path),
            Disk::Simulated(disk) => disk.remove(path),
        }
    }

    /// Creates `dir` and what is missing above it, each one made durable by a sync of the directory above. That of
    /// `dir` itself is synced also if it exists: an earlier process may have died between the two.
    ///
    /// # Errors
    /// What the system says.
    pub fn create_dir_all(&self, dir: &Path, point: SyncPoint) -> io::Result<()> {
        let parent = dir.parent().unwrap_or(Path::new(""));
        if !self.is_dir(parent)? {
            self.create_dir_all(parent, point)?;
        }
        if self.is_dir(dir)? {
            return match self.sync_dir(parent, point) {
                // The directory above may be closed to us; whoever made this one has seen to it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                result => result,
            };
        }
        match self {
            Disk::Real => real::create_dir(dir)?,
            Disk::Simulated(disk) => disk.create_dir(dir)?,
        }
        self.sync_dir(parent, point)
    }

    /// Size and free space of the file system that holds `dir`.
    ///
    /// # Errors
    /// What the system says.
    pub fn free_space(&self, dir: &Path) -> io::Result<Space> {
        match self {
            Disk::Real => real::free_space(dir),
            Disk::Simulated(disk) => disk.free_space(),
        }
    }

    /// 128 random bits; of the simulated disk the same for the same seed and calls.
    ///
    /// # Errors
    /// What the system says.
    pub fn random_id(&self) -> io::Result<[u8; 16]> {
        match self {
            Disk::Real => real::random_id(),
            Disk::Simulated(disk) => Ok(disk.random_id()),
        }
    }

    fn is_dir(&self, dir: &Path) -> io::Result<bool> {
        match self {
            Disk::Real => Ok(real::or_current(dir).is_dir()),
            Disk::Simulated(disk) => disk.is_dir(dir),
        }
    }
}

impl DiskFile {
    /// Writes all bytes of `parts`, one after the other, from `offset` on.
    ///
    /// # Errors
    /// What the system says (`StorageFull` when the disk is full). Any part may then have been written.
    pub fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        match self {
            DiskFile::Real(file) => real::write_at(file, parts, offset),
            DiskFile::Simulated(file) => file.write_at(parts, offset),
        }
    }

    /// Reads until `buffer` is full or the file ends; returns how much was read.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            DiskFile::Real(file) => real::read_at(file, buffer, offset),
            DiskFile::Simulated(file) => file.read_at(buffer, offset),
        }
    }

    /// Fills `buffer`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, or what the system says.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.read_at(buffer, offset)?;
        if read < buffer.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Appends exactly `length` bytes of the file to `out`, without clearing memory first.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, `OutOfMemory` if there is no room for `length`, or what the system
    /// says; `out` is then as it was.
    pub fn append_to(&self, out: &mut Vec<u8>, length: usize, offset: u64) -> io::Result<()> {
        let before = out.len();
        out.try_reserve_exact(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let result = match self {
            DiskFile::Real(file) => real::append_to(file, out, length, offset),
            DiskFile::Simulated(file) => {
                out.resize(before + length, 0);
                file.read_at(&mut out[before..], offset).map(|read| out.truncate(before + read))
            }
        };
        if result.is_ok() && out.len() - before == length {
            return Ok(());
        }
        out.truncate(before);
        result.and(Err(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Length of the file in bytes.
    ///
    /// # Errors
    /// What the system says.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a length that costs a system call, as of std::fs::Metadata"
    )]
    pub fn len(&self) -> io::Result<u64> {
        match self {
            DiskFile::Real(file) => Ok(file.metadata()?.len()),
            DiskFile::Simulated(file) => file.len(),
        }
    }

    /// Cuts the file to `length` bytes, or fills it with zero up to there.
    ///
    /// # Errors
    /// What the system says.
    pub fn truncate(&self, length: u64) -> io::Result<()> {
        match self {
            DiskFile::Real(file) => file.set_len(length),
            DiskFile::Simulated(file) => file.truncate(length),
        }
    }

    /// Makes the bytes and the length of the file durable (fdatasync).
    ///
    /// # Errors
    /// What the system says; what was written before then does not count as durable, ever.
    pub fn sync_data(&self, point: SyncPoint) -> io::Result<()> {
        match self {
            DiskFile::Real(file) => file.sync_data(),
            DiskFile::Simulated(file) => file.sync_data(point),
        }
    }

    /// Asks the system to read a range from the disk when it is read next, not from memory. Promises nothing.
    pub fn forget_cached(&self, offset: u64, length: u64) {
        if let DiskFile::Real(file) = self {
            real::forget_cached(file, offset, length);
        }
    }

    /// Asks the system to start writing a range to the disk, so that a later sync has less to wait for. Promises
    /// nothing and reports nothing: an error of the write comes out at the sync.
    pub fn start_writeback(&self, offset: u64, length: u64) {
        if let DiskFile::Real(file) = self {
            real::start_writeback(file, offset, length);
        }
    }
}
