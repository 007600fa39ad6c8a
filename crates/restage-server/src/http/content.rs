//! Reads a body within its bounds: its own length, its time, and the memory of all bodies together.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use restage_api::ApiError;
use restage_node::seldom::Seldom;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::App;
use super::bearer::Bearer;
use super::refusal::Refusal;
use super::{token_check, whip};

/// Memory for the bodies of all requests together: more than a hundred of the largest.
const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest pause between two parts of a body.
const BODY_GAP_MAX: Duration = Duration::from_secs(5);
/// Longest time from a request's head to the end of its body.
const BODY_TIME_MAX: Duration = Duration::from_secs(15);
/// Time that a body may still take when the server is stopping.
const STOPPING_MAX: Duration = Duration::from_secs(1);
/// Longest SDP. An offer or fragment has some kilobytes; with simulcast and many codecs, tens of kilobytes.
const SDP_LEN_MAX: usize = 128 * 1024;

/// The memory budget for the bodies of all requests.
#[derive(Debug)]
pub(super) struct Bodies {
    bytes: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    gap_max: Duration,
    time_max: Duration,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(BODIES_BYTES_MAX)),
            stop: watch::Sender::new(false),
            gap_max: BODY_GAP_MAX,
            time_max: BODY_TIME_MAX,
        }
    }
}

/// A body that was read, with its share of the budget, which is returned when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Incomplete {
    /// The body is longer than allowed, or its Content-Length says so.
    TooLarge(usize),
    /// The client stopped in the middle, or its body is malformed.
    Broken,
    /// The body took too long to arrive.
    Late,
    /// All bodies together already use the whole budget.
    NoRoom,
    /// The server is stopping.
    Stopping,
}

impl Incomplete {
    fn message(self) -> String {
        match self {
            Self::TooLarge(len_max) => {
                format!("the request body must be at most {len_max} bytes")
            }
            Self::Broken => "the request body did not arrive whole; send it again".to_owned(),
            Self::Late => format!(
                "the request body must arrive within {} seconds, with no pause of more than {}; send it again",
                BODY_TIME_MAX.as_secs(),
                BODY_GAP_MAX.as_secs()
            ),
            Self::NoRoom => {
                "the server is reading as many request bodies as it has room for; send it again"
                    .to_owned()
            }
            Self::Stopping => "the server is stopping; send it again".to_owned(),
        }
    }
}

impl From<Incomplete> for ApiError {
    fn from(incomplete: Incomplete) -> Self {
        let message = incomplete.message();
        match incomplete {
            Incomplete::TooLarge(_) => Self::request_entity_too_large(message),
            Incomplete::Broken => Self::serialization(message),
            Incomplete::Late => Self::request_timeout(message),
            Incomplete::NoRoom | Incomplete::Stopping => Self::service_unavailable(message),
        }
    }
}

impl From<Incomplete> for Refusal {
    fn from(incomplete: Incomplete) -> Self {
        let (status, code) = match incomplete {
            Incomplete::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE"),
            Incomplete::Broken => (StatusCode::BAD_REQUEST, "INVALID"),
            Incomplete::Late => (StatusCode::REQUEST_TIMEOUT, "TIMEOUT"),
            Incomplete::NoRoom | Incomplete::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
        };
        Self::new(status, code, incomplete.message())
    }
}

/// Checks the declared length of a body.
pub(super) fn check_len(body: &impl Body, len_max: usize) -> Result<(), Incomplete> {
    match body.size_hint().lower() > len_max as u64 {
        true => Err(Incomplete::TooLarge(len_max)),
        false => Ok(()),
    }
}

