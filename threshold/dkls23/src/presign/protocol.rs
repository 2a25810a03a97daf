//! The rounds, and what passes from one to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use quorate_ecdsa::{PresignatureId, Suite, key_digest};
use quorate_oblivious::Cheat;
use quorate_oblivious::extension::{Extension, Received as Transfers};
use quorate_oblivious::vole::Multiplied;
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, Protocol, ProtocolId,
    Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::{PartyIndex, lagrange_at_zero};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::first::{self, Begun, Own};
use super::message::{EXTEND, Fault, MULTIPLY, Message, Opening};
use super::second::{self, Between, Multiplying as Theirs, Opened, Shared, Unshared};
use super::setup::{PresignSecret, PresignSetup};
use crate::pairs::{SharedPairs, Unchecked};
use crate::presignature::{Presignature, Presignatures, PublicPresignature};

/// The making of presignatures; see the module documentation for the rounds.
pub enum Presign<C: Suite> {
    /// Round 1: commitments and transfers.
    Extending(Box<Extending<C>>),
    /// Round 2: openings and products.
    Multiplying(Box<Multiplying<C>>),
}

/// What does not change from round to round.
struct Frame<C: Suite> {
    context: Arc<SessionContext>,
    pairs: Arc<SharedPairs>,
    key: C::Point,
    key_digest: [u8; 32],
    own: Vec<Own<C>>,
}

/// State in round 1.
pub struct Extending<C: Suite> {
    frame: Frame<C>,
    received: BTreeMap<PartyIndex, Vec<Transfers>>,
}

/// State in round 2.
pub struct Multiplying<C: Suite> {
    frame: Frame<C>,
    commitments: BTreeMap<PartyIndex, Vec<[u8; 32]>>,
    between: BTreeMap<PartyIndex, Vec<Between<C>>>,
}

/// One signer's contribution to a round, decoded.
pub enum Contribution<C: Suite> {
    /// Round 1.
    Extended(ExtendContribution),
    /// Round 2.
    Multiplied(MultiplyContribution<C>),
}

/// Commitments, and transfers.
pub struct ExtendContribution {
    commitments: Vec<[u8; 32]>,
    extensions: Vec<Extension>,
}

/// Openings, and products.
pub struct MultiplyContribution<C: Suite>(Vec<(Opened<C>, Theirs<C>)>);

impl<C: Suite> fmt::Debug for Presign<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Extending(_) => "Extending(..)",
            Self::Multiplying(_) => "Multiplying(..)",
        })
    }
}

impl<C: Suite> Presign<C> {
    fn frame(&self) -> &Frame<C> {
        match self {
            Self::Extending(state) => &state.frame,
            Self::Multiplying(state) => &state.frame,
        }
    }
}

impl<C: Multiplied + Suite> Protocol for Presign<C> {
    const ID: ProtocolId = ProtocolId::new("dkls23-presign", C::NAME, 1);

    const PAIRWISE: bool = true;

    type Setup = PresignSetup;
    type Secret = PresignSecret;
    type Message = Message;
    type Accepted = Contribution<C>;
    type Fault = Fault;
    /// Nothing has to be stored before a message leaves.
    type Checkpoint = ();
    type Output = Presignatures;

