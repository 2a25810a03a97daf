//! Recovery shares, once they are decrypted: whoever knows a holder's recipient can have written them.

use std::io::Read as _;

use quorate_age::Identity;
use quorate_keys::Secret;
use quorate_recovery::{RecoveryShare, Threshold, combine, split};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "recovery_share",
    seeds,
    words: &["quorate recovery share 1\n\0", "node", "\x02\0", "\0\0\0\0"],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let holders = [Identity::generate(&mut rng), Identity::generate(&mut rng)];
    let (Ok(threshold), recipients) = (Threshold::new(2), holders.each_ref().map(Identity::recipient)) else {
        return Vec::new();
    };
    let secret = Secret::new(b"open sesame".to_vec());
    let files = split(&secret, "node", threshold, &recipients, &mut rng).unwrap_or_default();
    let content = |(file, holder): (&Vec<u8>, &Identity)| {
        let mut content = Vec::new();
        let decrypted = quorate_age::decrypt(std::slice::from_ref(holder), file.as_slice());
        decrypted.ok()?.read_to_end(&mut content).ok()?;
        Some(content)
    };
    files.iter().zip(&holders).filter_map(content).collect()
}

fn run(input: &[u8]) -> Outcome {
    match RecoveryShare::read(input, &[]) {
        Ok(share) => {
            assert!(combine(&[share]).is_err(), "one share is enough");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
