//! A wallet's shares are dealt anew: to its holders, or to other nodes, of which as many or another number sign.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_keys::{Identity, Transcript};
use quorate_request::{
    ErrorBody, ErrorCode, Operation, RefreshRequest, ReshareRequest, RollbackRequest, Verified,
};
use quorate_reshare::{FARTHEST, Occasion, Setup, fewest_dealers};
use quorate_session::{Agreement, ProtocolId, Wire, WireError, setup_digest};
use quorate_sharing::{Committee, Member, PartyIndex, PublicShares, Threshold};

use super::refuse;
use crate::clock::millis;
use crate::config::Config;
use crate::frame::{Begun, Sought};
use crate::protocols;
use crate::wallets::{Wallet, Wallets};
use quorate_identity::peers::Peers;

/// Deal a wallet's shares anew.
#[derive(Debug, Clone)]
pub(crate) struct ReshareJob {
    pub(crate) wallet: Arc<Wallet>,
    /// The epoch whose shares are dealt: the one that the wallet is at, or of kept shares the one before.
    pub(crate) old: PublicShares,
    pub(crate) from_kept: bool,
    /// Who held its shares before those hold them who do there.
    former: Option<Committee>,
    /// Who holds shares afterwards.
    pub(crate) receivers: BTreeSet<Identity>,
    /// The holders that deal, as the proposer chose them: none before.
    pub(crate) dealers: BTreeSet<Identity>,
    pub(super) threshold: Threshold,
    /// The epoch to which it leads: the next one, if it has none to overtake.
    pub(crate) epoch: u64,
    /// Why it leads further, if it does.
    pub(crate) overtakes: Option<Box<Begun>>,
    pub(super) protocol: ProtocolId,
    /// The request, or what else it is for.
    pub(crate) occasion: Occasion,
}

fn asked(verified: &Verified) -> Result<ReshareRequest, ErrorBody> {
    let asked = match verified.operation() {
        Operation::Refresh => verified.body::<RefreshRequest>().map(Into::into),
        Operation::Rollback => verified.body::<RollbackRequest>().map(Into::into),
        _ => verified.body::<ReshareRequest>(),
    };
    asked.map_err(|error| refuse(error.code(), error.to_string()))
}

/// The wallet that such a request names.
pub(super) fn sought(verified: &Verified) -> Option<Sought> {
    Some(Sought::of(asked(verified).ok()?.wallet().ok()?))
}

impl ReshareJob {
    pub(super) fn new(
        verified: &Verified,
        wallets: &Wallets,
        peers: &Peers,
        config: &Config,
    ) -> Result<Self, ErrorBody> {
        let body = asked(verified)?;
        let reference = body.wallet().map_err(|error| refuse(error.code(), error.to_string()))?;
        let wallet = wallets
            .find(reference)?
            .ok_or_else(|| refuse(ErrorCode::UnknownWallet, "this node knows no such wallet"))?;
        let invalid = |message: String| refuse(ErrorCode::InvalidThreshold, message);
        let kept = if is_from_kept(verified) { Some(before(&wallet, wallets)?) } else { None };
        let target = match (verified.operation(), &kept) {
            (Operation::Rollback, Some(before)) => Some(before.old.committee.clone()),
            (Operation::Rollback, None) => Some(former(&wallet)?),
            _ => None,
        };
        let (signers, receivers) = match &target {
            Some(committee) => (committee.threshold().get(), nodes(committee)),
            None => {
                let same = wallet.public.committee.threshold().get();
                (body.new_threshold.unwrap_or(same), receivers(&body, &wallet, peers)?)
            }
        };
        if let Some(stranger) = receivers.iter().find(|node| peers.by_identity(node).is_none()) {
            let message = format!("{stranger} is not in the peers file any more: name the new_parties");
            return Err(refuse(ErrorCode::InvalidParties, message));
        }
        // What was allowed when it was made stays allowed.
        if *verified.operation() == Operation::Reshare {
            config
                .check_threshold(signers, receivers.len())
                .map_err(|error| invalid(format!("threshold {error}")))?;
        }
        if let Some(most) = wallet.method.most_signers()
            && usize::from(signers) > most
        {
            let method = wallet.method.name();
            return Err(invalid(format!(
                "threshold is {signers}, at most {most} nodes sign together by {method}"
            )));
        }
        let threshold = Threshold::new(signers).map_err(|error| invalid(error.to_string()))?;
        let request = verified.request();
        let occasion = Occasion { id: request.fingerprint(), asked_ms: millis(request.created()) };
        let job = Self::of(wallet, threshold, receivers, occasion)?;
        Ok(match kept {
            Some(Setup { old, former, .. }) => Self { old, from_kept: true, former, ..job },
            None => job,
        })
    }

