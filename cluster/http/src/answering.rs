//! An answer until it has left: in the body that the handler gave, then in the connection's buffers.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::waiting::{Busy, Place};

/// The body of an answer, with the request that is in progress as long as it is here.
pub(crate) struct Answer {
    body: Body,
    _busy: Busy,
}

impl Answer {
    pub(crate) fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's stream, which notes when everything has left: the server lets go of a body when it has taken the last
/// of it into its buffers, and flushes the stream only when these are empty.
pub(crate) struct Answering<S> {
    stream: S,
    place: Arc<Place>,
    /// How long a caller may take to read.
    patience: Duration,
    /// The end of the patience, from when the caller first did not take all at once.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Answering<S> {
    pub(crate) fn new(stream: S, place: Arc<Place>, patience: Duration) -> Self {
        Self { stream, place, patience, until: None }
    }

    /// The caller does not take what is written. One that takes too long counts as one that waits, or callers that
    /// never read could keep all others out.
    fn is_held_up(&mut self, cx: &mut Context<'_>) {
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        if until.as_mut().poll(cx).is_ready() {
            self.place.wait();
        }
    }

    fn noted<T>(&mut self, cx: &mut Context<'_>, written: Poll<T>) -> Poll<T> {
        if written.is_pending() {
            self.is_held_up(cx);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Answering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.noted(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.until = None;
        self.place.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
