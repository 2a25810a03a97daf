//! What the signers agree upon.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{Suite, check_key};
use quorate_paillier::Sizes;
use quorate_session::{Evidence, SessionContext, SetupError, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use super::stock::NonceStock;
use crate::MAX_SIGNERS;
use crate::auxiliary::{Auxiliary, PublicAuxiliary};

/// The most presignatures that one session makes. The larger the committee, the fewer fit into its messages: see
/// [`PresignSetup::limit`].
pub const MAX_PRESIGNATURES: usize = 32;

/// For which wallet presignatures are made, how many, and under which auxiliary information.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PresignSetup {
    /// The public side of the wallet's key, just as all signers have stored it.
    pub key: PublicShares,
    /// The auxiliary information of just the signers, as all of them have stored it.
    pub auxiliary: PublicAuxiliary,
    /// How many to make.
    pub count: u16,
}

/// What one signer brings.
#[derive(Debug)]
pub struct PresignSecret {
    /// Its share of the wallet's key.
    pub share: KeyShare,
    /// Everybody's moduli, and the factors of its own. Sessions share it: what is made ready of it for the first one is ready for all.
    pub auxiliary: Arc<Auxiliary>,
    /// What was made ahead, or nothing of it.
    pub stock: NonceStock,
}

impl Wire for PresignSetup {
    const MAX_BYTES: usize = PublicShares::MAX_BYTES + 64 + MAX_SIGNERS * 1280;
}

impl PresignSetup {
    /// How many presignatures one session of so many signers makes at most: so many that evidence against any of them fits into one message.
    #[must_use]
    pub fn limit(signers: usize) -> usize {
        let fits = |count: &usize| Self::evidence(Sizes::STANDARD, signers, *count) <= Evidence::MAX_BYTES;
        (1..=MAX_PRESIGNATURES).rev().find(fits).unwrap_or(1)
    }

    /// No evidence of a session is longer, in bytes: it holds what all signers broadcast, what the accused sent to one of them in the last
    /// round, and the setup.
    #[must_use]
    pub fn evidence(sizes: Sizes, signers: usize, count: usize) -> usize {
        let ciphertext = 2 * sizes.modulus() / 8 + 8;
        let others = signers.saturating_sub(1);
        // Beside the ciphertexts of the first two rounds there are points, scalars and proofs of exponents.
        let presignature = signers * (2 * ciphertext + 1024) + signers * others * (4 * ciphertext + 8);
        // Π^dec, and Π^aff-g for each other; the setup's key and moduli; headers and signatures.
        let proofs = (signers + 1) * 16 * sizes.modulus() / 8;
        count * presignature + proofs + signers * (4 * sizes.modulus() / 8 + 4 * 512) + 16 * 1024
    }

    /// Whether this setup, what is stored here, and the agreed session belong together.
    pub(crate) fn check<C: Suite>(
        &self,
        context: &SessionContext,
        secret: &PresignSecret,
    ) -> Result<(), SetupError> {
        let signers = context.committee();
        if signers.len() > MAX_SIGNERS {
            return Err(SetupError::because(format!(
                "{} signers, at most {MAX_SIGNERS} sign together",
                signers.len()
            )));
        }
        let (count, limit) = (usize::from(self.count), Self::limit(signers.len()));
        if !(1..=limit).contains(&count) {
            return Err(SetupError::because(format!(
                "{count} presignatures, a session of {} signers makes 1 to {limit}",
                signers.len()
            )));
        }
        check_key::<C>(&self.key, context, &secret.share)?;
        let identities = signers.members().iter().map(|member| &member.identity);
        let stored = secret.auxiliary.public().subset(identities).map_err(SetupError::because)?;
        if self.auxiliary != stored {
            return Err(SetupError::because(
                "the auxiliary information of the setup is not the one that is stored here",
            ));
        }
        let me = signers.member(context.me()).map(|member| member.identity);
        if me != Some(*secret.auxiliary.identity()) {
            return Err(SetupError::because("the stored auxiliary information is another party's"));
        }
        Ok(())
    }
}