impl Bodies {
    /// Reads the whole body, if it has at most `len_max` bytes. Reading stops as soon as the body is refused.
    pub(super) async fn read<B>(&self, body: B, len_max: usize) -> Result<Held, Incomplete>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        check_len(&body, len_max)?;
        let mut body = pin!(body);
        let ends_at = Instant::now() + self.time_max;
        let mut room = None;
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame(body.as_mut(), ends_at).await? {
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if first.len() + whole.len() + data.len() > len_max {
                return Err(Incomplete::TooLarge(len_max));
            }
            self.reserve(&mut room, data.len())?;
            if first.is_empty() && whole.is_empty() {
                // The common case: the body arrives in one piece.
                first = data;
            } else {
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&data);
            }
        }
        let bytes = match whole.is_empty() {
            true => first,
            false => whole.freeze(),
        };
        Ok(Held { bytes, _room: room })
    }

    async fn frame<B>(
        &self,
        mut body: Pin<&mut B>,
        ends_at: Instant,
    ) -> Result<Option<Frame<Bytes>>, Incomplete>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let ends_at = ends_at.min(Instant::now() + self.gap_max);
        tokio::select! {
            // Usually the data is already there, and no timer is needed.
            biased;
            frame = body.frame() => frame.transpose().map_err(|_| Incomplete::Broken),
            () = sleep_until(ends_at) => Err(Incomplete::Late),
            () = self.stopping() => Err(Incomplete::Stopping),
        }
    }

    /// Reserves memory without waiting: a request that waits for memory may hold memory that another one waits for.
    fn reserve(
        &self,
        room: &mut Option<OwnedSemaphorePermit>,
        len: usize,
    ) -> Result<(), Incomplete> {
        static FULL: Seldom = Seldom::new();
        let count = u32::try_from(len).map_err(|_| Incomplete::NoRoom)?;
        let Ok(more) = Arc::clone(&self.bytes).try_acquire_many_owned(count) else {
            if let Some(kept_back) = FULL.admit() {
                tracing::warn!(
                    bytes = BODIES_BYTES_MAX,
                    "there is no room for another request body{kept_back}"
                );
            }
            return Err(Incomplete::NoRoom);
        };
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }

    /// Shortens the remaining time of bodies that are being read.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        // `wait_for` cannot fail, because `self` holds the sender.
        let _ = stop.wait_for(|stops| *stops).await;
        sleep(STOPPING_MAX).await;
    }
}

/// The body of a WHIP or WHEP request, read only if the request has a token that permits something.
pub(super) struct Content(pub(super) Held);

