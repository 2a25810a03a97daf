//! All but one of 16 seeds: a puncturable pseudorandom function from base transfers, with the consistency check of
//! SoftSpokenOT (Roy, "SoftSpokenOT: Quieter OT Extension from Small-Field Silent VOLE", ePrint 2022/192).
//!
//! The seeds of a tree are its leaves; a parent is hashed to its two children. Each level takes one base transfer: the party
//! that lacks a leaf learns the sum of the children on one side, and so the one child on that side which it could not compute.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Secret, Transcript};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::base::{self, Choices, Offer};
use crate::{Cheat, DEPTH, Inconsistent, LEAVES, Malformed, TREES, TransferId, halves};

/// A seed.
pub type Block = [u8; 16];

/// The seeds of all trees: what the receiver of extended transfers keeps.
///
/// The encoding holds the secrets: whoever stores it encrypts it.
#[derive(Debug)]
pub struct WholeSeeds {
    fingerprint: [u8; 32],
    leaves: Secret<Vec<Block>>,
}

/// The seeds of all trees but one of each: what the sender of extended transfers keeps.
///
/// The encoding holds the secrets: whoever stores it encrypts it.
#[derive(Debug)]
pub struct PuncturedSeeds {
    fingerprint: [u8; 32],
    /// Which one of each tree is missing.
    missing: Secret<Vec<u8>>,
    /// The missing ones are zero.
    leaves: Secret<Vec<Block>>,
}

/// What the party that has all seeds sends after the base transfers, of each tree.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Corrections(Vec<Correction>);

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Correction {
    /// Of each level but the first: the sums of the left and of the right children, each under a key of the level's base transfer.
    sums: [[Block; 2]; DEPTH - 1],
    /// The sum of all leaves' digests.
    sum: [u8; 32],
    /// A digest of all leaves' digests.
    digest: [u8; 32],
}

/// The party that will have all seeds, waiting for the other's choices.
pub struct Offering {
    id: TransferId,
    base: base::Sender,
    offer: Offer,
}

/// The party that will lack some, waiting for the other's offer.
pub struct Choosing {
    id: TransferId,
    base: base::Receiver,
    choices: Choices,
}

/// The party that will lack some, waiting for the corrections.
pub struct Chosen {
    id: TransferId,
    base: base::Chosen,
    choices: Choices,
    offer: Offer,
}

impl Offering {
    /// Begins. The offer is for the other party.
    #[must_use]
    pub fn new(id: &TransferId, rng: &mut dyn CryptoRngCore) -> (Self, Offer) {
        let (base, offer) = base::Sender::new(rng);
        (Self { id: *id, base, offer: offer.clone() }, offer)
    }

    /// The seeds, and what the other party needs to compute its own. Constant time.
    ///
    /// # Errors
    /// When the choices are not of the right number, or no points.
    pub fn grow(self, choices: &Choices) -> Result<(WholeSeeds, Corrections), Malformed> {
        let Self { id, base, offer } = self;
        let keys = base.keys(&id, choices)?;
        let mut leaves = Secret::new(Vec::with_capacity(TREES * LEAVES));
        let mut corrections = Vec::with_capacity(TREES);
        for (tree, keys) in (0_u8..).zip(keys.expose().chunks_exact(DEPTH)) {
            let (of_tree, correction) = grow(&id, tree, keys);
            leaves.expose_mut().extend_from_slice(of_tree.as_ref());
            corrections.push(correction);
        }
        let corrections = Corrections(corrections);
        let fingerprint = fingerprint(&id, &offer, choices, &corrections);
        Ok((WholeSeeds { fingerprint, leaves }, corrections))
    }
}

impl Choosing {
    /// Begins, with choices at random. They are for the other party.
    #[must_use]
    pub fn new(id: &TransferId, rng: &mut dyn CryptoRngCore) -> (Self, Choices) {
        let (base, choices) = base::Receiver::new(id, rng);
        (Self { id: *id, base, choices: choices.clone() }, choices)
    }

    /// Takes the other party's offer.
    ///
    /// # Errors
    /// When it is no point, or the identity.
    pub fn take(self, offer: &Offer) -> Result<Chosen, Malformed> {
        let Self { id, base, choices } = self;
        Ok(Chosen { id, base: base.keys(&id, offer)?, choices, offer: offer.clone() })
    }
}

