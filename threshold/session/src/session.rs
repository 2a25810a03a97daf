//! One generic state machine around any [`Protocol`]: it signs, sorts, checks, waits, echoes and names culprits.
//!
//! The caller owns clock and network. It hands in bytes with [`Session::receive`], takes [`Action`]s from
//! [`Session::next_action`], confirms checkpoints with [`Session::persisted`], and says when time is up with
//! [`Session::expire`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use crate::abort::Abort;
use crate::agreement::{SessionContext, SessionId, setup_digest};
use crate::envelope::{Envelope, Header, Kind, Part};
use crate::evidence::{Claim, Evidence, Originals, Record};
use crate::keyring::{EnvelopeSigner, EnvelopeVerifier};
use crate::protocol::{
    Blame, Consistency, Expected, Failure, Inbox, Outgoing, Protocol, Received, SetupError, Step,
};
use crate::wire::Wire;

/// Unusable messages (garbage, bad signatures, wrong session) that a peer may send before it is blamed.
pub const MAX_STRIKES: u32 = 8;
/// Messages of any kind, duplicates included, that a peer may send in one session before it is blamed.
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
    /// The result. The session still answers disputes and retransmits until it is dropped.
    Done(P::Output),
    /// There is no result.
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

/// One party's run of one protocol.
pub struct Session<P: Protocol> {
    context: Arc<SessionContext>,
    setup: Vec<u8>,
    keyring: Keyring,
    phase: Phase<P>,
    /// The round whose messages are being collected; after the end, the round of the last message sent.
    round: u8,
    expected: Expected,
    inbox: Inbox<P::Accepted>,
    record: Record,
    early: BTreeMap<PartyIndex, Arc<Envelope>>,
    messages: BTreeMap<PartyIndex, u32>,
    strikes: BTreeMap<PartyIndex, u32>,
    /// Digests of the broadcasts of finished rounds that were to be consistent.
    echoes: BTreeMap<u8, [u8; 32]>,
    /// Parties whose digest of the last round differs from ours; nothing advances while there are any.
    differing: Vec<PartyIndex>,
    dispute: Option<Sent>,
    actions: VecDeque<Action<P>>,
    /// What waits for [`Session::persisted`].
    held: Option<Vec<Action<P>>>,
    sent: Vec<Sent>,
}

