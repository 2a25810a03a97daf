//! Keeps web pages away from an interface that signs for whoever reaches it.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Uri, header};
use quorate_http::api::refuse;
use quorate_request::{ErrorBody, ErrorCode};

use super::Exposure;

/// Refuses what a browser sends on behalf of a page.
pub(super) async fn refuse_web_pages(
    State(exposure): State<Exposure>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(reason) = check(exposure, request.headers(), request.uri()) {
        return refuse(&ErrorBody::new(ErrorCode::Forbidden, reason));
    }
    next.run(request).await
}

fn check(exposure: Exposure, headers: &HeaderMap, target: &Uri) -> Result<(), &'static str> {
    // Browsers send it with every request that could change something, and scripts can't leave it out.
    if headers.contains_key(header::ORIGIN) {
        return Err("requests from web pages are not accepted");
    }
    // Reads have no origin when a page calls "itself" under a name that resolves to this machine; the name
    // gives it away.
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Uri>().ok());
    let host = named.as_ref().and_then(Uri::host).or_else(|| target.host());
    match exposure {
        Exposure::Loopback if !host.is_some_and(is_local) => {
            Err("this gateway is reached as localhost or by its loopback address")
        }
        _ => Ok(()),
    }
}

fn is_local(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:8080".parse().unwrap());
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn requests_of_web_pages_are_refused() {
        let uri = Uri::from_static("/api/v1/sign");
        for origin in ["https://evil.example", "null", "http://localhost:8080"] {
            for exposure in [Exposure::Loopback, Exposure::Network] {
                assert!(check(exposure, &with("origin", origin), &uri).is_err());
            }
        }
    }

    #[test]
    fn a_loopback_gateway_answers_under_local_names_only() {
        let uri = Uri::from_static("/api/v1/wallets");
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"] {
            assert!(check(Exposure::Loopback, &with("host", host), &uri).is_ok(), "{host}");
        }
        for host in
            ["evil.example:8080", "10.0.0.1:8080", "localhost.evil.example", "", "[::2]:1", "127.0.0.1.x"]
        {
            assert!(check(Exposure::Loopback, &with("host", host), &uri).is_err(), "{host}");
            assert!(check(Exposure::Network, &with("host", host), &uri).is_ok(), "{host}");
        }
        assert!(check(Exposure::Loopback, &HeaderMap::new(), &uri).is_err());
    }
}
