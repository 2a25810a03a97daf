//! Auxiliary information: each party's N, s and t, which all others have seen to be well made.
//!
//! # Protocol
//! ePrint 2021/060 (revision of October 2024), figure 7, without the refresh of shares, which is an operation of its own.
//!
//! 1. Broadcast and echoed: a commitment to what is opened next.
//! 2. Broadcast and echoed: N, s, t, and 32 bytes towards a common random number ρ; to each party Π^prm, that s is a power of t.
//! 3. To each party: Π^mod, that N is the product of two primes as it must be, and Π^fac, that neither is short, both bound to ρ.
//! 4. Broadcast: the digest of everything, once all proofs hold and the result is stored.
//!
//! The big proofs go to each party on its own, though they say the same to all: so evidence against one holds no other's.

mod judge;
mod message;
mod protocol;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Transcript};
use quorate_paillier::{InvalidKeys, Natural, PublicKeys, SafePrime, SecretKeys, Sizes};
use quorate_session::Wire;

pub use message::{Fault, Message, ModulusProofs, Open};
pub use protocol::{AuxiliaryProtocol, Contribution, Primes, Setup};

/// The most parties that make auxiliary information together.
pub const MAX_PARTIES: usize = 100;

/// N, s and t of every party that took part, the same at each of them.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PublicAuxiliary {
    /// The lengths: see [`Sizes::from_id`].
    pub sizes: u8,
    /// How often this committee has made auxiliary information before.
    pub epoch: u64,
    /// By party.
    pub keys: BTreeMap<Identity, EncodedKeys>,
}

/// One party's N, s and t in little-endian bytes.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EncodedKeys {
    /// N.
    pub number: Vec<u8>,
    /// s.
    pub s: Vec<u8>,
    /// t.
    pub t: Vec<u8>,
}

/// Whether everybody has a modulus of its own: who shares one with another knows its factors.
pub(crate) fn moduli_differ(keys: &BTreeMap<Identity, EncodedKeys>) -> bool {
    let distinct: std::collections::BTreeSet<_> = keys.values().map(|keys| &keys.number).collect();
    distinct.len() == keys.len()
}

/// What one party keeps: what is public of all, and the factors of its own N.
pub struct Auxiliary {
    public: PublicAuxiliary,
    identity: Identity,
    secret: Box<EncodedSecret>,
    ready: Ready,
}

/// What is made ready for use when it is needed first. The tables in there are worth more than one session.
#[derive(Default)]
struct Ready {
    own: OnceLock<Arc<SecretKeys>>,
    others: Mutex<BTreeMap<Identity, Arc<PublicKeys>>>,
}

/// In little-endian bytes. Erased on drop.
#[derive(BorshSerialize, BorshDeserialize)]
struct EncodedSecret {
    p: Vec<u8>,
    q: Vec<u8>,
    lambda: Vec<u8>,
}

impl Drop for EncodedSecret {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.p.zeroize();
        self.q.zeroize();
        self.lambda.zeroize();
    }
}

/// Why auxiliary information cannot be used. It was stored or restored wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuxiliaryError {
    /// Lengths that this release does not know.
    #[error("auxiliary information of unknown lengths ({0})")]
    Sizes(u8),
    /// A party took no part.
    #[error("there is no auxiliary information of {0}")]
    Absent(Identity),
    /// Somebody's N, s or t is not one.
    #[error("the auxiliary information of {party} is damaged: {reason}")]
    Keys {
        /// Whose.
        party: Identity,
        /// Why.
        reason: InvalidKeys,
    },
    /// The stored factors are not those of the stored N.
    #[error("the secret factors don't fit the public auxiliary information")]
    Mismatch,
}

impl Wire for PublicAuxiliary {
    const MAX_BYTES: usize = 64 + MAX_PARTIES * 1280;
}

/// The encoding holds the factors: it goes into an encrypted record and nowhere else.
impl Wire for Auxiliary {
    const MAX_BYTES: usize = PublicAuxiliary::MAX_BYTES + 1024;
}

impl EncodedKeys {
    /// The encoding of keys.
    #[must_use]
    pub fn of(keys: &PublicKeys) -> Self {
        let [number, s, t] = keys.to_bytes();
        Self { number, s, t }
    }

    /// Of one width each, so that there is one encoding only.
    pub(crate) fn decode(&self, sizes: Sizes) -> Result<PublicKeys, InvalidKeys> {
        let Self { number, s, t } = self;
        if [number, s, t].iter().any(|bytes| bytes.len() * 8 != sizes.modulus()) {
            return Err(InvalidKeys::Width { bits: sizes.modulus() });
        }
        PublicKeys::new(sizes, &self.number, &self.s, &self.t)
    }
}

impl fmt::Debug for EncodedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedKeys({} bits)", self.number.len() * 8)
    }
}

