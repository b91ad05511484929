//! The blocking socket of an association: acknowledgements without delay, and an end that loses nothing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use storage_config::config::DimseLimits;

/// How often a read that waits looks at the clock.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// How long a connection that is over may take until the peer has closed it too.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// Bytes of a peer that are still read, and dropped, after the end.
pub(super) const LINGER_BYTES: usize = 1 << 20;

/// Puts a socket of the runtime into the mode that an association's thread needs.
pub(super) fn make_blocking(stream: &TcpStream, limits: &DimseLimits) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(Duration::from_secs(limits.idle_seconds.max(1))))
}

/// Acknowledges at once what arrived, and what arrives until the system falls back by itself.
///
/// Stock senders leave Nagle's algorithm on: they hold the end of each message back until what they sent before is
/// acknowledged, and a receiver that delays its acknowledgements costs them 20 to 50 ms for each object.
pub(super) fn acknowledge_quickly(stream: &TcpStream) {
    // Where it cannot be set, or fails, everything works, only slower.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(stream).set_tcp_quickack(true);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream;
}

/// Sends `last_words` and closes. Reads on for a moment: closing a socket with unread bytes would reset the
/// connection, and the peer could lose what was sent to it.
pub(super) fn close(stream: &TcpStream, last_words: &[u8]) {
    let mut stream_ref = stream;
    if stream_ref.write_all(last_words).is_err() || stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let until = Instant::now() + LINGER;
    let mut dropped = 0;
    let mut scratch = [0; 4096];
    while dropped < LINGER_BYTES && Instant::now() < until {
        match stream_ref.read(&mut scratch) {
            Ok(0) => return,
            Ok(n) => dropped += n,
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

/// Whether a read ended because of [`TICK`] or a signal, and may be repeated.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
