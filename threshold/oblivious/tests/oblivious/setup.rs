//! A setup of seeds, by a second pair of parties.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use num_bigint::BigUint;
use quorate_oblivious::Cheat;
use quorate_oblivious::pprf::{Choosing, Chosen, Corrections, Offering};
use quorate_sharing::{P256, Secp256k1};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::bits::{Bits, add, bits, bytes};
use crate::ristretto::{ORDER, Point};
use crate::{Replay, SEED, SETUP, id, naive_id, recorded, transcript};

/// Bytes of the corrections of one tree: six sums, and the check's sum and digest.
const CORRECTION: usize = 6 * 16 + 2 * 32;

/// What both parties draw: an exponent; and a byte for each choice, then an exponent and a point of each.
static DRAWN: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    [64, 128 + 128 * (64 + 64)].map(|length| {
        let mut drawn = vec![0; length];
        rng.fill_bytes(&mut drawn);
        drawn
    })
});

/// Made once for all tests, as it takes a while.
static SECOND: LazyLock<Setup> = LazyLock::new(|| {
    let naive = Naive { id: naive_id(SETUP) };
    let [offering, choosing] = &*DRAWN;
    let (exponent, offer) = naive.offer(offering);
    let (choices, exponents, points) = naive.choose(choosing);
    let keys = naive.chosen_keys(&choices, &exponents, &offer, &points);
    let (leaves, corrections) = naive.grow(&naive.both_keys(&exponent, &offer, &points));
    Setup { naive, offer, points, corrections, choices, keys, leaves }
});

/// Ours, waiting for corrections.
fn chosen() -> Chosen {
    let mut drawn = Replay(DRAWN[1].clone());
    let (choosing, _) = Choosing::new(&id(SETUP), &mut drawn);
    choosing.take(&borsh::from_slice(&SECOND.offer).unwrap()).unwrap()
}

/// The encoding of our seeds, unless the corrections are found to be inconsistent.
fn corrected(corrections: &[u8]) -> Option<Vec<u8>> {
    let corrections: Corrections = borsh::from_slice(corrections).unwrap();
    match chosen().correct(&corrections) {
        Ok(punctured) => Some(borsh::to_vec(&punctured).unwrap()),
        Err(Cheat::Inconsistent(_)) => None,
        Err(cheat) => panic!("{cheat}"),
    }
}

#[test]
fn a_second_setup_agrees() {
    let [mut offering, mut choosing] = DRAWN.clone().map(Replay);
    let (ours_offering, offer) = Offering::new(&id(SETUP), &mut offering);
    let (ours_choosing, points) = Choosing::new(&id(SETUP), &mut choosing);
    assert!(offering.0.is_empty() && choosing.0.is_empty(), "drawn and not used");
    assert!(borsh::to_vec(&offer).unwrap() == SECOND.offer, "another offer");
    assert!(borsh::to_vec(&points).unwrap() == SECOND.points, "other choices");
    let (whole, corrections) = ours_offering.grow(&points).unwrap();
    assert!(borsh::to_vec(&corrections).unwrap() == SECOND.corrections, "other corrections");
    assert!(borsh::to_vec(&whole).unwrap() == SECOND.whole(), "other seeds");
    let punctured = ours_choosing.take(&offer).unwrap().correct(&corrections).unwrap();
    let expected = SECOND.punctured(&SECOND.corrections).unwrap();
    assert!(borsh::to_vec(&punctured).unwrap() == expected, "other seeds but one");
}

/// The leaf that is missing is where the choices that were not made lead to.
#[test]
fn the_second_parties_agree_with_each_other() {
    let (missing, leaves) =
        SECOND.naive.puncture(&SECOND.choices, &SECOND.keys, &SECOND.corrections).unwrap();
    assert_eq!((SECOND.leaves.len(), leaves.len()), (32 * 16 * 16, 32 * 16 * 16));
    for (tree, missing) in missing.iter().enumerate() {
        let path = &SECOND.choices[4 * tree..][..4];
        assert_eq!(*missing, path.iter().fold(0, |place, choice| 2 * place + 1 - choice));
        for place in 0..16 {
            let at = (16 * tree + place) * 16..(16 * tree + place + 1) * 16;
            let expected = if place == usize::from(*missing) { &[0; 16] } else { &SECOND.leaves[at.clone()] };
            assert_eq!(&leaves[at], expected, "tree {tree}, leaf {place}");
        }
    }
}

#[test]
fn the_recorded_multiplications_use_the_seeds_of_the_second_setup() {
    let whole = SECOND.whole();
    assert!(recorded::<Secp256k1>().seeds == whole, "other seeds");
    assert!(recorded::<P256>().seeds == whole, "other seeds");
}

