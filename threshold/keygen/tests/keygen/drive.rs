//! Sessions in one thread with what the simulator hides: what each party has stored, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_keygen::Keygen;
use quorate_session::{Abort, Action, Envelope, Protocol as _, Session, SessionContext, Wire, setup_digest};
use quorate_sharing::{Curve, KeyShare, PartyIndex, PublicShares};
use quorate_simulator::Cast;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// How a party ended.
#[derive(Debug)]
pub(crate) enum End {
    Done(KeyShare),
    Aborted(Abort),
    Crashed,
}

/// All parties of a key generation.
pub(crate) struct Group<C: Curve> {
    pub(crate) sessions: BTreeMap<PartyIndex, Session<Keygen<C>>>,
    pub(crate) stored: BTreeMap<PartyIndex, KeyShare>,
    pub(crate) ends: BTreeMap<PartyIndex, End>,
    pub(crate) rng: ChaCha20Rng,
    queue: Vec<(PartyIndex, PartyIndex, Arc<[u8]>)>,
    crash: Option<(PartyIndex, usize)>,
    tamper: Option<(PartyIndex, Tamper)>,
}

/// Changes an envelope on its way to somebody.
pub(crate) type Tamper = Box<dyn FnMut(PartyIndex, Envelope) -> Envelope>;

impl<C: Curve> Group<C> {
    pub(crate) fn new(cast: &Cast, epoch: u64, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let contexts = contexts::<C>(cast, epoch, &mut rng);
        let sessions = contexts.into_iter().map(|(party, context)| {
            let session = Session::new(context, (), (), cast.keyring(party), &mut rng).unwrap();
            (party, session)
        });
        Self {
            sessions: sessions.collect(),
            stored: BTreeMap::new(),
            ends: BTreeMap::new(),
            queue: Vec::new(),
            crash: None,
            tamper: None,
            rng,
        }
    }

    /// Lets a party crash before its next move when it has made so many: messages sent, shares stored.
    pub(crate) fn crash(&mut self, party: PartyIndex, after: usize) {
        self.crash = Some((party, after));
    }

    /// Changes what a party sends.
    pub(crate) fn tamper(&mut self, party: PartyIndex, tamper: Tamper) {
        self.tamper = Some((party, tamper));
    }

    /// Runs in random order until every party has ended; whoever waits in vain for long gives up.
    pub(crate) fn run(&mut self) {
        for tick in 0.. {
            loop {
                self.act();
                if self.queue.is_empty() {
                    break;
                }
                let at = self.rng.next_u32() as usize % self.queue.len();
                let (from, to, bytes) = self.queue.swap_remove(at);
                if !matches!(self.ends.get(&to), Some(End::Crashed)) {
                    self.sessions.get_mut(&to).unwrap().receive(from, &bytes, &mut self.rng);
                }
            }
            if self.ends.len() == self.sessions.len() {
                return;
            }
            for (_, session) in self.sessions.iter_mut().filter(|(party, _)| !self.ends.contains_key(party)) {
                if tick < 3 { session.retransmit() } else { session.expire() }
            }
        }
    }

    fn act(&mut self) {
        let parties: Vec<_> = self.sessions.keys().copied().collect();
        for party in parties {
            while !matches!(self.ends.get(&party), Some(End::Crashed)) {
                let session = self.sessions.get_mut(&party).unwrap();
                let Some(action) = session.next_action() else { break };
                if let Some((victim, left)) = &mut self.crash
                    && *victim == party
                {
                    if *left == 0 {
                        self.ends.insert(party, End::Crashed);
                        break;
                    }
                    *left -= 1;
                }
                match action {
                    Action::Send { to, bytes } => {
                        let bytes = match &mut self.tamper {
                            Some((cheater, tamper)) if *cheater == party => {
                                tamper(to, Envelope::from_wire(&bytes).unwrap()).to_wire().unwrap().into()
                            }
                            _ => bytes,
                        };
                        self.queue.push((party, to, bytes));
                    }
                    Action::Persist(share) => {
                        self.stored.insert(party, share);
                        session.persisted(&mut self.rng);
                    }
                    Action::Done(share) => {
                        self.ends.insert(party, End::Done(share));
                    }
                    Action::Abort(abort) => {
                        self.ends.insert(party, End::Aborted(abort));
                    }
                }
            }
        }
    }

    /// Whenever one party has a result, all have stored their shares of that very key.
    pub(crate) fn assert_consistent(&self) {
        let done = self.ends.values().filter_map(|end| match end {
            End::Done(share) => Some(share.public()),
            _ => None,
        });
        for public in done {
            for party in self.sessions.keys() {
                let share =
                    self.stored.get(party).unwrap_or_else(|| panic!("party {party} has stored nothing"));
                assert_eq!((share.public(), share.index()), (public, *party));
                assert!(share.secret_share::<C>().is_ok());
            }
        }
    }

    /// The public side that all have, and each one's share.
    pub(crate) fn results(self) -> (PublicShares, Vec<KeyShare>) {
        let shares: Vec<_> = (self.ends.into_iter())
            .map(|(party, end)| match end {
                End::Done(share) => share,
                other => panic!("party {party}: {other:?}"),
            })
            .collect();
        (shares[0].public().clone(), shares)
    }
}

pub(crate) fn contexts<C: Curve>(
    cast: &Cast,
    epoch: u64,
    rng: &mut ChaCha20Rng,
) -> BTreeMap<PartyIndex, Arc<SessionContext>> {
    cast.agree(cast.committee(), Keygen::<C>::ID, setup_digest(&().to_wire().unwrap()), epoch, rng)
}
