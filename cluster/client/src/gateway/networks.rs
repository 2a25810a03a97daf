//! From where a gateway may be asked.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// From where a gateway may be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Networks {
    /// From this machine.
    #[default]
    Loopback,
    /// From these networks.
    Named(Vec<Network>),
    /// From anywhere.
    Any,
}

/// A network: an address and how many of its bits all addresses in it have in common, as in `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text names no networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidNetwork(String);

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

/// What is left of a number of `width` bits without its first `bits`.
fn host(number: u128, width: u8, bits: u8) -> u128 {
    let rest = u32::from(width.saturating_sub(bits));
    number & 1_u128.checked_shl(rest).map_or(u128::MAX, |end| end.wrapping_sub(1))
}

impl Network {
    /// Whether an address is in it. One of IPv4 in the disguise of IPv6 is one of IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((own, width), (other, other_width)) = (number(self.address), number(address.to_canonical()));
        width == other_width && host(own ^ other, width, 0) == host(own ^ other, width, self.bits)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || {
            InvalidNetwork(format!(
                "{text:?} is no network: expected one as in 10.0.0.0/8 or fd00::/8, or an address"
            ))
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let (own, width) = number(address);
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| invalid())?
            }
            Some(_) => return Err(invalid()),
        };
        if bits > width {
            return Err(invalid());
        }
        if address.to_canonical() != address {
            let plain = address.to_canonical();
            return Err(InvalidNetwork(format!(
                "{text} is of IPv4: write {plain}, and its own number of bits"
            )));
        }
        if host(own, width, bits) != 0 {
            // It may have been meant to be one address, or the network: they are not the same.
            return Err(InvalidNetwork(format!(
                "{text}: {address} is an address in that network, and not its first one"
            )));
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Networks {
    /// Whether an address may ask.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        match self {
            Self::Loopback => address.to_canonical().is_loopback(),
            Self::Named(networks) => networks.iter().any(|network| network.contains(address)),
            Self::Any => true,
        }
    }
}

impl FromStr for Networks {
    type Err = InvalidNetwork;

    /// Networks joined by commas, or `any`.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        if text.trim() == "any" {
            return Ok(Self::Any);
        }
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Self::Named)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::Any => f.write_str("any"),
            Self::Named(networks) => {
                let networks: Vec<_> = networks.iter().map(Network::to_string).collect();
                f.write_str(&networks.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(networks: &str, address: &str) -> bool {
        networks.parse::<Networks>().unwrap().contain(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_a_network_by_its_first_bits() {
        for (networks, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("10.1.2.0/31", "10.1.2.1", "10.1.2.2"),
            ("172.16.0.0/12, 192.168.0.0/16", "192.168.7.7", "172.32.0.1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("0.0.0.0/0", "1.2.3.4", "2001:db8::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
        ] {
            assert!(contain(networks, inside), "{networks} {inside}");
            assert!(!contain(networks, outside), "{networks} {outside}");
        }
        assert!(contain("any", "1.2.3.4") && contain("any", "::1"));
        let loopback = Networks::default();
        assert!(loopback.contain("127.9.9.9".parse().unwrap()) && loopback.contain("::1".parse().unwrap()));
        assert!(loopback.contain("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!loopback.contain("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (bad, said) in [
            ("", "is no network"),
            ("10.0.0.0/33", "is no network"),
            ("10.0.0.0/", "is no network"),
            ("10.0.0.0/+8", "is no network"),
            ("10.0.0.0/8,", "is no network"),
            ("10.0.0/8", "is no network"),
            ("network", "is no network"),
            ("any,10.0.0.0/8", "is no network"),
            ("fd00::/129", "is no network"),
            ("10.0.0.1/8", "not its first one"),
            ("::ffff:10.0.0.0/104", "is of IPv4"),
        ] {
            let refused = bad.parse::<Networks>().unwrap_err().to_string();
            assert!(refused.contains(said), "{bad}: {refused}");
        }
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        for text in ["any", "10.0.0.0/8,fd00::/8", "10.1.2.3/32"] {
            assert_eq!(text.parse::<Networks>().unwrap().to_string(), text);
        }
    }
}
