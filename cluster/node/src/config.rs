//! The configuration of a node: YAML file < environment < flags.
//!
//! Each setting has one name in the file, `QUORATE_<NAME>` in the environment, and for some an older name that other
//! deployments use (`NODE_ID`, `DB_PATH`, …). Values are parsed once, whatever they come from, so that every error
//! names the place that has to be changed. A key that does not exist is an error and names the nearest that does;
//! a setting of something that is not built in is an error too, rather than silently without effect.
//!
//! Paths in the file are relative to the file's folder, others to the working directory.

mod layer;
mod servers;
mod settings;
mod value;

pub(crate) use value::duration;

#[cfg(test)]
mod tests;

use crate::readers::Readers;
use crate::store::Passphrase;
use layer::Layers;
use quorate_http::tls::{TlsError, TlsFiles};
use quorate_identity::peers::{NodeName, PeerAddress, Peers};
use quorate_keys::Principal;
use quorate_policy::{Policy, PolicyError};
use quorate_request::ClusterId;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// How nodes reach each other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Transport {
    /// Each dials each, at the address in the peers file.
    Direct,
    /// Through NATS.
    Nats(Box<quorate_broker::Options>),
}

/// Where this node is to be found by the others.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Consul {
    /// How Consul is used.
    pub options: quorate_discovery::Options,
    /// Where the others reach this node, if not at its address in the peers file.
    pub advertise: Option<PeerAddress>,
}

/// Where the passphrase comes from. Never from the command line, where other users see it.
#[derive(Debug)]
#[non_exhaustive]
pub enum PassphraseSource {
    /// The environment or the YAML file gave it.
    Given(Passphrase),
    /// A file holds it.
    File(PathBuf),
    /// Nothing was said; a program with a terminal may ask.
    Unset,
}

impl PassphraseSource {
    /// The passphrase. Of a file: its content without a final line break.
    ///
    /// # Errors
    /// When there is none, or the file cannot be read.
    pub fn read(self) -> Result<Passphrase, ConfigError> {
        let path = match self {
            Self::Given(passphrase) => return Ok(passphrase),
            Self::Unset => return Err(ConfigError::NoPassphrase),
            Self::File(path) => path,
        };
        Passphrase::from_file(&path).map_err(|source| ConfigError::File { path, source })
    }
}

/// What a node is told to be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// This node's name in the peers file.
    pub node_id: NodeName,
    /// The folder of the node's files.
    pub data_dir: PathBuf,
    /// The store.
    pub db_path: PathBuf,
    /// The identity file.
    pub identity_path: PathBuf,
    /// The peers file.
    pub peers_path: PathBuf,
    /// What the cluster signs, and for whom. Without one, whatever an initiator signs.
    pub policy_path: Option<PathBuf>,
    /// Where to listen for peers.
    pub listen: SocketAddr,
    /// Where to serve the API.
    pub api_listen: SocketAddr,
    /// TLS of the API; without it, plain HTTP.
    pub api_tls: Option<TlsFiles>,
    /// Who may read by a token.
    pub api_readers_path: Option<PathBuf>,
    /// Whether metrics are for readers alone.
    pub metrics_need_token: bool,
    /// Requests of one initiator or reader in a second; 0 for no limit.
    pub client_rate: u32,
    /// Requests of one initiator or reader at once.
    pub client_burst: u32,
    /// Requests from one address in a minute that prove nobody to be behind them; 0 for no limit.
    pub auth_failures_per_minute: u32,
    /// Opens the store and the identity file.
    pub passphrase: PassphraseSource,
    /// Keys that may request, of Ed25519 or P-256.
    pub initiators: Vec<Principal>,
    /// The threshold that the cluster is meant for, checked at start against the number of nodes.
    pub threshold: Option<u16>,
    /// How many nodes the operator counts on; checked against the peers file.
    pub total_nodes: Option<u16>,
    /// Key generations at the same time.
    pub max_concurrent_keygen: usize,
    /// Signings at the same time.
    pub max_concurrent_signing: usize,
    /// Requests of each kind that may wait for others to end.
    pub max_waiting: usize,
    /// From a request to its answer, all attempts included.
    pub request_timeout: Duration,
    /// For a peer's message of a round, before it counts as silent.
    pub round_timeout: Duration,
    /// Committees tried for one request.
    pub attempts: u32,
    /// How often the others are told where this node stands, and countersign the head of its audit log.
    pub standing_period: Duration,
    /// Allows thresholds below a majority of the holders: fewer than half of them can then sign, and two disjoint
    /// quorums may act without knowing of each other.
    pub allow_minority_threshold: bool,
    /// Allows resharing without approvals, where there is no policy with authorizers: then every key that may ask for it decides who holds the
    /// shares of wallets.
    pub reshare_without_authorizers: bool,
    /// Makes auxiliary information for the whole cluster as soon as all of its nodes are up, without waiting for the first signature
    /// that needs it.
    pub auxiliary_at_start: bool,
    /// Pairs of safe primes kept ready for the next auxiliary information.
    pub prime_pool: usize,
    /// Presignatures kept ready for each wallet for which this node is asked to sign.
    pub presign_pool: usize,
    /// Presignatures of one wallet that this node keeps for one owner at most.
    pub max_presignatures: usize,
    /// Runs of presigning and of making auxiliary information at the same time.
    pub max_concurrent_presign: usize,
    /// Threads for what takes long, besides signatures.
    pub work_threads: usize,
    /// Whether holders keep their shares of the epoch before until the next resharing.
    pub keep_epochs: bool,
    /// How old shares become before the nodes refresh them on their own.
    pub refresh_schedule: crate::schedule::Schedule,
    /// How this node reaches the others.
    pub transport: Transport,
    /// Where this node is announced, and finds the others.
    pub consul: Option<Consul>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How the node keeps backups, if it does.
    pub backups: Option<crate::backup::Plan>,
}

