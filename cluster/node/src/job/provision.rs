//! What nodes make ahead of requests: auxiliary information, presignatures under it, and pairs.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_cggmp21::MAX_SIGNERS;
use quorate_cggmp21::auxiliary::{AuxiliaryProtocol, PublicAuxiliary, Setup as AuxiliarySetup};
use quorate_cggmp21::presign::PresignSetup;
use quorate_dkls23::pairs::{PairsProtocol, Setup as PairsSetup};
use quorate_keys::Identity;
use quorate_paillier::Sizes;
use quorate_session::{Protocol as _, ProtocolId, Wire, WireError};
use quorate_sharing::{Committee, Member, PartyIndex, Threshold};

use crate::auxiliary::Auxiliaries;
use crate::cause::{NewAuxiliary, NewPairs, NewPresignatures};
use crate::frame::Reason;
use crate::pairings::{Pairings, Renewal, is_due, may_replace};
use crate::presignatures::Origin;
use crate::protocols::{self, Method};
use crate::wallets::{Wallet, Wallets};
use quorate_identity::peers::Peers;

/// Make auxiliary information.
#[derive(Debug, Clone)]
pub(crate) struct AuxiliaryJob {
    pub(crate) parties: BTreeSet<Identity>,
    pub(crate) epoch: u64,
    /// Digest of the client's request, if there is one.
    pub(crate) request: Option<[u8; 32]>,
    pub(super) protocol: ProtocolId,
}

/// Make presignatures.
#[derive(Debug, Clone)]
pub(crate) struct PresignJob {
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) count: u16,
    pub(crate) urgent: bool,
    pub(crate) protocol: ProtocolId,
    /// That of the signers.
    auxiliary: PublicAuxiliary,
}

/// Make pairs.
#[derive(Debug, Clone)]
pub(crate) struct PairsJob {
    pub(crate) wallet: Arc<Wallet>,
    /// Who makes them: all holders, or some of them.
    pub(crate) parties: BTreeSet<Identity>,
    pub(crate) number: u64,
    /// The client's word to replace what there is, if there is one.
    pub(crate) renewal: Option<Renewal>,
    pub(super) protocol: ProtocolId,
}

/// Groups of nodes of which a node keeps auxiliary information: the cluster, and those that had to do without some of it.
const MOST_GROUPS: usize = 64;
/// How far an epoch may be ahead of what a node knows: that of one that had missed so many rotations. More, and somebody could use the
/// numbers up.
const LEAP: u64 = 1000;

/// Whether auxiliary information of the later epoch may come after that of the earlier.
pub(crate) fn may_follow(earlier: u64, later: u64) -> bool {
    (earlier..=earlier.saturating_add(LEAP)).contains(&later)
}

fn refused(message: impl Into<String>) -> Reason {
    Reason::Refused { code: "aborted".into(), message: message.into() }
}

impl AuxiliaryJob {
    /// The job, if nothing newer is known here. `request`: digest of the request that came with it, which was verified.
    ///
    /// # Errors
    /// Why this node does not take part.
    pub(crate) fn new(
        new: &NewAuxiliary,
        request: Option<[u8; 32]>,
        known: &Auxiliaries,
        peers: &Peers,
    ) -> Result<Self, Reason> {
        let NewAuxiliary { parties, epoch, .. } = new;
        if parties.len() < 2 || parties.iter().any(|party| peers.by_identity(party).is_none()) {
            return Err(refused("auxiliary information is made by two nodes of the cluster or more"));
        }
        if request.is_none()
            && let Some(active) = known.active(parties)
        {
            return Err(Reason::Replaced { session: active.session });
        }
        if let Some(request) = &request
            && known.was_made_for(request)
        {
            return Err(refused("the request has been followed already"));
        }
        let latest = known.latest_epoch(parties);
        if latest.is_none() && known.count() >= MOST_GROUPS {
            let message = format!("keeps auxiliary information of {MOST_GROUPS} groups already");
            return Err(Reason::Unable(message));
        }
        match latest {
            Some(latest) if *epoch <= latest => Err(Reason::Behind { epoch: latest }),
            latest if !may_follow(latest.unwrap_or_default(), *epoch) => {
                Err(refused(format!("epoch {epoch} is too far ahead")))
            }
            _ => {
                Ok(Self { parties: parties.clone(), epoch: *epoch, request, protocol: AuxiliaryProtocol::ID })
            }
        }
    }

    pub(super) fn committee(&self, chosen: &BTreeSet<Identity>) -> Result<Committee, String> {
        let members = u16::try_from(chosen.len()).map_err(|error| error.to_string())?;
        let threshold = Threshold::new(members).map_err(|error| error.to_string())?;
        numbered(threshold, chosen)
    }

    pub(super) fn setup() -> Result<Vec<u8>, WireError> {
        AuxiliarySetup { sizes: Sizes::STANDARD.id() }.to_wire()
    }
}

