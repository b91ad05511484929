//! Who looked at what, when, from where: a log of its own in `log/views-YYYY-MM.jsonl` of the data folder, a line of
//! JSON for each view.
//!
//! It names accounts and studies, never patients. One thread writes it; what asks to be noted never waits, and what
//! cannot be noted is counted. Looking at the same thing again within [`AGAIN`] is one view: a reader takes a study
//! frame by frame. Lines are only ever appended; the thread syncs them every second.

mod page;
mod read;
mod table;
mod writer;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use indexer::principal::Principal;
use serde::{Deserialize, Serialize};
use storage_config::Uid;

use crate::Portal;
use crate::calendar::Day;

/// How long the same view of the same thing by the same principal is one.
pub const AGAIN: Duration = Duration::from_secs(600);
/// Views that wait to be written.
const WAITING: usize = 8_192;
/// Views remembered so that they are not written again.
const REMEMBERED: usize = 65_536;
/// The folder in the data folder.
const FOLDER: &str = "log";

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A study or a part of it.
    Study(Uid),
    /// The studies of a patient, by the key of the index.
    Patient(String),
    /// A version of an instance.
    Instance(Uid),
}

/// How it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The page of a study.
    Page,
    /// The study as a zip archive.
    Download,
    /// Instances as stored.
    Instances,
    /// Metadata: what a viewer opens a study with.
    Metadata,
    /// Frames.
    Frames,
    /// Rendered images, thumbnails, documents.
    Rendered,
    /// Bulk data.
    Bulkdata,
    /// A version of an instance that may not be the one served.
    Version,
    /// The list of a patient's studies.
    Patient,
}

/// A view as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// The account, the token, or the name as claimed; empty at the server itself.
    pub who: String,
    /// What kind of principal: `person`, `machine`, `local`, `claimed`.
    pub kind: String,
    /// How it was looked at.
    pub what: What,
    /// Study Instance UID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub study: String,
    /// Key of the patient in the index.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patient: String,
    /// SOP Instance UID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// From which address.
    pub from: String,
}

/// What the writer is told.
enum Message {
    View(Box<View>),
    Stop,
}

struct Inner {
    folder: PathBuf,
    sender: SyncSender<Message>,
    seen: Mutex<Seen>,
    lost: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Views by a hash of what makes them the same, with when they were noted.
struct Seen {
    hashers: [RandomState; 2],
    at_ms: HashMap<[u64; 2], i64>,
}

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct ViewLog(Arc<Inner>);

impl ViewLog {
    /// Opens the log of `data_dir` and starts its writer.
    ///
    /// # Errors
    /// When its folder cannot be made or the thread not be started.
    pub fn open(data_dir: &Path) -> io::Result<ViewLog> {
        let folder = data_dir.join(FOLDER);
        writer::make_folder(&folder)?;
        metrics::describe_counter!("views_total", "Views of studies, by whether they were noted");
        let (sender, receiver) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let (to, losing) = (folder.clone(), lost.clone());
        let thread = std::thread::Builder::new()
            .name("views".into())
            .spawn(move || writer::Writer::new(to, losing).run(&receiver))?;
        let seen = Seen { hashers: [RandomState::new(), RandomState::new()], at_ms: HashMap::new() };
        let thread = Mutex::new(Some(thread));
        Ok(ViewLog(Arc::new(Inner { folder, sender, seen: Mutex::new(seen), lost, thread })))
    }

    /// Notes that `who` looked at `subject`. It does not wait.
    pub fn note(&self, who: &Principal, what: What, subject: &Subject, from: IpAddr, now_ms: i64) {
        let key = {
            let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let same = (who.kind(), who.who(), what, subject, from);
            let key = [seen.hashers[0].hash_one(same), seen.hashers[1].hash_one(same)];
            if !seen.is_new(key, now_ms) {
                return;
            }
            key
        };
        let (mut study, mut patient, mut instance) = (String::new(), String::new(), String::new());
        match subject {
            Subject::Study(uid) => study = uid.to_string(),
            Subject::Patient(key) => patient.clone_from(key),
            Subject::Instance(uid) => instance = uid.to_string(),
        }
        let view = View {
            at_ms: now_ms,
            who: who.who().to_owned(),
            kind: who.kind().to_owned(),
            what,
            study,
            patient,
            instance,
            from: from.to_string(),
        };
        if self.0.sender.try_send(Message::View(Box::new(view))).is_err() {
            // The next one like it is tried again.
            self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).at_ms.remove(&key);
            lose(&self.0.lost);
        }
    }

    /// Views that could not be written since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Writes what was noted and ends; what is noted afterwards is lost.
    pub fn close(&self) {
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        if self.0.sender.send(Message::Stop).is_ok() && thread.join().is_err() {
            tracing::error!("the log of views ended with a panic");
        }
    }
}

impl Seen {
    fn is_new(&mut self, key: [u64; 2], now_ms: i64) -> bool {
        let again = i64::try_from(AGAIN.as_millis()).unwrap_or(i64::MAX);
        let fresh = |at: i64| now_ms - at < again && now_ms >= at;
        if self.at_ms.get(&key).is_some_and(|at| fresh(*at)) {
            return false;
        }
        if self.at_ms.len() >= REMEMBERED {
            self.at_ms.retain(|_, at| fresh(*at));
            if self.at_ms.len() >= REMEMBERED {
                // Some lines are then written twice, which is better than not at all.
                self.at_ms.clear();
            }
        }
        self.at_ms.insert(key, now_ms);
        true
    }
}

/// Counts a view that was not written.
fn lose(lost: &AtomicU64) {
    lost.fetch_add(1, Ordering::Relaxed);
    metrics::counter!("views_total", "outcome" => "lost").increment(1);
}

/// A month at the site, as year and month.
type Month = (i64, i64);

fn month_of(at_ms: i64) -> Month {
    let (year, month, _) = Day::at(at_ms).parts();
    (year, month)
}

fn file_of(folder: &Path, (year, month): Month) -> PathBuf {
    folder.join(format!("views-{year:04}-{month:02}.jsonl"))
}

/// The page and the interface of this log.
pub(crate) fn router() -> Router<Portal> {
    Router::new()
        .route("/log", get(page::show))
        .route("/api/v1/views", get(page::list))
        .route("/api/v1/views.csv", get(table::export))
}

#[cfg(test)]
mod tests;
