//! Sessions whose every message the test moves by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use quorate_session::{
    Abort, Action, Envelope, Header, Kind, Part, Protocol, Session, SessionContext, Wire, setup_digest,
};
use quorate_sharing::{Committee, PartyIndex};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;

use crate::scene::{party, rng};

/// A message on its way.
pub(crate) struct Mail {
    pub(crate) to: PartyIndex,
    pub(crate) header: Header,
    pub(crate) bytes: Arc<[u8]>,
}

/// All parties of one session.
pub(crate) struct Table<'a, P: Protocol> {
    cast: &'a Cast,
    pub(crate) sessions: BTreeMap<PartyIndex, Session<P>>,
    pub(crate) mail: VecDeque<Mail>,
    pub(crate) done: BTreeSet<PartyIndex>,
    pub(crate) aborts: BTreeMap<PartyIndex, Abort>,
    rng: ChaCha20Rng,
}

impl<'a, P: Protocol> Table<'a, P>
where
    P::Setup: Clone,
{
    /// Agrees on a session, and lets all begin it.
    pub(crate) fn new(
        cast: &'a Cast,
        committee: &Committee,
        seed: u64,
        setup: &P::Setup,
        secret: impl FnMut(PartyIndex) -> P::Secret,
    ) -> Self {
        let digest = setup_digest(&setup.to_wire().unwrap());
        let contexts = cast.agree(committee, P::ID, digest, 0, &mut rng(seed));
        Self::of(cast, contexts, seed, setup, secret)
    }

    /// Lets all begin a session on which they have agreed.
    pub(crate) fn of(
        cast: &'a Cast,
        contexts: BTreeMap<PartyIndex, Arc<SessionContext>>,
        seed: u64,
        setup: &P::Setup,
        mut secret: impl FnMut(PartyIndex) -> P::Secret,
    ) -> Self {
        let mut rng = rng(seed);
        let sessions = contexts.into_iter().map(|(index, context)| {
            let session = Session::new(context, setup.clone(), secret(index), cast.keyring(index), &mut rng);
            (index, session.unwrap())
        });
        let sessions = sessions.collect();
        let (mail, done, aborts) = (VecDeque::new(), BTreeSet::new(), BTreeMap::new());
        let mut table = Self { cast, sessions, mail, done, aborts, rng };
        table.collect();
        table
    }

    /// Puts what sessions send into the mail.
    fn collect(&mut self) {
        for (index, session) in &mut self.sessions {
            while let Some(action) = session.next_action() {
                match action {
                    Action::Send { to, bytes } => {
                        let Envelope { header, .. } = Envelope::from_wire(&bytes).unwrap();
                        self.mail.push_back(Mail { to, header, bytes });
                    }
                    Action::Persist(_) => session.persisted(&mut self.rng),
                    Action::Done(_) => assert!(self.done.insert(*index)),
                    Action::Abort(abort) => assert!(self.aborts.insert(*index, abort).is_none()),
                }
            }
        }
    }

    /// Hands bytes to a party.
    pub(crate) fn hand(&mut self, from: u16, to: u16, bytes: &[u8]) {
        self.sessions.get_mut(&party(to)).unwrap().receive(party(from), bytes, &mut self.rng);
        self.collect();
    }

    /// Lets a party's time run out.
    pub(crate) fn expire(&mut self, index: u16) {
        self.sessions.get_mut(&party(index)).unwrap().expire();
        self.collect();
    }

    /// Delivers, until there is no such message.
    pub(crate) fn deliver(&mut self, which: impl Fn(&Mail) -> bool) {
        while let Some(at) = self.mail.iter().position(&which) {
            let Mail { to, header, bytes } = self.mail.remove(at).unwrap();
            self.hand(header.sender.get(), to.get(), &bytes);
        }
    }

    pub(crate) fn deliver_all(&mut self) {
        self.deliver(|_| true);
    }

    /// Delivers all that is before a round.
    pub(crate) fn reach(&mut self, round: u8) {
        self.deliver(|mail| mail.header.round < round);
    }

    /// Takes a party's message of a round out of the mail.
    pub(crate) fn take(&mut self, from: u16, to: u16, round: u8) -> Envelope {
        let sought = (party(from), party(to), Kind::Round, round);
        let is_it = |mail: &Mail| {
            let Header { sender, kind, round, .. } = mail.header;
            (sender, mail.to, kind, round) == sought
        };
        let at = self.mail.iter().position(is_it).expect("it is on its way");
        Envelope::from_wire(&self.mail.remove(at).unwrap().bytes).unwrap()
    }

    /// The same envelope with other parts, rightly signed.
    pub(crate) fn seal(&self, like: &Envelope, broadcast: Part, direct: Part) -> Envelope {
        let signer = self.cast.keyring(like.header.sender).signer;
        Envelope::seal(like.header.clone(), broadcast, direct, &*signer)
    }

    /// Whether all have a result.
    pub(crate) fn all_done(&self) -> bool {
        self.aborts.is_empty() && self.done.len() == self.sessions.len()
    }

    /// What the victim has ended over: it names the cheater and nobody else, for this session only; and of the others nobody names anybody but
    /// the cheater. Gives what it says, and whether it is proven.
    pub(crate) fn named(&self, victim: u16, cheater: u16) -> (String, bool) {
        let cheats = [party(cheater)];
        let said = match self.aborts.get(&party(victim)) {
            Some(Abort::Proven { evidence }) => {
                assert_eq!(evidence.len(), 1);
                (evidence[0].judge::<P>().unwrap().finding, true)
            }
            Some(Abort::Witnessed { reason, lasting, .. }) => {
                assert!(lasting.is_empty(), "{reason}");
                (reason.clone(), false)
            }
            other => panic!("the victim names nobody: {other:?}"),
        };
        for (index, abort) in self.aborts.iter().filter(|(index, _)| **index != party(cheater)) {
            match abort {
                Abort::Withdrawn { by, over } => assert!(*by == party(victim) && *over == cheats, "{abort}"),
                abort => assert_eq!(abort.culprits(), cheats, "party {index}: {abort}"),
            }
        }
        said
    }
}