impl PublicAuxiliary {
    /// What a party acknowledges.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut transcript = Transcript::new(b"quorate/cggmp21/auxiliary/v1")
            .field("sizes", &[self.sizes])
            .field("epoch", &self.epoch.to_le_bytes());
        for (party, EncodedKeys { number, s, t }) in &self.keys {
            transcript = transcript.field("party", party.as_bytes());
            transcript = transcript.field("N", number).field("s", s).field("t", t);
        }
        transcript.digest()
    }

    /// The same of some of the parties.
    ///
    /// # Errors
    /// [`AuxiliaryError::Absent`].
    pub fn subset<'a>(
        &self,
        parties: impl IntoIterator<Item = &'a Identity>,
    ) -> Result<Self, AuxiliaryError> {
        let find = |party: &Identity| {
            let keys = self.keys.get(party).ok_or(AuxiliaryError::Absent(*party))?;
            Ok((*party, keys.clone()))
        };
        let keys = parties.into_iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self { sizes: self.sizes, epoch: self.epoch, keys })
    }

    /// The lengths.
    pub(crate) fn lengths(&self) -> Result<Sizes, AuxiliaryError> {
        Sizes::from_id(self.sizes).ok_or(AuxiliaryError::Sizes(self.sizes))
    }

    /// One party's keys, ready for use.
    pub(crate) fn decode(&self, party: &Identity) -> Result<PublicKeys, AuxiliaryError> {
        let keys = self.keys.get(party).ok_or(AuxiliaryError::Absent(*party))?;
        keys.decode(self.lengths()?).map_err(|reason| AuxiliaryError::Keys { party: *party, reason })
    }
}

impl Auxiliary {
    /// What a party keeps whose keys these are.
    #[must_use]
    pub fn new(public: PublicAuxiliary, identity: Identity, keys: &SecretKeys) -> Self {
        let [p, q] = keys.primes().each_ref().map(|prime| prime.number().to_le_bytes().to_vec());
        let lambda = keys.own_parameters().lambda().to_le_bytes().to_vec();
        let secret = Box::new(EncodedSecret { p, q, lambda });
        Self { public, identity, secret, ready: Ready::default() }
    }

    /// The public side.
    #[must_use]
    pub const fn public(&self) -> &PublicAuxiliary {
        &self.public
    }

    /// The party that keeps it.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// This party's keys, ready for use.
    pub(crate) fn own(&self) -> Result<Arc<SecretKeys>, AuxiliaryError> {
        match self.ready.own.get() {
            Some(keys) => Ok(Arc::clone(keys)),
            None => {
                let keys = Arc::new(self.secret_keys()?);
                Ok(Arc::clone(self.ready.own.get_or_init(|| keys)))
            }
        }
    }

    /// A party's keys, ready for use: as others know them, even this party's.
    pub(crate) fn of(&self, party: &Identity) -> Result<Arc<PublicKeys>, AuxiliaryError> {
        let mut others = self.ready.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = others.get(party) {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(self.public.decode(party)?);
        others.insert(*party, Arc::clone(&keys));
        Ok(keys)
    }

    fn secret_keys(&self) -> Result<SecretKeys, AuxiliaryError> {
        let sizes = self.public.lengths()?;
        let absent = AuxiliaryError::Absent(self.identity);
        let public = self.public.keys.get(&self.identity).ok_or(absent)?;
        let prime = |bytes: &[u8]| SafePrime::unchecked(Natural::from_le_bytes(bytes));
        let EncodedSecret { p, q, lambda } = &*self.secret;
        let (lambda, base) = (Natural::from_le_bytes(lambda), Natural::from_le_bytes(&public.t));
        let keys = SecretKeys::restore(sizes, prime(p), prime(q), &lambda, &base)
            .map_err(|reason| AuxiliaryError::Keys { party: self.identity, reason })?;
        if EncodedKeys::of(keys.public()) == *public { Ok(keys) } else { Err(AuxiliaryError::Mismatch) }
    }
}

impl fmt::Debug for Auxiliary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auxiliary").field("public", &self.public).field("identity", &self.identity).finish()
    }
}

/// The encoding holds the factors.
impl BorshSerialize for Auxiliary {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.public.serialize(writer)?;
        self.identity.serialize(writer)?;
        self.secret.serialize(writer)
    }
}

impl BorshDeserialize for Auxiliary {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Self {
            public: PublicAuxiliary::deserialize_reader(reader)?,
            identity: Identity::deserialize_reader(reader)?,
            secret: Box::new(EncodedSecret::deserialize_reader(reader)?),
            ready: Ready::default(),
        })
    }
}

/// The context of the proofs of one party: the session, and who proves.
pub(crate) fn proof_context(session: &quorate_session::SessionId, prover: &Identity) -> Transcript {
    Transcript::new(b"quorate/cggmp21/auxiliary/proof/v1")
        .field("session", session.as_bytes())
        .field("prover", prover.as_bytes())
}
