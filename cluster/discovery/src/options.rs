//! Where Consul is, and how it is faced.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use quorate_tls::{Authorities, ClientCertificate};

/// How a node uses Consul.
#[derive(Debug, Clone)]
pub struct Options {
    /// The agent.
    pub url: ConsulUrl,
    /// A file with the token that the agent asks for.
    pub token: Option<PathBuf>,
    /// Who vouches for the agent behind `https://`, if not the authorities of the system.
    pub authorities: Option<Authorities>,
    /// What is shown to an agent that asks for a certificate.
    pub certificate: Option<ClientCertificate>,
    /// A file that keeps what was found, for a start while Consul is gone. Each record in it is believed as one of Consul's.
    pub kept: Option<PathBuf>,
    /// What the service is called: `quorate`.
    pub service: String,
    /// After how long without a word Consul calls a node critical. 15 s, of which a third passes between two words.
    pub ttl: Duration,
    /// How long Consul may wait until something changes, before it answers that nothing has. 30 s.
    pub wait: Duration,
}

impl Options {
    /// The defaults, for an agent.
    #[must_use]
    pub fn new(url: ConsulUrl) -> Self {
        Self {
            url,
            token: None,
            authorities: None,
            certificate: None,
            kept: None,
            service: "quorate".to_owned(),
            ttl: Duration::from_secs(15),
            wait: Duration::from_secs(30),
        }
    }
}

/// Where an agent of Consul is: `http://host:port` or `https://host:port`; `host:port` is the former, and its port 8500 if it
/// says none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsulUrl(Uri);

/// Not the address of an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an agent of Consul: http://host:port or https://host:port, and nothing after it")]
pub struct InvalidConsulUrl;

impl FromStr for ConsulUrl {
    type Err = InvalidConsulUrl;

    fn from_str(text: &str) -> Result<Self, InvalidConsulUrl> {
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = full.parse().map_err(|_| InvalidConsulUrl)?;
        let authority = uri.authority().ok_or(InvalidConsulUrl)?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let is_bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        if authority.host().is_empty() || authority.as_str().contains('@') || !is_bare {
            return Err(InvalidConsulUrl);
        }
        let port = authority.port_u16().unwrap_or(8500);
        let url = format!("{}://{}:{port}", scheme.ok_or(InvalidConsulUrl)?, authority.host());
        url.parse().map(Self).map_err(|_| InvalidConsulUrl)
    }
}

impl ConsulUrl {
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for ConsulUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown() {
        let read = |text: &str| text.parse::<ConsulUrl>().map(|url| url.to_string());
        for (text, shown) in [
            ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
            ("consul", "http://consul:8500"),
            ("consul:1", "http://consul:1"),
            ("https://consul.internal:8501/", "https://consul.internal:8501"),
        ] {
            assert_eq!(read(text).unwrap(), shown);
        }
        for refused in ["", "ftp://a", "http://", "http://a/b", "http://u:p@a", "http://a?x=1", "a b"] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
