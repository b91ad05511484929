//! The one index writer (STORE.md rule 9): records become rows strictly in append order, each batch in one
//! transaction with the packs' checkpoints. Only then are senders answered.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use storage_config::ContentHash;

use super::Shared;
use super::error::StoreError;
use super::job::{Done, Outcome, Stored};
use super::recovery;
use super::setting_aside::apply_or_list;
use crate::db::{Applied, Batch, Db, DbError};

/// Entries after which a transaction ends even if more waits.
const BATCH: usize = 512;
/// How long to wait between attempts to bring a failed index up to date.
const RETRY: Duration = Duration::from_millis(500);

/// Appended records of one pack whose sync is under way or done.
pub(crate) struct Committed {
    /// The records, and the mark of their pack up to which everything is then synced and indexed.
    pub(crate) batch: Batch,
    pub(crate) finishes: Vec<Finish>,
    /// Who waits for statements among the records.
    pub(crate) stated: Vec<Heard>,
    /// Opens when the sync ends. Until then rows may be prepared, but not committed.
    pub(crate) synced: Gate,
}

/// Tells whoever made a statement that it is durable and indexed, or why not.
pub(crate) type Heard = std::sync::mpsc::Sender<Result<(), StoreError>>;

/// Tells who waits for a statement. One that gave up waiting is told nothing.
pub(crate) fn tell(done: &Heard, answer: Result<(), StoreError>) {
    let _ = done.send(answer);
}

/// The end of a sync, waited for by the index writer.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<End>);

#[derive(Default)]
struct End {
    result: Mutex<Option<Result<(), StoreError>>>,
    told: Condvar,
}

/// The one who knows how a sync ended. Dropped without a word, because its thread died, it says that nothing is known to
/// be synced, so that nobody waits for ever.
pub(crate) struct Opener(Gate);

impl Opener {
    /// Tells how the sync ended.
    pub(crate) fn open(self, result: Result<(), StoreError>) {
        self.0.tell(result);
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.tell(Err(StoreError::Internal("a lane ended before its sync did".into())));
    }
}

impl Gate {
    /// A gate and what opens it.
    pub(crate) fn new() -> (Opener, Gate) {
        let gate = Gate::default();
        (Opener(gate.clone()), gate)
    }

    /// The first word holds.
    fn tell(&self, result: Result<(), StoreError>) {
        self.0.result.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(result);
        self.0.told.notify_all();
    }

    fn wait(&self) -> Result<(), StoreError> {
        let mut result = self.0.result.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(result) = &*result {
                return result.clone();
            }
            result = self.0.told.wait(result).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A sender to be answered when its entries are rows.
pub(crate) struct Finish {
    pub(crate) claimed: Vec<ContentHash>,
    pub(crate) stored: Stored,
    /// Which entry is the instance or the holding, if one was written.
    pub(crate) entry: Option<usize>,
    pub(crate) done: Done,
}

type Task = Box<dyn FnOnce(&Db) + Send>;

enum Order {
    Commit(Committed),
    Run(Task),
}

/// What waits for the index writer: first what an answer waits for, then background work in small turns.
#[derive(Default)]
pub(crate) struct IndexQueue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    orders: VecDeque<Order>,
    background: VecDeque<Task>,
    stop: bool,
    /// Nothing is done any more, not even what waits.
    ended: bool,
}

impl IndexQueue {
    /// Hands appended records over; their gate is opened when they are synced.
    pub(crate) fn commit(&self, committed: Committed) {
        self.order(Order::Commit(committed));
    }

    /// Runs `task` on the write connection after all that was handed over before.
    pub(crate) fn in_order(&self, task: impl FnOnce(&Db) + Send + 'static) {
        self.order(Order::Run(Box::new(task)));
    }

