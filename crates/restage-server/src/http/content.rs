//! Reading a body within a bound.

use std::pin::pin;

use axum::BoxError;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Body;

use super::refusal::Refusal;

/// What is read, and thrown away, of a body that is too large: closing the connection on a client that is still
/// sending would take the refusal back.
const DISCARDED_MAX: u64 = 8 * 1024 * 1024;
/// An SDP offer or fragment is some kilobytes; simulcast and many codecs make tens.
const SDP_LEN_MAX: usize = 128 * 1024;

/// Why there is no body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Incomplete {
    /// It has more bytes than it may have.
    TooLarge,
    /// The client stopped in the middle of it, or sent what is no body.
    Broken,
}

/// The whole body, if it has at most so many bytes.
pub(super) async fn read<B>(body: B, len_max: usize) -> Result<Bytes, Incomplete>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    if body.size_hint().lower() > DISCARDED_MAX {
        return Err(Incomplete::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut length: u64 = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Incomplete::Broken)?.into_data() else {
            continue;
        };
        length += data.len() as u64;
        if length > DISCARDED_MAX {
            break;
        }
        if length > len_max as u64 {
            (first, whole) = (Bytes::new(), BytesMut::new());
        } else if first.is_empty() && whole.is_empty() {
            // As most bodies are: in one piece.
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    if length > len_max as u64 {
        return Err(Incomplete::TooLarge);
    }
    Ok(match whole.is_empty() {
        true => first,
        false => whole.freeze(),
    })
}

/// The body of a WHIP or WHEP request.
pub(super) struct Content(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Content {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = read(request.into_body(), SDP_LEN_MAX).await;
        body.map(Self).map_err(|incomplete| match incomplete {
            Incomplete::TooLarge => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "TOO_LARGE",
                format!("the body may have at most {SDP_LEN_MAX} bytes"),
            ),
            Incomplete::Broken => Refusal::new(
                StatusCode::BAD_REQUEST,
                "INVALID",
                "the body did not arrive whole",
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    type Piece = Result<Frame<Bytes>, std::io::Error>;

    fn in_pieces(pieces: Vec<Piece>) -> StreamBody<impl futures_util::Stream<Item = Piece>> {
        StreamBody::new(stream::iter(pieces))
    }

    fn piece(text: &'static str) -> Piece {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
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
        assert_eq!(read(larger, 5).await, Err(Incomplete::TooLarge));
        let larger = Full::new(Bytes::from_static(b"abcdef"));
        assert_eq!(read(larger, 5).await, Err(Incomplete::TooLarge));
        let broken = in_pieces(vec![piece("ab"), Err(std::io::Error::other("reset"))]);
        assert_eq!(read(broken, 5).await, Err(Incomplete::Broken));
    }

    /// What is said of its length is believed when it is far too much; what never ends is left.
    #[tokio::test]
    async fn a_body_that_is_far_too_large_is_not_waited_for() {
        let size = usize::try_from(DISCARDED_MAX).unwrap() + 1;
        let announced = Full::new(Bytes::from(vec![0; size]));
        assert_eq!(read(announced, 5).await, Err(Incomplete::TooLarge));
        let endless = stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[0; 65_536])))
        });
        assert_eq!(
            read(StreamBody::new(endless), 5).await,
            Err(Incomplete::TooLarge)
        );
    }
}
