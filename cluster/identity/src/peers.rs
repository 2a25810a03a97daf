//! The peers file: which cluster this is, and who its nodes are.
//!
//! ```yaml
//! cluster: "0x…"            # 32 bytes, made once by `peers generate`
//! peers:
//!   - name: node1
//!     identity: "0x…"       # Ed25519, the node's TLS key
//!     address: "10.0.0.1:7000"
//! ```
//! Every node has the same file. It holds no secrets, and everything rests on it: an identity in it is a node.

use crate::files;
use quorate_keys::Identity;
use quorate_request::ClusterId;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The most nodes that a cluster may have.
pub const MAX_PEERS: usize = 100;
/// No honest file comes near; read no further.
const MAX_FILE: u64 = 1024 * 1024;

/// The name of a node: 1 to 64 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NodeName(String);

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a node name: 1 to 64 characters of a-z, 0-9 and -")]
pub struct InvalidNodeName(String);

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidNodeName(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Where a node listens for its peers: host and port. The host is resolved when dialling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct PeerAddress(String);

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: host:port, [IPv6]:port, with a port from 1 to 65535")]
pub struct InvalidAddress(String);

impl PeerAddress {
    /// As text, for a resolver.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default()
    }
}

impl FromStr for PeerAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.chars().take(300).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port_is_fine =
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0);
        let host_is_fine = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(literal) => literal.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                (1..=253).contains(&host.len())
                    && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        // One spelling of an address, so that two peers cannot share one unnoticed.
        if port_is_fine && host_is_fine && !port.starts_with('0') {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// What people call it.
    pub name: NodeName,
    /// What it proves to be.
    pub identity: Identity,
    /// Where it is reached.
    pub address: PeerAddress,
}

/// What is wrong with a set of peers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeersFault {
    /// Not YAML of our form.
    #[error("{0}")]
    Syntax(String),
    /// None, or too many.
    #[error("it lists {0} peers; a cluster has 1 to {MAX_PEERS}")]
    Count(usize),
    /// A name.
    #[error("peer {position}: {error}")]
    Name {
        /// Counted from 1.
        position: usize,
        /// What is wrong.
        error: InvalidNodeName,
    },
    /// An address.
    #[error("peer {name}: {error}")]
    Address {
        /// Whose.
        name: NodeName,
        /// What is wrong.
        error: InvalidAddress,
    },
    /// An identity.
    #[error("peer {name}: {detail}")]
    Identity {
        /// Whose.
        name: NodeName,
        /// What is wrong.
        detail: String,
    },
    /// The cluster id.
    #[error("cluster id: {0}")]
    Cluster(String),
    /// The same name twice.
    #[error("two peers are called {0}")]
    DuplicateName(NodeName),
    /// The same identity twice.
    #[error("{first} and {second} have the same identity")]
    DuplicateIdentity {
        /// One of them.
        first: NodeName,
        /// The other.
        second: NodeName,
    },
    /// The same address twice.
    #[error("{first} and {second} have the same address")]
    DuplicateAddress {
        /// One of them.
        first: NodeName,
        /// The other.
        second: NodeName,
    },
}

/// Why a peers file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeersError {
    /// It cannot be read or written.
    #[error("peers file {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It is there already, and is never overwritten: a new cluster id would make it another cluster.
    #[error("peers file {} exists already and is never overwritten", .path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// Its content.
    #[error("peers file {}: {fault}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: PeersFault,
    },
}

/// The nodes of one cluster, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    cluster: ClusterId,
    peers: Vec<Peer>,
    by_identity: HashMap<Identity, usize>,
    by_name: HashMap<NodeName, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a peers file: `cluster` and `peers`")]
struct RawPeers {
    cluster: String,
    peers: Vec<RawPeer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a peer: `name`, `identity` and `address`")]
struct RawPeer {
    name: String,
    identity: String,
    address: String,
}

#[derive(Serialize)]
struct WrittenPeers<'a> {
    cluster: String,
    peers: &'a [Peer],
}

