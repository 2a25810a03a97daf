//! The two rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frost_core::keys::KeyPackage;
use frost_core::round1::SigningCommitments;
use frost_core::round2::SignatureShare;
use quorate_keys::Signature;
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, Made, NotProven, Outgoing, Output, Protocol,
    ProtocolId, Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::{KeyShare, PartyIndex};
use rand_core::CryptoRngCore;

use crate::judge::judge;
use crate::key::{identifier, key_package, public_package};
use crate::message::{COMMIT, Fault, Message, SHARE};
use crate::nonces::{Nonces, decode_commitments};
use crate::package::{Package, decode_shares};
use crate::setup::{Setup, Task, refuse};
use crate::suite::Suite;

/// FROST signing in the scheme `S`; see the crate documentation for the rounds.
#[derive(Debug)]
pub enum Frost<S: Suite> {
    /// Round 1: commitments to nonces.
    Committing(Box<Committing<S>>),
    /// Round 2, at the aggregator: signature shares.
    Aggregating(Box<Aggregating<S>>),
}

/// State in round 1.
#[derive(Debug)]
pub struct Committing<S: Suite> {
    context: Arc<SessionContext>,
    setup: Setup,
    /// Keys and nonces of the setup's tasks, in order.
    signing: Vec<Signing<S>>,
}

/// What one signature is made with.
#[derive(Debug)]
struct Signing<S: Suite> {
    /// In a place of its own: moving it leaves no copy behind.
    key: Box<KeyPackage<S::Ciphersuite>>,
    nonces: Nonces<S>,
}

/// State in round 2. Nonces and key share are gone.
#[derive(Debug)]
pub struct Aggregating<S: Suite> {
    context: Arc<SessionContext>,
    setup: Setup,
    /// One for each signature.
    packages: Vec<Package<S>>,
    /// This party's own share of each.
    shares: Shares<S>,
}

/// One signer's shares, in the order of the setup's tasks.
type Shares<S> = Vec<SignatureShare<<S as Suite>::Ciphersuite>>;

/// One signer's contribution to a round, decoded.
#[derive(Debug)]
pub enum Contribution<S: Suite> {
    /// Round 1.
    Commitments(Vec<SigningCommitments<S::Ciphersuite>>),
    /// Round 2.
    Shares(Vec<SignatureShare<S::Ciphersuite>>),
}

impl<S: Suite> Protocol for Frost<S> {
    const ID: ProtocolId = S::PROTOCOL;

    type Setup = Setup;
    type Secret = KeyShare;
    type Message = Message;
    type Accepted = Contribution<S>;
    type Fault = Fault;
    /// Nothing: but the session stops here until the caller has made the request durable, before a share leaves.
    type Checkpoint = ();
    type Output = Output;

