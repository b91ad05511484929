//! The side that asks.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use storage_config::operator::BackupNote;

use super::lines::{Line, Lines};
use super::protocol::{End, Failure, REPLY_BYTES, Reply, Request, Status, Word};
use super::socket;
use crate::import::Cancel;

/// How often a client looks whether its user wants to stop.
const LOOK: Duration = Duration::from_millis(100);

/// A connection to a running server.
pub struct Client {
    stream: std::os::unix::net::UnixStream,
}

/// Why a server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The connection failed.
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
    /// The server said no.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The server hung up before the end.
    #[error("the server has gone away; what was done stays done")]
    Gone,
    /// The server said something that is not understood, so it is of another version.
    #[error("the server is not understood; is it of another version? {0}")]
    NotUnderstood(#[from] serde_json::Error),
}

/// Connects to the server that runs on `data_dir`. Nothing when none does.
#[must_use]
pub fn connect(data_dir: &Path) -> Option<Client> {
    match socket::connect(data_dir) {
        Ok(stream) => Some(Client { stream }),
        Err(error) => {
            tracing::debug!(%error, "no server answers on the control socket");
            None
        }
    }
}

impl Client {
    /// Has `request` done and waits for its result. Events go to `on`; when `cancel` is set the server is asked to
    /// stop, and its result waited for all the same.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn run<E: DeserializeOwned, R: DeserializeOwned>(
        mut self,
        request: &Request,
        cancel: &Cancel,
        on: &mut dyn FnMut(E),
    ) -> Result<R, ControlError> {
        self.stream.set_read_timeout(Some(LOOK))?;
        let mut lines = Lines::new(self.stream.try_clone()?, REPLY_BYTES);
        self.say(request)?;
        let mut asked_to_stop = false;
        loop {
            if cancel.is_set() && !asked_to_stop {
                asked_to_stop = true;
                self.say(&Word::Cancel)?;
            }
            match lines.next()? {
                Line::Nothing => {}
                Line::HungUp => return Err(ControlError::Gone),
                Line::Whole(line) => match serde_json::from_slice(&line)? {
                    Reply::Event(event) => on(serde_json::from_value(event)?),
                    Reply::End(End::Done(result)) => return Ok(serde_json::from_value(result)?),
                    Reply::End(End::Failed(failure)) => return Err(failure.into()),
                },
            }
        }
    }

    /// How the server is.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn status(self) -> Result<Status, ControlError> {
        self.run(&Request::Status, &Cancel::new(), &mut |_: serde_json::Value| {})
    }

    /// Notes that a backup was made.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn backup_noted(self, label: String) -> Result<BackupNote, ControlError> {
        self.run(&Request::BackupNoted { label }, &Cancel::new(), &mut |_: serde_json::Value| {})
    }

    /// A server that does not want to hear more has said why, or is gone, which reading finds out.
    fn say(&mut self, what: &impl serde::Serialize) -> Result<(), ControlError> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        match self.stream.write_all(&line) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}
