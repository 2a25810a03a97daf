//! How often a client may ask, and how often an address may fail to prove who it is.
//!
//! A client is counted when it has proved who it is, so that nobody can use up another's requests. Failures are counted by
//! address, and limited as failures: who can prove who it is is served, also from an address from which somebody else can't.
//! Behind a proxy all clients may have the same one.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use quorate_http::rate::{Buckets, Rate, caller_of};
use quorate_keys::Principal;

use crate::config::Config;
use crate::metrics::Metrics;

/// Initiators and readers are those of the configuration: more than anybody has.
const CLIENTS: usize = 4096;
/// Addresses with failures that are remembered.
const ADDRESSES: usize = 4096;

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Initiator(Principal),
    Reader(String),
}

/// Why a request is not served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exceeded {
    /// What there are too many of.
    pub(super) of: &'static str,
    /// When to ask again.
    pub(super) wait: Duration,
}

/// The limits of a node, none where there is none.
pub(super) struct Limits {
    clients: Option<Buckets<Client>>,
    failures: Option<Buckets<IpAddr>>,
}

impl Limits {
    pub(super) fn new(config: &Config) -> Self {
        let clients = Rate::new(config.client_rate, Duration::from_secs(1), config.client_burst);
        let per_minute = config.auth_failures_per_minute;
        let failures = Rate::new(per_minute, Duration::from_secs(60), per_minute);
        Self {
            clients: clients.map(|rate| Buckets::new(rate, CLIENTS)),
            failures: failures.map(|rate| Buckets::new(rate, ADDRESSES)),
        }
    }

    /// A client asks, who has proved who it is.
    pub(super) fn asked(&self, client: &Client, metrics: &Metrics) -> Result<(), Exceeded> {
        let Some(clients) = &self.clients else { return Ok(()) };
        clients.take(client, Instant::now()).map_err(|wait| {
            metrics.limited("client");
            Exceeded { of: "requests of this client", wait }
        })
    }

    /// Somebody at this address could not prove who it is. The address is unknown where no socket is served.
    pub(super) fn failed(&self, address: Option<IpAddr>, metrics: &Metrics) -> Result<(), Exceeded> {
        metrics.unauthenticated();
        let (Some(failures), Some(address)) = (&self.failures, address) else { return Ok(()) };
        failures.take(&caller_of(address), Instant::now()).map_err(|wait| {
            metrics.limited("address");
            Exceeded { of: "requests from this address that nobody is proved to have made", wait }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn limits(settings: &[(&str, u32)]) -> Limits {
        let overrides = Overrides::new().set("node_id", "node1");
        let overrides = settings.iter().fold(overrides, |all, (key, value)| all.set(key, value));
        Limits::new(&Config::load(None, Vec::new(), &overrides).unwrap())
    }

    #[test]
    fn each_client_has_its_own_requests() {
        let (limits, metrics) = (limits(&[("client_rate", 1), ("client_burst", 3)]), Metrics::default());
        for client in [Client::Reader("a".into()), Client::Reader("b".into())] {
            for _ in 0..3 {
                limits.asked(&client, &metrics).unwrap();
            }
            let exceeded = limits.asked(&client, &metrics).unwrap_err();
            assert!(exceeded.wait <= Duration::from_secs(1), "{exceeded:?}");
        }
    }

    #[test]
    fn failures_of_an_address_are_limited_and_those_of_another_are_not() {
        let (limits, metrics) = (limits(&[("auth_failures_per_minute", 2)]), Metrics::default());
        let address = |text: &str| Some(text.parse().unwrap());
        for _ in 0..2 {
            limits.failed(address("2001:db8::1"), &metrics).unwrap();
        }
        // The same host under another of its addresses.
        let exceeded = limits.failed(address("2001:db8::2"), &metrics).unwrap_err();
        assert!(exceeded.wait <= Duration::from_secs(30), "{exceeded:?}");
        limits.failed(address("10.0.0.1"), &metrics).unwrap();
        limits.failed(None, &metrics).unwrap();
    }

    #[test]
    fn zero_is_no_limit() {
        let settings = [("client_rate", 0), ("client_burst", 1), ("auth_failures_per_minute", 0)];
        let (limits, metrics) = (limits(&settings), Metrics::default());
        for _ in 0..1000 {
            limits.asked(&Client::Reader("a".into()), &metrics).unwrap();
            limits.failed(Some([10, 0, 0, 1].into()), &metrics).unwrap();
        }
    }
}