    fn start(
        context: Arc<SessionContext>,
        setup: PresignSetup,
        secret: PresignSecret,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        setup.check::<C>(&context, &secret)?;
        let PresignSecret { share, pairs } = secret;
        let signers: Vec<_> = context.committee().indices().collect();
        let factor = lagrange_at_zero::<C>(context.me(), &signers).map_err(SetupError::because)?;
        let share = share.secret_share::<C>().map_err(SetupError::because)?;
        let share = Zeroizing::new(factor * share.expose());
        let begun = first::begin::<C>(&context, &pairs, &share, usize::from(setup.count), rng);
        let begun = begun.ok_or_else(|| SetupError::because("a pair is missing"))?;
        let Begun { own, commitments, received, extensions } = begun;
        let direct = extensions.into_iter().map(|(peer, sent)| (peer, Message::Extensions(sent))).collect();
        let send = Outgoing { broadcast: Some(Message::Commitments(commitments)), direct };
        let key = C::decode(setup.key.group_key.as_bytes());
        let key = key.ok_or_else(|| SetupError::because("the key is no point"))?;
        let frame = Frame { context, pairs, key, key_digest: key_digest(&setup.key), own };
        let state = Self::Extending(Box::new(Extending { frame, received }));
        Ok(Step::Next { state, send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        let consistency = match self {
            Self::Extending(_) => Consistency::Echoed,
            // What is opened was committed to.
            Self::Multiplying(_) => Consistency::Unchecked,
        };
        Expected { from: self.frame().context.others(), consistency }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<C>, Blame<Fault>> {
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        let Frame { context, own, .. } = self.frame();
        // What is not addressed would not be evidence.
        let addressed = envelope.header.recipient == Some(context.me());
        match (self, broadcast, direct) {
            (
                Self::Extending(_),
                Some(Message::Commitments(commitments)),
                Some(Message::Extensions(extensions)),
            ) if addressed => {
                if commitments.len() != own.len() || extensions.len() != own.len() {
                    return Err(blame(Fault::Malformed { round: EXTEND }));
                }
                Ok(Contribution::Extended(ExtendContribution { commitments, extensions }))
            }
            (
                Self::Multiplying(state),
                Some(Message::Openings(openings)),
                Some(Message::Products(products)),
            ) if addressed => {
                let commitments = state.commitments.get(&from).map_or(&[][..], Vec::as_slice);
                if !opens(context.agreement(), from, commitments, &openings) {
                    return Err(blame(Fault::WrongOpening));
                }
                let malformed = || blame(Fault::Malformed { round: MULTIPLY });
                if products.len() != own.len() {
                    return Err(malformed());
                }
                let opened = openings.iter().map(Opened::read);
                let theirs = opened.zip(products.into_iter().map(Theirs::read));
                let theirs: Option<Vec<_>> =
                    theirs.map(|(opened, theirs)| Some((opened?, theirs?))).collect();
                let theirs = theirs.filter(|theirs| theirs.len() == own.len()).ok_or_else(malformed)?;
                Ok(Contribution::Multiplied(MultiplyContribution(theirs)))
            }
            (Self::Extending(_), ..) => Err(blame(Fault::UnexpectedMessage { round: EXTEND })),
            (Self::Multiplying(_), ..) => Err(blame(Fault::UnexpectedMessage { round: MULTIPLY })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Extending(state) => state.multiply(inbox, rng),
            Self::Multiplying(state) => {
                let output = state.finish(inbox, rng)?;
                Ok(Step::Done { output, send: Outgoing::nothing(), checkpoint: None })
            }
        }
    }

    fn is_lasting(fault: &Fault) -> bool {
        fault.is_lasting()
    }

    fn judge(
        agreement: &Agreement,
        setup: &PresignSetup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        let parts = |round| record.parts::<Message>(round, accused);
        judge::<C>(agreement, usize::from(setup.count), accused, fault, record, &parts)
    }
}

/// The parts of the accused's message of a round.
pub(crate) type PartsOf<'a> = &'a dyn Fn(u8) -> Option<(Option<Message>, Option<Message>)>;

/// Judges from what is public. What two parties do with each other can't be shown to others.
///
/// # Errors
/// Unless the record shows the fault.
pub(crate) fn judge<C: Suite>(
    agreement: &Agreement,
    count: usize,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
    parts: PartsOf<'_>,
) -> Result<(), NotProven> {
    if is_shown::<C>(agreement, count, accused, fault, record, parts).unwrap_or(false) {
        Ok(())
    } else {
        Err(NotProven::because("what two parties do with each other can't be shown to others"))
    }
}

/// `None` or `false` when the record does not show that `accused` committed `fault`.
fn is_shown<C: Suite>(
    agreement: &Agreement,
    count: usize,
    accused: PartyIndex,
    fault: &Fault,
    record: &Record,
    parts: PartsOf<'_>,
) -> Option<bool> {
    match fault {
        Fault::UnexpectedMessage { round } => {
            let parts = parts(*round)?;
            let is_addressed = record.envelope(*round, accused)?.header.recipient.is_some();
            let expected = match (*round, parts) {
                (EXTEND, (Some(Message::Commitments(_)), Some(Message::Extensions(_))))
                | (MULTIPLY, (Some(Message::Openings(_)), Some(Message::Products(_)))) => is_addressed,
                (EXTEND | MULTIPLY, _) => false,
                _ => return None,
            };
            Some(!expected)
        }
        Fault::Malformed { round: EXTEND } => {
            let (Some(Message::Commitments(commitments)), Some(Message::Extensions(extensions))) =
                parts(EXTEND)?
            else {
                return None;
            };
            Some(commitments.len() != count || extensions.len() != count)
        }
        Fault::Malformed { round: MULTIPLY } => {
            let (Some(Message::Openings(openings)), Some(Message::Products(products))) = parts(MULTIPLY)?
            else {
                return None;
            };
            let counts = openings.len() != count || products.len() != count;
            let unreadable = openings.iter().any(|opening| Opened::<C>::read(opening).is_none());
            Some(
                counts
                    || unreadable
                    || products.into_iter().any(|product| Theirs::<C>::read(product).is_none()),
            )
        }
        Fault::WrongOpening => {
            let (Some(Message::Commitments(commitments)), _) = parts(EXTEND)? else { return None };
            let (Some(Message::Openings(openings)), _) = parts(MULTIPLY)? else { return None };
            Some(!opens(agreement, accused, &commitments, &openings))
        }
        _ => None,
    }
}

/// Whether these openings are of these commitments.
fn opens(agreement: &Agreement, party: PartyIndex, commitments: &[[u8; 32]], openings: &[Opening]) -> bool {
    let session = agreement.session();
    let made = openings.iter().enumerate();
    made.map(|(place, opening)| first::commitment(&session, party, place, opening))
        .eq(commitments.iter().copied())
}

impl<C: Multiplied + Suite> Extending<C> {
    /// Round 1 to 2.
    fn multiply(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Presign<C>>, Failure<Fault>> {
        let Self { frame, mut received } = self;
        let Frame { context, pairs, own, .. } = &frame;
        let mut commitments = BTreeMap::new();
        let mut transfers = BTreeMap::new();
        let mut refused = Refused::default();
        for (peer, contribution) in inbox {
            let Contribution::Extended(theirs) = contribution else { return Err(another_round()) };
            commitments.insert(peer, theirs.commitments);
            match first::check_extensions(context, pairs, peer, &theirs.extensions) {
                Ok(checked) => {
                    transfers.insert(peer, checked);
                }
                Err(why) => refused.add(context.me(), peer, EXTEND, &why),
            }
        }
        refused.result()?;
        let mut between = BTreeMap::new();
        let mut direct = BTreeMap::new();
        for (peer, transfers) in transfers {
            let received = received.remove(&peer).ok_or_else(another_round)?;
            let multiplied = own.iter().zip(received).zip(transfers).map(|((own, received), transfers)| {
                Between::multiply(&own.secrets, received, transfers, rng)
            });
            let (kept, products) = multiplied.unzip();
            between.insert(peer, kept);
            direct.insert(peer, Message::Products(products));
        }
        check_caught(context, pairs)?;
        let openings = own.iter().map(|own| own.opening.clone()).collect();
        let send = Outgoing { broadcast: Some(Message::Openings(openings)), direct };
        let state = Multiplying { frame, commitments, between };
        Ok(Step::Next { state: Presign::Multiplying(Box::new(state)), send, checkpoint: None })
    }
}

impl<C: Multiplied + Suite> Multiplying<C> {
    /// Round 2 to the end.
    fn finish(
        self,
        inbox: Inbox<Contribution<C>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Presignatures, Failure<Fault>> {
        let Self { frame, mut between, .. } = self;
        let Frame { context, pairs, key, key_digest, own } = frame;
        let me = context.me();
        let mut opened = Vec::with_capacity(inbox.len());
        let mut shared: Vec<Vec<Shared<C>>> = Vec::with_capacity(inbox.len());
        let mut refused = Refused::default();
        for (peer, contribution) in inbox {
            let Contribution::Multiplied(MultiplyContribution(theirs)) = contribution else {
                return Err(another_round());
            };
            let between = between.remove(&peer).ok_or_else(another_round)?;
            match second::share(&pairs, peer, between, &theirs, rng) {
                Ok(with_peer) => shared.push(with_peer),
                Err(Unshared::Unchecked(why)) => refused.add(me, peer, MULTIPLY, &why),
                Err(Unshared::WrongProduct) => {
                    refused.blamed.push(Blame::new(peer, Fault::WrongProduct { victim: me }));
                }
            }
            opened.push(theirs.into_iter().map(|(opened, _)| opened).collect::<Vec<_>>());
        }
        refused.result()?;
        let signers = context.committee().indices().collect();
        let mut made = Vec::with_capacity(own.len());
        for (place, own) in own.iter().enumerate() {
            let others = || opened.iter().filter_map(|opened| opened.get(place));
            let keys: C::Point = others().map(|opened| opened.key).sum();
            let nonce: C::Point = others().map(|opened| opened.nonce).sum();
            let nonce = own.nonce + nonce;
            let wrong = match (own.key + keys == key, C::is_identity(&nonce)) {
                (false, _) => Some("the signers' parts of the key don't add up to it"),
                (true, true) => Some("the signers' nonces add up to nothing"),
                (true, false) => None,
            };
            if let Some(reason) = wrong {
                return Err(Failure::Unattributed(reason.into()));
            }
            let shared: Vec<_> = shared.iter().filter_map(|shared| shared.get(place)).collect();
            let public = PublicPresignature {
                id: PresignatureId::new(&context.session(), place),
                key: key_digest,
                nonce: C::encode(&nonce),
                signers: BTreeSet::clone(&signers),
            };
            made.push(Presignature::new::<C>(public, me, &second::sum(own, &shared)));
        }
        check_caught(&context, &pairs)?;
        Ok(Presignatures(made))
    }
}

/// What is wrong with others' messages.
#[derive(Default)]
struct Refused {
    blamed: Vec<Blame<Fault>>,
    unknown: Option<PartyIndex>,
}

impl Refused {
    fn add(&mut self, victim: PartyIndex, peer: PartyIndex, round: u8, why: &Unchecked) {
        let fault = match why {
            Unchecked::Cheats(Cheat::Malformed(_)) => Fault::Malformed { round },
            Unchecked::Cheats(Cheat::OtherRun(_)) => Fault::OtherRun { victim },
            Unchecked::Cheats(Cheat::Inconsistent(_)) => Fault::Inconsistent { victim },
            Unchecked::Caught => Fault::CaughtBefore { victim },
            Unchecked::Unknown => {
                self.unknown = Some(peer);
                return;
            }
        };
        self.blamed.push(Blame::new(peer, fault));
    }

    fn result(self) -> Result<(), Failure<Fault>> {
        match (self.blamed.is_empty(), self.unknown) {
            (false, _) => Err(Failure::Blame(self.blamed)),
            (true, Some(peer)) => Err(Failure::Local(format!("there is no pair with party {peer}"))),
            (true, None) => Ok(()),
        }
    }
}

/// Whether none of the others was caught meanwhile, in another session.
fn check_caught(context: &SessionContext, pairs: &SharedPairs) -> Result<(), Failure<Fault>> {
    let mut refused = Refused::default();
    for peer in context.others().into_iter().filter(|peer| pairs.is_caught(*peer)) {
        refused.add(context.me(), peer, MULTIPLY, &Unchecked::Caught);
    }
    refused.result()
}

fn another_round() -> Failure<Fault> {
    Failure::Local("a contribution of another round".into())
}
