//! Protocols that write down what leaves the node, to prove that no nonce is used twice.
//!
//! Only what everybody may see is written: the broadcast of every signed round message.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use quorate_session::{
    Envelope, ErasedAction, ErasedProtocol, ErasedSession, Evidence, Keyring, Kind, NotProven, ProtocolId,
    Registry, SessionContext, SessionId, SetupError, Verdict, Wire,
};
use quorate_sharing::PartyIndex;
use rand_core::CryptoRngCore;

/// Names the file to which a node appends what it broadcasts.
pub const VARIABLE: &str = "QUORATE_TEST_BROADCASTS";

type Log = Arc<Mutex<File>>;

/// The same protocols, observed if the environment asks for it.
#[must_use]
pub fn observe(registry: &Registry) -> Registry {
    let Some(path) = std::env::var_os(VARIABLE) else { return registry.clone() };
    let file = OpenOptions::new().create(true).append(true).open(path).expect("the file of broadcasts");
    let log = Arc::new(Mutex::new(file));
    registry.ids().filter_map(|id| registry.find(id)).fold(registry.clone(), |observed, protocol| {
        observed.with(Arc::new(ObservedProtocol { inner: Arc::clone(protocol), log: Arc::clone(&log) }))
    })
}

struct ObservedProtocol {
    inner: Arc<dyn ErasedProtocol>,
    log: Log,
}

impl ErasedProtocol for ObservedProtocol {
    fn id(&self) -> ProtocolId {
        self.inner.id()
    }

    fn open(
        &self,
        context: Arc<SessionContext>,
        setup: &[u8],
        secret: Box<dyn Any + Send>,
        keyring: Keyring,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Box<dyn ErasedSession>, SetupError> {
        let inner = self.inner.open(context, setup, secret, keyring, rng)?;
        Ok(Box::new(ObservedSession { inner, protocol: self.id(), log: Arc::clone(&self.log) }))
    }

    fn judge(&self, evidence: &Evidence) -> Result<Verdict, NotProven> {
        self.inner.judge(evidence)
    }
}

struct ObservedSession {
    inner: Box<dyn ErasedSession>,
    protocol: ProtocolId,
    log: Log,
}

impl ObservedSession {
    fn note(&self, bytes: &[u8]) {
        let Ok(envelope) = Envelope::from_wire(bytes) else { return };
        let header = &envelope.header;
        if header.kind != Kind::Round {
            return;
        }
        if let Some(body) = envelope.broadcast.whole() {
            let line =
                format!("{} {} {} {}\n", self.protocol, header.session, header.round, hex::encode(body));
            // One write for each line: a kill in between leaves no half of one behind another.
            self.log.lock().expect("the log").write_all(line.as_bytes()).expect("the file of broadcasts");
        }
    }
}

impl ErasedSession for ObservedSession {
    fn id(&self) -> SessionId {
        self.inner.id()
    }

    fn receive(&mut self, from: PartyIndex, bytes: &[u8], rng: &mut dyn CryptoRngCore) {
        self.inner.receive(from, bytes, rng);
    }

    fn next_action(&mut self) -> Option<ErasedAction> {
        let action = self.inner.next_action();
        if let Some(ErasedAction::Send { bytes, .. }) = &action {
            self.note(bytes);
        }
        action
    }

    fn persisted(&mut self, rng: &mut dyn CryptoRngCore) {
        self.inner.persisted(rng);
    }

    fn retransmit(&mut self) {
        self.inner.retransmit();
    }

    fn expire(&mut self) {
        self.inner.expire();
    }

    fn retire(&mut self) {
        self.inner.retire();
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn waiting_for(&self) -> Vec<PartyIndex> {
        self.inner.waiting_for()
    }

    fn round(&self) -> u8 {
        self.inner.round()
    }

    fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }

    fn envelopes(&self, round: u8) -> Vec<Arc<Envelope>> {
        self.inner.envelopes(round)
    }
}

/// What one node broadcast in the first rounds of signing sessions: its nonce commitments.
#[derive(Debug, Default)]
pub struct Commitments {
    /// The session of each commitment.
    sessions: BTreeMap<String, String>,
}

impl Commitments {
    /// Reads what a node wrote down.
    ///
    /// # Panics
    /// When a commitment appears in two sessions: a nonce was used twice.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut sessions = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(protocol), Some(session), Some(round), Some(body)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            if !protocol.contains("frost") || round != "1" {
                continue;
            }
            let before = sessions.insert(body.to_owned(), session.to_owned());
            assert!(
                before.as_deref().is_none_or(|before| before == session),
                "{}: the nonces of session {session} were used before, in {before:?}",
                file.display()
            );
        }
        Self { sessions }
    }

    /// How many different commitments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}
