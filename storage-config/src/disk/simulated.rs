//! A disk in memory that fails on request and, at a loss of power, forgets what was not synced.
//!
//! What it models, each a little worse than real disks are:
//! * Unsynced writes survive a loss of power in a random subset, by sectors of 512 bytes; the length of a file is
//!   whatever some of the unsynced operations made it; what was never written reads as zero.
//! * Names created or removed in a directory that was not synced after survive in a random subset.
//! * A failed sync forgets the unsynced writes for ever: they stay readable until the power goes, and no later sync
//!   brings them back (as Linux does after a write error).
//!
//! One [`SimulatedDisk`] belongs to one process of its world. After [`SimulatedDisk::process_kill`] or
//! [`SimulatedDisk::power_loss`] it and its files refuse every call; the disk that was returned is the next process.

mod loss;
mod state;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::{Rule, State};
use super::{Disk, Space, SyncPoint};

/// What a call of the disk does, for faults and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A file is created.
    Create,
    /// A file is opened.
    Open,
    /// Bytes are written.
    Write,
    /// Bytes are read.
    Read,
    /// The length of a file is asked for, or whether a directory exists.
    Stat,
    /// A file is cut or grown.
    Truncate,
    /// The bytes of a file are made durable.
    SyncData,
    /// The names in a directory are made durable.
    SyncDir,
    /// The names in a directory are read.
    List,
    /// A file is removed.
    Remove,
    /// A directory is created.
    CreateDir,
    /// The free space is asked for.
    FreeSpace,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `EIO`, nothing done.
    Eio,
    /// `ENOSPC`, nothing done.
    Enospc,
    /// Half of the bytes are written, then `ENOSPC`. Of calls other than writes: `EIO`.
    ShortWrite,
}

/// A simulated disk as one process sees it.
#[derive(Debug)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    process: u64,
}

/// An open file of a [`SimulatedDisk`].
#[derive(Debug)]
pub struct SimulatedFile {
    state: Arc<Mutex<State>>,
    process: u64,
    inode: u64,
    writable: bool,
}

impl SimulatedDisk {
    /// An empty disk, of unlimited size. The seed gives the random ids; losses of power have seeds of their own.
    pub fn new(seed: u64) -> Arc<SimulatedDisk> {
        SimulatedDisk::over(State::new(seed))
    }

    fn over(state: State) -> Arc<SimulatedDisk> {
        Arc::new(SimulatedDisk { process: state.process, state: Arc::new(Mutex::new(state)) })
    }

    /// This disk as a [`Disk`].
    pub fn disk(&self) -> Disk {
        Disk::Simulated(Arc::new(SimulatedDisk { state: Arc::clone(&self.state), process: self.process }))
    }

    /// The power goes: what was not synced survives in part, as `seed` decides. Returns the disk as the next start
    /// finds it, with this one's capacity and lies about syncs, without its faults and counters.
    pub fn power_loss(&self, seed: u64) -> Arc<SimulatedDisk> {
        let mut state = self.lock();
        let survivor = loss::survivor(&state, seed);
        state.process += 1;
        SimulatedDisk::over(survivor)
    }

    /// The process is killed: nothing on the disk is lost, every handle is. Returns the disk of the next process.
    pub fn process_kill(&self) -> Arc<SimulatedDisk> {
        let mut state = self.lock();
        state.process += 1;
        Arc::new(SimulatedDisk { state: Arc::clone(&self.state), process: state.process })
    }

    /// Makes the `n`th call of this disk (counted from 1 since its creation, see [`SimulatedDisk::calls`]) fail once.
    pub fn fail_call(&self, n: u64, fault: Fault) {
        self.lock().rules.push(Rule { operation: None, n, fault, lasting: false });
    }

    /// Makes the `n`th call of one kind fail once.
    pub fn fail_call_of(&self, operation: Operation, n: u64, fault: Fault) {
        self.lock().rules.push(Rule { operation: Some(operation), n, fault, lasting: false });
    }

    /// Makes the `n`th call of one kind and all that follow fail, until [`SimulatedDisk::clear_faults`].
    pub fn fail_from(&self, operation: Operation, n: u64, fault: Fault) {
        self.lock().rules.push(Rule { operation: Some(operation), n, fault, lasting: true });
    }

    /// Forgets all faults that were set.
    pub fn clear_faults(&self) {
        self.lock().rules.clear();
    }

    /// Makes every sync at `point` a lie from now on: it succeeds and makes nothing durable.
    pub fn ignore_sync(&self, point: SyncPoint) {
        self.lock().ignored.insert(point);
    }