/// One bit of each sum, and of both halves of the check's sum and digest. That of a sum is noticed on the side that is used alone.
#[test]
fn a_changed_correction_is_refused_by_both_or_by_neither() {
    for tree in [0, 13, 31] {
        for block in 0..CORRECTION / 16 {
            let mut changed = SECOND.corrections.clone();
            let bit = (37 * block + tree) % 128;
            changed[4 + CORRECTION * tree + 16 * block + bit / 8] ^= 1 << (bit % 8);
            let (level, side) = (1 + block / 2, block % 2);
            let is_used = block >= 6 || usize::from(SECOND.choices[4 * tree + level]) == side;
            let ours = corrected(&changed);
            let second = SECOND.punctured(&changed);
            assert_eq!(ours.is_none(), is_used, "ours: tree {tree}, block {block}");
            assert_eq!(second.is_none(), is_used, "second: tree {tree}, block {block}");
            assert!(ours == second, "other seeds: tree {tree}, block {block}");
        }
    }
}

#[test]
fn corrections_of_two_trees_that_are_swapped_are_refused_by_both() {
    let mut swapped = SECOND.corrections.clone();
    let (first, second) = swapped[4..].split_at_mut(CORRECTION);
    first.swap_with_slice(&mut second[..CORRECTION]);
    assert_eq!(corrected(&swapped), None);
    assert_eq!(SECOND.punctured(&swapped), None);
}

/// Points that are the same, that are zero, and that are sent for another transfer.
#[test]
fn a_second_setup_agrees_on_choices_that_no_honest_party_sends() {
    let mut points = SECOND.points.clone();
    points[4..4 + 64].fill(0);
    points.copy_within(4 + 64..4 + 96, 4 + 96);
    points[4 + 128..].rotate_left(32);
    let (offering, _) = Offering::new(&id(SETUP), &mut Replay(DRAWN[0].clone()));
    let (whole, corrections) = offering.grow(&borsh::from_slice(&points).unwrap()).unwrap();
    let naive = &SECOND.naive;
    let keys = naive.both_keys(&exponent(&DRAWN[0]), &SECOND.offer, &points);
    let (leaves, expected) = naive.grow(&keys);
    assert!(borsh::to_vec(&corrections).unwrap() == expected, "other corrections");
    assert!(borsh::to_vec(&whole).unwrap()[32..] == leaves, "other seeds");
    assert!(leaves != SECOND.leaves && expected != SECOND.corrections, "nothing was changed");
}

#[test]
fn what_is_no_point_is_refused_by_both() {
    let prime = (BigUint::from(1_u8) << 255) - 19_u8;
    let root = BigUint::from(2_u8).modpow(&(&prime >> 2), &prime);
    let offer = BigUint::from_bytes_le(&SECOND.offer);
    // Special cases of the curve's equations; numbers that are small, and as many that are not reduced; and one bit that is wrong.
    let mut numbers = vec![&prime - 1_u8, &prime - &root, root, &prime + &offer];
    numbers.extend((0_u8..19).flat_map(|small| [small.into(), &prime + small]));
    numbers.extend((0..256).step_by(5).map(|bit| &offer ^ (BigUint::from(1_u8) << bit)));
    let mut refused = 0;
    for number in &numbers {
        let mut encoded = number.to_bytes_le();
        encoded.resize(32, 0);
        let second = Point::decode(&encoded);
        let (choosing, _) = Choosing::new(&id(SETUP), &mut Replay(DRAWN[1].clone()));
        let is_taken = choosing.take(&borsh::from_slice(&encoded).unwrap()).is_ok();
        assert_eq!(is_taken, second.is_some_and(|point| point.encode() != [0; 32]), "offer {number}");
        let mut points = SECOND.points.clone();
        points[4..36].copy_from_slice(&encoded);
        let (offering, _) = Offering::new(&id(SETUP), &mut Replay(DRAWN[0].clone()));
        let is_grown = offering.grow(&borsh::from_slice(&points).unwrap()).is_ok();
        assert_eq!(is_grown, second.is_some(), "choice {number}");
        refused += usize::from(second.is_none());
    }
    assert!((10..numbers.len() - 10).contains(&refused), "{refused} of {}", numbers.len());
}

// --- the second parties ---------------------------------------------------------------------------------------------

struct Naive {
    id: [u8; 32],
}

/// What both parties sent, and what each of them knows.
struct Setup {
    naive: Naive,
    offer: Vec<u8>,
    /// The message that hides the choices.
    points: Vec<u8>,
    corrections: Vec<u8>,
    choices: Vec<u8>,
    /// Those that were chosen.
    keys: Vec<Bits>,
    /// All of all trees.
    leaves: Vec<u8>,
}

