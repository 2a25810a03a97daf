//! What extended transfers give, and what of them is seen on the wire, looks like coins that were tossed: counted over many runs, and compared with what
//! the parties choose, lack and said before. The same counts find what is not so, as the last test of each kind shows.

use std::sync::OnceLock;

use ff::{Field, PrimeField};
use quorate_keys::Secret;
use quorate_oblivious::pprf::{Choosing, Offering};
use quorate_oblivious::vole::{self, Multiplied};
use quorate_oblivious::{TransferId, extension};
use quorate_sharing::{Curve, P256, Secp256k1};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::bits::{bits, bytes};
use crate::{Replay, party};

const TRANSFERS: usize = 512;
const TREES: usize = 32;
/// Bytes of a row of one tree, without the last block, and of a transfer's corrections.
const ROW: usize = TRANSFERS / 8;
const WIDE: usize = 3 * 32;

/// Pairs of seeds, and runs with each.
const SEEDS: u64 = 4;
const RUNS: u32 = 16;

/// Farther than this, in standard deviations, nothing is by chance: of so many counts, once in 10⁵ times.
const CHANCE: f64 = 6.0;

/// Coins that are tossed together, again and again.
struct Coins {
    name: &'static str,
    heads: Vec<u32>,
    tosses: u32,
}

impl Coins {
    fn new(name: &'static str, places: usize) -> Self {
        Self { name, heads: vec![0; places], tosses: 0 }
    }

    fn toss(&mut self, bits: impl IntoIterator<Item = bool>) {
        self.tosses += 1;
        self.heads.iter_mut().zip(bits).for_each(|(heads, bit)| *heads += u32::from(bit));
    }

    /// How far the coin that is farthest from fair is from it.
    fn farthest(&self) -> f64 {
        let tosses = f64::from(self.tosses);
        let far = |heads: &u32| (2.0 * f64::from(*heads) - tosses).abs() / tosses.sqrt();
        self.heads.iter().map(far).fold(0.0, f64::max)
    }
}

/// How far χ² of these bytes, of 255 degrees of freedom, is from its mean.
fn farthest_byte<'a>(all: impl Iterator<Item = &'a u8>) -> f64 {
    let mut counts = [0_u32; 256];
    all.for_each(|byte| counts[usize::from(*byte)] += 1);
    let expected = f64::from(counts.iter().sum::<u32>()) / 256.0;
    let chi_squared: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    (chi_squared - 255.0).abs() / 510_f64.sqrt()
}

fn same(
    left: impl IntoIterator<Item = bool>,
    right: impl IntoIterator<Item = bool>,
) -> impl Iterator<Item = bool> {
    left.into_iter().zip(right).map(|(left, right)| left == right)
}

/// One run: what both know, and what was sent.
#[derive(Clone)]
struct Run {
    /// β, of each transfer.
    choices: Vec<bool>,
    /// Δ: which seed of each tree the sender lacks.
    delta: Vec<bool>,
    /// What the receiver sends, of each tree.
    rows: Vec<[u8; ROW]>,
    /// What the sender sends, of each transfer.
    corrections: Vec<[u8; WIDE]>,
    /// What comes of it: the receiver's scalar, the sender's shares and the receiver's.
    factor: [u8; 32],
    sent: [[u8; 32]; 2],
    received: [[u8; 32]; 2],
}

