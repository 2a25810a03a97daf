//! Extended transfers: SoftSpokenOT (Roy, ePrint 2022/192) with k = 4, 512 random correlated transfers of one pair of seeds at
//! a time, with its consistency check over GF(2¹²⁸), made non-interactive by hashing.
//!
//! The receiver has a bit cⱼ and a string tⱼ of each transfer j, the sender qⱼ = tⱼ + cⱼ·Δ, all in GF(2)¹²⁸. Δ, which says of each
//! tree which seed the sender lacks, stays the same in all runs with the same seeds.

use aes::Aes128Enc;
use aes::cipher::{BlockEncrypt, KeyInit};
use borsh::{BorshDeserialize, BorshSerialize};
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use quorate_keys::{Secret, Transcript};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use crate::pprf::{Block, PuncturedSeeds, WholeSeeds};
use crate::transpose::transpose;
use crate::{Cheat, DEPTH, Inconsistent, Malformed, OtherRun, ROWS, TREES, TransferId, halves};

/// Transfers of one run: the choices of one random factor, ξ of vector OLE.
pub const TRANSFERS: usize = 512;

/// Columns of the matrix by blocks of 128: the transfers, and one block that hides the choices in the check.
const BLOCKS: usize = TRANSFERS / 128 + 1;

/// A row of the matrix.
type Row = [u128; BLOCKS];

/// What the receiver sends.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Extension {
    /// The name of the run and the seeds: so a message that is in the wrong place is not taken for cheating.
    run: [u8; 32],
    /// Random, so that not even two runs of one id stretch the seeds alike.
    salt: Block,
    /// Of each tree, what makes its choices those of all trees.
    corrections: Vec<Row>,
    /// The hash of the choices.
    choices: Block,
    /// Digest of the hashes of all rows.
    rows: [u8; 32],
}

/// The receiver's side of the transfers.
pub struct Received {
    id: TransferId,
    run: [u8; 32],
    choices: Secret<Vec<u128>>,
    /// tⱼ.
    columns: Secret<Vec<u128>>,
}

/// The sender's side of the transfers.
pub struct Sent {
    id: TransferId,
    run: [u8; 32],
    /// qⱼ.
    columns: Secret<Vec<u128>>,
    /// One number, in a place of its own.
    delta: Secret<Vec<u128>>,
}

/// Extends: the receiver's side, with random choices. The message is for the sender. Constant time.
///
/// # Security
/// `id` must not have been used with these seeds before: two runs would show the sender how their choices differ.
#[must_use]
pub fn receive(seeds: &WholeSeeds, id: &TransferId, rng: &mut dyn CryptoRngCore) -> (Received, Extension) {
    let mut salt = Block::default();
    rng.fill_bytes(&mut salt);
    let stretch = Stretch::new(id, &salt);
    let mut choices = Zeroizing::new(Row::default());
    for block in choices.iter_mut() {
        let mut random = Zeroizing::new(Block::default());
        rng.fill_bytes(random.as_mut());
        *block = u128::from_le_bytes(*random);
    }
    let mut corrections = Vec::with_capacity(TREES);
    let mut rows = Zeroizing::new([Row::default(); ROWS]);
    for (tree, (leaves, rows)) in (0_u8..).zip(seeds.trees().zip(rows.chunks_exact_mut(DEPTH))) {
        let mut correction = *choices;
        for (place, leaf) in leaves.iter().enumerate() {
            let stretched = stretch.row(tree, leaf);
            add(&mut correction, &stretched);
            add_where_bits_are_set(rows, place, &stretched);
        }
        corrections.push(correction);
    }
    let hash = Hash::new(id, &salt, &corrections);
    let message = Extension {
        run: run(id, seeds.fingerprint()),
        salt,
        choices: hash.of(&choices).to_le_bytes(),
        rows: digest_of(id, rows.iter().map(|row| hash.of(row))),
        corrections,
    };
    let choices = Secret::new(choices.iter().take(BLOCKS - 1).copied().collect());
    (Received { id: *id, run: message.name(), choices, columns: columns(&rows) }, message)
}

