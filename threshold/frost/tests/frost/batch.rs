//! Many signatures at once: as strict as one by one, and whoever is wrong is named.

use ed25519_dalek::Signer;
use quorate_frost::{Signed, verify_batch};
use quorate_keys::{PublicKey, Scheme, Signature};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use secp256k1_any_length::{Keypair, Secp256k1, SecretKey};

struct Sample {
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
}

impl Sample {
    fn bip340(rng: &mut ChaCha20Rng) -> Self {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let context = Secp256k1::new();
        let pair = Keypair::from_secret_key(&context, &SecretKey::from_byte_array(secret).unwrap());
        let mut message = [0; 32];
        rng.fill_bytes(&mut message);
        let signature = context.sign_schnorr_no_aux_rand(&message, &pair);
        let key = PublicKey::from_bytes(Scheme::Bip340, &pair.x_only_public_key().0.serialize()).unwrap();
        Self { key, message: message.to_vec(), signature: Signature::from_bytes(signature.to_byte_array()) }
    }

    fn ed25519(rng: &mut ChaCha20Rng) -> Self {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let signing = ed25519_dalek::SigningKey::from_bytes(&secret);
        let message = b"a message of any length".to_vec();
        let signature = Signature::from_bytes(signing.sign(&message).to_bytes());
        let key = PublicKey::from_bytes(Scheme::Ed25519, signing.verifying_key().as_bytes()).unwrap();
        Self { key, message, signature }
    }

    fn change(&mut self, change: impl FnOnce(&mut [u8; 64])) {
        let mut bytes = *self.signature.as_bytes();
        change(&mut bytes);
        self.signature = Signature::from_bytes(bytes);
    }
}

fn verified(samples: &[Sample], rng: &mut ChaCha20Rng) -> Result<(), Vec<usize>> {
    let signed: Vec<_> =
        samples.iter().map(|Sample { key, message, signature }| Signed { key, message, signature }).collect();
    verify_batch(&signed, rng)
}

fn samples(count: usize, rng: &mut ChaCha20Rng) -> Vec<Sample> {
    (0..count).map(|n| if n % 5 == 4 { Sample::ed25519(rng) } else { Sample::bip340(rng) }).collect()
}

#[test]
fn right_signatures_pass() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for count in [0, 1, 2, 5, 33] {
        let samples = samples(count, &mut rng);
        assert_eq!(verified(&samples, &mut rng), Ok(()));
    }
}

#[test]
fn wrong_signatures_are_named() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    type Spoil = fn(&mut Sample);
    let spoils: [Spoil; 6] = [
        |sample| sample.change(|bytes| bytes[63] ^= 1),
        |sample| sample.change(|bytes| bytes[0] ^= 1),
        // No scalar, no coordinate.
        |sample| sample.change(|bytes| bytes[32..].fill(0xFF)),
        |sample| sample.change(|bytes| bytes[..32].fill(0xFF)),
        |sample| sample.change(|bytes| bytes.fill(0)),
        |sample| sample.message[0] ^= 1,
    ];
    for spoil in spoils {
        for wrong in [vec![0], vec![4], vec![1, 4, 9], (0..10).collect()] {
            let mut samples = samples(10, &mut rng);
            wrong.iter().for_each(|place| spoil(&mut samples[*place]));
            assert_eq!(verified(&samples, &mut rng), Err(wrong));
        }
    }
    let mut swapped = samples(2, &mut rng);
    let other = swapped[1].key;
    swapped[0].key = other;
    assert_eq!(verified(&swapped, &mut rng), Err(vec![0]));
}

/// Without weights, one signature too large by some scalar would make up for another that is too small by it.
#[test]
fn errors_that_cancel_are_found() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut samples = [Sample::bip340(&mut rng), Sample::bip340(&mut rng)];
    samples[0].change(|bytes| bytes[60] = bytes[60].wrapping_add(1));
    samples[1].change(|bytes| bytes[60] = bytes[60].wrapping_sub(1));
    // Neither wrapped around: the sum of the two is what it was.
    assert!(samples[0].signature.as_bytes()[60] != 0 && samples[1].signature.as_bytes()[60] != 0xFF);
    assert_eq!(verified(&samples, &mut rng), Err(vec![0, 1]));
}
