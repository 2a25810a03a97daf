//! Wallets from a dealer, with real pairs.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use quorate_dkls23::pairs::{Pairs, PairsProtocol, PublicPairs, Setup, SharedPairs};
use quorate_dkls23::presign::{Presign, PresignSecret, PresignSetup};
use quorate_dkls23::sign::{Online, OnlineSetup, OnlineTask, Sign, SignSetup, SignTask};
use quorate_dkls23::{Multiplied, Presignature, Presignatures, Suite};
use quorate_keys::{ChainCode, GroupKey, Secret};
use quorate_session::{Made, Output};
use quorate_sharing::{Commitment, Committee, KeyShare, PartyIndex, Polynomial, PublicShares};
use quorate_simulator::{Cast, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

pub(crate) fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn task(digest: [u8; 32], path: &str) -> SignTask {
    SignTask { digest, path: path.parse().unwrap() }
}

/// A wallet, and everybody's pairs.
pub(crate) struct Scene<C: Suite> {
    pub(crate) cast: Cast,
    pub(crate) key: PublicShares,
    pub(crate) public: PublicPairs,
    pub(crate) pairs: BTreeMap<PartyIndex, Arc<SharedPairs>>,
    secrets: BTreeMap<PartyIndex, [u8; 32]>,
    seed: u64,
    suite: PhantomData<C>,
}

impl<C: Multiplied + Suite> Scene<C> {
    pub(crate) fn new(threshold: u16, total: u16, seed: u64) -> Self {
        let cast = Cast::new(threshold, total, seed);
        let holders = cast.committee();
        let mut rng = rng(seed);
        let polynomial = Polynomial::<C>::random(holders.threshold(), &mut rng);
        let commitment = Commitment::of(&polynomial);
        let mut chain_code = [0; 32];
        rng.fill_bytes(&mut chain_code);
        let key = PublicShares {
            group_key: GroupKey::from_bytes(C::ID, &C::encode(&commitment.constant())).unwrap(),
            chain_code: ChainCode::new(chain_code),
            epoch: 0,
            committee: holders.clone(),
            verifying_shares: commitment.verifying_shares(holders.indices()),
        };
        let secrets = holders.indices();
        let secrets = secrets.map(|index| (index, C::scalar_to_bytes(&polynomial.evaluate(index))));
        let secrets = secrets.collect();
        let made = make_pairs(&cast, cast.committee(), &key, seed);
        let public = made[&party(1)].public().clone();
        let pairs = made.into_iter().map(|(index, made)| (index, Arc::new(SharedPairs::new(made, []))));
        Self { pairs: pairs.collect(), cast, key, public, secrets, seed, suite: PhantomData }
    }

    /// A party's pairs, just as they were stored when they were made.
    pub(crate) fn stored_pairs(&self, index: PartyIndex) -> Pairs {
        let mut pairs = make_pairs(&self.cast, self.cast.committee(), &self.key, self.seed);
        let pairs = pairs.remove(&index).unwrap();
        assert_eq!(*pairs.public(), self.public, "the same seed makes the same");
        pairs
    }

    /// Pairs that these holders have made without the others.
    pub(crate) fn pairs_of(&self, holders: &[u16]) -> BTreeMap<PartyIndex, Pairs> {
        make_pairs(&self.cast, &self.cast.subset(holders), &self.key, self.seed + 1)
    }

    pub(crate) fn share(&self, index: PartyIndex) -> KeyShare {
        KeyShare::new(self.key.clone(), index, Secret::new(self.secrets[&index]))
    }

    pub(crate) fn secret(&self, index: PartyIndex) -> PresignSecret {
        PresignSecret { share: self.share(index), pairs: Arc::clone(&self.pairs[&index]) }
    }

    pub(crate) fn presign_setup(&self, count: u16) -> PresignSetup {
        PresignSetup { key: self.key.clone(), pairs: self.public.clone(), count }
    }

    pub(crate) fn presigning(
        &self,
        signers: &[u16],
        setup: &PresignSetup,
        seed: u64,
    ) -> Simulation<'_, Presign<C>> {
        Simulation::new(&self.cast, &self.cast.subset(signers), seed, setup, |index| self.secret(index))
    }

    /// Presignatures, of each signer in the same order.
    pub(crate) fn presign(
        &self,
        signers: &[u16],
        count: u16,
        seed: u64,
    ) -> BTreeMap<PartyIndex, Vec<Presignature>> {
        let made = self.presigning(signers, &self.presign_setup(count), seed).run().results();
        made.into_iter().map(|(index, Presignatures(made))| (index, made)).collect()
    }

    pub(crate) fn sign_setup(&self, aggregator: u16, tasks: &[SignTask]) -> SignSetup {
        let aggregator = party(aggregator);
        SignSetup { key: self.key.clone(), pairs: self.public.clone(), aggregator, tasks: tasks.to_vec() }
    }

    pub(crate) fn signing(&self, signers: &[u16], setup: &SignSetup, seed: u64) -> Simulation<'_, Sign<C>> {
        Simulation::new(&self.cast, &self.cast.subset(signers), seed, setup, |index| self.secret(index))
    }

    /// Signs, with the first signer as aggregator.
    pub(crate) fn sign(&self, signers: &[u16], tasks: &[SignTask], seed: u64) -> Vec<Made> {
        let setup = self.sign_setup(signers[0], tasks);
        made(self.signing(signers, &setup, seed).run().results(), setup.aggregator)
    }

    /// A setup that uses up these presignatures, of one signer or another.
    pub(crate) fn online_setup(
        &self,
        aggregator: u16,
        tasks: &[SignTask],
        presignatures: &[Presignature],
    ) -> OnlineSetup {
        let tasks = tasks.iter().zip(presignatures).map(|(task, presignature)| OnlineTask {
            task: task.clone(),
            presignature: presignature.public().clone(),
        });
        OnlineSetup { key: self.key.clone(), aggregator: party(aggregator), tasks: tasks.collect() }
    }

    pub(crate) fn online(
        &self,
        signers: &[u16],
        setup: &OnlineSetup,
        mut presignatures: BTreeMap<PartyIndex, Vec<Presignature>>,
        seed: u64,
    ) -> Simulation<'_, Online<C>> {
        let committee = self.cast.subset(signers);
        Simulation::new(&self.cast, &committee, seed, setup, |index| {
            Presignatures(presignatures.remove(&index).unwrap())
        })
    }
}

fn make_pairs(
    cast: &Cast,
    holders: &Committee,
    key: &PublicShares,
    seed: u64,
) -> BTreeMap<PartyIndex, Pairs> {
    let setup = Setup { key: key.clone() };
    Simulation::<PairsProtocol>::new(cast, holders, seed, &setup, |_| ()).run().results()
}

/// What the aggregator has made; nobody else has anything.
pub(crate) fn made(mut outputs: BTreeMap<PartyIndex, Output>, aggregator: PartyIndex) -> Vec<Made> {
    let Some(Output::Signatures(made)) = outputs.remove(&aggregator) else { panic!("no signatures") };
    assert!(outputs.values().all(|output| *output == Output::Contributed));
    made
}
