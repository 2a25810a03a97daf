//! The body that asks for auxiliary information.

use serde::{Deserialize, Serialize};

use super::{Body, BodyError, WalletRef, named};
use crate::hex_bytes::Hex;
use crate::id::{RequestId, WalletId};
use crate::operation::Operation;

/// Asks for new auxiliary information, or for new pairs: `POST /api/v1/auxiliary`.
///
/// That are the Paillier keys and ring-Pedersen parameters of nodes, which presigning by CGGMP21 needs. They belong to nodes, not
/// to wallets, and are made when they are needed first; asked for, they are made anew. Presignatures that were made with the old
/// ones are dropped. Key shares stay as they are: this is no refresh of them.
///
/// With `wallet_id` or `public_key`, the pairs of a wallet that signs by DKLS23 are made anew instead, by all its holders: the seeds from which each two of
/// them multiply secrets, fresh ones that have nothing to do with those before. Who was caught cheating in that wallet is taken back with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryRequest {
    /// The request id, if the body repeats it; it must be the signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// The names of the nodes that make theirs, together; all nodes of the cluster if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<Vec<String>>,
    /// The wallet whose pairs are made anew, by its name; not together with `parties`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// The same, by its public key as key generation returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Hex>,
}

impl AuxiliaryRequest {
    /// Those of all nodes of the cluster.
    #[must_use]
    pub fn of_all() -> Self {
        Self::default()
    }

    /// Those of these nodes.
    #[must_use]
    pub fn of<N: Into<String>>(parties: impl IntoIterator<Item = N>) -> Self {
        let parties = parties.into_iter().map(Into::into).collect();
        Self { parties: Some(parties), ..Self::default() }
    }

    /// The pairs of a wallet that signs by DKLS23.
    #[must_use]
    pub fn of_wallet(wallet: WalletId) -> Self {
        Self { wallet_id: Some(wallet), ..Self::default() }
    }

    /// Whose pairs are made anew; none when it is auxiliary information that is asked for.
    ///
    /// # Errors
    /// The caller named the wallet twice.
    pub fn wallet(&self) -> Result<Option<WalletRef<'_>>, BodyError> {
        if self.wallet_id.is_none() && self.public_key.is_none() {
            return Ok(None);
        }
        named(self.wallet_id.as_ref(), self.public_key.as_ref()).map(Some)
    }
}

impl Body for AuxiliaryRequest {
    const OPERATION: Operation = Operation::Auxiliary;

    fn session_id(&self) -> Option<&RequestId> {
        self.session_id.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::BodyError;

    #[test]
    fn the_documented_bodies_are_read_and_made() {
        let read = |json: &str| AuxiliaryRequest::from_json(json.as_bytes(), &"s1".parse().unwrap());
        assert_eq!(read("{}"), Ok(AuxiliaryRequest::of_all()));
        let json = r#"{"parties":["node1","node2"]}"#;
        let some = AuxiliaryRequest::of(["node1", "node2"]);
        assert_eq!(read(json), Ok(some.clone()));
        assert_eq!(serde_json::to_string(&some).unwrap(), json);
        assert_eq!(read(r#"{"session_id": "s2"}"#), Err(BodyError::SessionId));
        let json = r#"{"wallet_id":"w"}"#;
        let of_wallet = AuxiliaryRequest::of_wallet("w".parse().unwrap());
        assert_eq!(read(json), Ok(of_wallet.clone()));
        assert_eq!(serde_json::to_string(&of_wallet).unwrap(), json);
        assert_eq!(some.wallet(), Ok(None));
        assert!(matches!(of_wallet.wallet(), Ok(Some(WalletRef::Id(id))) if id.as_str() == "w"));
        let by_key = read(r#"{"public_key":"0x02"}"#).unwrap();
        assert_eq!(by_key.wallet(), Ok(Some(WalletRef::PublicKey(&[2]))));
        let twice = AuxiliaryRequest { wallet_id: of_wallet.wallet_id, ..by_key };
        assert_eq!(twice.wallet(), Err(BodyError::WalletRef));
        for bad in ["[]", r#"{"parties": "node1"}"#, r#"{"wallet_id": "no name"}"#, r#"{"wallet": "w"}"#] {
            assert!(matches!(read(bad), Err(BodyError::Json(_))), "{bad}");
        }
    }
}