impl Setup {
    fn fingerprint(&self, corrections: &[u8]) -> Vec<u8> {
        let said = [&self.offer, &self.points, corrections].concat();
        transcript("quorate/oblivious/seeds/v1", &[("id", &self.naive.id), ("said", &said)])[..32].to_vec()
    }

    /// The encoding of all seeds.
    fn whole(&self) -> Vec<u8> {
        [self.fingerprint(&self.corrections), self.leaves.clone()].concat()
    }

    /// The encoding of all seeds but one of each tree; nothing if the check fails.
    fn punctured(&self, corrections: &[u8]) -> Option<Vec<u8>> {
        let (missing, leaves) = self.naive.puncture(&self.choices, &self.keys, corrections)?;
        Some([self.fingerprint(corrections), missing, leaves].concat())
    }
}

fn exponent(drawn: &[u8]) -> BigUint {
    BigUint::from_bytes_le(drawn) % &*ORDER
}

/// The points of each transfer.
fn pairs(points: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    points[4..].chunks(64).map(|pair| pair.split_at(32))
}

impl Naive {
    fn offer(&self, drawn: &[u8]) -> (BigUint, Vec<u8>) {
        let exponent = exponent(drawn);
        let offer = Point::base().times(&exponent).encode();
        (exponent, offer.to_vec())
    }

    /// The choices, an exponent of each, and the message.
    fn choose(&self, drawn: &[u8]) -> (Vec<u8>, Vec<BigUint>, Vec<u8>) {
        let (choices, drawn) = drawn.split_at(128);
        let choices: Vec<u8> = choices.iter().map(|byte| byte % 2).collect();
        let mut exponents = Vec::new();
        let mut points = 128_u32.to_le_bytes().to_vec();
        for (place, (choice, drawn)) in choices.iter().zip(drawn.chunks(128)).enumerate() {
            let exponent = exponent(&drawn[..64]);
            let other = Point::from_uniform(&drawn[64..]).encode();
            let own = Point::base().times(&exponent) + -self.mask(place, *choice, &other);
            let mut pair = [own.encode(), other];
            if *choice == 1 {
                pair.reverse();
            }
            points.extend(pair.concat());
            exponents.push(exponent);
        }
        (choices, exponents, points)
    }

    /// What is added to a point, from the other one.
    fn mask(&self, place: usize, choice: u8, other: &[u8]) -> Point {
        let fields: [(&str, &[u8]); 4] = [
            ("id", &self.id),
            ("place", &u64::try_from(place).unwrap().to_le_bytes()),
            ("which", &[choice]),
            ("point", other),
        ];
        Point::from_uniform(&transcript("quorate/oblivious/base/mask/v1", &fields))
    }

    fn both_keys(&self, exponent: &BigUint, offer: &[u8], points: &[u8]) -> Vec<[Bits; 2]> {
        let key = |place, choice, point, other| {
            let sum = Point::decode(point).unwrap() + self.mask(place, choice, other);
            self.key(offer, points, place, choice, sum.times(exponent))
        };
        let pairs = pairs(points).enumerate();
        pairs.map(|(place, (zero, one))| [key(place, 0, zero, one), key(place, 1, one, zero)]).collect()
    }

    fn chosen_keys(&self, choices: &[u8], exponents: &[BigUint], offer: &[u8], points: &[u8]) -> Vec<Bits> {
        let offered = Point::decode(offer).unwrap();
        let chosen = choices.iter().zip(exponents).enumerate();
        let key = |(place, (choice, exponent)): (_, (&u8, _))| {
            self.key(offer, points, place, *choice, offered.times(exponent))
        };
        chosen.map(key).collect()
    }

    fn key(&self, offer: &[u8], points: &[u8], place: usize, choice: u8, shared: Point) -> Bits {
        let fields: [(&str, &[u8]); 3] = [("id", &self.id), ("offer", offer), ("choices", &points[4..])];
        let said = transcript("quorate/oblivious/base/transcript/v1", &fields);
        let fields: [(&str, &[u8]); 4] = [
            ("transcript", &said[..32]),
            ("place", &u64::try_from(place).unwrap().to_le_bytes()),
            ("choice", &[choice]),
            ("shared", &shared.encode()),
        ];
        bits(&transcript("quorate/oblivious/base/key/v1", &fields)[..16])
    }

