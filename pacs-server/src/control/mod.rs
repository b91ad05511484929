//! The control socket: how commands hand their job to the running server.
//!
//! A Unix socket in the data folder (`control.sock`, for its owner only). A client sends one request as a line of
//! JSON and reads lines: events of the job, and last its end. It may send `"cancel"` meanwhile; hanging up stops
//! nothing. Whoever holds the lock of the data folder owns the socket, so one left by a dead process is replaced.

mod client;
mod jobs;
mod lines;
mod protocol;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use client::{Client, ControlError, connect};
pub use protocol::{Failure, FailureKind, Request, Status};
pub use server::{Handler, Server, Talk};
