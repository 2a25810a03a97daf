//! Values of arguments, with errors that say what would be right.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use quorate_keys::{Curve, Scheme};

/// A number within bounds.
pub(crate) fn number<T>(
    bounds: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| format!("expected a number from {} to {}", bounds.start(), bounds.end()))
    }
}

/// How many nodes.
pub(crate) fn nodes() -> impl Fn(&str) -> Result<u16, String> + Clone + Send + Sync + 'static {
    number(2..=100)
}

/// Where to listen.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".into())
}

/// Where an API is served.
pub(crate) fn endpoint(text: &str) -> Result<http::Uri, String> {
    let uri = text.parse().ok().filter(quorate_client::is_endpoint);
    uri.ok_or_else(|| {
        "expected http://host:port or https://host:port, such as http://127.0.0.1:8080".to_owned()
    })
}

/// The curves, for shells to complete.
pub(crate) fn curves() -> PossibleValuesParser {
    PossibleValuesParser::new(Curve::ALL.map(Curve::name))
}

/// The signature schemes, likewise.
pub(crate) fn schemes() -> impl TypedValueParser<Value = Scheme> {
    let names = PossibleValuesParser::new(Scheme::ALL.map(Scheme::name));
    names.try_map(|name| name.parse::<Scheme>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_number_out_of_bounds_is_told_the_bounds() {
        let parse = number::<u16>(2..=100);
        assert_eq!((parse("2"), parse("100")), (Ok(2), Ok(100)));
        for wrong in ["", "1", "101", "x", "-3", "99999999999", "2.5"] {
            assert_eq!(parse(wrong), Err("expected a number from 2 to 100".into()), "{wrong}");
        }
    }

    #[test]
    fn an_endpoint_is_an_address_without_a_path() {
        assert_eq!(endpoint("http://10.0.0.1:8080").unwrap(), "http://10.0.0.1:8080");
        assert_eq!(endpoint("https://node1").unwrap(), "https://node1");
        for wrong in ["", "nonsense", "http://", "ftp://node1", "127.0.0.1:1", "http://h:1/path"] {
            assert!(endpoint(wrong).unwrap_err().contains("http://host:port"), "{wrong}");
        }
    }
}
