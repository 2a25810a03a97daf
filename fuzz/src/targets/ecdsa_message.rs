//! Messages and stored results of CGGMP21, as they lie in envelopes and records.

use std::collections::BTreeMap;

use quorate_cggmp21::auxiliary::{EncodedKeys, Message as Auxiliary, Open, PublicAuxiliary};
use quorate_cggmp21::presign::{Encrypted, Identification, Message as Presign, Pair, Products, Sums};
use quorate_cggmp21::sign::Message as Sign;
use quorate_cggmp21::{Check, Presignature, PresignatureId, PublicPresignature};
use quorate_session::Wire;
use quorate_sharing::PartyIndex;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "ecdsa_message", seeds, words: &[], run };

/// The first byte says what the rest is.
const KINDS: [fn(&[u8]) -> Outcome; 5] = [
    super::wire::<Auxiliary>,
    super::wire::<Presign>,
    super::wire::<Sign>,
    super::wire::<Presignature>,
    super::wire::<PublicAuxiliary>,
];

fn run(input: &[u8]) -> Outcome {
    match input.split_first() {
        Some((kind, rest)) => {
            let [auxiliary, presign, sign, presignature, public] = KINDS;
            match kind % 5 {
                0 => auxiliary(rest),
                1 => presign(rest),
                2 => sign(rest),
                3 => presignature(rest),
                _ => public(rest),
            }
        }
        None => Outcome::refused(&"nothing"),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let point = vec![2; 33];
    let keys = EncodedKeys { number: vec![3; 16], s: vec![4; 16], t: vec![5; 16] };
    let open = Open { keys, contribution: [6; 32], blinding: [7; 32] };
    let encrypted = Encrypted {
        k: vec![8; 16],
        gamma: vec![9; 16],
        base: point.clone(),
        k_commitment: [point.clone(), point.clone()],
        gamma_commitment: [point.clone(), point.clone()],
    };
    let pair = Pair { product: vec![1; 16], summand: vec![2; 16] };
    let parties: Vec<_> = [1, 2].into_iter().filter_map(|index| PartyIndex::new(index).ok()).collect();
    let pairs: BTreeMap<_, _> = parties.iter().map(|party| (*party, [pair.clone(), pair.clone()])).collect();
    let products = Products { gamma: point.clone(), proof: vec![3; 16], pairs };
    let sums = Sums { delta: [1; 32], k_point: point.clone(), proof: vec![4; 16], chi_point: point.clone() };
    let shown = Identification {
        sum: vec![5; 16],
        products: parties.iter().map(|party| (*party, vec![6; 16])).collect(),
    };
    let check = Check { nonce: point.clone(), key: point.clone() };
    let presignature = PublicPresignature {
        id: PresignatureId([1; 32]),
        key: [2; 32],
        nonce: point,
        checks: parties.iter().map(|party| (*party, check.clone())).collect(),
    };
    let mut stored = vec![quorate_session::WIRE_VERSION];
    stored.extend(borsh::to_vec(&presignature).unwrap_or_default());
    if let Some(party) = parties.first() {
        stored.extend(borsh::to_vec(&(party, [[1_u8; 32], [2; 32], [3; 32]])).unwrap_or_default());
    }
    let kinds = [
        (0, Auxiliary::Open(Box::new(open)).to_wire().ok()),
        (0, Auxiliary::Commit([1; 32]).to_wire().ok()),
        (1, Presign::Encrypted(vec![encrypted]).to_wire().ok()),
        (1, Presign::Products(vec![products]).to_wire().ok()),
        (1, Presign::Sums(vec![sums]).to_wire().ok()),
        (1, Presign::EncryptionProofs(vec![[vec![7; 16], vec![8; 16]]]).to_wire().ok()),
        (1, Presign::Identification(Box::new(shown)).to_wire().ok()),
        (2, Sign::Shares(vec![[9; 32]; 2]).to_wire().ok()),
        (3, Some(stored)),
        (4, PublicAuxiliary { sizes: 1, epoch: 2, keys: BTreeMap::new() }.to_wire().ok()),
    ];
    kinds.into_iter().filter_map(|(kind, bytes)| Some([vec![kind], bytes?].concat())).collect()
}
