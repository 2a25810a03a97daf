//! The two rounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use frost_core::keys::KeyPackage;
use frost_core::round1::SigningCommitments;
use frost_core::round2::SignatureShare;
use quorate_keys::{PublicKey, Signature};
use quorate_session::{
    Agreement, Blame, Consistency, Expected, Failure, Inbox, NotProven, Outgoing, Protocol, ProtocolId,
    Received, Record, SessionContext, SetupError, Step,
};
use quorate_sharing::{KeyShare, PartyIndex};
use rand_core::CryptoRngCore;

use crate::judge::judge;
use crate::key::{identifier, key_package, public_package};
use crate::message::{COMMIT, Fault, Message, SHARE};
use crate::nonces::{Nonces, decode_commitments};
use crate::package::Package;
use crate::setup::{Output, Setup, refuse};
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
    /// In a place of its own: moving it leaves no copy behind.
    key: Box<KeyPackage<S::Ciphersuite>>,
    nonces: Nonces<S>,
}

/// State in round 2. Nonces and key share are gone.
#[derive(Debug)]
pub struct Aggregating<S: Suite> {
    context: Arc<SessionContext>,
    setup: Setup,
    package: Package<S>,
    /// This party's own share.
    share: SignatureShare<S::Ciphersuite>,
}

/// One signer's contribution to a round, decoded.
#[derive(Debug)]
pub enum Contribution<S: Suite> {
    /// Round 1.
    Commitments(Box<SigningCommitments<S::Ciphersuite>>),
    /// Round 2.
    Share(SignatureShare<S::Ciphersuite>),
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
        let key = Box::new(key_package::<S>(&setup, &secret)?);
        if setup.tweak.is_some() {
            // Two implementations of BIP-341 must agree before a share is at stake.
            let ours = setup.public_key::<S>()?;
            let theirs = key.verifying_key().serialize().map_err(refuse)?;
            if !theirs.ends_with(ours.as_bytes()) {
                return Err(refuse("the tweaked key is not the output key of BIP-341"));
            }
        }
        let (nonces, message) = Nonces::commit(&key, rng);
        let send = Outgoing::broadcast(message);
        let state = Self::Committing(Box::new(Committing { context, setup, key, nonces }));
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
            (Self::Committing(_), Some(Message::Commitments { hiding, binding }), None) => {
                decode_commitments::<S>(&hiding, &binding)
                    .map(|commitments| Contribution::Commitments(Box::new(commitments)))
                    .ok_or_else(|| blame(Fault::Commitments))
            }
            // A share that is not addressed would not be evidence.
            (Self::Aggregating(state), None, Some(Message::Share(bytes)))
                if envelope.header.recipient == Some(state.context.me()) =>
            {
                SignatureShare::deserialize(&bytes)
                    .map(Contribution::Share)
                    .map_err(|_| blame(Fault::MalformedShare))
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
    /// Round 1 to 2: signs, and sends the share to the aggregator.
    fn sign(self, inbox: Inbox<Contribution<S>>) -> Result<Step<Frost<S>>, Failure<Fault>> {
        let Self { context, setup, key, nonces } = self;
        let mut commitments = BTreeMap::from([(*key.identifier(), *nonces.commitments())]);
        for (party, contribution) in inbox {
            let Contribution::Commitments(theirs) = contribution else {
                return Err(local("a contribution of another round"));
            };
            commitments.insert(identifier::<S>(party).map_err(local)?, *theirs);
        }
        // No honest run ends here: a group commitment that is the identity would take a broken hash.
        let package = Package::new(commitments, &setup.message, key.verifying_key())
            .map_err(|error| Failure::Unattributed(error.to_string()))?;
        let share = nonces.sign(&package, &key).map_err(local)?;
        if context.me() == setup.aggregator {
            let state = Frost::Aggregating(Box::new(Aggregating { context, setup, package, share }));
            return Ok(Step::Next { state, send: Outgoing::nothing(), checkpoint: Some(()) });
        }
        let send = Outgoing::direct(setup.aggregator, Message::Share(share.serialize()));
        Ok(Step::Done { output: Output::Contributed, send, checkpoint: Some(()) })
    }
}

impl<S: Suite> Aggregating<S> {
    /// Adds up the shares and verifies the signature; if it is wrong, every share.
    fn aggregate(self, inbox: Inbox<Contribution<S>>) -> Result<Step<Frost<S>>, Failure<Fault>> {
        let mut shares = BTreeMap::from([(self.context.me(), self.share)]);
        for (party, contribution) in inbox {
            let Contribution::Share(share) = contribution else {
                return Err(local("a contribution of another round"));
            };
            shares.insert(party, share);
        }
        let bytes = self.package.aggregate(shares.values()).map_err(local)?;
        let bytes = <[u8; 64]>::try_from(bytes).map_err(|_| local("a signature of another length"))?;
        let signature = Signature::from_bytes(bytes);
        let public_key = self.setup.public_key::<S>().map_err(local)?;
        match self.verify(&public_key, &signature, &shares) {
            None => {
                let output = Output::Signature { signature, public_key };
                Ok(Step::Done { output, send: Outgoing::nothing(), checkpoint: None })
            }
            Some(failure) => Err(failure),
        }
    }

    /// Why the signature is wrong, if it is.
    fn verify(
        &self,
        public_key: &PublicKey,
        signature: &Signature,
        shares: &BTreeMap<PartyIndex, SignatureShare<S::Ciphersuite>>,
    ) -> Option<Failure<Fault>> {
        if public_key.verify(&self.setup.message, signature).is_ok() {
            return None;
        }
        Some(self.find_culprits(shares).unwrap_or_else(local))
    }

    fn find_culprits(
        &self,
        shares: &BTreeMap<PartyIndex, SignatureShare<S::Ciphersuite>>,
    ) -> Result<Failure<Fault>, SetupError> {
        let public = public_package::<S>(&self.setup, shares.keys().copied())?;
        let mut culprits = Vec::new();
        for (party, share) in shares {
            let identifier = identifier::<S>(*party)?;
            let verifying_share = public.verifying_shares().get(&identifier);
            let verifying_share = verifying_share.ok_or_else(|| refuse("a verifying share is missing"))?;
            if !self.package.share_is_right(&identifier, share, verifying_share) {
                culprits.push(*party);
            }
        }
        Ok(if culprits.contains(&self.context.me()) {
            local("this party's own share is wrong")
        } else if culprits.is_empty() {
            Failure::Unattributed("every share is right, but the signature is not".into())
        } else {
            Failure::Blame(culprits.into_iter().map(|party| Blame::new(party, Fault::WrongShare)).collect())
        })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn local(reason: impl ToString) -> Failure<Fault> {
    Failure::Local(reason.to_string())
}
