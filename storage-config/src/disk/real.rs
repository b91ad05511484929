//! The file systems of this machine, through `std` and `rustix`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::Advice;
use rustix::io::Errno;

use super::Space;

/// The most parts one `pwritev` takes (IOV_MAX on Linux).
const PARTS_PER_WRITE: usize = 1024;

/// Bytes that may be read beyond what was asked for, to save clearing memory before reading into it.
const SPARE_TOLERATED: usize = 16 * 1024;

/// Packs hold health data: readable for the group at most, whatever the umask.
const FILE_MODE: u32 = 0o640;
const DIR_MODE: u32 = 0o750;

pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
}

pub(super) fn create_dir(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(DIR_MODE).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        result => result,
    }
}

/// An empty path, the parent of a relative one, means the current directory.
pub(super) fn or_current(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(or_current(dir))?.sync_all()
}

pub(super) fn list(dir: &Path) -> io::Result<Vec<OsString>> {
    let mut names = std::fs::read_dir(or_current(dir))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

pub(super) fn free_space(dir: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(or_current(dir))?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Space { total: bytes(stat.f_blocks), available: bytes(stat.f_bavail) })
}

pub(super) fn random_id() -> io::Result<[u8; 16]> {
    let mut id = [0; 16];
    let mut filled = 0;
    while filled < id.len() {
        match rustix::rand::getrandom(&mut id[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(id)
}

pub(super) fn write_at(file: &File, parts: &[&[u8]], offset: u64) -> io::Result<()> {
    let mut position = offset;
    for some in parts.chunks(PARTS_PER_WRITE) {
        let mut slices: Vec<IoSlice<'_>> = some.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        // An empty part at the front would make a write of nothing look like a disk that takes nothing.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(file, rest, position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    position += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Appends up to `length` bytes to `out`, in which the caller has reserved room.
pub(super) fn append_to(file: &File, out: &mut Vec<u8>, length: usize, offset: u64) -> io::Result<()> {
    let before = out.len();
    let end = before + length;
    if out.capacity() - end > SPARE_TOLERATED {
        // The read below goes on to the end of the vector's room, which here would be much more than asked for.
        out.resize(end, 0);
        let read = read_at(file, &mut out[before..], offset)?;
        out.truncate(before + read);
        return Ok(());
    }
    let mut position = offset;
    while out.len() < end {
        match rustix::io::pread(file, spare_capacity(out), position) {
            Ok(0) => break,
            Ok(read) => position += read as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    out.truncate(end);
    Ok(())
}

pub(super) fn start_writeback(file: &File, offset: u64, length: u64) {
    // On Linux this advice begins to write the dirty pages of the range without waiting for them, which is what
    // sync_file_range does; pages that are being written stay in the cache.
    let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(length), Advice::DontNeed);
}

pub(super) fn forget_cached(file: &File, offset: u64, length: u64) {
    // Drops pages that are clean; what is still being written is read from memory, which is all there is of it.
    let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(length), Advice::DontNeed);
}
