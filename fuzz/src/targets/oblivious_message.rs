//! Messages and stored results of DKLS23, as they lie in envelopes and records.

use std::collections::BTreeSet;

use quorate_dkls23::pairs::{Message as PairsMessage, Pairs};
use quorate_dkls23::presign::{Message as Presign, Opening};
use quorate_dkls23::sign::Message as Sign;
use quorate_dkls23::{Presignature, PresignatureId, PublicPresignature};
use quorate_session::{WIRE_VERSION, Wire};
use quorate_sharing::PartyIndex;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "oblivious_message", seeds, words: &[], run };

/// The first byte says what the rest is.
fn run(input: &[u8]) -> Outcome {
    match input.split_first() {
        Some((kind, rest)) => match kind % 4 {
            0 => super::wire::<PairsMessage>(rest),
            1 => super::wire::<Sign>(rest),
            2 => super::wire::<Presignature>(rest),
            _ => super::wire::<Pairs>(rest),
        },
        None => Outcome::refused(&"nothing"),
    }
}

/// So many items of so many bytes, with their number before them.
fn items(count: u32, bytes: usize) -> Vec<u8> {
    let items = vec![7; bytes.saturating_mul(usize::try_from(count).unwrap_or(0))];
    [count.to_le_bytes().to_vec(), items].concat()
}

fn seeds() -> Vec<Vec<u8>> {
    let opening = Opening { nonce: [2; 33], key: [3; 33], salt: [4; 32] };
    let parties: BTreeSet<_> = [1, 2].into_iter().filter_map(|index| PartyIndex::new(index).ok()).collect();
    let public = PublicPresignature {
        id: PresignatureId([1; 32]),
        key: [2; 32],
        nonce: vec![2; 33],
        signers: parties.clone(),
    };
    let party = borsh::to_vec(&parties.first()).unwrap_or_default();
    let presignature = [
        vec![WIRE_VERSION],
        borsh::to_vec(&public).unwrap_or_default(),
        party.get(1..).unwrap_or_default().to_vec(),
        vec![5; 4 * 32],
    ];
    // A name and a salt, the corrections of 32 trees, two hashes.
    let extension = [vec![1; 48], items(32, 80), vec![2; 48]].concat();
    let extensions = [vec![WIRE_VERSION, 0, 1], 1_u32.to_le_bytes().to_vec(), extension];
    // A salt, the corrections of 512 transfers, a scalar, a hash and a name; two points and a scalar.
    let multiplication = [vec![1; 16], items(512, 96), vec![2; 96]].concat();
    let product = [multiplication, vec![2; 66], vec![3; 32]].concat();
    let products = [vec![WIRE_VERSION, 0, 3], 1_u32.to_le_bytes().to_vec(), product];
    // Choices of 128 transfers, an offer, a key.
    let begin = [vec![WIRE_VERSION, 0], items(128, 64), vec![4; 64]];
    // The corrections of 32 trees, and a seed that is encrypted.
    let grow = [vec![WIRE_VERSION, 1], items(32, 160), items(48, 1)];
    let ready = PairsMessage::Ready([9; 32]).to_wire().ok();
    // What made them; the party; no pairs, or one with party 2: of 32 trees of 16 leaves a digest, the missing leaves and all, a digest and all; a seed.
    let made = |pairs: Vec<u8>| [vec![WIRE_VERSION], vec![6; 64], vec![1, 0], pairs].concat();
    let trees = 32 * 16 * 16;
    let pair = [vec![1, 0, 0, 0, 2, 0], vec![7; 32 + 32 + trees], vec![8; 32 + trees], vec![9; 32]];
    let kinds = [
        (0, Some(begin.concat())),
        (0, Some(grow.concat())),
        (0, ready),
        (1, Sign::Presign(Presign::Commitments(vec![[1; 32]; 2])).to_wire().ok()),
        (1, Some(extensions.concat())),
        (1, Sign::Presign(Presign::Openings(vec![opening])).to_wire().ok()),
        (1, Some(products.concat())),
        (1, Sign::Shares(vec![[[9; 32]; 2]; 2]).to_wire().ok()),
        (2, Some(presignature.concat())),
        (3, Some(made(items(0, 0)))),
        (3, Some(made(pair.concat()))),
    ];
    kinds.into_iter().filter_map(|(kind, bytes)| Some([vec![kind], bytes?].concat())).collect()
}
