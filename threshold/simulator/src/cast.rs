//! The parties of a simulation: identities, committee, agreement.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_keys::SigningIdentity;
use quorate_session::{
    Accepted, IdentityVerifier, Keyring, Proposal, Proposing, ProtocolId, SessionContext, SignedProposal,
    Start,
};
use quorate_sharing::{Committee, Member, PartyIndex, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, SeedableRng};

/// Identities for the parties 1 to n and their committee.
pub struct Cast {
    identities: BTreeMap<PartyIndex, Arc<SigningIdentity>>,
    committee: Committee,
}

impl Cast {
    /// Makes identities from a seed.
    ///
    /// # Panics
    /// When threshold or total are out of range.
    #[must_use]
    pub fn new(threshold: u16, total: u16, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identities: BTreeMap<_, _> =
            (1..=total).map(|index| (party(index), Arc::new(SigningIdentity::generate(&mut rng)))).collect();
        let members =
            identities.iter().map(|(index, key)| Member { index: *index, identity: key.identity() });
        let threshold = Threshold::new(threshold).expect("threshold in range");
        let committee = Committee::new(threshold, members.collect()).expect("valid committee");
        Self { identities, committee }
    }

    /// Everybody.
    #[must_use]
    pub fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Some of them.
    ///
    /// # Panics
    /// When they are strangers or fewer than the threshold.
    #[must_use]
    pub fn subset(&self, indices: &[u16]) -> Committee {
        let indices: Vec<_> = indices.iter().copied().map(party).collect();
        self.committee.subset(&indices).expect("a subset of the committee")
    }

    /// The identity of a party.
    ///
    /// # Panics
    /// When there is no such party.
    #[must_use]
    pub fn identity(&self, index: PartyIndex) -> &Arc<SigningIdentity> {
        self.identities.get(&index).expect("a party of the cast")
    }

    /// The real keys of a party.
    #[must_use]
    pub fn keyring(&self, index: PartyIndex) -> Keyring {
        let signer: Arc<SigningIdentity> = Arc::clone(self.identity(index));
        Keyring { signer, verifier: Arc::new(IdentityVerifier) }
    }

    /// Runs the agreement among `committee`.
    ///
    /// # Panics
    /// When the honest agreement fails.
    pub fn agree(
        &self,
        committee: &Committee,
        protocol: ProtocolId,
        setup: [u8; 32],
        epoch: u64,
        rng: &mut dyn CryptoRngCore,
    ) -> BTreeMap<PartyIndex, Arc<SessionContext>> {
        self.begin(committee, protocol, setup, epoch, rng).1
    }

    /// The same, with what all have signed.
    ///
    /// # Panics
    /// As [`agree`](Self::agree).
    pub fn begin(
        &self,
        committee: &Committee,
        protocol: ProtocolId,
        setup: [u8; 32],
        epoch: u64,
        rng: &mut dyn CryptoRngCore,
    ) -> (Start, BTreeMap<PartyIndex, Arc<SessionContext>>) {
        let proposer = committee.indices().next().expect("a member");
        let proposal = Proposal {
            cluster: [7; 32],
            request: [9; 32],
            operation: "simulate".into(),
            protocol,
            setup,
            epoch,
            committee: committee.clone(),
            proposer: self.identity(proposer).identity(),
            attempt: 0,
            expires: u64::MAX,
        };
        let mut proposing = Proposing::new(&proposal).expect("small proposal");
        let signed = SignedProposal::sign(proposal, &**self.identity(proposer)).expect("small proposal");
        let mut promises = Vec::new();
        let mut start = None;
        for index in committee.indices() {
            let key = self.identity(index);
            let (promise, acceptance) =
                Accepted::accept(signed.clone(), &key.identity(), &**key, &IdentityVerifier, rng)
                    .expect("honest proposal");
            promises.push((index, promise));
            start = proposing.accept(acceptance, &IdentityVerifier).expect("honest acceptance");
        }
        let start = start.expect("all accepted");
        let contexts = promises.into_iter().map(|(index, promise)| {
            let begun = promise.start(&start, &IdentityVerifier).map_err(|(_, error)| error);
            (index, begun.expect("honest start"))
        });
        let contexts = contexts.collect();
        (start, contexts)
    }
}

fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).expect("index in range")
}
