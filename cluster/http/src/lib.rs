//! Serves HTTP/1.1, with limits on what an idle or slow caller can hold; and what all that serve the API answer alike.
//!
//! Used by the nodes' API and by the gateway. What a request may ask for, and how long its body may take, is for the
//! routes to say.

mod answering;
pub mod api;
pub mod bearer;
mod query;
pub mod rate;
pub mod tls;
mod waiting;

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use answering::{Answer, Answering};
pub use query::Parameters;
use tls::Tls;
use waiting::{Place, Waiting};

/// How long to wait when the operating system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often to look for a connection that waits, when all have had a request in progress.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long the orderly end of a refused connection may take.
const GOODBYE: Duration = Duration::from_millis(250);
/// How much of a refused caller's bytes are taken.
const DISCARD: u64 = 64 * 1024;

/// What callers can hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time. A further one takes the place of the one that has waited longest for a request; if all have
    /// one in progress, it waits.
    pub connections: usize,
    /// How long a TLS handshake may take. While it does, the connection counts as one that waits for a request.
    pub handshake_time: Duration,
    /// How long a caller may take to send the header of a request; also how long a connection may idle.
    pub header_time: Duration,
    /// The longest header of a request, in bytes; at least 8 KiB.
    pub header_bytes: usize,
    /// How long a caller may take to read an answer. One that takes longer counts as one that waits for a request.
    pub answer_time: Duration,
    /// How long requests may go on after shutdown was asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake_time: Duration::from_secs(10),
            header_time: Duration::from_secs(30),
            header_bytes: 32 * 1024,
            answer_time: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

/// The least that an HTTP/1 connection needs to read a header.
const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// Where a request comes from: an extension of every one that [`serve`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(pub SocketAddr);

impl Caller {
    /// Its address, that of IPv4 where it is one in disguise.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

/// Serves until `shutdown` is done; then lets running requests finish. In plain HTTP, unless there is TLS.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let waiting = Arc::new(Waiting::default());
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let slot = tokio::select! {
                        () = &mut shutdown => break,
                        slot = room(&slots, &waiting) => slot,
                    };
                    let place = Place::new(&waiting);
                    let serving = Serving { router: router.clone(), limits, from, stopped: stopped.clone(), place };
                    let tls = tls.clone();
                    connections.spawn(async move {
                        arrived(stream, tls, serving).await;
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

/// A slot for a connection. If there is none left, the connection that has waited longest has to go.
async fn room(slots: &Arc<Semaphore>, waiting: &Waiting) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Some(slot);
        }
        waiting.end_longest();
        // If none waits, one may begin to.
        match timeout(LOOK_AGAIN, Arc::clone(slots).acquire_owned()).await {
            Ok(slot) => return slot.ok(),
            Err(_) => continue,
        }
    }
}

/// What a connection is served with.
struct Serving {
    router: Router,
    limits: Limits,
    from: SocketAddr,
    stopped: watch::Receiver<()>,
    place: Arc<Place>,
}

async fn arrived(stream: TcpStream, tls: Option<Arc<Tls>>, mut serving: Serving) {
    // Answers are small and wait for nothing. Where it can't be set, they only come later.
    stream.set_nodelay(true).ok();
    let Some(tls) = tls else { return connection(stream, serving).await };
    let handshake = async {
        let accepted = TlsAcceptor::from(tls.current().await).accept(stream).into_fallible().await;
        match accepted {
            Ok(stream) => Ok(stream),
            Err((error, stream)) => {
                dismiss(stream).await;
                Err(error)
            }
        }
    };
    let shaken = tokio::select! {
        biased;
        shaken = timeout(serving.limits.handshake_time, handshake) => shaken,
        () = serving.place.ended() => return debug!("a handshake made room for another connection"),
        // The sender was dropped: there is no request yet.
        _ = serving.stopped.changed() => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, serving).await,
        Ok(Err(error)) => debug!(from = %serving.from, %error, "no TLS connection came about"),
        Err(_) => debug!(from = %serving.from, "a TLS handshake took too long"),
    }
}

