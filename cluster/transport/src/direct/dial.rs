//! The dialling side: keeps a connection to one peer and drains that peer's outbox into it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use http::Uri;
use quorate_keys::Identity;
use rand_core::{OsRng, RngCore};
use rustls::{AlertDescription, CertificateError};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::{Status, Streaming};

use super::heard_stream::HeardStream;
use super::http2::{Driver, Http2, chain};
use super::options::Options;
use super::peer::Peer;
use super::proto::peer_client::PeerClient;
use super::proto::{Acknowledgement, Frame};
use super::tls::{self, PinError};
use crate::phase::Phase;
use crate::transport::LinkFailure;

/// A connection that lasted this long was a good one: the next pause is the shortest again.
const STABLE: Duration = Duration::from_secs(1);
/// The pause before a peer that has just dialled us is dialled back: it bounds how often it can cause that.
const AWAKE: Duration = Duration::from_millis(20);
/// How long the orderly end of a connection may take.
const GOODBYE: Duration = Duration::from_millis(250);
/// The authority that requests carry; peers do not look at it.
const ORIGIN: &str = "https://node.quorate.invalid";

/// Keeps one peer connected.
pub(super) struct Dialler {
    peer: Arc<Peer>,
    connector: TlsConnector,
    options: Options,
    phase: watch::Receiver<Phase>,
    /// Where it is dialled this time.
    address: String,
}

/// An open stream to the peer.
struct Connection {
    acknowledgements: Streaming<Acknowledgement>,
    driver: Driver,
    /// Keeps the connection open.
    client: PeerClient<Http2>,
}

impl Dialler {
    pub(super) fn new(
        peer: Arc<Peer>,
        connector: TlsConnector,
        options: &Options,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let address = peer.address();
        Self { peer, connector, options: options.clone(), phase, address }
    }

    /// Dials, sends, and dials again, until the transport closes.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.options.backoff_min, self.options.backoff_max);
        loop {
            self.address = self.peer.address();
            let outcome = tokio::select! {
                outcome = timeout(self.options.handshake_timeout, self.dial()) => outcome,
                () = self.nothing_left() => return,
            };
            match outcome.unwrap_or_else(|_| Err(LinkFailure::TimedOut { address: self.address() })) {
                Ok(connection) => {
                    tracing::info!(peer = %self.peer.identity, address = self.address, "connected");
                    self.peer.set_sending(true);
                    let since = Instant::now();
                    let end = self.drive(connection).await;
                    self.peer.set_sending(false);
                    if *self.phase.borrow() > Phase::Running {
                        return;
                    }
                    self.peer.outgoing_failed(end);
                    if since.elapsed() >= STABLE {
                        backoff.reset();
                    }
                }
                Err(failure) => {
                    self.peer.outgoing_failed(failure);
                    self.peer.try_other_address();
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                () = self.peer.awake.notified() => tokio::time::sleep(AWAKE).await,
                // A peer that cannot be reached now is not waited for.
                () = self.reached(Phase::Draining) => return,
            }
        }
    }

    /// Resolves when the transport closes and nothing waits for this peer.
    async fn nothing_left(&self) {
        self.reached(Phase::Draining).await;
        if self.peer.outbox.depth().frames > 0 {
            self.reached(Phase::Stopping).await;
        }
    }