/// Extends: the sender's side. Constant time in all that the message does not tell.
///
/// # Errors
/// When the message is not of the right size, was made for another run or with other seeds, or fits no choices. After the last, the seeds are spent.
///
/// # Security
/// `id` must not have been used with these seeds before: two runs would show the receiver the sum of what the sender multiplies in them, so
/// twice its key share. Messages of one peer are checked one after the other, each only when the one before was good.
pub fn send(seeds: &PuncturedSeeds, id: &TransferId, message: &Extension) -> Result<Sent, Cheat> {
    if message.corrections.len() != TREES {
        return Err(Malformed("another number of trees").into());
    }
    if message.run != run(id, seeds.fingerprint()) {
        return Err(OtherRun.into());
    }
    let stretch = Stretch::new(id, &message.salt);
    let mut rows = Zeroizing::new([Row::default(); ROWS]);
    let mut delta = Secret::new(vec![0_u128]);
    let trees = seeds.trees().zip(rows.chunks_exact_mut(DEPTH)).zip(&message.corrections);
    for (tree, (((missing, leaves), rows), correction)) in (0_u8..).zip(trees) {
        // What the other's choices are corrected by, but for the leaf that is missing.
        let mut sum = Zeroizing::new(*correction);
        for ((place, leaf), number) in leaves.iter().enumerate().zip(0_u8..) {
            let mut stretched = stretch.row(tree, leaf);
            let known = !number.ct_eq(&missing);
            stretched.iter_mut().for_each(|block| block.conditional_assign(&0, !known));
            add(&mut sum, &stretched);
            add_where_bits_are_set(rows, place, &stretched);
        }
        for (bit, row) in rows.iter_mut().enumerate() {
            let set = Choice::from(missing >> bit & 1);
            let mut summand = Zeroizing::new(*sum);
            summand.iter_mut().for_each(|block| block.conditional_assign(&0, !set));
            add(row, &summand);
        }
        delta.expose_mut().iter_mut().for_each(|delta| *delta |= u128::from(missing) << (4 * tree));
    }
    let hash = Hash::new(id, &message.salt, &message.corrections);
    let choices = u128::from_le_bytes(message.choices);
    let missing = seeds.trees().flat_map(|(missing, _)| (0..DEPTH).map(move |bit| missing >> bit & 1));
    let expected = rows
        .iter()
        .zip(missing)
        .map(|(row, bit)| hash.of(row) ^ u128::conditional_select(&0, &choices, Choice::from(bit)));
    // One verdict on all rows: which of them is wrong is not to be seen.
    if !bool::from(digest_of(id, expected).ct_eq(&message.rows)) {
        return Err(Inconsistent("extended transfers").into());
    }
    Ok(Sent { id: *id, run: message.name(), columns: columns(&rows), delta })
}

/// Names a run with these seeds.
fn run(id: &TransferId, seeds: &[u8; 32]) -> [u8; 32] {
    let name = Transcript::new(b"quorate/oblivious/run/v1").field("id", id.as_bytes());
    name.field("seeds", seeds).digest()
}

impl Extension {
    /// Names the transfers that come of it: by the run, the seeds, and all that was said.
    fn name(&self) -> [u8; 32] {
        let said = borsh::to_vec(self).unwrap_or_default();
        Transcript::new(b"quorate/oblivious/transfers/v1").field("said", &said).digest()
    }
}

/// Digest of the hashes of all rows, as the receiver has them.
fn digest_of(id: &TransferId, hashes: impl Iterator<Item = u128>) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(b"quorate/oblivious/rows/v1");
    digest.update(id.as_bytes());
    for hash in hashes {
        digest.update(*Zeroizing::new(hash.to_le_bytes()));
    }
    digest.finalize().into()
}

impl Received {
    pub(crate) const fn id(&self) -> &TransferId {
        &self.id
    }

    /// The name of the transfers, which both parties know.
    pub(crate) const fn run(&self) -> &[u8; 32] {
        &self.run
    }

    /// The bit and the string of each transfer.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = (Choice, u128)> {
        let choices = self.choices.expose().iter();
        let bits = choices.flat_map(|block| (0..128).map(|bit| Choice::from((*block >> bit) as u8 & 1)));
        bits.zip(self.columns.expose().iter().copied())
    }
}

