//! The three rounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{check_members, key_digest};
use quorate_keys::{Secret, Transcript};
use quorate_oblivious::pprf::{Choosing, Chosen, Offering, PuncturedSeeds, WholeSeeds};
use quorate_oblivious::{Cheat, TransferId};
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, Protocol, ProtocolId,
    Received, Record, SessionContext, SetupError, Step, Wire,
};
use quorate_sharing::{FacingKeys, PartyIndex, PublicShares};
use rand_core::CryptoRngCore;

use super::message::{ACKNOWLEDGE, BEGIN, Begin, Fault, GROW, Grow, Message};
use super::{Pair, Pairs, PublicPairs};

/// For which key.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Setup {
    /// The public side of the key, just as all holders have stored it. Those of them that take part can sign with each other, whoever else there is.
    pub key: PublicShares,
}

impl Wire for Setup {
    const MAX_BYTES: usize = PublicShares::MAX_BYTES;
}

/// The making of pairs; see the module documentation for the rounds.
#[derive(Debug)]
pub enum PairsProtocol {
    /// Round 1: base transfers.
    Beginning(Box<Beginning>),
    /// Round 2: seeds.
    Growing(Box<Growing>),
    /// Round 3: acknowledgements.
    Acknowledging(Box<Acknowledging>),
}

/// State in round 1.
pub struct Beginning {
    context: Arc<SessionContext>,
    key: [u8; 32],
    facing: FacingKeys,
    peers: BTreeMap<PartyIndex, Begun>,
}

/// With one peer.
struct Begun {
    choosing: Choosing,
    offering: Offering,
    said: Begin,
}

/// State in round 2.
pub struct Growing {
    context: Arc<SessionContext>,
    key: [u8; 32],
    peers: BTreeMap<PartyIndex, Grown>,
}

/// With one peer.
struct Grown {
    chosen: Chosen,
    whole: WholeSeeds,
    channel: quorate_sharing::Channel,
    zero: Box<Secret<[u8; 32]>>,
    said: [Begin; 2],
    grow: Grow,
}

/// State in round 3.
pub struct Acknowledging {
    context: Arc<SessionContext>,
    digests: BTreeMap<PartyIndex, [u8; 32]>,
    pairs: Pairs,
}

macro_rules! redacted {
    ($($state:ident),*) => {$(
        impl std::fmt::Debug for $state {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($state)).finish_non_exhaustive()
            }
        }
    )*};
}
redacted!(Beginning, Growing, Acknowledging);

/// One party's contribution to a round.
#[derive(Debug)]
pub enum Contribution {
    /// Round 1.
    Begin(Box<Begin>),
    /// Round 2.
    Grow(Box<Grow>),
    /// Round 3.
    Ready,
}

impl Protocol for PairsProtocol {
    const ID: ProtocolId = ProtocolId::new("dkls23-pairs", "ristretto255", 1);

    const PAIRWISE: bool = true;

    type Setup = Setup;
    type Secret = ();
    type Message = Message;
    type Accepted = Contribution;
    type Fault = Fault;
    /// The pairs, pending: to be stored before this party acknowledges them.
    type Checkpoint = Pairs;
    /// The pairs, which all parties have stored.
    type Output = Pairs;

