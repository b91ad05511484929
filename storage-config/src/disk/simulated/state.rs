//! What the simulated disk holds: files with their durable and their unsynced parts, names likewise, faults, counters.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::{Fault, Operation, Space, SyncPoint};

const EIO: i32 = 5;
pub(super) const EBADF: i32 = 9;
const ENOSPC: i32 = 28;

/// Said to be the size of a disk without a limit.
const UNLIMITED: u64 = 1 << 40;

/// One unsynced change of a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

impl Change {
    pub(super) fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => put_at(data, *offset, bytes),
            Change::Truncate(length) => data.resize(*length as usize, 0),
        }
    }
}

/// Writes `bytes` at `offset`, with zero before them where there was nothing.
pub(super) fn put_at(data: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if data.len() < end {
        data.resize(end, 0);
    }
    data[start..end].copy_from_slice(bytes);
}

/// A file: as processes see it, as the medium has it, and the changes between the two.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) data: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
}

impl Inode {
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// A sync has failed: what was pending never becomes durable.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Dir,
}

/// One unsynced change of a directory: the name now means this, or nothing.
#[derive(Clone, Debug)]
pub(super) struct Rename {
    pub(super) path: PathBuf,
    pub(super) node: Option<Node>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) operation: Option<Operation>,
    pub(super) n: u64,
    pub(super) fault: Fault,
    pub(super) lasting: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) process: u64,
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) names: BTreeMap<PathBuf, Node>,
    pub(super) durable_names: BTreeMap<PathBuf, Node>,
    pub(super) pending_names: Vec<Rename>,
    pub(super) rules: Vec<Rule>,
    pub(super) ignored: BTreeSet<SyncPoint>,
    pub(super) capacity: Option<u64>,
    pub(super) counts: BTreeMap<Operation, u64>,
    pub(super) syncs: BTreeMap<SyncPoint, u64>,
    pub(super) random: u64,
    pub(super) used: u64,
    pub(super) next_inode: u64,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State { random: seed, ..State::default() }
    }

    /// Begins a call: counts it, and fails it if its process is dead or a fault is set for it.
    pub(super) fn enter(&mut self, process: u64, operation: Operation) -> io::Result<()> {
        match self.admit(process, operation)? {
            None => Ok(()),
            Some(Fault::Enospc) => Err(no_space()),
            Some(Fault::Eio | Fault::ShortWrite) => Err(io::Error::from_raw_os_error(EIO)),
        }
    }

    /// As [`State::enter`], for a write: an error inside `Ok` is to come after half of the bytes.
    pub(super) fn enter_write(&mut self, process: u64) -> io::Result<Option<io::Error>> {
        match self.admit(process, Operation::Write)? {
            None => Ok(None),
            Some(Fault::ShortWrite) => Ok(Some(no_space())),
            Some(Fault::Enospc) => Err(no_space()),
            Some(Fault::Eio) => Err(io::Error::from_raw_os_error(EIO)),
        }
    }

    pub(super) fn check_alive(&self, process: u64) -> io::Result<()> {
        if process == self.process {
            Ok(())
        } else {
            Err(io::Error::other("the process of this handle is dead"))
        }
    }

    fn admit(&mut self, process: u64, operation: Operation) -> io::Result<Option<Fault>> {
        self.check_alive(process)?;
        let of_kind = self.counts.entry(operation).or_default();
        *of_kind += 1;
        let of_kind = *of_kind;
        if self.rules.is_empty() {
            return Ok(None);
        }
        let of_all: u64 = self.counts.values().sum();
        let hit = self.rules.iter().find(|rule| match rule.operation {
            Some(kind) => kind == operation && (of_kind == rule.n || rule.lasting && of_kind > rule.n),
            None => of_all == rule.n,
        });
        Ok(hit.map(|rule| rule.fault))
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        self.check_free(path)?;
        let inode = self.new_inode(Inode::default());
        self.rename(path, Some(Node::File(inode)));
        Ok(inode)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.is_dir(path) {
            return Ok(());
        }
        self.check_free(path)?;
        self.rename(path, Some(Node::Dir));
        Ok(())
    }

    fn check_free(&self, path: &Path) -> io::Result<()> {
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|parent| self.is_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let inode = self.file(path)?;
        self.used -= self.inodes[&inode].data.len() as u64;
        self.rename(path, None);
        Ok(())
    }

    fn rename(&mut self, path: &Path, node: Option<Node>) {
        set(&mut self.names, path, node);
        self.pending_names.push(Rename { path: path.to_owned(), node });
    }

    fn new_inode(&mut self, inode: Inode) -> u64 {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, inode);
        self.next_inode
    }

    pub(super) fn is_dir(&self, dir: &Path) -> bool {
        is_root(dir) || self.names.get(dir) == Some(&Node::Dir)
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        if !self.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = self.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()).map(OsString::from).collect())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if !self.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (of_dir, others) =
            self.pending_names.drain(..).partition::<Vec<_>, _>(|rename| rename.path.parent() == Some(dir));
        self.pending_names = others;
        for rename in of_dir {
            set(&mut self.durable_names, &rename.path, rename.node);
        }
        Ok(())
    }

    pub(super) fn forget_names(&mut self, dir: &Path) {
        self.pending_names.retain(|rename| rename.path.parent() != Some(dir));
    }

    pub(super) fn write(&mut self, inode: u64, mut bytes: Vec<u8>, offset: u64) -> io::Result<()> {
        let room = self.room();
        let Some(file) = self.inodes.get_mut(&inode) else { return Err(io::ErrorKind::NotFound.into()) };
        let length = file.data.len() as u64;
        let fits = length.saturating_add(room).saturating_sub(offset);
        let full = bytes.len() as u64 > fits;
        if full {
            bytes.truncate(fits as usize);
        }
        if !bytes.is_empty() {
            put_at(&mut file.data, offset, &bytes);
            self.used += file.data.len() as u64 - length;
            file.pending.push(Change::Write { offset, bytes });
        }
        if full { Err(no_space()) } else { Ok(()) }
    }

    pub(super) fn read(&self, inode: u64, buffer: &mut [u8], offset: u64) -> usize {
        let data = &self.inodes[&inode].data;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let read = buffer.len().min(data.len() - start);
        buffer[..read].copy_from_slice(&data[start..start + read]);
        read
    }

    pub(super) fn truncate(&mut self, inode: u64, length: u64) -> io::Result<()> {
        let room = self.room();
        let Some(file) = self.inodes.get_mut(&inode) else { return Err(io::ErrorKind::NotFound.into()) };
        let before = file.data.len() as u64;
        if length > before.saturating_add(room) {
            return Err(no_space());
        }
        let change = Change::Truncate(length);
        change.apply(&mut file.data);
        file.pending.push(change);
        self.used = self.used - before + length;
        Ok(())
    }

    fn room(&self) -> u64 {
        self.capacity.unwrap_or(UNLIMITED).saturating_sub(self.used)
    }

    pub(super) fn space(&self) -> Space {
        Space { total: self.capacity.unwrap_or(UNLIMITED), available: self.room() }
    }

    pub(super) fn flip_bit(&mut self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let inode = self.file(path)?;
        let Some(file) = self.inodes.get_mut(&inode) else { return Err(io::ErrorKind::NotFound.into()) };
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        *file.data.get_mut(at).ok_or(io::ErrorKind::UnexpectedEof)? ^= mask;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= mask;
        }
        for change in &mut file.pending {
            if let Change::Write { offset: start, bytes } = change
                && let Some(byte) = offset.checked_sub(*start).and_then(|at| bytes.get_mut(at as usize))
            {
                *byte ^= mask;
            }
        }
        Ok(())
    }

    pub(super) fn put(&mut self, path: &Path, bytes: &[u8]) {
        let old = self.file(path).map_or(0, |inode| self.inodes[&inode].data.len() as u64);
        self.used = self.used - old + bytes.len() as u64;
        let inode =
            self.new_inode(Inode { data: bytes.to_vec(), durable: bytes.to_vec(), pending: Vec::new() });
        for dir in path.ancestors().skip(1).filter(|dir| !is_root(dir)) {
            self.names.insert(dir.to_owned(), Node::Dir);
            self.durable_names.insert(dir.to_owned(), Node::Dir);
        }
        self.names.insert(path.to_owned(), Node::File(inode));
        self.durable_names.insert(path.to_owned(), Node::File(inode));
        self.pending_names.retain(|rename| rename.path != path);
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let file = |(path, node): (&PathBuf, &Node)| matches!(node, Node::File(_)).then(|| path.clone());
        self.names.iter().filter_map(file).collect()
    }

    pub(super) fn random_id(&mut self) -> [u8; 16] {
        let mut random = super::loss::Random(self.random);
        let id = u128::from(random.next()) << 64 | u128::from(random.next());
        self.random = random.0;
        id.to_be_bytes()
    }
}

/// The root, spelt as one or as the parent of a relative path.
pub(super) fn is_root(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir == Path::new("/")
}

pub(super) fn set(names: &mut BTreeMap<PathBuf, Node>, path: &Path, node: Option<Node>) {
    match node {
        Some(node) => names.insert(path.to_owned(), node),
        None => names.remove(path),
    };
}

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}