impl Chosen {
    /// The seeds that this party may have. Constant time.
    ///
    /// # Errors
    /// When the corrections are not of the right number, or fit no seeds.
    pub fn correct(self, corrections: &Corrections) -> Result<PuncturedSeeds, Cheat> {
        let Self { id, base: base::Chosen { choices: bits, keys }, choices, offer } = self;
        if corrections.0.len() != TREES {
            return Err(Malformed("another number of trees").into());
        }
        let mut leaves = Secret::new(Vec::with_capacity(TREES * LEAVES));
        let mut missing = Secret::new(Vec::with_capacity(TREES));
        let mut consistent = Choice::from(1);
        let chosen = keys.expose().chunks_exact(DEPTH).zip(bits.chunks_exact(DEPTH));
        for (tree, ((keys, choices), correction)) in (0_u8..).zip(chosen.zip(&corrections.0)) {
            let (place, of_tree, fits) = puncture(&id, tree, keys, choices, correction);
            missing.expose_mut().push(place);
            leaves.expose_mut().extend_from_slice(of_tree.as_ref());
            consistent &= fits;
        }
        // One verdict on all trees: which of them is wrong is not to be seen.
        if !bool::from(consistent) {
            return Err(Inconsistent("the seeds").into());
        }
        let fingerprint = fingerprint(&id, &offer, &choices, corrections);
        Ok(PuncturedSeeds { fingerprint, missing, leaves })
    }
}

/// Names the seeds: a digest of all that was said when they were made.
fn fingerprint(id: &TransferId, offer: &Offer, choices: &Choices, corrections: &Corrections) -> [u8; 32] {
    let said = borsh::to_vec(&(offer, choices, corrections)).unwrap_or_default();
    Transcript::new(b"quorate/oblivious/seeds/v1").field("id", id.as_bytes()).field("said", &said).digest()
}

impl WholeSeeds {
    /// The name of the seeds, which both parties know.
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The leaves of each tree.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &[Block]> {
        self.leaves.expose().chunks_exact(LEAVES)
    }
}

impl PuncturedSeeds {
    /// The name of the seeds, which both parties know.
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Of each tree, which leaf is missing, and all leaves.
    pub(crate) fn trees(&self) -> impl Iterator<Item = (u8, &[Block])> {
        self.missing.expose().iter().copied().zip(self.leaves.expose().chunks_exact(LEAVES))
    }
}

impl BorshSerialize for WholeSeeds {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.fingerprint)?;
        writer.write_all(self.leaves.expose().as_flattened())
    }
}

impl BorshDeserialize for WholeSeeds {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let fingerprint = <[u8; 32]>::deserialize_reader(reader)?;
        let mut leaves = Secret::new(vec![Block::default(); TREES * LEAVES]);
        reader.read_exact(leaves.expose_mut().as_flattened_mut())?;
        Ok(Self { fingerprint, leaves })
    }
}

impl BorshSerialize for PuncturedSeeds {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.fingerprint)?;
        writer.write_all(self.missing.expose())?;
        writer.write_all(self.leaves.expose().as_flattened())
    }
}

impl BorshDeserialize for PuncturedSeeds {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let fingerprint = <[u8; 32]>::deserialize_reader(reader)?;
        let mut missing = Secret::new(vec![0; TREES]);
        reader.read_exact(missing.expose_mut())?;
        if missing.expose().iter().any(|place| usize::from(*place) >= LEAVES) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a tree has no such leaf"));
        }
        let mut leaves = Secret::new(vec![Block::default(); TREES * LEAVES]);
        reader.read_exact(leaves.expose_mut().as_flattened_mut())?;
        Ok(Self { fingerprint, missing, leaves })
    }
}

type Nodes = Zeroizing<[Block; LEAVES]>;

