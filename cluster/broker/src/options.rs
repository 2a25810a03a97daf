//! Where the servers are, and how they are faced.

use std::fmt;
use std::str::FromStr;

use async_nats::ServerAddr;
use quorate_tls::{Authorities, ClientCertificate};

use crate::access::Access;

/// How a program connects.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where.
    pub servers: Servers,
    /// As whom.
    pub access: Access,
    /// Who vouches for the servers, if not the authorities of the system. Connections are by TLS then, as by `tls://`.
    pub authorities: Option<Authorities>,
    /// What is shown to servers that ask for a certificate.
    pub certificate: Option<ClientCertificate>,
}

/// The servers of one broker: one or more `nats://host:port` or `tls://host:port`, with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers(Vec<ServerAddr>);

/// Not servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {detail}; servers are nats://host:port or tls://host:port, with commas between them")]
pub struct InvalidServers {
    text: String,
    detail: String,
}

impl Default for Servers {
    fn default() -> Self {
        Self("nats://127.0.0.1:4222".parse().into_iter().collect())
    }
}

impl FromStr for Servers {
    type Err = InvalidServers;

    fn from_str(text: &str) -> Result<Self, InvalidServers> {
        let mut servers = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let invalid = |detail: &str| InvalidServers { text: shown(part), detail: detail.to_owned() };
            let server: ServerAddr = part.parse().map_err(|_| invalid("not a URL"))?;
            if !["nats", "tls"].contains(&server.scheme()) {
                return Err(invalid("not of a scheme that is spoken"));
            }
            if server.host().is_empty() {
                return Err(invalid("it has no host"));
            }
            // It would stand in logs, process lists and messages.
            if server.has_user_pass() || server.username().is_some() {
                return Err(invalid("secrets do not belong into the address: name a file of credentials"));
            }
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        if servers.is_empty() {
            return Err(InvalidServers { text: String::new(), detail: "there are none".to_owned() });
        }
        Ok(Self(servers))
    }
}

/// An address without what may be secret in it.
fn shown(address: &str) -> String {
    let bare = address.rsplit_once('@').map_or(address, |(_, host)| host);
    bare.chars().take(200).collect()
}

impl Servers {
    pub(crate) fn addresses(&self) -> Vec<ServerAddr> {
        self.0.clone()
    }

    pub(crate) fn need_tls(&self) -> bool {
        self.0.iter().any(ServerAddr::tls_required)
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}://{}:{}", server.scheme(), server.host(), server.port())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_shown() {
        let read = |text: &str| text.parse::<Servers>().map(|servers| servers.to_string());
        assert_eq!(read("nats://a:4222").unwrap(), "nats://a:4222");
        assert_eq!(read("a, tls://b:1,a").unwrap(), "nats://a:4222,tls://b:1");
        assert_eq!(Servers::default().to_string(), "nats://127.0.0.1:4222");
        assert!("tls://b".parse::<Servers>().unwrap().need_tls());
        for refused in ["", ",", "http://a", "ws://a", "nats://", "nats://a:99999"] {
            assert!(read(refused).is_err(), "{refused}");
        }
        let secret = read("nats://user:hunter2@host").unwrap_err().to_string();
        assert!(secret.contains("host") && !secret.contains("hunter2"), "{secret}");
    }
}
