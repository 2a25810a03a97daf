//! A request, or what nodes make ahead of it, in terms of this node: checked against its wallets, peers and limits, and turned into a
//! session's protocol, committee and setup.
//!
//! Proposer and members each make the job from the signed request alone. So a member runs exactly what the client
//! signed, or declines.

mod provision;
mod reshare;
mod transaction;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_cggmp21::PublicPresignature;
use quorate_cggmp21::sign::{SignSetup as EcdsaSetup, SignTask as EcdsaTask};
use quorate_dkls23::pairs::PublicPairs;
use quorate_dkls23::sign::{SignSetup as ObliviousSetup, SignTask as ObliviousTask};
use quorate_frost::{Setup as FrostSetup, TaprootTweak, Task};
use quorate_keys::{DerivationPath, Identity, PublicKey, Scheme, Transcript, derive, taproot};
use quorate_request::{
    AuxiliaryRequest, ErrorBody, ErrorCode, KeygenRequest, Operation, PresignRequest, RefreshRequest,
    ReshareRequest, RollbackRequest, SignRequest, Subject, Tweak, Verified, WalletId,
};
use quorate_session::{ProtocolId, SessionId, Wire};
use quorate_sharing::{Committee, Member, PartyIndex, PublicShares, Threshold};

use crate::config::Config;
use crate::frame::{Resharing, Sought};
use crate::pairings::Made;
use crate::protocols::{self, Method};
use crate::wallets::{Wallet, Wallets};
pub(crate) use provision::{AuxiliaryJob, PairsJob, PresignJob, may_follow};
use quorate_identity::peers::Peers;
pub(crate) use reshare::ReshareJob;
use transaction::Transaction;

/// The longest body of a key generation: a hundred names of nodes, and what else there is. Every node keeps it.
const MAX_KEYGEN_BYTES: usize = 16 * 1024;

/// What one node computes in a round of auxiliary information for each other one, at most: on a slow machine under load.
const AUXILIARY_ROUND: Duration = Duration::from_secs(15);
/// What one signer computes in a round of presigning for each presignature and signer, likewise.
const PRESIGN_ROUND: Duration = Duration::from_secs(1);
/// What one holder computes in a round of making pairs for each other one, likewise.
const PAIRS_ROUND: Duration = Duration::from_secs(1);

/// What this node is asked to take part in.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    Keygen(KeygenJob),
    Sign(Box<SignJob>),
    Auxiliary(AuxiliaryJob),
    Presign(Box<PresignJob>),
    Pairs(PairsJob),
    Reshare(Box<ReshareJob>),
}

/// Make a wallet.
#[derive(Debug, Clone)]
pub(crate) struct KeygenJob {
    pub(crate) wallet: WalletId,
    pub(crate) threshold: Threshold,
    pub(crate) total: usize,
    /// The holders, if the client named them.
    pub(crate) parties: Option<BTreeSet<Identity>>,
    protocol: ProtocolId,
}

/// Sign a message or a transaction.
#[derive(Debug, Clone)]
pub(crate) struct SignJob {
    pub(crate) wallet: Arc<Wallet>,
    /// The signatures to make: one for a message, one or more for a transaction. For ECDSA the messages are digests.
    pub(crate) tasks: Vec<Task>,
    /// The keys that verify them, in the same order.
    pub(crate) keys: Vec<PublicKey>,
    /// The transaction, if it is one.
    pub(crate) transaction: Option<Transaction>,
    /// The signers, if the client named them.
    pub(crate) signers: Option<BTreeSet<PartyIndex>>,
    /// The pairs to sign with, if it signs with some.
    pub(crate) pairs: Option<Made>,
    /// The rule of the policy by which it is signed, once that was asked.
    pub(crate) rule: Option<String>,
    protocol: ProtocolId,
}

fn refuse(code: ErrorCode, message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(code, message)
}

