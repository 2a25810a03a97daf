//! Wallets from a dealer, for tests and benches: whatever holds of their shares holds of those of a key generation.

use std::collections::BTreeMap;

use quorate_frost::{Setup, Suite, Task};
use quorate_keys::{ChainCode, GroupKey, Secret};
use quorate_sharing::{Commitment, Committee, Curve, KeyShare, PartyIndex, Polynomial, PublicShares};
use rand_core::CryptoRngCore;

/// A wallet, with everybody's share in one place.
pub(crate) struct Wallet {
    pub(crate) public: PublicShares,
    secrets: BTreeMap<PartyIndex, [u8; 32]>,
}

impl Wallet {
    pub(crate) fn deal<S: Suite>(committee: &Committee, rng: &mut dyn CryptoRngCore) -> Self {
        Self::of::<S>(committee, &Polynomial::random(committee.threshold(), rng), rng)
    }

    pub(crate) fn of<S: Suite>(
        committee: &Committee,
        polynomial: &Polynomial<S::Curve>,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let key = S::Curve::encode(&Commitment::of(polynomial).constant());
        let secrets =
            committee.indices().map(|index| (index, S::Curve::scalar_to_bytes(&polynomial.evaluate(index))));
        Self::from_secrets::<S>(committee, &key, secrets.collect(), rng)
    }

    pub(crate) fn from_secrets<S: Suite>(
        committee: &Committee,
        key: &[u8],
        secrets: BTreeMap<PartyIndex, [u8; 32]>,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let verifying_shares = secrets.iter().map(|(index, secret)| {
            let scalar = S::Curve::scalar_from_bytes(secret).expect("a scalar");
            (*index, S::Curve::encode(&S::Curve::mul_base(&scalar)))
        });
        let mut chain_code = [0; 32];
        rng.fill_bytes(&mut chain_code);
        let public = PublicShares {
            group_key: GroupKey::from_bytes(S::Curve::ID, key).expect("a key"),
            chain_code: ChainCode::new(chain_code),
            epoch: 0,
            committee: committee.clone(),
            verifying_shares: verifying_shares.collect(),
        };
        Self { public, secrets }
    }

    pub(crate) fn share(&self, index: PartyIndex) -> KeyShare {
        KeyShare::new(self.public.clone(), index, Secret::new(self.secrets[&index]))
    }

    /// A setup for the wallet's own key.
    pub(crate) fn setup(&self, aggregator: PartyIndex, message: &[u8]) -> Setup {
        self.setup_for(aggregator, vec![Task { message: message.to_vec(), ..Task::default() }])
    }

    /// A setup for several signatures.
    pub(crate) fn setup_for(&self, aggregator: PartyIndex, tasks: Vec<Task>) -> Setup {
        Setup { key: self.public.clone(), aggregator, tasks }
    }
}
