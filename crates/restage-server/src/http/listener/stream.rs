//! The streams of connections: plain or decrypted, with the bytes that were read to see what they begin with.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::opening::{OPENING_LEN_MAX, Opening};

/// Bytes that are read at once to see what a connection begins with: most requests and most TLS handshakes begin with
/// less, so that one read takes all that has arrived.
const BEGINNING_LEN: usize = 2 * 1024;

/// A connection's bytes in both directions, whether they are encrypted underneath or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// A stream of which something was read already; reading begins with that.
#[derive(Debug)]
pub(crate) struct Begun<S> {
    stream: S,
    read: Vec<u8>,
    /// How much of `read` was given out.
    given: usize,
}

impl<S: Stream> Begun<S> {
    /// A stream, and what was read of it before.
    pub(crate) fn new(stream: S, read: Vec<u8>) -> Self {
        Self {
            stream,
            read,
            given: 0,
        }
    }

    /// Reads until it is known what the connection begins with, and keeps what was read. A connection that ends before
    /// is left to HTTP, which ends it.
    ///
    /// # Errors
    /// Errors of the stream.
    pub(crate) async fn opening(&mut self) -> io::Result<Opening> {
        loop {
            if let Some(opening) = Opening::of(&self.read) {
                return Ok(opening);
            }
            debug_assert!(self.read.len() < OPENING_LEN_MAX);
            self.read.reserve(BEGINNING_LEN);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(Opening::Http);
            }
        }
    }
}

impl<S: Stream> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.read[self.given..];
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.given += length;
        if self.given == self.read.len() {
            self.read = Vec::new();
            self.given = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn what_was_read_comes_first_and_nothing_is_lost() {
        for cut in 0..12 {
            let (mut client, server) = tokio::io::duplex(64);
            let text = b"\x00\x01\x00\x08\x21\x12\xa4\x42 and more";
            let mut begun = Begun::new(server, text[..cut].to_vec());
            client.write_all(&text[cut..]).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(begun.opening().await.unwrap(), Opening::Stun);
            let mut all = Vec::new();
            begun.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, text, "{cut}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_at_once_is_left_to_http() {
        for text in [&b""[..], b"\x16", b"\x00\x01\x00"] {
            let mut begun = Begun::new(tokio::io::join(text, tokio::io::sink()), Vec::new());
            assert_eq!(begun.opening().await.unwrap(), Opening::Http);
        }
    }
}