impl Job {
    /// Makes the job that a verified request asks for.
    ///
    /// # Errors
    /// What is wrong with the request, for the client.
    pub(crate) fn new(
        verified: &Verified,
        wallets: &Wallets,
        peers: &Peers,
        config: &Config,
    ) -> Result<Self, ErrorBody> {
        match verified.operation() {
            Operation::Keygen => KeygenJob::new(verified, wallets, peers, config).map(Self::Keygen),
            Operation::Sign => SignJob::new(verified, wallets, peers).map(|job| Self::Sign(Box::new(job))),
            Operation::Refresh | Operation::Reshare | Operation::Rollback => {
                let job = ReshareJob::new(verified, wallets, peers, config)?;
                Ok(Self::Reshare(Box::new(job)))
            }
            other => {
                Err(refuse(ErrorCode::OtherOperation, format!("{other} is not an operation of the cluster")))
            }
        }
    }

    /// What metrics and proposals call it.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Keygen(_) => "keygen",
            Self::Sign(_) => "sign",
            Self::Auxiliary(_) => "auxiliary",
            Self::Presign(_) => "presign",
            Self::Pairs(_) => "pairs",
            Self::Reshare(_) => "reshare",
        }
    }

    /// The wallet's name, if it is about one.
    pub(crate) fn wallet_id(&self) -> Option<&WalletId> {
        match self {
            Self::Keygen(job) => Some(&job.wallet),
            Self::Sign(job) => Some(&job.wallet.id),
            Self::Presign(job) => Some(&job.wallet.id),
            Self::Pairs(job) => Some(&job.wallet.id),
            Self::Reshare(job) => Some(&job.wallet.id),
            Self::Auxiliary(_) => None,
        }
    }

    /// The wallet that it is about, if that exists.
    pub(crate) fn wallet(&self) -> Option<&Arc<Wallet>> {
        match self {
            Self::Sign(job) => Some(&job.wallet),
            Self::Presign(job) => Some(&job.wallet),
            Self::Pairs(job) => Some(&job.wallet),
            Self::Reshare(job) => Some(&job.wallet),
            Self::Keygen(_) | Self::Auxiliary(_) => None,
        }
    }

    /// Of which wallet, and as it is shared at which epoch, a node uses its share in it.
    pub(crate) fn uses_share_of(&self, node: &Identity) -> Option<(&Arc<Wallet>, &PublicShares)> {
        match self {
            Self::Reshare(job) => job.dealers.contains(node).then_some((&job.wallet, &job.old)),
            _ => self.wallet().map(|wallet| (wallet, &wallet.public)),
        }
    }

    /// How long a member may take for a round. What is computed takes long for two kinds, the longer the more there is of it.
    pub(crate) fn round_timeout(&self, config: &Config) -> Duration {
        let computing = match self {
            Self::Keygen(_) | Self::Sign(_) | Self::Reshare(_) => return config.round_timeout,
            Self::Auxiliary(job) => {
                AUXILIARY_ROUND.saturating_mul(u32::try_from(job.parties.len()).unwrap_or(1))
            }
            Self::Pairs(job) => PAIRS_ROUND.saturating_mul(u32::try_from(job.parties.len()).unwrap_or(1)),
            Self::Presign(job) => {
                let signers = u32::try_from(job.origin.signers.len()).unwrap_or(1);
                PRESIGN_ROUND.saturating_mul(signers.saturating_mul(job.count.into()))
            }
        };
        config.round_timeout.saturating_add(computing)
    }

    /// The protocol to run.
    pub(crate) fn protocol(&self) -> &ProtocolId {
        match self {
            Self::Keygen(job) => &job.protocol,
            Self::Sign(job) => &job.protocol,
            Self::Auxiliary(job) => &job.protocol,
            Self::Presign(job) => &job.protocol,
            Self::Pairs(job) => &job.protocol,
            Self::Reshare(job) => &job.protocol,
        }
    }

    /// The epoch of the shares involved; of a resharing that to which it leads.
    pub(crate) fn epoch(&self) -> u64 {
        match self {
            Self::Keygen(_) => 0,
            Self::Sign(job) => job.wallet.public.epoch,
            Self::Auxiliary(job) => job.epoch,
            Self::Presign(job) => job.wallet.public.epoch,
            Self::Pairs(job) => job.wallet.public.epoch,
            Self::Reshare(job) => job.epoch,
        }
    }

    /// How many parties a committee has.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Keygen(job) => job.total,
            Self::Sign(job) => job
                .signers
                .as_ref()
                .map_or_else(|| usize::from(job.wallet.public.committee.threshold().get()), BTreeSet::len),
            Self::Auxiliary(job) => job.parties.len(),
            Self::Presign(job) => job.origin.signers.len(),
            Self::Pairs(job) => job.parties.len(),
            Self::Reshare(job) => job.parties().len(),
        }
    }

    /// The nodes that may take part, and whether all of them must.
    pub(crate) fn candidates(&self, peers: &Peers) -> (Vec<Identity>, bool) {
        match self {
            Self::Keygen(job) => match &job.parties {
                Some(parties) => (parties.iter().copied().collect(), true),
                None => (peers.all().iter().map(|peer| peer.identity).collect(), false),
            },
            Self::Sign(job) => {
                let members = job.wallet.public.committee.members().iter();
                let named =
                    |member: &&Member| job.signers.as_ref().is_none_or(|only| only.contains(&member.index));
                let paired = |member: &&Member| {
                    job.pairs.as_ref().is_none_or(|made| made.parties.contains(&member.index))
                };
                (
                    members.filter(named).filter(paired).map(|member| member.identity).collect(),
                    job.signers.is_some(),
                )
            }
            Self::Auxiliary(job) => (job.parties.iter().copied().collect(), true),
            Self::Presign(job) => (job.origin.signers.iter().copied().collect(), true),
            Self::Pairs(job) => (job.parties.iter().copied().collect(), true),
            Self::Reshare(job) => (job.parties().into_iter().collect(), true),
        }
    }

    /// The committee of the chosen nodes.
    ///
    /// # Errors
    /// When they are too few or strangers; the choice was wrong.
    pub(crate) fn committee(&self, chosen: &BTreeSet<Identity>) -> Result<Committee, String> {
        match self {
            Self::Keygen(job) => provision::numbered(job.threshold, chosen),
            Self::Auxiliary(job) => job.committee(chosen),
            Self::Sign(job) => holders(&job.wallet, chosen),
            Self::Presign(job) => holders(&job.wallet, chosen),
            Self::Pairs(job) => holders(&job.wallet, chosen),
            Self::Reshare(job) => job.committee(chosen),
        }
    }

    /// Whether a proposed committee is one that the client's request allows.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn check_committee(&self, proposed: &Committee, peers: &Peers) -> Result<(), String> {
        let chosen: BTreeSet<_> = proposed.members().iter().map(|member| member.identity).collect();
        let (candidates, _) = self.candidates(peers);
        if chosen.len() != self.size() {
            return Err(format!(
                "a committee of {} was proposed where {} are needed",
                chosen.len(),
                self.size()
            ));
        }
        if !chosen.iter().all(|identity| candidates.contains(identity)) {
            return Err("the proposed committee has members that the request does not allow".into());
        }
        if self.committee(&chosen)? != *proposed {
            return Err("the proposed committee has other indices or another threshold".into());
        }
        Ok(())
    }

    /// The protocol's setup for a committee, and for the presignatures to use up, one for each signature of ECDSA. The proposer
    /// aggregates, or the first signer if it is not one.
    ///
    /// # Errors
    /// When it exceeds its size cap, or the presignatures are too few or too many.
    pub(crate) fn setup(
        &self,
        committee: &Committee,
        proposer: &Identity,
        presignatures: &[PublicPresignature],
    ) -> Result<Vec<u8>, String> {
        if presignatures.len() != self.presignatures() {
            return Err(format!("{} presignatures, not {}", presignatures.len(), self.presignatures()));
        }
        let encoded = match self {
            Self::Keygen(_) => ().to_wire(),
            Self::Auxiliary(_) => AuxiliaryJob::setup(),
            Self::Presign(job) => job.setup(),
            Self::Pairs(job) => job.setup(),
            Self::Reshare(job) => job.setup(committee),
            Self::Sign(job) => {
                let key = job.wallet.public.clone();
                let aggregator = aggregator(committee, proposer).ok_or("the committee is empty")?;
                match job.wallet.method {
                    Method::Frost => FrostSetup { key, aggregator, tasks: job.tasks.clone() }.to_wire(),
                    Method::Cggmp21 => {
                        EcdsaSetup { key, aggregator, tasks: job.presigned(presignatures)? }.to_wire()
                    }
                    Method::Dkls23 => {
                        let made = job.pairs.as_ref().ok_or("it is not known which pairs to sign with")?;
                        let pairs = PublicPairs::new(made.session, &key);
                        ObliviousSetup { key, pairs, aggregator, tasks: job.digests()? }.to_wire()
                    }
                }
            }
        };
        encoded.map_err(|error| error.to_string())
    }

    /// What was chosen, in a resharing.
    pub(crate) fn resharing(&self) -> Option<Resharing> {
        match self {
            Self::Reshare(job) => {
                let (dealers, overtakes) = (job.dealers.clone(), job.overtakes.clone());
                Some(Resharing { old: job.wallet.public.epoch, dealers, overtakes })
            }
            _ => None,
        }
    }

    /// The session that made the pairs that it uses.
    pub(crate) fn pairs(&self) -> Option<SessionId> {
        match self {
            Self::Sign(job) => job.pairs.as_ref().map(|made| made.session),
            _ => None,
        }
    }

    /// How many presignatures it uses up.
    pub(crate) fn presignatures(&self) -> usize {
        match self {
            Self::Sign(job) if job.is_presigned() => job.tasks.len(),
            _ => 0,
        }
    }
}