    /// The same shares anew for the same holders, as was due when this was found.
    pub(crate) fn refresh(wallet: Arc<Wallet>, found_ms: u64) -> Result<Self, ErrorBody> {
        let (threshold, receivers) = (wallet.public.committee.threshold(), wallet.holders());
        // One for each epoch, whoever finds it.
        let id = Transcript::new(b"quorate/refresh/v1")
            .field("wallet", wallet.session().as_bytes())
            .field("generation", wallet.generation().as_bytes())
            .digest();
        Self::of(wallet, threshold, receivers, Occasion { id, asked_ms: found_ms })
    }

    fn of(
        wallet: Arc<Wallet>,
        threshold: Threshold,
        receivers: BTreeSet<Identity>,
        occasion: Occasion,
    ) -> Result<Self, ErrorBody> {
        let protocol = protocols::resharing(wallet.scheme).ok_or_else(|| {
            refuse(ErrorCode::UnsupportedProtocol, "nothing deals shares of this curve anew")
        })?;
        let (dealers, epoch) = (BTreeSet::new(), wallet.public.epoch.saturating_add(1));
        let (old, from_kept, former) = (wallet.public.clone(), false, wallet.former.clone());
        Ok(Self {
            wallet,
            old,
            from_kept,
            former,
            receivers,
            dealers,
            threshold,
            epoch,
            overtakes: None,
            protocol,
            occasion,
        })
    }

    /// Chooses who deals: holders that stay, without those that lost their shares, and as many that leave as are missing, in the order
    /// in which they are given.
    ///
    /// # Errors
    /// How many could deal, and how many must.
    pub(crate) fn appoint(
        &mut self,
        lost: &BTreeSet<Identity>,
        leaving: impl IntoIterator<Item = Identity>,
    ) -> Result<(), (usize, usize)> {
        let holders = self.holders();
        let fewest = fewest_dealers(&self.old.committee);
        let deals = |node: &Identity| holders.contains(node) && !lost.contains(node);
        self.dealers = self.receivers.iter().copied().filter(|node| deals(node)).collect();
        for node in leaving {
            if self.dealers.len() >= fewest {
                break;
            }
            if deals(&node) && !self.receivers.contains(&node) {
                self.dealers.insert(node);
            }
        }
        if self.dealers.len() < fewest { Err((self.dealers.len(), fewest)) } else { Ok(()) }
    }

    /// Has it lead beyond what it is to overtake, if there is something.
    pub(crate) fn overtake(&mut self, begun: Option<&Begun>) {
        let next = self.wallet.public.epoch.saturating_add(1);
        let begun = begun.filter(|begun| begun.epoch() >= next);
        self.epoch = begun.map_or(next, |begun| begun.epoch().saturating_add(1));
        self.overtakes = begun.map(|begun| Box::new(begun.clone()));
    }

    /// Takes over what the proposer has chosen: who deals, and the epoch to which it leads.
    ///
    /// # Errors
    /// They are no holders, or too few; the epoch is too far off.
    pub(crate) fn appointed(&mut self, dealers: BTreeSet<Identity>, epoch: u64) -> Result<(), String> {
        let (present, old) = (self.wallet.public.epoch, self.old.epoch);
        if epoch <= present || epoch.saturating_sub(old) > FARTHEST {
            return Err(format!("epoch {epoch} does not follow epoch {present}"));
        }
        self.epoch = epoch;
        let fewest = fewest_dealers(&self.old.committee);
        if !dealers.is_subset(&self.holders()) {
            return Err("somebody is to deal who holds no share".into());
        }
        if dealers.len() < fewest {
            return Err(format!("{} holders are to deal, and {fewest} must", dealers.len()));
        }
        self.dealers = dealers;
        Ok(())
    }

    /// The nodes that have shares to deal.
    pub(crate) fn holders(&self) -> BTreeSet<Identity> {
        nodes(&self.old.committee)
    }

    /// Whether others come to hold shares, or another number to sign.
    pub(crate) fn changes(&self) -> bool {
        let present = &self.wallet.public.committee;
        self.threshold != present.threshold() || self.receivers != nodes(present)
    }

    /// All that take part.
    pub(crate) fn parties(&self) -> BTreeSet<Identity> {
        self.dealers.union(&self.receivers).copied().collect()
    }

