//! The listening side: admits the peers and serves each one's stream.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::heard_stream::HeardStream;
use super::http2::chain;
use super::peer::Peer;
use super::proto::peer_server::PeerServer;
use super::refusal::RefusalReason;
use super::service::Reception;
use super::tls::{self, PinError};
use crate::phase::Phase;
use crate::transport::LinkFailure;

/// How long accepting pauses when the system has no socket to give.
const NO_SOCKETS: Duration = Duration::from_millis(100);
/// How long the orderly end of a connection may take.
const GOODBYE: Duration = Duration::from_millis(250);
/// How much of a refused client's bytes are taken, so that it reads the reason instead of a reset.
const DISCARD: u64 = 64 * 1024;

/// Accepts connections until the transport closes.
pub(super) struct Listener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
}

/// A connection whose peer has proved its identity.
struct Arrival {
    peer: Arc<Peer>,
    from: SocketAddr,
    stream: TlsStream<TcpStream>,
}

impl Listener {
    pub(super) fn new(
        listener: TcpListener,
        acceptor: TlsAcceptor,
        shared: Arc<Shared>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self { listener, acceptor, shared, phase }
    }

    pub(super) async fn run(self) {
        let mut handshakes = JoinSet::new();
        let mut under_way = VecDeque::new();
        let mut serving = JoinSet::new();
        loop {
            tokio::select! {
                () = Phase::reached(self.phase.clone(), Phase::Draining) => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        self.make_room(&mut under_way);
                        let handshake = handshake(stream, from, self.acceptor.clone(), Arc::clone(&self.shared));
                        under_way.push_back((from, handshakes.spawn(handshake)));
                    }
                    Err(error) => {
                        // A connection that was gone before it was accepted, or no file descriptors left.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(NO_SOCKETS).await;
                    }
                },
                Some(done) = handshakes.join_next() => if let Ok(Some(arrival)) = done {
                    serving.spawn(serve(arrival, Arc::clone(&self.shared), self.phase.clone()));
                },
                Some(_) = serving.join_next() => {}
            }
        }
        drop(self.listener);
        handshakes.abort_all();
        // Peers can hand over what they have until the phase says to stop; each connection then ends soon.
        while serving.join_next().await.is_some() {}
    }

    /// Ends the oldest handshake when there are too many: an honest one takes milliseconds, so the oldest is
    /// the likeliest to be somebody who only holds the place.
    fn make_room(&self, under_way: &mut VecDeque<(SocketAddr, AbortHandle)>) {
        under_way.retain(|(_, handshake)| !handshake.is_finished());
        while under_way.len() >= self.shared.options.max_handshakes.max(1) {
            let Some((from, oldest)) = under_way.pop_front() else { return };
            oldest.abort();
            self.shared.refusals.record(from, RefusalReason::Crowded);
        }
    }
}

/// Lets the other side prove its identity, within the time allowed.
async fn handshake(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
) -> Option<Arrival> {
    let limit = shared.options.handshake_timeout;
    let admitted = timeout(limit, admit(stream, acceptor, &shared)).await;
    match admitted.unwrap_or(Err(RefusalReason::TimedOut)) {
        Ok((peer, stream)) => Some(Arrival { peer, from, stream }),
        Err(reason) => {
            shared.refusals.record(from, reason);
            None
        }
    }
}

async fn admit(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    shared: &Shared,
) -> Result<(Arc<Peer>, TlsStream<TcpStream>), RefusalReason> {
    stream.set_nodelay(true).map_err(|error| RefusalReason::Handshake(error.to_string()))?;
    let stream = match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((error, stream)) => {
            dismiss(stream).await;
            return Err(RefusalReason::of(&error));
        }
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = certificate.ok_or(PinError::Unreadable);
    let identity = certificate.and_then(tls::certified_identity);
    let identity = identity.map_err(|error| RefusalReason::Certificate(error.to_string()))?;
    // TLS has admitted the configured peers only; this is the same list.
    let peer = shared.peers.get(&identity).ok_or(RefusalReason::Stranger(identity))?;
    Ok((Arc::clone(peer), stream))
}

/// Ends a refused connection so that the alert which says why is read: unread bytes would turn it into a reset.
async fn dismiss(mut stream: TcpStream) {
    let goodbye = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(DISCARD), &mut tokio::io::sink()).await
    };
    let _either_way = timeout(GOODBYE, goodbye).await;
}

/// Serves a peer's connection until it ends, is replaced by a later one, or the transport closes.
async fn serve(arrival: Arrival, shared: Arc<Shared>, phase: watch::Receiver<Phase>) {
    let Arrival { peer, from, stream } = arrival;
    let number = peer.arrive();
    let reception = Reception::new(Arc::clone(&peer), number, from, Arc::clone(&shared.inbox), phase.clone());
    let finished = reception.finished();
    let service = PeerServer::new(reception).max_decoding_message_size(shared.options.max_message());
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(shared.options.keepalive_interval)
        .keep_alive_timeout(shared.options.keepalive_timeout)
        .initial_stream_window_size(shared.options.window())
        .initial_connection_window_size(shared.options.window())
        .max_concurrent_streams(1)
        .serve_connection(
            TokioIo::new(HeardStream::new(stream, Arc::clone(&peer))),
            TowerToHyperService::new(service),
        );
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        end = connection.as_mut() => {
            if let Err(error) = end {
                peer.incoming_failed(LinkFailure::Lost { address: from.to_string(), reason: chain(&error) });
            }
            return;
        }
        () = finished.notified() => {}
        () = peer.replaced(number) => {}
        () = Phase::reached(phase, Phase::Stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _cut = timeout(GOODBYE, connection).await;
}
