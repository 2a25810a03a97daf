//! A cluster whose nodes are processes of their own, started from this very program.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use quorate_client::Client;
use quorate_identity::key_file::{self, IdentityKind};
use tokio::process::{Child, Command};

use crate::progress::Progress;

use super::{
    INITIATOR_FILE, NOTHING_AHEAD, Prepared, READY, Reaching, authority, node_folder, passphrase, prepare,
    settings,
};

/// Running processes. They are killed when it is dropped without having been stopped.
pub(crate) struct ProcessCluster {
    nodes: Vec<(String, Child)>,
    /// One for each node, which it asks first.
    clients: Vec<Client>,
    /// From the start of the first process until all could serve requests.
    pub(crate) ready_after: Duration,
}

impl ProcessCluster {
    /// Starts `count` nodes with their files in `folder`, and waits until they are ready.
    pub(crate) async fn start(
        folder: &Path,
        count: u16,
        reaching: &Reaching,
        quiet: bool,
    ) -> anyhow::Result<Self> {
        let Prepared { initiator, sockets, peers, .. } = prepare(folder, count, quiet).await?;
        let _starting = Progress::of(quiet, format!("{count} nodes start and connect to each other"));
        let program = std::env::current_exe().context("this program can't be found")?;
        let mut addresses = Vec::new();
        for sockets in sockets {
            let listen = sockets.peers.as_ref().context("no socket for peers")?.local_addr()?;
            addresses.push((listen, sockets.api.local_addr()?));
            // The process listens there itself.
            drop(sockets);
        }
        let started = Instant::now();
        let mut nodes = Vec::new();
        let mut endpoints: Vec<http::Uri> = Vec::new();
        for (number, (listen, api)) in (1..=count).zip(addresses) {
            let log = node_folder(folder, number).join("log");
            let log = File::create(&log).with_context(|| log.display().to_string())?;
            let mut command = Command::new(&program);
            command.args(["node", "start"]);
            let authority = authority(folder, initiator.principal(), None)?;
            for (key, value) in settings(folder, number, authority, reaching) {
                command.arg("--set").arg(format!("{key}={value}"));
            }
            for (key, value) in NOTHING_AHEAD {
                command.arg("--set").arg(format!("{key}={value}"));
            }
            command.args(["--set", &format!("listen={listen}"), "--set", &format!("api_listen={api}")]);
            command.env("QUORATE_LOG", "error").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let child = command.kill_on_drop(true).spawn().context("a node could not be started")?;
            nodes.push((format!("node{number}"), child));
            endpoints.push(format!("http://{api}").parse()?);
        }
        let passphrase = passphrase(folder)?;
        let mut clients = Vec::new();
        for _ in 0..count {
            let initiator =
                key_file::load(&folder.join(INITIATOR_FILE), IdentityKind::Initiator, &passphrase)?;
            clients.push(Client::new(endpoints.clone(), *peers.cluster(), initiator)?);
            endpoints.rotate_left(1);
        }
        let mut cluster = Self { nodes, clients, ready_after: Duration::ZERO };
        cluster.wait_until_ready(folder, count, started).await?;
        cluster.ready_after = started.elapsed();
        Ok(cluster)
    }

    async fn wait_until_ready(&mut self, folder: &Path, count: u16, started: Instant) -> anyhow::Result<()> {
        for ((name, child), client) in self.nodes.iter_mut().zip(&self.clients) {
            while !client.ready().await.is_ok_and(|readiness| readiness.ready && readiness.reachable == count)
            {
                if let Some(status) = child.try_wait()? {
                    let log = folder.join(&*name).join("log");
                    bail!("{name} ended with {status}: {}", std::fs::read_to_string(log).unwrap_or_default());
                }
                if started.elapsed() > READY {
                    bail!("the nodes were not ready within {} s", READY.as_secs());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// One client for each node, which asks it first.
    pub(crate) fn clients(&self) -> Vec<Client> {
        self.clients.clone()
    }

    /// Names and process ids of the nodes.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (&str, u32)> {
        self.nodes.iter().filter_map(|(name, child)| Some((name.as_str(), child.id()?)))
    }

    /// Asks all nodes to stop, and waits for it.
    pub(crate) async fn stop(mut self) {
        for (_, child) in &self.nodes {
            let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
            if let Some(pid) = pid {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
            }
        }
        for (name, child) in &mut self.nodes {
            if let Err(error) = child.wait().await {
                tracing::warn!(node = %name, %error, "could not be waited for");
            }
        }
    }
}
