//! Nonces with their powers, made while nothing else is to do: of what a signer computes for a presignature, more than a third.

use std::collections::BTreeMap;
use std::fmt;

use quorate_ecdsa::Suite;
use quorate_keys::{Identity, Transcript};
use quorate_paillier::Keys;
use quorate_paillier::proofs::ReadyNonce;
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use super::parties::Parties;
use crate::auxiliary::{Auxiliary, AuxiliaryError};
use crate::parallel;

/// Of this party's own key, for each presignature: K and G.
const OWN: usize = 2;
/// Of this party's own key, for each other signer: two Π^enc-elg, and a summand and its mask for each of two products.
const OWN_PER_PEER: usize = 6;
/// Of another signer's key: a product and its mask, twice.
const PER_PEER: usize = 4;

/// Nonces with their powers, of this party's key and of others', for presignatures with these others.
///
/// # Security
/// Each is for one encryption: two under one nonce tell the difference of what they hide. So it has no `Clone`, presigning takes it by value,
/// and it is in memory only: what a crash brings back would be used twice. Erased on drop.
#[derive(Default)]
pub struct NonceStock {
    /// Digest of the auxiliary information for which they were made, and of whose it is.
    made_for: [u8; 32],
    own: Vec<ReadyNonce>,
    peers: BTreeMap<Identity, Vec<ReadyNonce>>,
}

impl NonceStock {
    /// Makes as many as `presignatures` presignatures with these other signers use up.
    ///
    /// # Errors
    /// [`AuxiliaryError`] when there is no auxiliary information of one of them, or it is damaged.
    pub fn prepare<'a>(
        auxiliary: &Auxiliary,
        peers: impl IntoIterator<Item = &'a Identity>,
        presignatures: usize,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, AuxiliaryError> {
        let keys = auxiliary.own()?;
        let mut decoded = BTreeMap::new();
        for peer in peers {
            decoded.insert(*peer, auxiliary.of(peer)?);
        }
        let own = presignatures * (OWN + OWN_PER_PEER * decoded.len());
        let own = parallel::map(0..own, rng, |_, rng| ReadyNonce::new(&*keys, rng));
        let jobs = decoded.iter().flat_map(|peer| (0..presignatures * PER_PEER).map(move |_| peer));
        let jobs: Vec<_> = jobs.collect();
        let made = parallel::map(jobs, rng, |(peer, keys), rng| (*peer, ReadyNonce::new(&**keys, rng)));
        let mut peers = BTreeMap::<Identity, Vec<ReadyNonce>>::new();
        for (peer, nonce) in made {
            peers.entry(peer).or_default().push(nonce);
        }
        Ok(Self { made_for: made_for(auxiliary), own, peers })
    }

    /// Those for the signers of a session. Of a stock that was made for other auxiliary information, none: with a power of another modulus an
    /// honest party would prove what is false.
    pub(crate) fn open<C: Suite>(
        mut self,
        auxiliary: &Auxiliary,
        parties: &Parties<C>,
        me: PartyIndex,
    ) -> Stock {
        if self.made_for != made_for(auxiliary) {
            return Stock { own: Vec::new(), peers: BTreeMap::new() };
        }
        let of_peer = |party: PartyIndex| Some((party, self.peers.remove(parties.identity(party)?)?));
        Stock { own: self.own, peers: parties.others(me).filter_map(of_peer).collect() }
    }
}

fn made_for(auxiliary: &Auxiliary) -> [u8; 32] {
    Transcript::new(b"quorate/cggmp21/nonces/v1")
        .field("auxiliary", &auxiliary.public().digest())
        .field("party", auxiliary.identity().as_bytes())
        .digest()
}

impl fmt::Debug for NonceStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NonceStock({} own, {} peers)", self.own.len(), self.peers.len())
    }
}

/// What is left of a stock during a session.
pub(crate) struct Stock {
    own: Vec<ReadyNonce>,
    peers: BTreeMap<PartyIndex, Vec<ReadyNonce>>,
}

/// A nonce of the stock, or the need to make one.
pub(crate) struct Drawn(Option<ReadyNonce>);

impl Stock {
    /// One of this party's own key.
    pub(crate) fn own(&mut self) -> Drawn {
        Drawn(self.own.pop())
    }

    /// One of another signer's key.
    pub(crate) fn of(&mut self, party: PartyIndex) -> Drawn {
        Drawn(self.peers.get_mut(&party).and_then(Vec::pop))
    }
}

#[cfg(all(test, debug_assertions))]
impl Stock {
    /// Whether all were drawn.
    pub(crate) fn is_used_up(&self) -> bool {
        self.own.is_empty() && self.peers.values().all(Vec::is_empty)
    }
}

impl Drawn {
    /// None of a stock.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// The nonce, made now if it was not made ahead.
    pub(crate) fn ready(self, keys: &dyn Keys, rng: &mut dyn CryptoRngCore) -> ReadyNonce {
        self.0.unwrap_or_else(|| ReadyNonce::new(keys, rng))
    }
}