/// The committee of chosen holders of a wallet.
fn holders(wallet: &Wallet, chosen: &BTreeSet<Identity>) -> Result<Committee, String> {
    let committee = &wallet.public.committee;
    let indices: Option<Vec<_>> = chosen.iter().map(|identity| committee.index_of(identity)).collect();
    let indices = indices.ok_or("a chosen node holds no share of the wallet")?;
    committee.subset(&indices).map_err(|error| error.to_string())
}

/// The signer that aggregates.
pub(crate) fn aggregator(committee: &Committee, proposer: &Identity) -> Option<PartyIndex> {
    committee.index_of(proposer).or_else(|| committee.indices().next())
}

impl KeygenJob {
    fn new(
        verified: &Verified,
        wallets: &Wallets,
        peers: &Peers,
        config: &Config,
    ) -> Result<Self, ErrorBody> {
        let size = verified.request().body().len();
        if size > MAX_KEYGEN_BYTES {
            let message = format!("a keygen body has at most {MAX_KEYGEN_BYTES} bytes, got {size}");
            return Err(refuse(ErrorCode::BodyTooLarge, message));
        }
        let body: KeygenRequest = verified.body().map_err(|error| refuse(error.code(), error.to_string()))?;
        let (scheme, method) = protocols::scheme(&body.curve, body.protocol.as_deref())?;
        let protocol = protocols::keygen(scheme)
            .ok_or_else(|| refuse(ErrorCode::UnsupportedCurve, "no key generation for this curve"))?;
        let total = usize::from(body.total);
        config
            .check_threshold(body.threshold, total)
            .map_err(|error| refuse(ErrorCode::InvalidThreshold, format!("threshold {error}")))?;
        let threshold = Threshold::new(body.threshold)
            .map_err(|error| refuse(ErrorCode::InvalidThreshold, error.to_string()))?;
        if let Some(most) = method.most_signers()
            && threshold.count() > most
        {
            let message =
                format!("threshold is {threshold}, at most {most} nodes sign together by {}", method.name());
            return Err(refuse(ErrorCode::InvalidThreshold, message));
        }
        if total > peers.len() {
            let message = format!("total is {total}, this cluster has {} nodes", peers.len());
            return Err(refuse(ErrorCode::InvalidThreshold, message));
        }
        let parties = body.parties.as_deref().map(|names| named(names, total, peers)).transpose()?;
        let fingerprint = verified.request().fingerprint();
        let wallet = wallet_id(&body, &fingerprint)?;
        if wallets.named(&wallet).iter().any(|taken| taken.fingerprint != fingerprint) {
            return Err(refuse(ErrorCode::WalletExists, format!("there is a wallet {wallet} already")));
        }
        Ok(Self { wallet, threshold, total, parties, protocol })
    }
}

