//! One generic state machine around any [`Protocol`]: it signs, sorts, checks, waits, echoes and names culprits.
//!
//! The caller owns clock and network. It hands in bytes with [`Session::receive`], takes [`Action`]s from
//! [`Session::next_action`], confirms checkpoints with [`Session::persisted`], and says when time is up with
//! [`Session::expire`].
//!
//! What an honest party sends never counts against it, however the network delays, reorders or repeats it: each reason
//! to blame a peer is something that the peer's own machine never does.

mod blame;
mod dispute;
mod outbox;
mod rounds;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use self::outbox::{Sealed, Sent};
use crate::abort::Abort;
use crate::agreement::{SessionContext, SessionId, setup_digest};
use crate::envelope::{Envelope, Header, Kind};
use crate::evidence::Claim;
use crate::keyring::{EnvelopeSigner, EnvelopeVerifier};
use crate::protocol::{Consistency, Expected, Inbox, Protocol, SetupError};
use crate::record::Record;
use crate::wire::Wire;

/// Unusable messages (garbage, bad signatures, wrong session) that a peer may send before it is blamed.
pub const MAX_STRIKES: u32 = 8;
/// Messages of any kind, duplicates included, that a peer may send in one session before it is blamed. A party itself
/// sends at most half as many.
pub const MAX_MESSAGES_PER_PEER: u32 = 256;

/// What the caller must do next.
#[derive(Debug)]
pub enum Action<P: Protocol> {
    /// Send these bytes.
    Send {
        /// The recipient.
        to: PartyIndex,
        /// A signed envelope.
        bytes: Arc<[u8]>,
    },
    /// Make this durable, then call [`Session::persisted`].
    Persist(P::Checkpoint),
    /// The result. The session still answers peers that are behind, and disputes, until it is dropped.
    Done(P::Output),
    /// There is no result. The session still answers peers that are behind, and disputes, until it is dropped.
    Abort(Abort),
}

/// The keys of a party: how it signs and how it verifies others.
#[derive(Clone)]
pub struct Keyring {
    /// Signs this party's envelopes.
    pub signer: Arc<dyn EnvelopeSigner>,
    /// Verifies the envelopes of others.
    pub verifier: Arc<dyn EnvelopeVerifier>,
}

enum Phase<P> {
    Collecting(P),
    Confirming(P),
    Finished,
}

/// What waits for [`Session::persisted`].
struct Held<P: Protocol> {
    sealed: Sealed,
    done: Option<Action<P>>,
}

/// One party's run of one protocol.
pub struct Session<P: Protocol> {
    context: Arc<SessionContext>,
    setup: Vec<u8>,
    keyring: Keyring,
    phase: Phase<P>,
    /// Whether the caller was given the end, of whatever kind.
    ended: bool,
    /// The round whose messages are being collected; after the end, the round of the last message sent.
    round: u8,
    expected: Expected,
    inbox: Inbox<P::Accepted>,
    /// What left this party, and what of others passed the checks of [`Session::receive`].
    record: Record,
    /// Messages of the next round, one for each sender.
    early: BTreeMap<PartyIndex, Arc<Envelope>>,
    messages: BTreeMap<PartyIndex, u32>,
    strikes: BTreeMap<PartyIndex, u32>,
    /// Peers whose evidence was judged: no second piece of theirs is.
    accusers: BTreeSet<PartyIndex>,
    /// What peers show in their disputes about a round, as far as nothing in its place was here to compare it with.
    shown: BTreeMap<(u8, PartyIndex), Vec<Envelope>>,
    /// Digests of the broadcasts of finished rounds that were to be consistent.
    echoes: BTreeMap<u8, [u8; 32]>,
    /// Parties whose digest of the last round differs from ours; nothing advances while there are any.
    differing: BTreeSet<PartyIndex>,
    actions: VecDeque<Action<P>>,
    held: Option<Held<P>>,
    /// Messages and confirmations, oldest first.
    sent: Vec<Sent>,
    /// Disputes and evidence.
    notices: Vec<Sent>,
    /// Messages that every peer can have got from this party.
    outgoing: u32,
    /// What peers that are behind have asked for, and got, since the end.
    late: BTreeMap<PartyIndex, Late>,
}

/// A peer that is behind.
#[derive(Default)]
struct Late {
    /// Messages from it.
    heard: u32,
    /// Messages that it alone has got.
    answers: u32,
}

