//! A second implementation of the protocol, which cheats where its script says so.
//!
//! It shares no code with the crate under test but the public message types: labels of transcripts and the order of
//! fields are written down here once more.

use std::collections::BTreeMap;
use std::sync::Arc;

use ff::Field;
use quorate_keygen::{Commit, Fault, Keygen, Message, Open};
use quorate_keys::{ChainCode, GroupKey, Secret, Transcript};
use quorate_session::{
    Agreement, Blame, Consistency, Envelope, Expected, Failure, Inbox, NotProven, Outgoing, Protocol,
    ProtocolId, Received, Record, SessionContext, SessionId, SetupError, Step,
};
use quorate_sharing::{
    Challenge, Channel, Commitment, Curve, FacingKeys, KeyShare, PartyIndex, Polynomial, ProofNonce,
    PublicShares,
};
use quorate_simulator::Rewrite;
use rand_core::CryptoRngCore;

/// A share on its way.
pub(crate) struct Delivery<'a, C: Curve> {
    pub(crate) from: PartyIndex,
    pub(crate) to: PartyIndex,
    pub(crate) right: C::Scalar,
    pub(crate) channel: &'a Channel,
    pub(crate) context: [u8; 32],
}

impl<C: Curve> Delivery<'_, C> {
    pub(crate) fn seal(&self, share: &C::Scalar) -> Vec<u8> {
        self.seal_bytes(&C::scalar_to_bytes(share))
    }

    pub(crate) fn seal_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.channel.seal(&self.context, self.from, self.to, bytes)
    }
}

/// What a party has seen by round 3.
pub(crate) struct Seen {
    pub(crate) envelopes: BTreeMap<PartyIndex, Arc<Envelope>>,
    pub(crate) channels: BTreeMap<PartyIndex, Channel>,
    pub(crate) delivery: [u8; 32],
}

