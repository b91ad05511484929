//! A job that was asked for: by whom, when and why, how far it is and what came of it.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use indexer::statement::Who;
use serde_json::{Value, json};

use crate::calendar::now_ms;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Verification,
    Compaction,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Verification => "verification",
            Kind::Compaction => "compaction",
        }
    }
}

/// A job.
pub(crate) struct Job {
    pub id: u64,
    pub kind: Kind,
    /// What was asked for.
    pub asked: Value,
    pub who: Who,
    why: String,
    pub begun_ms: i64,
    /// Set when somebody wants it to end.
    pub stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    progress: Value,
    ended: Option<(i64, Result<Value, String>)>,
}

impl Job {
    pub(super) fn new(id: u64, (kind, asked): (Kind, Value), (who, why): (Who, String)) -> Job {
        let (stop, state) = (AtomicBool::new(false), Mutex::default());
        Job { id, kind, asked, who, why, begun_ms: now_ms(), stop, state }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, progress: Value) {
        self.lock().progress = progress;
    }

    pub(super) fn end(&self, result: Result<Value, String>) {
        self.lock().ended = Some((now_ms(), result));
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&self) -> bool {
        self.lock().ended.is_none()
    }

    /// What is told of it.
    pub(crate) fn told(&self) -> Value {
        let state = self.lock();
        let (ended_ms, report, error) = match &state.ended {
            None => (None, None, None),
            Some((at, Ok(report))) => (Some(*at), Some(report), None),
            Some((at, Err(error))) => (Some(*at), None, Some(error)),
        };
        json!({
            "id": self.id.to_string(), "kind": self.kind.name(), "asked": self.asked, "who": self.who,
            "why": self.why, "begun_ms": self.begun_ms, "ended_ms": ended_ms, "progress": state.progress,
            "report": report, "error": error,
            "state": match (ended_ms, error) { (None, _) => "runs", (_, Some(_)) => "failed", _ => "ended" },
        })
    }
}