impl Sent {
    pub(crate) const fn id(&self) -> &TransferId {
        &self.id
    }

    /// The name of the transfers, which both parties know.
    pub(crate) const fn run(&self) -> &[u8; 32] {
        &self.run
    }

    /// Of each transfer, the receiver's string if its bit is zero, and if it is one.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = [u128; 2]> {
        let delta = self.delta.expose();
        self.columns.expose().iter().flat_map(|column| delta.iter().map(|delta| [*column, *column ^ delta]))
    }
}

/// Stretches seeds to rows: AES-128 in counter mode, that starts elsewhere in each run and tree.
struct Stretch(u128);

impl Stretch {
    fn new(id: &TransferId, salt: &Block) -> Self {
        let transcript =
            Transcript::new(b"quorate/oblivious/stretch/v1").field("id", id.as_bytes()).field("salt", salt);
        let [start, _] = halves(&transcript.digest());
        Self(u128::from_le_bytes(start))
    }

    fn row(&self, tree: u8, seed: &Block) -> Zeroizing<Row> {
        let cipher = Aes128Enc::new(seed.into());
        let mut blocks = [(); BLOCKS].map(|()| aes::Block::default());
        for (counter, block) in (0_u8..).zip(&mut blocks) {
            let place = u16::from_le_bytes([counter, tree]);
            *block = (self.0 ^ u128::from(place)).to_le_bytes().into();
        }
        cipher.encrypt_blocks(&mut blocks);
        let row = Zeroizing::new(blocks.map(|block| u128::from_le_bytes(block.into())));
        blocks.iter_mut().for_each(|block| block.as_mut_slice().zeroize());
        row
    }
}

/// A linear hash of rows, that nobody could know before the corrections were fixed.
struct Hash(polyval::Key);

impl Hash {
    fn new(id: &TransferId, salt: &Block, corrections: &[Row]) -> Self {
        let bytes: Vec<u8> = corrections.iter().flatten().flat_map(|block| block.to_le_bytes()).collect();
        let transcript = Transcript::new(b"quorate/oblivious/check/v1")
            .field("id", id.as_bytes())
            .field("salt", salt)
            .field("corrections", &bytes);
        let [key, _] = halves(&transcript.digest());
        Self(key.into())
    }

    /// X₁·h⁴ + X₂·h³ + X₃·h² + X₄·h + X₅, for the five blocks of a row.
    fn of(&self, [blocks @ .., last]: &Row) -> u128 {
        let mut hash = Polyval::new(&self.0);
        hash.update(&blocks.map(|block| block.to_le_bytes().into()));
        u128::from_le_bytes(hash.finalize().into()) ^ last
    }
}

fn add(sum: &mut Row, summand: &Row) {
    sum.iter_mut().zip(summand).for_each(|(sum, block)| *sum ^= block);
}

/// Adds to each row whose bit is set in `place`, which is public.
fn add_where_bits_are_set(rows: &mut [Row], place: usize, summand: &Row) {
    for (bit, row) in rows.iter_mut().enumerate() {
        if place >> bit & 1 == 1 {
            add(row, summand);
        }
    }
}