/// Multiplies 0 and −1, so that nothing hides what is not random of itself.
fn runs<C: Multiplied>() -> Vec<Run> {
    let mut runs = Vec::new();
    for seed in 0..SEEDS {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (one, other) = (party(1), party(2));
        let id = TransferId::new("seeds", &[1; 32], 0, one, other);
        let (offering, offer) = Offering::new(&id, &mut rng);
        let (choosing, choices) = Choosing::new(&id, &mut rng);
        let (whole, corrections) = offering.grow(&choices).unwrap();
        let punctured = choosing.take(&offer).unwrap().correct(&corrections).unwrap();
        // Behind a name.
        let missing = &borsh::to_vec(&punctured).unwrap()[32..32 + TREES];
        let delta: Vec<_> =
            missing.iter().flat_map(|leaf| (0..4).map(move |bit| leaf >> bit & 1 == 1)).collect();
        for number in 0..RUNS {
            let id = TransferId::new("uniform", &[1; 32], number, one, other);
            // A salt, and the choices, of which the last block hides the others.
            let mut drawn = vec![0; 16 + ROW + 16];
            rng.fill_bytes(&mut drawn);
            let choices = bits(&drawn[16..16 + ROW]);
            let (received, extension) = extension::receive(&whole, &id, &mut Replay(drawn));
            let sent = extension::send(&punctured, &id, &extension).unwrap();
            let scalars = Secret::new([C::Scalar::ZERO, -C::Scalar::ONE]);
            let (shares, multiplication) = vole::send::<C>(sent, &scalars, &mut rng);
            let factor = *vole::factor::<C>(&received);
            let theirs = vole::receive::<C>(received, &multiplication).unwrap();
            let chosen = C::gadget().iter().zip(&choices).filter(|(_, chosen)| **chosen);
            assert_eq!(chosen.map(|(weight, _)| *weight).sum::<C::Scalar>(), factor, "other choices");
            let [[zero, first], [minus, second]] =
                [0, 1].map(|at| [shares.expose()[at], theirs.expose()[at]]);
            assert!(zero + first == C::Scalar::ZERO && minus + second == -factor);
            // Behind name, salt and number; behind salt and number.
            let extension = borsh::to_vec(&extension).unwrap();
            let rows = extension[32 + 16 + 4..].chunks_exact(ROW + 16).take(TREES);
            let multiplication = borsh::to_vec(&multiplication).unwrap();
            let corrections = multiplication[16 + 4..].chunks_exact(WIDE).take(TRANSFERS);
            runs.push(Run {
                choices,
                delta: delta.clone(),
                rows: rows.map(|row| row[..ROW].try_into().unwrap()).collect(),
                corrections: corrections.map(|three| three.try_into().unwrap()).collect(),
                factor: C::scalar_to_bytes(&factor),
                sent: shares.expose().map(|share| C::scalar_to_bytes(&share)),
                received: theirs.expose().map(|share| C::scalar_to_bytes(&share)),
            });
        }
    }
    runs
}

fn on_secp256k1() -> &'static [Run] {
    static RUNS: OnceLock<Vec<Run>> = OnceLock::new();
    RUNS.get_or_init(runs::<Secp256k1>)
}

