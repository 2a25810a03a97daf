//! The three rounds.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use quorate_keys::Secret;
use quorate_session::{
    Agreement, Blame, Consistency, Envelope, Expected, Failure, Inbox, NotProven, Outgoing, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::{
    Challenge, Channel, Commitment, Curve, FacingKeys, PartyIndex, Polynomial, PublicShares, SecretShare,
};
use rand_core::CryptoRngCore;

use crate::dealt::{
    Dealt, Opened, check_commit, check_open, delivery_context, facing_key, is_sealed_share, share_fits,
};
use crate::judge::{complaint_holds, judge};
use crate::key::{key_digest, public_shares};
use crate::message::{ACKNOWLEDGE, COMMIT, Commit, Complaint, Fault, Message, OPEN, Open};
use crate::plan::{Plan, Purpose};
use crate::proof::{ProofError, challenge, check_proofs, knows_share, prove_share};

/// Verifiable dealing on the curve `C` for the purpose `P`; see the crate documentation for the rounds.
pub enum Dealing<C: Curve, P: Purpose<C>> {
    /// Round 1: commitments.
    Committing(Box<Committing<C>>),
    /// Round 2: openings and shares.
    Opening(Box<Opening<C>>),
    /// Round 3: acknowledgements.
    Acknowledging(Box<Acknowledging<C, P>>),
}

/// What does not change from round to round.
struct Seat {
    context: Arc<SessionContext>,
    plan: Arc<Plan>,
}

/// State in round 1.
pub struct Committing<C: Curve> {
    seat: Seat,
    /// Of a dealer.
    dealt: Option<Dealt<C>>,
    facing: FacingKeys,
    commit: Commit,
}

/// State in round 2.
pub struct Opening<C: Curve> {
    seat: Seat,
    /// Of a dealer: with its part of the chain code.
    dealt: Option<(Polynomial<C>, Commitment<C>, [u8; 32])>,
    commits: BTreeMap<PartyIndex, Commit>,
    challenge: Challenge<C>,
    channels: BTreeMap<PartyIndex, Channel>,
}

/// State in round 3.
pub struct Acknowledging<C: Curve, P: Purpose<C>> {
    seat: Seat,
    commits: BTreeMap<PartyIndex, Commit>,
    /// Digest of the broadcasts of round 1.
    echo: Option<[u8; 32]>,
    key: [u8; 32],
    /// The public sides of the shares.
    public: Arc<PublicShares>,
    held: P::Held,
    curve: PhantomData<C>,
}

/// One party's contribution to a round, decoded and checked.
pub enum Contribution<C: Curve> {
    /// Round 1.
    Commit(Commit),
    /// Round 2.
    Dealing(Box<ReceivedDealing<C>>),
    /// Round 2, of a party that deals nothing.
    Nothing,
    /// Round 3.
    Ready,
}

/// A dealing as this party received it.
pub struct ReceivedDealing<C: Curve> {
    opened: Opened<C>,
    /// For a receiver.
    ciphertext: Option<Vec<u8>>,
    envelope: Arc<Envelope>,
}

impl<C: Curve, P: Purpose<C>> Protocol for Dealing<C, P> {
    const ID: ProtocolId = ProtocolId::new(P::NAME, C::NAME, P::VERSION);

    type Setup = P::Setup;
    type Secret = P::Secret;
    type Message = Message;
    type Accepted = Contribution<C>;
    type Fault = Fault;
    /// What this party has, pending: to be stored before this party acknowledges it.
    type Checkpoint = P::Held;
    /// The same, which all parties have stored.
    type Output = P::Held;

    fn start(
        context: Arc<SessionContext>,
        setup: P::Setup,
        secret: P::Secret,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        let plan = P::plan(context.agreement(), &setup)?;
        let me = context.me();
        let polynomial = P::polynomial(&plan, &context, &setup, secret, rng)?;
        if polynomial.is_some() != plan.deals(me) {
            return Err(SetupError::because("what this party has to deal does not fit the plan"));
        }
        let dealt = polynomial.map(|polynomial| Dealt::new(polynomial, rng));
        let facing = FacingKeys::generate(me, &plan.faced_by(me), rng);
        let commit = Commit {
            opening: dealt.as_ref().map(|dealt| dealt.digest::<P>(&context)).unwrap_or_default(),
            facing: facing.public().into_iter().map(|(_, key)| key).collect(),
        };
        let send = Outgoing::broadcast(Message::Commit(commit.clone()));
        let seat = Seat { context, plan: Arc::new(plan) };
        let state = Self::Committing(Box::new(Committing { seat, dealt, facing, commit }));
        Ok(Step::Next { state, send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let (seat, consistency) = match self {
            Self::Committing(state) => (&state.seat, Consistency::Echoed),
            Self::Opening(state) => (&state.seat, Consistency::Echoed),
            // Whoever holds all signed acknowledgements holds the certificate; there is nothing to echo.
            Self::Acknowledging(state) => (&state.seat, Consistency::Unchecked),
        };
        Expected { from: seat.context.others(), consistency }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<C>, Blame<Fault>> {
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        match (self, broadcast) {
            (Self::Committing(state), Some(Message::Commit(commit))) if direct.is_none() => {
                check_commit(&state.seat.plan, from, &commit).map_err(blame)?;
                Ok(Contribution::Commit(commit))
            }
            (Self::Opening(state), Some(broadcast)) => {
                state.accept::<P>(from, &broadcast, direct, envelope).map_err(blame)
            }
            (Self::Acknowledging(state), Some(Message::Complaint(complaint)))
                if direct.is_none() && state.seat.plan.receives(from) =>
            {
                Err(state.judge_complaint(from, &complaint))
            }
            (Self::Acknowledging(state), Some(broadcast)) if direct.is_none() => {
                state.accept(from, &broadcast).map_err(blame)
            }
            (Self::Committing(_), ..) => Err(blame(Fault::UnexpectedMessage { round: COMMIT })),
            (Self::Opening(_), ..) => Err(blame(Fault::UnexpectedMessage { round: OPEN })),
            (Self::Acknowledging(_), ..) => Err(blame(Fault::UnexpectedMessage { round: ACKNOWLEDGE })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Committing(state) => state.open(inbox),
            Self::Opening(state) => state.acknowledge(inbox, rng),
            Self::Acknowledging(state) => {
                Ok(Step::Done { output: state.held, send: Outgoing::nothing(), checkpoint: None })
            }
        }
    }

    fn judge(
        agreement: &Agreement,
        setup: &P::Setup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        let plan = P::plan(agreement, setup).map_err(|error| NotProven::because(error.to_string()))?;
        if judge::<C, P>(agreement, &plan, accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}

impl<C: Curve> Committing<C> {
    /// Round 1 to 2: opens the coefficients, answers the challenge, and sends each receiver its share.
    fn open<P: Purpose<C>>(
        self,
        inbox: Inbox<Contribution<C>>,
    ) -> Result<Step<Dealing<C, P>>, Failure<Fault>> {
        let Self { seat, dealt, facing, commit } = self;
        let Seat { context, plan } = &seat;
        let delivery = delivery_context::<C, P>(&context.session());
        let me = context.me();
        let mut commits = BTreeMap::from([(me, commit)]);
        let mut channels = BTreeMap::new();
        let mut direct = BTreeMap::new();
        for (party, contribution) in inbox {
            let Contribution::Commit(commit) = contribution else {
                return Err(Failure::Local("a contribution of another round".into()));
            };
            if plan.faces(me, party) {
                let channel = facing_key(plan, &commit, party, me)
                    .and_then(|key| facing.channel(party, &key).ok())
                    .ok_or_else(|| Failure::Blame(vec![Blame::new(party, Fault::FacingKeys)]))?;
                if let Some(dealt) = dealt.as_ref().filter(|_| plan.receives(party)) {
                    let share = dealt.polynomial.share(party);
                    let ciphertext = channel.seal(&delivery, me, party, share.to_bytes().expose());
                    direct.insert(party, Message::Share(ciphertext));
                }
                channels.insert(party, channel);
            }
            commits.insert(party, commit);
        }
        let challenge = challenge::<C, P>(&context.session(), &commits);
        let (broadcast, dealt) = match dealt {
            None => (Message::Nothing, None),
            Some(Dealt { polynomial, commitment, coefficients, chain_code, nonce }) => {
                let open = Open {
                    coefficients,
                    chain_code,
                    nonce: nonce.point().to_vec(),
                    response: nonce.prove(&challenge, &polynomial),
                };
                (Message::Open(open), Some((polynomial, commitment, chain_code)))
            }
        };
        let send = Outgoing { broadcast: Some(broadcast), direct };
        let state = Opening { seat, dealt, commits, challenge, channels };
        Ok(Step::Next { state: Dealing::Opening(Box::new(state)), send, checkpoint: None })
    }
}

impl<C: Curve> Opening<C> {
    fn accept<P: Purpose<C>>(
        &self,
        from: PartyIndex,
        broadcast: &Message,
        direct: Option<Message>,
        envelope: Arc<Envelope>,
    ) -> Result<Contribution<C>, Fault> {
        let Seat { context, plan } = &self.seat;
        let unexpected = Fault::UnexpectedMessage { round: OPEN };
        let ciphertext = match (broadcast, direct) {
            (Message::Nothing, None) if !plan.deals(from) => return Ok(Contribution::Nothing),
            (Message::Open(_), Some(Message::Share(ciphertext)))
                if plan.receives(context.me()) && is_sealed_share(&ciphertext) =>
            {
                Some(ciphertext)
            }
            (Message::Open(_), None) if !plan.receives(context.me()) => None,
            _ => return Err(unexpected),
        };
        let (Message::Open(open), true) = (broadcast, plan.deals(from)) else { return Err(unexpected) };
        let commit = self.commits.get(&from).ok_or(Fault::Opening)?;
        let opened = check_open::<C, P>(context.agreement(), plan, from, commit, open)?;
        Ok(Contribution::Dealing(Box::new(ReceivedDealing { opened, ciphertext, envelope })))
    }

    /// Round 2 to 3: checks all dealings, adds up the shares, and acknowledges or complains.
    fn acknowledge<P: Purpose<C>>(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Dealing<C, P>>, Failure<Fault>> {
        let (mut opened, mut deliveries) = (BTreeMap::new(), BTreeMap::new());
        let mut echo = None;
        for (party, contribution) in inbox {
            match contribution {
                Contribution::Nothing => {}
                Contribution::Dealing(dealing) => {
                    let ReceivedDealing { opened: dealing, ciphertext, envelope } = *dealing;
                    echo = envelope.header.echo;
                    opened.insert(party, dealing);
                    deliveries.extend(ciphertext.map(|ciphertext| (party, (ciphertext, envelope))));
                }
                _ => return Err(Failure::Local("a contribution of another round".into())),
            }
        }
        let others = check_proofs(&self.challenge, &opened).map_err(|error| match error {
            ProofError::Unproven(dealers) => blame_all(dealers, &Fault::KnowledgeProof),
            ProofError::Sum(reason) => Failure::Local(reason),
        })?;
        let own = self.dealt.as_ref().map(|(_, commitment, _)| commitment);
        let sum = Commitment::sum([&others].into_iter().chain(own))
            .map_err(|error| Failure::Local(error.to_string()))?;
        self.check_key(&opened, &sum)?;

        let me = self.seat.context.me();
        let share = if self.seat.plan.receives(me) {
            let plaintexts = self.decrypt::<P>(&deliveries);
            let own = self.dealt.as_ref().map(|(polynomial, ..)| polynomial.share(me));
            // The final share is right if and only if the sum of all shares fits the sum of all commitments.
            let secret = add_up(own, me, &plaintexts).filter(|secret| secret.verify(&sum));
            let Some(secret) = secret else {
                return self.complain::<P>(&opened, deliveries, &plaintexts);
            };
            Some(secret)
        } else {
            None
        };
        self.store(&opened, echo, &sum, share.as_ref(), rng)
    }

    /// Checks that what was dealt makes the key that it has to make. When it does not, names all who dealt something else.
    fn check_key(
        &self,
        opened: &BTreeMap<PartyIndex, Opened<C>>,
        sum: &Commitment<C>,
    ) -> Result<(), Failure<Fault>> {
        let Some(kept) = self.seat.plan.kept() else {
            return match C::is_identity(&sum.constant()) {
                true => Err(Failure::Unattributed("the group key is the identity".into())),
                false => Ok(()),
            };
        };
        if C::encode(&sum.constant()) == kept.group_key.as_bytes() {
            return Ok(());
        }
        let wrong = |dealer: PartyIndex, dealing: &Opened<C>| {
            kept.constant::<C>(dealer) != Some(dealing.commitment.constant())
        };
        let wrong = opened.iter().filter(|(dealer, dealing)| wrong(**dealer, dealing));
        let dealers: Vec<_> = wrong.map(|(dealer, _)| *dealer).collect();
        match dealers.is_empty() {
            true => Err(Failure::Local("the dealers' shares are not of this key".into())),
            false => Err(blame_all(dealers, &Fault::Constant)),
        }
    }

    fn decrypt<P: Purpose<C>>(&self, deliveries: &Deliveries) -> Plaintexts {
        let (context, me) = (delivery_context::<C, P>(&self.seat.context.session()), self.seat.context.me());
        let open = |(dealer, (ciphertext, _)): (&PartyIndex, &(Vec<u8>, _))| {
            let channel = self.channels.get(dealer)?;
            Some((*dealer, channel.open(&context, *dealer, me, ciphertext).ok()))
        };
        deliveries.iter().filter_map(open).collect()
    }

    /// Accuses the first dealer whose share is wrong.
    fn complain<P: Purpose<C>>(
        self,
        opened: &BTreeMap<PartyIndex, Opened<C>>,
        mut deliveries: Deliveries,
        plaintexts: &Plaintexts,
    ) -> Result<Step<Dealing<C, P>>, Failure<Fault>> {
        let context = &self.seat.context;
        let me = context.me();
        let fits = |dealer: &PartyIndex, dealing: &Opened<C>| {
            let plaintext = plaintexts.get(dealer).and_then(Option::as_ref);
            plaintext.is_some_and(|plaintext| share_fits(plaintext.expose(), me, &dealing.commitment))
        };
        let accused =
            opened.iter().find(|(dealer, dealing)| !fits(dealer, dealing)).map(|(dealer, _)| *dealer);
        let material = accused.and_then(|accused| {
            let (_, envelope) = deliveries.remove(&accused)?;
            Some((accused, envelope, self.channels.get(&accused)?))
        });
        let Some((accused, envelope, channel)) = material else {
            return Err(Failure::Local("all shares fit, but not their sum".into()));
        };
        let disclosure = channel.disclose(&delivery_context::<C, P>(&context.session()));
        let complaint = Complaint { accused, envelope: Envelope::clone(&envelope), disclosure };
        Ok(Step::Accuse {
            send: Outgoing::broadcast(Message::Complaint(Box::new(complaint))),
            blame: vec![Blame::new(accused, Fault::BadShare { complainer: me })],
        })
    }

    /// What this party has of the key, to be stored before it is acknowledged.
    fn store<P: Purpose<C>>(
        self,
        opened: &BTreeMap<PartyIndex, Opened<C>>,
        echo: Option<[u8; 32]>,
        sum: &Commitment<C>,
        secret: Option<&SecretShare<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Dealing<C, P>>, Failure<Fault>> {
        let Self { seat, dealt, commits, .. } = self;
        let Seat { context, plan } = &seat;
        let (me, session) = (context.me(), context.session());
        let own = dealt.map(|(_, _, chain_code)| chain_code).unwrap_or_default();
        let part = |dealer: &PartyIndex| opened.get(dealer).map_or(own, |dealing| dealing.chain_code);
        let chain_codes = plan.dealers().iter().map(part);
        let public = public_shares::<C, P>(context.agreement(), plan, sum, chain_codes)
            .map_err(|error| Failure::Local(error.to_string()))?;
        let key = key_digest(P::NAME, &session, &public);
        let broadcast = match secret.filter(|_| plan.proves_share(me)) {
            Some(secret) => Message::Known(prove_share::<C, P>(&session, key, secret, rng)),
            None => Message::Ready(key),
        };
        let held = || P::held(public.clone(), secret.map(|secret| (me, secret.to_bytes())));
        let (Some(pending), Some(held)) = (held(), held()) else {
            return Err(Failure::Local("the plan has no share for this party".into()));
        };
        let public = Arc::new(public);
        let state = Acknowledging { seat, commits, echo, key, public, held, curve: PhantomData };
        Ok(Step::Next {
            state: Dealing::Acknowledging(Box::new(state)),
            send: Outgoing::broadcast(broadcast),
            checkpoint: Some(pending),
        })
    }
}

impl<C: Curve, P: Purpose<C>> Acknowledging<C, P> {
    fn accept(&self, from: PartyIndex, broadcast: &Message) -> Result<Contribution<C>, Fault> {
        let session = self.seat.context.session();
        let proves = self.seat.plan.proves_share(from);
        let key = match broadcast {
            Message::Ready(key) if !proves => key,
            Message::Known(known) if proves => &known.key,
            _ => return Err(Fault::UnexpectedMessage { round: ACKNOWLEDGE }),
        };
        if *key != self.key {
            return Err(Fault::Transcript);
        }
        if let Message::Known(known) = broadcast {
            let public = self.public.verifying_shares.get(&from).and_then(|share| C::decode(share));
            public
                .filter(|public| knows_share::<C, P>(&session, from, known, public))
                .ok_or(Fault::ShareProof)?;
        }
        Ok(Contribution::Ready)
    }

    /// Blames the accused dealer, or the complaining party if the complaint shows nothing.
    fn judge_complaint(&self, complainer: PartyIndex, complaint: &Complaint) -> Blame<Fault> {
        let Seat { context, plan } = &self.seat;
        let agreement = context.agreement();
        if complaint_holds::<C, P>(agreement, plan, &self.commits, self.echo, complainer, complaint) {
            Blame::new(complaint.accused, Fault::BadShare { complainer })
        } else {
            Blame::new(complainer, Fault::FalseComplaint)
        }
    }
}

/// Encrypted shares, with the envelopes that they came in.
type Deliveries = BTreeMap<PartyIndex, (Vec<u8>, Arc<Envelope>)>;

/// What was in them; nothing where that could not be decrypted.
type Plaintexts = BTreeMap<PartyIndex, Option<Secret<Vec<u8>>>>;

fn blame_all(parties: Vec<PartyIndex>, fault: &Fault) -> Failure<Fault> {
    Failure::Blame(parties.into_iter().map(|party| Blame::new(party, fault.clone())).collect())
}

/// The sum of this party's own share, if it dealt one, and all decrypted ones; nothing if one could not be decrypted.
fn add_up<C: Curve>(
    own: Option<SecretShare<C>>,
    me: PartyIndex,
    plaintexts: &Plaintexts,
) -> Option<SecretShare<C>> {
    let decoded = plaintexts.values().map(|plaintext| {
        plaintext.as_ref().and_then(|plaintext| SecretShare::from_bytes(me, plaintext.expose()).ok())
    });
    let mut all = own.map(Some).into_iter().chain(decoded);
    let first = all.next().flatten()?;
    all.try_fold(first, |sum, share| sum.add(&share?))
}
