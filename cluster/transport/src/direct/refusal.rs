//! Connections to the listener that were refused before anyone was authenticated.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quorate_keys::Identity;
use rustls::CertificateError;

use super::tls::{self, PinError};

/// How many refusals are remembered.
const REMEMBERED: usize = 32;
/// How many refusals are logged as warnings per [`LOG_WINDOW`]; the rest only counts.
const LOGGED_PER_WINDOW: u32 = 10;
const LOG_WINDOW: Duration = Duration::from_secs(10);

/// A refused connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Where it came from.
    pub from: SocketAddr,
    /// When it was refused.
    pub at: Instant,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a connection was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The certificate is of an identity that is not a configured peer.
    #[error("{0} is not a configured peer")]
    Stranger(Identity),
    /// No certificate, or one that is not of an Ed25519 identity.
    #[error("no usable certificate: {0}")]
    Certificate(String),
    /// The handshake was not one of TLS 1.3 as nodes speak it, or not TLS at all.
    #[error("no acceptable TLS 1.3 handshake: {0}")]
    Handshake(String),
    /// The handshake was not completed in time.
    #[error("the handshake was not completed in time")]
    TimedOut,
    /// Too many handshakes were under way; this one was the oldest.
    #[error("too many handshakes under way")]
    Crowded,
}

/// The refused connections so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// How many.
    pub total: u64,
    /// The latest of them, oldest first.
    pub recent: Vec<Refusal>,
}

impl RefusalReason {
    /// What a failed TLS handshake means.
    pub(super) fn of(error: &io::Error) -> Self {
        let Some(tls) = tls::error_in(error) else {
            return Self::Handshake(error.to_string());
        };
        match tls {
            rustls::Error::NoCertificatesPresented => Self::Certificate("none was presented".to_owned()),
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                match other.0.downcast_ref::<PinError>() {
                    Some(PinError::NotPinned(identity)) => Self::Stranger(*identity),
                    Some(pin) => Self::Certificate(pin.to_string()),
                    None => Self::Certificate(tls.to_string()),
                }
            }
            rustls::Error::InvalidCertificate(_) => Self::Certificate(tls.to_string()),
            _ => Self::Handshake(tls.to_string()),
        }
    }
}

/// Counts and remembers refusals, and logs them at a bounded rate, since anyone can cause them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    total: u64,
    recent: VecDeque<Refusal>,
    window: Option<Instant>,
    logged: u32,
    unlogged: u64,
}

impl Ledger {
    pub(super) fn record(&self, from: SocketAddr, reason: RefusalReason) {
        let at = Instant::now();
        let mut state = self.lock();
        if state.window.is_none_or(|start| at.duration_since(start) > LOG_WINDOW) {
            if state.unlogged > 0 {
                tracing::warn!(count = state.unlogged, "more connections were refused");
            }
            state.window = Some(at);
            state.logged = 0;
            state.unlogged = 0;
        }
        if state.logged < LOGGED_PER_WINDOW {
            tracing::warn!(%from, %reason, "refused a connection");
            state.logged = state.logged.saturating_add(1);
        } else {
            state.unlogged = state.unlogged.saturating_add(1);
        }
        state.total = state.total.saturating_add(1);
        if state.recent.len() >= REMEMBERED {
            state.recent.pop_front();
        }
        state.recent.push_back(Refusal { from, at, reason });
    }

    pub(super) fn snapshot(&self) -> Refusals {
        let state = self.lock();
        Refusals { total: state.total, recent: state.recent.iter().cloned().collect() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_refusals_is_counted_and_the_latest_are_kept() {
        let ledger = Ledger::default();
        for port in 1..=100 {
            ledger.record(SocketAddr::from(([127, 0, 0, 1], port)), RefusalReason::TimedOut);
        }
        let refusals = ledger.snapshot();
        assert_eq!((refusals.total, refusals.recent.len()), (100, REMEMBERED));
        assert_eq!(refusals.recent.last().unwrap().from.port(), 100);
    }
}