impl<P: Protocol> Session<P> {
    /// Enters round one.
    ///
    /// # Errors
    /// [`SetupError`] when the setup is not the one that was agreed upon, the agreement is for another protocol, or
    /// setup and secret do not fit.
    pub fn new(
        context: Arc<SessionContext>,
        setup: P::Setup,
        secret: P::Secret,
        keyring: Keyring,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, SetupError> {
        let proposal = context.agreement().proposal();
        if proposal.protocol != P::ID {
            return Err(SetupError(format!("the agreement is for {}, not {}", proposal.protocol, P::ID)));
        }
        let bytes = setup.to_wire().map_err(|error| SetupError(error.to_string()))?;
        if setup_digest(&bytes) != proposal.setup {
            return Err(SetupError("the setup is not the one that was agreed upon".into()));
        }
        let step = P::start(Arc::clone(&context), setup, secret, rng)?;
        let mut session = Self {
            context,
            setup: bytes,
            keyring,
            phase: Phase::Finished,
            ended: false,
            round: 0,
            expected: Expected { from: Vec::new(), consistency: Consistency::Unchecked },
            inbox: Inbox::new(),
            record: Record::default(),
            early: BTreeMap::new(),
            messages: BTreeMap::new(),
            strikes: BTreeMap::new(),
            accusers: BTreeSet::new(),
            shown: BTreeMap::new(),
            echoes: BTreeMap::new(),
            differing: BTreeSet::new(),
            actions: VecDeque::new(),
            held: None,
            sent: Vec::new(),
            notices: Vec::new(),
            outgoing: 0,
            late: BTreeMap::new(),
        };
        session.enter(step);
        session.proceed(rng);
        Ok(session)
    }

    /// The session id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.context.session()
    }

    /// What was agreed upon.
    #[must_use]
    pub fn context(&self) -> &Arc<SessionContext> {
        &self.context
    }

    /// The round whose messages are being collected, from 1.
    #[must_use]
    pub fn round(&self) -> u8 {
        self.round
    }

    /// The signed envelopes of a round that are here, in the order of the committee; among them this party's own, also
    /// while it waits for [`Session::persisted`].
    #[must_use]
    pub fn envelopes(&self, round: u8) -> Vec<Arc<Envelope>> {
        let me = self.context.me();
        let held = self.held.as_ref().and_then(|held| held.sealed.envelopes.first());
        let held = held.filter(|envelope| envelope.header.round == round);
        let find = |party| match self.record.envelope(round, party) {
            None if party == me => held.cloned(),
            found => found.cloned(),
        };
        self.context.committee().indices().filter_map(find).collect()
    }

    /// Another one after each step of the protocol.
    pub(crate) fn progress(&self) -> (u8, bool) {
        (self.round, self.is_over())
    }

