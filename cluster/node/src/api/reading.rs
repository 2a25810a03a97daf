//! Who reads, and what of: an initiator that signed, or a reader that showed its token.

use std::sync::Arc;

use quorate_keys::Principal;
use quorate_policy::Initiator;
use quorate_request::{ErrorBody, ErrorCode, NodeView, SessionView, WalletId};

use crate::approvals::Waiting;
use crate::authority::out_of_scope;
use crate::readers::TokenReader;

/// Who reads.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    Initiator(Arc<Initiator>),
    /// It has to see what it approves: whatever there is.
    Authorizer,
    Token(TokenReader),
}

impl Reader {
    fn is_limited_to_wallets(&self) -> bool {
        match self {
            Self::Initiator(initiator) => initiator.is_limited_to_wallets(),
            Self::Authorizer => false,
            Self::Token(reader) => reader.is_limited_to_wallets(),
        }
    }

    /// The initiator's key, if it is one.
    pub(super) fn key(&self) -> Option<Principal> {
        match self {
            Self::Initiator(initiator) => Some(*initiator.key()),
            Self::Authorizer | Self::Token(_) => None,
        }
    }

    /// Whether it may read of a wallet.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check_wallet(&self, wallet: &WalletId) -> Result<(), ErrorBody> {
        match self {
            Self::Initiator(initiator) => initiator.may_use(wallet).map_err(|error| out_of_scope(&error)),
            Self::Authorizer => Ok(()),
            Self::Token(reader) if reader.may_read(wallet) => Ok(()),
            Self::Token(reader) => {
                let message = format!("reader {} may not read of wallet {wallet}", reader.name());
                Err(ErrorBody::new(ErrorCode::OutOfScope, message))
            }
        }
    }

    /// Whether it may read of a session that this initiator, if it is known, asked for. As long as nobody knows its wallet,
    /// a session is for those alone who may read of all wallets, and for who asked.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check_session(
        &self,
        view: &SessionView,
        asked: Option<&Principal>,
    ) -> Result<(), ErrorBody> {
        if let Some(wallet) = &view.wallet_id {
            return self.check_wallet(wallet);
        }
        if asked.is_some_and(|asked| self.is_of(asked)) || !self.is_limited_to_wallets() {
            return Ok(());
        }
        let message = "this session is about no wallet, or about one that is not known yet, and you may read of certain ones";
        Err(ErrorBody::new(ErrorCode::OutOfScope, message))
    }

    /// Whether it may see a request that waits for approvals: one about a wallet that it may read of, or its own.
    pub(super) fn may_see(&self, waiting: &Waiting) -> bool {
        match waiting.wallet() {
            Some(wallet) => self.check_wallet(wallet).is_ok(),
            None => self.is_of(waiting.asked_by()) || !self.is_limited_to_wallets(),
        }
    }

    /// Whether it may see the keys of the initiator of this name, and what that may ask for.
    pub(super) fn may_see_initiator(&self, name: &str) -> bool {
        match self {
            Self::Initiator(initiator) if initiator.is_limited_to_wallets() => initiator.name() == name,
            _ => !self.is_limited_to_wallets(),
        }
    }

    fn is_of(&self, asked: &Principal) -> bool {
        matches!(self, Self::Initiator(initiator) if initiator.key() == asked)
    }

    /// What it may read of a node.
    pub(super) fn of_node(&self, mut view: NodeView) -> NodeView {
        view.caught.retain(|caught| self.check_wallet(&caught.wallet_id).is_ok());
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_keys::{KeyType, Secret, SigningIdentity, SigningPrincipal};
    use quorate_request::{CaughtView, RequestStatus};

    fn key(number: u8) -> Principal {
        SigningPrincipal::from_secret(KeyType::Ed25519, &Secret::new([number; 32])).unwrap().principal()
    }

    fn initiator(number: u8, wallets: &str) -> Reader {
        let key = key(number);
        let policy = format!(
            "version: 1\ninitiators: {{desk: {{key: '{key}', operations: [read]{wallets}}}}}\nrules: []\n"
        );
        let policy = quorate_policy::Policy::read(policy.as_bytes()).unwrap();
        Reader::Initiator(Arc::new(policy.initiators()[0].clone()))
    }

    fn token(wallets: Option<&str>) -> Reader {
        Reader::Token(TokenReader::new("desk", wallets.map(|wallets| vec![wallets.to_owned()])).unwrap())
    }

    fn session(wallet: Option<&str>) -> SessionView {
        let view = SessionView::new("s".parse().unwrap(), "sign".into(), RequestStatus::Running);
        SessionView { wallet_id: wallet.map(|wallet| wallet.parse().unwrap()), ..view }
    }

    #[test]
    fn a_session_of_an_unknown_wallet_is_for_who_asked_and_who_may_read_of_all() {
        for reader in [initiator(1, ", wallets: [hot-*]"), token(Some("hot-*"))] {
            let may = |wallet, asked: Option<u8>| {
                reader.check_session(&session(wallet), asked.map(key).as_ref()).is_ok()
            };
            assert!(may(Some("hot-1"), None) && may(Some("hot-1"), Some(2)));
            assert!(!may(Some("cold"), None) && !may(Some("cold"), Some(1)) && !may(Some("cold"), Some(2)));
            assert!(!may(None, None) && !may(None, Some(2)));
            assert_eq!(may(None, Some(1)), matches!(reader, Reader::Initiator(_)));
        }
        for reader in [initiator(1, ""), token(None)] {
            assert!(reader.check_session(&session(None), Some(&key(2))).is_ok());
            assert!(reader.check_session(&session(Some("cold")), None).is_ok());
        }
    }

    #[test]
    fn who_was_caught_is_told_of_the_wallets_in_scope() {
        let caught = |wallet: &str| CaughtView {
            wallet_id: wallet.parse().unwrap(),
            since_ms: 1,
            reason: "it lied".into(),
        };
        let view = NodeView {
            name: "node1".into(),
            identity: SigningIdentity::from_seed(&Secret::new([1; 32])).identity(),
            this_node: false,
            connected: true,
            last_heard_ms: None,
            queued_frames: 0,
            refused_connections: 0,
            excluded: false,
            caught: vec![caught("cold"), caught("hot-1")],
        };
        for limited in [initiator(1, ", wallets: [hot-*]"), token(Some("hot-*"))] {
            assert_eq!(limited.of_node(view.clone()).caught, [caught("hot-1")]);
        }
        assert_eq!(token(None).of_node(view.clone()), view);
    }
}
