//! Wallets from a dealer and auxiliary information from published primes: whatever holds of them holds of those of real runs.

use std::collections::BTreeMap;

use quorate_cggmp21::auxiliary::{Auxiliary, EncodedKeys, PublicAuxiliary};
use quorate_cggmp21::presign::{NonceStock, Presign, PresignSecret, PresignSetup};
use quorate_cggmp21::sign::{Sign, SignSetup, SignTask};
use quorate_cggmp21::{Presignature, Presignatures, Suite};
use quorate_keys::{ChainCode, GroupKey, Secret};
use quorate_paillier::{Sizes, test_keys};
use quorate_session::{Made, Output};
use quorate_sharing::{Commitment, KeyShare, PartyIndex, Polynomial, PublicShares};
use quorate_simulator::{Cast, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

pub(crate) fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A wallet, and everybody's auxiliary information.
pub(crate) struct Scene<C: Suite> {
    pub(crate) cast: Cast,
    pub(crate) key: PublicShares,
    pub(crate) auxiliary: PublicAuxiliary,
    secrets: BTreeMap<PartyIndex, [u8; 32]>,
    sizes: Sizes,
    suite: std::marker::PhantomData<C>,
}

impl<C: Suite> Scene<C> {
    pub(crate) fn new(threshold: u16, total: u16, seed: u64) -> Self {
        Self::of(Sizes::TEST, threshold, total, seed)
    }

    pub(crate) fn of(sizes: Sizes, threshold: u16, total: u16, seed: u64) -> Self {
        let everybody: Vec<_> = (1..=total).collect();
        Self::held_by(sizes, threshold, &everybody, total, seed)
    }

    /// With a wallet that some of the nodes hold, and auxiliary information of all of them.
    pub(crate) fn held_by(sizes: Sizes, threshold: u16, holders: &[u16], nodes: u16, seed: u64) -> Self {
        let cast = Cast::new(threshold, nodes, seed);
        let holders = cast.subset(holders);
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
        let members = cast.committee().members().iter();
        let keys = members.map(|member| {
            let keys = Self::keys(sizes, member.index);
            (member.identity, EncodedKeys::of(keys.public()))
        });
        let auxiliary = PublicAuxiliary { sizes: sizes.id(), epoch: 0, keys: keys.collect() };
        let suite = std::marker::PhantomData;
        Self { secrets: secrets.collect(), cast, key, auxiliary, sizes, suite }
    }

    fn keys(sizes: Sizes, index: PartyIndex) -> quorate_paillier::SecretKeys {
        let number = usize::from(index.get()) - 1;
        if sizes == Sizes::STANDARD { test_keys::standard(number) } else { test_keys::small(number) }
    }

    pub(crate) fn share(&self, index: PartyIndex) -> KeyShare {
        KeyShare::new(self.key.clone(), index, Secret::new(self.secrets[&index]))
    }

    pub(crate) fn secret(&self, index: PartyIndex) -> PresignSecret {
        let identity = self.cast.identity(index).identity();
        let keys = Self::keys(self.sizes, index);
        let auxiliary = Auxiliary::new(self.auxiliary.clone(), identity, &keys);
        PresignSecret { share: self.share(index), auxiliary: auxiliary.into(), stock: NonceStock::default() }
    }

    pub(crate) fn presign_setup(&self, signers: &[u16], count: u16) -> PresignSetup {
        let committee = self.cast.subset(signers);
        let identities: Vec<_> = committee.members().iter().map(|member| member.identity).collect();
        let auxiliary = self.auxiliary.subset(&identities).unwrap();
        PresignSetup { key: self.key.clone(), auxiliary, count }
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
        let setup = self.presign_setup(signers, count);
        opened(self.presigning(signers, &setup, seed).run().results())
    }

    /// A setup that uses up all of these presignatures, of one signer or another.
    pub(crate) fn sign_setup(
        &self,
        aggregator: u16,
        presignatures: &[Presignature],
        tasks: &[([u8; 32], &str)],
    ) -> SignSetup {
        let tasks = tasks.iter().zip(presignatures).map(|((digest, path), presignature)| SignTask {
            digest: *digest,
            path: path.parse().unwrap(),
            presignature: presignature.public().clone(),
        });
        SignSetup { key: self.key.clone(), aggregator: party(aggregator), tasks: tasks.collect() }
    }

    pub(crate) fn signing(
        &self,
        signers: &[u16],
        setup: &SignSetup,
        mut presignatures: BTreeMap<PartyIndex, Vec<Presignature>>,
        seed: u64,
    ) -> Simulation<'_, Sign<C>> {
        let committee = self.cast.subset(signers);
        Simulation::new(&self.cast, &committee, seed, setup, |index| {
            Presignatures(presignatures.remove(&index).unwrap())
        })
    }

    /// Presigns and signs, with the first signer as aggregator.
    pub(crate) fn sign(&self, signers: &[u16], tasks: &[([u8; 32], &str)], seed: u64) -> Vec<Made> {
        let presignatures = self.presign(signers, tasks.len() as u16, seed);
        let setup = self.sign_setup(signers[0], &presignatures[&party(signers[0])], tasks);
        let mut outputs = self.signing(signers, &setup, presignatures, seed).run().results();
        let Some(Output::Signatures(made)) = outputs.remove(&setup.aggregator) else {
            panic!("no signatures")
        };
        assert!(outputs.values().all(|output| *output == Output::Contributed));
        assert_eq!(made.len(), tasks.len());
        made
    }
}

/// What each signer has made.
pub(crate) fn opened(made: BTreeMap<PartyIndex, Presignatures>) -> BTreeMap<PartyIndex, Vec<Presignature>> {
    made.into_iter().map(|(party, Presignatures(made))| (party, made)).collect()
}