impl FromRequest<App> for Content {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let Ok(Bearer(token)) = Bearer::from_request_parts(&mut parts, app).await;
        let token = token?.text;
        if parts.method == Method::POST {
            whip::require_content_type(&parts.headers, whip::SDP)?;
        }
        check_len(&body, SDP_LEN_MAX)?;
        token_check::for_request(app, &parts, &token).await?;
        Ok(Self(app.door.bodies().read(body, SDP_LEN_MAX).await?))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};

    use super::*;

    type Piece = Result<Frame<Bytes>, std::io::Error>;

    fn in_pieces(pieces: Vec<Piece>) -> StreamBody<impl futures_util::Stream<Item = Piece>> {
        StreamBody::new(stream::iter(pieces))
    }

    fn piece(text: &'static str) -> Piece {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    async fn read<B>(body: B, len_max: usize) -> Result<Bytes, Incomplete>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let bodies = Bodies::default();
        let held = bodies.read(body, len_max).await?;
        let taken = BODIES_BYTES_MAX - bodies.bytes.available_permits();
        assert_eq!(taken, held.bytes.len());
        let bytes = held.bytes.clone();
        drop(held);
        assert_eq!(bodies.bytes.available_permits(), BODIES_BYTES_MAX);
        Ok(bytes)
    }

    #[tokio::test]
    async fn a_body_is_read_within_its_bound() {
        assert_eq!(read(Full::new(Bytes::new()), 0).await, Ok(Bytes::new()));
        let whole = in_pieces(vec![piece("ab"), piece(""), piece("cd"), piece("e")]);
        assert_eq!(read(whole, 5).await, Ok(Bytes::from_static(b"abcde")));
        let trailer = Ok(Frame::trailers(http::HeaderMap::new()));
        let whole = in_pieces(vec![piece("ab"), trailer]);
        assert_eq!(read(whole, 2).await, Ok(Bytes::from_static(b"ab")));
        let larger = in_pieces(vec![piece("ab"), piece("cd"), piece("ef")]);
        assert_eq!(read(larger, 5).await, Err(Incomplete::TooLarge(5)));
        let larger = Full::new(Bytes::from_static(b"abcdef"));
        assert_eq!(read(larger, 5).await, Err(Incomplete::TooLarge(5)));
        let broken = in_pieces(vec![piece("ab"), Err(std::io::Error::other("reset"))]);
        assert_eq!(read(broken, 5).await, Err(Incomplete::Broken));
    }

    /// A declared length that is too large is refused at once; a body that never ends is cut off.
    #[tokio::test]
    async fn a_body_that_is_too_large_is_not_waited_for() {
        let pieces = stream::once(async { piece("ab") }).chain(stream::pending());
        let announced = http_body_util::BodyExt::boxed(StreamBody::new(pieces));
        let announced = Announced(announced, 6);
        assert_eq!(read(announced, 5).await, Err(Incomplete::TooLarge(5)));
        let endless = stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[0; 65_536])))
        });
        assert_eq!(
            read(StreamBody::new(endless), 5).await,
            Err(Incomplete::TooLarge(5))
        );
    }

    const LONG: Duration = Duration::from_secs(3_600);

    fn bodies(gap_max: Duration, time_max: Duration) -> Bodies {
        Bodies {
            gap_max,
            time_max,
            ..Bodies::default()
        }
    }

    #[tokio::test]
    async fn a_body_has_its_time() {
        let short = Duration::from_millis(50);
        let stopped =
            || StreamBody::new(stream::once(async { piece("a") }).chain(stream::pending()));
        let outcome = bodies(short, LONG).read(stopped(), 9).await;
        assert_eq!(outcome.map(|held| held.bytes), Err(Incomplete::Late));
        // Without a long pause, and without an end.
        let dripping = stream::unfold((), |()| async {
            sleep(Duration::from_millis(1)).await;
            Some((piece("a"), ()))
        });
        let outcome = bodies(LONG, short)
            .read(StreamBody::new(dripping), usize::MAX)
            .await;
        assert_eq!(outcome.map(|held| held.bytes), Err(Incomplete::Late));
    }

    #[tokio::test]
    async fn a_stop_waits_a_moment_for_bodies() {
        let bodies = bodies(LONG, LONG);
        bodies.stop();
        let began = Instant::now();
        let endless = StreamBody::new(stream::pending::<Piece>());
        let outcome = bodies.read(endless, 9).await;
        assert_eq!(outcome.map(|held| held.bytes), Err(Incomplete::Stopping));
        assert!(began.elapsed() >= STOPPING_MAX);
        let there = bodies.read(Full::new(Bytes::from_static(b"a")), 9).await;
        assert_eq!(there.map(|held| held.bytes), Ok(Bytes::from_static(b"a")));
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_bound() {
        let bodies = Bodies::default();
        let len = BODIES_BYTES_MAX / 4;
        let body = || Full::new(Bytes::from(vec![0; len]));
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(bodies.read(body(), len).await.unwrap());
        }
        let another = || bodies.read(Full::new(Bytes::from_static(b"a")), len);
        let refused = another().await.map(|held| held.bytes);
        assert_eq!(refused, Err(Incomplete::NoRoom));
        held.pop();
        assert!(another().await.is_ok());
    }

    /// A body with a declared length.
    struct Announced<B>(B, u64);

    impl<B: Body + Unpin> Body for Announced<B> {
        type Data = B::Data;
        type Error = B::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<B::Data>, B::Error>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(self.1)
        }
    }
}