fn named(names: &[String], total: usize, peers: &Peers) -> Result<BTreeSet<Identity>, ErrorBody> {
    let identities = peers.identities(names).map_err(|name| {
        refuse(ErrorCode::InvalidParties, format!("there is no node {name} in this cluster"))
    })?;
    let set: BTreeSet<_> = identities.into_iter().collect();
    if set.len() != names.len() || set.len() != total {
        let message = format!("parties names {} different nodes, total is {total}", set.len());
        return Err(refuse(ErrorCode::InvalidParties, message));
    }
    Ok(set)
}

/// The name of the wallet that a request makes: the client's, or one that follows from the request.
pub(crate) fn wallet_id(body: &KeygenRequest, fingerprint: &[u8; 32]) -> Result<WalletId, ErrorBody> {
    if let Some(id) = &body.wallet_id {
        return Ok(id.clone());
    }
    let digest = Transcript::new(b"quorate/wallet-id/v1").field("request", fingerprint).digest();
    let name = format!("w-{}", hex::encode(digest.split_at(8).0));
    name.parse().map_err(|error| refuse(ErrorCode::Internal, format!("{error}")))
}

/// The wallet that a request names.
pub(crate) fn sought(verified: &Verified) -> Option<Sought> {
    if matches!(verified.operation(), Operation::Refresh | Operation::Reshare | Operation::Rollback) {
        return reshare::sought(verified);
    }
    let body: SignRequest = verified.body().ok()?;
    Some(Sought::of(body.wallet().ok()?))
}