type Counts = Vec<(&'static str, f64)>;

fn of(coins: impl IntoIterator<Item = Coins>) -> Counts {
    coins.into_iter().map(|coins| (coins.name, coins.farthest())).collect()
}

/// Of what the receiver sends: each tree's bits, whether they are those of the choices, of the next tree, and of the block before.
fn count_extensions(runs: &[Run]) -> Counts {
    let [mut ones, mut choices, mut next, mut before] =
        ["ones", "choices", "another tree", "the block before"].map(|name| Coins::new(name, TREES));
    for Run { choices: chosen, rows, .. } in runs {
        let rows: Vec<_> = rows.iter().map(|row| bits(row)).collect();
        for (place, chosen) in chosen.iter().enumerate() {
            ones.toss(rows.iter().map(|row| row[place]));
            choices.toss(rows.iter().map(|row| row[place] == *chosen));
            next.toss((0..TREES).map(|tree| rows[tree][place] == rows[(tree + 1) % TREES][place]));
            if let Some(place_before) = place.checked_sub(128) {
                before.toss(rows.iter().map(|row| row[place] == row[place_before]));
            }
        }
    }
    let mut counts = of([ones, choices, next, before]);
    counts.push(("bytes", farthest_byte(runs.iter().flat_map(|run| run.rows.as_flattened()))));
    counts
}

/// Of what the sender sends: each bit of the three scalars, whether it is the transfer's choice, one of Δ, and the same as in the transfer before.
fn count_multiplications(runs: &[Run]) -> Counts {
    let [mut ones, mut choices, mut delta, mut before] =
        ["ones", "choices", "delta", "the transfer before"].map(|name| Coins::new(name, 8 * WIDE));
    for run in runs {
        for (chosen, own) in run.choices.iter().zip(&run.corrections) {
            ones.toss(bits(own));
            choices.toss(bits(own).into_iter().map(|bit| bit == *chosen));
            delta.toss(same(bits(own), run.delta.iter().copied().cycle()));
        }
        for both in run.corrections.windows(2) {
            before.toss(same(bits(&both[0]), bits(&both[1])));
        }
    }
    let mut counts = of([ones, choices, delta, before]);
    counts.push(("bytes", farthest_byte(runs.iter().flat_map(|run| run.corrections.as_flattened()))));
    counts
}

/// Of what comes of it: each bit of the receiver's scalar and of all shares, and whether it is that of the scalar, and, where the product is not zero, of
/// the other share.
fn count_shares(runs: &[Run]) -> Counts {
    let mut ones = Coins::new("ones", 5 * 256);
    let mut factor = Coins::new("the factor", 4 * 256);
    let mut shares = Coins::new("the other share", 256);
    for run in runs {
        let all = [run.sent, run.received].concat().concat();
        ones.toss(bits(&run.factor).into_iter().chain(bits(&all)));
        factor.toss(same(bits(&all), bits(&run.factor).into_iter().cycle()));
        shares.toss(same(bits(&run.sent[1]), bits(&run.received[1])));
    }
    let mut counts = of([ones, shares, factor]);
    let all = runs
        .iter()
        .flat_map(|run| run.factor.iter().chain(run.sent.as_flattened()).chain(run.received.as_flattened()));
    counts.push(("bytes", farthest_byte(all)));
    counts
}

fn are_by_chance(counts: &Counts) {
    assert!(counts.iter().all(|(_, far)| *far < CHANCE), "{counts:?}");
}

/// With runs that are changed so, these counts are farther than by chance.
fn finds(count: fn(&[Run]) -> Counts, names: &[&str], change: impl Fn(&mut Run)) {
    let mut runs = on_secp256k1().to_vec();
    runs.iter_mut().for_each(change);
    let counts = count(&runs);
    for name in names {
        let found = counts.iter().any(|(counted, far)| counted == name && *far > CHANCE);
        assert!(found, "{name}: {counts:?}");
    }
}

#[test]
fn what_the_receiver_sends_tells_nothing_of_its_choices() {
    are_by_chance(&count_extensions(on_secp256k1()));
}

#[test]
fn what_the_sender_sends_tells_nothing_of_choices_or_of_what_it_lacks() {
    are_by_chance(&count_multiplications(on_secp256k1()));
    are_by_chance(&count_multiplications(&runs::<P256>()));
}

#[test]
fn the_shares_are_uniform_whatever_is_multiplied() {
    are_by_chance(&count_shares(on_secp256k1()));
    are_by_chance(&count_shares(&runs::<P256>()));
}

#[test]
fn rows_that_hide_too_little_are_found() {
    // Choices in one tree that nothing is added to.
    finds(count_extensions, &["choices"], |run| {
        run.rows[7] = bytes(&run.choices).try_into().unwrap();
    });
    // Seeds, or where they are stretched from, that are the same in two trees.
    finds(count_extensions, &["another tree"], |run| run.rows[8] = run.rows[7]);
    // A counter that stands still.
    finds(count_extensions, &["the block before"], |run| {
        let (first, rest) = run.rows[3].split_at_mut(16);
        rest.chunks_exact_mut(16).for_each(|block| block.copy_from_slice(first));
    });
    // One bit of eight that is never set.
    finds(count_extensions, &["ones"], |run| run.rows[5].iter_mut().for_each(|byte| *byte &= 0x7F));
    finds(count_extensions, &["bytes"], |run| run.rows[5].fill(0));
}

#[test]
fn pads_that_hide_too_little_are_found() {
    type Scalar = <Secp256k1 as Curve>::Scalar;
    // Columns as they are, without a hash: what differs by Δ.
    let unhashed = |run: &mut Run| {
        let number = |bits: &[bool]| bits.iter().rev().fold(0_u128, |sum, bit| sum << 1 | u128::from(*bit));
        let delta = number(&run.delta);
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(run.factor[0]));
        for corrections in &mut run.corrections {
            let mut column = [0; 16];
            rng.fill_bytes(&mut column);
            let column = u128::from_le_bytes(column);
            let pads = Scalar::from_u128(column) - Scalar::from_u128(column ^ delta);
            let (halves, _) = corrections.as_chunks_mut::<32>();
            halves.iter_mut().for_each(|to| *to = Secp256k1::scalar_to_bytes(&pads));
        }
    };
    finds(count_multiplications, &["ones", "the transfer before", "bytes"], unhashed);
    // Columns that are hashed without their place are as good as these, until two of them are the same.
    finds(count_multiplications, &["the transfer before"], |run| {
        run.corrections.chunks_exact_mut(4).for_each(|four| four[1] = four[0]);
    });
    // A choice that shows in one bit, in every eighth transfer; and Δ.
    finds(count_multiplications, &["choices"], |run| {
        for (own, chosen) in run.corrections.iter_mut().zip(&run.choices).step_by(8) {
            own[40] = own[40] & 0xFE | u8::from(*chosen);
        }
    });
    finds(count_multiplications, &["delta"], |run| {
        let delta = run.delta[5];
        run.corrections.iter_mut().step_by(4).for_each(|own| own[0] = own[0] & 0xDF | u8::from(delta) << 5);
    });
}

#[test]
fn shares_that_hide_too_little_are_found() {
    // One party has the product, and the other nothing.
    finds(count_shares, &["ones"], |run| run.sent = [[0; 32]; 2]);
    finds(count_shares, &["the other share"], |run| run.sent = run.received);
    finds(count_shares, &["the factor"], |run| run.received[1] = run.factor);
    finds(count_shares, &["bytes"], |run| run.sent[0] = [0; 32]);
}
