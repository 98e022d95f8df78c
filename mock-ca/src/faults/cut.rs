//! An answer that ends in the middle of its body.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

/// The connection ends here.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("closed in the middle of the body")]
struct Closed;

/// The first half of a body that says that it is whole.
struct Half {
    whole: u64,
    first: Option<Bytes>,
    flushed: bool,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        // The HTTP layer writes what it has when a body has nothing for it; with an error it drops it.
        if !self.flushed {
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Closed)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole)
    }
}

/// The same answer with half of its body, after which the connection is closed. An answer without a body
/// is not sent at all.
pub(super) async fn in_the_middle(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let whole = bytes.len() as u64;
    let mut response = if bytes.len() < 2 {
        let mut response = Response::from_parts(parts, Body::empty());
        response.extensions_mut().insert(world::http::CloseConnection);
        return response;
    } else {
        Response::from_parts(parts, Body::empty())
    };
    let half = Half { whole, first: Some(bytes.slice(..bytes.len() / 2)), flushed: false };
    *response.body_mut() = Body::new(half);
    response
}