/// A tree from both keys of its base transfers.
fn grow(id: &TransferId, tree: u8, keys: &[[Block; 2]]) -> (Nodes, Correction) {
    let mut nodes = Nodes::default();
    let mut sums = [[Block::default(); 2]; DEPTH - 1];
    let mut keys = keys.iter();
    if let Some(root) = keys.next() {
        nodes.iter_mut().zip(root).for_each(|(node, key)| *node = *key);
    }
    for ((level, masks), sums) in (1_u8..).zip(keys).zip(&mut sums) {
        nodes = children(id, tree, level, &nodes);
        *sums = side_sums(&nodes);
        sums.iter_mut().zip(masks).for_each(|(sum, mask)| add(sum, mask));
    }
    let mut leaves = Nodes::default();
    let mut digests = Zeroizing::new([[0; 32]; LEAVES]);
    for ((place, node), (leaf, digest)) in
        (0_u8..).zip(nodes.iter()).zip(leaves.iter_mut().zip(digests.iter_mut()))
    {
        (*leaf, *digest) = *self::leaf(id, tree, place, node);
    }
    let mut sum = [0; 32];
    digests.iter().for_each(|digest| add(&mut sum, digest));
    (leaves, Correction { sums, sum, digest: digest_of(id, tree, &digests) })
}

/// A tree from one key of each of its base transfers: which leaf is missing, the leaves, and whether the check holds.
fn puncture(
    id: &TransferId,
    tree: u8,
    keys: &[Block],
    choices: &[u8],
    correction: &Correction,
) -> (u8, Nodes, Choice) {
    let mut nodes = Nodes::default();
    // The path to the node that is missing: on each level, on the side that was not chosen.
    let mut missing = 0;
    for (level, (key, choice)) in (0_u8..).zip(keys.iter().zip(choices)) {
        let side = Choice::from(*choice);
        let mut recovered = Zeroizing::new(*key);
        match level.checked_sub(1).and_then(|above| correction.sums.get(usize::from(above))) {
            None => {}
            Some(sums) => {
                nodes = children(id, tree, level, &nodes);
                // What was hashed from the missing node is nothing.
                for (place, node) in (0_u8..).zip(nodes.iter_mut()) {
                    keep(node, !(place / 2).ct_eq(&missing));
                }
                let known = Zeroizing::new(side_sums(&nodes));
                add(&mut recovered, &selected(sums, side));
                add(&mut recovered, &selected(&known, side));
            }
        }
        let found = 2 * missing + choice;
        for (place, node) in (0_u8..).zip(nodes.iter_mut()) {
            assign(node, &recovered, place.ct_eq(&found));
        }
        missing = 2 * missing + (1 - choice);
    }
    let mut leaves = Nodes::default();
    let mut digests = Zeroizing::new([[0; 32]; LEAVES]);
    let mut rest = Zeroizing::new(correction.sum);
    for ((place, node), (leaf, digest)) in
        (0_u8..).zip(nodes.iter()).zip(leaves.iter_mut().zip(digests.iter_mut()))
    {
        (*leaf, *digest) = *self::leaf(id, tree, place, node);
        let known = !place.ct_eq(&missing);
        keep(leaf, known);
        keep(digest, known);
        add(&mut rest, digest);
    }
    for (place, digest) in (0_u8..).zip(digests.iter_mut()) {
        assign(digest, &rest, place.ct_eq(&missing));
    }
    let fits = digest_of(id, tree, &digests).ct_eq(&correction.digest);
    (missing, leaves, fits)
}

/// The nodes of a level, from those of the level above.
fn children(id: &TransferId, tree: u8, level: u8, parents: &Nodes) -> Nodes {
    let mut children = Nodes::default();
    for (place, (pair, parent)) in (0_u8..1 << level).zip(children.chunks_exact_mut(2).zip(parents.iter())) {
        let mut hash = Sha256::new_with_prefix(b"quorate/oblivious/tree/v1");
        hash.update(id.as_bytes());
        hash.update([tree, level, place]);
        hash.update(parent);
        let hashed = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
        pair.copy_from_slice(Zeroizing::new(halves(&hashed)).as_ref());
    }
    children
}