    /// Whether the caller was given a result or an abort.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.ended
    }

    /// The peers without whose messages the session can't go on.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<PartyIndex> {
        if !self.differing.is_empty() {
            return self.differing.iter().copied().collect();
        }
        let expected = self.expected.from.iter().copied();
        match self.phase {
            Phase::Collecting(_) => expected.filter(|party| !self.inbox.contains_key(party)).collect(),
            Phase::Confirming(_) => expected
                .filter(|party| self.record.find(Kind::Confirmation, self.round, *party).is_none())
                .collect(),
            Phase::Finished => Vec::new(),
        }
    }

    /// The next thing to do, until there is nothing.
    pub fn next_action(&mut self) -> Option<Action<P>> {
        self.actions.pop_front()
    }

    /// The last [`Action::Persist`] is durable: what depends on it may leave.
    pub fn persisted(&mut self, rng: &mut dyn CryptoRngCore) {
        if let Some(held) = self.held.take() {
            self.release(held.sealed, held.done);
            self.proceed(rng);
        }
    }

    /// Time is up: aborts and attributes it to the peers that were silent.
    pub fn expire(&mut self) {
        if self.held.is_some() {
            return self.abort(Abort::Local {
                reason: "time ran out before this party had stored its state".into(),
            });
        }
        let reason = if self.differing.is_empty() {
            format!("silent in round {}", self.round)
        } else {
            "did not show the broadcasts of which they signed another digest".into()
        };
        self.abort(Abort::Attributed { parties: self.waiting_for(), reason });
    }

    /// Takes a message that the transport received from `from`.
    pub fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore) {
        if from == self.context.me() || !self.context.committee().contains(from) {
            return;
        }
        let messages = self.messages.entry(from).or_default();
        *messages = messages.saturating_add(1);
        if *messages > MAX_MESSAGES_PER_PEER {
            return self.attribute(from, format!("sent more than {MAX_MESSAGES_PER_PEER} messages"));
        }
        let Some(envelope) = self.open(from, bytes) else {
            return self.strike(from);
        };
        if self.ended && !self.can_open_dispute(&envelope.header) {
            // Who sends disputes or evidence repeats its messages beside them, if it has not ended itself.
            if matches!(envelope.header.kind, Kind::Round | Kind::Confirmation) {
                self.answer(from);
            }
            return;
        }
        if self.holds(&envelope) || self.is_over() && envelope.header.kind != Kind::Dispute {
            return;
        }
        if !envelope.is_signed_in(self.context.agreement(), &*self.keyring.verifier) {
            return self.strike(from);
        }
        let envelope = Arc::new(envelope);
        match envelope.header.kind {
            Kind::Round => self.receive_round(envelope),
            Kind::Confirmation => self.receive_confirmation(envelope),
            Kind::Dispute => self.receive_dispute(&envelope),
            Kind::Evidence => self.receive_evidence(&envelope),
            Kind::Withdrawal => self.receive_withdrawal(&envelope),
        }
        self.proceed(rng);
    }

    /// After the end: keeps only what answers are made of, without the contents of the messages that others sent. What
    /// [`Session::envelopes`] gives from now on are digests.
    pub fn retire(&mut self) {
        if !self.ended {
            return;
        }
        self.setup = Vec::new();
        self.record.strip(self.context.me());
        self.forget_long_ago();
        self.actions.shrink_to_fit();
        self.strikes.clear();
        self.accusers.clear();
    }

    /// About how many bytes of memory the session takes, without what it shares with others.
    #[must_use]
    pub fn size(&self) -> usize {
        let parts = [self.setup.len(), self.record.size(), self.sent_size()];
        parts.into_iter().fold(size_of::<Self>(), usize::saturating_add)
    }

    /// The session has come to its end, of whatever kind. Nobody reads these any more; what they hold of others need not
    /// live on.
    fn end(&mut self) {
        self.ended = true;
        self.inbox.clear();
        self.early.clear();
        self.shown.clear();
    }

    /// Decodes an envelope that `from` may send to this party. Its signature is yet to be checked.
    fn open(&self, from: PartyIndex, bytes: &[u8]) -> Option<Envelope> {
        let envelope = Envelope::from_wire(bytes).ok()?;
        let recipient = envelope.header.recipient;
        let fits = envelope.header.sender == from
            && recipient.is_none_or(|recipient| recipient == self.context.me())
            && envelope.is_deliverable();
        fits.then_some(envelope)
    }

    /// Whether this very envelope is already here.
    fn holds(&self, envelope: &Envelope) -> bool {
        self.held(&envelope.header).is_some_and(|held| **held == *envelope)
    }

    /// What is held in an envelope's place.
    fn held(&self, header: &Header) -> Option<&Arc<Envelope>> {
        // No other kind of message is ever taken for the next round; without the filter one would be compared in vain.
        let early = || self.early.get(&header.sender).filter(|_| header.kind == Kind::Round);
        self.record
            .find(header.kind, header.round, header.sender)
            .or_else(|| early().filter(|early| early.header.round == header.round))
    }

    fn receive_round(&mut self, envelope: Arc<Envelope>) {
        let Header { round, sender, .. } = envelope.header;
        if let Some(held) = self.held(&envelope.header).cloned() {
            return self.compare(&held, &envelope);
        }
        let current = round == self.round;
        let next = Some(round) == self.round.checked_add(1);
        if !current && !next {
            self.strike(sender);
        } else if envelope.exceeds(P::Message::MAX_BYTES) {
            self.record.insert(envelope);
            self.convict(sender, Claim::Undecodable { round });
        } else if current {
            self.take(envelope);
        } else {
            self.early.insert(sender, envelope);
        }
    }

    /// Two signed envelopes for one place: proof if they contradict each other, useless if not.
    fn compare(&mut self, held: &Envelope, other: &Envelope) {
        if held.contradicts(other) {
            self.convict_equivocation(held, other);
        } else {
            self.strike(other.header.sender);
        }
    }

    /// Whether this party takes no more part in the rounds.
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }
}
