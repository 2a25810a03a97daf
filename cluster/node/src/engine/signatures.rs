//! Signatures of proposals and acceptances. Each is verified once, however often it is shown: a proposer that is a member
//! as well meets its own, and those that it has gathered, again as a member.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use quorate_keys::{Identity, SigningIdentity};
use quorate_session::{EnvelopeSigner, EnvelopeVerifier, IdentityVerifier};

/// What is remembered at most twice over: between a signature's first and its second use lie milliseconds.
const GENERATION: usize = 512;

/// Signer, digest and signature.
type Signed = ([u8; 32], [u8; 32], [u8; 64]);

/// Verifies, and remembers what was right.
#[derive(Default)]
pub(super) struct Signatures(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    now: HashSet<Signed>,
    before: HashSet<Signed>,
}

/// Signs as this node; what it signed needs no verification.
pub(super) struct Own<'a> {
    pub(super) signer: &'a SigningIdentity,
    pub(super) signatures: &'a Signatures,
}

impl Signatures {
    fn knows(&self, signed: &Signed) -> bool {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.now.contains(signed) || generations.before.contains(signed)
    }

    fn remember(&self, signed: Signed) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.now.len() >= GENERATION {
            generations.before = std::mem::take(&mut generations.now);
        }
        generations.now.insert(signed);
    }
}

impl EnvelopeVerifier for Signatures {
    fn verify(&self, identity: &Identity, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        let signed = (*identity.as_bytes(), *digest, *signature);
        if self.knows(&signed) {
            return true;
        }
        let is_right = IdentityVerifier.verify(identity, digest, signature);
        if is_right {
            self.remember(signed);
        }
        is_right
    }
}

impl EnvelopeSigner for Own<'_> {
    fn sign(&self, digest: &[u8; 32]) -> [u8; 64] {
        let signature = self.signer.sign(digest);
        self.signatures.remember((*self.signer.identity().as_bytes(), *digest, signature));
        signature
    }
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn a_false_signature_is_false_beside_a_remembered_one_and_a_forgotten_one_is_verified_again() {
        let (signatures, signer) = (Signatures::default(), SigningIdentity::generate(&mut OsRng));
        let (me, stranger) = (signer.identity(), SigningIdentity::generate(&mut OsRng).identity());
        let own = Own { signer: &signer, signatures: &signatures };
        let first = own.sign(&[0; 32]);
        let theirs = signer.sign(&[9; 32]);
        let known = |digest: [u8; 32], signature| signatures.knows(&(*me.as_bytes(), digest, signature));
        assert!(known([0; 32], first), "its own needs no verification");
        assert!(!known([9; 32], theirs));
        for round in 0..3_u32 {
            assert!(signatures.verify(&me, &[0; 32], &first), "{round}");
            assert!(signatures.verify(&me, &[9; 32], &theirs), "{round}");
            assert!(known([0; 32], first) && known([9; 32], theirs), "{round}");
            assert!(!signatures.verify(&stranger, &[0; 32], &first), "{round}");
            assert!(!signatures.verify(&me, &[1; 32], &first), "{round}");
            for at in 0..64 {
                let mut flipped = first;
                flipped[at] ^= 1;
                assert!(!signatures.verify(&me, &[0; 32], &flipped), "{round}, byte {at}");
            }
            for other in 0..2 * u32::try_from(GENERATION).unwrap() {
                let mut digest = [7; 32];
                digest[..4].copy_from_slice(&(round << 16 | other).to_le_bytes());
                signatures.remember(([1; 32], digest, [0; 64]));
            }
            assert!(!known([0; 32], first) && !known([9; 32], theirs), "{round}");
            let generations = signatures.0.lock().unwrap();
            assert!(generations.now.len() <= GENERATION && generations.before.len() <= GENERATION);
        }
    }
}