    /// The leaves of all trees, and the message.
    fn grow(&self, keys: &[[Bits; 2]]) -> (Vec<u8>, Vec<u8>) {
        let mut leaves = Vec::new();
        let mut corrections = 32_u32.to_le_bytes().to_vec();
        for (tree, keys) in keys.chunks(4).enumerate() {
            let mut nodes = keys[0].to_vec();
            for (level, keys) in keys.iter().enumerate().skip(1) {
                let parents = nodes.iter().enumerate();
                nodes = parents.flat_map(|(place, node)| self.children(tree, level, place, node)).collect();
                for (side, key) in keys.iter().enumerate() {
                    let mut sum = key.clone();
                    nodes.iter().skip(side).step_by(2).for_each(|node| add(&mut sum, node));
                    corrections.extend(bytes(&sum));
                }
            }
            let mut sum = vec![false; 256];
            let mut digests = Vec::new();
            for (place, node) in nodes.iter().enumerate() {
                let (leaf, digest) = self.leaf(tree, place, node);
                leaves.extend(leaf);
                add(&mut sum, &digest);
                digests.push(digest);
            }
            corrections.extend(bytes(&sum));
            corrections.extend(self.digest(tree, &digests));
        }
        (leaves, corrections)
    }

    /// Which leaf of each tree is missing, and the leaves, of which the missing ones are zero; nothing if the check fails.
    fn puncture(&self, choices: &[u8], keys: &[Bits], corrections: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut all_missing, mut all_leaves) = (Vec::new(), Vec::new());
        let mut holds = true;
        let trees = choices.chunks(4).zip(keys.chunks(4)).zip(corrections[4..].chunks(CORRECTION));
        for (tree, ((choices, keys), correction)) in trees.enumerate() {
            let (sums, check) = correction.split_at(6 * 16);
            let (sum, digest) = check.split_at(32);
            let mut nodes = vec![None; 2];
            nodes[usize::from(choices[0])] = Some(keys[0].clone());
            for level in 1..4 {
                let parents = nodes.iter().enumerate();
                nodes = parents
                    .flat_map(|(place, node)| match node {
                        Some(node) => self.children(tree, level, place, node).map(Some),
                        None => [None, None],
                    })
                    .collect();
                // Of the side that was chosen all nodes are known but one, and the sum of all.
                let side = usize::from(choices[level]);
                let mut found = bits(&sums[(2 * (level - 1) + side) * 16..][..16]);
                add(&mut found, &keys[level]);
                nodes.iter().skip(side).step_by(2).flatten().for_each(|node| add(&mut found, node));
                let place = (side..nodes.len()).step_by(2).find(|place| nodes[*place].is_none()).unwrap();
                nodes[place] = Some(found);
            }
            let missing = nodes.iter().position(Option::is_none).unwrap();
            let mut rest = bits(sum);
            let mut digests = Vec::new();
            for (place, node) in nodes.iter().enumerate() {
                let (leaf, digest) = match node {
                    Some(node) => self.leaf(tree, place, node),
                    None => (vec![0; 16], vec![false; 256]),
                };
                all_leaves.extend(leaf);
                add(&mut rest, &digest);
                digests.push(digest);
            }
            digests[missing] = rest;
            holds &= self.digest(tree, &digests) == digest;
            all_missing.push(u8::try_from(missing).unwrap());
        }
        holds.then_some((all_missing, all_leaves))
    }

    fn children(&self, tree: usize, level: usize, place: usize, parent: &[bool]) -> [Bits; 2] {
        let mut hashed = b"quorate/oblivious/tree/v1".to_vec();
        hashed.extend(self.id);
        hashed.extend([tree, level, place].map(|number| u8::try_from(number).unwrap()));
        hashed.extend(bytes(parent));
        let hash = bits(digest(&SHA256, &hashed).as_ref());
        [hash[..128].to_vec(), hash[128..].to_vec()]
    }

    /// The seed, and the digest for the check.
    fn leaf(&self, tree: usize, place: usize, node: &[bool]) -> (Vec<u8>, Bits) {
        let fields: [(&str, &[u8]); 4] = [
            ("id", &self.id),
            ("tree", &[u8::try_from(tree).unwrap()]),
            ("place", &[u8::try_from(place).unwrap()]),
            ("node", &bytes(node)),
        ];
        let hash = transcript("quorate/oblivious/leaf/v1", &fields);
        (hash[..16].to_vec(), bits(&hash[16..48]))
    }

    fn digest(&self, tree: usize, digests: &[Bits]) -> Vec<u8> {
        let digests = bytes(&digests.concat());
        let fields: [(&str, &[u8]); 3] =
            [("id", &self.id), ("tree", &[u8::try_from(tree).unwrap()]), ("digests", &digests)];
        transcript("quorate/oblivious/leaves/v1", &fields)[..32].to_vec()
    }
}
