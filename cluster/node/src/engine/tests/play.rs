//! A hand that takes part in a session, by the rules but for what a test changes.

use std::any::Any;
use std::collections::BTreeMap;

use super::*;
use quorate_keys::Secret;
use quorate_request::Verified;
use quorate_session::{Envelope, ErasedAction, ErasedSession, Keyring, SessionContext, Wire as _};
use quorate_sharing::{KeyShare, PartyIndex};

/// Its part in a session.
pub(super) struct Playing {
    pub(super) context: Arc<SessionContext>,
    pub(super) session: Box<dyn ErasedSession>,
    /// The envelopes that others sent it.
    pub(super) heard: Vec<Envelope>,
    /// The last envelopes that it sent, by the party that they went to.
    pub(super) said: BTreeMap<PartyIndex, Envelope>,
    /// Whether it plays on when it has something to store.
    pub(super) stores: bool,
}

/// What ends it.
#[derive(Debug)]
pub(super) enum Played<T> {
    Done(Secret<Vec<u8>>),
    /// It has something to store, and does not.
    Storing,
    /// A frame that was waited for.
    Met(T),
}

/// The job of a request, as a node makes it.
pub(super) fn job(asked: &Engine, request: &SignedRequest) -> (Verified, Job) {
    let verified = asked.authority.verify(request).unwrap();
    let job = Job::new(&verified, &asked.wallets, &asked.peers, &asked.config).unwrap();
    (verified, job)
}

impl Cluster {
    /// The share of a node that is about to be stopped.
    pub(super) fn share(&self, place: usize, wallet: &str) -> KeyShare {
        let wallets = &self.engine(place).wallets;
        wallets.share(&wallets.named(&wallet.parse().unwrap())[0]).unwrap()
    }
}

impl Hand {
    /// Enters the session of a job with its share.
    pub(super) fn enter(&self, accepted: Accepted, start: &Start, job: &Job, share: &KeyShare) -> Playing {
        let share = KeyShare::from_wire(&share.to_wire().unwrap()).unwrap();
        self.enter_with(accepted, start, job, Box::new(share))
    }

    /// The same, with the secret that its protocol takes.
    pub(super) fn enter_with(
        &self,
        accepted: Accepted,
        start: &Start,
        job: &Job,
        secret: Box<dyn Any + Send>,
    ) -> Playing {
        let setup = job.setup(&accepted.proposal().committee, &accepted.proposal().proposer, &[]).unwrap();
        let protocol = accepted.proposal().protocol.clone();
        let Ok(context) = accepted.start(start, &IdentityVerifier) else { panic!("a false start") };
        let signer: Arc<SigningIdentity> = Arc::clone(&self.identity);
        let keyring = Keyring { signer, verifier: Arc::new(IdentityVerifier) };
        let registry = protocols::registry();
        let protocol = registry.find(&protocol).unwrap();
        let session = protocol.open(Arc::clone(&context), &setup, secret, keyring, &mut OsRng).unwrap();
        Playing { context, session, heard: Vec::new(), said: BTreeMap::new(), stores: true }
    }

    /// Plays until the session ends here, or a frame comes that is wanted.
    pub(super) async fn play<T>(
        &mut self,
        playing: &mut Playing,
        wanted: impl Fn(Identity, Frame) -> Option<T>,
    ) -> Played<T> {
        loop {
            while let Some(action) = playing.session.next_action() {
                match action {
                    ErasedAction::Send { to, bytes } => {
                        let member = playing.context.committee().member(to).unwrap();
                        let (session, envelope) = (playing.context.session(), bytes.to_vec());
                        playing.said.insert(to, Envelope::from_wire(&envelope).unwrap());
                        self.send(&member.identity, &Frame::Session { session, envelope });
                    }
                    ErasedAction::Persist(_) if !playing.stores => return Played::Storing,
                    ErasedAction::Persist(_) => playing.session.persisted(&mut OsRng),
                    ErasedAction::Done(output) => return Played::Done(output),
                    ErasedAction::Abort(abort) => panic!("{abort}"),
                }
            }
            let session = playing.context.session();
            let next = self.next(|from, frame| match frame {
                Frame::Session { session: of, envelope } if of == session => Some(Ok((from, envelope))),
                frame => wanted(from, frame).map(Err),
            });
            match next.await {
                Ok((from, envelope)) => {
                    playing.heard.push(Envelope::from_wire(&envelope).unwrap());
                    let party = playing.context.committee().index_of(&from).unwrap();
                    playing.session.receive(party, &envelope, &mut OsRng);
                }
                Err(met) => return Played::Met(met),
            }
        }
    }
}
