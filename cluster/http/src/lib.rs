//! Serves HTTP/1.1, with limits on what an idle or slow caller can hold.
//!
//! Used by the nodes' API and by the gateway. What a request may ask for, and how long its body may take, is for the
//! routes to say.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// How long to wait when the operating system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What callers can hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time. Further ones wait in the backlog of the operating system.
    pub connections: usize,
    /// How long a caller may take to send the header of a request; also how long a connection may idle.
    pub header_time: Duration,
    /// The longest header of a request, in bytes; at least 8 KiB.
    pub header_bytes: usize,
    /// How long requests may go on after shutdown was asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            header_time: Duration::from_secs(30),
            header_bytes: 32 * 1024,
            drain: Duration::from_secs(30),
        }
    }
}

/// The least that an HTTP/1 connection needs to read a header.
const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// Serves until `shutdown` is done; then lets running requests finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (slot, accepted) = accept => match accepted {
                Ok((stream, _)) => {
                    let (router, stopped) = (router.clone(), stopped.clone());
                    connections.spawn(async move {
                        connection(stream, router, limits, stopped).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    warn!(%error, "can't accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    drop(stop);
    let drained = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        warn!(open = connections.len(), "requests were cut off by shutdown");
    }
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, mut stopped: watch::Receiver<()>) {
    // Answers are small and wait for nothing. Where it can't be set, they only come later.
    stream.set_nodelay(true).ok();
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.header_bytes.max(LEAST_HEADER_BYTES))
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let result = tokio::select! {
        result = &mut connection => result,
        // The sender was dropped: finish the request that is running, take no other.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    struct Served {
        address: SocketAddr,
        stop: Option<oneshot::Sender<()>>,
        task: tokio::task::JoinHandle<()>,
    }

    async fn serving(limits: Limits) -> Served {
        let slow = || async {
            sleep(Duration::from_millis(500)).await;
            "late"
        };
        let router = Router::new().route("/", get(|| async { "here" })).route("/slow", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, router, limits, async { drop(stopped.await) }));
        Served { address, stop: Some(stop), task }
    }

    async fn ask(address: SocketAddr, text: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an answer, too: an empty one.
        timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap().ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    const HERE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn who_sends_no_header_in_time_is_let_go() {
        let limits = Limits { header_time: Duration::from_millis(200), ..Limits::default() };
        let served = serving(limits).await;
        let answer = ask(served.address, b"GET / HTTP/1.1\r\nhost: x\r\n").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(ask(served.address, HERE).await.ends_with("here"));
    }

    #[tokio::test]
    async fn who_keeps_a_connection_and_asks_no_more_is_let_go() {
        let limits = Limits { header_time: Duration::from_millis(200), ..Limits::default() };
        let served = serving(limits).await;
        // Answered, then closed by the server: the text ends.
        let answer = ask(served.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_for_a_place() {
        let limits = Limits { connections: 1, header_time: Duration::from_millis(500), ..Limits::default() };
        let served = serving(limits).await;
        let idle = TcpStream::connect(served.address).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        let mut second = TcpStream::connect(served.address).await.unwrap();
        second.write_all(HERE).await.unwrap();
        let mut answer = Vec::new();
        timeout(Duration::from_millis(200), second.read_to_end(&mut answer)).await.unwrap_err();
        // The idle one's time is over; now it is the second one's turn.
        timeout(Duration::from_secs(5), second.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&answer).ends_with("here"));
        drop(idle);
    }

    #[tokio::test]
    async fn a_header_beyond_the_limit_is_refused() {
        let served = serving(Limits { header_bytes: 8 * 1024, ..Limits::default() }).await;
        let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
        let answer = ask(served.address, long.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[tokio::test]
    async fn it_speaks_http_1_alone() {
        let served = serving(Limits::default()).await;
        let answer = ask(served.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }

    #[tokio::test]
    async fn a_running_request_is_answered_after_shutdown_was_asked_for() {
        let mut served = serving(Limits::default()).await;
        let slow = tokio::spawn(ask(served.address, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"));
        sleep(Duration::from_millis(100)).await;
        drop(served.stop.take());
        assert!(slow.await.unwrap().ends_with("late"));
        timeout(Duration::from_secs(5), served.task).await.unwrap().unwrap();
    }
}