/// Settings from flags, by their names in the file. They win over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides(BTreeMap<String, String>);

impl Overrides {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.0.insert(key.to_owned(), value.to_string());
        self
    }

    /// Adds one if the flag was given.
    #[must_use]
    pub fn set_some(self, key: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The YAML file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// Why a configuration is not accepted. Always the operator's to correct.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The file is not YAML, or not a mapping of settings.
    #[error("{}: {detail}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        detail: String,
    },
    /// There is no such setting.
    #[error("{origin}: there is no setting {key:?}{}", nearest_hint(.nearest.as_deref()))]
    UnknownKey {
        /// Where.
        origin: Origin,
        /// The key as written.
        key: String,
        /// The setting with the most similar name.
        nearest: Option<String>,
    },
    /// A value that its setting cannot take.
    #[error("{origin}: {key}: {detail}")]
    Value {
        /// Where.
        origin: Origin,
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// One setting twice in the same place, under two names.
    #[error("{first} and {second} both set {key}, differently: keep one")]
    Conflict {
        /// The setting.
        key: &'static str,
        /// One place.
        first: Origin,
        /// The other.
        second: Origin,
    },
    /// A setting without which there is no node.
    #[error("{key} is not set: in the configuration file, or as environment variable QUORATE_{}", .key.to_uppercase())]
    Missing {
        /// The setting.
        key: &'static str,
    },
    /// Passphrases do not belong on a command line.
    #[error("a passphrase is never taken from the command line: use passphrase_file or QUORATE_PASSPHRASE")]
    PassphraseFlag,
    /// Nothing gives a passphrase.
    #[error("no passphrase: set passphrase_file, or the environment variable QUORATE_PASSPHRASE")]
    NoPassphrase,
    /// This node is not in the peers file.
    #[error("node_id {node} is not in the peers file, which has: {known}")]
    NotAPeer {
        /// The configured name.
        node: NodeName,
        /// The names there.
        known: String,
    },
    /// The operator counts on another number of nodes.
    #[error("total_nodes is {expected}, the peers file lists {found}")]
    TotalNodes {
        /// As configured.
        expected: u16,
        /// As listed.
        found: usize,
    },
    /// The policy is not accepted.
    #[error("{}: {source}", .path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// The policy is another cluster's.
    #[error("{} is the policy of cluster {asked}, and the peers file is of {this}", .path.display())]
    OtherClustersPolicy {
        /// The file.
        path: PathBuf,
        /// The cluster that it names.
        asked: ClusterId,
        /// This one.
        this: ClusterId,
    },
    /// Initiators in two places.
    #[error("initiators is set, but {} names the initiators: keep one of the two", .path.display())]
    InitiatorsTwice {
        /// The policy.
        path: PathBuf,
    },
    /// The certificate, the key or the authorities of the API's TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file with readers is not accepted.
    #[error("{}: {detail}", .path.display())]
    Readers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A threshold that is not allowed.
    #[error("threshold: {0}")]
    Threshold(#[from] ThresholdRefused),
}

/// Reads a policy from its file, whatever it is checked against.
///
/// # Errors
/// When there is no such file, or it is no policy.
pub fn read_policy_file(path: &Path) -> Result<Policy, ConfigError> {
    let failed = |source| ConfigError::File { path: path.to_owned(), source };
    let refused = |source| ConfigError::Policy { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > Policy::MAX_BYTES as u64 {
        let got = usize::try_from(size).unwrap_or(usize::MAX);
        return Err(refused(PolicyError::TooLarge { got, limit: Policy::MAX_BYTES }));
    }
    Policy::read(&std::fs::read(path).map_err(failed)?).map_err(refused)
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// Why a threshold is refused. A threshold is the number of signers, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdRefused {
    /// One signer is no threshold.
    #[error("{0} of {1}: at least 2 must sign")]
    TooFew(u16, usize),
    /// More signers than holders.
    #[error("{0} of {1}: more signers than there are holders")]
    TooMany(u16, usize),
    /// Less than a majority, and the operator has not allowed that.
    #[error("{0} of {1}: fewer than a majority ({needed}); allow_minority_threshold allows it by name", needed = .1 / 2 + 1)]
    Minority(u16, usize),
}

impl Config {
    /// Reads the file, if one is given, and puts the environment and the flags over it.
    ///
    /// `environment` is usually [`std::env::vars`]; names that are not ours are left alone.
    ///
    /// # Errors
    /// The first thing that is wrong, with the place to correct it.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = file {
            layers.read_file(path)?;
        }
        layers.read_environment(environment)?;
        layers.read_overrides(overrides.0.iter())?;
        settings::resolve(layers)
    }

    /// Checks what only the peers file can tell: that this node is in it, how many nodes there are, and that the
    /// default threshold fits them.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn check_peers(&self, peers: &Peers) -> Result<(), ConfigError> {
        if peers.by_name(self.node_id.as_str()).is_none() {
            let known = peers.all().iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(ConfigError::NotAPeer { node: self.node_id.clone(), known });
        }
        if let Some(expected) = self.total_nodes
            && usize::from(expected) != peers.len()
        {
            return Err(ConfigError::TotalNodes { expected, found: peers.len() });
        }
        if let Some(threshold) = self.threshold {
            self.check_threshold(threshold, peers.len())?;
        }
        Ok(())
    }

    /// Reads the policy, if one is named, and checks it against the rest.
    ///
    /// # Errors
    /// What is wrong with it, with the place to correct it.
    pub fn read_policy(&self, peers: &Peers) -> Result<Option<Policy>, ConfigError> {
        let Some(path) = self.policy_path.clone() else { return Ok(None) };
        let policy = read_policy_file(&path)?;
        let this = *peers.cluster();
        match policy.cluster() {
            Some(asked) if *asked != this => {
                return Err(ConfigError::OtherClustersPolicy { path, asked: *asked, this });
            }
            _ => {}
        }
        if !self.initiators.is_empty() {
            return Err(ConfigError::InitiatorsTwice { path });
        }
        Ok(Some(policy))
    }

    /// Reads who may read by a token.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read_readers(&self) -> Result<Readers, ConfigError> {
        let Some(path) = &self.api_readers_path else { return Ok(Readers::default()) };
        let failed = |source| ConfigError::File { path: path.clone(), source };
        let refused = |detail: String| ConfigError::Readers { path: path.clone(), detail };
        if std::fs::metadata(path).map_err(failed)?.len() > Readers::MAX_BYTES {
            return Err(refused(format!("it has more than {} bytes", Readers::MAX_BYTES)));
        }
        Readers::read(&std::fs::read(path).map_err(failed)?).map_err(refused)
    }

    /// Whether the API faces a network without TLS of its own. A proxy in front may have it.
    #[must_use]
    pub fn is_api_in_plain(&self) -> bool {
        self.api_tls.is_none() && !self.api_listen.ip().is_loopback()
    }

    /// Whether this operator allows `threshold` of `total`.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn check_threshold(&self, threshold: u16, total: usize) -> Result<(), ThresholdRefused> {
        if threshold < 2 {
            Err(ThresholdRefused::TooFew(threshold, total))
        } else if usize::from(threshold) > total {
            Err(ThresholdRefused::TooMany(threshold, total))
        } else if usize::from(threshold) < total / 2 + 1 && !self.allow_minority_threshold {
            Err(ThresholdRefused::Minority(threshold, total))
        } else {
            Ok(())
        }
    }
}
