//! Bodies of requests that have to be here within a time. A form has a few kilobytes: whoever is not done with it by then
//! is keeping a connection.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::Sleep;

/// A body that breaks off when it is not at its end by the time of its alarm.
struct Awaited {
    body: Body,
    alarm: Pin<Box<Sleep>>,
}

/// `body`, which breaks off when it is not at its end within `time`.
pub(super) fn within(time: Duration, body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(Awaited { body, alarm: Box::pin(tokio::time::sleep(time)) })
}

impl hyper::body::Body for Awaited {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.alarm.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the request did not come to its end in time".into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
