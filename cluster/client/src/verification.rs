//! What an answer is worth: verified under the key of a wallet that the caller knows.
//!
//! Answers are not signed, and whoever gives one can say what he likes. So a caller remembers his wallet when it is made,
//! as a [`PinnedWallet`], and holds every answer against it: the key that the path and the tweak of the request lead to, the
//! signature, and of a transaction every signature, that it is the one that was asked for, and its name on the network.
//! [`Client::sign_with`](crate::Client::sign_with) does that; everything here is a function of its arguments.
//!
//! ```
//! # fn example(pinned: &str, answer: &quorate_client::SignResponse) -> Result<(), Box<dyn std::error::Error>> {
//! use quorate_client::verification::PinnedWallet;
//!
//! // As the caller's data base has it since the wallet was made.
//! let wallet: PinnedWallet = serde_json::from_str(pinned)?;
//! let request = wallet.message(b"pay Alice");
//! wallet.expect(&request)?.check(answer)?;
//! # Ok(()) }
//! ```

mod error;
mod pinned;
#[cfg(feature = "transactions")]
mod transaction;

#[cfg(test)]
mod tests;

use quorate_keys::{DerivationPath, PublicKey, Scheme, Signature};
use quorate_request::{Hex, RequestId, SignRequest, SignResponse, Subject, WalletId};

pub use error::{InvalidWallet, Unexpectable, Unverified};
pub use pinned::PinnedWallet;

/// What the answer to one request must be.
#[derive(Debug, Clone)]
pub struct Expectation {
    session_id: Option<RequestId>,
    wallet_id: Option<WalletId>,
    subject: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    Message {
        message: Vec<u8>,
        key: PublicKey,
    },
    #[cfg(feature = "transactions")]
    Transaction(Box<transaction::Transaction>),
}

impl Expectation {
    fn new(wallet: &PinnedWallet, request: &SignRequest) -> Result<Self, Unexpectable> {
        let own = wallet.public_key();
        if let Some(asked) = &request.public_key
            && asked.as_bytes() != own.as_bytes()
        {
            let pinned = Hex::from(own.as_bytes());
            return Err(Unexpectable::OtherWallet { asked: asked.clone(), pinned });
        }
        let path: DerivationPath = request.derivation_path.as_deref().unwrap_or("m").parse()?;
        let subject = match request.subject_for(own.scheme())? {
            Subject::Message(message) => {
                let key = wallet.key(&path, request.tweak.as_ref())?;
                Expected::Message { message: message.to_vec(), key }
            }
            #[cfg(feature = "transactions")]
            Subject::Transaction { chain, transaction: bytes } => {
                let read = transaction::Transaction::read(wallet, chain, bytes, &path, &request.allow)?;
                Expected::Transaction(Box::new(read))
            }
            _ => return Err(Unexpectable::Subject),
        };
        let (session_id, wallet_id) = (request.session_id.clone(), request.wallet_id.clone());
        Ok(Self { session_id, wallet_id, subject })
    }

    /// What the transaction that is to be signed does, as this machine has read it: to be looked at before it is signed.
    #[cfg(feature = "transactions")]
    #[must_use]
    pub fn explain(&self) -> Option<&quorate_chains::Explain> {
        match &self.subject {
            Expected::Transaction(transaction) => Some(transaction.explain()),
            Expected::Message { .. } => None,
        }
    }

    /// Verifies an answer: everything of it that can be.
    ///
    /// # Errors
    /// The first thing in it that is not as it must be: whoever answered lies, or is broken.
    pub fn check(&self, answer: &SignResponse) -> Result<(), Unverified> {
        about_the_request(self.session_id.as_ref(), self.wallet_id.as_ref(), answer)?;
        match &self.subject {
            Expected::Message { message, key } => {
                if answer.public_key.as_bytes() != key.as_bytes() {
                    let expected = Hex::from(key.as_bytes());
                    return Err(Unverified::OtherKey { expected, answered: answer.public_key.clone() });
                }
                let signature = Signature::from_bytes(*answer.signature.as_bytes());
                let invalid = |_| Unverified::Signature { key: answer.public_key.clone() };
                let recovery_id = key.verify_recoverable(message, &signature).map_err(invalid)?;
                recoverable(recovery_id, answer.recovery_id)?;
                bare(answer)
            }
            #[cfg(feature = "transactions")]
            Expected::Transaction(transaction) => transaction.check(answer),
        }
    }
}

/// What can be told of a signed message without knowing the wallet: that the signature is one of the key that the answer
/// names, which is given back. Whoever answers may name a key of his own: a caller who knows the wallet uses
/// [`PinnedWallet::expect`].
///
/// # Errors
/// [`Unverified::Signature`] when it is none; the others as [`Expectation::check`]. A request for anything else than a message
/// is never satisfied.
pub fn under_stated_key(request: &SignRequest, answer: &SignResponse) -> Result<PublicKey, Unverified> {
    about_the_request(request.session_id.as_ref(), request.wallet_id.as_ref(), answer)?;
    let invalid = || Unverified::Signature { key: answer.public_key.clone() };
    let signature = Signature::from_bytes(*answer.signature.as_bytes());
    // The answer does not name the scheme; a signature of one is none of another.
    let verified = |scheme: &Scheme| {
        let Ok(Subject::Message(message)) = request.subject_for(*scheme) else { return None };
        let key = PublicKey::from_bytes(*scheme, answer.public_key.as_bytes()).ok()?;
        key.verify_recoverable(message, &signature).ok().map(|recovery_id| (key, recovery_id))
    };
    let (key, recovery_id) = Scheme::ALL.iter().find_map(verified).ok_or_else(invalid)?;
    recoverable(recovery_id, answer.recovery_id)?;
    bare(answer)?;
    Ok(key)
}

/// Whether an answer is about the request: its id and its wallet, where the request names them.
fn about_the_request(
    session_id: Option<&RequestId>,
    wallet_id: Option<&WalletId>,
    answer: &SignResponse,
) -> Result<(), Unverified> {
    if let Some(asked) = session_id.filter(|asked| **asked != answer.session_id) {
        let (asked, answered) = (asked.to_string(), answer.session_id.to_string());
        return Err(Unverified::OtherRequest { asked, answered });
    }
    match wallet_id.filter(|asked| **asked != answer.wallet_id) {
        Some(asked) => {
            let (asked, answered) = (asked.to_string(), answer.wallet_id.to_string());
            Err(Unverified::OtherWallet { asked, answered })
        }
        None => Ok(()),
    }
}

/// Whether the recovery id that is answered is that of a signature which verifies: with it, the key follows from digest and
/// signature, and from no other id. Schemes other than ECDSA have none.
fn recoverable(expected: Option<u8>, answered: Option<u8>) -> Result<(), Unverified> {
    if answered == expected { Ok(()) } else { Err(Unverified::RecoveryId { expected, answered }) }
}

/// An answer to a message has nothing of a transaction.
fn bare(answer: &SignResponse) -> Result<(), Unverified> {
    let transaction = answer.signed_transaction.is_some() || answer.tx_id.is_some();
    if transaction || !answer.signatures.is_empty() { Err(Unverified::NotAMessage) } else { Ok(()) }
}