    /// Who takes part, under which index: a holder under its own, and a newcomer under the lowest that is free; if there are too few, also
    /// under one of a holder that takes no part.
    pub(super) fn committee(&self, chosen: &BTreeSet<Identity>) -> Result<Committee, String> {
        let old = &self.old.committee;
        let all = || (1..).map_while(|index| PartyIndex::new(index).ok());
        let stays =
            |index: &PartyIndex| old.member(*index).is_some_and(|member| chosen.contains(&member.identity));
        let free = all().filter(|index| !old.contains(*index));
        let mut free = free.chain(all().filter(|index| old.contains(*index) && !stays(index)));
        let mut member = |identity: &Identity| {
            let index = old.index_of(identity).or_else(|| free.next());
            index.map(|index| Member { index, identity: *identity })
        };
        let members: Option<Vec<_>> = chosen.iter().map(&mut member).collect();
        let members =
            members.ok_or_else(|| format!("{} nodes take part, which is too many", chosen.len()))?;
        Committee::new(self.threshold, members).map_err(|error| error.to_string())
    }

    pub(super) fn setup(&self, committee: &Committee) -> Result<Vec<u8>, WireError> {
        self.setup_of(committee).to_wire()
    }

    /// What the parties agreed upon, if it was this.
    pub(crate) fn agreed(&self, agreement: &Agreement) -> Option<Setup> {
        let setup = self.setup_of(agreement.committee());
        let digest = setup_digest(&setup.to_wire().ok()?);
        (digest == agreement.proposal().setup).then_some(setup)
    }

    fn setup_of(&self, committee: &Committee) -> Setup {
        let indices = |nodes: &BTreeSet<Identity>| {
            let of = |member: &&Member| nodes.contains(&member.identity);
            committee.members().iter().filter(of).map(|member| member.index).collect()
        };
        let (dealers, receivers) = (indices(&self.dealers), indices(&self.receivers));
        Setup {
            origin: self.wallet.session(),
            old: self.old.clone(),
            from_kept: self.from_kept,
            former: self.former.clone(),
            occasion: self.occasion,
            dealers,
            receivers,
        }
    }
}

/// Who shall hold shares: the nodes that are named; else the holders, of which some leave or to which some come in an order that follows from the
/// wallet alone, so that every node finds the same.
fn receivers(body: &ReshareRequest, wallet: &Wallet, peers: &Peers) -> Result<BTreeSet<Identity>, ErrorBody> {
    let invalid = |message: String| refuse(ErrorCode::InvalidParties, message);
    let holders = wallet.holders();
    let total = body.new_total.map(usize::from);
    let receivers: BTreeSet<_> = match (&body.new_parties, total) {
        (Some(names), _) => {
            let named = peers.identities(names);
            let named = named.map_err(|name| invalid(format!("there is no node {name} in this cluster")))?;
            let set: BTreeSet<_> = named.into_iter().collect();
            if set.len() != names.len() {
                return Err(invalid("new_parties names a node twice".into()));
            }
            set
        }
        (None, None) => holders,
        (None, Some(total)) => {
            let place = |node: &Identity| {
                let session = wallet.session();
                let transcript =
                    Transcript::new(b"quorate/reshare-order/v1").field("wallet", session.as_bytes());
                (!holders.contains(node), transcript.field("node", node.as_bytes()).digest())
            };
            let strangers = peers.all().iter().map(|peer| peer.identity);
            let mut nodes: Vec<_> = holders.iter().copied().chain(strangers).collect();
            nodes.sort_by_cached_key(place);
            nodes.dedup();
            nodes.into_iter().take(total).collect()
        }
    };
    if let Some(total) = total.filter(|total| *total != receivers.len()) {
        let message = match body.new_parties {
            Some(_) => format!("new_parties names {} nodes, new_total is {total}", receivers.len()),
            None => format!("new_total is {total}, this cluster has {} nodes", peers.len()),
        };
        return Err(refuse(ErrorCode::InvalidThreshold, message));
    }
    Ok(receivers)
}

fn nothing_before(message: &str) -> ErrorBody {
    refuse(ErrorCode::InvalidParties, format!("{message}: there is nothing to go back to"))
}

/// What made the present epoch, of the one before.
fn before(wallet: &Wallet, wallets: &Wallets) -> Result<Setup, ErrorBody> {
    let link = wallets.link(wallet).map_err(|error| refuse(ErrorCode::Internal, error.to_string()))?;
    link.map(|link| link.setup).ok_or_else(|| nothing_before("the wallet was never reshared"))
}

/// Who held the shares before their holders, or the number of signers, changed last.
fn former(wallet: &Wallet) -> Result<Committee, ErrorBody> {
    let message = "the same nodes have always held the wallet's shares, and as many of them have signed";
    wallet.former.clone().ok_or_else(|| nothing_before(message))
}

/// Whether a rollback is to be made from kept shares.
fn is_from_kept(verified: &Verified) -> bool {
    *verified.operation() == Operation::Rollback
        && verified.body::<RollbackRequest>().is_ok_and(|body| body.kept_shares)
}

fn nodes(committee: &Committee) -> BTreeSet<Identity> {
    committee.members().iter().map(|member| member.identity).collect()
}