/// The name of the wallet that a request is about, as far as it says so itself. Of one named by its key that is known once
/// the job is made.
pub(crate) fn wallet_of(verified: &Verified) -> Option<WalletId> {
    match verified.operation() {
        Operation::Keygen => {
            wallet_id(&verified.body::<KeygenRequest>().ok()?, &verified.request().fingerprint()).ok()
        }
        Operation::Sign => verified.body::<SignRequest>().ok()?.wallet_id,
        Operation::Presign => verified.body::<PresignRequest>().ok()?.wallet_id,
        Operation::Auxiliary => verified.body::<AuxiliaryRequest>().ok()?.wallet_id,
        Operation::Refresh => verified.body::<RefreshRequest>().ok()?.wallet_id,
        Operation::Reshare => verified.body::<ReshareRequest>().ok()?.wallet_id,
        Operation::Rollback => verified.body::<RollbackRequest>().ok()?.wallet_id,
        _ => None,
    }
}

impl SignJob {
    fn new(verified: &Verified, wallets: &Wallets, peers: &Peers) -> Result<Self, ErrorBody> {
        let body: SignRequest = verified.body().map_err(|error| refuse(error.code(), error.to_string()))?;
        let reference = body.wallet().map_err(|error| refuse(error.code(), error.to_string()))?;
        let subject = body.subject().map_err(|error| refuse(error.code(), error.to_string()))?;
        if let Subject::Message(message) = subject
            && message.len() > quorate_frost::MAX_MESSAGE_BYTES
        {
            let message = format!("a message has at most {} bytes", quorate_frost::MAX_MESSAGE_BYTES);
            return Err(refuse(ErrorCode::InvalidMessage, message));
        }
        let wallet = wallets
            .find(reference)?
            .ok_or_else(|| refuse(ErrorCode::UnknownWallet, "this node knows no such wallet"))?;
        let path = match &body.derivation_path {
            None => DerivationPath::default(),
            Some(path) => path.parse().map_err(|error| {
                refuse(ErrorCode::InvalidDerivationPath, format!("derivation_path: {error}"))
            })?,
        };
        let scheme = wallet.scheme;
        body.subject_for(scheme).map_err(|error| refuse(error.code(), error.to_string()))?;
        let tweak = match body.tweak {
            None => None,
            Some(Tweak::Taproot(root)) if scheme == Scheme::Bip340 => {
                Some(TaprootTweak { merkle_root: root.map(|root| *root.as_bytes()) })
            }
            Some(_) => {
                return Err(refuse(ErrorCode::InvalidTweak, format!("a key of {scheme} has no such tweak")));
            }
        };
        let protocol = protocols::signing(scheme, wallet.method)
            .ok_or_else(|| refuse(ErrorCode::UnsupportedProtocol, "no protocol signs with this wallet"))?;
        let signers = body.signers.as_deref().map(|names| signers(names, &wallet, peers)).transpose()?;
        let (tasks, transaction) = match subject {
            Subject::Message(message) => (vec![Task { message: message.to_vec(), path, tweak }], None),
            Subject::Transaction { chain, transaction } => {
                let transaction = Transaction::read(chain, transaction, &wallet, &path, &body.allow)?;
                (transaction.tasks()?, Some(transaction))
            }
            _ => return Err(refuse(ErrorCode::Internal, "nothing that this version can sign")),
        };
        let (count, most) = (tasks.len(), wallet.method.most_signatures());
        if count > most {
            let message = format!(
                "it needs {count} signatures, a wallet that signs by {} makes {most} at once",
                wallet.method.name()
            );
            return Err(refuse(ErrorCode::InvalidMessage, message));
        }
        let keys = tasks.iter().map(|task| verifying_key(&wallet, task)).collect::<Result<_, _>>();
        let keys = keys.map_err(|error| refuse(ErrorCode::InvalidDerivationPath, error))?;
        Ok(Self { wallet, tasks, keys, transaction, signers, pairs: None, rule: None, protocol })
    }