    fn start(
        context: Arc<SessionContext>,
        Setup { key }: Setup,
        (): (),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        check_members(&key, context.agreement().epoch(), context.committee())?;
        let others = context.others();
        let facing = FacingKeys::generate(context.me(), &others, rng);
        let mut peers = BTreeMap::new();
        let mut direct = BTreeMap::new();
        for (peer, public) in facing.public() {
            let (choosing, choices) = Choosing::new(&seeds_id(&context, context.me(), peer), rng);
            let (offering, offer) = Offering::new(&seeds_id(&context, peer, context.me()), rng);
            let said = Begin { choices, offer, facing: public };
            direct.insert(peer, Message::Begin(Box::new(said.clone())));
            peers.insert(peer, Begun { choosing, offering, said });
        }
        let state = Beginning { context, key: key_digest(&key), facing, peers };
        let send = Outgoing { broadcast: None, direct };
        Ok(Step::Next { state: Self::Beginning(Box::new(state)), send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let context = match self {
            Self::Beginning(state) => &state.context,
            Self::Growing(state) => &state.context,
            Self::Acknowledging(state) => &state.context,
        };
        // Nothing is broadcast.
        Expected { from: context.others(), consistency: Consistency::Unchecked }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution, Blame<Fault>> {
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        let addressed = |context: &SessionContext| envelope.header.recipient == Some(context.me());
        match (self, broadcast, direct) {
            (Self::Beginning(state), None, Some(Message::Begin(begin))) if addressed(&state.context) => {
                Ok(Contribution::Begin(begin))
            }
            (Self::Growing(state), None, Some(Message::Grow(grow))) if addressed(&state.context) => {
                Ok(Contribution::Grow(grow))
            }
            (Self::Acknowledging(state), None, Some(Message::Ready(digest))) if addressed(&state.context) => {
                if state.digests.get(&from) == Some(&digest) {
                    Ok(Contribution::Ready)
                } else {
                    Err(blame(Fault::Transcript { victim: state.context.me() }))
                }
            }
            (Self::Beginning(_), ..) => Err(blame(Fault::UnexpectedMessage { round: BEGIN })),
            (Self::Growing(_), ..) => Err(blame(Fault::UnexpectedMessage { round: GROW })),
            (Self::Acknowledging(_), ..) => Err(blame(Fault::UnexpectedMessage { round: ACKNOWLEDGE })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Beginning(state) => state.grow(inbox, rng),
            Self::Growing(state) => state.acknowledge(inbox),
            Self::Acknowledging(state) => {
                Ok(Step::Done { output: state.pairs, send: Outgoing::nothing(), checkpoint: None })
            }
        }
    }

    fn judge(
        _: &Agreement,
        _: &Setup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        if judge(accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("what two parties do with each other can't be shown to others"))
        }
    }
}

/// `None` or `false` when the record does not show that `accused` committed `fault`.
fn judge(accused: PartyIndex, fault: &Fault, record: &Record) -> Option<bool> {
    let Fault::UnexpectedMessage { round } = fault else { return None };
    let parts = record.parts::<Message>(*round, accused)?;
    let is_addressed = record.envelope(*round, accused)?.header.recipient.is_some();
    let expected = match (*round, parts) {
        (BEGIN, (None, Some(Message::Begin(_))))
        | (GROW, (None, Some(Message::Grow(_))))
        | (ACKNOWLEDGE, (None, Some(Message::Ready(_)))) => is_addressed,
        (BEGIN | GROW | ACKNOWLEDGE, _) => false,
        _ => return None,
    };
    Some(!expected)
}

impl Beginning {
    /// Round 1 to 2.
    fn grow(
        self,
        inbox: Inbox<Contribution>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<PairsProtocol>, Failure<Fault>> {
        let Self { context, key, facing, peers: mut begun } = self;
        let me = context.me();
        let mut peers = BTreeMap::new();
        let mut direct = BTreeMap::new();
        let mut malformed = Vec::new();
        for (peer, contribution) in inbox {
            let Contribution::Begin(theirs) = contribution else { return Err(another_round()) };
            let Begun { choosing, offering, said } = begun.remove(&peer).ok_or_else(another_round)?;
            let whole = offering.grow(&theirs.choices);
            let chosen = choosing.take(&theirs.offer);
            let channel = facing.channel(peer, &theirs.facing);
            let (Ok((whole, corrections)), Ok(chosen), Ok(channel)) = (whole, chosen, channel) else {
                malformed.push(Blame::new(peer, Fault::Malformed { victim: me }));
                continue;
            };
            let mut zero = Box::new(Secret::new([0; 32]));
            rng.fill_bytes(zero.expose_mut());
            let sealed = channel.seal(&zero_context(&context), me, peer, zero.expose());
            let grow = Grow { corrections, zero: sealed };
            direct.insert(peer, Message::Grow(Box::new(grow.clone())));
            peers.insert(peer, Grown { chosen, whole, channel, zero, said: [said, *theirs], grow });
        }
        if !malformed.is_empty() {
            return Err(Failure::Blame(malformed));
        }
        let state = PairsProtocol::Growing(Box::new(Growing { context, key, peers }));
        Ok(Step::Next { state, send: Outgoing { broadcast: None, direct }, checkpoint: None })
    }
}

impl Growing {
    /// Round 2 to 3.
    fn acknowledge(self, inbox: Inbox<Contribution>) -> Result<Step<PairsProtocol>, Failure<Fault>> {
        let Self { context, key, peers: mut grown } = self;
        let me = context.me();
        let mut made = BTreeMap::new();
        let mut digests = BTreeMap::new();
        let mut blamed = Vec::new();
        for (peer, contribution) in inbox {
            let Contribution::Grow(theirs) = contribution else { return Err(another_round()) };
            let grown = grown.remove(&peer).ok_or_else(another_round)?;
            match grown.pair(&context, peer, &theirs) {
                Ok((pair, digest)) => {
                    digests.insert(peer, digest);
                    made.insert(peer, pair);
                }
                Err(fault) => blamed.push(Blame::new(peer, fault)),
            }
        }
        if !blamed.is_empty() {
            return Err(Failure::Blame(blamed));
        }
        let send = digests.iter().map(|(peer, digest)| (*peer, Message::Ready(*digest))).collect();
        let public = PublicPairs { session: *context.session().as_bytes(), key };
        let pairs = Pairs { public, party: me, pairs: made };
        // What is stored is another value than what goes on: a secret is not cloned.
        let encoded = Secret::new(pairs.to_wire().map_err(|error| Failure::Local(error.to_string()))?);
        let pending =
            Pairs::from_wire(encoded.expose()).map_err(|error| Failure::Local(error.to_string()))?;
        let state = PairsProtocol::Acknowledging(Box::new(Acknowledging { context, digests, pairs }));
        Ok(Step::Next { state, send: Outgoing { broadcast: None, direct: send }, checkpoint: Some(pending) })
    }
}

impl Grown {
    /// The pair, and what both must agree upon.
    fn pair(
        self,
        context: &SessionContext,
        peer: PartyIndex,
        theirs: &Grow,
    ) -> Result<(Pair, [u8; 32]), Fault> {
        let Self { chosen, whole, channel, zero, said: [own_begin, their_begin], grow } = self;
        let me = context.me();
        let sending: PuncturedSeeds = chosen.correct(&theirs.corrections).map_err(|cheat| match cheat {
            Cheat::Malformed(_) | Cheat::OtherRun(_) => Fault::Malformed { victim: me },
            Cheat::Inconsistent(_) => Fault::Inconsistent { victim: me },
        })?;
        let undecryptable = Fault::Undecryptable { victim: me };
        let other =
            channel.open(&zero_context(context), peer, me, &theirs.zero).map_err(|_| undecryptable)?;
        if other.expose().len() != zero.expose().len() {
            return Err(undecryptable);
        }
        // Both in the order of their indices.
        let ordered = |own, their| if me < peer { [own, their] } else { [their, own] };
        let [first, second] = ordered(zero.expose().as_slice(), other.expose().as_slice());
        let seed = Transcript::new(b"quorate/dkls23/pairs/zero/v1")
            .field("session", context.session().as_bytes())
            .field("first", first)
            .field("second", second);
        let zero = Box::new(Secret::new(seed.clone().field("use", b"shares of zero").digest()));
        let encode = |begin: &Begin, grow: &Grow| borsh::to_vec(&(begin, grow)).unwrap_or_default();
        let (own, their) = (encode(&own_begin, &grow), encode(&their_begin, theirs));
        let [first, second] = ordered(own.as_slice(), their.as_slice());
        let digest = Transcript::new(b"quorate/dkls23/pairs/transcript/v1")
            .field("session", context.session().as_bytes())
            .field("first", first)
            .field("second", second)
            .field("zero", &seed.field("use", b"check").digest())
            .digest();
        Ok((Pair { sending, receiving: whole, zero }, digest))
    }
}

/// Names the seeds with which `sender`'s scalars are multiplied.
fn seeds_id(context: &SessionContext, sender: PartyIndex, receiver: PartyIndex) -> TransferId {
    TransferId::new("seeds", context.session().as_bytes(), 0, sender, receiver)
}

fn zero_context(context: &SessionContext) -> Vec<u8> {
    [b"quorate/dkls23/pairs/zero/v1".as_slice(), context.session().as_bytes()].concat()
}

fn another_round() -> Failure<Fault> {
    Failure::Local("a contribution of another round".into())
}
