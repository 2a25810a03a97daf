//! The connection of a program to NATS.
//!
//! A broker is trusted with nothing but to carry what it is given, and not even with that: whoever uses this seals what others
//! must not read, signs what others must believe, and asks again for what did not come.

mod access;
mod options;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use rand_core::{OsRng, RngCore};
use tokio::sync::watch;

pub use access::{Access, AccessError};
pub use options::{InvalidServers, Options, Servers};

/// The shortest pause before a server is dialled again.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a server that answers nothing may keep the connection.
const PING: Duration = Duration::from_secs(5);
/// How many messages of one subscription may wait to be read; more are dropped by this side.
const WAITING: usize = 1024;
/// How long the orderly end may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection to NATS, which comes back by itself. Clones share it.
#[derive(Clone)]
pub struct Broker {
    client: Client,
    servers: Arc<str>,
    state: watch::Receiver<Connection>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// How the connection is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Whether it is there.
    pub open: bool,
    /// How often it came about.
    pub connects: u64,
    /// How often it broke, or could not be made.
    pub failures: u64,
    /// The latest of those failures.
    pub last_failure: Option<String>,
}

/// Why there is no connection, and will be none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// What proves who we are.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] quorate_tls::AuthoritiesError),
    /// The library refused.
    #[error("NATS at {servers} can't be used: {detail}")]
    Refused {
        /// Where.
        servers: String,
        /// What it said.
        detail: String,
    },
}

impl Broker {
    /// Begins to connect. `name` is what the server calls the connection.
    ///
    /// A server that can't be reached is no error: it is dialled until it can.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BrokerError`], before anything was begun: a file that can't be used.
    pub async fn connect(options: &Options, name: &str) -> Result<Self, BrokerError> {
        let (sender, state) = watch::channel(Connection::default());
        let servers: Arc<str> = options.servers.to_string().into();
        let (shown, sender) = (Arc::clone(&servers), Arc::new(sender));
        let mut connect = options.access.apply(ConnectOptions::new())?;
        if options.servers.need_tls() || options.authorities.is_some() || options.certificate.is_some() {
            let authorities = options.authorities.clone().unwrap_or_default();
            let config = authorities.config(options.certificate.as_ref())?;
            connect = connect.require_tls(true).tls_client_config(config);
        }
        let client = connect
            .name(name)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(pause)
            .ping_interval(PING)
            .subscription_capacity(WAITING)
            .event_callback(move |event| {
                note(&sender, &shown, &event);
                std::future::ready(())
            })
            .connect(options.servers.addresses())
            .await
            .map_err(|error| BrokerError::Refused {
                servers: servers.to_string(),
                detail: error.to_string(),
            })?;
        Ok(Self { client, servers, state })
    }

    /// The client of the library.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where it connects to, without secrets.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// Whether the connection is there.
    pub fn is_open(&self) -> bool {
        self.state.borrow().open
    }

    /// How the connection is, now and from now on.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.state.clone()
    }

    /// Done when a connection has come about after the one of now, or after the first where there is none yet.
    pub async fn reconnected(&self) {
        let mut state = self.state.clone();
        let connects = state.borrow().connects.max(1);
        if state.wait_for(|connection| connection.connects > connects).await.is_err() {
            // Nobody will make one.
            std::future::pending::<()>().await;
        }
    }

    /// Sends what is underway, and ends the connection for all clones.
    pub async fn close(&self) {
        if self.is_open() {
            // What can't be sent now is not waited for.
            let _sent = tokio::time::timeout(GOODBYE, self.client.flush()).await;
            let _ended = tokio::time::timeout(GOODBYE, self.client.drain()).await;
        }
    }
}

/// Longer after each failure, and never the same for two that lost the same server.
fn pause(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(8);
    let longest = PAUSE_MIN.saturating_mul(1 << doublings).min(PAUSE_MAX);
    let share = f64::from(OsRng.next_u32()) / f64::from(u32::MAX);
    longest / 2 + (longest / 2).mul_f64(share)
}

fn note(state: &watch::Sender<Connection>, servers: &str, event: &Event) {
    let failed = |why: String, open: bool| {
        state.send_modify(|connection| {
            if connection.last_failure.as_ref() == Some(&why) {
                tracing::debug!(servers, reason = why, "NATS failed again");
            } else {
                tracing::warn!(servers, reason = why, "NATS failed");
            }
            connection.failures = connection.failures.saturating_add(1);
            connection.last_failure = Some(why);
            connection.open &= open;
        });
    };
    match event {
        Event::Connected => {
            tracing::info!(servers, "connected to NATS");
            state.send_modify(|connection| {
                connection.open = true;
                connection.connects = connection.connects.saturating_add(1);
            });
        }
        Event::Disconnected => failed("the connection was lost".to_owned(), false),
        Event::Closed => failed("the connection was closed".to_owned(), false),
        Event::SlowConsumer(_) => failed("messages came faster than they were read".to_owned(), true),
        Event::ServerError(error) => failed(error.to_string(), true),
        Event::ClientError(error) => failed(error.to_string(), true),
        Event::LameDuckMode | Event::Draining => tracing::info!(servers, "NATS is leaving"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        for attempts in 0..40 {
            let pause = pause(attempts);
            assert!(pause >= PAUSE_MIN / 2 && pause <= PAUSE_MAX, "{attempts}: {pause:?}");
        }
        assert!(pause(20) >= PAUSE_MAX / 2);
        let several: std::collections::BTreeSet<Duration> = (0..20).map(|_| pause(20)).collect();
        assert!(several.len() > 10);
    }
}
