//! The four rounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Transcript};
use quorate_paillier::proofs::{fac, modulus, prm};
use quorate_paillier::{Keys as _, Natural, PublicKeys, SafePrime, SecretKeys, Sizes};
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, Protocol, ProtocolId,
    Received, Record, SessionContext, SessionId, SetupError, Step, Wire,
};
use quorate_sharing::{PartyIndex, Secp256k1};
use rand_core::CryptoRngCore;
use zeroize::Zeroize;

use super::judge::judge;
use super::message::{ACKNOWLEDGE, COMMIT, Fault, Message, ModulusProofs, OPEN, Open, PROVE};
use super::{Auxiliary, EncodedKeys, PublicAuxiliary, moduli_differ, proof_context};
use crate::parallel;

/// The lengths on which all agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Setup {
    /// See [`Sizes::from_id`].
    pub sizes: u8,
}

impl Wire for Setup {
    const MAX_BYTES: usize = 16;
}

/// The two safe primes of one party, in little-endian bytes, made ahead and used once. Erased on drop.
pub struct Primes {
    p: Vec<u8>,
    q: Vec<u8>,
}

impl Primes {
    /// Two different safe primes.
    #[must_use]
    pub fn new(p: &SafePrime, q: &SafePrime) -> Self {
        Self { p: p.number().to_le_bytes().to_vec(), q: q.number().to_le_bytes().to_vec() }
    }

    fn decode(&self) -> [SafePrime; 2] {
        [&self.p, &self.q].map(|bytes| SafePrime::unchecked(Natural::from_le_bytes(bytes)))
    }
}

impl Drop for Primes {
    fn drop(&mut self) {
        self.p.zeroize();
        self.q.zeroize();
    }
}

impl std::fmt::Debug for Primes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Primes([redacted])")
    }
}

/// The making of auxiliary information; see the module documentation for the rounds.
#[derive(Debug)]
pub enum AuxiliaryProtocol {
    /// Round 1: commitments.
    Committing(Box<Committing>),
    /// Round 2: openings and Π^prm.
    Opening(Box<Opening>),
    /// Round 3: Π^mod and Π^fac.
    Proving(Box<Proving>),
    /// Round 4: acknowledgements.
    Acknowledging(Box<Acknowledging>),
}

/// State in round 1.
#[derive(Debug)]
pub struct Committing {
    context: Arc<SessionContext>,
    keys: SecretKeys,
    open: Open,
    proof: Vec<u8>,
}

/// State in round 2.
#[derive(Debug)]
pub struct Opening {
    context: Arc<SessionContext>,
    keys: SecretKeys,
    open: Open,
    commits: BTreeMap<PartyIndex, [u8; 32]>,
}

/// State in round 3.
#[derive(Debug)]
pub struct Proving {
    context: Arc<SessionContext>,
    keys: SecretKeys,
    public: PublicAuxiliary,
    others: BTreeMap<PartyIndex, PublicKeys>,
    common: [u8; 32],
}

/// State in round 4.
#[derive(Debug)]
pub struct Acknowledging {
    context: Arc<SessionContext>,
    digest: [u8; 32],
    auxiliary: Auxiliary,
}

/// One party's contribution to a round, decoded.
#[derive(Debug)]
pub enum Contribution {
    /// Round 1.
    Commit([u8; 32]),
    /// Round 2.
    Open(Box<Open>, Box<PublicKeys>, Vec<u8>),
    /// Round 3.
    Proofs(Box<ModulusProofs>),
    /// Round 4.
    Ready,
}

impl Protocol for AuxiliaryProtocol {
    const ID: ProtocolId = ProtocolId::new("cggmp21-auxiliary", "paillier", 1);

    type Setup = Setup;
    type Secret = Primes;
    type Message = Message;
    type Accepted = Contribution;
    type Fault = Fault;
    /// The auxiliary information, pending: to be stored before this party acknowledges it.
    type Checkpoint = Auxiliary;
    /// The auxiliary information, which all parties have stored.
    type Output = Auxiliary;

