//! When each peer last echoed, stored and failed: gathered in memory, written to the index every few seconds, shown
//! in the metrics.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use indexer::archive::Archive;
use indexer::db::{Job, PeerEvent as Event};

use crate::dimse::{PeerAction, PeerEvent};

/// Peers remembered between two writes; a scan from many addresses must not fill the memory.
const PEERS: usize = 4096;

type Key = (String, String, &'static str);

/// What happened since the last write.
#[derive(Default)]
pub(crate) struct PeerLog(Mutex<HashMap<Key, Job>>);

impl PeerLog {
    /// Takes note of what a peer did at `at_ms`.
    pub(crate) fn note(&self, event: &PeerEvent<'_>, at_ms: i64) {
        let (ae_title, address) = (event.ae_title.to_owned(), event.address.to_string());
        let seen = |what| Job::PeerSeen { ae_title: ae_title.clone(), address: address.clone(), at_ms, what };
        let (name, job) = match event.action {
            // That it talks to us is all that is shown of it.
            PeerAction::Echo | PeerAction::PerformedStep => ("echo", seen(Event::Echo)),
            PeerAction::Store { .. } => ("store", seen(Event::Store)),
            PeerAction::Failure { status, comment } => {
                ("error", seen(Event::Error(format!("{status}: {comment}"))))
            }
            PeerAction::Broken { reason } => ("error", seen(Event::Error(reason.to_owned()))),
            PeerAction::Refused { called, .. } => {
                let called = called.to_owned();
                (
                    "refused",
                    Job::UnknownPeer { ae_title: ae_title.clone(), address: address.clone(), called, at_ms },
                )
            }
        };
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() < PEERS || jobs.contains_key(&(ae_title.clone(), address.clone(), name)) {
            jobs.insert((ae_title, address, name), job);
        }
    }

    /// Writes what happened since the last call.
    pub(crate) fn flush(&self, archive: &Archive) {
        let jobs = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for ((ae_title, _, name), job) in jobs {
            if let (Job::PeerSeen { at_ms, .. }, true) = (&job, name != "refused") {
                metrics::gauge!("peer_last_seconds", "ae_title" => ae_title, "event" => name)
                    .set(*at_ms as f64 / 1000.0);
            }
            archive.in_background(move |db| {
                if let Err(error) = db.background(&job) {
                    tracing::warn!(%error, "what a peer did was not noted");
                }
            });
        }
    }
}
