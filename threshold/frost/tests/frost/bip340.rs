//! The official vectors of BIP-340 that have a secret key: its shares sign the vector's message.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use quorate_frost::Bip340Suite;
use quorate_keys::Scheme;
use quorate_sharing::{Curve, Polynomial, Secp256k1};
use quorate_simulator::Cast;

use crate::wallet::Wallet;
use crate::{Scene, party, rng};

/// The key is the vector's, the signature is not: BIP-340 makes its nonce of the whole secret key, which nobody has here.
/// FROST's is the sum of what each signer draws afresh, and must not repeat. So libsecp256k1 judges the signature. Vectors
/// without a secret key are about verification alone; `quorate-keys` judges them.
#[test]
fn shared_secret_keys_of_the_vectors_of_bip340_sign_under_their_public_keys() {
    let mut signed = 0;
    let (mut parities, mut lengths) = (BTreeSet::new(), BTreeSet::new());
    for line in include_str!("../../../../keys/tests/data/bip340.csv").lines().skip(1) {
        let columns: Vec<_> = line.splitn(8, ',').collect();
        let [number, secret, public, _, message, signature, ..] = columns[..] else { panic!("{line}") };
        if secret.is_empty() {
            continue;
        }
        let message = hex::decode(message).unwrap();
        let secret = <[u8; 32]>::try_from(hex::decode(secret).unwrap()).unwrap();
        let secret = Secp256k1::scalar_from_bytes(&secret).unwrap();
        let seed = number.parse().unwrap();
        let cast = Cast::new(3, 5, seed);
        let threshold = cast.committee().threshold();
        let polynomial = Polynomial::<Secp256k1>::with_constant(&secret, threshold, &mut rng(seed));
        let wallet = Wallet::of::<Bip340Suite>(cast.committee(), &polynomial, &mut rng(seed));
        parities.insert(wallet.public.group_key.as_bytes()[0]);
        lengths.insert(message.len());
        let key = wallet.public.group_key.public_key(Scheme::Bip340).unwrap();
        assert_eq!(hex::encode_upper(key.as_bytes()), public, "vector {number}");
        let scene = Scene::<Bip340Suite> { cast, wallet, suite: PhantomData };
        for signers in [vec![1, 2, 3], vec![2, 4, 5], vec![1, 2, 3, 4, 5]] {
            let setup = scene.wallet.setup(party(signers[1]), &message);
            assert_eq!(setup.public_key::<Bip340Suite>().unwrap(), key);
            assert_eq!(scene.sign_and_verify(&signers, &setup, seed), key, "vector {number}");
            let (_, ours) = scene.sign(&signers, &setup, seed, quorate_simulator::Faults::default());
            assert_ne!(hex::encode_upper(ours.as_bytes()), signature, "another nonce");
        }
        signed += 1;
    }
    assert_eq!(signed, 8);
    assert_eq!(parities, [2, 3].into(), "keys with an even and with an odd y");
    assert_eq!(lengths, [0, 1, 17, 32, 100].into());
}