    /// Connects, proves both identities, and opens the stream. No frame has left the outbox when this fails.
    async fn dial(&self) -> Result<Connection, LinkFailure> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| self.unreachable(&error))?;
        // A frame is a message of its own and must not wait for more.
        stream.set_nodelay(true).map_err(|error| self.unreachable(&error))?;
        let name = tls::server_name().map_err(|error| self.not_a_node(&error.to_string()))?;
        let connected = self.connector.connect(name, stream).await;
        let stream = connected.map_err(|error| self.handshake_failed(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(tls::ALPN) {
            return Err(self.not_a_node("it does not speak HTTP/2"));
        }
        let stream = HeardStream::new(stream, Arc::clone(&self.peer));
        let alert = stream.alert();
        let connected = Http2::connect(stream, &self.options).await;
        let (connection, mut driver) = connected.map_err(|error| self.not_a_node(&chain(&error)))?;
        let mut client = PeerClient::with_origin(connection, Uri::from_static(ORIGIN));
        let lease = self.peer.outbox.lease();
        let opener = lease.opener();
        let frames = lease.map(|queued| Frame { body: queued.frame });
        match client.frames(frames).await {
            Ok(response) => {
                opener.open();
                Ok(Connection { acknowledgements: response.into_inner(), driver, client })
            }
            Err(status) => {
                let end = timeout(GOODBYE, driver.end()).await.ok().flatten();
                Err(self.not_accepted(&status, end, alert.get()))
            }
        }
    }

    /// Waits for the end of a connection: the lease drains the outbox into it meanwhile.
    async fn drive(&self, mut connection: Connection) -> LinkFailure {
        let address = self.address();
        let end = tokio::select! {
            end = ended(&mut connection.acknowledgements) => end,
            () = self.reached(Phase::Stopping) => Ok(()),
        };
        match end {
            Ok(()) => {
                let Connection { client, mut driver, .. } = connection;
                drop(client);
                // Lets HTTP/2 and TLS say goodbye; a connection that will not is cut.
                let _cut = timeout(GOODBYE, driver.end()).await;
                LinkFailure::Lost { address, reason: "the peer closed it".to_owned() }
            }
            Err(status) => LinkFailure::Lost { address, reason: why(&status) },
        }
    }

    async fn reached(&self, phase: Phase) {
        Phase::reached(self.phase.clone(), phase).await;
    }

    /// The stream was not opened although the handshake succeeded on this side. In TLS 1.3 a refused client
    /// learns of it only now.
    fn not_accepted(
        &self,
        status: &Status,
        end: Option<hyper::Error>,
        alert: Option<&AlertDescription>,
    ) -> LinkFailure {
        let address = self.address();
        match (alert, end) {
            (Some(alert), _) => LinkFailure::Refused { address, reason: format!("TLS alert {alert:?}") },
            (None, Some(end)) => LinkFailure::Lost { address, reason: chain(&end) },
            (None, None) if std::error::Error::source(status).is_some() => {
                LinkFailure::Lost { address, reason: why(status) }
            }
            (None, None) => LinkFailure::NotANode { address, reason: why(status) },
        }
    }

    fn handshake_failed(&self, error: &io::Error) -> LinkFailure {
        let address = self.address();
        let Some(tls) = tls::error_in(error) else {
            return LinkFailure::Lost { address, reason: format!("during the handshake: {error}") };
        };
        match pin_error(tls) {
            Some(PinError::NotPinned(presented)) => self.wrong_identity(presented),
            Some(pin) => self.not_a_node(&pin.to_string()),
            None => self.not_a_node(&tls.to_string()),
        }
    }

    fn wrong_identity(&self, presented: Identity) -> LinkFailure {
        LinkFailure::WrongIdentity { address: self.address(), expected: self.peer.identity, presented }
    }

    fn not_a_node(&self, reason: &str) -> LinkFailure {
        LinkFailure::NotANode { address: self.address(), reason: reason.to_owned() }
    }

    fn unreachable(&self, error: &io::Error) -> LinkFailure {
        LinkFailure::Unreachable { address: self.address(), reason: error.to_string() }
    }

    fn address(&self) -> String {
        self.address.clone()
    }
}

/// Waits for the peer to end the stream.
async fn ended(acknowledgements: &mut Streaming<Acknowledgement>) -> Result<(), Status> {
    while acknowledgements.message().await?.is_some() {}
    Ok(())
}

fn why(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => chain(source),
        None => status.message().to_owned(),
    }
}

fn pin_error(error: &rustls::Error) -> Option<PinError> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<PinError>().copied()
        }
        _ => None,
    }
}

/// Pauses between attempts: doubling, and each between half and all of it so that nodes that lost a peer
/// together do not return together.
struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min.saturating_mul(2).min(max) }
    }

    fn reset(&mut self) {
        *self = Self::new(self.min, self.max);
    }

    fn pause(&mut self) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.max);
        let fraction = f64::from(OsRng.next_u32()) / f64::from(u32::MAX);
        (full.mul_f64(0.5 + fraction / 2.0)).clamp(self.min.min(self.max), self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_limits_and_start_anew_after_a_good_connection() {
        let (min, max) = (Duration::from_millis(50), Duration::from_secs(5));
        let mut backoff = Backoff::new(min, max);
        let mut full = min * 2;
        for _ in 0..20 {
            let pause = backoff.pause();
            assert!(pause >= full / 2 && pause <= full && pause >= min && pause <= max, "{pause:?}");
            full = (full * 2).min(max);
        }
        backoff.reset();
        assert!(backoff.pause() <= min * 2);
    }
}
