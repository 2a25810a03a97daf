//! Sessions of the toy protocol whose every message the test moves by hand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_session::{
    Abort, Action, Envelope, Header, Kind, Part, Protocol, Session, SessionContext, Wire, setup_digest,
};
use quorate_sharing::PartyIndex;
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::toy::{Message, Setup, Toy, commitment};

pub(crate) const SETUP: Setup = Setup(1000);

pub(crate) fn p(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// The value of a party of the toy protocol.
pub(crate) fn value(party: PartyIndex) -> u64 {
    u64::from(party.get()) * 10
}

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Mail {
    pub(crate) from: PartyIndex,
    pub(crate) to: PartyIndex,
    pub(crate) bytes: Arc<[u8]>,
}

impl Mail {
    pub(crate) fn envelope(&self) -> Envelope {
        Envelope::from_wire(&self.bytes).unwrap()
    }

    pub(crate) fn is(&self, kind: Kind, round: u8) -> bool {
        let header = self.envelope().header;
        header.kind == kind && header.round == round
    }
}

pub(crate) struct Table {
    pub(crate) cast: Cast,
    pub(crate) contexts: BTreeMap<PartyIndex, Arc<SessionContext>>,
    pub(crate) seats: BTreeMap<PartyIndex, Session<Toy>>,
    pub(crate) mail: VecDeque<Mail>,
    pub(crate) outputs: BTreeMap<PartyIndex, u64>,
    pub(crate) aborts: BTreeMap<PartyIndex, Abort>,
    /// Checkpoints that wait for [`Table::store`].
    pub(crate) checkpoints: BTreeMap<PartyIndex, u64>,
    /// Parties whose checkpoints are not stored at once.
    pub(crate) slow_disks: Vec<PartyIndex>,
    pub(crate) rng: ChaCha20Rng,
}

impl Table {
    pub(crate) fn new(parties: u16) -> Self {
        Self::seeded(parties, 1)
    }

    /// The same parties, but another seed makes another session.
    pub(crate) fn seeded(parties: u16, seed: u64) -> Self {
        let cast = Cast::new(2, parties, 1);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let digest = setup_digest(&SETUP.to_wire().unwrap());
        let contexts = cast.agree(cast.committee(), Toy::ID, digest, 3, &mut rng);
        let seats = contexts
            .iter()
            .map(|(party, context)| {
                let keyring = cast.keyring(*party);
                let session =
                    Session::new(Arc::clone(context), SETUP, value(*party), keyring, &mut rng).unwrap();
                (*party, session)
            })
            .collect();
        let mut table = Self {
            cast,
            contexts,
            seats,
            mail: VecDeque::new(),
            outputs: BTreeMap::new(),
            aborts: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            slow_disks: Vec::new(),
            rng,
        };
        table.collect();
        table
    }

    pub(crate) fn session(&mut self, party: u16) -> &mut Session<Toy> {
        self.seats.get_mut(&p(party)).unwrap()
    }

    /// Puts what sessions send into the mail.
    pub(crate) fn collect(&mut self) {
        for (party, session) in &mut self.seats {
            while let Some(action) = session.next_action() {
                match action {
                    Action::Send { to, bytes } => self.mail.push_back(Mail { from: *party, to, bytes }),
                    Action::Persist(checkpoint) if self.slow_disks.contains(party) => {
                        self.checkpoints.insert(*party, checkpoint);
                    }
                    Action::Persist(_) => session.persisted(&mut self.rng),
                    Action::Done(output) => assert!(self.outputs.insert(*party, output).is_none()),
                    Action::Abort(abort) => assert!(self.aborts.insert(*party, abort).is_none()),
                }
                assert!(!(self.outputs.contains_key(party) && self.aborts.contains_key(party)), "two ends");
            }
        }
    }

    /// The checkpoint of a party is on disk.
    pub(crate) fn store(&mut self, party: u16) {
        self.checkpoints.remove(&p(party)).unwrap();
        let mut rng = self.rng.clone();
        self.session(party).persisted(&mut rng);
        self.collect();
    }

    /// Hands bytes to a session, at once.
    pub(crate) fn hand(&mut self, from: u16, to: u16, bytes: &[u8]) {
        let mut rng = self.rng.clone();
        self.session(to).receive(p(from), bytes, &mut rng);
        self.collect();
    }

    pub(crate) fn give(&mut self, from: u16, to: u16, envelope: &Envelope) {
        self.hand(from, to, &envelope.to_wire().unwrap());
    }

    /// Delivers in order what `choose` lets through, and leaves the rest in the mail, until nothing more goes.
    pub(crate) fn deliver(&mut self, choose: impl Fn(&Mail) -> bool) {
        while let Some(at) = self.mail.iter().position(&choose) {
            let mail = self.mail.remove(at).unwrap();
            self.hand(mail.from.get(), mail.to.get(), &mail.bytes);
        }
    }

    pub(crate) fn deliver_all(&mut self) {
        self.deliver(|_| true);
    }

    /// Delivers all messages of the rounds up to `round`.
    pub(crate) fn reach(&mut self, round: u8) {
        self.deliver(|mail| mail.envelope().header.round < round);
        assert!(self.seats.values().all(|session| session.round() == round));
    }

    /// Loses what `choose` names.
    pub(crate) fn lose(&mut self, choose: impl Fn(&Mail) -> bool) {
        self.mail.retain(|mail| !choose(mail));
    }

    /// The first message on its way that fits.
    pub(crate) fn find(&self, from: u16, to: u16, kind: Kind, round: u8) -> Mail {
        let fits = |mail: &&Mail| mail.from == p(from) && mail.to == p(to) && mail.is(kind, round);
        self.mail.iter().find(fits).cloned().unwrap()
    }

    /// Signs what `from` did not say.
    pub(crate) fn seal(&self, from: u16, header: Header, broadcast: Part, direct: Part) -> Envelope {
        Envelope::seal(header, broadcast, direct, &*self.cast.keyring(p(from)).signer)
    }

    /// Changes an envelope and signs it again.
    pub(crate) fn forge(
        &self,
        from: u16,
        mut envelope: Envelope,
        change: impl FnOnce(&mut Envelope),
    ) -> Envelope {
        change(&mut envelope);
        self.seal(from, envelope.header, envelope.broadcast, envelope.direct)
    }

    pub(crate) fn header(&self, from: u16, kind: Kind, round: u8) -> Header {
        let agreement = self.contexts[&p(from)].agreement();
        Header {
            session: agreement.session(),
            epoch: agreement.epoch(),
            attempt: agreement.proposal().attempt,
            sender: p(from),
            recipient: None,
            kind,
            round,
            echo: None,
        }
    }

    pub(crate) fn expire_all(&mut self) {
        self.seats.values_mut().for_each(Session::expire);
        self.collect();
    }

    /// All have the same result.
    pub(crate) fn assert_done(&self) {
        let total = crate::toy::sum(&SETUP, self.seats.keys().map(|party| value(*party)));
        for party in self.seats.keys() {
            assert_eq!(self.outputs.get(party), Some(&total), "party {party}: {:?}", self.aborts.get(party));
        }
    }

    pub(crate) fn assert_convicts(&self, party: u16, culprit: u16, finding: &str) {
        let abort = self.aborts.get(&p(party)).unwrap_or_else(|| panic!("party {party} did not abort"));
        assert!(abort.is_proven(), "party {party}: {abort}");
        assert_eq!(abort.culprits(), [p(culprit)], "party {party}: {abort}");
        assert!(abort.to_string().contains(finding), "party {party}: {abort}");
    }

    pub(crate) fn assert_attributes(&self, party: u16, culprits: &[u16], reason: &str) {
        let abort = self.aborts.get(&p(party)).unwrap_or_else(|| panic!("party {party} did not abort"));
        assert!(matches!(abort, Abort::Attributed { .. }), "party {party}: {abort}");
        let culprits: Vec<_> = culprits.iter().copied().map(p).collect();
        assert_eq!(abort.culprits(), culprits, "party {party}: {abort}");
        assert!(abort.to_string().contains(reason), "party {party}: {abort}");
    }
}

pub(crate) fn whole(message: &Message) -> Part {
    Part::Whole(message.to_wire().unwrap())
}

/// A valid opening of a party's commitment, which differs from what it sends by itself.
pub(crate) fn other_opening(party: u16) -> Part {
    whole(&Message::Open(value(p(party)), b"another".to_vec()))
}

pub(crate) fn other_commitment() -> Part {
    whole(&Message::Commit(commitment(666)))
}