    fn start(
        context: Arc<SessionContext>,
        setup: Setup,
        secret: KeyShare,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, SetupError> {
        setup.check::<S>(&context, &secret)?;
        let mut signing = Vec::with_capacity(setup.tasks.len());
        let mut commitments = Vec::with_capacity(setup.tasks.len());
        for task in &setup.tasks {
            let key = Box::new(key_package::<S>(&setup, task, &secret)?);
            if task.tweak.is_some() {
                // Two implementations of BIP-341 must agree before a share is at stake.
                let ours = task.public_key::<S>(&setup.key)?;
                let theirs = key.verifying_key().serialize().map_err(refuse)?;
                if !theirs.ends_with(ours.as_bytes()) {
                    return Err(refuse("the tweaked key is not the output key of BIP-341"));
                }
            }
            let (nonces, sent) = Nonces::commit(&key, rng);
            signing.push(Signing { key, nonces });
            commitments.push(sent);
        }
        let send = Outgoing::broadcast(Message::Commitments(commitments));
        let state = Self::Committing(Box::new(Committing { context, setup, signing }));
        Ok(Step::Next { state, send, checkpoint: None })
    }

    fn expects(&self) -> Expected {
        match self {
            // A signer's share says, by the echo beside it, upon which commitments it was made: this is what makes wrong
            // shares provable.
            Self::Committing(state) => {
                Expected { from: state.context.others(), consistency: Consistency::Echoed }
            }
            Self::Aggregating(state) => {
                Expected { from: state.context.others(), consistency: Consistency::Unchecked }
            }
        }
    }

    fn accept(&self, from: PartyIndex, received: Received<Message>) -> Result<Contribution<S>, Blame<Fault>> {
        let blame = |fault| Blame::new(from, fault);
        let Received { broadcast, direct, envelope } = received;
        match (self, broadcast, direct) {
            (Self::Committing(state), Some(Message::Commitments(sent)), None) => {
                decode_commitments::<S>(&sent, state.setup.tasks.len())
                    .map(Contribution::Commitments)
                    .ok_or_else(|| blame(Fault::Commitments))
            }
            // Shares that are not addressed would not be evidence.
            (Self::Aggregating(state), None, Some(Message::Shares(sent)))
                if envelope.header.recipient == Some(state.context.me()) =>
            {
                decode_shares::<S>(&sent, state.setup.tasks.len())
                    .map(Contribution::Shares)
                    .ok_or_else(|| blame(Fault::MalformedShares))
            }
            (Self::Committing(_), ..) => Err(blame(Fault::UnexpectedMessage { round: COMMIT })),
            (Self::Aggregating(_), ..) => Err(blame(Fault::UnexpectedMessage { round: SHARE })),
        }
    }

    fn advance(
        self,
        inbox: Inbox<Contribution<S>>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Failure<Fault>> {
        match self {
            Self::Committing(state) => state.sign(inbox),
            Self::Aggregating(state) => state.aggregate(inbox),
        }
    }

    fn judge(
        agreement: &Agreement,
        setup: &Setup,
        accused: PartyIndex,
        fault: &Fault,
        record: &Record,
    ) -> Result<(), NotProven> {
        if judge::<S>(agreement, setup, accused, fault, record).unwrap_or(false) {
            Ok(())
        } else {
            Err(NotProven::because("the messages of the accused don't show it"))
        }
    }
}

impl<S: Suite> Committing<S> {
    /// Round 1 to 2: signs, and sends the shares to the aggregator.
    fn sign(self, inbox: Inbox<Contribution<S>>) -> Result<Step<Frost<S>>, Failure<Fault>> {
        let Self { context, setup, signing } = self;
        let own = signing.iter().map(|signing| *signing.nonces.commitments()).collect();
        let mut commitments = BTreeMap::from([(context.me(), own)]);
        for (party, contribution) in inbox {
            let Contribution::Commitments(theirs) = contribution else {
                return Err(local("a contribution of another round"));
            };
            commitments.insert(party, theirs);
        }
        let mut packages = Vec::with_capacity(signing.len());
        let mut shares = Vec::with_capacity(signing.len());
        for (index, (task, Signing { key, nonces })) in setup.tasks.iter().zip(signing).enumerate() {
            // No honest run ends here: a group commitment that is the identity would take a broken hash.
            let package = Package::of(&commitments, index, task, key.verifying_key())
                .map_err(|error| Failure::Unattributed(error.to_string()))?;
            shares.push(nonces.sign(&package, &key).map_err(local)?);
            packages.push(package);
        }
        if context.me() == setup.aggregator {
            let state = Frost::Aggregating(Box::new(Aggregating { context, setup, packages, shares }));
            return Ok(Step::Next { state, send: Outgoing::nothing(), checkpoint: Some(()) });
        }
        let sent = shares.iter().map(SignatureShare::serialize).collect();
        let send = Outgoing::direct(setup.aggregator, Message::Shares(sent));
        Ok(Step::Done { output: Output::Contributed, send, checkpoint: Some(()) })
    }
}

impl<S: Suite> Aggregating<S> {
    /// Adds up the shares and verifies every signature; if one is wrong, every share of it. All of them are looked at, so
    /// that a signature that is nobody's fault hides nobody's fault in another.
    fn aggregate(self, inbox: Inbox<Contribution<S>>) -> Result<Step<Frost<S>>, Failure<Fault>> {
        let Self { context, setup, packages, shares } = self;
        let mut shares = BTreeMap::from([(context.me(), shares)]);
        for (party, contribution) in inbox {
            let Contribution::Shares(theirs) = contribution else {
                return Err(local("a contribution of another round"));
            };
            shares.insert(party, theirs);
        }
        let mut made = Vec::with_capacity(packages.len());
        let mut culprits = BTreeSet::new();
        let mut unattributed = false;
        for (index, (task, package)) in setup.tasks.iter().zip(&packages).enumerate() {
            let of_signature: BTreeMap<_, _> =
                shares.iter().filter_map(|(party, all)| Some((*party, all.get(index)?))).collect();
            let bytes = package.aggregate(of_signature.values().copied()).map_err(local)?;
            let bytes = <[u8; 64]>::try_from(bytes).map_err(|_| local("a signature of another length"))?;
            let signature = Signature::from_bytes(bytes);
            let public_key = task.public_key::<S>(&setup.key).map_err(local)?;
            if public_key.verify(&task.message, &signature).is_err() {
                let wrong = wrong_shares(&setup, task, package, &of_signature)?;
                unattributed |= wrong.is_empty();
                culprits.extend(wrong);
            }
            made.push(Made { signature, public_key });
        }
        if culprits.contains(&context.me()) {
            return Err(local("this party's own share is wrong"));
        }
        if !culprits.is_empty() {
            let blame = |party| Blame::new(party, Fault::WrongShare);
            return Err(Failure::Blame(culprits.into_iter().map(blame).collect()));
        }
        if unattributed {
            return Err(Failure::Unattributed("every share is right, but the signature is not".into()));
        }
        let output = Output::Signatures(made);
        Ok(Step::Done { output, send: Outgoing::nothing(), checkpoint: None })
    }
}

/// Whose shares of a wrong signature are wrong: nobody's, if what is public of the key contradicts itself.
fn wrong_shares<S: Suite>(
    setup: &Setup,
    task: &Task,
    package: &Package<S>,
    shares: &BTreeMap<PartyIndex, &SignatureShare<S::Ciphersuite>>,
) -> Result<Vec<PartyIndex>, Failure<Fault>> {
    let public = public_package::<S>(setup, task, shares.keys().copied()).map_err(local)?;
    let mut culprits = Vec::new();
    for (party, share) in shares {
        let identifier = identifier::<S>(*party).map_err(local)?;
        let verifying_share = public.verifying_shares().get(&identifier);
        let verifying_share = verifying_share.ok_or_else(|| local("a verifying share is missing"))?;
        if !package.share_is_right(&identifier, share, verifying_share) {
            culprits.push(*party);
        }
    }
    Ok(culprits)
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn local(reason: impl ToString) -> Failure<Fault> {
    Failure::Local(reason.to_string())
}
