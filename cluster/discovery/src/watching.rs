//! Finds where the peers are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_identity::files;
use quorate_keys::Identity;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};

use crate::consul::Consul;
use crate::options::Options;
use crate::record::Record;
use crate::{Status, failed, hex, records};

/// Between two questions, whatever the answers: an agent may answer at once, again and again.
const PAUSE: Duration = Duration::from_millis(200);

/// Whom to tell the address of a peer.
pub(crate) type Found = Box<dyn Fn(&Identity, &str) + Send + Sync>;

pub(crate) struct Watching {
    consul: Arc<Consul>,
    cluster: [u8; 32],
    /// By what its record is called.
    peers: BTreeMap<String, Identity>,
    known: BTreeMap<Identity, Record>,
    /// Of whom there were records that are not believed: said once, however often there are more.
    doubted: BTreeSet<Identity>,
    wait: Duration,
    kept: Option<PathBuf>,
    status: Arc<watch::Sender<Status>>,
    found: Found,
    own: Own,
}

/// This node's own record, as it has to be.
pub(crate) struct Own {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
    /// Told when it is not.
    pub(crate) missed: Arc<Notify>,
}

impl Watching {
    pub(crate) fn new(
        consul: Arc<Consul>,
        options: &Options,
        cluster: [u8; 32],
        peers: BTreeSet<Identity>,
        status: Arc<watch::Sender<Status>>,
        found: Found,
        own: Own,
    ) -> Self {
        let peers = peers.into_iter().map(|peer| (hex(peer.as_bytes()), peer)).collect();
        Self {
            consul,
            cluster,
            peers,
            known: BTreeMap::new(),
            doubted: BTreeSet::new(),
            wait: options.wait,
            kept: options.kept.clone(),
            status,
            found,
            own,
        }
    }

    pub(crate) async fn run(mut self) {
        let prefix = records(&self.cluster);
        self.recall();
        let (mut index, mut in_a_row) = (0, 0);
        loop {
            match self.consul.keys(&prefix, index, self.wait).await {
                Ok((now, records)) => {
                    in_a_row = 0;
                    // One that goes back is of an agent that was started anew.
                    index = if now < index { 0 } else { now };
                    let own = records.iter().find(|(name, _)| *name == self.own.name);
                    if own.is_none_or(|(_, value)| *value != self.own.value) {
                        self.own.missed.notify_one();
                    }
                    let mut news = false;
                    for (name, value) in records {
                        news |= self.take(&name, &value);
                    }
                    if news {
                        self.keep();
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    index = 0;
                    let pause = failed(&self.status, &error, in_a_row);
                    in_a_row = in_a_row.saturating_add(1);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Takes what was found at an earlier start.
    fn recall(&mut self) {
        let Some(path) = &self.kept else { return };
        let kept = match std::fs::read(path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return tracing::warn!(file = %path.display(), %error, "addresses can't be read"),
        };
        let Ok(records) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(&kept) else {
            return tracing::warn!(file = %path.display(), "this is no file of addresses: it is written anew");
        };
        for (name, record) in records {
            self.take(&name, record.get().as_bytes());
        }
    }

    /// Keeps what is known for the next start.
    fn keep(&self) {
        let Some(path) = &self.kept else { return };
        let records: BTreeMap<String, &Record> =
            self.known.iter().map(|(peer, record)| (hex(peer.as_bytes()), record)).collect();
        let draft = files::draft_of(path);
        let kept = serde_json::to_vec_pretty(&records).unwrap_or_default();
        if let Err(error) = std::fs::write(&draft, kept).and_then(|()| std::fs::rename(&draft, path)) {
            tracing::warn!(file = %path.display(), %error, "addresses can't be kept for the next start");
        }
    }

    /// Takes what is said of a node; whether it is news.
    fn take(&mut self, name: &str, value: &[u8]) -> bool {
        // Other nodes than the peers file names are nobody's business here.
        let Some(peer) = self.peers.get(name) else { return false };
        let record = match Record::read(value, &self.cluster, peer) {
            Ok(record) => record,
            Err(error) => {
                if self.doubted.insert(*peer) {
                    tracing::warn!(%peer, reason = %error, "Consul has a record of a peer that is not believed");
                }
                self.status.send_modify(|status| status.lies = status.lies.saturating_add(1));
                return false;
            }
        };
        if self.known.get(peer).is_some_and(|known| known.sequence >= record.sequence) {
            return false;
        }
        let before = self.known.get(peer).map(|known| known.address.as_str());
        if before != Some(record.address.as_str()) {
            (self.found)(peer, &record.address);
        }
        self.known.insert(*peer, record);
        true
    }
}