/// The columns, without those that the check has used up.
fn columns(rows: &[Row; ROWS]) -> Secret<Vec<u128>> {
    let mut columns = Secret::new(Vec::with_capacity(TRANSFERS));
    for block in 0..BLOCKS - 1 {
        let mut square = Zeroizing::new([0; ROWS]);
        square.iter_mut().zip(rows).for_each(|(to, row)| *to = row.get(block).copied().unwrap_or(0));
        transpose(&mut square);
        columns.expose_mut().extend_from_slice(square.as_ref());
    }
    columns
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pprf;
    use crate::testing::{ID, party, rng};

    /// Both sides.
    pub(crate) fn transfers(seed: u64) -> (Sent, Received) {
        transfers_of(seed, &ID, seed)
    }

    /// Both sides, of these seeds, with what the receiver draws.
    pub(crate) fn transfers_of(seeds: u64, id: &TransferId, drawn: u64) -> (Sent, Received) {
        let (whole, punctured) = pprf::tests::seeds(seeds);
        let (received, message) = receive(&whole, id, &mut rng(drawn));
        (send(&punctured, id, &message).unwrap(), received)
    }

    fn delta(sent: &Sent) -> u128 {
        sent.delta.expose()[0]
    }

    #[test]
    fn the_strings_differ_by_delta_where_the_bit_is_set() {
        let (sent, received) = transfers(1);
        assert_eq!(sent.transfers().count(), TRANSFERS);
        assert_eq!(received.transfers().count(), TRANSFERS);
        for ([zero, one], (choice, string)) in sent.transfers().zip(received.transfers()) {
            assert_eq!(zero ^ one, delta(&sent));
            assert_eq!(string, if bool::from(choice) { one } else { zero });
        }
        let distinct: BTreeSet<_> = received.transfers().map(|(_, string)| string).collect();
        assert_eq!(distinct.len(), TRANSFERS);
    }

    #[test]
    fn delta_is_what_is_missing() {
        let (_, punctured) = pprf::tests::seeds(3);
        let (sent, _) = transfers(3);
        for (tree, (missing, _)) in punctured.trees().enumerate() {
            assert_eq!((delta(&sent) >> (4 * tree)) & 15, u128::from(missing));
        }
    }

    #[test]
    fn every_run_is_another() {
        let (whole, punctured) = pprf::tests::seeds(1);
        let other = TransferId::new("other", &[1; 32], 0, party(1), party(2));
        let (first, mut message) = receive(&whole, &ID, &mut rng(1));
        let (second, named) = receive(&whole, &other, &mut rng(1));
        assert_eq!(first.choices.expose(), second.choices.expose());
        assert_ne!(first.columns.expose(), second.columns.expose());
        // Of one run, the other makes nothing, whatever it is called.
        message.run = named.run;
        let inconsistent = Cheat::Inconsistent(Inconsistent("extended transfers"));
        assert_eq!(send(&punctured, &other, &message).err(), Some(inconsistent));
        // Should an id come twice, there is the salt.
        let salted = |byte| Stretch::new(&ID, &[byte; 16]).row(3, &[7; 16]);
        assert_ne!(salted(1), salted(2));
    }

    #[test]
    fn trees_with_the_same_seed_have_other_rows() {
        let stretch = Stretch::new(&ID, &[1; 16]);
        let rows: BTreeSet<_> = (0..32).flat_map(|tree| *stretch.row(tree, &[7; 16])).collect();
        assert_eq!(rows.len(), 32 * BLOCKS);
    }

    #[test]
    fn other_seeds_or_another_run_are_not_taken_for_cheating() {
        let (whole, _) = pprf::tests::seeds(1);
        let (_, punctured) = pprf::tests::seeds(2);
        let (_, message) = receive(&whole, &ID, &mut rng(1));
        assert_eq!(send(&punctured, &ID, &message).err(), Some(Cheat::OtherRun(OtherRun)));
        let other = TransferId::new("another", &[0; 32], 0, party(1), party(2));
        let (_, punctured) = pprf::tests::seeds(1);
        assert_eq!(send(&punctured, &other, &message).err(), Some(Cheat::OtherRun(OtherRun)));
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let (whole, punctured) = pprf::tests::seeds(1);
        let (_, message) = receive(&whole, &ID, &mut rng(1));
        let check = |change: &dyn Fn(&mut Extension)| {
            let mut message = message.clone();
            change(&mut message);
            send(&punctured, &ID, &message).err()
        };
        assert_eq!(check(&|_| {}), None);
        let inconsistent = Some(Cheat::Inconsistent(Inconsistent("extended transfers")));
        assert_eq!(check(&|message| message.rows[31] ^= 128), inconsistent);
        assert_eq!(check(&|message| message.salt[0] ^= 1), inconsistent);
        // Only if Δ has a bit, as nearly always some has.
        assert_eq!(check(&|message| message.choices[0] ^= 1), inconsistent);
        assert_eq!(check(&|message| message.corrections.swap(0, 1)), inconsistent);
        for length in [0, 31, 33] {
            let resize = |message: &mut Extension| message.corrections.resize(length, Row::default());
            assert!(matches!(check(&resize), Some(Cheat::Malformed(_))), "{length} corrections");
        }
    }

    /// Choices that are not the same in one tree, in any block, with hashes made for a guess at the leaf that the sender lacks: passes if,
    /// and only if, the guess is right.
    #[test]
    fn a_selective_failure_is_a_guess_at_four_bits() {
        let (whole, punctured) = pprf::tests::seeds(1);
        let (missing, _) = punctured.trees().nth(9).unwrap();
        for block in 0..BLOCKS {
            let mut passed = 0;
            for guess in 0..16_u8 {
                let (_, mut message) = receive(&whole, &ID, &mut rng(1));
                let mut random = rng(1);
                let salt = draw(&mut random);
                assert_eq!(salt, message.salt);
                let choices = Row::default().map(|_| u128::from_le_bytes(draw(&mut random)));
                let mut error = Row::default();
                error[block] = 1 << 5;
                add(&mut message.corrections[9], &error);
                let hash = Hash::new(&ID, &salt, &message.corrections);
                message.choices = hash.of(&choices).to_le_bytes();
                let rows = rows_of(&whole, &salt);
                let hashes = rows.iter().enumerate().map(|(place, row)| {
                    let is_guessed = place / 4 == 9 && guess >> (place % 4) & 1 == 1;
                    hash.of(row) ^ if is_guessed { hash.of(&error) } else { 0 }
                });
                message.rows = digest_of(&ID, hashes);
                let is_accepted = send(&punctured, &ID, &message).is_ok();
                assert_eq!(is_accepted, guess == missing, "block {block}");
                passed += u8::from(is_accepted);
            }
            assert_eq!(passed, 1);
        }
    }

    /// The receiver's matrix, the plain way.
    fn rows_of(whole: &WholeSeeds, salt: &Block) -> Vec<Row> {
        let stretch = Stretch::new(&ID, salt);
        let mut rows = Vec::new();
        for (tree, leaves) in (0_u8..).zip(whole.trees()) {
            for bit in 0..4 {
                let mut row = Row::default();
                for (_, leaf) in leaves.iter().enumerate().filter(|(place, _)| place >> bit & 1 == 1) {
                    add(&mut row, &stretch.row(tree, leaf));
                }
                rows.push(row);
            }
        }
        rows
    }

    fn draw(rng: &mut dyn CryptoRngCore) -> Block {
        let mut block = Block::default();
        rng.fill_bytes(&mut block);
        block
    }

    /// Bits of strings, bytes of strings and choices of many runs are as often one as zero, and as often each value.
    #[test]
    fn what_comes_out_is_uniform() {
        let (whole, punctured) = pprf::tests::seeds(7);
        let (mut bits, mut bytes, mut ones) = ([0_u32; 128], [0_u32; 256], 0_u32);
        let runs = 64_u8;
        for run in 0..runs {
            let id = TransferId::new("uniform", &[1; 32], run.into(), party(1), party(2));
            let (received, message) = receive(&whole, &id, &mut rng(run.into()));
            let sent = send(&punctured, &id, &message).unwrap();
            for ((choice, _), [zero, _]) in received.transfers().zip(sent.transfers()) {
                ones += u32::from(choice.unwrap_u8());
                for (place, count) in bits.iter_mut().enumerate() {
                    *count += u32::from((zero >> place & 1) == 1);
                }
                zero.to_le_bytes().iter().for_each(|byte| bytes[usize::from(*byte)] += 1);
            }
        }
        let samples = f64::from(runs) * 512.0;
        // Six standard deviations of a fair coin.
        let near = |count: u32| (f64::from(count) - samples / 2.0).abs() < 6.0 * (samples / 4.0).sqrt();
        assert!(near(ones), "{ones} of {samples}");
        assert!(bits.iter().all(|count| near(*count)), "{bits:?}");
        // χ² with 255 degrees of freedom: mean 255, standard deviation 22.6.
        let expected = samples * 16.0 / 256.0;
        let deviation = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let chi_squared: f64 = bytes.iter().map(deviation).sum();
        assert!((120.0..400.0).contains(&chi_squared), "{chi_squared}");
    }
}