/// Ends a refused connection so that the alert which says why is read: unread bytes would turn it into a reset.
async fn dismiss(mut stream: TcpStream) {
    let goodbye = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(DISCARD), &mut tokio::io::sink()).await
    };
    let _either_way = timeout(GOODBYE, goodbye).await;
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, serving: Serving) {
    let Serving { router, limits, from, mut stopped, place } = serving;
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Caller(from));
        let (busy, answer) = (place.busy(), router.call(request));
        async move { answer.await.map(|answer| answer.map(|body| Answer::new(body, busy))) }
    });
    let stream = Answering::new(stream, Arc::clone(&place), limits.answer_time);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.header_bytes.max(LEAST_HEADER_BYTES))
            .serve_connection(TokioIo::new(stream), service)
    );
    let result = tokio::select! {
        // A request that has arrived comes before the call to make room.
        biased;
        result = &mut connection => result,
        () = place.ended() => return debug!("an idle connection made room for another"),
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
    use tokio::sync::oneshot;

    struct Served {
        address: SocketAddr,
        /// Requests that have reached the slow handler.
        begun: Arc<Semaphore>,
        stop: Option<oneshot::Sender<()>>,
        task: tokio::task::JoinHandle<()>,
    }

    async fn serving(limits: Limits) -> Served {
        let begun = Arc::new(Semaphore::new(0));
        let begins = Arc::clone(&begun);
        let slow = move || {
            begins.add_permits(1);
            async {
                sleep(Duration::from_millis(500)).await;
                "late"
            }
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/slow", get(slow))
            .route("/large", get(|| async { vec![b'x'; LARGE] }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, None, router, limits, async { drop(stopped.await) }));
        Served { address, begun, stop: Some(stop), task }
    }

    async fn ask(address: SocketAddr, text: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an answer, too: an empty one.
        timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap().ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// More than a connection's buffers take.
    const LARGE: usize = 32 * 1024 * 1024;

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
    async fn idle_connections_make_room_for_others() {
        let served = serving(Limits { connections: 4, ..Limits::default() }).await;
        let mut idle = Vec::new();
        for number in 0..20 {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            // Some say nothing, some half of something, some had an answer and ask no more.
            let said = &HERE[..[0, 9][number % 2]];
            stream.write_all(said).await.unwrap();
            idle.push(stream);
        }
        let asked = std::time::Instant::now();
        for _ in 0..20 {
            assert!(ask(served.address, HERE).await.ends_with("here"));
        }
        assert!(asked.elapsed() < Limits::default().header_time / 2);
        // The first ones are gone.
        let mut rest = Vec::new();
        timeout(Duration::from_secs(5), idle[0].read_to_end(&mut rest)).await.unwrap().ok();
        assert!(rest.is_empty());
    }

    #[tokio::test]
    async fn a_request_in_progress_makes_no_room() {
        let served = serving(Limits { connections: 2, ..Limits::default() }).await;
        let slow = || {
            tokio::spawn(ask(served.address, b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
        };
        let running = [slow(), slow()];
        served.begun.acquire_many(2).await.unwrap().forget();
        // It waits for one of the two, and both end as they should.
        assert!(ask(served.address, HERE).await.ends_with("here"));
        for request in running {
            assert!(request.await.unwrap().ends_with("late"));
        }
    }

    /// A caller that has read the first bytes of a large answer.
    async fn reading(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn an_answer_that_is_being_read_makes_no_room() {
        let served = serving(Limits { connections: 1, ..Limits::default() }).await;
        let mut slow = reading(served.address).await;
        let other = tokio::spawn(ask(served.address, HERE));
        // Time for the other to ask for the place, as it does every 50 ms.
        sleep(Duration::from_millis(300)).await;
        let mut rest = vec![0; LARGE];
        slow.read_exact(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"xxxx"));
        // Then its connection waits for a request, and is the one to go.
        assert!(other.await.unwrap().ends_with("here"));
    }

    #[tokio::test]
    async fn who_does_not_read_an_answer_makes_room_in_the_end() {
        let limits = Limits { connections: 1, answer_time: Duration::from_millis(200), ..Limits::default() };
        let served = serving(limits).await;
        let _unread = reading(served.address).await;
        assert!(ask(served.address, HERE).await.ends_with("here"));
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
        served.begun.acquire().await.unwrap().forget();
        drop(served.stop.take());
        assert!(slow.await.unwrap().ends_with("late"));
        timeout(Duration::from_secs(5), served.task).await.unwrap().unwrap();
    }
}
