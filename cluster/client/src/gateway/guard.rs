//! Keeps those away who may not ask an interface that signs for whoever reaches it: other networks, web pages, callers
//! without a token, and those who ask too often.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Uri, header};
use quorate_http::api::{refuse, refuse_for};
use quorate_http::rate::{Buckets, caller_of, whole_seconds};
use quorate_http::{Caller, bearer};
use quorate_request::{ErrorBody, ErrorCode, paths};

use super::{Access, Networks};
use crate::token::Tokens;

/// Addresses whose rate is remembered.
const ADDRESSES: usize = 4096;

/// What is checked of every request.
pub(super) struct Guard {
    networks: Networks,
    tokens: Option<Tokens>,
    rate: Option<Buckets<IpAddr>>,
}

impl Guard {
    pub(super) fn new(access: &Access) -> Arc<Self> {
        Arc::new(Self {
            networks: access.networks.clone(),
            tokens: access.tokens.clone(),
            rate: access.rate.map(|rate| Buckets::new(rate, ADDRESSES)),
        })
    }

    fn check(&self, caller: Option<IpAddr>, headers: &HeaderMap, target: &Uri) -> Result<(), Refused> {
        let forbidden = |reason: &str| Refused::For(ErrorCode::Forbidden, reason.to_owned());
        // Without a socket of its own to look at, a gateway can only believe what it is served by.
        let may_ask = match (caller, &self.networks) {
            (Some(address), networks) => networks.contain(address),
            (None, networks) => !matches!(networks, Networks::Named(_)),
        };
        if !may_ask {
            return Err(forbidden("this gateway is not for callers from your network (--allow-from)"));
        }
        self.check_page(headers, target).map_err(forbidden)?;
        if let (Some(rate), Some(address)) = (&self.rate, caller) {
            rate.take(&caller_of(address), Instant::now()).map_err(|wait| {
                let message =
                    format!("too many requests from this address; ask again in {} s", whole_seconds(wait));
                Refused::Until(ErrorBody::new(ErrorCode::RateLimited, message), wait)
            })?;
        }
        let Some(tokens) = self.tokens.as_ref().filter(|_| !is_public(target.path())) else { return Ok(()) };
        let unsigned = |reason: &str| Refused::For(ErrorCode::Unsigned, reason.to_owned());
        match bearer::shown(headers) {
            Ok(Some(token)) if tokens.contains(token) => Ok(()),
            Ok(Some(_)) => Err(unsigned("this gateway does not know this token")),
            Ok(None) => Err(unsigned("this gateway asks for a token, as Authorization: Bearer")),
            Err(reason) => Err(unsigned(reason)),
        }
    }

    /// Whether a browser sends this on behalf of a page.
    fn check_page(&self, headers: &HeaderMap, target: &Uri) -> Result<(), &'static str> {
        // Browsers send it with every request that could change something, and scripts can't leave it out.
        if headers.contains_key(header::ORIGIN) {
            return Err("requests from web pages are not accepted");
        }
        // Reads have no origin when a page calls "itself" under a name that resolves to this machine; the name
        // gives it away. Where other networks are let in, the gateway has names that it does not know; a page has no token.
        if self.networks != Networks::Loopback {
            return Ok(());
        }
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Uri>().ok());
        let host = named.as_ref().and_then(Uri::host).or_else(|| target.host());
        if host.is_some_and(is_local) {
            return Ok(());
        }
        Err("this gateway is reached as localhost or by its loopback address")
    }
}

/// Why a request is not let in.
#[derive(Debug)]
enum Refused {
    For(ErrorCode, String),
    Until(ErrorBody, std::time::Duration),
}

/// Refuses who may not ask.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().map(Caller::address);
    match guard.check(caller, request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(Refused::For(code, reason)) => refuse(&ErrorBody::new(code, reason)),
        Err(Refused::Until(error, wait)) => refuse_for(&error, wait),
    }
}

/// What says nothing of wallets: load balancers ask it, and people who want to know how to ask.
fn is_public(path: &str) -> bool {
    let path = path.strip_prefix(super::BELOW).unwrap_or(path);
    [paths::HEALTH, paths::READY, paths::OPENAPI, paths::DOCS].contains(&path)
}

fn is_local(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:8080".parse().unwrap());
        headers.insert(name, value.parse().unwrap());
        headers
    }

    fn guard_of(networks: &str) -> Arc<Guard> {
        let networks = if networks == "loopback" { Networks::Loopback } else { networks.parse().unwrap() };
        Guard::new(&Access { networks, ..Access::default() })
    }

    #[test]
    fn requests_of_web_pages_are_refused() {
        let uri = Uri::from_static("/api/v1/sign");
        for origin in ["https://evil.example", "null", "http://localhost:8080"] {
            for networks in ["loopback", "any", "127.0.0.0/8"] {
                assert!(guard_of(networks).check(HERE, &with("origin", origin), &uri).is_err());
            }
        }
    }

    #[test]
    fn a_loopback_gateway_answers_under_local_names_only() {
        let uri = Uri::from_static("/api/v1/wallets");
        let (loopback, any) = (guard_of("loopback"), guard_of("any"));
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"] {
            assert!(loopback.check(HERE, &with("host", host), &uri).is_ok(), "{host}");
        }
        for host in
            ["evil.example:8080", "10.0.0.1:8080", "localhost.evil.example", "", "[::2]:1", "127.0.0.1.x"]
        {
            assert!(loopback.check(HERE, &with("host", host), &uri).is_err(), "{host}");
            assert!(any.check(HERE, &with("host", host), &uri).is_ok(), "{host}");
        }
        assert!(loopback.check(HERE, &HeaderMap::new(), &uri).is_err());
    }

    #[test]
    fn other_networks_than_the_named_ones_are_refused() {
        let (uri, headers) = (Uri::from_static("/health"), with("accept", "*/*"));
        let asks = |guard: &Guard, caller: Option<&str>| {
            guard.check(caller.map(|caller| caller.parse().unwrap()), &headers, &uri).is_ok()
        };
        let named = guard_of("10.0.0.0/8");
        assert!(asks(&named, Some("10.1.1.1")) && asks(&named, Some("::ffff:10.1.1.1")));
        assert!(!asks(&named, Some("11.1.1.1")) && !asks(&named, Some("127.0.0.1")));
        assert!(!asks(&named, None), "nobody knows from where");
        let loopback = guard_of("loopback");
        assert!(asks(&loopback, Some("127.0.0.1")) && !asks(&loopback, Some("10.1.1.1")));
        assert!(asks(&guard_of("any"), Some("11.1.1.1")));
    }
}
