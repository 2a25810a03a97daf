//! The three rounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_keys::Secret;
use quorate_session::{
    Agreement, Blame, Consistency, Envelope, Expected, Failure, Inbox, NotProven, Outgoing, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::{Challenge, Channel, Commitment, Curve, KeyShare, PartyIndex, Polynomial, SecretShare};
use rand_core::CryptoRngCore;

use crate::dealing::{
    Dealing, Opened, check_commit, check_open, delivery_context, facing_key, is_sealed_share, share_fits,
};
use crate::judge::{complaint_holds, judge};
use crate::key::{key_digest, public_shares};
use crate::message::{ACKNOWLEDGE, COMMIT, Commit, Complaint, Fault, Message, NAME, OPEN, Open, VERSION};
use crate::proof::{ProofError, challenge, check_proofs};

/// Dealerless key generation on the curve `C`; see the crate documentation for the rounds.
pub enum Keygen<C: Curve> {
    /// Round 1: commitments.
    Committing(Box<Committing<C>>),
    /// Round 2: openings and shares.
    Opening(Box<Opening<C>>),
    /// Round 3: acknowledgements.
    Acknowledging(Box<Acknowledging<C>>),
}

/// State in round 1.
pub struct Committing<C: Curve> {
    context: Arc<SessionContext>,
    dealing: Dealing<C>,
}

/// State in round 2.
pub struct Opening<C: Curve> {
    context: Arc<SessionContext>,
    polynomial: Polynomial<C>,
    commitment: Commitment<C>,
    chain_code: [u8; 32],
    commits: BTreeMap<PartyIndex, Commit>,
    challenge: Challenge<C>,
    channels: BTreeMap<PartyIndex, Channel>,
}

/// State in round 3.
pub struct Acknowledging<C: Curve> {
    context: Arc<SessionContext>,
    commits: BTreeMap<PartyIndex, Commit>,
    /// Digest of the broadcasts of round 1.
    echo: Option<[u8; 32]>,
    transcript: [u8; 32],
    share: KeyShare,
    curve: std::marker::PhantomData<C>,
}

/// One party's contribution to a round, decoded and checked.
pub enum Contribution<C: Curve> {
    /// Round 1.
    Commit(Commit),
    /// Round 2.
    Dealing(Box<ReceivedDealing<C>>),
    /// Round 3.
    Ready,
}

/// A dealing as this party received it.
pub struct ReceivedDealing<C: Curve> {
    opened: Opened<C>,
    ciphertext: Vec<u8>,
    envelope: Arc<Envelope>,
}

impl<C: Curve> Protocol for Keygen<C> {
    const ID: ProtocolId = ProtocolId::new(NAME, C::NAME, VERSION);

    type Setup = ();
    type Secret = ();
    type Message = Message;
    type Accepted = Contribution<C>;
    type Fault = Fault;
    /// The share, pending: to be stored before this party acknowledges it.
    type Checkpoint = KeyShare;
    /// The share, which all parties have stored.
    type Output = KeyShare;

    fn start(
        context: Arc<SessionContext>,
        (): (),
        (): (),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        let dealing = Dealing::new(&context, rng);
        let send = Outgoing::broadcast(Message::Commit(dealing.commit.clone()));
        let state = Self::Committing(Box::new(Committing { context, dealing }));
        Ok(Step::Next { state, send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let (context, consistency) = match self {
            Self::Committing(state) => (&state.context, Consistency::Echoed),
            Self::Opening(state) => (&state.context, Consistency::Echoed),
            // Whoever holds all signed acknowledgements holds the certificate; there is nothing to echo.
            Self::Acknowledging(state) => (&state.context, Consistency::Unchecked),
        };
        Expected { from: context.others(), consistency }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<C>, Blame<Fault>> {
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        match (self, broadcast, direct) {
            (Self::Committing(state), Some(Message::Commit(commit)), None) => {
                check_commit(state.context.agreement(), &commit).map_err(blame)?;
                Ok(Contribution::Commit(commit))
            }
            (Self::Opening(state), Some(Message::Open(open)), Some(Message::Share(ciphertext)))
                if is_sealed_share(&ciphertext) =>
            {
                let commit = state.commits.get(&from).ok_or_else(|| blame(Fault::Opening))?;
                let opened = check_open(state.context.agreement(), from, commit, &open).map_err(blame)?;
                Ok(Contribution::Dealing(Box::new(ReceivedDealing { opened, ciphertext, envelope })))
            }
            (Self::Acknowledging(state), Some(Message::Ready(transcript)), None) => {
                if transcript == state.transcript {
                    Ok(Contribution::Ready)
                } else {
                    Err(blame(Fault::Transcript))
                }
            }
            (Self::Acknowledging(state), Some(Message::Complaint(complaint)), None) => {
                Err(state.judge_complaint(from, &complaint))
            }
            (Self::Committing(_), ..) => Err(blame(Fault::UnexpectedMessage { round: COMMIT })),
            (Self::Opening(_), ..) => Err(blame(Fault::UnexpectedMessage { round: OPEN })),
            (Self::Acknowledging(_), ..) => Err(blame(Fault::UnexpectedMessage { round: ACKNOWLEDGE })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<C>>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Committing(state) => state.open(inbox),
            Self::Opening(state) => state.acknowledge(inbox),
            Self::Acknowledging(state) => {
                Ok(Step::Done { output: state.share, send: Outgoing::nothing(), checkpoint: None })
            }
        }
    }

    fn judge(
        agreement: &Agreement,
        (): &(),
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        if judge::<C>(agreement, accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}

impl<C: Curve> Committing<C> {
    /// Round 1 to 2: opens the coefficients, answers the challenge, and sends each party its share.
    fn open(self, inbox: Inbox<Contribution<C>>) -> Result<Step<Keygen<C>>, Failure<Fault>> {
        let Self { context, dealing } = self;
        let Dealing { polynomial, commitment, coefficients, chain_code, nonce, facing, commit } = dealing;
        let agreement = context.agreement();
        let delivery = delivery_context(&context.session());
        let mut commits = BTreeMap::from([(context.me(), commit)]);
        let mut channels = BTreeMap::new();
        let mut direct = BTreeMap::new();
        for (party, contribution) in inbox {
            let Contribution::Commit(commit) = contribution else {
                return Err(Failure::Local("a contribution of another round".into()));
            };
            let channel = facing_key(agreement, &commit, party, context.me())
                .and_then(|key| facing.channel(party, &key).ok())
                .ok_or_else(|| Failure::Blame(vec![Blame::new(party, Fault::FacingKeys)]))?;
            let share = polynomial.share(party);
            let ciphertext = channel.seal(&delivery, context.me(), party, share.to_bytes().expose());
            direct.insert(party, Message::Share(ciphertext));
            channels.insert(party, channel);
            commits.insert(party, commit);
        }
        let challenge = challenge(&context.session(), &commits);
        let open = Open {
            coefficients,
            chain_code,
            nonce: nonce.point().to_vec(),
            response: nonce.prove(&challenge, &polynomial),
        };
        let send = Outgoing { broadcast: Some(Message::Open(open)), direct };
        let state = Opening { context, polynomial, commitment, chain_code, commits, challenge, channels };
        Ok(Step::Next { state: Keygen::Opening(Box::new(state)), send, checkpoint: None })
    }
}

impl<C: Curve> Opening<C> {
    /// Round 2 to 3: checks all dealings, adds up the shares, and acknowledges or complains.
    fn acknowledge(self, inbox: Inbox<Contribution<C>>) -> Result<Step<Keygen<C>>, Failure<Fault>> {
        let mut opened = BTreeMap::new();
        let mut deliveries = BTreeMap::new();
        for (party, contribution) in inbox {
            let Contribution::Dealing(dealing) = contribution else {
                return Err(Failure::Local("a contribution of another round".into()));
            };
            let ReceivedDealing { opened: dealing, ciphertext, envelope } = *dealing;
            opened.insert(party, dealing);
            deliveries.insert(party, (ciphertext, envelope));
        }
        let session = self.context.session();
        let others = check_proofs(&self.challenge, &opened).map_err(|error| match error {
            ProofError::Unproven(dealers) => Failure::Blame(
                dealers.into_iter().map(|dealer| Blame::new(dealer, Fault::KnowledgeProof)).collect(),
            ),
            ProofError::Sum(reason) => Failure::Local(reason),
        })?;

        let me = self.context.me();
        let own = self.polynomial.share(me);
        let mut plaintexts = BTreeMap::new();
        for (dealer, (ciphertext, _)) in &deliveries {
            if let Some(channel) = self.channels.get(dealer) {
                let context = delivery_context(&session);
                plaintexts.insert(*dealer, channel.open(&context, *dealer, me, ciphertext).ok());
            }
        }
        let echo = deliveries.values().next().and_then(|(_, envelope)| envelope.header.echo);
        let sum = Commitment::sum([&others, &self.commitment])
            .map_err(|error| Failure::Local(error.to_string()))?;
        // The final share is right if and only if the sum of all shares fits the sum of all commitments.
        let secret = add_up(own, me, &plaintexts).filter(|secret| secret.verify(&sum));
        let Some(secret) = secret else {
            return self.complain(&opened, deliveries, &plaintexts);
        };
        if C::is_identity(&sum.constant()) {
            return Err(Failure::Unattributed("the group key is the identity".into()));
        }
        self.store(&opened, echo, &sum, &secret)
    }

    /// Accuses the first dealer whose share is wrong.
    fn complain(
        self,
        opened: &BTreeMap<PartyIndex, Opened<C>>,
        mut deliveries: BTreeMap<PartyIndex, (Vec<u8>, Arc<Envelope>)>,
        plaintexts: &BTreeMap<PartyIndex, Option<Secret<Vec<u8>>>>,
    ) -> Result<Step<Keygen<C>>, Failure<Fault>> {
        let me = self.context.me();
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
        let disclosure = channel.disclose(&delivery_context(&self.context.session()));
        let complaint = Complaint { accused, envelope: Envelope::clone(&envelope), disclosure };
        Ok(Step::Accuse {
            send: Outgoing::broadcast(Message::Complaint(Box::new(complaint))),
            blame: vec![Blame::new(accused, Fault::BadShare { complainer: me })],
        })
    }

    /// The key share, to be stored before it is acknowledged.
    fn store(
        self,
        opened: &BTreeMap<PartyIndex, Opened<C>>,
        echo: Option<[u8; 32]>,
        sum: &Commitment<C>,
        secret: &SecretShare<C>,
    ) -> Result<Step<Keygen<C>>, Failure<Fault>> {
        let Self { context, chain_code, commits, .. } = self;
        let me = context.me();
        let agreement = context.agreement();
        let chain_codes = agreement.committee().indices().map(|party| match opened.get(&party) {
            Some(dealing) => dealing.chain_code,
            None => chain_code,
        });
        let public =
            public_shares(agreement, sum, chain_codes).map_err(|error| Failure::Local(error.to_string()))?;
        let transcript = key_digest(&context.session(), &public);
        let pending = KeyShare::new(public.clone(), me, secret.to_bytes());
        let share = KeyShare::new(public, me, secret.to_bytes());
        let state =
            Acknowledging { context, commits, echo, transcript, share, curve: std::marker::PhantomData };
        Ok(Step::Next {
            state: Keygen::Acknowledging(Box::new(state)),
            send: Outgoing::broadcast(Message::Ready(transcript)),
            checkpoint: Some(pending),
        })
    }
}

impl<C: Curve> Acknowledging<C> {
    /// Blames the accused dealer, or the complaining party if the complaint shows nothing.
    fn judge_complaint(&self, complainer: PartyIndex, complaint: &Complaint) -> Blame<Fault> {
        let agreement = self.context.agreement();
        if complaint_holds::<C>(agreement, &self.commits, self.echo, complainer, complaint) {
            Blame::new(complaint.accused, Fault::BadShare { complainer })
        } else {
            Blame::new(complainer, Fault::FalseComplaint)
        }
    }
}

/// The sum of this party's own share and all decrypted ones; nothing if one could not be decrypted.
fn add_up<C: Curve>(
    own: SecretShare<C>,
    me: PartyIndex,
    plaintexts: &BTreeMap<PartyIndex, Option<Secret<Vec<u8>>>>,
) -> Option<SecretShare<C>> {
    plaintexts.values().try_fold(own, |sum, plaintext| {
        let share = SecretShare::from_bytes(me, plaintext.as_ref()?.expose()).ok()?;
        sum.add(&share)
    })
}
