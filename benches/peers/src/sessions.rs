//! Quorate's sessions: they exchange signed bytes, as nodes run them, but for the network and the store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use quorate_keygen::Keygen;
use quorate_keys::{ChainCode, GroupKey, Identity};
use quorate_session::{
    Action, EnvelopeSigner, EnvelopeVerifier, Keyring, Protocol, Session, Wire, setup_digest,
};
use quorate_sharing::{
    Commitment, Committee, Curve, KeyShare, PartyIndex, Polynomial, PublicShares, Secp256k1,
};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::clock::Clocks;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Signs nothing and believes everything: what is left is the protocol.
struct Unsigned;

impl EnvelopeSigner for Unsigned {
    fn sign(&self, _: &[u8; 32]) -> [u8; 64] {
        [0; 64]
    }
}

impl EnvelopeVerifier for Unsigned {
    fn verify(&self, _: &Identity, _: &[u8; 32], _: &[u8; 64]) -> bool {
        true
    }
}

pub(crate) fn unsigned() -> Keyring {
    Keyring { signer: Arc::new(Unsigned), verifier: Arc::new(Unsigned) }
}

/// Runs a session of all parties of a committee to its end.
pub(crate) fn run<P: Protocol>(
    cast: &Cast,
    committee: &Committee,
    keyring: &dyn Fn(PartyIndex) -> Keyring,
    setup: &P::Setup,
    mut secret: impl FnMut(PartyIndex) -> P::Secret,
) -> Result<(BTreeMap<PartyIndex, P::Output>, Clocks)>
where
    P::Setup: Clone,
{
    let contexts = cast.agree(committee, P::ID, setup_digest(&setup.to_wire()?), 0, &mut rng(1));
    let places: BTreeMap<_, _> =
        committee.indices().enumerate().map(|(place, index)| (index, place)).collect();
    let mut clocks = Clocks::new(places.len());
    let mut sessions = BTreeMap::new();
    for (index, place) in &places {
        let (secret, keyring) = (secret(*index), keyring(*index));
        let (context, setup) = (Arc::clone(&contexts[index]), setup.clone());
        let mut rng = rng(u64::from(index.get()));
        let session = clocks.run(*place, || Session::<P>::new(context, setup, secret, keyring, &mut rng))?;
        sessions.insert(*index, (session, rng));
    }
    let mut network = VecDeque::new();
    let mut outputs = BTreeMap::new();
    loop {
        for (index, (session, rng)) in &mut sessions {
            let place = places[index];
            while let Some(action) = clocks.run(place, || session.next_action()) {
                match action {
                    Action::Send { to, bytes } => network.push_back((*index, to, bytes, clocks.at(place))),
                    Action::Persist(_) => clocks.run(place, || session.persisted(rng)),
                    Action::Done(output) => drop(outputs.insert(*index, output)),
                    Action::Abort(abort) => bail!("party {index}: {abort}"),
                }
            }
        }
        let Some((from, to, bytes, sent)) = network.pop_front() else { break };
        let (session, rng) = sessions.get_mut(&to).context("a party")?;
        clocks.wait(places[&to], sent);
        clocks.run(places[&to], || session.receive(from, &bytes, rng));
    }
    anyhow::ensure!(outputs.len() == places.len(), "not all parties have ended");
    Ok((outputs, clocks))
}

/// A key of all parties, with or without signatures on what they send each other.
pub(crate) fn key_generation(cast: &Cast, signed: bool) -> Result<(BTreeMap<PartyIndex, KeyShare>, Clocks)> {
    let keyring = |index| if signed { cast.keyring(index) } else { unsigned() };
    run::<Keygen<Secp256k1>>(cast, cast.committee(), &keyring, &(), |_| ())
}

/// A key of a dealer, and the secrets of all.
pub(crate) fn dealt(cast: &Cast) -> Result<(PublicShares, BTreeMap<PartyIndex, [u8; 32]>)> {
    let polynomial = Polynomial::<Secp256k1>::random(cast.committee().threshold(), &mut rng(1));
    let commitment = Commitment::of(&polynomial);
    let key = PublicShares {
        group_key: GroupKey::from_bytes(Secp256k1::ID, &Secp256k1::encode(&commitment.constant()))?,
        chain_code: ChainCode::new([1; 32]),
        epoch: 0,
        committee: cast.committee().clone(),
        verifying_shares: commitment.verifying_shares(cast.committee().indices()),
    };
    let share = |index| (index, Secp256k1::scalar_to_bytes(&polynomial.evaluate(index)));
    Ok((key, cast.committee().indices().map(share).collect()))
}