    /// Whether a signature uses up a presignature.
    pub(crate) fn is_presigned(&self) -> bool {
        self.wallet.method == Method::Cggmp21
    }

    /// Whether it signs with pairs.
    pub(crate) fn uses_pairs(&self) -> bool {
        self.wallet.method == Method::Dkls23
    }

    fn digests(&self) -> Result<Vec<ObliviousTask>, String> {
        let task = |task: &Task| {
            let digest = task.message.as_slice().try_into().map_err(|_| "a digest has 32 bytes")?;
            Ok(ObliviousTask { digest, path: task.path.clone() })
        };
        self.tasks.iter().map(task).collect()
    }

    fn presigned(&self, presignatures: &[PublicPresignature]) -> Result<Vec<EcdsaTask>, String> {
        let task = |(task, presignature): (&Task, &PublicPresignature)| {
            let digest = task.message.as_slice().try_into().map_err(|_| "a digest has 32 bytes")?;
            Ok(EcdsaTask { digest, path: task.path.clone(), presignature: presignature.clone() })
        };
        self.tasks.iter().zip(presignatures).map(task).collect()
    }
}

/// The key that verifies the signature of a task: the wallet's, derived and tweaked as the task says.
///
/// # Errors
/// When the path or the tweak leads to no key, which no path does that anybody will ever find.
fn verifying_key(wallet: &Wallet, task: &Task) -> Result<PublicKey, String> {
    let public = &wallet.public;
    let key = if task.path.is_empty() {
        wallet.public_key
    } else {
        let derived = derive(&public.group_key, &public.chain_code, &task.path);
        let derived = derived.map_err(|error| error.to_string())?;
        derived.key.public_key(wallet.scheme).map_err(|error| error.to_string())?
    };
    match &task.tweak {
        None => Ok(key),
        Some(tweak) => {
            let tweaked = taproot::tweak(&key, tweak.merkle_root.as_ref());
            tweaked.map(|(_, output)| output).map_err(|error| error.to_string())
        }
    }
}

/// The holders of these names, enough to sign.
pub(crate) fn signers(
    names: &[String],
    wallet: &Wallet,
    peers: &Peers,
) -> Result<BTreeSet<PartyIndex>, ErrorBody> {
    let committee = &wallet.public.committee;
    let invalid = |message: String| refuse(ErrorCode::InvalidSigners, message);
    let identities = peers
        .identities(names)
        .map_err(|name| invalid(format!("there is no node {name} in this cluster")))?;
    let mut signers = BTreeSet::new();
    for (identity, name) in identities.iter().zip(names) {
        let index = committee
            .index_of(identity)
            .ok_or_else(|| invalid(format!("node {name} holds no share of wallet {}", wallet.id)))?;
        if !signers.insert(index) {
            return Err(invalid(format!("node {name} is named twice")));
        }
    }
    let threshold = usize::from(committee.threshold().get());
    if signers.len() < threshold {
        return Err(invalid(format!("{} signers are named, the wallet needs {threshold}", signers.len())));
    }
    if let Some(most) = wallet.method.most_signers()
        && signers.len() > most
    {
        let (named, method) = (signers.len(), wallet.method.name());
        return Err(invalid(format!(
            "{named} signers are named, at most {most} nodes sign together by {method}"
        )));
    }
    Ok(signers)
}