/// What a leaf is used for, and its digest for the check: independent of each other.
fn leaf(id: &TransferId, tree: u8, place: u8, node: &Block) -> Zeroizing<(Block, [u8; 32])> {
    let transcript = Transcript::new(b"quorate/oblivious/leaf/v1")
        .field("id", id.as_bytes())
        .field("tree", &[tree])
        .field("place", &[place])
        .field("node", node);
    let wide = Zeroizing::new(transcript.wide());
    let mut made = Zeroizing::new((Block::default(), [0; 32]));
    let (block, digest) = &mut *made;
    block.iter_mut().chain(digest).zip(wide.iter()).for_each(|(to, from)| *to = *from);
    made
}

fn digest_of(id: &TransferId, tree: u8, digests: &[[u8; 32]; LEAVES]) -> [u8; 32] {
    let transcript = Transcript::new(b"quorate/oblivious/leaves/v1")
        .field("id", id.as_bytes())
        .field("tree", &[tree])
        .field("digests", digests.as_flattened());
    transcript.digest()
}

/// The sums of all left and of all right children.
fn side_sums(nodes: &[Block; LEAVES]) -> [Block; 2] {
    let mut sums = [Block::default(); 2];
    for pair in nodes.chunks_exact(2) {
        sums.iter_mut().zip(pair).for_each(|(sum, node)| add(sum, node));
    }
    sums
}

fn add<const N: usize>(sum: &mut [u8; N], summand: &[u8; N]) {
    sum.iter_mut().zip(summand).for_each(|(sum, byte)| *sum ^= byte);
}

fn keep<const N: usize>(bytes: &mut [u8; N], kept: Choice) {
    bytes.iter_mut().for_each(|byte| byte.conditional_assign(&0, !kept));
}

fn assign<const N: usize>(bytes: &mut [u8; N], from: &[u8; N], choice: Choice) {
    bytes.iter_mut().zip(from).for_each(|(byte, from)| byte.conditional_assign(from, choice));
}

