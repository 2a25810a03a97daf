//! Sessions in one thread, of which each gets what was sent in the order in which it was: what benchmarks measure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_keys::Identity;
use quorate_session::{Action, EnvelopeSigner, EnvelopeVerifier, Keyring, Protocol, Session};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

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

/// Keys of a party whose envelopes nobody signs or verifies.
#[must_use]
pub fn unsigned() -> Keyring {
    Keyring { signer: Arc::new(Unsigned), verifier: Arc::new(Unsigned) }
}

/// Runs honest sessions to their end. Gives their results.
///
/// # Panics
/// When a session aborts.
pub fn run<P: Protocol>(
    sessions: &mut BTreeMap<PartyIndex, Session<P>>,
    rng: &mut dyn CryptoRngCore,
) -> BTreeMap<PartyIndex, P::Output> {
    let mut network: VecDeque<(PartyIndex, PartyIndex, Arc<[u8]>)> = VecDeque::new();
    let mut results = BTreeMap::new();
    loop {
        for (party, session) in sessions.iter_mut() {
            while let Some(action) = session.next_action() {
                match action {
                    Action::Send { to, bytes } => network.push_back((*party, to, bytes)),
                    Action::Persist(_) => session.persisted(rng),
                    Action::Done(result) => _ = results.insert(*party, result),
                    Action::Abort(abort) => panic!("{abort}"),
                }
            }
        }
        if network.is_empty() {
            return results;
        }
        for (from, to, bytes) in network.drain(..) {
            sessions.get_mut(&to).expect("a party").receive(from, &bytes, rng);
        }
    }
}
