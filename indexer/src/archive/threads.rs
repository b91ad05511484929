//! The threads of an archive, and what happens when one of them ends by a defect.
//!
//! Without a thread that stores go through the archive only looks alive: stores would wait for ever. Such an end is a
//! reason to refuse, ends what waits, and is told to whoever runs the process, who ends it: a new process brings rows and
//! packs together as after any kill.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::Archive;
use super::Shared;
use super::error::{OpenError, StoreError};

/// Who wants to hear that the archive cannot go on, and what is to be heard.
#[derive(Default)]
pub(crate) struct Death(Mutex<Told>);

#[derive(Default)]
struct Told {
    hears: Option<Hears>,
    died: Option<String>,
}

type Hears = Box<dyn FnOnce(&str) + Send>;

impl Death {
    fn tell(&self, thread: &str) {
        let hears = {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            told.died.get_or_insert_with(|| thread.to_owned());
            told.hears.take()
        };
        if let Some(hears) = hears {
            hears(thread);
        }
    }
}

impl Archive {
    /// Has `hears` called, once, with the name of a thread without which nothing can be stored any more, after it ended by a
    /// defect; at once if that has happened. Stores are refused from then on, and only a new process takes them again.
    pub fn when_dead(&self, hears: impl FnOnce(&str) + Send + 'static) {
        let mut told = self.shared.death.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told.died.clone() {
            Some(thread) => {
                drop(told);
                hears(&thread);
            }
            None => told.hears = Some(Box::new(hears)),
        }
    }
}

/// Starts a thread that stores need.
pub(super) fn spawn_vital(
    name: &'static str,
    shared: &Arc<Shared>,
    work: impl FnOnce(Arc<Shared>) + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    start(name, shared, work, |shared, name| {
        let reason = format!("the archive's {name} ended by a defect");
        tracing::error!("{reason}; nothing is stored until the process starts anew");
        shared.health.died(reason);
        shared.end_what_waits();
        shared.death.tell(name);
    })
}

/// Starts a thread that works behind stores: without it they go on.
pub(super) fn spawn(
    name: &'static str,
    shared: &Arc<Shared>,
    work: impl FnOnce(Arc<Shared>) + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    start(name, shared, work, |_, name| {
        metrics::counter!("archive_threads_died_total", "thread" => name).increment(1);
        tracing::error!(
            thread = name,
            "a thread behind the archive ended by a defect; its work waits for a restart"
        );
    })
}

fn start(
    name: &'static str,
    shared: &Arc<Shared>,
    work: impl FnOnce(Arc<Shared>) + Send + 'static,
    died: impl FnOnce(&Shared, &'static str) + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let shared = shared.clone();
    let run = move || {
        let own = shared.clone();
        // Nothing that is shared is trusted afterwards beyond telling of the end: locks are taken poisoned or not.
        if catch_unwind(AssertUnwindSafe(|| work(own))).is_err() {
            died(&shared, name);
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(|e| OpenError::Thread(e.to_string()))
}

pub(super) fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the archive ended with a panic");
    }
}

impl Shared {
    /// Tells all who wait for the lanes or the index that nobody will come.
    fn end_what_waits(&self) {
        self.index.end();
        self.group.end();
        for job in self.in_flight.end() {
            job.done.tell(Err(StoreError::Unavailable("a part of the archive ended".into())));
        }
    }
}
