//! The bodies of requests to deal a wallet's shares anew.

use serde::{Deserialize, Serialize};

use super::{Body, BodyError, WalletRef, named};
use crate::hex_bytes::Hex;
use crate::id::{RequestId, WalletId};
use crate::operation::Operation;

macro_rules! of_a_wallet {
    (
        $(#[doc = $doc:literal])+
        $name:ident, $operation:expr $(, $(#[$attribute:meta])+ $field:ident: $type:ty)*
    ) => {
        $(#[doc = $doc])+
        ///
        /// Exactly one of `wallet_id` and `public_key`.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The request id, if the body repeats it; it must be the signed one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub session_id: Option<RequestId>,
            /// The wallet, by its name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub wallet_id: Option<WalletId>,
            /// The wallet, by its public key as key generation returned it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub public_key: Option<Hex>,
            $($(#[$attribute])+ pub $field: $type,)*
        }

        impl $name {
            /// Of the wallet of this name.
            #[must_use]
            pub fn of(wallet: WalletId) -> Self {
                Self { wallet_id: Some(wallet), ..Self::default() }
            }
        }

        /// A resharing of which the operation says what changes.
        impl From<$name> for ReshareRequest {
            fn from($name { session_id, wallet_id, public_key, .. }: $name) -> Self {
                Self { session_id, wallet_id, public_key, ..Self::default() }
            }
        }

        impl Body for $name {
            const OPERATION: Operation = $operation;

            fn session_id(&self) -> Option<&RequestId> {
                self.session_id.as_ref()
            }
        }
    };
}

of_a_wallet!(
    /// Asks for fresh shares of a wallet for the nodes that hold them: `POST /api/v1/refresh`. Those before are of no use any more.
    RefreshRequest,
    Operation::Refresh
);

of_a_wallet!(
    /// Asks that those hold a wallet's shares, and as many of them sign, who did before it was reshared last: `POST /api/v1/rollback`. They get
    /// fresh shares; the epoch goes on.
    RollbackRequest,
    Operation::Rollback,
    /// Whether those who held shares before deal what they have kept of them, with no word from those who hold shares now: for nodes with
    /// `keep_epochs: 1`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    kept_shares: bool
);

/// Asks that other nodes hold a wallet's shares, or that another number of them sign: `POST /api/v1/reshare`. The key and all its addresses
/// stay.
///
/// Exactly one of `wallet_id` and `public_key`; what else is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReshareRequest {
    /// The request id, if the body repeats it; it must be the signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// The wallet, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// The wallet, by its public key as key generation returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Hex>,
    /// The minimum number of signers afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_threshold: Option<u16>,
    /// The number of nodes that hold shares afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_total: Option<u16>,
    /// The names of all nodes that hold shares afterwards. If it is left out and `new_total` is another one, some of the
    /// holders leave, or other nodes come, which follow from the wallet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_parties: Option<Vec<String>>,
}

impl ReshareRequest {
    /// Of the wallet of this name; what changes is still to be said.
    #[must_use]
    pub fn of(wallet: WalletId) -> Self {
        Self { wallet_id: Some(wallet), ..Self::default() }
    }

    /// The wallet.
    ///
    /// # Errors
    /// The caller named none, or two.
    pub fn wallet(&self) -> Result<WalletRef<'_>, BodyError> {
        named(self.wallet_id.as_ref(), self.public_key.as_ref())
    }
}

impl Body for ReshareRequest {
    const OPERATION: Operation = Operation::Reshare;

    fn session_id(&self) -> Option<&RequestId> {
        self.session_id.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stays_as_it_is() {
        let id: RequestId = "r1".parse().unwrap();
        let body = br#"{"wallet_id":"w","new_threshold":3,"new_parties":["node1","node6"]}"#;
        let read = ReshareRequest::from_json(body, &id).unwrap();
        assert_eq!((read.new_threshold, read.new_total), (Some(3), None));
        assert_eq!(read.new_parties.as_deref(), Some(&["node1".to_owned(), "node6".to_owned()][..]));
        assert!(matches!(read.wallet(), Ok(WalletRef::Id(id)) if id.as_str() == "w"));
        let nothing = ReshareRequest::of("w".parse().unwrap());
        assert_eq!(ReshareRequest::from(RefreshRequest::of("w".parse().unwrap())), nothing);
    }

    #[test]
    fn one_wallet_is_named_and_nothing_else_changes_in_a_refresh() {
        let id: RequestId = "r1".parse().unwrap();
        for body in [r"{}", r#"{"wallet_id":"w","public_key":"0x00"}"#] {
            assert!(ReshareRequest::from_json(body.as_bytes(), &id).unwrap().wallet().is_err(), "{body}");
        }
        for body in [r#"{"wallet_id":"w","new_threshold":2}"#, r#"{"wallet_id":"w","parties":["node1"]}"#] {
            assert!(RefreshRequest::from_json(body.as_bytes(), &id).is_err(), "{body}");
        }
        assert!(ReshareRequest::from_json(br#"{"wallet_id":"w","new_total":-1}"#, &id).is_err());
        assert!(ReshareRequest::from_json(br#"{"wallet_id":"w","session_id":"r2"}"#, &id).is_err());
    }
}
