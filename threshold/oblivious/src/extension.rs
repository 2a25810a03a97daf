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
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use crate::pprf::{Block, PuncturedSeeds, WholeSeeds};
use crate::transpose::transpose;
use crate::{Cheat, DEPTH, Inconsistent, Malformed, ROWS, TREES, TransferId};

/// Transfers of one run: the choices of one random factor, ξ of vector OLE.
pub const TRANSFERS: usize = 512;

/// Columns of the matrix by blocks of 128: the transfers, and one block that hides the choices in the check.
const BLOCKS: usize = TRANSFERS / 128 + 1;

/// A row of the matrix.
type Row = [u128; BLOCKS];

/// What the receiver sends.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Extension {
    /// Of each tree, what makes its choices those of all trees.
    corrections: Vec<Row>,
    /// The hash of the choices.
    choices: Block,
    /// The hash of each row.
    rows: Vec<Block>,
}

/// The receiver's side of the transfers.
pub struct Received {
    choices: Secret<Vec<u128>>,
    /// tⱼ.
    columns: Secret<Vec<u128>>,
}

/// The sender's side of the transfers.
pub struct Sent {
    /// qⱼ.
    columns: Secret<Vec<u128>>,
    delta: Secret<u128>,
}

/// Extends: the receiver's side, with random choices. The message is for the sender. Constant time.
///
/// # Security
/// `id` must not have been used with these seeds before.
#[must_use]
pub fn receive(seeds: &WholeSeeds, id: &TransferId, rng: &mut dyn CryptoRngCore) -> (Received, Extension) {
    let stretch = Stretch::new(id);
    let mut choices = Zeroizing::new(Row::default());
    for block in choices.iter_mut() {
        let mut random = Zeroizing::new(Block::default());
        rng.fill_bytes(random.as_mut());
        *block = u128::from_le_bytes(*random);
    }
    let mut corrections = Vec::with_capacity(TREES);
    let mut rows = Zeroizing::new([Row::default(); ROWS]);
    for (leaves, rows) in seeds.trees().zip(rows.chunks_exact_mut(DEPTH)) {
        let mut correction = *choices;
        for (place, leaf) in leaves.iter().enumerate() {
            let stretched = stretch.row(leaf);
            add(&mut correction, &stretched);
            add_where_bits_are_set(rows, place, &stretched);
        }
        corrections.push(correction);
    }
    let hash = Hash::new(id, &corrections);
    let message = Extension {
        choices: hash.of(&choices).to_le_bytes(),
        rows: rows.iter().map(|row| hash.of(row).to_le_bytes()).collect(),
        corrections,
    };
    let choices = Secret::new(choices.iter().take(BLOCKS - 1).copied().collect());
    (Received { choices, columns: columns(&rows) }, message)
}

/// Extends: the sender's side. Constant time in all that the message does not tell.
///
/// # Errors
/// When the message is not of the right size, or fits no choices. After the latter the seeds are spent.
///
/// # Security
/// `id` must not have been used with these seeds before.
pub fn send(seeds: &PuncturedSeeds, id: &TransferId, message: &Extension) -> Result<Sent, Cheat> {
    if message.corrections.len() != TREES {
        return Err(Malformed("another number of trees").into());
    }
    if message.rows.len() != ROWS {
        return Err(Malformed("another number of rows").into());
    }
    let stretch = Stretch::new(id);
    let mut rows = Zeroizing::new([Row::default(); ROWS]);
    let mut delta = Secret::new(0_u128);
    let trees = seeds.trees().zip(rows.chunks_exact_mut(DEPTH)).zip(&message.corrections);
    for (tree, (((missing, leaves), rows), correction)) in trees.enumerate() {
        // What the other's choices are corrected by, but for the leaf that is missing.
        let mut sum = Zeroizing::new(*correction);
        for ((place, leaf), number) in leaves.iter().enumerate().zip(0_u8..) {
            let mut stretched = stretch.row(leaf);
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
        *delta.expose_mut() |= u128::from(missing) << (DEPTH * tree);
    }
    let hash = Hash::new(id, &message.corrections);
    let choices = u128::from_le_bytes(message.choices);
    let mut consistent = Choice::from(1);
    for (place, (row, claimed)) in rows.iter().zip(&message.rows).enumerate() {
        let set = Choice::from(u8::from(*delta.expose() >> place & 1 == 1));
        let expected = u128::from_le_bytes(*claimed) ^ u128::conditional_select(&0, &choices, set);
        consistent &= hash.of(row).ct_eq(&expected);
    }
    // One verdict on all rows: which of them is wrong is not to be seen.
    if !bool::from(consistent) {
        return Err(Inconsistent("extended transfers").into());
    }
    Ok(Sent { columns: columns(&rows), delta })
}

impl Received {
    /// The bit and the string of each transfer.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = (Choice, u128)> {
        let choices = self.choices.expose().iter();
        let bits = choices.flat_map(|block| (0..128).map(|bit| Choice::from((*block >> bit) as u8 & 1)));
        bits.zip(self.columns.expose().iter().copied())
    }
}