/// Envelopes of one round, kept for retransmission.
type Sent = Vec<(PartyIndex, Arc<[u8]>)>;

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
            round: 0,
            expected: Expected { from: Vec::new(), consistency: Consistency::Unchecked },
            inbox: Inbox::new(),
            record: Record::default(),
            early: BTreeMap::new(),
            messages: BTreeMap::new(),
            strikes: BTreeMap::new(),
            echoes: BTreeMap::new(),
            differing: Vec::new(),
            dispute: None,
            actions: VecDeque::new(),
            held: None,
            sent: Vec::new(),
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

    /// The signed envelopes of a round that are here, this party's own included, in the order of the committee.
    #[must_use]
    pub fn envelopes(&self, round: u8) -> Vec<Arc<Envelope>> {
        let parties = self.context.committee().indices();
        parties.filter_map(|party| self.record.envelope(round, party).cloned()).collect()
    }

    /// Whether the session has a result or was aborted.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// The peers without whose messages the session can't go on.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<PartyIndex> {
        if !self.differing.is_empty() {
            return self.differing.clone();
        }
        match self.phase {
            Phase::Collecting(_) => {
                self.expected.from.iter().copied().filter(|party| !self.inbox.contains_key(party)).collect()
            }
            Phase::Confirming(_) => self
                .expected
                .from
                .iter()
                .copied()
                .filter(|party| self.record.confirmation(self.round, *party).is_none())
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
        self.actions.extend(self.held.take().into_iter().flatten());
        self.proceed(rng);
    }

    /// Repeats the messages of the last two rounds to everybody; peers ignore what they have.
    pub fn retransmit(&mut self) {
        if self.held.is_some() {
            return;
        }
        let recent = self.sent.iter().rev().take(2).rev().chain(&self.dispute).flatten();
        let again = recent.map(|(to, bytes)| Action::Send { to: *to, bytes: Arc::clone(bytes) });
        self.actions.extend(again);
    }

    /// Time is up: aborts and attributes it to the peers that were silent.
    pub fn expire(&mut self) {
        let parties = self.waiting_for();
        if self.is_finished() && self.held.is_none() {
            return;
        }
        self.abort(if parties.is_empty() {
            Abort::Local { reason: "time ran out before this party had stored its state".into() }
        } else {
            Abort::Attributed { parties, reason: format!("silent in round {}", self.round) }
        });
    }

    /// Takes a message that the transport received from `from`.
    pub fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore) {
        if from == self.context.me() || self.context.committee().member(from).is_none() {
            return;
        }
        let messages = self.messages.entry(from).or_default();
        *messages = messages.saturating_add(1);
        if *messages > MAX_MESSAGES_PER_PEER {
            self.blame_flood(from);
            return;
        }
        let Ok(envelope) = Envelope::from_wire(bytes) else {
            return self.strike(from);
        };
        let header = &envelope.header;
        let for_me = header.recipient.is_none_or(|recipient| recipient == self.context.me());
        if header.sender != from || !for_me {
            return self.strike(from);
        }
        if self.holds(&envelope) {
            return;
        }
        if !envelope.is_signed_in(self.context.agreement(), &*self.keyring.verifier) {
            return self.strike(from);
        }
        let envelope = Arc::new(envelope);
        match envelope.header.kind {
            Kind::Dispute => self.receive_dispute(&envelope),
            _ if self.is_finished() => {}
            Kind::Round => self.receive_round(envelope),
            Kind::Confirmation => self.receive_confirmation(envelope),
        }
        self.proceed(rng);
    }

    /// Whether this very envelope is already here.
    fn holds(&self, envelope: &Envelope) -> bool {
        let Header { round, sender, .. } = envelope.header;
        let held = match envelope.header.kind {
            Kind::Round => self.record.envelope(round, sender).or_else(|| self.early.get(&sender)),
            Kind::Confirmation => self.record.confirmation(round, sender),
            Kind::Dispute => self.record.dispute(round, sender),
        };
        held.is_some_and(|held| **held == *envelope)
    }

    fn receive_round(&mut self, envelope: Arc<Envelope>) {
        let Header { round, sender, .. } = envelope.header;
        let held = self.record.envelope(round, sender).or_else(|| self.early.get(&sender)).cloned();
        if let Some(held) = held {
            if held.contradicts(&envelope) {
                let (first, second) =
                    (Box::new(Envelope::clone(&held)), Box::new(Envelope::clone(&envelope)));
                self.convict(sender, Claim::Equivocation { first, second });
            } else {
                self.strike(sender);
            }
        } else if round == self.round {
            self.take(envelope);
        } else if Some(round) == self.round.checked_add(1) {
            self.early.insert(sender, envelope);
        } else {
            self.strike(sender);
        }
    }

    /// Takes the envelope of the current round.
    fn take(&mut self, envelope: Arc<Envelope>) {
        let sender = envelope.header.sender;
        if !self.expected.from.contains(&sender) || !matches!(self.phase, Phase::Collecting(_)) {
            return self.strike(sender);
        }
        self.record.insert(Arc::clone(&envelope));
        let before = self.round.checked_sub(1).and_then(|before| self.echoes.get(&before));
        if before.is_some_and(|echo| envelope.header.echo != Some(*echo)) {
            self.differing.push(sender);
            return self.open_dispute(self.round.saturating_sub(1));
        }
        let decode = |part: &Part| part.whole().map(P::Message::from_wire).transpose();
        let (Ok(broadcast), Ok(direct)) = (decode(&envelope.broadcast), decode(&envelope.direct)) else {
            return self.convict(sender, Claim::Undecodable { round: self.round });
        };
        let Phase::Collecting(state) = &self.phase else { return };
        match state.accept(sender, Received { broadcast, direct, envelope }) {
            Ok(accepted) => {
                self.inbox.insert(sender, accepted);
            }
            Err(blame) => self.convict_all(vec![blame]),
        }
    }

    fn receive_confirmation(&mut self, envelope: Arc<Envelope>) {
        let Header { round, sender, .. } = envelope.header;
        let due = round == self.round && self.expected.consistency == Consistency::Confirmed;
        if !due || !self.record.insert(envelope) {
            self.strike(sender);
        }
    }

    /// Advances as far as the messages that are here allow.
    fn proceed(&mut self, rng: &mut dyn CryptoRngCore) {
        loop {
            if self.held.is_some() || !self.differing.is_empty() || !self.waiting_for().is_empty() {
                return;
            }
            match std::mem::replace(&mut self.phase, Phase::Finished) {
                Phase::Finished => return,
                Phase::Collecting(state) => match self.expected.consistency {
                    Consistency::Unchecked => self.advance(state, rng),
                    Consistency::Echoed => {
                        self.close_broadcasts();
                        self.advance(state, rng);
                    }
                    Consistency::Confirmed => {
                        self.close_broadcasts();
                        self.phase = Phase::Confirming(state);
                        self.confirm();
                    }
                },
                Phase::Confirming(state) => {
                    let ours = self.echoes.get(&self.round).copied();
                    let round = self.round;
                    self.differing = (self.expected.from.iter().copied())
                        .filter(|party| self.record.signed_echo(*party, round) != ours)
                        .collect();
                    if self.differing.is_empty() {
                        self.advance(state, rng);
                    } else {
                        self.phase = Phase::Confirming(state);
                        self.open_dispute(round);
                    }
                }
            }
        }
    }

    /// Fixes the digest of this round's broadcasts.
    fn close_broadcasts(&mut self) {
        if let Some(echo) = self.record.echo(self.context.agreement(), self.round) {
            self.echoes.insert(self.round, echo);
        }
    }

    fn confirm(&mut self) {
        let header = self.header(Kind::Confirmation, None, self.echoes.get(&self.round).copied());
        if let Some(sent) = self.seal_for_all(header, Part::Absent) {
            self.send(&sent);
            self.sent.push(sent);
        }
    }

    fn advance(&mut self, state: P, rng: &mut dyn CryptoRngCore) {
        match state.advance(std::mem::take(&mut self.inbox), rng) {
            Ok(step) => {
                self.enter(step);
                self.take_early();
            }
            Err(Failure::Blame(blame)) => self.convict_all(blame),
            Err(Failure::Unattributed(reason)) => self.abort(Abort::Unattributed { reason }),
            Err(Failure::Local(reason)) => self.abort(Abort::Local { reason }),
        }
    }

    fn enter(&mut self, step: Step<P>) {
        let Some(round) = self.round.checked_add(1) else {
            return self.abort(Abort::Local { reason: "the protocol has too many rounds".into() });
        };
        let echo = self.echoes.get(&self.round).copied();
        self.round = round;
        match step {
            Step::Next { state, send, checkpoint } => {
                self.expected = state.expects();
                self.phase = Phase::Collecting(state);
                self.dispatch(send, echo, checkpoint, None);
            }
            Step::Done { output, send, checkpoint } => {
                self.phase = Phase::Finished;
                self.dispatch(send, echo, checkpoint, Some(Action::Done(output)));
            }
            Step::Accuse { send, blame } => {
                self.dispatch(send, echo, None, None);
                self.convict_all(blame);
            }
        }
    }

    fn take_early(&mut self) {
        for (_, envelope) in std::mem::take(&mut self.early) {
            if !self.is_finished() {
                self.take(envelope);
            }
        }
    }

    /// Signs and queues a round's messages, behind the checkpoint on which they depend.
    fn dispatch(
        &mut self,
        send: Outgoing<P::Message>,
        echo: Option<[u8; 32]>,
        checkpoint: Option<P::Checkpoint>,
        last: Option<Action<P>>,
    ) {
        let sent = match self.seal(send, echo) {
            Ok(sent) => sent,
            Err(reason) => return self.abort(Abort::Local { reason }),
        };
        let mut actions: Vec<Action<P>> = sends(&sent).collect();
        actions.extend(last);
        self.sent.push(sent);
        match checkpoint {
            None => self.actions.extend(actions),
            Some(checkpoint) => {
                self.actions.push_back(Action::Persist(checkpoint));
                self.held = Some(actions);
            }
        }
    }

    fn seal(&mut self, send: Outgoing<P::Message>, echo: Option<[u8; 32]>) -> Result<Sent, String> {
        let Outgoing { broadcast, direct } = send;
        let encode = |message: Option<&P::Message>| match message {
            None => Ok(Part::Absent),
            Some(message) => message.to_wire().map(Part::Whole).map_err(|error| error.to_string()),
        };
        let common = encode(broadcast.as_ref())?;
        if direct.is_empty() {
            let header = self.header(Kind::Round, None, echo);
            return Ok(if broadcast.is_some() {
                self.seal_for_all(header, common).unwrap_or_default()
            } else {
                Sent::new()
            });
        }
        let mut sent = Sent::new();
        for to in self.context.others() {
            let own = direct.get(&to);
            if own.is_none() && broadcast.is_none() {
                continue;
            }
            let header = self.header(Kind::Round, Some(to), echo);
            let envelope = Envelope::seal(header, common.clone(), encode(own)?, &*self.keyring.signer);
            sent.push((to, envelope.to_wire().map_err(|error| error.to_string())?.into()));
            self.record.insert(Arc::new(envelope));
        }
        Ok(sent)
    }

    /// Seals one envelope for everybody and keeps it in the record.
    fn seal_for_all(&mut self, header: Header, broadcast: Part) -> Option<Sent> {
        let envelope = Envelope::seal(header, broadcast, Part::Absent, &*self.keyring.signer);
        let bytes: Arc<[u8]> = match envelope.to_wire() {
            Ok(bytes) => bytes.into(),
            Err(error) => {
                self.abort(Abort::Local { reason: error.to_string() });
                return None;
            }
        };
        self.record.insert(Arc::new(envelope));
        Some(self.context.others().into_iter().map(|to| (to, Arc::clone(&bytes))).collect())
    }

    fn header(&self, kind: Kind, recipient: Option<PartyIndex>, echo: Option<[u8; 32]>) -> Header {
        Header {
            session: self.context.session(),
            epoch: self.context.agreement().epoch(),
            attempt: self.context.agreement().proposal().attempt,
            sender: self.context.me(),
            recipient,
            kind,
            round: self.round,
            echo,
        }
    }

    fn send(&mut self, sent: &Sent) {
        self.actions.extend(sends(sent));
    }

    /// Shows everybody the signed broadcasts of `round` as they arrived here, once.
    fn open_dispute(&mut self, round: u8) {
        if self.dispute.is_some() || !self.echoes.contains_key(&round) {
            return;
        }
        let indices = self.context.committee().indices();
        let originals = indices.filter_map(|party| self.record.envelope(round, party));
        let originals = Originals(originals.map(|envelope| envelope.without_direct()).collect());
        let Ok(body) = originals.to_wire() else {
            return self
                .abort(Abort::Local { reason: "the broadcasts of a round are too large to show".into() });
        };
        let header = Header { round, ..self.header(Kind::Dispute, None, None) };
        if let Some(sent) = self.seal_for_all(header, Part::Whole(body)) {
            self.send(&sent);
            self.dispute = Some(sent);
        }
    }

    fn receive_dispute(&mut self, envelope: &Arc<Envelope>) {
        let Header { round, sender, .. } = envelope.header;
        let Some(ours) = self.echoes.get(&round).copied() else {
            return self.strike(sender);
        };
        if self.is_finished() {
            return self.open_dispute(round);
        }
        if !self.record.insert(Arc::clone(envelope)) {
            return self.strike(sender);
        }
        let originals = envelope.broadcast.whole().map(Originals::from_wire);
        if let Some(Ok(originals)) = &originals {
            let agreement = Arc::clone(&self.context);
            for theirs in &originals.0 {
                let held = self.record.envelope(round, theirs.header.sender).cloned();
                let Some(held) = held.filter(|held| held.contradicts(theirs)) else { continue };
                if theirs.is_signed_in(agreement.agreement(), &*self.keyring.verifier) {
                    let first = Box::new(held.without_direct());
                    let second = Box::new(theirs.without_direct());
                    return self.convict(theirs.header.sender, Claim::Equivocation { first, second });
                }
            }
        }
        if self.record.signed_echo(sender, round).is_some_and(|echo| echo != ours) {
            return self.convict(sender, Claim::FalseEcho { round });
        }
        self.open_dispute(round);
    }

    fn strike(&mut self, party: PartyIndex) {
        let strikes = self.strikes.entry(party).or_default();
        *strikes = strikes.saturating_add(1);
        if *strikes > MAX_STRIKES && !self.is_finished() {
            let reason = format!("sent more than {MAX_STRIKES} unusable messages");
            self.abort(Abort::Attributed { parties: vec![party], reason });
        }
    }

    fn blame_flood(&mut self, party: PartyIndex) {
        if !self.is_finished() {
            let reason = format!("sent more than {MAX_MESSAGES_PER_PEER} messages");
            self.abort(Abort::Attributed { parties: vec![party], reason });
        }
    }

    fn convict_all(&mut self, blame: Vec<Blame<P::Fault>>) {
        let claims = blame.into_iter().map(|Blame { party, fault }| {
            let summary = fault.to_string();
            let fault = fault.to_wire().map_err(|error| error.to_string());
            fault.map(|fault| (party, Claim::Fault { summary, fault }))
        });
        match claims.collect::<Result<Vec<_>, _>>() {
            Ok(claims) => self.convict_claims(claims),
            Err(reason) => self.abort(Abort::Local { reason }),
        }
    }

    fn convict(&mut self, party: PartyIndex, claim: Claim) {
        self.convict_claims(vec![(party, claim)]);
    }

    /// Aborts with evidence, as far as a judge would accept it; the rest is only attributed.
    fn convict_claims(&mut self, claims: Vec<(PartyIndex, Claim)>) {
        let mut proven = Vec::new();
        let mut attributed = Vec::new();
        let mut reason = String::new();
        for (party, claim) in claims {
            reason = claim.to_string();
            let agreement = self.context.agreement();
            let evidence = Evidence::new(P::ID, agreement, &self.setup, party, claim, &self.record);
            if evidence.judge::<P>().is_ok() && evidence.to_wire().is_ok() {
                proven.push(evidence);
            } else {
                attributed.push(party);
            }
        }
        self.abort(if proven.is_empty() {
            Abort::Attributed { parties: attributed, reason }
        } else {
            Abort::Proven { evidence: proven }
        });
    }

    /// Ends the session. Messages that wait for a checkpoint never leave.
    fn abort(&mut self, abort: Abort) {
        self.phase = Phase::Finished;
        self.held = None;
        self.differing.clear();
        self.inbox.clear();
        self.early.clear();
        self.actions.push_back(Action::Abort(abort));
    }
}

fn sends<P: Protocol>(sent: &Sent) -> impl Iterator<Item = Action<P>> {
    sent.iter().map(|(to, bytes)| Action::Send { to: *to, bytes: Arc::clone(bytes) })
}
