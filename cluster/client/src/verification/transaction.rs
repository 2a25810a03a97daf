//! A transaction that is to be signed, read as the nodes read it.

use quorate_chains::{Chain, Context, Explain, ForeignInputs, Prepared, Sighashes, Signed, WalletRoot};
use quorate_keys::{DerivationPath, Signature};
use quorate_request::{Allowance, Hex, SignResponse};

use super::{PinnedWallet, Unexpectable, Unverified, recoverable};

/// A transaction that is to be signed, read as the nodes read it.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    chain: Chain,
    prepared: Prepared,
}

impl Transaction {
    pub(super) fn read(
        wallet: &PinnedWallet,
        chain: &str,
        bytes: &[u8],
        path: &DerivationPath,
        allow: &[Allowance],
    ) -> Result<Self, Unexpectable> {
        let chain = quorate_chains::find(chain)?;
        let (key, chain_code) = wallet.root().ok_or(Unexpectable::NoRoot)?;
        let root = WalletRoot { key, chain_code };
        let mut context = Context::of_wallet(root, wallet.public_key().scheme(), path)
            .ok_or_else(|| Unexpectable::Key(format!("there is none at {path}")))?;
        if allow.contains(&Allowance::ForeignInputs) {
            context.foreign_inputs = ForeignInputs::Leave;
        }
        if allow.contains(&Allowance::WeakSighashes) {
            context.sighashes = Sighashes::Any;
        }
        let prepared = chain.prepare(bytes, &context)?;
        Ok(Self { chain, prepared })
    }

    /// What the transaction does.
    pub(super) const fn explain(&self) -> &Explain {
        self.prepared.explain()
    }

    /// Verifies an answer: every signature, that the signed transaction is this one with just them, and its name.
    pub(super) fn check(&self, answer: &SignResponse) -> Result<(), Unverified> {
        let signatures: Vec<_> =
            answer.signatures.iter().map(|made| Signature::from_bytes(*made.signature.as_bytes())).collect();
        let assembled = self.chain.assemble(&self.prepared, &signatures)?;
        let answered = answer.signed_transaction.as_ref().map(|bytes| bytes.as_bytes());
        if answered != Some(assembled.transaction()) {
            return Err(Unverified::OtherTransaction);
        }
        let requests = self.prepared.requests();
        let keys_fit = requests.iter().zip(&answer.signatures).all(|(request, made)| {
            request.verifying_key().is_ok_and(|key| key.as_bytes() == made.public_key.as_bytes())
        });
        let first_fits = answer.signatures.first().is_some_and(|first| {
            first.signature == answer.signature && first.public_key == answer.public_key
        });
        if !keys_fit || !first_fits {
            return Err(Unverified::OtherKeys);
        }
        let ids = answer.signatures.iter().map(|made| made.recovery_id);
        for ((request, signature), answered) in requests.iter().zip(&signatures).zip(ids) {
            let key = request.verifying_key().map_err(|_| Unverified::OtherKeys)?;
            let invalid = |_| Unverified::Signature { key: Hex::from(key.as_bytes()) };
            let expected = key.verify_recoverable(request.payload.as_bytes(), signature).map_err(invalid)?;
            recoverable(expected, answered)?;
        }
        // The first is the answer's own.
        let first = answer.signatures.first().and_then(|first| first.recovery_id);
        if answer.recovery_id != first {
            return Err(Unverified::RecoveryId { expected: first, answered: answer.recovery_id });
        }
        let id = match &assembled {
            Signed::Complete { id, .. } => Some(id.as_str()),
            _ => None,
        };
        if answer.tx_id.as_deref() == id { Ok(()) } else { Err(Unverified::OtherTransactionId) }
    }
}