    /// Runs `task` on the write connection when no answer waits.
    pub(crate) fn background(&self, task: impl FnOnce(&Db) + Send + 'static) {
        let mut waiting = self.lock();
        if !waiting.ended {
            waiting.background.push_back(Box::new(task));
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Ends the thread after what waits.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.more.notify_one();
    }

    /// Takes nothing more and drops all that waits, which tells whoever waits for it.
    pub(crate) fn end(&self) {
        let mut waiting = self.lock();
        (waiting.stop, waiting.ended) = (true, true);
        let (orders, background) =
            (std::mem::take(&mut waiting.orders), std::mem::take(&mut waiting.background));
        drop(waiting);
        self.more.notify_one();
        drop((orders, background));
    }

    fn order(&self, order: Order) {
        let mut waiting = self.lock();
        if !waiting.stop {
            waiting.orders.push_back(order);
        }
        drop(waiting);
        self.more.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next orders (commits up to a batch, or one task), or one background task; none after the stop.
    fn take(&self) -> Option<Vec<Order>> {
        let mut waiting = self.lock();
        loop {
            if !waiting.orders.is_empty() {
                return Some(next_turn(&mut waiting.orders));
            }
            if let Some(task) = waiting.background.pop_front() {
                return Some(vec![Order::Run(task)]);
            }
            if waiting.stop {
                return None;
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn next_turn(orders: &mut VecDeque<Order>) -> Vec<Order> {
    let (mut turn, mut entries) = (Vec::new(), 0);
    while let Some(order) = orders.pop_front() {
        match order {
            Order::Commit(committed) if entries < BATCH => {
                entries += committed.batch.entries.len();
                turn.push(Order::Commit(committed));
            }
            order if turn.is_empty() => return vec![order],
            order => {
                orders.push_front(order);
                break;
            }
        }
    }
    turn
}

/// The thread: works until the queue is stopped.
pub(crate) fn run(shared: &Arc<Shared>) {
    while let Some(turn) = shared.index.take() {
        if let Err(error) = recovery::catch_up(shared) {
            tracing::warn!(%error, "the index is not known to have all that was committed to it");
        }
        let mut commits = Vec::new();
        for order in turn {
            match order {
                Order::Commit(committed) => commits.push(committed),
                Order::Run(task) => task(&shared.db),
            }
        }
        if !commits.is_empty() && !apply(shared, commits) {
            // What comes later relies on what was not applied, and on its place in the order.
            shared.index.end();
        }
    }
}

/// Applies commits in one transaction. Those whose sync failed are taken out and the others tried again. False when the
/// index did not take them before the stop: nothing may be applied after them.
fn apply(shared: &Arc<Shared>, mut commits: Vec<Committed>) -> bool {
    loop {
        let batches: Vec<&Batch> = commits.iter().map(|c| &c.batch).collect();
        let durable = || commits.iter().all(|c| c.synced.wait().is_ok());
        let begun = Instant::now();
        let applied = shared.db.apply_at(shared.marks.epoch(), &batches, durable);
        metrics::histogram!("archive_rows_seconds").record(begun.elapsed().as_secs_f64());
        match applied {
            Ok(applied) => {
                shared.marks.advance(batches.iter().flat_map(|batch| batch.checkpoints.iter().copied()));
                answer_all(shared, commits, &applied);
                return true;
            }
            Err(DbError::Reconnected) if recovery::catch_up(shared).is_ok() => {}
            Err(DbError::NotDurable) => commits = refuse_unsynced(shared, commits),
            Err(error) => {
                tracing::error!(%error, "the index failed; stores are refused until it takes the rows");
                shared.health.index_fails();
                return repair(shared, refuse_unsynced(shared, commits), &error);
            }
        }
        if commits.is_empty() {
            return true;
        }
    }
}

/// Waits for the syncs and answers the senders whose sync failed; the commits that are left are durable.
fn refuse_unsynced(shared: &Arc<Shared>, commits: Vec<Committed>) -> Vec<Committed> {
    let mut left = Vec::with_capacity(commits.len());
    for commit in commits {
        match commit.synced.wait() {
            Ok(()) => left.push(commit),
            Err(error) => {
                commit.stated.iter().for_each(|done| tell(done, Err(error.clone())));
                for Finish { claimed, done, .. } in commit.finishes {
                    shared.requeue(&claimed);
                    done.tell(Err(error.clone()));
                }
            }
        }
    }
    left
}

fn answer_all(shared: &Arc<Shared>, commits: Vec<Committed>, applied: &[Applied]) {
    let mut rest = applied;
    for Committed { batch, finishes, stated, .. } in commits {
        stated.iter().for_each(|done| tell(done, Ok(())));
        let (own, others) = rest.split_at_checked(batch.entries.len()).unwrap_or((rest, &[]));
        finishes.into_iter().for_each(|finish| answer(shared, finish, own));
        rest = others;
    }
}

fn answer(shared: &Arc<Shared>, finish: Finish, applied: &[Applied]) {
    let Finish { claimed, mut stored, entry, done } = finish;
    let applied = entry.and_then(|n| applied.get(n));
    shared.requeue(&claimed);
    stored.outcome = match (applied, stored.outcome) {
        (Some(Applied::Gone), _) => {
            let why = "what is held twice was removed for good meanwhile: to be sent again".into();
            return done.tell(Err(StoreError::Unavailable(why)));
        }
        (Some(Applied::Version(_)), Outcome::New) => Outcome::Version,
        (Some(Applied::Duplicate), Outcome::New) => Outcome::Duplicate,
        (_, outcome) => outcome,
    };
    shared.manifests.arrived(&stored.study, &stored.series);
    done.tell(Ok(stored));
}

/// Tries again until the index takes the rows; new stores are refused meanwhile. The records are synced although
/// their senders are told of a failure: a sender that tries again is answered as for any duplicate. Whether it took them
/// before the stop.
fn repair(shared: &Arc<Shared>, mut commits: Vec<Committed>, error: &DbError) -> bool {
    let mut claimed = Vec::new();
    for done in commits.iter_mut().flat_map(|c| c.stated.drain(..)) {
        tell(&done, Err(StoreError::from(error)));
    }
    for finish in commits.iter_mut().flat_map(|c| c.finishes.drain(..)) {
        claimed.extend(finish.claimed);
        finish.done.tell(Err(StoreError::from(error)));
    }
    let batches: Vec<&Batch> = commits.iter().map(|c| &c.batch).collect();
    let (mut taken, nothing) = (false, commits.is_empty());
    while !taken && !shared.wait_for_stop(RETRY) {
        let caught_up = recovery::catch_up(shared);
        match caught_up.and_then(|()| apply_or_list(shared, shared.marks.epoch(), &batches)) {
            Ok(_) => {
                shared.marks.advance(batches.iter().flat_map(|batch| batch.checkpoints.iter().copied()));
                taken = true;
            }
            Err(error) => tracing::warn!(%error, "the index still fails"),
        }
    }
    if taken {
        shared.health.index_works();
    } else if !nothing {
        tracing::error!(
            "the index did not take its last rows before the stop; they are made at the next start"
        );
    }
    shared.requeue(&claimed);
    taken || nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_dies_opens_its_gate() {
        let (opener, gate) = Gate::new();
        let died = std::thread::spawn(move || {
            let _opener = opener;
            panic!("a lane dies");
        });
        assert!(died.join().is_err());
        assert!(matches!(gate.wait(), Err(StoreError::Internal(_))));
        let (opener, gate) = Gate::new();
        opener.open(Ok(()));
        assert!(gate.wait().is_ok());
    }
}