impl Sent {
    /// Of each transfer, the receiver's string if its bit is zero, and if it is one.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = [u128; 2]> {
        let delta = *self.delta.expose();
        self.columns.expose().iter().map(move |column| [*column, *column ^ delta])
    }
}

/// Stretches seeds to rows: AES-128 in counter mode.
struct Stretch(Row);

impl Stretch {
    fn new(id: &TransferId) -> Self {
        let digest = Transcript::new(b"quorate/oblivious/stretch/v1").field("id", id.as_bytes()).digest();
        let start = digest.first_chunk().copied().map_or(0, u128::from_le_bytes);
        let mut counter = 0;
        Self([(); BLOCKS].map(|()| {
            counter += 1;
            start ^ counter
        }))
    }

    fn row(&self, seed: &Block) -> Zeroizing<Row> {
        let cipher = Aes128Enc::new(seed.into());
        let mut blocks = self.0.map(|block| aes::Block::from(block.to_le_bytes()));
        cipher.encrypt_blocks(&mut blocks);
        let row = Zeroizing::new(blocks.map(|block| u128::from_le_bytes(block.into())));
        blocks.iter_mut().for_each(|block| block.as_mut_slice().zeroize());
        row
    }
}

/// A linear hash of rows, that nobody could know before the corrections were fixed.
struct Hash(polyval::Key);

impl Hash {
    fn new(id: &TransferId, corrections: &[Row]) -> Self {
        let bytes: Vec<u8> = corrections.iter().flatten().flat_map(|block| block.to_le_bytes()).collect();
        let digest = Transcript::new(b"quorate/oblivious/check/v1")
            .field("id", id.as_bytes())
            .field("corrections", &bytes)
            .digest();
        Self(digest.first_chunk::<16>().copied().unwrap_or_default().into())
    }

