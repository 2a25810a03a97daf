//! `node check-config`: reads a configuration and what it names, and tells what a start would find.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quorate_identity::envelope::Passphrase;
use quorate_identity::key_file;
use quorate_identity::peers::Peers;
use quorate_keys::Identity;
use quorate_node::config::{Config, Overrides, PassphraseSource};
use serde::Serialize;

use super::{advised, setting};
use crate::failure::{Failure, plain, with_causes};
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The configuration file. Environment variables and --set win over it.
    #[arg(long, value_name = "FILE", env = "QUORATE_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, as NAME=VALUE; may be repeated.
    #[arg(long = "set", value_name = "SETTING", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    node_id: String,
    listen: SocketAddr,
    api_listen: SocketAddr,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    what: &'static str,
    state: State,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// A node starts, but perhaps not as it was meant.
    Warning,
    /// No node starts.
    Error,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let overrides =
        arguments.settings.into_iter().fold(Overrides::new(), |all, (key, value)| all.set(&key, value));
    let file = arguments.config.as_deref();
    let mut config =
        Config::load(file, std::env::vars(), &overrides).map_err(|error| advised(error, file))?;
    let source = std::mem::replace(&mut config.passphrase, PassphraseSource::Unset);
    let checks = checks(&config, source);
    let failed = checks.iter().filter(|check| check.state == State::Error).count();
    let report = Report {
        ok: failed == 0,
        node_id: config.node_id.to_string(),
        listen: config.listen,
        api_listen: config.api_listen,
        checks,
    };
    output::print(arguments.json, &report, || {
        let rows: Vec<_> = report
            .checks
            .iter()
            .map(|check| vec![check.what.to_owned(), check.state.name().to_owned(), check.detail.clone()])
            .collect();
        let summary = if report.ok { "can start" } else { "can't start" };
        format!(
            "{}\n\n{} {summary}: peers on {}, API on {}",
            output::table(&["WHAT", "STATE", "DETAIL"], &rows),
            report.node_id,
            report.listen,
            report.api_listen
        )
    })?;
    if failed > 0 {
        let text = if failed == 1 { "a check failed".into() } else { format!("{failed} checks failed") };
        return Err(Failure::Setting(text).into());
    }
    Ok(())
}

fn checks(config: &Config, source: PassphraseSource) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |what, state, detail: String| checks.push(Check { what, state, detail: plain(&detail) });
    add("settings", State::Ok, "all known, each with a value that it can have".to_owned());

    let peers = match Peers::load(&config.peers_path) {
        Ok(peers) => Some(peers),
        Err(error) => {
            add("peers", State::Error, error.to_string());
            None
        }
    };
    if let Some(peers) = &peers {
        match config.check_peers(peers) {
            Ok(()) => {
                let detail = format!(
                    "{}: {} nodes, {} among them, cluster {}",
                    config.peers_path.display(),
                    peers.len(),
                    config.node_id,
                    peers.cluster()
                );
                add("peers", State::Ok, detail);
            }
            Err(error) => add("peers", State::Error, error.to_string()),
        }
    }

    let stated = crate::identity::stated_node(&config.identity_path);
    let listed = peers.as_ref().and_then(|peers| peers.by_name(config.node_id.as_str()));
    match (&stated, listed.map(|peer| peer.identity)) {
        (Err(error), _) => add("identity", State::Error, with_causes(error)),
        (Ok(own), Some(listed)) if *own != listed => {
            let detail = format!(
                "{} holds {own}, but {} lists {listed} for {}: correct one of the two",
                config.identity_path.display(),
                config.peers_path.display(),
                config.node_id
            );
            add("identity", State::Error, detail);
        }
        (Ok(own), _) => {
            add("identity", State::Ok, format!("{}: {own}", config.identity_path.display()));
        }
    }

    let (state, detail) = passphrase(config, stated.ok(), source);
    add("passphrase", state, detail);
    let (state, detail) = store(&config.db_path);
    add("store", state, detail);

    let policy = peers.as_ref().map(|peers| config.read_policy(peers));
    let mut initiators = config.initiators.len();
    match (&policy, &config.policy_path) {
        (Some(Ok(Some(policy))), Some(path)) => {
            let active = policy.initiators().iter().filter(|initiator| !initiator.is_retired());
            initiators = active.count();
            let digest = hex::encode(policy.digest());
            let detail = format!("{}: version {}, SHA-256 {digest}", path.display(), policy.version());
            add("policy", State::Ok, detail);
        }
        (Some(Err(error)), _) => add("policy", State::Error, error.to_string()),
        (None, Some(path)) => {
            let detail = format!("{}: not read, without peers", path.display());
            add("policy", State::Warning, detail);
        }
        _ => {
            let detail = "none: whatever an initiator asks for is signed (policy_path names one)";
            add("policy", State::Warning, detail.to_owned());
        }
    }
    let (state, detail) = match initiators {
        0 => (State::Warning, "none: nobody may ask this node for anything".to_owned()),
        count => (State::Ok, format!("{count} may request")),
    };
    add("initiators", state, detail);
    if let Some(path) = &config.api_readers_path {
        match config.read_readers() {
            Ok(readers) if readers.is_empty() => {
                add("readers", State::Warning, format!("{}: none", path.display()));
            }
            Ok(readers) => {
                let count = readers.len();
                add("readers", State::Ok, format!("{}: {count} may read by a token", path.display()));
            }
            Err(error) => add("readers", State::Error, error.to_string()),
        }
    }
    if let Some(files) = &config.api_tls {
        let whose = if files.client_authorities.is_some() { "and of clients" } else { "of the node alone" };
        match files.check() {
            Ok(()) => add("API", State::Ok, format!("TLS 1.3, with a certificate {whose}")),
            Err(error) => add("API", State::Error, error.to_string()),
        }
    } else if config.is_api_in_plain() {
        let detail = format!(
            "{} faces a network, in plain HTTP: set api_tls_cert and api_tls_key, or put TLS in front",
            config.api_listen
        );
        add("API", State::Warning, detail);
    }
    checks
}

/// Whether there is a passphrase, and it opens the identity. Nobody is asked for one.
fn passphrase(config: &Config, identity: Option<Identity>, source: PassphraseSource) -> (State, String) {
    let place = match &source {
        PassphraseSource::Given(_) => "from the environment or the configuration".to_owned(),
        PassphraseSource::File(path) => path.display().to_string(),
        _ => return (State::Warning, "none is set: a node asks for it, on a terminal only".to_owned()),
    };
    let passphrase: Passphrase = match source.read() {
        Ok(passphrase) => passphrase,
        Err(error) => return (State::Error, error.to_string()),
    };
    if identity.is_none() {
        return (State::Ok, format!("{place}: not tried, without an identity"));
    }
    match key_file::load_node(&config.identity_path, &passphrase) {
        Ok(_) => (State::Ok, format!("{place}: opens the identity")),
        Err(error) => (State::Error, format!("{place}: {error}")),
    }
}

/// Whether the store is there. It is not opened: the node may be running.
fn store(path: &Path) -> (State, String) {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => (State::Error, format!("{shown} is no file")),
        Ok(_) => match std::fs::OpenOptions::new().read(true).write(true).open(path) {
            Ok(_) => (State::Ok, format!("{shown}: there, not opened")),
            Err(error) => (State::Error, format!("{shown}: {error}")),
        },
        Err(error) => (State::Error, format!("{shown}: {error}; `quorate node init` makes it")),
    }
}