    /// Limits the sum of the lengths of all files; what does not fit fails with `ENOSPC`. `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// How many calls were made, failed ones included.
    pub fn calls(&self) -> u64 {
        self.lock().counts.values().sum()
    }

    /// How many calls of one kind were made, failed ones included.
    pub fn count(&self, operation: Operation) -> u64 {
        self.lock().counts.get(&operation).copied().unwrap_or(0)
    }

    /// How many syncs were asked for at `point`, failed ones included.
    pub fn syncs(&self, point: SyncPoint) -> u64 {
        self.lock().syncs.get(&point).copied().unwrap_or(0)
    }

    /// Turns one bit around, on the medium and in the cache. Not a call of the process: never fails by a fault.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `UnexpectedEof` if it is shorter.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        self.lock().flip_bit(path, offset, 1 << (bit & 7))
    }

    /// The bytes of a file as a process would read them now. Not a call of the process.
    ///
    /// # Errors
    /// `NotFound` if there is no such file.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let inode = state.file(path)?;
        Ok(state.inodes[&inode].data.clone())
    }

    /// Puts a durable file in place, whatever was there. Not a call of the process.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        self.lock().put(path, bytes);
    }

    /// Paths of all files, sorted. Not a call of the process.
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock().files()
    }

    pub(super) fn create_new(&self, path: &Path) -> io::Result<SimulatedFile> {
        let inode = self.call(Operation::Create)?.create(path)?;
        Ok(SimulatedFile { state: Arc::clone(&self.state), process: self.process, inode, writable: true })
    }

    pub(super) fn open(&self, path: &Path, writable: bool) -> io::Result<SimulatedFile> {
        let inode = self.call(Operation::Open)?.file(path)?;
        Ok(SimulatedFile { state: Arc::clone(&self.state), process: self.process, inode, writable })
    }

    pub(super) fn sync_dir(&self, dir: &Path, point: SyncPoint) -> io::Result<()> {
        let mut state = self.lock();
        state.check_alive(self.process)?;
        *state.syncs.entry(point).or_default() += 1;
        match state.enter(self.process, Operation::SyncDir) {
            Ok(()) if state.ignored.contains(&point) => Ok(()),
            Ok(()) => state.sync_dir(dir),
            Err(error) => {
                state.forget_names(dir);
                Err(error)
            }
        }
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.call(Operation::List)?.list(dir)
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Remove)?.remove(path)
    }

    pub(super) fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(Operation::CreateDir)?.create_dir(dir)
    }

    pub(super) fn is_dir(&self, dir: &Path) -> io::Result<bool> {
        Ok(self.call(Operation::Stat)?.is_dir(dir))
    }

    pub(super) fn free_space(&self) -> io::Result<Space> {
        Ok(self.call(Operation::FreeSpace)?.space())
    }

    pub(super) fn random_id(&self) -> [u8; 16] {
        self.lock().random_id()
    }

    fn call(&self, operation: Operation) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.enter(self.process, operation)?;
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test thread that panicked with the lock held has failed its test already; others may go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedFile {
    pub(super) fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.lock();
        let bytes = parts.concat();
        match state.enter_write(self.process) {
            Ok(None) => state.write(self.inode, bytes, offset),
            Ok(Some(error)) => {
                let half = bytes[..bytes.len() / 2].to_vec();
                state.write(self.inode, half, offset)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.call(Operation::Read)?.read(self.inode, buffer, offset))
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        let state = self.call(Operation::Stat)?;
        Ok(state.inodes[&self.inode].data.len() as u64)
    }

    pub(super) fn truncate(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        self.call(Operation::Truncate)?.truncate(self.inode, length)
    }

    pub(super) fn sync_data(&self, point: SyncPoint) -> io::Result<()> {
        let mut state = self.lock();
        state.check_alive(self.process)?;
        *state.syncs.entry(point).or_default() += 1;
        let entered = state.enter(self.process, Operation::SyncData);
        let ignored = state.ignored.contains(&point);
        match (entered, state.inodes.get_mut(&self.inode)) {
            (Ok(()), Some(inode)) if !ignored => inode.sync(),
            (Err(error), Some(inode)) => {
                inode.forget();
                return Err(error);
            }
            (entered, _) => return entered,
        }
        Ok(())
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(state::EBADF)) }
    }

    fn call(&self, operation: Operation) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.enter(self.process, operation)?;
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
