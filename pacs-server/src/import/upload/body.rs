//! The body of a request as something that a thread reads: the client is read no faster than the archive stores.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces that wait between the socket and the thread that reads them.
const AHEAD: usize = 4;

/// What is told of a body: its next bytes, or nothing at its end. Whoever hears neither was left.
type Told = io::Result<Option<Bytes>>;

/// The end that reads.
pub(super) struct Incoming {
    pieces: Receiver<Told>,
    piece: Bytes,
    ended: bool,
    /// Set when the body did not come to its end.
    broken: Arc<AtomicBool>,
}

/// The end that hears the client.
pub(super) struct Outlet {
    pieces: Sender<Told>,
}

/// Both ends of a body.
pub(super) fn pair() -> (Outlet, Incoming) {
    let (tell, told) = channel(AHEAD);
    let incoming = Incoming { pieces: told, piece: Bytes::new(), ended: false, broken: Arc::default() };
    (Outlet { pieces: tell }, incoming)
}

impl Outlet {
    /// Hears the client to its end. Once nobody reads any more the rest is heard and thrown away, so that the client
    /// gets to see the answer. How many bytes came.
    pub(super) async fn pump(self, mut body: Body, limit_bytes: u64, idle: Duration) -> u64 {
        let mut read = 0_u64;
        loop {
            let bytes = match tokio::time::timeout(idle, body.frame()).await {
                Ok(None) => {
                    let _ = self.pieces.send(Ok(None)).await;
                    return read;
                }
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => bytes,
                    Err(_) => continue,
                },
                Ok(Some(Err(_))) => return self.broke("the sender hung up", read).await,
                Err(_) => return self.broke("the sender fell silent", read).await,
            };
            read += bytes.len() as u64;
            if read > limit_bytes {
                return self.broke(&format!("the file has more than {limit_bytes} bytes"), read).await;
            }
            if !bytes.is_empty() {
                // An error means that nobody reads any more.
                let _ = self.pieces.send(Ok(Some(bytes))).await;
            }
        }
    }

    async fn broke(&self, why: &str, read: u64) -> u64 {
        let _ = self.pieces.send(Err(io::Error::other(why.to_owned()))).await;
        read
    }
}

impl Incoming {
    /// Whether the body did not come to its end; asked when it was read.
    pub(super) fn broken(&self) -> Arc<AtomicBool> {
        self.broken.clone()
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if self.ended {
                return Ok(0);
            }
            let told = self.pieces.blocking_recv();
            // Nobody tells any more when the request was dropped with its connection.
            match told.unwrap_or_else(|| Err(io::Error::other("the sender hung up"))) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.broken.store(true, Ordering::Release);
                    return Err(error);
                }
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
