//! Where the control socket is and how it is made: never open to others, not even for a moment, and in folders of any
//! length of path.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The socket's name in the data folder.
pub(super) const NAME: &str = "control.sock";
/// Folder in which it is made before it gets its place.
const MAKING: &str = ".control";
/// Longest path of a socket that is used as it is; the system takes 107 bytes.
const PATH_BYTES: usize = 100;

/// A path of a socket that the system takes, and the folder that must stay open while it is used.
struct Short {
    path: PathBuf,
    _folder: Option<File>,
}

fn short(folder: &Path) -> io::Result<Short> {
    let path = folder.join(NAME);
    if path.as_os_str().len() <= PATH_BYTES {
        return Ok(Short { path, _folder: None });
    }
    let flags = i32::try_from((OFlags::PATH | OFlags::DIRECTORY).bits()).unwrap_or_default();
    let folder = OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()));
    Ok(Short { path, _folder: Some(folder) })
}

/// Makes the socket of `data_dir`, whose lock the caller holds, in the place of any left by a dead process.
///
/// # Errors
/// When the folder does not take a socket.
pub(super) fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    // In a folder that only its owner may enter until it has its own mode, then moved.
    let making = data_dir.join(MAKING);
    match DirBuilder::new().mode(0o700).create(&making) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => std::fs::set_permissions(&making, Permissions::from_mode(0o700))?,
    }
    let made = making.join(NAME);
    match std::fs::remove_file(&made) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&short(&making)?.path)?;
    std::fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    std::fs::rename(&made, data_dir.join(NAME))?;
    std::fs::remove_dir(&making)?;
    Ok(listener)
}

/// Takes the socket away, so that nobody waits for an answer.
pub(super) fn remove(data_dir: &Path) {
    if let Err(error) = std::fs::remove_file(data_dir.join(NAME)) {
        tracing::debug!(%error, "the control socket was not removed");
    }
}

/// Connects to the socket of `data_dir`.
///
/// # Errors
/// When there is none or nobody listens.
pub(super) fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(&short(data_dir)?.path)
}