pub(crate) type ChangeOpening = Box<dyn FnOnce(&SessionContext, &mut Open) + Send>;
pub(crate) type Deliver<C> = Box<dyn FnMut(&Delivery<'_, C>) -> Vec<u8> + Send>;
pub(crate) type ChangeChallenge<C> =
    Box<dyn FnOnce(&SessionContext, BTreeMap<PartyIndex, Commit>) -> Challenge<C> + Send>;
pub(crate) type Accuse = Box<dyn FnOnce(Seen) -> Message + Send>;

/// Where a dealer departs from the protocol.
pub(crate) struct Script<C: Curve> {
    /// What it deals; random otherwise.
    pub(crate) polynomial: Option<Polynomial<C>>,
    /// What it proves with; random otherwise.
    pub(crate) nonce: Option<ProofNonce<C>>,
    /// What it answers, given the commitments of round 1.
    pub(crate) challenge: ChangeChallenge<C>,
    /// Changes what it commits to and opens.
    pub(crate) open: ChangeOpening,
    /// Encrypts a share.
    pub(crate) deliver: Deliver<C>,
    /// What it says instead of an acknowledgement.
    pub(crate) accuse: Option<Accuse>,
    /// Changes a round's messages before they are signed.
    pub(crate) send: Rewrite<Message>,
}

impl<C: Curve> Script<C> {
    /// No departure.
    pub(crate) fn honest() -> Self {
        Self {
            polynomial: None,
            nonce: None,
            challenge: Box::new(|context, commits| challenge(&context.session(), &commits)),
            open: Box::new(|_, _| ()),
            deliver: Box::new(|delivery| delivery.seal(&delivery.right)),
            accuse: None,
            send: Box::new(|_, _| ()),
        }
    }

    pub(crate) fn opening(open: impl FnOnce(&SessionContext, &mut Open) + Send + 'static) -> Self {
        Self { open: Box::new(open), ..Self::honest() }
    }

    pub(crate) fn delivering(deliver: impl FnMut(&Delivery<'_, C>) -> Vec<u8> + Send + 'static) -> Self {
        Self { deliver: Box::new(deliver), ..Self::honest() }
    }

    /// Sends these parties a wrong share.
    pub(crate) fn wrong_for(victims: &'static [u16]) -> Self {
        Self::delivering(|delivery| {
            let error = if victims.contains(&delivery.to.get()) { C::Scalar::ONE } else { C::Scalar::ZERO };
            delivery.seal(&(delivery.right + error))
        })
    }

    pub(crate) fn accusing(accuse: impl FnOnce(Seen) -> Message + Send + 'static) -> Self {
        Self { accuse: Some(Box::new(accuse)), ..Self::honest() }
    }

    pub(crate) fn sending(send: impl FnMut(u8, &mut Outgoing<Message>) + Send + 'static) -> Self {
        Self { send: Box::new(send), ..Self::honest() }
    }
}

pub(crate) fn opening_digest(session: &SessionId, dealer: PartyIndex, open: &Open) -> [u8; 32] {
    Transcript::new(b"quorate/keygen/opening/v1")
        .field("session", session.as_bytes())
        .field("dealer", &dealer.get().to_le_bytes())
        .field("coefficients", &open.coefficients)
        .field("chain code", &open.chain_code)
        .field("nonce", &open.nonce)
        .digest()
}

pub(crate) fn challenge<C: Curve>(
    session: &SessionId,
    commits: &BTreeMap<PartyIndex, Commit>,
) -> Challenge<C> {
    let mut transcript = Transcript::new(b"quorate/keygen/challenge/v1")
        .field("session", session.as_bytes())
        .field("curve", C::NAME.as_bytes());
    for (dealer, commit) in commits {
        transcript =
            transcript.field("dealer", &dealer.get().to_le_bytes()).field("opening", &commit.opening);
    }
    Challenge::from_wide(&transcript.wide())
}

pub(crate) fn delivery_context(session: &SessionId) -> [u8; 32] {
    Transcript::new(b"quorate/keygen/delivery/v1").field("session", session.as_bytes()).digest()
}

pub(crate) fn acknowledgement(session: &SessionId, public: &PublicShares) -> [u8; 32] {
    let start = Transcript::new(b"quorate/keygen/key/v1")
        .field("session", session.as_bytes())
        .field("group key", public.group_key.as_bytes())
        .field("chain code", public.chain_code.as_bytes())
        .field("epoch", &public.epoch.to_le_bytes());
    let shares = public.verifying_shares.iter();
    shares
        .fold(start, |transcript, (party, share)| {
            transcript.field("party", &party.get().to_le_bytes()).field("share", share)
        })
        .digest()
}

/// A scripted party.
pub(crate) struct Dealer<C: Curve> {
    context: Arc<SessionContext>,
    script: Script<C>,
    polynomial: Polynomial<C>,
    nonce: Option<ProofNonce<C>>,
    open: Open,
    commit: Commit,
    facing: FacingKeys,
    channels: BTreeMap<PartyIndex, Channel>,
    round: u8,
    share: Option<KeyShare>,
}

impl<C: Curve> Dealer<C> {
    fn next(mut self, round: u8, mut send: Outgoing<Message>, stored: Option<KeyShare>) -> Step<Self> {
        self.round = round;
        (self.script.send)(round, &mut send);
        // What it committed to in the end, and so confirms.
        if let Some(Message::Commit(commit)) = &send.broadcast {
            self.commit = commit.clone();
        }
        Step::Next { state: self, send, checkpoint: stored }
    }

    fn deal(mut self, inbox: Inbox<Received<Message>>) -> Step<Self> {
        let context = Arc::clone(&self.context);
        let (me, delivery) = (context.me(), delivery_context(&context.session()));
        let mut direct = BTreeMap::new();
        let mut commits = BTreeMap::from([(me, self.commit.clone())]);
        for (to, received) in inbox {
            let Some(Message::Commit(commit)) = received.broadcast else { continue };
            commits.insert(to, commit.clone());
            let others = context.committee().indices().filter(|index| *index != to);
            let Some((_, key)) = others.zip(&commit.facing).find(|(index, _)| *index == me) else { continue };
            let Ok(channel) = self.facing.channel(to, key) else { continue };
            let right = self.polynomial.evaluate(to);
            let share = Delivery { from: me, to, right, channel: &channel, context: delivery };
            direct.insert(to, Message::Share((self.script.deliver)(&share)));
            self.channels.insert(to, channel);
        }
        let honest: ChangeChallenge<C> = Script::honest().challenge;
        let challenge = std::mem::replace(&mut self.script.challenge, honest)(&context, commits);
        if let Some(nonce) = self.nonce.take() {
            self.open.response = nonce.prove(&challenge, &self.polynomial);
        }
        let send = Outgoing { broadcast: Some(Message::Open(self.open.clone())), direct };
        self.next(2, send, None)
    }

    fn acknowledge(mut self, inbox: Inbox<Received<Message>>) -> Result<Step<Self>, Failure<Fault>> {
        let context = Arc::clone(&self.context);
        let (me, session) = (context.me(), context.session());
        let delivery = delivery_context(&session);
        if let Some(accuse) = self.script.accuse.take() {
            let envelopes = inbox.into_iter().map(|(party, received)| (party, received.envelope)).collect();
            let channels = std::mem::take(&mut self.channels);
            let message = accuse(Seen { envelopes, channels, delivery });
            return Ok(self.next(3, Outgoing::broadcast(message), None));
        }
        let mut opens = BTreeMap::from([(me, self.open.clone())]);
        let mut secret = self.polynomial.evaluate(me);
        for (from, received) in inbox {
            if let Some(Message::Open(open)) = received.broadcast {
                opens.insert(from, open);
            }
            let Some(Message::Share(sealed)) = received.direct else { continue };
            let Some(channel) = self.channels.get(&from) else { continue };
            let Ok(bytes) = channel.open(&delivery, from, me, &sealed) else { continue };
            let Ok(bytes) = <&[u8; 32]>::try_from(bytes.expose().as_slice()) else { continue };
            secret += C::scalar_from_bytes(bytes).unwrap_or(C::Scalar::ZERO);
        }
        let threshold = context.agreement().threshold();
        let commitments: Vec<_> = opens
            .values()
            .filter_map(|open| Commitment::<C>::from_bytes(&open.coefficients, threshold).ok())
            .collect();
        let local = |error: &dyn ToString| Failure::Local(error.to_string());
        let sum = Commitment::sum(&commitments).map_err(|error| local(&error))?;
        let start = Transcript::new(b"quorate/keygen/chain-code/v1").field("session", session.as_bytes());
        let chain_code =
            opens.values().fold(start, |transcript, open| transcript.field("part", &open.chain_code));
        let public = PublicShares {
            group_key: GroupKey::from_bytes(C::ID, &C::encode(&sum.constant()))
                .map_err(|error| local(&error))?,
            chain_code: ChainCode::new(chain_code.digest()),
            epoch: context.agreement().epoch(),
            committee: context.committee().clone(),
            verifying_shares: sum.verifying_shares(context.committee().indices()),
        };
        let send = Outgoing::broadcast(Message::Ready(acknowledgement(&session, &public)));
        let share = || KeyShare::new(public.clone(), me, Secret::new(C::scalar_to_bytes(&secret)));
        self.share = Some(share());
        Ok(self.next(3, send, Some(share())))
    }
}

impl<C: Curve> Protocol for Dealer<C> {
    const ID: ProtocolId = ProtocolId::new("keygen", C::NAME, 1);
    type Setup = ();
    type Secret = Script<C>;
    type Message = Message;
    type Accepted = Received<Message>;
    type Fault = Fault;
    type Checkpoint = KeyShare;
    type Output = KeyShare;

    fn start(
        context: Arc<SessionContext>,
        (): (),
        mut script: Script<C>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        let (me, session) = (context.me(), context.session());
        let random = Polynomial::random(context.agreement().threshold(), rng);
        let polynomial = script.polynomial.take().unwrap_or(random);
        let commitment = Commitment::of(&polynomial);
        let random = ProofNonce::generate(rng);
        let nonce = script.nonce.take().unwrap_or(random);
        let mut chain_code = [0; 32];
        rng.fill_bytes(&mut chain_code);
        let mut open = Open {
            coefficients: commitment.to_bytes(),
            chain_code,
            nonce: nonce.point().to_vec(),
            response: [0; 32],
        };
        let change = std::mem::replace(&mut script.open, Box::new(|_, _| ()));
        change(&context, &mut open);
        let facing = FacingKeys::generate(me, &context.others(), rng);
        let commit = Commit {
            opening: opening_digest(&session, me, &open),
            facing: facing.public().into_iter().map(|(_, key)| key).collect(),
        };
        let channels = BTreeMap::new();
        let send = Outgoing::broadcast(Message::Commit(commit.clone()));
        let nonce = Some(nonce);
        let (round, share) = (1, None);
        let dealer =
            Self { context, script, polynomial, nonce, open, commit, facing, channels, round, share };
        Ok(dealer.next(1, send, None))
    }

    fn expects(&self) -> Expected {
        let consistency = if self.round < 3 { Consistency::Echoed } else { Consistency::Unchecked };
        Expected { from: self.context.others(), consistency }
    }

    fn accept(&self, _: PartyIndex, received: Received<Message>) -> Result<Received<Message>, Blame<Fault>> {
        Ok(received)
    }

    fn advance(
        self,
        inbox: Inbox<Received<Message>>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match (self.round, self.share) {
            (3, Some(output)) => Ok(Step::Done { output, send: Outgoing::nothing(), checkpoint: None }),
            (3, None) => Err(Failure::Local("it has no share".into())),
            (1, share) => Ok(Self { share, ..self }.deal(inbox)),
            (_, share) => Self { share, ..self }.acknowledge(inbox),
        }
    }

    fn judge(
        agreement: &Agreement,
        setup: &(),
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        Keygen::<C>::judge(agreement, setup, accused, fault, record)
    }
}
