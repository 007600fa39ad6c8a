//! The body of a request, with a record of how much the handler left unread.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// Largest rest of an unread body that is read and discarded before the answer is sent, so that the
/// connection can serve the client's next request. With a larger rest, nothing is read and the connection ends.
const LEFT_LEN_MAX: u64 = 64 * 1024;
/// Time limit for that. A client needs only a fraction of it between a head and its body.
const LEFT_TIME_MAX: Duration = Duration::from_millis(500);

/// A body that is arriving.
#[derive(Debug)]
pub(crate) struct Arriving {
    /// `Some` until this is dropped.
    body: Option<Incoming>,
    left: Left,
}

/// Receives a body of which something was left unread.
#[derive(Clone, Debug, Default)]
pub(super) struct Left(Arc<Mutex<Option<Incoming>>>);

impl Arriving {
    pub(super) fn new(body: Incoming) -> (Self, Left) {
        let left = Left::default();
        let arriving = Self {
            body: Some(body),
            left: left.clone(),
        };
        (arriving, left)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        let mut left = self.left.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = Some(body);
    }
}

impl Left {
    /// Whether the body is at its end. Waits a little for a small one, unless the client `expects` to be asked
    /// to send it (RFC 9110 §10.1.1).
    pub(super) async fn is_at_end(&self, expects: bool) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else {
            return true;
        };
        if expects || body.size_hint().lower() > LEFT_LEN_MAX {
            return false;
        }
        let reading = async {
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    return false;
                };
                length += frame.data_ref().map_or(0, Bytes::len) as u64;
                if length > LEFT_LEN_MAX {
                    return false;
                }
            }
            true
        };
        timeout(LEFT_TIME_MAX, reading).await.unwrap_or(false)
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
