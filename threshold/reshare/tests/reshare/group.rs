//! Parties with shares of a key, and resharings among them.

use std::collections::BTreeMap;

use borsh::BorshDeserialize;
use ff::Field;
use quorate_keys::{ChainCode, GroupKey};
use quorate_reshare::{Occasion, Renewed, Reshare, Setup};
use quorate_session::SessionId;
use quorate_sharing::{
    Commitment, Committee, Curve, KeyShare, Member, PartyIndex, Polynomial, PublicShares, Threshold,
    lagrange_at_zero,
};
use quorate_simulator::{Cast, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) type Shares = BTreeMap<PartyIndex, KeyShare>;

pub(crate) fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

pub(crate) fn parties(indices: &[u16]) -> Vec<PartyIndex> {
    indices.iter().copied().map(party).collect()
}

pub(crate) fn threshold(signers: u16) -> Threshold {
    Threshold::new(signers).unwrap()
}

/// As many as there are in any test.
pub(crate) fn cast() -> Cast {
    Cast::new(2, 14, 1)
}

pub(crate) fn committee(cast: &Cast, signers: u16, indices: &[u16]) -> Committee {
    let member =
        |index: &u16| Member { index: party(*index), identity: cast.identity(party(*index)).identity() };
    Committee::new(threshold(signers), indices.iter().map(member).collect()).unwrap()
}

/// A key of these parties, dealt by the test.
pub(crate) fn key<C: Curve>(cast: &Cast, signers: u16, indices: &[u16]) -> Shares {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let polynomial = Polynomial::<C>::random(threshold(signers), &mut rng);
    let commitment = Commitment::of(&polynomial);
    let public = PublicShares {
        group_key: GroupKey::from_bytes(C::ID, &C::encode(&commitment.constant())).unwrap(),
        chain_code: ChainCode::new([5; 32]),
        epoch: 0,
        committee: committee(cast, signers, indices),
        verifying_shares: commitment.verifying_shares(parties(indices)),
    };
    let share = |index| KeyShare::new(public.clone(), index, polynomial.share(index).to_bytes());
    parties(indices).into_iter().map(|index| (index, share(index))).collect()
}

/// The session that made the key, if it had been one.
pub(crate) fn origin() -> SessionId {
    SessionId::try_from_slice(&[3; 32]).unwrap()
}

pub(crate) fn copy(share: &KeyShare) -> KeyShare {
    KeyShare::try_from_slice(&borsh::to_vec(share).unwrap()).unwrap()
}

pub(crate) fn public(shares: &Shares) -> &PublicShares {
    shares.values().next().unwrap().public()
}

/// The secret, by as many shares as have to sign.
pub(crate) fn secret<C: Curve>(shares: &Shares) -> C::Scalar {
    let enough = public(shares).committee.threshold().count();
    let used: Vec<_> = shares.keys().copied().take(enough).collect();
    used.iter().fold(C::Scalar::ZERO, |sum, index| {
        let share = shares[index].secret_share::<C>().unwrap();
        sum + lagrange_at_zero::<C>(*index, &used).unwrap() * share.expose()
    })
}

pub(crate) const fn occasion() -> Occasion {
    Occasion { id: [8; 32], asked_ms: 1 }
}

/// A resharing: who deals, who receives, and how many sign then.
#[derive(Debug, Clone)]
pub(crate) struct Change<'a> {
    pub(crate) dealers: &'a [u16],
    pub(crate) receivers: &'a [u16],
    pub(crate) signers: u16,
}

impl Change<'_> {
    pub(crate) fn setup(&self, old: &Shares) -> Setup {
        Setup {
            origin: origin(),
            old: public(old).clone(),
            from_kept: false,
            former: None,
            occasion: occasion(),
            dealers: parties(self.dealers),
            receivers: parties(self.receivers),
        }
    }

    /// All that take part.
    pub(crate) fn committee(&self, cast: &Cast) -> Committee {
        let mut all = [self.dealers, self.receivers].concat();
        all.sort_unstable();
        all.dedup();
        committee(cast, self.signers, &all)
    }

    /// What a party deals from.
    pub(crate) fn secret(&self, old: &Shares, party: PartyIndex) -> Option<KeyShare> {
        self.dealers.contains(&party.get()).then(|| copy(&old[&party]))
    }

    pub(crate) fn simulation<'a, C: Curve>(
        &self,
        cast: &'a Cast,
        old: &Shares,
        seed: u64,
    ) -> Simulation<'a, Reshare<C>> {
        let epoch = public(old).epoch + 1;
        let (committee, setup) = (self.committee(cast), self.setup(old));
        Simulation::at_epoch(epoch, cast, &committee, seed, &setup, |party| self.secret(old, party))
    }

    /// Runs it: the new shares, after all has been checked that all honest parties can see.
    pub(crate) fn run<C: Curve>(&self, cast: &Cast, old: &Shares, seed: u64) -> Shares {
        let results = self.simulation::<C>(cast, old, seed).run().results();
        let mut shares = Shares::new();
        let new = results.values().next().unwrap().public().clone();
        for (party, renewed) in results {
            assert_eq!(renewed.public(), &new);
            match renewed {
                Renewed::Share(share) => {
                    assert!(self.receivers.contains(&party.get()) && share.index() == party);
                    shares.insert(party, share);
                }
                Renewed::Parted(_) => assert!(!self.receivers.contains(&party.get())),
            }
        }
        let before = public(old);
        assert_eq!((new.group_key, new.chain_code), (before.group_key, before.chain_code));
        assert_eq!(
            (new.epoch, &new.committee),
            (before.epoch + 1, &committee(cast, self.signers, self.receivers))
        );
        assert_eq!(shares.len(), self.receivers.len());
        shares
    }
}
