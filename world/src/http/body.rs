//! A request's body with a time limit, so that a client that sends it a byte at a time ends.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::clock::Sleep;
use crate::world::World;

/// How long the body of a request may take.
#[derive(Clone)]
pub(super) struct BodyTime {
    pub(super) world: World,
    pub(super) limit: Duration,
}

impl BodyTime {
    /// The body; it fails when it is waited for longer than the limit.
    pub(super) fn within(&self, body: Incoming) -> Timely {
        Timely { body, time: self.clone(), due: None }
    }
}

/// A body that has to be there in time. The time begins when the body is waited for, so that one that has
/// come with its head needs no timer.
pub(super) struct Timely {
    body: Incoming,
    time: BodyTime,
    due: Option<Sleep>,
}

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The connection ended before it, or it is not as HTTP wants it.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// It was not there in time.
    #[error("the body has not come in time")]
    Late,
}

impl Body for Timely {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)));
        }
        let Timely { time, due, .. } = &mut *self;
        let due = due.get_or_insert_with(|| time.world.sleep(time.limit));
        Pin::new(due).poll(cx).map(|_| Some(Err(BodyError::Late)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
