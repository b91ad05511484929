//! Waiting for an answer on a thread of any kind, with a limit.
//!
//! The sockets are driven by a thread of their own. Whoever asks parks; it needs no runtime around it and none must be
//! absent, so that a thread of a web server may ask as well as one of the archive.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `future`; none after `limit`.
pub(super) fn wait<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    let deadline = Instant::now() + limit;
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

/// A request whose answer is waited for with others.
pub(super) type Request<'r, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + 'r>>;

/// Sends many requests in their order before the first answer is waited for; what they answer, or the first error.
pub(super) async fn in_order<T, E>(mut requests: Vec<Request<'_, T, E>>) -> Result<Vec<T>, E> {
    let mut answers: Vec<Option<Result<T, E>>> = requests.iter().map(|_| None).collect();
    let mut sent = false;
    poll_fn(|context| {
        let mut all = true;
        for (request, answer) in requests.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none())
        {
            match request.as_mut().poll(context) {
                Poll::Ready(result) => *answer = Some(result),
                Poll::Pending => all = false,
            }
            // Answers come in order too: behind the first that is missing there is none.
            if !all && sent {
                break;
            }
        }
        sent = true;
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}