/// A committee of these, numbered in their order.
pub(super) fn numbered(threshold: Threshold, chosen: &BTreeSet<Identity>) -> Result<Committee, String> {
    let indices = (1..).map_while(|index| PartyIndex::new(index).ok());
    let members = indices.zip(chosen).map(|(index, identity)| Member { index, identity: *identity });
    Committee::new(threshold, members.collect()).map_err(|error| error.to_string())
}

impl PairsJob {
    /// The job, if this node knows the wallet, and has no pairs or a client wants others. `renewal`: the word of the client whose request came
    /// with it, which was verified.
    ///
    /// # Errors
    /// Why this node does not take part.
    pub(crate) fn new(
        new: &NewPairs,
        renewal: Option<Renewal>,
        wallets: &Wallets,
        known: &Pairings,
    ) -> Result<Self, Reason> {
        let NewPairs { wallet: session, parties, number, .. } = new;
        // It may be so new that its certificate has not come.
        let wallet = wallets
            .of_generation(session)
            .ok_or_else(|| Reason::Busy("does not know the wallet yet that pairs are made for".into()))?;
        if wallet.method != Method::Dkls23 {
            return Err(refused(format!("a wallet that signs by {} has no pairs", wallet.method.name())));
        }
        let holders = wallet.holders();
        let least = usize::from(wallet.public.committee.threshold().get()).max(2);
        if !parties.is_subset(&holders) || parties.len() < least {
            return Err(refused(format!("pairs are made by holders of the wallet, {least} or more")));
        }
        if renewal.is_some() && *parties != holders {
            return Err(refused("pairs are made anew by all holders"));
        }
        let made_for = known.renewal(session);
        let is_made = renewal.is_none_or(|word| made_for.is_some_and(|made| made.request == word.request));
        if let Some(active) = known.active_for(session, &wallet.indices(parties))
            && (is_made || !may_replace(made_for, renewal))
        {
            return Err(if is_made {
                Reason::Replaced { session: active }
            } else {
                refused("pairs were made anew for a request that was signed in the same second or later")
            });
        }
        match known.latest(session) {
            Some(latest) if *number <= latest => Err(Reason::Behind { epoch: latest }),
            _ if !is_due(*number) => Err(refused("pairs of a time to come: check the clocks")),
            // Without a word of its own, a set is of that by which those beside it were made: who was taken back is in it, too.
            _ => Ok(Self {
                wallet,
                parties: parties.clone(),
                number: *number,
                renewal: renewal.or(made_for),
                protocol: PairsProtocol::ID,
            }),
        }
    }

    pub(super) fn setup(&self) -> Result<Vec<u8>, WireError> {
        PairsSetup { key: self.wallet.public.clone() }.to_wire()
    }
}

impl PresignJob {
    /// The job, if this node knows the wallet and the auxiliary information.
    ///
    /// # Errors
    /// Why this node does not take part.
    pub(crate) fn new(
        new: &NewPresignatures,
        owner: Identity,
        wallets: &Wallets,
        known: &Auxiliaries,
    ) -> Result<Self, Reason> {
        let NewPresignatures { wallet: session, signers, auxiliary, count, urgent } = new;
        let wallet = wallets
            .of_generation(session)
            .ok_or_else(|| Reason::Unable("does not know the wallet to presign for".into()))?;
        let protocol = protocols::presigning(wallet.scheme, wallet.method)
            .ok_or_else(|| refused(format!("{} needs no presignatures", wallet.method.name())))?;
        if signers.len() > MAX_SIGNERS {
            return Err(refused(format!("{} nodes, at most {MAX_SIGNERS} presign together", signers.len())));
        }
        let Some(found) = known.find(auxiliary) else {
            return Err(match known.covering(signers) {
                Some(newer) => Reason::Replaced { session: newer.session },
                None => Reason::Unable(
                    "lacks the auxiliary information to presign under: let it be made anew".into(),
                ),
            });
        };
        let subset = found.public.subset(signers).map_err(|error| Reason::Unable(error.to_string()))?;
        let limit = PresignSetup::limit(signers.len());
        if !(1..=limit).contains(&usize::from(*count)) {
            return Err(refused(format!("{} nodes presign 1 to {limit} at once", signers.len())));
        }
        let origin = Origin { wallet: *session, owner, signers: signers.clone(), auxiliary: *auxiliary };
        Ok(Self {
            wallet,
            origin: Arc::new(origin),
            count: *count,
            urgent: *urgent,
            protocol,
            auxiliary: subset,
        })
    }

    pub(super) fn setup(&self) -> Result<Vec<u8>, WireError> {
        let key = self.wallet.public.clone();
        PresignSetup { key, auxiliary: self.auxiliary.clone(), count: self.count }.to_wire()
    }
}
