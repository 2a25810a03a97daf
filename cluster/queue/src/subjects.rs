//! Where requests and results are.

use std::fmt;
use std::str::FromStr;

use quorate_keys::Identity;
use quorate_request::{Operation, RequestId};

/// What a client calls itself, so that its results are its own: 1 to 64 of `A-Z a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName(String);

/// Not the name of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a client's name: it has 1 to 64 characters of A-Z, a-z, 0-9, - and _")]
pub struct InvalidClientName;

impl ClientName {
    /// One that nobody else has.
    pub(crate) fn random(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = InvalidClientName;

    fn from_str(text: &str) -> Result<Self, InvalidClientName> {
        if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidClientName)
        }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

/// The operations, as subjects name them: all reads are one.
pub const OPERATIONS: [&str; 10] = [
    "keygen",
    "sign",
    "refresh",
    "reshare",
    "rollback",
    "presign",
    "auxiliary",
    "approve",
    "initiators",
    "read",
];

fn named(operation: &Operation) -> String {
    match operation {
        Operation::Read(_) => "read".to_owned(),
        operation => operation.to_string(),
    }
}

/// Where requests for an operation are: `mpc.sign.request`.
#[must_use]
pub fn request(operation: &Operation) -> String {
    requests_for(&named(operation))
}

/// The same for one of [`OPERATIONS`].
#[must_use]
pub fn requests_for(operation: &str) -> String {
    format!("mpc.{operation}.request")
}

/// Where the result of a request is: `mpc.sign.response.CLIENT.ID`.
#[must_use]
pub fn result(operation: &Operation, client: &ClientName, id: &RequestId) -> String {
    format!("mpc.{}.response.{client}.{}", named(operation), token(id))
}

/// All results of one client.
#[must_use]
pub fn results_of(client: &ClientName) -> String {
    format!("mpc.*.response.{client}.*")
}

/// Where it says what requests have to be encrypted to for one node.
#[must_use]
pub fn node(identity: &Identity) -> String {
    format!("mpc.node.recipient.{identity}")
}

/// A request id as part of a subject. One with characters that mean something there is `~` and its bytes in hexadecimal.
fn token(id: &RequestId) -> String {
    let id = id.as_str();
    if id.bytes().all(is_plain) { id.to_owned() } else { format!("~{}", hex::encode(id)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_be_more_than_one_subject_are_refused() {
        let long = "x".repeat(65);
        for bad in ["", "a.b", "*", ">", "a b", "\u{e9}", &long] {
            assert_eq!(bad.parse::<ClientName>(), Err(InvalidClientName), "{bad:?}");
        }
        assert_eq!("Back-End_1".parse::<ClientName>().unwrap().as_str(), "Back-End_1");
    }

    #[test]
    fn results_are_told_apart_whatever_the_request_id() {
        let client: ClientName = "desk".parse().unwrap();
        let at = |id: &str| result(&Operation::Sign, &client, &id.parse().unwrap());
        assert_eq!(at("order-7"), "mpc.sign.response.desk.order-7");
        assert_eq!(at("a.>"), "mpc.sign.response.desk.~612e3e");
        assert_ne!(at("~612e3e"), at("a.>"));
        let read = Operation::read("/api/v1/wallets").unwrap();
        assert_eq!(request(&read), "mpc.read.request");
        assert_eq!(request(&Operation::Keygen), "mpc.keygen.request");
        assert!(OPERATIONS.contains(&named(&Operation::Initiators).as_str()));
    }
}
