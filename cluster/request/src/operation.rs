//! What a request asks for.

use std::fmt;
use std::str::FromStr;

/// What a request asks for; signed, so that a body can't be used for anything else.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// Make a wallet.
    Keygen,
    /// Sign with a wallet.
    Sign,
    /// Deal a wallet's shares anew, to the nodes that hold them.
    Refresh,
    /// Deal a wallet's shares anew, to other nodes, or so that another number of them sign.
    Reshare,
    /// Deal a wallet's shares anew, to the nodes that held them before it was reshared last.
    Rollback,
    /// Make presignatures of a wallet.
    Presign,
    /// Make auxiliary information of nodes.
    Auxiliary,
    /// Approve what an initiator asks for, or reject it: signed by an authorizer.
    Approve,
    /// Admit a key of an initiator, or revoke one: signed by an authorizer.
    Initiators,
    /// Read one path of the API. Built by [`Operation::read`].
    Read(ReadPath),
}

/// The path (and query) that a read asks for: begins with `/`, at most 512 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ReadPath(String);

/// The text names no operation of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown operation; known are keygen, sign, refresh, reshare, rollback, presign, auxiliary, approve, initiators and read:<path>"
)]
#[non_exhaustive]
pub struct InvalidOperation;

impl Operation {
    /// The read of what an HTTP request names as its target: path and query, as they are on the wire.
    ///
    /// # Errors
    /// The target is longer than 512 characters or has no path.
    pub fn read_target(target: &http::Uri) -> Result<Self, InvalidOperation> {
        Self::read(target.path_and_query().ok_or(InvalidOperation)?.as_str())
    }

    /// The read of one path of the API, with its query if any.
    ///
    /// # Errors
    /// The path does not begin with `/`, is longer than 512 characters, or holds anything but visible ASCII.
    pub fn read(path: &str) -> Result<Self, InvalidOperation> {
        let fits = path.starts_with('/') && path.len() <= ReadPath::MAX_LEN;
        if fits && path.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self::Read(ReadPath(path.to_owned())))
        } else {
            Err(InvalidOperation)
        }
    }
}

impl ReadPath {
    /// The longest path, in characters: room for the longest request id, percent-encoded.
    pub const MAX_LEN: usize = 512;

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keygen => f.write_str("keygen"),
            Self::Sign => f.write_str("sign"),
            Self::Refresh => f.write_str("refresh"),
            Self::Reshare => f.write_str("reshare"),
            Self::Rollback => f.write_str("rollback"),
            Self::Presign => f.write_str("presign"),
            Self::Auxiliary => f.write_str("auxiliary"),
            Self::Approve => f.write_str("approve"),
            Self::Initiators => f.write_str("initiators"),
            Self::Read(path) => write!(f, "read:{}", path.as_str()),
        }
    }
}

impl FromStr for Operation {
    type Err = InvalidOperation;

    fn from_str(text: &str) -> Result<Self, InvalidOperation> {
        match text {
            "keygen" => Ok(Self::Keygen),
            "sign" => Ok(Self::Sign),
            "refresh" => Ok(Self::Refresh),
            "reshare" => Ok(Self::Reshare),
            "rollback" => Ok(Self::Rollback),
            "presign" => Ok(Self::Presign),
            "auxiliary" => Ok(Self::Auxiliary),
            "approve" => Ok(Self::Approve),
            "initiators" => Ok(Self::Initiators),
            _ => Self::read(text.strip_prefix("read:").ok_or(InvalidOperation)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RequestId, paths};

    #[test]
    fn operations_are_read_as_they_are_written() {
        for operation in [
            Operation::Keygen,
            Operation::Sign,
            Operation::Refresh,
            Operation::Reshare,
            Operation::Rollback,
            Operation::Presign,
            Operation::Auxiliary,
            Operation::Approve,
            Operation::Initiators,
            Operation::read(paths::WALLETS).unwrap(),
            Operation::read("/api/v1/wallets?after=w1").unwrap(),
        ] {
            assert_eq!(operation.to_string().parse(), Ok(operation));
        }
    }

    #[test]
    fn anything_else_is_no_operation() {
        let long = format!("read:/{}", "x".repeat(512));
        for bad in [
            "",
            "Keygen",
            "sign ",
            "presigning",
            "aux",
            "initiator",
            "read",
            "read:",
            "read:x",
            "read:/a b",
            "read:/\u{e9}",
            &long,
        ] {
            assert_eq!(bad.parse::<Operation>(), Err(InvalidOperation), "{bad:?}");
        }
    }

    #[test]
    fn a_target_is_read_with_its_query_and_without_its_host() {
        let target = "http://node1:8080/api/v1/wallets?after=w%2F1".parse().unwrap();
        assert_eq!(Operation::read_target(&target), Operation::read("/api/v1/wallets?after=w%2F1"));
        assert!(Operation::read_target(&"node1:8080".parse().unwrap()).is_err());
    }

    #[test]
    fn every_session_can_be_read() {
        let id: RequestId = "%".repeat(RequestId::MAX_LEN).parse().unwrap();
        assert!(Operation::read(&paths::session(&id)).is_ok());
    }
}
