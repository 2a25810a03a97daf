//! Where the nodes of a cluster are, and how they are, by Consul.
//!
//! A node registers itself as a service with a check that it keeps up, so that people and load balancers see how it
//! is, and puts its address into the key-value store, where the others find it when it has moved.
//!
//! # Trust
//!
//! Consul is trusted with nothing. An address is a [`Record`] that its node has signed, for one cluster and with a number that
//! grows: one that is forged, of another cluster, or older than what is known is passed over. Whoever runs Consul can hide a
//! move, or show an old address to a node that has just started; whoever answers there still has to prove to be the node. Who a
//! node is says the peers file, never Consul. When Consul is gone, what is known stays.
//!
//! # In Consul
//!
//! | where | what |
//! |---|---|
//! | service `quorate`, id `quorate-{name}-{cluster}` | the address that the node advertises; tag `cluster-{cluster}`; meta `identity`, `version` |
//! | its check, `service:{id}` | a TTL of 15 s: passing when the node is ready, warning when it is up and not ready, critical when nothing is heard of it |
//! | key `quorate/{cluster}/nodes/{identity}` | the node's [`Record`], as JSON |
//!
//! `{cluster}` is the first 8 bytes of the cluster id in hex for services, and all of it for keys.

mod announcing;
mod consul;
mod options;
mod record;
mod watching;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_keys::{Identity, SigningIdentity};
use rand_core::{OsRng, RngCore};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::announcing::Announcing;
use self::consul::Consul;
pub use self::consul::ConsulError;
pub use self::options::{ConsulUrl, InvalidConsulUrl, Options};
pub use self::record::{Record, RecordError};
use self::watching::Watching;

/// The shortest pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long leaving may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It can sign.
    Ready,
    /// It is up, and can't, for this reason.
    Unready(String),
}

/// A node that is to be found.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Its identity.
    pub signer: Arc<SigningIdentity>,
    /// Its cluster.
    pub cluster: [u8; 32],
    /// What people call it.
    pub name: String,
    /// Where the others reach it: `host:port`.
    pub address: String,
    /// The program's version.
    pub version: String,
}

/// What is known of Consul.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether the node is registered and its check kept up.
    pub registered: bool,
    /// How often Consul could not be used.
    pub failures: u64,
    /// The latest reason.
    pub last_failure: Option<String>,
    /// How often a record was passed over: forged, of another cluster, or none.
    pub lies: u64,
}

/// A node's presence in Consul. Dropping it without [`leave`](Self::leave) is a crash: the check runs out.
#[derive(Debug)]
pub struct Discovery {
    consul: Arc<Consul>,
    service_id: String,
    status: Arc<watch::Sender<Status>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Discovery {
    /// Begins to announce a node and to look for its peers. `found` is told the address of a peer whenever it is news; it
    /// must not block.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A file that can't be used. That Consul can't be reached is no error.
    pub fn start(
        options: &Options,
        announcement: &Announcement,
        peers: BTreeSet<Identity>,
        health: watch::Receiver<Health>,
        found: impl Fn(&Identity, &str) + Send + Sync + 'static,
    ) -> Result<Self, ConsulError> {
        let consul = Arc::new(Consul::new(options)?);
        let status = Arc::new(watch::Sender::new(Status::default()));
        let me = announcement.signer.identity();
        let cluster = announcement.cluster;
        let sequence = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let sequence = u64::try_from(sequence).unwrap_or(u64::MAX);
        let announcing = Announcing::new(
            Arc::clone(&consul),
            options,
            announcement,
            sequence,
            health,
            Arc::clone(&status),
        );
        let service_id = announcing.service_id().to_owned();
        let peers = peers.into_iter().filter(|peer| *peer != me).collect();
        let watching = Watching::new(
            Arc::clone(&consul),
            options,
            cluster,
            peers,
            Arc::clone(&status),
            Box::new(found),
            announcing.own(),
        );
        let tasks = vec![tokio::spawn(announcing.run()), tokio::spawn(watching.run())];
        Ok(Self { consul, service_id, status, tasks: Mutex::new(tasks) })
    }

    /// What is known of Consul, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Takes the node out of Consul's services. Its address stays: it may come back.
    pub async fn leave(&self) {
        self.end();
        if self.status.borrow().registered {
            let left = tokio::time::timeout(GOODBYE, self.consul.deregister(&self.service_id)).await;
            if !matches!(left, Ok(Ok(()))) {
                tracing::warn!(
                    service = self.service_id,
                    "could not be taken out of Consul: its check will run out"
                );
            }
        }
    }

    fn end(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.end();
    }
}

/// Notes a failure, and returns how long to wait after so many in a row.
fn failed(status: &watch::Sender<Status>, error: &ConsulError, in_a_row: u32) -> Duration {
    let why = error.to_string();
    status.send_modify(|status| {
        if status.last_failure.as_ref() == Some(&why) {
            tracing::debug!(reason = why, "Consul failed again");
        } else {
            tracing::warn!(reason = why, "Consul failed");
        }
        status.failures = status.failures.saturating_add(1);
        status.last_failure = Some(why);
    });
    let longest = PAUSE_MIN.saturating_mul(1 << in_a_row.min(8)).min(PAUSE_MAX);
    let share = f64::from(OsRng.next_u32()) / f64::from(u32::MAX);
    longest / 2 + (longest / 2).mul_f64(share)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the records of a cluster are.
fn records(cluster: &[u8; 32]) -> String {
    format!("quorate/{}/nodes/", hex(cluster))
}
