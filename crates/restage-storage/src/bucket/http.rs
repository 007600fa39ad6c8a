//! The HTTP client of S3, which takes no more of an answer than is of use.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService, ReqwestConnector,
};

use super::OBJECT_BYTES_MAX;

/// Most bytes that are read of an answer without an object: an error, or what follows a PUT. S3's own have less than 1 KB.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Makes clients whose answers are bounded.
#[derive(Debug, Default)]
pub(super) struct BoundedConnector;

impl HttpConnector for BoundedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Bounded(client)))
    }
}

#[derive(Debug)]
struct Bounded(HttpClient);

impl Bounded {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_read = request.method().as_str() == "GET";
        let (parts, body) = self.0.execute(request).await?.into_parts();
        let body = match is_read && parts.status.is_success() {
            true => bounded(body),
            false => beginning(body).await?,
        };
        Ok(HttpResponse::from_parts(parts, body))
    }
}

/// The body of an object. One that is larger than any object breaks off.
fn bounded(body: HttpResponseBody) -> HttpResponseBody {
    let max = usize::try_from(OBJECT_BYTES_MAX).unwrap_or(usize::MAX);
    let limited = Limited::new(body, max);
    HttpResponseBody::new(
        limited.map_err(|error| HttpError::new_boxed(HttpErrorKind::Decode, error)),
    )
}

/// The beginning of a body. The rest is not read: the connection is closed.
async fn beginning(body: HttpResponseBody) -> Result<HttpResponseBody, HttpError> {
    let mut pieces = body.bytes_stream();
    let mut read = BytesMut::new();
    while read.len() < ANSWER_BYTES_MAX
        && let Some(piece) = pieces.next().await
    {
        let mut piece: Bytes = piece?;
        piece.truncate(ANSWER_BYTES_MAX - read.len());
        read.extend_from_slice(&piece);
    }
    // A character may be cut in two.
    Ok(String::from_utf8_lossy(&read).into_owned().into())
}

/// What [`HttpService`] asks for, written out: its trait is declared with `async_trait`.
type Answered<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Bounded {
    fn call<'life0, 'async_trait>(&'life0 self, request: HttpRequest) -> Answered<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.answer(request))
    }
}
