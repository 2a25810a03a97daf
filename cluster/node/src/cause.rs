//! Why nodes do something together: because a client asks for it, or because they need it themselves.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Transcript};
use quorate_request::{Operation, SignedRequest, Verified};
use quorate_session::SessionId;
use rand_core::{CryptoRng, RngCore};

/// What is done, and on whose word.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// A client's request.
    Request {
        verified: Box<Verified>,
        /// Digest of the policy under which it is signed, if it is for a signature and there is a policy.
        policy: Option<[u8; 32]>,
    },
    /// What a node wants ready for the requests to come, or is to be renewed as all were told. It signs nothing, so a node's own word is enough.
    Upkeep(Box<Upkeep>),
}

/// A cause as a proposer shows it to members.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Order {
    /// The client's request as it was signed.
    Request(Vec<u8>),
    Upkeep(Provision, [u8; 16]),
}

/// What nodes make on their own.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Provision {
    Auxiliary(NewAuxiliary),
    Presignatures(NewPresignatures),
    Pairs(NewPairs),
    Refresh(NewShares),
}

impl Provision {
    /// Fingerprint of the client's request to replace what there is, if there is one.
    pub(crate) fn asked_for(&self) -> Option<[u8; 32]> {
        let request = match self {
            Self::Auxiliary(new) => new.request.as_ref(),
            Self::Pairs(new) => new.request.as_ref(),
            Self::Presignatures(_) | Self::Refresh(_) => None,
        };
        SignedRequest::decode(request?).ok().map(|request| request.fingerprint())
    }
}

/// New shares for a wallet's holders, whose shares are older than they are to become.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct NewShares {
    /// The key generation that made the wallet.
    pub(crate) wallet: SessionId,
    /// When that was found, in unix milliseconds.
    pub(crate) found_ms: u64,
}

/// Pairs of a wallet's holders, or of some of them.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct NewPairs {
    /// The key generation that made the wallet.
    pub(crate) wallet: SessionId,
    /// All holders, or those that are there.
    pub(crate) parties: BTreeSet<Identity>,
    /// Greater than that of all before.
    pub(crate) number: u64,
    /// The client's request to replace what there is, as it was signed; none for the first.
    pub(crate) request: Option<Vec<u8>>,
}

/// Auxiliary information of some nodes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct NewAuxiliary {
    pub(crate) parties: BTreeSet<Identity>,
    /// Greater than that of all before.
    pub(crate) epoch: u64,
    /// The client's request to replace what there is, as it was signed; none for the first.
    pub(crate) request: Option<Vec<u8>>,
}

/// Presignatures of a wallet, for the proposer to use.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct NewPresignatures {
    /// The key generation that made the wallet.
    pub(crate) wallet: SessionId,
    pub(crate) signers: BTreeSet<Identity>,
    /// The session that made the auxiliary information under which they are made.
    pub(crate) auxiliary: SessionId,
    pub(crate) count: u16,
    /// Whether a client waits for them. Others are made while nothing else is to do.
    pub(crate) urgent: bool,
}

/// A provision that is one of its own, however often the same is made.
#[derive(Debug, Clone)]
pub(crate) struct Upkeep {
    pub(crate) provision: Provision,
    unique: [u8; 16],
    digest: [u8; 32],
    id: String,
}

impl Upkeep {
    /// A new one.
    pub(crate) fn new(
        proposer: &Identity,
        provision: Provision,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Self {
        let mut unique = [0; 16];
        rng.fill_bytes(&mut unique);
        Self::told(proposer, provision, unique)
    }

    fn told(proposer: &Identity, provision: Provision, unique: [u8; 16]) -> Self {
        let encoded = borsh::to_vec(&provision).unwrap_or_default();
        let digest = Transcript::new(b"quorate/upkeep/v1")
            // Nobody can get in the way of another's by proposing the same.
            .field("proposer", proposer.as_bytes())
            .field("provision", &encoded)
            .field("unique", &unique)
            .digest();
        // No request of a client can be called so: there is a space in it.
        let id = format!("upkeep {}", hex::encode(digest.split_at(16).0));
        Self { provision, unique, digest, id }
    }
}

impl Cause {
    /// The cause of a client's request, under the policy of this digest.
    pub(crate) fn request(verified: &Verified, policy: Option<&[u8; 32]>) -> Self {
        let policy = policy.copied().filter(|_| *verified.operation() == Operation::Sign);
        Self::Request { verified: Box::new(verified.clone()), policy }
    }

    /// The cause of a provision that another node proposes.
    pub(crate) fn upkeep(proposer: &Identity, provision: Provision, unique: [u8; 16]) -> Self {
        Self::Upkeep(Box::new(Upkeep::told(proposer, provision, unique)))
    }

    /// The client's request, if there is one.
    pub(crate) fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Request { verified, .. } => Some(verified),
            Self::Upkeep(_) => None,
        }
    }

    /// The request id, or what takes its place.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Request { verified, .. } => verified.request_id().as_str(),
            Self::Upkeep(upkeep) => &upkeep.id,
        }
    }

    /// What a proposal names: so the signers of a session have the same policy, or none.
    pub(crate) fn digest(&self) -> [u8; 32] {
        match self {
            Self::Request { verified, policy: None } => verified.request().digest(),
            Self::Request { verified, policy: Some(policy) } => Transcript::new(b"quorate/cause/v1")
                .field("request", &verified.request().digest())
                .field("policy", policy)
                .digest(),
            Self::Upkeep(upkeep) => upkeep.digest,
        }
    }

    /// What tells two apart that have one id.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Request { verified, .. } => verified.request().fingerprint(),
            Self::Upkeep(upkeep) => upkeep.digest,
        }
    }

    /// Fingerprint of the client's request that it is done for, if it is: of that which asks for it, or has nodes make something
    /// anew.
    pub(crate) fn asked_for(&self) -> Option<[u8; 32]> {
        match self {
            Self::Request { verified, .. } => Some(verified.request().fingerprint()),
            Self::Upkeep(upkeep) => upkeep.provision.asked_for(),
        }
    }

    /// What members are shown.
    pub(crate) fn order(&self) -> Order {
        match self {
            Self::Request { verified, .. } => Order::Request(verified.request().encode()),
            Self::Upkeep(upkeep) => Order::Upkeep(upkeep.provision.clone(), upkeep.unique),
        }
    }
}
