//! The HTTP/2 client connection under a gRPC client: one per dialled peer, driven by one task.

use std::error::Error;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tonic::body::Body;

use super::options::Options;

/// A connection as the generated client wants it.
#[derive(Debug)]
pub(super) struct Http2 {
    sender: SendRequest<Body>,
}

/// The task that moves the bytes of a connection; ends with it when dropped.
#[derive(Debug)]
pub(super) struct Driver {
    task: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    pub(super) async fn connect<S>(stream: S, options: &Options) -> hyper::Result<(Self, Driver)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(options.keepalive_interval)
            .keep_alive_timeout(options.keepalive_timeout)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok((Self { sender }, Driver { task: tokio::spawn(connection) }))
    }
}

impl tower::Service<Request<Body>> for Http2 {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, hyper::Result<Response<Incoming>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.sender.send_request(request).boxed()
    }
}

impl Driver {
    /// Waits for the connection to end and says how it ended, if in error.
    pub(super) async fn end(&mut self) -> Option<hyper::Error> {
        match (&mut self.task).await {
            Ok(Err(error)) => Some(error),
            _ => None,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An error with all of its causes.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
