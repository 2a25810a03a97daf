//! Says where this node is, and how.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::consul::{Check, Consul, ConsulError, Service};
use crate::options::Options;
use crate::record::Record;
use crate::watching::Own;
use crate::{Announcement, Health, Status, failed, hex, records};

/// Between two times of putting a record that was changed.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Announcing {
    consul: Arc<Consul>,
    service: Service,
    key: String,
    record: Record,
    /// How often the check is kept up.
    every: Duration,
    health: watch::Receiver<Health>,
    status: Arc<watch::Sender<Status>>,
    /// Told when the record is not what it has to be: somebody has changed it, or taken it away.
    missed: Arc<Notify>,
}

impl Announcing {
    pub(crate) fn new(
        consul: Arc<Consul>,
        options: &Options,
        announcement: &Announcement,
        sequence: u64,
        health: watch::Receiver<Health>,
        status: Arc<watch::Sender<Status>>,
    ) -> Self {
        let Announcement { signer, cluster, name, address, version } = announcement;
        let identity = signer.identity();
        let short = hex(cluster.get(..8).unwrap_or_default());
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        let meta = [("identity", identity.to_string()), ("version", version.clone())];
        let service = Service {
            id: format!("{}-{name}-{short}", options.service),
            name: options.service.clone(),
            address: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: port.parse().unwrap_or_default(),
            tags: vec![format!("cluster-{short}"), name.clone()],
            meta: meta.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<BTreeMap<_, _>>(),
            check: Check {
                name: format!("{name} can sign"),
                ttl: format!("{}ms", options.ttl.as_millis()),
                // Until it has said otherwise.
                status: "critical".to_owned(),
                notes: "passing: ready; warning: up, and not ready; critical: nothing is heard of it"
                    .to_owned(),
            },
        };
        let key = format!("{}{}", records(cluster), hex(identity.as_bytes()));
        let record = Record::sign(signer, cluster, address, sequence);
        Self { consul, service, key, record, every: options.ttl / 3, health, status, missed: Arc::default() }
    }

    /// What the record has to be.
    pub(crate) fn own(&self) -> Own {
        let name = self.key.rsplit('/').next().unwrap_or_default().to_owned();
        Own { name, value: self.record.to_json(), missed: Arc::clone(&self.missed) }
    }

    pub(crate) fn service_id(&self) -> &str {
        &self.service.id
    }

    pub(crate) async fn run(mut self) {
        let mut in_a_row = 0;
        loop {
            match self.keep_up(&mut in_a_row).await {
                // The agent has forgotten us, as one does that was started anew.
                Err(error) if error.is_missing() => {
                    self.set_registered(false);
                    tracing::info!(service = self.service.id, "Consul does not know this node any more");
                }
                Err(error) => {
                    self.set_registered(false);
                    let pause = failed(&self.status, &error, in_a_row);
                    in_a_row = in_a_row.saturating_add(1);
                    tokio::time::sleep(pause).await;
                }
                // Nobody says any more how the node is.
                Ok(()) => return,
            }
        }
    }

    async fn keep_up(&mut self, in_a_row: &mut u32) -> Result<(), ConsulError> {
        self.consul.register(&self.service).await?;
        self.consul.put_key(&self.key, self.record.to_json()).await?;
        tracing::info!(service = self.service.id, address = self.record.address, "registered with Consul");
        loop {
            let (status, output) = match &*self.health.borrow_and_update() {
                Health::Ready => ("passing", "ready".to_owned()),
                Health::Unready(why) => ("warning", why.clone()),
            };
            self.consul.update(&self.service.id, status, &output).await?;
            *in_a_row = 0;
            self.set_registered(true);
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = self.missed.notified() => {
                    self.consul.put_key(&self.key, self.record.to_json()).await?;
                    // Whoever changes it all the time is not raced.
                    tokio::time::sleep(AGAIN).await;
                }
                changed = self.health.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    fn set_registered(&self, registered: bool) {
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.registered, registered) != registered);
    }
}