    fn start(
        context: Arc<SessionContext>,
        setup: Setup,
        primes: Primes,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        let sizes = Sizes::from_id(setup.sizes)
            .ok_or_else(|| SetupError(format!("unknown lengths ({})", setup.sizes)))?;
        let [p, q] = primes.decode();
        let keys = SecretKeys::generate(sizes, p, q, rng).map_err(|error| SetupError(error.to_string()))?;
        let mut open =
            Open { keys: EncodedKeys::of(keys.public()), contribution: [0; 32], blinding: [0; 32] };
        rng.fill_bytes(&mut open.contribution);
        rng.fill_bytes(&mut open.blinding);
        let me = identity(&context, context.me()).map_err(|_| SetupError("not a member".into()))?;
        let proof = prm::prove(&proof_context(&context.session(), &me), &keys, rng);
        let send = Outgoing::broadcast(Message::Commit(commitment(&context.session(), &me, &open)));
        let state = Self::Committing(Box::new(Committing { context, keys, open, proof }));
        Ok(Step::Next { state, send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let (context, consistency) = match self {
            Self::Committing(state) => (&state.context, Consistency::Echoed),
            Self::Opening(state) => (&state.context, Consistency::Echoed),
            // Nothing is broadcast here that others must see alike.
            Self::Proving(state) => (&state.context, Consistency::Unchecked),
            Self::Acknowledging(state) => (&state.context, Consistency::Unchecked),
        };
        Expected { from: context.others(), consistency }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution, Blame<Fault>> {
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        let addressed = |context: &SessionContext| envelope.header.recipient == Some(context.me());
        match (self, broadcast, direct) {
            (Self::Committing(_), Some(Message::Commit(commit)), None) => Ok(Contribution::Commit(commit)),
            (Self::Opening(state), Some(Message::Open(open)), Some(Message::RingPedersen(proof)))
                if addressed(&state.context) =>
            {
                let keys = state.check(from, &open).map_err(blame)?;
                Ok(Contribution::Open(open, Box::new(keys), proof))
            }
            (Self::Proving(state), None, Some(Message::Modulus(proofs))) if addressed(&state.context) => {
                Ok(Contribution::Proofs(proofs))
            }
            (Self::Acknowledging(state), Some(Message::Ready(digest)), None) => {
                if digest == state.digest {
                    Ok(Contribution::Ready)
                } else {
                    Err(blame(Fault::Transcript))
                }
            }
            (Self::Committing(_), ..) => Err(blame(Fault::UnexpectedMessage { round: COMMIT })),
            (Self::Opening(_), ..) => Err(blame(Fault::UnexpectedMessage { round: OPEN })),
            (Self::Proving(_), ..) => Err(blame(Fault::UnexpectedMessage { round: PROVE })),
            (Self::Acknowledging(_), ..) => Err(blame(Fault::UnexpectedMessage { round: ACKNOWLEDGE })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Committing(state) => state.open(inbox),
            Self::Opening(state) => state.prove(inbox, rng),
            Self::Proving(state) => state.acknowledge(inbox, rng),
            Self::Acknowledging(state) => {
                Ok(Step::Done { output: state.auxiliary, send: Outgoing::nothing(), checkpoint: None })
            }
        }
    }

    fn judge(
        agreement: &Agreement,
        setup: &Setup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        if judge(agreement, setup, accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}

impl Committing {
    /// Round 1 to 2.
    fn open(self, inbox: Inbox<Contribution>) -> Result<Step<AuxiliaryProtocol>, Failure<Fault>> {
        let Self { context, keys, open, proof } = self;
        let mut commits = BTreeMap::new();
        for (party, contribution) in inbox {
            let Contribution::Commit(commit) = contribution else { return Err(another_round()) };
            commits.insert(party, commit);
        }
        let direct = context.others().into_iter().map(|to| (to, Message::RingPedersen(proof.clone())));
        let send =
            Outgoing { broadcast: Some(Message::Open(Box::new(open.clone()))), direct: direct.collect() };
        let state = AuxiliaryProtocol::Opening(Box::new(Opening { context, keys, open, commits }));
        Ok(Step::Next { state, send, checkpoint: None })
    }
}

impl Opening {
    fn check(&self, from: PartyIndex, open: &Open) -> Result<PublicKeys, Fault> {
        let author = identity(&self.context, from).map_err(|_| Fault::Opening)?;
        if self.commits.get(&from) != Some(&commitment(&self.context.session(), &author, open)) {
            return Err(Fault::Opening);
        }
        open.keys.decode(self.keys.sizes()).map_err(|_| Fault::Keys)
    }

    /// Round 2 to 3: checks Π^prm, and proves what its own N is.
    fn prove(
        self,
        inbox: Inbox<Contribution>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<AuxiliaryProtocol>, Failure<Fault>> {
        let Self { context, keys, open, .. } = self;
        let me = context.me();
        let session = context.session();
        let mut opens = BTreeMap::from([(me, open)]);
        let mut received = Vec::new();
        for (party, contribution) in inbox {
            let Contribution::Open(open, keys, proof) = contribution else { return Err(another_round()) };
            let context = proof_context(&session, &identity(&context, party)?);
            opens.insert(party, *open);
            received.push((party, keys, proof, context));
        }
        let checked = parallel::map(received, rng, |(party, keys, proof, context), _| {
            let holds = prm::verify(&context, &keys, &proof).is_ok();
            (party, *keys, holds)
        });
        let fault = Fault::RingPedersen { verifier: me };
        let wrong = checked.iter().filter(|(.., holds)| !holds).map(|(party, ..)| Blame::new(*party, fault));
        let wrong: Vec<_> = wrong.collect();
        if !wrong.is_empty() {
            return Err(Failure::Blame(wrong));
        }
        let others: BTreeMap<_, _> = checked.into_iter().map(|(party, keys, _)| (party, keys)).collect();
        let common = common(opens.values());
        let encoded = opens.iter().map(|(party, open)| Ok((identity(&context, *party)?, open.keys.clone())));
        let public = PublicAuxiliary {
            sizes: keys.sizes().id(),
            epoch: context.agreement().epoch(),
            keys: encoded.collect::<Result<_, _>>()?,
        };
        let proof_context = proof_context(&session, &identity(&context, me)?).field("common", &common);
        let modulus = modulus::prove(&proof_context, &keys, rng);
        // A single fault of the machine in it would tell the factors.
        if modulus::verify(&proof_context, keys.public(), &modulus).is_err() {
            return Err(Failure::Local("its own proof about its modulus does not hold".into()));
        }
        let mut jobs = Vec::new();
        for (party, verifier) in &others {
            jobs.push((*party, verifier, factors_context(&proof_context, &identity(&context, *party)?)));
        }
        let factors = parallel::map(jobs, rng, |(party, verifier, context), rng| {
            (party, fac::prove::<Secp256k1>(&context, &keys, verifier, rng))
        });
        let direct = factors.into_iter().map(|(party, factors)| {
            (party, Message::Modulus(Box::new(ModulusProofs { modulus: modulus.clone(), factors })))
        });
        let send = Outgoing { broadcast: None, direct: direct.collect() };
        let state = AuxiliaryProtocol::Proving(Box::new(Proving { context, keys, public, others, common }));
        Ok(Step::Next { state, send, checkpoint: None })
    }
}

impl Proving {
    /// Round 3 to 4: checks Π^mod and Π^fac, and stores the result before it is acknowledged.
    fn acknowledge(
        self,
        inbox: Inbox<Contribution>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<AuxiliaryProtocol>, Failure<Fault>> {
        let Self { context, keys, public, others, common } = self;
        let me = context.me();
        let name = identity(&context, me)?;
        let mut received = Vec::new();
        for (party, contribution) in inbox {
            let Contribution::Proofs(proofs) = contribution else { return Err(another_round()) };
            let prover = others.get(&party).ok_or_else(another_round)?;
            let context = proof_context(&context.session(), &identity(&context, party)?);
            received.push((party, prover, proofs, context.field("common", &common)));
        }
        let verdicts = parallel::map(received, rng, |(party, prover, proofs, context), _| {
            if modulus::verify(&context, prover, &proofs.modulus).is_err() {
                return Some(Blame::new(party, Fault::Modulus { verifier: me }));
            }
            let context = factors_context(&context, &name);
            let factors = &proofs.factors;
            let holds = fac::verify::<Secp256k1>(&context, prover, keys.public(), &keys, factors).is_ok();
            (!holds).then(|| Blame::new(party, Fault::Factors { verifier: me }))
        });
        let wrong: Vec<_> = verdicts.into_iter().flatten().collect();
        if !wrong.is_empty() {
            return Err(Failure::Blame(wrong));
        }
        // Who copied another's has no proofs of it: here both know its factors, and nobody can say who had them first.
        if !moduli_differ(&public.keys) {
            return Err(Failure::Unattributed("two parties have the same modulus".into()));
        }
        let digest = public.digest();
        let pending = Auxiliary::new(public.clone(), name, &keys);
        let auxiliary = Auxiliary::new(public, name, &keys);
        let state = Acknowledging { context, digest, auxiliary };
        Ok(Step::Next {
            state: AuxiliaryProtocol::Acknowledging(Box::new(state)),
            send: Outgoing::broadcast(Message::Ready(digest)),
            checkpoint: Some(pending),
        })
    }
}

/// The context of Π^fac, which is made for one verifier.
pub(super) fn factors_context(context: &Transcript, verifier: &Identity) -> Transcript {
    context.clone().field("verifier", verifier.as_bytes())
}

/// What a party commits to in round 1.
pub(super) fn commitment(session: &SessionId, author: &Identity, open: &Open) -> [u8; 32] {
    Transcript::new(b"quorate/cggmp21/auxiliary/opening/v1")
        .field("session", session.as_bytes())
        .field("author", author.as_bytes())
        .field("N", &open.keys.number)
        .field("s", &open.keys.s)
        .field("t", &open.keys.t)
        .field("contribution", &open.contribution)
        .field("blinding", &open.blinding)
        .digest()
}

/// The common random number: the sum of all contributions, which nobody could choose.
pub(super) fn common<'a>(opens: impl Iterator<Item = &'a Open>) -> [u8; 32] {
    opens.fold([0; 32], |mut sum, open| {
        sum.iter_mut().zip(open.contribution).for_each(|(sum, byte)| *sum ^= byte);
        sum
    })
}

fn identity(context: &SessionContext, party: PartyIndex) -> Result<Identity, Failure<Fault>> {
    let member = context.committee().member(party);
    member.map(|member| member.identity).ok_or_else(|| Failure::Local("not a member".into()))
}

fn another_round() -> Failure<Fault> {
    Failure::Local("a contribution of another round".into())
}