fn selected([zero, one]: &[Block; 2], choice: Choice) -> Zeroizing<Block> {
    let mut selected = Zeroizing::new(*zero);
    assign(&mut selected, one, choice);
    selected
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{ID, rng};

    /// Both ends of a direction.
    pub(crate) fn seeds(seed: u64) -> (WholeSeeds, PuncturedSeeds) {
        let (chosen, whole, corrections) = before_correction(seed);
        (whole, chosen.correct(&corrections).unwrap())
    }

    fn before_correction(seed: u64) -> (Chosen, WholeSeeds, Corrections) {
        let (offering, offer) = Offering::new(&ID, &mut rng(2 * seed));
        let (choosing, choices) = Choosing::new(&ID, &mut rng(2 * seed + 1));
        let (whole, corrections) = offering.grow(&choices).unwrap();
        (choosing.take(&offer).unwrap(), whole, corrections)
    }

    #[test]
    fn all_seeds_but_one_of_each_tree_are_the_same() {
        let (whole, punctured) = seeds(1);
        let mut places = [0; LEAVES];
        for (whole, (missing, punctured)) in whole.trees().zip(punctured.trees()) {
            for (place, (whole, punctured)) in (0_u8..).zip(whole.iter().zip(punctured)) {
                assert_ne!(*whole, Block::default());
                let expected = if place == missing { Block::default() } else { *whole };
                assert_eq!(*punctured, expected, "{place}, {missing} is missing");
            }
            places[usize::from(missing)] += 1;
        }
        assert_eq!(places.iter().sum::<usize>(), TREES);
        assert!(places.iter().filter(|count| **count > 0).count() > 8, "{places:?}");
        let distinct: std::collections::BTreeSet<_> = whole.trees().flatten().collect();
        assert_eq!(distinct.len(), TREES * LEAVES);
    }

    #[test]
    fn a_wrong_sum_digest_or_length_is_found() {
        let check = |change: &dyn Fn(&mut Corrections)| {
            let (chosen, _, mut corrections) = before_correction(1);
            change(&mut corrections);
            chosen.correct(&corrections).err()
        };
        let inconsistent = Some(Cheat::Inconsistent(Inconsistent("the seeds")));
        assert_eq!(check(&|_| {}), None);
        assert_eq!(check(&|corrections| corrections.0[31].sum[0] ^= 1), inconsistent);
        assert_eq!(check(&|corrections| corrections.0[0].digest[31] ^= 1), inconsistent);
        for level in 0..DEPTH - 1 {
            // Both sides: the one that is used is among them.
            let both = |corrections: &mut Corrections| {
                corrections.0[7].sums[level].iter_mut().for_each(|sum| sum[3] ^= 1);
            };
            assert_eq!(check(&both), inconsistent, "level {level}");
        }
        assert!(matches!(check(&|corrections| corrections.0.truncate(31)), Some(Cheat::Malformed(_))));
        assert!(matches!(check(&|corrections| corrections.0.clear()), Some(Cheat::Malformed(_))));
        let longer = |corrections: &mut Corrections| corrections.0.push(corrections.0[0].clone());
        assert!(matches!(check(&longer), Some(Cheat::Malformed(_))));
    }

    /// One side of one sum is wrong: the honest party notices if, and only if, it is the side that it uses.
    #[test]
    fn one_wrong_side_is_a_guess_at_one_bit() {
        let mut noticed = 0;
        for seed in 0..16 {
            let (chosen, _, mut corrections) = before_correction(seed);
            let used = chosen.base.choices[4 * 5 + 2];
            corrections.0[5].sums[1][0][0] ^= 1;
            let is_noticed = chosen.correct(&corrections).is_err();
            assert_eq!(is_noticed, used == 0);
            noticed += u8::from(is_noticed);
        }
        assert!((1..16).contains(&noticed));
    }

    #[test]
    fn seeds_are_read_as_they_were_written() {
        let (whole, punctured) = seeds(1);
        let bytes = borsh::to_vec(&whole).unwrap();
        assert_eq!(bytes.len(), 32 + TREES * LEAVES * 16);
        let read = borsh::from_slice::<WholeSeeds>(&bytes).unwrap();
        assert_eq!(read.leaves.expose(), whole.leaves.expose());
        assert_eq!((read.fingerprint, punctured.fingerprint), (whole.fingerprint, whole.fingerprint));
        assert!(borsh::from_slice::<WholeSeeds>(&bytes[1..]).is_err());
        let mut bytes = borsh::to_vec(&punctured).unwrap();
        assert_eq!(bytes.len(), 32 + TREES + TREES * LEAVES * 16);
        let read = borsh::from_slice::<PuncturedSeeds>(&bytes).unwrap();
        assert_eq!(read.missing.expose(), punctured.missing.expose());
        assert_eq!(read.leaves.expose(), punctured.leaves.expose());
        assert!(borsh::from_slice::<PuncturedSeeds>(&bytes[1..]).is_err());
        bytes[32 + 5] = 16;
        assert!(borsh::from_slice::<PuncturedSeeds>(&bytes).is_err());
    }

    /// A wrong root of one tree, with a check made for it: noticed unless the honest party uses the other root.
    #[test]
    fn a_cheat_that_fits_one_guess_passes_with_it_alone() {
        let mut passed = 0;
        for seed in 0..16 {
            let (offering, offer) = Offering::new(&ID, &mut rng(2 * seed));
            let (choosing, choices) = Choosing::new(&ID, &mut rng(2 * seed + 1));
            let keys = offering.base.keys(&ID, &choices).unwrap();
            let trees = (0_u8..).zip(keys.expose().chunks_exact(DEPTH));
            let corrections = trees.map(|(tree, keys)| {
                let mut keys: Vec<_> = keys.to_vec();
                if tree == 5 {
                    // What grows from the left root is another tree.
                    keys[0][0][0] ^= 1;
                }
                grow(&ID, tree, &keys).1
            });
            let corrections = Corrections(corrections.collect());
            let chosen = choosing.take(&offer).unwrap();
            let uses_left = chosen.base.choices[4 * 5] == 0;
            let is_accepted = chosen.correct(&corrections).is_ok();
            assert_eq!(is_accepted, !uses_left);
            passed += u8::from(is_accepted);
        }
        assert!((1..16).contains(&passed));
    }

    #[test]
    fn corrections_of_two_trees_can_not_be_swapped() {
        let (chosen, _, mut corrections) = before_correction(1);
        corrections.0.swap(3, 4);
        assert!(chosen.correct(&corrections).is_err());
    }
}
