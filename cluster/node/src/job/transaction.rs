//! A transaction that a request asks to sign: what it says, and what must be signed for it.
//!
//! Every signer reads the transaction itself, with the adapter of its chain, and signs only what it has found there.

use quorate_chains::{
    Chain, Context, Explain, ForeignInputs, Payload, Prepared, Sighashes, Signed, WalletRoot,
};
use quorate_frost::{MAX_SIGNATURES, TaprootTweak, Task};
use quorate_keys::{DerivationPath, Signature};
use quorate_request::{Allowance, ErrorBody, ErrorCode};

use super::refuse;
use crate::wallets::Wallet;

/// The longest path to the key of a transaction: it is followed anew for each of its signatures.
const MAX_PATH: usize = 10;

/// A transaction that was read and waits for signatures.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    chain: Chain,
    prepared: Prepared,
}

impl Transaction {
    /// Reads a transaction that is to be signed by the wallet's key at `path`, and by those of its children that the
    /// transaction names.
    pub(super) fn read(
        chain: &str,
        transaction: &[u8],
        wallet: &Wallet,
        path: &DerivationPath,
        allow: &[Allowance],
    ) -> Result<Self, ErrorBody> {
        let chain = quorate_chains::find(chain)
            .map_err(|error| refuse(ErrorCode::UnknownChain, error.to_string()))?;
        if path.len() > MAX_PATH {
            let message =
                format!("a transaction's path has at most {MAX_PATH} steps, this one {}", path.len());
            return Err(refuse(ErrorCode::InvalidDerivationPath, message));
        }
        let public = &wallet.public;
        let root = WalletRoot { key: public.group_key, chain_code: public.chain_code };
        let mut context = Context::of_wallet(root, wallet.scheme, path)
            .ok_or_else(|| refuse(ErrorCode::InvalidDerivationPath, "there is no key at this path"))?;
        if allow.contains(&Allowance::ForeignInputs) {
            context.foreign_inputs = ForeignInputs::Leave;
        }
        if allow.contains(&Allowance::WeakSighashes) {
            context.sighashes = Sighashes::Any;
        }
        let prepared = chain
            .prepare(transaction, &context)
            .map_err(|error| refuse(ErrorCode::TransactionRefused, format!("{error} ({})", error.code())))?;
        if let Some(part) = prepared.explain().opaque.first()
            && !allow.contains(&Allowance::Opaque)
        {
            let message =
                format!("{} can't be explained ({}), and opaque is not allowed", part.place, part.reason);
            return Err(refuse(ErrorCode::TransactionRefused, message));
        }
        let signatures = prepared.requests().len();
        if signatures > MAX_SIGNATURES {
            let message = format!(
                "the transaction needs {signatures} signatures of this wallet, at most {MAX_SIGNATURES} are made at once"
            );
            return Err(refuse(ErrorCode::TransactionRefused, message));
        }
        Ok(Self { chain, prepared })
    }

    /// The signatures that it needs, in order.
    pub(super) fn tasks(&self) -> Result<Vec<Task>, ErrorBody> {
        let requests = self.prepared.requests().iter();
        let task = |request: &quorate_chains::SigningRequest| {
            let tweak = match request.tweak {
                None => None,
                Some(quorate_chains::Tweak::Taproot(merkle_root)) => Some(TaprootTweak { merkle_root }),
                Some(_) => {
                    return Err(refuse(ErrorCode::TransactionRefused, "it needs a tweak unknown here"));
                }
            };
            let message = match &request.payload {
                Payload::Digest(digest) => digest.to_vec(),
                Payload::Message(message) => message.clone(),
            };
            Ok(Task { message, path: request.path.clone(), tweak })
        };
        requests.map(task).collect()
    }

    /// What the transaction does.
    pub(crate) const fn explain(&self) -> &Explain {
        self.prepared.explain()
    }

    /// The signed transaction. Verifies every signature again.
    pub(crate) fn assemble(&self, signatures: &[Signature]) -> Result<Signed, String> {
        self.chain.assemble(&self.prepared, signatures).map_err(|error| error.to_string())
    }
}
