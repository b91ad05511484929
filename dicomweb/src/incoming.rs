//! The body of a request as it arrives: counted, bounded in bytes and in silence.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::error::Error;
use crate::measure;

/// Bytes a second below which a body is given up once it has been waited for longer than the idle limit.
const MIN_BYTES_PER_SECOND: u64 = 1024;
/// What is still read of a body that was refused, so that the client sees the answer and not a reset connection.
const LINGER_BYTES: u64 = 16 * 1024 * 1024;
/// How long it is read.
const LINGER: Duration = Duration::from_secs(5);

/// A body being read.
pub struct Incoming {
    body: Body,
    limit: Option<u64>,
    idle: Duration,
    read: u64,
    /// Time spent waiting for the client.
    waited: Duration,
    ended: bool,
    /// The client waits for `100 Continue` before it sends anything.
    expects_continue: bool,
}

impl Incoming {
    /// Wraps `body`; `limit` is its most bytes, `idle` the longest silence.
    pub fn new(body: Body, headers: &HeaderMap, limit: Option<u64>, idle: Duration) -> Incoming {
        let expects_continue = headers.contains_key(header::EXPECT);
        Incoming { body, limit, idle, read: 0, waited: Duration::ZERO, ended: false, expects_continue }
    }

    /// The next bytes, never empty; `None` at the end.
    ///
    /// # Errors
    /// When the body goes beyond its limit, is cut short, or its sender is silent or very slow.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let start = Instant::now();
            let frame = tokio::time::timeout(self.idle, self.body.frame()).await;
            self.waited += start.elapsed();
            let too_slow =
                self.waited > self.idle && self.read / self.waited.as_secs().max(1) < MIN_BYTES_PER_SECOND;
            let frame = match frame {
                Ok(None) => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(Some(Ok(frame))) if !too_slow => frame,
                Ok(Some(Err(_))) => {
                    self.ended = true;
                    return Err(Error::Body("the body was cut short".to_owned()));
                }
                _ => return Err(Error::Silent { seconds: self.idle.as_secs() }),
            };
            let Ok(bytes) = frame.into_data() else { continue };
            if bytes.is_empty() {
                continue;
            }
            self.read += bytes.len() as u64;
            measure::received(bytes.len());
            if let Some(limit) = self.limit.filter(|limit| self.read > *limit) {
                return Err(Error::TooLarge { limit, unit: "bytes" });
            }
            return Ok(Some(bytes));
        }
    }

    /// Reads on for a while beside the answer, throwing the bytes away: a connection closed on a client that is
    /// still sending is reset, and the client would never see why it was refused.
    pub fn linger(mut self) {
        if self.ended || (self.expects_continue && self.read == 0) {
            return;
        }
        let drain = async move {
            let mut left = LINGER_BYTES;
            while let Some(Ok(frame)) = self.body.frame().await {
                let length = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
                let Some(rest) = left.checked_sub(length) else { return };
                left = rest;
            }
        };
        tokio::spawn(async move { tokio::time::timeout(LINGER, drain).await });
    }
}
