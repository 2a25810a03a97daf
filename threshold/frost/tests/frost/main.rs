//! FROST signing among simulated parties: honest runs, cheaters, evidence, vectors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod batch;
mod bip340;
mod cheaters;
mod compile_fail;
mod crates;
mod evidence;
mod honest;
mod keys;
mod outside;
mod secrecy;
mod setup;
mod several;
mod vectors;
mod wallet;

use std::collections::BTreeMap;

use frost_core::{Ciphersuite, Field, Group};
use quorate_frost::{Frost, Made, Message, Output, Setup, Suite, TaprootTweak, Task};
use quorate_keys::{PublicKey, Signature};
use quorate_sharing::{Curve, PartyIndex};
use quorate_simulator::{Cast, Faults, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wallet::Wallet;

const MESSAGE: &[u8] = b"attack at dawn";

fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A wallet and who may sign with it.
struct Scene<S: Suite> {
    cast: Cast,
    wallet: Wallet,
    suite: std::marker::PhantomData<S>,
}

impl<S: Suite> Scene<S> {
    fn new(threshold: u16, total: u16, seed: u64) -> Self {
        let cast = Cast::new(threshold, total, seed);
        let wallet = Wallet::deal::<S>(cast.committee(), &mut rng(seed));
        Self { cast, wallet, suite: std::marker::PhantomData }
    }

    fn setup(&self, aggregator: u16) -> Setup {
        self.wallet.setup(party(aggregator), MESSAGE)
    }

    /// A setup for the key at a path, and with a tweak.
    fn setup_with(&self, aggregator: u16, path: &str, tweak: Option<TaprootTweak>) -> Setup {
        let task = Task { message: MESSAGE.to_vec(), path: path.parse().unwrap(), tweak };
        self.wallet.setup_for(party(aggregator), vec![task])
    }

    fn simulation(&self, signers: &[u16], setup: &Setup, seed: u64) -> Simulation<'_, Frost<S>> {
        let committee = self.cast.subset(signers);
        Simulation::new(&self.cast, &committee, seed, setup, |index| self.wallet.share(index))
    }

    /// Lets `signers` sign; only the aggregator has the signature.
    fn sign(&self, signers: &[u16], setup: &Setup, seed: u64, faults: Faults) -> (PublicKey, Signature) {
        let mut simulation = self.simulation(signers, setup, seed);
        simulation.faults(faults);
        the_signature(setup, simulation.run().results())
    }

    /// Lets `signers` make all signatures of a setup, and other people's libraries judge them.
    fn sign_all(&self, signers: &[u16], setup: &Setup, seed: u64) -> Vec<Made> {
        let made = the_signatures(setup, self.simulation(signers, setup, seed).run().results());
        assert_eq!(made.len(), setup.tasks.len());
        for (task, made) in setup.tasks.iter().zip(&made) {
            outside::verify(&made.public_key, &task.message, &made.signature);
        }
        made
    }

    /// Signs, and lets everybody else's libraries judge the signature too.
    fn sign_and_verify(&self, signers: &[u16], setup: &Setup, seed: u64) -> PublicKey {
        let (key, signature) = self.sign(signers, setup, seed, Faults::default());
        outside::verify(&key, &setup.tasks[0].message, &signature);
        key
    }
}

fn the_signatures(setup: &Setup, mut outputs: BTreeMap<PartyIndex, Output>) -> Vec<Made> {
    let Some(Output::Signatures(made)) = outputs.remove(&setup.aggregator) else {
        panic!("the aggregator has no signatures")
    };
    assert!(outputs.values().all(|output| *output == Output::Contributed));
    made
}

fn the_signature(setup: &Setup, outputs: BTreeMap<PartyIndex, Output>) -> (PublicKey, Signature) {
    let [made] = the_signatures(setup, outputs)[..] else { panic!("not one signature") };
    (made.public_key, made.signature)
}

/// The message with its last share raised by one.
fn raised<S: Suite>(message: &Message) -> Message {
    let Message::Shares(mut shares) = message.clone() else { panic!("no shares") };
    let last = shares.last_mut().unwrap();
    let share = S::Curve::scalar_from_bytes(&last[..].try_into().unwrap()).unwrap();
    let one = <<<S::Ciphersuite as Ciphersuite>::Group as Group>::Field as Field>::one();
    *last = S::Curve::scalar_to_bytes(&(share + one)).to_vec();
    Message::Shares(shares)
}

/// A message with one share.
fn one_share(bytes: Vec<u8>) -> Message {
    Message::Shares(vec![bytes])
}