impl Peers {
    /// Checks a set of peers.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn new(cluster: ClusterId, peers: Vec<Peer>) -> Result<Self, PeersFault> {
        if !(1..=MAX_PEERS).contains(&peers.len()) {
            return Err(PeersFault::Count(peers.len()));
        }
        let mut by_name = HashMap::with_capacity(peers.len());
        let mut by_identity = HashMap::with_capacity(peers.len());
        let mut addresses: HashMap<&str, &NodeName> = HashMap::with_capacity(peers.len());
        for (position, peer) in peers.iter().enumerate() {
            if by_name.insert(peer.name.clone(), position).is_some() {
                return Err(PeersFault::DuplicateName(peer.name.clone()));
            }
            if let Some(earlier) = by_identity.insert(peer.identity, position) {
                let first = peers.get(earlier).map_or_else(|| peer.name.clone(), |peer| peer.name.clone());
                return Err(PeersFault::DuplicateIdentity { first, second: peer.name.clone() });
            }
            if let Some(first) = addresses.insert(peer.address.as_str(), &peer.name) {
                return Err(PeersFault::DuplicateAddress { first: first.clone(), second: peer.name.clone() });
            }
        }
        Ok(Self { cluster, peers, by_identity, by_name })
    }

    /// A new cluster of these peers, with an id of its own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn generate(peers: Vec<Peer>, rng: &mut (impl RngCore + CryptoRng)) -> Result<Self, PeersFault> {
        Self::new(ClusterId::generate(rng), peers)
    }

    /// Parses the text of a peers file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PeersFault> {
        let raw: RawPeers =
            serde_norway::from_str(text).map_err(|error| PeersFault::Syntax(error.to_string()))?;
        let cluster =
            raw.cluster.parse::<ClusterId>().map_err(|error| PeersFault::Cluster(error.to_string()))?;
        // Counted before anything is computed on them.
        if raw.peers.len() > MAX_PEERS {
            return Err(PeersFault::Count(raw.peers.len()));
        }
        let mut peers = Vec::with_capacity(raw.peers.len());
        for (index, peer) in raw.peers.into_iter().enumerate() {
            let name: NodeName =
                peer.name.parse().map_err(|error| PeersFault::Name { position: index + 1, error })?;
            let identity = peer
                .identity
                .parse::<Identity>()
                .map_err(|error| PeersFault::Identity { name: name.clone(), detail: error.to_string() })?;
            let address =
                peer.address.parse().map_err(|error| PeersFault::Address { name: name.clone(), error })?;
            peers.push(Peer { name, identity, address });
        }
        Self::new(cluster, peers)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_yaml(&self) -> Result<String, PeersFault> {
        let written = WrittenPeers { cluster: self.cluster.to_string(), peers: &self.peers };
        serde_norway::to_string(&written).map_err(|error| PeersFault::Syntax(error.to_string()))
    }

    /// Reads a peers file.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, PeersError> {
        let failed = |source| PeersError::Io { path: path.to_path_buf(), source };
        let invalid = |fault| PeersError::Invalid { path: path.to_path_buf(), fault };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(invalid(PeersFault::Syntax(format!("larger than {MAX_FILE} bytes"))));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(invalid)
    }

    /// Writes a new peers file.
    ///
    /// # Errors
    /// When the file is there already, or cannot be written.
    pub fn save_new(&self, path: &Path) -> Result<(), PeersError> {
        let text = self.to_yaml().map_err(|fault| PeersError::Invalid { path: path.to_path_buf(), fault })?;
        files::write_new(path, text.as_bytes(), files::Access::Public).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => PeersError::AlreadyExists { path: path.to_path_buf() },
            _ => PeersError::Io { path: path.to_path_buf(), source },
        })
    }

    /// Which cluster this is.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// All peers, in the order of the file.
    #[must_use]
    pub fn all(&self) -> &[Peer] {
        &self.peers
    }

    /// How many.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a cluster is never empty")]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// The peer with this identity.
    #[must_use]
    pub fn by_identity(&self, identity: &Identity) -> Option<&Peer> {
        self.by_identity.get(identity).and_then(|&position| self.peers.get(position))
    }

    /// The peer of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Peer> {
        let name: NodeName = name.parse().ok()?;
        self.by_name.get(&name).and_then(|&position| self.peers.get(position))
    }

    /// The identities of the peers with these names, or the first name that is unknown.
    ///
    /// # Errors
    /// The unknown name.
    pub fn identities(&self, names: &[impl AsRef<str>]) -> Result<Vec<Identity>, String> {
        names
            .iter()
            .map(|name| {
                let name = name.as_ref();
                self.by_name(name).map(|peer| peer.identity).ok_or_else(|| name.to_owned())
            })
            .collect()
    }

    /// Every identity.
    #[must_use]
    pub fn identity_set(&self) -> HashSet<Identity> {
        self.peers.iter().map(|peer| peer.identity).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_keys::SigningIdentity;
    use rand_core::OsRng;

    fn identity() -> Identity {
        SigningIdentity::generate(&mut OsRng).identity()
    }

    fn peer(name: &str, address: &str) -> Peer {
        Peer { name: name.parse().unwrap(), identity: identity(), address: address.parse().unwrap() }
    }

    fn three() -> Peers {
        let peers = vec![
            peer("node1", "127.0.0.1:7001"),
            peer("node2", "node2.example:7000"),
            peer("node3", "[::1]:7003"),
        ];
        Peers::generate(peers, &mut OsRng).unwrap()
    }

    #[test]
    fn a_peers_file_reads_back_as_it_was_written_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.yaml");
        let peers = three();
        peers.save_new(&path).unwrap();
        assert_eq!(Peers::load(&path).unwrap(), peers);
        let error = three().save_new(&path).unwrap_err();
        assert!(matches!(&error, PeersError::AlreadyExists { .. }), "{error}");
        assert_eq!(Peers::load(&path).unwrap(), peers);
        assert_ne!(three().cluster(), peers.cluster());
    }

    #[test]
    fn peers_are_found_by_name_and_by_identity() {
        let peers = three();
        assert_eq!(peers.len(), 3);
        for peer in peers.all() {
            assert_eq!(peers.by_name(peer.name.as_str()), Some(peer));
            assert_eq!(peers.by_identity(&peer.identity), Some(peer));
        }
        assert_eq!(peers.by_name("node4"), None);
        assert_eq!(peers.by_name("Node 1"), None);
        assert_eq!(peers.by_identity(&identity()), None);
        assert_eq!(peers.identities(&["node2"]).unwrap(), [peers.all()[1].identity]);
        assert_eq!(peers.identities(&["node2", "node9"]).unwrap_err(), "node9");
        assert_eq!(peers.all()[2].address.port(), 7003);
    }

    #[test]
    fn duplicates_and_wrong_counts_are_refused_by_name() {
        let cluster = || ClusterId::generate(&mut OsRng);
        let (a, b) = (peer("a", "h:1"), peer("b", "h:2"));
        let fault = |peers: Vec<Peer>| Peers::new(cluster(), peers).unwrap_err().to_string();
        assert_eq!(
            fault(vec![a.clone(), Peer { name: a.name.clone(), ..b.clone() }]),
            "two peers are called a"
        );
        let same = fault(vec![a.clone(), Peer { identity: a.identity, ..b.clone() }]);
        assert_eq!(same, "a and b have the same identity");
        let same = fault(vec![a, Peer { address: "H:1".parse().unwrap(), ..b }]);
        assert_eq!(same, "a and b have the same address");
        assert_eq!(Peers::new(cluster(), Vec::new()), Err(PeersFault::Count(0)));
        let many = |count: usize| -> Vec<_> {
            (0..count).map(|n| peer(&format!("n{n}"), &format!("h:{}", n + 1))).collect()
        };
        assert!(Peers::new(cluster(), many(100)).is_ok());
        assert_eq!(Peers::new(cluster(), many(101)), Err(PeersFault::Count(101)));
        let written = three().to_yaml().unwrap();
        let doubled = written.clone() + written.split_once("peers:\n").unwrap().1;
        assert!(matches!(Peers::parse(&doubled), Err(PeersFault::DuplicateName(_))));
    }

    #[test]
    fn every_malformed_file_is_an_error_that_names_the_peer() {
        let good = three().to_yaml().unwrap();
        assert!(Peers::parse(&good).is_ok());
        let identity = three().all()[0].identity.to_string();
        for (from, to, hint) in [
            ("name: node2", "name: Node2", "peer 2"),
            ("name: node2", "name: ''", "peer 2"),
            ("name: node2", "names: node2", "names"),
            ("node2.example:7000", "node2.example", "peer node2"),
            ("node2.example:7000", "node2.example:0", "peer node2"),
            ("node2.example:7000", "node2 example:1", "peer node2"),
            ("cluster: ", "cluster: 1", "cluster"),
            ("cluster: ", "klaster: ", "klaster"),
            ("peers:", "peers: 3\nothers:", ""),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Peers::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(hint), "{to}: {error}");
        }
        let peers = three();
        let text = peers.to_yaml().unwrap();
        for bad in [
            "0x12",
            &identity[2..],
            &format!("0x{}", "00".repeat(32)),
            &format!("0x02{}", "00".repeat(31)),
            &format!("0x{}", "ff".repeat(32)),
        ] {
            let changed = text.replace(&peers.all()[1].identity.to_string(), bad);
            let error = Peers::parse(&changed).unwrap_err();
            assert!(
                matches!(&error, PeersFault::Identity { name, .. } if name.as_str() == "node2"),
                "{bad}: {error}"
            );
        }
        for text in ["", "x", "[]", "\u{0}", "cluster: &a [*a]"] {
            assert!(Peers::parse(text).is_err());
        }
        let missing = Peers::load(Path::new("/missing/peers.yaml")).unwrap_err().to_string();
        assert!(missing.contains("/missing/peers.yaml"), "{missing}");
    }

    #[test]
    fn names_and_addresses_keep_to_their_alphabet() {
        for name in ["a", "node-1", &"x".repeat(64)] {
            assert!(name.parse::<NodeName>().is_ok(), "{name}");
        }
        for name in ["", "A", "a_b", "a.b", "é", "a/b", &"x".repeat(65)] {
            assert!(name.parse::<NodeName>().is_err(), "{name}");
        }
        for address in ["h:1", "10.0.0.1:65535", "[::1]:7", "a-b.c:80"] {
            assert!(address.parse::<PeerAddress>().is_ok(), "{address}");
        }
        for address in [
            "", ":1", "h", "h:", "h:0", "h:65536", "h:+1", "h:01", "::1:7", "[::1]", "[x]:1", "h:1 ", "a@h:1",
        ] {
            assert!(address.parse::<PeerAddress>().is_err(), "{address}");
        }
    }
}