    /// Σ blockᵢ·hⁿ⁻ⁱ over all but the last, plus the last.
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
        let (whole, punctured) = pprf::tests::seeds(seed);
        let (received, message) = receive(&whole, &ID, &mut rng(seed));
        (send(&punctured, &ID, &message).unwrap(), received)
    }

    #[test]
    fn the_strings_differ_by_delta_where_the_bit_is_set() {
        let (sent, received) = transfers(1);
        let delta = *sent.delta.expose();
        assert_eq!(sent.transfers().count(), TRANSFERS);
        assert_eq!(received.transfers().count(), TRANSFERS);
        for ([zero, one], (choice, string)) in sent.transfers().zip(received.transfers()) {
            assert_eq!(zero ^ one, delta);
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
            assert_eq!((*sent.delta.expose() >> (4 * tree)) & 15, u128::from(missing));
        }
    }

    #[test]
    fn every_run_is_another() {
        let (whole, punctured) = pprf::tests::seeds(1);
        let other = TransferId::new("other", &[1; 32], party(1), party(2));
        let (first, message) = receive(&whole, &ID, &mut rng(1));
        let (second, _) = receive(&whole, &other, &mut rng(1));
        assert_eq!(first.choices.expose(), second.choices.expose());
        assert_ne!(first.columns.expose(), second.columns.expose());
        // Of one run, the other makes nothing.
        let inconsistent = Cheat::Inconsistent(Inconsistent("extended transfers"));
        assert_eq!(send(&punctured, &other, &message).err(), Some(inconsistent));
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
        // A row is wrong whatever Δ is; a correction or the hash of the choices only if Δ has a bit there, as nearly always some has.
        assert_eq!(check(&|message| message.rows[127][15] ^= 128), inconsistent);
        assert_eq!(check(&|message| message.choices[0] ^= 1), inconsistent);
        assert_eq!(check(&|message| message.corrections.swap(0, 1)), inconsistent);
        for block in 0..BLOCKS {
            let every = |message: &mut Extension| {
                message.corrections.iter_mut().skip(16).for_each(|row| row[block] ^= 1 << 77);
            };
            assert_eq!(check(&every), inconsistent, "block {block}");
        }
        for length in [0, 31, 33] {
            let resize = |message: &mut Extension| message.corrections.resize(length, Row::default());
            assert!(matches!(check(&resize), Some(Cheat::Malformed(_))), "{length} corrections");
        }
        for length in [0, 127, 129] {
            let resize = |message: &mut Extension| message.rows.resize(length, Block::default());
            assert!(matches!(check(&resize), Some(Cheat::Malformed(_))), "{length} rows");
        }
    }

    /// Choices that are not the same in one tree, with a hash made for them: passes if the sender lacks the leaf that was guessed.
    #[test]
    fn a_selective_failure_is_a_guess_at_four_bits() {
        let mut passed = 0;
        for guess in 0..16_u8 {
            let (whole, punctured) = pprf::tests::seeds(1);
            let (missing, _) = punctured.trees().nth(9).unwrap();
            let (_, mut message) = receive(&whole, &ID, &mut rng(1));
            // Of tree 9 another choice in column 5; the hashes of its rows are those that would result from the guess.
            message.corrections[9][0] ^= 1 << 5;
            let old = Hash::new(&ID, &receive(&whole, &ID, &mut rng(1)).1.corrections);
            let new = Hash::new(&ID, &message.corrections);
            let rows = rows_of(&whole);
            let choices = choices_of(&mut rng(1));
            assert_eq!(old.of(&choices).to_le_bytes(), message.choices);
            message.choices = new.of(&choices).to_le_bytes();
            for (place, (row, hash)) in rows.iter().zip(&mut message.rows).enumerate() {
                let mut expected = new.of(row);
                if place / 4 == 9 && guess >> (place % 4) & 1 == 1 {
                    let mut error = Row::default();
                    error[0] = 1 << 5;
                    expected ^= new.of(&error);
                }
                *hash = expected.to_le_bytes();
            }
            let is_accepted = send(&punctured, &ID, &message).is_ok();
            assert_eq!(is_accepted, guess == missing);
            passed += u8::from(is_accepted);
        }
        assert_eq!(passed, 1);
    }

    /// The receiver's matrix, the plain way.
    fn rows_of(whole: &WholeSeeds) -> Vec<Row> {
        let stretch = Stretch::new(&ID);
        let mut rows = Vec::new();
        for leaves in whole.trees() {
            for bit in 0..4 {
                let mut row = Row::default();
                for (place, leaf) in leaves.iter().enumerate().filter(|(place, _)| place >> bit & 1 == 1) {
                    assert!(place < 16);
                    add(&mut row, &stretch.row(leaf));
                }
                rows.push(row);
            }
        }
        rows
    }

    fn choices_of(rng: &mut dyn CryptoRngCore) -> Row {
        Row::default().map(|_| {
            let mut block = Block::default();
            rng.fill_bytes(&mut block);
            u128::from_le_bytes(block)
        })
    }

    /// Bits of strings, bytes of strings and choices of many runs are as often one as zero, and as often each value.
    #[test]
    fn what_comes_out_is_uniform() {
        let (whole, punctured) = pprf::tests::seeds(7);
        let (mut bits, mut bytes, mut ones) = ([0_u32; 128], [0_u32; 256], 0_u32);
        let runs = 64_u8;
        for run in 0..runs {
            let id = TransferId::new("uniform", &[run; 32], party(1), party(2));
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
