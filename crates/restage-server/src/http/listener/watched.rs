//! A connection's stream while HTTP has it: records when bytes arrive, and what is to happen to it afterwards.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::door::Notes;
use super::stream::Stream;

/// A stream that records when bytes arrive, and that returns to the connection when HTTP has finished with it.
pub(super) struct Watched<S: Stream> {
    /// `Some` until this is dropped.
    stream: Option<S>,
    notes: Notes,
}

impl<S: Stream> Watched<S> {
    pub(super) fn new(stream: S, notes: Notes) -> Self {
        Self {
            stream: Some(stream),
            notes,
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut S>> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.stream.as_mut().map(Pin::new).ok_or_else(gone)
    }
}

impl<S: Stream> Drop for Watched<S> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.notes.leaves(stream);
        }
    }
}

impl<S: Stream> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = self.stream()?.poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.notes.bytes_arrived();
        }
        outcome
    }
}

impl<S: Stream> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
