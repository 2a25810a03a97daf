//! What nobody may know, rebuilt from the stores of t nodes and the noted randomness.

use std::collections::BTreeMap;
use std::path::Path;

use frost_core::keys::SigningShare;
use frost_core::round1::Nonce;
use frost_core::{Ciphersuite, Scalar};
use frost_ed25519::Ed25519Sha512;
use frost_secp256k1_tr::Secp256K1Sha256TR;
use quorate_sharing::{Curve, Ed25519, KeyShare, PartyIndex, Polynomial, Secp256k1, lagrange_at_zero};
use rand_core::{CryptoRng, Error, RngCore};

/// A curve with the ciphersuite that signs on it.
pub(super) trait Signing: Curve {
    type Suite: Ciphersuite;
    fn scalar(scalar: &Self::Scalar) -> Scalar<Self::Suite>;
    fn nonce(nonce: &Scalar<Self::Suite>) -> Self::Scalar;
    /// Its name in the ids of signing protocols.
    const SIGNS: &'static str;
    /// Whether public keys have no sign, so that a signer may use its share negated.
    const NEGATES: bool;
}

impl Signing for Ed25519 {
    type Suite = Ed25519Sha512;
    const SIGNS: &'static str = "ed25519";
    const NEGATES: bool = false;
    fn scalar(scalar: &Self::Scalar) -> Scalar<Ed25519Sha512> {
        *scalar
    }
    fn nonce(nonce: &Scalar<Ed25519Sha512>) -> Self::Scalar {
        *nonce
    }
}

impl Signing for Secp256k1 {
    type Suite = Secp256K1Sha256TR;
    const SIGNS: &'static str = "bip340";
    const NEGATES: bool = true;
    fn scalar(scalar: &Self::Scalar) -> Scalar<Secp256K1Sha256TR> {
        *scalar
    }
    fn nonce(nonce: &Scalar<Secp256K1Sha256TR>) -> Self::Scalar {
        *nonce
    }
}

/// Gives what was drawn before, once more.
struct Replay(Vec<u8>);

impl RngCore for Replay {
    fn next_u32(&mut self) -> u32 {
        unreachable!("nothing draws numbers")
    }
    fn next_u64(&mut self) -> u64 {
        unreachable!("nothing draws numbers")
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Replay {}

/// Secrets by what they are.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) named: Vec<(String, [u8; 32])>,
    /// Commitments to the nonces, as they travel.
    pub(super) commitments: Vec<(String, Vec<u8>)>,
}

impl Secrets {
    /// Rebuilds the secrets of one wallet from all its five shares, of which any three make the key, and no fewer.
    pub(super) fn rebuild<C: Signing>(&mut self, shares: &[KeyShare; 5], randomness: &Path, curve: &str) {
        let public = shares[0].public();
        let threshold = public.committee.threshold();
        assert_eq!(threshold.count(), 3);
        let values: BTreeMap<PartyIndex, C::Scalar> = shares
            .iter()
            .map(|share| (share.index(), *share.secret_share::<C>().unwrap().expose()))
            .collect();
        let indices: Vec<_> = values.keys().copied().collect();
        assert_eq!(indices.iter().map(|index| index.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let interpolated = |indices: &[PartyIndex]| {
            let terms =
                indices.iter().map(|index| lagrange_at_zero::<C>(*index, indices).unwrap() * values[index]);
            terms.fold(<C::Scalar as ff::Field>::ZERO, |sum, term| sum + term)
        };
        let key = interpolated(&indices[..3]);
        let fits = |key: &C::Scalar| C::encode(&C::mul_base(key)) == public.group_key.as_bytes();
        let mut others = Vec::new();
        let mut counts = [0; 6];
        for chosen in 1..1_usize << 5 {
            let chosen: Vec<_> = (0..5).filter(|at| chosen >> at & 1 == 1).map(|at| indices[at]).collect();
            counts[chosen.len()] += 1;
            let made = interpolated(&chosen);
            if chosen.len() >= 3 {
                assert!(fits(&made) && made == key, "t stores don't rebuild the key: {chosen:?}");
            } else {
                assert!(!fits(&made) && made != key, "t - 1 stores rebuild the key: {chosen:?}");
                assert!(!others.contains(&made), "fewer than t stores agree: {chosen:?}");
                others.push(made);
            }
        }
        assert_eq!(counts, [0, 5, 10, 10, 5, 1]);
        let mut add = |name: String, scalar: &C::Scalar| {
            self.named.push((format!("{curve} {name}"), C::scalar_to_bytes(scalar)));
        };
        add("private key".into(), &key);
        for (index, value) in &values {
            add(format!("key share {index}"), value);
            if C::NEGATES {
                add(format!("key share {index} negated"), &-*value);
            }
        }

        // What the dealers of the key generation sent: the sums of it are the shares.
        let mut dealt: BTreeMap<PartyIndex, C::Scalar> = BTreeMap::new();
        let mut constants = <C::Scalar as ff::Field>::ZERO;
        for (dealer, noted) in notes(randomness, &format!("keygen-{curve}-1-")) {
            let polynomial = Polynomial::<C>::random(threshold, &mut Replay(noted));
            // A parabola through its first three values, by their differences.
            let [first, second, third] = [0, 1, 2].map(|at| polynomial.evaluate(indices[at]));
            let two = <C::Scalar as ff::Field>::ONE + <C::Scalar as ff::Field>::ONE;
            let square = ((third - second) - (second - first)) * ff::Field::invert(&two).unwrap();
            let linear = (second - first) - (square + square + square);
            let coefficients = [first - square - linear, linear, square];
            for (power, coefficient) in coefficients.iter().enumerate() {
                add(format!("coefficient {power} of dealer {dealer}"), coefficient);
            }
            constants += coefficients[0];
            for index in &indices {
                let part = polynomial.evaluate(*index);
                add(format!("part of share {index} from dealer {dealer}"), &part);
                let sum = dealt.entry(*index).or_insert(<C::Scalar as ff::Field>::ZERO);
                *sum += part;
            }
        }
        assert_eq!(dealt, values, "the dealings were not recomputed");
        assert_eq!(constants, key, "the coefficients were not recomputed");

        let signings = notes(randomness, &format!("frost-{}-1-", C::SIGNS));
        assert!(signings.len() >= 18, "three signers of six signatures");
        for (number, (signer, noted)) in signings.into_iter().enumerate() {
            let share = values[&PartyIndex::new(signer).unwrap()];
            let shares = if C::NEGATES { vec![share, -share] } else { vec![share] };
            let mut committed = Vec::new();
            for share in shares {
                let share = SigningShare::<C::Suite>::new(C::scalar(&share));
                let mut replay = Replay(noted.clone());
                for kind in ["hiding", "binding"] {
                    let nonce = C::nonce(&Nonce::<C::Suite>::new(&share, &mut replay).to_scalar());
                    add(format!("{kind} nonce of signer {signer} in session {number}"), &nonce);
                    add(format!("{kind} nonce of signer {signer} in session {number} negated"), &-nonce);
                    committed.push(C::encode(&C::mul_base_uncleared(&nonce)));
                }
            }
            if !C::NEGATES {
                let name = format!("commitment of signer {signer} in session {number}");
                self.commitments.extend(committed.into_iter().map(|point| (name.clone(), point)));
            }
        }
    }
}

/// What the parties of sessions drew as they began: the party, and the bytes.
fn notes(folder: &Path, prefix: &str) -> Vec<(u16, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        let party = name.strip_prefix(prefix)?.split('-').next()?.parse().ok()?;
        Some((party, std::fs::read(file.path()).unwrap()))
    });
    named.collect()
}
