//! Lines of bounded length from a socket.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

/// Bytes of one read.
const PIECE: usize = 16 * 1024;

/// Reads lines from a socket, waiting as long as its read timeout says.
pub(super) struct Lines {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// How far `buffer` holds no end of line.
    searched: usize,
    most: usize,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// Nothing within the timeout.
    Nothing,
    /// The other side hung up.
    HungUp,
}

impl Lines {
    /// Lines of at most `most` bytes.
    pub(super) fn new(stream: UnixStream, most: usize) -> Lines {
        Lines { stream, buffer: Vec::new(), searched: 0, most }
    }

    /// The next line.
    ///
    /// # Errors
    /// When the socket fails or the line is too long; nothing more can be read then.
    pub(super) fn next(&mut self) -> io::Result<Line> {
        let mut piece = [0; PIECE];
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let length = self.searched + at;
                if length > self.most {
                    return Err(too_long());
                }
                let rest = self.buffer.split_off(length + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                self.searched = 0;
                return Ok(Line::Whole(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > self.most {
                return Err(too_long());
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(Line::HungUp),
                Ok(n) => self.buffer.extend_from_slice(&piece[..n]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(Line::Nothing),
                    io::ErrorKind::Interrupted => {}
                    // A peer that closed with bytes unread resets the connection.
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Ok(Line::HungUp),
                    _ => return Err(error),
                },
            }
        }
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a line is too long")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_are_cut_where_they_end_and_bounded() {
        let (mut there, here) = UnixStream::pair().unwrap();
        here.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut lines = Lines::new(here, 10);
        there.write_all(b"a\nb").unwrap();
        assert_eq!(lines.next().unwrap(), Line::Whole(b"a".to_vec()));
        assert_eq!(lines.next().unwrap(), Line::Nothing);
        there.write_all(b"c\n\n").unwrap();
        assert_eq!(lines.next().unwrap(), Line::Whole(b"bc".to_vec()));
        assert_eq!(lines.next().unwrap(), Line::Whole(b"".to_vec()));
        there.write_all(b"0123456789").unwrap();
        assert_eq!(lines.next().unwrap(), Line::Nothing, "at the limit");
        there.write_all(b"0").unwrap();
        assert_eq!(lines.next().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (there, here) = UnixStream::pair().unwrap();
        drop(there);
        assert_eq!(Lines::new(here, 10).next().unwrap(), Line::HungUp);
    }
}
