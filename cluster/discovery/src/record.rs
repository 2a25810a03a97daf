//! Where a node is, in its own signed words.

use std::str::FromStr;

use quorate_identity::peers::PeerAddress;
use quorate_keys::{Identity, SigningIdentity, Transcript};
use quorate_request::HexArray;
use serde::{Deserialize, Serialize};

/// The longest record: a host name has at most 253 characters.
pub(crate) const MAX_BYTES: usize = 1024;

/// Where a node is reached, signed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Which node.
    pub identity: Identity,
    /// Where: `host:port`.
    pub address: String,
    /// Grows with each start of the node: of two records the greater one counts.
    pub sequence: u64,
    signature: HexArray<64>,
}

/// A record that is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is none.
    #[error("it is no record of a node's address")]
    Form,
    /// It is of another node than its key says.
    #[error("it is of another node")]
    OtherNode,
    /// Its node has not signed it for this cluster.
    #[error("its node has not signed it")]
    Signature,
}

impl Record {
    /// Signs where a node is.
    #[must_use]
    pub fn sign(signer: &SigningIdentity, cluster: &[u8; 32], address: &str, sequence: u64) -> Self {
        let identity = signer.identity();
        let signature = signer.sign(&statement(cluster, &identity, address, sequence));
        Self { identity, address: address.to_owned(), sequence, signature: signature.into() }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what is kept under a node's key, and believes it if the node has signed it.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn read(bytes: &[u8], cluster: &[u8; 32], of: &Identity) -> Result<Self, RecordError> {
        if bytes.len() > MAX_BYTES {
            return Err(RecordError::Form);
        }
        let record: Self = serde_json::from_slice(bytes).map_err(|_| RecordError::Form)?;
        if PeerAddress::from_str(&record.address).is_err() {
            return Err(RecordError::Form);
        }
        if record.identity != *of {
            return Err(RecordError::OtherNode);
        }
        let statement = statement(cluster, of, &record.address, record.sequence);
        if of.verify(&statement, record.signature.as_bytes()) {
            Ok(record)
        } else {
            Err(RecordError::Signature)
        }
    }
}

fn statement(cluster: &[u8; 32], identity: &Identity, address: &str, sequence: u64) -> [u8; 32] {
    Transcript::new(b"quorate/node-address/v1")
        .field("cluster", cluster)
        .field("identity", identity.as_bytes())
        .field("address", address.as_bytes())
        .field("sequence", &sequence.to_le_bytes())
        .digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_keys::Secret;

    fn signer(n: u8) -> SigningIdentity {
        SigningIdentity::from_seed(&Secret::new([n; 32]))
    }

    #[test]
    fn a_record_is_believed_of_the_node_that_signed_it_and_as_it_signed_it() {
        let (me, other) = (signer(1), signer(2));
        let record = Record::sign(&me, &[7; 32], "10.0.0.1:7000", 5);
        let json = record.to_json();
        assert_eq!(Record::read(&json, &[7; 32], &me.identity()), Ok(record));
        assert_eq!(Record::read(&json, &[8; 32], &me.identity()), Err(RecordError::Signature));
        assert_eq!(Record::read(&json, &[7; 32], &other.identity()), Err(RecordError::OtherNode));

        let text = String::from_utf8(json).unwrap();
        for (from, to, error) in [
            ("10.0.0.1", "10.0.0.2", RecordError::Signature),
            ("\"sequence\":5", "\"sequence\":6", RecordError::Signature),
            ("10.0.0.1:7000", "nowhere", RecordError::Form),
            ("\"sequence\":5", "\"sequence\":5,\"more\":1", RecordError::Form),
            ("\"signature\":\"0x", "\"signature\":\"0xg", RecordError::Form),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert_eq!(Record::read(changed.as_bytes(), &[7; 32], &me.identity()), Err(error), "{changed}");
        }
        for none in [&b""[..], b"{}", b"\xff", &[b' '; MAX_BYTES + 1]] {
            assert_eq!(Record::read(none, &[7; 32], &me.identity()), Err(RecordError::Form));
        }
        let stolen = Record { identity: me.identity(), ..Record::sign(&other, &[7; 32], "10.0.0.1:7000", 5) };
        assert_eq!(Record::read(&stolen.to_json(), &[7; 32], &me.identity()), Err(RecordError::Signature));
    }
}
