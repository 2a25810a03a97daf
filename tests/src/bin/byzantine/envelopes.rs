//! Cheating with the envelopes around a protocol's messages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use quorate_session::{
    Abort, Envelope, EnvelopeSigner, ErasedAction, ErasedSession, Kind, Part, SessionContext, SessionId, Wire,
};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

use crate::forgery;
use crate::plan::Cheat;
use crate::rewrite::Rewritten;

/// Envelopes of earlier sessions that are repeated beside each new one: more than a session forgives.
const REPLAYED: usize = 24;
/// Copies of one envelope: more than a session takes.
const FLOOD: usize = 400;

/// What this node has sent in all its sessions.
static SENT: Mutex<VecDeque<(SessionId, Arc<[u8]>)>> = Mutex::new(VecDeque::new());

/// What others sent in each round, for a cheat that must answer it.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<BTreeMap<(u8, PartyIndex), Envelope>>>);

impl Heard {
    /// The broadcasts of round 1.
    pub(crate) fn broadcasts(&self) -> BTreeMap<PartyIndex, Vec<u8>> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = heard.iter().filter(|((round, _), _)| *round == 1);
        first
            .filter_map(|((_, party), envelope)| Some((*party, envelope.broadcast.whole()?.to_vec())))
            .collect()
    }

    /// What one party sent in a round, as it was signed.
    pub(crate) fn envelope(&self, round: u8, party: PartyIndex) -> Option<Envelope> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(round, party)).cloned()
    }

    fn note(&self, bytes: &[u8]) {
        let Ok(envelope) = Envelope::from_wire(bytes) else { return };
        if envelope.header.kind == Kind::Round && envelope.broadcast.whole().is_some() {
            let place = (envelope.header.round, envelope.header.sender);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, envelope);
        }
    }
}

/// A session whose envelopes are changed on their way out.
pub(crate) struct Tampering<P> {
    cheat: Cheat,
    session: Box<dyn ErasedSession>,
    context: Arc<SessionContext>,
    setup: Vec<u8>,
    signer: Arc<dyn EnvelopeSigner>,
    heard: Heard,
    /// Who is told something else.
    victim: PartyIndex,
    queue: VecDeque<ErasedAction>,
    accused: bool,
    protocol: std::marker::PhantomData<fn() -> P>,
}

impl<P: Rewritten> Tampering<P> {
    pub(crate) fn new(
        cheat: Cheat,
        session: Box<dyn ErasedSession>,
        context: Arc<SessionContext>,
        setup: &[u8],
        signer: Arc<dyn EnvelopeSigner>,
        heard: Heard,
    ) -> Self {
        let victim = context.others().pop().expect("a session of more than one party");
        let protocol = std::marker::PhantomData;
        Self {
            cheat,
            session,
            context,
            setup: setup.to_vec(),
            signer,
            heard,
            victim,
            queue: VecDeque::new(),
            accused: false,
            protocol,
        }
    }

    /// What is sent in place of an envelope.
    fn tamper(&self, to: PartyIndex, bytes: Arc<[u8]>) -> Vec<Arc<[u8]>> {
        match self.cheat {
            Cheat::Silence => Vec::new(),
            Cheat::Flood => vec![bytes; FLOOD],
            Cheat::Replay => {
                let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
                let earlier = sent.iter().filter(|(session, _)| *session != self.context.session());
                let mut all: Vec<_> = earlier.map(|(_, bytes)| Arc::clone(bytes)).take(REPLAYED).collect();
                all.push(Arc::clone(&bytes));
                sent.push_back((self.context.session(), bytes));
                if sent.len() > 4 * REPLAYED {
                    sent.pop_front();
                }
                all
            }
            Cheat::Equivocate if to == self.victim => vec![self.reseal(&bytes, |part| {
                let message = part.whole().and_then(|body| P::Message::from_wire(body).ok());
                let another = message.map(|message| P::another(message).to_wire().expect("a small message"));
                another.map_or(Part::Absent, Part::Whole)
            })],
            Cheat::Garbage => vec![self.reseal(&bytes, |_| Part::Whole(vec![0xFF; 48]))],
            _ => vec![bytes],
        }
    }

    /// Changes the broadcast of round 1 and signs it.
    fn reseal(&self, bytes: &Arc<[u8]>, change: impl Fn(&Part) -> Part) -> Arc<[u8]> {
        let envelope = Envelope::from_wire(bytes).expect("this node's own envelope");
        if envelope.header.kind != Kind::Round || envelope.header.round != 1 {
            return Arc::clone(bytes);
        }
        let broadcast = change(&envelope.broadcast);
        let changed = Envelope::seal(envelope.header, broadcast, envelope.direct, &*self.signer);
        changed.to_wire().expect("a small envelope").into()
    }
}

impl<P: Rewritten> ErasedSession for Tampering<P> {
    fn id(&self) -> SessionId {
        self.session.id()
    }

    fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore) {
        if self.cheat == Cheat::Forge && !self.accused {
            let genuine =
                Envelope::from_wire(bytes).ok().filter(|envelope| envelope.header.kind == Kind::Round);
            if let Some(genuine) = genuine {
                self.accused = true;
                let evidence = forgery::evidence::<P>(&self.context, &self.setup, &genuine, &*self.signer);
                self.queue.push_back(ErasedAction::Abort(Abort::Proven { evidence: vec![evidence] }));
            }
        }
        self.heard.note(bytes);
        self.session.receive(from, bytes, rng);
    }

    fn next_action(&mut self) -> Option<ErasedAction> {
        loop {
            if let Some(action) = self.queue.pop_front() {
                return Some(action);
            }
            match self.session.next_action()? {
                ErasedAction::Send { to, bytes } => {
                    let sent = self.tamper(to, bytes).into_iter();
                    self.queue.extend(sent.map(|bytes| ErasedAction::Send { to, bytes }));
                }
                other => return Some(other),
            }
        }
    }

    fn persisted(&mut self, rng: &mut dyn CryptoRngCore) {
        self.session.persisted(rng);
    }

    fn retransmit(&mut self) {
        self.session.retransmit();
    }

    fn expire(&mut self) {
        self.session.expire();
    }

    fn waiting_for(&self) -> Vec<PartyIndex> {
        self.session.waiting_for()
    }

    fn round(&self) -> u8 {
        self.session.round()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }

    fn envelopes(&self, round: u8) -> Vec<Arc<Envelope>> {
        self.session.envelopes(round)
    }
}
